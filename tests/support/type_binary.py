"""Reads ClickHouse's binary form of a type, which stands before each value of a Dynamic in RowBinary."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

_PLAIN = [
    "Nothing",
    "UInt8",
    "UInt16",
    "UInt32",
    "UInt64",
    "UInt128",
    "UInt256",
    "Int8",
    "Int16",
    "Int32",
    "Int64",
    "Int128",
    "Int256",
    "Float32",
    "Float64",
    "Date",
    "Date32",
    "DateTime",
]
_UNITS = [
    "Nanosecond",
    "Microsecond",
    "Millisecond",
    "Second",
    "Minute",
    "Hour",
    "Day",
    "Week",
    "Month",
    "Quarter",
    "Year",
]


def read_type(reader: Any) -> str:
    """Return the name of the type that comes next."""
    code = reader.number(1)
    if code < len(_PLAIN):
        return _PLAIN[code]
    return _READERS[code](reader)


def _name(reader: Any) -> str:
    return str(reader.text().decode("utf-8", "surrogateescape"))


def _quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace("'", "\\'")
    return f"'{escaped}'"


def _enum(size: int) -> Callable[[Any], str]:
    def read(reader: Any) -> str:
        pairs = [(_name(reader), reader.number(size, signed=True)) for _ in range(reader.length())]
        return f"Enum{size * 8}({', '.join(f'{_quoted(label)} = {number}' for label, number in pairs)})"

    return read


def _decimal(reader: Any) -> str:
    return f"Decimal({reader.number(1)}, {reader.number(1)})"


def _types(name: str) -> Callable[[Any], str]:
    return lambda reader: f"{name}({', '.join(read_type(reader) for _ in range(reader.length()))})"


def _named_types(name: str) -> Callable[[Any], str]:
    def read(reader: Any) -> str:
        return f"{name}({', '.join(f'`{_name(reader)}` {read_type(reader)}' for _ in range(reader.length()))})"

    return read


def _wrapped(name: str) -> Callable[[Any], str]:
    return lambda reader: f"{name}({read_type(reader)})"


def _dynamic(reader: Any) -> str:
    return f"Dynamic(max_types={reader.number(1)})"


def _json(reader: Any) -> str:
    assert reader.number(1) == 0, "the version of the form of a JSON type"
    arguments = [f"max_dynamic_paths={reader.length()}", f"max_dynamic_types={reader.number(1)}"]
    arguments += [f"`{_name(reader)}` {read_type(reader)}" for _ in range(reader.length())]
    arguments += [f"SKIP {_name(reader)}" for _ in range(reader.length())]
    arguments += [f"SKIP REGEXP {_quoted(_name(reader))}" for _ in range(reader.length())]
    return f"JSON({', '.join(arguments)})"


_READERS: dict[int, Callable[[Any], str]] = {
    0x12: lambda reader: f"DateTime({_quoted(_name(reader))})",
    0x13: lambda reader: f"DateTime64({reader.number(1)})",
    0x14: lambda reader: f"DateTime64({reader.number(1)}, {_quoted(_name(reader))})",
    0x15: lambda _: "String",
    0x16: lambda reader: f"FixedString({reader.length()})",
    0x17: _enum(1),
    0x18: _enum(2),
    **dict.fromkeys((0x19, 0x1A, 0x1B, 0x1C), _decimal),
    0x1D: lambda _: "UUID",
    0x1E: _wrapped("Array"),
    0x1F: _types("Tuple"),
    0x20: _named_types("Tuple"),
    0x22: lambda reader: f"Interval{_UNITS[reader.number(1)]}",
    0x23: _wrapped("Nullable"),
    0x26: _wrapped("LowCardinality"),
    0x27: lambda reader: f"Map({read_type(reader)}, {read_type(reader)})",
    0x28: lambda _: "IPv4",
    0x29: lambda _: "IPv6",
    0x2A: _types("Variant"),
    0x2B: _dynamic,
    0x2C: _name,
    0x2D: lambda _: "Bool",
    0x2F: _named_types("Nested"),
    0x30: _json,
    0x31: lambda _: "BFloat16",
    0x32: lambda _: "Time",
    0x34: lambda reader: f"Time64({reader.number(1)})",
    0x36: lambda reader: f"QBit({read_type(reader)}, {reader.length()})",
}
