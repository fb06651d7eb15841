"""Timestamps, durations, intervals and dates: read from JSON cells and text, and written as text.

Whole columns are converted by Arrow where their text has the usual form. Functions named ``..._from_cell`` read one
cell in any of the other forms that servers send; they are slower and are called only where Arrow refused a column.
"""

from __future__ import annotations

import re
from datetime import date, datetime
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from roe_magic.frames.cells import JsonCells, integer_from_cell, map_cells
from roe_magic.frames.type_parser import ClickHouseType
from roe_magic.frames.type_properties import DIGITS_OF_UNIT, INTERVAL_UNITS, time_unit, time_zone

_TIMESTAMP = re.compile(r"(\d{4}-\d\d-\d\d)(?:[ T](\d\d:\d\d:\d\d)(?:\.(\d{1,9}))?)?\s*(Z|[+-]\d\d:?\d\d(?::\d\d)?)?\Z")
# As ClickHouse writes it, or as Python does: "-1 day, 23:59:59".
_DURATION = re.compile(r"(?:(-?\d+) days?, )?([+-]?)(\d+):(\d\d):(\d\d)(?:\.(\d{1,9}))?\Z")
_DATE_AT_MIDNIGHT = re.compile(r"(\d{4}-\d\d-\d\d)(?:[ T]00:00(?::00(?:\.0+)?)?\s*(?:Z|[+-]\d\d:?\d\d)?)?")
# ClickHouse's range, the years 1900 to 2299, in seconds since 1970.
_MIN_SECONDS, _MAX_SECONDS = -2_208_988_800, 10_413_792_000


def timestamps_from_cells(cells: JsonCells, ch_type: ClickHouseType, arrow_type: pa.DataType) -> pa.Array:
    """Return the timestamps of cells that are text; without an offset a time is one of the column's zone."""
    texts = pa.array(cells, pa.string())
    try:
        return _with_offsets(texts, arrow_type.unit).cast(arrow_type)
    except pa.ArrowInvalid:
        if arrow_type.unit == "ns":
            raise
    return _in_column_zone(texts.cast(pa.timestamp(arrow_type.unit)), ch_type)


def timestamps_from_text(texts: pa.Array, ch_type: ClickHouseType, arrow_type: pa.DataType) -> pa.Array:
    """Return the timestamps of an Arrow array of text, those of the last months that nanoseconds can hold too."""
    try:
        return _with_offsets(texts, arrow_type.unit).cast(arrow_type)
    except pa.ArrowInvalid:
        return map_cells(lambda cell: timestamp_from_cell(cell, ch_type), texts.to_pylist(), arrow_type)


def _with_offsets(texts: pa.Array, unit: str) -> pa.Array:
    """Return the timestamps of texts that have an offset each."""
    if unit == "ns":
        # pyarrow 17 does not refuse years that nanoseconds cannot hold, it returns other years.
        years = pc.utf8_slice_codeunits(texts, 0, 4)
        if pc.any(pc.or_(pc.less(years, "1678"), pc.greater(years, "2261"))).as_py():
            raise pa.ArrowInvalid("a year is beyond the range of nanoseconds")
    return texts.cast(pa.timestamp(unit, "UTC"))


def _in_column_zone(naive: pa.Array, ch_type: ClickHouseType) -> pa.Array:
    return pc.assume_timezone(naive, time_zone(ch_type), ambiguous="earliest", nonexistent="raise")


def timestamp_from_cell(cell: Any, ch_type: ClickHouseType) -> int:
    """Return the timestamp of one cell, text or a number of seconds, as a count of the column's unit since 1970."""
    digits = DIGITS_OF_UNIT["s" if ch_type.name == "DateTime" else time_unit(ch_type)]
    if isinstance(cell, (int, float, Decimal)):
        if not _MIN_SECONDS <= cell < _MAX_SECONDS:
            raise ValueError(f"{cell!r} is not a number of seconds within the type's years")
        return _to_units(Decimal(str(cell)), digits)
    match = _TIMESTAMP.match(cell)
    if match is None:
        raise ValueError(f"{cell!r} is not a time")
    day, clock, fraction, offset = match.groups()
    text = f"{day}T{clock or '00:00:00'}"
    if offset:
        seconds = int(datetime.fromisoformat(text + _offset_with_colon(offset)).timestamp())
    else:
        naive = pa.array([text]).cast(pa.timestamp("s"))
        seconds = _in_column_zone(naive, ch_type).cast(pa.int64())[0].as_py()
    return _to_units(seconds + Decimal(f"0.{fraction or 0}"), digits)


