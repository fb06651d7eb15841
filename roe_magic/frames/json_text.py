"""JSON text of single cells: written for columns of documents and for columns that fall back to text, and parsed.

Bytes that are not UTF-8 travel inside Python strings as lone surrogates (U+DC80 to U+DCFF, ``surrogateescape``).
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

import msgspec

# Decimals are numbers that were decoded without passing through a float, so they are written as numbers.
_ENCODER = msgspec.json.Encoder(decimal_format="number")
_LONE_SURROGATE = re.compile("[\ud800-\udfff]")


def as_text(cell: object) -> str:
    """Return a cell as text: a string unchanged but for lone surrogates, which become ``\\xff``; the rest as JSON."""
    if isinstance(cell, str):
        return encode_utf8(cell).decode("utf-8", "backslashreplace")
    return to_json_text(cell)


def encode_utf8(text: str) -> bytes:
    """Return a string as UTF-8; lone surrogates U+DC80 to U+DCFF become the bytes that they stand for."""
    try:
        return text.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:
        return text.encode("utf-8", "surrogatepass")


def to_json_text(cell: object) -> str:
    """Return a cell as compact JSON text with every digit kept; ``msgspec.Raw`` is JSON already and stays unchanged."""
    if isinstance(cell, msgspec.Raw):
        return _LONE_SURROGATE.sub(_escape, bytes(cell).decode("utf-8", "surrogateescape"))
    try:
        text = _ENCODER.encode(cell).decode()
    except (UnicodeEncodeError, OverflowError, TypeError, ValueError):
        return _to_json_text_slowly(cell)
    return _to_json_text_slowly(cell) if "null" in text else text  # the encoder writes nan and inf as null


def _escape(surrogate: re.Match[str]) -> str:
    return f"\\u{ord(surrogate[0]):04x}"


def _to_json_text_slowly(cell: object) -> str:
    """Write what msgspec refuses or would change: lone surrogates, nan, integers of any length."""
    if isinstance(cell, msgspec.Struct):
        cell = dict(zip(cell.__struct_encode_fields__, msgspec.structs.astuple(cell), strict=True))
    if isinstance(cell, Mapping):
        members = (f"{_to_json_text_slowly(str(key))}:{_to_json_text_slowly(item)}" for key, item in cell.items())
        return "{" + ",".join(members) + "}"
    if isinstance(cell, (list, tuple)):
        return "[" + ",".join(map(_to_json_text_slowly, cell)) + "]"
    if isinstance(cell, float) and not math.isfinite(cell):
        return f'"{cell}"'
    if isinstance(cell, Decimal):
        return str(cell)
    if isinstance(cell, str):
        return _LONE_SURROGATE.sub(_escape, json.dumps(cell, ensure_ascii=False))
    return json.dumps(cell, default=str)


def parse_json_text(text: str) -> Any:
    """Return the value of a document's JSON text; text that is not JSON is itself the value.

    An integer of a thousand digits or more and a number that no float can hold are returned as their digits.
    """
    try:
        return _parse_slowly(text) if "-0" in text else msgspec.json.decode(text)
    except (msgspec.DecodeError, UnicodeEncodeError):
        return _parse_slowly(text)


def _parse_slowly(text: str) -> Any:
    """Parse what msgspec refuses, and ``-0``, whose sign it drops."""
    try:
        return json.loads(text, parse_int=_parse_integer, parse_float=_parse_float)
    except ValueError:
        return text


def _parse_integer(digits: str) -> int | float | str:
    return -0.0 if digits == "-0" else int(digits) if len(digits) < 1000 else digits


def _parse_float(digits: str) -> float | str:
    return value if math.isfinite(value := float(digits)) else digits
