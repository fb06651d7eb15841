"""Columns of any kind as one Arrow stream, with the ClickHouse type of each column in its field.

All values of all columns are looked at before the first row is sent (``source_column``), so that
every column that cannot be carried is named at once.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from typing import BinaryIO

import pyarrow as pa

from roe_magic.frames import from_arrow
from roe_magic.frames.clickhouse_types import check_names, clickhouse_columns
from roe_magic.uploads.arrow.column_problem import ColumnProblem, NotCarried, refuse
from roe_magic.uploads.arrow.source_column import PlannedColumn, SourceColumn, plan_source, ranges


class ArrowSource:
    """What is uploaded, as an Arrow stream of batches.

    Parameters
    ----------
    columns : sequence of SourceColumn
    row_count : int
    notices : sequence of str
        What is known beforehand.

    Attributes
    ----------
    schema : pa.Schema
        Each field has its ClickHouse type in its metadata (``clickhouse.type``).
    columns : list of (str, str)
        The columns' names and ClickHouse types.
    notices : list of str
        What the user should know: a sentence each.

    Raises
    ------
    UsageError
        Columns cannot be carried; all of them are named.
    """

    def __init__(self, columns: Sequence[SourceColumn], row_count: int, notices: Sequence[str] = ()) -> None:
        check_names([column.name for column in columns])
        self.row_count = row_count
        self._columns = _planned(columns, row_count)
        self.schema = pa.schema([column.field for column in self._columns])
        self.columns = clickhouse_columns(self.schema, [False] * len(columns))
        self.notices = [*notices, *_notices(self._columns, row_count)]

    def batches(self) -> Iterator[pa.RecordBatch]:
        """Yield the rows, some megabytes at a time; may be called again."""
        row_bytes = sum(column.value_bytes for column in self._columns)
        for start, stop in ranges(self.row_count, lambda: row_bytes):
            yield from self._batches_of(start, stop)

    def _batches_of(self, start: int, stop: int) -> Iterator[pa.RecordBatch]:
        """Yield rows as one batch; in halves where they have more text than one array can hold, which is 2 GB."""
        try:
            arrays = [column.read(start, stop) for column in self._columns]
        except pa.ArrowInvalid:
            if stop - start == 1:
                raise
            middle = (start + stop) // 2
            yield from self._batches_of(start, middle)
            yield from self._batches_of(middle, stop)
        else:
            yield pa.record_batch(arrays, schema=self.schema)

    def canonical_batches(self) -> Iterator[pa.Table]:
        """Yield the rows as :meth:`batches` does, in the Arrow types of results: see ``docs/types.md``."""
        types = [type_name for _, type_name in self.columns]
        for batch in self.batches():
            yield from_arrow(batch, types)

    def write(self, file: BinaryIO) -> None:
        """Write the rows to a file as an Arrow stream."""
        with pa.ipc.new_stream(file, self.schema) as writer:
            for batch in self.batches():
                writer.write_batch(batch)


def _planned(columns: Sequence[SourceColumn], row_count: int) -> list[PlannedColumn]:
    planned, problems = [], []
    for column in columns:
        try:
            planned.append(plan_source(column, row_count))
        except NotCarried as error:
            problems.append(ColumnProblem(column.name, error))
    refuse(problems)
    return planned


def _notices(columns: Sequence[PlannedColumn], row_count: int) -> list[str]:
    """Return the notices of the columns' plans, each with the columns that it is about."""
    names = defaultdict(list)
    for column in columns:
        for notice in sorted(column.plan.notices):
            names[notice].append(repr(column.column.name))
    return [f"{', '.join(columns_of)}: {notice}." for notice, columns_of in names.items() if row_count]
