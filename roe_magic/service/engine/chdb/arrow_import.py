"""Plans the import of an Arrow or Parquet file, whose columns have types of their own."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from pathlib import Path

import pyarrow as pa

from roe_magic.contract import models
from roe_magic.errors import UsageError
from roe_magic.frames.clickhouse_types import clickhouse_columns
from roe_magic.service.engine.chdb import arrow_file
from roe_magic.service.engine.chdb.arrow_file import ArrowContent
from roe_magic.service.engine.chdb.database import EmbeddedClickHouse, EngineError
from roe_magic.service.engine.chdb.file_source import FileSource
from roe_magic.service.engine.chdb.import_plan import ImportPlan, require_columns
from roe_magic.service.engine.sql.quoting import quoted

FORMATS = {models.ARROW_STREAM: "ArrowStream", models.ARROW_FILE: "Arrow", models.PARQUET: "Parquet"}
_SETTINGS = {
    # NULL in a column that is not Nullable is an error, and so is a column that the file does not have.
    "input_format_null_as_default": "0",
    "input_format_arrow_allow_missing_columns": "0",
    "input_format_parquet_allow_missing_columns": "0",
    "input_format_parquet_preserve_order": "1",
}
# What ClickHouse says about its own doings.
_INSIDE = re.compile(r":? ?\(in file/uri [^)]*\)|: While executing \w+|: While reading.*", re.DOTALL)


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
    columns = _columns(content, types)
    source = FileSource(str(path), FORMATS[content_type])
    names = ", ".join(quoted(name) for name, _ in columns)

    def explain(error: EngineError) -> EngineError:
        reason = _INSIDE.sub("", error.message)
        return EngineError(f"The file cannot be read as {arrow_file.format_name(content_type)}: {reason}", error.code)

    return ImportPlan(
        [
            models.UploadColumn(name=name, type=type_name, reason=f"{field.type} in the file")
            for (name, type_name), field in zip(columns, content.schema, strict=True)
        ],
        f"SELECT {names} FROM {source.sql(columns)}",  # noqa: S608  # quoted
        {**settings, **_SETTINGS},
        _notices(content),
        explain,
        content.row_count,
    )


def _columns(content: ArrowContent, types: Mapping[str, str]) -> list[tuple[str, str]]:
    # A table of no rows may get others later, with NULL among them.
    nullable = [has_null or not content.row_count for has_null in content.has_null]
    try:
        return clickhouse_columns(content.schema, nullable)
    except UsageError as error:
        raise EngineError(" ".join(filter(None, (error.message, error.hint)))) from None


def _notices(content: ArrowContent) -> list[str]:
    naive = [field.name for field in content.schema if pa.types.is_timestamp(field.type) and field.type.tz is None]
    empty = [field.name for field in content.schema if pa.types.is_null(field.type)]
    notices = []
    if naive:
        notices.append(f"Times without a zone are taken as UTC: {_listed(naive)}.")
    if empty:
        notices.append(f"Columns without any value are Nullable(String): {_listed(empty)}.")
    return notices


def _listed(names: list[str]) -> str:
    more = f" and {len(names) - 10} more" if len(names) > 10 else ""
    return f"{', '.join(map(repr, names[:10]))}{more}"
