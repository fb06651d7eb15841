"""pyarrow Tables, and every other source of Arrow streams, as columns."""

from __future__ import annotations

import mmap
import tempfile
from collections.abc import Callable
from typing import Any

import pyarrow as pa

from roe_magic.errors import ProtocolError, UsageError
from roe_magic.frames import TYPE_KEY
from roe_magic.frames.type_parser import ClickHouseType, parse
from roe_magic.uploads.arrow.arrow_source import ArrowSource
from roe_magic.uploads.arrow.column_problem import NotCarried
from roe_magic.uploads.arrow.object_column import refused_column
from roe_magic.uploads.arrow.source_column import SourceColumn

_EXTENSION_KEY = b"ARROW:extension:name"


def from_table(table: pa.Table) -> ArrowSource:
    """Return a Table as an Arrow stream; the ClickHouse types in its fields' metadata count where the values fit."""
    if not table.num_columns:
        raise UsageError("The table has no columns.")
    columns = [_column(field, column) for field, column in zip(table.schema, table.columns, strict=True)]
    return ArrowSource(columns, table.num_rows)


def _column(field: pa.Field, column: pa.ChunkedArray) -> SourceColumn:
    extension = (field.metadata or {}).get(_EXTENSION_KEY)
    if extension is not None and not isinstance(field.type, pa.BaseExtensionType):
        reason = f"has the Arrow extension type {extension.decode('utf-8', 'replace')}, which is not known here"
        return refused_column(field.name, NotCarried(reason, "Cast it to text first.", of_values=False))
    return SourceColumn(field.name, _reader(column), _wish(field))


def _reader(column: pa.ChunkedArray) -> Callable[[int, int], pa.ChunkedArray]:
    return lambda start, stop: column.slice(start, stop - start)


def _wish(field: pa.Field) -> ClickHouseType | None:
    try:
        return parse((field.metadata or {})[TYPE_KEY].decode("utf-8", "surrogateescape"))
    except (KeyError, ProtocolError):
        return None


def from_stream(data: Any, name: str = "") -> ArrowSource:
    """Return what has an Arrow stream as one: a RecordBatchReader, a relation of duckdb, a query.

    The stream can be read once only, while its rows are needed twice: they go to a temporary file, which is mapped into
    memory. ``name`` is that of the data in messages.
    """
    try:
        reader = data if isinstance(data, pa.RecordBatchReader) else pa.RecordBatchReader.from_stream(data)
        with tempfile.TemporaryFile() as file:
            with reader, pa.ipc.new_stream(file, reader.schema) as writer:
                for batch in reader:
                    writer.write_batch(batch)
            file.flush()
            mapped = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        table = pa.ipc.open_stream(pa.BufferReader(pa.py_buffer(mapped))).read_all()
    except MemoryError:
        raise
    except Exception as error:  # whatever the source of the stream raises
        reason = str(error).rstrip(".") or type(error).__name__
        name = name or f"The Arrow stream of the {type(data).__name__}"
        raise UsageError(f"{name} cannot be read: {reason}.") from error
    return from_table(table)
