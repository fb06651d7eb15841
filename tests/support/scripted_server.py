"""A scripted HTTP server on raw sockets: it says the very bytes that a test wants, and keeps a journal of what it got.

It knows nothing of the client or of its models. A *step* is what it does with one request; steps are taken in order and
the last one is repeated. What no step was given for is answered with a plain 404.
"""

from __future__ import annotations

import contextlib
import json
import socket
import ssl
import struct
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs, urlsplit

REASONS = {200: "OK", 201: "Created", 204: "No Content", 302: "Found", 404: "Not Found", 503: "Service Unavailable"}


@dataclass(frozen=True)
class Request:
    """One request as it came: header names in lower case, and the number of the connection it came on."""

    method: str
    target: str
    headers: Mapping[str, str]
    body: bytes
    connection: int

    @property
    def path(self) -> str:
        """The target without its query."""
        return urlsplit(self.target).path

    @property
    def params(self) -> dict[str, list[str]]:
        """The query, each name with all of its values."""
        return parse_qs(urlsplit(self.target).query)

    def json(self) -> Any:
        """The body, decoded."""
        return json.loads(self.body)


@dataclass
class Wire:
    """One accepted connection."""

    socket: socket.socket
    closing: threading.Event
    buffer: bytearray = field(default_factory=bytearray)

    def read_until(self, end: Callable[[bytearray], bool]) -> bool:
        """Read until ``end`` holds for what has come; False where the client went away before."""
        while not end(self.buffer):
            data = self.socket.recv(1 << 16)
            if not data:
                return False
            self.buffer += data
        return True

    def read_request(self, connection: int) -> Request | None:
        """Read one request; None where the client has no more."""
        if not self.read_until(lambda buffer: b"\r\n\r\n" in buffer):
            return None
        head, _, self.buffer = self.buffer.partition(b"\r\n\r\n")
        first, *lines = head.decode("latin-1").split("\r\n")
        method, target, _ = first.split(" ")
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
        length = int(headers.get("content-length", 0))
        if not self.read_until(lambda buffer: len(buffer) >= length):
            return None
        body, self.buffer = bytes(self.buffer[:length]), self.buffer[length:]
        return Request(method, target, headers, body, connection)

    def abort(self) -> None:
        """End the connection with a reset."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.socket.close()


# What is done with one request; gives whether the connection is kept.
Step = Callable[[Wire], bool]


def bytes_of(
    payload: Any = b"", status: int = 200, headers: Mapping[str, str] | None = None, content_type: str = ""
) -> bytes:
    """Write an answer: bytes and strings as they are, anything else as JSON."""
    body = payload if isinstance(payload, bytes) else (payload if isinstance(payload, str) else json.dumps(payload))
    body = body.encode() if isinstance(body, str) else body
    kind = content_type or ("text/plain" if isinstance(payload, (bytes, str)) else "application/json")
    lines = {"Content-Type": kind, "Content-Length": str(len(body)), **(headers or {})}
    head = "".join(f"{name}: {value}\r\n" for name, value in lines.items())
    return f"HTTP/1.1 {status} {REASONS.get(status, 'Status')}\r\n{head}\r\n".encode("latin-1") + body


def answer(
    payload: Any = b"", status: int = 200, headers: Mapping[str, str] | None = None, content_type: str = ""
) -> Step:
    """Give a proper answer and keep the connection."""
    return send(bytes_of(payload, status, headers, content_type), keep=True)


def send(data: bytes, *, keep: bool = False) -> Step:
    """Send bytes as they are, then close the connection, or keep it."""

    def step(wire: Wire) -> bool:
        wire.socket.sendall(data)
        return keep

    return step


def reset(after: bytes = b"") -> Step:
    """Send bytes, then reset the connection."""

    def step(wire: Wire) -> bool:
        wire.socket.sendall(after)
        wire.abort()
        return False

    return step


def hang(after: bytes = b"") -> Step:
    """Send bytes, then say nothing more until the server is closed."""

    def step(wire: Wire) -> bool:
        wire.socket.sendall(after)
        wire.closing.wait()
        return False

    return step


def drip(data: bytes, *, at_once: int = 0, every: float = 0.05) -> Step:
    """Send the first bytes at once, then one byte every 50 ms."""

    def step(wire: Wire) -> bool:
        wire.socket.sendall(data[:at_once])
        for byte in data[at_once:]:
            if wire.closing.wait(every):
                return False
            wire.socket.sendall(bytes([byte]))
        return True

    return step


def tunnel(context: ssl.SSLContext) -> Step:
    """Accept a proxy's CONNECT and be the server behind it, too."""

    def step(wire: Wire) -> bool:
        wire.socket.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
        wire.socket = context.wrap_socket(wire.socket, server_side=True)
        return True

    return step


