"""RoeClient.upload: a streamed form, its deadlines, and what is said about the server when it does not end well."""

from __future__ import annotations

import io
import json
import os
import re
import time
import tracemalloc
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, BinaryIO

import pytest

from roe_magic.client import RoeClient
from roe_magic.client.multipart import BLOCK_BYTES
from roe_magic.contract import models
from roe_magic.errors import (
    BadRequestError,
    DeadlineExceeded,
    ServerError,
    TransportError,
    UploadInterrupted,
    UploadUncertain,
    UsageError,
)
from tests.client.test_roe_client import KEY, LOST, ORG, client_of, reachable, rendered, sample
from tests.support.scripted_server import ScriptedServer, Step, Wire, answer, bytes_of, hang, wait_for

UPLOAD = "/v1/tables/upload/"
DONE = answer(sample("upload-201"), 201)
# More than the buffers of both ends of a connection hold.
LARGE = 64 << 20


@pytest.fixture
def server() -> Iterator[ScriptedServer]:
    with ScriptedServer() as started:
        yield started.on("POST", UPLOAD, DONE)


@pytest.fixture
def client(server: ScriptedServer) -> Iterator[RoeClient]:
    with client_of(server) as made:
        yield made


@pytest.fixture
def large(tmp_path: Path) -> Iterator[BinaryIO]:
    """A file of 64 MB that takes no room on the disk."""
    path = tmp_path / "large.csv"
    with path.open("wb") as file:
        file.truncate(LARGE)
    with path.open("rb") as file:
        yield file


def parts(body: bytes) -> list[tuple[bytes, bytes, bytes]]:
    """List the parts of a form: name, media type, content."""
    pattern = rb'name="(\w+)"(?:; filename="[^"]+")?\r\n(?:Content-Type: ([^\r]+)\r\n)?\r\n(.*?)\r\n--'
    return re.findall(pattern, body, re.DOTALL)


def after(received: int, step: Step) -> Step:
    """Do a step once so many bytes of a request have come, and read no more of them; then close."""

    def greet(wire: Wire) -> bool:
        wire.read_until(lambda buffer: len(buffer) >= received)
        step(wire)
        return False

    return greet


# What is sent


def test_what_the_contract_lacks_is_sent_only_where_it_is_asked_for(server: ScriptedServer, client: RoeClient) -> None:
    """The fields of our own stand before the file, and the file's part has its media type."""
    client.upload("t", io.BytesIO(b"a\n1\n"))
    client.upload(
        "t",
        io.BytesIO(b"ARROW"),
        content_type=models.ARROW_STREAM,
        types={"a": "Decimal(10, 2)", "é": "Date"},
        replace=True,
        dry_run=True,
    )
    plain, typed = (parts(request.body) for request in server.journal)
    form = [(b"table_name", b"", b"t"), (b"with_headers", b"", b"true"), (b"organization_id", b"", ORG.encode())]
    assert plain == [*form, (b"file", b"text/csv", b"a\n1\n")]
    assert typed[:3] == form
    assert json.loads(typed[3][2]) == {"a": "Decimal(10, 2)", "é": "Date"}
    assert typed[4:] == [
        (b"replace", b"", b"true"),
        (b"dry_run", b"", b"true"),
        (b"file", b"application/vnd.apache.arrow.stream", b"ARROW"),
    ]


def test_the_answer_may_say_how_the_file_was_read(server: ScriptedServer, client: RoeClient) -> None:
    """Columns with their types and reasons, notices, and whether it was a dry run."""
    columns = [
        {"name": "zip", "type": "Nullable(String)", "reason": "text: leading zeros"},
        {"name": "n", "type": "Int8"},
    ]
    more = {"columns": columns, "notices": ["Times are UTC."], "dry_run": True}
    server.on("POST", UPLOAD, answer({**sample("upload-201"), **more}))
    done = client.upload("t", io.BytesIO(b"a"))
    assert done.columns is not None
    assert [(column.name, column.reason) for column in done.columns] == [("zip", "text: leading zeros"), ("n", None)]
    assert (done.notices, done.dry_run) == (["Times are UTC."], True)


def test_a_server_tells_what_it_takes(server: ScriptedServer, client: RoeClient) -> None:
    """One of the contract says nothing, and so takes CSV alone."""
    listed = {"results": [], "total": 0}
    server.on("GET", "/v1/tables/", answer(listed), answer({**listed, "upload_types": [models.CSV, models.PARQUET]}))
    assert client.upload_types() is None
    assert client.upload_types() == ["text/csv", "application/vnd.apache.parquet"]


