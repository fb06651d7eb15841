"""A query from submit to rows, against a server that has nothing but the published API.

The scripted server honours no Prefer, tells no progress, knows no Arrow, and answers 404 to what it does not know. The
clock is a test's own, so that minutes of waiting take no time; the sockets are real.
"""

from __future__ import annotations

import base64
import gc
import itertools
import json
import signal
import sys
import threading
import time
import traceback
import types
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any
from uuid import UUID

import pandas as pd
import pyarrow as pa
import pytest

import roe_magic
from roe_magic.client import RoeClient, roe_client
from roe_magic.client.roe_client import WAIT_STATUS
from roe_magic.client.transport import Transport
from roe_magic.config.secret import Secret
from roe_magic.config.settings import Settings
from roe_magic.errors import (
    AuthenticationError,
    ForbiddenError,
    NotFoundError,
    ProtocolError,
    QueryFailed,
    QueryInterrupted,
    QueryRevoked,
    QueryTimeout,
    ResultTooLarge,
    RoeError,
    ServerError,
    SubmitUncertain,
    TransportError,
    UsageError,
)
from roe_magic.query.query_state import QueryState
from roe_magic.query.running_query import AttachedQuery, RunningQuery
from tests.support.fake_clock import FakeClock
from tests.support.scripted_server import (
    Request,
    ScriptedServer,
    Step,
    Wire,
    answer,
    bytes_of,
    drip,
    hang,
    reset,
    send,
    wait_for,
)

WIRE = Path(__file__).parents[1] / "wire"
ID = "3c90c3cc-0d44-4b50-8888-8dd25736052a"
OTHER = "00000000-0000-4000-8000-000000000000"
SUBMIT = "/v1/database/query/async/"
STATUS, RESULT, CANCEL = (f"/v1/database/query/{ID}/{name}/" for name in ("status", "result", "cancel"))


def sample(name: str) -> Any:
    return json.loads((WIRE / f"{name}.json").read_text("utf-8"))


def status(word: str | None, **more: Any) -> Step:
    times = {"created_at": "2023-11-07T05:31:56Z", "finished_at": None, "error": None}
    return answer({"worksheet_query_id": ID, "status": word, **times, **more})


def statement(name: str, kind: str, *cells: Any, query: str = "SELECT 1") -> dict[str, Any]:
    rows = [[cell] for cell in cells]
    return {"query": query, "row_count": len(rows), "column_names": [name], "column_types": [kind], "result_rows": rows}


def result(*statements: dict[str, Any], word: str = "SUCCESS", **more: Any) -> Step:
    return answer({"worksheet_query_id": ID, "status": word, "results": list(statements), "error": None, **more})


DONE = status("SUCCESS", finished_at="2023-11-07T05:31:58Z")
ONE = statement("a", "UInt8", 1)
SUBMITTED = answer(sample("submit-200-smallest"))


class Play:
    """A scripted server, a client, and a query that is run in the calling thread on a clock of the test's own."""

    def __init__(self) -> None:
        self.clock = FakeClock(0.0)
        self.server = ScriptedServer()
        self.server.on("POST", SUBMIT, SUBMITTED).on("GET", STATUS, DONE).on("GET", RESULT, result(ONE))
        settings = Settings(base_url=self.server.url, api_key=Secret("k"))
        transport = Transport(settings, clock=self.clock, wait=self.clock.wait)
        self.client = RoeClient(settings, transport=transport)
        self.states: list[QueryState] = []

    def statuses(self, *steps: Step) -> Play:
        self.server.on("GET", STATUS, *steps)
        return self

    def results(self, *steps: Step) -> Play:
        self.server.on("GET", RESULT, *steps)
        return self

    def query(self, sql: str = "SELECT 1", **options: Any) -> RunningQuery:
        running = RunningQuery(self.client, sql, clock=self.clock, **{"pause": self.clock.sleep, **options})
        running.listen(self.states.append)
        return running

    def run(self, **options: Any) -> RunningQuery:
        running = self.query(**options)
        running.run()
        return running

    def error(self, kind: type[BaseException] = RoeError, **options: Any) -> Any:
        running = self.run(**options)
        with pytest.raises(kind) as caught:
            running.wait()
        return caught.value

    def asked(self, what: str) -> int:
        return len(self.server.got("GET", what))

    @property
    def words(self) -> list[str | None]:
        """The statuses that were told, each once."""
        return [word for word, _ in itertools.groupby(state.status for state in self.states)]

    @property
    def notices(self) -> list[str]:
        return [text for text, _ in itertools.groupby(state.notice for state in self.states) if text]

    def close(self) -> None:
        self.client.close()
        self.server.close()


@pytest.fixture
def play() -> Iterator[Play]:
    started = Play()
    yield started
    started.close()


# A whole conversation


def test_a_query_from_submit_to_rows(play: Play) -> None:
    """With a server that has nothing of ours: the published documents, three requests after each other."""
    published = sample("result-200") | {"worksheet_query_id": ID}
    play.statuses(status("PENDING"), status("STARTED"), DONE).results(answer(published))
    query = play.run().wait()
    assert [(request.method, request.path) for request in play.server.journal] == [
        ("POST", SUBMIT),
        ("GET", STATUS),
        ("GET", STATUS),
        ("GET", STATUS),
        ("GET", RESULT),
    ]
    assert play.server.connections == 1
    assert play.words == [None, "PENDING", "STARTED", "SUCCESS"]
    assert query.succeeded
    assert query.duration == pd.Timedelta(seconds=2)
    frame = query.df()
    assert list(frame.columns) == ["name", "file", "created_at"]
    assert frame["name"].tolist() == ["example1.pdf", "example2.png", "example3.mp4"]
    assert frame["created_at"][2] == pd.Timestamp("2024-04-29 21:11:19", tz="UTC")
    assert str(frame["created_at"].dtype).endswith("UTC]")
    assert query.results[0].summary is not None
    assert query.results[0].summary.elapsed_ns == 1_000_000


