"""What the panel shows of a query's progress: the bar, the figures beside it, the timeline."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from roe_magic.contract import models
from roe_magic.formatting import about, count, duration, plural, size
from roe_magic.query.query_state import QueryState


def figures_while_live(state: QueryState, phase: str) -> dict[str, Any]:
    """Return the view's entries that only a query that is watched has, and the rows that it has read."""
    progress = state.progress
    return {
        "bar": _bar(state, phase) if state.watched else None,
        "figures": _figures(state) if state.watched else [],
        "read_rows": None if progress is None else progress.read_rows,
    }


def timeline(state: QueryState) -> list[list[Any]]:
    """Return the known time spans, oldest first; the last one grows while the query is in it."""
    growing = {models.PENDING: "queued", models.STARTED: "running"}.get(state.status_word or "")
    spans = [("queued", _queued(state)), ("running", _running(state))]
    return [
        [name, max(seconds, 0.0), duration(seconds), state.watched and name == growing]
        for name, seconds in spans
        if seconds is not None
    ]


def _bar(state: QueryState, phase: str) -> list[Any]:
    """Return the fraction that is done (None when nobody knows) and the words for it."""
    done, total, what = _share(state)
    if not total:
        return [None, phase]
    fraction = min(done / total, 1.0)
    return [fraction, f"{int(fraction * 100)} % of {what}"]


def _share(state: QueryState) -> tuple[int, int, str]:
    if state.download is not None:
        total = state.download.size or 0
        return state.download.received, total, size(total)
    progress = state.progress
    # Once all is read the engine still sorts and joins: nobody knows for how long, so a full bar would not be true.
    if progress is None or progress.read_rows >= progress.total_rows_to_read:
        return 0, 0, ""
    return progress.read_rows, progress.total_rows_to_read, plural(progress.total_rows_to_read, "row")


def _figures(state: QueryState) -> list[str]:
    if (download := state.download) is not None:
        of_size = f"{size(download.received)} of {size(download.size)}" if download.size else size(download.received)
        return [f"{of_size} downloaded", *([plural(download.rows, "row")] if download.rows else [])]
    progress = state.progress
    if progress is None:
        return []
    left = f" of {count(progress.total_rows_to_read)}" if progress.total_rows_to_read > progress.read_rows else ""
    figures = [
        f"statement {progress.statement + 1} of {progress.statements}" if progress.statements > 1 else "",
        f"{count(progress.read_rows)}{left} rows read",
        size(progress.read_bytes) if progress.read_bytes else "",
        _rate(progress),
        rows_written(state),
    ]
    return [figure for figure in figures if figure]


def _rate(progress: models.Progress) -> str:
    # The first tenth of a second says nothing about speed.
    if progress.elapsed_ns < 100_000_000:
        return ""
    return f"{about(progress.read_rows / progress.elapsed_ns * 1e9)} rows/s"


def _queued(state: QueryState) -> float | None:
    """Return the seconds from submit to start, or to now while the query waits."""
    # The client's clock knows only queries that were submitted here.
    if state.status == models.PENDING and not state.attached:
        return state.elapsed
    return _seconds(state.queued)


def _running(state: QueryState) -> float | None:
    """Return the seconds from start to end, or to now while the query runs."""
    if state.status == models.STARTED and state.queued is not None and not state.attached:
        return max(elapsed_of(state) - state.queued.total_seconds(), 0.0)
    return _seconds(state.running)


def _seconds(span: timedelta | None) -> float | None:
    return None if span is None else span.total_seconds()


def rows_written(state: QueryState) -> str:
    """Return how many rows the query has written, in words; an empty string for none."""
    progress = state.progress
    return f"wrote {plural(progress.written_rows, 'row')}" if progress and progress.written_rows else ""


def elapsed_of(state: QueryState) -> float:
    """Return the seconds since the submit, 0 where nobody watched."""
    return max(state.elapsed or 0.0, 0.0)
