"""What the service needs of an engine and of a store for results.

:mod:`roe_magic.service.bootstrap` chooses the implementations; everything else is written against these.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol
from uuid import UUID

from roe_magic.contract import codec, models
from roe_magic.service.job import Job, Outcome, Upload


@dataclass(frozen=True, kw_only=True)
class UploadOutcome(codec.Model):
    """A table that was created from a file: ClickHouse's figures, the columns, and what the user should know."""

    summary: models.Summary
    columns: list[models.UploadColumn]
    notices: list[str]


class JobEvents(Protocol):
    """What an engine reports while it runs a job. Called on the event loop."""

    def started(self) -> None:
        """Note that the job no longer waits for its turn."""

    def progress(self, progress: models.Progress) -> None:
        """Note how far the job is."""


class Engine(Protocol):
    """Runs SQL and keeps the tables; a database belongs to one organisation."""

    async def start(self) -> None:
        """Return when jobs can run."""

    async def stop(self) -> None:
        """End every job; ``run`` of each returns or raises EngineGone."""

    def health(self) -> Mapping[str, str]:
        """Return facts about the engine for the service's health endpoint."""
        ...

    async def run(self, job: Job, events: JobEvents) -> Outcome:
        """Run a job to its end. It waits while as many jobs run as the engine permits."""
        ...

    async def cancel(self, job_id: str) -> bool:
        """Return when a job has stopped; False if there is no such job, or it ended before."""
        ...

    async def ensure_database(self, name: str) -> None:
        """Create a database unless it exists."""

    async def tables(self, database: str) -> list[models.Table]:
        """Return the tables of a database with their columns."""
        ...

    async def describe(self, database: str, table: str) -> models.TableDescription | None:
        """Return a table's columns, row count and last change; None if there is no such table."""
        ...

    async def preview(self, database: str, table: str, limit: int) -> models.TablePreview | None:
        """Return a table's first rows; None if there is no such table."""
        ...

    async def check_upload(self, database: str, table: str, upload: Upload) -> None:
        """Raise UsageError if ``create_table`` is bound to fail; the file need not be there yet."""

    async def create_table(self, database: str, table: str, upload: Upload) -> UploadOutcome:
        """Create a table from a file, or replace one; UsageError if that is not possible, and nothing has changed then.

        DiskFull says that there is no room for it. ``cancel`` with the upload's id ends it.
        """
        ...

    async def drop(self, database: str, table: str) -> bool:
        """Drop a table; False if there is no such table."""
        ...


class ResultStore(Protocol):
    """Keeps the rows of queries.

    The engine writes files into ``folder`` and the HTTP side reads them there, so both must be on one machine. With a
    bucket, ``folder`` will give way to opening the rows of one statement for reading and for writing.
    """

    def folder(self, query_id: UUID) -> Path:
        """Return the folder of a query's rows; it need not exist yet."""
        ...

    def size(self, query_id: UUID) -> int:
        """Return how many bytes a query's rows take."""
        ...

    def delete(self, query_id: UUID) -> None:
        """Delete a query's rows; nothing happens if there are none."""
