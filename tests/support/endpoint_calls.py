"""One server of scripted steps for each kind of request of the client, and a caller that makes such a request."""

from __future__ import annotations

import contextlib
import io
from collections.abc import Callable, Iterator
from typing import Any
from uuid import UUID

from roe_magic.client import RoeClient
from roe_magic.client.retry_policy import RequestKind
from roe_magic.client.transport import Transport
from roe_magic.config.secret import Secret
from roe_magic.config.settings import Settings
from roe_magic.query.running_query import AttachedQuery, RunningQuery
from tests.support.fake_clock import FakeClock
from tests.support.scripted_server import ScriptedServer, Step, answer
from tests.wire.test_wire import sample

ID = UUID(sample("status-200")["worksheet_query_id"])
PATH = f"/v1/database/query/{ID}"
DONE = {"worksheet_query_id": str(ID), "status": "SUCCESS"}
ONE_ROW = {"row_count": 1, "column_names": ["a"], "column_types": ["UInt8"], "result_rows": [[1]]}
# The endpoint of each kind, and its answer.
ENDPOINTS: dict[RequestKind, tuple[str, str, Step]] = {
    RequestKind.SUBMIT: ("POST", "/v1/database/query/async/", answer(sample("submit-200-smallest"))),
    RequestKind.ATTACH: ("GET", f"{PATH}/status/", answer(DONE)),
    RequestKind.STATUS: ("GET", f"{PATH}/status/", answer(DONE)),
    RequestKind.RESULT: ("GET", f"{PATH}/result/", answer({**DONE, "results": [{"query": "SELECT 1", **ONE_ROW}]})),
    RequestKind.CANCEL: ("POST", f"{PATH}/cancel/", answer({**DONE, "status": "REVOKED"})),
    RequestKind.READ: ("GET", "/v1/tables/", answer(sample("tables-200"))),
    RequestKind.WRITE: ("POST", "/v1/tables/upload/", answer(sample("upload-201"), 201)),
}


class Caller:
    """A client that makes one request of a kind, by a clock of its own."""

    def __init__(self, url: str) -> None:
        self.clock = FakeClock(0.0)
        settings = Settings(base_url=url, api_key=Secret("roe-key-of-a-test"))
        self.client = RoeClient(settings, transport=Transport(settings, clock=self.clock, wait=self.clock.wait))

    def call(self, kind: RequestKind) -> object:
        calls: dict[RequestKind, Callable[[], object]] = {
            RequestKind.SUBMIT: lambda: self.client.submit("SELECT 1"),
            RequestKind.ATTACH: lambda: self._run(AttachedQuery(self.client, ID, **self._options)),
            RequestKind.STATUS: lambda: self._run(RunningQuery(self.client, "SELECT 1", **self._options)),
            RequestKind.RESULT: lambda: self._run(RunningQuery(self.client, "SELECT 1", **self._options)),
            RequestKind.CANCEL: lambda: self.client.cancel(ID),
            RequestKind.READ: self.client.tables,
            RequestKind.WRITE: lambda: self.client.upload("t", io.BytesIO(b"a\n1\n")),
        }
        return calls[kind]()

    @property
    def _options(self) -> dict[str, Any]:
        return {"clock": self.clock, "pause": self.clock.sleep}

    def _run(self, running: RunningQuery) -> object:
        running.run()
        return running.wait()


@contextlib.contextmanager
def server(kind: RequestKind, *faults: Step, **options: Any) -> Iterator[ScriptedServer]:
    """Serve all endpoints; that of the kind has its faults first, and the last one for ever."""
    with ScriptedServer(**options) as started:
        for method, path, good in ENDPOINTS.values():
            started.on(method, path, good)
        if faults:
            started.on(*ENDPOINTS[kind][:2], *faults)
        yield started
