"""The endpoints of worksheets and of the caller."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

import msgspec
from starlette.concurrency import run_in_threadpool
from starlette.endpoints import HTTPEndpoint
from starlette.requests import Request
from starlette.responses import Response

from roe_magic.service.http.caller import caller
from roe_magic.service.http.problems import not_found
from roe_magic.service.http.request import fields, parameters, path_id
from roe_magic.service.http.response import json_response
from roe_magic.service.http.services import services
from roe_magic.service.state import serializers


class _Page(msgspec.Struct):
    limit: Annotated[int, msgspec.Meta(ge=1, le=1000)] = 1000


class _NewWorksheet(msgspec.Struct):
    name: Annotated[str, msgspec.Meta(min_length=1, max_length=1024)]
    organization_id: UUID | None = None


async def current_user(request: Request) -> Response:
    """Respond with the user of the key."""
    return json_response(serializers.user(caller(request).user))


class Worksheets(HTTPEndpoint):
    """The endpoint of an organisation's worksheets."""

    async def get(self, request: Request) -> Response:
        """Respond with the list of worksheets."""
        rows = await run_in_threadpool(services(request).store.worksheets, caller(request).organization_id)
        return json_response([serializers.worksheet(row) for row in rows])

    async def post(self, request: Request) -> Response:
        """Create a worksheet."""
        body = await fields(request, _NewWorksheet)
        key = caller(request, body.organization_id)
        return json_response(serializers.worksheet(services(request).store.add_worksheet(key, body.name)), 201)


async def queries(request: Request) -> Response:
    """Respond with the queries of a worksheet, the newest first."""
    page = parameters(request, _Page)
    key, running = caller(request), services(request)
    worksheet = running.store.worksheet(key.organization_id, path_id(request, "worksheet_id", "Worksheet"))
    if worksheet is None:
        raise not_found("Worksheet")
    rows = await run_in_threadpool(running.store.queries, worksheet.id, page.limit)
    return json_response([serializers.worksheet_query(running.queries.latest(row)) for row in rows])