def test_the_same_in_a_thread_with_real_time(play: Play) -> None:
    """start() returns at once, wait() gives the query."""
    play.statuses(status("PENDING"), DONE)
    running = RunningQuery(play.client, "SELECT 1").start()
    assert running.wait(60).df()["a"].tolist() == [1]
    assert running.state.over
    assert not running.detached


def test_a_query_that_is_over_when_the_submit_answers_is_not_asked_after(play: Play) -> None:
    """Two requests: submit and result."""
    play.server.on("POST", SUBMIT, answer(sample("submit-200-finished")))
    assert play.run().wait().succeeded
    assert [request.path for request in play.server.journal] == [SUBMIT, RESULT]


def test_a_server_that_waits_is_asked_again_at_once(play: Play) -> None:
    """With Preference-Applied there is no pause between two requests, if the answer was held back indeed."""
    held = answer({"worksheet_query_id": ID, "status": "STARTED"}, headers={"Preference-Applied": "wait=25"})

    def hold(wire: Wire) -> bool:
        play.clock.time += 25
        return held(wire)

    play.statuses(hold, hold, DONE)
    play.run().wait()
    assert play.clock.slept == []


def test_a_server_that_only_says_that_it_waits_is_not_flooded(play: Play) -> None:
    """Answers that come at once are followed by the usual pauses, whatever they say."""
    held = answer({"worksheet_query_id": ID, "status": "STARTED"}, headers={"Preference-Applied": "wait=25"})
    play.statuses(held, held, DONE)
    play.run().wait()
    assert len(play.clock.slept) == 2
    assert min(play.clock.slept) > 0.04
    assert play.server.got("GET", STATUS)[0].headers["prefer"] == "wait=25"


def test_polling_follows_the_elapsed_time(play: Play) -> None:
    """A query of 100 s costs some 80 requests, and its end is noticed within 2.2 s."""
    play.server.script = until(play, 100, status("STARTED"), DONE)
    play.run().wait()
    assert 40 < play.asked(STATUS) < 100
    assert 100 <= play.clock() < 102.3


def until(play: Play, seconds: float, before: Step, after: Step) -> Callable[[Request], Step | None]:
    """Make a script: one step for the status before a time, another after it."""

    def choose(request: Request) -> Step | None:
        if request.path != STATUS:
            return None
        return before if play.clock() < seconds else after

    return choose


# Notices


def test_notices_come_with_the_status(play: Play) -> None:
    """As the server gives them; the panel's states have them from then on."""
    play.statuses(status("STARTED"), status("SUCCESS", notices=["FORMAT CSV was ignored."]))
    assert play.run().wait().notices == ["FORMAT CSV was ignored."]
    assert [state.notices for state in play.states if not state.finished] == [[]] * 3
    assert {tuple(state.notices) for state in play.states if state.finished} == {("FORMAT CSV was ignored.",)}


def test_notices_come_with_the_submit(play: Play) -> None:
    """Where the query ends within it, and no status is asked for."""
    play.server.on("POST", SUBMIT, answer({**sample("submit-200-finished"), "notices": ["Look."]}))
    assert play.run().wait().notices == ["Look."]
    assert play.asked(STATUS) == 0


def test_a_failed_query_has_its_notices(play: Play) -> None:
    """The error's query tells them."""
    play.statuses(status("FAILURE", error="no", notices=["Look."])).results(answer("", 404))
    assert play.error(QueryFailed).query.notices == ["Look."]


def attached(play: Play, *steps: Step) -> list[QueryState]:
    """Return the states of a query that was submitted before, from its first status on."""
    play.statuses(*steps)
    running = AttachedQuery(play.client, UUID(ID), clock=play.clock, pause=play.clock.sleep)
    running.listen(play.states.append)
    running.run()
    assert play.states[0].age is None
    return [state for state in play.states if state.status]


def ago(seconds: float) -> str:
    return (datetime.now(timezone.utc) - timedelta(seconds=seconds)).isoformat()


def test_a_query_that_is_attached_to_has_its_own_age(play: Play) -> None:
    """By the server's times, when it was created or at least when it started; from there on by our clock."""
    for times in ({"created_at": ago(40), "started_at": ago(30)}, {"created_at": None, "started_at": ago(40)}):
        play.states.clear()
        states = attached(play, status("STARTED", **times), status("STARTED", **times), DONE)
        first, last = states[0], states[-1]
        assert first.age == pytest.approx(40, abs=5)
        assert last.age - first.age == pytest.approx(last.elapsed - first.elapsed)
        assert last.ended_seen_at is not None


def test_an_age_that_the_server_does_not_tell_is_unknown(play: Play) -> None:
    """And one that lies in the future, by a clock that is not ours, is none."""
    untold = attached(play, status("STARTED", created_at=None), DONE)
    assert {state.age for state in untold} == {None}
    play.states.clear()
    assert attached(play, status("STARTED", created_at=ago(-100)), DONE)[0].age == 0


def test_when_a_query_ended_is_known_only_to_who_watched(play: Play) -> None:
    """A query that had ended before it was attached to ended at a time that only the server knows."""
    assert {state.ended_at for state in attached(play, status("SUCCESS"))} == {None}
    play.statuses(status("STARTED"), status("SUCCESS")).run().wait()
    assert play.states[-1].ended_at is not None
    assert play.states[-1].ended_at == play.states[-1].ended_seen_at


