"""Steps 3 and 4: blocks of JSON rows to arrays, and the arrays of all blocks to one table.

:meth:`TableBuilder.add` is called with each block while the result arrives. It tries the CSV reader where the block is
long enough, and decodes the block otherwise. Each column collects its arrays; when a later one has a wider type
(binary text, or text of a column that fell back), the earlier ones are converted to it.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any

import pyarrow as pa

from roe_magic.errors import ProtocolError
from roe_magic.frames.arrow_types import (
    CANONICAL_FORMS,
    STORED,
    Form,
    arrow_type,
    build_table,
    check_column_count,
    resolve_type,
)
from roe_magic.frames.json.fast_path import CsvRowReader
from roe_magic.frames.json.row_decoder import RowDecoder
from roe_magic.frames.json.rows import check_rows, column_from_cells, encode_dictionary
from roe_magic.frames.json.scanner import Positions, row_ends
from roe_magic.frames.memory import NO_LIMIT, MemoryLimit, no_garbage_collection
from roe_magic.frames.normalize import array_as_text
from roe_magic.frames.normalize_array import normalize_array
from roe_magic.frames.type_parser import ClickHouseType

# A block of more rows than this is read by the CSV reader, which needs a millisecond to start. Tests lower it.
FAST_PATH_THRESHOLD = 500
# Rows that are decoded and converted together; with more of them the cells leave the processor's cache.
_ROWS_PER_BATCH = 1024
# So many small arrays of a column, of fewer bytes each than this, are joined to one.
_ARRAYS_TO_JOIN, _SMALL_ARRAY = 64, 1 << 20


class TableBuilder:
    """Builds a canonical (or stored) table from the JSON text of rows; ``row_count`` is the number of rows so far."""

    def __init__(
        self,
        column_names: Sequence[str],
        column_types: Sequence[str],
        *,
        stored: bool = False,
        memory_limit: MemoryLimit = NO_LIMIT,
    ) -> None:
        check_column_count(column_names, column_types)
        self._memory_limit = memory_limit
        self.row_count = 0
        self._names, self._type_names, self._stored = list(column_names), list(column_types), stored
        ch_types = list(map(resolve_type, column_types))
        pairs = zip(column_names, ch_types, strict=True)
        self._columns = [_ColumnBuilder(name, ch_type, stored=stored) for name, ch_type in pairs]
        self._csv_reader = CsvRowReader(ch_types, STORED if stored else CANONICAL_FORMS[0])
        self._decoder = RowDecoder(ch_types)

    def add(self, text: bytes, ends: Positions) -> None:
        """Add whole rows, ``[1,"a"],[2,"b"]``; ``ends`` is where in the text each of them ends."""
        if not len(ends):
            return
        self._memory_limit.check(self.nbytes)
        text, ends = self._without_leading_comma(text, ends)
        arrays = self._csv_reader.read(text, ends) if len(ends) > FAST_PATH_THRESHOLD else None
        if arrays is None:
            self._add_decoded(text, ends)
            return
        self.row_count += len(ends)
        for column, array in zip(self._columns, arrays, strict=True):
            column.append(array)

    @property
    def nbytes(self) -> int:
        """The bytes of all arrays so far."""
        return sum(column.nbytes for column in self._columns)

    def _without_leading_comma(self, text: bytes, ends: Positions) -> tuple[bytes, Positions]:
        """Remove the comma after the previous block's rows; raise ProtocolError where it is missing or too many."""
        rest = text.lstrip()
        if rest.startswith(b",") != (self.row_count > 0):
            raise ProtocolError("The result's rows are not separated by single commas.")
        rest = rest.removeprefix(b",").lstrip()
        return rest, ends - (len(text) - len(rest))

    def _add_decoded(self, text: bytes, ends: Positions) -> None:
        last_of_batch = ends[_ROWS_PER_BATCH - 1 :: _ROWS_PER_BATCH].tolist()
        remainder = [int(ends[-1])] if len(ends) % _ROWS_PER_BATCH else []
        start = 0
        for end in [*last_of_batch, *remainder]:
            self._memory_limit.check(self.nbytes, text[start : end + 1])
            with no_garbage_collection():
                self._add_rows(self._decoder.decode(text[start : end + 1].strip().removeprefix(b",")))
            start = end + 1

    def _add_rows(self, rows: list[Sequence[Any]]) -> None:
        if rows and not isinstance(rows[0], tuple):  # msgspec has checked the length of each row, and returns tuples
            check_rows(rows, len(self._columns), self.row_count)
        self.row_count += len(rows)
        for column, cells in zip(self._columns, zip(*rows, strict=True), strict=True):
            column.add(cells)

    def table(self) -> pa.Table:
        """Return all the rows so far as one table."""
        columns = [column.column() for column in self._columns]
        return build_table(self._names, self._type_names, columns, stored=self._stored)


