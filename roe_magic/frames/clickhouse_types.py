"""The ClickHouse type of every Arrow field: what a table's column becomes when its rows arrive as Arrow.

Most Arrow types have one ClickHouse type that holds exactly their values (:func:`fixed_type`). A field's metadata may
name another one (``clickhouse.type``), as the Arrow of a query's result does. It counts only where the engine, which
reads that Arrow type as this ClickHouse type, keeps every value or fails (:func:`_fits`): an integer that is too large
for ``Int128`` is an error there, but a timestamp that is too large for ``DateTime`` becomes another one without a word.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence, Set

import pyarrow as pa

from roe_magic.errors import ProtocolError, UsageError
from roe_magic.frames.arrow_types import TYPE_KEY
from roe_magic.frames.fixed_types import (
    UnsupportedArrowType,
    as_nullable,
    fixed_type,
    is_list,
    is_text,
    scalar_type,
    sized_type,
)
from roe_magic.frames.type_parser import ClickHouseType, parse
from roe_magic.frames.type_properties import (
    CALENDAR_INTERVALS,
    INTERVAL_UNITS,
    WIDE_INTEGER_TYPES,
    element_names,
    enum_labels,
    is_enum,
)

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
        return str(exact_type(field, nullable=nullable))
    except UnsupportedArrowType as error:
        raise UsageError(f"Column {field.name!r} {error.reason}.", hint=error.hint) from None


def exact_type(field: pa.Field, *, nullable: bool) -> ClickHouseType:
    """Return what :func:`clickhouse_type` does, as a tree; raise UnsupportedArrowType, which names no column."""
    ch_type = _declared_type(field) or fixed_type(field)
    return as_nullable(ch_type) if nullable else ch_type


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
        raise UnsupportedArrowType(
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
        return str(ch_type) in ("LowCardinality(String)", "LowCardinality(Nullable(String))") and is_text(arrow_type)
    if ch_type.name in ("Array", "Map", "Tuple"):
        return _nested_fits(ch_type, arrow_type)
    return _scalar_fits(ch_type, arrow_type)


_NOT_NULLABLE = {"Nullable", "LowCardinality", "Array", "Map"}


def _nested_fits(ch_type: ClickHouseType, arrow_type: pa.DataType) -> bool:
    fields = _children(arrow_type, ch_type.name)
    if fields is None or len(fields) != len(ch_type.args) or len(ch_type.types) != len(fields):
        return False
    if ch_type.name == "Map" and "Nullable" in (each.name for each in _all_types(ch_type.types[0])):
        return False
    if ch_type.name == "Tuple" and element_names(ch_type) != tuple(field.name for field in fields):
        return False
    return all(_fits(child, field.type) for child, field in zip(ch_type.types, fields, strict=True))


def _children(arrow_type: pa.DataType, name: str) -> list[pa.Field] | None:
    """Return the fields of an Arrow type that becomes the ClickHouse type of this name; None if it does not."""
    if name == "Map" and pa.types.is_map(arrow_type):
        return [arrow_type.key_field, arrow_type.item_field]
    if name == "Array" and is_list(arrow_type):
        return [arrow_type.value_field]
    return list(arrow_type) if name == "Tuple" and pa.types.is_struct(arrow_type) else None


def _scalar_fits(ch_type: ClickHouseType, arrow_type: pa.DataType) -> bool:
    if ch_type == (scalar_type(arrow_type) or sized_type(arrow_type)):
        return True
    if isinstance(arrow_type, pa.BaseExtensionType):
        return ch_type == ClickHouseType("UUID") and arrow_type.extension_name == "arrow.uuid"
    if pa.types.is_dictionary(arrow_type):
        return _scalar_fits(ch_type, arrow_type.value_type)
    if is_enum(ch_type):
        labels = enum_labels(ch_type)
        return is_text(arrow_type) and 0 < len(ch_type.args) == len(labels) == len(set(labels.values()))
    if ch_type.name == "DateTime":
        return arrow_type == pa.uint32() and len(ch_type.args) <= 1 and all(isinstance(a, str) for a in ch_type.args)
    is_integer = pa.types.is_decimal(arrow_type) and arrow_type.scale == 0
    exact = WIDE_INTEGER_TYPES if is_integer else _FROM_TEXT if is_text(arrow_type) else _also_exact(arrow_type)
    return not ch_type.args and ch_type.name in exact


def _also_exact(arrow_type: pa.DataType) -> Set[str]:
    return _ALSO_EXACT.get(arrow_type, set())
