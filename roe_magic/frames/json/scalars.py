"""JSON cells of simple types, decoded, to Arrow: many at once where they are as usual, else one by one."""

from __future__ import annotations

import json
from collections.abc import Callable, Collection
from decimal import Decimal
from ipaddress import IPv4Address, IPv6Address
from typing import Any

import msgspec
import pyarrow as pa

from roe_magic.frames import schema as canonical
from roe_magic.frames import temporal
from roe_magic.frames.clickhouse_types import Type
from roe_magic.frames.json_text import as_text, document, encode
from roe_magic.frames.normalize import check_labels
from roe_magic.frames.schema import INTERVALS, labels_of
from roe_magic.frames.temporal import Cells


def each(function: Callable[[Any], Any], cells: Cells, want: pa.DataType) -> pa.Array:
    """Make an array of what a function makes of each cell that is not NULL."""
    return pa.array([None if cell is None else function(cell) for cell in cells], want)


def _direct(cells: Cells, _: Type, want: pa.DataType) -> pa.Array:
    return pa.array(cells, want)


def _integers(cells: Cells, _: Type, want: pa.DataType) -> pa.Array:
    if Decimal in set(map(type, cells)):
        raise TypeError("pyarrow would cut the fraction off")
    return pa.array(cells, want)


def _from_text(cells: Cells, _: Type, want: pa.DataType) -> pa.Array:
    return pa.array(cells, pa.string()).cast(want)


def carefully(cells: Cells, kind: Type, want: pa.DataType, careful: Callable[[Any, Type], Any]) -> pa.Array:
    """Read cells one by one."""
    values = [None if cell is None else careful(cell, kind) for cell in cells]
    return _text(values, kind, want) if kind.name in canonical.TEXT else pa.array(values, want)


def _careful_integer(cell: Any, kind: Type) -> Any:
    number = temporal.whole_number(cell)
    return Decimal(number) if kind.name in ("Int128", "UInt128") else number


def _careful_float(cell: Any, _: Type) -> float:
    return float(_without_underscore(cell))


def _careful_boolean(cell: Any, _: Type) -> bool:
    return {"true": True, "false": False, "1": True, "0": False}[str(cell).lower()]


def _text(cells: Cells, _: Type, want: pa.DataType) -> pa.Array:
    if want == pa.string():
        return pa.array(cells, want)
    return pa.array([None if cell is None else encode(cell) for cell in cells], want)


def _careful_text(cell: Any, _: Type) -> str:
    return cell if isinstance(cell, str) else document(cell)


def _careful_address(cell: Any, kind: Type) -> str:
    """Read an address, which may be its number."""
    if isinstance(cell, str):
        return cell
    return str((IPv4Address if kind.name == "IPv4" else IPv6Address)(temporal.whole_number(cell)))


def _labels(cells: Cells, kind: Type, want: pa.DataType) -> pa.Array:
    try:
        return check_labels(pa.array(cells, want), kind)
    except UnicodeEncodeError:
        return check_labels(each(as_text, cells, want), kind)


def _careful_label(cell: Any, kind: Type) -> str:
    """Read a label, which may be its number."""
    labels = labels_of(kind)
    return labels[temporal.whole_number(cell)] if not isinstance(cell, str) else _member(as_text(cell), labels.values())


def _member(label: str, labels: Collection[str]) -> str:
    if label not in labels:
        raise ValueError(f"{label!r} is not one of the labels")
    return label


def _documents(cells: Cells, kind: Type, want: pa.DataType) -> pa.Array:
    write = _object if kind.name in ("JSON", "Object") else document
    return pa.array([None if cell is None or cell == _NULL else write(cell) for cell in cells], want)


_NULL = msgspec.Raw(b"null")


def _object(cell: Any) -> str:
    """A JSON column holds objects: a string is one that is already written out, if it is one."""
    if isinstance(cell, msgspec.Raw) and bytes(cell).startswith(b'"'):
        cell = json.loads(bytes(cell).decode("utf-8", "surrogateescape"))
    if not isinstance(cell, str):
        return document(cell)
    inner = msgspec.Raw(encode(cell))
    try:
        msgspec.json.decode(inner, type=msgspec.Raw)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return document(cell)
    return document(inner)


def _wide_text(cells: Cells, _: Type, want: pa.DataType) -> pa.Array:
    return pa.array([None if cell is None else str(temporal.whole_number(cell)) for cell in cells], want)


def _decimal(cells: Cells, _: Type, want: pa.DataType) -> pa.Array:
    first = next((cell for cell in cells if cell is not None), None)
    return pa.array(cells, want) if isinstance(first, Decimal) else pa.array(cells, pa.string()).cast(want)


def _careful_decimal(cell: Any, _: Type) -> Decimal:
    return Decimal(str(_without_underscore(cell)))


def _without_underscore(cell: Any) -> Any:
    """Refuse what Python takes for a number but nobody else does."""
    if isinstance(cell, str) and "_" in cell:
        raise ValueError(f"{cell!r} is not a number")
    return cell


def _unfit(cell: Any, kind: Type) -> Any:
    raise ValueError(f"{cell!r} is not a {kind}")


# How a type's cells are read at once, and how one of them is where that fails.
Leaf = tuple[Callable[[Cells, Type, pa.DataType], pa.Array], Callable[[Any, Type], Any]]
_INTEGER: Leaf = (_integers, _careful_integer)
_FLOAT: Leaf = (_direct, _careful_float)
_AS_IT_IS: Leaf = (_direct, _careful_text)
LEAVES: dict[str, Leaf] = {
    **{f"{sign}Int{bits}": _INTEGER for sign in ("", "U") for bits in (8, 16, 32, 64)},
    "Int128": (_from_text, _careful_integer),
    "UInt128": (_from_text, _careful_integer),
    "Int256": (_wide_text, _unfit),
    "UInt256": (_wide_text, _unfit),
    **dict.fromkeys(("Float32", "Float64", "BFloat16"), _FLOAT),
    "Bool": (_direct, _careful_boolean),
    "Decimal": (_decimal, _careful_decimal),
    "String": (_text, _careful_text),
    "FixedString": (_text, _careful_text),
    "AggregateFunction": (_text, _unfit),
    "Date": (_from_text, temporal.day),
    "Date32": (_from_text, temporal.day),
    "DateTime": (temporal.datetimes, temporal.careful_datetime),
    "DateTime64": (temporal.datetimes, temporal.careful_datetime),
    "Time": (temporal.clocks, _unfit),
    "Time64": (temporal.clocks, _unfit),
    "Nothing": (_direct, _unfit),
    **dict.fromkeys(INTERVALS, (temporal.intervals, _unfit)),
    **dict.fromkeys(("IntervalMonth", "IntervalQuarter", "IntervalYear"), _INTEGER),
    **dict.fromkeys(canonical.DOCUMENTS, (_documents, _unfit)),
    "UUID": _AS_IT_IS,
    **dict.fromkeys(("IPv4", "IPv6"), (_direct, _careful_address)),
    **dict.fromkeys(("Enum8", "Enum16"), (_labels, _careful_label)),
}
# What the stored form writes otherwise.
STORED_LEAVES: dict[str, Leaf] = {**dict.fromkeys(INTERVALS, _INTEGER), "DateTime64": _AS_IT_IS}
