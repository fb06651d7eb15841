"""One submission in the worker: split it, have every statement judged, run them in order, write each one's rows."""

from __future__ import annotations

import threading
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from roe_magic import frames
from roe_magic.contract import models
from roe_magic.errors import RoeError
from roe_magic.service.engine.chdb.connection_pool import UNIQUE
from roe_magic.service.engine.chdb.database import Embedded, EngineError, Figures, mark
from roe_magic.service.engine.sql import guard
from roe_magic.service.engine.sql.guard import Refused, Verdict
from roe_magic.service.engine.sql.statements import Piece, insert_as_select, lift_settings, split
from roe_magic.service.results import writer
from roe_magic.service.state import serializers

# Lowered by a SET or a SETTINGS clause, never raised.
_LIMITS = ("max_execution_time", "max_memory_usage")
PROGRESS_SECONDS = 0.1
# In the list of what runs, the engine cuts a text of over 100,000 bytes.
_LONG = 20_000
_FIGURES = ("read_rows", "read_bytes", "total_rows_to_read", "written_rows", "written_bytes", "elapsed_ns")


@dataclass
class Submission:
    """What runs now, and the wish to stop it."""

    tag: str
    sql: str
    database: str
    use_admin: bool
    folder: Path
    limits: Mapping[str, str]
    # What SET has chosen so far.
    chosen: dict[str, str] = field(default_factory=dict)
    cancelled: threading.Event = field(default_factory=threading.Event)
    ended: threading.Event = field(default_factory=threading.Event)


class Failed(Exception):
    """A statement ended the submission; the message is for the user."""


class Cancelled(Exception):
    """The submission was asked to stop, and has."""


def run(engine: Embedded, job: Submission, report: Callable[[dict[str, int]], None]) -> dict[str, Any]:
    """Run a submission and give its Outcome as plain values.

    Parameters
    ----------
    engine : Embedded
        Where to run it.
    job : Submission
        The SQL and its circumstances. Statement n, from 0, writes ``folder/n.arrow``.
    report : callable
        Takes progress figures, every 100 ms at most.
    """
    done: list[models.Statement] = []
    status, error = models.SUCCESS, None
    try:
        job.folder.mkdir(parents=True, exist_ok=True)
        for statement in _statements(engine, job, report):
            done.append(statement)  # noqa: PERF402  # extend promises nothing about those before an error
    except Failed as failure:
        status, error = models.FAILURE, str(failure)
    except Cancelled:
        status = models.REVOKED
    except RecursionError:
        status, error = models.FAILURE, "The query is nested too deeply."
    except (OSError, ValueError, RoeError) as failure:
        status, error = models.FAILURE, f"The engine's answer could not be kept: {failure}"
    return {"status": status, "error": error, "statements": serializers.statements_out(done)}


def _statements(
    engine: Embedded, job: Submission, report: Callable[[dict[str, int]], None]
) -> Iterator[models.Statement]:
    pieces = _split_or_fail(engine, job.sql)
    for number, piece in enumerate(pieces):
        if job.cancelled.is_set():
            raise Cancelled
        place = f"Statement {number + 1} of {len(pieces)}: " if len(pieces) > 1 else ""
        progress = _Throttle(report, number, len(pieces))
        try:
            yield _Run(engine, job, piece, job.folder / f"{number}.arrow", progress).statement()
        except Refused as refusal:
            raise Failed(f"{place}{str(refusal)[:1].upper()}{str(refusal)[1:]}.") from None
        except EngineError as error:
            if job.cancelled.is_set():
                raise Cancelled from None
            raise Failed(f"{place}{error.message}") from None


def _split_or_fail(engine: Embedded, sql: str) -> list[Piece]:
    if "\0" in sql:
        raise Failed("The query holds a NUL character.")
    try:
        pieces = split(sql, engine.tokens)
    except EngineError as error:
        raise Failed(error.message) from None
    if not pieces:
        raise Failed("The query is empty: it holds no statement.")
    return pieces


class _Throttle:
    """Passes the engine's progress on, seldom enough for the pipe."""

    def __init__(self, report: Callable[[dict[str, int]], None], statement: int, statements: int) -> None:
        self._report, self._place = report, {"statement": statement, "statements": statements}
        # A statement that ends sooner needs no progress.
        self._next = time.monotonic() + PROGRESS_SECONDS
        self.seen: dict[str, int] = {}

    def __call__(self, figures: Mapping[str, int]) -> None:
        self.seen = {name: max(int(figures.get(name, 0)), self.seen.get(name, 0)) for name in _FIGURES}
        now = time.monotonic()
        if now >= self._next:
            self._next = now + PROGRESS_SECONDS
            self._report({**self.seen, **self._place})


