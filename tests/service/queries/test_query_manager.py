"""The life of a query in the service, on the real engine."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import time
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from roe_magic.service import bootstrap
from roe_magic.service.container import Services
from roe_magic.service.job import Limits, SubmitRequest
from roe_magic.service.queries import live_query
from roe_magic.service.queries.errors import QueryNotAccepted
from roe_magic.service.queries.live_query import LiveQuery
from roe_magic.service.queries.query_manager import QueryManager
from roe_magic.service.state import schema
from roe_magic.service.state.store import Store, StoreError

pytestmark = pytest.mark.integration

SLOW = "SELECT count() FROM numbers(100000000000) WHERE NOT ignore(sin(number))"
PATIENCE = 60
IGNORED = "FORMAT CSV was ignored"


class Scene:
    """The services and a key, so that the tests are short."""

    def __init__(self, running: Services) -> None:
        self.services, self.manager, self.store = running, running.queries, running.store
        organization, user = self.store.first_start()
        key = self.store.key(self.store.add_key(organization, user, admin=True))
        assert key
        self.key = key

    def submit(self, sql: str) -> LiveQuery:
        worksheet = self.store.worksheet(self.key.organization_id, None)
        return self.manager.submit(self.key, SubmitRequest(sql=sql), worksheet)

    def folder(self, row: schema.QueryRow) -> Path:
        return self.services.results.folder(row.id)

    def row(self, live: LiveQuery) -> schema.QueryRow:
        row = self.store.query(self.key.organization_id, live.row.id, live.row.kind)
        assert row
        return row

    async def until_statement(self, live: LiveQuery, number: int) -> None:
        """Wait until a query's progress is that of its statement ``number``."""
        end = time.monotonic() + PATIENCE
        while (progress := live.status().progress) is None or progress.statement < number:
            assert time.monotonic() < end, live.row.status
            await asyncio.sleep(0.01)

    async def until(self, live: LiveQuery, status: str) -> None:
        end = time.monotonic() + PATIENCE
        while live.row.status != status:
            assert time.monotonic() < end, live.row.status
            await asyncio.sleep(0.01)


def play(folder: Path, act: Callable[[Scene], Awaitable[None]], **options: Any) -> None:
    """Run the services on a folder for the time of one act."""

    async def main() -> None:
        async with bootstrap.running(folder, **options) as running:
            await act(Scene(running))

    asyncio.run(main())


def test_a_query_is_on_disk_before_it_is_acknowledged(tmp_path: Path) -> None:
    """When submit returns, the row is there as PENDING; at the end it has the outcome, and its times are in order."""

    async def act(scene: Scene) -> None:
        live = scene.submit("SELECT 1")
        assert scene.row(live).status == "PENDING"
        await live.wait(PATIENCE)
        row = scene.row(live)
        assert (row.status, row.error) == ("SUCCESS", None)
        assert row.started_at is not None
        assert row.finished_at is not None
        assert row.created_at <= row.started_at <= row.finished_at == row.updated_at
        assert row.result_bytes == sum(file.stat().st_size for file in scene.folder(row).iterdir())

    play(tmp_path, act)


def test_a_query_waits_for_its_turn(tmp_path: Path) -> None:
    """Above the engine's concurrency a query stays PENDING; cancelled there, it never starts."""

    async def act(scene: Scene) -> None:
        first, second = scene.submit(SLOW), scene.submit(SLOW)
        await scene.until(first, "STARTED")
        await second.wait(0.3)
        assert second.row.status == "PENDING"
        await scene.manager.cancel(second)
        assert (scene.row(second).status, scene.row(second).started_at) == ("REVOKED", None)
        await scene.manager.cancel(first)
        assert (scene.row(first).status, scene.row(first).started_at is None) == ("REVOKED", False)

    play(tmp_path, act, limits=Limits(max_concurrency=1))


def test_a_cancel_returns_when_the_engine_has_stopped(tmp_path: Path) -> None:
    """After a cancel the query's slot is free: with a single slot, the next query starts at once."""

    async def act(scene: Scene) -> None:
        slow = scene.submit(SLOW)
        await scene.until(slow, "STARTED")
        await asyncio.gather(scene.manager.cancel(slow), scene.manager.cancel(slow))
        assert slow.row.status == "REVOKED"
        after = scene.submit("SELECT 1")
        await after.wait(PATIENCE)
        assert after.row.status == "SUCCESS"

    play(tmp_path, act, limits=Limits(max_concurrency=1))


