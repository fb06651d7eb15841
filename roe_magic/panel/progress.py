"""What the panel shows of a query's progress: the bar, its share in words, the time left, the figures beside it."""

from __future__ import annotations

from typing import Any

from roe_magic.contract import models
from roe_magic.formatting import about, about_duration, duration, plural, size
from roe_magic.query.query_state import QueryState

# The beginning says little about the speed of the rest: no time left is estimated from less than this.
_SECONDS_OBSERVED, _SHARE_OBSERVED = 2.0, 0.05
# A shorter wait in the queue is not worth a word.
_SECONDS_QUEUED = 1.0


def progress_while_live(state: QueryState, phase: str) -> dict[str, Any]:
    """Return the view's entries that only a query that is watched has, and the rows that it has read."""
    progress = state.progress
    done, total, what = _work(state) if state.watched else (0, 0, "")
    fraction = min(done / total, 1.0) if total else None
    return {
        "bar": [fraction, _bar_words(fraction, what, phase)] if state.watched else None,
        "share": _share(state, fraction) if state.watched else "",
        "left": _time_left(progress) if state.watched and total and state.download is None else "",
        "figures": _figures(state) if state.watched else [],
        "read_rows": None if progress is None else progress.read_rows,
    }


def _work(state: QueryState) -> tuple[int, int, str]:
    """Return how much is done, of how much, and the latter in words; zeros where nobody knows."""
    if state.download is not None:
        total = state.download.size or 0
        return state.download.received, total, size(total)
    progress = state.progress
    # Once all is read the engine still sorts and joins: nobody knows for how long, so a full bar would not be true.
    if progress is None or progress.read_rows >= progress.total_rows_to_read:
        return 0, 0, ""
    return progress.read_rows, progress.total_rows_to_read, f"{about(progress.total_rows_to_read)} rows"


def _bar_words(fraction: float | None, what: str, phase: str) -> str:
    return phase if fraction is None else f"{_percent(fraction)} of {what}"


def _percent(fraction: float) -> str:
    return f"{int(fraction * 100)} %"


def _share(state: QueryState, fraction: float | None) -> str:
    """Return the share that is done, of the statement that runs where there are several."""
    progress = state.progress
    parts = [] if fraction is None else [_percent(fraction)]
    if progress is not None and progress.statements > 1 and state.download is None:
        parts.insert(0, f"statement {progress.statement + 1} of {progress.statements}")
    return ": ".join(parts)


def _time_left(progress: models.Progress | None) -> str:
    """Return how long the rest will take at the mean speed so far, in words; nothing where that would be a guess."""
    # The statements that follow may take any time.
    if progress is None or progress.statement + 1 < progress.statements:
        return ""
    seconds, share = progress.elapsed_ns / 1e9, progress.read_rows / progress.total_rows_to_read
    if seconds < _SECONDS_OBSERVED or share < _SHARE_OBSERVED:
        return ""
    return f"about {about_duration(seconds / share - seconds)} left"


def _figures(state: QueryState) -> list[str]:
    if (download := state.download) is not None:
        of_size = f"{size(download.received)} of {size(download.size)}" if download.size else size(download.received)
        return [f"{of_size} downloaded", *([plural(download.rows, "row")] if download.rows else [])]
    progress = state.progress
    if progress is None:
        return [*filter(None, [_queued(state)])]
    left = f" of {about(progress.total_rows_to_read)}" if progress.total_rows_to_read > progress.read_rows else ""
    figures = [
        _queued(state),
        f"{about(progress.read_rows)}{left} rows read",
        size(progress.read_bytes) if progress.read_bytes else "",
        _rate(progress),
        f"{_about_rows(progress.written_rows)} written" if progress.written_rows else "",
    ]
    return [figure for figure in figures if figure]


def _queued(state: QueryState) -> str:
    seconds = state.queued.total_seconds() if state.queued is not None else 0.0
    return f"was queued for {duration(seconds)}" if seconds >= _SECONDS_QUEUED else ""


def _rate(progress: models.Progress) -> str:
    # The first tenth of a second says nothing about speed.
    if progress.elapsed_ns < 100_000_000:
        return ""
    return f"{about(progress.read_rows / progress.elapsed_ns * 1e9)} rows/s"


def rows_processed(state: QueryState) -> list[str]:
    """Return what an ended query has read and written: ClickHouse's own figures where they are known, else roughly.

    The result has a summary of each statement. Without the result, the last progress is exact for a query that
    succeeded; otherwise it was sent some time before the end.
    """
    is_final = state.status_word == models.SUCCESS
    summaries = [item.summary for item in state.statements or [] if item.summary is not None]
    progress = state.progress
    if is_final and summaries:
        counted = [(each.read_rows, each.read_bytes, each.written_rows) for each in summaries]
    elif progress is not None and progress.statements == 1:
        counted = [(progress.read_rows, progress.read_bytes, progress.written_rows)]
    else:
        return []  # progress is of one statement: of several, nobody knows the sum
    read, read_bytes, written = map(sum, zip(*counted, strict=True))
    # A SELECT without a table reads one row, of a table that nobody has named.
    tells = any(rows > 1 for rows, _, _ in counted)
    shown = _read(read, read_bytes, is_final=is_final) if tells else []
    return [*shown, *_written(written, is_final=is_final)]


def _read(rows: int, read_bytes: int, *, is_final: bool) -> list[str]:
    of_size = f", {size(read_bytes)}" if read_bytes else ""
    return [f"read {_rows(rows, is_final=is_final)}{of_size}"]


def _written(rows: int, *, is_final: bool) -> list[str]:
    return [f"wrote {_rows(rows, is_final=is_final)}"] if rows else []


def _rows(number: int, *, is_final: bool) -> str:
    return plural(number, "row") if is_final else f"about {_about_rows(number)}"


def _about_rows(number: int) -> str:
    return f"{about(number)} row{'' if number == 1 else 's'}"
