"""Responses that are read within a deadline, however slowly their bytes arrive.

A socket's own timeout starts anew with every byte, so that a byte now and then holds a caller for ever. The deadline of
these responses is for all that is waited for from when the request was sent. That of a download is for silence, and for
what is as good as silence: see :func:`keep_alive`.
"""

from __future__ import annotations

import contextlib
import http.client
import io
import time
from typing import Any

# A download that is kept alive has to bring so many bytes for each second of its deadline.
LEAST_BYTES_PER_SECOND = 1024
# More interim responses than this to one request are a fault, not hints.
_MOST_INTERIM = 20


class _DeadlineReader(io.RawIOBase):
    """Reads the bytes of a response until the time for waiting is over; what the caller does between is not counted."""

    def __init__(self, raw: Any, sock: Any) -> None:
        self._raw, self._sock = raw, sock
        self._timeout: float | None = sock.gettimeout()
        self._remaining = self._timeout
        # Bytes after which the deadline starts anew; None where it does not.
        self.renewing_bytes: float | None = None
        self._new_bytes = 0
        self.ended = False

    def keep_alive(self) -> None:
        self.renewing_bytes = (self._timeout or 0.0) * LEAST_BYTES_PER_SECOND

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int | None:
        count = self._read(buffer)
        self.ended = count == 0
        self._new_bytes += count or 0
        if self.renewing_bytes is not None and self._new_bytes >= self.renewing_bytes:
            self._new_bytes, self._remaining = 0, self._timeout
        return count

    def _read(self, buffer: Any) -> int | None:
        if self._remaining is None:
            return self._raw.readinto(buffer)  # type: ignore[no-any-return]
        if self._remaining <= 0:
            raise TimeoutError("timed out")
        self._sock.settimeout(self._remaining)
        began = time.monotonic()
        try:
            return self._raw.readinto(buffer)  # type: ignore[no-any-return]
        finally:
            self._remaining -= time.monotonic() - began

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

    def keep_alive(self) -> None:
        """Start the deadline anew with the bytes that come, from now on."""
        self._reader.keep_alive()

    def begin(self) -> None:
        """Read the status and the headers."""
        super().begin()
        if self._reader.ended:  # http.client accepts headers that are cut off
            raise http.client.HTTPException("the response ended within its headers")
        # Lines that are no headers urllib3 would write into its log, as they came.
        self.headers.defects.clear()
        self.headers.set_payload("")

    def _read_status(self) -> tuple[str, int, str]:
        # http.client passes over 100 alone.
        for _ in range(_MOST_INTERIM):
            version, status, reason = super()._read_status()  # type: ignore[misc]  # not among its public methods
            if not 100 < status < 200 or status == http.client.SWITCHING_PROTOCOLS:
                return version, status, reason
            http.client.parse_headers(self.fp)
        raise http.client.HTTPException("the server sent interim responses only")


def keep_alive(response: Any) -> None:
    """Let a response of urllib3 live as long as it goes on: its deadline starts anew with the bytes that come.

    They must be as many as 1 kB for each second of the deadline, so that a drip ends like a silence.
    """
    response._original_response.keep_alive()  # noqa: SLF001  # urllib3 has no other way to the response below its own
