"""Canonical Arrow to Python values: JSON-ready cells for the API, and natural ones for pandas' object columns.

:func:`json_cells` and :func:`python_cells` share one walk over nested types (:func:`_convert_array`); they differ in
the table of converters for scalar types and in how tuples and maps are built.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable, Iterable, Sequence
from decimal import Decimal
from typing import Any

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from roe_magic.frames.arrow_types import Form, arrow_type, check_column_count, is_known, resolve_type
from roe_magic.frames.json_text import parse_json_text
from roe_magic.frames.memory import no_garbage_collection
from roe_magic.frames.temporal import duration_text, timestamps_to_python_text
from roe_magic.frames.type_parser import ClickHouseType
from roe_magic.frames.type_properties import (
    DIGITS_OF_UNIT,
    DOCUMENT_TYPES,
    FLOAT_TYPES,
    INTERVAL_UNITS,
    WIDE_INTEGER_TYPES,
    element_names,
    fraction_digits,
    unwrap,
)

# Converts an array to the Python value of each element.
Converter = Callable[[pa.Array, ClickHouseType], list[Any]]


def to_rows(table: pa.Table | pa.RecordBatch, column_types: Sequence[str]) -> list[list[Any]]:
    """Return a canonical (or stored) table as JSON-ready rows, the shape that the API sends.

    128- and 256-bit integers, decimals, nan and inf are strings, times look like Python's ``str(datetime)``, a named
    tuple is an object, and a map is an object too, unless a key repeats or is not simple: then it is a list of pairs.
    ``from_rows`` of them returns the same table again.
    """
    with no_garbage_collection():
        return [list(row) for row in zip(*_columns(table, column_types, json_cells), strict=True)]


def to_json(table: pa.Table | pa.RecordBatch, column_types: Sequence[str]) -> bytes:
    """Return the rows as JSON without the outer brackets, ``[1,"a"],[2,"b"]``; text of documents stays unchanged."""
    try:
        with no_garbage_collection():
            rows = list(zip(*_columns(table, column_types, _json_cells_or_raw), strict=True))
            return msgspec.json.encode(rows)[1:-1]
    except UnicodeEncodeError:  # lone surrogates, for bytes that are not UTF-8: only the standard library writes them
        return json.dumps(to_rows(table, column_types), separators=(",", ":"))[1:-1].encode()


def _columns(table: pa.Table | pa.RecordBatch, column_types: Sequence[str], convert: Converter) -> list[list[Any]]:
    if isinstance(table, pa.RecordBatch):
        table = pa.Table.from_batches([table])
    check_column_count(table.column_names, column_types)
    return [
        list(itertools.chain.from_iterable(convert(chunk, resolve_type(type_name)) for chunk in column.chunks))
        for column, type_name in zip(table.columns, column_types, strict=True)
    ]


def json_cells(array: pa.Array, ch_type: ClickHouseType) -> list[Any]:
    """Return the values of a canonical array as a JSON encoder takes them."""
    return _convert_array(array, ch_type, _TO_JSON, json_cells)


def python_cells(array: pa.Array, ch_type: ClickHouseType) -> list[Any]:
    """Return the values of a canonical array as Python objects: dicts, tuples, datetimes, integers of any size."""
    return _convert_array(array, ch_type, _TO_PYTHON, python_cells)


def _json_cells_or_raw(array: pa.Array, ch_type: ClickHouseType) -> list[Any]:
    """Return what json_cells does, but documents as ``msgspec.Raw``, which the encoder copies without parsing."""
    if unwrap(ch_type).name in DOCUMENT_TYPES and pa.types.is_string(array.type):
        return [None if text is None else msgspec.Raw(text.encode()) for text in _values(array)]
    return json_cells(array, ch_type)


def _convert_array(
    array: pa.Array, ch_type: ClickHouseType, scalar_converters: dict[str, Converter], convert_child: Converter
) -> list[Any]:
    ch_type = unwrap(ch_type)
    if pa.types.is_dictionary(array.type):
        array = array.dictionary_decode()
    convert_nested = _NESTED_CONVERTERS.get(ch_type.name)
    if convert_nested is not None and pa.types.is_nested(array.type):
        return convert_nested(array, ch_type, convert_child)
    is_text = pa.types.is_string(array.type)
    fell_back = is_text and (arrow_type(ch_type, Form(array.type)) != array.type or not is_known(ch_type))
    return _values(array) if fell_back else scalar_converters.get(ch_type.name, _unchanged)(array, ch_type)


def _values(array: pa.Array) -> list[Any]:
    """Return what ``array.to_pylist()`` does, but by way of numpy where that is faster."""
    data_type = array.type
    if pa.types.is_integer(data_type) or pa.types.is_floating(data_type):
        return _with_nulls(array, array.fill_null(0).to_numpy().tolist())
    if pa.types.is_string(data_type) or pa.types.is_boolean(data_type) or pa.types.is_binary(data_type):
        values: list[Any] = array.to_numpy(zero_copy_only=False).tolist()
        return values
    if pa.types.is_decimal(data_type):
        # Where the memory ends, pyarrow 17 aborts the process in to_pylist().
        return _map_values(array.cast(pa.string()), Decimal)
    try:
        values = array.to_pylist()
    except (OverflowError, ValueError):
        values = _values_beyond_datetime(array)
    return values


def _values_beyond_datetime(array: pa.Array) -> list[Any]:
    """Return durations that timedelta cannot hold as numpy's; timestamps that their zone cannot show in UTC."""
    if pa.types.is_duration(array.type):
        return _map_values(array.cast(pa.int64()), lambda count: np.timedelta64(count, array.type.unit))
    values: list[Any] = array.cast(pa.timestamp(array.type.unit, "UTC")).to_pylist()
    return values


