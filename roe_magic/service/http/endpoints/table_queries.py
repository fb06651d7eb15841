"""The endpoints of the tables' own query API: one SELECT, read-only, at most a thousand rows."""

from __future__ import annotations

from typing import Annotated, Any
from uuid import UUID

import msgspec
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response

from roe_magic.contract import models
from roe_magic.service import container
from roe_magic.service.http import result_response
from roe_magic.service.http.problems import Problem, not_found
from roe_magic.service.http.request import fields, path_id
from roe_magic.service.http.response import respond
from roe_magic.service.queries.query_manager import Live
from roe_magic.service.state import schema

_MAX_ROWS = 1000


class _Submission(msgspec.Struct):
    sql: Annotated[str, msgspec.Meta(min_length=1, max_length=65_536)]
    limit: Annotated[int, msgspec.Meta(ge=1, le=_MAX_ROWS)] = _MAX_ROWS
    organization_id: UUID | None = None


async def submit(request: Request) -> Response:
    """Accept a query."""
    async with fields(request, _Submission) as body:
        key = container.caller(request, body.organization_id)
    live = container.of(request).tasks.submit(key, body.sql, None, kind=schema.TABLE, row_limit=body.limit)
    row = live.row
    return respond({"table_query_id": row.id, "status": row.status, "created_at": row.created_at}, 202)


async def result(request: Request) -> Response:
    """Tell a query's status and, when it has succeeded, its rows."""
    key = container.caller(request)
    query_id = path_id(request, "query_id", "Table query")
    live = container.of(request).tasks.find(key.organization_id, query_id, schema.TABLE)
    if live is None:
        raise not_found("Table query")
    return respond(await run_in_threadpool(_result, live, container.of(request)))


def _result(live: Live, found: container.Parts) -> dict[str, Any]:
    row = live.row
    if row.expired:
        raise Problem(404, "The rows of this query were removed to make room for newer ones; run it again.")
    about = {"table_query_id": row.id, "status": row.status, "error": row.error}
    if row.status != models.SUCCESS:
        return about
    statement, rows, more = result_response.rows(row, found.tasks.folder(row), row.row_limit or _MAX_ROWS)
    names, types = statement.column_names, statement.column_types
    return {
        **about,
        "columns": [{"name": name, "type": kind} for name, kind in zip(names, types, strict=True)],
        "rows": [dict(zip(names, one, strict=True)) for one in rows],
        "row_count": len(rows),
        "truncated": more,
        "execution_time_ms": _milliseconds(row),
    }


def _milliseconds(row: schema.Query) -> Any:
    if row.started_at is None or row.finished_at is None:
        return None
    return (row.finished_at - row.started_at).total_seconds() * 1000