def from_lines(
    column_names: Sequence[str], column_types: Sequence[str], lines: bytes, *, stored: bool = False
) -> pa.Table:
    """Return rows in ClickHouse's format JSONCompactEachRow, one row per line, as a canonical Arrow table.

    It is faster than decoding and :func:`~roe_magic.frames.from_rows`, and keeps what decoding loses: the text of
    documents and the sign of ``-0``.

    Parameters
    ----------
    column_names, column_types : sequences of str
        As the API returns them.
    lines : bytes
        Whole rows, written with the settings of ``JSON_SETTINGS``.
    stored : bool
        Return the form whose schema depends on the types alone: see :func:`~roe_magic.frames.schema`.
    """
    builder = TableBuilder(column_names, column_types, stored=stored)
    text = lines.strip(b"\n").replace(b"\n", b",")  # inside a value JSON writes a line end as an escape
    builder.add(text, row_ends(text)[0])
    return builder.table()


class _ColumnBuilder:
    """Collects the arrays of one column, all of one type."""

    def __init__(self, name: str, ch_type: ClickHouseType, *, stored: bool) -> None:
        self._name, self._ch_type, self._stored = name, ch_type, stored
        self._arrays: list[pa.Array] = []
        self._unjoined = 0
        self.nbytes = 0

    def add(self, cells: Sequence[Any]) -> None:
        self.append(column_from_cells(self._name, self._ch_type, cells, stored=self._stored))

    def append(self, array: pa.Array) -> None:
        if self._arrays and array.type != self._arrays[0].type:
            array = self._widen(array)
        self._arrays.append(array)
        self.nbytes += array.nbytes
        self._unjoined = self._unjoined + 1 if array.nbytes < _SMALL_ARRAY else 0
        if self._unjoined == _ARRAYS_TO_JOIN:
            # Each array is joined once: a column that is copied as a whole takes twice its memory.
            self._arrays[-_ARRAYS_TO_JOIN:] = [pa.concat_arrays(self._arrays[-_ARRAYS_TO_JOIN:])]
            self._unjoined = 0

    def _widen(self, array: pa.Array) -> pa.Array:
        """Convert the earlier arrays to a form that holds this one too, or to text; return this one converted."""
        forms = {arrow_type(self._ch_type, form): form for form in reversed(CANONICAL_FORMS)}
        earlier, later = forms.get(self._arrays[0].type), forms.get(array.type)
        convert: Callable[[pa.Array], pa.Array] = self._to_text
        if earlier and later:
            text = pa.binary() if pa.binary() in (earlier.text, later.text) else pa.string()
            form = Form(text, earlier.wide_decimals or later.wide_decimals)
            convert = functools.partial(normalize_array, ch_type=self._ch_type, form=form)
        self._arrays = [convert(each) for each in self._arrays]
        return convert(array)

    def _to_text(self, array: pa.Array) -> pa.Array:
        return array if pa.types.is_string(array.type) else array_as_text(array, self._ch_type)

    def column(self) -> pa.ChunkedArray:
        arrays = self._arrays or [column_from_cells(self._name, self._ch_type, (), stored=self._stored)]
        return encode_dictionary(pa.chunked_array(arrays), self._ch_type, stored=self._stored)
