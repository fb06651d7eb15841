"""What the panel shows of a query at one moment: the words, numbers and shares that a front end lays out.

Everything a reader sees is computed here, as JSON values, so that the live widget, the static HTML and the plain text
say the same.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Any
from urllib.parse import urlsplit

from roe_magic.contract import models
from roe_magic.formatting import MESSAGE_LIMIT, clean, clean_message, duration, moment, plural
from roe_magic.panel.progress import progress_while_live, rows_processed
from roe_magic.query.query_state import QueryState

SQL_LIMIT = 2_000
# Of the server's notices: how many are shown, and how many characters of each.
NOTICES_LIMIT = 10
NOTICE_LIMIT = 500

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
        ``label`` and ``tone`` of the pill; while the query is watched ``phase``, ``elapsed`` (seconds, None where
        nobody knows), ``share`` and ``left`` (the time left) beside it, else ``outcome`` (a list of parts); ``bar``
        (``[fraction or None, text]``, or None); ``figures``; ``facts`` (``[key, name, value]`` each); ``sql``;
        ``error``, ``hint``; ``notice`` of the client, and ``notices`` of the server (a list of lines); ``stop``
        (``[action, label, label once pressed]`` or None); ``spoken``, what a screen reader says when it changes;
        ``gone``, what to say when the kernel has gone, and ``way_back``, the command that finds the query again.
    """
    stop = _stop(state)
    stopping = stop is not None and stop[0] in pressed
    phase = "stopping" if stopping else _phase(state)
    return {
        **_headline(state, phase),
        **progress_while_live(state, phase),
        "facts": _facts(state),
        "sql": clean_message(state.sql, SQL_LIMIT),
        **_messages(state),
        "notices": _notices(state),
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
        "phase": _clock_name(state, phase) if state.watched and state.status is not None else "",
        # The age of a query that is asked about will be known at once, and would make the clock jump.
        "elapsed": None if state.attached and state.status is None else _seconds(state),
        "outcome": [*_outcome(state, phase), *_ended(state)],
        "query_id": query_id,
        "short_id": query_id and query_id[:8],
    }


def _way_back(state: QueryState) -> dict[str, str]:
    query_id = _query_id(state)
    return {"gone": _gone(state), "way_back": f"%roe result {query_id}" if query_id else "%roe worksheets"}


def _messages(state: QueryState) -> dict[str, str | None]:
    error = state.error.message if state.error is not None else state.server_error
    hint = state.error.hint if state.error is not None else None
    return {
        "error": error and clean_message(error),
        "hint": hint and clean_message(hint),
        "notice": clean(_notice(state), limit=MESSAGE_LIMIT) or None,
    }


def _notice(state: QueryState) -> str:
    problem = state.cancel_problem if state.watched else None
    return " ".join(filter(None, (state.notice, problem)))


def _notices(state: QueryState) -> list[str]:
    """Return what the server says about how the query was run, one line each."""
    lines = [clean(notice, limit=NOTICE_LIMIT) for notice in state.notices[:NOTICES_LIMIT]]
    more = len(state.notices) - NOTICES_LIMIT
    return [line for line in lines if line] + ([f"… ({plural(more, 'more notice')})"] if more > 0 else [])


def _query_id(state: QueryState) -> str | None:
    return None if state.query_id is None else clean(state.query_id)


def _stop(state: QueryState) -> list[str] | None:
    """Return what the button does; there is none before that is known, and once nobody watches."""
    if not state.watched or state.can_cancel is None:
        return None
    return _CANCEL if state.can_cancel else _DETACH


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
    word, failed = state.status_word, state.error is not None or state.server_error
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
    return _PHASES.get(state.status_word, "waiting")


def _clock_name(state: QueryState, phase: str) -> str:
    """Return what the time beside it is the time of."""
    return phase if state.age is not None else f"{phase}, watched"


def _seconds(state: QueryState) -> float:
    """Return how old the query is in seconds; how long it has been watched where nobody knows its age."""
    return max((state.elapsed if state.age is None else state.age) or 0.0, 0.0)


def _outcome(state: QueryState, phase: str) -> list[str]:
    """Return what became of the query, in a few short parts."""
    parts = (
        [_so_far(state, phase)]
        if state.watched
        else [_time_spent(state), *_result_shape(state), *rows_processed(state)]
    )
    return [part for part in parts if part]


def _so_far(state: QueryState, phase: str) -> str:
    if state.status is None:
        return "" if state.attached else f"for {duration(_seconds(state))} so far"
    return f"{_clock_name(state, phase)} for {duration(_seconds(state))} so far"


def _time_spent(state: QueryState) -> str:
    elapsed = duration(_seconds(state))
    if state.detached:
        return f"not watched any more after {elapsed}; it goes on at the server"
    if state.attached and state.finished and state.duration is None:
        return ""  # neither clock knows
    total = elapsed if state.duration is None else duration(state.duration.total_seconds())
    return f"in {total}" if state.status_word == models.SUCCESS else f"after {total}"


def _ended(state: QueryState) -> list[str]:
    """Return when the query ended, with the date: the panel is saved with the notebook, and read on other days."""
    if state.watched or not state.finished or state.ended_at is None:
        return []
    return [f"ended {moment(state.ended_at)}{'' if state.finished_at else ' as seen from here'}"]


def _result_shape(state: QueryState) -> list[str]:
    if state.status_word != models.SUCCESS or not state.statements:
        return []
    last, number = state.statements[-1], len(state.statements)
    shape = ""
    if last.column_names and last.row_count is not None:
        shape = f"{plural(last.row_count, 'row')}, {plural(len(last.column_names), 'column')}"
    if number < 2:
        return [shape]
    return [f"{number} statements, the last with {shape}" if shape else f"{number} statements"]


def _facts(state: QueryState) -> list[list[str]]:
    facts = [
        ("server", "Server", _server(state.server)),
        ("organization", "Organisation", _organization(state)),
        ("query_id", "Query id", _query_id(state)),
        ("queued", "Queued", _queued(state)),
    ]
    return [[key, name, clean(value)] for key, name, value in facts if value]


def _organization(state: QueryState) -> str | None:
    """Return the organisation's name, or its id from a server that tells no name."""
    if state.submitted is None:
        return None if state.watched else state.organization_id  # a name may come yet
    named = state.submitted.organization
    return named.name if named is not None else state.organization_id


def _queued(state: QueryState) -> str | None:
    """Return how much of an ended query's time it waited for its start; the rest it ran."""
    return None if state.watched or state.queued is None else duration(state.queued.total_seconds())


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
    if state.status_word in models.TERMINAL:
        return "The kernel has gone; the query has ended at the server. Come back to it with:"
    return "The kernel has gone; the query goes on at the server. Come back to it with:"


def _spoken(state: QueryState, phase: str) -> str:
    """Return what changed; without running figures, which would never let a screen reader finish."""
    if state.watched:
        return f"Query {phase}"
    words = ", ".join([f"Query {_label(state)}", *_outcome(state, phase)])
    error = _messages(state)["error"]
    return ". ".join([words, *([clean(error)] if error else []), *_notices(state)])
