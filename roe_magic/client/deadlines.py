"""Responses that are read within a deadline, however slowly their bytes arrive.

A socket's own timeout starts anew with every byte, so that a byte now and then holds a caller for ever. The deadline of
these responses counts from when the request was sent; only whole blocks of bytes give it more time.
"""

from __future__ import annotations

import contextlib
import http.client
import io
import time
from typing import Any

# So many bytes start the deadline anew: a download lives as long as it goes on, a drip and a silence end.
RENEWING_BYTES = 1 << 16
# More interim responses than this to one request are a fault, not hints.
_MOST_INTERIM = 100


class _DeadlineReader(io.RawIOBase):
    """Reads the bytes of a response until its time is over."""

    def __init__(self, raw: Any, sock: Any) -> None:
        self._raw, self._sock = raw, sock
        self.ended = False
        self._timeout = sock.gettimeout()
        self._renew()

    def _renew(self) -> None:
        self._ends = None if self._timeout is None else time.monotonic() + self._timeout
        self._missing = RENEWING_BYTES

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
        self._missing -= count or 0
        if self._missing <= 0:
            self._renew()
        return count

    def close(self) -> None:
        # The next request on this connection has its whole time again.
        with contextlib.suppress(OSError):
            self._sock.settimeout(self._timeout)
        self._raw.close()
        super().close()


class DeadlineResponse(http.client.HTTPResponse):
    """A response whose bytes have a deadline, and whose interim responses (103 Early Hints) are passed over."""

    def __init__(self, sock: Any, *args: Any, **kwargs: Any) -> None:
        super().__init__(sock, *args, **kwargs)
        self._reader = _DeadlineReader(self.fp.detach(), sock)
        self.fp = io.BufferedReader(self._reader)

    def begin(self) -> None:
        """Read the status and the headers."""
        super().begin()
        if self._reader.ended:  # http.client accepts headers that are cut off
            raise http.client.HTTPException("the response ended within its headers")

    def _read_status(self) -> tuple[str, int, str]:
        # http.client passes over 100 alone.
        for _ in range(_MOST_INTERIM):
            version, status, reason = super()._read_status()  # type: ignore[misc]  # not among its public methods
            if not 100 < status < 200 or status == http.client.SWITCHING_PROTOCOLS:
                return version, status, reason
            http.client.parse_headers(self.fp)
        raise http.client.HTTPException("the server sent interim responses only")
