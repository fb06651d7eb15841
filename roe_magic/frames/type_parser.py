"""Parser of ClickHouse type names.

``parse("Array(Nullable(String))")`` returns a tree of :class:`ClickHouseType`; ``str`` of a tree is a type name again.
The parser splits the text into tokens with one regular expression and descends recursively, one method per rule.
"""

from __future__ import annotations

import functools
import re
from dataclasses import dataclass
from typing import NoReturn

from roe_magic.errors import ProtocolError

# Deeper types are refused here, before they reach Python's recursion limit; no real type is nested so deeply.
MAX_DEPTH = 150
# Python refuses to read integers of more than 4,300 digits; those of ClickHouse's types have up to 5.
_MAX_DIGITS = 100

_TOKEN = re.compile(
    r"""\s*(?:
      (?P<string>'(?:[^'\\]|\\.|'')*')
    | (?P<quoted>`(?:[^`\\]|\\.|``)*`|"(?:[^"\\]|\\.|"")*")
    | (?P<number>[+-]?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?(?![\w.]))
    | (?P<word>\w[\w.]*)
    | (?P<mark>[(),=])
    | (?P<end>\Z)
    )""",
    re.VERBOSE | re.DOTALL,
)
_ESCAPES = {"n": "\n", "t": "\t", "r": "\r", "0": "\0", "b": "\b", "f": "\f", "a": "\a", "v": "\v"}
_ESCAPE = re.compile(r"\\x([0-9A-Fa-f]{2})|\\(.)|(['`\"])\3", re.DOTALL)
_PLAIN_NAME = re.compile(r"[A-Za-z_]\w*\Z")


@dataclass(frozen=True)
class ClickHouseType:
    """A ClickHouse type: its name and arguments.

    The arguments of ``Decimal(10, 2)`` are two numbers, of ``Array(String)`` a type, of ``DateTime('UTC')`` a string;
    those of ``Tuple(a UInt8)``, ``Enum8('a' = 1)`` and ``Dynamic(max_types=3)`` are :class:`NamedArgument` objects.
    """

    name: str
    args: tuple[Argument, ...] = ()

    @property
    def types(self) -> tuple[ClickHouseType, ...]:
        """The arguments that are types, without their names."""
        values = (arg.value if isinstance(arg, NamedArgument) else arg for arg in self.args)
        return tuple(value for value in values if isinstance(value, ClickHouseType))

    @property
    def names(self) -> tuple[str, ...] | None:
        """The names of the arguments, or None where not every argument has one."""
        names = tuple(arg.name for arg in self.args if isinstance(arg, NamedArgument))
        return names if names and len(names) == len(self.args) else None

    def __str__(self) -> str:
        name = self.name if re.fullmatch(r"\w[\w.]*", self.name) else _quoted(self.name, "`")
        if not self.args and self.name != "Tuple":
            return name
        return f"{name}({', '.join(_argument_text(arg, in_enum=self.name.startswith('Enum')) for arg in self.args)})"


@dataclass(frozen=True)
class NamedArgument:
    """A named argument: an element of a tuple, a label of an enum with its number, or a setting."""

    name: str
    value: Argument


Argument = ClickHouseType | NamedArgument | str | int | float


@functools.lru_cache(maxsize=4096)
def parse(text: str) -> ClickHouseType:
    """Return the tree of a ClickHouse type name.

    Parameters
    ----------
    text : str
        As ClickHouse prints it, on one line or over several: ``Array(Nullable(DateTime64(3, 'Europe/Paris')))``.

    Raises
    ------
    ProtocolError
        The text is not a type name; the message quotes it and names the position of the error.
    """
    return _Parser(text).parse()


