"""The queries of one data folder, from their submit to their end.

:meth:`QueryManager.submit` is called by an endpoint, on the event loop:

1. The query is stored as PENDING, so that it is on disk before the client learns its id.
2. An asyncio task is started for it, and the endpoint gets the :class:`LiveQuery`, on which it may wait.
3. The task makes sure that the organisation's database exists, and calls :meth:`Engine.run` with a :class:`Job`. The
   engine queues the job while too many run. It reports the start and the progress to the LiveQuery, which wakes the
   requests that wait. A query that runs for more than 100 ms is stored as STARTED.
4. When the engine returns the :class:`Outcome`, the task stores the end, wakes everybody who waits, and moves the query
   from the unfinished to the recently ended ones.
5. If the rows of all ended queries now take too much room, those of the oldest are deleted.

:meth:`QueryManager.cancel` asks the engine to stop the job, and waits until step 4 is done. A query that a killed
process left unfinished is set to FAILURE by :meth:`QueryManager.start` of the next one.

The store is called on the event loop, since one write to SQLite takes a fraction of a millisecond; only step 5 uses a
thread.
"""

from __future__ import annotations

import asyncio
import logging
from collections import OrderedDict
from uuid import UUID

import msgspec
from anyio import to_thread

from roe_magic.contract import models
from roe_magic.service.job import WORKSHEET_QUERY, Job, Outcome, SubmitRequest
from roe_magic.service.queries.errors import QueryNotAccepted
from roe_magic.service.queries.interfaces import Engine, ResultStore
from roe_magic.service.queries.live_query import LiveQuery
from roe_magic.service.state.schema import KeyRow, QueryRow, WorksheetRow, now
from roe_magic.service.state.store import Store, StoreError

log = logging.getLogger(__name__)

RESTARTED, STOPPED = "server restarted", "server stopped"
# How many queries may be unfinished; more are refused.
MAX_UNFINISHED = 1000
# How many recently ended queries are found without reading the state.
_MAX_RECENT = 100
# The SQL of a recent query stays in memory, so queries with more characters are not kept there.
_MAX_RECENT_SQL = 100_000
# How long stop() waits until the ends of running queries are stored, in seconds.
_STOP_TIMEOUT = 5.0