def test_a_query_that_is_attached_to_has_its_notices(play: Play) -> None:
    """Coming back to an ended query tells them again."""
    play.statuses(status("SUCCESS", notices=["Look."]))
    running = AttachedQuery(play.client, UUID(ID), clock=play.clock)
    running.run()
    assert running.wait().notices == ["Look."]


def test_a_server_without_notices_has_none(play: Play) -> None:
    """An empty list, not None."""
    assert play.run().wait().notices == []


# Ends


def test_a_failure_has_the_servers_words_and_the_query(play: Play) -> None:
    """QueryFailed: the message as the server gives it, the id, and what is known."""
    play.statuses(answer(sample("status-200-failure"))).results(answer(sample("result-200-null")))
    error = play.error(QueryFailed)
    assert "Missing columns: 'x'" in error.message
    assert error.query_id == ID
    assert error.query.status == "FAILURE"
    assert error.query.results == []


def test_a_failure_without_words_says_so(play: Play) -> None:
    """Not "None"."""
    play.statuses(status("FAILURE")).results(answer("", 404))
    assert "does not say why" in play.error(QueryFailed).message


def test_the_second_of_three_statements_fails(play: Play) -> None:
    """The first result is kept, the failing statement is named, and nothing is made up for the third."""
    broken = sample("result-200-second-failed")
    play.statuses(status("FAILURE", error=broken["error"])).results(answer(broken))
    error = play.error(QueryFailed)
    assert error.message.startswith("Statement 2 of 3:")
    assert len(error.query.results) == 1
    assert error.query.df(0)["a"].tolist() == [1]
    assert error.query.results[0].query == "SELECT 1 AS a"


def test_a_revoked_query_is_cancelled(play: Play) -> None:
    """REVOKED is terminal; no result is asked for."""
    play.statuses(answer(sample("status-200-revoked")))
    error = play.error(QueryRevoked)
    assert (error.query_id, error.query.status) == (ID, "REVOKED")
    assert play.asked(RESULT) == 0


def test_retry_is_not_the_end(play: Play) -> None:
    """The task is tried again by the server."""
    play.statuses(status("STARTED"), answer(sample("status-200-retry")), status("STARTED"), DONE)
    assert play.run().wait().succeeded
    assert play.words == [None, "STARTED", "RETRY", "STARTED", "SUCCESS"]


@pytest.mark.parametrize("word", ["QUEUED", "success", "Failure", "", "\x1b[2J", None])
def test_an_unknown_word_is_not_the_end_and_is_told(play: Play, word: str | None) -> None:
    """Lower case and null too; it is shown as it is, once."""
    play.statuses(status("PENDING"), status(word), status(word), DONE)
    assert play.run().wait().succeeded
    assert word in play.words[1:]
    assert len(play.notices) == 1
    assert repr(word) in play.notices[0]


def test_several_results_are_one_per_statement(play: Play) -> None:
    """In order; df() is the last one."""
    play.results(result(ONE, statement("b", "String", "x", "y"), statement("c", "Float64")))
    query = play.run().wait()
    assert [item.row_count for item in query.results] == [1, 2, 0]
    assert query.df(0)["a"].tolist() == [1]
    assert query.df(1)["b"].tolist() == ["x", "y"]
    assert list(query.df().columns) == ["c"]


def test_no_results_at_all_are_no_rows(play: Play) -> None:
    """results: [] is an answer."""
    play.results(result())
    assert play.run().wait().results == []
    assert play.asked(RESULT) == 1


def test_counts_that_disagree_are_counted(play: Play) -> None:
    """The rows that came decide, not what the server says of them."""
    play.results(result({**ONE, "row_count": 5}))
    query = play.run().wait()
    assert query.results[0].row_count == len(query.df()) == 1


# Waiting in vain


def test_pending_for_ever_is_told_and_ends_with_the_callers_time(play: Play) -> None:
    """After a minute a notice; QueryTimeout carries the id and says that the query goes on."""
    play.statuses(status("PENDING"))

    def pause(seconds: float) -> None:
        play.clock.sleep(seconds)
        if play.clock() > 300:
            running.detach()

    running = play.query(pause=pause)
    running.run()
    assert any("Still PENDING after 6" in notice for notice in play.notices)
    assert not running.state.over
    with pytest.raises(QueryInterrupted, match=f"%roe result {ID}"):
        running.wait()


def test_the_callers_time_limit_leaves_the_query_alone(play: Play) -> None:
    """Nothing is cancelled, and the thread stops asking."""
    play.statuses(status("PENDING"))
    running = RunningQuery(play.client, "SELECT 1").start()
    with pytest.raises(QueryTimeout) as caught:
        running.wait(0.3)
    assert caught.value.query_id == ID
    assert "goes on at the server" in caught.value.message
    assert f"%roe result {ID}" in caught.value.message
    assert [request.path for request in play.server.got("POST")] == [SUBMIT]
    wait_for(lambda: not [thread for thread in threading.enumerate() if thread.name == "roe-query"])


def test_a_wall_clock_that_jumps_changes_nothing(play: Play, monkeypatch: pytest.MonkeyPatch) -> None:
    """Elapsed time is the monotonic clock's; durations are differences of the server's own times."""
    jumps = itertools.cycle([0.0, 4e9, -4e9])
    monkeypatch.setattr(time, "time", lambda: next(jumps))
    play.statuses(status("PENDING"), DONE)
    running = play.run()
    query = running.wait()
    assert 0 <= running.state.elapsed < 10
    assert query.duration == pd.Timedelta(seconds=2)


