"""QueryStates for tests of the panel, made from the figures that a reader sees.

The source of this file is also run inside kernels, so it imports nothing of the tests.
"""

from __future__ import annotations

import dataclasses
from datetime import datetime, timedelta, timezone
from typing import Any
from uuid import UUID

from roe_magic.contract import models
from roe_magic.errors import RoeError
from roe_magic.query.query_state import DownloadProgress, QueryState

CREATED = datetime(2026, 3, 1, 12, 0, tzinfo=timezone.utc)
FIELDS: dict[str, Any] = {
    "sql": "SELECT 1",
    "server": "https://api.roe-ai.com",
    "organization": None,
    "query_id": None,
    "status": None,
    "elapsed": 0.0,
    # Seconds by the server's clock.
    "queued": None,
    "running": None,
    "duration": None,
    "progress": None,
    # Bytes.
    "downloaded": None,
    "download_size": None,
    "rows": None,
    "columns": 1,
    "statements": 1,
    "error": None,
    "hint": None,
    "notice": None,
    "notices": [],
    "stop": "detach",
    "cancel_problem": None,
    # ClickHouse's summary of each statement.
    "summary": None,
    # The organisation's name, in the answer to the submit.
    "organization_name": None,
    "live": True,
    "attached": False,
    "age_before": 0.0,
    "ended_seen_at": None,
    "detached": False,
}


def query_state(**fields: Any) -> QueryState:
    """Make a state from some of FIELDS."""
    f = {**FIELDS, **fields}
    assert f.keys() == FIELDS.keys()
    state = QueryState(
        sql=f["sql"],
        server=f["server"],
        organization_id=f["organization"],
        elapsed=_elapsed(f),
        submitted=None if f["query_id"] is None else _submitted(f),
        last_status=None if f["status"] is None else _status(f),
        download=None
        if f["downloaded"] is None
        else DownloadProgress(f["downloaded"], f["rows"] or 0, f["download_size"]),
        statements=_statements(f),
        notice=f["notice"],
        error=_error(f),
        attached=f["attached"],
        cancel_problem=f["cancel_problem"],
        age_before=f["age_before"],
        ended_seen_at=f["ended_seen_at"],
        can_cancel=None if f["stop"] is None else f["stop"] == "cancel",
        left=f["detached"],
        over=not (f["live"] or f["detached"]),
    )
    object.__setattr__(state, "fields", fields)
    return state


def replaced(state: Any, **changes: Any) -> Any:
    """Make a state like another one; any other dataclass is replaced as usual."""
    if isinstance(state, QueryState):
        return query_state(**{**state.fields, **changes})  # type: ignore[attr-defined]  # see query_state
    return dataclasses.replace(state, **changes)


def _elapsed(f: dict[str, Any]) -> float:
    spans: float = (f["queued"] or 0.0) + (f["running"] or 0.0)
    return f["elapsed"] or spans if f["live"] else f["elapsed"]


def _submitted(f: dict[str, Any]) -> models.WorksheetQueryResponse:
    return models.WorksheetQueryResponse(
        id=f["query_id"],
        organization=None if f["organization_name"] is None else _organization(f["organization_name"]),
        created_at=CREATED,
        updated_at=CREATED,
        finished_at=None,
        query=f["sql"],
        query_task_id=None,
        query_task_status=None,
        error=None,
        ai_summary=None,
    )


def _organization(name: str) -> models.OrganizationSlim:
    return models.OrganizationSlim(id=UUID(int=7), name=name, created_at=CREATED)


def _status(f: dict[str, Any]) -> models.QueryStatus:
    started = None if f["queued"] is None else CREATED + timedelta(seconds=f["queued"])
    finished = None
    if f["status"] in models.TERMINAL:
        finished = None if f["duration"] is None else CREATED + timedelta(seconds=f["duration"])
        if finished is None and started is not None and f["running"] is not None:
            finished = started + timedelta(seconds=f["running"])
    return models.QueryStatus(
        worksheet_query_id=f["query_id"],
        status=f["status"],
        error=None if _is_clients(f) else f["error"],
        created_at=CREATED,
        started_at=started,
        finished_at=finished,
        progress=f["progress"],
        notices=f["notices"],
    )


def _is_clients(f: dict[str, Any]) -> bool:
    """Whether the error is the client's own, and not what the server says of a failed query."""
    return f["hint"] is not None or f["status"] != models.FAILURE


def _error(f: dict[str, Any]) -> RoeError | None:
    return RoeError(f["error"], hint=f["hint"]) if f["error"] is not None and _is_clients(f) else None


def _statements(f: dict[str, Any]) -> list[models.Statement] | None:
    if f["live"] or (f["rows"] is None and f["statements"] == 1):
        return None
    last = models.Statement(row_count=f["rows"], column_names=["c"] * (f["columns"] or 0), summary=f["summary"])
    return [*[models.Statement(summary=f["summary"])] * (f["statements"] - 1), last]
