"""The stored rows of a query, read back as Arrow streams or as JSON, a large result never all at once.

A query's result is its manifest, which describes the statements, and a folder with one Arrow stream per statement.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa

from roe_magic import frames
from roe_magic.contract import models
from roe_magic.service.results import manifest

_BATCH_ROWS = 4096
_CHUNK_BYTES = 256 * 1024


@dataclass(frozen=True)
class ArrowStream:
    """The stored stream of one statement with the statement added to its schema; iterating yields its bytes.

    Parameters
    ----------
    schema : bytes
        The stream's first message, with the statement in the schema's metadata.
    path, offset : Path, int
        The file, and where in it the messages after its own schema begin.
    """

    schema: bytes
    path: Path
    offset: int

    def __len__(self) -> int:
        return len(self.schema) + self.path.stat().st_size - self.offset

    def __iter__(self) -> Iterator[bytes]:
        yield self.schema
        with self.path.open("rb") as file:
            file.seek(self.offset)
            while chunk := file.read(_CHUNK_BYTES):
                yield chunk


def arrow_streams(statements: bytes, folder: Path, sql: str | None) -> list[ArrowStream]:
    """Return one stream per statement of a manifest; for ``sql`` see :func:`.manifest.with_query`."""
    items = (manifest.with_query(item, sql) for item in manifest.split(statements))
    return [_arrow_stream(item, _path(folder, n)) for n, item in enumerate(items)]


def json_list(statements: bytes, folder: Path, sql: str) -> Iterator[bytes]:
    """Yield the JSON list of a manifest's statements, each with its rows, in pieces."""
    yield b"["
    pairs = zip(manifest.split(statements), manifest.decode(statements), strict=True)
    for n, (item, statement) in enumerate(pairs):
        yield (b"," if n else b"") + manifest.with_query(item, sql)[:-1] + b',"result_rows":['
        yield from _json_rows(statement, _path(folder, n))
        yield b"]}"
    yield b"]"


def first_rows(statements: bytes, folder: Path, limit: int) -> tuple[models.Statement, list[list[Any]], bool]:
    """Return the only statement of a manifest, its first rows as JSON values, and whether there are more."""
    (statement,) = manifest.decode(statements)
    rows: list[list[Any]] = []
    for batch in _batches(_path(folder, 0)):
        rows += frames.to_rows(batch, statement.column_types)
        if len(rows) > limit:
            break
    return statement, rows[:limit], len(rows) > limit


def _path(folder: Path, statement: int) -> Path:
    return folder / f"{statement}.arrow"


def _arrow_stream(item: bytes, path: Path) -> ArrowStream:
    with pa.OSFile(str(path), "rb") as file:
        stored = pa.ipc.read_schema(pa.ipc.read_message(file))
        described = stored.with_metadata({**(stored.metadata or {}), models.STATEMENT_METADATA_KEY: item})
        return ArrowStream(described.serialize().to_pybytes(), path, file.tell())


def _json_rows(statement: models.Statement, path: Path) -> Iterator[bytes]:
    comma = b""
    for batch in _batches(path):
        yield comma + frames.to_json(batch, statement.column_types)
        comma = b","


def _batches(path: Path) -> Iterator[pa.RecordBatch]:
    """Yield a stored stream in small batches, none of them empty."""
    with pa.memory_map(str(path)) as file, pa.ipc.open_stream(file) as stream:
        for batch in stream:
            for start in range(0, batch.num_rows, _BATCH_ROWS):
                yield batch.slice(start, _BATCH_ROWS)
