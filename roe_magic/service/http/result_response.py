"""Stored results as responses. A large result is streamed from disk, and never all in memory."""

from __future__ import annotations

import base64
import itertools
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

import msgspec
from starlette.responses import Response, StreamingResponse

from roe_magic.contract import models
from roe_magic.service.http.problems import Problem
from roe_magic.service.results import reader
from roe_magic.service.state.schema import QueryRow

_CHUNK_BYTES = 256 * 1024
# A smaller result is sent as one body: a streamed one costs a change of threads per chunk.
_SMALL_BYTES = 32 * 1024
_VARY = {"Vary": "Accept"}


def require_stored(row: QueryRow) -> None:
    """Raise a 404 if the rows of a query have been deleted."""
    if row.expired:
        raise Problem(404, "The rows of this query were removed to make room for newer ones; run it again.")


def has_streams(row: QueryRow) -> bool:
    """Whether a query's result can be sent as Arrow: the query succeeded, and a statement ran."""
    return row.status == models.SUCCESS and row.statements != b"[]"


def is_small(row: QueryRow) -> bool:
    """Whether a query's result can be part of the response to its submit."""
    return has_streams(row) and not row.expired and row.result_bytes < _SMALL_BYTES


def as_arrow(row: QueryRow, folder: Path) -> Response:
    """Return a response with one Arrow stream per statement, one after the other."""
    streams = reader.arrow_streams(row.statements, folder, row.sql)
    length = {"Content-Length": str(sum(map(len, streams)))}
    return _response(row, itertools.chain.from_iterable(streams), models.ARROW_STREAM, length)


def as_base64(row: QueryRow, folder: Path) -> str:
    """Return the body of :func:`as_arrow` as base64, for a response that has the query's SQL already."""
    streams = reader.arrow_streams(row.statements, folder, None)
    return base64.b64encode(b"".join(itertools.chain.from_iterable(streams))).decode()


def as_object(row: QueryRow, folder: Path) -> Response:
    """Return a response with the JSON object of the result endpoint."""
    fields = {"worksheet_query_id": str(row.id), "status": row.status, "error": row.error}
    head = msgspec.json.encode(fields)[:-1] + b',"results":'
    chunks = itertools.chain([head], reader.json_list(row.statements, folder, row.sql), [b"}"])
    return _response(row, chunks, "application/json")


def as_list(row: QueryRow, folder: Path) -> Response:
    """Return a response with the JSON list of results alone."""
    return _response(row, reader.json_list(row.statements, folder, row.sql), "application/json")


def _response(
    row: QueryRow, chunks: Iterable[bytes], media_type: str, headers: Mapping[str, str] | None = None
) -> Response:
    headers = {**_VARY, **(headers or {})}
    if row.result_bytes < _SMALL_BYTES:
        return Response(b"".join(chunks), media_type=media_type, headers=headers)
    return StreamingResponse(_joined(chunks), media_type=media_type, headers=headers)


def _joined(chunks: Iterable[bytes]) -> Iterator[bytes]:
    """Yield chunks joined to larger ones: each one that is sent costs a change of threads."""
    waiting: list[bytes] = []
    for chunk in chunks:
        waiting.append(chunk)
        if sum(map(len, waiting)) >= _CHUNK_BYTES:
            yield b"".join(waiting)
            waiting = []
    if waiting:
        yield b"".join(waiting)
