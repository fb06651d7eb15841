"""The ClickHouse type of every Arrow field: what a table's column becomes when its rows arrive as Arrow.

Most Arrow types have one ClickHouse type that holds exactly their values (:func:`_fixed_type`). A field's metadata may
name another one (``clickhouse.type``), as the Arrow of a query's result does. It counts only where the engine, which
reads that Arrow type as this ClickHouse type, keeps every value or fails (:func:`_fits`): an integer that is too large
for ``Int128`` is an error there, but a timestamp that is too large for ``DateTime`` becomes another one without a word.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence

import pyarrow as pa

from roe_magic.errors import ProtocolError, UsageError
from roe_magic.frames.arrow_types import TYPE_KEY
from roe_magic.frames.type_parser import Argument, ClickHouseType, NamedArgument, parse
from roe_magic.frames.type_properties import (
    CALENDAR_INTERVALS,
    INTERVAL_UNITS,
    element_names,
    enum_labels,
    integer_argument,
    is_enum,
)

_EXTENSION_KEY = b"ARROW:extension:name"
# ClickHouse refuses longer ones as suspicious.
_LONGEST_FIXED_STRING = 256
_DIGITS = {"s": 0, "ms": 3, "us": 6, "ns": 9}
_INTERVALS = {
    "s": "IntervalSecond",
    "ms": "IntervalMillisecond",
    "us": "IntervalMicrosecond",
    "ns": "IntervalNanosecond",
}
_SCALARS = {
    pa.bool_(): "Bool",
    pa.float16(): "Float32",
    pa.float32(): "Float32",
    pa.float64(): "Float64",
    pa.date32(): "Date32",
    **{getattr(pa, f"{sign}int{bits}")(): f"{sign.upper()}Int{bits}" for sign in ("", "u") for bits in (8, 16, 32, 64)},
}
# Arrow types that the engine reads as these types without loss too.
_ALSO_EXACT = {
    pa.date32(): {"Date"},
    pa.uint16(): {"Date"},
    pa.uint32(): {"DateTime", "IPv4"},
    pa.int64(): {*INTERVAL_UNITS, *CALENDAR_INTERVALS},
    pa.binary(16): {"Int128", "UInt128", "IPv6"},
    pa.binary(32): {"Int256", "UInt256"},
}
_FROM_TEXT = {"String", "UUID", "IPv4", "IPv6", "JSON"}


def clickhouse_columns(schema: pa.Schema, nullable: Sequence[bool]) -> list[tuple[str, str]]:
    """Return the name and the ClickHouse type of every column of a table that these fields become.

    Parameters
    ----------
    schema : pa.Schema
    nullable : sequence of bool
        For each field, whether it has to hold NULL.

    Raises
    ------
    UsageError
        A table cannot have such a column; the message names it.
    """
    check_names(schema.names)
    pairs = zip(schema, nullable, strict=True)
    columns = [(field.name, clickhouse_type(field, nullable=has_null)) for field, has_null in pairs]
    _check_not_nested(columns)
    return columns


def _check_not_nested(columns: Sequence[tuple[str, str]]) -> None:
    """Raise UsageError where ClickHouse would take columns for one Nested column, whose lists have equal lengths."""
    prefixes = Counter(
        name.partition(".")[0] for name, type_name in columns if "." in name and "Array(" in type_name[:6]
    )
    for prefix, count in prefixes.items():
        if count > 1:
            raise UsageError(
                f"{count} columns of lists have names that begin with {prefix + '.'!r}: ClickHouse takes them for one.",
                hint="Rename them, for example with _ in place of the dot.",
            )


def check_names(names: Sequence[str]) -> None:
    """Raise UsageError where a name is empty, not UTF-8, or there twice."""
    for name, count in Counter(names).items():
        if not name:
            raise UsageError("A column has no name.", hint="Give every column a name.")
        if count > 1:
            raise UsageError(f"{count} columns are named {name!r}.", hint="Give every column a name of its own.")
        if re.search(r"[\0\ud800-\udfff]", name):
            raise UsageError(f"The column name {name!r} is not text.", hint="Rename that column.")


def clickhouse_type(field: pa.Field, *, nullable: bool) -> str:
    """Return the ClickHouse type that holds exactly the values of an Arrow field.

    Parameters
    ----------
    field : pa.Field
        A type in its metadata (``clickhouse.type``) is returned where it fits the field's Arrow type.
    nullable : bool
        Whether the field has to hold NULL. A type that the metadata names may be Nullable in any case.

    Raises
    ------
    UsageError
        ClickHouse has no such type, or the engine cannot read it from Arrow; the message names the column.
    """
    try:
        ch_type = _declared_type(field) or _fixed_type(field)
        return str(_as_nullable(ch_type) if nullable else ch_type)
    except _Refused as error:
        raise UsageError(f"Column {field.name!r} {error.reason}.", hint=error.hint) from None


class _Refused(Exception):
    """A type that no column can have: what the column does, and what to do."""

    def __init__(self, reason: str, hint: str) -> None:
        super().__init__(reason)
        self.reason, self.hint = reason, hint


def _as_nullable(ch_type: ClickHouseType) -> ClickHouseType:
    if ch_type.name in ("Array", "Map"):
        kind = "lists" if ch_type.name == "Array" else "maps"
        raise _Refused(f"holds NULL {kind}, which ClickHouse does not have", f"Replace them by empty {kind} first.")
    if ch_type.name == "LowCardinality":
        return ClickHouseType("LowCardinality", (_as_nullable(ch_type.types[0]),))
    return ch_type if ch_type.name == "Nullable" else ClickHouseType("Nullable", (ch_type,))


def _declared_type(field: pa.Field) -> ClickHouseType | None:
    """Return the type that the metadata names, if the engine reads the field's values exactly as that."""
    text = (field.metadata or {}).get(TYPE_KEY)
    if text is None:
        return None
    try:
        ch_type = parse(text.decode())
    except (ProtocolError, UnicodeDecodeError):
        return None
    if any(each.name == "AggregateFunction" for each in _all_types(ch_type)):
        raise _Refused(
            f"holds states of an aggregate function ({ch_type})",
            "Finish them in the query first, for example with finalizeAggregation(column).",
        )
    return ch_type if _fits(ch_type, field.type) else None


