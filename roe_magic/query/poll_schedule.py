"""When to ask again: pure decisions, with the clock, the sleep and the dice given from outside."""

from __future__ import annotations

import random as _random
import time
from collections.abc import Callable
from dataclasses import dataclass

# Shares of the elapsed time, in seconds: a poll at 10 % notices the end soon and asks seldom (docs/polling.md).
FRACTION, SHORTEST, LONGEST, LONGEST_WHEN_BUSY, BUSY = 0.10, 0.05, 2.0, 5.0, 20
JITTER = 0.10
PATIENCE = 120.0


def next_poll(elapsed: float, *, live: int = 1, dice: Callable[[], float] = _random.random) -> float:
    """Tell how long to wait before the next status request.

    Parameters
    ----------
    elapsed : float
        Seconds since the query was submitted.
    live : int
        How many queries this process watches.
    dice : callable
        Gives a number in [0, 1).

    Returns
    -------
    float
        Seconds.
    """
    longest = LONGEST_WHEN_BUSY if live > BUSY else LONGEST
    return min(max(elapsed * FRACTION, SHORTEST), longest) * (1 + JITTER * (2 * dice() - 1))


@dataclass
class Patience:
    """How long a watcher puts up with failures in a row before it gives up."""

    limit: float = PATIENCE
    clock: Callable[[], float] = time.monotonic
    since: float | None = None

    def good(self) -> None:
        """Note an answer."""
        self.since = None

    def bad(self) -> float:
        """Note a failure; gives the seconds since the first of this run of failures."""
        now = self.clock()
        self.since = now if self.since is None else self.since
        return now - self.since

    def is_over(self) -> bool:
        """Whether the failures have lasted longer than the limit."""
        return self.since is not None and self.clock() - self.since >= self.limit
