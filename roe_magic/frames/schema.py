"""The canonical Arrow type of every ClickHouse type."""

from __future__ import annotations

import functools
import re
import warnings
import zoneinfo
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc

from roe_magic.errors import ProtocolError
from roe_magic.frames.clickhouse_types import Named, Type, parse
from roe_magic.frames.json_text import as_text, encode

# The field metadata key that carries a column's ClickHouse type name.
TYPE_KEY = b"clickhouse.type"
# Beside it, where a column is text because a value did not fit that type.
FALLBACK_KEY = b"clickhouse.fallback"


class TypeFallbackWarning(UserWarning):
    """A column is kept as text: its type is not known, or a value does not fit it."""


@dataclass(frozen=True)
class Form:
    """What an Arrow table is to look like.

    Parameters
    ----------
    text : pa.DataType
        What a String is: ``pa.string()``, or ``pa.binary()`` where it is not known to be UTF-8.
    stored : bool
        The form whose schema depends on the types alone, for files that are written batch by batch: text is binary,
        because a later batch may hold bytes that are not UTF-8; LowCardinality is plain; what may be beyond an Arrow
        type, at any depth, is written so that it cannot be: DateTime64(7) and (8) as text, intervals as their count.
    """

    text: pa.DataType
    stored: bool = False


AS_TEXT, AS_BYTES, STORED = Form(pa.string()), Form(pa.binary()), Form(pa.binary(), stored=True)


# Wrappers that say how values are stored, not what they are.
_WRAPPERS = frozenset({"Nullable", "LowCardinality", "SimpleAggregateFunction"})
TEXT = frozenset({"String", "FixedString"})
# Kept as JSON text: a value's type differs from row to row.
DOCUMENTS = frozenset({"JSON", "Object", "Dynamic", "Variant", "Geometry"})
WIDE_INTEGERS = {"Int128": 16, "UInt128": 16, "Int256": 32, "UInt256": 32}
# Interval units of a fixed length, as (Arrow unit, factor); months, quarters and years have none.
INTERVALS = {
    "IntervalNanosecond": ("ns", 1),
    "IntervalMicrosecond": ("us", 1),
    "IntervalMillisecond": ("ms", 1),
    "IntervalSecond": ("s", 1),
    "IntervalMinute": ("s", 60),
    "IntervalHour": ("s", 3600),
    "IntervalDay": ("s", 86_400),
    "IntervalWeek": ("s", 604_800),
}
_UNITS = ("s", "ms", "ms", "ms", "us", "us", "us", "ns", "ns", "ns")
# As ClickHouse names an offset that belongs to no place; Arrow wants the offset alone.
_FIXED_ZONE = re.compile(r"Fixed/UTC([+-]\d\d:\d\d):00")
_OFFSET = re.compile(r"[+-]\d\d:\d\d")
_ALIASES = {
    "Point": "Tuple(Float64, Float64)",
    "Ring": "Array(Point)",
    "LineString": "Array(Point)",
    "Polygon": "Array(Ring)",
    "MultiLineString": "Array(LineString)",
    "MultiPolygon": "Array(Polygon)",
}
_SIMPLE: dict[str, pa.DataType] = {
    **{f"{sign}Int{bits}": getattr(pa, f"{sign.lower()}int{bits}")() for sign in ("", "U") for bits in (8, 16, 32, 64)},
    "Int128": pa.decimal256(39, 0),
    "UInt128": pa.decimal256(39, 0),
    # 78 digits: more than any Arrow decimal holds.
    "Int256": pa.string(),
    "UInt256": pa.string(),
    "Float32": pa.float32(),
    "Float64": pa.float64(),
    "BFloat16": pa.float32(),
    "Bool": pa.bool_(),
    "UUID": pa.string(),
    "IPv4": pa.string(),
    "IPv6": pa.string(),
    "Enum8": pa.string(),
    "Enum16": pa.string(),
    "Date": pa.date32(),
    "Date32": pa.date32(),
    "Time": pa.duration("s"),
    "IntervalMonth": pa.int64(),
    "IntervalQuarter": pa.int64(),
    "IntervalYear": pa.int64(),
    "Nothing": pa.null(),
    "AggregateFunction": pa.binary(),
    **{name: pa.duration(unit) for name, (unit, _) in INTERVALS.items()},
    **dict.fromkeys(DOCUMENTS, pa.string()),
}


