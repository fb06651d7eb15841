"""RunningQuery: one query from submit to rows, watched by a thread of its own."""

from __future__ import annotations

import functools
import threading
import time
from collections.abc import Callable
from datetime import timedelta
from typing import Any
from uuid import UUID

from roe_magic.client import RoeClient
from roe_magic.client.retries import WAIT_SUBMIT
from roe_magic.contract.models import SUCCESS
from roe_magic.errors import QueryInterrupted, QueryTimeout, RoeError
from roe_magic.query.lifecycle import AttachedExecution, Execution, counted
from roe_magic.query.query_state import Story, Teller, ended_badly
from roe_magic.query.worksheet_query import WorksheetQuery

# How long a caller who leaves waits for the id of a query that is just being submitted.
ID_GRACE = 0.7


class RunningQuery:
    """Submits a query, watches it and fetches its rows, in a thread of its own.

    Parameters
    ----------
    client : RoeClient
    sql : str
    worksheet_id : UUID, optional
    use_admin : bool
    wait : int
        Seconds that the server may take to answer the submit, in the hope that the query is over by then.
    fetch : bool
        Download the rows at the end.
    max_bytes : int, optional
        Refuse an answer of more bytes than this.
    clock, pause : callables
        Injected by tests; ``pause(seconds)`` may return early.

    Examples
    --------
    >>> running = RunningQuery(client, "SELECT 1").start()  # doctest: +SKIP
    >>> running.wait().df()  # doctest: +SKIP
    """

    # Whether the query was submitted before, and is only watched.
    attached = False
    _steps: Callable[..., Execution] = Execution

    def __init__(
        self,
        client: RoeClient,
        sql: str,
        *,
        worksheet_id: UUID | str | None = None,
        use_admin: bool = False,
        wait: int = WAIT_SUBMIT,
        fetch: bool = True,
        max_bytes: int | None = None,
        clock: Callable[[], float] = time.monotonic,
        pause: Callable[[float], Any] | None = None,
    ) -> None:
        self.client = client
        self._teller = Teller(Story(sql), clock)
        self._answered, self._detached, self._ended = threading.Event(), threading.Event(), threading.Event()
        self._execution = self._steps(
            client,
            self._teller,
            request={"worksheet_id": worksheet_id, "use_admin": use_admin, "wait": wait},
            fetch=fetch,
            max_bytes=max_bytes,
            pause=pause or self._detached.wait,
            given_up=self._detached.is_set,
        )

    @property
    def story(self) -> Story:
        """What is known of the query now."""
        return self._teller.story

    @property
    def elapsed(self) -> float:
        """Seconds since the submit, by the monotonic clock."""
        return self._teller.elapsed

    def listen(self, listener: Callable[[Story], None] | None) -> None:
        """Call ``listener`` with each new Story from now on; see :meth:`roe_magic.query.query_state.Teller.listen`."""
        self._teller.listen(listener)

    def start(self) -> RunningQuery:
        """Begin, in a daemon thread; returns at once."""
        return self._in_thread(self.run)

    def run(self) -> None:
        """Do it all in the calling thread; what happened is in ``story``."""
        self._do(self._submit, self._execution.watch, self._execution.conclude)

    def fetch(self, max_bytes: int | None = None) -> RunningQuery:
        """Read the rows after all that were too large; returns at once, and :meth:`wait` gives the query again.

        Parameters
        ----------
        max_bytes : int, optional
            The new limit; left out, there is none.
        """
        self._execution.max_bytes = max_bytes
        self._ended.clear()
        self._teller.tell(error=None, over=False)
        return self._in_thread(lambda: self._do(self._execution.conclude))

    def _submit(self) -> None:
        self._execution.submit()
        self._answered.set()

    def _in_thread(self, work: Callable[[], None]) -> RunningQuery:
        threading.Thread(target=work, name="roe-query", daemon=True).start()
        return self

    def _do(self, *steps: Callable[[], None]) -> None:
        try:
            with counted():
                for step in steps:
                    step()
        except RoeError as error:
            error.query_id = error.query_id or (str(self.story.query_id) if self.story.query_id else None)
            self._teller.tell(error=error, notice=None)
        except Exception as error:
            self._teller.tell(error=_unexpected(error, self._id_text()), notice=None)
        finally:
            self._teller.tell(over=self.story.terminal or not self._detached.is_set())
            self._ended.set()

    @property
    def query(self) -> WorksheetQuery | None:
        """The WorksheetQuery as far as it is known; None before the server has answered."""
        story = self.story
        if story.submitted is None:
            return None
        rows = story.statements if story.statements is not None else self._execution.fetch
        return WorksheetQuery(
            story.submitted, story.status, rows if story.terminal else None, observed=timedelta(seconds=story.elapsed)
        )

    def wait(self, timeout: float | None = None) -> WorksheetQuery:
        """Wait for the end.

        Parameters
        ----------
        timeout : float, optional
            Seconds to wait at most; left out, there is no limit.

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
        in_time = True
        try:
            in_time = self._ended.wait(None if timeout is None else max(timeout - self.elapsed, 0.0))
        except KeyboardInterrupt:
            self.detach()
        if self.detached:
            self._await_id()
            raise QueryInterrupted(self._goes_on("Stopped watching."), query_id=self._id_text())
        if not in_time:
            self.detach()
            self._await_id()
            raise QueryTimeout(self._goes_on(f"Not finished after {timeout:g} s."), query_id=self._id_text())
        return self._outcome()

    def join(self, seconds: float, timeout: float | None = None) -> bool:
        """Wait ``seconds``, or ``timeout`` if that is less, for the end; gives whether it has come. Never raises."""
        try:
            return self._ended.wait(seconds if timeout is None else min(seconds, timeout))
        except KeyboardInterrupt:
            self.detach()
            return True

    def detach(self) -> None:
        """Stop watching; the query goes on at the server. Safe to call from any thread."""
        self._detached.set()
        self._ended.set()

    @property
    def detached(self) -> bool:
        """Whether watching was stopped before the query's end."""
        return self._detached.is_set() and not self.story.over

    def cancel(self) -> bool:
        """Ask the server to stop the query.

        Returns
        -------
        bool
            False when the server does not offer it; then watching goes on.
        """
        if self.story.query_id is None:
            return False
        status = self.client.cancel(self.story.query_id)
        if status is None:
            self._teller.tell(notice="This server does not offer to cancel a query; it goes on.")
            return False
        self._teller.tell(status=status)
        return True

    def cancel_soon(self) -> None:
        """Ask the server to stop the query, on a thread of its own; what goes wrong becomes a notice."""
        threading.Thread(target=self._cancel_quietly, name="roe-cancel", daemon=True).start()

    def _cancel_quietly(self) -> None:
        try:
            self.cancel()
        except RoeError as error:
            self._teller.tell(notice=f"It could not be cancelled: {error.message}")

    def _outcome(self) -> WorksheetQuery:
        if self.story.error is not None:
            raise self.story.error
        query = self.query
        assert query is not None  # run() ends with a query or an error
        if query.status == SUCCESS:
            return query
        raise ended_badly(query)

    def _await_id(self) -> None:
        """Give a submit that is under way a moment to tell the query's id, and note the time."""
        self._answered.wait(ID_GRACE)
        self._teller.tell()

    def _goes_on(self, what: str) -> str:
        if self.story.query_id is None:
            return f"{what} The query was being sent and may run at the server; look for it with `%roe worksheets`."
        return f"{what} The query goes on at the server; come back to it with: %roe result {self.story.query_id}"

    def _id_text(self) -> str | None:
        return None if self.story.query_id is None else str(self.story.query_id)


