"""Cells as text: what a column of documents holds, and one that falls back."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from decimal import Decimal

import msgspec

# A decimal is a number that was decoded without a float between.
_ENCODER = msgspec.json.Encoder(decimal_format="number")
_LONE = re.compile("[\ud800-\udfff]")


def as_text(cell: object) -> str:
    """Write a cell as text: a string as it is (lone surrogates as the bytes they stand for), the rest as JSON."""
    if isinstance(cell, str):
        return encode(cell).decode("utf-8", "backslashreplace")
    return document(cell)


def encode(text: str) -> bytes:
    """Give the bytes of a JSON string; lone surrogates U+DC80 to U+DCFF stand for the bytes that are not UTF-8."""
    try:
        return text.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:
        return text.encode("utf-8", "surrogatepass")


def document(cell: object) -> str:
    """Write a cell as compact JSON text, every digit kept; JSON that is there already stays as it is."""
    if isinstance(cell, msgspec.Raw):
        return _LONE.sub(_escape, bytes(cell).decode("utf-8", "surrogateescape"))
    try:
        text = _ENCODER.encode(cell).decode()
    except (UnicodeEncodeError, OverflowError, TypeError, ValueError):
        return _written(cell)
    return _written(cell) if "null" in text else text  # nan and inf become null


def _escape(lone: re.Match[str]) -> str:
    return f"\\u{ord(lone[0]):04x}"


def _written(cell: object) -> str:
    """Write what the encoder refuses or would change: lone surrogates, nan, integers of any length."""
    if isinstance(cell, msgspec.Struct):
        cell = dict(zip(cell.__struct_encode_fields__, msgspec.structs.astuple(cell), strict=True))
    if isinstance(cell, Mapping):
        return "{" + ",".join(f"{_written(str(key))}:{_written(value)}" for key, value in cell.items()) + "}"
    if isinstance(cell, (list, tuple)):
        return "[" + ",".join(map(_written, cell)) + "]"
    if isinstance(cell, float) and not math.isfinite(cell):
        return f'"{cell}"'
    if isinstance(cell, Decimal):
        return str(cell)
    if isinstance(cell, str):
        return _LONE.sub(_escape, json.dumps(cell, ensure_ascii=False))
    return json.dumps(cell, default=str)