class Endless(io.RawIOBase):
    """A file of a size that no memory holds at once; remembers the largest block that was asked for."""

    def __init__(self, size: int) -> None:
        self.size, self.at, self.largest = size, 0, 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = 0) -> int:
        self.at = offset + (self.size if whence == os.SEEK_END else 0)
        return self.at

    def tell(self) -> int:
        return self.at

    def read(self, size: int | None = -1) -> bytes:  # type: ignore[override]  # never None here
        assert size is not None
        self.largest = max(self.largest, size if size >= 0 else self.size)
        taken = min(size, self.size - self.at)
        self.at += taken
        return bytes(taken)


def test_a_file_is_read_while_it_is_sent() -> None:
    """Block by block, however large it is."""
    file, received = Endless(200 << 20), 0

    def drain(wire: Wire) -> bool:
        nonlocal received
        wire.read_until(lambda buffer: b"\r\n\r\n" in buffer)
        head, _, rest = bytes(wire.buffer).partition(b"\r\n\r\n")
        found = re.search(rb"Content-Length: (\d+)", head)
        assert found
        received = len(rest)
        while received < int(found[1]):
            received += len(wire.socket.recv(1 << 20))
        return DONE(wire)

    with ScriptedServer(greet=drain) as server, client_of(server) as client:
        tracemalloc.start()
        try:
            client.upload("t", file)  # type: ignore[arg-type]  # as much of a BinaryIO as is needed
            peak = tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()
    assert received > file.size
    assert file.largest <= BLOCK_BYTES
    assert peak < 20 << 20


def test_progress_is_told_up_to_the_last_byte(client: RoeClient) -> None:
    """From none to all, and all only when the form is complete."""
    told: list[tuple[int, int]] = []
    size = 3 * BLOCK_BYTES + 5
    client.upload("t", io.BytesIO(bytes(size)), progress=lambda *figures: told.append(figures))
    assert told == [(sent, size) for sent in (0, BLOCK_BYTES, 2 * BLOCK_BYTES, 3 * BLOCK_BYTES, size)]


def test_a_file_is_sent_from_where_it_stands(server: ScriptedServer, client: RoeClient) -> None:
    """As it was before; each attempt sends the same."""
    server.on("POST", UPLOAD, answer("", 503, {"Retry-After": "0"}), DONE)
    file = io.BytesIO(b"skipped,a\n1\n")
    file.seek(8)
    client.upload("t", file)
    assert [parts(request.body)[-1][2] for request in server.journal] == [b"a\n1\n"] * 2


def test_text_files_and_pipes_are_taken(server: ScriptedServer, client: RoeClient, tmp_path: Path) -> None:
    """What cannot be read twice is copied first."""
    path = tmp_path / "t.csv"
    path.write_text("é\r\n1\r\n", "utf-8", newline="")
    with path.open(encoding="utf-8", newline="") as text:
        client.upload("t", text)  # type: ignore[arg-type]  # was never promised, and works
    reading, writing = os.pipe()
    with os.fdopen(reading, "rb") as pipe:
        os.write(writing, b"a\n1\n")
        os.close(writing)
        client.upload("t", pipe)
    assert [parts(request.body)[-1][2] for request in server.journal] == ["é\r\n1\r\n".encode(), b"a\n1\n"]


# What goes wrong


def safe(call: Callable[[], Any], kind: type[BaseException]) -> BaseException:
    """Return the error of a call, which shows the key nowhere."""
    with pytest.raises(kind) as caught:
        call()
    error = caught.value
    assert KEY not in rendered(error, "Verbose")
    assert not [part for part in reachable(error, but=(__file__,)) if KEY in part]
    return error


@pytest.mark.parametrize("fault", LOST.values(), ids=LOST)
def test_a_lost_answer_leaves_it_open_whether_there_is_a_table(server: ScriptedServer, fault: Step) -> None:
    """The file was sent, and is not sent again."""
    server.on("POST", UPLOAD, fault)
    with client_of(server, timeout=0.5) as client:
        error = safe(lambda: client.upload("t", io.BytesIO(b"a")), UploadUncertain)
    assert "the table t may exist" in str(error)
    assert "%roe tables" in str(error)
    assert len(server.journal) == 1


def test_a_server_that_fails_leaves_it_open_too(server: ScriptedServer, client: RoeClient) -> None:
    """After a 500 the table may be there."""
    server.on("POST", UPLOAD, answer("", 500))
    assert "The table t may exist" in str(safe(lambda: client.upload("t", io.BytesIO(b"a")), ServerError))
    assert len(server.journal) == 1


