"""A query's story as the panel's picture of it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from roe_magic.models import PENDING, STARTED
from roe_magic.panel.state import Snapshot
from roe_magic.query import WorksheetQuery
from roe_magic.running import RunningQuery
from roe_magic.story import Story


def pictures_of(running: RunningQuery) -> Callable[[Story], Snapshot]:
    """Give the function that makes a panel's picture of a story."""
    settings = running.client.settings

    def picture(story: Story) -> Snapshot:
        query = running.query
        last = story.statements[-1] if story.statements else None
        error = story.error
        queued, running_for = _spans(story, query)
        return Snapshot(
            sql=story.sql,
            server=settings.base_url,
            organization=query.organization.name if query and query.organization else settings.organization_id,
            query_id=str(story.query_id) if story.query_id else None,
            status=story.state,
            elapsed=story.elapsed,
            queued=queued,
            running=running_for,
            duration=_seconds(query and query.duration),
            observed=bool(query and query.observed),
            progress=story.status.progress if story.status else None,
            downloaded=story.downloaded.received if story.downloaded else None,
            download_size=story.downloaded.size if story.downloaded else None,
            rows=_rows(story),
            columns=len(last.column_names) if last and last.column_names else None,
            statements=len(story.statements or [1]),
            error=error.message if error else (query.error if query else None),
            hint=error.hint if error else None,
            notice=story.notice,
            stop=None if story.over else "cancel" if story.waited else "detach",
            live=not (story.over or running.detached),
            attached=running.attached,
            detached=running.detached and not story.over,
        )

    return picture


def _rows(story: Story) -> int | None:
    """Count the rows of the last statement, or those that have arrived so far."""
    if story.statements:
        last = story.statements[-1]
        return last.row_count if last.column_names else None
    return story.downloaded.rows or None if story.downloaded else None


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