def _with_nulls(array: pa.Array, values: list[Any]) -> list[Any]:
    """Set those of the values to None that are NULL in the array."""
    if array.null_count:
        for index in np.flatnonzero(array.is_null().to_numpy(zero_copy_only=False)).tolist():
            values[index] = None
    return values


def _map_values(array: pa.Array, function: Callable[[Any], Any]) -> list[Any]:
    return [None if value is None else function(value) for value in _values(array)]


def _unchanged(array: pa.Array, _: ClickHouseType) -> list[Any]:
    return _values(array)


def _floats(array: pa.Array, _: ClickHouseType) -> list[Any]:
    """Return floats, with nan and inf as strings, as ClickHouse writes them: JSON has no numbers for them."""
    if array.type == pa.float32():
        # The shortest number that is this Float32: 0.1, where its value as a Float64 is 0.10000000149011612.
        array = array.cast(pa.string()).cast(pa.float64())
    values = _values(array)
    not_finite = pc.invert(pc.fill_null(pc.is_finite(array), True)).to_numpy(zero_copy_only=False)
    for index in np.flatnonzero(not_finite).tolist():
        values[index] = str(values[index])
    return values


def _texts(array: pa.Array, _: ClickHouseType) -> list[Any]:
    """Return text, with lone surrogates for bytes that are not UTF-8."""
    try:
        return _values(array.cast(pa.string()))
    except pa.ArrowInvalid:
        pass
    return _map_values(array, lambda raw: raw.decode("utf-8", "surrogateescape"))


def _timestamps(array: pa.Array, _: ClickHouseType) -> list[Any]:
    return _values(timestamps_to_python_text(array))


def _durations(array: pa.Array, ch_type: ClickHouseType) -> list[Any]:
    """Return times of day with as many digits as their type has; their Arrow unit may have more."""
    digits = fraction_digits(ch_type) if ch_type.name == "Time64" else 0
    surplus = 10 ** (DIGITS_OF_UNIT[array.type.unit] - digits)
    counts = pc.divide(array.cast(pa.int64()), surplus)
    return _map_values(counts, lambda count: duration_text(count, digits))


