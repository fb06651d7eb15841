"""How dates and times in a CSV file are read: see ``csv_reading``."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from roe_magic.service.engine.chdb.imports.csv_reading import (
    TEXT,
    Reading,
    call,
    matches,
    replaced,
    unchanged,
    written_again,
)
from roe_magic.service.engine.sql.quoting import literal

# By the order of a date's parts: what it is called, the parts with S for the separator, and where they go.
ORDERS = {
    "YMD": ("year/month/day", "([0-9]{4})S([0-9]{1,2})S([0-9]{1,2})", r"\1-\2-\3"),
    "DMY": ("day/month/year", "([0-9]{1,2})S([0-9]{1,2})S([0-9]{4})", r"\3-\2-\1"),
    "MDY": ("month/day/year", "([0-9]{1,2})S([0-9]{1,2})S([0-9]{4})", r"\3-\1-\2"),
}
SEPARATORS = ("/", ".", "-")
# The fraction digits that are chosen: none, milliseconds, microseconds, nanoseconds. None means DateTime, as ever.
DIGITS = (None, 3, 6, 9)
_DATE = "[0-9]{4}-[0-9]{2}-[0-9]{2}"
_CLOCK = "( [0-9]{1,2}:[0-9]{2}(:[0-9]{2})?)?"
WITHOUT_ZONE = _DATE + "[ T][0-9]{2}:[0-9]{2}(?::[0-9]{2}(?:[.][0-9]{1,9})?)?"
WITH_ZONE = f"({WITHOUT_ZONE})(?: ?UTC|Z|[+-](?:0[0-9]|1[0-4])(?::?[0-5][0-9])?)"
# A date in another order, with or without a time.
ANY_ORDER = f"(?:[0-9]{{1,2}}[-/.][0-9]{{1,2}}[-/.][0-9]{{4}}|[0-9]{{4}}[/.][0-9]{{1,2}}[/.][0-9]{{1,2}}){_CLOCK}"


def dates(type_name: str) -> Reading:
    """Return the reading of 2024-12-31 as Date or Date32."""
    value = call(f"to{type_name}OrNull")
    return Reading(type_name, written_again(value), value, "dates", _DATE)


def times(digits: int | None, zone: str = "") -> Reading:
    """Return the reading of 2024-12-31 23:59:59, also with T, without seconds, or without a time.

    Parameters
    ----------
    digits : int or None
        The fraction digits of DateTime64; DateTime if it is None.
    zone : str
        The time zone of the type, in which the text is meant; UTC if it is empty.
    """
    parsed = call(*_parser("toDateTime{}OrNull", digits, zone))

    def standard(text: str) -> str:
        seconds = f"length({text}) = 16, concat({text}, ':00'), length({text}) = 10, concat({text}, ' 00:00:00')"
        return f"replaceOne(multiIf({seconds}, {text}), 'T', ' ')"

    def misfit(text: str) -> str:
        text = standard(text)
        if digits is None:
            return written_again(parsed)(text)
        # The text may have fewer digits than the value.
        written = f"startsWith(ifNull(toString({parsed(text)}), ''), {text})"
        return f"length({text}) < 19 OR endsWith({text}, '.') OR NOT {written}"

    shape = f"{_DATE}|{WITHOUT_ZONE}"
    return Reading(_type_name(digits, zone), misfit, lambda text: parsed(standard(text)), "dates and times", shape)


def times_with_zone(digits: int | None, zone: str = "UTC") -> Reading:
    """Return the reading of times with Z, UTC or an offset such as +02:00 behind them; parameters as of `times`."""
    value = call(*_parser("parseDateTime{}BestEffortOrNull", digits, zone))
    local = times(digits or 0)

    def misfit(text: str) -> str:
        # BestEffort takes much that is no time: the text without its zone must be one.
        conditions = [
            f"NOT {matches(text, WITH_ZONE)}",
            local.misfit(replaced(text, f"^{WITH_ZONE}$", r"\1")),
            # The offset must not move it into the year 0 or 10000, nor out of the type.
            f"{text} NOT BETWEEN '0001-01-02' AND '9999-12-31'",
            f"toString({value(text)}) IS DISTINCT FROM toString({times_with_zone(0, zone).value(text)})"
            if digits is None
            else f"{text} IS NOT NULL AND {value(text)} IS NULL",
        ]
        return " OR ".join(f"({condition})" for condition in conditions)

    return Reading(_type_name(digits, zone), misfit, value, "times with a zone", WITH_ZONE)


def reordered(reading: Reading, order: str, separator: str) -> Reading:
    """Return the reading of dates whose parts are in another order, with or without hours, minutes and seconds."""
    name, date, parts = ORDERS[order]
    date = date.replace("S", f"[{separator}]")
    shape = date if reading.type.startswith("Date32") or reading.type == "Date" else date + _CLOCK

    def standard(text: str) -> str:
        two_digits = replaced(text, r"\b([0-9])\b", r"0\1", "replaceRegexpAll")
        return replaced(two_digits, f"^{date}", parts)

    return Reading(
        reading.type,
        lambda text: f"NOT {matches(text, shape)} OR {reading.misfit(standard(text))}",
        lambda text: reading.value(standard(text)),
        f"{reading.meaning} written {name.replace('/', separator)}",
        shape,
    )


def undecided(reading: Reading, separator: str) -> Reading:
    """Return the reading as text of dates in which either of two numbers may be the day."""
    both = [reordered(reading, order, separator) for order in ("DMY", "MDY")]
    type_name = reading.type.partition("64")[0].removesuffix("32")
    return Reading(
        TEXT,
        lambda text: " OR ".join(f"({one.misfit(text)})" for one in both),
        unchanged,
        f"{both[0].meaning} or month{separator}day{separator}year",
        both[0].shape,
        (f"{type_name}DMY", f"{type_name}MDY"),
    )


def in_other_orders(readings: Iterable[Reading], orders: Iterable[str] = ORDERS) -> Iterator[Reading]:
    """Yield the readings of dates in all other orders; where day and month may be either, they are undecided.

    Parameters
    ----------
    readings : iterable of Reading
        Of dates in the standard order; the last one fits wherever another does.
    orders : iterable of str
        The orders to try.
    """
    readings, orders = list(readings), list(orders)
    for separator in SEPARATORS:
        if {"DMY", "MDY"} <= set(orders):
            yield undecided(readings[-1], separator)
        for order in orders:
            yield from (reordered(reading, order, separator) for reading in readings)


def _parser(function: str, digits: int | None, zone: str) -> tuple[str, ...]:
    """Return the name and the arguments after the text of a function that reads times."""
    name = function.format("" if digits is None else "64")
    return (name, *([] if digits is None else [str(digits)]), literal(zone or "UTC"))


def _type_name(digits: int | None, zone: str) -> str:
    arguments = ([] if digits is None else [str(digits)]) + ([literal(zone)] if zone else [])
    return f"DateTime{'' if digits is None else '64'}" + (f"({', '.join(arguments)})" if arguments else "")


# Narrow types first.
DATES = (dates("Date"), dates("Date32"))
TIMES = tuple(times(digits) for digits in DIGITS)
READINGS = (
    *DATES,
    *in_other_orders(DATES),
    *TIMES,
    *(times_with_zone(digits) for digits in DIGITS),
    *in_other_orders(TIMES[:2]),
)
