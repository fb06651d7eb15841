"""The endpoints of the contract, and their neighbours that speak of the same queries."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Annotated
from uuid import UUID

import msgspec
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from roe_magic.contract import codec, models
from roe_magic.service import container
from roe_magic.service.http import result_response
from roe_magic.service.http.problems import Problem, not_found, unavailable
from roe_magic.service.http.request import accepts, fields, parameters, path_id, wait, wants_representation
from roe_magic.service.http.response import respond
from roe_magic.service.queries.query_manager import Live
from roe_magic.service.state import serializers
from roe_magic.service.state.schema import Key, Worksheet


class _Submission(msgspec.Struct):
    query: Annotated[str, msgspec.Meta(min_length=1)]
    worksheet_id: UUID | None = None
    use_admin: bool = False
    organization_id: UUID | None = None


class _Scope(container.Scope):
    worksheet_id: str = ""


async def submit(request: Request) -> Response:
    """Accept a query and answer its WorksheetQuery; if the caller prefers, at its end and with its rows, if few."""
    live = await _submit(request, needs_scope=True)
    seconds = wait(request)
    await live.wait(seconds or 0)
    body, applied = serializers.worksheet_query(live.row), _waited(seconds)
    if wants_representation(request) and result_response.is_small(live.row):
        rows = result_response.as_text(live.row, container.of(request).tasks.folder(live.row))
        body, applied = replace(body, extra={models.RESULT_FIELD: rows}), [*applied, "return=representation"]
    return respond(body, applied=applied)


async def run(request: Request) -> Response:
    """Run a query and answer its results, however long it takes."""
    live = await _submit(request, needs_scope=False)
    await live.ended.wait()
    if live.row.status not in models.TERMINAL:
        raise unavailable()
    if live.row.status != models.SUCCESS:
        raise Problem(400, live.row.error or "The query was cancelled.")
    return result_response.as_list(live.row, container.of(request).tasks.folder(live.row))


async def status(request: Request) -> Response:
    """Tell where a query stands: now, at its end if the caller prefers to wait, or at every change as JSON lines."""
    live = _find(request)
    seconds = wait(request)
    if seconds is not None and accepts(request, models.NDJSON):
        headers = {"Preference-Applied": f"wait={seconds}", "Vary": "Accept, Prefer"}
        return StreamingResponse(_lines(live, seconds), media_type=models.NDJSON, headers=headers)
    await live.wait(seconds or 0)
    return respond(live.status(), applied=_waited(seconds))


async def result(request: Request) -> Response:
    """Answer the rows, as JSON or, when the caller accepts it and all went well, as Arrow streams."""
    live = _find(request)
    folder = container.of(request).tasks.folder(live.row)
    if live.row.expired:
        raise Problem(404, "The rows of this query were removed to make room for newer ones; run it again.")
    if accepts(request, models.ARROW_STREAM) and result_response.has_streams(live.row):
        return result_response.as_arrow(live.row, folder)
    return result_response.as_object(live.row, folder)


async def cancel(request: Request) -> Response:
    """Stop a query in the engine and answer its status; one that has ended stays as it is."""
    live = _find(request)
    await container.of(request).tasks.cancel(live)
    return respond(live.status())


def _waited(seconds: int | None) -> list[str]:
    return [] if seconds is None else [f"wait={seconds}"]


async def _submit(request: Request, *, needs_scope: bool) -> Live:
    async with fields(request, _Submission) as body:
        key = container.caller(request, body.organization_id)
    if body.use_admin and not key.admin:
        raise Problem(403, "This key is no admin key, which use_admin needs.")
    scope = parameters(request, _Scope)
    named = scope.worksheet_id or body.worksheet_id
    if needs_scope and not (named or scope.organization_id or body.organization_id):
        raise Problem(400, "worksheet_id is required if organization_id is not provided.")
    worksheet = _worksheet(request, key, named)
    return container.of(request).tasks.submit(key, body.query, worksheet, use_admin=body.use_admin)


def _worksheet(request: Request, key: Key, named: str | UUID | None) -> Worksheet:
    try:
        worksheet_id = UUID(str(named)) if named else None
        found = container.of(request).store.worksheet(key.organization_id, worksheet_id)
    except ValueError:
        found = None
    if found is None:
        raise not_found("Worksheet")
    return found


def _find(request: Request) -> Live:
    key = container.caller(request)
    live = container.of(request).tasks.find(key.organization_id, path_id(request, "query_id", "Query"))
    if live is None:
        raise not_found("Query")
    return live


async def _lines(live: Live, seconds: int) -> AsyncIterator[bytes]:
    async for one in live.changes(seconds):
        yield msgspec.json.encode(codec.to_wire(one)) + b"\n"
