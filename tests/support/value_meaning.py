"""What a value means, whichever library holds it: the equality of docs/uploads.md, section "DataFrames".

Text and bytes are bytes; a time is the nanoseconds since 1970, in UTC where it has no zone; times of day and durations
are nanoseconds; numbers are equal whatever their type; a category is its label. NULL is None.
"""

from __future__ import annotations

import datetime as dt
import ipaddress
import math
import socket
from decimal import Decimal
from typing import Any

import numpy as np
import pyarrow as pa

NANOSECONDS = {"s": 10**9, "ms": 10**6, "us": 10**3, "ns": 1, "D": 86_400 * 10**9}


def meaning(value: Any) -> Any:
    """Return what a Python value means."""
    if value is None or type(value).__name__ in ("NAType", "NaTType"):
        return None
    for types, convert in _BY_TYPE:
        if isinstance(value, types):
            return convert(value)
    return ("text", str(value).encode())


def _float(value: Any) -> Any:
    return ("float", "nan" if math.isnan(value) else float(value).hex())


def _number(value: Any) -> Any:
    exact = Decimal(int(value)) if not isinstance(value, Decimal) else value
    return ("number", f"{exact.normalize():f}" if exact else "0")


def _duration(value: dt.timedelta) -> Any:
    microseconds = value // dt.timedelta(microseconds=1)
    return ("span", microseconds * 1000 + getattr(value, "nanoseconds", 0))


def _moment(value: dt.datetime) -> Any:
    epoch = dt.datetime(1970, 1, 1, tzinfo=None if value.tzinfo is None else dt.timezone.utc)
    if hasattr(value, "asm8"):  # of pandas, with nanoseconds
        return ("moment", _nanoseconds(value.asm8))
    return ("moment", (value - epoch) // dt.timedelta(microseconds=1) * 1000)


def _nanoseconds(value: np.datetime64 | np.timedelta64) -> int:
    return int(value.view("i8")) * NANOSECONDS[np.datetime_data(value.dtype)[0]]


def _time(value: dt.time) -> Any:
    seconds = (value.hour * 60 + value.minute) * 60 + value.second
    return ("span", (seconds * 10**6 + value.microsecond) * 1000)


_BY_TYPE: list[tuple[Any, Any]] = [
    ((bool, np.bool_), lambda value: ("bool", bool(value))),
    ((float, np.floating), _float),
    (np.timedelta64, lambda value: None if np.isnat(value) else ("span", _nanoseconds(value))),
    (np.datetime64, lambda value: None if np.isnat(value) else ("moment", _nanoseconds(value))),
    ((int, np.integer, Decimal), _number),
    ((str,), lambda value: ("text", value.encode())),
    ((bytes, bytearray), lambda value: ("text", bytes(value))),
    # As the engine writes it: ::ffff:1.2.3.4, where some versions of Python have ::ffff:102:304.
    (ipaddress.IPv6Address, lambda value: ("text", socket.inet_ntop(socket.AF_INET6, value.packed).encode())),
    (dt.datetime, _moment),
    (dt.date, lambda value: ("day", value.toordinal() - 719_163)),
    (dt.time, _time),
    (dt.timedelta, _duration),
    (tuple, lambda value: tuple(map(meaning, value))),
    ((list, np.ndarray), lambda value: list(map(meaning, value))),
    (dict, lambda value: {meaning(key): meaning(item) for key, item in value.items()}),
]


def meanings(array: pa.Array | pa.ChunkedArray) -> list[Any]:
    """Return what the values of an Arrow array mean."""
    if isinstance(array, pa.ChunkedArray):
        return [each for chunk in array.chunks for each in meanings(chunk)]
    found = _values(array)
    is_null = array.is_null().to_pylist()
    return [None if null else each for null, each in zip(is_null, found, strict=True)]


def _values(array: pa.Array) -> list[Any]:
    data_type = array.type
    types = pa.types
    if types.is_dictionary(data_type):
        return meanings(array.dictionary_decode())
    if types.is_timestamp(data_type) or types.is_duration(data_type) or types.is_time(data_type):
        kind = "moment" if types.is_timestamp(data_type) else "span"
        counts = array.view(pa.int32() if data_type.bit_width == 32 else pa.int64()).to_pylist()
        return [None if count is None else (kind, count * NANOSECONDS[data_type.unit]) for count in counts]
    if types.is_date32(data_type):
        return [("day", count) for count in array.view(pa.int32()).to_pylist()]
    if types.is_map(data_type):
        return [_map(keys, items) for keys, items in _pairs(array)]
    if types.is_struct(data_type):
        return _structs(array)
    if types.is_list(data_type) or types.is_large_list(data_type) or types.is_fixed_size_list(data_type):
        return [None if value is None else meanings(value.values) for value in array]
    return list(map(meaning, array.to_pylist()))


def _pairs(array: pa.MapArray) -> list[tuple[list[Any], list[Any]]]:
    return [([], []) if value.values is None else _key_and_item(value.values) for value in array]


def _key_and_item(entries: pa.StructArray) -> tuple[list[Any], list[Any]]:
    return meanings(entries.field(0)), meanings(entries.field(1))


def _map(keys: list[Any], items: list[Any]) -> dict[Any, Any]:
    return dict(zip(keys, items, strict=True))


def _structs(array: pa.StructArray) -> list[Any]:
    """Return structs as dicts; those with the names 1, 2, ... as tuples."""
    names = [field.name for field in array.type]
    rows = list(zip(*(meanings(array.field(index)) for index in range(len(names))), strict=True)) or [()] * len(array)
    if names == [str(number) for number in range(1, len(names) + 1)]:
        return list(rows)
    return [dict(zip(map(meaning, names), row, strict=True)) for row in rows]
