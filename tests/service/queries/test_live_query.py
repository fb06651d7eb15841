"""A query that others wait for, without an engine."""

from __future__ import annotations

import asyncio
from uuid import uuid4

from roe_magic.contract import models
from roe_magic.service.job import Outcome
from roe_magic.service.queries.live_query import LiveQuery
from roe_magic.service.state.schema import QueryRow, now

PATIENCE = 60


def live_query() -> LiveQuery:
    return LiveQuery(
        QueryRow(
            sql="SELECT 1",
            kind="worksheet",
            use_admin=False,
            row_limit=None,
            status="PENDING",
            organization_id=uuid4(),
            worksheet_id=None,
            creator_id=None,
            created_at=now(),
            updated_at=now(),
        )
    )


def test_changes_are_paced() -> None:
    """However often the progress changes, a watcher gets at most four changes per second, and always the end."""

    async def act() -> None:
        live = live_query()

        async def work() -> None:
            await asyncio.sleep(0.005)
            live.started()
            for n in range(100):
                live.progress(models.Progress(read_rows=n))
                await asyncio.sleep(0.005)
            live.end(Outcome("SUCCESS"), now(), 0)

        working = asyncio.create_task(work())
        seen = [status async for status in live.changes(PATIENCE)]
        await working
        assert (seen[0].status, seen[-1].status) == ("PENDING", "SUCCESS")
        assert len(seen) < 50

    asyncio.run(act())


def test_a_release_ends_every_wait() -> None:
    """Waits and streams of changes end with the present status."""

    async def act() -> None:
        live = live_query()

        async def watch() -> list[models.QueryStatus]:
            return [status async for status in live.changes(PATIENCE)]

        watching, waiting = asyncio.create_task(watch()), asyncio.create_task(live.wait(PATIENCE))
        await asyncio.sleep(0.01)
        live.release()
        await asyncio.wait_for(waiting, PATIENCE)
        assert {status.status for status in await asyncio.wait_for(watching, PATIENCE)} == {"PENDING"}

    asyncio.run(act())
