"""Lists, describes, previews, imports and drops tables, with SQL of the service's own.

An imported file becomes a table in three steps: the types of its columns are inferred, its rows go into a table with a
temporary name, and that is renamed. So nobody reads half of a table, or drops it in between.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import datetime, timezone
from pathlib import Path
from typing import Any
from uuid import uuid4

from roe_magic import frames
from roe_magic.contract import codec, models
from roe_magic.service.engine.chdb import csv_file, csv_types
from roe_magic.service.engine.chdb.database import EmbeddedClickHouse, EngineError, Statistics
from roe_magic.service.engine.chdb.file_source import FileSource
from roe_magic.service.engine.sql.quoting import quoted
from roe_magic.service.results import writer

_COLUMNS_SQL = "SELECT table, name, type FROM system.columns WHERE database = {database:String}"
# ClickHouse's error codes.
_UNKNOWN_TABLE_OR_DATABASE = (60, 81)
_TABLE_EXISTS = 57
# The beginning of a table's name while its rows are imported. Names that begin with a dot are not listed.
_IMPORT_PREFIX = ".import_"


class TableCatalogue:
    """The tables of the open data folder.

    Parameters
    ----------
    clickhouse : EmbeddedClickHouse
        Where they are.
    limits : mapping of str to str
        Settings that limit what an import or a preview may use.
    """

    def __init__(self, clickhouse: EmbeddedClickHouse, limits: Mapping[str, str]) -> None:
        self._clickhouse, self._limits = clickhouse, limits

    def ensure_database(self, database: str) -> None:
        """Create a database unless it exists; drop what a killed import left in it."""
        self._clickhouse.query(f"CREATE DATABASE IF NOT EXISTS {quoted(database)}", {})
        leftovers = (
            "SELECT name FROM system.tables WHERE database = {database:String} AND startsWith(name, {prefix:String})"
        )
        for (name,) in self._clickhouse.rows(leftovers, {"database": database, "prefix": _IMPORT_PREFIX}):
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

    def create_from_csv(self, database: str, table: str, path: str, *, with_headers: bool) -> dict[str, Any]:
        """Create a table from a CSV file; the types of its columns are inferred."""
        self._require_free(database, table)
        file = csv_file.prepare(Path(path), with_headers=with_headers)
        # Every column is nullable, since an empty cell means "no value" in most CSV files.
        settings = {
            "schema_inference_make_columns_nullable": "1",
            "input_format_csv_empty_as_default": "1",
            # Otherwise a column that contains 1.5e-05 becomes text.
            "input_format_try_infer_exponent_floats": "1",
            # The caller says whether the first row is a header; it is not guessed.
            "input_format_csv_detect_header": "0",
            "input_format_csv_skip_first_lines": str(file.skipped),
        }
        try:
            return self._create(database, table, FileSource(path, "CSV", settings, file.separator, file.names))
        except EngineError as error:
            raise file.explain(error) from None

    def create_from_arrow(self, database: str, table: str, path: str) -> dict[str, Any]:
        """Create a table from an Arrow file or stream."""
        self._require_free(database, table)
        with Path(path).open("rb") as file:
            file_format = "Arrow" if file.read(6) == b"ARROW1" else "ArrowStream"
        return self._create(database, table, FileSource(path, file_format))

    def drop(self, database: str, table: str) -> bool:
        """Drop a table; False if there is no such table."""
        try:
            self._clickhouse.query(f"DROP TABLE {quoted(database)}.{quoted(table)} SYNC", {})
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

    def _require_free(self, database: str, table: str) -> None:
        """Raise EngineError if a table exists, before its file is read, which may take long."""
        sql = "SELECT 1 FROM system.tables WHERE database = {database:String} AND name = {table:String}"
        if self._clickhouse.rows(sql, {"database": database, "table": table}):
            raise _exists_error(table)

    def _create(self, database: str, table: str, source: FileSource) -> dict[str, Any]:
        temporary_name = f"{_IMPORT_PREFIX}{uuid4().hex}"
        temporary = f"{quoted(database)}.{quoted(temporary_name)}"
        # Otherwise a folder called a=b in the path becomes a column.
        settings = {**self._limits, **source.settings, "use_hive_partitioning": "0"}
        columns = csv_types.columns(self._clickhouse, source, settings)
        declarations = _declarations(source.names or [column for column, _ in columns], columns)
        self._clickhouse.query(f"CREATE TABLE {temporary} ({declarations}) ENGINE = MergeTree ORDER BY tuple()", {})
        statistics = Statistics()
        file = source.sql(columns if source.names else ())
        insert = f"INSERT INTO {temporary} SELECT * FROM {file}{source.settings_clause}"  # noqa: S608  # quoted above
        try:
            self._clickhouse.query(insert, settings, statistics=statistics)
            self._clickhouse.query(f"RENAME TABLE {temporary} TO {quoted(database)}.{quoted(table)}", {})
        except EngineError as error:
            self.drop(database, temporary_name)
            raise _exists_error(table) if error.code == _TABLE_EXISTS else error from None
        summary = models.Summary(
            read_rows=statistics.read_rows,
            read_bytes=statistics.read_bytes,
            written_rows=statistics.written_rows,
            written_bytes=statistics.written_bytes,
            elapsed_ns=statistics.elapsed_ns,
        )
        return codec.to_wire(summary)


def _declarations(names: Sequence[str], columns: Sequence[tuple[str, str]]) -> str:
    if len(names) != len(columns):
        raise EngineError(
            f"the first line has {len(names)} values and the rows have {len(columns)}", csv_file.INCORRECT_DATA
        )
    if any(re.search(r"[\0\ud800-\udfff]", name) for name in names):  # bytes that are not UTF-8 are read as surrogates
        raise EngineError("A column's name holds bytes that are not text.")
    return ", ".join(f"{quoted(name)} {kind}" for name, (_, kind) in zip(names, columns, strict=True))


def _exists_error(table: str) -> EngineError:
    return EngineError(
        f"A table named {table!r} exists already; delete it first (in a notebook: %roe upload {table} FILE --replace).",
        _TABLE_EXISTS,
    )
