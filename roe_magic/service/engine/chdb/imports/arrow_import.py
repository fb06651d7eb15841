"""Plans the import of an Arrow or Parquet file, whose columns have types of their own."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pyarrow as pa

from roe_magic.contract import models
from roe_magic.errors import UsageError
from roe_magic.frames.clickhouse_types import clickhouse_columns
from roe_magic.service.engine.chdb.database import EmbeddedClickHouse, EngineError
from roe_magic.service.engine.chdb.file_source import FileSource
from roe_magic.service.engine.chdb.imports import arrow_declared, arrow_file, column_choice
from roe_magic.service.engine.chdb.imports.arrow_file import ArrowContent
from roe_magic.service.engine.chdb.imports.column_choice import ChosenReading
from roe_magic.service.engine.chdb.imports.import_plan import ImportPlan, listed, require_columns, taken_as_utc
from roe_magic.service.engine.chdb.source_errors import explained
from roe_magic.service.engine.sql.quoting import quoted

FORMATS = {models.ARROW_STREAM: "ArrowStream", models.ARROW_FILE: "Arrow", models.PARQUET: "Parquet"}
_SETTINGS = {
    # NULL in a column that is not Nullable is an error, and so is a column that the file does not have.
    "input_format_null_as_default": "0",
    "input_format_arrow_allow_missing_columns": "0",
    "input_format_parquet_allow_missing_columns": "0",
    "input_format_parquet_preserve_order": "1",
}


def plan(
    clickhouse: EmbeddedClickHouse,
    path: Path,
    content_type: str,
    types: Mapping[str, str],
    settings: Mapping[str, str],
    check: Callable[[], None],
) -> ImportPlan:
    """Return how a file with a schema of its own is to be imported.

    Parameters
    ----------
    content_type : str
        The media type of the file, one of ``FORMATS``. The others are those of ``csv_import.plan``.

    Raises
    ------
    EngineError
        The file cannot be read, or a table cannot have one of its columns.
    """
    content = arrow_file.read(path, content_type, check)
    require_columns(types, content.schema.names)
    source, settings = FileSource(str(path), FORMATS[content_type]), {**settings, **_SETTINGS}

    def explain(error: EngineError) -> EngineError:
        return explained(error, arrow_file.format_name(content_type))

    held = _held(content, types)
    conversions = arrow_declared.conversions(content.schema, held, types)
    try:
        chosen = column_choice.choose(clickhouse, source.sql(held), settings, conversions)
    except EngineError as error:
        raise explain(error) from None
    converted = {each.column.name: each for each in chosen}
    values = [converted[name].expression if name in converted else quoted(name) for name, _ in held]
    return ImportPlan(
        list(_columns(held, types, converted)),
        f"SELECT {', '.join(values)} FROM {source.sql(held)}",  # noqa: S608  # quoted
        settings,
        _notices(content, types),
        explain,
        content.row_count,
    )


def _held(content: ArrowContent, types: Mapping[str, str]) -> list[tuple[str, str]]:
    """Return the names of the columns, and the types as which the engine reads them."""
    # A table without rows may get others later, with NULL among them, where ClickHouse has it.
    pairs = zip(content.schema, content.has_null, strict=True)
    is_empty = not content.row_count
    nullable = [has_null or (is_empty and not pa.types.is_nested(field.type)) for field, has_null in pairs]
    try:
        return clickhouse_columns(arrow_declared.with_declared(content.schema, types), nullable)
    except UsageError as error:
        raise EngineError(" ".join(filter(None, (error.message, error.hint)))) from None


def _columns(
    held: list[tuple[str, str]],
    types: Mapping[str, str],
    converted: Mapping[str, ChosenReading],
) -> Iterator[models.UploadColumn]:
    for name, type_name in held:
        if name in types:
            column_type = converted[name].type if name in converted else type_name
            yield models.UploadColumn(name=name, type=column_type, reason="declared")
        else:
            yield models.UploadColumn(name=name, type=type_name, reason="the column's own type")


def _notices(content: ArrowContent, types: Mapping[str, str]) -> list[str]:
    naive = [field.name for field in content.schema if _is_naive(field.type) and field.name not in types]
    empty = [field.name for field in content.schema if pa.types.is_null(field.type) and field.name not in types]
    notices = []
    if naive:
        notices.append(taken_as_utc(naive))
    if empty:
        notices.append(f"Columns without any value are Nullable(String): {listed(empty)}.")
    return notices


def _is_naive(data_type: pa.DataType) -> bool:
    """Whether values are, or hold, times without a zone."""
    if pa.types.is_timestamp(data_type):
        return data_type.tz is None
    if pa.types.is_dictionary(data_type):
        return _is_naive(data_type.value_type)
    return any(_is_naive(data_type.field(index).type) for index in range(data_type.num_fields))
