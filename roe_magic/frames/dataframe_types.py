"""The Arrow type of a column in a DataFrame, where it is not the canonical one.

pandas and polars can do less with some Arrow types than with others that hold the same values: they do not sort
dictionaries, or refuse a time that has more digits than the column's unit. What a column becomes instead is decided
here, for both; ``docs/types.md`` has the table.
"""

from __future__ import annotations

import functools
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from roe_magic.frames.type_parser import ClickHouseType
from roe_magic.frames.type_properties import is_enum, unwrap

# Older releases do not read such a column from a Parquet file that pandas wrote.
_DECIMAL256_FROM_PARQUET = int(pa.__version__.split(".")[0]) >= 21


def pandas_type(arrow_type: pa.DataType) -> pa.DataType:
    """Return the type that a column has in a pandas DataFrame, in both of its backends."""
    if pa.types.is_dictionary(arrow_type):
        # Categories refuse values that they do not have, and pandas cannot sort Arrow's dictionaries.
        return arrow_type.value_type
    if pa.types.is_decimal(arrow_type) and _DECIMAL256_FROM_PARQUET:
        # Arrow adds digits to the type in each sum and product, and refuses more than 38, or here 76.
        return pa.decimal256(arrow_type.precision, arrow_type.scale)
    if pa.types.is_date(arrow_type):
        # An Arrow date cannot be resampled, compared with a Timestamp, or written as JSON.
        return pa.timestamp("us")
    return in_microseconds(arrow_type)


def polars_type(arrow_type: pa.DataType) -> pa.DataType:
    """Return the nearest type, at any depth, that polars accepts."""
    if pa.types.is_dictionary(arrow_type):
        return arrow_type.value_type
    if pa.types.is_decimal256(arrow_type):
        return pa.string()
    if pa.types.is_timestamp(arrow_type):
        return in_microseconds(pa.timestamp(arrow_type.unit, _polars_time_zone(arrow_type.tz)))
    return _polars_nested_type(arrow_type) if pa.types.is_nested(arrow_type) else in_microseconds(arrow_type)


def _polars_nested_type(arrow_type: pa.DataType) -> pa.DataType:
    if pa.types.is_map(arrow_type):
        key, value = polars_type(arrow_type.key_type), polars_type(arrow_type.item_type)
        return pa.list_(pa.struct([pa.field("key", key), pa.field("value", value)]))
    if pa.types.is_list(arrow_type):
        return pa.list_(polars_type(arrow_type.value_type))
    return pa.struct([pa.field(field.name, polars_type(field.type)) for field in arrow_type])


def in_microseconds(arrow_type: pa.DataType) -> pa.DataType:
    """Return a time or a duration in microseconds, the unit of both libraries, where its own unit is coarser.

    In a column of seconds a time with a fraction cannot be set, and columns of two units cannot be joined by time.
    """
    if pa.types.is_timestamp(arrow_type) and arrow_type.unit in ("s", "ms"):
        return pa.timestamp("us", arrow_type.tz)
    if pa.types.is_duration(arrow_type) and arrow_type.unit in ("s", "ms"):
        return pa.duration("us")
    return arrow_type


@functools.lru_cache(maxsize=4096)
def _polars_time_zone(name: str | None) -> str | None:
    """Return the time zone, or UTC where polars does not know it: it has no offsets such as +05:30."""
    import polars as pl

    try:
        pl.Series([0]).cast(pl.Datetime(time_zone=name))
    except pl.exceptions.PolarsError:
        return "UTC"
    return name


def cast_column(column: pa.ChunkedArray, target: pa.DataType) -> pa.ChunkedArray:
    """Return a column in another type; unchanged where a value does not fit, such as an interval of 300,000 years."""
    if column.type == target:
        return column
    try:
        return column.cast(target)
    except pa.ArrowInvalid:
        return column


def has_labels(column: pa.ChunkedArray) -> bool:
    """Whether a column can become categories: one of an Enum, or of LowCardinality text."""
    return bool(pa.types.is_dictionary(column.type) and pa.types.is_string(column.type.value_type))


def ordered_labels(column: pa.ChunkedArray, ch_type: ClickHouseType) -> Any:
    """Return a dictionary column as one ordered array: an Enum's labels in the type's order, others sorted."""
    array = column.combine_chunks()
    labels, indices = array.dictionary, array.indices
    if not is_enum(unwrap(ch_type)):
        order = pc.array_sort_indices(labels)
        labels, indices = labels.take(order), pa.array(np.argsort(order.to_numpy()), pa.int32()).take(indices)
    return pa.DictionaryArray.from_arrays(indices, labels, ordered=True)
