"""Step 3: decoded JSON cells of scalar types to Arrow arrays.

:data:`CONVERTERS` has two functions for each ClickHouse type. The first converts a whole column as ClickHouse usually
sends it. Where it fails, the second converts cell by cell and accepts the other ways in which servers write a value.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Collection
from decimal import Decimal
from ipaddress import IPv4Address, IPv6Address
from typing import Any

import msgspec
import pyarrow as pa

from roe_magic.frames import temporal
from roe_magic.frames.cells import JsonCells, integer_from_cell, map_cells
from roe_magic.frames.json_text import as_text, encode_utf8, to_json_text
from roe_magic.frames.normalize_array import check_labels
from roe_magic.frames.type_parser import ClickHouseType
from roe_magic.frames.type_properties import (
    CALENDAR_INTERVALS,
    DOCUMENT_TYPES,
    FLOAT_TYPES,
    INTERVAL_UNITS,
    STRING_TYPES,
    enum_labels,
)

ColumnConverter = Callable[[JsonCells, ClickHouseType, pa.DataType], pa.Array]
CellConverter = Callable[[Any, ClickHouseType], Any]


def convert_cell_by_cell(
    cells: JsonCells, ch_type: ClickHouseType, arrow_type: pa.DataType, convert_cell: CellConverter
) -> pa.Array:
    """Return an array of cells that are converted one by one; NULL stays NULL."""
    values = [None if cell is None else convert_cell(cell, ch_type) for cell in cells]
    return _strings(values, ch_type, arrow_type) if ch_type.name in STRING_TYPES else pa.array(values, arrow_type)


def _unchanged(cells: JsonCells, _: ClickHouseType, arrow_type: pa.DataType) -> pa.Array:
    return pa.array(cells, arrow_type)


def _cast_from_text(cells: JsonCells, _: ClickHouseType, arrow_type: pa.DataType) -> pa.Array:
    return pa.array(cells, pa.string()).cast(arrow_type)


def _integers(cells: JsonCells, _: ClickHouseType, arrow_type: pa.DataType) -> pa.Array:
    if Decimal in set(map(type, cells)):
        raise TypeError("pyarrow would cut the fraction off")
    return pa.array(cells, arrow_type)


def _integer(cell: Any, ch_type: ClickHouseType) -> Any:
    number = integer_from_cell(cell)
    return Decimal(number) if ch_type.name in ("Int128", "UInt128") else number


def _integers_as_text(cells: JsonCells, _: ClickHouseType, arrow_type: pa.DataType) -> pa.Array:
    return map_cells(lambda cell: str(integer_from_cell(cell)), cells, arrow_type)


def _float(cell: Any, _: ClickHouseType) -> float:
    return float(_without_underscore(cell))


def _decimals(cells: JsonCells, _: ClickHouseType, arrow_type: pa.DataType) -> pa.Array:
    first = next((cell for cell in cells if cell is not None), None)
    return pa.array(cells, arrow_type) if isinstance(first, Decimal) else pa.array(cells, pa.string()).cast(arrow_type)


def _decimal(cell: Any, _: ClickHouseType) -> Decimal:
    return Decimal(str(_without_underscore(cell)))


def _without_underscore(cell: Any) -> Any:
    """Return the cell; raise ValueError where it has an underscore, which only Python allows in a number."""
    if isinstance(cell, str) and "_" in cell:
        raise ValueError(f"{cell!r} is not a number")
    return cell


def _boolean(cell: Any, _: ClickHouseType) -> bool:
    return {"true": True, "false": False, "1": True, "0": False}[str(cell).lower()]


def _strings(cells: JsonCells, _: ClickHouseType, arrow_type: pa.DataType) -> pa.Array:
    return pa.array(cells, arrow_type) if arrow_type == pa.string() else map_cells(encode_utf8, cells, arrow_type)


def _string(cell: Any, _: ClickHouseType) -> str:
    return cell if isinstance(cell, str) else to_json_text(cell)


def _ip_address(cell: Any, ch_type: ClickHouseType) -> str:
    """Return an address, which may be sent as a number."""
    if isinstance(cell, str):
        return cell
    return str((IPv4Address if ch_type.name == "IPv4" else IPv6Address)(integer_from_cell(cell)))


def _labels(cells: JsonCells, ch_type: ClickHouseType, arrow_type: pa.DataType) -> pa.Array:
    try:
        return check_labels(pa.array(cells, arrow_type), ch_type)
    except UnicodeEncodeError:
        return check_labels(map_cells(as_text, cells, arrow_type), ch_type)


def _label(cell: Any, ch_type: ClickHouseType) -> str:
    """Return an Enum's label, which may be sent as its number."""
    labels = enum_labels(ch_type)
    return (
        labels[integer_from_cell(cell)] if not isinstance(cell, str) else _known_label(as_text(cell), labels.values())
    )