def _all_types(ch_type: ClickHouseType) -> Iterator[ClickHouseType]:
    yield ch_type
    for child in ch_type.types:
        yield from _all_types(child)


def _fits(ch_type: ClickHouseType, arrow_type: pa.DataType) -> bool:
    """Whether the engine reads values of the Arrow type as the ClickHouse type exactly, or fails."""
    if ch_type.name == "Nullable":
        return (
            len(ch_type.args) == 1
            and ch_type.types[0].name not in _NOT_NULLABLE
            and _fits(ch_type.types[0], arrow_type)
        )
    if ch_type.name == "LowCardinality":
        return str(ch_type) in ("LowCardinality(String)", "LowCardinality(Nullable(String))") and _is_text(arrow_type)
    if ch_type.name in ("Array", "Map", "Tuple"):
        return _nested_fits(ch_type, arrow_type)
    return _scalar_fits(ch_type, arrow_type)


_NOT_NULLABLE = {"Nullable", "LowCardinality", "Array", "Map"}


def _nested_fits(ch_type: ClickHouseType, arrow_type: pa.DataType) -> bool:
    fields = _children(arrow_type, ch_type.name)
    if fields is None or len(fields) != len(ch_type.args) or len(ch_type.types) != len(fields):
        return False
    if ch_type.name == "Map" and ch_type.types[0].name in ("Nullable", "LowCardinality"):
        return False
    if ch_type.name == "Tuple" and element_names(ch_type) != tuple(field.name for field in fields):
        return False
    return all(_fits(child, field.type) for child, field in zip(ch_type.types, fields, strict=True))


def _children(arrow_type: pa.DataType, name: str) -> list[pa.Field] | None:
    """Return the fields of an Arrow type that becomes the ClickHouse type of this name; None if it does not."""
    if name == "Map" and pa.types.is_map(arrow_type):
        return [arrow_type.key_field, arrow_type.item_field]
    if name == "Array" and _is_list(arrow_type):
        return [arrow_type.value_field]
    return list(arrow_type) if name == "Tuple" and pa.types.is_struct(arrow_type) else None


def _scalar_fits(ch_type: ClickHouseType, arrow_type: pa.DataType) -> bool:
    name, has_arguments = ch_type.name, bool(ch_type.args)
    if pa.types.is_dictionary(arrow_type):
        return _scalar_fits(ch_type, arrow_type.value_type)
    if is_enum(ch_type):
        labels = enum_labels(ch_type)
        return _is_text(arrow_type) and 0 < len(ch_type.args) == len(labels) == len(set(labels.values()))
    if name == "FixedString":
        width = integer_argument(ch_type, 0, 0)
        is_fixed = bool(pa.types.is_fixed_size_binary(arrow_type))
        return is_fixed and width == arrow_type.byte_width <= _LONGEST_FIXED_STRING
    if name == "DateTime":
        return arrow_type == pa.uint32() and len(ch_type.args) <= 1 and all(isinstance(a, str) for a in ch_type.args)
    if pa.types.is_decimal(arrow_type) and arrow_type.scale == 0 and not has_arguments:
        return name in ("Int128", "Int256", "UInt128", "UInt256")
    exact = _FROM_TEXT if _is_text(arrow_type) else _ALSO_EXACT.get(arrow_type, set())
    return not has_arguments and (name in exact or _SCALARS.get(arrow_type) == name)


