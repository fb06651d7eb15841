"""ClickHouse type names, read by a small real parser into a tree."""

from __future__ import annotations

import functools
import re
from dataclasses import dataclass
from typing import NoReturn

from roe_magic.errors import ProtocolError

# A type this deep is an attack or a mistake, and Python's own limit must not be what stops it.
MAX_DEPTH = 64

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
class Type:
    """A ClickHouse type: its name and arguments.

    ``Decimal(10, 2)`` has two numbers as arguments, ``Array(String)`` a type, ``DateTime('UTC')`` a string, and
    ``Tuple(a UInt8)``, ``Enum8('a' = 1)`` and ``Dynamic(max_types=3)`` have :class:`Named` ones.
    """

    name: str
    args: tuple[Argument, ...] = ()

    @property
    def types(self) -> tuple[Type, ...]:
        """The types among the arguments, names dropped."""
        values = (arg.value if isinstance(arg, Named) else arg for arg in self.args)
        return tuple(value for value in values if isinstance(value, Type))

    @property
    def names(self) -> tuple[str, ...] | None:
        """The names of the arguments, or None when they have none."""
        names = tuple(arg.name for arg in self.args if isinstance(arg, Named))
        return names if names and len(names) == len(self.args) else None

    def __str__(self) -> str:
        name = self.name if re.fullmatch(r"\w[\w.]*", self.name) else _quote(self.name, "`")
        if not self.args and self.name != "Tuple":
            return name
        return f"{name}({', '.join(_render(arg, enum=self.name.startswith('Enum')) for arg in self.args)})"


@dataclass(frozen=True)
class Named:
    """A named argument: a tuple's element, an enum's label with its number, or a setting."""

    name: str
    value: Argument


Argument = Type | Named | str | int | float


@functools.lru_cache(maxsize=4096)
def parse(text: str) -> Type:
    """Read a ClickHouse type name.

    Parameters
    ----------
    text : str
        As ClickHouse prints it, on one line or pretty-printed: ``Array(Nullable(DateTime64(3, 'Europe/Paris')))``.

    Raises
    ------
    ProtocolError
        Quotes the whole type and says where reading stopped.
    """
    return _Parser(text).whole()


class _Parser:
    """Recursive descent over the tokens of one type name."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.kind, self.value, self.at, self.next_at = "", "", 0, 0
        self.depth = 0
        self.advance()

    def fail(self, why: str) -> NoReturn:
        raise ProtocolError(f"Cannot read the ClickHouse type {self.text[:1000]!r}: {why} at position {self.at}.")

    def advance(self) -> str:
        """Step to the next token and return the one just left."""
        left, match = self.value, _TOKEN.match(self.text, self.next_at)
        if match is None:
            self.at = self.next_at
            self.fail(f"unexpected {self.text[self.at : self.at + 1]!r}")
        self.kind = match.lastgroup or ""
        self.value, self.at, self.next_at = match[self.kind], match.start(self.kind), match.end()
        return left

    def whole(self) -> Type:
        result = self.type()
        if self.kind != "end":
            self.fail(f"unexpected {self.value!r}")
        return result

    def type(self) -> Type:
        if self.kind not in ("word", "quoted"):
            self.fail("expected the name of a type")
        return self.rest_of_type(self.name())

    def name(self) -> str:
        quoted = self.kind == "quoted"
        text = self.advance()
        return _unquote(text) if quoted else text

    def rest_of_type(self, name: str) -> Type:
        return Type(name, self.arguments() if self.value == "(" and self.kind == "mark" else ())

    def arguments(self) -> tuple[Argument, ...]:
        self.depth += 1
        if self.depth > MAX_DEPTH:
            self.fail(f"nested deeper than {MAX_DEPTH}")
        self.advance()
        found: list[Argument] = []
        while not self.takes(")"):
            if found and not self.takes(","):
                self.fail("expected ',' or ')'")
            found.append(self.argument())
        self.depth -= 1
        return tuple(found)

    def takes(self, mark: str) -> bool:
        if self.kind == "mark" and self.value == mark:
            self.advance()
            return True
        return False

    def argument(self) -> Argument:
        if self.kind == "string":
            text = _unquote(self.advance())
            return Named(text, self.literal()) if self.takes("=") else text
        if self.kind == "number":
            return self.literal()
        if self.kind not in ("word", "quoted"):
            self.fail("expected an argument")
        name = self.name()
        if self.takes("="):
            return Named(name, self.literal())
        if self.kind in ("word", "quoted", "string"):
            return Named(name, self.argument())
        return self.rest_of_type(name)

    def literal(self) -> Argument:
        if self.kind == "number":
            text = self.advance()
            return int(text) if text.lstrip("+-").isdigit() else float(text)
        if self.kind == "string":
            return _unquote(self.advance())
        if self.kind != "word":
            self.fail("expected a value")
        return self.advance()


def _unquote(token: str) -> str:
    def plain(match: re.Match[str]) -> str:
        if match[1]:
            return bytes.fromhex(match[1]).decode("ascii", "surrogateescape")
        return _ESCAPES.get(match[2], match[2]) if match[2] else match[3]

    text = _ESCAPE.sub(plain, token[1:-1])
    # Escapes are bytes: those of one character belong together, and what is not UTF-8 stays a lone surrogate.
    return text if text.isascii() else text.encode("utf-8", "surrogateescape").decode("utf-8", "surrogateescape")


def _quote(text: str, mark: str) -> str:
    return mark + text.replace("\\", "\\\\").replace(mark, "\\" + mark) + mark


def _render(arg: Argument, *, enum: bool) -> str:
    if isinstance(arg, str):
        return _quote(arg, "'")
    if not isinstance(arg, Named):
        return str(arg)
    if enum:
        return f"{_quote(arg.name, chr(39))} = {arg.value}"
    name = arg.name if _PLAIN_NAME.match(arg.name) else _quote(arg.name, "`")
    value = _render(arg.value, enum=False)
    return f"{name} {value}" if isinstance(arg.value, (Type, Named, str)) else f"{name}={value}"
