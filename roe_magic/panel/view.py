"""What the panel shows of a query at one moment: the words, numbers and shares that a front end lays out.

Everything a reader sees is computed here, as JSON values, so that the live widget, the static HTML and the plain text
say the same.
"""

from __future__ import annotations

from collections.abc import Collection
from datetime import timedelta
from typing import Any
from urllib.parse import urlsplit

from roe_magic.contract import models
from roe_magic.formatting import about, clean, count, duration, plural, size
from roe_magic.query.query_state import QueryState

SQL_LIMIT = 20_000
MESSAGE_LIMIT = 4_000

_PHASES = {
    None: "submitting",
    models.PENDING: "queued",
    models.STARTED: "running",
    models.RETRY: "waiting for a retry",
    models.SUCCESS: "reading the answer",
    models.FAILURE: "reading the error",
    models.REVOKED: "stopping",
}
_TONES = {
    models.STARTED: "running",
    models.SUCCESS: "success",
    models.FAILURE: "failure",
    models.REVOKED: "attention",
}
# Of the button: its action, its label, and its label once pressed.
_CANCEL = ["cancel", "Cancel", "Cancelling…"]
_DETACH = ["detach", "Stop watching", "Stopping…"]


def view(state: QueryState, pressed: Collection[str] = ()) -> dict[str, Any]:
    """Return all that a front end lays out, as JSON values.

    Parameters
    ----------
    state : QueryState
    pressed : collection of str
        The actions of the button that the reader has pressed already.

    Returns
    -------
    dict
        ``label`` and ``tone`` of the pill; ``phase`` (live) or ``outcome`` (a list of parts) beside it; ``bar``
        (``[fraction or None, text]``, or None); ``figures``; ``timeline`` (``[name, seconds, text, growing]`` each);
        ``facts`` (``[key, name, value]`` each); ``sql``; ``error``, ``hint``, ``notice``; ``stop``
        (``[action, label, label once pressed]`` or None); ``spoken``, what a screen reader says when it changes;
        ``gone``, what to say when the kernel has gone, and ``way_back``, the command that finds the query again.
    """
    stop = _stop(state)
    stopping = stop is not None and stop[0] in pressed
    phase = "stopping" if stopping else _phase(state)
    return {
        **_headline(state, phase),
        **_figures_while_live(state, phase),
        "timeline": _timeline(state),
        "observed": bool(state.observed),
        "facts": _facts(state),
        "sql": clean(state.sql, limit=SQL_LIMIT, lines=True),
        **_messages(state),
        "stop": stop,
        "stopping": stopping,
        "spoken": _spoken(state, phase),
        **_way_back(state),
    }


def _headline(state: QueryState, phase: str) -> dict[str, Any]:
    query_id = _query_id(state)
    return {
        "live": state.watched,
        "label": _label(state),
        "tone": _tone(state),
        # While nothing has been answered the pill itself says "submitting".
        "phase": phase if state.watched and state.status is not None else "",
        "elapsed": _elapsed(state),
        "outcome": _outcome(state, phase),
        "query_id": query_id,
        "short_id": query_id and query_id[:8],
    }


def _figures_while_live(state: QueryState, phase: str) -> dict[str, Any]:
    progress = _progress(state)
    return {
        "bar": _bar(state, phase) if state.watched else None,
        "figures": _figures(state) if state.watched else [],
        "read_rows": None if progress is None else progress.read_rows,
    }


def _way_back(state: QueryState) -> dict[str, str]:
    query_id = _query_id(state)
    return {"gone": _gone(state), "way_back": f"%roe result {query_id}" if query_id else "%roe worksheets"}


def _messages(state: QueryState) -> dict[str, str | None]:
    error = state.error.message if state.error is not None else state.server_error
    hint = state.error.hint if state.error is not None else None
    return {
        "error": error and clean(error, limit=MESSAGE_LIMIT, lines=True),
        "hint": hint and clean(hint, limit=MESSAGE_LIMIT, lines=True),
        "notice": state.notice and clean(state.notice, limit=MESSAGE_LIMIT),
    }


def _query_id(state: QueryState) -> str | None:
    return None if state.query_id is None else clean(state.query_id)


def _elapsed(state: QueryState) -> float:
    return max(state.elapsed or 0.0, 0.0)


def _progress(state: QueryState) -> models.Progress | None:
    return state.last_status.progress if state.last_status is not None else None


def _stop(state: QueryState) -> list[str] | None:
    """Return what the button does; there is none once nobody watches."""
    if not state.watched:
        return None
    return _CANCEL if state.long_polls else _DETACH


def _status_word(state: QueryState) -> str | None:
    """Return the status in the contract's spelling, whatever its case."""
    return state.status and state.status.strip().upper()


def _label(state: QueryState) -> str:
    if state.status is not None:
        return clean(state.status, limit=40) or "UNKNOWN"
    if state.watched:
        return "ASKING" if state.attached else "SUBMITTING"
    if not state.error:
        return "STOPPED"
    # A query that is only watched here was submitted, whatever the server answers when it is asked about it.
    return "UNKNOWN" if state.attached else "NOT SUBMITTED"


def _tone(state: QueryState) -> str:
    word, failed = _status_word(state), state.error is not None or state.server_error
    if word == models.FAILURE or (failed and state.status is None):
        return "failure"
    if not state.watched and (failed or word not in models.TERMINAL):
        return "attention"
    return _TONES.get(word or "", "waiting")


def _phase(state: QueryState) -> str:
    if state.download is not None:
        return "downloading"
    if state.attached and state.status is None:
        return "asking the server"
    return _PHASES.get(_status_word(state), "waiting")


