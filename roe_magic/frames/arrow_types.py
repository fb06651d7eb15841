"""The Arrow type of every ClickHouse type, and the fields and tables made of them.

Tables have one of three forms (:class:`Form`), and :func:`arrow_type` maps a ClickHouse type to Arrow in each of them.
Every column's field has the ClickHouse type name in its metadata.
"""

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
from roe_magic.formatting import clean_message
from roe_magic.frames.json_text import as_text, encode_utf8
from roe_magic.frames.type_parser import ClickHouseType, parse
from roe_magic.frames.type_properties import (
    CALENDAR_INTERVALS,
    DOCUMENT_TYPES,
    INTERVAL_UNITS,
    STRING_TYPES,
    element_names,
    enum_labels,
    integer_argument,
    is_enum,
    may_exceed_nanoseconds,
    strip_wrappers,
    time_unit,
    time_zone,
    unwrap,
)

# The field metadata key with a column's ClickHouse type name.
TYPE_KEY = b"clickhouse.type"
# The field metadata key of a column that is text because a value did not fit its type.
FALLBACK_KEY = b"clickhouse.fallback"

_OFFSET = re.compile(r"[+-]\d\d:\d\d")


# Which warnings were shown, for Python's filter "once at each place".
_WARNED: dict[str | tuple[str, type[Warning], int], int] = {}


class TypeFallbackWarning(UserWarning):
    """A column is kept as text: its type is not known, or a value does not fit it."""


@dataclass(frozen=True)
class Form:
    """The form of a table: canonical, in one of four widths, or stored.

    Parameters
    ----------
    text : pa.DataType
        The type of a String: ``pa.string()``, or ``pa.binary()`` where it may not be UTF-8.
    wide_decimals : bool
        Whether decimals have room for values with more digits than their type declares: ClickHouse does not check
        results for that, so that 99.99 of a ``Decimal(4, 2)`` times 2 is 199.98 of the same type.
    stored : bool
        The form of files that are written batch by batch: its schema depends on the ClickHouse types alone, never on
        the values. Text is binary, because a later batch may not be UTF-8; LowCardinality has no dictionary; and what
        an Arrow type may be too small for, at any depth, has another type: DateTime64(7) and (8) are text, intervals
        their count, decimals have all the digits of 128 or 256 bits.
    """

    text: pa.DataType
    wide_decimals: bool = False
    stored: bool = False


CANONICAL = Form(pa.string())
# A column has the first of these forms that holds all its values.
CANONICAL_FORMS = (CANONICAL, Form(pa.binary()), Form(pa.string(), True), Form(pa.binary(), True))
STORED = Form(pa.binary(), stored=True)

# Arrow's files cannot hold types that are nested more deeply; as JSON text they can be of any depth.
_MAX_NESTING = 48

_SCALAR_TYPES: dict[str, pa.DataType] = {
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
    **dict.fromkeys(CALENDAR_INTERVALS, pa.int64()),
    "Nothing": pa.null(),
    "AggregateFunction": pa.binary(),
    **{name: pa.duration(unit) for name, (unit, _) in INTERVAL_UNITS.items()},
    **dict.fromkeys(DOCUMENT_TYPES, pa.string()),
}


def arrow_type(ch_type: ClickHouseType, form: Form) -> pa.DataType:
    """Return the Arrow type of a value, at any depth."""
    ch_type = unwrap(ch_type)
    if ch_type.name in STRING_TYPES:
        return form.text
    if form.stored and ch_type.name in INTERVAL_UNITS:
        return pa.int64()
    if ch_type.name in _SCALAR_TYPES:
        return _SCALAR_TYPES[ch_type.name]
    if not is_known(ch_type) or (form.stored and may_exceed_nanoseconds(ch_type)):
        return pa.string()
    return _PARAMETRIC_TYPES[ch_type.name](ch_type, form)


