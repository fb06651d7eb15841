"""The kinds of Python values that are not made of others: which Arrow type each has, and what decides that."""

from __future__ import annotations

import datetime as dt
import functools
import ipaddress
import sys
import uuid
from collections.abc import Callable, Sequence
from decimal import Decimal
from typing import Any

import numpy as np
import pyarrow as pa

from roe_magic.frames.type_parser import ClickHouseType
from roe_magic.uploads.arrow.column_problem import NotCarried
from roe_magic.uploads.arrow.python_values import NO_WISH, Codec, Kind, MakeKind, SimpleKind
from roe_magic.uploads.arrow.zones import zone_name

_MOST_DIGITS = 76


def array_of(
    data_type: pa.DataType, convert: Callable[[Any], Any] | None = None
) -> Callable[[Sequence[Any]], pa.Array]:
    """Return a function that makes an Arrow array of values, each converted if there is a conversion; None is NULL."""
    if convert is None:
        return lambda values: pa.array(values, data_type)
    return lambda values: pa.array([None if value is None else convert(value) for value in values], data_type)


def _codec(data_type: pa.DataType, convert: Callable[[Any], Any] | None = None, wish: str = "") -> Codec:
    return Codec(data_type, array_of(data_type, convert), ClickHouseType(wish) if wish else NO_WISH)


