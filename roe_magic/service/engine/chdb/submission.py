"""One query in the engine's process: from its SQL to its outcome and its files of rows.

:func:`run` is called on a thread of the worker:

1. ClickHouse's lexer finds the tokens, and ``statements.split`` cuts the SQL at its semicolons.
2. Each statement in turn is judged before it runs: the guard looks at its syntax tree, and ClickHouse classifies it.
3. It runs with the limits, the settings of earlier SETs, and those of its own SETTINGS clause. SET and USE do not run:
   SET changes the settings of the statements after it, and USE can only name the organisation's database.
4. Its rows are written to ``folder/n.arrow`` by ``output``.

All of this is under the statement's time limit, which the watchdog knows (``watchdog``).

The first statement that is refused or fails ends the query; what completed before it is in the outcome. A cancel sets
``Submission.cancelled`` on another thread and kills the statement that runs.
"""

from __future__ import annotations

import contextlib
import threading
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from roe_magic.contract import models
from roe_magic.errors import RoeError
from roe_magic.service.engine.chdb.connection_pool import UNIQUE_SETTING
from roe_magic.service.engine.chdb.conversion import Conversion
from roe_magic.service.engine.chdb.database import EmbeddedClickHouse, EngineError, Statistics, query_mark
from roe_magic.service.engine.chdb.output import Description, StatementOutput, SubmissionCancelled
from roe_magic.service.engine.chdb.progress import OnProgress, ProgressThrottle
from roe_magic.service.engine.chdb.watchdog import StatementWatch
from roe_magic.service.engine.sql import guard
from roe_magic.service.engine.sql.guard import StatementRefused, Verdict
from roe_magic.service.engine.sql.statements import SqlStatement, insert_as_select, split, without_settings
from roe_magic.service.job import Job, Outcome
from roe_magic.service.results import manifest, writer

# A SET or a SETTINGS clause may lower these, never raise them.
_LIMIT_SETTINGS = ("max_execution_time", "max_memory_usage")
# ClickHouse cuts SQL of more than 100,000 bytes in its list of running queries, and with it a mark at its end.
_MAX_MARKED_SQL = 20_000
_ONE_SELECT = "A table query is one SELECT statement, and nothing else."


@dataclass
class Submission:
    """A job that runs, and whether it is to stop.

    Parameters
    ----------
    job : Job
        What to run.
    limits : mapping of str to str
        The engine's settings for every statement.
    watch : callable
        Takes a time limit in seconds, and returns a context manager in which one statement runs.
    """

    job: Job
    limits: Mapping[str, str]
    watch: Callable[[float], contextlib.AbstractContextManager[StatementWatch]]
    # Settings of the SET statements so far.
    settings: dict[str, str] = field(default_factory=dict)
    cancelled: threading.Event = field(default_factory=threading.Event)
    ended: threading.Event = field(default_factory=threading.Event)
    completed: list[models.Statement] = field(default_factory=list)
    # Says in an error which statement it is about, if there are several.
    prefix: str = ""

    @property
    def time_limit(self) -> float:
        """How many seconds the next statement may run, if it sets no limit of its own; 0 for no limit."""
        return _number({**self.limits, **self.settings}.get("max_execution_time", "0"))

    def failed(self, error: str) -> Outcome:
        """Return the outcome if the statement that runs now is given up."""
        if self.cancelled.is_set():
            return Outcome(models.REVOKED)
        return Outcome(models.FAILURE, f"{self.prefix}{error}", manifest.encode(self.completed))


class SubmissionFailed(Exception):
    """A statement ended the submission; the message is for the user."""


def run(clickhouse: EmbeddedClickHouse, submission: Submission, on_progress: OnProgress) -> Outcome:
    """Run a submission, and return how it ended.

    Parameters
    ----------
    clickhouse : EmbeddedClickHouse
        Where to run it.
    submission : Submission
        What to run.
    on_progress : callable
        Takes the fields of models.Progress, at most every 100 ms.
    """
    status, error = models.SUCCESS, None
    try:
        Path(submission.job.folder).mkdir(parents=True, exist_ok=True)
        for statement in _run_statements(clickhouse, submission, on_progress):
            submission.completed.append(statement)
    except SubmissionFailed as failure:
        status, error = models.FAILURE, str(failure)
    except SubmissionCancelled:
        status = models.REVOKED
    except RecursionError:
        status, error = models.FAILURE, "The query is nested too deeply."
    except (OSError, ValueError, RoeError) as failure:
        status, error = models.FAILURE, f"The result could not be stored: {failure}"
    return Outcome(status, error, manifest.encode(submission.completed))


def _run_statements(
    clickhouse: EmbeddedClickHouse, submission: Submission, on_progress: OnProgress
) -> Iterator[models.Statement]:
    with submission.watch(submission.time_limit):
        statements = _split(clickhouse, submission.job.request.sql)
    if submission.job.request.row_limit is not None and len(statements) > 1:
        raise SubmissionFailed(_ONE_SELECT)
    for number, statement in enumerate(statements):
        if submission.cancelled.is_set():
            raise SubmissionCancelled
        submission.prefix = f"Statement {number + 1} of {len(statements)}: " if len(statements) > 1 else ""
        path = Path(submission.job.folder) / f"{number}.arrow"
        progress = ProgressThrottle(on_progress, number, len(statements))
        with submission.watch(submission.time_limit) as watch:
            statement_run = StatementRun(clickhouse, submission, statement, path, progress, watch)
            description = _run_statement(statement_run, submission, watch)
        yield description


