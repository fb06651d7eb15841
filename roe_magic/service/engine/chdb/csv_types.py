"""The types of a file's columns: those of its first rows, proven on all the others.

The engine finds types row by row on one thread, which takes longer than reading a large file does; and types that only
the first rows have told would damage a later value without a word, such as a date before 1970.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from roe_magic.service.engine.chdb.database import Embedded
from roe_magic.service.engine.chdb.file_source import Source, quoted
from roe_magic.service.results import writer

Columns = list[tuple[str, str]]

# All rows of a smaller file are looked at in a moment.
LARGE = 8 * 2**20
_SAMPLE = "10000"
_ALL = "1000000000000"
_ROWS = "input_format_max_rows_to_read_for_schema_inference"
_BYTES = "input_format_max_bytes_to_read_for_schema_inference"

# What is true of all values of a column when the type of its first rows is right for the others, too. That may be false
# for good values (00123, say): then all rows are looked at. Text is proven by one value that can be nothing else.
_PROOFS = {
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


def columns(engine: Embedded, source: Source, settings: Mapping[str, str]) -> Columns:
    """Tell a file's columns and their types; an Arrow file has them written down."""
    if source.form == "CSV" and Path(source.path).stat().st_size > LARGE:
        found = _described(engine, source, {**settings, _ROWS: _SAMPLE})
        if _hold(engine, source, settings, found):
            return found
    return _described(engine, source, {**settings, _ROWS: _ALL, _BYTES: _ALL})


def _described(engine: Embedded, source: Source, settings: Mapping[str, str]) -> Columns:
    shape = engine.query(f"DESCRIBE {source.sql()}{source.clause}", settings, form="JSONCompactEachRow")
    return [(name, kind) for name, kind, *_ in writer.lines(shape)]


def _hold(engine: Embedded, source: Source, settings: Mapping[str, str], found: Columns) -> bool:
    """Read the whole file as text, and look whether every value fits its column's type."""
    if not {kind for _, kind in found} <= set(_PROOFS):
        return False
    rows = source.sql([(name, "String") for name, _ in found])
    proofs = " AND ".join(_PROOFS[kind].format(c=quoted(name)) for name, kind in found)
    text = engine.query(f"SELECT {proofs} FROM {rows}{source.clause}", settings, form="JSONCompactEachRow")  # noqa: S608  # our own names and types
    return writer.lines(text) == [[1]]
