"""Cells that are times, durations and days, read however they are written."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import date, datetime
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from roe_magic.frames.clickhouse_types import Type
from roe_magic.frames.schema import INTERVALS, unit, zone

Cells = Sequence[Any]


def moments(texts: pa.Array, ticks: str) -> pa.Array:
    """Read times that are written with their offset; pyarrow 17 reads years that nanoseconds cannot hold as others."""
    if ticks == "ns":
        years = pc.utf8_slice_codeunits(texts, 0, 4)
        if pc.any(pc.or_(pc.less(years, "1678"), pc.greater(years, "2261"))).as_py():
            raise pa.ArrowInvalid("a year is beyond the range of nanoseconds")
    return texts.cast(pa.timestamp(ticks, "UTC"))


def datetimes(cells: Cells, kind: Type, want: pa.DataType) -> pa.Array:
    """Read moments all at once, as they are mostly written."""
    texts = pa.array(cells, pa.string())
    try:
        return moments(texts, want.unit).cast(want)
    except pa.ArrowInvalid:
        if want.unit == "ns":
            raise
    return _local(texts.cast(pa.timestamp(want.unit)), kind)  # no zone is written: it is the column's


def _local(naive: pa.Array, kind: Type) -> pa.Array:
    return pc.assume_timezone(naive, zone(kind), ambiguous="earliest", nonexistent="raise")


def written(texts: pa.Array, kind: Type, want: pa.DataType) -> pa.Array:
    """Read moments that are kept as text, the last months that nanoseconds can hold too."""
    try:
        return moments(texts, want.unit).cast(want)
    except pa.ArrowInvalid:
        cells = texts.to_pylist()
        return pa.array([None if cell is None else careful_datetime(cell, kind) for cell in cells], want)


def as_written(moments: pa.Array, digits: int) -> pa.Array:
    """Write nanoseconds as ClickHouse does: 2024-01-01T00:00:00.0000000Z."""
    text = moments.cast(pa.timestamp("ns", "UTC")).cast(pa.string())
    day, clock = pc.utf8_slice_codeunits(text, 0, 10), pc.utf8_slice_codeunits(text, 11, 20 + digits)
    return pc.binary_join_element_wise(day, "T", clock, "Z", "")


_MOMENT = re.compile(r"(\d{4}-\d\d-\d\d)(?:[ T](\d\d:\d\d:\d\d)(?:\.(\d{1,9}))?)?\s*(Z|[+-]\d\d:?\d\d(?::\d\d)?)?\Z")
# As ClickHouse writes it, or as Python does: "-1 day, 23:59:59".
_CLOCK = re.compile(r"(?:(-?\d+) days?, )?([+-]?)(\d+):(\d\d):(\d\d)(?:\.(\d{1,9}))?\Z")
# The years 1900 to 2299, in seconds since 1970: all that ClickHouse has.
_FIRST, _LAST = -2_208_988_800, 10_413_792_000
_PER_SECOND = {"s": 0, "ms": 3, "us": 6, "ns": 9}


def careful_datetime(cell: Any, kind: Type) -> int:
    """Read one moment, however it is written, as ticks of the column's unit since 1970."""
    digits = _PER_SECOND["s" if kind.name == "DateTime" else unit(kind)]
    if isinstance(cell, (int, float, Decimal)):
        if not _FIRST <= cell < _LAST:
            raise ValueError(f"{cell!r} is not a number of seconds within the type's years")
        return _ticks(Decimal(str(cell)), digits)
    found = _MOMENT.match(cell)
    if found is None:
        raise ValueError(f"{cell!r} is not a time")
    day, clock, fraction, offset = found.groups()
    text = f"{day}T{clock or '00:00:00'}"
    if offset:
        seconds = int(datetime.fromisoformat(text + _offset(offset)).timestamp())
    else:
        naive = pa.array([text]).cast(pa.timestamp("s"))
        seconds = _local(naive, kind).cast(pa.int64())[0].as_py()
    return _ticks(seconds + Decimal(f"0.{fraction or 0}"), digits)


def _offset(text: str) -> str:
    return "+00:00" if text == "Z" else text if ":" in text else f"{text[:3]}:{text[3:]}"


def _ticks(seconds: Decimal, digits: int) -> int:
    ticks = seconds.scaleb(digits)
    if ticks != int(ticks):
        raise ValueError(f"{seconds} has more digits than the column's type")
    return int(ticks)


def clocks(cells: Cells, kind: Type, want: pa.DataType) -> pa.Array:
    """Read the values of Time and Time64."""
    digits = _PER_SECOND[want.unit]
    return pa.array([None if cell is None else _span(cell, digits) for cell in cells], want)


def _span(cell: Any, digits: int) -> int:
    """Read a Time, which may be negative and longer than a day."""
    found = _CLOCK.match(cell) if isinstance(cell, str) else None
    if found is None:
        return _ticks(Decimal(str(cell)), digits)
    days, sign, hours, minutes, seconds, fraction = found.groups()
    whole = int(hours) * 3600 + int(minutes) * 60 + int(seconds) + Decimal(f"0.{fraction or 0}")
    return _ticks(int(days or 0) * 86_400 + (-whole if sign == "-" else whole), digits)


def intervals(cells: Cells, kind: Type, want: pa.DataType) -> pa.Array:
    """Read counts of an interval's unit."""
    factor = INTERVALS[kind.name][1]
    return pa.array([None if cell is None else whole_number(cell) * factor for cell in cells], want)


_MIDNIGHT = re.compile(r"(\d{4}-\d\d-\d\d)(?:[ T]00:00(?::00(?:\.0+)?)?\s*(?:Z|[+-]\d\d:?\d\d)?)?")


def day(cell: Any, _: Type) -> date:
    """Read a day, behind which there may be a midnight."""
    found = _MIDNIGHT.fullmatch(cell)
    if found is None:
        raise ValueError(f"{cell!r} is not a day")
    return date.fromisoformat(found[1])


_WHOLE = re.compile(r"[+-]?[0-9]{1,100}")


def whole_number(cell: Any) -> int:
    """Read an integer, however it is sent, but no fraction."""
    if isinstance(cell, str) and not _WHOLE.fullmatch(cell):
        raise ValueError(f"{cell!r} is not a whole number")
    if isinstance(cell, float) and not cell.is_integer():
        raise ValueError(f"{cell!r} is not a whole number")
    if isinstance(cell, Decimal) and (cell.adjusted() > 100 or cell != cell.to_integral_value()):
        raise ValueError(f"{cell!r} is not a whole number")
    return int(cell)