# Faults while watching


FAULTS: dict[str, Step] = {
    "reset": reset(),
    "no answer": send(b""),
    "cut": send(bytes_of({"worksheet_query_id": ID, "status": "SUCCESS"})[:-3]),
    "garbage": send(b"\0\xff\r\n\r\n"),
    "500": answer("", 500),
    "503": answer("", 503, {"Retry-After": "1"}),
    "429": answer("", 429),
    "a proxy's page": answer("<html>Please wait", content_type="text/html"),
    "bad utf-8": answer(b'{"status": "\xff"}', content_type="application/json"),
    "deep": answer(b"[" * 100_000, content_type="application/json"),
    "not the contract": answer({"status": "SUCCESS"}),
    "another's": answer({"worksheet_query_id": OTHER, "status": "SUCCESS"}),
    "404": answer("", 404),
}


@pytest.mark.parametrize("fault", FAULTS.values(), ids=FAULTS)
def test_a_status_that_breaks_does_not_end_the_query(play: Play, fault: Step) -> None:
    """One bad answer in the middle, and the query still comes through with its rows; it is submitted once."""
    play.statuses(status("PENDING"), fault, status("STARTED"), fault, DONE)
    assert play.run().wait().df()["a"].tolist() == [1]
    assert len(play.server.got("POST")) == 1


@pytest.mark.parametrize("slow", [hang(), drip(bytes_of({"status": "PENDING"}))], ids=["hang", "drip"])
def test_a_status_that_never_comes_is_given_up_and_asked_again(slow: Step, monkeypatch: pytest.MonkeyPatch) -> None:
    """By its total deadline."""
    play = Play()
    try:
        settings = Settings(base_url=play.server.url, api_key=Secret("k"), timeout=0.5, max_retries=0)
        play.client.close()
        play.client = RoeClient(settings)
        play.statuses(slow, DONE)
        query = play.query()
        monkeypatch.setattr(roe_client, "GRACE", 0.5 - WAIT_STATUS)  # or it would wait for 35 s
        query.run()
        assert query.wait().succeeded
        assert any("No response" in notice for notice in play.notices)
    finally:
        play.close()


def test_half_a_minute_of_failures_is_survived(play: Play) -> None:
    """Visibly, and without a storm of requests."""
    play.server.script = until(play, 30, answer("", 503), DONE)
    assert play.run().wait().succeeded
    assert any("still trying" in notice for notice in play.notices)
    assert play.asked(STATUS) < 60
    assert len({round(seconds, 6) for seconds in play.clock.slept}) > len(play.clock.slept) / 2  # jittered


def test_failures_for_ever_end_with_the_watchers_patience(play: Play) -> None:
    """After two minutes, with the id and the way back."""
    play.statuses(status("STARTED"), answer("down for maintenance", 503))
    error = play.error(ServerError)
    assert 120 <= play.clock() < 150
    assert error.query_id == ID
    assert f"%roe result {ID}" in str(error)


def test_retry_after_is_heeded_while_watching(play: Play) -> None:
    """A server that asks for a minute gets it, though a single request would not wait so long."""
    busy = answer("", 429, {"Retry-After": "61"})
    play.statuses(status("STARTED"), busy, DONE)
    assert play.run().wait().succeeded
    assert 61.0 in play.clock.slept


@pytest.mark.parametrize(("code", "kind"), [(401, AuthenticationError), (403, ForbiddenError)])
def test_a_key_that_is_no_longer_good_ends_the_watch_at_once(play: Play, code: int, kind: type[RoeError]) -> None:
    """With the id: the query goes on."""
    play.statuses(status("STARTED"), answer({"detail": "Invalid token."}, code), DONE)
    error = play.error(kind)
    assert error.query_id == ID
    assert play.asked(STATUS) == 2


def test_a_query_the_server_does_not_know_yet_gets_a_moment(play: Play) -> None:
    """404 right after the submit is borne; 404 for ever is NotFoundError within seconds."""
    play.statuses(answer("", 404), answer("", 404), DONE)
    assert play.run().wait().succeeded
    play.statuses(answer("", 404))
    begun = play.clock()
    assert play.error(NotFoundError).query_id == ID
    assert 5 <= play.clock() - begun < 15


def test_nonsense_for_ever_ends_within_seconds(play: Play) -> None:
    """An answer about another query, say, names both."""
    play.statuses(FAULTS["another's"])
    error = play.error(ProtocolError)
    assert OTHER in error.message
    assert error.query_id == ID
    assert 5 <= play.clock() < 15


# Faults while fetching the rows


NOT_READY: dict[str, Step] = {
    "404": answer("", 404),
    "null": answer(sample("result-200-null")),
    "still pending": answer({"worksheet_query_id": ID, "status": "PENDING", "results": []}),
    "reset": reset(bytes_of(b"x" * 1000)[:500]),
    "cut": send(bytes_of(sample("result-200"))[:-50]),
    "500": answer("", 500),
    "503": answer("", 503, {"Retry-After": "2"}),
}


@pytest.mark.parametrize("fault", NOT_READY.values(), ids=NOT_READY)
def test_rows_that_are_not_ready_or_break_off_are_fetched_again(play: Play, fault: Step) -> None:
    """SUCCESS may be told a moment before the rows are there."""
    play.results(fault, fault, result(ONE))
    assert play.run().wait().df()["a"].tolist() == [1]
    assert play.asked(RESULT) >= 3


