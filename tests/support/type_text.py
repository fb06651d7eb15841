"""ClickHouse's type names taken apart, for tests: a reader of its own, so that it cannot share a mistake with ours."""

from __future__ import annotations

import functools
import re
from dataclasses import dataclass

_NAMED = re.compile(r"(`(?:[^`\\]|\\.)*`|[\w.]+) (?=[A-Z])(.*)", re.DOTALL)
# Names of the geometric types for what they are made of.
ALIASES = {
    "Point": "Tuple(Float64, Float64)",
    "Ring": "Array(Tuple(Float64, Float64))",
    "LineString": "Array(Tuple(Float64, Float64))",
    "MultiPoint": "Array(Tuple(Float64, Float64))",
    "Polygon": "Array(Array(Tuple(Float64, Float64)))",
    "MultiLineString": "Array(Array(Tuple(Float64, Float64)))",
    "MultiPolygon": "Array(Array(Array(Tuple(Float64, Float64))))",
    "Geometry": "Variant(LineString, MultiLineString, MultiPolygon, Point, Polygon, Ring)",
}


@dataclass(frozen=True)
class Type:
    """A type's name, and its arguments as text."""

    name: str
    args: tuple[str, ...] = ()

    @property
    def children(self) -> tuple[Type, ...]:
        """The arguments as types, without the names of a tuple's elements."""
        return tuple(type_of(named(arg)[1]) for arg in self.args)

    @property
    def names(self) -> tuple[str, ...]:
        """The names of a tuple's elements, empty if it has none."""
        return tuple(name for name in (named(arg)[0] for arg in self.args) if name)


@functools.cache
def type_of(text: str) -> Type:
    """Return a type without what changes neither a value nor its form: LowCardinality, the names of geometric types."""
    text = ALIASES.get(text, text)
    name, bracket, rest = text.partition("(")
    args = _split(rest[:-1]) if bracket else ()
    if name == "LowCardinality":
        return type_of(args[0])
    if name == "SimpleAggregateFunction":
        return type_of(args[1])
    if name == "Nested":
        return Type("Array", (f"Tuple({', '.join(args)})",))
    return Type(name, args)


def named(arg: str) -> tuple[str, str]:
    """Return the name and the type of a tuple's element; the name is empty if it has none."""
    match = _NAMED.fullmatch(arg)
    return (match[1].strip("`"), match[2]) if match else ("", arg)


def text_argument(arg: str) -> str:
    """Return the text in an argument's quotation marks."""
    return re.sub(r"\\(.)", r"\1", arg[1:-1])


def enum_labels(type_: Type) -> dict[int, str]:
    """Return the labels of an Enum by their numbers."""
    pairs = (arg.rpartition(" = ") for arg in type_.args)
    return {int(number): text_argument(label) for label, _, number in pairs}


def _split(text: str) -> tuple[str, ...]:
    """Return the arguments between the commas that are in no brackets and no quotation marks."""
    parts, depth, start, at = [], 0, 0, 0
    while at < len(text):
        character = text[at]
        if character in "'`":
            at = _end_of_quotation(text, at)
        elif character in "()":
            depth += 1 if character == "(" else -1
        elif character == "," and not depth:
            parts.append(text[start:at].strip())
            start = at + 1
        at += 1
    last = text[start:].strip()
    return (*parts, last) if last else tuple(parts)


def _end_of_quotation(text: str, start: int) -> int:
    at = start + 1
    while text[at] != text[start]:
        at += 2 if text[at] == "\\" else 1
    return at
