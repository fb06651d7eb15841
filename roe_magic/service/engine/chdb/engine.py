"""The engine as the service sees it: it runs jobs and keeps tables, with the help of one process that has chDB.

A job first waits for one of ``Limits.max_concurrency`` slots; then it is sent to the process as one call. If the
process dies, its jobs end in FAILURE, and the next call starts another process. chDB is never imported here; see
``process`` and ``worker``.
"""

from __future__ import annotations

import asyncio
import contextlib
import re
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec

from roe_magic.contract import codec, models
from roe_magic.errors import ServiceError, UsageError
from roe_magic.service.engine.chdb.process import RESTARTED, EngineProcess
from roe_magic.service.job import Job, Limits, Outcome, TableCreation, Upload
from roe_magic.service.queries.errors import EngineGone
from roe_magic.service.queries.interfaces import JobEvents, UploadOutcome

CANCELLED = "The upload was cancelled."
RESTARTED_IN_IMPORT = (
    "The engine was restarted while it read the file. Try again; if that fails too, the file is the cause."
)
# How long the engine may take to stop a query before its process is replaced.
CANCEL_SECONDS = 5.0

# So many files are imported at the same time; others wait.
_MAX_IMPORTS = 2
_UNLIMITED_SLOTS = 1_000_000
_WILDCARDS = frozenset("*?{}")
_RESERVED_DATABASES = frozenset({"default", "system", "information_schema"})


@dataclass
class _ActiveJob:
    """A job that waits for a slot or runs."""

    cancelled: asyncio.Event = field(default_factory=asyncio.Event)
    ended: asyncio.Event = field(default_factory=asyncio.Event)
    was_sent: bool = False
    was_revoked: bool = False


