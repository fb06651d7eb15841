"""Exact values in a form in which equal means equal: bit for bit, with NULL, nan, and every digit."""

from __future__ import annotations

import struct
from decimal import Decimal
from typing import Any, NamedTuple


class Float(NamedTuple):
    """A float by its bits, so that nan equals itself and -0.0 is not 0.0."""

    width: int
    bits: int

    def __repr__(self) -> str:
        return f"Float{self.width}({self.value!r}, 0x{self.bits:x})"

    @property
    def value(self) -> float:
        """Return it as Python's float."""
        pair = ("<I", "<f") if self.width == 32 else ("<Q", "<d")
        return float(struct.unpack(pair[1], struct.pack(pair[0], self.bits))[0])

    @property
    def shortest(self) -> Decimal:
        """Return the decimal number with the fewest digits that is read as this float."""
        import numpy as np

        return Decimal(str(np.float32(self.value)) if self.width == 32 else repr(self.value))


class Moment(NamedTuple):
    """Nanoseconds since 1970 in UTC."""

    ns: int


class Span(NamedTuple):
    """A Time, in nanoseconds."""

    ns: int


class Day(NamedTuple):
    """Days since 1970."""

    days: int


class Typed(NamedTuple):
    """A value of a Variant, a Dynamic or of a path of JSON, with the type that it has."""

    type: str
    value: Any


class Document(NamedTuple):
    """A value that is sent as JSON text: dicts, lists, text, Decimals, booleans and None."""

    value: Any


def float_of(number: float, width: int) -> Float:
    """Return a Python float as a Float."""
    pair = ("<I", "<f") if width == 32 else ("<Q", "<d")
    return Float(width, struct.unpack(pair[0], struct.pack(pair[1], number))[0])