def column_type(ch_type: ClickHouseType, form: Form) -> pa.DataType:
    """Return the Arrow type of a whole column: Enum and LowCardinality(String) are dictionaries here."""
    inner, is_low_cardinality = strip_wrappers(ch_type)
    if is_enum(inner) and is_known(inner):
        return pa.dictionary(_index_type(len(inner.args)), pa.string())
    if is_low_cardinality and inner.name in STRING_TYPES and not form.stored:
        return pa.dictionary(pa.int32(), form.text)
    return arrow_type(ch_type, form)


def distinct_forms(ch_type: ClickHouseType) -> Iterator[Form]:
    """Yield the canonical forms in which a type has different Arrow types, the narrowest first."""
    seen: list[pa.DataType] = []
    for form in CANONICAL_FORMS:
        target = arrow_type(ch_type, form)
        if target not in seen:
            seen.append(target)
            yield form


def is_known(ch_type: ClickHouseType) -> bool:
    """Whether the outermost type (wrappers aside) has an Arrow type here, and the arguments that it needs."""
    ch_type = unwrap(ch_type)
    if ch_type.name == "Decimal":
        precision, scale = integer_argument(ch_type, 0, 0), integer_argument(ch_type, 1, -1)
        return len(ch_type.args) == 2 and 0 <= scale <= precision <= 76 and precision != 0
    if ch_type.name in ("Enum8", "Enum16"):
        labels = enum_labels(ch_type)
        return 0 < len(ch_type.args) == len(labels) == len(set(labels.values()))
    required_arguments = {"Array": 1, "Map": 2}.get(ch_type.name, 0)
    names = (_SCALAR_TYPES, STRING_TYPES, _PARAMETRIC_TYPES)
    return any(ch_type.name in each for each in names) and len(ch_type.types) >= required_arguments


def build_table(
    names: Sequence[str], type_names: Sequence[str], columns: Sequence[pa.ChunkedArray], *, stored: bool = False
) -> pa.Table:
    """Return a table of the columns; each field has its ClickHouse type, and a mark where it fell back to text."""
    fields = []
    for name, type_name, column in zip(names, type_names, columns, strict=True):
        field = _field(name, type_name, column.type)
        if not stored and _fell_back(type_name, column.type):
            field = field.with_metadata({**field.metadata, FALLBACK_KEY: b"text"})
        fields.append(field)
    return pa.Table.from_arrays(columns, schema=pa.schema(fields))


def _field(name: str, type_name: str, data_type: pa.DataType) -> pa.Field:
    return pa.field(as_text(name), data_type, metadata={TYPE_KEY: encode_utf8(type_name)})


def _fell_back(type_name: str, data_type: pa.DataType) -> bool:
    return bool(pa.types.is_string(data_type) and column_type(resolve_type(type_name), CANONICAL) != data_type)


def is_fallback(field: pa.Field) -> bool:
    """Whether a column is text because a value did not fit its type."""
    return FALLBACK_KEY in (field.metadata or {})


def schema(column_names: Sequence[str], column_types: Sequence[str], *, stored: bool = False) -> pa.Schema:
    """Return the schema of a result in canonical or in stored form.

    Parameters
    ----------
    column_names, column_types : sequences of str
        As the API returns them; names may repeat or be empty.
    stored : bool
        Return the schema of the form for files that are written batch by batch: see :class:`Form`.
    """
    form = STORED if stored else CANONICAL
    check_column_count(column_names, column_types)
    pairs = zip(column_names, column_types, strict=True)
    return pa.schema([_field(name, type_name, column_type(resolve_type(type_name), form)) for name, type_name in pairs])


def check_column_count(column_names: Iterable[object], column_types: Sequence[object]) -> None:
    """Raise ProtocolError where there are more or fewer column names than types."""
    count = len(list(column_names))
    if count != len(column_types):
        raise ProtocolError(f"The result names {count} columns but {len(column_types)} column types.")


