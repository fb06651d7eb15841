"""The engine's process, seen from the service.

:meth:`EngineProcess.start` runs ``PROGRAM`` in a new Python process, which confines itself (``sandbox``), opens the
data folder and then sends one message that says whether it is ready (``worker``).

:meth:`EngineProcess.call` sends a numbered message through a socket, which is the process's standard input and output,
and waits for a future. The event loop calls ``_read`` whenever something has come back: it cuts the bytes into
messages, passes progress on to the call that it belongs to, and sets the result of the future of a call that has ended.
Any number of calls may be under way.

When the socket is closed, or the process says that it ends, every call that is under way raises :class:`EngineGone`.
The owner (``engine``) starts another process for the next call. When this process ends, the other one reads the end of
its input, and ends as well.
"""

from __future__ import annotations

import asyncio
import json
import os
import platform
import socket
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import IO, Any

import msgspec

from roe_magic.errors import MissingExtra, ServiceError, UsageError
from roe_magic.service.engine.chdb import pipe_messages
from roe_magic.service.job import Job, TableCreation
from roe_magic.service.queries.errors import DiskFull, EngineGone

RESTARTED = "The engine was restarted while this query ran; run it again."
START_SECONDS = 120.0
_READ_BYTES = 1 << 16

# Not `-m`: this package may be importable only through the service's own search path, and the working folder, which
# holds temporary files, must not be on the path. The sandbox comes first, because it does not cover threads that
# imports may have started.
PROGRAM = """
import json, sys
sys.path[:] = [place for place in sys.path if place] + [sys.argv.pop(2)]
options = json.loads(sys.argv.pop(1))
from roe_magic.service.engine.chdb import sandbox
confinement = sandbox.confine(*options["folders"])
from roe_magic.service.engine.chdb.worker import main
main(options, confinement)
"""
# The folder that contains the package roe_magic.
_IMPORT_ROOT = Path(__file__).resolve().parents[4]
# Nothing else of the service's environment is passed on, since a statement might read it.
_ENVIRONMENT = ("PATH", "LANG", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH")

OnProgress = Callable[[dict[str, int]], None]
Arguments = Job | TableCreation | Mapping[str, Any]


class EngineProcess:
    """A running process, and the calls to it that have not ended.

    A plain Popen: asyncio's own subprocesses may wait for the end of a process twice.
    """

    def __init__(self, process: subprocess.Popen[bytes], connection: socket.socket) -> None:
        self.process, self.sandbox, self.alive = process, "none", True
        self._loop = asyncio.get_running_loop()
        self._start: asyncio.Future[pipe_messages.Ready | pipe_messages.StartFailed] = self._loop.create_future()
        self._calls: dict[int, asyncio.Future[Any]] = {}
        self._on_progress: dict[int, OnProgress] = {}
        self._next_id = 0
        self._connection, self._received = connection, bytearray()
        self._loop.add_reader(connection, self._read)

    @classmethod
    async def start(cls, folder: Path, results: Path | None, settings: dict[str, str]) -> EngineProcess:
        """Start a process on the engine's folder, and return when it is ready.

        Parameters
        ----------
        folder, results : Path
            The only folders that it may open; in the second it may only write.
        settings : dict of str to str
            The engine's settings for every statement of a caller.
        """
        _require_platform()
        data, scratch = folder / "engine", folder / "scratch"
        for path in (data, scratch):
            path.mkdir(parents=True, exist_ok=True)
        options = {
            "data": str(data),
            "settings": settings,
            "folders": [str(path) for path in (folder, results) if path],
        }
        log_path = folder / "engine.log"
        with log_path.open("ab") as log:
            engine = cls(*_spawn(options, scratch, log))
        try:
            await engine._wait_until_ready(folder, log_path)
        except BaseException:
            await engine.kill()
            raise
        return engine

    async def call(self, method: str, arguments: Arguments, on_progress: OnProgress | None = None) -> Any:
        """Call a method of the worker, and return its result."""
        call_id = self._next_id
        if on_progress:
            self._on_progress[call_id] = on_progress
        future = self._calls[call_id] = self._loop.create_future()
        try:
            self.send(method, arguments)
            return await future
        finally:
            self._calls.pop(call_id, None)
            self._on_progress.pop(call_id, None)

    def send(self, method: str, arguments: Arguments) -> None:
        """Call a method of the worker, and do not wait for its result."""
        call = pipe_messages.Call(self._next_id, method, msgspec.Raw(msgspec.msgpack.encode(arguments)))
        self._next_id += 1
        if not self.alive:
            raise EngineGone(RESTARTED)
        try:
            self._connection.sendall(pipe_messages.encode(call))
        except OSError:
            raise EngineGone(RESTARTED) from None

    async def kill(self) -> None:
        """End the process at once, and return when it has ended."""
        self._end_calls()
        self.process.kill()
        await asyncio.to_thread(self.process.wait)
        self._connection.close()

    async def _wait_until_ready(self, folder: Path, log: Path) -> None:
        try:
            message = await asyncio.wait_for(self._start, START_SECONDS)
        except (asyncio.TimeoutError, EngineGone):
            raise ServiceError("The engine did not start.", hint=f"See {log}.") from None
        if isinstance(message, pipe_messages.StartFailed):
            raise _start_error(message, folder, log)
        self.sandbox = message.sandbox

    def _read(self) -> None:
        """Handle what has arrived: any number of complete messages, and perhaps the beginning of another."""
        try:
            chunk = self._connection.recv(_READ_BYTES)
        except ConnectionError:  # it ended before it had read everything
            chunk = b""
        self._received += chunk
        while (body := self._next_body()) is not None:
            self._handle(pipe_messages.decode_engine_message(body))
        if not chunk:
            self._end_calls()

    def _next_body(self) -> bytes | None:
        if len(self._received) < pipe_messages.HEADER_BYTES:
            return None
        end = pipe_messages.HEADER_BYTES + pipe_messages.body_length(self._received)
        if len(self._received) < end:
            return None
        body = bytes(self._received[pipe_messages.HEADER_BYTES : end])
        del self._received[:end]
        return body

    def _handle(self, message: pipe_messages.EngineMessage) -> None:
        if isinstance(message, pipe_messages.ProgressReport):
            on_progress = self._on_progress.get(message.id)
            if on_progress:
                on_progress(message.progress)
        elif isinstance(message, pipe_messages.CallResult):
            self._end_call(message)
            if message.is_last:
                self._end_calls()
        else:
            self._start.set_result(message)

    def _end_call(self, response: pipe_messages.CallResult) -> None:
        future = self._calls.get(response.id)
        if future is None or future.done():
            return
        if response.failure:
            future.set_exception(ServiceError(f"The engine's process failed: {response.failure}"))
        elif response.error:
            future.set_exception((DiskFull if response.is_disk_full else UsageError)(response.error))
        else:
            future.set_result(response.value)

    def _end_calls(self) -> None:
        """Let every call that is under way raise EngineGone."""
        if self.alive:
            self._loop.remove_reader(self._connection)
        self.alive = False
        for future in (self._start, *self._calls.values()):
            if not future.done():
                future.set_exception(EngineGone(RESTARTED))
        # asyncio logs an exception of a future that nobody looks at; here nobody need wait for the start any more.
        if not self._start.cancelled():
            self._start.exception()


def _spawn(options: dict[str, Any], scratch: Path, log: IO[bytes]) -> tuple[subprocess.Popen[bytes], socket.socket]:
    """Return a new process, and the socket by which it is spoken to."""
    environment = {name: os.environ[name] for name in _ENVIRONMENT if name in os.environ}
    # Not pipes: a statement that reads files could open /proc/self/fd/0, and take the messages for itself.
    ours, theirs = socket.socketpair()
    with theirs:
        process = subprocess.Popen(  # noqa: S603  # our own program
            [sys.executable, "-c", PROGRAM, json.dumps(options), str(_IMPORT_ROOT)],
            stdin=theirs.fileno(),
            stdout=theirs.fileno(),
            stderr=log,
            cwd=scratch,
            # TZ is the zone of types that name none.
            env={**environment, "TMPDIR": str(scratch), "HOME": str(scratch), "TZ": "UTC"},
            # Ctrl-C in the terminal is for the service, which then ends this process itself.
            start_new_session=True,
        )
    return process, ours


def _start_error(message: pipe_messages.StartFailed, folder: Path, log: Path) -> ServiceError | MissingExtra:
    if message.is_missing:
        return MissingExtra("local", "The local service")
    if message.folder_in_use:
        return ServiceError(
            f"Another process uses the data folder {folder}.", hint="Stop it, or choose another folder."
        )
    return ServiceError(f"The engine did not start: {message.error}", hint=f"See {log}.")


def _require_platform() -> None:
    if sys.platform == "win32" or (sys.platform == "linux" and platform.libc_ver()[0] != "glibc"):
        raise ServiceError("The local service needs macOS, or Linux with glibc: its engine, chDB, runs nowhere else.")