@pytest.mark.parametrize("name", ["404", "null", "still pending"])
def test_rows_that_never_come_end_within_seconds(play: Play, name: str) -> None:
    """Bounded, with the id and the way back."""
    play.results(NOT_READY[name])
    error = play.error(RoeError)
    assert error.query_id == ID
    assert f"%roe result {ID}" in str(error)
    assert 10 <= play.clock() < 30
    assert play.asked(RESULT) < 30


def test_an_outage_while_fetching_is_survived_as_long_as_one_while_watching(play: Play) -> None:
    """The rows of a long query are not lost to half a minute of failures."""
    play.results(*[answer("", 502)] * 25, result(ONE))
    assert play.run().wait().df()["a"].tolist() == [1]
    play.results(NOT_READY["reset"])
    begun = play.clock()
    play.error(TransportError)
    assert 120 <= play.clock() - begun < 150


@pytest.mark.parametrize(
    "body",
    [
        "<html>",
        b"[" * 100_000,
        {"worksheet_query_id": OTHER, "status": "SUCCESS", "results": []},
        {"worksheet_query_id": ID, "status": "SUCCESS", "results": {}},
        {"worksheet_query_id": ID, "status": "SUCCESS", "results": [None]},
        {"worksheet_query_id": ID, "status": "SUCCESS", "results": [{**ONE, "result_rows": [[1, 2]]}]},
        {"worksheet_query_id": ID, "status": "SUCCESS", "results": [{**ONE, "column_types": []}]},
        {"worksheet_query_id": ID, "status": "SUCCESS", "results": [{**ONE, "result_rows": 7}]},
    ],
    ids=["page", "deep", "another's", "object", "null", "wide row", "no types", "no rows"],
)
def test_a_result_that_is_no_result_is_a_protocol_error_with_the_id(play: Play, body: Any) -> None:
    """Never another exception, and never somebody else's rows."""
    play.results(answer(body))
    error = play.error(ProtocolError)
    assert error.query_id == ID
    assert error.__cause__ is None


def test_an_answer_that_is_given_up_does_not_keep_its_connection(play: Play) -> None:
    """Even while its error is looked at."""
    play.results(answer("<html>" + "x" * 30_000_000))
    error = play.error(ProtocolError)
    wait_for(lambda: not play.server.live)
    assert error.__traceback__ is not None


def test_arrow_that_is_no_arrow_is_a_protocol_error(play: Play) -> None:
    """Where a server claims to send an Arrow stream."""
    for body in (b"", b"nonsense", b"\xff\xff\xff\xff\x10\0\0\0" + b"\0" * 16):
        play.results(answer(body, content_type="application/vnd.apache.arrow.stream"))
        assert isinstance(play.error(RoeError), ProtocolError)


ROWS = statement("a", "String", *["x" * 1000] * 5000)
LARGE = result(ROWS)


def test_an_answer_larger_than_allowed_is_not_read(play: Play) -> None:
    """ResultTooLarge tells how large it is, where the server says so, and what to do; nothing is kept of it."""
    play.results(LARGE)
    error = play.error(ResultTooLarge, max_bytes=100_000)
    assert error.message == "The rows take 5.03 MB, more than the limit of 100 kB."
    assert (error.limit, error.query_id) == (100_000, ID)
    assert "LIMIT" in str(error)
    assert not [story for story in play.states if story.download]


def test_an_answer_of_unknown_size_is_read_up_to_the_limit(play: Play) -> None:
    """It is given up when more has arrived than is allowed."""
    whole = bytes_of({"worksheet_query_id": ID, "status": "SUCCESS", "error": None, "results": [ROWS]})
    head, _, body = whole.partition(b"\r\n\r\n")
    kept = [line for line in head.split(b"\r\n") if not line.lower().startswith(b"content-length")]
    play.results(send(b"\r\n".join([*kept, b"Connection: close"]) + b"\r\n\r\n" + body))
    assert play.error(ResultTooLarge, max_bytes=100_000).message == "The rows take more than the limit of 100 kB."
    assert max(story.download.received for story in play.states if story.download) <= 100_000


def test_rows_that_were_too_large_can_be_fetched_after_all(play: Play) -> None:
    """The query is not run again; its rows are asked for once more, without the limit or with a higher one."""
    play.results(LARGE)
    running = play.run(max_bytes=100_000)
    with pytest.raises(ResultTooLarge):
        running.wait()
    with pytest.raises(ResultTooLarge):
        running.fetch(max_bytes=1_000_000).wait()
    assert len(running.fetch().wait().df()) == 5000
    assert len(play.server.got("POST")) == 1
    assert running.state.over


def test_the_download_is_told(play: Play) -> None:
    """Bytes so far, and how many there are where the server says so."""
    play.results(result(statement("a", "String", *["x" * 1000] * 3000)))
    play.clock.sleep(1000)
    play.run()
    sizes = {story.download.size or 0 for story in play.states if story.download is not None}
    assert len(sizes) == 1
    assert sizes.pop() > 3_000_000
    assert max(story.download.received for story in play.states if story.download) > 0


@pytest.mark.parametrize("length", ["²", "9" * 5000, "-5", "1e3", ""])
def test_a_length_that_is_no_number_is_ignored(play: Play, length: str) -> None:
    """Whatever the header says, the rows come."""
    body = bytes_of(
        {"worksheet_query_id": ID, "status": "SUCCESS", "results": [ONE]}, headers={"Content-Length": length}
    )
    play.results(send(body))
    assert play.run().wait().df()["a"].tolist() == [1]


def test_rows_are_fetched_when_they_are_first_looked_at(play: Play) -> None:
    """fetch=False leaves the download to the first df()."""
    query = play.run(fetch=False).wait()
    assert play.asked(RESULT) == 0
    assert not query.has_rows
    assert query.df()["a"].tolist() == [1]
    assert query.df()["a"].tolist() == [1]
    assert play.asked(RESULT) == 1
    assert query.has_rows


