"""The engine as the service sees it: submissions and tables, carried out by one child process.

No HTTP and no database here, and chDB is never imported: it lives in :mod:`roe_magic.service.worker`. The child is
replaced when it dies; what ran in it then fails, and says so.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import platform
import struct
import subprocess
import sys
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

import msgspec

import roe_magic
from roe_magic import models
from roe_magic.errors import MissingExtra, ServiceError, UsageError

RESTARTED = "The engine was restarted while this query ran; run it again."
# How long the engine may take to stop a query before its process is replaced.
CANCEL_SECONDS = 5.0
START_SECONDS = 120.0

# Not `-m`: this package may be importable through the parent's own search path only, and the working folder, which
# holds temporary files, must not be on the path.
_BOOT = """
import sys
sys.path[:] = [place for place in sys.path if place] + [sys.argv.pop(2)]
from roe_magic.service.worker import main
main()
"""


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
    """How a submission ended: SUCCESS, FAILURE or REVOKED; the statements that came to their end, without rows."""

    status: str
    statements: list[models.Statement]
    error: str | None


class EngineGone(ServiceError):
    """The engine's process ended while it was at work."""


@dataclass
class _Live:
    """A submission that waits or runs."""

    cancelled: asyncio.Event = field(default_factory=asyncio.Event)
    ended: asyncio.Event = field(default_factory=asyncio.Event)
    running: bool = False


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
        self._child: _Child | None = None
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
        live = self._live[job.id] = _Live()
        try:
            if not await self._slot(live):
                return Outcome(models.REVOKED, [], None)
            try:
                on_start()
                return await self._outcome(job, live, on_progress)
            finally:
                self._slots.release()
        finally:
            del self._live[job.id]
            live.ended.set()

    async def cancel(self, job_id: str) -> bool:
        """Stop a submission; when this returns, it has stopped.

        Returns
        -------
        bool
            False when there is no such submission, or it has ended.
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
        return True

    async def ensure_database(self, name: str) -> None:
        """Make a database, unless it is there."""
        if not (name.isascii() and name.replace("_", "a").isalnum()):
            raise UsageError(f"A database's name is made of letters, digits and underscores: not {name!r}.")
        await self._call("ensure_database", database=name)

    async def tables(self, database: str) -> list[models.Table]:
        """List the tables of a database with their columns."""
        return [models.parse(models.Table, item) for item in await self._call("tables", database=database)]

    async def describe(self, database: str, table: str) -> models.TableDescription | None:
        """Describe a table; None when there is none of that name."""
        found = await self._call("describe", database=database, table=table)
        return found and models.parse(models.TableDescription, found)

    async def preview(self, database: str, table: str, limit: int) -> models.TablePreview | None:
        """Give a table's first rows; None when there is none of that name."""
        found = await self._call("preview", database=database, table=table, limit=limit)
        return found and models.parse(models.TablePreview, found)

    async def create_from_csv(self, database: str, table: str, path: Path, with_headers: bool) -> models.Summary:
        """Make a table from a CSV file that lies in the engine's folder.

        Raises
        ------
        UsageError
            The table exists, or the file cannot be read as CSV.
        """
        arguments = {"database": database, "table": table, "path": str(path), "with_headers": with_headers}
        return models.parse(models.Summary, await self._call("load_csv", **arguments))

    async def create_from_arrow(self, database: str, table: str, path: Path) -> models.Summary:
        """Make a table from an Arrow file or stream that lies in the engine's folder; errors as for CSV."""
        found = await self._call("load_arrow", database=database, table=table, path=str(path))
        return models.parse(models.Summary, found)

    async def drop(self, database: str, table: str) -> bool:
        """Remove a table; False when there is none of that name."""
        return bool(await self._call("drop", database=database, table=table))

    async def _slot(self, live: _Live) -> bool:
        """Wait for a free place; False when the submission was cancelled before it got one."""
        slot = asyncio.ensure_future(self._slots.acquire())
        stop = asyncio.ensure_future(live.cancelled.wait())
        try:
            await asyncio.wait({slot, stop}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            stop.cancel()
            if not slot.done():
                slot.cancel()
        got = slot.done() and not slot.cancelled()
        if got and live.cancelled.is_set():
            self._slots.release()
        return got and not live.cancelled.is_set()

    async def _outcome(self, job: Job, live: _Live, on_progress: Callable[[models.Progress], None]) -> Outcome:
        def progress(figures: dict[str, Any]) -> None:
            on_progress(models.Progress(**figures))

        try:
            child = await self._ready()
            if live.cancelled.is_set():
                return Outcome(models.REVOKED, [], None)
            live.running = True
            found = await child.call(
                "run",
                progress,
                tag=job.id,
                # A lone surrogate cannot be SQL: the engine is given a question mark.
                sql=job.sql.encode("utf-8", "replace").decode(),
                database=job.database,
                use_admin=job.use_admin,
                folder=str(Path(job.folder).resolve()),
            )
        except EngineGone:
            cancelled = live.cancelled.is_set()
            return Outcome(models.REVOKED if cancelled else models.FAILURE, [], None if cancelled else RESTARTED)
        except asyncio.CancelledError:
            live.cancelled.set()
            if self._child and self._child.alive:
                self._child.send("cancel", tag=job.id)
            raise
        statements = [models.parse(models.Statement, item) for item in found["statements"]]
        return Outcome(found["status"], statements, found["error"])

    async def _call(self, method: str, **arguments: Any) -> Any:
        return await (await self._ready()).call(method, **arguments)

    async def _ready(self) -> _Child:
        async with self._starting:
            if self._stopped:
                raise EngineGone("The engine has been stopped.")
            if self._child is None or not self._child.alive:
                if self._child:
                    await self._child.kill()
                self._child = await _Child.start(self._folder, self._writable, self._limits.settings())
            return self._child


class _Child:
    """The running process and the calls that it has not answered yet.

    A plain Popen and a thread that reads: asyncio's own subprocesses may reap a child twice, and depend on the loop.
    """

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        self.process, self.sandbox, self.alive = process, "none", True
        self._loop = asyncio.get_running_loop()
        self._hello: asyncio.Future[dict[str, Any]] = self._loop.create_future()
        self._calls: dict[int, asyncio.Future[Any]] = {}
        self._progress: dict[int, Callable[[dict[str, Any]], None]] = {}
        self._next = 0
        self._reader = threading.Thread(target=self._read, name="roe-engine-reader", daemon=True)
        self._reader.start()

    @classmethod
    async def start(cls, folder: Path, writable: list[Path], limits: dict[str, str]) -> _Child:
        data, scratch = folder / "engine", folder / "scratch"
        for each in (data, scratch):
            each.mkdir(parents=True, exist_ok=True)
        order = {"data": str(data), "limits": limits, "folders": [str(path) for path in writable]}
        with (folder / "engine.log").open("ab") as log:
            child = cls(_spawn(order, scratch, log))
        try:
            hello = await asyncio.wait_for(child._hello, START_SECONDS)
        except BaseException as error:
            await child.kill()
            if not isinstance(error, (asyncio.TimeoutError, EngineGone)):
                raise
            raise ServiceError("The engine did not start.", hint=f"See {folder / 'engine.log'}.") from None
        if not hello["hello"]:
            await child.kill()
            raise _start_error(hello, folder)
        child.sandbox = hello["sandbox"]
        return child

    async def call(
        self, method: str, on_progress: Callable[[dict[str, Any]], None] | None = None, /, **arguments: Any
    ) -> Any:
        """Send a call and wait for its answer."""
        number = self._next
        if on_progress:
            self._progress[number] = on_progress
        future = self._calls[number] = self._loop.create_future()
        try:
            self.send(method, **arguments)
            return await future
        finally:
            self._calls.pop(number, None)
            self._progress.pop(number, None)

    def send(self, method: str, **arguments: Any) -> None:
        """Send a call without waiting."""
        body = msgspec.msgpack.encode({"id": self._next, "method": method, "arguments": arguments})
        self._next += 1
        try:
            assert self.alive and self.process.stdin  # noqa: PT018  # caught below
            self.process.stdin.write(struct.pack(">I", len(body)) + body)
            self.process.stdin.flush()
        except (AssertionError, OSError):
            raise EngineGone(RESTARTED) from None

    async def kill(self) -> None:
        """End the process now, and wait until it has ended."""
        self.alive = False
        self.process.kill()
        await asyncio.to_thread(self._reap)
        self._gone()

    def _reap(self) -> None:
        self._reader.join()
        self.process.wait()
        for pipe in (self.process.stdin, self.process.stdout):
            with contextlib.suppress(OSError):
                if pipe:
                    pipe.close()

    def _read(self) -> None:
        """Read messages until the process ends (in a thread of its own)."""
        source = self.process.stdout
        assert source
        # The loop may have closed: then nobody waits for the message.
        with contextlib.suppress(RuntimeError):
            while len(head := source.read(4)) == 4:
                body = source.read(struct.unpack(">I", head)[0])
                self._loop.call_soon_threadsafe(self._take, msgspec.msgpack.decode(body))
            self._loop.call_soon_threadsafe(self._gone)

    def _take(self, message: dict[str, Any]) -> None:
        if "hello" in message:
            self._hello.set_result(message)
        elif "progress" in message:
            report = self._progress.get(message["id"])
            if report:
                report(message["progress"])
        else:
            self._answer(message)

    def _answer(self, message: dict[str, Any]) -> None:
        future = self._calls.get(message["id"])
        if future is None or future.done():
            return
        if message["failed"]:
            future.set_exception(ServiceError(f"The engine's process failed: {message['failed']}"))
        elif message["error"]:
            future.set_exception(UsageError(message["error"]))
        else:
            future.set_result(message["value"])

    def _gone(self) -> None:
        self.alive = False
        for future in (self._hello, *self._calls.values()):
            if not future.done():
                future.set_exception(EngineGone(RESTARTED))
        # Where nobody waits any more, that is not a mistake to report.
        if not self._hello.cancelled():
            self._hello.exception()


def _spawn(order: dict[str, Any], scratch: Path, log: IO[bytes]) -> subprocess.Popen[bytes]:
    package = str(Path(roe_magic.__file__).resolve().parents[1])
    # Nothing of the service's environment goes to where a statement might read it; TZ is what "no zone" means.
    kept = ("PATH", "LANG", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH")
    environment = {name: os.environ[name] for name in kept if name in os.environ}
    return subprocess.Popen(  # noqa: S603  # our own program
        [sys.executable, "-c", _BOOT, json.dumps(order), package],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=log,
        cwd=scratch,
        env={**environment, "TMPDIR": str(scratch), "HOME": str(scratch), "TZ": "UTC"},
        # Ctrl-C in the terminal is for the service, which then ends the child itself.
        start_new_session=True,
    )


def _start_error(hello: dict[str, Any], folder: Path) -> ServiceError | MissingExtra:
    if hello["missing"]:
        glibc = sys.platform != "linux" or platform.libc_ver()[0] == "glibc"
        if glibc and sys.platform != "win32":
            return MissingExtra("local", "The local service")
        return ServiceError("The local service needs macOS, or Linux with glibc: its engine, chDB, runs nowhere else.")
    if hello["taken"]:
        return ServiceError(
            f"Another process uses the data folder {folder}.", hint="Stop it, or choose another folder."
        )
    return ServiceError(f"The engine did not start: {hello['error']}", hint=f"See {folder / 'engine.log'}.")
