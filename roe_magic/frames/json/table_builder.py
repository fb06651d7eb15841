"""One statement's rows, converted to Arrow a thousand at a time while they arrive."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pyarrow as pa

from roe_magic.errors import ProtocolError
from roe_magic.frames import schema as canonical
from roe_magic.frames.clickhouse_types import Type
from roe_magic.frames.json import rows
from roe_magic.frames.json.fast_path import FlatReader
from roe_magic.frames.json.row_decoder import RowDecoder
from roe_magic.frames.json.scanner import Positions, row_ends
from roe_magic.frames.memory import no_garbage_collection
from roe_magic.frames.normalize import fallen_back, repair
from roe_magic.frames.schema import AS_BYTES, AS_TEXT, STORED, resolve

# Rows at a time: more fall out of the processor's cache.
ROWS = 1024
# Small arrays are joined when there are so many of them.
_PARTS = 64
# Arrow's CSV reader takes a millisecond to begin.
_FEW = 500


class TableBuilder:
    """Takes JSON text of rows, gives a canonical (or stored) table."""

    def __init__(self, column_names: Sequence[str], column_types: Sequence[str], *, stored: bool = False) -> None:
        canonical.check_lengths(column_names, column_types)
        self.names, self.types, self.stored = list(column_names), list(column_types), stored
        kinds = list(map(resolve, column_types))
        self.columns = [_Column(name, kind, stored=stored) for name, kind in zip(column_names, kinds, strict=True)]
        self.count = 0
        self._flat = FlatReader(kinds, STORED if stored else AS_TEXT)
        self._decode = RowDecoder(kinds)

    def add(self, text: bytes, ends: Positions) -> None:
        """Take whole rows, ``[1,"a"],[2,"b"]``, and where in the text each of them ends."""
        if not len(ends):
            return
        text, ends = self._without_comma(text, ends)
        arrays = self._flat.read(text, ends) if len(ends) > _FEW else None
        if arrays is not None:
            self.count += len(ends)
            for column, array in zip(self.columns, arrays, strict=True):
                column.append(array)
            return
        start = 0
        for end in [*ends[ROWS - 1 :: ROWS].tolist(), *([int(ends[-1])] if len(ends) % ROWS else [])]:
            with no_garbage_collection():
                self._convert(self._decode(text[start : end + 1].strip().removeprefix(b",")))
            start = end + 1

    def _without_comma(self, text: bytes, ends: Positions) -> tuple[bytes, Positions]:
        """Take off the comma after the rows before, which must be there, and white space."""
        rest = text.lstrip()
        if rest.startswith(b",") != (self.count > 0):
            raise ProtocolError("The result's rows are not separated by single commas.")
        rest = rest.removeprefix(b",").lstrip()
        return rest, ends - (len(text) - len(rest))

    def _convert(self, found: list[Sequence[Any]]) -> None:
        if found and not isinstance(found[0], tuple):  # the quick decoder has looked at every row
            rows.check_rows(found, len(self.columns), self.count)
        self.count += len(found)
        for column, cells in zip(self.columns, zip(*found, strict=True), strict=True):
            column.add(cells)

    def table(self) -> pa.Table:
        """Give all the rows so far."""
        columns = [column.whole() for column in self.columns]
        return canonical.table(self.names, self.types, columns, stored=self.stored)


def from_lines(
    column_names: Sequence[str], column_types: Sequence[str], lines: bytes, *, stored: bool = False
) -> pa.Table:
    """Turn rows as ClickHouse's JSONCompactEachRow writes them, one a line, into canonical Arrow.

    It is quicker than decoding and :func:`~roe_magic.frames.from_rows`, and keeps what decoding loses: the text of
    documents and the sign of ``-0``.

    Parameters
    ----------
    column_names, column_types : sequences of str
        As the API answers them.
    lines : bytes
        Whole rows alone, with the settings of ``JSON_SETTINGS``.
    stored : bool
        Make the form whose schema depends on the types alone: see :func:`~roe_magic.frames.schema`.
    """
    builder = TableBuilder(column_names, column_types, stored=stored)
    text = lines.strip(b"\n").replace(b"\n", b",")  # within a value, JSON writes it as an escape
    builder.add(text, row_ends(text)[0])
    return builder.table()


class _Column:
    """The parts of one column; all have one type, which a later part may widen."""

    def __init__(self, name: str, kind: Type, *, stored: bool) -> None:
        self.name, self.kind, self.stored = name, kind, stored
        self.parts: list[pa.Array] = []

    def add(self, cells: Sequence[Any]) -> None:
        self.append(rows.column(self.name, self.kind, cells, stored=self.stored))

    def append(self, part: pa.Array) -> None:
        if self.parts and part.type != self.parts[0].type:
            part = self._widened(part)
        self.parts.append(part)
        if len(self.parts) % _PARTS == 0:
            self.parts[-_PARTS:] = [pa.concat_arrays(self.parts[-_PARTS:])]

    def _widened(self, part: pa.Array) -> pa.Array:
        """Bring this part and those before it to the wider type of the two: bytes, or at last plain text."""
        text_or_bytes = [canonical.arrow_type(self.kind, form) for form in (AS_TEXT, AS_BYTES)]
        fits = part.type in text_or_bytes and self.parts[0].type in text_or_bytes
        widen = self._as_bytes if fits else self._as_text
        self.parts = [widen(each) for each in self.parts]
        return widen(part)

    def _as_bytes(self, array: pa.Array) -> pa.Array:
        return repair(array, self.kind, AS_BYTES)

    def _as_text(self, array: pa.Array) -> pa.Array:
        return array if pa.types.is_string(array.type) else fallen_back(array, self.kind)

    def whole(self) -> pa.ChunkedArray:
        parts = self.parts or [rows.column(self.name, self.kind, (), stored=self.stored)]
        return rows.finish(pa.chunked_array(parts), self.kind, stored=self.stored)
