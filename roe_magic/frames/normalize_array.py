"""One array of the engine's own Arrow, or of another form, to the Arrow type of a form.

The engine writes many types as others: DateTime as ``uint32``, Enum as its number, Int128 as bytes. :data:`_CONVERTERS`
has a function for each such type; the other types need a cast at most. Nested types convert their children and keep
their own validity and offset buffers.
"""

from __future__ import annotations

import functools
import socket
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from roe_magic.frames.arrow_types import CANONICAL, Form, arrow_type, column_type, is_known
from roe_magic.frames.cells import map_cells
from roe_magic.frames.temporal import timestamps_from_text, timestamps_to_clickhouse_text
from roe_magic.frames.type_parser import ClickHouseType
from roe_magic.frames.type_properties import (
    INTERVAL_UNITS,
    STRING_TYPES,
    WIDE_INTEGER_TYPES,
    element_names,
    enum_labels,
    fraction_digits,
    unwrap,
)


def normalize_array(array: pa.Array, ch_type: ClickHouseType, form: Form) -> pa.Array:
    """Return an array, at any depth, with the Arrow type that it has in this form."""
    ch_type = unwrap(ch_type)
    target = arrow_type(ch_type, form)
    if isinstance(array, pa.ExtensionArray):
        array = array.storage
    if pa.types.is_dictionary(array.type):
        array = array.dictionary_decode()
    if array.type == target:
        return array
    if array.offset:
        array = pa.concat_arrays([array])  # the converters read whole buffers
    return _CONVERTERS.get(ch_type.name, _cast)(array, ch_type, form)


def values_as_text(array: pa.Array) -> pa.Array:
    """Return the values of an array as Python's ``str`` writes them, where nothing better is possible."""
    return map_cells(str, array.to_pylist(), pa.string())


def enumerate_labels(array: pa.Array, ch_type: ClickHouseType) -> pa.Array:
    """Return Enum numbers, or labels, as a dictionary array whose dictionary is the type's labels in their order."""
    ch_type = unwrap(ch_type)
    target = column_type(ch_type, CANONICAL)
    labels = pa.array(enum_labels(ch_type).values(), pa.string())
    if pa.types.is_dictionary(array.type):
        array = array.dictionary_decode()
    if pa.types.is_integer(array.type):
        indices = pc.index_in(array.cast(pa.int64()), pa.array(enum_labels(ch_type), pa.int64()))
    else:
        indices = pc.index_in(array.cast(pa.string()), labels)
    _check_all_found(indices, array)
    return pa.DictionaryArray.from_arrays(indices.cast(target.index_type), labels)


def check_labels(array: pa.Array, ch_type: ClickHouseType) -> pa.Array:
    """Return the array unchanged; raise ArrowInvalid where a value is none of an Enum's labels."""
    _check_all_found(pc.index_in(array, pa.array(enum_labels(ch_type).values(), array.type)), array)
    return array


def _check_all_found(indices: pa.Array, array: pa.Array) -> None:
    if indices.null_count != array.null_count:
        raise pa.ArrowInvalid("it is not one of the labels")


def _cast(array: pa.Array, ch_type: ClickHouseType, form: Form) -> pa.Array:
    if pa.types.is_union(array.type) or not is_known(ch_type):
        return values_as_text(array)
    return array.cast(arrow_type(ch_type, form))


def _string(array: pa.Array, _: ClickHouseType, form: Form) -> pa.Array:
    if pa.types.is_fixed_size_binary(array.type):
        array = array.cast(pa.binary())
    return array.cast(form.text)


def _enum(array: pa.Array, ch_type: ClickHouseType, _: Form) -> pa.Array:
    return enumerate_labels(array, ch_type).dictionary_decode()


def _date_time_or_time(array: pa.Array, ch_type: ClickHouseType, form: Form) -> pa.Array:
    """The engine writes DateTime as the seconds since 1970, Time as a time of day."""
    if pa.types.is_time(array.type):
        array = array.cast(pa.int32() if array.type.bit_width == 32 else pa.int64())
    counts = array.cast(pa.int64()) if pa.types.is_integer(array.type) else array
    return counts.cast(arrow_type(ch_type, form))


