"""The id of a query is never lost: whenever it comes, the notebook has it."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from IPython.core.error import UsageError

from roe_magic.errors import QueryInterrupted
from roe_magic.magic import query_lookup
from tests.faults.conftest import Record
from tests.support.scripted_server import ScriptedServer, answer, wait_for
from tests.support.shells import Ran, Shell, shell
from tests.support.timed_server import TimedServer

pytestmark = pytest.mark.usefixtures("python_handler")


@pytest.fixture
def server() -> Iterator[TimedServer]:
    with TimedServer() as server:
        yield server


def environment_of(server: ScriptedServer) -> dict[str, str]:
    return {"ROE_BASE_URL": server.url, "ROE_API_KEY": "long-enough-a-key"}


@pytest.fixture
def ours(server: TimedServer, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Shell]:
    with shell(monkeypatch, environment_of(server), tmp_path) as shell_:
        yield shell_


def stopped(ours: Shell, server: ScriptedServer, sql: str, presses: int = 2) -> Ran:
    """Run a cell, and press stop once its submit is at the server; the second stop ends the waiting for its id."""
    sent = len(server.got("POST"))

    def press() -> None:
        wait_for(lambda: len(server.got("POST")) > sent)
        for _ in range(presses):
            os.kill(os.getpid(), signal.SIGINT)
            threading.Event().wait(0.3)

    pressing = threading.Thread(target=press)
    pressing.start()
    ran = ours.roe("", sql)
    pressing.join()
    return ran


def hold(server: TimedServer) -> threading.Event:
    """Have the next submits held back until the Event is set."""
    server.may_answer = threading.Event()
    return server.may_answer


def ids(ours: Shell) -> list[str]:
    return list(map(str, ours.magic.session.query_ids))


def test_two_stopped_submits_both_arrive(ours: Shell, server: TimedServer, seen: Record) -> None:
    """After both cells have ended; `_roe` is the query of the second."""
    gate = hold(server)
    for sql in ("SELECT 1", "SELECT 2"):
        ran = stopped(ours, server, sql)
        assert isinstance(ran.error, QueryInterrupted)
        assert "may be running" in str(ran.error)
    assert (ids(ours), ours.variables["_roe"]) == ([], None)
    gate.set()
    wait_for(lambda: len(ids(ours)) == 2)
    seen("ids of two submits that were stopped, later", sorted(server.ends), sorted(ids(ours)))
    wait_for(lambda: ours.variables["_roe"] is not None)
    assert ours.variables["_roe"]["query"].strip() == "SELECT 2"
    assert ours.magic.session.latest is None


def test_an_id_that_comes_after_another_query_is_kept_beside_it(ours: Shell, server: TimedServer, seen: Record) -> None:
    """`_roe` stays the query that was run last."""
    gate = hold(server)
    stopped(ours, server, "SELECT 1")
    hold(server).set()
    assert ours.roe("", "SELECT 2").error is None
    last = ours.variables["_roe"]
    gate.set()
    wait_for(lambda: len(ids(ours)) == 2)
    first, second = server.ends
    seen("an id that comes after another query's", ([second, first], second), (ids(ours), str(last.id)))
    assert ours.variables["_roe"] is last


def test_result_waits_for_the_id(ours: Shell, server: TimedServer, seen: Record) -> None:
    """Of the query that was stopped, and not of the one before, whose id is known."""
    ours.roe("", "SELECT 1")
    gate = hold(server)
    stopped(ours, server, "SELECT 2")
    opening = threading.Timer(0.5, gate.set)
    opening.start()
    ran = ours.run("%roe result")
    opening.join()
    assert ran.error is None
    seen("%roe result after a stopped submit", list(server.ends)[1], str(ran.value.id))
    assert ran.value.df()["a"].tolist() == [1]


def test_result_says_that_there_is_no_id_yet(
    ours: Shell, server: TimedServer, monkeypatch: pytest.MonkeyPatch, seen: Record
) -> None:
    """Instead of showing an older query."""
    monkeypatch.setattr(query_lookup, "_PATIENCE", 0.2)
    ours.roe("", "SELECT 1")
    gate = hold(server)
    stopped(ours, server, "SELECT 2")
    ran = ours.run("%roe result")
    assert isinstance(ran.error, UsageError)
    seen("%roe result before the id", True, "not told the id of the last query yet" in str(ran.error))
    gate.set()
    wait_for(lambda: len(ids(ours)) == 2)


def test_a_query_that_was_never_sent_is_not_waited_for(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, seen: Record
) -> None:
    """The stop came in the pause before a repeat; the message says so, and nothing is sent later."""
    with ScriptedServer(answer("", 503, {"Retry-After": "1"})) as server:
        with shell(monkeypatch, environment_of(server), tmp_path) as ours:
            ran = stopped(ours, server, "SELECT 1", presses=1)
            assert ours.magic.session.latest.awaits_id is False
            threading.Event().wait(1.5)
        found = (str(ran.error), len(server.got("POST")))
    seen("stop in the pause before a repeat", ("Stopped watching. The query was not sent.", 1), found)
