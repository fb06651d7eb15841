"""The request of an upload, and what its failures say about the server: no table, or that nobody knows.

A server cannot act on a form before its last byte. So a failure before that means that nothing was created; after it,
the table may exist, and the request is never sent again.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, BinaryIO

from roe_magic.client.messages import Request
from roe_magic.client.multipart import MultipartBody, rereadable
from roe_magic.client.retry_policy import Action, RequestKind, action_after
from roe_magic.contract import models
from roe_magic.contract.codec import parse
from roe_magic.errors import (
    DeadlineExceeded,
    RoeError,
    TransportError,
    UploadInterrupted,
    UploadUncertain,
)

if TYPE_CHECKING:
    from roe_magic.client.transport import Transport

# File names of the part; a server of the contract knows CSV alone, and goes by the name.
_SUFFIXES = {
    models.CSV: "csv",
    models.ARROW_STREAM: "arrows",
    models.ARROW_FILE: "arrow",
    models.PARQUET: "parquet",
    models.NDJSON: "ndjson",
}
_LOOK = "Look with `%roe tables` before you upload again."


def send_upload(
    transport: Transport,
    form: Mapping[str, str],
    file: BinaryIO,
    *,
    content_type: str,
    progress: Callable[[int, int], object] | None,
) -> models.TableUpload:
    """Send a file and the fields of the form, and return the server's answer."""
    table = form["table_name"]
    with rereadable(file) as source:
        filename = f"{table}.{_SUFFIXES.get(content_type, 'bin')}"
        body = MultipartBody(form, source, filename=filename, content_type=content_type, progress=progress)
        request = Request(
            method="POST", path="/v1/tables/upload/", kind=RequestKind.WRITE, upload=body, extra_time=body.reading_time
        )
        try:
            return parse(models.TableUpload, transport.send(request).json())
        except KeyboardInterrupt:
            problem: BaseException = UploadInterrupted(_interrupted(table, body), may_exist=body.whole)
        except RoeError as error:
            problem = _with_outcome(error, table, body)
        raise problem from None


def _interrupted(table: str, body: MultipartBody) -> str:
    if not body.whole:
        return f"The upload of {table} was stopped before the whole file was sent; nothing was created."
    return f"The whole file was sent when the upload of {table} was stopped, so the table may exist. {_LOOK}"


def _with_outcome(error: RoeError, table: str, body: MultipartBody) -> RoeError:
    """Return an error that says what is at the server."""
    if action_after(RequestKind.WRITE, error) is not Action.UNCERTAIN:
        return error
    if not body.whole:
        return _cut_off(error, body)
    if isinstance(error, TransportError):
        return UploadUncertain(
            f"The file was sent and the table {table} may exist, but the response was lost: {error.message}",
            hint=f"It was not sent again. {_LOOK}",
        )
    return _hinted(error, f"The table {table} may exist. {_LOOK}")


def _cut_off(error: RoeError, body: MultipartBody) -> RoeError:
    if isinstance(error, DeadlineExceeded):
        error.message = "The server took no more of the file for the time of ROE_TIMEOUT."
    return _hinted(error, "The file was not sent completely; nothing was created.")


def _hinted(error: RoeError, hint: str) -> RoeError:
    error.hint = " ".join(filter(None, (error.hint, hint)))
    return error
