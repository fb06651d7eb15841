"""What servers and proxies send before, beside and instead of an answer, while a query is watched and its rows read."""

from __future__ import annotations

import threading
import time
from email.utils import formatdate
from typing import Any

import pytest

from roe_magic.client.retry_policy import RequestKind
from roe_magic.errors import QueryFailed, QueryInterrupted, QueryTimeout, RoeError
from roe_magic.query.running_query import RunningQuery
from tests.faults.conftest import Record
from tests.support.endpoint_calls import DONE, ENDPOINTS, ID, ONE_ROW, Caller, server
from tests.support.scripted_server import ScriptedServer, Step, Wire, answer, bytes_of, reset, send

STATUS, RESULT, SUBMIT = RequestKind.STATUS, RequestKind.RESULT, RequestKind.SUBMIT
STARTED = {"worksheet_query_id": str(ID), "status": "STARTED"}
LINES = "application/x-ndjson"
WAITED = {"Preference-Applied": "wait=25"}
GOOD = ENDPOINTS[STATUS][2]


def took_over(seconds: float, step: Step, caller: list[Caller]) -> Step:
    """Answer after so many seconds of the caller's clock."""

    def held(wire: Wire) -> bool:
        caller[0].clock.time += seconds
        return step(wire)

    return held


def outcome(caller: Caller, kind: RequestKind = STATUS) -> str:
    try:
        caller.call(kind)
    except RoeError as error:
        return type(error).__name__
    return "ended well"


@pytest.mark.parametrize(
    ("name", "step"),
    {
        "a stream that ends at once": answer("", content_type=LINES, headers=WAITED),
        "blank lines": answer("\n\n \n", content_type=LINES, headers=WAITED),
        "200 without a body": answer("", content_type="application/json"),
        "202 without a body": answer("", 202),
        "a body cut in its JSON": send(bytes_of({"worksheet_query_id": str(ID)})[:-5] + b"     "),
        "truncated JSON": answer('{"worksheet_query_id": "', content_type="application/json"),
    }.items(),
)
def test_an_answer_without_a_status_passes_or_ends_by_patience(name: str, step: Step, seen: Record) -> None:
    """It is never watched in silence for ever."""
    with server(STATUS, step, step, GOOD) as started:
        seen(f"twice {name}, then a status", "ended well", outcome(Caller(started.url)))
    with server(STATUS, step) as started:
        caller = Caller(started.url)
        found = outcome(caller)
        bounded = 10 <= caller.clock() < 150 and len(started.got("GET", "/status/")) < 80
    seen(f"for ever {name}", ("ProtocolError", True), (found, bounded))


@pytest.mark.parametrize("break_off", [reset(), send(b"HTTP/1.1 200 OK\r\nContent-Length: 90\r\n\r\n{"), send(b"")])
def test_the_first_status_of_a_query_of_before_may_break(break_off: Step) -> None:
    """As any status may."""
    with server(RequestKind.ATTACH, break_off, break_off, GOOD) as started:
        assert Caller(started.url).call(RequestKind.ATTACH) is not None


def test_a_server_that_claims_to_wait_is_asked_no_more_often(seen: Record) -> None:
    """60 ms are no 25 s: at most what the policy without long polls asks."""
    holder: list[Caller] = []
    answers = [took_over(0.06, answer(STARTED, headers=WAITED), holder)] * 400
    with server(STATUS, *answers, GOOD) as started:
        holder.append(Caller(started.url))
        holder[0].call(STATUS)
        per_second = len(started.got("GET", "/status/")) / holder[0].clock()
    seen("requests a second below 1", True, per_second < 1)


@pytest.mark.parametrize("hours", [-1, 1])
def test_a_date_to_retry_after_is_read_by_the_servers_clock(hours: int, seen: Record) -> None:
    """This machine's may be wrong by an hour."""
    now = time.time() + hours * 3600
    headers = {"Retry-After": formatdate(now + 7, usegmt=True), "Date": formatdate(now, usegmt=True)}
    with server(STATUS, answer("", 503, headers), GOOD) as started:
        caller = Caller(started.url)
        caller.call(STATUS)
    seen(f"Retry-After as a date, our clock {hours:+} h off: longest pause", 7.0, max(caller.clock.slept))


# What the result says