def bare(kind: Type) -> Type:
    """Strip Nullable and the like, and spell aliases and Nested out: the type that decides what a value looks like."""
    while kind.name in _WRAPPERS and kind.types:
        kind = kind.types[-1]
    if kind.name in _ALIASES:
        return parse(_ALIASES[kind.name])
    if kind.name == "Nested":
        return Type("Array", (Type("Tuple", kind.args),))
    if kind.name == "Map" and kind.types and kind.types[0].name == "Nothing":
        return Type("Map", (Type("String"), *kind.types[1:]))  # SELECT map(): Arrow's keys cannot be NULL
    return Type("Array", kind.args[:1]) if kind.name == "QBit" else kind


def arrow_type(kind: Type, form: Form) -> pa.DataType:
    """Give the Arrow type of a value, at any depth."""
    kind = bare(kind)
    if kind.name in TEXT:
        return form.text
    if form.stored and kind.name in INTERVALS:
        return pa.int64()
    if kind.name in _SIMPLE:
        return _SIMPLE[kind.name]
    if not is_known(kind) or (form.stored and may_overflow(kind)):
        return pa.string()
    return _PARAMETRIC[kind.name](kind, form)


def is_known(kind: Type) -> bool:
    """Tell whether the outermost type (wrappers aside) is one of ours, with the arguments that it needs."""
    kind = bare(kind)
    needs = {"Array": 1, "Map": 2}.get(kind.name, 0)
    if kind.name == "Decimal":
        return len(kind.args) == 2 and 0 <= integer(kind, 1, -1) <= integer(kind, 0, 0) <= 76 and kind.args[0] != 0
    if kind.name in ("Enum8", "Enum16"):
        return 0 < len(kind.args) == len(labels_of(kind)) == len(set(labels_of(kind).values()))
    return (kind.name in _SIMPLE or kind.name in TEXT or kind.name in _PARAMETRIC) and len(kind.types) >= needs


def column_type(kind: Type, form: Form) -> pa.DataType:
    """Give the Arrow type of a whole column: Enum and LowCardinality(String) become dictionaries, here only."""
    inner, low_cardinality = kind, False
    while inner.name in _WRAPPERS and inner.types:
        low_cardinality |= inner.name == "LowCardinality"
        inner = inner.types[-1]
    if inner.name.startswith("Enum") and is_known(inner):
        return pa.dictionary(_index_type(len(inner.args)), pa.string())
    if low_cardinality and inner.name in TEXT and not form.stored:
        return pa.dictionary(pa.int32(), form.text)
    return arrow_type(kind, form)


def may_overflow(kind: Type) -> bool:
    """Tell whether the type has moments that Arrow's nanoseconds cannot hold: 7 or 8 digits and years beyond 2262."""
    return kind.name == "DateTime64" and integer(kind, 0, 3) in (7, 8)


def field(name: str, type_name: str, data_type: pa.DataType) -> pa.Field:
    """Make a column's field, which carries its ClickHouse type name."""
    return pa.field(as_text(name), data_type, metadata={TYPE_KEY: encode(type_name)})


def table(
    names: Sequence[str], type_names: Sequence[str], columns: Sequence[pa.ChunkedArray], *, stored: bool = False
) -> pa.Table:
    """Put columns into a table; the field of one that fell back to text says so."""
    fields = []
    for name, type_name, column in zip(names, type_names, columns, strict=True):
        whole = field(name, type_name, column.type)
        if not stored and pa.types.is_string(column.type) and column_type(resolve(type_name), AS_TEXT) != column.type:
            whole = whole.with_metadata({**whole.metadata, FALLBACK_KEY: b"text"})
        fields.append(whole)
    return pa.Table.from_arrays(columns, schema=pa.schema(fields))


def has_fallen_back(column: pa.Field) -> bool:
    """Tell whether a column is text because a value did not fit its type."""
    return FALLBACK_KEY in (column.metadata or {})


def schema(column_names: Sequence[str], column_types: Sequence[str], *, stored: bool = False) -> pa.Schema:
    """Give the canonical schema of a result.

    Parameters
    ----------
    column_names, column_types : sequences of str
        As the API answers them; names may repeat or be empty.
    stored : bool
        The form for files that are written batch by batch: see :class:`Form`.
    """
    form = STORED if stored else AS_TEXT
    check_lengths(column_names, column_types)
    pairs = zip(column_names, column_types, strict=True)
    return pa.schema([field(name, kind, column_type(resolve(kind), form)) for name, kind in pairs])


