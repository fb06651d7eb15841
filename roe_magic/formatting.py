"""Numbers, sizes, durations and untrusted strings, formatted for people.

Every text of a server that is shown, printed, logged or raised goes through :func:`clean` or :func:`clean_message`.
"""

from __future__ import annotations

import functools
import re
import unicodedata
import weakref
from collections.abc import Iterator
from datetime import datetime
from html import escape
from typing import Any, Protocol

# Control, zero-width and text-direction characters: invisible, and able to make a line read as what it is not.
# Tab and newline are left alone here; the two joiners that real scripts need (U+200C, U+200D) too, and the variation
# selectors of emoji (U+FE00 to U+FE0F). Blanks of Braille and Hangul look like a space, and are parts of names.
_HIDDEN = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\xad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\u2800\u3164"
    "\ud800-\udfff\ufeff\uffa0\ufff0-\ufffb\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U000e0000-\U000e0fff]"
)

# So many characters of a message are shown: about as many as there is in one that repeats no SQL.
MESSAGE_LIMIT = 1500
# So many are kept of it.
KEPT_LIMIT = 10_000
# By so many characters the names of hidden characters make a message, or another text, longer.
_MESSAGE_NAMES, _TEXT_NAMES = 100, 1000
_LEFT_OUT = re.compile(r" … \(([\d,]{1,11}) characters left out\) … ")
# With one of these each formula of MathJax begins and ends.
_MATHEMATICS = re.compile(r"[$\\]")


class _Secret(Protocol):
    def conceal(self, text: str) -> str: ...


# By their id: secrets that are equal are kept each as long as somebody holds it.
_secrets: weakref.WeakValueDictionary[int, _Secret] = weakref.WeakValueDictionary()


def keep_secret(secret: _Secret) -> None:
    """Leave a secret out of every text from now on, as long as somebody holds it."""
    _secrets[id(secret)] = secret


def conceal(text: str) -> str:
    """Return a text without the secrets of this process, which a server may have repeated."""
    for reference in _secrets.valuerefs():
        if (secret := reference()) is not None:
            text = secret.conceal(text)
    return text


def clean(text: object, *, limit: int = 200, lines: bool = False) -> str:
    """Return a string of the server that is safe to show.

    Hidden characters are named, its length is limited, and no API key is in it.

    Parameters
    ----------
    text : object
        Anything; it is converted to a string.
    limit : int
        Characters kept; where more are cut off, the string says so.
    lines : bool
        Keep tabs and line ends; otherwise all white space becomes single spaces.
    """
    whole = conceal(str(text))  # before a cut could leave a part of a key
    # Of a text of millions of characters only the beginning is looked at.
    beginning = whole[: 2 * limit].replace("\r\n", "\n")
    kept = beginning[:limit]
    kept = kept if lines else " ".join(kept.split())
    shown = _named(kept, _TEXT_NAMES)
    more = len(beginning[limit:]) + len(whole[2 * limit :])
    if not more:
        return shown
    return f"{shown} … ({count(more)} more characters)" if lines else f"{shown}…"


def clean_message(text: object, limit: int = MESSAGE_LIMIT) -> str:
    """Return a message that is safe to show, with its line ends.

    What is too much is left out of the middle, and it says so: an error's message begins with what happened and ends
    with the name of its code, but in between ClickHouse may repeat a query of any length.
    """
    whole = conceal(str(text)).replace("\r\n", "\n")
    if len(whole) <= limit:
        return _named(whole, _MESSAGE_NAMES)
    end = limit // 3
    beginning, middle, ending = whole[: limit - end], whole[limit - end : -end], whole[-end:]
    left_out = f"{count(len(middle) + _left_out_before(middle))} characters left out"
    return f"{_named(beginning, _MESSAGE_NAMES)} … ({left_out}) … {_named(ending, _MESSAGE_NAMES)}"


def kept_message(text: object) -> str:
    """Return a message as an exception keeps it: about 10,000 characters of it, which stay when they are kept again."""
    whole = str(text)
    kept_before = len(whole) <= KEPT_LIMIT + 3 * _MESSAGE_NAMES
    return clean_message(whole, len(whole) if kept_before else KEPT_LIMIT)


def _left_out_before(middle: str) -> int:
    """Return how many more characters were left out when the message was cut before."""
    return sum(int(note[1].replace(",", "")) - len(note[0]) for note in _LEFT_OUT.finditer(middle))


def _named(text: str, room: int) -> str:
    """Return a text with names for its hidden characters, which make it longer by so many characters at most."""
    shown = _HIDDEN.sub(lambda match: f"<U+{ord(match[0]):04X}>", text)
    return shown if len(shown) <= len(text) + room else f"{shown[: len(text) + room]}…"


