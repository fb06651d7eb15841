"""The life of a query: accepted, started, ended; and who waits for it."""

from __future__ import annotations

import asyncio
import logging
import os
import shutil
from collections import OrderedDict
from collections.abc import AsyncIterator
from datetime import datetime
from pathlib import Path
from typing import Any
from uuid import UUID

import anyio
from sqlalchemy.exc import SQLAlchemyError
from starlette.concurrency import run_in_threadpool

from roe_magic.contract import models
from roe_magic.service.engine.chdb.engine import Engine, Job, Outcome
from roe_magic.service.state import schema, serializers
from roe_magic.service.state.schema import Key, Query, Worksheet, now
from roe_magic.service.state.store import Store

log = logging.getLogger(__name__)

RESTARTED, STOPPED = "server restarted", "server stopped"
# A stream of changes says something at most this often, in seconds.
_PACE = 0.25
# What the rows of ended queries may take on disk before the oldest are removed.
MAX_STORED_BYTES = 10 * 2**30
# Queries that have not ended, above which new ones are refused.
MAX_LIVE = 1000
# How many ended queries are known without a look into the state.
_REMEMBERED = 100
_LONG = 100_000
# How long a stopping service waits for what runs to be written down, in seconds.
_STOP_PATIENCE = 5.0


class Closing(Exception):
    """The service is about to stop, or has no room: nothing was accepted."""


class Live:
    """A query on its way: its row with the present status, its progress, and the events that others wait for."""

    def __init__(self, row: Query) -> None:
        self.row = row
        self.progress: models.Progress | None = None
        self.cancelled = False
        self.ended = asyncio.Event()
        self._changed = asyncio.Event()

    def change(self, progress: models.Progress | None = None, **columns: Any) -> None:
        """Take over new figures and wake whoever waits for a change."""
        self.progress = progress or self.progress
        for name, value in columns.items():
            setattr(self.row, name, value)
        self._wake()

    def release(self) -> None:
        """End every wait, whatever the status."""
        self.ended.set()
        self._wake()

    async def wait(self, seconds: float) -> None:
        """Wait until the query has ended, for so many seconds at most."""
        with anyio.move_on_after(seconds):
            await self.ended.wait()

    async def changes(self, seconds: float) -> AsyncIterator[models.QueryStatus]:
        """Yield the status at once, then after each change, and last when the query has ended or the time is over."""
        until = anyio.current_time() + seconds
        while True:
            changed, over = self._changed, self.ended.is_set() or anyio.current_time() >= until
            yield self.status()
            if over:
                return
            with anyio.move_on_at(until):
                await changed.wait()
            await self.wait(min(_PACE, until - anyio.current_time()))

    def status(self) -> models.QueryStatus:
        """Show where the query stands."""
        return serializers.status(self.row, self.progress)

    def _wake(self) -> None:
        self._changed.set()
        self._changed = asyncio.Event()


