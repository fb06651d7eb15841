"""RunningQuery: one query from submit to rows, watched by a thread of its own."""

from __future__ import annotations

import contextlib
import itertools
import logging
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any
from uuid import UUID

from roe_magic import download, models
from roe_magic.client import RoeClient
from roe_magic.errors import (
    NotFoundError,
    ProtocolError,
    QueryInterrupted,
    QueryTimeout,
    RateLimitError,
    RoeError,
    ServerError,
    TransportError,
)
from roe_magic.models import FAILURE, PENDING, SUCCESS
from roe_magic.polling import SHORTEST, WAIT_SUBMIT, Patience, backoff, next_poll
from roe_magic.query import WorksheetQuery
from roe_magic.story import Story, ended_badly, first_status, known_by_status

# Right after a submit the server's replicas may not know the query yet; and a proxy between may answer in its place.
ODD_GRACE = 5.0
# SUCCESS may be told a moment before the rows are there.
RESULT_GRACE = 15.0
STALL_AFTER = 60.0
# How long a caller who leaves waits for the id of a query that is just being submitted.
ID_GRACE = 0.7
_log = logging.getLogger(__name__)
_PASSING = (TransportError, ServerError, RateLimitError)
_live = 0
_live_lock = threading.Lock()


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
        self._request = {"worksheet_id": worksheet_id, "use_admin": use_admin, "wait": wait, "rows": fetch}
        self._enclosed: bytes | None = None
        self._fetch, self._max_bytes = fetch, max_bytes
        self._told = float("-inf")
        self._listener: Callable[[Story], None] | None = None
        self._telling = threading.RLock()
        self._clock, self._begun = clock, clock()
        self._answered = threading.Event()
        self._detached, self._ended = threading.Event(), threading.Event()
        self._pause: Callable[[float], Any] = pause or self._detached.wait
        self.story = Story(sql)

    def start(self) -> RunningQuery:
        """Begin, in a daemon thread; returns at once."""
        return self._in_thread(self.run)

    def run(self) -> None:
        """Do it all in the calling thread; what happened is in ``story``."""
        self._do(self._submit, self._watch, self._conclude)

    def fetch(self, max_bytes: int | None = None) -> RunningQuery:
        """Read the rows after all that were too large; returns at once, and :meth:`wait` gives the query again.

        Parameters
        ----------
        max_bytes : int, optional
            The new limit; left out, there is none.
        """
        self._max_bytes = max_bytes
        self._ended.clear()
        self._tell(error=None, over=False)
        return self._in_thread(lambda: self._do(self._conclude))

    def _in_thread(self, work: Callable[[], None]) -> RunningQuery:
        threading.Thread(target=work, name="roe-query", daemon=True).start()
        return self

    def _do(self, *steps: Callable[[], None]) -> None:
        try:
            with _counted():
                for step in steps:
                    step()
        except RoeError as error:
            error.query_id = error.query_id or (str(self.story.query_id) if self.story.query_id else None)
            self._tell(error=error, notice=None)
        except Exception as error:
            self._tell(error=_unexpected(error, self._id_text()), notice=None)
        finally:
            self._tell(over=self.story.terminal or not self._detached.is_set())
            self._ended.set()

    @property
    def elapsed(self) -> float:
        """Seconds since the submit, by the monotonic clock."""
        return self._clock() - self._begun

    @property
    def query(self) -> WorksheetQuery | None:
        """The WorksheetQuery as far as it is known; None before the server has answered."""
        story = self.story
        if story.submitted is None:
            return None
        rows = story.statements if story.statements is not None else self._download
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
            self._tell(notice="This server does not offer to cancel a query; it goes on.")
            return False
        self._tell(status=status)
        return True

    def cancel_soon(self) -> None:
        """Ask the server to stop the query, on a thread of its own; what goes wrong becomes a notice."""
        threading.Thread(target=self._cancel_quietly, name="roe-cancel", daemon=True).start()

    def _cancel_quietly(self) -> None:
        try:
            self.cancel()
        except RoeError as error:
            self._tell(notice=f"It could not be cancelled: {error.message}")

    def _outcome(self) -> WorksheetQuery:
        if self.story.error is not None:
            raise self.story.error
        query = self.query
        assert query is not None  # run() ends with a query or an error
        if query.status == SUCCESS:
            return query
        raise ended_badly(query)

    def _submit(self) -> None:
        answer = self.client.submit(self.story.sql, **self._request)  # type: ignore[arg-type]  # its own keywords
        submitted, self._enclosed = download.enclosed(answer)
        self._tell(submitted=submitted, status=first_status(submitted))
        self._answered.set()

    def _watch(self) -> None:
        """Ask until the query has ended, through failures as long as patience lasts."""
        patience, odd = Patience(clock=self._clock), Patience(ODD_GRACE, clock=self._clock)
        number = 0
        while not self.story.terminal and not self._detached.is_set():
            asked = self._clock()
            try:
                # A server that says it waited, and did not, is not asked at once again.
                waited = self._look(patience) and self._clock() - asked >= SHORTEST
                odd.good()
            except (NotFoundError, ProtocolError):
                odd.bad()
                if odd.is_over():
                    raise
                waited = False
            except _PASSING as error:
                self._bear(error, patience, number)
                number += 1
                continue
            number = 0
            if not (waited or self.story.terminal):
                self._pause(next_poll(self.elapsed, live=_live))

    def _look(self, patience: Patience) -> bool:
        """Ask once; gives whether the server held its answer back as asked."""
        assert self.story.query_id is not None  # it was submitted
        waited = False
        for seen in self.client.follow(self.story.query_id):
            patience.good()
            waited = seen.waited
            self._tell(status=seen.status, waited=seen.waited, notice=self._stalled(seen.status))
            if self._detached.is_set():
                break
        return waited

    def _bear(self, error: RoeError, patience: Patience, number: int) -> None:
        """Put up with a passing failure, visibly, until patience ends."""
        since = patience.bad()
        if patience.is_over():
            error.hint = f"The query may well go on at the server. Come back to it with: %roe result {self._id_text()}"
            raise error
        self._tell(notice=f"No answer for {since:.0f} s, still trying ({error.message})")
        wait = getattr(error, "retry_after", None)
        self._pause(backoff(number) if wait is None else wait)

    def _stalled(self, status: models.QueryStatus) -> str | None:
        if status.status == PENDING and self.elapsed > STALL_AFTER:
            return f"Still PENDING after {self.elapsed:.0f} s: no worker has taken it, or the server does not know it."
        if status.status not in {PENDING, *models.STATES}:
            return f"The server calls the state {status.status!r}, which is not known here; still watching."
        return None

    def _conclude(self) -> None:
        """Fetch what there is to fetch, once the query has ended."""
        if self._detached.is_set() or not self._fetch:
            return
        if self.story.state == SUCCESS:
            self._tell(statements=self._download())
        elif self.story.state == FAILURE:
            # Statements before the failing one may have given rows; the failure is told either way.
            try:
                self._tell(statements=self._read())
            except RoeError:
                self._tell(statements=[])

    def _download(self) -> list[models.Statement]:
        """Read the rows, again where the download broke or the rows are not ready yet."""
        broken, absent = Patience(clock=self._clock), Patience(RESULT_GRACE, clock=self._clock)
        for number in itertools.count():
            try:
                return self._read()
            except (*_PASSING, NotFoundError, download.NotReady) as error:
                if self._detached.is_set():
                    raise
                self._bear(error, broken if isinstance(error, _PASSING) else absent, number)
        raise AssertionError("it counts for ever")

    def _read(self) -> list[models.Statement]:
        assert self.story.query_id is not None  # it was submitted
        if (rows := self._enclosed) is not None:
            self._enclosed = None  # what is wrong with these is asked for
            with contextlib.suppress(ProtocolError):
                return download.read_enclosed(rows, self._max_bytes)
        return download.read(self.client, self.story.query_id, max_bytes=self._max_bytes, on_progress=self._arrived)

    def _arrived(self, progress: download.Progress) -> None:
        """Tell how much of the rows is here, ten times a second at most; stop reading for one who has left."""
        if self._detached.is_set():
            raise TransportError("The download was given up.")
        if self._clock() - self._told > 0.1 or progress.received == 0:
            self._told = self._clock() if progress.received else self._told
            self._tell(downloaded=progress)

    def listen(self, listener: Callable[[Story], None] | None) -> None:
        """Call ``listener`` with each new Story from now on, one at a time; None ends it, and none follows after."""
        with self._telling:
            self._listener = listener

    def _tell(self, **changes: Any) -> None:
        with self._telling:
            elapsed = self.story.elapsed if self.story.over else self.elapsed
            self.story = replace(self.story, elapsed=elapsed, **changes)
            if self._listener is not None:
                self._hear(self._listener)

    def _hear(self, listener: Callable[[Story], None]) -> None:
        """Call the listener; the query does not fail because somebody could not be told of it."""
        try:
            listener(self.story)
        except Exception:
            self._listener = None
            _log.warning("A listener failed and is told nothing more.", exc_info=True)

    def _await_id(self) -> None:
        """Give a submit that is under way a moment to tell the query's id, and note the time."""
        self._answered.wait(ID_GRACE)
        self._tell()

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
        super().__init__(client, "", **options)
        self._id = query_id

    def _submit(self) -> None:
        try:
            status = self.client.status(self._id)
        except NotFoundError as error:
            error.hint = "Check the id; `%roe worksheets NAME` lists the queries of a worksheet."
            raise
        self._tell(submitted=known_by_status(status), status=status)
        self._answered.set()

    def _conclude(self) -> None:
        super()._conclude()
        if self.story.submitted is not None and self.story.statements:
            # A status does not tell the SQL, its results do.
            sql = ";\n".join(item.query or "" for item in self.story.statements)
            self._tell(sql=sql, submitted=replace(self.story.submitted, query=sql))


def _unexpected(error: Exception, query_id: str | None) -> RoeError:
    """Wrap what should not happen, so that the waiting thread hears of it."""
    problem = RoeError(f"Something unexpected went wrong: {type(error).__name__}: {error}", query_id=query_id)
    problem.__cause__ = error
    return problem


class _counted:  # noqa: N801  # reads as a verb where it is used
    """Counts the queries that this process watches: many of them are asked after less often."""

    def __enter__(self) -> None:
        _add_live(1)

    def __exit__(self, *_: object) -> None:
        _add_live(-1)


def _add_live(change: int) -> None:
    global _live  # noqa: PLW0603  # one count for the process
    with _live_lock:
        _live += change
