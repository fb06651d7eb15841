"""How far a statement is, reported to the service several times a second while it runs."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping

from roe_magic.contract import models

PROGRESS_SECONDS = 0.1
_PROGRESS_COUNTERS = (
    "read_rows", "read_bytes", "total_rows_to_read", "written_rows", "written_bytes", "elapsed_ns",
)  # fmt: skip  # one name per line would hide the rest

OnProgress = Callable[[dict[str, int]], None]


class ProgressThrottle:
    """Called by ClickHouse with every progress of a statement; passes it on at most every 100 ms.

    Parameters
    ----------
    on_progress : callable
        Takes the fields of models.Progress.
    statement, statements : int
        Which statement runs, counted from 0, and how many there are.
    """

    def __init__(self, on_progress: OnProgress, statement: int, statements: int) -> None:
        self._on_progress, self._position = on_progress, {"statement": statement, "statements": statements}
        # A statement that ends sooner needs no progress.
        self._next_report = time.monotonic() + PROGRESS_SECONDS
        self.counters: dict[str, int] = {}
        self._reported: Mapping[str, int] = {}

    def __call__(self, progress: Mapping[str, int]) -> None:
        """Take one progress of ClickHouse."""
        latest = self.counters
        self.counters = {name: max(int(progress.get(name, 0)), latest.get(name, 0)) for name in _PROGRESS_COUNTERS}
        now = time.monotonic()
        if now >= self._next_report:
            self._next_report = now + PROGRESS_SECONDS
            self._report(self.counters)

    def end(self, summary: models.Summary) -> None:
        """Report the final figures of a statement whose progress was reported, so that the last ones are exact."""
        if self._reported and self._reported["read_rows"] < summary.read_rows:
            self._report({name: getattr(summary, name) for name in _PROGRESS_COUNTERS})

    def _report(self, counters: Mapping[str, int]) -> None:
        self._reported = counters
        self._on_progress({**counters, **self._position})
