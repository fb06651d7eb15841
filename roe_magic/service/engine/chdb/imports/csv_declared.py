"""The readings for a type that the caller declares for a CSV column: see ``csv_reading``.

They are strict about values and not about the way these are written: 007, +5, 5.0 and " 5 " are the whole numbers 7 and
5, but 5.5 is none. Nothing is rounded or cut off, other than by a float.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from roe_magic.contract import models
from roe_magic.frames.type_parser import ClickHouseType, parse
from roe_magic.frames.type_properties import enum_labels, integer_argument
from roe_magic.service.engine.chdb.database import EngineError
from roe_magic.service.engine.chdb.imports import csv_times
from roe_magic.service.engine.chdb.imports.csv_reading import (
    Expression,
    Reading,
    call,
    matches,
    replaced,
    unchanged,
    written_again,
)
from roe_magic.service.engine.sql.quoting import literal

_BOOLEANS = {"true": ("true", "yes", "t", "y", "1"), "false": ("false", "no", "f", "n", "0")}


def readings(column: str, type_name: str) -> list[Reading]:
    """Return the readings for a declared type; the column has the first that all its values fit.

    Raises
    ------
    EngineError
        No column of a CSV file can have the type.
    """
    tree = parse(type_name)
    while tree.name == "Nullable" and tree.types:
        tree = tree.types[0]
    if tree.name not in _READINGS:
        raise EngineError(
            f"types: the column {column!r} of a CSV file cannot be {type_name}; "
            "leave it text, and convert it in the query."
        )
    return list(_READINGS[tree.name](tree))


def _as_written(rewritten: Expression, type_name: str, misfit: Expression, value: Expression) -> Reading:
    """Return the reading of a text that is rewritten before it is looked at."""
    return Reading(type_name, lambda text: misfit(rewritten(text)), lambda text: value(rewritten(text)), "")


def _trimmed(text: str) -> str:
    return replaced(text, r"^\s+|\s+$", "", "replaceRegexpAll")


def _number(text: str) -> str:
    """Return the expression of a number without spaces, plus sign and leading zeros."""
    return replaced(replaced(_trimmed(text), "^[+]", ""), "^(-?)0+([0-9])", r"\1\2")


def _integer(tree: ClickHouseType) -> Iterator[Reading]:
    value = call(f"to{tree.name}OrNull")
    yield _as_written(lambda text: replaced(_number(text), "[.]0*$", ""), tree.name, written_again(value), value)


def _float(tree: ClickHouseType) -> Iterator[Reading]:
    value = call(f"to{tree.name}OrNull")

    def misfit(text: str) -> str:
        return (
            f"({text} IS NOT NULL AND {value(text)} IS NULL) OR (isInfinite({value(text)}) AND match({text}, '[0-9]'))"
        )

    yield _as_written(_number, tree.name, misfit, value)


def _decimal(tree: ClickHouseType) -> Iterator[Reading]:
    precision, scale = integer_argument(tree, 0, 10), integer_argument(tree, 1, 0)
    bits = next(bits for bits, digits in ((32, 9), (64, 18), (128, 38), (256, 76)) if precision <= digits)
    whole = precision - scale
    pattern = f"-?(?:0|[1-9][0-9]{{0,{whole - 1}}})?" if whole else "-?0?"
    pattern += f"(?:[.][0-9]{{0,{scale}}}0*)?"
    yield _as_written(
        _number,
        str(tree),
        lambda text: f"NOT {matches(text, pattern)} OR NOT match({text}, '[0-9]')",
        call(f"toDecimal{bits}OrNull", str(scale)),
    )


def _bool(tree: ClickHouseType) -> Iterator[Reading]:
    true, false = (", ".join(map(literal, words)) for words in _BOOLEANS.values())
    yield _as_written(
        lambda text: f"lower({_trimmed(text)})",
        tree.name,
        lambda text: f"{text} NOT IN ({true}, {false})",
        lambda text: f"{text} IN ({true})",
    )


def _text(tree: ClickHouseType) -> Iterator[Reading]:
    inner = tree
    while inner.types:
        inner = inner.types[0]
    length = integer_argument(inner, 0, 0)
    kept = f"LowCardinality({inner})" if tree.name == "LowCardinality" else str(inner)
    if inner.name == "String":
        yield Reading(kept, lambda _: "0", unchanged, "")
    elif inner.name == "FixedString":
        fits = f"length({{0}}) <= {length}"
        yield Reading(
            kept,
            lambda text: f"NOT {fits.format(text)}",
            lambda text: f"CAST(if({fits.format(text)}, {text}, NULL) AS Nullable({inner}))",
            "",
        )


def _enum(tree: ClickHouseType) -> Iterator[Reading]:
    labels = ", ".join(literal(label) for label in enum_labels(tree).values())
    cast = call("accurateCastOrNull", literal(str(tree)))
    yield Reading(str(tree), lambda text: f"{text} NOT IN ({labels})", cast, "")


def _address(tree: ClickHouseType) -> Iterator[Reading]:
    value = call(f"to{tree.name}OrNull")
    yield _as_written(_trimmed, tree.name, lambda text: f"{text} IS NOT NULL AND {value(text)} IS NULL", value)


def _uuid(tree: ClickHouseType) -> Iterator[Reading]:
    value = call("toUUIDOrNull")
    yield _as_written(lambda text: f"lower({_trimmed(text)})", tree.name, written_again(value), value)


def _date(tree: ClickHouseType) -> Iterator[Reading]:
    reading = csv_times.dates(tree.name)
    yield reading
    yield from csv_times.in_other_orders([reading])


def _time(tree: ClickHouseType) -> Iterator[Reading]:
    digits = integer_argument(tree, 0, 3) if tree.name == "DateTime64" else None
    zone = next((argument for argument in tree.args if isinstance(argument, str)), "")
    reading = csv_times.times(digits, zone)
    yield reading
    yield csv_times.times_with_zone(digits, zone)
    yield from csv_times.in_other_orders([reading])


def _in_order(tree: ClickHouseType) -> Iterator[Reading]:
    """Yield the readings of dates or times of which the caller has said which number is the day."""
    known = csv_times.DATES if tree.name.startswith("Date") and "Time" not in tree.name else csv_times.TIMES[:2]
    yield from csv_times.in_other_orders(known, [tree.name[-3:]])


_READINGS: dict[str, Callable[[ClickHouseType], Iterable[Reading]]] = {
    **dict.fromkeys((f"{sign}Int{bits}" for sign in ("", "U") for bits in (8, 16, 32, 64, 128, 256)), _integer),
    **dict.fromkeys(("Float32", "Float64"), _float),
    **dict.fromkeys(("String", "FixedString", "LowCardinality"), _text),
    **dict.fromkeys(("Enum8", "Enum16"), _enum),
    **dict.fromkeys(("IPv4", "IPv6"), _address),
    **dict.fromkeys(("Date", "Date32"), _date),
    **dict.fromkeys(("DateTime", "DateTime64"), _time),
    **dict.fromkeys(models.CSV_DATE_TYPES, _in_order),
    "Bool": _bool,
    "Decimal": _decimal,
    "UUID": _uuid,
}
