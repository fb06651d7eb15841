"""A query with its present status and progress, and the clients that wait for it to change.

All of it happens on the event loop. The engine calls :meth:`LiveQuery.started` and :meth:`LiveQuery.progress`, the
query manager calls :meth:`LiveQuery.end`; each wakes the requests that wait in :meth:`LiveQuery.wait` or
:meth:`LiveQuery.changes`.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from datetime import datetime

import anyio

from roe_magic.contract import models
from roe_magic.service.job import Outcome
from roe_magic.service.state import serializers
from roe_magic.service.state.schema import QueryRow, now

# A stream of changes yields at most this often, in seconds.
_CHANGE_INTERVAL = 0.25
# A query that runs longer than this is stored as STARTED. Most end sooner, and are spared that write.
_SAVE_STARTED_AFTER = 0.1


class LiveQuery:
    """One query and everybody who waits for it.

    Parameters
    ----------
    row : QueryRow
        The query as it is stored; its status is updated here first.
    save_started : callable, optional
        Called with the row when the query has been running for 100 ms.
    """

    def __init__(self, row: QueryRow, save_started: Callable[[QueryRow], None] | None = None) -> None:
        self.row = row
        self.cancelled = False
        self.ended = asyncio.Event()
        self._save_started = save_started
        self._timer: asyncio.TimerHandle | None = None
        self._progress: models.Progress | None = None
        self._changed = asyncio.Event()

    def started(self) -> None:
        """Set the status to STARTED."""
        self.row.status = models.STARTED
        self.row.started_at = self.row.updated_at = now()
        if self._save_started is not None:
            self._timer = asyncio.get_running_loop().call_later(_SAVE_STARTED_AFTER, self._save_started, self.row)
        self._wake()

    def progress(self, progress: models.Progress) -> None:
        """Set how far the query is."""
        self._progress = progress
        self._wake()

    def end(self, outcome: Outcome, finished_at: datetime, result_bytes: int) -> None:
        """Set the final status, and end every wait."""
        row = self.row
        row.status, row.error, row.statements = outcome.status, outcome.error, outcome.statements
        row.notices = list(outcome.notices)
        row.finished_at = row.updated_at = finished_at
        row.result_bytes = result_bytes
        self.release()

    def release(self) -> None:
        """End every wait, whatever the status is."""
        if self._timer is not None:
            self._timer.cancel()
        self.ended.set()
        self._wake()

    async def wait(self, seconds: float) -> None:
        """Wait until the query has ended, but not longer than ``seconds``."""
        with anyio.move_on_after(seconds):
            await self.ended.wait()

    async def changes(self, seconds: float) -> AsyncIterator[models.QueryStatus]:
        """Yield the status at once, after each change, and a last time when the query or ``seconds`` have ended."""
        deadline = anyio.current_time() + seconds
        while True:
            changed, is_last = self._changed, self.ended.is_set() or anyio.current_time() >= deadline
            yield self.status()
            if is_last:
                return
            with anyio.move_on_at(deadline):
                await changed.wait()
            await self.wait(min(_CHANGE_INTERVAL, deadline - anyio.current_time()))

    def status(self) -> models.QueryStatus:
        """Return the present status as it goes over the wire."""
        return serializers.status(self.row, self._progress)

    def _wake(self) -> None:
        self._changed.set()
        self._changed = asyncio.Event()
