"""The endpoints of worksheet queries: submit, run, status, result, cancel."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Annotated
from uuid import UUID

import msgspec
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from roe_magic.contract import codec, models
from roe_magic.service.http import result_response
from roe_magic.service.http.caller import Scope, caller
from roe_magic.service.http.problems import Problem, not_found, unavailable
from roe_magic.service.http.request import accepts, fields, parameters, path_id, wait, wants_representation
from roe_magic.service.http.response import json_response
from roe_magic.service.http.services import services
from roe_magic.service.job import SubmitRequest
from roe_magic.service.queries.live_query import LiveQuery
from roe_magic.service.state import serializers
from roe_magic.service.state.schema import KeyRow, WorksheetRow


class _WorksheetQueryBody(msgspec.Struct):
    query: Annotated[str, msgspec.Meta(min_length=1)]
    worksheet_id: UUID | None = None
    use_admin: bool = False
    organization_id: UUID | None = None


class _SubmitScope(Scope):
    worksheet_id: str = ""


async def submit(request: Request) -> Response:
    """Accept a query, and respond with its WorksheetQuery.

    If the caller prefers so (``Prefer: wait=N, return=representation``), the response comes when the query has ended,
    and with its rows if they are few.
    """
    query = await _submit(request, needs_scope=True)
    seconds = wait(request)
    await query.wait(seconds or 0)
    body, applied = serializers.worksheet_query(query.row), _applied_wait(seconds)
    if wants_representation(request) and result_response.is_small(query.row):
        rows = result_response.as_base64(query.row, services(request).results.folder(query.row.id))
        body, applied = replace(body, extra={models.RESULT_ARROW_FIELD: rows}), [*applied, "return=representation"]
    return json_response(body, applied=applied)


async def run(request: Request) -> Response:
    """Run a query, and respond with its results, however long it takes."""
    query = await _submit(request, needs_scope=False)
    await query.ended.wait()
    if query.row.status not in models.TERMINAL:
        raise unavailable()
    if query.row.status != models.SUCCESS:
        raise Problem(400, query.row.error or "The query was cancelled.")
    return result_response.as_list(query.row, services(request).results.folder(query.row.id))


async def status(request: Request) -> Response:
    """Respond with a query's status: at once, at its end if the caller prefers so, or after each change, as lines."""
    query = _find(request)
    seconds = wait(request)
    if seconds is not None and accepts(request, models.NDJSON):
        headers = {"Preference-Applied": f"wait={seconds}", "Vary": "Accept, Prefer"}
        return StreamingResponse(_status_lines(query, seconds), media_type=models.NDJSON, headers=headers)
    await query.wait(seconds or 0)
    return json_response(query.status(), applied=_applied_wait(seconds))


async def result(request: Request) -> Response:
    """Respond with the rows: as Arrow streams if the caller accepts them and the query succeeded, else as JSON."""
    query = _find(request)
    result_response.require_stored(query.row)
    folder = services(request).results.folder(query.row.id)
    if accepts(request, models.ARROW_STREAM) and result_response.has_streams(query.row):
        return result_response.as_arrow(query.row, folder)
    return result_response.as_object(query.row, folder)


async def cancel(request: Request) -> Response:
    """Stop a query, and respond with its status when the engine has stopped it; one that has ended stays as it is."""
    query = _find(request)
    await services(request).queries.cancel(query)
    return json_response(query.status())


def _applied_wait(seconds: int | None) -> list[str]:
    return [] if seconds is None else [f"wait={seconds}"]


async def _submit(request: Request, *, needs_scope: bool) -> LiveQuery:
    body = await fields(request, _WorksheetQueryBody)
    key = caller(request, body.organization_id)
    if body.use_admin and not key.admin:
        raise Problem(403, "use_admin needs an admin key, and this key is not one.")
    scope = parameters(request, _SubmitScope)
    worksheet_id = scope.worksheet_id or body.worksheet_id
    if needs_scope and not (worksheet_id or scope.organization_id or body.organization_id):
        raise Problem(400, "worksheet_id is required if organization_id is not provided.")
    submitted = SubmitRequest(sql=body.query, use_admin=body.use_admin)
    return services(request).queries.submit(key, submitted, _worksheet(request, key, worksheet_id))


def _worksheet(request: Request, key: KeyRow, worksheet_id: str | UUID | None) -> WorksheetRow:
    try:
        parsed_id = UUID(str(worksheet_id)) if worksheet_id else None
    except ValueError:
        raise not_found("Worksheet") from None
    row = services(request).store.worksheet(key.organization_id, parsed_id)
    if row is None:
        raise not_found("Worksheet")
    return row


def _find(request: Request) -> LiveQuery:
    key = caller(request)
    query = services(request).queries.find(key.organization_id, path_id(request, "query_id", "Query"))
    if query is None:
        raise not_found("Query")
    return query


async def _status_lines(query: LiveQuery, seconds: int) -> AsyncIterator[bytes]:
    async for change in query.changes(seconds):
        yield msgspec.json.encode(codec.to_wire(change)) + b"\n"
