"""Reads ClickHouse's RowBinaryWithNamesAndTypes exactly: the road by which tests get the engine's own values.

The only types that it cannot read are AggregateFunctions, whose states have no length there.
"""

from __future__ import annotations

import functools
import ipaddress
import uuid
from collections.abc import Callable
from decimal import Decimal
from typing import Any

from tests.support import type_binary
from tests.support.type_text import Type, enum_labels, named, type_of
from tests.support.typed_values import Day, Float, Moment, Span, Typed

Decoder = Callable[["Reader"], Any]


class Reader:
    """Bytes, and how far they have been read."""

    def __init__(self, data: bytes) -> None:
        self.data, self.at = data, 0

    def take(self, size: int) -> bytes:
        """Return the next bytes."""
        self.at += size
        assert self.at <= len(self.data), "the rows end too early"
        return self.data[self.at - size : self.at]

    def number(self, size: int, *, signed: bool = False) -> int:
        """Return the next integer of so many bytes."""
        return int.from_bytes(self.take(size), "little", signed=signed)

    def length(self) -> int:
        """Return the next integer of variable length."""
        result = shift = 0
        while True:
            byte = self.take(1)[0]
            result |= (byte & 127) << shift
            if byte < 128:
                return result
            shift += 7

    def text(self) -> bytes:
        """Return the next bytes that have their length before them."""
        return self.take(self.length())


def read_header(data: bytes) -> tuple[list[str], list[str], Reader]:
    """Return names and types, and the reader at the first row."""
    reader = Reader(data)
    count = reader.length()
    names, types = ([_printable(reader.text()) for _ in range(count)] for _ in range(2))
    return names, types, reader


def read_rows(types: list[str], reader: Reader) -> list[tuple[Any, ...]]:
    """Return all rows."""
    decoders = [decoder(text) for text in types]
    rows = []
    while reader.at < len(reader.data):
        rows.append(tuple(decode(reader) for decode in decoders))
    return rows


def _printable(raw: bytes) -> str:
    return raw.decode("utf-8", "backslashreplace")


@functools.cache
def decoder(text: str) -> Decoder:
    """Return the function that reads one value of a type."""
    type_ = type_of(text)
    if type_.name in _MAKERS:
        return _MAKERS[type_.name](type_)
    if type_.name.startswith("Interval"):
        return lambda reader: reader.number(8, signed=True)
    name = type_.name.removeprefix("U")
    if name.startswith("Int"):
        size, signed = int(name[3:]) // 8, not type_.name.startswith("U")
        return lambda reader: reader.number(size, signed=signed)
    raise ValueError(f"this reader does not know the type {text}")


def _nullable(type_: Type) -> Decoder:
    inner = decoder(type_.args[0])
    return lambda reader: None if reader.number(1) else inner(reader)


def _array(type_: Type) -> Decoder:
    inner = decoder(type_.args[0])
    return lambda reader: [inner(reader) for _ in range(reader.length())]


def _tuple(type_: Type) -> Decoder:
    inner = [decoder(_text(child)) for child in type_.children]
    return lambda reader: tuple(decode(reader) for decode in inner)


def _map(type_: Type) -> Decoder:
    key, value = (decoder(arg) for arg in type_.args)
    return lambda reader: [(key(reader), value(reader)) for _ in range(reader.length())]


def _text(type_: Type) -> str:
    return f"{type_.name}({', '.join(type_.args)})" if type_.args else type_.name


def _variant(type_: Type) -> Decoder:
    def read(reader: Reader) -> Any:
        index = reader.number(1)
        return None if index == 255 else Typed(type_.args[index], decoder(type_.args[index])(reader))

    return read


def _dynamic(_: Type) -> Decoder:
    def read(reader: Reader) -> Any:
        text = type_binary.read_type(reader)
        return None if text == "Nothing" else Typed(text, decoder(text)(reader))

    return read


def _json(type_: Type) -> Decoder:
    typed_paths = dict(each for each in map(named, type_.args) if each[0] not in {"", "SKIP"})
    dynamic = _dynamic(type_)

    def read(reader: Reader) -> Any:
        paths = {}
        for _ in range(reader.length()):
            path = reader.text().decode("utf-8", "surrogateescape")
            if path in typed_paths:
                paths[path] = Typed(typed_paths[path], decoder(typed_paths[path])(reader))
            else:
                paths[path] = dynamic(reader)
        return paths

    return read


def _decimal(type_: Type) -> Decoder:
    precision, scale = map(int, type_.args)
    size = next(size for size, digits in ((4, 9), (8, 18), (16, 38), (32, 76)) if precision <= digits)

    def read(reader: Reader) -> Decimal:
        number = reader.number(size, signed=True)
        return Decimal((int(number < 0), tuple(map(int, str(abs(number)))), -scale))

    return read


def _date_time_64(type_: Type) -> Decoder:
    factor = 10 ** (9 - int(type_.args[0]))
    return lambda reader: Moment(reader.number(8, signed=True) * factor)


def _time_64(type_: Type) -> Decoder:
    factor = 10 ** (9 - int(type_.args[0]))
    return lambda reader: Span(reader.number(8, signed=True) * factor)


def _enum(type_: Type) -> Decoder:
    labels, size = enum_labels(type_), int(type_.name[4:]) // 8
    return lambda reader: labels[reader.number(size, signed=True)]


def _uuid(reader: Reader) -> str:
    return str(uuid.UUID(int=reader.number(8) << 64 | reader.number(8)))


def _ipv6(reader: Reader) -> str:
    address = ipaddress.IPv6Address(reader.take(16))
    return f"::ffff:{address.ipv4_mapped}" if address.ipv4_mapped else str(address)


def _fixed_string(type_: Type) -> Decoder:
    size = int(type_.args[0])
    return lambda reader: reader.take(size)


def _qbit(type_: Type) -> Decoder:
    return _array(Type("Array", type_.args[:1]))


_MAKERS: dict[str, Callable[[Type], Decoder]] = {
    "Nullable": _nullable,
    "Array": _array,
    "Tuple": _tuple,
    "Map": _map,
    "Variant": _variant,
    "Dynamic": _dynamic,
    "JSON": _json,
    "Decimal": _decimal,
    "DateTime64": _date_time_64,
    "Time64": _time_64,
    "Enum8": _enum,
    "Enum16": _enum,
    "FixedString": _fixed_string,
    "QBit": _qbit,
    "Nothing": lambda _: lambda _: None,
    "Bool": lambda _: lambda reader: bool(reader.number(1)),
    "String": lambda _: lambda reader: reader.text(),
    "Float32": lambda _: lambda reader: Float(32, reader.number(4)),
    "Float64": lambda _: lambda reader: Float(64, reader.number(8)),
    "BFloat16": lambda _: lambda reader: Float(32, reader.number(2) << 16),
    "Date": lambda _: lambda reader: Day(reader.number(2)),
    "Date32": lambda _: lambda reader: Day(reader.number(4, signed=True)),
    "DateTime": lambda _: lambda reader: Moment(reader.number(4) * 10**9),
    "Time": lambda _: lambda reader: Span(reader.number(4, signed=True) * 10**9),
    "UUID": lambda _: _uuid,
    "IPv4": lambda _: lambda reader: str(ipaddress.IPv4Address(reader.number(4))),
    "IPv6": lambda _: _ipv6,
}
