"""The endpoints of an organisation's tables."""

from __future__ import annotations

import codecs
import re
import shutil
from pathlib import Path
from typing import IO, Annotated, Any
from uuid import UUID, uuid4

import msgspec
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import UploadFile
from starlette.requests import Request
from starlette.responses import Response

from roe_magic.contract import models
from roe_magic.errors import UsageError
from roe_magic.service import container
from roe_magic.service.http.problems import Problem, not_found
from roe_magic.service.http.request import fields, parameters
from roe_magic.service.http.response import respond
from roe_magic.service.state.schema import Key

MAX_UPLOAD_BYTES = 8 * 2**30
# The API's description says the same.
_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_ .-]{0,127}")


class _Preview(msgspec.Struct):
    limit: Annotated[int, msgspec.Meta(ge=0, le=50)] = 3


class _Upload(msgspec.Struct):
    table_name: Annotated[str, msgspec.Meta(min_length=1, max_length=128)]
    file: Any
    with_headers: bool = True
    organization_id: UUID | None = None


async def all_tables(request: Request) -> Response:
    """List the tables with their columns."""
    key = container.caller(request)
    await container.of(request).tasks.ensure_database(key.organization.database)
    found = await container.of(request).engine.tables(key.organization.database)
    return respond(models.TableList(results=found, total=len(found)))


async def describe(request: Request) -> Response:
    """Tell a table's columns, rows and age."""
    key = container.caller(request)
    return respond(_there(await container.of(request).engine.describe(key.organization.database, _name(request))))


async def preview(request: Request) -> Response:
    """Answer a table's first rows."""
    key, limit = container.caller(request), parameters(request, _Preview).limit
    return respond(_there(await container.of(request).engine.preview(key.organization.database, _name(request), limit)))


async def delete(request: Request) -> Response:
    """Drop a table."""
    key = _writer(container.caller(request))
    _there(await container.of(request).engine.drop(key.organization.database, _name(request)) or None)
    return Response(status_code=204)


async def upload(request: Request) -> Response:
    """Make a table of a CSV file."""
    _writer(container.caller(request))
    async with fields(request, _Upload, MAX_UPLOAD_BYTES) as body:
        key = container.caller(request, body.organization_id)
        if not isinstance(body.file, UploadFile):
            raise Problem(400, "The submitted data was not a file.", field="file")
        name = _checked(body.table_name)
        path = await run_in_threadpool(_keep, body.file.file, container.of(request).folder.uploads)
    try:
        summary = await _import(request, key, name, path, body.with_headers)
    finally:
        path.unlink(missing_ok=True)
    return respond(models.TableUpload(table_name=name, organization_id=key.organization_id, summary=summary), 201)


async def _import(request: Request, key: Key, name: str, path: Path, with_headers: bool) -> models.Summary:
    database = key.organization.database
    await container.of(request).tasks.ensure_database(database)
    try:
        return await container.of(request).engine.create_from_csv(database, name, path, with_headers)
    except UsageError as error:
        raise Problem(400, error.message, bare=True) from None


def _keep(source: IO[bytes], folder: Path) -> Path:
    """Put an uploaded file where the engine may read it, without the mark that some programs put in front of UTF-8."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{uuid4().hex}.csv"
    if source.read(len(codecs.BOM_UTF8)) != codecs.BOM_UTF8:
        source.seek(0)
    with path.open("wb") as target:
        shutil.copyfileobj(source, target, 2**20)
    return path


def _writer(key: Key) -> Key:
    if not key.admin:
        raise Problem(403, "This key may read tables, not change them.")
    return key


def _name(request: Request) -> str:
    return _checked(request.path_params["table_name"])


def _checked(name: str) -> str:
    if not _NAME.fullmatch(name):
        raise Problem(400, "Invalid table name: use letters, digits, spaces and _ . - (at most 128).", bare=True)
    return name


def _there(found: Any) -> Any:
    if found is None:
        raise not_found("Table")
    return found
