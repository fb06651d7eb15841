"""The values of any type in Native blocks to Arrow: nested types here, scalar ones in ``scalars``."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pyarrow as pa

from roe_magic.frames.arrow_types import is_known
from roe_magic.frames.native.byte_reader import ByteReader, Numbers
from roe_magic.frames.native.scalars import SCALARS, Nulls, validity
from roe_magic.frames.type_parser import ClickHouseType
from roe_magic.frames.type_properties import element_names, integer_argument, without_alias

# The size of a LowCardinality's indices, by the lowest byte of its flags; the other flags that this format may have.
_INDEX_TYPES = ("u1", "<u2", "<u4", "<u8")
_HAS_OWN_KEYS, _OTHER_FLAGS = 0x200, 0x400


def is_readable(ch_type: ClickHouseType) -> bool:
    """Whether the values of a type, at any depth, can be read here."""
    ch_type = without_alias(ch_type)
    if ch_type.name in ("Nullable", "LowCardinality"):
        return len(ch_type.types) == 1 and is_readable(ch_type.types[0])
    if not is_known(ch_type):
        return False
    if ch_type.name == "QBit":
        return len(ch_type.args) == 2 and ch_type.types[0].name in _QBIT_NUMBERS and integer_argument(ch_type, 1, 0) > 0
    return ch_type.name in SCALARS or (ch_type.name in _NESTED and all(map(is_readable, ch_type.types)))


def read_prefix(reader: ByteReader, ch_type: ClickHouseType) -> None:
    """Read what stands before the values of a column: the version of each LowCardinality in it."""
    ch_type = without_alias(ch_type)
    if ch_type.name == "LowCardinality":
        _require(int(reader.numbers("<u8", 1)[0]) == 1, "a LowCardinality of an unknown version")
    elif ch_type.name not in SCALARS:
        for child in ch_type.types:
            read_prefix(reader, child)


def read_values(reader: ByteReader, ch_type: ClickHouseType, count: int, nulls: Nulls = None) -> pa.Array:
    """Read so many values of a type."""
    ch_type = without_alias(ch_type)
    if ch_type.name == "Nullable":
        nulls = reader.numbers("u1", count)
        return read_values(reader, ch_type.types[0], count, nulls if nulls.any() else None)
    if ch_type.name == "LowCardinality":
        return _low_cardinality(reader, ch_type.types[0], count)
    return (SCALARS.get(ch_type.name) or _NESTED[ch_type.name])(reader, ch_type, count, nulls)


def _low_cardinality(reader: ByteReader, ch_type: ClickHouseType, count: int) -> pa.Array:
    is_nullable = ch_type.name == "Nullable"
    inner = ch_type.types[0] if is_nullable else ch_type
    if not count:
        return read_values(reader, inner, 0)
    flags, size = map(int, reader.numbers("<u8", 2))
    _require(flags & ~(0xFF | _OTHER_FLAGS) == _HAS_OWN_KEYS, "a dictionary of an unknown kind")
    keys = read_values(reader, inner, size)
    _require(int(reader.numbers("<u8", 1)[0]) == count, "a dictionary of another number of rows")
    indices = reader.numbers(_INDEX_TYPES[flags & 0xFF], count)
    # In a Nullable's dictionary the first key stands for NULL.
    return keys.take(pa.array(indices, mask=indices == 0 if is_nullable else None))


def _array(reader: ByteReader, ch_type: ClickHouseType, count: int, nulls: Nulls) -> pa.Array:
    offsets = _offsets(reader, count)
    values = read_values(reader, ch_type.types[0], int(offsets[-1]))
    buffers = [validity(nulls), pa.py_buffer(offsets)]
    return pa.Array.from_buffers(pa.list_(values.type), count, buffers, children=[values])


def _map(reader: ByteReader, ch_type: ClickHouseType, count: int, nulls: Nulls) -> pa.Array:
    offsets = _offsets(reader, count)
    keys, items = (read_values(reader, child, int(offsets[-1])) for child in ch_type.types[:2])
    target = pa.map_(pa.binary() if pa.types.is_null(keys.type) else keys.type, items.type)
    entries = pa.StructArray.from_arrays(
        [keys.cast(target.key_type), items], fields=[target.key_field, target.item_field]
    )
    return pa.Array.from_buffers(target, count, [validity(nulls), pa.py_buffer(offsets)], children=[entries])


def _tuple(reader: ByteReader, ch_type: ClickHouseType, count: int, nulls: Nulls) -> pa.Array:
    if not ch_type.types:
        reader.numbers("u1", count)
    children = [read_values(reader, child, count) for child in ch_type.types]
    pairs = zip(element_names(ch_type), children, strict=True)
    target = pa.struct([pa.field(name, child.type) for name, child in pairs])
    return pa.Array.from_buffers(target, count, [validity(nulls)], children=children)


def _qbit(reader: ByteReader, ch_type: ClickHouseType, count: int, nulls: Nulls) -> pa.Array:
    """A QBit is the first bits of all its numbers, then the second bits, and so on; the last bytes come first."""
    size = integer_argument(ch_type, 1, 0)
    dtype, stride = _QBIT_NUMBERS[ch_type.types[0].name], -(-size // 8)
    numbers = np.zeros((count, size), dtype)
    for bit in reversed(range(numbers.itemsize * 8)):
        plane = reader.numbers("u1", count * stride).reshape(count, stride)[:, ::-1]
        bits = np.unpackbits(plane, axis=1, count=size, bitorder="little")
        numbers |= bits.astype(dtype) << numbers.dtype.type(bit)
    values = read_values(ByteReader(numbers.tobytes()), ch_type.types[0], numbers.size)
    offsets = pa.py_buffer(np.arange(0, numbers.size + 1, size).astype("<i4"))
    return pa.Array.from_buffers(pa.list_(values.type), count, [validity(nulls), offsets], children=[values])


def _offsets(reader: ByteReader, count: int) -> Numbers:
    """Return where each list begins, and where the last one ends."""
    offsets = np.zeros(count + 1, "<i8")
    offsets[1:] = reader.numbers("<u8", count)
    _require(int(offsets[-1]) < 2**31, "more list elements than a part of a result can hold")
    return offsets.astype("<i4")


def _require(condition: bool, found: str) -> None:
    if not condition:
        raise ValueError(f"it has {found}")


# Unsigned integers of the size of the numbers in a QBit.
_QBIT_NUMBERS = {"BFloat16": "<u2", "Float32": "<u4", "Float64": "<u8"}
_NESTED: dict[str, Callable[[ByteReader, ClickHouseType, int, Nulls], pa.Array]] = {
    "Array": _array,
    "Map": _map,
    "Tuple": _tuple,
    "QBit": _qbit,
}
