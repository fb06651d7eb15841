"""An HTTP proxy in front of the real service: it can cut connections, and hide what the published API does not have."""

from __future__ import annotations

import contextlib
import http.client
import json
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Literal
from urllib.parse import urlsplit

# refuse: the request never arrives. lose: it is carried out, but its answer is lost. gone: none arrives from then on.
Fault = Literal["refuse", "lose", "gone"]


class FaultyProxy(ThreadingHTTPServer):
    """Forwards requests to a service.

    Parameters
    ----------
    url : str
        The service.
    csv_only : bool
        Hide that the service takes anything but CSV.
    """

    daemon_threads = True

    def __init__(self, url: str, *, csv_only: bool = True) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.target, self.csv_only = urlsplit(url).netloc, csv_only
        # The requests that came, as METHOD path.
        self.journal: list[str] = []
        # What is done at the request of this number, from 0.
        self.fault: tuple[int, Fault] | None = None
        # Seconds between the megabytes that are taken of a body.
        self.pause = 0.0
        # Called before each request is forwarded.
        self.before: Callable[[str], object] = lambda _request: None

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://127.0.0.1:{self.server_address[1]}"

    def fault_now(self) -> Fault | None:
        """Return the fault of the request that came last."""
        if self.fault is None:
            return None
        number, fault = self.fault
        at = len(self.journal) - 1
        return fault if at == number or (fault == "gone" and at > number) else None


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: FaultyProxy

    def _forward(self) -> None:
        body = self._body()
        if body is None:
            return
        self.server.journal.append(f"{self.command} {urlsplit(self.path).path}")
        fault = self.server.fault_now()
        self.close_connection = fault is not None
        if fault in ("refuse", "gone"):
            return
        self.server.before(self.server.journal[-1])
        connection = http.client.HTTPConnection(self.server.target, timeout=60)
        try:
            headers = {name: value for name, value in self.headers.items() if name.lower() != "host"}
            connection.request(self.command, self.path, body, headers)
            response = connection.getresponse()
            answer = response.read()
        finally:
            connection.close()
        if fault != "lose":
            self._answer(response, answer)

    def _body(self) -> bytes | None:
        """Read the request's body; None where the client went away before its end."""
        left, blocks = int(self.headers.get("Content-Length", 0)), []
        while left and (block := self.rfile.read(min(left, 1 << 20))):
            blocks.append(block)
            left -= len(block)
            time.sleep(self.server.pause)
        self.close_connection = left > 0
        return None if left else b"".join(blocks)

    def _answer(self, response: http.client.HTTPResponse, answer: bytes) -> None:
        if self.server.csv_only and urlsplit(self.path).path == "/v1/tables/":
            listed = json.loads(answer)
            del listed["upload_types"]
            answer = json.dumps(listed).encode()
        self.send_response(response.status)
        for name, value in response.headers.items():
            if name.lower() not in ("content-length", "transfer-encoding", "connection"):
                self.send_header(name, value)
        if response.status != 204:
            self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    do_GET = do_POST = do_DELETE = _forward  # noqa: N815  # names of http.server

    def log_message(self, *_: Any) -> None:
        """Say nothing."""


@contextlib.contextmanager
def faulty_proxy(url: str, *, csv_only: bool = True) -> Iterator[FaultyProxy]:
    """Run a proxy in front of a service."""
    with FaultyProxy(url, csv_only=csv_only) as proxy:
        thread = threading.Thread(target=proxy.serve_forever, args=(0.05,), name="faulty-proxy")
        thread.start()
        try:
            yield proxy
        finally:
            proxy.shutdown()
            thread.join()