class Tasks:
    """The queries of one data folder.

    Parameters
    ----------
    store : Store
        Where they are written down.
    engine : Engine
        What runs them.
    folder : Path
        Where their rows are kept, one folder per query.
    max_stored_bytes : int
        When the rows of all ended queries take more than this, those of the oldest are removed.
    max_live : int
        How many queries may be waiting or running.
    """

    def __init__(
        self,
        store: Store,
        engine: Engine,
        folder: Path,
        *,
        max_stored_bytes: int = MAX_STORED_BYTES,
        max_live: int = MAX_LIVE,
    ) -> None:
        self._store = store
        self._engine = engine
        self._folder = folder
        self._max_stored_bytes = max_stored_bytes
        self._max_live = max_live
        self._live: dict[UUID, Live] = {}
        # Who has heard of a query's end asks for its rows next.
        self._ended: OrderedDict[UUID, Live] = OrderedDict()
        self._running: set[asyncio.Task[None]] = set()
        self._databases: set[str] = set()
        self._preparing = asyncio.Lock()
        self._stored_bytes = 0
        self.closing = False

    @property
    def busy(self) -> bool:
        """Whether a query is waiting or running."""
        return bool(self._live)

    def start(self) -> None:
        """Write down as failed what an earlier process left unfinished, and remove the rows it may have left."""
        for query_id in self._store.fail_unfinished(RESTARTED):
            shutil.rmtree(self._folder / str(query_id), ignore_errors=True)
        self._stored_bytes = self._store.stored_bytes()

    def close(self) -> None:
        """Accept nothing any more and end every wait."""
        self.closing = True
        for live in self._live.values():
            live.release()

    async def stop(self) -> None:
        """Stop what runs and write down that it did not end by itself."""
        self.close()
        await self._engine.stop()
        if self._running:
            await asyncio.wait(self._running, timeout=_STOP_PATIENCE)
        for task in self._running:
            task.cancel()
        self._store.fail_unfinished(STOPPED)

    def submit(self, key: Key, sql: str, worksheet: Worksheet | None, **columns: Any) -> Live:
        """Accept a query: it is on disk as PENDING, and on its way to the engine, when this returns.

        Raises
        ------
        Closing
            The service is about to stop, or too many queries are waiting.
        """
        if self.closing or len(self._live) >= self._max_live:
            raise Closing
        live = Live(self._store.add_query(key, sql, worksheet, **columns))
        self._live[live.row.id] = live
        task = asyncio.create_task(self._run(live))
        self._running.add(task)
        task.add_done_callback(self._running.discard)
        return live

    def find(self, organization_id: UUID, query_id: UUID, kind: str = schema.WORKSHEET) -> Live | None:
        """Find one query of an organisation, ended or not."""
        live = self._live.get(query_id) or self._ended.get(query_id)
        if live is not None:
            mine = live.row.organization_id == organization_id and live.row.kind == kind
            return live if mine else None
        row = self._store.query(organization_id, query_id, kind)
        return _ended(row) if row is not None else None

    def present(self, row: Query) -> Query:
        """Give a row that was read from the state with what is known of it by now."""
        live = self._live.get(row.id)
        return live.row if live is not None else row

    async def cancel(self, live: Live) -> None:
        """Stop a query; when this returns the engine has really stopped it, or it had ended before."""
        if not live.ended.is_set():
            live.cancelled = True
            await self._engine.cancel(str(live.row.id))
            await live.ended.wait()

    def folder(self, row: Query) -> Path:
        """Tell where a query's rows are."""
        return self._folder / str(row.id)

    async def ensure_database(self, name: str) -> None:
        """Make an organisation's database before it is first used."""
        if name in self._databases:
            return
        async with self._preparing:  # in the order in which queries came, which is the order of their turns
            if name not in self._databases:
                await self._engine.ensure_database(name)
                self._databases.add(name)

    async def _run(self, live: Live) -> None:
        try:
            outcome = await self._outcome(live)
        except Exception:
            log.exception("The engine failed at query %s", live.row.id)
            outcome = Outcome(models.FAILURE, "The service failed to run this query; its log says more.")
        if self.closing and outcome.status != models.SUCCESS:
            outcome = Outcome(models.FAILURE, STOPPED, outcome.statements)
        self._finish(live, outcome)
        await self._make_room()

    async def _outcome(self, live: Live) -> Outcome:
        row = live.row
        database, folder = row.organization.database, self.folder(row)
        await self.ensure_database(database)
        if live.cancelled or self.closing:
            return Outcome(models.REVOKED)
        job = Job(id=str(row.id), sql=_sql(row), database=database, use_admin=row.use_admin, folder=folder)
        return await self._engine.run(job, lambda: _started(live), live.change)

    def _finish(self, live: Live, outcome: Outcome) -> None:
        """Write the end down, tell those who wait, and only then forget the query."""
        moment = now()
        end: dict[str, Any] = {
            "status": outcome.status,
            "error": outcome.error,
            "statements": outcome.statements,
            "finished_at": moment,
            "updated_at": moment,
            "started_at": live.row.started_at,
            "result_bytes": _bytes_in(self.folder(live.row)),
        }
        try:
            self._store.finish(live.row.id, **end)
        except SQLAlchemyError:  # a full disk, say: those who wait are told all the same
            log.exception("The end of query %s could not be written down", live.row.id)
        self._stored_bytes += end["result_bytes"]
        live.change(**end)
        live.release()
        self._remember(self._live.pop(live.row.id))

    def _remember(self, live: Live) -> None:
        if len(live.row.query) < _LONG:
            self._ended[live.row.id] = live
        if len(self._ended) > _REMEMBERED:
            self._ended.popitem(last=False)

    async def _make_room(self) -> None:
        if self._stored_bytes <= self._max_stored_bytes:
            return
        old = await run_in_threadpool(self._store.results_over, self._max_stored_bytes)
        self._store.forget_results(old)
        for query_id in old:
            self._ended.pop(query_id, None)
            await run_in_threadpool(shutil.rmtree, self._folder / str(query_id), ignore_errors=True)
        self._stored_bytes = self._store.stored_bytes()


def _bytes_in(folder: Path) -> int:
    """Add up the sizes of a folder's files; there may be no folder."""
    try:
        with os.scandir(folder) as files:
            return sum(file.stat().st_size for file in files)
    except FileNotFoundError:
        return 0


def _started(live: Live) -> None:
    moment: datetime = now()
    live.change(status=models.STARTED, started_at=moment, updated_at=moment)


def _sql(row: Query) -> str:
    """Give what the engine runs; one row above the limit tells that there were more."""
    if row.row_limit is None:
        return row.query
    return f"SELECT * FROM (\n{row.query}\n) LIMIT {row.row_limit + 1}"  # noqa: S608  # whatever comes of it is judged


def _ended(row: Query) -> Live:
    live = Live(row)
    live.ended.set()
    return live
