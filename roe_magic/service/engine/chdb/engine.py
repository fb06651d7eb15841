"""The engine as the service sees it: submissions and tables, carried out by one child process.

No HTTP and no database here, and chDB is never imported: it lives in :mod:`.worker`. The child is
replaced when it dies; what ran in it then fails, and says so.
"""

from __future__ import annotations

import asyncio
import contextlib
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from roe_magic.contract import codec, models
from roe_magic.errors import UsageError
from roe_magic.service.engine.chdb.process import RESTARTED, Child, EngineGone

# How long the engine may take to stop a query before its process is replaced.
CANCEL_SECONDS = 5.0


@dataclass(frozen=True)
class Limits:
    """What one statement may use; 0 means no limit.

    ``max_execution_time`` is in seconds, ``max_concurrency`` is how many submissions run at the same time.
    """

    max_execution_time: float = 300.0
    max_memory_usage: int = 4 * 1024**3
    max_result_bytes: int = 2 * 1024**3
    max_concurrency: int = 4

    def settings(self) -> dict[str, str]:
        """Give the limits as the engine's settings."""
        return {
            "max_execution_time": f"{self.max_execution_time:g}",
            "max_memory_usage": str(self.max_memory_usage),
            "max_result_bytes": str(self.max_result_bytes),
        }


@dataclass(frozen=True)
class Job:
    """One submission. The rows of its statement n, from 0, go to ``folder/n.arrow``."""

    id: str
    sql: str
    database: str
    use_admin: bool
    folder: Path


@dataclass(frozen=True)
class Outcome:
    """How a submission ended: SUCCESS, FAILURE or REVOKED, and what of it came to an end.

    ``statements`` is as :func:`roe_magic.service.state.serializers.statements_out` gives it.
    """

    status: str
    error: str | None = None
    statements: bytes = b"[]"


@dataclass
class _Live:
    """A submission that waits or runs."""

    cancelled: asyncio.Event = field(default_factory=asyncio.Event)
    ended: asyncio.Event = field(default_factory=asyncio.Event)
    running: bool = False
    revoked: bool = False


