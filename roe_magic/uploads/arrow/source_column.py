"""One column of what is uploaded, and the look at all its values that decides how it is sent."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import pyarrow as pa

from roe_magic.frames import TYPE_KEY
from roe_magic.frames.type_parser import ClickHouseType
from roe_magic.uploads.arrow.column_facts import Facts
from roe_magic.uploads.arrow.column_plan import Plan, plan_column
from roe_magic.uploads.arrow.column_problem import NotCarried

_MOST_ROWS = 65_536
# Of the first batch, before it is known how large a row is.
_FIRST_ROWS = 1_024
_BATCH_BYTES = 32 * 1024 * 1024


@dataclass(frozen=True)
class SourceColumn:
    """One column of what is uploaded.

    Parameters
    ----------
    name : str
    read : callable
        Returns the rows from one number up to, but not including, another, as an array or a chunked array.
    wish : ClickHouseType, optional
        The type that the column gets, if its values fit it.
    """

    name: str
    read: Callable[[int, int], pa.Array | pa.ChunkedArray]
    wish: ClickHouseType | None = None


@dataclass(frozen=True)
class PlannedColumn:
    """A column, how it is sent, and how many bytes a value has on average."""

    column: SourceColumn
    plan: Plan
    value_bytes: float

    @property
    def field(self) -> pa.Field:
        """The Arrow field that is sent, with the ClickHouse type in its metadata."""
        type_name = str(self.plan.ch_type).encode("utf-8", "surrogateescape")
        return pa.field(self.column.name, self.plan.arrow_type, metadata={TYPE_KEY: type_name})

    def read(self, start: int, stop: int) -> pa.Array:
        """Return rows as they are sent."""
        return self.plan.convert(combined(self.column.read(start, stop)))


def combined(array: pa.Array | pa.ChunkedArray) -> pa.Array:
    """Return a chunked array as one array; raise ArrowInvalid where it holds more text than one array can."""
    if isinstance(array, pa.Array):
        return array
    return array.chunk(0) if array.num_chunks == 1 else pa.concat_arrays(array.chunks or [pa.array([], array.type)])


class RowSize:
    """How many bytes a row has on average, as far as was seen."""

    def __init__(self) -> None:
        self._rows, self._bytes = 0, 0

    def add(self, array: pa.Array) -> None:
        """Take more rows into account; a dictionary is not counted, since all batches share it."""
        self._rows += len(array)
        values = array.indices if isinstance(array, pa.DictionaryArray) else array
        try:
            self._bytes += int(values.nbytes)
        except pa.ArrowTypeError:  # pyarrow 17 does not count the bytes of views
            self._bytes += int(values.get_total_buffer_size())

    def average(self) -> float:
        """Return the bytes of a row."""
        return self._bytes / max(1, self._rows)


def ranges(row_count: int, row_bytes: Callable[[], float]) -> Iterator[tuple[int, int]]:
    """Yield where each batch begins and ends, so that it has some megabytes.

    Parameters
    ----------
    row_count : int
    row_bytes : callable
        Returns how large a row is; it is asked after the first batch, which is small, and before each further one.
    """
    start, rows = 0, _FIRST_ROWS
    while start < row_count:
        stop = min(start + rows, row_count)
        yield start, stop
        start, rows = stop, max(1, min(_MOST_ROWS, int(_BATCH_BYTES / max(1.0, row_bytes()))))


def plan_source(column: SourceColumn, row_count: int) -> PlannedColumn:
    """Look at all values of a column, and return how it is sent; raise NotCarried where it cannot be."""
    facts, row_size = Facts(), RowSize()
    array = _read(column, 0, 0)
    data_type = array.type
    facts.add(combined(array))
    for start, stop in ranges(row_count, row_size.average):
        array = _read(column, start, stop)
        for chunk in array.chunks if isinstance(array, pa.ChunkedArray) else [array]:
            facts.add(chunk)
            row_size.add(chunk)
    try:
        plan = plan_column(data_type, facts, column.wish, is_empty=row_count == 0)
        if plan.may_fail and not _is_convertible(column, plan, row_count, row_size):
            plan = plan_column(data_type, facts, None, is_empty=row_count == 0)
    except NotCarried as error:
        error.row = _first_row(column, row_count, data_type) if error.of_values else None
        raise
    return PlannedColumn(column, plan, row_size.average())


def _is_convertible(column: SourceColumn, plan: Plan, row_count: int, row_size: RowSize) -> bool:
    """Whether the conversion of a plan takes all values."""
    try:
        for start, stop in ranges(row_count, row_size.average):
            plan.convert(combined(column.read(start, stop)))
    except (ValueError, OverflowError):
        return False
    return True


def _read(column: SourceColumn, start: int, stop: int) -> pa.Array | pa.ChunkedArray:
    """Return rows of a column; raise NotCarried, with the first row that cannot be converted."""
    try:
        return column.read(start, stop)
    except (MemoryError, NotCarried):
        raise
    except Exception as error:
        for row in range(start, stop) if stop - start > 1 else ():
            _read(column, row, row + 1)
        reason, advice = _explained(error)
        raise NotCarried(reason, advice, row=start if stop > start else None) from None


def _explained(error: Exception) -> tuple[str, str]:
    if isinstance(error, UnicodeError):
        return "holds text that is not UTF-8", "Encode the text to bytes first, or replace what is not UTF-8."
    reason = str(error).partition("\n")[0].rstrip(".")
    return f"has a value that Arrow does not hold ({reason})", "Convert the column to text first."


def _first_row(column: SourceColumn, row_count: int, data_type: pa.DataType) -> int | None:
    """Return the first row that cannot be sent."""
    for start, stop in ranges(row_count, lambda: 1.0):
        array = combined(column.read(start, stop))
        if _is_carried(array, data_type, column.wish):
            continue
        rows = range(stop - start)
        return start + next(row for row in rows if not _is_carried(array.slice(row, 1), data_type, column.wish))
    return None


def _is_carried(array: pa.Array, data_type: pa.DataType, wish: ClickHouseType | None) -> bool:
    facts = Facts()
    facts.add(array)
    try:
        plan_column(data_type, facts, wish)
    except NotCarried:
        return False
    return True
