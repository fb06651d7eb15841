"""A query's story as the panel's picture of it."""

from __future__ import annotations

from typing import Any

from roe_magic.contract.models import PENDING, STARTED
from roe_magic.panel.view import Snapshot
from roe_magic.query.query_state import Story
from roe_magic.query.running_query import RunningQuery
from roe_magic.query.worksheet_query import WorksheetQuery


def picture(running: RunningQuery, story: Story) -> Snapshot:
    """Make the panel's picture of one moment of a query."""
    query, over = running.query, story.over
    queued, running_for = _spans(story, query)
    return Snapshot(
        sql=story.sql,
        query_id=str(story.query_id) if story.query_id else None,
        status=story.state,
        elapsed=story.elapsed,
        queued=queued,
        running=running_for,
        duration=_seconds(query and query.duration),
        observed=bool(query and query.observed),
        progress=story.status.progress if story.status else None,
        notice=story.notice,
        stop=None if over else "cancel" if story.waited else "detach",
        live=not (over or running.detached),
        attached=running.attached,
        detached=running.detached and not over,
        **_place(running, query),
        **_rows(story),
        **_problem(story, query),
    )


def _place(running: RunningQuery, query: WorksheetQuery | None) -> dict[str, Any]:
    settings = running.client.settings
    named = query.organization.name if query and query.organization else None
    return {"server": settings.base_url, "organization": named or settings.organization_id}


def _rows(story: Story) -> dict[str, Any]:
    """Tell of the last statement's rows, or of those that have arrived so far."""
    arrived = story.downloaded
    told = {
        "downloaded": arrived.received if arrived else None,
        "download_size": arrived.size if arrived else None,
        "rows": arrived.rows or None if arrived else None,
    }
    if not story.statements:
        return told
    last = story.statements[-1]
    rows, columns = (last.row_count, len(last.column_names)) if last.column_names else (None, None)
    return {**told, "rows": rows, "columns": columns, "statements": len(story.statements)}


def _problem(story: Story, query: WorksheetQuery | None) -> dict[str, Any]:
    if story.error is not None:
        return {"error": story.error.message, "hint": story.error.hint}
    return {"error": query.error if query else None}


def _spans(story: Story, query: WorksheetQuery | None) -> tuple[float | None, float | None]:
    """Tell how long the query was queued and ran; while it lives, the last of the two up to now."""
    queued, running = _seconds(query and query.queued), _seconds(query and query.running)
    if story.state == PENDING:
        queued = story.elapsed
    elif story.state == STARTED and running is None and queued is not None:
        running = max(story.elapsed - queued, 0.0)
    return queued, running


def _seconds(span: Any) -> float | None:
    return None if span is None else span.total_seconds()
