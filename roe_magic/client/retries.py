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

# A server that says "come back tomorrow" is asked again after this long at the latest.
LONGEST_RETRY_AFTER = 300.0


def backoff(attempt: int, *, rng: Callable[[], float] = _random.random) -> float:
    """Return the seconds to pause after attempt ``attempt`` (from 0): doubling, at most 5 s, half of it random."""
    return min(0.25 * 2.0 ** min(attempt, 10), 5.0) * (0.5 + 0.5 * rng())


def parse_retry_after(
    header: str | None, date: str | None = None, *, now: Callable[[], float] = time.time
) -> float | None:
    """Return the seconds that a Retry-After header asks for; None where it cannot be read.

    Parameters
    ----------
    header : str, optional
        A number of seconds, or a date.
    date : str, optional
        The ``Date`` header of the same response: by the server's own clock, since ours may be wrong.
    now : callable
        The time of this machine, where the response has no such header.
    """
    if header is None:
        return None
    text = header.strip()
    if text.isascii() and text.isdigit():
        return min(float(text), LONGEST_RETRY_AFTER)
    until, since = _timestamp(text), _timestamp(date or "")
    if until is None:
        return None
    return min(max(until - (now() if since is None else since), 0.0), LONGEST_RETRY_AFTER)


def _timestamp(text: str) -> float | None:
    try:
        date = parsedate_to_datetime(text)
        # HTTP's dates are in GMT, whether they say so or not.
        return (date if date.tzinfo else date.replace(tzinfo=timezone.utc)).timestamp()
    except (ValueError, TypeError, OverflowError):
        return None


def attempts(
    retries: int,
    *,
    budget: float,
    clock: Callable[[], float] = time.monotonic,
    pause: Callable[[float], bool],
    rng: Callable[[], float] = _random.random,
) -> Iterator[Attempt]:
    """Yield attempts until one is not marked as failed, the retries are used up, or ``budget`` seconds have passed.

    The loop over it returns on success, and calls ``attempt.failed(error)`` on a failure that may be retried. The error
    of the last attempt is raised; so it is where ``pause(seconds)`` says that the caller has left.
    """
    start = clock()
    for number in range(retries + 1):
        attempt = Attempt(last=number == retries)
        yield attempt
        seconds = attempt.retry_after if attempt.retry_after is not None else backoff(number, rng=rng)
        if attempt.error is not None and (clock() - start + seconds > budget or pause(seconds)):
            raise attempt.error


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
