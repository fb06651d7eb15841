"""Step 3, long blocks of scalar columns: rows read by Arrow's CSV reader, so that Python handles no cell.

JSON rows without nesting are nearly CSV: ``[1,"a"],[2,null]`` becomes ``0,1,"a"⏎0,2,null`` by overwriting the brackets
between rows. The block is first searched for everything that CSV would read otherwise (escapes, white space between
cells); where there is any, or where Arrow refuses the block, the caller decodes it with ``row_decoder`` instead.
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

from roe_magic.frames.arrow_types import CANONICAL, Form, arrow_type, is_known
from roe_magic.frames.json.scanner import Positions, row_ends, string_quotes
from roe_magic.frames.normalize_array import check_labels
from roe_magic.frames.type_parser import ClickHouseType
from roe_magic.frames.type_properties import FLOAT_TYPES, is_enum, may_exceed_nanoseconds, unwrap

_NUMBER_TYPES = {f"{sign}Int{bits}" for sign in ("", "U") for bits in (8, 16, 32, 64)} | FLOAT_TYPES
# Types whose cells are JSON strings.
_QUOTED_TYPES = {
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
# Types that servers send as numbers or as strings.
_EITHER_TYPES = {"Decimal", "Int128", "UInt128"}
_SUPPORTED_TYPES = _NUMBER_TYPES | _QUOTED_TYPES | _EITHER_TYPES | {"Bool"}
# CSV's escape character means "the next byte as it is", which is right for \" \\ and \/ only.
_UNSUPPORTED_ESCAPE = re.compile(rb'\\[^"\\/]')
_COMMA, _OPEN, _CLOSE, _NEWLINE, _ZERO = b",[]\n0"
# After so many refused blocks in a row the reader is not tried again: later blocks will be refused, too.
_MAX_REFUSALS = 3


class CsvRowReader:
    """Reads blocks of rows whose columns are all scalar.

    Parameters
    ----------
    ch_types : sequence of ClickHouseType
        The columns' types.
    form : Form
        The form of the returned arrays.
    """

    def __init__(self, ch_types: Sequence[ClickHouseType], form: Form) -> None:
        self._form = form
        self._ch_types = [unwrap(ch_type) for ch_type in ch_types]
        self._attempts_left = _MAX_REFUSALS if ch_types and all(map(_is_supported, self._ch_types)) else 0

    def read(self, text: bytes, ends: Positions) -> list[pa.Array] | None:
        """Return the columns of a block of whole rows, or None where the CSV reader cannot read it exactly."""
        if self._attempts_left <= 0:
            return None
        columns = self._read(text, ends)
        self._attempts_left = _MAX_REFUSALS if columns else self._attempts_left - 1
        return columns

    def _read(self, text: bytes, ends: Positions) -> list[pa.Array] | None:
        quoted = self._quoted_columns(text[: int(ends[0]) + 1])
        compact = None if quoted is None or _UNSUPPORTED_ESCAPE.search(text) else _compact(text, ends)
        if quoted is None or compact is None:
            return None
        values, ends, quote_count = compact
        try:
            table = self._read_csv(_to_csv(values, ends), escaped=b"\\" in text)
            pairs = zip(table.columns, self._ch_types, strict=True)
            columns = [self._to_form(column, ch_type) for column, ch_type in pairs]
        except (pa.ArrowException, UnicodeDecodeError):  # the latter where its message quotes bytes that are not UTF-8
            return None
        strings = sum(
            len(ends) - array.null_count for array, is_quoted in zip(columns, quoted, strict=True) if is_quoted
        )
        # Otherwise there is a string among numbers, or an unquoted cell among strings.
        return columns if table.num_rows == len(ends) and quote_count == 2 * strings else None

    def _to_form(self, column: pa.ChunkedArray, ch_type: ClickHouseType) -> pa.Array:
        array = column.combine_chunks()
        if is_enum(ch_type):
            check_labels(array, ch_type)
        if ch_type.name == "Decimal":
            array.validate(full=True)  # the CSV reader accepts more digits than the type has
        return array.cast(arrow_type(ch_type, self._form))

    def _quoted_columns(self, first_row: bytes) -> list[bool] | None:
        """Return for each column whether its cells are JSON strings, as the first row has them."""
        try:
            row: Any = msgspec.json.decode(first_row)
        except (msgspec.DecodeError, UnicodeDecodeError):
            return None
        if not isinstance(row, list) or len(row) != len(self._ch_types):
            return None
        pairs = list(zip(row, self._ch_types, strict=True))
        if any(ch_type.name in _QUOTED_TYPES and not isinstance(cell, (str, type(None))) for cell, ch_type in pairs):
            return None
        return [
            isinstance(cell, str) or (cell is None and ch_type.name not in _NUMBER_TYPES) for cell, ch_type in pairs
        ]

    def _read_csv(self, data: pa.Buffer, *, escaped: bool) -> pa.Table:
        names = [str(index) for index in range(len(self._ch_types))]
        return csv.read_csv(
            pa.BufferReader(data),
            csv.ReadOptions(column_names=["", *names], block_size=data.size + 1, use_threads=False),
            csv.ParseOptions(escape_char="\\" if escaped else False, double_quote=False, ignore_empty_lines=False),
            csv.ConvertOptions(
                column_types=dict(zip(names, map(_csv_type, self._ch_types), strict=True)),
                include_columns=names,
                null_values=["null"],
                strings_can_be_null=True,
                quoted_strings_can_be_null=False,
                true_values=["true"],
                false_values=["false"],
            ),
        )


def _is_supported(ch_type: ClickHouseType) -> bool:
    return ch_type.name in _SUPPORTED_TYPES and is_known(ch_type) and not may_exceed_nanoseconds(ch_type)


def _csv_type(ch_type: ClickHouseType) -> pa.DataType:
    """Return the type for the CSV reader: timestamps in UTC, since any offset may be written; wide decimals as text."""
    target = arrow_type(ch_type, CANONICAL)
    if pa.types.is_decimal256(target):
        return pa.string()
    return pa.timestamp(target.unit, "UTC") if pa.types.is_timestamp(target) else target


def _to_csv(values: npt.NDArray[np.uint8], ends: Positions) -> pa.Buffer:
    """Return the rows as CSV: line ends and a first column of zeros in place of the brackets between the rows."""
    csv_bytes = np.empty(len(values) + 1, np.uint8)
    csv_bytes[0], csv_bytes[1:] = _ZERO, values
    csv_bytes[1] = _COMMA
    csv_bytes[ends + 1] = _NEWLINE
    csv_bytes[ends[:-1] + 2] = _ZERO
    csv_bytes[ends[:-1] + 3] = _COMMA
    return pa.py_buffer(csv_bytes)


def _compact(text: bytes, ends: Positions) -> tuple[npt.NDArray[np.uint8], Positions, int] | None:
    """Return the rows without white space between cells, where they end, and the number of quotes.

    Return None where removing the white space does not make them compact.
    """
    values = np.frombuffer(text, np.uint8)
    quotes = string_quotes(values)
    if not _is_compact(values, ends, quotes):
        spaces = np.flatnonzero(values <= ord(" "))
        spaces = spaces[(np.searchsorted(quotes, spaces) & 1) == 0]
        values = np.delete(values, spaces)
        ends, _ = row_ends(values.tobytes())
        quotes = string_quotes(values)
        if not _is_compact(values, ends, quotes):
            return None
    return values, ends, len(quotes)


def _is_compact(values: npt.NDArray[np.uint8], ends: Positions, quotes: Positions) -> bool:
    """Whether rows and cells follow each other without white space."""
    between = (values[ends[:-1] + 1] == _COMMA) & (values[ends[:-1] + 2] == _OPEN)
    before, after = values[quotes[::2] - 1], values[quotes[1::2] + 1]
    opened = (before == _COMMA) | (before == _OPEN)
    closed = (after == _COMMA) | (after == _CLOSE)
    return bool(values[0] == _OPEN and between.all() and opened.all() and closed.all())
