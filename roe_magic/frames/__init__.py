"""Rows: ClickHouse types to Arrow first, then to JSON, pandas and polars.

Everything passes through one *canonical* Arrow form, one Arrow type per ClickHouse type (``docs/types.md``), so that
JSON and Arrow answers give equal frames. pandas and polars are imported only where they are asked for.
"""

from roe_magic.frames.dataframes import to_pandas, to_polars
from roe_magic.frames.json.rows import JSON_SETTINGS, from_rows
from roe_magic.frames.json.table_builder import from_lines
from roe_magic.frames.normalize import ARROW_SETTINGS, arrow_is_faithful, from_arrow
from roe_magic.frames.schema import TYPE_KEY, TypeFallbackWarning, schema
from roe_magic.frames.to_python import to_json, to_rows

__all__ = [
    "ARROW_SETTINGS",
    "JSON_SETTINGS",
    "TYPE_KEY",
    "TypeFallbackWarning",
    "arrow_is_faithful",
    "from_arrow",
    "from_lines",
    "from_rows",
    "schema",
    "to_json",
    "to_pandas",
    "to_polars",
    "to_rows",
]
