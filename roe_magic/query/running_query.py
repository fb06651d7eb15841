"""RunningQuery: one query from submit to rows, watched by a thread of its own; the handle that callers hold.

``start`` begins a daemon thread that takes the steps of a Lifecycle (:mod:`.query_thread`): submit, watch, conclude.
The caller's thread waits in :meth:`RunningQuery.wait`, which draws the panel and looks for an interrupt ten times a
second. It may leave at any time with ``detach``: the thread then ends at its next step, the query goes on at the
server. A submit that is under way is still waited for by the thread, so that the id is known when it comes.
"""

from __future__ import annotations

import functools
import math
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any
from uuid import UUID

from roe_magic import interrupts
from roe_magic.client import RoeClient
from roe_magic.client.roe_client import WAIT_SUBMIT
from roe_magic.contract.models import FAILURE, SUCCESS, WorksheetQueryCreateRequest
from roe_magic.errors import QueryError, QueryFailed, QueryInterrupted, QueryRevoked, QueryTimeout
from roe_magic.query.checks import check_max_bytes, check_timeout
from roe_magic.query.lifecycle import WatchOptions
from roe_magic.query.query_state import QueryState
from roe_magic.query.query_thread import QueryThread
from roe_magic.query.worksheet_query import WorksheetQuery

# Seconds that a caller who leaves waits for the id of a query that is just being submitted.
ID_GRACE = 2.5
# Seconds between two looks at what the user did, and between two pictures.
SLICE = 0.1


