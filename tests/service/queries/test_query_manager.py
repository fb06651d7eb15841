"""The life of a query in the service, on the real engine."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from roe_magic.service import container
from roe_magic.service.container import Parts
from roe_magic.service.engine.chdb.engine import Limits
from roe_magic.service.queries import query_manager
from roe_magic.service.queries.query_manager import Closing, Live
from roe_magic.service.state import schema

SLOW = "SELECT count() FROM numbers(100000000000) WHERE NOT ignore(sin(number))"
PATIENCE = 60


class Scene:
    """The parts and a key; what the tests say is short."""

    def __init__(self, running: Parts) -> None:
        self.parts, self.tasks, self.store = running, running.tasks, running.store
        organization, user = self.store.first_start()
        key = self.store.key(self.store.add_key(organization, user, admin=True))
        assert key
        self.key = key

    def submit(self, sql: str, **columns: Any) -> Live:
        return self.tasks.submit(self.key, sql, self.store.worksheet(self.key.organization_id, None), **columns)

    def row(self, live: Live) -> schema.Query:
        row = self.store.query(self.key.organization_id, live.row.id, live.row.kind)
        assert row
        return row

    async def until(self, live: Live, status: str) -> None:
        end = time.monotonic() + PATIENCE
        while live.row.status != status:
            assert time.monotonic() < end, live.row.status
            await asyncio.sleep(0.01)


def play(folder: Path, act: Callable[[Scene], Awaitable[None]], **options: Any) -> None:
    """Run the parts on a folder for the time of one act."""

    async def main() -> None:
        async with container.running(folder, **options) as running:
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
        assert row.result_bytes == sum(file.stat().st_size for file in scene.tasks.folder(row).iterdir())

    play(tmp_path, act)


def test_a_query_waits_for_its_turn(tmp_path: Path) -> None:
    """Above the engine's concurrency a query stays PENDING; cancelled there, it never starts."""

    async def act(scene: Scene) -> None:
        first, second = scene.submit(SLOW), scene.submit(SLOW)
        await scene.until(first, "STARTED")
        await second.wait(0.3)
        assert second.row.status == "PENDING"
        await scene.tasks.cancel(second)
        assert (scene.row(second).status, scene.row(second).started_at) == ("REVOKED", None)
        await scene.tasks.cancel(first)
        assert (scene.row(first).status, scene.row(first).started_at is None) == ("REVOKED", False)

    play(tmp_path, act, limits=Limits(max_concurrency=1))


def test_a_cancel_returns_when_the_engine_has_stopped(tmp_path: Path) -> None:
    """After a cancel nothing runs any more: with room for one, the next query starts at once."""

    async def act(scene: Scene) -> None:
        slow = scene.submit(SLOW)
        await scene.until(slow, "STARTED")
        await asyncio.gather(scene.tasks.cancel(slow), scene.tasks.cancel(slow))
        assert slow.row.status == "REVOKED"
        after = scene.submit("SELECT 1")
        await after.wait(PATIENCE)
        assert after.row.status == "SUCCESS"

    play(tmp_path, act, limits=Limits(max_concurrency=1))


def test_many_wait_for_one_query(tmp_path: Path) -> None:
    """Every waiter is released by the end, and no one of them takes a thread."""

    async def act(scene: Scene) -> None:
        live = scene.submit("SELECT sleep(0.5)")
        began = time.monotonic()
        await asyncio.gather(*(live.wait(PATIENCE) for _ in range(500)))
        assert live.row.status == "SUCCESS"
        assert time.monotonic() - began < PATIENCE / 2

    play(tmp_path, act)


def test_changes_are_paced(tmp_path: Path) -> None:
    """However often the figures change, a watcher hears of it at most every quarter of a second, and of the end."""

    async def act(scene: Scene) -> None:
        live = Live(scene.store.add_query(scene.key, "SELECT 1"))

        async def work() -> None:
            for n in range(100):
                live.change(query_manager.models.Progress(read_rows=n), status="STARTED")
                await asyncio.sleep(0.005)
            live.change(status="SUCCESS")
            live.release()

        working = asyncio.create_task(work())
        seen = [one async for one in live.changes(PATIENCE)]
        await working
        assert (seen[0].status, seen[-1].status) == ("PENDING", "SUCCESS")
        assert len(seen) < 50

    play(tmp_path, act)