def run(sql: str, client: RoeClient | None = None, *, timeout: float | None = None, **options: Any) -> WorksheetQuery:
    """Run SQL to its end, as ``%%roe`` does, from plain Python.

    Parameters
    ----------
    sql : str
        One or more statements, separated by semicolons.
    client : RoeClient, optional
        Left out, one with the settings of the environment or the profile ``default``.
    timeout : float, optional
        Seconds to wait at most.
    options
        As for :class:`RunningQuery`.

    Raises
    ------
    RoeError
        As :meth:`RunningQuery.wait`.
    """
    if client is not None:
        return RunningQuery(client, sql, **options).start().wait(timeout)
    with RoeClient() as own:
        return RunningQuery(own, sql, **options).start().wait(timeout)


class AttachedQuery(RunningQuery):
    """A query that was submitted before, here or elsewhere; never submits."""

    attached = True

    def __init__(self, client: RoeClient, query_id: UUID, **options: Any) -> None:
        self._steps = functools.partial(AttachedExecution, query_id)
        super().__init__(client, "", **options)


def _unexpected(error: Exception, query_id: str | None) -> RoeError:
    """Wrap what should not happen, so that the waiting thread hears of it."""
    problem = RoeError(f"Something unexpected went wrong: {type(error).__name__}: {error}", query_id=query_id)
    problem.__cause__ = error
    return problem
