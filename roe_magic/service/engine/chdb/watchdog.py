"""Ends statements that run past their time limit, whatever the engine does.

ClickHouse looks at its own limit between two blocks of rows. A function that takes long over a single block does not
end then, nor does a long text that is parsed, or rows that are converted. So every statement is watched from its
beginning to its end, by one thread of the worker, which calls :meth:`Watchdog.check` again and again. Past the limit
and a little grace it has ClickHouse kill the statement, each time. If the statement still runs some seconds later, its
caller is told so, and the process ends, since nothing else ends a thread that is inside the engine.
"""

from __future__ import annotations

import contextlib
import os
import sys
import threading
import time
from collections.abc import Callable, Iterator

# How long a statement may run on after its limit, so that ClickHouse's own error comes first.
GRACE_SECONDS = 2.0
# How long the engine may take to stop a statement before the process ends.
STOP_SECONDS = 5.0
CHECK_SECONDS = 0.5


class StatementWatch:
    """A statement that runs, and how long it may.

    Parameters
    ----------
    name : str
        By which a kill finds it: the id of its job.
    limit : float
        Seconds from now; 0 or less means no limit.
    give_up : callable
        Is called before the process ends, with what to tell the caller.
    clock : callable
        Returns seconds that only rise.
    """

    def __init__(self, name: str, limit: float, give_up: Callable[[str], None], clock: Callable[[], float]) -> None:
        self.name, self.limit, self.give_up = name, max(limit, 0.0), give_up
        self._started = clock()
        self._expired: float | None = None

    def lower(self, limit: float) -> None:
        """Shorten the time that the statement may run, counted from its beginning; 0 or less changes nothing."""
        if limit > 0:
            self.limit = min(self.limit or limit, limit)

    @property
    def error(self) -> str | None:
        """What to tell the caller if the statement has run past its limit; None if it has not."""
        if self._expired is None:
            return None
        return (
            f"Code: 159. The statement ran longer than its limit of {self.limit:g} s and was ended. (TIMEOUT_EXCEEDED)"
        )

    def seconds_past(self, now: float) -> float | None:
        """Return for how long the statement has been known to be past its limit; None if it is not."""
        if self._expired is None and self.limit and now >= self._started + self.limit + GRACE_SECONDS:
            self._expired = now
        return None if self._expired is None else now - self._expired


class Watchdog:
    """Watches the statements that run.

    Parameters
    ----------
    kill : callable
        Has ClickHouse kill the statement of a job, and returns at once.
    clock : callable
        Returns seconds that only rise.
    end_process : callable
        Is called when a statement cannot be stopped.
    """

    def __init__(
        self,
        kill: Callable[[str], object],
        clock: Callable[[], float] = time.monotonic,
        end_process: Callable[[], object] = lambda: os._exit(1),
    ) -> None:
        self._kill, self._clock, self._end_process = kill, clock, end_process
        self._lock = threading.Lock()
        self._watches: set[StatementWatch] = set()

    @contextlib.contextmanager
    def watch(self, name: str, limit: float, give_up: Callable[[str], None]) -> Iterator[StatementWatch]:
        """Watch a statement until the block ends; see :class:`StatementWatch`."""
        watch = StatementWatch(name, limit, give_up, self._clock)
        with self._lock:
            self._watches.add(watch)
        try:
            yield watch
        finally:
            with self._lock:
                self._watches.discard(watch)

    def start(self) -> None:
        """Check from now on, on a thread of its own."""
        threading.Thread(target=self._run, name="watchdog", daemon=True).start()

    def check(self) -> None:
        """Kill the statements that are past their limit; end the process if one of them has not stopped."""
        # A statement cannot end while this looks at it, so the process never ends because of one that has.
        with self._lock:
            for watch in self._watches:
                seconds = watch.seconds_past(self._clock())
                if seconds is not None and seconds >= STOP_SECONDS:
                    self._give_up(watch)
                elif seconds is not None:
                    with contextlib.suppress(RuntimeError):  # there may be no thread left for it
                        self._kill(watch.name)

    def _give_up(self, watch: StatementWatch) -> None:
        print(f"A statement of {watch.name} does not stop; the process ends.", file=sys.stderr, flush=True)  # the log
        try:
            watch.give_up(watch.error or "")
        finally:
            self._end_process()

    def _run(self) -> None:
        while True:
            time.sleep(CHECK_SECONDS)
            self.check()