# Faults of the submit


def test_a_submit_whose_answer_is_lost_is_told_and_not_repeated(play: Play) -> None:
    """SubmitUncertain reaches the waiting caller; nothing is asked after."""
    play.server.on("POST", SUBMIT, reset(), SUBMITTED)
    play.error(SubmitUncertain)
    assert [request.method for request in play.server.journal] == ["POST"]


def test_what_nobody_expects_reaches_the_caller_too(play: Play) -> None:
    """A fault of our own in the thread does not leave the caller waiting, or with a query that has no rows."""

    def broken(*_: Any, **__: Any) -> Any:
        raise ZeroDivisionError("oops")

    play.client.result = broken  # type: ignore[method-assign]  # no real part does this
    error = play.error(RoeError)
    assert "ZeroDivisionError: oops" in error.message
    assert error.query_id == ID
    assert isinstance(error.__cause__, ZeroDivisionError)


# Those who listen, and those who leave


def test_a_listener_hears_every_story_in_order_and_the_end_last(play: Play) -> None:
    """Elapsed time never goes back, and nothing follows the end."""
    play.statuses(status("PENDING"), status("STARTED"), DONE)
    play.run()
    elapsed = [story.elapsed for story in play.states]
    assert elapsed == sorted(elapsed)
    assert [story.over for story in play.states].index(True) == len(play.states) - 1


def test_a_listener_that_fails_does_not_fail_the_query(play: Play, caplog: pytest.LogCaptureFixture) -> None:
    """A panel whose comm is lost: it is told nothing more, and the rows come."""

    def listen(state: QueryState) -> None:
        raise BrokenPipeError(state.status)

    running = play.query()
    running.listen(listen)
    running.run()
    assert running.wait().succeeded
    assert caplog.text.count("A listener failed") == 1


def test_a_listener_is_called_at_once_and_not_after_it_was_removed(play: Play) -> None:
    """It gets the present state first, so that none is missed in between; None ends it."""
    running = play.query()
    assert [state.status for state in play.states] == [None]
    running.listen(None)
    running.run()
    assert len(play.states) == 1


def test_a_listener_that_asks_for_the_rows_does_not_stop_the_query(play: Play) -> None:
    """It would wait for the download that waits for it: it gets an error, and the rows come as usual."""

    def look(state: QueryState) -> None:
        if state.finished and state.statements is None:
            assert running.query is not None
            running.query.results  # noqa: B018  # to look at them is the test

    running = play.query()
    running.listen(look)
    running.start()
    assert running.wait(10).df()["a"].tolist() == [1]


def test_stop_is_honest(play: Play) -> None:
    """Interrupted while it runs: the query goes on at the server, nothing was cancelled, and Run All stops."""
    play.statuses(status("STARTED"))
    running = RunningQuery(play.client, "SELECT 1").start()
    wait_for(lambda: running.state.status == "STARTED")
    main = threading.main_thread().ident
    assert main is not None

    def interrupt_once_it_waits() -> None:
        """As Jupyter's stop button does it, and not before the caller waits, however busy the machine is."""
        waiting = [threading.Condition.wait.__code__, threading.Event.wait.__code__, RunningQuery.wait.__code__]
        wait_for(
            lambda: [frame.f_code for frame, _ in traceback.walk_stack(sys._current_frames()[main])][:3] == waiting
        )
        signal.pthread_kill(main, signal.SIGINT)

    interrupting = threading.Thread(target=interrupt_once_it_waits)
    # A shell that starts the tests in the background has them ignore the signal.
    handler = signal.signal(signal.SIGINT, signal.default_int_handler)
    interrupting.start()
    with pytest.raises(KeyboardInterrupt) as caught:
        running.wait(60)
    interrupting.join()
    signal.signal(signal.SIGINT, handler)
    assert isinstance(caught.value, QueryInterrupted)
    assert caught.value.query_id == ID
    assert f"%roe result {ID}" in str(caught.value)
    assert len(play.server.got("POST")) == 1
    assert running.detached


def test_cancel_says_when_the_server_has_none(play: Play) -> None:
    """False and a notice, never "cancelled" without proof; watching goes on to the end."""
    play.statuses(status("STARTED"), status("STARTED"), status("STARTED"), DONE)
    told: list[bool] = []

    def pause(seconds: float) -> None:
        play.clock.sleep(seconds)
        if not told:
            told.append(running.cancel())

    running = play.query(pause=pause)
    running.run()
    assert told == [False]
    problems = [state.cancel_problem for state in play.states if state.cancel_problem]
    assert len(problems) > 2  # later statuses do not take it away
    assert all("cannot cancel queries" in problem for problem in problems)
    assert running.wait().succeeded


def test_cancel_before_the_id_is_known_asks_nobody(play: Play) -> None:
    """There is nothing to cancel yet."""
    assert play.query().cancel() is False
    assert play.server.journal == []


def test_cancel_ends_the_watch_where_the_server_offers_it(play: Play) -> None:
    """With the status that the server answers."""
    play.statuses(status("STARTED"))
    play.server.on("POST", CANCEL, answer(sample("status-200-revoked")))
    running = play.query(pause=lambda _: running.cancel())
    running.run()
    with pytest.raises(QueryRevoked):
        running.wait()


