"""When the status is asked for next, and for how long failures are tolerated.

Pure decisions: the clock and the random source come from outside. ``docs/polling.md`` explains the numbers.
"""

from __future__ import annotations

import random as _random
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

# The pause before the next poll is a tenth of the elapsed time, within these bounds in seconds.
FRACTION, MIN_PAUSE, MAX_PAUSE = 0.10, 0.05, 2.0
# A process that watches more queries than this pauses longer.
MANY_LIVE, MAX_PAUSE_WITH_MANY = 20, 5.0
JITTER = 0.10
# Failures in a row are tolerated for so long; and what may never come, such as a status of a query that the server's
# replicas do not know yet, or rows a moment after SUCCESS.
PATIENCE, SHORT_PATIENCE = 120.0, 10.0


def next_poll(elapsed: float, *, live: int = 1, rng: Callable[[], float] = _random.random) -> float:
    """Return the seconds to pause before the next status request.

    Parameters
    ----------
    elapsed : float
        Seconds since the query was submitted.
    live : int
        How many queries this process watches.
    rng : callable
        Returns a number in [0, 1).
    """
    longest = MAX_PAUSE_WITH_MANY if live > MANY_LIVE else MAX_PAUSE
    return min(max(elapsed * FRACTION, MIN_PAUSE), longest) * (1 + JITTER * (2 * rng() - 1))


@dataclass
class Patience:
    """How long failures in a row are tolerated.

    Attributes
    ----------
    limit : float
        Seconds.
    clock : callable
        Monotonic, in seconds.
    failing_since : float or None
        When the first failure of the present row came; None after a success.
    """

    limit: float = PATIENCE
    clock: Callable[[], float] = time.monotonic
    failing_since: float | None = None

    def succeeded(self) -> None:
        """End the row of failures."""
        self.failing_since = None

    def failed(self) -> float:
        """Count one failure and return the seconds since the first of its row."""
        now = self.clock()
        self.failing_since = now if self.failing_since is None else self.failing_since
        return now - self.failing_since

    @property
    def is_over(self) -> bool:
        """Whether the failures have lasted for the limit."""
        return self.failing_since is not None and self.clock() - self.failing_since >= self.limit


class WatchedQueries:
    """Counts the queries that this process watches: each of many is polled less often.

    It has no lock, which a process that is forked might inherit while it is held.
    """

    def __init__(self) -> None:
        self._watched: set[object] = set()

    @property
    def count(self) -> int:
        """How many there are now."""
        return len(self._watched)

    @contextmanager
    def counted(self) -> Iterator[None]:
        """Count one more query while the block runs."""
        query = object()
        self._watched.add(query)
        try:
            yield
        finally:
            self._watched.discard(query)


watched_queries = WatchedQueries()