@functools.lru_cache(maxsize=4096)
def resolve_type(type_name: str) -> ClickHouseType:
    """Return a column's type; warn where it is not known, so that its values become text.

    The cache also limits the warning to one per type and process.
    """
    try:
        ch_type = parse(type_name)
    except ProtocolError as error:
        warn_fallback(f"{error} Its columns are kept as text.")
        return ClickHouseType("Unknown")
    if _nesting(ch_type) > _MAX_NESTING:
        return ClickHouseType("Dynamic")
    unknown = next(_unknown_types(ch_type), None)
    if unknown is not None:
        warn_fallback(f"The ClickHouse type {str(unknown)!r} is not known; its values are kept as text.")
    return ch_type


def _nesting(ch_type: ClickHouseType) -> int:
    return 1 + max(map(_nesting, ch_type.types), default=0)


def _unknown_types(ch_type: ClickHouseType) -> Iterator[ClickHouseType]:
    inner = unwrap(ch_type)
    if not is_known(inner):
        yield inner
    elif inner.name in ("Array", "Tuple", "Map"):
        for child in inner.types:
            yield from _unknown_types(child)


def warn_fallback(message: str) -> None:
    """Issue a TypeFallbackWarning; it names no file and no line, since none of the caller's is the cause."""
    warnings.warn_explicit(clean_message(message), TypeFallbackWarning, "roe_magic", 1, registry=_WARNED)


def warn_misfit(name: str, ch_type: ClickHouseType) -> None:
    """Issue a TypeFallbackWarning for a column that has a value which does not fit its type here."""
    problem = f"a value does not fit {ch_type}"
    if may_exceed_nanoseconds(ch_type):
        problem += ", which is held in nanoseconds here, from 1677 to 2262"
    warn_fallback(f"Column {name!r} is kept as text: {problem}.")


@functools.lru_cache(maxsize=4096)
def arrow_time_zone(name: str) -> str:
    """Return the time zone for an Arrow type: the name, or UTC with a warning where this machine does not know it."""
    try:
        if not _OFFSET.fullmatch(name):
            zoneinfo.ZoneInfo(name)
        pc.local_timestamp(pa.scalar(0, pa.timestamp("s", name)))
    except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError):
        warn_fallback(f"The time zone {name!r} is not known on this machine; its times are shown in UTC.")
        return "UTC"
    return name


def _decimal_type(ch_type: ClickHouseType, form: Form) -> pa.DataType:
    precision, scale = integer_argument(ch_type, 0, 10), integer_argument(ch_type, 1, 0)
    if form.stored:
        # The engine's own integer, whatever its size.
        precision = 38 if precision <= 38 else 76
    elif form.wide_decimals:
        # The integers of Decimal64 have up to 19 digits, those of Decimal128 up to 39.
        precision = 38 if precision <= 18 else 76
    return (pa.decimal128 if precision <= 38 else pa.decimal256)(precision, scale)


def _struct_type(ch_type: ClickHouseType, form: Form) -> pa.DataType:
    pairs = zip(element_names(ch_type), ch_type.types, strict=True)
    return pa.struct([pa.field(name, arrow_type(child, form)) for name, child in pairs])


def _index_type(size: int) -> pa.DataType:
    return pa.int8() if size <= 128 else pa.int16() if size <= 32_768 else pa.int32()


_PARAMETRIC_TYPES: dict[str, Callable[[ClickHouseType, Form], pa.DataType]] = {
    "Decimal": _decimal_type,
    "DateTime": lambda ch_type, _: pa.timestamp("s", arrow_time_zone(time_zone(ch_type))),
    "DateTime64": lambda ch_type, _: pa.timestamp(time_unit(ch_type), arrow_time_zone(time_zone(ch_type))),
    "Time64": lambda ch_type, _: pa.duration(time_unit(ch_type)),
    "Array": lambda ch_type, form: pa.list_(arrow_type(ch_type.types[0], form)),
    "Map": lambda ch_type, form: pa.map_(arrow_type(ch_type.types[0], form), arrow_type(ch_type.types[1], form)),
    "Tuple": _struct_type,
}
