"""Decoded JSON cells: their type, and helpers for the modules that convert them."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from decimal import Decimal
from typing import Any

import pyarrow as pa

# The cells of one column as a JSON decoder returned them; None is NULL.
JsonCells = Sequence[Any]

_INTEGER = re.compile(r"[+-]?[0-9]{1,100}")


def map_cells(function: Callable[[Any], Any], cells: Iterable[Any], arrow_type: pa.DataType) -> pa.Array:
    """Return an Arrow array of what the function returns for each cell; NULL stays NULL."""
    return pa.array([None if cell is None else function(cell) for cell in cells], arrow_type)


def integer_from_cell(cell: Any) -> int:
    """Return the integer that a number or a string is; raise ValueError where it has a fraction or is none."""
    if isinstance(cell, str) and not _INTEGER.fullmatch(cell):
        raise ValueError(f"{cell!r} is not a whole number")
    if isinstance(cell, float) and not cell.is_integer():
        raise ValueError(f"{cell!r} is not a whole number")
    if isinstance(cell, Decimal) and (cell.adjusted() > 100 or cell != cell.to_integral_value()):
        raise ValueError(f"{cell!r} is not a whole number")
    return int(cell)
