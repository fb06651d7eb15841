"""What an escape from the engine would reach: a file, stored rows, a listening socket; each tells if it was reached."""

from __future__ import annotations

import contextlib
import os
import socket
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

TEXT = "canary-7c1f4e"
_LONG_AGO = 10**18
_RESPONSE = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\n1\n"


@dataclass
class Canaries:
    """A file and a port of this machine. ``names`` are the words that an SQL text of a test may hold in braces."""

    file: Path
    port: int
    outside: Path
    names: dict[str, str]
    connections: int = 0

    def sql(self, template: str) -> str:
        """Return an SQL text with the canaries' names in it."""
        return template.format(**self.names)

    def filled(self, template: str) -> str:
        """Return a text in which the names are in angle brackets, so that it may hold braces."""
        for name, value in self.names.items():
            template = template.replace(f"<{name}>", value)
        return template

    def was_read(self) -> bool:
        """Whether somebody has read the file since the last call, as far as the file system notes it."""
        read = self.file.stat().st_atime_ns > _LONG_AGO
        self.forget()
        return read

    def forget(self) -> None:
        """Date the last reading long before the last change, since only then the next reading is noted."""
        os.utime(self.file, ns=(_LONG_AGO, time.time_ns()))

    def written(self) -> list[str]:
        """Return the names of the files that somebody made beside the canary's."""
        return [path.name for path in self.outside.iterdir() if path != self.file]

    def was_connected(self) -> bool:
        """Whether somebody has connected since the last call."""
        time.sleep(0.003)  # the thread that accepts counts a moment later than the other side connects
        before, self.connections = self.connections, 0
        return before > 0


@contextlib.contextmanager
def canaries(folder: Path, **names: str) -> Iterator[Canaries]:
    """Yield canaries; leaving the block closes the socket."""
    outside = folder / "outside"
    outside.mkdir(parents=True)
    file = outside / "canary.txt"
    file.write_text(TEXT + "\n")
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        named = {"file": str(file), "outside": str(outside), "port": str(port), **names}
        made = Canaries(file, port, outside, named)
        thread = threading.Thread(target=_accept, args=(listener, made), daemon=True)
        thread.start()
        made.forget()
        yield made
        # A thread that waits in accept() is not woken by close().
        listener.shutdown(socket.SHUT_RDWR)
        thread.join()


def _accept(listener: socket.socket, made: Canaries) -> None:
    while True:
        try:
            connection, _ = listener.accept()
        except OSError:
            return
        made.connections += 1
        # An answer, so that nobody tries again and again.
        with connection, contextlib.suppress(OSError):
            connection.settimeout(1)
            connection.recv(1000)
            connection.sendall(_RESPONSE)