def test_a_cancel_that_fails_is_a_notice(play: Play) -> None:
    """The button of the panel has nobody to raise to."""
    play.server.on("POST", CANCEL, answer({"detail": "no"}, 403))
    running = play.run()
    running.cancel_soon()
    wait_for(lambda: any("could not be cancelled" in (state.cancel_problem or "") for state in play.states))


def test_what_the_button_does_is_known_from_the_first_status_on(play: Play) -> None:
    """It never changes afterwards, whatever a later response says of waiting."""
    held = answer({"worksheet_query_id": ID, "status": "STARTED"}, headers={"Preference-Applied": "wait=25"})
    play.statuses(held, status("STARTED"), held, DONE).run().wait()
    assert [known for known, _ in itertools.groupby(state.can_cancel for state in play.states)] == [None, True]
    play.states.clear()
    play.statuses(status("STARTED"), held, DONE).run().wait()
    assert [known for known, _ in itertools.groupby(state.can_cancel for state in play.states)] == [None, False]


def test_a_late_answer_to_cancel_does_not_undo_the_end(play: Play) -> None:
    """A query that has ended stays as it ended, whatever is told about it afterwards."""
    play.server.on("POST", CANCEL, status("STARTED"), answer(sample("status-200-revoked")))
    running = play.run()
    for _ in range(2):
        running.cancel()
        assert running.state.status == "SUCCESS"
    assert running.wait().succeeded


# One query, one object


def test_a_query_is_one_object_from_its_submit_to_its_rows(play: Play) -> None:
    """It is made once and shows the present state; what is set on it stays."""
    play.statuses(status("STARTED"), DONE)
    seen: list[tuple[object, str | None]] = []

    def pause(seconds: float) -> None:
        play.clock.sleep(seconds)
        query = running.query
        assert query is not None
        query.displaylimit = 3
        seen.append((query, query["status"]))

    running = play.query(pause=pause)
    assert running.query is None  # nothing was answered yet
    running.run()
    query = running.wait()
    assert seen == [(query, "STARTED")]
    assert seen[0][0] is query is running.query
    assert (query.status, query["status"], query.displaylimit) == ("SUCCESS", "SUCCESS", 3)


def test_rows_that_are_asked_for_later_are_downloaded_once(play: Play) -> None:
    """However often, and through whichever name, they are looked at."""
    query = play.run(fetch=False).wait()
    assert play.asked("/result/") == 0
    assert query.df()["a"].tolist() == query.results[0].df()["a"].tolist() == [1]
    assert query.results is query.results
    assert play.asked("/result/") == 1


def test_rows_can_be_asked_for_after_the_download_was_stopped(play: Play) -> None:
    """The caller left in mid-download; the query has ended, and gives its rows to whoever asks again."""
    play.results(answer("", 404), result(ONE))
    running = play.query(pause=lambda _: running.detach())
    running.run()
    with pytest.raises(QueryInterrupted, match=f"%roe result {ID}"):
        running.wait()
    assert running.query is not None
    assert running.query.df()["a"].tolist() == [1]


def test_a_key_that_was_there_stays_while_the_state_changes(play: Play) -> None:
    """A loop over the keys finds each, though a later status no longer has the field."""
    play.statuses(status("STARTED", x_queue="busy"), DONE)
    keys: list[str] = []

    def pause(seconds: float) -> None:
        play.clock.sleep(seconds)
        keys.extend(running.query or ())

    running = play.query(pause=pause)
    running.run()
    query = running.wait()
    assert "x_queue" in keys
    assert {key: query[key] for key in keys}["x_queue"] is None


def test_a_failed_download_is_not_kept_in_memory(play: Play) -> None:
    """The object that stays, and the error that was raised, do not hold the rows that had arrived."""
    cells = [[n] for n in range(300_000)]
    rows = {**ONE, "column_types": ["UInt64"], "result_rows": cells, "row_count": len(cells)}
    play.results(result(rows))
    before = pa.total_allocated_bytes()
    running = play.run(max_bytes=2_000_000)
    with pytest.raises(ResultTooLarge):
        running.wait()
    assert running.query is not None
    gc.collect()
    assert pa.total_allocated_bytes() - before < 100_000


def test_a_query_that_has_not_ended_holds_no_key(play: Play) -> None:
    """What stays in `_roe` after a stop can be looked through without finding the client."""
    play.statuses(status("STARTED"))
    running = play.query(pause=lambda _: running.detach())
    running.run()
    assert running.query is not None
    seen: set[int] = set()
    found = [vars(running.query)]
    while found:
        value = found.pop()
        assert not isinstance(value, (Secret, RoeClient, RunningQuery))
        if id(value) not in seen and not isinstance(value, (type, types.ModuleType, types.FunctionType)):
            seen.add(id(value))
            found += gc.get_referents(value)


def test_rows_are_not_waited_for_behind_a_download_that_was_left(play: Play) -> None:
    """A download that hangs is left alone; who asks for the rows then gets them by another request."""
    play.results(hang(), result(ONE))
    running = RunningQuery(play.client, "SELECT 1").start()
    wait_for(lambda: play.asked("/result/") == 1)
    running.detach()
    assert running.query is not None
    began = time.monotonic()
    assert running.query.df()["a"].tolist() == [1]
    assert time.monotonic() - began < 10


def test_rows_before_a_failure_can_be_asked_for_again(play: Play) -> None:
    """A download that was stopped says nothing about them."""
    play.statuses(status("FAILURE", error="no")).results(
        reset(), reset(), reset(), reset(), result(ONE, word="FAILURE")
    )
    running = play.run()
    with pytest.raises(QueryFailed):
        running.wait()
    assert running.query is not None
    assert running.query.df(0)["a"].tolist() == [1]


