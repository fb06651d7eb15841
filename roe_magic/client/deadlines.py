"""Connections whose responses have a total deadline, however slowly their bytes arrive.

urllib3 builds its connection pools from :data:`POOL_CLASSES`; their connections read each response through a
``_DeadlineReader``, which lowers the socket's timeout with every read.
"""

from __future__ import annotations

import contextlib
import http.client
import io
import ssl
import time
from typing import Any

from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.exceptions import NewConnectionError


class _DeadlineReader(io.RawIOBase):
    """Reads the bytes of a response until its total time is over.

    A socket's timeout starts anew with every byte; this one counts from when the request was sent.
    """

    def __init__(self, raw: Any, sock: Any) -> None:
        self._raw, self._sock = raw, sock
        self.ended = False
        self._timeout = sock.gettimeout()
        self._ends = None if self._timeout is None else time.monotonic() + self._timeout

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int | None:
        if self._ends is not None:
            remaining = self._ends - time.monotonic()
            if remaining <= 0:
                raise TimeoutError("timed out")
            self._sock.settimeout(remaining)
        count: int | None = self._raw.readinto(buffer)
        self.ended = count == 0
        return count

    def close(self) -> None:
        # The next request on this connection has its whole time again.
        with contextlib.suppress(OSError):
            self._sock.settimeout(self._timeout)
        self._raw.close()
        super().close()


class _DeadlineResponse(http.client.HTTPResponse):
    def __init__(self, sock: Any, *args: Any, **kwargs: Any) -> None:
        super().__init__(sock, *args, **kwargs)
        self._reader = _DeadlineReader(self.fp.detach(), sock)
        self.fp = io.BufferedReader(self._reader)

    def begin(self) -> None:
        super().begin()
        if self._reader.ended:  # http.client accepts headers that are cut off
            raise http.client.HTTPException("the response ended within its headers")


class _Connecting:
    """Raises NewConnectionError for a failure before the connection is made, TLS and a proxy's tunnel included.

    Nothing of the request was sent by then, so it may be retried.
    """

    def connect(self) -> None:
        try:
            super().connect()  # type: ignore[misc]  # the connection's
        except ssl.SSLCertVerificationError:
            raise
        except (OSError, http.client.HTTPException) as error:
            raise NewConnectionError(self, str(error)) from error  # type: ignore[arg-type]  # mixed in


class _HTTPConnection(_Connecting, HTTPConnection):
    response_class = _DeadlineResponse


class _HTTPSConnection(_Connecting, HTTPSConnection):
    response_class = _DeadlineResponse


class _HTTPPool(HTTPConnectionPool):
    ConnectionCls = _HTTPConnection


class _HTTPSPool(HTTPSConnectionPool):
    ConnectionCls = _HTTPSConnection


# The pool class of each scheme, for a pool manager of urllib3.
POOL_CLASSES = {"http": _HTTPPool, "https": _HTTPSPool}