def _date_time_64(array: pa.Array, ch_type: ClickHouseType, form: Form) -> pa.Array:
    target = arrow_type(ch_type, form)
    if pa.types.is_string(target):
        return timestamps_to_clickhouse_text(array, fraction_digits(ch_type))
    return timestamps_from_text(array, ch_type, target) if pa.types.is_string(array.type) else array.cast(target)


def _decimal(array: pa.Array, ch_type: ClickHouseType, form: Form) -> pa.Array:
    """Return decimals of another precision; raise ArrowInvalid where a value has more digits than that."""
    target = arrow_type(ch_type, form)
    if not pa.types.is_decimal(array.type) or array.type.scale != target.scale:
        return array.cast(target)
    if array.type.precision > target.precision and not _has_at_most(array, target.precision):
        raise pa.ArrowInvalid(f"a value has more than {target.precision} digits")
    if array.type.bit_width != target.bit_width:
        return array.cast(target)
    return pa.Array.from_buffers(target, len(array), array.buffers(), array.null_count)


def _has_at_most(array: pa.Array, digits: int) -> bool:
    """Whether no decimal has more digits. The buffer is read, since Arrow's functions trust the precision."""
    array = array.drop_null()
    if array.type.bit_width == 128 and digits <= 18:
        low, high = np.frombuffer(array.buffers()[1], np.int64, len(array) * 2, array.offset * 16).reshape(-1, 2).T
        return bool(((high == low >> 63) & (low < 10**digits) & (low > -(10**digits))).all())
    largest = pc.max(pc.abs(array)).as_py() if len(array) else None
    return largest is None or largest < Decimal(10).scaleb(digits - array.type.scale - 1)


def _interval(array: pa.Array, ch_type: ClickHouseType, form: Form) -> pa.Array:
    unit, factor = INTERVAL_UNITS[ch_type.name]
    if form.stored:
        return pc.divide(array.cast(pa.int64()), factor)
    return pc.multiply_checked(array.cast(pa.int64()), pa.scalar(factor, pa.int64())).cast(pa.duration(unit))


def _wide_integer(array: pa.Array, ch_type: ClickHouseType, form: Form) -> pa.Array:
    """The engine writes Int128 and the like as little-endian bytes."""
    if not pa.types.is_fixed_size_binary(array.type):
        return array.cast(arrow_type(ch_type, form))
    signed = ch_type.name.startswith("I")
    if array.type.byte_width == 32:
        return map_cells(lambda raw: str(int.from_bytes(raw, "little", signed=signed)), array.to_pylist(), pa.string())
    halves = np.frombuffer(array.buffers()[1], np.int64, len(array) * 2).reshape(-1, 2)
    words = np.zeros((len(array), 4), np.int64)
    words[:, :2] = halves
    if signed:
        words[:, 2:] = (halves[:, 1] >> 63)[:, None]
    buffers = [array.buffers()[0], pa.py_buffer(words)]
    return pa.Array.from_buffers(pa.decimal256(39, 0), len(array), buffers, array.null_count)


def _bfloat16(array: pa.Array, *_: object) -> pa.Array:
    """A BFloat16 of two bytes is the upper half of a Float32."""
    if not (pa.types.is_binary(array.type) or pa.types.is_fixed_size_binary(array.type)):
        return array.cast(pa.float32())
    raw = b"".join(array.cast(pa.binary()).fill_null(b"\0\0").to_pylist())
    values = (np.frombuffer(raw, np.uint16).astype(np.uint32) << 16).view(np.float32)
    return pa.array(values, mask=array.is_null().to_numpy(zero_copy_only=False))


_HEX_DIGITS = np.array([list(b"%02x" % byte) for byte in range(256)], np.uint8)
_DASH_POSITIONS = [8, 13, 18, 23]
_DIGIT_POSITIONS = [position for position in range(36) if position not in _DASH_POSITIONS]


