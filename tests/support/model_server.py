"""Roe's API on a model of what a server does: it executes what it is told to, and fails where it is told to."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from dataclasses import dataclass, field

from roe_magic.contract.models import PENDING, STARTED, SUCCESS, TERMINAL
from tests.support.scripted_server import Request, ScriptedServer, Step, answer, bytes_of, reset, send

SUBMIT = "/v1/database/query/async/"
WHEN = "2026-03-01T12:00:00Z"
ROWS = {"row_count": 1, "column_names": ["a"], "column_types": ["UInt64"]}
# What a server does with a submit instead of answering: whether the query is executed, and what comes back.
SUBMIT_FAULTS: dict[str, tuple[bool, Step]] = {
    "refused for now": (False, answer("", 503, {"Retry-After": "1"})),
    "refused": (False, answer({"detail": "no"}, 400)),
    "failed before it ran": (False, answer("", 500)),
    "failed after it ran": (True, answer("", 502)),
    "reply lost": (True, reset()),
    "reply cut": (True, send(bytes_of({"id": "3c90c3cc-0d44-4b50-8888-8dd25736052a"})[:-9])),
}
GET_FAULTS: dict[str, Step] = {
    "reset": reset(),
    "cut": send(bytes_of({"worksheet_query_id": "x"})[:-4]),
    "502": answer("", 502),
    "408": answer("", 408),
    "429": answer("", 429, {"Retry-After": "2"}),
    "not JSON": answer("<html>", content_type="text/html"),
    "empty": answer(b"", content_type="application/json"),
}


@dataclass
class ServerQuery:
    """One query at the server."""

    sql: str
    end: str
    begins_at: float
    ends_at: float
    clock: Callable[[], float]
    id: str = field(default_factory=lambda: str(uuid.uuid4()))
    revoked: bool = False
    acknowledged: bool = False

    @property
    def status(self) -> str:
        """What it is in now."""
        if self.revoked:
            return "REVOKED"
        return self.end if self.clock() >= self.ends_at else STARTED if self.clock() > self.begins_at else PENDING


class ModelServer(ScriptedServer):
    """Roe's API on a model: it executes what it is told to, and fails where it is told to.

    A query is `SELECT n`, and its rows are n.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        super().__init__()
        self.clock = clock
        self.queries: dict[str, ServerQuery] = {}
        self.submit_faults: list[str] = []
        self.get_faults: list[str] = []
        self.next_end, self.next_duration = SUCCESS, 0.2
        self.script = self._answer

    def _answer(self, request: Request) -> Step:
        if request.path == SUBMIT:
            return self._submit(request)
        query = self.queries[request.path.split("/")[4]]
        if request.path.endswith("/cancel/"):
            query.revoked = query.revoked or query.status not in TERMINAL
            return answer({"worksheet_query_id": query.id, "status": query.status})
        if self.get_faults:
            return GET_FAULTS[self.get_faults.pop(0)]
        if request.path.endswith("/result/"):
            rows = [[int(query.sql.removeprefix("SELECT "))]]
            results = [{"query": query.sql, **ROWS, "result_rows": rows}] if query.status == SUCCESS else []
            return answer({"worksheet_query_id": query.id, "status": query.status, "results": results})
        error = "no" if query.status == "FAILURE" else None
        return answer({"worksheet_query_id": query.id, "status": query.status, "error": error})

    def _submit(self, request: Request) -> Step:
        runs, fault = SUBMIT_FAULTS[self.submit_faults.pop(0)] if self.submit_faults else (True, None)
        if fault is not None and not runs:
            return fault
        now = self.clock()
        query = ServerQuery(request.json()["query"], self.next_end, now, now + self.next_duration, self.clock)
        self.queries[query.id] = query
        if fault is not None:
            return fault
        query.acknowledged = True
        times = {"created_at": WHEN, "updated_at": WHEN, "finished_at": None}
        rest = {"query_task_id": None, "query_task_status": PENDING, "error": None, "ai_summary": None}
        return answer({"id": query.id, "query": query.sql, **times, **rest})
