"""The endpoints of worksheets and of the caller."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

import msgspec
from starlette.concurrency import run_in_threadpool
from starlette.endpoints import HTTPEndpoint
from starlette.requests import Request
from starlette.responses import Response

from roe_magic.service import container
from roe_magic.service.http.problems import not_found
from roe_magic.service.http.request import fields, parameters, path_id
from roe_magic.service.http.response import respond
from roe_magic.service.state import serializers


class _Page(msgspec.Struct):
    limit: Annotated[int, msgspec.Meta(ge=1, le=1000)] = 1000


class _NewWorksheet(msgspec.Struct):
    name: Annotated[str, msgspec.Meta(min_length=1, max_length=1024)]
    organization_id: UUID | None = None


async def current_user(request: Request) -> Response:
    """Tell who the key acts for."""
    return respond(serializers.user(container.caller(request).user))


class Worksheets(HTTPEndpoint):
    """The organisation's worksheets."""

    async def get(self, request: Request) -> Response:
        """List them."""
        key = container.caller(request)
        found = await run_in_threadpool(container.of(request).store.worksheets, key.organization_id)
        return respond([serializers.worksheet(one) for one in found])

    async def post(self, request: Request) -> Response:
        """Make one."""
        async with fields(request, _NewWorksheet) as body:
            key = container.caller(request, body.organization_id)
        return respond(serializers.worksheet(container.of(request).store.add_worksheet(key, body.name)), 201)


async def queries(request: Request) -> Response:
    """List the queries of a worksheet, the newest first."""
    page = parameters(request, _Page)
    key, found = container.caller(request), container.of(request)
    worksheet = found.store.worksheet(key.organization_id, path_id(request, "worksheet_id", "Worksheet"))
    if worksheet is None:
        raise not_found("Worksheet")
    rows = await run_in_threadpool(found.store.queries, worksheet.id, page.limit)
    return respond([serializers.worksheet_query(found.tasks.present(row)) for row in rows])
