"""Canonical Arrow to pandas and polars DataFrames."""

from __future__ import annotations

import functools
import itertools
import warnings
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import pyarrow as pa

from roe_magic.errors import MissingExtra
from roe_magic.frames.arrow_types import resolve_type
from roe_magic.frames.memory import memory_errors, no_garbage_collection
from roe_magic.frames.normalize import from_arrow
from roe_magic.frames.to_python import python_cells
from roe_magic.frames.type_parser import ClickHouseType
from roe_magic.frames.type_properties import DOCUMENT_TYPES, WIDE_INTEGER_TYPES, unwrap

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
    """Return a table as a pandas DataFrame; column names may repeat or be empty.

    Parameters
    ----------
    table : pa.Table
        Canonical, stored or the engine's own; the last two are converted to canonical first.
    column_types : sequence of str
        The ClickHouse type of each column.
    dtype_backend : {"numpy_nullable", "pyarrow"}
        ``numpy_nullable`` means Int64, Float64, boolean, string, datetime64 with time zone, category, and Python
        objects for nested types; ``pyarrow`` means ArrowDtype columns throughout. ``docs/types.md`` lists all types.
    tz : str, optional
        Convert every DateTime and DateTime64 column to this time zone.
    """
    import pandas as pd

    table = from_arrow(table, column_types)
    ch_types = [resolve_type(type_name) for type_name in column_types]
    convert = _numpy_column if dtype_backend == "numpy_nullable" else _arrow_column
    pairs = zip(table.columns, ch_types, strict=True)
    columns = [convert(_in_time_zone(column, tz), ch_type) for column, ch_type in pairs]
    frame: pd.DataFrame = pd.DataFrame(dict(enumerate(columns)), index=pd.RangeIndex(table.num_rows), copy=False)
    frame.columns = pd.Index(table.column_names, dtype=object if not columns else None)
    return frame


def _in_time_zone(column: pa.ChunkedArray, tz: str | None) -> pa.ChunkedArray:
    return column.cast(pa.timestamp(column.type.unit, tz)) if tz and pa.types.is_timestamp(column.type) else column


def _arrow_column(column: pa.ChunkedArray, _: ClickHouseType) -> Any:
    import pandas as pd

    return pd.arrays.ArrowExtensionArray(column)


def _numpy_column(column: pa.ChunkedArray, ch_type: ClickHouseType) -> Any:
    """Return a pandas array or Series.

    The Arrow type decides, because a column may have fallen back to text; the ClickHouse type tells which columns
    become objects.
    """
    import pandas as pd

    arrow_type = column.type
    if pa.types.is_dictionary(arrow_type) and pa.types.is_string(arrow_type.value_type):
        return column.combine_chunks().to_pandas() if column.num_chunks > 1 else column.to_pandas()
    if unwrap(ch_type).name in _OBJECT_TYPES or pa.types.is_nested(arrow_type) or pa.types.is_null(arrow_type):
        return _objects(column, ch_type)
    if pa.types.is_primitive(arrow_type) and not pa.types.is_temporal(arrow_type):
        return _masked_array(column)
    if pa.types.is_string(arrow_type):
        dtype: Any = pd.StringDtype("pyarrow")
        return dtype.__from_arrow__(column)
    if pa.types.is_decimal(arrow_type):
        return pd.arrays.ArrowExtensionArray(column)
    return (column.cast(pa.timestamp("s")) if pa.types.is_date(arrow_type) else column).to_pandas()


_OBJECT_TYPES = WIDE_INTEGER_TYPES | DOCUMENT_TYPES


def _objects(column: pa.ChunkedArray, ch_type: ClickHouseType) -> Any:
    import pandas as pd

    with no_garbage_collection():
        cells = itertools.chain.from_iterable(python_cells(chunk, ch_type) for chunk in column.chunks)
        objects = np.fromiter(cells, object, len(column))
    return pd.Series(objects, dtype=object, copy=False)