def test_a_connection_that_breaks_while_the_file_is_sent_creates_nothing(large: BinaryIO) -> None:
    """The form never ended, so no server can have acted on it; it is not sent again."""
    with ScriptedServer(greet=after(1 << 20, Wire.abort)) as server, client_of(server) as client:
        error = safe(lambda: client.upload("t", large), TransportError)
        assert not isinstance(error, UploadUncertain)
        assert "nothing was created" in str(error)
        assert server.connections == 1


def test_a_refusal_that_comes_early_is_read(large: BinaryIO) -> None:
    """A server that refuses the fields need not take the file."""

    def refuse(wire: Wire) -> bool:
        wire.socket.sendall(bytes_of(["Table t already exists."], 400))
        time.sleep(0.2)  # until the client has read it; closing resets the connection
        return False

    with ScriptedServer(greet=after(1 << 20, refuse)) as server, client_of(server) as client:
        assert "already exists" in str(safe(lambda: client.upload("t", large), BadRequestError))


def test_a_server_that_takes_no_more_bytes_ends_the_upload(large: BinaryIO) -> None:
    """Silence does, for as long as ROE_TIMEOUT; the message says so."""
    with ScriptedServer(greet=after(1 << 20, hang())) as server, client_of(server, timeout=0.5) as client:
        error = safe(lambda: client.upload("t", large), DeadlineExceeded)
        assert "took no more of the file" in str(error)
        assert "nothing was created" in str(error)
        assert server.connections == 1


def test_a_slow_line_is_not_silence() -> None:
    """An upload may take longer than ROE_TIMEOUT as long as bytes are taken."""
    size, timeout = 8 << 20, 0.5

    def slowly(wire: Wire) -> bool:
        wire.read_until(lambda buffer: b"\r\n\r\n" in buffer)
        for _ in range(8):
            time.sleep(0.2)
            received = len(wire.buffer) + size // 10
            wire.read_until(lambda buffer: len(buffer) >= received)  # noqa: B023  # called in this turn only
        wire.read_until(lambda buffer: buffer.endswith(b"--\r\n"))
        return DONE(wire)

    with ScriptedServer(greet=slowly) as server, client_of(server, timeout=timeout) as client:
        begun = time.monotonic()
        assert client.upload("t", io.BytesIO(bytes(size))).table_name == "flights"
        assert time.monotonic() - begun > 2 * timeout


def test_a_large_file_gives_the_server_time_to_read_it(server: ScriptedServer) -> None:
    """A second for each megabyte, beside ROE_TIMEOUT."""

    def late(wire: Wire) -> bool:
        time.sleep(1.0)
        return DONE(wire)

    server.on("POST", UPLOAD, late)
    with client_of(server, timeout=0.3) as client:
        assert client.upload("t", io.BytesIO(bytes(10_000_000))).table_name == "flights"
        safe(lambda: client.upload("t", io.BytesIO(b"a")), UploadUncertain)


def stop(sent: int, size: int) -> None:
    if sent:
        raise KeyboardInterrupt


def test_a_stop_while_the_file_is_sent_creates_nothing(large: BinaryIO) -> None:
    """The connection is closed at once, and the server never sees the end of the form."""
    with ScriptedServer() as server, client_of(server) as client:
        error = safe(lambda: client.upload("t", large, progress=stop), UploadInterrupted)
        assert "nothing was created" in str(error)
        wait_for(lambda: not server.live)
        assert server.journal == []


def test_a_stop_after_the_last_byte_says_where_to_look(server: ScriptedServer, client: RoeClient) -> None:
    """The server may have acted on the form."""
    error = safe(lambda: client.upload("t", io.BytesIO(b"a"), progress=stop), UploadInterrupted)
    assert "may exist" in str(error)
    assert "%roe tables" in str(error)
    wait_for(lambda: not server.live)


def test_a_file_that_becomes_shorter_is_told(tmp_path: Path) -> None:
    """It cannot be sent as it was announced."""
    path = tmp_path / "t.csv"
    path.write_bytes(bytes(10 * BLOCK_BYTES))

    def cut(sent: int, _size: int) -> None:
        if sent:
            os.truncate(path, BLOCK_BYTES)

    with ScriptedServer() as server, client_of(server) as client, path.open("rb", buffering=0) as file:
        assert "became shorter" in str(safe(lambda: client.upload("t", file, progress=cut), UsageError))
        wait_for(lambda: not server.live)
        assert server.journal == []


def test_an_error_of_the_progress_function_is_that_error(server: ScriptedServer, client: RoeClient) -> None:
    """And no frame of the HTTP library comes with it."""

    def broken(_sent: int, _size: int) -> None:
        raise ZeroDivisionError("mine")

    assert str(safe(lambda: client.upload("t", io.BytesIO(b"a"), progress=broken), ZeroDivisionError)) == "mine"
    assert server.journal == []
