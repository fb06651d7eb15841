"""The rows of an upload as the engine reads them, with the declared types and the settings of the service's imports."""

from __future__ import annotations

import tempfile
from pathlib import Path

import pyarrow as pa

from roe_magic import frames
from roe_magic.uploads.arrow.arrow_source import ArrowSource
from tests.support.rows_engine import query

_SETTINGS = {
    "input_format_null_as_default": "0",
    "input_format_arrow_allow_missing_columns": "0",
    "max_threads": "1",
    "use_hive_partitioning": "0",
}


def read_by_the_engine(source: ArrowSource) -> tuple[pa.Table, list[str]]:
    """Return the canonical table that the engine reads from a source's Arrow stream, and the columns' types."""
    names, types = zip(*source.columns, strict=True)
    structure = ", ".join(f"{_quoted(name, '`')} {type_name}" for name, type_name in source.columns)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "upload.arrow"
        with path.open("wb") as file:
            source.write(file)
        sql = f"SELECT * FROM file('{path}', ArrowStream, {_quoted(structure, chr(39))})"
        clause = ", ".join(f"{name} = {value}" for name, value in _SETTINGS.items())
        output = query(f"SELECT * FROM ({sql} SETTINGS {clause})", "Native")
    tables = [block.table for block in frames.from_native(output)]
    empty = frames.schema(names, types, stored=True).empty_table()
    table = frames.from_arrow(pa.concat_tables(tables).rename_columns(list(names)) if tables else empty, types)
    return table, list(types)


def _quoted(text: str, mark: str) -> str:
    return mark + text.replace("\\", "\\\\").replace(mark, f"\\{mark}") + mark
