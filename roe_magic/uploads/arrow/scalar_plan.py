"""How Arrow arrays of scalar values are sent: as they are, or converted to what the engine reads exactly."""

from __future__ import annotations

import functools
import re
import zoneinfo
from collections.abc import Callable

import pyarrow as pa
import pyarrow.compute as pc

from roe_magic.frames.type_parser import ClickHouseType
from roe_magic.frames.type_properties import DOCUMENT_TYPES, INTERVAL_UNITS, WIDE_INTEGER_TYPES
from roe_magic.uploads.arrow.column_facts import Facts, integers, is_text, plain
from roe_magic.uploads.arrow.column_problem import NotCarried

# The type that is sent, the ClickHouse type that it should get if it can, the conversion, and notices.
ScalarPlan = tuple[pa.DataType, ClickHouseType | None, Callable[[pa.Array], pa.Array], frozenset[str]]
_Planner = Callable[[pa.DataType, Facts, ClickHouseType | None], ScalarPlan]

NAIVE_TIMES = "times without a time zone are taken as UTC"
NO_VALUES = "there are no values, so the type is String"
# Of a second.
_UNITS = {"s": 1, "ms": 10**3, "us": 10**6, "ns": 10**9}
_DAY = 86_400
# The first second of the year 0, and the last of the year 9999: what Date32 and DateTime64 hold.
_FIRST_SECOND, _LAST_SECOND = -62_167_219_200, 253_402_300_799
_LAST_DATE, _LAST_DATE_TIME = 2**16 - 1, 2**32 - 1
_LONGEST_FIXED_STRING = 256


def plan_scalar(data_type: pa.DataType, facts: Facts, hint: ClickHouseType | None) -> ScalarPlan:
    """Return how scalar values are sent; raise NotCarried where they cannot be."""
    planner = next((planner for fits, planner in _PLANNERS if fits(data_type)), _unchanged)
    return planner(data_type, facts, hint)


def _unchanged(data_type: pa.DataType, _: Facts, hint: ClickHouseType | None) -> ScalarPlan:
    return data_type, hint, plain, frozenset()


def _cast(target: pa.DataType, hint: ClickHouseType | None = None, *notices: str) -> ScalarPlan:
    return target, hint, lambda array: plain(array).cast(target), frozenset(notices)


def _text(data_type: pa.DataType, _: Facts, hint: ClickHouseType | None) -> ScalarPlan:
    if hint is not None and hint.name in DOCUMENT_TYPES - {"JSON"}:
        return data_type, hint, plain, frozenset({f"the values of {hint.name} are kept as JSON text"})
    if hint is None or hint.name not in WIDE_INTEGER_TYPES:
        return _unchanged(data_type, _, hint)
    width = 16 if hint.name.endswith("128") else 32
    convert = functools.partial(_integer_bytes, width, not hint.name.startswith("U"))
    return pa.binary(width), hint, convert, frozenset()


def _integer_bytes(width: int, signed: bool, array: pa.Array) -> pa.Array:
    """Return texts of integers as the engine's own bytes of them."""
    texts = plain(array).to_pylist()
    values = [None if text is None else int(text).to_bytes(width, "little", signed=signed) for text in texts]
    return pa.array(values, pa.binary(width))


def _fixed_size_binary(data_type: pa.DataType, facts: Facts, hint: ClickHouseType | None) -> ScalarPlan:
    is_long = not 0 < data_type.byte_width <= _LONGEST_FIXED_STRING
    return _cast(pa.binary()) if is_long else _unchanged(data_type, facts, hint)


def _decimal(data_type: pa.DataType, facts: Facts, hint: ClickHouseType | None) -> ScalarPlan:
    if data_type.scale >= 0:
        return _unchanged(data_type, facts, hint)
    precision = data_type.precision - data_type.scale
    if precision > 76:
        raise NotCarried(f"has the type {data_type}, of more than 76 digits", "Cast it to text first.", of_values=False)
    return _cast((pa.decimal128 if precision <= 38 else pa.decimal256)(precision, 0))