def test_rows_can_be_fetched_though_they_were_not_wanted_at_first(play: Play) -> None:
    """`fetch` downloads them, and `wait` waits for them."""
    running = play.run(fetch=False)
    running.fetch().wait()
    assert play.asked("/result/") == 1
    assert running.query is not None
    assert running.query.has_rows


def test_a_status_that_is_older_than_what_is_known_is_not_shown(play: Play) -> None:
    """A server may answer a cancel with the state before it."""
    play.statuses(status("STARTED"), DONE)
    play.server.on("POST", CANCEL, status("PENDING"))
    running = play.query(pause=lambda _: running.cancel())
    running.run()
    assert [word for word in play.words if word] == ["STARTED", "SUCCESS"]


def test_the_clock_starts_with_the_query(play: Play) -> None:
    """Not when the object is made, which may be long before."""
    running = play.query()
    play.clock.sleep(100)
    running.run()
    assert running.elapsed < 10


# Coming back


def test_a_query_is_found_again_by_its_id_without_a_submit(play: Play) -> None:
    """The same rows, and no POST; the SQL is told by the results."""
    play.statuses(status("STARTED"), DONE)
    running = AttachedQuery(play.client, UUID(ID), clock=play.clock, pause=play.clock.sleep)
    running.run()
    query = running.wait()
    assert query.df()["a"].tolist() == [1]
    assert query.query == "SELECT 1"
    assert not play.server.got("POST")


def test_a_query_that_is_not_there_cannot_be_found_again(play: Play) -> None:
    """NotFoundError with the id, at once."""
    play.statuses(answer("", 404))
    running = AttachedQuery(play.client, UUID(ID), clock=play.clock, pause=play.clock.sleep)
    running.run()
    with pytest.raises(NotFoundError) as caught:
        running.wait()
    assert caught.value.query_id == ID


# Rows in the answer to the submit


def enclosing(rows: object) -> Step:
    """Answer a submit as our service does: the query has ended, and its rows are in a field of their own."""
    return answer({**sample("submit-200-finished"), "id": ID, "result_arrow": rows})


def as_arrow(table: pa.Table) -> str:
    """Write a result as the result endpoint's Arrow."""
    about = {"query": "SELECT 1", "row_count": table.num_rows, "column_names": ["a"], "column_types": ["UInt8"]}
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema.with_metadata({"roe.statement": json.dumps(about)})) as writer:
        writer.write_table(table)
    return base64.b64encode(sink.getvalue()).decode()


SEVEN = as_arrow(pa.table({"a": pa.array([7], pa.uint8())}))


def test_rows_in_the_answer_to_the_submit_are_not_asked_for(play: Play) -> None:
    """One request is the whole query; the field is no metadata of it."""
    play.server.on("POST", SUBMIT, enclosing(SEVEN))
    query = play.run().wait()
    assert query.df()["a"].tolist() == [7]
    assert "result_arrow" not in query
    assert [(request.path, request.headers["prefer"]) for request in play.server.journal] == [
        (SUBMIT, "wait=1, return=representation")
    ]


@pytest.mark.parametrize("rows", [None, 7, "", "é", "not base64", ["QUJD"]])
def test_a_field_of_that_name_that_holds_no_rows_is_kept(play: Play, rows: object) -> None:
    """Another server may mean something else by it: the rows are asked for."""
    play.server.on("POST", SUBMIT, enclosing(rows))
    query = play.run().wait()
    assert query.df()["a"].tolist() == [1]
    assert query["result_arrow"] == rows


@pytest.mark.parametrize("rows", [base64.b64encode(b"no Arrow at all").decode(), SEVEN[: len(SEVEN) // 8 * 4]])
def test_enclosed_rows_that_cannot_be_read_are_asked_for(play: Play, rows: str) -> None:
    """The result endpoint has them as well."""
    play.server.on("POST", SUBMIT, enclosing(rows))
    assert play.run().wait().df()["a"].tolist() == [1]


def test_rows_that_nobody_wants_are_not_asked_for(play: Play) -> None:
    """fetch=False leaves the preference out."""
    play.run(fetch=False)
    assert play.server.got("POST")[0].headers["prefer"] == "wait=1"


def test_enclosed_rows_keep_to_the_limit(play: Play) -> None:
    """max_bytes holds for them, too."""
    play.server.on("POST", SUBMIT, enclosing(SEVEN))
    assert "limit" in str(play.error(ResultTooLarge, max_bytes=10))


@pytest.mark.parametrize("timeout", [-5, 0, float("nan"), float("inf"), 1e300, "5", True])
def test_a_timeout_that_makes_no_sense_is_refused_before_anything_is_sent(play: Play, timeout: Any) -> None:
    """By `run`, and by `wait`."""
    with pytest.raises(UsageError, match="timeout"):
        roe_magic.run("SELECT 1", play.client, timeout=timeout)
    assert play.server.journal == []
    with pytest.raises(UsageError, match="timeout"):
        play.query().wait(timeout)


@pytest.mark.parametrize("limit", [-1, float("nan"), float("inf"), 0.5, "1", True])
def test_a_limit_of_bytes_that_makes_no_sense_is_refused_before_anything_is_sent(play: Play, limit: Any) -> None:
    """By `run`, and by what submits, attaches and fetches."""
    with pytest.raises(UsageError, match="max_bytes"):
        roe_magic.run("SELECT 1", play.client, max_bytes=limit)
    with pytest.raises(UsageError, match="max_bytes"):
        AttachedQuery(play.client, UUID(ID), max_bytes=limit)
    assert play.server.journal == []
    with pytest.raises(UsageError, match="max_bytes"):
        play.run().fetch(limit)