class RunningQuery(QueryThread):
    """Submits a query, watches it and fetches its rows, in a thread of its own.

    Parameters
    ----------
    client : RoeClient
    request : models.WorksheetQueryCreateRequest or str
        What to submit; a str is the SQL of a request whose other fields have their defaults.
    wait : int
        Seconds that the server may hold the response to the submit back, in the hope that the query ends by then.
    fetch : bool
        Download the rows at the end.
    max_bytes : int, optional
        Refuse a result of more bytes than this.
    clock, pause : callables
        Injected by tests: a monotonic clock in seconds, and ``pause(seconds)``, which may return early.

    Examples
    --------
    >>> running = RunningQuery(client, "SELECT 1").start()  # doctest: +SKIP
    >>> running.wait().df()  # doctest: +SKIP
    """

    def __init__(
        self,
        client: RoeClient,
        request: WorksheetQueryCreateRequest | str,
        *,
        wait: int = WAIT_SUBMIT,
        fetch: bool = True,
        max_bytes: int | None = None,
        clock: Callable[[], float] = time.monotonic,
        pause: Callable[[float], Any] | None = None,
    ) -> None:
        request = WorksheetQueryCreateRequest(query=request) if isinstance(request, str) else request
        options = WatchOptions(wait=wait, fetch=fetch, max_bytes=max_bytes, pause=pause)
        super().__init__(client, options, clock, sql=request.query)
        self._begin = functools.partial(self._lifecycle.submit, request)

    def start(self) -> RunningQuery:
        """Run all steps in a daemon thread; return at once."""
        self._publisher.begin()
        return self._in_thread(self.run)

    def run(self) -> None:
        """Run all steps in the calling thread; the outcome is in ``state``."""
        self._publisher.begin()
        self._run_steps(self._begin, self._answered.set, self._lifecycle.watch, self._lifecycle.conclude)

    def fetch(self, max_bytes: int | None = None) -> RunningQuery:
        """Download rows that were too large for the first limit; return at once, and :meth:`wait` waits for them.

        Parameters
        ----------
        max_bytes : int, optional
            The new limit; none when it is left out.
        """
        check_max_bytes(max_bytes)
        self._lifecycle.max_bytes = max_bytes
        self._ended.clear()
        self._publisher.publish(error=None, over=False)
        return self._in_thread(lambda: self._run_steps(self._lifecycle.fetch))

    def wait(
        self,
        timeout: float | None = None,
        *,
        draw: Callable[[QueryState], object] | None = None,
        after: float = 0.0,
    ) -> WorksheetQuery:
        """Wait for the end and return the query.

        Parameters
        ----------
        timeout : float, optional
            Seconds since the submit to wait at most; no limit when it is left out.
        draw : callable, optional
            Called in this thread with the present state, ten times a second, from ``after`` seconds on.
        after : float

        Raises
        ------
        QueryFailed, QueryRevoked
            The query ended so; their ``query`` holds what is known, the earlier statements' rows included.
        QueryTimeout
            The time is over; the query goes on at the server.
        QueryInterrupted
            The user pressed stop; the query goes on at the server.
        RoeError
            It could not be submitted, watched or fetched.
        """
        check_timeout(timeout)
        began = time.monotonic()
        ends = began + (math.inf if timeout is None else max(timeout - self.elapsed, 0.0))
        with interrupts.counted() as stops:
            try:
                while not stops.count and (remaining := ends - time.monotonic()) > 0:
                    if self._ended.wait(min(SLICE, remaining)):
                        break
                    if draw is not None and time.monotonic() - began >= after:
                        draw(self.state)
            except KeyboardInterrupt:  # raised by a handler that is not ours
                self.detach()
            return self._outcome(timeout, stopped=stops.count > 0)

    def _outcome(self, timeout: float | None, *, stopped: bool) -> WorksheetQuery:
        """Return the query that has ended; raise what came instead of its end."""
        if stopped or self.detached:
            raise self.interruption()
        if not self._ended.is_set():
            self.detach()
            self.await_id()
            raise QueryTimeout(self._goes_on(f"Not finished after {timeout:g} s."), query_id=self._id_text)
        return self._result()

    def interruption(self) -> QueryInterrupted:
        """Stop watching, wait a moment for the id, and return the exception that says how to come back."""
        self.detach()
        self.await_id()
        return QueryInterrupted(self._goes_on("Stopped watching."), query_id=self._id_text)

    def await_id(self, seconds: float = ID_GRACE) -> UUID | None:
        """Wait a moment for the id of a query that is being submitted; return it, or None. A stop ends the waiting."""
        with interrupts.counted() as stops, suppress(KeyboardInterrupt):
            before, ends = stops.count, time.monotonic() + seconds
            while self.awaits_id and stops.count == before and time.monotonic() < ends:
                self._answered.wait(SLICE)
        return self.query_id

    @property
    def awaits_id(self) -> bool:
        """Whether the query may have been sent, and its id may still come."""
        # Where nothing was sent when the caller left, nothing will be.
        may_come = self._lifecycle.delivery.begun or not self._publisher.left.is_set()
        return self.query_id is None and may_come and not self._answered.is_set()

    def _result(self) -> WorksheetQuery:
        if self.state.error is not None:
            raise self.state.error
        if self._query.status == SUCCESS:
            return self._query
        raise _query_error(self._query)

    def _goes_on(self, what: str) -> str:
        if self.query_id is not None:
            goes_on = "has ended" if self.state.finished else "goes on"
            return f"{what} The query {goes_on} at the server; come back to it with: %roe result {self.query_id}"
        if not self._lifecycle.delivery.begun:
            return f"{what} The query was not sent."
        if self.state.error is not None:  # that of the submit
            return f"{what} {self.state.error.message}"
        return f"{what} The query was being sent and may be running; look for it with `%roe worksheets`."


class AttachedQuery(RunningQuery):
    """A query that was submitted before, here or elsewhere; it is watched and its rows are fetched.

    Parameters
    ----------
    client : RoeClient
    query_id : UUID
    fetch, max_bytes, clock, pause
        As for :class:`RunningQuery`.
    """

    def __init__(
        self,
        client: RoeClient,
        query_id: UUID,
        *,
        fetch: bool = True,
        max_bytes: int | None = None,
        clock: Callable[[], float] = time.monotonic,
        pause: Callable[[float], Any] | None = None,
    ) -> None:
        options = WatchOptions(fetch=fetch, max_bytes=max_bytes, pause=pause)
        QueryThread.__init__(self, client, options, clock, attached=True)
        self._known_id = query_id
        self._begin = functools.partial(self._lifecycle.attach, query_id)


def _query_error(query: WorksheetQuery) -> QueryError:
    """Return the exception of a query that ended otherwise than in SUCCESS."""
    if query.status == FAILURE:
        error: QueryError = QueryFailed(query.error or "The query failed; the server does not say why.")
    else:
        error = QueryRevoked(query.error or "The query was cancelled.")
    error.query_id, error.query = str(query.id), query
    return error