def test_many_wait_for_one_query(tmp_path: Path) -> None:
    """The end of a query ends every wait, and a wait takes no thread."""

    async def act(scene: Scene) -> None:
        live = scene.submit("SELECT sleep(0.5)")
        began = time.monotonic()
        await asyncio.gather(*(live.wait(PATIENCE) for _ in range(500)))
        assert live.row.status == "SUCCESS"
        assert time.monotonic() - began < PATIENCE / 2

    play(tmp_path, act)


@contextlib.contextmanager
def counted_commits() -> Iterator[list[sa.Connection]]:
    """Collect one item per transaction that this process commits to a database."""
    commits: list[sa.Connection] = []

    def count(connection: sa.Connection) -> None:
        commits.append(connection)

    sa.event.listen(sa.Engine, "commit", count)
    try:
        yield commits
    finally:
        sa.event.remove(sa.Engine, "commit", count)


def test_a_quick_query_is_written_twice(tmp_path: Path) -> None:
    """Once when it is accepted and once at its end; its start goes with the end."""

    async def act(scene: Scene) -> None:
        warm_up = scene.submit("SELECT 1")  # the first one also creates the database, which takes longer
        await warm_up.wait(PATIENCE)
        with counted_commits() as commits:
            live = scene.submit("SELECT 1")
            await live.wait(PATIENCE)
            await asyncio.sleep(0.3)  # longer than a query may run before its start is stored
        assert len(commits) == 2
        assert scene.row(live).started_at is not None

    play(tmp_path, act)


@pytest.mark.parametrize(
    ("sql", "status"),
    [("SELECT 1 FORMAT CSV", "SUCCESS"), ("SELECT 1 FORMAT CSV; SELECT nosuch", "FAILURE")],
)
def test_notices_are_stored_with_the_end_of_a_query(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, sql: str, status: str
) -> None:
    """They are in the last write, on disk and in memory alike, however the query ended; there is no third write."""
    monkeypatch.setattr(live_query, "_SAVE_STARTED_AFTER", PATIENCE)  # however slow this machine is

    async def act(scene: Scene) -> None:
        warm_up = scene.submit("SELECT 1")
        await warm_up.wait(PATIENCE)
        with counted_commits() as commits:
            live = scene.submit(sql)
            await live.wait(PATIENCE)
        assert len(commits) == 2
        assert (live.row.status, [notice.split(":")[0] for notice in live.row.notices]) == (status, [IGNORED])
        assert scene.row(live).notices == live.row.notices
        assert (scene.row(warm_up).notices, warm_up.status().notices) == ([], None)

    play(tmp_path, act)


def test_a_cancelled_query_keeps_its_notices(tmp_path: Path) -> None:
    """Those of the statements that had begun."""

    async def act(scene: Scene) -> None:
        live = scene.submit(f"SELECT 1 FORMAT CSV; {SLOW}")
        await scene.until_statement(live, 1)
        await scene.manager.cancel(live)
        row = scene.row(live)
        assert (row.status, [notice.split(":")[0] for notice in row.notices]) == ("REVOKED", [IGNORED])

    play(tmp_path, act)


def test_a_slow_query_is_started_on_disk(tmp_path: Path) -> None:
    """Another process that reads the state sees that the query is STARTED, and since when."""

    async def act(scene: Scene) -> None:
        second = Store(scene.services.folder.state)
        with counted_commits() as commits:
            live = scene.submit(SLOW)
            worksheet = second.worksheet(scene.key.organization_id, None)
            assert worksheet
            end = time.monotonic() + PATIENCE
            while (row := second.queries(worksheet.id, 1)[0]).status == "PENDING":
                assert time.monotonic() < end
                await asyncio.sleep(0.02)
            assert (row.status, row.started_at) == ("STARTED", live.row.started_at)
            assert row.started_at is not None
            await scene.manager.cancel(live)
        second.close()
        assert scene.row(live).started_at == row.started_at
        assert len(commits) == 3

    play(tmp_path, act)


