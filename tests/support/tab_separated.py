"""Reads ClickHouse's TabSeparated, for the few columns that RowBinary cannot carry."""

from __future__ import annotations

import re
from typing import Any

from tests.support.type_text import type_of

_ESCAPES = {b"b": b"\b", b"f": b"\f", b"r": b"\r", b"n": b"\n", b"t": b"\t", b"0": b"\0"}


def rows(text: bytes, types: list[str]) -> list[tuple[Any, ...]]:
    """Return rows whose columns are states of aggregates, texts and integers."""
    # After an empty line come totals.
    lines = text.partition(b"\n\n")[0].removesuffix(b"\n").split(b"\n") if text else []
    return [
        tuple(_value(cell, type_of(type_text).name) for cell, type_text in zip(line.split(b"\t"), types, strict=True))
        for line in lines
    ]


def _value(cell: bytes, type_name: str) -> Any:
    if type_name.removeprefix("U").startswith("Int"):
        return int(cell)
    assert type_name in {"String", "AggregateFunction"}, f"{type_name} beside a state of an aggregate"
    return re.sub(rb"\\(.)", lambda match: _ESCAPES.get(match[1], match[1]), cell, flags=re.DOTALL)
