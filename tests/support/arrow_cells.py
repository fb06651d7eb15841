"""Reads the canonical Arrow tables of docs/types.md as exact values, for comparison with the engine's own."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import numpy as np
import pyarrow as pa

from tests.support import json_cells
from tests.support.document_text import parse_document
from tests.support.moment_text import moment
from tests.support.type_text import Type, named, type_of
from tests.support.typed_values import Day, Document, Float, Moment, Span

_NANOSECONDS = {"s": 10**9, "ms": 10**6, "us": 10**3, "ns": 1}
_NESTED = {"Array", "Tuple", "Map"}
INTERVALS = {
    "IntervalNanosecond": 1,
    "IntervalMicrosecond": 10**3,
    "IntervalMillisecond": 10**6,
    "IntervalSecond": 10**9,
    "IntervalMinute": 60 * 10**9,
    "IntervalHour": 3600 * 10**9,
    "IntervalDay": 86400 * 10**9,
    "IntervalWeek": 7 * 86400 * 10**9,
}


def table_rows(table: pa.Table, types: list[str]) -> list[tuple[Any, ...]]:
    """Return the rows of a canonical table."""
    columns = [
        [cell for chunk in column.chunks for cell in cells(chunk, type_of(text))]
        for column, text in zip(table.columns, types, strict=True)
    ]
    return list(zip(*columns, strict=True))


def cells(array: pa.Array, type_: Type) -> list[Any]:
    """Return the values of an array of a type; a value that has another form than docs/types.md says comes as it is."""
    if type_.name == "Nullable":
        return cells(array, type_of(type_.args[0]))
    if pa.types.is_string(array.type) and type_.name in _NESTED:
        # A whole column that became text, as docs/types.md says of moments beyond Arrow's.
        return [None if text is None else json_cells.cell(json_cells.decode(text), type_) for text in array.to_pylist()]
    if isinstance(array, pa.DictionaryArray):
        array = array.dictionary_decode()
    values = _READERS.get(type_.name, _plain)(array, type_)
    for index in np.flatnonzero(array.is_null().to_numpy(zero_copy_only=False)).tolist():
        values[index] = None
    return values


def _plain(array: pa.Array, type_: Type) -> list[Any]:
    if type_.name.endswith(("Int128", "Int256")):
        return [None if value is None else int(value) for value in array.to_pylist()]
    if type_.name in INTERVALS and pa.types.is_duration(array.type):
        factor = _NANOSECONDS[array.type.unit]
        return [_whole(count * factor, INTERVALS[type_.name]) for count in _integers(array)]
    if type_.name.startswith("Interval") and pa.types.is_string(array.type):
        return [value and int(value) for value in array.to_pylist()]
    return list(array.to_pylist())


def _whole(number: int, unit: int) -> Any:
    return number // unit if number % unit == 0 else f"{number} ns"


def _integers(array: pa.Array) -> list[int]:
    return [value or 0 for value in array.cast(pa.int64()).to_pylist()]


def _floats(array: pa.Array, type_: Type) -> list[Any]:
    if not pa.types.is_floating(array.type):
        return list(array.to_pylist())
    width, bits = array.type.bit_width, np.uint32 if array.type.bit_width == 32 else np.uint64
    if len(array) == 0:
        return []
    buffer = np.frombuffer(array.buffers()[1], bits, len(array), array.offset * width // 8)
    return [Float(width, number) for number in buffer.tolist()]


def _bytes(array: pa.Array, _: Type) -> list[Any]:
    return list(array.cast(pa.binary()).to_pylist())


def _days(array: pa.Array, _: Type) -> list[Any]:
    return [Day(days or 0) for days in array.cast(pa.int32()).to_pylist()]


def _moments(array: pa.Array, type_: Type) -> list[Any]:
    if pa.types.is_string(array.type):
        return [text and moment(text) for text in array.to_pylist()]
    factor = _NANOSECONDS[array.type.unit]
    return [Moment(count * factor) for count in _integers(array)]


def _spans(array: pa.Array, _: Type) -> list[Any]:
    factor = _NANOSECONDS[array.type.unit]
    return [Span(count * factor) for count in _integers(array)]


def _documents(array: pa.Array, _: Type) -> list[Any]:
    return [None if text is None else Document(parse_document(text)) for text in array.to_pylist()]


def _ranges(array: pa.Array) -> list[tuple[int, int]]:
    offsets = array.offsets.to_pylist()
    return list(itertools.pairwise(offsets))


def _lists(array: pa.Array, type_: Type) -> list[Any]:
    values = cells(array.values, type_of(type_.args[0]))
    return [values[start:stop] for start, stop in _ranges(array)]


def _maps(array: pa.Array, type_: Type) -> list[Any]:
    keys, items = (
        cells(child, type_of(text)) for child, text in zip((array.keys, array.items), type_.args, strict=True)
    )
    pairs = list(zip(keys, items, strict=True))
    return [pairs[start:stop] for start, stop in _ranges(array)]


def _tuples(array: pa.Array, type_: Type) -> list[Any]:
    if not type_.args:
        return [()] * len(array)
    children = zip(array.flatten(), (type_of(named(arg)[1]) for arg in type_.args), strict=True)
    return list(zip(*(cells(child, each) for child, each in children), strict=True))


_READERS: dict[str, Callable[[pa.Array, Type], list[Any]]] = {
    **dict.fromkeys(("Float32", "Float64", "BFloat16"), _floats),
    **dict.fromkeys(("String", "FixedString", "AggregateFunction"), _bytes),
    **dict.fromkeys(("Date", "Date32"), _days),
    **dict.fromkeys(("DateTime", "DateTime64"), _moments),
    **dict.fromkeys(("Time", "Time64"), _spans),
    **dict.fromkeys(("JSON", "Dynamic", "Variant"), _documents),
    **dict.fromkeys(("Array", "QBit"), _lists),
    "Map": _maps,
    "Tuple": _tuples,
}