class _Parser:
    """Recursive descent over the tokens of one type name.

    The current token is ``kind`` (a group's name in ``_TOKEN``) and ``value``; it starts at ``position``.
    """

    def __init__(self, text: str) -> None:
        self.text = text
        self.kind, self.value, self.position, self.next_position = "", "", 0, 0
        self.depth = 0
        self.advance()

    def fail(self, reason: str) -> NoReturn:
        text, position = self.text[:1000], self.position
        raise ProtocolError(f"Cannot read the ClickHouse type {text!r}: {reason} at position {position}.")

    def advance(self) -> str:
        """Go to the next token and return the value of the previous one."""
        previous, match = self.value, _TOKEN.match(self.text, self.next_position)
        if match is None:
            self.position = self.next_position
            self.fail(f"unexpected {self.text[self.position : self.position + 1]!r}")
        self.kind = match.lastgroup or ""
        self.value, self.position, self.next_position = match[self.kind], match.start(self.kind), match.end()
        return previous

    def accept(self, mark: str) -> bool:
        """Skip a mark if it is the current token; whether it was."""
        if self.kind == "mark" and self.value == mark:
            self.advance()
            return True
        return False

    def parse(self) -> ClickHouseType:
        tree = self.type()
        if self.kind != "end":
            self.fail(f"unexpected {self.value!r}")
        return tree

    def type(self) -> ClickHouseType:
        if self.kind not in ("word", "quoted"):
            self.fail("expected the name of a type")
        return self.type_named(self.name())

    def name(self) -> str:
        quoted = self.kind == "quoted"
        text = self.advance()
        return _unquote(text) if quoted else text

    def type_named(self, name: str) -> ClickHouseType:
        return ClickHouseType(name, self.arguments() if self.value == "(" and self.kind == "mark" else ())

    def arguments(self) -> tuple[Argument, ...]:
        self.depth += 1
        if self.depth > MAX_DEPTH:
            self.fail(f"nested deeper than {MAX_DEPTH}")
        self.advance()
        arguments: list[Argument] = []
        while not self.accept(")"):
            if arguments and not self.accept(","):
                self.fail("expected ',' or ')'")
            arguments.append(self.argument())
        self.depth -= 1
        return tuple(arguments)

    def argument(self) -> Argument:
        if self.kind == "string":
            text = _unquote(self.advance())
            return NamedArgument(text, self.literal()) if self.accept("=") else text
        if self.kind == "number":
            return self.literal()
        if self.kind not in ("word", "quoted"):
            self.fail("expected an argument")
        name = self.name()
        if self.accept("="):
            return NamedArgument(name, self.literal())
        if self.kind in ("word", "quoted", "string"):
            return NamedArgument(name, self.argument())
        return self.type_named(name)

    def literal(self) -> Argument:
        if self.kind == "number":
            if len(self.value) > _MAX_DIGITS:
                self.fail(f"a number of more than {_MAX_DIGITS} characters")
            text = self.advance()
            return int(text) if text.lstrip("+-").isdigit() else float(text)
        if self.kind == "string":
            return _unquote(self.advance())
        if self.kind != "word":
            self.fail("expected a value")
        return self.advance()


def _unquote(token: str) -> str:
    """Return the text of a quoted token: quotes removed, escapes replaced."""

    def character(match: re.Match[str]) -> str:
        if match[1]:
            return bytes.fromhex(match[1]).decode("ascii", "surrogateescape")
        return _ESCAPES.get(match[2], match[2]) if match[2] else match[3]

    text = _ESCAPE.sub(character, token[1:-1])
    # An escape is one byte: together the bytes are UTF-8, and a byte that is not becomes a lone surrogate.
    return text if text.isascii() else text.encode("utf-8", "surrogateescape").decode("utf-8", "surrogateescape")


def _quoted(text: str, mark: str) -> str:
    return mark + text.replace("\\", "\\\\").replace(mark, "\\" + mark) + mark


def _argument_text(arg: Argument, *, in_enum: bool) -> str:
    if isinstance(arg, str):
        return _quoted(arg, "'")
    if not isinstance(arg, NamedArgument):
        return str(arg)
    if in_enum:
        return f"{_quoted(arg.name, chr(39))} = {arg.value}"
    name = arg.name if _PLAIN_NAME.match(arg.name) else _quoted(arg.name, "`")
    value = _argument_text(arg.value, in_enum=False)
    return f"{name} {value}" if isinstance(arg.value, (ClickHouseType, NamedArgument, str)) else f"{name}={value}"
