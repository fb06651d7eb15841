"""The ClickHouse type that holds exactly the values of each Arrow type."""

from __future__ import annotations

import re

import pyarrow as pa

from roe_magic.frames.type_parser import Argument, ClickHouseType, NamedArgument

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


class UnsupportedArrowType(Exception):
    """A type that no column of a table can have: what such a column does, and what to do about it."""

    def __init__(self, reason: str, hint: str) -> None:
        super().__init__(reason)
        self.reason, self.hint = reason, hint


def fixed_type(field: pa.Field) -> ClickHouseType:
    """Return the type that holds all values of the field's Arrow type, without Nullable."""
    arrow_type = field.type
    extension = _extension_name(field)
    if extension == "arrow.uuid":
        return ClickHouseType("UUID")
    if extension and extension != "arrow.json":
        raise UnsupportedArrowType(
            f"has the Arrow extension type {extension}", "Cast the column to the type of its storage first."
        )
    if isinstance(arrow_type, pa.BaseExtensionType):
        arrow_type = arrow_type.storage_type
    if pa.types.is_dictionary(arrow_type):
        inner = fixed_type(field.with_type(arrow_type.value_type))
        return ClickHouseType("LowCardinality", (inner,)) if inner.name == "String" else inner
    return scalar_type(arrow_type) or sized_type(arrow_type) or _nested_type(arrow_type)


def _extension_name(field: pa.Field) -> str:
    if isinstance(field.type, pa.BaseExtensionType):
        return str(field.type.extension_name)
    name: bytes = (field.metadata or {}).get(_EXTENSION_KEY, b"")
    return name.decode("utf-8", "replace")


def scalar_type(arrow_type: pa.DataType) -> ClickHouseType | None:
    """Return the type of values without digits or a size; None where the Arrow type is another one."""
    if pa.types.is_null(arrow_type):
        return ClickHouseType("Nullable", (ClickHouseType("String"),))
    if is_text(arrow_type) or _is_bytes(arrow_type):
        return ClickHouseType("String")
    return ClickHouseType(_SCALARS[arrow_type]) if arrow_type in _SCALARS else None


def sized_type(arrow_type: pa.DataType) -> ClickHouseType | None:
    """Return the type of values with a number of digits or bytes; None where the Arrow type is another one."""
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
    if is_list(arrow_type):
        return ClickHouseType("Array", (_child_type(arrow_type.value_field),))
    if pa.types.is_map(arrow_type):
        return ClickHouseType("Map", (fixed_type(arrow_type.key_field), _child_type(arrow_type.item_field)))
    if pa.types.is_struct(arrow_type):
        return _tuple_type(arrow_type)
    raise UnsupportedArrowType(
        f"has the Arrow type {arrow_type}, which cannot be uploaded", "Cast it to another type first."
    )


def _tuple_type(arrow_type: pa.StructType) -> ClickHouseType:
    names = [field.name for field in arrow_type]
    if not all(names) or len(set(names)) != len(names):
        raise UnsupportedArrowType(
            "holds structs whose fields have no name or the same name", "Name the fields differently."
        )
    elements: list[Argument] = [NamedArgument(field.name, _child_type(field)) for field in arrow_type]
    return ClickHouseType("Tuple", tuple(elements))


def _child_type(field: pa.Field) -> ClickHouseType:
    """Return the type of what is inside lists, maps and structs: Nullable, where ClickHouse has that in any format.

    A NULL struct in there is an error of the engine, which reads it from Arrow IPC but not from Parquet; NULL lists and
    maps it reads as empty ones.
    """
    ch_type = fixed_type(field)
    return as_nullable(ch_type) if field.nullable and ch_type.name not in ("Array", "Map", "Tuple") else ch_type


def as_nullable(ch_type: ClickHouseType) -> ClickHouseType:
    """Return a type that holds NULL too; raise UnsupportedArrowType where ClickHouse has none."""
    if ch_type.name in ("Array", "Map"):
        kind = "lists" if ch_type.name == "Array" else "maps"
        raise UnsupportedArrowType(
            f"holds NULL {kind}, which ClickHouse does not have", f"Replace them by empty {kind} first."
        )
    if ch_type.name == "LowCardinality":
        return ClickHouseType("LowCardinality", (as_nullable(ch_type.types[0]),))
    return ch_type if ch_type.name == "Nullable" else ClickHouseType("Nullable", (ch_type,))


def is_text(arrow_type: pa.DataType) -> bool:
    """Whether values are text, in a dictionary or not."""
    if pa.types.is_dictionary(arrow_type):
        return is_text(arrow_type.value_type)
    return any(arrow_type == each for each in (pa.string(), pa.large_string(), pa.string_view()))


def _is_bytes(arrow_type: pa.DataType) -> bool:
    return any(arrow_type == each for each in (pa.binary(), pa.large_binary(), pa.binary_view()))


def is_list(arrow_type: pa.DataType) -> bool:
    """Whether values are lists in a layout that the engine reads."""
    types = pa.types
    return bool(types.is_list(arrow_type) or types.is_large_list(arrow_type) or types.is_fixed_size_list(arrow_type))
