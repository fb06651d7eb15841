"""The endpoints of the tables' own query API: one SELECT, which returns at most a thousand rows."""

from __future__ import annotations

from typing import Annotated, Any
from uuid import UUID

import msgspec
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response

from roe_magic.contract import models
from roe_magic.service.http.caller import caller
from roe_magic.service.http.problems import not_found
from roe_magic.service.http.request import fields, path_id
from roe_magic.service.http.response import json_response
from roe_magic.service.http.result_response import require_stored
from roe_magic.service.http.services import services
from roe_magic.service.job import TABLE_QUERY, SubmitRequest
from roe_magic.service.queries.interfaces import ResultStore
from roe_magic.service.results import reader
from roe_magic.service.state.schema import QueryRow

_MAX_ROWS = 1000


class _TableQueryBody(msgspec.Struct):
    sql: Annotated[str, msgspec.Meta(min_length=1, max_length=65_536)]
    limit: Annotated[int, msgspec.Meta(ge=1, le=_MAX_ROWS)] = _MAX_ROWS
    organization_id: UUID | None = None


async def submit(request: Request) -> Response:
    """Accept a query, and respond with its id."""
    body = await fields(request, _TableQueryBody)
    key = caller(request, body.organization_id)
    submitted = SubmitRequest(sql=body.sql, kind=TABLE_QUERY, row_limit=body.limit)
    row = services(request).queries.submit(key, submitted, None).row
    return json_response({"table_query_id": row.id, "status": row.status, "created_at": row.created_at}, 202)


async def result(request: Request) -> Response:
    """Respond with a query's status and, once it has succeeded, its rows."""
    key = caller(request)
    query_id = path_id(request, "query_id", "Table query")
    query = services(request).queries.find(key.organization_id, query_id, TABLE_QUERY)
    if query is None:
        raise not_found("Table query")
    require_stored(query.row)
    return json_response(await run_in_threadpool(_result, query.row, services(request).results))


def _result(row: QueryRow, results: ResultStore) -> dict[str, Any]:
    state: dict[str, Any] = {"table_query_id": row.id, "status": row.status, "error": row.error}
    if row.notices:
        state["notices"] = row.notices
    if row.status != models.SUCCESS:
        return state
    limit = row.row_limit or _MAX_ROWS
    statement, rows, has_more = reader.first_rows(row.statements, results.folder(row.id), limit)
    names, types = statement.column_names, statement.column_types
    return {
        **state,
        "columns": [{"name": name, "type": kind} for name, kind in zip(names, types, strict=True)],
        "rows": [dict(zip(names, values, strict=True)) for values in rows],
        **({"totals": dict(zip(names, statement.totals, strict=True))} if statement.totals else {}),
        "row_count": len(rows),
        "truncated": has_more,
        "execution_time_ms": _milliseconds(row),
    }


def _milliseconds(row: QueryRow) -> float | None:
    if row.started_at is None or row.finished_at is None:
        return None
    return (row.finished_at - row.started_at).total_seconds() * 1000
