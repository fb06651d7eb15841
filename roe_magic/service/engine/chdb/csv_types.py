"""The types of a file's columns: inferred from its first rows, then checked on all the others.

ClickHouse infers types row by row on one thread, which for a large file takes longer than reading it. Types inferred
from the first rows alone would silently change a later value that does not fit, such as a date before 1970.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from roe_magic.service.engine.chdb.database import EmbeddedClickHouse
from roe_magic.service.engine.chdb.file_source import FileSource
from roe_magic.service.engine.sql.quoting import quoted
from roe_magic.service.results import writer

Columns = list[tuple[str, str]]

# Types of a smaller file are inferred from all of its rows, which takes a moment.
LARGE_FILE_BYTES = 8 * 2**20
_SAMPLE = "10000"
_ALL = "1000000000000"
_ROWS = "input_format_max_rows_to_read_for_schema_inference"
_BYTES = "input_format_max_bytes_to_read_for_schema_inference"

# By type, a condition that holds if a column's values, read as text, all have that type. It may fail for values that do
# (00123, say); then the types are inferred from all rows. For text one value that cannot be anything else is enough.
_CONDITIONS = {
    "Nullable(Int64)": "countIf({c} != '' AND toString(toInt64OrNull({c})) IS DISTINCT FROM {c}) = 0",
    "Nullable(Float64)": "countIf({c} != '' AND toFloat64OrNull({c}) IS NULL) = 0",
    "Nullable(Date)": "countIf({c} != '' AND toString(toDateOrNull({c})) IS DISTINCT FROM {c}) = 0",
    "Nullable(DateTime)": "countIf({c} != '' AND toString(toDateTimeOrNull({c})) IS DISTINCT FROM {c}) = 0",
    "Nullable(DateTime64(9))": "countIf({c} != '' AND (length({c}) < 19 OR NOT "
    "startsWith(ifNull(toString(toDateTime64OrNull({c}, 9)), ''), {c}))) = 0",
    "Nullable(Bool)": "countIf({c} NOT IN ('', 'true', 'false', 'True', 'False')) = 0",
    "Nullable(String)": r"countIf(match({c}, '^\\p{{L}}[^:]') AND "
    "NOT match({c}, '(?i)^(nan|inf|infinity|null|true|false|yes|no|on|off)$')) > 0",
}


def columns(clickhouse: EmbeddedClickHouse, source: FileSource, settings: Mapping[str, str]) -> Columns:
    """Return the names and types of a file's columns; an Arrow file states them."""
    if source.file_format == "CSV" and Path(source.path).stat().st_size > LARGE_FILE_BYTES:
        sampled = _infer(clickhouse, source, {**settings, _ROWS: _SAMPLE})
        if _fit_all_rows(clickhouse, source, settings, sampled):
            return sampled
    return _infer(clickhouse, source, {**settings, _ROWS: _ALL, _BYTES: _ALL})


def _infer(clickhouse: EmbeddedClickHouse, source: FileSource, settings: Mapping[str, str]) -> Columns:
    sql = f"DESCRIBE {source.sql()}{source.settings_clause}"
    text = clickhouse.query(sql, settings, output_format="JSONCompactEachRow")
    return [(name, kind) for name, kind, *_ in writer.decode_lines(text)]


def _fit_all_rows(
    clickhouse: EmbeddedClickHouse, source: FileSource, settings: Mapping[str, str], inferred: Columns
) -> bool:
    """Whether every value of the file has the type of its column; the file is read as text for that."""
    if not {kind for _, kind in inferred} <= set(_CONDITIONS):
        return False
    rows = source.sql([(name, "String") for name, _ in inferred])
    conditions = " AND ".join(_CONDITIONS[kind].format(c=quoted(name)) for name, kind in inferred)
    sql = f"SELECT {conditions} FROM {rows}{source.settings_clause}"  # noqa: S608  # our own names and types
    return writer.decode_lines(clickhouse.query(sql, settings, output_format="JSONCompactEachRow")) == [[1]]
