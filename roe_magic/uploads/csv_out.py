"""Rows as a CSV file, for servers that take nothing else.

RFC 4180, in UTF-8: all text in quotes, NULL empty and without quotes, booleans as true and false. What is no text and
no number is written as text that says the same. All rows are looked at first (:mod:`roe_magic.uploads.csv_losses`), for
what of them gets lost on the way.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Sequence
from typing import IO, Any, Protocol

import pyarrow as pa
import pyarrow.csv

from roe_magic.frames import to_rows
from roe_magic.frames.type_parser import ClickHouseType, parse
from roe_magic.frames.type_properties import INTERVAL_UNITS, unwrap
from roe_magic.uploads.csv_losses import LossFinder, is_number, name_losses


class TypedRows(Protocol):
    """Rows with the ClickHouse type of each column."""

    columns: list[tuple[str, str]]

    def canonical_batches(self) -> Iterable[pa.Table]:
        """Return the rows in canonical Arrow, from the first one at each call."""
        ...


def write_csv(rows: TypedRows, target: IO[bytes]) -> list[str]:
    """Write rows as CSV, with the columns' names first, and return what CSV does not keep of them, a sentence each."""
    finders = [LossFinder(name, type_name, alone=len(rows.columns) == 1) for name, type_name in rows.columns]
    for table in rows.canonical_batches():
        for finder, column in zip(finders, table.columns, strict=True):
            for chunk in column.chunks:
                finder.add(chunk)
    _write(rows, [finder.has_bytes for finder in finders], target)
    names = name_losses(name for name, _ in rows.columns)
    return [*names, *(sentence for finder in finders for sentence in finder.sentences())]


def _write(rows: TypedRows, as_bytes: Sequence[bool], target: IO[bytes]) -> None:
    target.write(header(name for name, _ in rows.columns))
    names, types = zip(*rows.columns, strict=True)
    for table in rows.canonical_batches():
        columns = map(_writable, table.columns, types, as_bytes)
        options = pyarrow.csv.WriteOptions(include_header=False)
        pyarrow.csv.write_csv(pa.table(list(columns), names), target, options)


def header(names: Iterable[str]) -> bytes:
    """Return the line with the columns' names."""
    return (",".join(map(quoted, names)) + "\n").encode()


def quoted(text: str) -> str:
    """Return a text in quotes."""
    return '"' + text.replace('"', '""') + '"'


def _writable(column: pa.ChunkedArray, type_name: str, has_bytes: bool) -> pa.ChunkedArray:
    """Return the values of a column in a type that the CSV writer knows."""
    if has_bytes:
        values = column.cast(pa.binary()).to_pylist()
        # Without 0x the bytes 1E 90 would be a number.
        return _texts(None if value is None else f"0x{value.hex()}" for value in values)
    target = _written_type(column.type, unwrap(parse(type_name)))
    return _as_text(column, type_name) if target is None else column.cast(target)


def _written_type(arrow_type: pa.DataType, ch_type: ClickHouseType) -> pa.DataType | None:
    """Return the Arrow type that values are written in; None for those that have to become text first."""
    types = pa.types
    written = arrow_type if _is_plain(arrow_type) else None
    if types.is_dictionary(arrow_type):
        written = arrow_type.value_type
    elif types.is_timestamp(arrow_type):
        written = pa.timestamp(arrow_type.unit)  # without a zone: the time in UTC
    elif types.is_floating(arrow_type):
        written = pa.float64()
    elif types.is_decimal(arrow_type):
        written = arrow_type if ch_type.name == "Decimal" and is_number(ch_type) else pa.string()
    elif types.is_duration(arrow_type) and ch_type.name in INTERVAL_UNITS:
        written = pa.int64()
    return written


def _is_plain(arrow_type: pa.DataType) -> bool:
    types = pa.types
    kinds = (types.is_integer, types.is_boolean, types.is_string, types.is_large_string, types.is_date32, types.is_null)
    return any(is_kind(arrow_type) for is_kind in kinds)


def _as_text(column: pa.ChunkedArray, type_name: str) -> pa.ChunkedArray:
    """Return values as text: lists and objects as JSON, others as they are shown."""
    cells = (cell for (cell,) in to_rows(pa.table([column], ["cell"]), [type_name]))
    return _texts(cell if cell is None or isinstance(cell, str) else _json(cell) for cell in cells)


def _json(cell: Any) -> str:
    """Return JSON; bytes that are not UTF-8 are lone surrogates in the cell, which have to be escaped."""
    text = json.dumps(cell, ensure_ascii=False)
    return json.dumps(cell) if re.search("[\ud800-\udfff]", text) else text


def _texts(values: Iterable[Any]) -> pa.ChunkedArray:
    return pa.chunked_array([pa.array(list(values), pa.string())])
