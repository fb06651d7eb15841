"""The main program of the engine's process.

:func:`main` runs after the sandbox has been set up. It takes standard input and output for the messages, locks and
opens the data folder, and sends :class:`~.pipe_messages.Ready`. Then the main thread reads one call after the other and
hands each to a thread of a pool, which runs the method and sends the response; so many calls run at a time. A query's
thread also sends progress, from ClickHouse's progress callback.

A ``cancel`` runs on a thread of the pool as well: it marks the submission as cancelled, and has ClickHouse kill its
statement until the submission's thread has ended. A ``watchdog`` does the same with a statement that runs past its time
limit; if that does not end it, the submission's outcome is sent, and the process ends. The process also ends when its
input ends, so it cannot outlive the service.
"""

from __future__ import annotations

import concurrent.futures
import contextlib
import os
import shutil
import sys
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, BinaryIO

import msgspec

from roe_magic import frames
from roe_magic.service import file_lock
from roe_magic.service.engine.chdb import pipe_messages, submission_run
from roe_magic.service.engine.chdb.database import EmbeddedClickHouse, EngineError, query_mark
from roe_magic.service.engine.chdb.imports.import_run import ImportRun
from roe_magic.service.engine.chdb.imports.table_import import TableImport
from roe_magic.service.engine.chdb.parser import Parser
from roe_magic.service.engine.chdb.preparation import Preparation
from roe_magic.service.engine.chdb.source_errors import is_disk_full
from roe_magic.service.engine.chdb.submission import Submission
from roe_magic.service.engine.chdb.system_views import SystemViews
from roe_magic.service.engine.chdb.table_catalogue import TableCatalogue
from roe_magic.service.engine.chdb.watchdog import Watchdog
from roe_magic.service.job import Job, Outcome, TableCreation

_KILL = "KILL QUERY WHERE Settings['log_comment'] = {job_id:String} OR position(query, {mark:String}) > 0 ASYNC"
_KILL_INTERVAL = 0.05
# More than the service lets run at once, so that a cancel never waits for a free thread.
_THREADS = 2000
_RECURSION_LIMIT = 20_000


class Pipe:
    """The messages to and from the service."""

    def __init__(self, source: BinaryIO, sink: BinaryIO) -> None:
        self._source, self._sink, self._lock = source, sink, threading.Lock()

    def send(self, message: pipe_messages.EngineMessage) -> None:
        """Write one message; several threads may call this at the same time."""
        data = pipe_messages.encode(message)
        with self._lock:
            self._sink.write(data)
            self._sink.flush()

    def receive(self) -> pipe_messages.Call | None:
        """Return the next call, None when the service has ended."""
        try:
            header = self._source.read(pipe_messages.HEADER_BYTES)
            if len(header) < pipe_messages.HEADER_BYTES:
                return None
            return pipe_messages.decode_call(self._source.read(pipe_messages.body_length(header)))
        except ConnectionError:  # it has ended before it had read everything
            return None