class IntegerKind(Kind):
    """Integers, in the narrowest of Int64, UInt64, Int128, UInt128, Int256 and UInt256 that holds all."""

    name = "int"

    def __init__(self) -> None:
        self._lowest, self._highest = 0, 0

    def add(self, values: Sequence[Any], rows: Sequence[int]) -> None:
        """Remember the lowest and the highest; refuse what has more than 256 bits."""
        self._lowest = min(self._lowest, int(min(values, default=0)))
        self._highest = max(self._highest, int(max(values, default=0)))
        if not -(2**255) <= self._lowest <= self._highest < (2**256 if self._lowest >= 0 else 2**255):
            row = next(row for value, row in zip(values, rows, strict=True) if not -(2**255) <= value < 2**255)
            raise NotCarried("holds an integer of more than 256 bits", "Convert the column to text first.", row=row)

    def codec(self) -> Codec:
        """Return the codec of the narrowest type."""
        for bits in (64, 128, 256):
            if -(2 ** (bits - 1)) <= self._lowest and self._highest < 2 ** (bits - 1):
                return self._of(bits, signed=True)
            if self._lowest >= 0 and self._highest < 2**bits:
                return self._of(bits, signed=False)
        raise AssertionError("add() has refused it")

    @staticmethod
    def _of(bits: int, *, signed: bool) -> Codec:
        if bits == 64:
            return _codec(pa.int64() if signed else pa.uint64())
        name = f"{'' if signed else 'U'}Int{bits}"
        return _codec(pa.binary(bits // 8), lambda value: int(value).to_bytes(bits // 8, "little", signed=signed), name)


class DecimalKind(Kind):
    """Decimals, with as many digits as the longest one on each side of the point."""

    name = "Decimal"

    def __init__(self) -> None:
        self._before, self._after = 1, 0

    def add(self, values: Sequence[Any], rows: Sequence[int]) -> None:
        """Count digits; refuse what is not finite, and what has more digits than ClickHouse's decimals."""
        for value, row in zip(values, rows, strict=True):
            _, digits, exponent = value.as_tuple()
            if not isinstance(exponent, int):
                advice = "Replace it by a missing value first, or convert the column to float."
                raise NotCarried(f"holds the Decimal {value}", advice, row=row)
            self._before = max(self._before, len(digits) + exponent)
            self._after = max(self._after, -exponent)
            if self._before + self._after > _MOST_DIGITS:
                reason = f"needs decimals of {self._before + self._after} digits, and ClickHouse has {_MOST_DIGITS}"
                raise NotCarried(reason, "Round the values first, or convert the column to text.", row=row)

    def codec(self) -> Codec:
        """Return the codec of decimals with as many digits as were seen."""
        precision = self._before + self._after
        return _codec((pa.decimal128 if precision <= 38 else pa.decimal256)(precision, self._after))


class IPv6Kind(Kind):
    """Addresses of IPv6, without a scope."""

    name = "IPv6Address"

    def add(self, values: Sequence[Any], rows: Sequence[int]) -> None:
        """Refuse addresses with a scope, such as fe80::1%eth0."""
        for value, row in zip(values, rows, strict=True):
            if value.scope_id is not None:
                raise NotCarried("holds an IPv6 address with a scope", "Convert the column to text first.", row=row)

    def codec(self) -> Codec:
        """Return the codec of the 16 bytes of an address."""
        return _codec(pa.binary(16), lambda value: value.packed, "IPv6")


class TimeKind(Kind):
    """Times of day, without a time zone."""

    name = "time"

    def add(self, values: Sequence[Any], rows: Sequence[int]) -> None:
        """Refuse times with a time zone."""
        for value, row in zip(values, rows, strict=True):
            if value.tzinfo is not None:
                advice = "Remove the zone first, or convert the column to text."
                raise NotCarried("holds a time of day with a time zone", advice, row=row)

    def codec(self) -> Codec:
        """Return the codec of microseconds since midnight."""
        return _codec(pa.time64("us"))


class DateTimeKind(Kind):
    """Times, all without a time zone or all of one zone; with nanoseconds where a pandas Timestamp has some."""

    name = "datetime"

    def __init__(self) -> None:
        self._zone: str | None = None
        self._is_first, self._unit = True, "us"

    def add(self, values: Sequence[Any], rows: Sequence[int]) -> None:
        """Remember the zone; refuse a second one."""
        for value, row in zip(values, rows, strict=True):
            zone = None if value.tzinfo is None else _zone_name(value.tzinfo, row)
            if self._is_first:
                self._zone, self._is_first = zone, False
            elif zone != self._zone:
                names = [name or "none" for name in (self._zone, zone)]
                advice = "Convert them to one zone first, for example with pd.to_datetime(column, utc=True)."
                raise NotCarried(f"holds times of several time zones ({names[0]}, {names[1]})", advice, row=row)
            if getattr(value, "nanosecond", 0):
                self._unit = "ns"

    def codec(self) -> Codec:
        """Return the codec of times in that zone."""
        data_type = pa.timestamp(self._unit, self._zone)
        if self._unit == "us":
            return _codec(data_type)
        integers = array_of(pa.int64(), _nanoseconds)
        return Codec(data_type, lambda values: integers(values).view(data_type))


def _nanoseconds(value: Any) -> int:
    """Return the nanoseconds from 1970 to a pandas Timestamp or a datetime, or those of a Timedelta or timedelta."""
    if hasattr(value, "as_unit"):
        return int(value.as_unit("ns").value)
    if isinstance(value, dt.datetime):
        value = value - dt.datetime(1970, 1, 1, tzinfo=None if value.tzinfo is None else dt.timezone.utc)
    return int(value // dt.timedelta(microseconds=1)) * 1000


def _zone_name(zone: dt.tzinfo, row: int) -> str:
    name = zone_name(zone)
    if name is None:
        advice = "Convert the column to a named zone or to UTC first."
        raise NotCarried(f"holds times of a time zone without a name in the tz database ({zone})", advice, row=row)
    return name


class DurationKind(Kind):
    """Durations; with nanoseconds where a pandas Timedelta has some."""

    name = "timedelta"

    def __init__(self) -> None:
        self._unit = "us"

    def add(self, values: Sequence[Any], rows: Sequence[int]) -> None:
        """Remember whether there are nanoseconds."""
        if any(getattr(value, "nanoseconds", 0) for value in values):
            self._unit = "ns"

    def codec(self) -> Codec:
        """Return the codec of microseconds, or of nanoseconds."""
        data_type = pa.duration(self._unit)
        if self._unit == "us":
            return _codec(data_type)
        integers = array_of(pa.int64(), _nanoseconds)
        return Codec(data_type, lambda values: integers(values).view(data_type))


TEXT = functools.partial(SimpleKind, "str", _codec(pa.string()))
BYTES = functools.partial(SimpleKind, "bytes", _codec(pa.binary(), bytes))
BOOL = functools.partial(SimpleKind, "bool", _codec(pa.bool_(), bool))
FLOAT = functools.partial(SimpleKind, "float", _codec(pa.float64()))
_KINDS: dict[type, MakeKind] = {
    str: TEXT,
    bytes: BYTES,
    bytearray: BYTES,
    bool: BOOL,
    int: IntegerKind,
    float: FLOAT,
    Decimal: DecimalKind,
    uuid.UUID: functools.partial(SimpleKind, "UUID", _codec(pa.string(), str, "UUID")),
    ipaddress.IPv4Address: functools.partial(SimpleKind, "IPv4Address", _codec(pa.string(), str, "IPv4")),
    ipaddress.IPv6Address: IPv6Kind,
    dt.date: functools.partial(SimpleKind, "date", _codec(pa.date32())),
    dt.datetime: DateTimeKind,
    dt.time: TimeKind,
    dt.timedelta: DurationKind,
}


def _numpy_kind(scalar_type: type) -> MakeKind | None:
    """Return the kind of numpy's scalars of a type; None where they have none."""
    kinds: list[tuple[tuple[type, ...], MakeKind]] = [
        ((np.str_,), TEXT),
        ((np.bytes_,), BYTES),
        ((np.bool_,), BOOL),
        ((np.float16, np.float32, np.float64), FLOAT),
        ((np.integer,), IntegerKind),
    ]
    is_duration = issubclass(scalar_type, np.timedelta64)  # which numpy counts among the integers
    return None if is_duration else next((make for types, make in kinds if issubclass(scalar_type, types)), None)


def _pandas_kind(scalar_type: type) -> MakeKind | None:
    """Return the kind of pandas' own times and durations; None for another type."""
    pandas = sys.modules.get("pandas")
    if pandas is None:
        return None
    kinds: dict[type, MakeKind] = {pandas.Timestamp: DateTimeKind, pandas.Timedelta: DurationKind}
    return kinds.get(scalar_type)


def scalar_kind(python_type: type) -> MakeKind | None:
    """Return what makes the kind of values of a Python type; None where it has none, or is a nested one."""
    return _KINDS.get(python_type) or _numpy_kind(python_type) or _pandas_kind(python_type)