class QueryManager:
    """Accepts, runs, finds and cancels queries.

    Parameters
    ----------
    store : Store
        Where the queries are stored.
    engine : Engine
        What runs them.
    results : ResultStore
        Where their rows are stored.
    max_stored_bytes : int
        If the rows of all ended queries take more than this, those of the oldest are deleted.
    max_unfinished : int
        How many queries may wait or run.
    """

    def __init__(
        self,
        store: Store,
        engine: Engine,
        results: ResultStore,
        *,
        max_stored_bytes: int,
        max_unfinished: int = MAX_UNFINISHED,
    ) -> None:
        self._store = store
        self._engine = engine
        self._results = results
        self._max_stored_bytes = max_stored_bytes
        self._max_unfinished = max_unfinished
        self._unfinished: dict[UUID, LiveQuery] = {}
        # Recently ended queries; their rows are usually requested next.
        self._recent: OrderedDict[UUID, LiveQuery] = OrderedDict()
        self._tasks: set[asyncio.Task[None]] = set()
        self._databases: set[str] = set()
        self._database_lock = asyncio.Lock()
        self._stored_bytes = 0
        self.closing = False

    @property
    def busy(self) -> bool:
        """Whether a query waits or runs."""
        return bool(self._unfinished)

    def start(self) -> None:
        """Set queries that an earlier process left unfinished to FAILURE, and delete the rows that they may have."""
        for query_id in self._store.fail_unfinished(RESTARTED):
            self._results.delete(query_id)
        self._stored_bytes = self._store.stored_bytes()

    def close(self) -> None:
        """Refuse new queries from now on, and end every wait."""
        self.closing = True
        for query in self._unfinished.values():
            query.release()

    async def stop(self) -> None:
        """Stop the engine, and store that unfinished queries failed because of it."""
        self.close()
        await self._engine.stop()
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=_STOP_TIMEOUT)
        for task in self._tasks:
            task.cancel()
        self._store.fail_unfinished(STOPPED)

    def submit(self, key: KeyRow, request: SubmitRequest, worksheet: WorksheetRow | None) -> LiveQuery:
        """Accept a query. When this returns it is stored as PENDING and will run.

        Raises
        ------
        QueryNotAccepted
            The service is stopping, or too many queries are unfinished.
        """
        if self.closing or len(self._unfinished) >= self._max_unfinished:
            raise QueryNotAccepted
        query = LiveQuery(self._store.add_query(key, request, worksheet), self._save_started)
        self._unfinished[query.row.id] = query
        task = asyncio.create_task(self._run(query, request))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return query

    def find(self, organization_id: UUID, query_id: UUID, kind: str = WORKSHEET_QUERY) -> LiveQuery | None:
        """Return a query of an organisation, ended or not; None if it has no such query of that kind."""
        query = self._unfinished.get(query_id) or self._recent.get(query_id)
        if query is not None:
            is_theirs = query.row.organization_id == organization_id and query.row.kind == kind
            return query if is_theirs else None
        row = self._store.query(organization_id, query_id, kind)
        return _ended_query(row) if row is not None else None

    def latest(self, row: QueryRow) -> QueryRow:
        """Return a stored row as it is by now: an unfinished query's status may be newer than what is stored."""
        query = self._unfinished.get(row.id)
        return query.row if query is not None else row

    async def cancel(self, query: LiveQuery) -> None:
        """Stop a query, and return when the engine has stopped it; one that has ended stays as it is."""
        if not query.ended.is_set():
            query.cancelled = True
            await self._engine.cancel(str(query.row.id))
            await query.ended.wait()

    async def ensure_database(self, name: str) -> None:
        """Create an organisation's database before its first use."""
        if name in self._databases:
            return
        # Tasks get the lock in the order of their submits, so that their order in the engine's queue stays the same.
        async with self._database_lock:
            if name not in self._databases:
                await self._engine.ensure_database(name)
                self._databases.add(name)

    async def _run(self, query: LiveQuery, request: SubmitRequest) -> None:
        try:
            outcome = await self._outcome(query, request)
        except Exception:
            log.exception("The engine failed at query %s", query.row.id)
            outcome = Outcome(models.FAILURE, "The service failed to run this query; its log says more.")
        if self.closing and outcome.status != models.SUCCESS:
            outcome = msgspec.structs.replace(outcome, status=models.FAILURE, error=STOPPED)
        self._finish(query, outcome)
        await self._delete_old_results()

    async def _outcome(self, query: LiveQuery, request: SubmitRequest) -> Outcome:
        row = query.row
        database = row.organization.database
        await self.ensure_database(database)
        if query.cancelled or self.closing:
            return Outcome(models.REVOKED)
        folder = str(self._results.folder(row.id))
        return await self._engine.run(Job(id=str(row.id), request=request, database=database, folder=folder), query)

    def _save_started(self, row: QueryRow) -> None:
        try:
            self._store.start_query(row)
        except StoreError:  # the query goes on: its end is stored with the time of its start as well
            log.exception("The start of query %s could not be stored", row.id)

    def _finish(self, query: LiveQuery, outcome: Outcome) -> None:
        """Store the end, tell those who wait, and only then remove the query from the unfinished ones."""
        row, finished_at, size = query.row, now(), self._results.size(query.row.id)
        try:
            self._store.finish_query(
                row.id, outcome, started_at=row.started_at, finished_at=finished_at, result_bytes=size
            )
        except StoreError:  # such as a full disk: the clients that wait get the outcome all the same
            log.exception("The end of query %s could not be stored", row.id)
        self._stored_bytes += size
        query.end(outcome, finished_at, size)
        del self._unfinished[row.id]
        self._keep_recent(query)

    def _keep_recent(self, query: LiveQuery) -> None:
        if len(query.row.sql) < _MAX_RECENT_SQL:
            self._recent[query.row.id] = query
        if len(self._recent) > _MAX_RECENT:
            self._recent.popitem(last=False)

    async def _delete_old_results(self) -> None:
        if self._stored_bytes <= self._max_stored_bytes:
            return
        old = await to_thread.run_sync(self._store.results_over, self._max_stored_bytes)
        self._store.expire_results(old)
        for query_id in old:
            self._recent.pop(query_id, None)
            await to_thread.run_sync(self._results.delete, query_id)
        self._stored_bytes = self._store.stored_bytes()


def _ended_query(row: QueryRow) -> LiveQuery:
    query = LiveQuery(row)
    query.ended.set()
    return query