def _interval_counts(array: pa.Array, ch_type: ClickHouseType) -> list[Any]:
    factor = 1 if pa.types.is_integer(array.type) else INTERVAL_UNITS[ch_type.name][1]
    return _map_values(array.cast(pa.int64()), lambda count: count // factor)


def _documents(array: pa.Array, _: ClickHouseType) -> list[Any]:
    return _map_values(array, parse_json_text)


def _decimal_texts(array: pa.Array, _: ClickHouseType) -> list[Any]:
    return _map_values(array, lambda value: format(value, "f"))


def _wide_integers(array: pa.Array, _: ClickHouseType) -> list[Any]:
    return _map_values(array, _wide_integer)


def _wide_integer(value: str | Decimal) -> int | str:
    try:
        return int(value)
    except ValueError:  # text of a column that fell back
        return str(value)


def _dates(array: pa.Array, _: ClickHouseType) -> list[Any]:
    return _values(array.cast(pa.string()))


_COMMON_CONVERTERS: dict[str, Converter] = dict.fromkeys(DOCUMENT_TYPES, _documents)
_TO_PYTHON: dict[str, Converter] = {**_COMMON_CONVERTERS, **dict.fromkeys(WIDE_INTEGER_TYPES, _wide_integers)}
_TO_JSON: dict[str, Converter] = {
    **_COMMON_CONVERTERS,
    **dict.fromkeys(FLOAT_TYPES, _floats),
    **dict.fromkeys(("Decimal", "Int128", "UInt128"), _decimal_texts),
    **dict.fromkeys(("String", "FixedString", "AggregateFunction"), _texts),
    **dict.fromkeys(("DateTime", "DateTime64"), _timestamps),
    **dict.fromkeys(("Date", "Date32"), _dates),
    **dict.fromkeys(("Time", "Time64"), _durations),
    **dict.fromkeys(INTERVAL_UNITS, _interval_counts),
}


def _ranges(array: pa.Array) -> tuple[Iterable[tuple[int, int]], int, int]:
    """Return where each list begins and ends among the lists' values, and the range of the values as a whole."""
    offsets = array.offsets.to_numpy()
    if not len(offsets):
        return [], 0, 0
    return itertools.pairwise((offsets - offsets[0]).tolist()), int(offsets[0]), int(offsets[-1])


def _lists(array: pa.Array, ch_type: ClickHouseType, convert_child: Converter) -> list[Any]:
    ranges, first, last = _ranges(array)
    values = convert_child(array.values[first:last], ch_type.types[0])
    return _with_nulls(array, [values[start:stop] for start, stop in ranges])


def _maps(array: pa.Array, ch_type: ClickHouseType, convert_child: Converter) -> list[Any]:
    ranges, first, last = _ranges(array)
    keys = convert_child(array.keys[first:last], ch_type.types[0])
    items = convert_child(array.items[first:last], ch_type.types[1])
    build_map = _json_map if convert_child is not python_cells else _python_map
    return _with_nulls(array, [build_map(keys[start:stop], items[start:stop]) for start, stop in ranges])


def _python_map(keys: list[Any], items: list[Any]) -> Any:
    """Return a dict, or a list of pairs where a key repeats or is not hashable."""
    try:
        as_dict = dict(zip(keys, items, strict=True))
    except TypeError:
        return list(zip(keys, items, strict=True))
    return as_dict if len(as_dict) == len(keys) else list(zip(keys, items, strict=True))


def _json_map(keys: list[Any], items: list[Any]) -> Any:
    """Return a dict with strings as keys, or a list of pairs where a key repeats or is neither text nor integer."""
    if all(isinstance(key, (str, int)) for key in keys):
        names = (key if isinstance(key, str) else json.dumps(key) for key in keys)
        as_dict = dict(zip(names, items, strict=True))
        if len(as_dict) == len(keys):
            return as_dict
    return [list(pair) for pair in zip(keys, items, strict=True)]


def _tuples(array: pa.Array, ch_type: ClickHouseType, convert_child: Converter) -> list[Any]:
    names = element_names(ch_type)
    children = [convert_child(child, type_) for child, type_ in zip(array.flatten(), ch_type.types, strict=True)]
    rows: list[Any] = list(zip(*children, strict=True)) if names else [()] * len(array)
    if ch_type.names:
        rows = list(map(dict, map(zip, itertools.repeat(names), rows)))
    elif convert_child is not python_cells:
        rows = [list(row) for row in rows]
    return _with_nulls(array, rows)


_NESTED_CONVERTERS: dict[str, Callable[[pa.Array, ClickHouseType, Converter], list[Any]]] = {
    "Array": _lists,
    "Map": _maps,
    "Tuple": _tuples,
}
