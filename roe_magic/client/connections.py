"""The connections that requests are sent on: an adapter of requests over pools of urllib3, with what is ours added.

* Responses have a deadline (:mod:`roe_magic.client.deadlines`).
* A kept connection that has been idle for a while is closed before it is used: a balancer may have forgotten it, and
  whether a POST on it was executed nobody would know.
* The API key is put into a request where its bytes go to the socket, so that no frame, header mapping or traceback of
  the HTTP libraries ever holds it.
"""

from __future__ import annotations

import http.client
import secrets
import ssl
import threading
import time
from typing import Any

import requests
from requests.adapters import HTTPAdapter
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.exceptions import NewConnectionError

from roe_magic.client.deadlines import DeadlineResponse
from roe_magic.client.delivery import Delivery
from roe_magic.config.secret import Secret

# Seconds after which a POST is not sent on a connection that nobody used; servers close theirs after 5 and more.
IDLE_SECONDS = 2.0
# Stands for the key in the headers; nobody else can have it in a request.
_PLACEHOLDER = secrets.token_hex(16)


class BearerHeader(str):
    """The value of an Authorization header: a placeholder for the key, and what is needed when it is sent."""

    key: Secret
    delivery: Delivery

    def put_into(self, head: bytes) -> memoryview:
        """Return the head of a request with the key where its placeholder was; a view shows no bytes in a traceback."""
        return memoryview(head.replace(_PLACEHOLDER.encode(), self.key.reveal().encode()))


class BearerAuth(requests.auth.AuthBase):
    """Puts the header on a request; where there is an ``auth``, requests does not look into ``~/.netrc``."""

    def __init__(self, key: Secret, delivery: Delivery) -> None:
        self._header = BearerHeader(f"Bearer {_PLACEHOLDER}")
        self._header.key, self._header.delivery = key, delivery

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        """Put it on a request."""
        request.headers["Authorization"] = self._header
        return request


class _Connecting:
    """What both kinds of connections have of ours."""

    response_class: Any = DeadlineResponse
    sock: Any
    _bearer: BearerHeader | None = None
    # When a response was last read from it; by the wall clock, which goes on while a laptop sleeps.
    used_at = 0.0

    def connect(self) -> None:
        """Connect; a failure before the connection is made, TLS and a proxy's tunnel included, is NewConnectionError.

        Nothing of the request was sent by then, so it may be sent again.
        """
        try:
            super().connect()  # type: ignore[misc]  # the connection's
        except ssl.SSLCertVerificationError:
            raise
        except (OSError, http.client.HTTPException) as error:
            raise NewConnectionError(self, str(error)) from error  # type: ignore[arg-type]  # mixed in

    def putheader(self, header: str, *values: Any) -> None:
        """Add a header to the request."""
        self._bearer = next((value for value in values if isinstance(value, BearerHeader)), self._bearer)
        super().putheader(header, *values)  # type: ignore[misc]

    def send(self, data: Any) -> None:
        """Send the head or a part of the body; the key is put into the head."""
        bearer, self._bearer = self._bearer, None
        if bearer is None:
            super().send(data)  # type: ignore[misc]
            return
        if self.sock is None:
            self.connect()
        bearer.delivery.begin()
        self.sock.sendall(bearer.put_into(data))


class _HTTPConnection(_Connecting, HTTPConnection):  # type: ignore[misc]  # its headers may be anything, there
    pass


class _HTTPSConnection(_Connecting, HTTPSConnection):  # type: ignore[misc]
    pass


class _Keeping:
    """A pool that sends no POST on a connection which was idle for long; a GET on one may be sent again."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._current = threading.local()

    def urlopen(self, method: str, *args: Any, **kwargs: Any) -> Any:
        """Send a request on one of the connections."""
        self._current.method = method
        return super().urlopen(method, *args, **kwargs)  # type: ignore[misc]

    def _get_conn(self, timeout: float | None = None) -> Any:
        connection = super()._get_conn(timeout)  # type: ignore[misc]
        if self._current.method != "GET" and abs(time.time() - connection.used_at) > IDLE_SECONDS:
            connection.close()  # it connects anew when it is used
        return connection

    def _put_conn(self, connection: Any) -> None:
        if connection is not None:
            connection.used_at = time.time()
        super()._put_conn(connection)  # type: ignore[misc]


class _HTTPPool(_Keeping, HTTPConnectionPool):
    ConnectionCls = _HTTPConnection


class _HTTPSPool(_Keeping, HTTPSConnectionPool):
    ConnectionCls = _HTTPSConnection


_POOLS = {"http": _HTTPPool, "https": _HTTPSPool}


class Adapter(HTTPAdapter):
    """An adapter of requests that uses these connections, directly or through a proxy."""

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        """Make the pools of direct connections."""
        super().init_poolmanager(*args, **kwargs)
        self.poolmanager.pool_classes_by_scheme = _POOLS

    def proxy_manager_for(self, *args: Any, **kwargs: Any) -> Any:
        """Return the pools of connections through a proxy."""
        manager = super().proxy_manager_for(*args, **kwargs)
        manager.pool_classes_by_scheme = _POOLS
        return manager
