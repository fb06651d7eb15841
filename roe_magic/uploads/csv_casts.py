"""The SQL that gives a column the type that it had before it was sent as CSV."""

from __future__ import annotations

from roe_magic.frames.type_parser import Argument, ClickHouseType, NamedArgument
from roe_magic.frames.type_properties import FLOAT_TYPES
from roe_magic.sql.quoting import sql_name, sql_text


def column_cast(name: str, type_name: str) -> str:
    """Return the SQL that makes a column that type."""
    column = sql_name(name)
    # Of the float 8.29 a Decimal gets 8.28, and of its text 8.29.
    return sql_cast(f"toString({column})" if type_name.startswith("Decimal") else column, type_name)


def sql_cast(expression: str, type_name: str) -> str:
    """Return the SQL that makes an expression that type."""
    return f"CAST({expression}, {sql_text(type_name)})"


def json_extract(column: str, ch_type: ClickHouseType, *, nullable: bool) -> str:
    """Return the SQL that makes lists and objects of a column of JSON text."""
    # Such a column may be Nullable, and ClickHouse has no Nullable lists and maps.
    text = column if nullable else f"assumeNotNull({column})"
    readable = _readable(ch_type)
    extracted = f"JSONExtract({text}, {sql_text(str(readable))})"
    type_name = maybe_nullable(ch_type, nullable=nullable)
    return extracted if readable == ch_type else sql_cast(extracted, type_name)


def _readable(argument: Argument) -> Argument:
    """Return the type that JSONExtract reads values of a type as: it knows no intervals, and no keys but text."""
    if isinstance(argument, NamedArgument):
        return NamedArgument(argument.name, _readable(argument.value))
    if not isinstance(argument, ClickHouseType):
        return argument
    if argument.name.startswith("Interval"):
        return ClickHouseType("Int64")
    args = tuple(map(_readable, argument.args))
    if argument.name != "Map":
        return ClickHouseType(argument.name, args)
    if argument.types[0].name in {*FLOAT_TYPES, "Array", "Map", "Tuple"}:  # such a map is sent as a list of pairs
        return ClickHouseType("Array", (ClickHouseType("Tuple", args),))
    return ClickHouseType("Map", (ClickHouseType("String"), *args[1:]))


def maybe_nullable(ch_type: ClickHouseType, *, nullable: bool) -> str:
    """Return the name of a type, inside Nullable where that is asked for."""
    return f"Nullable({ch_type})" if nullable else str(ch_type)
