"""Any order of queries, faults, stops and cancels: a client, a model of a server, and what must hold between them."""

from __future__ import annotations

import uuid
from dataclasses import dataclass, field
from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, initialize, invariant, rule

from roe_magic.client import RoeClient
from roe_magic.client.transport import Transport
from roe_magic.config.secret import Secret
from roe_magic.config.settings import Settings
from roe_magic.contract.models import PENDING, STARTED, SUCCESS, TERMINAL
from roe_magic.errors import RoeError, SubmitUncertain, TransportError
from roe_magic.panel.view import view
from roe_magic.query.query_state import QueryState
from roe_magic.query.running_query import AttachedQuery, RunningQuery
from tests.support.fake_clock import FakeClock
from tests.support.scripted_server import Request, ScriptedServer, Step, answer, bytes_of, reset, send

SUBMIT = "/v1/database/query/async/"
WHEN = "2026-03-01T12:00:00Z"
ROWS = {"row_count": 1, "column_names": ["a"], "column_types": ["UInt8"], "result_rows": [[1]]}
# What a server does with a submit instead of answering: whether the query is executed, and what comes back.
SUBMIT_FAULTS: dict[str, tuple[bool, Step]] = {
    "refused for now": (False, answer("", 503, {"Retry-After": "1"})),
    "refused": (False, answer({"detail": "no"}, 400)),
    "failed before it ran": (False, answer("", 500)),
    "failed after it ran": (True, answer("", 502)),
    "reply lost": (True, reset()),
    "reply cut": (
        True,
        send(b'HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 500\r\n\r\n{"id": '),
    ),
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
    clock: FakeClock
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
    """Roe's API on a model: it executes what it is told to, and fails where it is told to."""

    def __init__(self, clock: FakeClock) -> None:
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
            results = [{"query": query.sql, **ROWS}] if query.status == SUCCESS else []
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


class Machine(RuleBasedStateMachine):
    """One user, one server."""

    known = Bundle("known")

    @initialize()
    def begin(self) -> None:
        self.clock = FakeClock(0.0)
        self.server = ModelServer(self.clock)
        chosen = Settings(base_url=self.server.url, api_key=Secret("roe-key-of-a-test"), max_retries=2)
        self.client = RoeClient(chosen, transport=Transport(chosen, clock=self.clock, wait=self.clock.wait))
        self.intents: set[str] = set()
        self.lost: set[str] = set()
        self.runs: list[tuple[RunningQuery, list[QueryState]]] = []

    def teardown(self) -> None:
        if hasattr(self, "server"):
            self.client.close()
            self.server.close()

    @rule(fault=st.sampled_from(sorted(SUBMIT_FAULTS)))
    def the_next_submit_fails(self, fault: str) -> None:
        self.server.submit_faults.append(fault)

    @rule(faults=st.lists(st.sampled_from(sorted(GET_FAULTS)), max_size=8))
    def the_next_gets_fail(self, faults: list[str]) -> None:
        self.server.get_faults += faults

    @rule(end=st.sampled_from([SUCCESS, "FAILURE", "REVOKED"]), duration=st.sampled_from([0.0, 0.1, 3.0, 40.0, 600.0]))
    def the_next_query_goes_so(self, end: str, duration: float) -> None:
        self.server.next_end, self.server.next_duration = end, duration

    @rule(target=known, stop_at=st.none() | st.integers(0, 4))
    def run(self, stop_at: int | None) -> str:
        """Run a query of its own SQL; the user may press stop at a pause."""
        sql = f"SELECT {len(self.intents)}"
        self.intents.add(sql)
        return self._watch(RunningQuery(self.client, sql, clock=self.clock, pause=self._pause), stop_at, sql)

    @rule(target=known, query_id=consumes(known), stop_at=st.none() | st.integers(0, 4))
    def come_back(self, query_id: str, stop_at: int | None) -> str:
        """As `%roe result ID` does."""
        if not query_id:
            return ""
        running = AttachedQuery(self.client, uuid.UUID(query_id), clock=self.clock, pause=self._pause)
        return self._watch(running, stop_at, "")

    @rule(query_id=known)
    def cancel(self, query_id: str) -> None:
        if query_id:
            self.client.cancel(query_id)

    def _pause(self, seconds: float) -> None:
        self.clock.sleep(seconds)
        self.pauses += 1
        if self.pauses == self.stop_at:
            self.running.detach()

    def _watch(self, running: RunningQuery, stop_at: int | None, sql: str) -> str:
        self.running, self.pauses, self.stop_at = running, 0, stop_at
        states: list[QueryState] = []
        running.listen(states.append)
        before, began = len(self.server.journal), self.clock()
        running.run()
        self.runs.append((running, states))
        # The pauses grow to 2 s within the first 20 s.
        assert len(self.server.journal) - before <= 80 + (self.clock() - began) / 1.5
        error = running.state.error
        assert error is None or isinstance(error, RoeError)
        if error is not None and "may be running" in str(error):
            assert not isinstance(error, TransportError) or isinstance(error, SubmitUncertain)
            self.lost.add(sql)
        query_id: Any = running.state.query_id
        return str(query_id) if query_id else ""

    @invariant()
    def nothing_is_executed_twice(self) -> None:
        if hasattr(self, "server"):
            executed = [query.sql for query in self.server.queries.values()]
            assert sorted(executed) == sorted(set(executed))
            assert set(executed) <= self.intents

    @invariant()
    def every_query_that_runs_is_known_or_said_to_be_uncertain(self) -> None:
        if hasattr(self, "server"):
            known = {str(running.state.query_id) for running, _ in self.runs}
            for query in self.server.queries.values():
                assert query.id in known if query.acknowledged else query.sql in self.lost

    @invariant()
    def an_end_is_final_and_the_last_picture_is_the_truth(self) -> None:
        for running, states in getattr(self, "runs", []):
            ends = [state.status for state in states if state.finished]
            assert len(set(ends)) <= 1
            assert states[-1] is running.state
            if ends:
                truth = self.server.queries[str(running.state.query_id)].status
                assert ends[-1] == truth
                assert view(running.state)["label"] == truth


Machine.TestCase.settings = settings(
    max_examples=300, stateful_step_count=25, deadline=None, suppress_health_check=list(HealthCheck)
)
test_any_order_of_events = Machine.TestCase
