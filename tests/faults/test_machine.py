"""Any order of queries, faults, stops and cancels: a client, a model of a server, and what must hold between them."""

from __future__ import annotations

import uuid
from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, initialize, invariant, rule

from roe_magic.client import RoeClient
from roe_magic.client.transport import Transport
from roe_magic.config.secret import Secret
from roe_magic.config.settings import Settings
from roe_magic.contract.models import SUCCESS
from roe_magic.errors import RoeError, SubmitUncertain, TransportError
from roe_magic.panel.view import view
from roe_magic.query.query_state import QueryState
from roe_magic.query.running_query import AttachedQuery, RunningQuery
from tests.support.fake_clock import FakeClock
from tests.support.model_server import GET_FAULTS, SUBMIT_FAULTS, ModelServer


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
    max_examples=100, stateful_step_count=25, deadline=None, suppress_health_check=list(HealthCheck)
)
test_any_order_of_events = Machine.TestCase
