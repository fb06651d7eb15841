"""Lists, describes, previews and drops tables, with SQL of the service's own."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from datetime import datetime, timezone
from typing import Any

from roe_magic import frames
from roe_magic.contract import codec, models
from roe_magic.service.engine.chdb.database import EmbeddedClickHouse, EngineError
from roe_magic.service.engine.sql.quoting import quoted
from roe_magic.service.results import writer

_COLUMNS_SQL = "SELECT table, name, type FROM system.columns WHERE database = {database:String}"
# ClickHouse's error codes.
_UNKNOWN_TABLE_OR_DATABASE = (60, 81)
# The beginning of a table's name while its rows are imported. Names that begin with a dot are not listed.
TEMPORARY_PREFIX = ".import_"


class TableCatalogue:
    """The tables of the open data folder.

    Parameters
    ----------
    clickhouse : EmbeddedClickHouse
        Where they are.
    limits : mapping of str to str
        Settings that limit what a preview may use.
    """

    def __init__(self, clickhouse: EmbeddedClickHouse, limits: Mapping[str, str]) -> None:
        self._clickhouse, self._limits = clickhouse, limits

    def ensure_database(self, database: str) -> None:
        """Create a database unless it exists."""
        self._clickhouse.query(f"CREATE DATABASE IF NOT EXISTS {quoted(database)}", {})

    def drop_leftovers(self) -> None:
        """Drop what killed imports left in any database; not to be called while a file is imported."""
        leftovers = "SELECT database, name FROM system.tables WHERE startsWith(name, {prefix:String})"
        for database, name in self._clickhouse.rows(leftovers, {"prefix": TEMPORARY_PREFIX}):
            with contextlib.suppress(EngineError):  # the next start tries again
                self.drop(database, name)

    def tables(self, database: str) -> list[dict[str, Any]]:
        """Return the tables of a database with their columns."""
        names = self._clickhouse.rows(
            "SELECT name FROM system.tables "
            "WHERE database = {database:String} AND NOT startsWith(name, '.') ORDER BY name",
            {"database": database},
        )
        columns: dict[str, list[models.TableColumn]] = {name: [] for (name,) in names}
        for table, name, kind in self._clickhouse.rows(
            f"{_COLUMNS_SQL} ORDER BY table, position", {"database": database}
        ):
            if table in columns:
                columns[table].append(models.TableColumn(name=name, type=kind))
        return [codec.to_wire(models.Table(name=name, columns=own)) for name, own in columns.items()]

    def describe(self, database: str, table: str) -> dict[str, Any] | None:
        """Return a table's columns, row count and last change; None if there is no such table."""
        names = {"database": database, "table": table}
        rows = self._clickhouse.rows(
            "SELECT toUnixTimestamp(metadata_modification_time), total_rows, "
            "(SELECT toUnixTimestamp(max(modification_time)) FROM system.parts "
            "WHERE database = {database:String} AND table = {table:String} AND active) "
            "FROM system.tables WHERE database = {database:String} AND name = {table:String}",
            names,
        )
        if not rows:
            return None
        ((metadata_changed, total_rows, parts_changed),) = rows
        description = models.TableDescription(
            table_name=table,
            columns=self._columns(database, table),
            row_count=None if total_rows is None else int(total_rows),
            updated_at=datetime.fromtimestamp(max(int(metadata_changed or 0), int(parts_changed or 0)), timezone.utc),
        )
        return codec.to_wire(description)

    def preview(self, database: str, table: str, limit: int) -> dict[str, Any] | None:
        """Return a table's first rows; None if there is no such table."""
        columns = self._columns(database, table)
        if not columns:
            return None
        sql = f"SELECT * FROM {quoted(database)}.{quoted(table)} LIMIT {int(limit)}"  # noqa: S608  # both names are quoted
        try:
            text = self._clickhouse.query(sql, {**self._limits, **frames.JSON_SETTINGS, "readonly": "1"})
        except EngineError as error:
            if error.code in _UNKNOWN_TABLE_OR_DATABASE:  # it has just been dropped
                return None
            raise
        names, _, *lines = writer.decode_lines(text)
        rows = [dict(zip(names, line, strict=True)) for line in lines]
        preview = models.TablePreview(table_name=table, columns=columns, rows=rows, row_count=len(rows))
        return codec.to_wire(preview)

    def drop(self, database: str, table: str, *, wait: bool = True) -> bool:
        """Drop a table; False if there is no such table.

        Parameters
        ----------
        wait : bool
            Whether to return only when nothing reads it any more and its files are deleted.
        """
        try:
            self._clickhouse.query(f"DROP TABLE {quoted(database)}.{quoted(table)}{' SYNC' * wait}", {})
        except EngineError as error:
            if error.code in _UNKNOWN_TABLE_OR_DATABASE:
                return False
            raise
        return True

    def _columns(self, database: str, table: str) -> list[models.TableColumn]:
        rows = self._clickhouse.rows(
            f"{_COLUMNS_SQL} AND table = {{table:String}} ORDER BY position", {"database": database, "table": table}
        )
        return [models.TableColumn(name=name, type=kind) for _, name, kind in rows]