def _is_text(arrow_type: pa.DataType) -> bool:
    if pa.types.is_dictionary(arrow_type):
        return _is_text(arrow_type.value_type)
    return any(arrow_type == each for each in (pa.string(), pa.large_string(), pa.string_view()))


def _is_bytes(arrow_type: pa.DataType) -> bool:
    return any(arrow_type == each for each in (pa.binary(), pa.large_binary(), pa.binary_view()))


def _is_list(arrow_type: pa.DataType) -> bool:
    types = pa.types
    return bool(types.is_list(arrow_type) or types.is_large_list(arrow_type) or types.is_fixed_size_list(arrow_type))


def _fixed_type(field: pa.Field) -> ClickHouseType:
    """Return the type that holds all values of the field's Arrow type, without Nullable."""
    arrow_type = field.type
    extension = _extension_name(field)
    if extension == "arrow.uuid":
        return ClickHouseType("UUID")
    if extension and extension != "arrow.json":
        raise _Refused(f"has the Arrow extension type {extension}", "Cast the column to the type of its storage first.")
    if isinstance(arrow_type, pa.BaseExtensionType):
        arrow_type = arrow_type.storage_type
    if pa.types.is_dictionary(arrow_type):
        inner = _fixed_type(field.with_type(arrow_type.value_type))
        return ClickHouseType("LowCardinality", (inner,)) if inner.name == "String" else inner
    return _scalar_type(arrow_type) or _sized_type(arrow_type) or _nested_type(arrow_type)


def _extension_name(field: pa.Field) -> str:
    if isinstance(field.type, pa.BaseExtensionType):
        return str(field.type.extension_name)
    name: bytes = (field.metadata or {}).get(_EXTENSION_KEY, b"")
    return name.decode("utf-8", "replace")


def _scalar_type(arrow_type: pa.DataType) -> ClickHouseType | None:
    if pa.types.is_null(arrow_type):
        return ClickHouseType("Nullable", (ClickHouseType("String"),))
    if _is_text(arrow_type) or _is_bytes(arrow_type):
        return ClickHouseType("String")
    return ClickHouseType(_SCALARS[arrow_type]) if arrow_type in _SCALARS else None


def _sized_type(arrow_type: pa.DataType) -> ClickHouseType | None:
    """Return the type of values with a number of digits or bytes."""
    types = pa.types
    if types.is_decimal(arrow_type) and 0 <= arrow_type.scale <= arrow_type.precision:
        return ClickHouseType("Decimal", (arrow_type.precision, arrow_type.scale))
    if types.is_fixed_size_binary(arrow_type) and 0 < arrow_type.byte_width <= _LONGEST_FIXED_STRING:
        return ClickHouseType("FixedString", (arrow_type.byte_width,))
    if types.is_timestamp(arrow_type):
        return ClickHouseType("DateTime64", (_DIGITS[arrow_type.unit], clickhouse_time_zone(arrow_type.tz)))
    if types.is_time(arrow_type):
        return ClickHouseType("Time64", (_DIGITS[arrow_type.unit],))
    return ClickHouseType(_INTERVALS[arrow_type.unit]) if types.is_duration(arrow_type) else None


def clickhouse_time_zone(name: str | None) -> str:
    """Return ClickHouse's name of an Arrow time zone; times without one are taken as UTC."""
    return f"Fixed/UTC{name}:00" if name and re.fullmatch(r"[+-]\d\d:\d\d", name) else name or "UTC"


def _nested_type(arrow_type: pa.DataType) -> ClickHouseType:
    if _is_list(arrow_type):
        return ClickHouseType("Array", (_child_type(arrow_type.value_field),))
    if pa.types.is_map(arrow_type):
        return ClickHouseType("Map", (_fixed_type(arrow_type.key_field), _child_type(arrow_type.item_field)))
    if pa.types.is_struct(arrow_type):
        return _tuple_type(arrow_type)
    raise _Refused(f"has the Arrow type {arrow_type}, which cannot be uploaded", "Cast it to another type first.")


def _tuple_type(arrow_type: pa.StructType) -> ClickHouseType:
    names = [field.name for field in arrow_type]
    if not all(names) or len(set(names)) != len(names):
        raise _Refused("holds structs whose fields have no name or the same name", "Name the fields differently.")
    elements: list[Argument] = [NamedArgument(field.name, _child_type(field)) for field in arrow_type]
    return ClickHouseType("Tuple", tuple(elements))


def _child_type(field: pa.Field) -> ClickHouseType:
    """Return the type of what is inside lists, maps and structs: Nullable, where ClickHouse has that in any format.

    A NULL struct in there is an error of the engine, which reads it from Arrow IPC but not from Parquet; NULL lists and
    maps it reads as empty ones.
    """
    ch_type = _fixed_type(field)
    return _as_nullable(ch_type) if field.nullable and ch_type.name not in ("Array", "Map", "Tuple") else ch_type
