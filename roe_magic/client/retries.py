"""Whether and when a request is sent again, and how many requests one client sends a second.

Pure decisions: the clock, the sleep and the random source come from outside.
"""

from __future__ import annotations

import random as _random
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import timezone
from email.utils import parsedate_to_datetime
from typing import Any

from roe_magic.client.messages import Request
from roe_magic.errors import CertificateRefused, ConnectFailed, RoeAPIException, RoeError, TransportError

# A server that says "come back tomorrow" is asked again after this long at the latest.
LONGEST_RETRY_AFTER = 300.0
# Statuses after which a GET, or a POST that was refused with a Retry-After, may succeed at the next attempt.
_RETRYABLE_GET = {429, 500, 502, 503, 504}
_RETRYABLE_POST = {429, 503}


def is_retryable(request: Request, error: RoeError) -> bool:
    """Whether a request may be sent again after this error, without running anything twice."""
    if isinstance(error, ConnectFailed):
        return not isinstance(error, CertificateRefused)
    if isinstance(error, RoeAPIException):
        if request.method == "GET":
            return error.status_code in _RETRYABLE_GET
        return error.status_code in _RETRYABLE_POST and error.retry_after is not None
    return request.method == "GET" and isinstance(error, TransportError)


def backoff(attempt: int, *, rng: Callable[[], float] = _random.random) -> float:
    """Return the seconds to pause after attempt ``attempt`` (from 0): doubling, at most 5 s, half of it random."""
    return min(0.25 * 2.0 ** min(attempt, 10), 5.0) * (0.5 + 0.5 * rng())


def parse_retry_after(header: str | None, *, now: Callable[[], float] = time.time) -> float | None:
    """Return the seconds that a Retry-After header asks for, as a number or a date; None where it cannot be read."""
    if header is None:
        return None
    text = header.strip()
    if text.isascii() and text.isdigit():
        return min(float(text), LONGEST_RETRY_AFTER)
    try:
        date = parsedate_to_datetime(text)
        # HTTP's dates are in GMT, whether they say so or not.
        seconds = (date if date.tzinfo else date.replace(tzinfo=timezone.utc)).timestamp() - now()
    except (ValueError, TypeError, OverflowError):
        return None
    return min(max(seconds, 0.0), LONGEST_RETRY_AFTER)


def attempts(
    retries: int,
    *,
    budget: float,
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], Any] = time.sleep,
    rng: Callable[[], float] = _random.random,
) -> Iterator[Attempt]:
    """Yield attempts until one is not marked as failed, the retries are used up, or ``budget`` seconds have passed.

    The loop over it returns on success, and calls ``attempt.failed(error)`` on a failure that may be retried. The error
    of the last attempt is raised.
    """
    start = clock()
    for number in range(retries + 1):
        attempt = Attempt(last=number == retries)
        yield attempt
        pause = attempt.retry_after if attempt.retry_after is not None else backoff(number, rng=rng)
        if attempt.error is not None and clock() - start + pause > budget:
            raise attempt.error
        sleep(pause)


@dataclass
class Attempt:
    """One attempt at a request."""

    last: bool
    error: Exception | None = None
    retry_after: float | None = None

    def failed(self, error: Exception, retry_after: float | None = None) -> None:
        """Mark this attempt as failed; raise the error if it was the last one."""
        if self.last:
            raise error
        self.error, self.retry_after = error, retry_after


@dataclass
class RateLimit:
    """A token bucket that keeps one client under ``rate`` requests a second; thread-safe."""

    rate: float = 100.0
    burst: int = 20
    clock: Callable[[], float] = time.monotonic
    _free_at: float = field(default=float("-inf"), repr=False)
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False)

    def delay(self) -> float:
        """Reserve the next request and return the seconds to wait before it is sent."""
        with self._lock:
            now = self.clock()
            # The bucket is full when the last booking lies `burst` requests back.
            self._free_at = max(self._free_at, now - self.burst / self.rate) + 1 / self.rate
            return max(0.0, self._free_at - now)
