"""The endpoints of an organisation's tables."""

from __future__ import annotations

import re
from typing import Annotated, TypeVar

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from roe_magic.contract import codec, models
from roe_magic.service.http.caller import caller
from roe_magic.service.http.problems import Problem, not_found
from roe_magic.service.http.request import parameters
from roe_magic.service.http.response import json_response
from roe_magic.service.http.services import services
from roe_magic.service.state.schema import KeyRow

M = TypeVar("M", bound=codec.Model)

# The same pattern is in the API's description.
_TABLE_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_ .-]{0,127}")


class _PreviewParameters(msgspec.Struct):
    limit: Annotated[int, msgspec.Meta(ge=0, le=50)] = 3


async def all_tables(request: Request) -> Response:
    """Respond with the tables and their columns."""
    database = caller(request).organization.database
    await services(request).queries.ensure_database(database)
    tables = await services(request).engine.tables(database)
    return json_response(models.TableList(results=tables, total=len(tables), upload_types=list(models.UPLOAD_TYPES)))


async def describe(request: Request) -> Response:
    """Respond with a table's columns, row count and last change."""
    database, name = caller(request).organization.database, _name(request)
    return json_response(_or_not_found(await services(request).engine.describe(database, name)))


async def preview(request: Request) -> Response:
    """Respond with a table's first rows."""
    database, limit = caller(request).organization.database, parameters(request, _PreviewParameters).limit
    return json_response(_or_not_found(await services(request).engine.preview(database, _name(request), limit)))


async def delete(request: Request) -> Response:
    """Drop a table."""
    key = require_admin(caller(request))
    if not await services(request).engine.drop(key.organization.database, _name(request)):
        raise not_found("Table")
    return Response(status_code=204)


def require_admin(key: KeyRow) -> KeyRow:
    """Return a key that may change tables; any other one is a 403."""
    if not key.admin:
        raise Problem(403, "This key may read tables, not change them.")
    return key


def _name(request: Request) -> str:
    return valid_name(request.path_params["table_name"])


def valid_name(name: str) -> str:
    """Return a name that a table may have; any other one is a 400."""
    if not _TABLE_NAME.fullmatch(name):
        allowed = (
            "the letters A to Z and a to z, digits, _ and, after the first character, also spaces, dots and hyphens"
        )
        raise Problem(400, f"Invalid table name: use {allowed}, at most 128 characters.", bare=True)
    return name


def _or_not_found(model: M | None) -> M:
    if model is None:
        raise not_found("Table")
    return model
