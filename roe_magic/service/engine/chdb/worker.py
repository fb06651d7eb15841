"""The engine's process: reads calls from standard input, answers on standard output, many calls at a time.

Messages are msgpack with their length in front. Rows never pass: they are written to files here. The process ends when
its input ends, so it cannot outlive the service.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import shutil
import struct
import sys
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, BinaryIO

import msgspec

from roe_magic import frames
from roe_magic.service.engine.chdb import submission
from roe_magic.service.engine.chdb.database import Embedded, EngineError, mark
from roe_magic.service.engine.chdb.table_catalogue import Tables

_KILL = "KILL QUERY WHERE Settings['log_comment'] = {tag:String} OR position(query, {mark:String}) > 0 ASYNC"
_KILL_EVERY = 0.05
# More than the service lets run at once, so that a cancel never waits for a free one.
_THREADS = 2000


class Pipe:
    """Both directions of the talk with the service."""

    def __init__(self, source: BinaryIO, sink: BinaryIO) -> None:
        self._source, self._sink, self._lock = source, sink, threading.Lock()

    def send(self, message: dict[str, Any]) -> None:
        """Write one message; threads may call this at the same time."""
        body = _encoded(message)
        with self._lock:
            self._sink.write(struct.pack(">I", len(body)) + body)
            self._sink.flush()

    def receive(self) -> dict[str, Any] | None:
        """Read the next message; None when the service has gone."""
        head = self._source.read(4)
        if len(head) < 4:
            return None
        message: dict[str, Any] = msgspec.msgpack.decode(self._source.read(struct.unpack(">I", head)[0]))
        return message


class Worker:
    """Carries calls out.

    Parameters
    ----------
    pipe : Pipe
        Where answers and progress go.
    engine : Embedded
        The open data folder.
    limits : dict of str to str
        The engine's settings for every statement of a caller.
    """

    def __init__(self, pipe: Pipe, engine: Embedded, limits: dict[str, str]) -> None:
        self._pipe, self._engine, self._limits = pipe, engine, limits
        self._running: dict[str, submission.Submission] = {}
        # The engine prepares itself for every new thread, which takes as long as two small queries: threads are kept.
        self._threads = ThreadPoolExecutor(_THREADS, "roe-call")
        tables = Tables(engine, limits)
        self._methods: dict[str, Callable[..., Any]] = {
            "run": self._run,
            "cancel": self._cancel,
            "ensure_database": tables.ensure_database,
            "tables": tables.every,
            "describe": tables.describe,
            "preview": tables.preview,
            "load_csv": tables.load_csv,
            "load_arrow": tables.load_arrow,
            "drop": tables.drop,
        }

    def serve(self) -> None:
        """Take calls until the service goes."""
        # pyarrow imports pandas when it first makes an array from Python values: not while a caller waits.
        threading.Thread(target=frames.from_rows, args=(["a"], ["String"], [["x"]]), daemon=True).start()
        while (call := self._pipe.receive()) is not None:
            if call["method"] == "run":
                # Known before the next call is read, so that a cancel right behind it finds it.
                self._enter(**call["arguments"])
            self._threads.submit(self._answer, call)

    def _answer(self, call: dict[str, Any]) -> None:
        answer: dict[str, Any] = {"id": call["id"], "value": None, "error": None, "failed": None}
        try:
            extra = {"call": call["id"]} if call["method"] == "run" else {}
            answer["value"] = self._methods[call["method"]](**call["arguments"], **extra)
        except EngineError as error:
            answer["error"] = error.message
        except Exception as error:  # the call must be answered, and the log tells the rest
            answer["failed"] = f"{type(error).__name__}: {error}"
            sys.excepthook(type(error), error, error.__traceback__)
        with contextlib.suppress(BrokenPipeError):
            self._pipe.send(answer)

    def _enter(self, *, tag: str, sql: str, database: str, use_admin: bool, folder: str) -> None:
        self._running[tag] = submission.Submission(tag, sql, database, use_admin, Path(folder), self._limits)

    def _run(self, *, tag: str, call: int, **_: Any) -> dict[str, Any]:
        job = self._running[tag]
        try:
            return submission.run(self._engine, job, lambda figures: self._pipe.send({"id": call, "progress": figures}))
        finally:
            del self._running[tag]
            job.ended.set()

    def _cancel(self, *, tag: str) -> bool:
        """Stop a submission; a kill that comes before its query has registered matches nothing, so it is repeated."""
        job = self._running.get(tag)
        if job is None:
            return False
        job.cancelled.set()
        while not job.ended.wait(_KILL_EVERY):
            with contextlib.suppress(EngineError):
                self._engine.query(_KILL, {}, params={"tag": tag, "mark": mark(tag)})
        return True


def _encoded(message: dict[str, Any]) -> bytes:
    """Encode a message; a cell whose bytes are not UTF-8 holds lone surrogates, which msgpack refuses."""
    try:
        return msgspec.msgpack.encode(message)
    except UnicodeEncodeError:
        return json.dumps(message).encode()


def _empty(folder: Path) -> None:
    """Remove what a killed process left in its working folder."""
    for path in folder.iterdir():
        shutil.rmtree(path) if path.is_dir() else path.unlink()


def main(order: dict[str, Any], confined: str) -> None:
    """Run the process on what ``Child`` orders; ``confined`` is what the sandbox says of itself."""
    # The engine and Python may print; the pipe is ours alone.
    sink = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    pipe = Pipe(os.fdopen(os.dup(0), "rb"), sink)
    with Path(f"{order['data']}.lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            _empty(Path.cwd())
            engine = Embedded(order["data"], order["folders"])
        except (ImportError, OSError, RuntimeError) as error:
            missing, taken = isinstance(error, ModuleNotFoundError), isinstance(error, BlockingIOError)
            pipe.send({"hello": False, "error": str(error), "missing": missing, "taken": taken})
            return
        pipe.send({"hello": True, "sandbox": confined})
        Worker(pipe, engine, order["limits"]).serve()
    # Threads may be deep in the engine, which a kill at any time does not harm.
    os._exit(0)