def _outcome(state: QueryState, phase: str) -> list[str]:
    """Return what became of the query, in a few short parts."""
    parts = (_time_spent(state, phase), *_result_shape(state), _rows_read(state), _rows_written(state))
    return [part for part in parts if part]


def _time_spent(state: QueryState, phase: str) -> str:
    elapsed = duration(_elapsed(state))
    if state.watched:
        return f"{phase if state.status else ''} for {elapsed} so far".lstrip()
    if state.detached:
        return f"not watched any more after {elapsed}; it goes on at the server"
    total = elapsed if state.duration is None else duration(state.duration.total_seconds())
    return f"in {total}" if _status_word(state) == models.SUCCESS else f"after {total}"


def _result_shape(state: QueryState) -> list[str]:
    if state.watched or _status_word(state) != models.SUCCESS or not state.statements:
        return []
    last, count_ = state.statements[-1], len(state.statements)
    shape = ""
    if last.column_names and last.row_count is not None:
        shape = f"{plural(last.row_count, 'row')}, {plural(len(last.column_names), 'column')}"
    if count_ < 2:
        return [shape]
    return [f"{count_} statements, the last with {shape}" if shape else f"{count_} statements"]


def _rows_read(state: QueryState) -> str:
    progress = _progress(state)
    if progress is None or state.watched or not progress.read_rows:
        return ""
    read = f"read {plural(progress.read_rows, 'row')}"
    return f"{read}, {size(progress.read_bytes)}" if progress.read_bytes else read


def _rows_written(state: QueryState) -> str:
    progress = _progress(state)
    return f"wrote {plural(progress.written_rows, 'row')}" if progress and progress.written_rows else ""


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
    progress = _progress(state)
    # Once all is read the engine still sorts and joins: nobody knows for how long, so a full bar would not be true.
    if progress is None or progress.read_rows >= progress.total_rows_to_read:
        return 0, 0, ""
    return progress.read_rows, progress.total_rows_to_read, plural(progress.total_rows_to_read, "row")


def _figures(state: QueryState) -> list[str]:
    if (download := state.download) is not None:
        of_size = f"{size(download.received)} of {size(download.size)}" if download.size else size(download.received)
        return [f"{of_size} downloaded", *([plural(download.rows, "row")] if download.rows else [])]
    progress = _progress(state)
    if progress is None:
        return []
    left = f" of {count(progress.total_rows_to_read)}" if progress.total_rows_to_read > progress.read_rows else ""
    figures = [
        f"statement {progress.statement + 1} of {progress.statements}" if progress.statements > 1 else "",
        f"{count(progress.read_rows)}{left} rows read",
        size(progress.read_bytes) if progress.read_bytes else "",
        _rate(progress),
        _rows_written(state),
    ]
    return [figure for figure in figures if figure]


def _rate(progress: models.Progress) -> str:
    # The first tenth of a second says nothing about speed.
    if progress.elapsed_ns < 100_000_000:
        return ""
    return f"{about(progress.read_rows / progress.elapsed_ns * 1e9)} rows/s"


def _timeline(state: QueryState) -> list[list[Any]]:
    """Return the known time spans, oldest first; the last one grows while the query is in it."""
    growing = {models.PENDING: "queued", models.STARTED: "running"}.get(_status_word(state) or "")
    spans = [("queued", _queued(state)), ("running", _running(state))]
    return [
        [name, max(seconds, 0.0), duration(seconds), state.watched and name == growing]
        for name, seconds in spans
        if seconds is not None
    ]


def _queued(state: QueryState) -> float | None:
    """Return the seconds from submit to start, or to now while the query waits."""
    return state.elapsed if state.status == models.PENDING else _seconds(state.queued)


def _running(state: QueryState) -> float | None:
    """Return the seconds from start to end, or to now while the query runs."""
    if state.status == models.STARTED and state.running is None and state.queued is not None:
        return max(_elapsed(state) - state.queued.total_seconds(), 0.0)
    return _seconds(state.running)


def _seconds(span: timedelta | None) -> float | None:
    return None if span is None else span.total_seconds()


def _facts(state: QueryState) -> list[list[str]]:
    facts = [
        ("server", "Server", _server(state.server)),
        ("organization", "Organisation", _organization(state)),
        ("query_id", "Query id", _query_id(state)),
    ]
    return [[key, name, clean(value)] for key, name, value in facts if value]


def _organization(state: QueryState) -> str | None:
    named = state.submitted.organization if state.submitted is not None else None
    return named.name if named is not None else state.organization_id


def _server(url: str) -> str:
    """Return the server's address without a user name, password or query string that it may hold."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return url.rpartition("@")[2]
    host = parts.netloc.rpartition("@")[2]
    return f"{parts.scheme}://{host}{parts.path.rstrip('/')}" if host else url.rpartition("@")[2]


def _gone(state: QueryState) -> str:
    """Return what to say when the kernel has gone; the command that finds the query again follows it."""
    if state.query_id is None:
        return "The kernel has gone before the server gave the query's id. The query may go on; look for it with:"
    if _status_word(state) in models.TERMINAL:
        return "The kernel has gone; the query has ended at the server. Come back to it with:"
    return "The kernel has gone; the query goes on at the server. Come back to it with:"


def _spoken(state: QueryState, phase: str) -> str:
    """Return what changed; without running figures, which would never let a screen reader finish."""
    if state.watched:
        return f"Query {phase}"
    words = ", ".join([f"Query {_label(state)}", *_outcome(state, phase)])
    error = _messages(state)["error"]
    return f"{words}. {clean(error)}" if error else words
