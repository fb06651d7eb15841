"""Canonical Arrow to pandas and polars."""

from __future__ import annotations

import functools
import itertools
import warnings
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import pyarrow as pa

from roe_magic.errors import MissingExtra
from roe_magic.frames.clickhouse_types import Type
from roe_magic.frames.memory import memory_errors, no_garbage_collection
from roe_magic.frames.normalize import from_arrow
from roe_magic.frames.schema import DOCUMENTS, WIDE_INTEGERS, bare, resolve
from roe_magic.frames.to_python import python_cells

if TYPE_CHECKING:
    import pandas as pd
    import polars as pl


@memory_errors
def to_pandas(
    table: pa.Table,
    column_types: Sequence[str],
    *,
    dtype_backend: Literal["numpy_nullable", "pyarrow"] = "numpy_nullable",
    tz: str | None = None,
) -> pd.DataFrame:
    """Turn canonical Arrow into a pandas DataFrame; names may repeat or be empty.

    Parameters
    ----------
    table : pa.Table
        Canonical; raw and stored tables are repaired first.
    column_types : sequence of str
        The ClickHouse type of each column.
    dtype_backend : {"numpy_nullable", "pyarrow"}
        ``numpy_nullable`` gives Int64, Float64, boolean, string, datetime64 with zone, category, and Python objects for
        what is nested; ``pyarrow`` gives ArrowDtype columns throughout. ``docs/types.md`` has the whole table.
    tz : str, optional
        Show every DateTime and DateTime64 column in this zone; the moments stay the same.
    """
    import pandas as pd

    table = from_arrow(table, column_types)
    kinds = [resolve(name) for name in column_types]
    convert = _numpy_column if dtype_backend == "numpy_nullable" else _arrow_column
    columns = [convert(_in_zone(column, tz), kind) for column, kind in zip(table.columns, kinds, strict=True)]
    frame: pd.DataFrame = pd.DataFrame(dict(enumerate(columns)), index=pd.RangeIndex(table.num_rows), copy=False)
    frame.columns = pd.Index(table.column_names, dtype=object if not columns else None)
    return frame


def _in_zone(column: pa.ChunkedArray, tz: str | None) -> pa.ChunkedArray:
    return column.cast(pa.timestamp(column.type.unit, tz)) if tz and pa.types.is_timestamp(column.type) else column


def _arrow_column(column: pa.ChunkedArray, _: Type) -> Any:
    import pandas as pd

    return pd.arrays.ArrowExtensionArray(column)


def _numpy_column(column: pa.ChunkedArray, kind: Type) -> Any:
    """Choose by the Arrow type, which knows what fell back to text; the ClickHouse type tells objects apart."""
    import pandas as pd

    given = column.type
    if pa.types.is_dictionary(given) and pa.types.is_string(given.value_type):
        return column.combine_chunks().to_pandas() if column.num_chunks > 1 else column.to_pandas()
    if bare(kind).name in _OBJECTS or pa.types.is_nested(given) or pa.types.is_null(given):
        return _objects(column, kind)
    if pa.types.is_primitive(given) and not pa.types.is_temporal(given):
        return _masked(column)
    if pa.types.is_string(given):
        text: Any = pd.StringDtype("pyarrow")
        return text.__from_arrow__(column)
    if pa.types.is_decimal(given):
        return pd.arrays.ArrowExtensionArray(column)
    return (column.cast(pa.timestamp("s")) if pa.types.is_date(given) else column).to_pandas()


_OBJECTS = frozenset(WIDE_INTEGERS) | DOCUMENTS


def _objects(column: pa.ChunkedArray, kind: Type) -> Any:
    import pandas as pd

    with no_garbage_collection():
        found = itertools.chain.from_iterable(python_cells(chunk, kind) for chunk in column.chunks)
        cells = np.fromiter(found, object, len(column))
    return pd.Series(cells, dtype=object, copy=False)


def _masked(column: pa.ChunkedArray) -> Any:
    """Make a nullable array whose mask is NULL alone: NaN stays a value of its own."""
    import pandas as pd

    mask = _flat(column.is_null()) if column.null_count else np.zeros(len(column), np.bool_)
    values = _flat(column.fill_null(False if pa.types.is_boolean(column.type) else 0) if column.null_count else column)
    make = {"b": pd.arrays.BooleanArray, "f": pd.arrays.FloatingArray}.get(values.dtype.kind, pd.arrays.IntegerArray)
    return make(values, mask)


def _flat(column: pa.ChunkedArray) -> np.ndarray[Any, Any]:
    """Copy a column into one numpy array of its own, which pandas may write to."""
    values: np.ndarray[Any, Any] = column.to_numpy()
    return values if values.flags.writeable and values.flags.owndata else values.copy()


@memory_errors
def to_polars(table: pa.Table, column_types: Sequence[str]) -> pl.DataFrame:
    """Turn canonical Arrow into a polars DataFrame.

    polars has no repeated column names: they get ``_1``, ``_2``, ... behind them, with a warning. Numbers of more than
    38 digits become text, 128-bit integers the types that polars has for them, and a map a list of key and value.
    """
    try:
        import polars as pl
    except ImportError:
        raise MissingExtra("polars", "A polars DataFrame") from None
    table = from_arrow(table, column_types)
    names = _distinct(table.column_names)
    kinds = [resolve(name) for name in column_types]
    pairs = zip(names, table.columns, kinds, strict=True)
    return pl.DataFrame([_polars_column(pl, name, column, kind) for name, column, kind in pairs])


def _distinct(names: Sequence[str]) -> list[str]:
    """Number repeated names, leaving alone the ones that are taken."""
    taken, found = set(names), []
    for at, name in enumerate(names):
        number, candidate = 0, name
        while candidate in found or (number and candidate in taken):
            number += 1
            candidate = f"{name}_{number}"
        found.append(candidate)
        if number:
            warnings.warn(
                f"polars has no repeated column names: column {at} {name!r} is named {candidate!r}.", stacklevel=3
            )
    return found


def _polars_column(pl: Any, name: str, column: pa.ChunkedArray, kind: Type) -> Any:
    wanted = _polars_type(column.type)
    values = pl.Series(name, column if wanted == column.type else column.cast(wanted))
    wide = getattr(pl, bare(kind).name, None) if bare(kind).name in ("Int128", "UInt128") else None
    return values.cast(wide) if wide is not None else values


@functools.lru_cache(maxsize=4096)
def _polars_zone(name: str | None) -> str | None:
    """Give the zone, or UTC where polars does not know it: it has no offsets such as +05:30."""
    import polars as pl

    try:
        pl.Series([0]).cast(pl.Datetime(time_zone=name))
    except pl.exceptions.PolarsError:
        return "UTC"
    return name


def _polars_type(given: pa.DataType) -> pa.DataType:
    """Give the nearest Arrow type that polars takes."""
    if pa.types.is_decimal256(given):
        return pa.string()
    if pa.types.is_timestamp(given):
        return pa.timestamp(given.unit, _polars_zone(given.tz))
    if pa.types.is_map(given):
        entry = [pa.field("key", _polars_type(given.key_type)), pa.field("value", _polars_type(given.item_type))]
        return pa.list_(pa.struct(entry))
    if pa.types.is_list(given):
        return pa.list_(_polars_type(given.value_type))
    if pa.types.is_struct(given):
        return pa.struct([pa.field(each.name, _polars_type(each.type)) for each in given])
    return given