def _date32(data_type: pa.DataType, facts: Facts, hint: ClickHouseType | None) -> ScalarPlan:
    _require(facts.within(_FIRST_SECOND // _DAY, _LAST_SECOND // _DAY), "a date")
    fits = hint is not None and hint.name == "Date" and facts.within(0, _LAST_DATE)
    return _unchanged(data_type, facts, hint if fits else None)


def _date64(_: pa.DataType, facts: Facts, __: ClickHouseType | None) -> ScalarPlan:
    _require(facts.within(_FIRST_SECOND * 1000, _LAST_SECOND * 1000 + 999), "a date")
    if facts.divisor % (_DAY * 1000) == 0:
        return _cast(pa.date32())
    return _cast(pa.timestamp("ms"), None, NAIVE_TIMES)


def _require(holds: bool, what: str) -> None:
    if not holds:
        raise NotCarried(f"has {what} outside the years 0 to 9999", "Convert it to text first.")


def _timestamp(data_type: pa.DataType, facts: Facts, hint: ClickHouseType | None) -> ScalarPlan:
    unit = _UNITS[data_type.unit]
    _require(facts.within(_FIRST_SECOND * unit, _LAST_SECOND * unit + unit - 1), "a time")
    if data_type.tz is None:
        # Not as UTC: a type that the user declares may have the zone that is meant.
        return _cast(data_type, None, NAIVE_TIMES)
    if not is_known_zone(data_type.tz):
        notice = f"the time zone {data_type.tz!r} is not known here; the times are sent in UTC"
        return _cast(pa.timestamp(data_type.unit, "UTC"), None, notice)
    if hint is not None and hint.name == "DateTime" and unit == 1 and facts.within(0, _LAST_DATE_TIME):
        return pa.uint32(), hint, lambda array: integers(array).cast(pa.uint32()), frozenset()
    return _unchanged(data_type, facts, None)


def is_known_zone(name: str) -> bool:
    """Whether a name of a time zone, or an offset such as +02:00, means the same everywhere."""
    return bool(re.fullmatch(r"[+-]\d\d:\d\d", name)) or name == "UTC" or name in _zones()


@functools.cache
def _zones() -> set[str]:
    return zoneinfo.available_timezones()


def _time(data_type: pa.DataType, facts: Facts, _: ClickHouseType | None) -> ScalarPlan:
    if not facts.within(0, _DAY * _UNITS[data_type.unit] - 1):
        raise NotCarried("has a time of day beyond 24 hours", "Convert it to a duration first.")
    return _unchanged(data_type, facts, None)


def _duration(data_type: pa.DataType, facts: Facts, hint: ClickHouseType | None) -> ScalarPlan:
    name, unit = hint.name if hint is not None else "", data_type.unit
    if name in ("Time", "Time64") and facts.within(0, _DAY * _UNITS[unit] - 1):
        target = pa.time32(unit) if unit in ("s", "ms") else pa.time64(unit)
        return target, None, lambda array: integers(array).cast(_integer_type(target)).view(target), frozenset()
    its_unit, factor = INTERVAL_UNITS.get(name, ("", 1))
    if its_unit == unit and facts.divisor % factor == 0:
        return pa.int64(), hint, lambda array: pc.divide(integers(array), factor), frozenset()
    return _unchanged(data_type, facts, None)


def _integer_type(data_type: pa.DataType) -> pa.DataType:
    return pa.int32() if data_type.bit_width == 32 else pa.int64()


_PLANNERS: list[tuple[Callable[[pa.DataType], bool], _Planner]] = [
    (pa.types.is_null, lambda *_: _cast(pa.string(), None, NO_VALUES)),
    (is_text, _text),
    (pa.types.is_fixed_size_binary, _fixed_size_binary),
    (pa.types.is_decimal, _decimal),
    (pa.types.is_date32, _date32),
    (pa.types.is_date64, _date64),
    (pa.types.is_timestamp, _timestamp),
    (pa.types.is_time, _time),
    (pa.types.is_duration, _duration),
]
