"""The values of scalar types in Native blocks to Arrow, one function per kind of type.

Each returns an array in the stored form, or in one that the engine's own Arrow has and ``from_arrow`` converts. The
values that are NULL are there too, as zeros or empty Strings.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from roe_magic.frames.arrow_types import STORED, arrow_type
from roe_magic.frames.native.byte_reader import ByteReader, Numbers
from roe_magic.frames.type_parser import ClickHouseType
from roe_magic.frames.type_properties import (
    CALENDAR_INTERVALS,
    DIGITS_OF_UNIT,
    INTERVAL_UNITS,
    fraction_digits,
    integer_argument,
)

# One byte per value, not zero for NULL; None where no value is NULL.
Nulls = Numbers | None
ScalarReader = Callable[[ByteReader, ClickHouseType, int, Nulls], pa.Array]


def from_buffer(values: Numbers, target: pa.DataType, nulls: Nulls) -> pa.Array:
    """Return an array of the values as they lie in memory."""
    count = values.size * values.itemsize * 8 // target.bit_width
    return pa.Array.from_buffers(target, count, [validity(nulls), pa.py_buffer(np.ascontiguousarray(values))])


def validity(nulls: Nulls) -> pa.Buffer | None:
    """Return the buffer in which Arrow keeps what is not NULL, one bit per value."""
    return None if nulls is None else pa.py_buffer(np.packbits(nulls == 0, bitorder="little"))


def _as_they_are(dtype: str, target: pa.DataType) -> ScalarReader:
    def read(reader: ByteReader, _: ClickHouseType, count: int, nulls: Nulls) -> pa.Array:
        return from_buffer(reader.numbers(dtype, count), target, nulls)

    return read


def _bytes(size: int) -> ScalarReader:
    def read(reader: ByteReader, _: ClickHouseType, count: int, nulls: Nulls) -> pa.Array:
        return from_buffer(reader.numbers("u1", count * size), pa.binary(size), nulls)

    return read


def _with_more_bits(dtype: str, wider: str) -> ScalarReader:
    """Return a reader of numbers whose Arrow type, that of the stored form, has more bits."""

    def read(reader: ByteReader, ch_type: ClickHouseType, count: int, nulls: Nulls) -> pa.Array:
        return from_buffer(reader.numbers(dtype, count).astype(wider), arrow_type(ch_type, STORED), nulls)

    return read


def _bool(reader: ByteReader, _: ClickHouseType, count: int, nulls: Nulls) -> pa.Array:
    bits = np.packbits(reader.numbers("u1", count), bitorder="little")
    return pa.Array.from_buffers(pa.bool_(), count, [validity(nulls), pa.py_buffer(bits)])


def _bfloat16(reader: ByteReader, _: ClickHouseType, count: int, nulls: Nulls) -> pa.Array:
    """A BFloat16 is the upper half of a Float32."""
    return from_buffer(reader.numbers("<u2", count).astype("<u4") << 16, pa.float32(), nulls)


def _strings(reader: ByteReader, _: ClickHouseType, count: int, nulls: Nulls) -> pa.Array:
    return pa.array(reader.texts(count), pa.binary(), mask=None if nulls is None else nulls != 0)


def _fixed_strings(reader: ByteReader, ch_type: ClickHouseType, count: int, nulls: Nulls) -> pa.Array:
    size = integer_argument(ch_type, 0, 1)
    return from_buffer(reader.numbers("u1", count * size), pa.binary(size), nulls)


def _uuids(reader: ByteReader, _: ClickHouseType, count: int, nulls: Nulls) -> pa.Array:
    """A UUID is two numbers of 64 bits; the engine's Arrow has the most significant byte first."""
    return from_buffer(reader.numbers("<u8", count * 2).byteswap(), pa.binary(16), nulls)


def _decimals(reader: ByteReader, ch_type: ClickHouseType, count: int, nulls: Nulls) -> pa.Array:
    precision, target = integer_argument(ch_type, 0, 10), arrow_type(ch_type, STORED)
    if precision > 18:
        return from_buffer(reader.numbers("<i8", count * target.bit_width // 64), target, nulls)
    words = np.empty((count, 2), "<i8")
    words[:, 0] = reader.numbers("<i4" if precision <= 9 else "<i8", count)
    words[:, 1] = words[:, 0] >> 63
    return from_buffer(words, target, nulls)


def _moments(reader: ByteReader, ch_type: ClickHouseType, count: int, nulls: Nulls) -> pa.Array:
    """A DateTime64 or Time64 counts units with the digits of its type; Arrow has units of 0, 3, 6 and 9 digits."""
    counts, target = reader.numbers("<i8", count), arrow_type(ch_type, STORED)
    digits = fraction_digits(ch_type)
    if pa.types.is_string(target):
        return _moments_as_text(counts, digits, nulls)
    factor = 10 ** (DIGITS_OF_UNIT[target.unit] - digits)
    if np.abs(counts).max(initial=0) > np.iinfo(np.int64).max // factor:
        raise ValueError("it has a time that its unit cannot count")
    return from_buffer(counts * factor, target, nulls)


def _moments_as_text(counts: Numbers, digits: int, nulls: Nulls) -> pa.Array:
    """Return moments as the engine's ISO format writes them: 2024-01-01T00:00:00.0000000Z."""
    seconds, fractions = np.divmod(counts, 10**digits)
    clock = pc.replace_substring(from_buffer(seconds, pa.timestamp("s"), nulls).cast(pa.string()), " ", "T")
    return pc.binary_join_element_wise(
        clock, ".", pc.utf8_lpad(pa.array(fractions).cast(pa.string()), digits, "0"), "Z", ""
    )


def _nothing(reader: ByteReader, _: ClickHouseType, count: int, __: Nulls) -> pa.Array:
    reader.numbers("u1", count)
    return pa.nulls(count)


SCALARS: dict[str, ScalarReader] = {
    **{f"Int{bits}": _as_they_are(f"<i{bits // 8}", getattr(pa, f"int{bits}")()) for bits in (8, 16, 32, 64)},
    **{f"UInt{bits}": _as_they_are(f"<u{bits // 8}", getattr(pa, f"uint{bits}")()) for bits in (8, 16, 32, 64)},
    **dict.fromkeys(("Int128", "UInt128"), _bytes(16)),
    **dict.fromkeys(("Int256", "UInt256"), _bytes(32)),
    **dict.fromkeys((*INTERVAL_UNITS, *CALENDAR_INTERVALS), _as_they_are("<i8", pa.int64())),
    "Float32": _as_they_are("<f4", pa.float32()),
    "Float64": _as_they_are("<f8", pa.float64()),
    "BFloat16": _bfloat16,
    "Bool": _bool,
    "String": _strings,
    "FixedString": _fixed_strings,
    "Date": _with_more_bits("<u2", "<i4"),
    "Date32": _as_they_are("<i4", pa.date32()),
    "DateTime": _with_more_bits("<u4", "<i8"),
    "DateTime64": _moments,
    "Time": _with_more_bits("<i4", "<i8"),
    "Time64": _moments,
    "Decimal": _decimals,
    "UUID": _uuids,
    "IPv4": _as_they_are("<u4", pa.uint32()),
    "IPv6": _bytes(16),
    "Enum8": _as_they_are("i1", pa.int8()),
    "Enum16": _as_they_are("<i2", pa.int16()),
    "Nothing": _nothing,
}  # fmt: skip  # one line per type
