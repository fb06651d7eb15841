"""RunningQuery: one query from submit to rows, watched by a thread of its own; the handle that callers hold.

``start`` begins a daemon thread that takes the steps of a Lifecycle: submit, watch, conclude. Each step publishes a new
QueryState; a listener is called on that thread. The caller's thread waits in :meth:`wait`, which draws the panel and
looks for an interrupt ten times a second. It may leave at any time with :meth:`detach`: the thread then ends at its
next step, the query goes on at the server. A submit that is under way is still waited for by the thread, so that the id
is known when it comes. Errors of the thread are kept in the state and raised by :meth:`wait`.
"""

from __future__ import annotations

import functools
import math
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any
from uuid import UUID

from roe_magic import interrupts
from roe_magic.client import RoeClient
from roe_magic.client.roe_client import WAIT_SUBMIT
from roe_magic.contract.models import SUCCESS, TERMINAL, WorksheetQueryCreateRequest
from roe_magic.errors import QueryInterrupted, QueryTimeout, RoeError
from roe_magic.query.checks import check_max_bytes, check_timeout
from roe_magic.query.lifecycle import Lifecycle, WatchOptions
from roe_magic.query.poll_schedule import watched_queries
from roe_magic.query.query_state import QueryState
from roe_magic.query.state_publisher import StatePublisher
from roe_magic.query.worksheet_query import WorksheetQuery, query_error

# Seconds that a caller who leaves waits for the id of a query that is just being submitted.
ID_GRACE = 2.5
# Seconds between two looks at what the user did, and between two pictures.
SLICE = 0.1


class RunningQuery:
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
        self._prepare(client, options, clock, sql=request.query)
        self._begin = functools.partial(self._lifecycle.submit, request)

    def _prepare(
        self,
        client: RoeClient,
        options: WatchOptions,
        clock: Callable[[], float],
        *,
        sql: str = "",
        attached: bool = False,
    ) -> None:
        check_max_bytes(options.max_bytes)
        settings = client.settings
        server, organization_id = settings.base_url, settings.organization_id
        state = QueryState(
            sql=sql,
            server=server,
            organization_id=organization_id,
            attached=attached,
            elapsed=0.0,
            age_before=None if attached else 0.0,
        )
        self.client = client
        self._query = WorksheetQuery.of(state)
        self._publisher = StatePublisher(state, clock=clock, keep=self._advance_query)
        self._lifecycle = Lifecycle(client, self._publisher, options)
        # The submit was answered, or has failed.
        self._answered, self._ended = threading.Event(), threading.Event()

    # The first step: submit, or attach.
    _begin: Callable[[], None]
    # Of a query that was submitted before.
    _known_id: UUID | None = None

    def _advance_query(self, state: QueryState) -> None:
        # Only an ended query without its rows needs the client, which holds the API key.
        needs_rows = state.finished and state.statements is None
        self._query.advance(state, fetch=self._lifecycle.fetch_later if needs_rows else None)

    @property
    def state(self) -> QueryState:
        """What is known of the query now."""
        return self._publisher.state

    @property
    def elapsed(self) -> float:
        """Seconds since the submit, by the monotonic clock."""
        return self._publisher.elapsed

    @property
    def query_id(self) -> UUID | None:
        """The query's id; None before the server has told it."""
        return self.state.query_id or self._known_id

    @property
    def query(self) -> WorksheetQuery | None:
        """The WorksheetQuery, one and the same from the submit on; None before the server has told its id."""
        return None if self.state.submitted is None else self._query

    def listen(self, listener: Callable[[QueryState], None] | None) -> None:
        """Call ``listener`` with each new state from now on; see :meth:`StatePublisher.listen`."""
        self._publisher.listen(listener)

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

    def detach(self) -> None:
        """Stop watching; the query goes on at the server. Safe to call from any thread."""
        self._publisher.left.set()
        self._publisher.publish()
        self._ended.set()

    @property
    def detached(self) -> bool:
        """Whether watching was stopped before the query's end."""
        return self._publisher.left.is_set() and not self.state.over

    def cancel(self) -> bool:
        """Request the cancellation of the query.

        Returns
        -------
        bool
            False when the server does not offer it; then watching goes on.
        """
        if self.state.query_id is None:
            return False
        self._publisher.publish(cancel_problem=None)
        status = self.client.cancel(self.state.query_id)
        if status is None:
            problem = "This server cannot cancel queries; the query goes on."
            self._publisher.publish(cancel_problem=problem, can_cancel=False)
            return False
        if status.status in TERMINAL:  # any other may be older than what is known
            self._publisher.publish(last_status=status)
        return True

    def cancel_soon(self) -> None:
        """Request the cancellation of the query, in a thread of its own; a failure becomes a notice."""
        threading.Thread(target=self._cancel_quietly, name="roe-cancel", daemon=True).start()

    def _cancel_quietly(self) -> None:
        try:
            self.cancel()
        except RoeError as error:
            self._publisher.publish(cancel_problem=f"The query could not be cancelled: {error.message}")

    def _in_thread(self, work: Callable[[], None]) -> RunningQuery:
        threading.Thread(target=work, name="roe-query", daemon=True).start()
        return self

    def _run_steps(self, *steps: Callable[[], None]) -> None:
        try:
            with watched_queries.counted():
                for step in steps:
                    step()
        except RoeError as error:
            error.query_id = error.query_id or self._id_text
            # Without its traceback, whose frames hold what was downloaded; wait() raises it anew.
            self._publisher.publish(error=error.with_traceback(None), notice=None)
        except Exception as error:
            self._publisher.publish(error=_unexpected(error, self._id_text), notice=None)
        finally:
            self._publisher.publish(over=self._lifecycle.complete or not self._publisher.left.is_set())
            self._answered.set()
            self._ended.set()

    def _result(self) -> WorksheetQuery:
        if self.state.error is not None:
            raise self.state.error
        if self._query.status == SUCCESS:
            return self._query
        raise query_error(self._query)

    def _goes_on(self, what: str) -> str:
        if self.query_id is not None:
            goes_on = "has ended" if self.state.finished else "goes on"
            return f"{what} The query {goes_on} at the server; come back to it with: %roe result {self.query_id}"
        if not self._lifecycle.delivery.begun:
            return f"{what} The query was not sent."
        if self.state.error is not None:  # that of the submit
            return f"{what} {self.state.error.message}"
        return f"{what} The query was being sent and may be running; look for it with `%roe worksheets`."

    @property
    def _id_text(self) -> str | None:
        return None if self.query_id is None else str(self.query_id)


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
        self._prepare(client, WatchOptions(fetch=fetch, max_bytes=max_bytes, pause=pause), clock, attached=True)
        self._known_id = query_id
        self._begin = functools.partial(self._lifecycle.attach, query_id)


def _unexpected(error: Exception, query_id: str | None) -> RoeError:
    """Wrap an exception that no step should raise, so that the waiting thread gets it."""
    problem = RoeError(f"Unexpected error in roe-magic: {type(error).__name__}: {error}", query_id=query_id)
    problem.__cause__ = error
    return problem