def test_a_start_that_cannot_be_stored_does_no_harm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The query goes on, and its end is stored with the time of its start."""

    async def act(scene: Scene) -> None:
        monkeypatch.setattr(scene.store, "start_query", _full)
        live = scene.submit("SELECT sleep(0.5)")
        await live.wait(PATIENCE)
        row = scene.row(live)
        assert (row.status, row.started_at is None) == ("SUCCESS", False)

    play(tmp_path, act)


def test_unfinished_queries_fail_when_the_service_stops(tmp_path: Path) -> None:
    """Stopping ends every wait, refuses new queries, and stores why running and waiting ones failed."""
    seen: list[LiveQuery] = []

    async def act(scene: Scene) -> None:
        running, waiting = scene.submit(SLOW), scene.submit(SLOW)
        await scene.until(running, "STARTED")
        waits = asyncio.gather(running.wait(PATIENCE), waiting.wait(PATIENCE))
        await asyncio.sleep(0)
        await scene.manager.stop()
        await asyncio.wait_for(waits, PATIENCE)
        with pytest.raises(QueryNotAccepted):
            scene.submit("SELECT 1")
        for live in (running, waiting):
            row = scene.row(live)
            assert (row.status, row.error, row.finished_at is None) == ("FAILURE", "server stopped", False)
        seen.append(running)

    play(tmp_path, act, limits=Limits(max_concurrency=1))
    assert seen


def test_unfinished_queries_of_a_killed_process_fail_at_the_next_start(tmp_path: Path) -> None:
    """A query that had not ended is FAILURE "server restarted", and its half-written rows are removed."""
    left: list[schema.QueryRow] = []

    async def before(scene: Scene) -> None:
        row = scene.store.add_query(scene.key, SubmitRequest(sql="SELECT 1"))
        left.append(row)
        scene.folder(row).mkdir()
        # The row is what a process that was killed leaves; this one would write down that it stopped.
        scene.store.fail_unfinished = lambda _: []  # type: ignore[method-assign]  # see above

    async def after(scene: Scene) -> None:
        row = scene.store.query(scene.key.organization_id, left[0].id)
        assert row
        assert (row.status, row.error) == ("FAILURE", "server restarted")
        assert not scene.folder(row).exists()

    play(tmp_path, before)
    play(tmp_path, after)


def test_the_oldest_rows_make_room(tmp_path: Path) -> None:
    """If the rows of all queries take too much, the oldest are deleted; their query stays, marked as expired."""

    async def act(scene: Scene) -> None:
        queries = [scene.submit("SELECT * FROM numbers(10000)")]
        for _ in range(3):
            await queries[-1].wait(PATIENCE)
            queries.append(scene.submit("SELECT * FROM numbers(10000)"))
        await queries[-1].wait(PATIENCE)
        newest, oldest = queries[-1], queries[0]
        end = time.monotonic() + PATIENCE
        while scene.folder(oldest.row).exists():
            assert time.monotonic() < end
            await asyncio.sleep(0.01)
        assert scene.row(oldest).expired
        assert scene.row(oldest).status == "SUCCESS"
        assert not scene.row(newest).expired
        assert scene.folder(newest.row).exists()

    play(tmp_path, act, max_stored_bytes=200_000)


def test_the_engines_death_fails_its_queries_alone(tmp_path: Path) -> None:
    """When the engine's process is killed its queries say so, and the next one runs in a new process."""

    async def act(scene: Scene) -> None:
        slow = scene.submit(SLOW)
        await scene.until(slow, "STARTED")
        assert scene.services.engine.pid
        os.kill(scene.services.engine.pid, signal.SIGKILL)
        await slow.wait(PATIENCE)
        assert slow.row.status == "FAILURE"
        assert "restarted" in str(slow.row.error)
        after = scene.submit("SELECT 1")
        await after.wait(PATIENCE)
        assert after.row.status == "SUCCESS"

    play(tmp_path, act)


def test_a_bug_in_the_engine_ends_in_failure(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An exception that nobody expected is logged, and the query ends with a plain message."""

    async def act(scene: Scene) -> None:
        monkeypatch.setattr(scene.services.engine, "run", lambda *_: 1 / 0)
        live = scene.submit("SELECT 1")
        await live.wait(PATIENCE)
        assert scene.row(live).status == "FAILURE"
        assert "ZeroDivision" not in str(scene.row(live).error)

    play(tmp_path, act)


def test_an_end_that_cannot_be_stored_is_still_reported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """If the end of a query cannot be stored, requests that wait for it still get the outcome."""

    async def act(scene: Scene) -> None:
        live = scene.submit("SELECT 1")
        with monkeypatch.context() as patch:
            patch.setattr(scene.store, "finish_query", _full)
            await live.wait(PATIENCE)
        assert live.row.status == "SUCCESS"

    play(tmp_path, act)


def _full(*_: object, **__: object) -> None:
    raise StoreError("database or disk is full")


def test_too_many_queries_are_refused(tmp_path: Path) -> None:
    """Only so many queries may be unfinished."""

    async def act(scene: Scene) -> None:
        running = scene.services
        room = QueryManager(running.store, running.engine, running.results, max_stored_bytes=2**30, max_unfinished=2)
        scene.manager = room
        lives = [scene.submit("SELECT 1"), scene.submit("SELECT 2")]
        with pytest.raises(QueryNotAccepted):
            scene.submit("SELECT 3")
        for live in lives:
            await live.wait(PATIENCE)
        assert scene.submit("SELECT 3").row.status == "PENDING"
        await room.stop()

    play(tmp_path, act)