def test_what_runs_fails_when_the_service_stops(tmp_path: Path) -> None:
    """Stopping ends every wait, refuses what comes, and writes down why the running and the waiting did not end."""
    seen: list[Live] = []

    async def act(scene: Scene) -> None:
        running, waiting = scene.submit(SLOW), scene.submit(SLOW)
        await scene.until(running, "STARTED")
        waits = asyncio.gather(running.wait(PATIENCE), waiting.wait(PATIENCE))
        await asyncio.sleep(0)
        await scene.tasks.stop()
        await asyncio.wait_for(waits, PATIENCE)
        with pytest.raises(Closing):
            scene.submit("SELECT 1")
        for live in (running, waiting):
            row = scene.row(live)
            assert (row.status, row.error, row.finished_at is None) == ("FAILURE", "server stopped", False)
        seen.append(running)

    play(tmp_path, act, limits=Limits(max_concurrency=1))
    assert seen


def test_what_a_dead_process_left_fails_at_the_next_start(tmp_path: Path) -> None:
    """A query that had not ended is FAILURE "server restarted", and its half-written rows are removed."""
    left: list[schema.Query] = []

    async def before(scene: Scene) -> None:
        row = scene.store.add_query(scene.key, "SELECT 1")
        left.append(row)
        scene.tasks.folder(row).mkdir()
        # The row is what a process that was killed leaves; this one would write down that it stopped.
        scene.store.fail_unfinished = lambda _: []  # type: ignore[method-assign]  # see above

    async def after(scene: Scene) -> None:
        row = scene.store.query(scene.key.organization_id, left[0].id)
        assert row
        assert (row.status, row.error) == ("FAILURE", "server restarted")
        assert not scene.tasks.folder(row).exists()

    play(tmp_path, before)
    play(tmp_path, after)


def test_the_oldest_rows_make_room(tmp_path: Path) -> None:
    """When the rows of all queries take too much, the oldest go; the query itself stays, and says so."""

    async def act(scene: Scene) -> None:
        queries = [scene.submit("SELECT * FROM numbers(10000)")]
        for _ in range(3):
            await queries[-1].wait(PATIENCE)
            queries.append(scene.submit("SELECT * FROM numbers(10000)"))
        await queries[-1].wait(PATIENCE)
        newest, oldest = queries[-1], queries[0]
        end = time.monotonic() + PATIENCE
        while scene.tasks.folder(oldest.row).exists():
            assert time.monotonic() < end
            await asyncio.sleep(0.01)
        assert scene.row(oldest).expired
        assert scene.row(oldest).status == "SUCCESS"
        assert not scene.row(newest).expired
        assert scene.tasks.folder(newest.row).exists()

    play(tmp_path, act, max_stored_bytes=200_000)


def test_the_engines_death_fails_its_queries_alone(tmp_path: Path) -> None:
    """When the engine's process is killed its queries say so, and the next one runs in a new process."""

    async def act(scene: Scene) -> None:
        slow = scene.submit(SLOW)
        await scene.until(slow, "STARTED")
        assert scene.parts.engine.pid
        os.kill(scene.parts.engine.pid, signal.SIGKILL)
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
        monkeypatch.setattr(scene.parts.engine, "run", lambda *_: 1 / 0)
        live = scene.submit("SELECT 1")
        await live.wait(PATIENCE)
        assert scene.row(live).status == "FAILURE"
        assert "ZeroDivision" not in str(scene.row(live).error)

    play(tmp_path, act)


def test_an_end_that_cannot_be_written_is_told_all_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With a full disk, say, those who wait are released with the outcome."""

    async def act(scene: Scene) -> None:
        live = scene.submit("SELECT 1")
        with monkeypatch.context() as patch:
            patch.setattr(scene.store, "finish", _full)
            await live.wait(PATIENCE)
        assert live.row.status == "SUCCESS"

    play(tmp_path, act)


def _full(*_: object, **__: object) -> None:
    raise sa.exc.OperationalError("UPDATE", {}, OSError("database or disk is full"))


def test_too_many_queries_are_refused(tmp_path: Path) -> None:
    """The queue has an end."""

    async def act(scene: Scene) -> None:
        room = query_manager.Tasks(scene.store, scene.parts.engine, tmp_path / "results", max_live=2)
        scene.tasks = room
        lives = [scene.submit("SELECT 1"), scene.submit("SELECT 2")]
        with pytest.raises(Closing):
            scene.submit("SELECT 3")
        for live in lives:
            await live.wait(PATIENCE)
        assert scene.submit("SELECT 3").row.status == "PENDING"
        await room.stop()

    play(tmp_path, act)
