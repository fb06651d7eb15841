"""Runs one statement of a submission: prepared, run with its settings, its rows written."""

from __future__ import annotations

import time
import uuid
from collections.abc import Mapping
from pathlib import Path

from roe_magic.contract import models
from roe_magic.service.engine.chdb import system_views
from roe_magic.service.engine.chdb.connection_pool import PARAMETER, UNIQUE_SETTING, Place
from roe_magic.service.engine.chdb.conversion import Conversion, scratch_file
from roe_magic.service.engine.chdb.database import EmbeddedClickHouse, Statistics, query_mark
from roe_magic.service.engine.chdb.output import Description, StatementOutput
from roe_magic.service.engine.chdb.preparation import FormattedRows, Preparation, PreparedStatement
from roe_magic.service.engine.chdb.progress import ProgressThrottle
from roe_magic.service.engine.chdb.submission import Submission, SubmissionFailed, time_limit
from roe_magic.service.engine.chdb.watchdog import StatementWatch
from roe_magic.service.engine.sql import settings
from roe_magic.service.engine.sql.quoting import literal, quoted
from roe_magic.service.engine.sql.refusal import require
from roe_magic.service.engine.sql.settings import Changes
from roe_magic.service.engine.sql.splitting import LONG_TEXT
from roe_magic.service.engine.sql.statements import SqlStatement
from roe_magic.service.results import manifest, writer

# ClickHouse cuts SQL of more than 100,000 bytes in its list of running queries, and with it a mark at its end.
_MAX_MARKED_SQL = 20_000
# The answer to a question of the service's own must be neither an old one nor cut, nor an error because of a low limit:
# where a limit breaks the answer off, the block that exceeds it still arrives, and that is all of it.
_UNCUT = {
    "readonly": "1",
    "use_query_cache": "0",
    "limit": "0",
    "offset": "0",
    "page": "0",
    "result_overflow_mode": "break",
    "read_overflow_mode": "break",
}
ONE_SELECT = "A table query is one SELECT statement, and nothing else."


