"""The worker's own work on tables: list, describe, preview, import, drop. None of it is SQL that a caller wrote."""

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
from roe_magic.service.engine.chdb.database import Embedded, EngineError, Figures
from roe_magic.service.engine.chdb.file_source import Source, quoted
from roe_magic.service.results import writer

_COLUMNS = "SELECT table, name, type FROM system.columns WHERE database = {database:String}"
_UNKNOWN = (60, 81)
_EXISTS = 57
# What the name of a table begins with while its rows are imported; lists leave out names with a dot in front.
_DRAFT = ".import_"


class Tables:
    """The tables of the open data folder.

    Parameters
    ----------
    engine : Embedded
        Where they are.
    limits : mapping of str to str
        The limits that imports keep.
    """

    def __init__(self, engine: Embedded, limits: Mapping[str, str]) -> None:
        self._engine, self._limits = engine, limits

    def ensure_database(self, database: str) -> None:
        """Make a database, unless it is there; drop what a killed import left in it."""
        self._engine.query(f"CREATE DATABASE IF NOT EXISTS {quoted(database)}", {})
        left = "SELECT name FROM system.tables WHERE database = {database:String} AND startsWith(name, {draft:String})"
        for (name,) in self._engine.rows(left, {"database": database, "draft": _DRAFT}):
            self.drop(database, name)

    def every(self, database: str) -> list[dict[str, Any]]:
        """Give every table of a database with its columns."""
        names = self._engine.rows(
            "SELECT name FROM system.tables "
            "WHERE database = {database:String} AND NOT startsWith(name, '.') ORDER BY name",
            {"database": database},
        )
        columns: dict[str, list[models.TableColumn]] = {name: [] for (name,) in names}
        for table, name, kind in self._engine.rows(f"{_COLUMNS} ORDER BY table, position", {"database": database}):
            if table in columns:
                columns[table].append(models.TableColumn(name=name, type=kind))
        return [codec.to_wire(models.Table(name=name, columns=found)) for name, found in columns.items()]

    def describe(self, database: str, table: str) -> dict[str, Any] | None:
        """Give one table's columns, row count and last change; None when there is no such table."""
        place = {"database": database, "table": table}
        found = self._engine.rows(
            "SELECT toUnixTimestamp(metadata_modification_time), total_rows, "
            "(SELECT toUnixTimestamp(max(modification_time)) FROM system.parts "
            "WHERE database = {database:String} AND table = {table:String} AND active) "
            "FROM system.tables WHERE database = {database:String} AND name = {table:String}",
            place,
        )
        if not found:
            return None
        ((made, rows, changed),) = found
        description = models.TableDescription(
            table_name=table,
            columns=self._columns(database, table),
            row_count=None if rows is None else int(rows),
            updated_at=datetime.fromtimestamp(max(int(made or 0), int(changed or 0)), timezone.utc),
        )
        return codec.to_wire(description)

    def preview(self, database: str, table: str, limit: int) -> dict[str, Any] | None:
        """Give a table's first rows; None when there is no such table."""
        columns = self._columns(database, table)
        if not columns:
            return None
        sql = f"SELECT * FROM {quoted(database)}.{quoted(table)} LIMIT {int(limit)}"  # noqa: S608  # both names are quoted
        try:
            text = self._engine.query(sql, {**self._limits, **frames.JSON_SETTINGS, "readonly": "1"})
        except EngineError as error:
            if error.code in _UNKNOWN:  # it was dropped this moment
                return None
            raise
        names, _, *rows = writer.lines(text)
        shown = [dict(zip(names, row, strict=True)) for row in rows]
        preview = models.TablePreview(table_name=table, columns=columns, rows=shown, row_count=len(shown))
        return codec.to_wire(preview)

    def load_csv(self, database: str, table: str, path: str, *, with_headers: bool) -> dict[str, Any]:
        """Make a table from a CSV file, whose columns' types are inferred."""
        self._require_free(database, table)
        file = csv_file.prepare(Path(path), with_headers=with_headers)
        # Every column may be NULL, since an empty cell means "no value" in most CSV files.
        settings = {
            "schema_inference_make_columns_nullable": "1",
            "input_format_csv_empty_as_default": "1",
            # Without it a column with 1.5e-05 in it becomes text.
            "input_format_try_infer_exponent_floats": "1",
            # Whether the first row is a header is said by the caller, not guessed.
            "input_format_csv_detect_header": "0",
            "input_format_csv_skip_first_lines": str(file.skipped),
        }
        try:
            return self._load(database, table, Source(path, "CSV", settings, file.separator, file.names))
        except EngineError as error:
            raise file.explained(error) from None

    def load_arrow(self, database: str, table: str, path: str) -> dict[str, Any]:
        """Make a table from an Arrow file or stream."""
        self._require_free(database, table)
        with Path(path).open("rb") as file:
            form = "Arrow" if file.read(6) == b"ARROW1" else "ArrowStream"
        return self._load(database, table, Source(path, form))

    def drop(self, database: str, table: str) -> bool:
        """Remove a table; False when there is none of that name."""
        try:
            self._engine.query(f"DROP TABLE {quoted(database)}.{quoted(table)} SYNC", {})
        except EngineError as error:
            if error.code in _UNKNOWN:
                return False
            raise
        return True

    def _columns(self, database: str, table: str) -> list[models.TableColumn]:
        rows = self._engine.rows(
            f"{_COLUMNS} AND table = {{table:String}} ORDER BY position", {"database": database, "table": table}
        )
        return [models.TableColumn(name=name, type=kind) for _, name, kind in rows]

    def _require_free(self, database: str, table: str) -> None:
        """Say that a table exists before its file is looked at, which may take long."""
        found = "SELECT 1 FROM system.tables WHERE database = {database:String} AND name = {table:String}"
        if self._engine.rows(found, {"database": database, "table": table}):
            raise _taken(table)

    def _load(self, database: str, table: str, source: Source) -> dict[str, Any]:
        # Under its own name the table appears when it is whole: nobody reads half of it, or drops it in between.
        draft = f"{_DRAFT}{uuid4().hex}"
        place = f"{quoted(database)}.{quoted(draft)}"
        # A folder called a=b in the path would make a column.
        settings = {**self._limits, **source.settings, "use_hive_partitioning": "0"}
        columns = csv_types.columns(self._engine, source, settings)
        declared = _declared(source.names or [column for column, _ in columns], columns)
        self._engine.query(f"CREATE TABLE {place} ({declared}) ENGINE = MergeTree ORDER BY tuple()", {})
        figures = Figures()
        rows = source.sql(columns if source.names else ())
        try:
            self._engine.query(f"INSERT INTO {place} SELECT * FROM {rows}{source.clause}", settings, figures=figures)  # noqa: S608  # quoted above
            self._engine.query(f"RENAME TABLE {place} TO {quoted(database)}.{quoted(table)}", {})
        except EngineError as error:
            self.drop(database, draft)
            raise _taken(table) if error.code == _EXISTS else error from None
        summary = models.Summary(
            read_rows=figures.read_rows,
            read_bytes=figures.read_bytes,
            written_rows=figures.written_rows,
            written_bytes=figures.written_bytes,
            elapsed_ns=figures.elapsed_ns,
        )
        return codec.to_wire(summary)


def _declared(names: Sequence[str], columns: Sequence[tuple[str, str]]) -> str:
    if len(names) != len(columns):
        raise EngineError(f"the first line has {len(names)} values and the rows have {len(columns)}", csv_file.UNEVEN)
    if any(re.search(r"[\0\ud800-\udfff]", name) for name in names):  # bytes that are not UTF-8 are read as surrogates
        raise EngineError("A column's name holds bytes that are not text.")
    return ", ".join(f"{quoted(name)} {kind}" for name, (_, kind) in zip(names, columns, strict=True))


def _taken(table: str) -> EngineError:
    return EngineError(
        f"A table named {table!r} exists already; delete it first (in a notebook: %roe upload {table} FILE --replace).",
        _EXISTS,
    )
