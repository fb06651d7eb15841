"""The fast road for rows of simple cells: JSON that has no nesting is nearly CSV, which Arrow reads without Python.

``[1,"a"],[2,null]`` becomes ``0,1,"a"⏎0,2,null``. Whatever could make the two notations differ is looked for first; a
block with any of it, or that Arrow refuses, is left to the careful road.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt
import pyarrow as pa
from pyarrow import csv

from roe_magic.frames.clickhouse_types import Type
from roe_magic.frames.json.scanner import Positions, quotes_in, row_ends
from roe_magic.frames.normalize import check_labels
from roe_magic.frames.schema import AS_TEXT, Form, arrow_type, bare, is_known, may_overflow

_NUMBERS = {f"{sign}Int{bits}" for sign in ("", "U") for bits in (8, 16, 32, 64)} | {"Float32", "Float64", "BFloat16"}
_WRITTEN = {
    "String",
    "FixedString",
    "UUID",
    "IPv4",
    "IPv6",
    "Enum8",
    "Enum16",
    "Date",
    "Date32",
    "DateTime",
    "DateTime64",
}
_EITHER = {"Decimal", "Int128", "UInt128"}
_FLAT = _NUMBERS | _WRITTEN | _EITHER | {"Bool"}
# Escapes that mean the same in CSV with an escape character: the next byte, as it is.
_OTHER_ESCAPE = re.compile(rb'\\[^"\\/]')
_COMMA, _OPEN, _CLOSE, _NEWLINE, _ZERO = b",[]\n0"


class FlatReader:
    """Reads blocks of rows whose columns are all simple.

    Parameters
    ----------
    kinds : sequence of Type
        The columns' types.
    form : Form
        What the columns are to look like.
    """

    def __init__(self, kinds: Sequence[Type], form: Form) -> None:
        self.form = form
        self.kinds = [bare(kind) for kind in kinds]
        # Given up after a few refusals in a row: the data are of another sort.
        self.patience = 3 if kinds and all(map(_is_flat, self.kinds)) else 0

    def read(self, text: bytes, ends: Positions) -> list[pa.Array] | None:
        """Give the columns of the rows in ``text``, which begins at a row and ends with one; None if it cannot."""
        if self.patience <= 0:
            return None
        columns = self._read(text, ends)
        self.patience = 3 if columns else self.patience - 1
        return columns

    def _read(self, text: bytes, ends: Positions) -> list[pa.Array] | None:
        quoted = self._quoted(text[: int(ends[0]) + 1])
        compact = None if quoted is None or _OTHER_ESCAPE.search(text) else _compact(text, ends)
        if quoted is None or compact is None:
            return None
        values, ends, marks = compact
        try:
            table = self._from_csv(_as_csv(values, ends), escaped=b"\\" in text)
            columns = [self._canonical(column, kind) for column, kind in zip(table.columns, self.kinds, strict=True)]
        except (pa.ArrowException, UnicodeDecodeError):  # the latter when its message quotes bytes that are not UTF-8
            return None
        strings = sum(
            len(ends) - array.null_count for array, is_quoted in zip(columns, quoted, strict=True) if is_quoted
        )
        # Else there is a string among numbers, or a bare word among strings.
        return columns if table.num_rows == len(ends) and marks == 2 * strings else None

    def _canonical(self, column: pa.ChunkedArray, kind: Type) -> pa.Array:
        array = column.combine_chunks()
        if kind.name.startswith("Enum"):
            check_labels(array, kind)
        if kind.name == "Decimal":
            array.validate(full=True)  # the CSV reader takes more digits than the type has
        return array.cast(arrow_type(kind, self.form))

    def _quoted(self, first_row: bytes) -> list[bool] | None:
        """Tell from the first row which columns come as JSON strings."""
        try:
            row: Any = msgspec.json.decode(first_row)
        except (msgspec.DecodeError, UnicodeDecodeError):
            return None
        if not isinstance(row, list) or len(row) != len(self.kinds):
            return None
        pairs = list(zip(row, self.kinds, strict=True))
        if any(kind.name in _WRITTEN and not isinstance(cell, (str, type(None))) for cell, kind in pairs):
            return None
        return [isinstance(cell, str) or (cell is None and kind.name not in _NUMBERS) for cell, kind in pairs]

    def _from_csv(self, data: pa.Buffer, *, escaped: bool) -> pa.Table:
        names = [str(at) for at in range(len(self.kinds))]
        return csv.read_csv(
            pa.BufferReader(data),
            csv.ReadOptions(column_names=["", *names], block_size=data.size + 1, use_threads=False),
            csv.ParseOptions(escape_char="\\" if escaped else False, double_quote=False, ignore_empty_lines=False),
            csv.ConvertOptions(
                column_types=dict(zip(names, map(_csv_type, self.kinds), strict=True)),
                include_columns=names,
                null_values=["null"],
                strings_can_be_null=True,
                quoted_strings_can_be_null=False,
                true_values=["true"],
                false_values=["false"],
            ),
        )


def _is_flat(kind: Type) -> bool:
    return kind.name in _FLAT and is_known(kind) and not may_overflow(kind)


def _csv_type(kind: Type) -> pa.DataType:
    """Give the type to read: moments in UTC, whatever offset is written, and the widest decimals as text."""
    want = arrow_type(kind, AS_TEXT)
    if pa.types.is_decimal256(want):
        return pa.string()
    return pa.timestamp(want.unit, "UTC") if pa.types.is_timestamp(want) else want


def _as_csv(values: npt.NDArray[np.uint8], ends: Positions) -> pa.Buffer:
    """Write line ends and a first column of zeros over the brackets between the rows."""
    line = np.empty(len(values) + 1, np.uint8)
    line[0], line[1:] = _ZERO, values
    line[1] = _COMMA
    line[ends + 1] = _NEWLINE
    line[ends[:-1] + 2] = _ZERO
    line[ends[:-1] + 3] = _COMMA
    return pa.py_buffer(line)


def _compact(text: bytes, ends: Positions) -> tuple[npt.NDArray[np.uint8], Positions, int] | None:
    """Make sure that rows and cells follow each other without white space, and count the quotes."""
    values = np.frombuffer(text, np.uint8)
    quotes = quotes_in(values)
    if not _is_compact(values, ends, quotes):
        spaces = np.flatnonzero(values <= ord(" "))
        spaces = spaces[(np.searchsorted(quotes, spaces) & 1) == 0]
        values = np.delete(values, spaces)
        ends, _ = row_ends(values.tobytes())
        quotes = quotes_in(values)
        if not _is_compact(values, ends, quotes):
            return None
    return values, ends, len(quotes)


def _is_compact(values: npt.NDArray[np.uint8], ends: Positions, quotes: Positions) -> bool:
    between = (values[ends[:-1] + 1] == _COMMA) & (values[ends[:-1] + 2] == _OPEN)
    before, after = values[quotes[::2] - 1], values[quotes[1::2] + 1]
    opened = (before == _COMMA) | (before == _OPEN)
    closed = (after == _COMMA) | (after == _CLOSE)
    return bool(values[0] == _OPEN and between.all() and opened.all() and closed.all())