class _Run:
    """One statement of a submission."""

    def __init__(self, engine: Embedded, job: Submission, piece: Piece, path: Path, progress: _Throttle) -> None:
        self._engine, self._job, self._piece, self._path, self._progress = engine, job, piece, path, progress
        self._figures = Figures()
        # The connection lets no setting be changed by SQL: those of the SETTINGS clause go into the connection.
        self._bare, self._clause = lift_settings(piece)

    def statement(self) -> models.Statement:
        query_id, began = str(uuid.uuid4()), time.time()
        verdict = self._judge()
        names, types = self._nothing() if verdict.action in {"set", "use"} else self._rows(verdict)
        return models.Statement(
            query=self._piece.text,
            summary=self._summary(query_id),
            row_count=self._figures.result_rows,
            column_names=names,
            column_types=types,
            start_timestamp=began,
            end_timestamp=time.time(),
            query_id=query_id,
        )

    def _summary(self, query_id: str) -> models.Summary:
        figures, seen = self._figures, self._progress.seen
        return models.Summary(
            # A stream's parts may be counted before the last of it has been read; the progress then knows more.
            read_rows=max(figures.read_rows, seen.get("read_rows", 0)),
            read_bytes=max(figures.read_bytes, seen.get("read_bytes", 0)),
            written_rows=figures.written_rows,
            written_bytes=figures.written_bytes,
            total_rows_to_read=seen.get("total_rows_to_read", 0),
            result_rows=figures.result_rows,
            result_bytes=self._path.stat().st_size if figures.result_rows else 0,
            elapsed_ns=figures.elapsed_ns,
            query_id=query_id,
        )

    def _judge(self) -> Verdict:
        engine, job, statement = self._engine, self._job, self._bare
        tree = engine.tree(insert_as_select(statement.tokens) or statement.text)
        verdict = guard.judge(statement.tokens, tree, job.database, use_admin=job.use_admin)
        if verdict.action == "set":
            job.chosen.update(self._lowered(guard.settings_of(tree)))
        elif verdict.action != "use":
            # The engine's own opinion is the second lock on the same door.
            kind, only_own = engine.classify(statement.text, job.database)
            if not (kind == "READ_ONLY" if verdict.action == "read" else kind == "MUTATING" and only_own):
                raise Refused("this statement reaches beyond your own tables")
        return verdict

    def _lowered(self, settings: Mapping[str, str]) -> Mapping[str, str]:
        for name in _LIMITS:
            limit, wanted = float(self._job.limits.get(name, 0)), settings.get(name)
            if wanted is not None and limit and not 0 < _number(wanted) <= limit:
                raise Refused(f"the setting {name} can be lowered only, to at most {limit:g}")
        if settings:
            # The engine says now what is wrong with a value, not at the next statement.
            self._engine.query("SELECT 1", {**settings, "readonly": "1"})
        return settings

    def _settings(self, verdict: Verdict) -> dict[str, str]:
        job = self._job
        own = {"database": job.database}
        if verdict.action == "read":
            own["readonly"] = "1"
        clause = self._lowered(guard.settings_of(self._engine.tree(f"SET {self._clause}"))) if self._clause else {}
        return {**job.limits, **job.chosen, **clause, **own}

    def _nothing(self) -> tuple[list[str], list[str]]:
        writer.write_empty(self._path)
        return [], []

    def _rows(self, verdict: Verdict) -> tuple[list[str], list[str]]:
        settings, sql = self._settings(verdict), self._bare.text
        if verdict.is_select and len(sql) < _LONG:
            sql = f"{sql}\n{mark(self._job.tag)}"
        else:
            settings[UNIQUE] = self._job.tag
        if verdict.action == "write":
            self._engine.query(sql, settings, figures=self._figures, on_progress=self._progress)
            self._figures.result_rows = 0
            return self._nothing()
        # To ask for the types first, and to take the rows in parts, pays where many may come.
        many = verdict.is_select and not verdict.is_small
        columns = self._columns(sql, settings, verdict) if many else None
        if columns and frames.arrow_is_faithful(columns[1]):
            parts = self._parts(sql, {**settings, **frames.ARROW_SETTINGS}, "ArrowStream", many=True)
            writer.write_arrow(self._path, columns[0], columns[1], parts)
            return columns
        parts = self._parts(sql, {**settings, **frames.JSON_SETTINGS}, writer.JSON_FORMAT, many=many)
        return writer.write_json(self._path, parts)

    def _parts(self, sql: str, settings: dict[str, str], form: str, *, many: bool) -> Iterator[bytes]:
        if not many:
            yield self._engine.query(sql, settings, form=form, figures=self._figures, on_progress=self._progress)
            return
        for part in self._engine.stream(sql, settings, form=form, figures=self._figures, on_progress=self._progress):
            if self._job.cancelled.is_set():
                raise Cancelled
            yield part

    def _columns(self, sql: str, settings: dict[str, str], verdict: Verdict) -> tuple[list[str], list[str]] | None:
        """Ask for a SELECT's names and types without running it; None when that cannot be known.

        ``DESCRIBE view(...)`` analyses only, while ``DESCRIBE (...)`` runs scalar subqueries, but it alone takes
        duplicate names.
        """
        forms = ["DESCRIBE view({})"] if verdict.has_scalar_subquery else ["DESCRIBE view({})", "DESCRIBE ({})"]
        for form in forms:
            try:
                text = self._engine.query(form.format(f"{sql}\n"), settings, form="JSONCompactEachRow")
            except EngineError:
                continue
            rows = writer.lines(text)
            return writer.shown([row[0] for row in rows]), writer.shown([row[1] for row in rows])
        return None


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return -1.0