class StatementRun:
    """One statement of a submission: judged, run, its rows written."""

    def __init__(
        self,
        clickhouse: EmbeddedClickHouse,
        preparation: Preparation,
        submission: Submission,
        statement: SqlStatement,
        path: Path,
        progress: ProgressThrottle,
        watch: StatementWatch,
    ) -> None:
        self._clickhouse, self._preparation = clickhouse, preparation
        self._submission, self._job = submission, submission.job
        self._statement, self._path, self._progress, self._watch = statement, path, progress, watch
        self._statistics = Statistics()

    def run(self) -> models.Statement:
        """Run the statement, and return its description."""
        query_id, started = str(uuid.uuid4()), time.time()
        prepared = self._preparation.prepare(self._statement, self._job, self._submission.settings)
        notices = [*prepared.notices, *self._without_effect(prepared)]
        self._submission.notices += [notice for notice in notices if notice not in self._submission.notices]
        output = self._run_prepared(prepared)
        return models.Statement(
            query=self._sql_to_store(),
            summary=self._summary(query_id),
            row_count=self._statistics.result_rows,
            column_names=output.names,
            column_types=output.types,
            totals=output.totals,
            extremes=output.extremes,
            start_timestamp=started,
            end_timestamp=time.time(),
            query_id=query_id,
        )

    def _without_effect(self, prepared: PreparedStatement) -> list[str]:
        """Return the notice of a SET or USE that no statement follows."""
        word = prepared.verdict.action.upper()
        if word not in {"SET", "USE"} or not self._submission.at_last_statement:
            return []
        return [f"{word} had no effect: it lasts until the end of its query. Write it before the statements it is for."]

    def _sql_to_store(self) -> str | None:
        """Return the statement's SQL, None if it is long and all there is: the query is stored with it already."""
        sql = self._statement.sql
        is_whole = sql == manifest.only_statement(self._job.request.sql)
        return None if len(sql) > LONG_TEXT and is_whole else sql

    def _run_prepared(self, prepared: PreparedStatement) -> Description:
        if self._job.request.row_limit is not None and not prepared.verdict.is_select:
            raise SubmissionFailed(ONE_SELECT)
        if prepared.verdict.action == "set":
            self._set(prepared.changes)
        if prepared.verdict.action in {"set", "use"}:
            return self._write_nothing()
        self._submission.has_session |= prepared.verdict.concerns_temporary_table
        return self._execute(prepared)

    def _summary(self, query_id: str) -> models.Summary:
        statistics, progress = self._statistics, self._progress.counters
        return models.Summary(
            # The last rows of a stream may be read after its last part was counted; the progress includes them.
            read_rows=max(statistics.read_rows, progress.get("read_rows", 0)),
            read_bytes=max(statistics.read_bytes, progress.get("read_bytes", 0)),
            written_rows=statistics.written_rows,
            written_bytes=statistics.written_bytes,
            total_rows_to_read=progress.get("total_rows_to_read", 0),
            result_rows=statistics.result_rows,
            result_bytes=self._path.stat().st_size if statistics.result_rows else 0,
            elapsed_ns=statistics.elapsed_ns,
            query_id=query_id,
        )

    def _set(self, changes: Changes) -> None:
        """Change the settings of the statements that follow."""
        parameters = {f"{PARAMETER}{name}": value for name, value in changes.parameters.items()}
        self._check_values(changes)
        self._submission.settings = {**changes.applied_to(self._submission.settings), **parameters}

    def _check_values(self, changes: Changes) -> None:
        """Raise StatementRefused where a value would raise a limit, EngineError where a setting cannot have it."""
        if changes.without_value:
            names = ", ".join(map(quoted, sorted(changes.without_value)))
            self._clickhouse.query(f"SELECT 1 SETTINGS {names}", self._submission.limits)
        if changes.values:
            limits = self._submission.limits
            bounded = [name for name in changes.values if settings.is_bounded(name)]
            values = self._clickhouse.setting_values(bounded, {**limits, **changes.values, **_UNCUT})
            allowed = self._clickhouse.setting_values(bounded, limits) if bounded else {}
            for name in bounded:  # an answer without the value is that of a value which is not permitted
                settings.check_value(name, values.get(name, ""), allowed[name])

    def _settings(self, prepared: PreparedStatement) -> dict[str, str]:
        self._check_values(prepared.changes)
        chosen = prepared.changes.applied_to(self._submission.settings)
        fixed = {**system_views.filters(self._job.database)}
        if chosen.get("use_query_cache", "0") != "0":
            # Or ClickHouse refuses to cache anything, because of the filters on system tables.
            fixed["query_cache_system_table_handling"] = "save"
        if prepared.verdict.readonly != "0":
            fixed["readonly"] = prepared.verdict.readonly
        if self._job.request.row_limit is not None:
            fixed["limit"] = str(_row_limit(self._job.request.row_limit + 1, chosen))
        all_settings = {**self._submission.limits, **chosen, **fixed}
        self._watch.lower(time_limit(all_settings))
        return all_settings

    @property
    def _place(self) -> Place:
        return Place(self._job.database, self._job.id if self._submission.has_session else "")

    def _write_nothing(self) -> Description:
        writer.write_empty(self._path)
        return Description([], [])

    def _execute(self, prepared: PreparedStatement) -> Description:
        statement_settings, sql, verdict = self._settings(prepared), prepared.sql, prepared.verdict
        if self._submission.has_session and verdict.is_select:  # see ConnectionPool.lend
            sql = f"{sql}\nSETTINGS readonly = {verdict.readonly}"
        if (verdict.is_select or prepared.rows) and len(sql) < _MAX_MARKED_SQL and not verdict.has_secrets:
            sql = f"{sql}\n{query_mark(self._job.id)}"
        else:
            statement_settings[UNIQUE_SETTING] = self._job.id
        if verdict.action == "write":
            self._write(prepared, sql, statement_settings)
            return self._write_nothing()
        conversion = Conversion(self._clickhouse, self._submission.limits, statement_settings, self._job.id)
        output = StatementOutput(
            self._clickhouse,
            conversion,
            self._path,
            self._statistics,
            self._progress,
            self._submission.cancelled,
            self._place,
        )
        return output.write(sql, statement_settings, verdict)

    def _write(self, prepared: PreparedStatement, sql: str, statement_settings: Mapping[str, str]) -> None:
        """Run a statement that writes, and may create or drop a view."""
        self._clickhouse.totals_views.forget()
        try:
            if prepared.rows:
                self._insert(sql, prepared.rows, statement_settings)
            else:
                self._query(sql, statement_settings)
        finally:
            self._clickhouse.totals_views.forget()
        self._statistics.result_rows = 0

    def _insert(self, sql: str, rows: FormattedRows, statement_settings: Mapping[str, str]) -> None:
        # Not with chDB's own send_insert: it hides the error of a constraint, of a default, of a materialized view.
        with scratch_file() as path:
            path.write_bytes(rows.data)
            self._query(f"{sql} FROM INFILE {literal(str(path))} FORMAT {rows.format}", statement_settings)

    def _query(self, sql: str, statement_settings: Mapping[str, str]) -> None:
        self._clickhouse.query(
            sql, statement_settings, self._place, statistics=self._statistics, on_progress=self._progress
        )


def _row_limit(rows: int, chosen: Mapping[str, str]) -> int:
    """Return the value of the setting ``limit`` for at most so many rows; the caller may have chosen fewer.

    The engine limits the rows of the outermost SELECT, so that what runs is the text that was judged.
    """
    limit = chosen.get("limit", "0")
    require(limit.isdecimal(), "the setting limit must be a whole number in a table query")
    # The engine counts pages in multiples of the limit, which is another one here.
    require(not chosen.get("page", "").strip("0."), "the setting page is not offered in a table query; use offset")
    return min(int(limit) or rows, rows)
