"""Execution: one query from submit to rows, step by step in the calling thread."""

from __future__ import annotations

import contextlib
import itertools
import threading
from collections.abc import Callable
from dataclasses import replace
from typing import Any
from uuid import UUID

from roe_magic.client import RoeClient
from roe_magic.client.retries import backoff
from roe_magic.contract import models
from roe_magic.contract.models import FAILURE, PENDING, SUCCESS
from roe_magic.errors import NotFoundError, ProtocolError, RateLimitError, RoeError, ServerError, TransportError
from roe_magic.query import download
from roe_magic.query.poll_schedule import SHORTEST, Patience, next_poll
from roe_magic.query.query_state import Story, Teller, first_status, known_by_status

# Right after a submit the server's replicas may not know the query yet; and a proxy between may answer in its place.
ODD_GRACE = 5.0
# SUCCESS may be told a moment before the rows are there.
RESULT_GRACE = 15.0
STALL_AFTER = 60.0
_PASSING = (TransportError, ServerError, RateLimitError)
_live = 0
_live_lock = threading.Lock()


class Execution:
    """The steps of one query; what happens is told to a Teller, what goes wrong is raised.

    Parameters
    ----------
    client : RoeClient
    teller : Teller
    request : dict
        What :meth:`RoeClient.submit` takes beside the SQL.
    fetch : bool
        Download the rows at the end.
    max_bytes : int, optional
        Refuse an answer of more bytes than this.
    pause : callable
        ``pause(seconds)`` may return early.
    given_up : callable
        Whether nobody wants to know any more.
    """

    def __init__(
        self,
        client: RoeClient,
        teller: Teller,
        *,
        request: dict[str, Any],
        fetch: bool,
        max_bytes: int | None,
        pause: Callable[[float], Any],
        given_up: Callable[[], bool],
    ) -> None:
        self.client, self.teller, self.max_bytes = client, teller, max_bytes
        self._request, self._wanted, self._pause, self._given_up = {**request, "rows": fetch}, fetch, pause, given_up
        self._enclosed: bytes | None = None
        self._told = float("-inf")

    @property
    def story(self) -> Story:
        """What is known of the query now."""
        return self.teller.story

    def submit(self) -> None:
        """Submit the query."""
        answer = self.client.submit(self.story.sql, **self._request)
        submitted, self._enclosed = download.enclosed(answer)
        self.teller.tell(submitted=submitted, status=first_status(submitted))

    def watch(self) -> None:
        """Ask until the query has ended, through failures as long as patience lasts."""
        patience, odd = Patience(clock=self.teller.clock), Patience(ODD_GRACE, clock=self.teller.clock)
        number = 0
        while not self.story.terminal and not self._given_up():
            asked = self.teller.clock()
            try:
                # A server that says it waited, and did not, is not asked at once again.
                waited = self._look(patience) and self.teller.clock() - asked >= SHORTEST
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
                self._pause(next_poll(self.teller.elapsed, live=_live))

    def _look(self, patience: Patience) -> bool:
        """Ask once; gives whether the server held its answer back as asked."""
        assert self.story.query_id is not None  # it was submitted
        waited = False
        for seen in self.client.follow(self.story.query_id):
            patience.good()
            waited = seen.waited
            self.teller.tell(status=seen.status, waited=seen.waited, notice=self._stalled(seen.status))
            if self._given_up():
                break
        return waited

    def _bear(self, error: RoeError, patience: Patience, number: int) -> None:
        """Put up with a passing failure, visibly, until patience ends."""
        since = patience.bad()
        if patience.is_over():
            error.hint = (
                f"The query may well go on at the server. Come back to it with: %roe result {self.story.query_id}"
            )
            raise error
        self.teller.tell(notice=f"No answer for {since:.0f} s, still trying ({error.message})")
        wait = getattr(error, "retry_after", None)
        self._pause(backoff(number) if wait is None else wait)

    def _stalled(self, status: models.QueryStatus) -> str | None:
        elapsed = self.teller.elapsed
        if status.status == PENDING and elapsed > STALL_AFTER:
            return f"Still PENDING after {elapsed:.0f} s: no worker has taken it, or the server does not know it."
        if status.status not in {PENDING, *models.STATES}:
            return f"The server calls the state {status.status!r}, which is not known here; still watching."
        return None

    def conclude(self) -> None:
        """Fetch what there is to fetch, once the query has ended."""
        if self._given_up() or not self._wanted:
            return
        if self.story.state == SUCCESS:
            self.teller.tell(statements=self.fetch())
        elif self.story.state == FAILURE:
            # Statements before the failing one may have given rows; the failure is told either way.
            try:
                self.teller.tell(statements=self._read())
            except RoeError:
                self.teller.tell(statements=[])

    def fetch(self) -> list[models.Statement]:
        """Read the rows, again where the download broke or the rows are not ready yet."""
        broken, absent = Patience(clock=self.teller.clock), Patience(RESULT_GRACE, clock=self.teller.clock)
        for number in itertools.count():
            try:
                return self._read()
            except (*_PASSING, NotFoundError, download.NotReady) as error:
                if self._given_up():
                    raise
                self._bear(error, broken if isinstance(error, _PASSING) else absent, number)
        raise AssertionError("it counts for ever")

    def _read(self) -> list[models.Statement]:
        assert self.story.query_id is not None  # it was submitted
        if (rows := self._enclosed) is not None:
            self._enclosed = None  # what is wrong with these is asked for
            with contextlib.suppress(ProtocolError):
                return download.read_enclosed(rows, self.max_bytes)
        return download.read(self.client, self.story.query_id, max_bytes=self.max_bytes, on_progress=self._arrived)

    def _arrived(self, progress: download.Progress) -> None:
        """Tell how much of the rows is here, ten times a second at most; stop reading for one who has left."""
        if self._given_up():
            raise TransportError("The download was given up.")
        if self.teller.clock() - self._told > 0.1 or progress.received == 0:
            self._told = self.teller.clock() if progress.received else self._told
            self.teller.tell(downloaded=progress)


class AttachedExecution(Execution):
    """The steps of a query that was submitted before, here or elsewhere."""

    def __init__(self, query_id: UUID, client: RoeClient, teller: Teller, **options: Any) -> None:
        super().__init__(client, teller, **options)
        self._id = query_id

    def submit(self) -> None:
        """Ask what became of it so far."""
        try:
            status = self.client.status(self._id)
        except NotFoundError as error:
            error.hint = "Check the id; `%roe worksheets NAME` lists the queries of a worksheet."
            raise
        self.teller.tell(submitted=known_by_status(status), status=status)

    def conclude(self) -> None:
        """Fetch its rows, and the SQL: a status does not tell it, its results do."""
        super().conclude()
        submitted, statements = self.story.submitted, self.story.statements
        if submitted is not None and statements:
            sql = ";\n".join(item.query or "" for item in statements)
            self.teller.tell(sql=sql, submitted=replace(submitted, query=sql))


class counted:  # noqa: N801  # reads as a verb where it is used
    """Counts the queries that this process watches: many of them are asked after less often."""

    def __enter__(self) -> None:
        _add_live(1)

    def __exit__(self, *_: object) -> None:
        _add_live(-1)


def _add_live(change: int) -> None:
    global _live  # noqa: PLW0603  # one count for the process
    with _live_lock:
        _live += change
