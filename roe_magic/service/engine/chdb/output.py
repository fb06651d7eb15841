"""From a statement that may run to its file of rows.

No setting of ours is on the caller's connection that a function of the caller could read. What the rows leave the
engine as depends on the statement:

- A SELECT that may return many rows is described first, then read in parts: as Arrow if that carries every type
  exactly, else in the engine's own format, Native.
- Everything else is read at once, as Native. For few rows, asking for the types first and reading in parts would take
  longer than the statement itself.
- A SELECT that may have totals or extremes is read as ``totals`` says.
"""

from __future__ import annotations

import itertools
import re
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa

from roe_magic import frames
from roe_magic.service.engine.chdb import totals
from roe_magic.service.engine.chdb.connection_pool import Place
from roe_magic.service.engine.chdb.conversion import CannotConvert, Conversion, scratch_file
from roe_magic.service.engine.chdb.database import EmbeddedClickHouse, EngineError, Statistics
from roe_magic.service.engine.chdb.progress import ProgressThrottle
from roe_magic.service.engine.sql.verdict import Verdict
from roe_magic.service.results import writer

Columns = tuple[list[str], list[str]]

# These would change the description of a statement, or refuse it.
_NOT_FOR_DESCRIBE = ("describe_", "limit", "offset", "max_result_", "extremes", "page", "output_format_")
# These the service has chosen itself; a type may depend on them, where a statement asks for them.
_ASKED_FOR = "max_result_"


@dataclass(frozen=True)
class Description:
    """What a statement's result has besides its rows.

    ``totals`` is the row of WITH TOTALS, ``extremes`` the two rows of the setting ``extremes``; their values are as
    the API sends them.
    """

    names: list[str]
    types: list[str]
    totals: list[Any] | None = None
    extremes: list[list[Any]] | None = None


class SubmissionCancelled(Exception):
    """The submission was cancelled, and has stopped."""


