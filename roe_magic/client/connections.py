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
import time
from typing import Any

import requests
from requests.adapters import HTTPAdapter
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.exceptions import NewConnectionError

from roe_magic.client.deadlines import DeadlineResponse
from roe_magic.config.secret import Secret

# Seconds after which a connection that nobody used is not trusted any more.
IDLE_SECONDS = 5.0
# Stands for the key in the headers; nobody else can have it in a request.
_PLACEHOLDER = secrets.token_hex(16)


class _Concealed(bytes):
    """Bytes with the key in them, which a debugger or a verbose traceback does not show."""

    __slots__ = ()

    def __repr__(self) -> str:
        return "<the head of a request>"

    __str__ = __repr__


class BearerHeader(str):
    """The value of an Authorization header, with a placeholder for the key."""

    _key: Secret

    def __new__(cls, key: Secret) -> BearerHeader:
        """Make the header of a key."""
        header = super().__new__(cls, f"Bearer {_PLACEHOLDER}")
        header._key = key
        return header

    def put_into(self, head: bytes) -> bytes:
        """Return the head of a request with the key where its placeholder was."""
        return _Concealed(head.replace(_PLACEHOLDER.encode(), self._key.reveal().encode()))


class BearerAuth(requests.auth.AuthBase):
    """Puts the header of an API key on each request; with one, requests does not look into ``~/.netrc``."""

    def __init__(self, key: Secret) -> None:
        self._header = BearerHeader(key)

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        """Put it on a request."""
        request.headers["Authorization"] = self._header
        return request


class _Connecting:
    """What both kinds of connections have of ours."""

    response_class: Any = DeadlineResponse
    _bearer: BearerHeader | None = None
    # When a response was last read from it.
    used_at = float("-inf")

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
        if self._bearer is not None:
            bearer, self._bearer = self._bearer, None
            data = bearer.put_into(data)
        super().send(data)  # type: ignore[misc]


class _HTTPConnection(_Connecting, HTTPConnection):  # type: ignore[misc]  # its headers may be anything, there
    pass


class _HTTPSConnection(_Connecting, HTTPSConnection):  # type: ignore[misc]
    pass


class _Keeping:
    """A pool that closes a connection which was idle for long, instead of sending a request on it."""

    def _get_conn(self, timeout: float | None = None) -> Any:
        connection = super()._get_conn(timeout)  # type: ignore[misc]
        if time.monotonic() - connection.used_at > IDLE_SECONDS:
            connection.close()  # it connects anew when it is used
        return connection

    def _put_conn(self, connection: Any) -> None:
        if connection is not None:
            connection.used_at = time.monotonic()
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
