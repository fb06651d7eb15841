"""A server of the query API whose answers take as long as a test says."""

from __future__ import annotations

import threading
import time
from uuid import uuid4

from tests.support.scripted_server import Request, ScriptedServer, Step, Wire, bytes_of

CREATED = "2026-01-01T00:00:00Z"
ROWS = {"row_count": 1, "column_names": ["a"], "column_types": ["UInt8"], "result_rows": [[1]]}


class TimedServer(ScriptedServer):
    """Runs every query for a while, and knows the ids that it gave.

    Parameters
    ----------
    submit, status, result : float
        Seconds that each answer takes.
    runs : float
        Seconds from the answer to the submit until a query has ended.
    """

    def __init__(self, *, submit: float = 0.0, status: float = 0.02, result: float = 0.0, runs: float = 0.0) -> None:
        super().__init__()
        self.submit, self.status, self.result, self.runs = submit, status, result, runs
        # The ids in the order of the submits, and when each query ends.
        self.ends: dict[str, float] = {}
        # A submit is answered once the Event that stood here when it came is set.
        self.may_answer = threading.Event()
        self.may_answer.set()
        self.script = self._answer_to

    def _answer_to(self, request: Request) -> Step | None:
        if request.method == "POST" and request.path == "/v1/database/query/async/":
            query_id, sql, gate = str(uuid4()), request.json()["query"], self.may_answer
            self.ends[query_id] = float("inf")
            return lambda wire: self._take(wire, query_id, sql, gate)
        *_, query_id, kind, _ = ["", *request.path.split("/")]
        if kind == "status":
            return lambda wire: self._say(wire, self._status_of(query_id), self.status)
        if kind == "result":
            results = [{"query": "SELECT 1", **ROWS}]
            return lambda wire: self._say(wire, {**self._status_of(query_id), "results": results}, self.result)
        return None

    def _take(self, wire: Wire, query_id: str, sql: str, gate: threading.Event) -> bool:
        while not (gate.wait(0.05) or wire.closing.is_set()):
            pass
        fields = dict.fromkeys(("query_task_id", "finished_at", "error", "ai_summary"))
        times = {"created_at": CREATED, "updated_at": CREATED}
        wire.closing.wait(self.submit)
        self.ends[query_id] = time.monotonic() + self.runs
        return self._say(wire, {"id": query_id, "query": sql, "query_task_status": "PENDING", **fields, **times}, 0.0)

    def _status_of(self, query_id: str) -> dict[str, object]:
        word = "SUCCESS" if time.monotonic() >= self.ends[query_id] else "STARTED"
        return {"worksheet_query_id": query_id, "status": word, "error": None}

    def _say(self, wire: Wire, payload: object, seconds: float) -> bool:
        wire.closing.wait(seconds)
        wire.socket.sendall(bytes_of(payload))
        return True
