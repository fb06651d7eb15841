"""Canonical Arrow to pandas and polars DataFrames."""

from __future__ import annotations

import itertools
import warnings
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import pyarrow as pa

from roe_magic.errors import MissingExtra
from roe_magic.formatting import clean
from roe_magic.frames.arrow_types import resolve_type
from roe_magic.frames.dataframe_types import cast_column, has_labels, ordered_labels, pandas_type, polars_type
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
    categories: bool = False,
) -> pd.DataFrame:
    """Return a table as a pandas DataFrame; column names may repeat or be empty.

    Parameters
    ----------
    table : pa.Table
        Canonical, stored or the engine's own; the last two are converted to canonical first.
    column_types : sequence of str
        The ClickHouse type of each column.
    dtype_backend : {"numpy_nullable", "pyarrow"}
        ``numpy_nullable`` means Int64, Float64, boolean, string, datetime64 with time zone, and Python objects for
        nested types; ``pyarrow`` means ArrowDtype columns. ``docs/types.md`` lists all types.
    tz : str, optional
        Convert every DateTime and DateTime64 column to this time zone.
    categories : bool
        Return Enums and LowCardinality text as ordered categories, an Enum's in the order of its type, others sorted;
        left out, they are text.
    """
    import pandas as pd

    table = from_arrow(table, column_types)
    ch_types = [resolve_type(type_name) for type_name in column_types]
    convert = _numpy_column if dtype_backend == "numpy_nullable" else _arrow_column

    def pandas_column(column: pa.ChunkedArray, ch_type: ClickHouseType) -> Any:
        if categories and has_labels(column):
            return ordered_labels(column, ch_type).to_pandas()
        column = _in_time_zone(column, tz)
        return convert(cast_column(column, pandas_type(column.type)), ch_type)

    columns = map(pandas_column, table.columns, ch_types)
    frame: pd.DataFrame = pd.DataFrame(dict(enumerate(columns)), index=pd.RangeIndex(table.num_rows), copy=False)
    frame.columns = pd.Index(table.column_names, dtype=None if column_types else object)
    return frame


def _in_time_zone(column: pa.ChunkedArray, tz: str | None) -> pa.ChunkedArray:
    return column.cast(pa.timestamp(column.type.unit, tz)) if tz and pa.types.is_timestamp(column.type) else column


def _arrow_column(column: pa.ChunkedArray, ch_type: ClickHouseType) -> Any:
    """Return a pandas array; objects where Arrow has no type that can be summed, sorted and filled."""
    import pandas as pd

    if unwrap(ch_type).name in ("Int256", "UInt256") or pa.types.is_null(column.type):
        return _objects(column, ch_type)
    return pd.arrays.ArrowExtensionArray(column)


def _numpy_column(column: pa.ChunkedArray, ch_type: ClickHouseType) -> Any:
    """Return a pandas array or Series.

    The Arrow type decides, because a column may have fallen back to text; the ClickHouse type tells which columns
    become objects.
    """
    import pandas as pd

    arrow_type = column.type
    if unwrap(ch_type).name in _OBJECT_TYPES or pa.types.is_nested(arrow_type) or pa.types.is_null(arrow_type):
        return _objects(column, ch_type)
    if pa.types.is_primitive(arrow_type) and not pa.types.is_temporal(arrow_type):
        return _masked_array(column)
    if pa.types.is_string(arrow_type):
        dtype: Any = pd.StringDtype("pyarrow")
        return dtype.__from_arrow__(column)
    return pd.arrays.ArrowExtensionArray(column) if pa.types.is_decimal(arrow_type) else column.to_pandas()


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
def to_polars(table: pa.Table, column_types: Sequence[str], *, categories: bool = False) -> pl.DataFrame:
    """Return a table as a polars DataFrame.

    polars has no repeated column names: they get the suffixes ``_1``, ``_2``, ..., with a warning. Numbers of more than
    38 digits become text, 128-bit integers the types that polars has for them, and a map a list of key and value.
    ``categories`` is that of :func:`to_pandas`; they become polars' ``Enum``.
    """
    try:
        import polars as pl
    except ImportError:
        raise MissingExtra("polars", "A polars DataFrame") from None
    table = from_arrow(table, column_types)
    names = _unique_names(table.column_names)
    ch_types = [resolve_type(type_name) for type_name in column_types]
    columns = zip(names, table.columns, ch_types, strict=True)
    return pl.DataFrame([_polars_series(pl, name, column, ch_type, categories) for name, column, ch_type in columns])


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
                f"polars has no repeated column names: column {index} {clean(name)!r} is named {clean(candidate)!r}.",
                stacklevel=3,
            )
    return unique


def _polars_series(pl: Any, name: str, column: pa.ChunkedArray, ch_type: ClickHouseType, categories: bool) -> Any:
    if categories and has_labels(column):
        labels = ordered_labels(column, ch_type)
        return pl.Series(name, labels.cast(pa.string())).cast(pl.Enum(labels.dictionary.to_pylist()))
    series = pl.Series(name, cast_column(column, polars_type(column.type)))
    type_name = unwrap(ch_type).name
    if type_name not in WIDE_INTEGER_TYPES and not pa.types.is_decimal256(column.type):
        return series
    return _polars_numbers(pl, series, column, type_name)


def _polars_numbers(pl: Any, text: Any, column: pa.ChunkedArray, type_name: str) -> Any:
    """Return numbers of more than 38 digits, which are text so far, as a type of polars that holds them, if any."""
    try:
        if type_name == "Decimal":
            return pl.Series(text.name, column.cast(pa.decimal128(38, column.type.scale)))
        return text.cast(pl.UInt128 if type_name.startswith("U") else pl.Int128)
    except (AttributeError, pa.ArrowInvalid, pl.exceptions.PolarsError):  # an older polars has no such integers
        warnings.warn(
            f"polars has no numbers of so many digits: column {clean(text.name)!r} is text, and sorts as text.",
            stacklevel=4,
        )
    return text