def _known_label(label: str, labels: Collection[str]) -> str:
    if label not in labels:
        raise ValueError(f"{label!r} is not one of the labels")
    return label


def _documents(cells: JsonCells, ch_type: ClickHouseType, arrow_type: pa.DataType) -> pa.Array:
    to_text = _object_as_text if ch_type.name in ("JSON", "Object") else to_json_text
    return pa.array([None if cell is None or cell == _NULL else to_text(cell) for cell in cells], arrow_type)


_NULL = msgspec.Raw(b"null")


def _object_as_text(cell: Any) -> str:
    """Return the text of a JSON column's cell; a string that holds JSON text is taken for the object itself."""
    if isinstance(cell, msgspec.Raw) and bytes(cell).startswith(b'"'):
        cell = json.loads(bytes(cell).decode("utf-8", "surrogateescape"))
    if not isinstance(cell, str):
        return to_json_text(cell)
    inner = msgspec.Raw(encode_utf8(cell))
    try:
        msgspec.json.decode(inner, type=msgspec.Raw)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return to_json_text(cell)
    return to_json_text(inner)


def _refused(cell: Any, ch_type: ClickHouseType) -> Any:
    raise ValueError(f"{cell!r} is not a {ch_type}")


Converters = tuple[ColumnConverter, CellConverter]
_INTEGER: Converters = (_integers, _integer)
_TEXT: Converters = (_unchanged, _string)
CONVERTERS: dict[str, Converters] = {
    **{f"{sign}Int{bits}": _INTEGER for sign in ("", "U") for bits in (8, 16, 32, 64)},
    **dict.fromkeys(("Int128", "UInt128"), (_cast_from_text, _integer)),
    **dict.fromkeys(("Int256", "UInt256"), (_integers_as_text, _refused)),
    **dict.fromkeys(FLOAT_TYPES, (_unchanged, _float)),
    "Bool": (_unchanged, _boolean),
    "Decimal": (_decimals, _decimal),
    **dict.fromkeys(STRING_TYPES, (_strings, _string)),
    "AggregateFunction": (_strings, _refused),
    **dict.fromkeys(("Date", "Date32"), (_cast_from_text, temporal.date_from_cell)),
    **dict.fromkeys(("DateTime", "DateTime64"), (temporal.timestamps_from_cells, temporal.timestamp_from_cell)),
    **dict.fromkeys(("Time", "Time64"), (temporal.durations_from_cells, _refused)),
    "Nothing": (_unchanged, _refused),
    **dict.fromkeys(INTERVAL_UNITS, (temporal.intervals_from_cells, _refused)),
    **dict.fromkeys(CALENDAR_INTERVALS, _INTEGER),
    **dict.fromkeys(DOCUMENT_TYPES, (_documents, _refused)),
    "UUID": _TEXT,
    **dict.fromkeys(("IPv4", "IPv6"), (_unchanged, _ip_address)),
    **dict.fromkeys(("Enum8", "Enum16"), (_labels, _label)),
}
# The types that have another Arrow type in stored form, or in a wider canonical one.
STORED_CONVERTERS: dict[str, Converters] = {
    **dict.fromkeys(INTERVAL_UNITS, _INTEGER),
    "DateTime64": _TEXT,
    "Decimal": CONVERTERS["Decimal"],
}
