"""What the panel shows: one moment of one query, and the words and numbers made of it.

Everything a reader sees is made here, so that the live widget, the static HTML and the plain text tell the same story.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal
from urllib.parse import urlsplit

from roe_magic.contract import models
from roe_magic.formatting import about, clean, count, duration, plural, size

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
_STOPS = {"cancel": ["cancel", "Cancel", "Cancelling…"], "detach": ["detach", "Stop watching", "Stopping…"]}


@dataclass(frozen=True, kw_only=True)
class Snapshot:
    """What the caller knows of one query at one moment. Times are in seconds, sizes in bytes.

    Parameters
    ----------
    sql, server, organization, query_id : str
        The query and where it went.
    status : str, optional
        None while the server has not answered the submit; then the server's word.
    elapsed : float
        Since the submit, by the client's monotonic clock.
    queued, running, duration : float, optional
        From the server's own times, or seen by the client when ``observed`` is true.
    progress : models.Progress, optional
        How far the engine is.
    downloaded, download_size : int, optional
        Bytes of the answer read so far, and of the whole answer where the server names it.
    rows, columns, statements, result_bytes : int, optional
        What came back; rows and columns are those of the last statement.
    error, exception, hint : str, optional
        What went wrong, its short name (``SYNTAX_ERROR``), and what to do next.
    notice : str, optional
        Something the reader should know while it goes on.
    stop : {"cancel", "detach"}, optional
        What the button does; no button without it.
    stopping : bool
        The button's press has arrived.
    live : bool
        Whether the query is still being watched.
    attached : bool
        It was submitted earlier: nothing is sent but questions.
    detached : bool
        Watching ended before the query did.
    """

    sql: str
    server: str
    organization: str | None = None
    query_id: str | None = None
    status: str | None = None
    elapsed: float = 0.0
    queued: float | None = None
    running: float | None = None
    duration: float | None = None
    observed: bool = False
    progress: models.Progress | None = None
    downloaded: int | None = None
    download_size: int | None = None
    rows: int | None = None
    columns: int | None = None
    statements: int = 1
    result_bytes: int | None = None
    error: str | None = None
    exception: str | None = None
    hint: str | None = None
    notice: str | None = None
    stop: Literal["cancel", "detach"] | None = None
    stopping: bool = False
    live: bool = True
    attached: bool = False
    detached: bool = False


def view(s: Snapshot) -> dict[str, Any]:
    """Make all that a front end lays out, as JSON values.

    Returns
    -------
    dict
        ``label`` and ``tone`` of the pill; ``phase`` (live) or ``story`` (a list of parts) beside it; ``bar``
        (``[fraction or None, text]``, or None); ``figures``; ``timeline`` (``[name, seconds, text, growing]`` each);
        ``facts`` (``[key, name, value]`` each); ``sql``; ``error``, ``exception``, ``hint``, ``notice``; ``stop``
        (``[action, label, label once pressed]`` or None); ``spoken``, what a screen reader says when it changes;
        ``gone``, what to say when the kernel has gone, and ``way_back``, the command that finds the query again.
    """
    return {
        "live": s.live,
        "label": _label(s),
        "tone": _tone(s),
        # While nothing has been answered the pill itself says "submitting".
        "phase": _phase(s) if s.live and s.status is not None else "",
        "elapsed": max(s.elapsed, 0.0),
        "story": _story(s),
        "bar": _bar(s) if s.live else None,
        "figures": _figures(s) if s.live else [],
        "timeline": _timeline(s),
        "observed": s.observed,
        "facts": _facts(s),
        "query_id": s.query_id and clean(s.query_id),
        "short_id": s.query_id and clean(s.query_id)[:8],
        "sql": clean(s.sql, limit=SQL_LIMIT, lines=True),
        **_messages(s),
        "stop": _STOPS[s.stop] if s.live and s.stop else None,
        "stopping": s.stopping,
        "spoken": _spoken(s),
        "read_rows": s.progress.read_rows if s.progress else None,
        "gone": _gone(s),
        "way_back": f"%roe result {clean(s.query_id)}" if s.query_id else "%roe worksheets",
    }


def _messages(s: Snapshot) -> dict[str, str | None]:
    return {
        "error": s.error and clean(s.error, limit=MESSAGE_LIMIT, lines=True),
        "exception": s.exception and clean(s.exception),
        "hint": s.hint and clean(s.hint, limit=MESSAGE_LIMIT, lines=True),
        "notice": s.notice and clean(s.notice, limit=MESSAGE_LIMIT),
    }


def _word(s: Snapshot) -> str | None:
    """Read the status as the contract spells it, whatever its case."""
    return s.status and s.status.strip().upper()


def _label(s: Snapshot) -> str:
    if s.status is not None:
        return clean(s.status, limit=40) or "UNKNOWN"
    if s.live:
        return "ASKING" if s.attached else "SUBMITTING"
    # A query that was attached to was submitted, whatever the server answers when it is asked about it.
    return "STOPPED" if not s.error else "UNKNOWN" if s.attached else "NOT SUBMITTED"


def _tone(s: Snapshot) -> str:
    word = _word(s)
    if word == models.FAILURE or (s.error and s.status is None):
        return "failure"
    if not s.live and (s.error or word not in models.TERMINAL):
        return "attention"
    return _TONES.get(word or "", "waiting")


def _phase(s: Snapshot) -> str:
    if s.stopping:
        return "stopping"
    if s.downloaded is not None:
        return "downloading"
    if s.attached and s.status is None:
        return "asking the server"
    return _PHASES.get(_word(s), "waiting")


def _story(s: Snapshot) -> list[str]:
    """Tell what became of the query, in a few short parts."""
    return [part for part in (_spent(s), *_outcome(s), _read(s), _written(s)) if part]


def _spent(s: Snapshot) -> str:
    seconds = duration(s.elapsed if s.duration is None else s.duration)
    if s.live:
        return f"{_phase(s) if s.status else ''} for {duration(s.elapsed)} so far".lstrip()
    if s.detached:
        return f"not watched any more after {duration(s.elapsed)}; it goes on at the server"
    return f"in {seconds}" if _word(s) == models.SUCCESS else f"after {seconds}"


def _outcome(s: Snapshot) -> list[str]:
    if s.live or _word(s) != models.SUCCESS:
        return []
    rows = "" if s.rows is None else plural(s.rows, "row")
    shape = f"{rows}, {plural(s.columns, 'column')}" if rows and s.columns is not None else rows
    if s.statements < 2:
        return [shape]
    return [f"{s.statements} statements, the last with {shape}" if shape else f"{s.statements} statements"]


def _read(s: Snapshot) -> str:
    p = s.progress
    if p is None or s.live or not p.read_rows:
        return ""
    return f"read {plural(p.read_rows, 'row')}" + (f", {size(p.read_bytes)}" if p.read_bytes else "")


def _written(s: Snapshot) -> str:
    return f"wrote {plural(s.progress.written_rows, 'row')}" if s.progress and s.progress.written_rows else ""


def _bar(s: Snapshot) -> list[Any]:
    """Give the share that is done (None when nobody knows) and the words for it."""
    part, whole, what = _share(s)
    if not whole:
        return [None, _phase(s)]
    fraction = min(part / whole, 1.0)
    return [fraction, f"{int(fraction * 100)} % of {what}"]


def _share(s: Snapshot) -> tuple[int, int, str]:
    if s.downloaded is not None:
        whole = s.download_size or 0
        return s.downloaded, whole, size(whole)
    p = s.progress
    # Once all is read the engine still sorts and joins: nobody knows for how long, so a full bar would not be true.
    if p is None or p.read_rows >= p.total_rows_to_read:
        return 0, 0, ""
    return p.read_rows, p.total_rows_to_read, plural(p.total_rows_to_read, "row")


def _figures(s: Snapshot) -> list[str]:
    if s.downloaded is not None:
        part = f"{size(s.downloaded)} of {size(s.download_size)}" if s.download_size else size(s.downloaded)
        return [f"{part} downloaded", *([] if s.rows is None else [plural(s.rows, "row")])]
    p = s.progress
    if p is None:
        return []
    parts = [f"statement {p.statement + 1} of {p.statements}" if p.statements > 1 else ""]
    whole = f" of {count(p.total_rows_to_read)}" if p.total_rows_to_read > p.read_rows else ""
    parts += [
        f"{count(p.read_rows)}{whole} rows read",
        size(p.read_bytes) if p.read_bytes else "",
        _rate(p),
        _written(s),
    ]
    return [part for part in parts if part]


def _rate(p: models.Progress) -> str:
    # The first tenth of a second says nothing about speed.
    return "" if p.elapsed_ns < 100_000_000 else f"{about(p.read_rows / p.elapsed_ns * 1e9)} rows/s"


def _timeline(s: Snapshot) -> list[list[Any]]:
    """List the known spans, oldest first; the last one grows while the query is in it."""
    now = {models.PENDING: "queued", models.STARTED: "running"}.get(_word(s) or "") if s.live else None
    spans = [("queued", s.queued), ("running", s.running)]
    return [[name, max(t, 0.0), duration(t), name == now] for name, t in spans if t is not None]


def _facts(s: Snapshot) -> list[list[str]]:
    facts = [("server", "Server", _server(s.server)), ("organization", "Organisation", s.organization)]
    facts += [("query_id", "Query id", s.query_id)]
    if s.result_bytes is not None:
        facts += [("result", "Result", size(s.result_bytes))]
    return [[key, name, clean(value)] for key, name, value in facts if value]


def _server(url: str) -> str:
    """Name the server without a user name, password or query string that its address may hold."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return url.rpartition("@")[2]
    host = parts.netloc.rpartition("@")[2]
    return f"{parts.scheme}://{host}{parts.path.rstrip('/')}" if host else url.rpartition("@")[2]


def _gone(s: Snapshot) -> str:
    """Say what becomes of the query when the kernel has gone; the way back to it follows."""
    if s.query_id is None:
        return "The kernel has gone before the server gave the query's id. The query may go on; look for it with:"
    if _word(s) in models.TERMINAL:
        return "The kernel has gone; the query has ended at the server. Come back to it with:"
    return "The kernel has gone; the query goes on at the server. Come back to it with:"


def _spoken(s: Snapshot) -> str:
    """Say what changed; without running figures, which would never let a screen reader finish."""
    if s.live:
        return f"Query {_phase(s)}"
    words = [f"Query {_label(s)}", *_story(s)]
    return ", ".join(words) + (f". {clean(s.error)}" if s.error else "")