def check_lengths(column_names: Iterable[object], column_types: Sequence[object]) -> None:
    """Refuse column names and types that are not as many."""
    count = len(list(column_names))
    if count != len(column_types):
        raise ProtocolError(f"The result names {count} columns but {len(column_types)} column types.")


@functools.lru_cache(maxsize=4096)
def resolve(type_name: str) -> Type:
    """Read a column's type; one that is not known warns (once a process, as this is cached) and becomes text."""
    try:
        kind = parse(type_name)
    except ProtocolError as error:
        warn(f"{error} Its columns are kept as text.")
        return Type("Unknown")
    unknown = next(_unknown(kind), None)
    if unknown is not None:
        warn(f"The ClickHouse type {str(unknown)!r} is not known; its values are kept as text.")
    return kind


def _unknown(kind: Type) -> Iterator[Type]:
    if not is_known(kind):
        yield bare(kind)
    elif bare(kind).name in ("Array", "Tuple", "Map"):
        for child in bare(kind).types:
            yield from _unknown(child)


def warn(message: str) -> None:
    """Warn of a column that is kept as text."""
    warnings.warn(message, TypeFallbackWarning, stacklevel=3)


def zone(kind: Type) -> str:
    """Give the time zone of a DateTime or DateTime64: its own, or else the server's, which is UTC."""
    name = next((arg for arg in kind.args if isinstance(arg, str)), "UTC")
    fixed = _FIXED_ZONE.fullmatch(name)
    return fixed[1] if fixed else name


@functools.lru_cache(maxsize=4096)
def shown_zone(name: str) -> str:
    """Give the zone that Arrow and pandas are told: UTC, with a warning, where they do not know it."""
    try:
        if not _OFFSET.fullmatch(name):
            zoneinfo.ZoneInfo(name)
        pc.local_timestamp(pa.scalar(0, pa.timestamp("s", name)))
    except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError):
        warn(f"The time zone {name!r} is not known here; its times are shown in UTC.")
        return "UTC"
    return name


def unit(kind: Type) -> str:
    """Give the Arrow unit that holds every digit of a DateTime64 or Time64."""
    return _UNITS[min(max(integer(kind, 0, 3), 0), 9)]


def integer(kind: Type, index: int, default: int) -> int:
    """Give an argument of a type that is a whole number."""
    value = kind.args[index] if index < len(kind.args) else default
    return value if isinstance(value, int) else default


def _decimal(kind: Type, _: Form) -> pa.DataType:
    precision, scale = integer(kind, 0, 10), integer(kind, 1, 0)
    return (pa.decimal128 if precision <= 38 else pa.decimal256)(precision, scale)


def element_names(kind: Type) -> tuple[str, ...]:
    """Give the field names of a Tuple: its own, or "1", "2", ... as ClickHouse numbers them."""
    names = tuple(map(as_text, kind.names or ()))
    return names if len(set(names)) == len(kind.types) else tuple(map(str, range(1, len(kind.types) + 1)))


def labels_of(kind: Type) -> dict[int, str]:
    """Give an Enum's labels by their numbers."""
    return {arg.value: as_text(arg.name) for arg in kind.args if isinstance(arg, Named) and isinstance(arg.value, int)}


def _struct(kind: Type, form: Form) -> pa.DataType:
    pairs = zip(element_names(kind), kind.types, strict=True)
    return pa.struct([pa.field(name, arrow_type(child, form)) for name, child in pairs])


def _index_type(size: int) -> pa.DataType:
    return pa.int8() if size <= 128 else pa.int16() if size <= 32_768 else pa.int32()


_PARAMETRIC: dict[str, Callable[[Type, Form], pa.DataType]] = {
    "Decimal": _decimal,
    "DateTime": lambda kind, _: pa.timestamp("s", shown_zone(zone(kind))),
    "DateTime64": lambda kind, _: pa.timestamp(unit(kind), shown_zone(zone(kind))),
    "Time64": lambda kind, _: pa.duration(unit(kind)),
    "Array": lambda kind, form: pa.list_(arrow_type(kind.types[0], form)),
    "Map": lambda kind, form: pa.map_(arrow_type(kind.types[0], form), arrow_type(kind.types[1], form)),
    "Tuple": _struct,
}