class Engine:
    """Runs submissions on the tables of one data folder.

    Parameters
    ----------
    folder : Path
        Holds the engine's data and its working files; no other process may use it.
    limits : Limits
        What one statement may use.
    results : Path, optional
        The folder in which all the jobs' folders lie, when that is not inside ``folder``.
    """

    def __init__(self, folder: Path, limits: Limits | None = None, results: Path | None = None) -> None:
        self._folder, self._limits = Path(folder).resolve(), limits or Limits()
        self._writable = [self._folder, *([Path(results).resolve()] if results else [])]
        self._child: Child | None = None
        self._starting = asyncio.Lock()
        self._slots = asyncio.Semaphore(self._limits.max_concurrency or 1_000_000)
        self._live: dict[str, _Live] = {}
        self._stopped = False

    @property
    def sandbox(self) -> str:
        """How the kernel confines the child: ``landlock-abi-N`` or ``none``."""
        return self._child.sandbox if self._child else "none"

    @property
    def pid(self) -> int | None:
        """The child's process id, None when there is none."""
        return self._child.process.pid if self._child and self._child.alive else None

    async def start(self) -> None:
        """Start the child and wait until it is ready.

        Raises
        ------
        MissingExtra
            chDB is not installed.
        ServiceError
            There is no chDB for this platform, or another process uses the folder.
        """
        self._stopped = False
        await self._ready()

    async def stop(self) -> None:
        """End the child and whatever runs in it."""
        self._stopped = True
        async with self._starting:
            if self._child:
                await self._child.kill()

    async def run(
        self, job: Job, on_start: Callable[[], None], on_progress: Callable[[models.Progress], None]
    ) -> Outcome:
        """Run a submission to its end; it waits while as many run as may.

        Parameters
        ----------
        job : Job
            What to run.
        on_start : callable
            Called when it leaves the queue.
        on_progress : callable
            Takes the engine's figures while it runs.
        """
        _check_database(job.database)
        live = self._live[job.id] = _Live()
        try:
            outcome = Outcome(models.REVOKED)
            if await self._slot(live):
                try:
                    on_start()
                    outcome = await self._outcome(job, live, on_progress)
                finally:
                    self._slots.release()
            live.revoked = outcome.status == models.REVOKED
            return outcome
        finally:
            del self._live[job.id]
            live.ended.set()

    async def cancel(self, job_id: str) -> bool:
        """Stop a submission; when this returns, it has stopped.

        Returns
        -------
        bool
            False when there is no such submission, or it came to its end first.
        """
        live = self._live.get(job_id)
        if live is None:
            return False
        live.cancelled.set()
        if live.running and self._child:
            child = self._child
            try:
                await asyncio.wait_for(child.call("cancel", tag=job_id), CANCEL_SECONDS)
            except asyncio.TimeoutError:
                await child.kill()
            except EngineGone:
                pass
        await live.ended.wait()
        return live.revoked

    async def ensure_database(self, name: str) -> None:
        """Make a database, unless it is there."""
        _check_database(name)
        await self._call("ensure_database", database=name)

    async def tables(self, database: str) -> list[models.Table]:
        """List the tables of a database with their columns."""
        return [codec.parse(models.Table, item) for item in await self._call("tables", database=database)]

    async def describe(self, database: str, table: str) -> models.TableDescription | None:
        """Describe a table; None when there is none of that name."""
        found = await self._call("describe", database=database, table=table)
        return found and codec.parse(models.TableDescription, found)

    async def preview(self, database: str, table: str, limit: int) -> models.TablePreview | None:
        """Give a table's first rows; None when there is none of that name."""
        found = await self._call("preview", database=database, table=table, limit=limit)
        return found and codec.parse(models.TablePreview, found)

    async def create_from_csv(self, database: str, table: str, path: Path, with_headers: bool) -> models.Summary:
        """Make a table from a CSV file that lies in the engine's folder.

        Raises
        ------
        UsageError
            The table exists, or the file cannot be read as CSV.
        """
        arguments = {"database": database, "table": table, "path": str(path), "with_headers": with_headers}
        return codec.parse(models.Summary, await self._call("load_csv", **arguments))

    async def create_from_arrow(self, database: str, table: str, path: Path) -> models.Summary:
        """Make a table from an Arrow file or stream that lies in the engine's folder; errors as for CSV."""
        found = await self._call("load_arrow", database=database, table=table, path=str(path))
        return codec.parse(models.Summary, found)

    async def drop(self, database: str, table: str) -> bool:
        """Remove a table; False when there is none of that name."""
        return bool(await self._call("drop", database=database, table=table))

    async def _slot(self, live: _Live) -> bool:
        """Wait for a free place; False when the submission was cancelled before it got one."""
        if not self._slots.locked():
            return await self._slots.acquire()
        slot = asyncio.ensure_future(self._slots.acquire())
        stop = asyncio.ensure_future(live.cancelled.wait())
        try:
            await asyncio.wait({slot, stop}, return_when=asyncio.FIRST_COMPLETED)
            wanted = not live.cancelled.is_set()
        except asyncio.CancelledError:
            wanted = False
            raise
        finally:
            stop.cancel()
            got = not slot.cancel()
            if got and not wanted:
                self._slots.release()
        return got and wanted

    async def _outcome(self, job: Job, live: _Live, on_progress: Callable[[models.Progress], None]) -> Outcome:
        def progress(figures: dict[str, Any]) -> None:
            on_progress(models.Progress(**figures))

        try:
            child = await self._ready()
            if live.cancelled.is_set():
                return Outcome(models.REVOKED)
            live.running = True
            return Outcome(**await child.call("run", progress, **_arguments(job)))
        except EngineGone:
            cancelled = live.cancelled.is_set()
            return Outcome(models.REVOKED) if cancelled else Outcome(models.FAILURE, RESTARTED)
        except asyncio.CancelledError:
            live.cancelled.set()
            with contextlib.suppress(EngineGone):
                if live.running and self._child:
                    self._child.send("cancel", tag=job.id)
            raise

    async def _call(self, method: str, **arguments: Any) -> Any:
        return await (await self._ready()).call(method, **arguments)

    async def _ready(self) -> Child:
        async with self._starting:
            if self._stopped:
                raise EngineGone("The engine has been stopped.")
            if self._child is None or not self._child.alive:
                if self._child:
                    await self._child.kill()
                self._child = await Child.start(self._folder, self._writable, self._limits.settings())
            return self._child


def _arguments(job: Job) -> dict[str, Any]:
    return {
        "tag": job.id,
        # A lone surrogate cannot be SQL: the engine is given a question mark.
        "sql": job.sql.encode("utf-8", "replace").decode(),
        "database": job.database,
        "use_admin": job.use_admin,
        "folder": str(Path(job.folder).resolve()),
    }


def _check_database(name: str) -> None:
    # The engine takes names in `default` for paths of files.
    if not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", name) or name.lower() in {"default", "system", "information_schema"}:
        raise UsageError(
            f"A database's name is made of letters, digits and underscores, and is not reserved: not {name!r}."
        )
