"""Judges the types that a caller declares for the columns of a file.

A type is read by our own parser, each name in it must be permitted, and ClickHouse gets the text that is made of the
parsed type, never the caller's own.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping

from roe_magic.contract import models
from roe_magic.errors import ProtocolError
from roe_magic.frames.type_parser import Argument, ClickHouseType, NamedArgument, parse
from roe_magic.service.engine.chdb.database import EmbeddedClickHouse, EngineError
from roe_magic.service.engine.sql.quoting import literal

# Left out is what holds no plain values: states of aggregate functions, and types that differ from row to row.
_PERMITTED = frozenset(
    {
        *(f"{sign}Int{bits}" for sign in ("", "U") for bits in (8, 16, 32, 64, 128, 256)),
        *("Float32", "Float64", "BFloat16", "Bool", "String", "FixedString", "UUID", "IPv4", "IPv6"),
        *("Decimal", "Decimal32", "Decimal64", "Decimal128", "Decimal256", "Enum", "Enum8", "Enum16"),
        *("Date", "Date32", "DateTime", "DateTime64", "Time", "Time64", "JSON"),
        *("Nullable", "LowCardinality", "Array", "Tuple", "Map"),
        *(f"Interval{unit}" for unit in ("Nanosecond", "Microsecond", "Millisecond", "Second", "Minute", "Hour")),
        *(f"Interval{unit}" for unit in ("Day", "Week", "Month", "Quarter", "Year")),
    }
)


# By their small letters. ClickHouse takes string and int64 for no types; nobody can mean another one by them.
_NAMES = {name.lower(): name for name in _PERMITTED}
_DATE_NAMES = {name.lower(): name for name in models.CSV_DATE_TYPES}


def judged(clickhouse: EmbeddedClickHouse, types: Mapping[str, str]) -> dict[str, str]:
    """Return types by column as ClickHouse writes them, or one of ``CSV_DATE_TYPES``.

    Raises
    ------
    EngineError
        A text is no type, or not one that a column of a file may have; the message names the column.
    """
    return {
        column: _DATE_NAMES.get(text.lower()) or _judged(clickhouse, column, text) for column, text in types.items()
    }


def _judged(clickhouse: EmbeddedClickHouse, column: str, text: str) -> str:
    try:
        tree = _resolved(clickhouse, parse(text))
        ((name,),) = clickhouse.rows(f"SELECT toTypeName(defaultValueOfTypeName({literal(str(tree))}))")
    except (ProtocolError, EngineError) as error:
        raise EngineError(f"types: column {column!r}: {error.message}") from None
    return str(name)


def _resolved(clickhouse: EmbeddedClickHouse, tree: ClickHouseType) -> ClickHouseType:
    """Return a type by ClickHouse's own names instead of aliases, such as Int32 for INTEGER."""
    name = _own_name(clickhouse, tree.name)
    if name not in _PERMITTED or (name == "JSON" and tree.args):
        raise EngineError(f"{str(tree)!r} is not a type that a column of a file can have{_suggestion(name)}")
    return ClickHouseType(name, tuple(_arguments(clickhouse, tree)))


def _arguments(clickhouse: EmbeddedClickHouse, tree: ClickHouseType) -> Iterator[Argument]:
    for argument in tree.args:
        if isinstance(argument, ClickHouseType):
            yield _resolved(clickhouse, argument)
        elif isinstance(argument, NamedArgument) and isinstance(argument.value, ClickHouseType):
            yield NamedArgument(argument.name, _resolved(clickhouse, argument.value))
        elif isinstance(argument, (str, int)) or (
            isinstance(argument, NamedArgument) and isinstance(argument.value, int)
        ):
            yield argument
        else:
            raise EngineError(f"{str(tree)!r} cannot be read.")


def _suggestion(name: str) -> str:
    close = [_NAMES[each] for each in difflib.get_close_matches(name.lower(), _NAMES, 1)]
    return f"; did you mean {close[0]}?" if close and close[0] != name else "."


def _own_name(clickhouse: EmbeddedClickHouse, name: str) -> str:
    if name.lower() in _NAMES:
        return _NAMES[name.lower()]
    if name.lower() == "float":
        # Float32 to ClickHouse, and 64 bits to Python.
        raise EngineError(f"{name!r} may be Float64 or Float32; choose one of them.")
    sql = (
        "SELECT if(alias_to = '', name, alias_to) FROM system.data_type_families "
        "WHERE name = {name:String} OR (case_insensitive AND lower(name) = lower({name:String})) LIMIT 1"
    )
    rows = clickhouse.rows(sql, {"name": name})
    return rows[0][0] if rows else name