class ScriptedServer:
    """Serve steps on a port of the loopback interface.

    Parameters
    ----------
    *steps : Step
        For every request that no route of :meth:`on` is for.
    context : ssl.SSLContext, optional
        Speak TLS.
    greet : Step, optional
        What is done with each new connection before anything is read.
    port : int
        0 takes any free one.
    """

    def __init__(
        self, *steps: Step, context: ssl.SSLContext | None = None, greet: Step | None = None, port: int = 0
    ) -> None:
        self.journal: list[Request] = []
        self.connections = 0
        # A script that is a function of the request; None leaves it to the routes and steps.
        self.script: Callable[[Request], Step | None] = lambda _: None
        self._steps, self._routes = deque(steps), dict[tuple[str, str], deque[Step]]()
        self._context, self._greet = context, greet
        self._lock, self._closing = threading.Lock(), threading.Event()
        # The connections that are open, by their numbers.
        self.live: dict[int, Wire] = {}
        self._threads: list[threading.Thread] = []
        self._listener = socket.create_server(("127.0.0.1", port), backlog=64)
        self.port: int = self._listener.getsockname()[1]
        self._spawn(self._accept)

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"{'https' if self._context else 'http'}://127.0.0.1:{self.port}"

    def on(self, method: str, path: str, *steps: Step) -> ScriptedServer:
        """Give one endpoint steps of its own."""
        self._routes[method, path] = deque(steps)
        return self

    def got(self, method: str, path: str = "") -> list[Request]:
        """List the requests of a method, whose path contains ``path``."""
        with self._lock:
            return [item for item in self.journal if item.method == method and path in item.path]

    def close(self) -> None:
        """End all connections and threads."""
        self._closing.set()
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self.port), timeout=5):
            pass  # wakes the accepting thread
        with self._lock:
            live = list(self.live.values())
        for wire in live:
            with contextlib.suppress(OSError):
                wire.socket.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join(30)
        self._listener.close()

    def __enter__(self) -> ScriptedServer:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _spawn(self, target: Callable[..., None], *arguments: Any) -> None:
        thread = threading.Thread(target=target, args=arguments, name="scripted-server", daemon=True)
        self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        while True:
            accepted, _ = self._listener.accept()
            if self._closing.is_set():
                accepted.close()
                return
            with self._lock:
                self.connections += 1
                number, wire = self.connections, Wire(accepted, self._closing)
                self.live[number] = wire
            self._spawn(self._serve, wire, number)

    def _serve(self, wire: Wire, number: int) -> None:
        try:
            # A client that goes away is part of most scripts.
            with contextlib.suppress(OSError):
                self._converse(wire, number)
        finally:
            with self._lock:
                del self.live[number]
            wire.socket.close()

    def _converse(self, wire: Wire, number: int) -> None:
        if self._greet is not None and not self._greet(wire):
            return
        if self._context is not None:
            wire.socket = self._context.wrap_socket(wire.socket, server_side=True)
        while request := wire.read_request(number):
            with self._lock:
                self.journal.append(request)
                step = self._next(request)
            if not step(wire):
                return

    def _next(self, request: Request) -> Step:
        """Choose what is done with a request."""
        if scripted := self.script(request):
            return scripted
        steps = self._routes.get((request.method, request.path), self._steps)
        if not steps:
            return answer("Not Found", 404)
        return steps.popleft() if len(steps) > 1 else steps[0]


def free_port() -> int:
    """Find a port that nothing listens on."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
        return port


def wait_for(condition: Callable[[], Any], seconds: float = 60.0) -> None:
    """Wait until a condition holds."""
    ends = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < ends, "it did not come true in time"
        time.sleep(0.005)