class StatementOutput:
    """Runs one statement, and writes its rows.

    Parameters
    ----------
    clickhouse : EmbeddedClickHouse
        Where it runs.
    conversion : Conversion
        Converts what the statement returns.
    path : Path
        The file for its rows.
    statistics : Statistics
        The statement's counters, which are added to.
    progress : ProgressThrottle
        Gets the engine's progress.
    cancelled : threading.Event
        Set when the statement is to stop.
    place : Place
        The database and the session of the statement.
    """

    def __init__(
        self,
        clickhouse: EmbeddedClickHouse,
        conversion: Conversion,
        path: Path,
        statistics: Statistics,
        progress: ProgressThrottle,
        cancelled: threading.Event,
        place: Place,
    ) -> None:
        self._clickhouse, self._conversion, self._path, self._place = clickhouse, conversion, path, place
        self._statistics, self._progress, self._cancelled = statistics, progress, cancelled

    def write(self, sql: str, settings: Mapping[str, str], verdict: Verdict) -> Description:
        """Run the statement, write its rows, and return what describes them."""
        # The rows are read as the defaults of the engine's own format have them.
        settings = {name: value for name, value in settings.items() if not name.startswith("output_format_native_")}
        if not verdict.is_select:
            return self._write_native(sql, settings, verdict, None, in_parts=False)
        if self._may_have_totals(sql, settings):
            return self._write_with_totals(sql, settings, in_parts=not verdict.is_small)
        try:
            if verdict.is_small:
                return self._write_native(sql, settings, verdict, None, in_parts=False)
            return self._write_many(sql, settings, verdict)
        except CannotConvert:
            self._statistics.reset()
            return self._write_with_totals(sql, settings, in_parts=not verdict.is_small)

    def _may_have_totals(self, sql: str, settings: Mapping[str, str]) -> bool:
        if totals.may_have_totals(sql) or settings.get("extremes", "0").lower() not in ("0", "false"):
            return True
        try:
            return self._clickhouse.totals_views.may_be_read(sql, self._place.database)
        except EngineError:  # two tables of the engine Merge that read each other: tables cannot be listed
            return True

    def _write_many(self, sql: str, settings: Mapping[str, str], verdict: Verdict) -> Description:
        columns = self._columns(sql, settings, may_run_subqueries=not verdict.has_scalar_subquery)
        if columns and frames.arrow_is_faithful(columns[1]):
            parts = self._parts(sql, {**settings, **frames.ARROW_SETTINGS}, "ArrowStream", in_parts=True)
            writer.write_arrow(self._path, *columns, parts)
            return Description(*columns)
        if columns and len(set(columns[0])) < len(columns[0]) and not frames.native_is_readable(columns[1]):
            return self._write_with_totals(sql, settings, in_parts=True)
        return self._write_native(sql, settings, verdict, columns, in_parts=True)

    def _write_native(
        self, sql: str, settings: Mapping[str, str], verdict: Verdict, columns: Columns | None, *, in_parts: bool
    ) -> Description:
        blocks = self._conversion.native_blocks(self._parts(sql, settings, "Native", in_parts=in_parts))
        first = next(blocks, None)
        names, types = columns or self._columns_after(first, sql, settings, verdict)
        all_blocks = itertools.chain([first] if first else [], blocks)
        writer.write(self._path, names, types, (_retyped(block, names, types) for block in all_blocks))
        return Description(names, types)

    def _columns_after(
        self, first: frames.Block | None, sql: str, settings: Mapping[str, str], verdict: Verdict
    ) -> Columns:
        """Return the columns of a statement that has run, by its first block.

        Where there are no rows there is no block, and the type DateTime('Europe/Paris') lacks its time zone there.
        """
        if verdict.is_select and (first is None or "DateTime" in first.types):
            described = self._columns(sql, settings, may_run_subqueries=True)
            if described:
                return described
        first = first or writer.read_json(
            self._clickhouse.query(sql, settings, self._place, output_format=writer.JSON_FORMAT)
        )
        return first.names, list(map(_one_line, first.types))

    def _write_with_totals(self, sql: str, settings: Mapping[str, str], *, in_parts: bool) -> Description:
        names, types = self._described(sql, settings)
        parts = self._parts(totals.as_row_binary(sql), settings, totals.OUTPUT_FORMAT, in_parts=in_parts)
        with scratch_file() as path:
            with path.open("wb") as rows:
                output = totals.read(parts, rows)
            self._statistics.result_rows = output.row_count
            blocks = self._conversion.row_binary_blocks(path, types) if output.row_count else iter(())
            row_count = writer.write(self._path, names, types, (_retyped(block, names, types) for block in blocks))
            if row_count != output.row_count:
                raise ValueError(f"{output.row_count} rows became {row_count}")
            extremes = self._conversion.extremes(path, types) if output.has_extremes else None
        return Description(names, types, self._row(output.totals, types), extremes)

    def _row(self, row_binary: bytes | None, types: list[str]) -> list[Any] | None:
        """Return the values of one row."""
        if row_binary is None:
            return None
        with scratch_file() as path:
            path.write_bytes(row_binary)
            (block,) = self._conversion.row_binary_blocks(path, types)
            return frames.to_rows(frames.from_arrow(_retyped(block, block.names, types), types), types)[0]

    def _parts(self, sql: str, settings: Mapping[str, str], output_format: str, *, in_parts: bool) -> Iterator[bytes]:
        statistics, progress = self._statistics, self._progress
        if not in_parts:
            yield self._clickhouse.query(
                sql, settings, self._place, output_format=output_format, statistics=statistics, on_progress=progress
            )
            return
        for part in self._clickhouse.stream(
            sql, settings, self._place, output_format=output_format, statistics=statistics, on_progress=progress
        ):
            if self._cancelled.is_set():
                raise SubmissionCancelled
            yield part

    def _columns(self, sql: str, settings: Mapping[str, str], *, may_run_subqueries: bool) -> Columns | None:
        """Return a SELECT's column names and types; None if that is not possible.

        ``DESCRIBE view(...)`` only analyses, while ``DESCRIBE (...)`` runs scalar subqueries; but only the latter
        accepts two columns of the same name.
        """
        for form in ["DESCRIBE view({}\n)", "DESCRIBE ({}\n)"] if may_run_subqueries else ["DESCRIBE view({}\n)"]:
            try:
                return self._describe(form.format(sql), settings)
            except EngineError:
                continue
        return None

    def _described(self, sql: str, settings: Mapping[str, str]) -> Columns:
        """Return a SELECT's column names and types, or raise the error that the SELECT itself has."""
        columns = self._columns(sql, settings, may_run_subqueries=True)
        if columns is None:
            self._clickhouse.query(sql, settings, self._place, output_format="Null")
            columns = self._describe(f"DESCRIBE ({sql}\n)", settings)
        return columns

    def _describe(self, sql: str, settings: Mapping[str, str]) -> Columns:
        kept = _ASKED_FOR if "getsetting" in sql.lower() else ()
        settings = {
            name: value
            for name, value in settings.items()
            if name.startswith(kept) or not name.startswith(_NOT_FOR_DESCRIBE)
        }
        rows = writer.decode_lines(
            self._clickhouse.query(sql, settings, self._place, output_format="JSONCompactEachRow")
        )
        names, types = (writer.printable([row[column] for row in rows]) for column in (0, 1))
        return names, [_one_line(type_name) for type_name in types]


def _retyped(block: frames.Block, names: list[str], types: list[str]) -> pa.Table:
    """Return the table of a block with these names and types: those of the block may lack time zones."""
    if block.names == names and block.types == types:
        return block.table
    return frames.from_arrow(block.table.rename_columns(names), types, stored=True)


def _one_line(type_name: str) -> str:
    """Return a type as ``system.columns`` has it; DESCRIBE writes a named tuple over several lines."""
    return re.sub(r"(,?)\n\s*", lambda match: ", " if match[1] else "", type_name)
