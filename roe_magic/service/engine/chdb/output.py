"""From a statement that may run to its file of rows.

A SELECT that may return many rows is read in parts, as Arrow if that carries every type exactly, else as JSON;
everything else is read at once, as JSON.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from roe_magic import frames
from roe_magic.service.engine.chdb.database import EmbeddedClickHouse, EngineError, Statistics
from roe_magic.service.engine.chdb.progress import ProgressThrottle
from roe_magic.service.engine.sql.guard import Verdict
from roe_magic.service.results import writer

Columns = tuple[list[str], list[str]]


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
    path : Path
        The file for its rows.
    statistics : Statistics
        The statement's counters, which are added to.
    progress : ProgressThrottle
        Gets the engine's progress.
    cancelled : threading.Event
        Set when the statement is to stop.
    """

    def __init__(
        self,
        clickhouse: EmbeddedClickHouse,
        path: Path,
        statistics: Statistics,
        progress: ProgressThrottle,
        cancelled: threading.Event,
    ) -> None:
        self._clickhouse, self._path = clickhouse, path
        self._statistics, self._progress, self._cancelled = statistics, progress, cancelled

    def write(self, sql: str, settings: dict[str, str], verdict: Verdict) -> Description:
        """Run the statement, write its rows, and return what describes them."""
        # For few rows, asking for the types first and reading in parts would take longer than the statement itself.
        in_parts = verdict.is_select and not verdict.is_small
        columns = self._columns(sql, settings, verdict) if in_parts else None
        if columns and frames.arrow_is_faithful(columns[1]):
            parts = self._parts(sql, {**settings, **frames.ARROW_SETTINGS}, "ArrowStream", in_parts=True)
            writer.write_arrow(self._path, columns[0], columns[1], parts)
            return Description(*columns)
        parts = self._parts(sql, {**settings, **frames.JSON_SETTINGS}, writer.JSON_FORMAT, in_parts=in_parts)
        return Description(*writer.write_json(self._path, parts))

    def _parts(self, sql: str, settings: dict[str, str], output_format: str, *, in_parts: bool) -> Iterator[bytes]:
        statistics, progress = self._statistics, self._progress
        if not in_parts:
            yield self._clickhouse.query(
                sql, settings, output_format=output_format, statistics=statistics, on_progress=progress
            )
            return
        for part in self._clickhouse.stream(
            sql, settings, output_format=output_format, statistics=statistics, on_progress=progress
        ):
            if self._cancelled.is_set():
                raise SubmissionCancelled
            yield part

    def _columns(self, sql: str, settings: dict[str, str], verdict: Verdict) -> Columns | None:
        """Return a SELECT's column names and types without running it; None if that is not possible.

        ``DESCRIBE view(...)`` only analyses, while ``DESCRIBE (...)`` runs scalar subqueries; but only the latter
        accepts two columns of the same name.
        """
        forms = ["DESCRIBE view({})"] if verdict.has_scalar_subquery else ["DESCRIBE view({})", "DESCRIBE ({})"]
        for form in forms:
            try:
                text = self._clickhouse.query(form.format(f"{sql}\n"), settings, output_format="JSONCompactEachRow")
            except EngineError:
                continue
            rows = writer.decode_lines(text)
            return writer.printable([row[0] for row in rows]), writer.printable([row[1] for row in rows])
        return None
