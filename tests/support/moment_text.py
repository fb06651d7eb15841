"""Texts of moments, days and times of day, to and from exact numbers."""

from __future__ import annotations

import re
from datetime import datetime, timezone

from tests.support.typed_values import Day, Moment, Span

_MOMENT = re.compile(r"(\d{4})-(\d\d)-(\d\d)[ T](\d\d):(\d\d):(\d\d)(?:\.(\d{1,9}))?(Z|[+-]\d\d:\d\d(?::\d\d)?)")
_SPAN = re.compile(r"(-?)(\d+):(\d\d):(\d\d)(?:\.(\d{1,9}))?")
_EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)


def moment(text: str) -> Moment | str:
    """Return the moment of a text that has an offset or a Z; any other text as it is."""
    match = _MOMENT.fullmatch(text)
    if not match:
        return text
    *numbers, fraction, offset = match.groups()
    seconds = _seconds(datetime(*map(int, numbers), tzinfo=timezone.utc)) - _offset(offset)
    return Moment(seconds * 10**9 + int((fraction or "").ljust(9, "0")))


def _seconds(utc: datetime) -> int:
    span = utc - _EPOCH
    return span.days * 86400 + span.seconds


def _offset(text: str) -> int:
    if text == "Z":
        return 0
    hours, minutes, *seconds = map(int, text[1:].split(":"))
    total = hours * 3600 + minutes * 60 + sum(seconds)
    return -total if text[0] == "-" else total


def span(text: str) -> Span | str:
    """Return the time of ``-12:34:56.789``; any other text as it is."""
    match = _SPAN.fullmatch(text)
    if not match:
        return text
    sign, hours, minutes, seconds, fraction = match.groups()
    total = (int(hours) * 3600 + int(minutes) * 60 + int(seconds)) * 10**9 + int((fraction or "").ljust(9, "0"))
    return Span(-total if sign else total)


def day(text: str) -> Day | str:
    """Return the day of ``2024-01-31``; any other text as it is."""
    try:
        return Day((datetime.strptime(text, "%Y-%m-%d").replace(tzinfo=timezone.utc) - _EPOCH).days)
    except ValueError:
        return text


def day_text(value: Day) -> str:
    """Return a day as the engine writes it."""
    return datetime.fromordinal(_EPOCH.toordinal() + value.days).strftime("%Y-%m-%d").rjust(10, "0")


def iso_text(value: Moment, digits: int) -> str:
    """Return a moment in UTC as the engine writes it in its ISO form."""
    seconds, ns = divmod(value.ns, 10**9)
    days, rest = divmod(seconds, 86400)
    clock = f"{rest // 3600:02}:{rest // 60 % 60:02}:{rest % 60:02}"
    return f"{day_text(Day(days))}T{clock}{_fraction(ns, digits)}Z"


def span_text(value: Span, digits: int) -> str:
    """Return a Time as the engine writes it."""
    seconds, ns = divmod(abs(value.ns), 10**9)
    clock = f"{seconds // 3600:02}:{seconds // 60 % 60:02}:{seconds % 60:02}"
    return f"{'-' if value.ns < 0 else ''}{clock}{_fraction(ns, digits)}"


def _fraction(ns: int, digits: int) -> str:
    return f".{f'{ns:09}'[:digits]}" if digits else ""