def _run_statement(statement: StatementRun, submission: Submission, watch: StatementWatch) -> models.Statement:
    try:
        return statement.run()
    except StatementRefused as refusal:
        raise SubmissionFailed(f"{submission.prefix}{str(refusal)[:1].upper()}{str(refusal)[1:]}.") from None
    except (EngineError, OSError, ValueError, RoeError) as error:
        if submission.cancelled.is_set():
            raise SubmissionCancelled from None
        if watch.error is None and not isinstance(error, EngineError):
            raise
        raise SubmissionFailed(f"{submission.prefix}{watch.error or error}") from None


def _split(clickhouse: EmbeddedClickHouse, sql: str) -> list[SqlStatement]:
    if "\0" in sql:
        raise SubmissionFailed("The query holds a NUL character.")
    try:
        statements = split(sql, clickhouse.tokens)
    except EngineError as error:
        raise SubmissionFailed(error.message) from None
    if not statements:
        raise SubmissionFailed("The query is empty: it holds no statement.")
    return statements


class StatementRun:
    """One statement of a submission: judged, run, its rows written."""

    def __init__(
        self,
        clickhouse: EmbeddedClickHouse,
        submission: Submission,
        statement: SqlStatement,
        path: Path,
        progress: ProgressThrottle,
        watch: StatementWatch,
    ) -> None:
        self._clickhouse, self._submission, self._job = clickhouse, submission, submission.job
        self._original, self._path, self._progress, self._watch = statement, path, progress, watch
        self._statistics = Statistics()
        # A connection lets SQL change no setting, so those of the SETTINGS clause are given to the connection.
        self._statement, self._settings_clause = without_settings(statement)

    def run(self) -> models.Statement:
        """Run the statement, and return its description."""
        query_id, started = str(uuid.uuid4()), time.time()
        verdict = self._judge()
        output = self._write_nothing() if verdict.action in {"set", "use"} else self._execute(verdict)
        return models.Statement(
            query=self._original.sql,
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

    def _judge(self) -> Verdict:
        job, statement = self._job, self._statement
        tree = self._clickhouse.tree(insert_as_select(statement.tokens) or statement.sql)
        verdict = guard.judge(statement.tokens, tree, job.database, use_admin=job.request.use_admin)
        if job.request.row_limit is not None and not verdict.is_select:
            raise SubmissionFailed(_ONE_SELECT)
        if verdict.action == "set":
            self._submission.settings.update(self._within_limits(guard.settings_of(tree)))
        elif verdict.action != "use":
            self._check_class(verdict)
        return verdict

    def _check_class(self, verdict: Verdict) -> None:
        """Check ClickHouse's own view of the statement: a second line of defence if the guard misses something."""
        kind, writes_own_only = self._clickhouse.classify(self._statement.sql, self._job.database)
        is_expected = kind == "READ_ONLY" if verdict.action == "read" else kind == "MUTATING" and writes_own_only
        if not is_expected:
            raise StatementRefused("this statement reaches beyond your own tables")

    def _within_limits(self, settings: Mapping[str, str]) -> Mapping[str, str]:
        """Return the settings, or raise StatementRefused where one would raise a limit."""
        for name in _LIMIT_SETTINGS:
            limit, value = float(self._submission.limits.get(name, 0)), settings.get(name)
            if value is not None and limit and not 0 < _number(value) <= limit:
                raise StatementRefused(f"the setting {name} can be lowered only, to at most {limit:g}")
        if settings:
            # ClickHouse refuses a bad value here, and not at the statement that would use it.
            self._clickhouse.query("SELECT 1", {**settings, "readonly": "1"})
        return settings

    def _settings(self, verdict: Verdict) -> dict[str, str]:
        fixed = {"database": self._job.database}
        if verdict.action == "read":
            fixed["readonly"] = "1"
        if self._job.request.row_limit is not None:
            # The engine limits the rows of the outermost SELECT, so that what runs is the text that was judged.
            fixed["limit"] = str(self._job.request.row_limit + 1)
        clause: Mapping[str, str] = {}
        if self._settings_clause:
            clause = self._within_limits(guard.settings_of(self._clickhouse.tree(f"SET {self._settings_clause}")))
        settings = {**self._submission.limits, **self._submission.settings, **clause, **fixed}
        self._watch.lower(_number(settings.get("max_execution_time", "0")))
        return settings

    def _write_nothing(self) -> Description:
        writer.write_empty(self._path)
        return Description([], [])

    def _execute(self, verdict: Verdict) -> Description:
        settings, sql = self._settings(verdict), self._statement.sql
        if verdict.is_select and len(sql) < _MAX_MARKED_SQL:
            sql = f"{sql}\n{query_mark(self._job.id)}"
        else:
            settings[UNIQUE_SETTING] = self._job.id
        if verdict.action == "write":
            return self._write(sql, settings)
        conversion = Conversion(self._clickhouse, self._submission.limits, self._job.id)
        output = StatementOutput(
            self._clickhouse, conversion, self._path, self._statistics, self._progress, self._submission.cancelled
        )
        return output.write(sql, settings, verdict)

    def _write(self, sql: str, settings: dict[str, str]) -> Description:
        """Run a statement that writes, and may create or drop a view."""
        self._clickhouse.totals_views.forget()
        try:
            self._clickhouse.query(sql, settings, statistics=self._statistics, on_progress=self._progress)
        finally:
            self._clickhouse.totals_views.forget()
        self._statistics.result_rows = 0
        return self._write_nothing()


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return -1.0
