"""What an Arrow or Parquet file holds: its schema, its rows, and where there is NULL. pyarrow alone, no engine.

Whether a column must be Nullable is not in its schema, which nearly always says that it may be. In Arrow the number of
NULLs of each column is stored beside its values, and in Parquet with most columns. So the values are looked at only
where it is not, and inside of lists, maps and structs, where ClickHouse would read some NULLs as something else.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from roe_magic.contract import models
from roe_magic.service.engine.chdb.database import EngineError

# The end of every Arrow stream. Without it a stream may have been cut between two batches of rows.
_END_OF_STREAM = b"\xff\xff\xff\xff\0\0\0\0"
_ROWS_AT_ONCE = 65_536


@dataclass
class ArrowContent:
    """What a file holds.

    Parameters
    ----------
    schema : pa.Schema
        The columns.
    row_count : int
        The number of rows.
    has_null : list of bool
        For each column, whether a value is NULL.
    """

    schema: pa.Schema
    row_count: int
    has_null: list[bool]


def read(path: Path, content_type: str, check: Callable[[], None]) -> ArrowContent:
    """Return what a file holds.

    Parameters
    ----------
    content_type : str
        Its media type.
    check : callable
        Raises EngineError if the import is to end; called again and again.

    Raises
    ------
    EngineError
        The file is damaged, incomplete, or of another format; or a column holds NULL where ClickHouse cannot.
    """
    readers = {models.ARROW_STREAM: _read_stream, models.ARROW_FILE: _read_file, models.PARQUET: _read_parquet}
    try:
        return readers[content_type](path, check)
    except (pa.ArrowException, OSError, ValueError, MemoryError) as error:
        raise EngineError(f"The file cannot be read as {format_name(content_type)}: {_first_line(error)}") from None


def format_name(content_type: str) -> str:
    """Return what people call the format of a media type."""
    return {models.PARQUET: "Parquet", models.ARROW_STREAM: "an Arrow stream"}.get(content_type, "an Arrow file")


def _first_line(error: Exception) -> str:
    line = str(error).partition("\n")[0].strip().rstrip(".")[:300]
    return f"{line or type(error).__name__}."


def _read_stream(path: Path, check: Callable[[], None]) -> ArrowContent:
    with pa.memory_map(str(path)) as source:
        reader = pa.ipc.open_stream(source)
        content = _counted(reader.schema, reader, check)
        rest = source.size() - source.tell()
        source.seek(max(0, source.size() - len(_END_OF_STREAM)))
        if source.read() != _END_OF_STREAM:
            raise EngineError("The file cannot be read as an Arrow stream: it ends too early.")
    if rest:
        raise EngineError("The file holds more than one Arrow stream; send each as a file of its own.")
    return content


def _read_file(path: Path, check: Callable[[], None]) -> ArrowContent:
    with pa.memory_map(str(path)) as source:
        reader = pa.ipc.open_file(source)
        return _counted(reader.schema, map(reader.get_batch, range(reader.num_record_batches)), check)


def _read_parquet(path: Path, check: Callable[[], None]) -> ArrowContent:
    with pq.ParquetFile(str(path), memory_map=True) as file:
        schema, row_count = file.schema_arrow, file.metadata.num_rows
        known = _parquet_nulls(file)
        unknown = [name for name in schema.names if name not in known]
        batches = file.iter_batches(_ROWS_AT_ONCE, columns=unknown) if unknown else ()
        counted = _counted(pa.schema([schema.field(name) for name in unknown]), batches, check)
        known |= dict(zip(unknown, counted.has_null, strict=True))
        for field in schema:
            if pa.types.is_struct(field.type) and known[field.name]:
                # The engine reads them from Arrow alone.
                raise EngineError(
                    f"Column {field.name!r} holds NULL structs, which are not read from Parquet; send Arrow."
                )
        return ArrowContent(schema, row_count, [known[name] for name in schema.names])


def _parquet_nulls(file: pq.ParquetFile) -> dict[str, bool]:
    """Return which of the flat columns hold NULL, as far as the file's statistics say so."""
    found: dict[str, bool] = {}
    groups = [file.metadata.row_group(index) for index in range(file.metadata.num_row_groups)]
    for index, column in enumerate(file.schema):
        if "." in column.path or column.max_repetition_level or file.schema_arrow.names.count(column.path) != 1:
            continue
        statistics = [group.column(index).statistics for group in groups]
        if all(each is not None and each.has_null_count for each in statistics):
            found[column.path] = any(each.null_count for each in statistics)
    return found


def _counted(schema: pa.Schema, batches: Iterable[pa.RecordBatch], check: Callable[[], None]) -> ArrowContent:
    content = ArrowContent(schema, 0, [False] * len(schema))
    for batch in batches:
        check()
        batch.validate()
        content.row_count += batch.num_rows
        for index, array in enumerate(batch.columns):
            content.has_null[index] |= _has_null(array)
            if pa.types.is_nested(array.type):
                _require_no_null_inside(schema.field(index).name, array)
    return content


def _has_null(array: pa.Array) -> bool:
    if pa.types.is_dictionary(array.type):
        return bool(array.null_count or array.dictionary.null_count)
    return bool(array.null_count)


def _require_no_null_inside(column: str, array: pa.Array) -> None:
    """Raise EngineError where a list, map or struct that is NULL lies inside another one."""
    for child in _children(array):
        if not pa.types.is_nested(child.type):
            continue
        if _has_null(child):
            kind = "structs" if pa.types.is_struct(child.type) else "lists or maps"
            raise EngineError(
                f"Column {column!r} holds NULL {kind} inside other values, which ClickHouse does not have; "
                "replace them by empty ones first."
            )
        _require_no_null_inside(column, child)


def _children(array: pa.Array) -> Iterator[pa.Array]:
    """Yield the values inside lists, maps and structs that are not NULL themselves."""
    valid = array.drop_null() if array.null_count else array
    if pa.types.is_struct(valid.type):
        yield from (valid.field(index) for index in range(valid.type.num_fields))
    elif pa.types.is_map(valid.type):
        yield from (valid.keys, valid.items)
    elif pa.types.is_fixed_size_list(valid.type) or pa.types.is_list(valid.type) or pa.types.is_large_list(valid.type):
        yield valid.flatten()
