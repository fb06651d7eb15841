"""The endpoints of an organisation's tables."""

from __future__ import annotations

import codecs
import re
import shutil
from pathlib import Path
from typing import IO, Annotated, Any, TypeVar
from uuid import UUID, uuid4

import msgspec
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import UploadFile
from starlette.requests import Request
from starlette.responses import Response

from roe_magic.contract import codec, models
from roe_magic.errors import UsageError
from roe_magic.service.http.caller import caller
from roe_magic.service.http.problems import Problem, not_found
from roe_magic.service.http.request import fields, parameters
from roe_magic.service.http.response import json_response
from roe_magic.service.http.services import services
from roe_magic.service.job import Upload
from roe_magic.service.queries.interfaces import UploadOutcome
from roe_magic.service.state.schema import KeyRow

M = TypeVar("M", bound=codec.Model)

MAX_UPLOAD_BYTES = 8 * 2**30
# The same pattern is in the API's description.
_TABLE_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_ .-]{0,127}")


class _PreviewParameters(msgspec.Struct):
    limit: Annotated[int, msgspec.Meta(ge=0, le=50)] = 3


class _UploadBody(msgspec.Struct):
    table_name: Annotated[str, msgspec.Meta(min_length=1, max_length=128)]
    file: Any
    with_headers: bool = True
    organization_id: UUID | None = None
    types: str = "{}"
    replace: bool = False
    dry_run: bool = False


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
    key = _require_admin(caller(request))
    if not await services(request).engine.drop(key.organization.database, _name(request)):
        raise not_found("Table")
    return Response(status_code=204)


async def upload(request: Request) -> Response:
    """Create a table from a CSV file."""
    _require_admin(caller(request))
    async with fields(request, _UploadBody, MAX_UPLOAD_BYTES) as body:
        key = caller(request, body.organization_id)
        if not isinstance(body.file, UploadFile):
            raise Problem(400, "The submitted data was not a file.", field="file")
        name = _valid_name(body.table_name)
        types, content_type = _types(body.types), body.file.content_type or models.CSV
        path = await run_in_threadpool(_save, body.file.file, services(request).folder.uploads)
    upload = Upload(
        id=path.stem,
        path=str(path),
        content_type=content_type,
        with_headers=body.with_headers,
        types=types,
        replace=body.replace,
        dry_run=body.dry_run,
    )
    try:
        outcome = await _import(request, key, name, upload)
    finally:
        path.unlink(missing_ok=True)
    response = models.TableUpload(
        table_name=name,
        organization_id=key.organization_id,
        summary=outcome.summary,
        columns=outcome.columns,
        notices=outcome.notices,
        dry_run=body.dry_run or None,
    )
    return json_response(response, 200 if body.dry_run else 201)


def _types(text: str) -> dict[str, str]:
    try:
        return msgspec.json.decode(text, type=dict[str, str])
    except msgspec.DecodeError:
        raise Problem(400, "Must be a JSON object of column names and ClickHouse types.", field="types") from None


async def _import(request: Request, key: KeyRow, name: str, upload: Upload) -> UploadOutcome:
    database = key.organization.database
    await services(request).queries.ensure_database(database)
    try:
        return await services(request).engine.create_table(database, name, upload)
    except UsageError as error:
        raise Problem(400, error.message, bare=True) from None


def _save(source: IO[bytes], folder: Path) -> Path:
    """Copy an uploaded file to where the engine may read it, without the byte order mark that some programs write."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{uuid4().hex}.csv"
    if source.read(len(codecs.BOM_UTF8)) != codecs.BOM_UTF8:
        source.seek(0)
    with path.open("wb") as target:
        shutil.copyfileobj(source, target, 2**20)
    return path


def _require_admin(key: KeyRow) -> KeyRow:
    if not key.admin:
        raise Problem(403, "This key may read tables, not change them.")
    return key


def _name(request: Request) -> str:
    return _valid_name(request.path_params["table_name"])


def _valid_name(name: str) -> str:
    if not _TABLE_NAME.fullmatch(name):
        raise Problem(400, "Invalid table name: use letters, digits, spaces and _ . - (at most 128).", bare=True)
    return name


def _or_not_found(model: M | None) -> M:
    if model is None:
        raise not_found("Table")
    return model