def _offset_with_colon(text: str) -> str:
    return "+00:00" if text == "Z" else text if ":" in text else f"{text[:3]}:{text[3:]}"


def _to_units(seconds: Decimal, digits: int) -> int:
    """Return seconds as a count of the unit with so many digits; raise ValueError where a digit would be lost."""
    count = seconds.scaleb(digits)
    if count != int(count):
        raise ValueError(f"{seconds} has more digits than the column's type")
    return int(count)


def durations_from_cells(cells: JsonCells, _: ClickHouseType, arrow_type: pa.DataType) -> pa.Array:
    """Return the durations of a Time or Time64 column."""
    digits = DIGITS_OF_UNIT[arrow_type.unit]
    return map_cells(lambda cell: _duration_from_cell(cell, digits), cells, arrow_type)


def _duration_from_cell(cell: Any, digits: int) -> int:
    """Return the duration of one cell, which may be negative and longer than a day."""
    match = _DURATION.match(cell) if isinstance(cell, str) else None
    if match is None:
        return _to_units(Decimal(str(cell)), digits)
    days, sign, hours, minutes, seconds, fraction = match.groups()
    clock = int(hours) * 3600 + int(minutes) * 60 + int(seconds) + Decimal(f"0.{fraction or 0}")
    return _to_units(int(days or 0) * 86_400 + (-clock if sign == "-" else clock), digits)


def intervals_from_cells(cells: JsonCells, ch_type: ClickHouseType, arrow_type: pa.DataType) -> pa.Array:
    """Return the durations of an interval column, whose cells are counts of the interval's unit."""
    _, factor = INTERVAL_UNITS[ch_type.name]
    return map_cells(lambda cell: integer_from_cell(cell) * factor, cells, arrow_type)


def date_from_cell(cell: Any, _: ClickHouseType) -> date:
    """Return the date of one cell, which may have midnight after it."""
    match = _DATE_AT_MIDNIGHT.fullmatch(cell)
    if match is None:
        raise ValueError(f"{cell!r} is not a day")
    return date.fromisoformat(match[1])


def timestamps_to_clickhouse_text(timestamps: pa.Array, digits: int) -> pa.Array:
    """Return nanosecond timestamps as ClickHouse's ISO format writes them: 2024-01-01T00:00:00.0000000Z."""
    text = timestamps.cast(pa.timestamp("ns", "UTC")).cast(pa.string())
    day, clock = pc.utf8_slice_codeunits(text, 0, 10), pc.utf8_slice_codeunits(text, 11, 20 + digits)
    return pc.binary_join_element_wise(day, "T", clock, "Z", "")


def timestamps_to_python_text(timestamps: pa.Array) -> pa.Array:
    """Return timestamps as ``str(datetime)`` writes them: no fraction where it is zero, a colon in the offset."""
    local = pc.local_timestamp(timestamps)  # twenty times as fast as strftime
    text = local.cast(pa.string())
    if timestamps.type.unit != "s":
        text = pc.replace_substring_regex(text, r"\.0+$", "")
    shifts = pc.subtract(local.cast(pa.int64()), timestamps.cast(pa.int64())).dictionary_encode()
    units_per_second = 10 ** DIGITS_OF_UNIT[timestamps.type.unit]
    offsets = pa.array(
        [_offset_text(shift // units_per_second) for shift in shifts.dictionary.to_pylist()], pa.string()
    )
    return pc.binary_join_element_wise(text, offsets.take(shifts.indices), "")


def _offset_text(seconds: int) -> str:
    """Return an offset as +01:00, or as +00:09:21 for local mean time, which was used before time zones."""
    minutes, rest = divmod(abs(seconds), 60)
    text = f"{'-' if seconds < 0 else '+'}{minutes // 60:02}:{minutes % 60:02}"
    return f"{text}:{rest:02}" if rest else text


def duration_text(count: int, digits: int) -> str:
    """Return a count of the unit with so many digits as ClickHouse writes a Time: -25:00:01.5."""
    seconds, fraction = divmod(abs(count), 10**digits)
    hours, rest = divmod(seconds, 3600)
    text = f"{'-' if count < 0 else ''}{hours:02}:{rest // 60:02}:{rest % 60:02}"
    return f"{text}.{fraction:0{digits}}" if digits else text