def encodable(value: Any) -> Any:
    """Return a text that pandas can hold, with a lone surrogate as it is written in JSON; another value as it is."""
    return value.encode("utf-8", "backslashreplace").decode() if isinstance(value, str) else value


def html_text(text: str) -> str:
    """Return a text as HTML in which no notebook finds mathematics.

    What a browser shows between two dollars, or behind some backslashes, would otherwise be typeset as a formula. That
    never spans two elements, so each of these characters gets one of its own. A class or an entity would not do: the
    one is ignored by nbconvert's pages, the other is a plain dollar once it is parsed.
    """
    return _MATHEMATICS.sub(r"<span>\g<0></span>", escape(text))


def display_width(text: str) -> int:
    """Return how many columns of a terminal a line takes: two for a wide character of East Asia, none for an accent."""
    return len(text) if text.isascii() else sum(map(_columns, text))


def pieces(line: str, width: int) -> Iterator[str]:
    """Yield a line in pieces that are no wider than that."""
    if display_width(line) <= width:
        yield line
        return
    begin = taken = 0
    for index, columns in enumerate(map(_columns, line)):
        if taken + columns > width:
            yield line[begin:index]
            begin, taken = index, 0
        taken += columns
    yield line[begin:]


@functools.lru_cache(maxsize=4096)
def _columns(character: str) -> int:
    if unicodedata.category(character) in ("Mn", "Me", "Cf"):
        return 0
    return 2 if unicodedata.east_asian_width(character) in "WF" else 1


def duration(seconds: float) -> str:
    """Return a time span: ``38 ms``, ``4.2 s``, ``2 min 05 s``, ``1 h 02 min``."""
    seconds = max(seconds, 0.0)
    if seconds < 0.9995:
        return f"{seconds * 1000:.0f} ms"
    if seconds < 59.95:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest:02d} s" if minutes < 60 else f"{minutes // 60} h {minutes % 60:02d} min"


def about_duration(seconds: float) -> str:
    """Return an estimated time span, so rounded that it does not change at each look: ``7 s``, ``25 s``, ``3 min``."""
    if seconds < 10:
        return f"{max(round(seconds), 1)} s"
    if seconds < 57.5:
        return f"{round(seconds / 5) * 5} s"
    minutes = max(round(seconds / 60), 1)
    if minutes < 60:
        return f"{minutes} min"
    hours, tens = divmod(round(minutes / 10), 6)
    return f"{hours} h {tens}0 min" if tens else f"{hours} h"


def moment(time: datetime) -> str:
    """Return a moment by this machine's clock, with its distance from UTC: ``2026-03-01 14:03:22 UTC+01:00``."""
    try:
        here = time.astimezone()
    except (ValueError, OverflowError, OSError):  # the first or the last year of the calendar, in another zone
        here = time
    offset = here.strftime("%z")
    zone = "UTC" if int(offset[:5]) == 0 else f"UTC{offset[:3]}:{offset[3:5]}"
    return f"{here:%Y-%m-%d %H:%M:%S} {zone}"


def count(number: float) -> str:
    """Return a final number: in full below a billion (``900,000``), then to three digits (``1.23 bn``)."""
    if number < 1_000_000_000:
        return f"{number:,.0f}"
    return _scaled(number / 1_000_000_000, ("bn", "tn"))


def size(number: float) -> str:
    """Return a number of bytes in decimal units: ``850 B``, ``34 MB``."""
    return f"{number:.0f} B" if number < 1000 else _scaled(number / 1000, ("kB", "MB", "GB", "TB", "PB"))


def about(number: float) -> str:
    """Return a number that is estimated or still changes, to three digits: ``398,000``, ``5.1 M``."""
    rounded = float(f"{number:.3g}")
    return f"{rounded:,.0f}" if rounded < 1_000_000 else _scaled(rounded / 1_000_000, ("M", "bn", "tn"))


def plural(number: int, noun: str) -> str:
    """Return a count of things: ``1 row``, ``2 rows``."""
    return f"{count(number)} {noun}{'' if number == 1 else 's'}"


def _scaled(value: float, units: tuple[str, ...]) -> str:
    for unit in units[:-1]:
        if value < 999.5:
            return f"{_three(value)} {unit}"
        value /= 1000
    return f"{_three(value)} {units[-1]}"


def _three(value: float) -> str:
    digits = 2 if value < 9.995 else 1 if value < 99.95 else 0
    text = f"{value:,.{digits}f}"
    return text.rstrip("0").rstrip(".") if digits else text
