"""The endpoint that makes a table of a file.

The form is read while it arrives, and its file goes straight to disk. What can be refused by the fields that come
before the file is refused before the file is read. If the client goes away, the import is cancelled.
"""

from __future__ import annotations

import asyncio
from typing import Annotated, Any
from uuid import UUID

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from roe_magic.contract import models
from roe_magic.errors import UsageError
from roe_magic.service.http.caller import caller
from roe_magic.service.http.endpoints.tables import require_admin, valid_name
from roe_magic.service.http.multipart import Part
from roe_magic.service.http.problems import Problem
from roe_magic.service.http.request import FormFile, Items, announced_length, convert_form, fields
from roe_magic.service.http.response import json_response
from roe_magic.service.http.services import services, upload_folder
from roe_magic.service.http.upload_folder import ReceivedFile
from roe_magic.service.job import Upload
from roe_magic.service.queries.interfaces import UploadOutcome

MAX_UPLOAD_BYTES = 8 * 2**30


class _UploadBody(msgspec.Struct):
    table_name: Annotated[str, msgspec.Meta(min_length=1, max_length=128)]
    file: Any
    with_headers: bool = True
    organization_id: UUID | None = None
    types: str = "{}"
    replace: bool = False
    dry_run: bool = False


async def upload(request: Request) -> Response:
    """Create a table from a file, or replace one."""
    require_admin(caller(request))
    with upload_folder(request).new_file(announced_length(request, MAX_UPLOAD_BYTES)) as file:

        async def receive(part: Part, items: Items) -> None:
            if part.name == "file":
                if any(name == "file" for name, _ in items):
                    raise Problem(400, "Only one file can be uploaded at a time.", field="file")
                await _check_early(request, [*items, (part.name, FormFile(part.content_type))], file)
                await file.write(part.data)

        body = await fields(request, _UploadBody, MAX_UPLOAD_BYTES, receive)
        outcome = await _until_disconnect(request, file.id, _import(request, body, file))
    response = models.TableUpload(
        table_name=body.table_name,
        organization_id=caller(request).organization_id,
        summary=outcome.summary,
        columns=outcome.columns,
        notices=outcome.notices,
        dry_run=body.dry_run or None,
    )
    return json_response(response, 200 if body.dry_run else 201)


async def _check_early(request: Request, items: Items, file: ReceivedFile) -> None:
    """Raise the Problem that the fields so far lead to; the name of the table may come after the file."""
    if any(name == "table_name" for name, _ in items):
        body = convert_form(items, _UploadBody)
        database = await _database(request, body)
        try:
            await services(request).engine.check_upload(database, body.table_name, _upload(body, file))
        except UsageError as error:
            raise Problem(400, error.message, bare=True) from None


async def _import(request: Request, body: _UploadBody, file: ReceivedFile) -> UploadOutcome:
    database, submitted = await _database(request, body), _upload(body, file)
    try:
        return await services(request).engine.create_table(database, body.table_name, submitted)
    except UsageError as error:
        raise Problem(400, error.message, bare=True) from None


async def _database(request: Request, body: _UploadBody) -> str:
    """Return the name of the caller's database, which exists then."""
    database = caller(request, body.organization_id).organization.database
    await services(request).queries.ensure_database(database)
    return database


def _upload(body: _UploadBody, file: ReceivedFile) -> Upload:
    if not isinstance(body.file, FormFile):
        raise Problem(400, "The submitted data was not a file.", field="file")
    valid_name(body.table_name)
    try:
        types = msgspec.json.decode(body.types, type=dict[str, str])
    except msgspec.DecodeError:
        raise Problem(400, "Must be a JSON object of column names and ClickHouse types.", field="types") from None
    return Upload(
        id=file.id,
        path=str(file.path),
        content_type=body.file.content_type,
        with_headers=body.with_headers,
        types=types,
        replace=body.replace,
        dry_run=body.dry_run,
    )


async def _until_disconnect(request: Request, upload_id: str, importing: Any) -> UploadOutcome:
    """Return the outcome of an import, which is cancelled when the client goes away."""
    task, gone = asyncio.ensure_future(importing), asyncio.ensure_future(_disconnected(request))
    try:
        await asyncio.wait({task, gone}, return_when=asyncio.FIRST_COMPLETED)
        if not task.done():
            await services(request).engine.cancel(upload_id)
        outcome: UploadOutcome = await task
        return outcome
    finally:
        gone.cancel()
        task.cancel()


async def _disconnected(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass
