"""One query in the engine's process: from its SQL to its outcome and its files of rows.

:func:`run` is called on a thread of the worker:

1. ClickHouse's lexer finds the tokens, and ``splitting.split`` cuts the SQL at its semicolons.
2. Each statement in turn is judged before it runs: the guard looks at its syntax tree, and ClickHouse classifies it.
3. It runs with the limits, the settings of earlier SETs, and those of its own SETTINGS clause. SET and USE do not run:
   SET changes the settings of the statements after it, and USE can only name the organisation's database.
4. Its rows are written to ``folder/n.arrow`` by ``output``.

All of this is under the statement's time limit, which the watchdog knows (``watchdog``).

The first statement that is refused or fails ends the query; what completed before it is in the outcome. A cancel sets
``Submission.cancelled`` on another thread and kills the statement that runs.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from roe_magic.contract import models
from roe_magic.errors import RoeError
from roe_magic.service.engine.chdb.database import EmbeddedClickHouse, EngineError
from roe_magic.service.engine.chdb.output import SubmissionCancelled
from roe_magic.service.engine.chdb.preparation import Preparation
from roe_magic.service.engine.chdb.progress import OnProgress, ProgressThrottle
from roe_magic.service.engine.chdb.statement_run import ONE_SELECT, StatementRun
from roe_magic.service.engine.chdb.submission import Submission, SubmissionFailed
from roe_magic.service.engine.chdb.watchdog import StatementWatch
from roe_magic.service.engine.sql.refusal import StatementRefused
from roe_magic.service.engine.sql.statements import SqlStatement
from roe_magic.service.job import Outcome


def run(
    clickhouse: EmbeddedClickHouse, preparation: Preparation, submission: Submission, on_progress: OnProgress
) -> Outcome:
    """Run a submission, and return how it ended.

    Parameters
    ----------
    clickhouse : EmbeddedClickHouse
        Where to run it.
    preparation : Preparation
        Judges its statements.
    submission : Submission
        What to run.
    on_progress : callable
        Takes the fields of models.Progress, at most every 100 ms.
    """
    status, error = models.SUCCESS, None
    try:
        Path(submission.job.folder).mkdir(parents=True, exist_ok=True)
        for statement in _run_statements(clickhouse, preparation, submission, on_progress):
            submission.completed.append(statement)
    except SubmissionFailed as failure:
        status, error = models.FAILURE, str(failure)
    except SubmissionCancelled:
        status = models.REVOKED
    except RecursionError:
        status, error = models.FAILURE, f"{submission.prefix}The statement is nested too deeply."
    except (OSError, ValueError, RoeError) as failure:
        status, error = models.FAILURE, f"{submission.prefix}The result could not be stored: {failure}"
    finally:
        if submission.has_session:
            clickhouse.end_session(submission.job.id)
    return submission.ended_with(status, error)


def _run_statements(
    clickhouse: EmbeddedClickHouse, preparation: Preparation, submission: Submission, on_progress: OnProgress
) -> Iterator[models.Statement]:
    with submission.watch(submission.time_limit):
        statements = _split(preparation, submission.job.request.sql)
    if submission.job.request.row_limit is not None and len(statements) > 1:
        raise SubmissionFailed(ONE_SELECT)
    for number, statement in enumerate(statements):
        if submission.cancelled.is_set():
            raise SubmissionCancelled
        submission.at_last_statement = number + 1 == len(statements)
        submission.prefix = f"Statement {number + 1} of {len(statements)}: " if len(statements) > 1 else ""
        path = Path(submission.job.folder) / f"{number}.arrow"
        progress = ProgressThrottle(on_progress, number, len(statements))
        with submission.watch(submission.time_limit) as watch:
            statement_run = StatementRun(clickhouse, preparation, submission, statement, path, progress, watch)
            description = _run_statement(statement_run, submission, watch)
        if description.summary is not None:
            progress.end(description.summary)
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


def _split(preparation: Preparation, sql: str) -> list[SqlStatement]:
    if "\0" in sql:
        raise SubmissionFailed("The query holds a NUL character.")
    try:
        statements = preparation.split(sql)
    except EngineError as error:
        raise SubmissionFailed(error.message) from None
    if not statements:
        raise SubmissionFailed("The query is empty: it holds no statement.")
    return statements
