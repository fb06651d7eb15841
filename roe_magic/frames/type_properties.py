"""What a ClickHouse type says about its values: names of elements, labels, time zone, digits. No Arrow here."""

from __future__ import annotations

import re

from roe_magic.frames.json_text import as_text
from roe_magic.frames.type_parser import ClickHouseType, NamedArgument, parse

STRING_TYPES = frozenset({"String", "FixedString"})
# Their values are kept as JSON text, because a value's type differs from row to row.
DOCUMENT_TYPES = frozenset({"JSON", "Object", "Dynamic", "Variant", "Geometry"})
WIDE_INTEGER_TYPES = frozenset({"Int128", "UInt128", "Int256", "UInt256"})
FLOAT_TYPES = frozenset({"Float32", "Float64", "BFloat16"})
# Interval types of a fixed length, as (Arrow unit, factor).
INTERVAL_UNITS = {
    "IntervalNanosecond": ("ns", 1),
    "IntervalMicrosecond": ("us", 1),
    "IntervalMillisecond": ("ms", 1),
    "IntervalSecond": ("s", 1),
    "IntervalMinute": ("s", 60),
    "IntervalHour": ("s", 3600),
    "IntervalDay": ("s", 86_400),
    "IntervalWeek": ("s", 604_800),
}
# Interval types without a fixed length.
CALENDAR_INTERVALS = ("IntervalMonth", "IntervalQuarter", "IntervalYear")
# Decimal digits of a second that a count of each Arrow unit has.
DIGITS_OF_UNIT = {"s": 0, "ms": 3, "us": 6, "ns": 9}

# These say how values are stored, not what they are.
_WRAPPERS = frozenset({"Nullable", "LowCardinality", "SimpleAggregateFunction"})
_ALIASES = {
    "Point": "Tuple(Float64, Float64)",
    "Ring": "Array(Point)",
    "LineString": "Array(Point)",
    "MultiPoint": "Array(Point)",
    "Polygon": "Array(Ring)",
    "MultiLineString": "Array(LineString)",
    "MultiPolygon": "Array(Polygon)",
}
_UNITS = ("s", "ms", "ms", "ms", "us", "us", "us", "ns", "ns", "ns")
# ClickHouse's name of a time zone that is an offset only; Arrow takes the offset alone.
_FIXED_ZONE = re.compile(r"Fixed/UTC([+-]\d\d:\d\d):00")


def strip_wrappers(ch_type: ClickHouseType) -> tuple[ClickHouseType, bool]:
    """Return the type inside Nullable, LowCardinality and the like, and whether LowCardinality was among them."""
    is_low_cardinality = False
    while ch_type.name in _WRAPPERS and ch_type.types:
        is_low_cardinality |= ch_type.name == "LowCardinality"
        ch_type = ch_type.types[-1]
    return ch_type, is_low_cardinality


def without_alias(ch_type: ClickHouseType) -> ClickHouseType:
    """Return a type that is another one by another name as that one: geometry, Nested, SimpleAggregateFunction."""
    if ch_type.name in _ALIASES:
        return parse(_ALIASES[ch_type.name])
    if ch_type.name == "Nested":
        return ClickHouseType("Array", (ClickHouseType("Tuple", ch_type.args),))
    is_aggregate = ch_type.name == "SimpleAggregateFunction" and ch_type.types
    return without_alias(ch_type.types[-1]) if is_aggregate else ch_type


def unwrap(ch_type: ClickHouseType) -> ClickHouseType:
    """Return the type that decides what a value looks like: wrappers removed, aliases and Nested replaced."""
    ch_type = without_alias(strip_wrappers(ch_type)[0])
    if ch_type.name == "Map" and ch_type.types and ch_type.types[0].name == "Nothing":
        # SELECT map() has keys of type Nothing, but keys of an Arrow map cannot be NULL.
        return ClickHouseType("Map", (ClickHouseType("String"), *ch_type.types[1:]))
    return ClickHouseType("Array", ch_type.args[:1]) if ch_type.name == "QBit" else ch_type


def is_enum(ch_type: ClickHouseType) -> bool:
    """Whether the type, without wrappers, is Enum8 or Enum16."""
    return ch_type.name.startswith("Enum")


def element_names(ch_type: ClickHouseType) -> tuple[str, ...]:
    """Return the names of a Tuple's elements: its own, or "1", "2", ... as ClickHouse numbers them."""
    names = tuple(map(as_text, ch_type.names or ()))
    return names if len(set(names)) == len(ch_type.types) else tuple(map(str, range(1, len(ch_type.types) + 1)))


def enum_labels(ch_type: ClickHouseType) -> dict[int, str]:
    """Return an Enum's labels by their numbers."""
    labels = (arg for arg in ch_type.args if isinstance(arg, NamedArgument))
    return {arg.value: as_text(arg.name) for arg in labels if isinstance(arg.value, int)}


def integer_argument(ch_type: ClickHouseType, index: int, default: int) -> int:
    """Return an argument that is an integer, or the default where there is none."""
    value = ch_type.args[index] if index < len(ch_type.args) else default
    return value if isinstance(value, int) else default


def fraction_digits(ch_type: ClickHouseType) -> int:
    """Return the number of decimal digits of a second that a DateTime64 or Time64 has."""
    return integer_argument(ch_type, 0, 3)


def time_unit(ch_type: ClickHouseType) -> str:
    """Return the Arrow unit that holds every digit of a DateTime64 or Time64."""
    return _UNITS[min(max(fraction_digits(ch_type), 0), 9)]


def may_exceed_nanoseconds(ch_type: ClickHouseType) -> bool:
    """Whether the type has years that Arrow's nanoseconds cannot hold: 7 or 8 digits, and years beyond 2262."""
    return ch_type.name == "DateTime64" and fraction_digits(ch_type) in (7, 8)


def time_zone(ch_type: ClickHouseType) -> str:
    """Return the time zone of a DateTime or DateTime64: its argument, or else UTC, the server's."""
    name = next((arg for arg in ch_type.args if isinstance(arg, str)), "UTC")
    fixed = _FIXED_ZONE.fullmatch(name)
    return fixed[1] if fixed else name
