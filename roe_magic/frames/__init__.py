"""ClickHouse types and rows to Arrow, and from there to pandas, polars and JSON.

Every value passes through one *canonical* Arrow form, with one Arrow type per ClickHouse type (``docs/types.md``), so
that a result that arrives as JSON and one that arrives as Arrow become equal DataFrames.

- ``type_parser`` parses ClickHouse's type names, ``type_properties`` answers questions about a type, and
  ``arrow_types`` maps each type to its Arrow type.
- ``clickhouse_types`` and ``fixed_types`` go the other way: the ClickHouse type of an Arrow field, for uploads.
- Into the canonical form: ``normalize`` and ``normalize_array`` convert the engine's Arrow (``from_arrow``), ``native``
  its Native format (``from_native``), and ``json`` JSON rows, decoded (``from_rows``) or as text (``from_lines``).
- Out of the canonical form: ``dataframes`` (``to_pandas``, ``to_polars``; ``dataframe_types`` decides their
  types) and ``to_python`` (``to_rows``, ``to_json``).
- ``temporal``, ``json_text``, ``cells`` and ``memory`` help them.

The local service stores results in a second form, *stored*, whose schema depends on the types alone; ``from_arrow``
accepts it too. This package knows neither the API nor the service. pandas and polars are imported by the functions that
return their DataFrames.
"""

from roe_magic.frames.arrow_types import TYPE_KEY, TypeFallbackWarning, schema
from roe_magic.frames.dataframes import to_pandas, to_polars
from roe_magic.frames.json.rows import JSON_SETTINGS, from_rows
from roe_magic.frames.json.table_builder import from_lines
from roe_magic.frames.native.blocks import Block, UnreadableType, from_native, native_is_readable
from roe_magic.frames.normalize import ARROW_SETTINGS, arrow_is_faithful, from_arrow
from roe_magic.frames.to_python import to_json, to_rows

__all__ = [
    "ARROW_SETTINGS",
    "JSON_SETTINGS",
    "TYPE_KEY",
    "Block",
    "TypeFallbackWarning",
    "UnreadableType",
    "arrow_is_faithful",
    "from_arrow",
    "from_lines",
    "from_native",
    "from_rows",
    "native_is_readable",
    "schema",
    "to_json",
    "to_pandas",
    "to_polars",
    "to_rows",
]
