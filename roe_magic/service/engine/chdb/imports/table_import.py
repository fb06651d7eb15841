"""Creates a table from a file.

The module of the file's format makes a plan: the columns, and a SELECT that yields the rows (``import_plan``). The rows
go into a table with a temporary name. When all are there, it is renamed; where it replaces another one, the two swap
their names, and the old one is dropped. So nobody reads half of a table, and whatever fails before that moment leaves
the old one as it was. What a killed process leaves is dropped when the next one starts.

A cancel, and the watchdog at the time limit, kill the statement that runs by the upload's id (``import_run``). The
renaming is never killed.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator, Mapping
from typing import Any

from roe_magic.contract import codec, models
from roe_magic.service.engine.chdb.database import EmbeddedClickHouse, EngineError, Statistics
from roe_magic.service.engine.chdb.imports import arrow_import, csv_import, declared_types, ndjson_import
from roe_magic.service.engine.chdb.imports.import_plan import VALUE_DOES_NOT_FIT, ImportPlan
from roe_magic.service.engine.chdb.imports.import_run import ImportRun
from roe_magic.service.engine.chdb.source_errors import LIMITS
from roe_magic.service.engine.chdb.table_catalogue import TEMPORARY_PREFIX, TableCatalogue
from roe_magic.service.engine.sql.quoting import quoted
from roe_magic.service.queries.interfaces import UploadOutcome

# ClickHouse's error codes.
_TABLE_EXISTS, _UNKNOWN_TABLE = 57, 60
# The families of engines whose tables are rows and nothing else; a view or a dictionary is more.
_REPLACEABLE = ("MergeTree", "Memory", "Log")


class TableImport:
    """Creates tables from files.

    Parameters
    ----------
    clickhouse : EmbeddedClickHouse
        Where the tables are.
    catalogue : TableCatalogue
        Drops tables.
    """

    def __init__(self, clickhouse: EmbeddedClickHouse, catalogue: TableCatalogue) -> None:
        self._clickhouse, self._catalogue = clickhouse, catalogue

    def check_upload(
        self, database: str, table: str, types: Mapping[str, str], *, replace: bool, dry_run: bool = False
    ) -> None:
        """Raise EngineError if a table is in the way, or a type is not permitted: before the file is read."""
        if not dry_run:
            self._existing(database, table, replace=replace)
        declared_types.judged(self._clickhouse, types)

    def create_table(self, database: str, table: str, run: ImportRun) -> dict[str, Any]:
        """Create a table from a file, or replace one; return the fields of UploadOutcome.

        Raises
        ------
        EngineError
            It is not possible, or the import was ended. The tables are as they were.
        """
        if not run.upload.dry_run:
            self._existing(database, table, replace=run.upload.replace)
        statistics = Statistics()
        try:
            plan = self._plan(run, thorough=run.upload.dry_run)
            if run.upload.dry_run:
                return codec.to_wire(_outcome(plan, statistics, []))
            with self._temporary_table(database, run) as temporary:
                plan = self._fill(temporary, plan, run, statistics)
                replaced = self._publish(database, temporary, table, run)
        except EngineError as error:
            raise run.explain(error) from None
        notices = self._views_notice(database, table) if replaced else []
        return codec.to_wire(_outcome(plan, statistics, notices))

    def _existing(self, database: str, table: str, *, replace: bool) -> bool:
        """Whether there is a table that will be replaced; EngineError if there is one that cannot be."""
        sql = "SELECT engine FROM system.tables WHERE database = {database:String} AND name = {table:String}"
        for (engine,) in self._clickhouse.rows(sql, {"database": database, "table": table}):
            if not replace:
                raise _exists_error(table)
            if not engine.endswith(_REPLACEABLE):
                raise EngineError(
                    f"{table!r} is not a plain table but a {engine}, which is not replaced; drop it first."
                )
            return True
        return False

    def _plan(self, run: ImportRun, *, thorough: bool) -> ImportPlan:
        arguments, types = (self._clickhouse, run.path), declared_types.judged(self._clickhouse, run.upload.types)
        if run.upload.content_type in arrow_import.FORMATS:
            return arrow_import.plan(*arguments, run.upload.content_type, types, run.settings, run.check)
        if run.upload.content_type == models.NDJSON:
            return ndjson_import.plan(*arguments, types, run.settings, run.check)
        headers = run.upload.with_headers
        return csv_import.plan(*arguments, headers, types, run.settings, thorough=thorough, check=run.check)

    @contextlib.contextmanager
    def _temporary_table(self, database: str, run: ImportRun) -> Iterator[str]:
        """Yield the quoted name of a table that does not exist; at the end, drop the table that has this name then."""
        name = f"{TEMPORARY_PREFIX}{run.upload.id}"
        try:
            yield f"{quoted(database)}.{quoted(name)}"
        except BaseException:
            self._catalogue.drop(database, name)
            raise
        # A table that was replaced may still be read: its files are deleted when the readers have ended.
        self._catalogue.drop(database, name, wait=False)

    def _fill(
        self, temporary: str, plan: ImportPlan, run: ImportRun, statistics: Statistics, *, thorough: bool = False
    ) -> ImportPlan:
        """Create the table and insert the rows; return the plan that was carried out."""
        try:
            self._insert(temporary, plan, run, statistics)
        except EngineError as error:
            if error.code in LIMITS:
                raise
            if error.code != VALUE_DOES_NOT_FIT or thorough:
                raise plan.explain(error) from None
            self._clickhouse.query(f"DROP TABLE {temporary} SYNC", {})
            return self._fill(temporary, self._plan(run, thorough=True), run, statistics, thorough=True)
        return plan

    def _insert(self, temporary: str, plan: ImportPlan, run: ImportRun, statistics: Statistics) -> None:
        run.check()
        declarations = ", ".join(f"{quoted(column.name)} {column.type}" for column in plan.columns)
        self._clickhouse.query(f"CREATE TABLE {temporary} ({declarations}) ENGINE = MergeTree ORDER BY tuple()", {})
        statistics.reset()
        self._clickhouse.query(f"INSERT INTO {temporary} {plan.select}", plan.settings, statistics=statistics)
        run.check()
        # The INSERT also ends without an error where its table is dropped meanwhile.
        ((count,),) = self._clickhouse.rows(f"SELECT count() FROM {temporary}")  # noqa: S608  # quoted
        expected = statistics.written_rows if plan.row_count is None else plan.row_count
        if int(count) != expected:
            raise EngineError("Not all rows of the file have arrived in the table; try again.")

    def _publish(self, database: str, temporary: str, table: str, run: ImportRun) -> bool:
        """Give the whole table its name; whether a table had it before, which has the temporary one then."""
        target = f"{quoted(database)}.{quoted(table)}"
        while True:
            run.check()
            exists = self._existing(database, table, replace=run.upload.replace)
            verb, word = ("EXCHANGE TABLES", "AND") if exists else ("RENAME TABLE", "TO")
            try:
                self._clickhouse.query(f"{verb} {temporary} {word} {target}", {})
            except EngineError as error:
                # Another created or dropped it in the last moment.
                if error.code != (_UNKNOWN_TABLE if exists else _TABLE_EXISTS):
                    raise
            else:
                return exists

    def _views_notice(self, database: str, table: str) -> list[str]:
        """Return the notice that views read a table which has been replaced, if there are any."""
        sql = (
            "SELECT name, as_select FROM system.tables WHERE database = {database:String} AND endsWith(engine, 'View')"
        )
        word = re.compile(rf"(?<!\w){re.escape(table)}(?!\w)")
        views = [name for name, text in self._clickhouse.rows(sql, {"database": database}) if word.search(text)]
        names = ", ".join(map(repr, views))
        return [f"Views read this table: {names}. Check that they still fit its columns."] if views else []


def _outcome(plan: ImportPlan, statistics: Statistics, notices: list[str]) -> UploadOutcome:
    summary = models.Summary(
        read_rows=statistics.read_rows,
        read_bytes=statistics.read_bytes,
        written_rows=statistics.written_rows,
        written_bytes=statistics.written_bytes,
        elapsed_ns=statistics.elapsed_ns,
    )
    return UploadOutcome(summary=summary, columns=list(plan.columns), notices=[*plan.notices, *notices])


def _exists_error(table: str) -> EngineError:
    return EngineError(
        f"A table named {table!r} exists already; delete it first (in a notebook: %roe upload {table} FILE --replace).",
        _TABLE_EXISTS,
    )
