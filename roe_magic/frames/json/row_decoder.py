"""Step 3, most blocks: JSON rows decoded so that no cell loses anything, each as its ClickHouse type needs it.

msgspec decodes into a row type that is built from the columns' ClickHouse types. Rows that do not fit it, or that only
the standard library reads (NaN, lone surrogates, bytes that are not UTF-8), are decoded again with the latter.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from decimal import Decimal
from typing import Any

import msgspec
import numpy as np

from roe_magic.frames.json.scanner import string_quotes
from roe_magic.frames.json.stream_reader import decode_leniently
from roe_magic.frames.type_parser import ClickHouseType, parse
from roe_magic.frames.type_properties import DOCUMENT_TYPES, FLOAT_TYPES, element_names, unwrap

_MINUS_ZERO = re.compile(rb"-0(?=[\],}\s])")
# Characters that msgspec does not accept in the name of a field.
_UNSUPPORTED_IN_NAME = re.compile('["\\\\\0-\x1f\ud800-\udfff]')
# ClickHouse writes the entries of a map so, with JSON_SETTINGS.
_MAP_ENTRY = parse("Tuple(keys Nothing, values Nothing)")
_CONSTANTS = {"NaN": "nan", "Infinity": "inf", "-Infinity": "-inf"}


class RowDecoder:
    """Decodes rows whose columns have these types.

    A float becomes a float, a document its text (``msgspec.Raw``), a named tuple a struct or a list; any other number
    is a Decimal or an int, of any length.
    """

    def __init__(self, ch_types: Sequence[ClickHouseType]) -> None:
        row: Any = tuple[tuple(map(_cell_type, ch_types))] if ch_types else tuple[()]  # type: ignore[misc]  # made at run time
        self._decoder = msgspec.json.Decoder(list[row], float_hook=Decimal)
        self._has_floats = any(map(_has_floats, ch_types))

    def decode(self, text: bytes) -> list[Sequence[Any]]:
        """Return the rows of ``[1,"a"],[2,"b"]``."""
        text = b"[" + (_keep_minus_zero(text) if self._has_floats else text) + b"]"
        try:
            rows: list[Sequence[Any]] = self._decoder.decode(text)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            rows = decode_leniently(
                text, parse_int=_parse_integer, parse_float=Decimal, parse_constant=_CONSTANTS.__getitem__
            )
        return rows


def _cell_type(ch_type: ClickHouseType) -> Any:
    """Return the Python type that msgspec decodes a cell to."""
    ch_type = unwrap(ch_type)
    if ch_type.name in DOCUMENT_TYPES:
        return msgspec.Raw
    if ch_type.name in FLOAT_TYPES:
        return float | str | None
    children = [_cell_type(child) for child in ch_type.types]
    if ch_type.name == "Array" and children:
        return list[children[0]] | None  # type: ignore[valid-type]  # made at run time
    if ch_type.name == "Map" and len(children) == 2:
        entry = _tuple_type(_MAP_ENTRY, children)  # an object with keys and values, or a pair
        return list[entry] | dict[str, children[1]] | None  # type: ignore[valid-type]  # the same
    if ch_type.name == "Tuple" and children:
        return _tuple_type(ch_type, children)
    return Any


def _tuple_type(ch_type: ClickHouseType, children: list[Any]) -> Any:
    """Return a type that takes a list, and where the elements have names an object with just these keys."""
    as_list: Any = tuple[tuple(children)] | None  # type: ignore[misc]  # made at run time
    names = element_names(ch_type)
    if not ch_type.names or any(map(_UNSUPPORTED_IN_NAME.search, names)):
        return as_list
    fields = [f"f{index}" for index in range(len(names))]
    return as_list | msgspec.defstruct(
        "Tuple",
        list(zip(fields, children, strict=True)),
        rename=dict(zip(fields, names, strict=True)),
        forbid_unknown_fields=True,
        gc=False,
    )


def _has_floats(ch_type: ClickHouseType) -> bool:
    ch_type = unwrap(ch_type)
    return ch_type.name in FLOAT_TYPES or any(map(_has_floats, ch_type.types))


def _keep_minus_zero(text: bytes) -> bytes:
    """Return the text with each number -0 written as -0.0, because msgspec drops the sign of -0."""
    candidates = np.array([match.end() for match in _MINUS_ZERO.finditer(text)], np.int64)
    if not len(candidates):
        return text
    quotes = string_quotes(np.frombuffer(text, np.uint8))
    ends = candidates[np.searchsorted(quotes, candidates) & 1 == 0].tolist()  # those outside strings
    slices = [text[start:end] for start, end in zip([0, *ends], [*ends, len(text)], strict=True)]
    return b".0".join(slices)


def _parse_integer(digits: str) -> float | int | Decimal:
    if digits == "-0":
        return -0.0
    return int(digits) if len(digits) < 1000 else Decimal(digits)  # Python refuses very long integers
