"""What a server sends by the thousand reaches the browser ten times a second; what a panel took is given back."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator
from typing import Any

import pytest

from tests.faults.conftest import Record
from tests.support.kernels import Kernel, running_kernel
from tests.support.scripted_server import Step, Wire, answer
from tests.support.timed_server import ROWS, TimedServer

pytestmark = pytest.mark.integration

HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/x-ndjson\r\nPreference-Applied: wait=25\r\n\r\n"


class FloodingServer(TimedServer):
    """Streams status lines, and may have a large result."""

    def __init__(self, *, lines: int, pause: float, rows: int = 1) -> None:
        super().__init__()
        self.lines, self.pause = lines, pause
        self.ended = 0.0
        cells = [[number] for number in range(rows)]
        self._statement = {**ROWS, "query": "SELECT 1", "column_types": ["UInt32"], "result_rows": cells}
        timed = self.script
        self.script = lambda request: self._flooded(request.path) or timed(request)

    def _flooded(self, path: str) -> Step | None:
        *_, query_id, kind, _ = ["", *path.split("/")]
        if kind == "status":
            return lambda wire: self._stream(wire, query_id)
        if kind == "result":
            statement = {**self._statement, "row_count": len(self._statement["result_rows"])}  # type: ignore[arg-type]
            return answer({"worksheet_query_id": query_id, "status": "SUCCESS", "results": [statement], "error": None})
        return None

    def _stream(self, wire: Wire, query_id: str) -> bool:
        def line(word: str, number: int) -> bytes:
            progress = {"read_rows": number, "read_bytes": number}
            return json.dumps({"worksheet_query_id": query_id, "status": word, "progress": progress}).encode() + b"\n"

        wire.socket.sendall(HEAD)
        if self.pause:
            for number in range(self.lines):
                wire.socket.sendall(line("STARTED", number))
                wire.closing.wait(self.pause)
        else:
            wire.socket.sendall(b"".join(line("STARTED", number) for number in range(self.lines)))
        wire.socket.sendall(line("SUCCESS", self.lines))
        self.ended = time.monotonic()
        return False


@pytest.fixture(scope="module")
def kernel(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kernel]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("ROE_")}
    config = tmp_path_factory.mktemp("floods") / "c.ini"
    names = {"ROE_API_KEY": "long-enough-a-key", "ROE_CONFIG_FILE": str(config), "PYDEVD_DISABLE_FILE_VALIDATION": "1"}
    with running_kernel({**kept, **names}) as kernel:
        kernel.run("%load_ext roe_magic\n%config RoeMagic.progress_after = 0.05\nimport gc, os, threading")
        kernel.run("from ipywidgets.widgets.widget import _instances; import roe_magic.panel.widget")
        yield kernel


FLOODS: dict[str, dict[str, Any]] = {
    "1,000 status lines a second": {"lines": 2000, "pause": 0.001},
    "20,000 status lines at once": {"lines": 20_000, "pause": 0.0},
    "a fast download": {"lines": 1, "pause": 0.0, "rows": 500_000},
}


@pytest.mark.parametrize("flood", FLOODS)
def test_a_flood_is_ten_pictures_a_second(kernel: Kernel, flood: str, seen: Record) -> None:
    """And the cell ends when the query does."""
    with FloodingServer(**FLOODS[flood]) as server:
        kernel.run(f"os.environ['ROE_BASE_URL'] = {server.url!r}")
        began = time.monotonic()
        kernel.run("%roe -o q SELECT 1")
        ended = time.monotonic()
    pictures = [message for message in kernel.messages if message["msg_type"] == "comm_msg"]
    found = (len(pictures) <= 10 * (ended - began) + 2, ended - server.ended < 5)
    seen(f"{flood}: at most 10 pictures a second, ended at once", (True, True), found)
    assert kernel.value("len(q.df())") == str(FLOODS[flood].get("rows", 1))


def test_nothing_is_kept_of_a_panel(kernel: Kernel, seen: Record) -> None:
    """No widget, no layout, no thread, no file, however many queries had a panel."""
    count = "[len(_instances), threading.active_count(), len(os.listdir('/dev/fd'))]"
    with TimedServer(runs=0.3) as server:
        kernel.run(f"os.environ['ROE_BASE_URL'] = {server.url!r}")
        kernel.run("%roe SELECT 1")
        before = kernel.value(count)
        opened = 0
        for _ in range(15):
            kernel.run("%roe SELECT 1")
            opened += [message["msg_type"] for message in kernel.messages].count("comm_open")
        assert opened == 30  # each a panel and its layout
        kernel.run("gc.collect()")
        after = kernel.value(count)
    widgets, threads, files = (now - then for now, then in zip(json.loads(after), json.loads(before), strict=True))
    # A connection may be open or not.
    found = (max(widgets, 0), max(threads, 0), files > 2)
    seen("more after 15 panels: widgets, threads, more than two files", (0, 0, False), found)
    assert kernel.value("sum(type(x).__name__ == 'RunningQuery' for x in gc.get_objects())") == "0"
