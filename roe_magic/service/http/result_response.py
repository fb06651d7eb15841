"""Stored results as HTTP answers: streamed from disk, a large one never whole in memory."""

from __future__ import annotations

import base64
import itertools
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import pyarrow as pa
from starlette.responses import Response, StreamingResponse

from roe_magic import frames
from roe_magic.contract import models
from roe_magic.service.state import schema, serializers

_ROWS = 4096
_CHUNK = 256 * 1024
# A result of fewer bytes is read at once: streaming hands every piece from thread to thread.
_SMALL = 32 * 1024
_VARY = {"Vary": "Accept"}


def has_streams(row: schema.Query) -> bool:
    """Tell whether a query's result can be answered as Arrow: it went well, and a statement ran."""
    return row.status == models.SUCCESS and row.statements != b"[]"


def is_small(row: schema.Query) -> bool:
    """Tell whether a query's result can go into the answer to its submit."""
    return has_streams(row) and not row.expired and row.result_bytes < _SMALL


def as_arrow(row: schema.Query, folder: Path) -> Response:
    """Answer one Arrow stream per statement, one after the other, each with its statement in the schema's metadata."""
    streams = _streams(row, folder)
    length = {"Content-Length": str(sum(map(len, streams)))}
    return _answer(row, itertools.chain.from_iterable(streams), models.ARROW_STREAM, length)


def as_text(row: schema.Query, folder: Path) -> str:
    """Give the same streams as base64."""
    return base64.b64encode(b"".join(itertools.chain.from_iterable(_streams(row, folder)))).decode()


def as_object(row: schema.Query, folder: Path) -> Response:
    """Answer the result endpoint's JSON object."""
    head = {"worksheet_query_id": str(row.id), "status": row.status, "error": row.error}
    chunks = _around(msgspec.json.encode(head)[:-1] + b',"results":', _list(row, folder), b"}")
    return _answer(row, chunks, "application/json")


def as_list(row: schema.Query, folder: Path) -> Response:
    """Answer the list of results alone, as JSON."""
    return _answer(row, _list(row, folder), "application/json")


def rows(row: schema.Query, folder: Path, most: int) -> tuple[models.Statement, list[list[Any]], bool]:
    """Read the first rows of a one-statement result, JSON-ready, and tell whether there are more."""
    (statement,) = serializers.statements_in(row.statements)
    read: list[list[Any]] = []
    for batch in _batches(folder / "0.arrow"):
        read += frames.to_rows(batch, statement.column_types)
        if len(read) > most:
            break
    return statement, read[:most], len(read) > most


def _answer(
    row: schema.Query, chunks: Iterable[bytes], media_type: str, headers: Mapping[str, str] | None = None
) -> Response:
    headers = {**_VARY, **(headers or {})}
    if row.result_bytes < _SMALL:
        return Response(b"".join(chunks), media_type=media_type, headers=headers)
    return StreamingResponse(_coalesced(chunks), media_type=media_type, headers=headers)


def _list(row: schema.Query, folder: Path) -> Iterator[bytes]:
    yield b"["
    pairs = zip(serializers.statements_raw(row.statements), serializers.statements_in(row.statements), strict=True)
    for n, (about, statement) in enumerate(pairs):
        yield (b"," if n else b"") + about[:-1] + b',"result_rows":['
        yield from _json_rows(statement, folder / f"{n}.arrow")
        yield b"]}"
    yield b"]"


def _json_rows(statement: models.Statement, path: Path) -> Iterator[bytes]:
    comma = b""
    for batch in _batches(path):
        yield comma + frames.to_json(batch, statement.column_types)
        comma = b","


def _batches(path: Path) -> Iterator[pa.RecordBatch]:
    """Read a stored stream in small batches, none of them empty."""
    with pa.memory_map(str(path)) as file, pa.ipc.open_stream(file) as stream:
        for batch in stream:
            for start in range(0, batch.num_rows, _ROWS):
                yield batch.slice(start, _ROWS)


@dataclass(frozen=True)
class _Stream:
    """A stored stream as it goes out: a schema that tells of the statement, then all that follows it on disk."""

    schema: bytes
    path: Path
    offset: int

    def __len__(self) -> int:
        return len(self.schema) + self.path.stat().st_size - self.offset

    def __iter__(self) -> Iterator[bytes]:
        yield self.schema
        with self.path.open("rb") as file:
            file.seek(self.offset)
            while chunk := file.read(_CHUNK):
                yield chunk


def _streams(row: schema.Query, folder: Path) -> list[_Stream]:
    return [_stream(about, folder / f"{n}.arrow") for n, about in enumerate(serializers.statements_raw(row.statements))]


def _stream(about: bytes, path: Path) -> _Stream:
    with pa.OSFile(str(path), "rb") as file:
        stored = pa.ipc.read_schema(pa.ipc.read_message(file))
        told = stored.with_metadata({**(stored.metadata or {}), models.ARROW_KEY: about})
        return _Stream(told.serialize().to_pybytes(), path, file.tell())


def _around(head: bytes, body: Iterable[bytes], tail: bytes) -> Iterator[bytes]:
    yield head
    yield from body
    yield tail


def _coalesced(chunks: Iterable[bytes]) -> Iterator[bytes]:
    """Put small chunks together: each one that is sent costs a thread switch."""
    held: list[bytes] = []
    for chunk in chunks:
        held.append(chunk)
        if sum(map(len, held)) >= _CHUNK:
            yield b"".join(held)
            held = []
    if held:
        yield b"".join(held)