class ChdbEngine:
    """The :class:`~roe_magic.service.queries.interfaces.Engine` on embedded ClickHouse.

    Parameters
    ----------
    folder : Path
        Holds the tables, the engine's working files and its log; no other process may use it.
    limits : Limits, optional
        What one statement may use, and how many jobs run at the same time.
    results : Path, optional
        The folder of all the jobs' folders, if it is not inside ``folder``.
    """

    def __init__(self, folder: Path, limits: Limits | None = None, results: Path | None = None) -> None:
        self._folder, self._limits = Path(folder).resolve(), limits or Limits()
        self._results = Path(results).resolve() if results else None
        self._process: EngineProcess | None = None
        self._process_lock = asyncio.Lock()
        self._slots = asyncio.Semaphore(self._limits.max_concurrency or _UNLIMITED_SLOTS)
        self._import_slots = asyncio.Semaphore(_MAX_IMPORTS)
        self._jobs: dict[str, _ActiveJob] = {}
        self._stopped = False

    def health(self) -> Mapping[str, str]:
        """Return how the kernel confines the engine's process, as :func:`.sandbox.confine` reports it."""
        return {"sandbox": self._process.sandbox if self._process else "none"}

    @property
    def pid(self) -> int | None:
        """The id of the engine's process, None if there is none."""
        return self._process.process.pid if self._process and self._process.alive else None

    async def start(self) -> None:
        """Start the process, and return when it is ready.

        Raises
        ------
        MissingExtra
            chDB is not installed.
        ServiceError
            There is no chDB for this platform, another process uses the folder, or ClickHouse cannot use its path.
        """
        if set(str(self._folder)) & _WILDCARDS:
            raise ServiceError(
                f"The data folder's path has a character that ClickHouse takes for a wildcard (* ? {{ }}): "
                f"{self._folder}. Choose another folder."
            )
        self._stopped = False
        await self._ready_process()

    async def stop(self) -> None:
        """End the process and whatever runs in it."""
        self._stopped = True
        async with self._process_lock:
            if self._process:
                await self._process.kill()

    async def run(self, job: Job, events: JobEvents) -> Outcome:
        """Run a job to its end; it waits for a slot first.

        Parameters
        ----------
        job : Job
            What to run.
        events : JobEvents
            Is told when the job leaves the queue, and how far it is.
        """
        _check_database(job.database)
        active = self._jobs[job.id] = _ActiveJob()
        try:
            outcome = Outcome(models.REVOKED)
            async with self._slot(self._slots, active) as is_free:
                if is_free:
                    events.started()
                    outcome = await self._run_in_process(job, active, events)
            active.was_revoked = outcome.status == models.REVOKED
            return outcome
        finally:
            del self._jobs[job.id]
            active.ended.set()

    async def cancel(self, job_id: str) -> bool:
        """Stop a job, and return when it has stopped; False if there is no such job, or it ended before."""
        active = self._jobs.get(job_id)
        if active is None:
            return False
        active.cancelled.set()
        if active.was_sent and self._process:
            process = self._process
            try:
                await asyncio.wait_for(process.call("cancel", {"job_id": job_id}), CANCEL_SECONDS)
            except asyncio.TimeoutError:
                await process.kill()
            except EngineGone:
                pass
        await active.ended.wait()
        return active.was_revoked

    async def ensure_database(self, name: str) -> None:
        """Create a database unless it exists."""
        _check_database(name)
        await self._call("ensure_database", database=name)

    async def tables(self, database: str) -> list[models.Table]:
        """Return the tables of a database with their columns."""
        return [codec.parse(models.Table, item) for item in await self._call("tables", database=database)]

    async def describe(self, database: str, table: str) -> models.TableDescription | None:
        """Return a table's columns, row count and last change; None if there is no such table."""
        value = await self._call("describe", database=database, table=table)
        return None if value is None else codec.parse(models.TableDescription, value)

    async def preview(self, database: str, table: str, limit: int) -> models.TablePreview | None:
        """Return a table's first rows; None if there is no such table."""
        value = await self._call("preview", database=database, table=table, limit=limit)
        return None if value is None else codec.parse(models.TablePreview, value)

    async def check_upload(self, database: str, table: str, upload: Upload) -> None:
        """Raise UsageError if ``create_table`` is bound to fail; the file need not be there yet."""
        options = {"replace": upload.replace, "dry_run": upload.dry_run}
        await self._call("check_upload", database=database, table=table, types=upload.types, **options)

    async def create_table(self, database: str, table: str, upload: Upload) -> UploadOutcome:
        """Create a table from a file inside the engine's folder, or replace one.

        Raises
        ------
        UsageError
            It is not possible, or was cancelled. The tables are as they were.
        DiskFull
            There is no room for the table. The tables are as they were.
        """
        _check_database(database)
        active = self._jobs[upload.id] = _ActiveJob()
        try:
            async with self._slot(self._import_slots, active):
                return await self._create_table(TableCreation(database=database, table=table, upload=upload), active)
        except UsageError:
            active.was_revoked = active.cancelled.is_set()
            raise
        finally:
            del self._jobs[upload.id]
            active.ended.set()

    async def drop(self, database: str, table: str) -> bool:
        """Drop a table; False if there is no such table."""
        return bool(await self._call("drop", database=database, table=table))

    @contextlib.asynccontextmanager
    async def _slot(self, slots: asyncio.Semaphore, active: _ActiveJob) -> AsyncIterator[bool]:
        """Hold a slot for the block, and yield whether there is one: not if the job was cancelled before."""
        was_acquired = await self._acquire_slot(slots, active)
        try:
            yield was_acquired
        finally:
            if was_acquired:
                slots.release()

    async def _acquire_slot(self, slots: asyncio.Semaphore, active: _ActiveJob) -> bool:
        """Wait for a slot; False if the job was cancelled before it got one."""
        if not slots.locked():
            return await slots.acquire()
        slot = asyncio.ensure_future(slots.acquire())
        cancelled = asyncio.ensure_future(active.cancelled.wait())
        try:
            await asyncio.wait({slot, cancelled}, return_when=asyncio.FIRST_COMPLETED)
            is_wanted = not active.cancelled.is_set()
        except asyncio.CancelledError:
            is_wanted = False
            raise
        finally:
            cancelled.cancel()
            was_acquired = not slot.cancel()
            if was_acquired and not is_wanted:
                slots.release()
        return was_acquired and is_wanted

    async def _run_in_process(self, job: Job, active: _ActiveJob, events: JobEvents) -> Outcome:
        def on_progress(counters: dict[str, int]) -> None:
            events.progress(codec.parse(models.Progress, counters))

        try:
            process = await self._ready_process()
            if active.cancelled.is_set():
                return Outcome(models.REVOKED)
            active.was_sent = True
            return msgspec.convert(await process.call("run", self._sendable(job), on_progress), Outcome)
        except EngineGone:
            return Outcome(models.REVOKED) if active.cancelled.is_set() else Outcome(models.FAILURE, RESTARTED)
        except asyncio.CancelledError:
            active.cancelled.set()
            with contextlib.suppress(EngineGone):
                if active.was_sent and self._process:
                    self._process.send("cancel", {"job_id": job.id})
            raise

    async def _create_table(self, creation: TableCreation, active: _ActiveJob) -> UploadOutcome:
        try:
            process = await self._ready_process()
            if active.cancelled.is_set():
                raise UsageError(CANCELLED)
            active.was_sent = True
            return codec.parse(UploadOutcome, await process.call("create_table", creation))
        except EngineGone:
            # An error for the user, who may try again. A client that did so by itself might send a file that ends the
            # engine's process again and again.
            if self._stopped:
                raise
            raise UsageError(CANCELLED if active.cancelled.is_set() else RESTARTED_IN_IMPORT) from None
        except asyncio.CancelledError:
            active.cancelled.set()
            with contextlib.suppress(EngineGone):
                if active.was_sent and self._process:
                    self._process.send("cancel", {"job_id": creation.upload.id})
            raise

    @staticmethod
    def _sendable(job: Job) -> Job:
        # A lone surrogate cannot be encoded. No SQL has one; with a question mark the engine reports a syntax error.
        sql = job.request.sql.encode("utf-8", "replace").decode()
        request = msgspec.structs.replace(job.request, sql=sql)
        return msgspec.structs.replace(job, request=request, folder=str(Path(job.folder).resolve()))

    async def _call(self, method: str, **arguments: Any) -> Any:
        return await (await self._ready_process()).call(method, arguments)

    async def _ready_process(self) -> EngineProcess:
        async with self._process_lock:
            if self._stopped:
                raise EngineGone("The engine has been stopped.")
            if self._process is None or not self._process.alive:
                if self._process:
                    await self._process.kill()
                self._process = await EngineProcess.start(self._folder, self._results, _settings(self._limits))
            return self._process


def _settings(limits: Limits) -> dict[str, str]:
    """Return the limits of a statement as ClickHouse settings."""
    return {
        "max_execution_time": f"{limits.max_execution_time:g}",
        "max_memory_usage": str(limits.max_memory_usage),
        "max_result_bytes": str(limits.max_result_bytes),
    }


def _check_database(name: str) -> None:
    # The engine takes names in `default` for paths of files.
    if not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", name) or name.lower() in _RESERVED_DATABASES:
        raise UsageError(
            f"A database's name is made of letters, digits and underscores, and is not reserved: not {name!r}."
        )