def _masked_array(column: pa.ChunkedArray) -> Any:
    """Return a nullable pandas array whose mask is NULL only: NaN stays a value."""
    import pandas as pd

    mask = _own_copy(column.is_null()) if column.null_count else np.zeros(len(column), np.bool_)
    placeholder = False if pa.types.is_boolean(column.type) else 0
    values = _own_copy(column.fill_null(placeholder) if column.null_count else column)
    classes = {"b": pd.arrays.BooleanArray, "f": pd.arrays.FloatingArray}
    return classes.get(values.dtype.kind, pd.arrays.IntegerArray)(values, mask)


def _own_copy(column: pa.ChunkedArray) -> np.ndarray[Any, Any]:
    """Return a column as one numpy array of its own memory, which pandas may write to."""
    values: np.ndarray[Any, Any] = column.to_numpy()
    return values if values.flags.writeable and values.flags.owndata else values.copy()


@memory_errors
def to_polars(table: pa.Table, column_types: Sequence[str]) -> pl.DataFrame:
    """Return a table as a polars DataFrame.

    polars has no repeated column names: they get the suffixes ``_1``, ``_2``, ..., with a warning. Numbers of more than
    38 digits become text, 128-bit integers the types that polars has for them, and a map a list of key and value.
    """
    try:
        import polars as pl
    except ImportError:
        raise MissingExtra("polars", "A polars DataFrame") from None
    table = from_arrow(table, column_types)
    names = _unique_names(table.column_names)
    ch_types = [resolve_type(type_name) for type_name in column_types]
    columns = zip(names, table.columns, ch_types, strict=True)
    return pl.DataFrame([_polars_series(pl, name, column, ch_type) for name, column, ch_type in columns])


def _unique_names(names: Sequence[str]) -> list[str]:
    """Return the names with a number after each repeated one, and warn of it."""
    taken, unique = set(names), []
    for index, name in enumerate(names):
        number, candidate = 0, name
        while candidate in unique or (number and candidate in taken):
            number += 1
            candidate = f"{name}_{number}"
        unique.append(candidate)
        if number:
            warnings.warn(
                f"polars has no repeated column names: column {index} {name!r} is named {candidate!r}.", stacklevel=3
            )
    return unique


def _polars_series(pl: Any, name: str, column: pa.ChunkedArray, ch_type: ClickHouseType) -> Any:
    target = _polars_type(column.type)
    series = pl.Series(name, column if target == column.type else column.cast(target))
    type_name = unwrap(ch_type).name
    wide_integer = getattr(pl, type_name, None) if type_name in ("Int128", "UInt128") else None
    return series.cast(wide_integer) if wide_integer is not None else series


@functools.lru_cache(maxsize=4096)
def _polars_time_zone(name: str | None) -> str | None:
    """Return the time zone, or UTC where polars does not know it: it has no offsets such as +05:30."""
    import polars as pl

    try:
        pl.Series([0]).cast(pl.Datetime(time_zone=name))
    except pl.exceptions.PolarsError:
        return "UTC"
    return name


def _polars_type(arrow_type: pa.DataType) -> pa.DataType:
    """Return the nearest Arrow type that polars accepts."""
    if pa.types.is_decimal256(arrow_type):
        return pa.string()
    if pa.types.is_timestamp(arrow_type):
        return pa.timestamp(arrow_type.unit, _polars_time_zone(arrow_type.tz))
    if pa.types.is_map(arrow_type):
        key, value = _polars_type(arrow_type.key_type), _polars_type(arrow_type.item_type)
        return pa.list_(pa.struct([pa.field("key", key), pa.field("value", value)]))
    if pa.types.is_list(arrow_type):
        return pa.list_(_polars_type(arrow_type.value_type))
    if pa.types.is_struct(arrow_type):
        return pa.struct([pa.field(field.name, _polars_type(field.type)) for field in arrow_type])
    return arrow_type