def _uuid(array: pa.Array, *_: object) -> pa.Array:
    """The engine writes a UUID as 16 bytes, the most significant first; its text has 36 characters."""
    if not pa.types.is_fixed_size_binary(array.type):
        return array.cast(pa.string())
    count = len(array)
    raw = np.frombuffer(array.buffers()[1], np.uint8, count * 16)
    characters = np.full((count, 36), ord("-"), np.uint8)
    characters[:, _DIGIT_POSITIONS] = _HEX_DIGITS[raw].reshape(count, 32)
    offsets = np.arange(0, 36 * (count + 1), 36, dtype=np.int64)
    if offsets[-1] > np.iinfo(np.int32).max:  # more text than one string array can hold
        halves = array[: count // 2], array[count // 2 :]
        return pa.concat_arrays([_uuid(pa.concat_arrays([half])) for half in halves])
    buffers = [array.buffers()[0], pa.py_buffer(offsets.astype(np.int32)), pa.py_buffer(characters)]
    return pa.Array.from_buffers(pa.string(), count, buffers, array.null_count)


def _ipv4(array: pa.Array, *_: object) -> pa.Array:
    if not pa.types.is_integer(array.type):
        return array.cast(pa.string())
    octets = [pc.bit_wise_and(pc.shift_right(array, pa.scalar(bits, pa.uint32())), 255) for bits in (24, 16, 8, 0)]
    return pc.binary_join_element_wise(*(octet.cast(pa.string()) for octet in octets), ".")


def _ipv6(array: pa.Array, *_: object) -> pa.Array:
    if not pa.types.is_fixed_size_binary(array.type):
        return array.cast(pa.string())
    return map_cells(functools.partial(socket.inet_ntop, socket.AF_INET6), array.to_pylist(), pa.string())


def _array(array: pa.Array, ch_type: ClickHouseType, form: Form) -> pa.Array:
    if not pa.types.is_list(array.type):
        array = array.cast(pa.list_(array.type.value_type))  # of large and fixed-size lists the offsets differ
    values = normalize_array(array.values, ch_type.types[0], form)
    return _with_children(array, pa.list_(values.type), [values])


def _map(array: pa.Array, ch_type: ClickHouseType, form: Form) -> pa.Array:
    key_type, item_type = ch_type.types[:2]
    keys, items = normalize_array(array.keys, key_type, form), normalize_array(array.items, item_type, form)
    target = pa.map_(keys.type, items.type)
    entries = pa.StructArray.from_arrays([keys, items], fields=[target.key_field, target.item_field])
    return _with_children(array, target, [entries])


def _tuple(array: pa.Array, ch_type: ClickHouseType, form: Form) -> pa.Array:
    children = [normalize_array(array.field(index), child, form) for index, child in enumerate(ch_type.types)]
    pairs = zip(element_names(ch_type), children, strict=True)
    return _with_children(array, pa.struct([pa.field(name, child.type) for name, child in pairs]), children)


def _with_children(array: pa.Array, target: pa.DataType, children: list[pa.Array]) -> pa.Array:
    """Return an array with the validity and offsets of this one and other children."""
    own_buffers = array.buffers()[: target.num_buffers]
    return pa.Array.from_buffers(target, len(array), own_buffers, array.null_count, children=children)


_CONVERTERS: dict[str, Callable[[Any, ClickHouseType, Form], pa.Array]] = {
    **dict.fromkeys(STRING_TYPES, _string),
    **dict.fromkeys(WIDE_INTEGER_TYPES, _wide_integer),
    **dict.fromkeys(INTERVAL_UNITS, _interval),
    "Decimal": _decimal,
    "Enum8": _enum,
    "Enum16": _enum,
    "DateTime": _date_time_or_time,
    "DateTime64": _date_time_64,
    "Time": _date_time_or_time,
    "Time64": _date_time_or_time,
    "BFloat16": _bfloat16,
    "UUID": _uuid,
    "IPv4": _ipv4,
    "IPv6": _ipv6,
    "Array": _array,
    "Map": _map,
    "Tuple": _tuple,
}
