"""Creates a table from a file.

The module of the file's format makes a plan: the columns, and a SELECT that yields the rows (``import_plan``). The rows
go into a table with a temporary name. When all are there, it is renamed; where it replaces another one, the two swap
their names, and the old one is dropped. So nobody reads half of a table, and whatever fails before that moment leaves
the old one as it was.

A cancel, and the watchdog at the time limit, kill the statement that runs by the upload's id. What is renamed is never
killed.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from roe_magic.contract import codec, models
from roe_magic.service.engine.chdb import arrow_import, csv_import
from roe_magic.service.engine.chdb.connection_pool import UNIQUE_SETTING
from roe_magic.service.engine.chdb.database import EmbeddedClickHouse, EngineError, Statistics
from roe_magic.service.engine.chdb.import_plan import VALUE_DOES_NOT_FIT, ImportPlan
from roe_magic.service.engine.chdb.table_catalogue import TEMPORARY_PREFIX, TableCatalogue
from roe_magic.service.engine.sql.quoting import quoted
from roe_magic.service.job import Upload
from roe_magic.service.queries.interfaces import UploadOutcome

# ClickHouse's error codes.
_TABLE_EXISTS, _UNKNOWN_TABLE = 57, 60
# The families of engines whose tables are rows and nothing else: a view or a dictionary is more than its rows.
_REPLACEABLE = ("MergeTree", "Memory", "Log")


@dataclass
class ImportRun:
    """An import that runs, and whether it is to stop."""

    upload: Upload
    cancelled: threading.Event = field(default_factory=threading.Event)
    ended: threading.Event = field(default_factory=threading.Event)

    def check(self) -> None:
        """Raise EngineError if the import is to end."""
        if self.cancelled.is_set():
            raise EngineError("The upload was cancelled.")


class TableImport:
    """Creates tables from files.

    Parameters
    ----------
    clickhouse : EmbeddedClickHouse
        Where the tables are.
    catalogue : TableCatalogue
        Lists and drops them.
    limits : mapping of str to str
        Settings that limit what a statement may use.
    """

    def __init__(self, clickhouse: EmbeddedClickHouse, catalogue: TableCatalogue, limits: Mapping[str, str]) -> None:
        self._clickhouse, self._catalogue, self._limits = clickhouse, catalogue, limits

    def create_table(self, database: str, table: str, run: ImportRun) -> dict[str, Any]:
        """Create a table from a file, or replace one; return the fields of UploadOutcome.

        Raises
        ------
        EngineError
            It is not possible, or the import was cancelled. The tables are as they were.
        """
        upload = run.upload
        self._require_possible(database, table, upload)
        plan = self._plan(run, thorough=upload.dry_run)
        statistics = Statistics()
        if not upload.dry_run:
            with self._temporary_table(database, upload) as temporary:
                plan = self._fill(database, temporary, plan, run, statistics)
                self._publish(database, temporary, table, run)
        return codec.to_wire(_outcome(plan, statistics))

    def _require_possible(self, database: str, table: str, upload: Upload) -> None:
        """Raise EngineError if a table is in the way, before its file is read, which may take long."""
        engine = self._engine_of(database, table)
        if engine is not None and not upload.replace:
            raise _exists_error(table)
        if engine is not None and not engine.endswith(_REPLACEABLE):
            raise EngineError(f"{table!r} is no plain table ({engine}), and is not replaced; drop it first.")

    def _engine_of(self, database: str, table: str) -> str | None:
        sql = "SELECT engine FROM system.tables WHERE database = {database:String} AND name = {table:String}"
        rows = self._clickhouse.rows(sql, {"database": database, "table": table})
        return rows[0][0] if rows else None

    def _plan(self, run: ImportRun, *, thorough: bool) -> ImportPlan:
        upload = run.upload
        settings = {
            **self._limits,
            UNIQUE_SETTING: upload.id,
            # Otherwise a folder called a=b in the path becomes a column.
            "use_hive_partitioning": "0",
        }
        if upload.content_type in (models.ARROW_STREAM, models.ARROW_FILE):
            path = Path(upload.path)
            return arrow_import.plan(self._clickhouse, path, upload.content_type, upload.types, settings)
        return csv_import.plan(
            self._clickhouse,
            Path(upload.path),
            upload.with_headers,
            upload.types,
            settings,
            thorough=thorough,
            check=run.check,
        )

    @contextlib.contextmanager
    def _temporary_table(self, database: str, upload: Upload) -> Iterator[str]:
        """Yield the name of a table that does not exist, and drop what has this name at the end."""
        name = f"{TEMPORARY_PREFIX}{upload.id}"
        try:
            yield name
        except BaseException:
            self._catalogue.drop(database, name)
            raise
        # What was replaced may still be read: its files are deleted when the readers have ended.
        self._catalogue.drop(database, name, wait=False)

    def _fill(
        self, database: str, temporary: str, plan: ImportPlan, run: ImportRun, statistics: Statistics
    ) -> ImportPlan:
        """Create the table and insert the rows; return the plan that was carried out."""
        try:
            self._insert(database, temporary, plan, run, statistics)
        except EngineError as error:
            if error.code != VALUE_DOES_NOT_FIT:
                raise plan.explain(error) from None
            self._catalogue.drop(database, temporary)
            plan = self._plan(run, thorough=True)
            try:
                self._insert(database, temporary, plan, run, statistics)
            except EngineError as second_error:
                raise plan.explain(second_error) from None
        return plan

    def _insert(self, database: str, temporary: str, plan: ImportPlan, run: ImportRun, statistics: Statistics) -> None:
        run.check()
        name = f"{quoted(database)}.{quoted(temporary)}"
        declarations = ", ".join(f"{quoted(column.name)} {column.type}" for column in plan.columns)
        self._clickhouse.query(f"CREATE TABLE {name} ({declarations}) ENGINE = MergeTree ORDER BY tuple()", {})
        statistics.reset()
        self._clickhouse.query(f"INSERT INTO {name} {plan.select}", plan.settings, statistics=statistics)
        run.check()
        # The INSERT also ends without an error where its table is dropped meanwhile.
        ((count,),) = self._clickhouse.rows(f"SELECT count() FROM {name}")  # noqa: S608  # quoted
        if int(count) != statistics.written_rows:
            raise EngineError("Not all rows of the file arrived in the table; try again.")

    def _publish(self, database: str, temporary: str, table: str, run: ImportRun) -> None:
        """Give the whole table its name; a table that had it before gets the temporary one."""
        source, target = (f"{quoted(database)}.{quoted(name)}" for name in (temporary, table))
        while True:
            run.check()
            self._require_possible(database, table, run.upload)
            exists = self._engine_of(database, table) is not None
            try:
                self._clickhouse.query(
                    f"EXCHANGE TABLES {source} AND {target}" if exists else f"RENAME TABLE {source} TO {target}", {}
                )
            except EngineError as error:
                # It was created or dropped by another in the last moment.
                if error.code != (_UNKNOWN_TABLE if exists else _TABLE_EXISTS):
                    raise
            else:
                return


def _outcome(plan: ImportPlan, statistics: Statistics) -> UploadOutcome:
    summary = models.Summary(
        read_rows=statistics.read_rows,
        read_bytes=statistics.read_bytes,
        written_rows=statistics.written_rows,
        written_bytes=statistics.written_bytes,
        elapsed_ns=statistics.elapsed_ns,
    )
    return UploadOutcome(summary=summary, columns=list(plan.columns), notices=list(plan.notices))


def _exists_error(table: str) -> EngineError:
    return EngineError(
        f"A table named {table!r} exists already; delete it first (in a notebook: %roe upload {table} FILE --replace).",
        _TABLE_EXISTS,
    )
