"""JSON rows decoded so that no cell loses anything: each as its ClickHouse type needs it."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from decimal import Decimal
from typing import Any

import msgspec
import numpy as np

from roe_magic.errors import ProtocolError
from roe_magic.frames.clickhouse_types import Type, parse
from roe_magic.frames.json.scanner import quotes_in
from roe_magic.frames.schema import DOCUMENTS, bare, element_names

_FLOATS = frozenset({"Float32", "Float64", "BFloat16"})
_MINUS_ZERO = re.compile(rb"-0(?=[\],}\s])")
# msgspec has no names with these for what it decodes into.
_AWKWARD = re.compile('["\\\\\0-\x1f\ud800-\udfff]')
_ENTRY = parse("Tuple(keys Nothing, values Nothing)")
_NOT_NUMBERS = {"NaN": "nan", "Infinity": "inf", "-Infinity": "-inf"}


class RowDecoder:
    """Decodes rows of columns of these types.

    Floats are floats, documents their text (``msgspec.Raw``), named tuples structs or lists; a number that stands
    where the type has none is a Decimal or an int, of any length.
    """

    def __init__(self, kinds: Sequence[Type]) -> None:
        row: Any = tuple[tuple(map(_cell, kinds))] if kinds else tuple[()]  # type: ignore[misc]  # made at run time
        self._decoder = msgspec.json.Decoder(list[row], float_hook=Decimal)
        self._floats = any(map(_has_floats, kinds))

    def __call__(self, text: bytes) -> list[Sequence[Any]]:
        """Decode ``[1,"a"],[2,"b"]``."""
        text = b"[" + (_signed(text) if self._floats else text) + b"]"
        try:
            rows: list[Sequence[Any]] = self._decoder.decode(text)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            return _exactly(text)
        return rows


def _cell(kind: Type) -> Any:
    """Give the type to decode to; what does not fit it is decoded once more, as it comes."""
    kind = bare(kind)
    if kind.name in DOCUMENTS:
        return msgspec.Raw
    if kind.name in _FLOATS:
        return float | str | None
    children = [_cell(child) for child in kind.types]
    if kind.name == "Array" and children:
        return list[children[0]] | None  # type: ignore[valid-type]  # made at run time
    if kind.name == "Map" and len(children) == 2:
        entry = _tuple(_ENTRY, children)  # as ClickHouse writes it, or a pair
        return list[entry] | dict[str, children[1]] | None  # type: ignore[valid-type]  # the same
    if kind.name == "Tuple" and children:
        return _tuple(kind, children)
    return Any


def _tuple(kind: Type, children: list[Any]) -> Any:
    as_list: Any = tuple[tuple(children)] | None  # type: ignore[misc]  # made at run time
    names = element_names(kind)
    if not kind.names or any(map(_AWKWARD.search, names)):
        return as_list
    fields = [f"f{at}" for at in range(len(names))]
    return as_list | msgspec.defstruct(
        "Tuple",
        list(zip(fields, children, strict=True)),
        rename=dict(zip(fields, names, strict=True)),
        forbid_unknown_fields=True,
        gc=False,
    )


def _has_floats(kind: Type) -> bool:
    kind = bare(kind)
    return kind.name in _FLOATS or any(map(_has_floats, kind.types))


def _signed(text: bytes) -> bytes:
    """Write the number -0, of which msgspec loses the sign, as -0.0."""
    found = np.array([match.end() for match in _MINUS_ZERO.finditer(text)], np.int64)
    if not len(found):
        return text
    quotes = quotes_in(np.frombuffer(text, np.uint8))
    ends = found[np.searchsorted(quotes, found) & 1 == 0].tolist()
    pieces = [text[start:end] for start, end in zip([0, *ends], [*ends, len(text)], strict=True)]
    return b".0".join(pieces)


def _exactly(text: bytes) -> list[Sequence[Any]]:
    """Decode what msgspec refuses: NaN, lone surrogates, bytes that are not UTF-8, another shape than the type's."""
    try:
        rows: list[Sequence[Any]] = json.loads(
            text.decode("utf-8", "surrogateescape"),
            parse_int=_integer,
            parse_float=Decimal,
            parse_constant=_NOT_NUMBERS.__getitem__,
        )
    except (ValueError, RecursionError) as error:
        raise ProtocolError(f"The result is not JSON: {error or 'it is nested too deeply'}.") from None
    return rows


def _integer(digits: str) -> float | int | Decimal:
    if digits == "-0":
        return -0.0
    return int(digits) if len(digits) < 1000 else Decimal(digits)  # Python refuses very long integers
