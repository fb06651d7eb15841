"""The engine's process as seen from the service: started, called, listened to, ended."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import platform
import struct
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import IO, Any

import msgspec

import roe_magic
from roe_magic.errors import MissingExtra, ServiceError, UsageError

RESTARTED = "The engine was restarted while this query ran; run it again."
START_SECONDS = 120.0
_CHUNK = 1 << 16

# Not `-m`: this package may be importable through the parent's own search path only, and the working folder, which
# holds temporary files, must not be on the path.
_BOOT = """
import json, sys
sys.path[:] = [place for place in sys.path if place] + [sys.argv.pop(2)]
order = json.loads(sys.argv.pop(1))
from roe_magic.service.engine.chdb import sandbox
confined = sandbox.confine(order["folders"])
from roe_magic.service.engine.chdb.worker import main
main(order, confined)
"""


class EngineGone(ServiceError):
    """The engine's process ended while it was at work."""


class Child:
    """The running process and the calls that it has not answered yet.

    A plain Popen: asyncio's own subprocesses may reap a child twice.
    """

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        self.process, self.sandbox, self.alive = process, "none", True
        self._loop = asyncio.get_running_loop()
        self._hello: asyncio.Future[dict[str, Any]] = self._loop.create_future()
        self._calls: dict[int, asyncio.Future[Any]] = {}
        self._progress: dict[int, Callable[[dict[str, Any]], None]] = {}
        self._next = 0
        assert process.stdout
        self._output, self._received = process.stdout.fileno(), bytearray()
        self._loop.add_reader(self._output, self._read)

    @classmethod
    async def start(cls, folder: Path, writable: list[Path], limits: dict[str, str]) -> Child:
        """Start the process on a folder and wait until it is ready."""
        _require_platform()
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
        self._gone()
        self.process.kill()
        await asyncio.to_thread(self.process.wait)
        for pipe in (self.process.stdin, self.process.stdout):
            with contextlib.suppress(OSError):
                if pipe:
                    pipe.close()

    def _read(self) -> None:
        """Take what has come (called by the loop): some whole messages, and the beginning of another."""
        chunk = os.read(self._output, _CHUNK)
        self._received += chunk
        while (end := _end(self._received)) <= len(self._received):
            body = bytes(self._received[4:end])
            del self._received[:end]
            # What msgpack cannot say comes as JSON; a message of msgpack never begins with a brace.
            self._take(json.loads(body) if body.startswith(b"{") else msgspec.msgpack.decode(body))
        if not chunk:
            self._gone()

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
        self._loop.remove_reader(self._output)
        for future in (self._hello, *self._calls.values()):
            if not future.done():
                future.set_exception(EngineGone(RESTARTED))
        # Where nobody waits any more, that is not a mistake to report.
        if not self._hello.cancelled():
            self._hello.exception()


def _end(received: bytearray) -> int:
    """Tell where the first message ends, by the length in front of it."""
    return 4 + (struct.unpack_from(">I", received)[0] if len(received) >= 4 else 0)


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
        return MissingExtra("local", "The local service")
    if hello["taken"]:
        return ServiceError(
            f"Another process uses the data folder {folder}.", hint="Stop it, or choose another folder."
        )
    return ServiceError(f"The engine did not start: {hello['error']}", hint=f"See {folder / 'engine.log'}.")


def _require_platform() -> None:
    if sys.platform == "win32" or (sys.platform == "linux" and platform.libc_ver()[0] != "glibc"):
        raise ServiceError("The local service needs macOS, or Linux with glibc: its engine, chDB, runs nowhere else.")