@pytest.mark.parametrize(
    ("name", "result", "rows"),
    [
        ("FAILURE with an error", {"status": "FAILURE", "error": "Memory limit", "results": []}, None),
        ("FAILURE without one", {"status": "FAILURE", "error": None, "results": None}, None),
        ("an error and no rows", {"error": "Memory limit", "results": None}, None),
        ("an error beside rows", {"error": "Memory limit", "results": [{"query": "SELECT 1", **ONE_ROW}]}, [1]),
    ],
)
def test_an_error_in_the_result_reaches_the_caller(
    name: str, result: dict[str, Any], rows: list[int] | None, seen: Record
) -> None:
    """Though the status was SUCCESS; what rows there are are kept."""
    with server(RESULT, answer({**DONE, **result})) as started:
        caller = Caller(started.url)
        with pytest.raises(QueryFailed, match=r"Memory limit|The result says FAILURE") as caught:
            caller.call(RESULT)
    query = caught.value.query
    seen(f"status SUCCESS, result has {name}", "FAILURE", query.status)
    assert query.error in str(caught.value)
    assert rows is None or query.df(0)["a"].tolist() == rows
    assert len(started.got("GET", "/result/")) == 1


@pytest.mark.parametrize("status", [202, 204, 409, 425])
def test_a_result_that_is_not_ready_is_waited_for(status: int, seen: Record) -> None:
    """Whatever a server says for it."""
    with server(RESULT, answer("", status), answer("", status), ENDPOINTS[RESULT][2]) as started:
        seen(f"result not ready: {status}", "ended well", outcome(Caller(started.url), RESULT))


# Lists


def test_lists_in_pages_are_read_to_their_end(seen: Record) -> None:
    """As Django REST framework sends them; the key goes to the server that is set, whatever `next` says."""
    item = {"id": str(ID), "name": "w", "created_at": "2026-03-01T12:00:00Z", "updated_at": "2026-03-01T12:00:00Z"}
    with ScriptedServer() as started:
        started.script = lambda request: answer(
            {
                "count": 3,
                "next": "https://elsewhere.test/v1/worksheets/?page=2" if "page" not in request.params else None,
                "results": [item] * (2 if "page" not in request.params else 1),
            }
        )
        found = len(Caller(started.url).client.worksheets())
        assert [request.params.get("page") for request in started.journal] == [None, ["2"]]
    seen("worksheets of two pages", 3, found)


def test_a_list_without_end_is_given_up() -> None:
    """After a thousand pages."""
    with ScriptedServer(answer({"results": [], "next": "?page=2"})) as started:
        caller = Caller(started.url)
        with pytest.raises(RoeError, match="more than 1000 pages"):
            caller.client.worksheets()


# The caller leaves


@pytest.mark.parametrize("fault", [answer("", 503, {"Retry-After": "5"}), reset()], ids=["Retry-After", "reset"])
@pytest.mark.parametrize("kind", [SUBMIT, STATUS])
def test_nothing_is_sent_after_stop(kind: RequestKind, fault: Step, seen: Record) -> None:
    """In the pause before a repeat."""
    with server(kind, fault) as started:
        caller = Caller(started.url)
        running = RunningQuery(caller.client, "SELECT 1", clock=caller.clock, pause=lambda _: running.detach())
        caller.client._transport._wait = lambda event, _: running.detach() or True  # type: ignore[func-returns-value]
        running.run()
        before = len(started.journal)
        with pytest.raises((QueryInterrupted, RoeError)) as caught:
            running.wait()
        time.sleep(0.05)
        seen(f"requests after stop in the pause after a {kind.value}", 0, len(started.journal) - before)
    assert len(started.got(*ENDPOINTS[kind][:2])) == 1
    assert isinstance(caught.value, QueryInterrupted) or kind is SUBMIT


def test_a_timeout_in_the_pause_before_a_submit_is_repeated(seen: Record) -> None:
    """The caller was told that the query was not sent; so it never is."""
    with server(SUBMIT, answer("", 503, {"Retry-After": "1"})) as started:
        client = Caller(started.url).client
        client._transport._wait = threading.Event.wait
        running = RunningQuery(client, "SELECT 1").start()
        with pytest.raises(QueryTimeout, match="The query was not sent"):
            running.wait(0.2)
        time.sleep(1.2)
        seen("submits after the caller's time is over", 1, len(started.got("POST")))
