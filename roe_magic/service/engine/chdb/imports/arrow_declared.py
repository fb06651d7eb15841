"""Types that a caller declares for columns of an Arrow or Parquet file.

The engine reads some of them exactly from what the file holds. Other values are converted, and each must be the same
when it is converted back; text must fit as in a CSV file.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pyarrow as pa

from roe_magic.contract import models
from roe_magic.frames.arrow_types import TYPE_KEY
from roe_magic.frames.clickhouse_types import clickhouse_type
from roe_magic.frames.type_parser import ClickHouseType, parse
from roe_magic.frames.type_properties import integer_argument, strip_wrappers
from roe_magic.service.engine.chdb.database import EngineError
from roe_magic.service.engine.chdb.imports import csv_declared
from roe_magic.service.engine.chdb.imports.column_choice import ColumnChoice
from roe_magic.service.engine.chdb.imports.csv_reading import TEXT, Reading
from roe_magic.service.engine.sql.quoting import literal, quoted

_NESTED = frozenset({"Array", "Tuple", "Map", "JSON"})


def with_declared(schema: pa.Schema, types: Mapping[str, str]) -> pa.Schema:
    """Return a schema that names the declared types which the engine reads exactly from what the file holds."""
    for index, field in enumerate(schema):
        if field.name in types and not _is_in_zone(field, types[field.name]):
            declared = field.with_metadata({**(field.metadata or {}), TYPE_KEY: types[field.name].encode()})
            if clickhouse_type(declared, nullable=False) == types[field.name]:
                schema = schema.set(index, declared)
    return schema


def _is_in_zone(field: pa.Field, declared: str) -> bool:
    """Whether times without a zone are meant in the zone of the type that was declared for them."""
    is_naive = pa.types.is_timestamp(field.type) and field.type.tz is None
    return is_naive and zone_of(declared) is not None


def zone_of(type_name: str) -> str | None:
    """Return the time zone that a type of times names; None where it names none."""
    inner = strip_wrappers(parse(type_name))[0]
    zones = [each for each in inner.args if isinstance(each, str)]
    return zones[0] if zones and inner.name in ("DateTime", "DateTime64") else None


def conversions(schema: pa.Schema, columns: Sequence[tuple[str, str]], types: Mapping[str, str]) -> list[ColumnChoice]:
    """Return how the columns are converted that are not read as the types that were declared for them.

    Parameters
    ----------
    schema : pa.Schema
        The schema of the file.
    columns : sequence of (str, str)
        The names and types as which the columns are read.

    Raises
    ------
    EngineError
        There is no such conversion.
    """
    return [
        _conversion(field, held, types[name])
        for field, (name, held) in zip(schema, columns, strict=True)
        if name in types and _plain(held) != _plain(types[name])
    ]


def _plain(type_name: str) -> str:
    tree = parse(type_name)
    return str(tree.types[0]) if tree.name == "Nullable" else str(tree)


def _conversion(field: pa.Field, held: str, declared: str) -> ColumnChoice:
    name, inner = field.name, strip_wrappers(parse(held))[0]
    if _is_in_zone(field, declared):
        return ColumnChoice(name, quoted(name), [_in_zone(inner, _plain(declared))], declared)
    if inner.name == TEXT:
        text = f"CAST({quoted(name)} AS Nullable(String))"
        return ColumnChoice(name, text, csv_declared.readings(name, declared), declared)
    if declared in models.CSV_DATE_TYPES:
        raise EngineError(f"types: {declared} says how text is read, and the column {name!r} is {held}.")
    if {inner.name, strip_wrappers(parse(declared))[0].name} & _NESTED:
        raise EngineError(f"types: column {name!r} is {held} in the file, which is not read as {declared}.")
    return ColumnChoice(name, quoted(name), [_converted(str(inner), _plain(declared))], declared)


def _in_zone(held: ClickHouseType, declared: str) -> Reading:
    """Return the reading of times without a zone, which the engine holds as UTC: the same clock in another zone."""
    zone, digits = zone_of(declared) or "UTC", integer_argument(held, 0, 3)

    def value(original: str) -> str:
        clock = f"toDateTime64OrNull(toString({original}), {digits}, {literal(zone)})"
        return f"accurateCastOrNull({clock}, {literal(declared)})"

    def misfit(original: str) -> str:
        back = f"CAST({value(original)} AS Nullable(DateTime64({digits}, {literal(zone)})))"
        return f"toString({original}) IS DISTINCT FROM toString({back})"

    return Reading(declared, misfit, value, "")


def _converted(held: str, declared: str) -> Reading:
    if declared == TEXT:
        return Reading(TEXT, lambda _: "0", "toString({})".format, "")

    def value(original: str) -> str:
        return f"accurateCastOrNull({original}, {literal(declared)})"

    def misfit(original: str) -> str:
        back = f"CAST({value(original)} AS Nullable({held}))"
        return f"toString({original}) IS DISTINCT FROM toString({back})"

    return Reading(declared, misfit, value, "")