class Worker:
    """Runs the calls of the service.

    Parameters
    ----------
    pipe : Pipe
        Where calls come from, and responses and progress go to.
    clickhouse : EmbeddedClickHouse
        The open data folder.
    settings : dict of str to str
        The engine's settings for every statement of a caller.
    """

    def __init__(self, pipe: Pipe, clickhouse: EmbeddedClickHouse, settings: dict[str, str]) -> None:
        self._pipe, self._clickhouse, self._settings = pipe, clickhouse, settings
        self._preparation = Preparation(Parser(clickhouse), SystemViews(clickhouse))
        self._submissions: dict[str, Submission] = {}
        self._imports: dict[str, ImportRun] = {}
        # The engine prepares itself for every new thread, which takes as long as two small queries: threads are reused.
        self._threads = ThreadPoolExecutor(_THREADS, "roe-call")
        self._watchdog = Watchdog(lambda job_id: self._threads.submit(self._kill, job_id))
        tables = TableCatalogue(clickhouse, settings)
        self._table_import = TableImport(clickhouse, tables)
        self._tables = tables
        # Takes a moment, for which the service's start does not wait. An import does: its table is no leftover.
        self._tidying = self._threads.submit(tables.drop_leftovers)
        self._methods: dict[str, Callable[..., Any]] = {
            "cancel": self._cancel,
            "ensure_database": self._ensure_database,
            "tables": tables.tables,
            "describe": tables.describe,
            "preview": tables.preview,
            "check_upload": self._table_import.check_upload,
            "drop": tables.drop,
        }

    def serve(self) -> None:
        """Run calls until the service ends."""
        # pyarrow imports pandas when it first makes an array of Python values. No query should have to wait for that.
        threading.Thread(target=frames.from_rows, args=(["a"], ["String"], [["x"]]), daemon=True).start()
        self._watchdog.start()
        while (call := self._pipe.receive()) is not None:
            self._threads.submit(self._respond, call.id, self._prepared(call))

    def _prepared(self, call: pipe_messages.Call) -> Callable[[], Any]:
        if call.method == "run":
            # Registered before the next call is read, which may be its cancel.
            job = msgspec.msgpack.decode(call.arguments, type=Job)
            self._submissions[job.id] = self._submission(call.id, job)
            return lambda: self._run(call.id, job.id)
        if call.method == "create_table":
            creation = msgspec.msgpack.decode(call.arguments, type=TableCreation)
            running = self._imports[creation.upload.id] = ImportRun(creation.upload, self._settings)
            return lambda: self._create_table(call.id, creation, running)
        return lambda: self._call(call)

    def _submission(self, call_id: int, job: Job) -> Submission:
        def give_up(error: str) -> None:
            self._pipe.send(pipe_messages.CallResult(call_id, submitted.failed(error), is_last=True))

        submitted = Submission(job, self._settings, lambda limit: self._watchdog.watch(job.id, limit, give_up))
        return submitted

    def _call(self, call: pipe_messages.Call) -> Any:
        def give_up(error: str) -> None:
            self._pipe.send(pipe_messages.CallResult(call.id, error=error, is_last=True))

        # The other calls run no SQL of a caller.
        limit = float(self._settings.get("max_execution_time", 0)) if call.method == "preview" else 0.0
        with self._watchdog.watch(f"call {call.id}", limit, give_up):
            return self._methods[call.method](**msgspec.msgpack.decode(call.arguments))

    def _respond(self, call_id: int, method: Callable[[], Any]) -> None:
        try:
            response = pipe_messages.CallResult(call_id, method())
        except EngineError as error:
            response = pipe_messages.CallResult(call_id, error=error.message, is_disk_full=is_disk_full(error))
        except Exception as error:  # the call must get a response, and the log gets the traceback
            response = pipe_messages.CallResult(call_id, failure=f"{type(error).__name__}: {error}")
            sys.excepthook(type(error), error, error.__traceback__)
        with contextlib.suppress(BrokenPipeError):
            self._pipe.send(response)

    def _run(self, call_id: int, job_id: str) -> Outcome:
        running = self._submissions[job_id]

        def report(progress: dict[str, int]) -> None:
            self._pipe.send(pipe_messages.ProgressReport(call_id, progress))

        try:
            return submission_run.run(self._clickhouse, self._preparation, running, report)
        finally:
            del self._submissions[job_id]
            running.ended.set()

    def _ensure_database(self, database: str) -> None:
        # Then no query that comes after a start sees the leftovers.
        concurrent.futures.wait([self._tidying])
        self._tables.ensure_database(database)

    def _create_table(self, call_id: int, creation: TableCreation, running: ImportRun) -> dict[str, Any]:
        def give_up(error: str) -> None:
            self._pipe.send(pipe_messages.CallResult(call_id, error=error, is_last=True))

        concurrent.futures.wait([self._tidying])
        try:
            with self._watchdog.watch(running.upload.id, running.time_limit, give_up) as running.watch:
                return self._table_import.create_table(creation.database, creation.table, running)
        finally:
            del self._imports[running.upload.id]
            running.ended.set()

    def _cancel(self, job_id: str) -> bool:
        """Stop a submission or an import; False if it is not running."""
        running = self._submissions.get(job_id) or self._imports.get(job_id)
        if running is None:
            return False
        running.cancelled.set()
        # Repeated, since a kill does nothing if ClickHouse does not have the statement in its list yet.
        while not running.ended.wait(_KILL_INTERVAL):
            self._kill(job_id)
        return True

    def _kill(self, job_id: str) -> None:
        with contextlib.suppress(EngineError):
            self._clickhouse.query(_KILL, {}, params={"job_id": job_id, "mark": query_mark(job_id)})


def main(options: dict[str, Any], confinement: str) -> None:
    """Run the process.

    Parameters
    ----------
    options : dict
        What ``EngineProcess.start`` puts together.
    confinement : str
        What the sandbox reports.
    """
    # Decoding a syntax tree takes three calls per level, and ClickHouse accepts a thousand levels.
    sys.setrecursionlimit(_RECURSION_LIMIT)
    pipe = _take_standard_streams()
    data = Path(options["data"])
    with file_lock.opened(data.with_name(f"{data.name}.lock")) as lock:
        if not file_lock.acquire(lock):
            pipe.send(pipe_messages.StartFailed("", is_missing=False, folder_in_use=True))
            return
        try:
            _delete_content(Path.cwd())
            clickhouse = EmbeddedClickHouse(options["data"], options["folders"])
        except (ImportError, OSError, RuntimeError) as error:
            is_missing = isinstance(error, ModuleNotFoundError)
            pipe.send(pipe_messages.StartFailed(str(error), is_missing=is_missing, folder_in_use=False))
            return
        pipe.send(pipe_messages.Ready(confinement))
        try:
            Worker(pipe, clickhouse, options["settings"]).serve()
        except Exception:  # the log gets the traceback
            sys.excepthook(*sys.exc_info())
        # Not sys.exit(): threads may be inside the engine, whose data is safe if the process ends at any time. And not
        # after the lock, since the next process may open the data folder as soon as it is free.
        os._exit(0)


def _take_standard_streams() -> Pipe:
    """Return the socket that is standard input and output; what the engine or Python prints goes to standard error."""
    sink = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    return Pipe(os.fdopen(os.dup(0), "rb"), sink)


def _delete_content(folder: Path) -> None:
    """Delete what a killed process left in its working folder."""
    for path in folder.iterdir():
        shutil.rmtree(path) if path.is_dir() else path.unlink()
