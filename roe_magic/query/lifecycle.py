"""The steps of one query, from submit to rows; each is taken in the calling thread.

``submit`` sends the SQL, once (``attach`` asks about a query that was submitted before). ``watch`` asks for the status
until the query has ended: a server that honours ``Prefer: wait`` holds its response back and streams each change, any
other is polled (:mod:`.poll_schedule`). ``conclude`` downloads the rows (:mod:`.download`), again where the connection
broke or the rows are not ready yet. What happens goes to a StatePublisher, what goes wrong is raised; passing failures
are tolerated as long as patience lasts.
"""

from __future__ import annotations

import functools
import threading
from collections.abc import Callable
from contextlib import nullcontext, suppress
from dataclasses import dataclass, replace
from datetime import datetime, timezone
from typing import Any
from uuid import UUID

from roe_magic.client import RoeClient
from roe_magic.client.delivery import Delivery
from roe_magic.client.retry_policy import Action, RequestKind, action_after
from roe_magic.client.roe_client import WAIT_SUBMIT
from roe_magic.contract import models
from roe_magic.contract.models import FAILURE, PENDING, SUCCESS
from roe_magic.errors import ProtocolError, RoeError, TransportError, UsageError
from roe_magic.formatting import clean, conceal
from roe_magic.query import download
from roe_magic.query.poll_schedule import next_poll, watched_queries
from roe_magic.query.query_state import DownloadProgress, QueryState
from roe_magic.query.repetition import Repetition
from roe_magic.query.state_publisher import StatePublisher

# PENDING for longer than this gets a notice: no worker may have taken the query.
STALL_AFTER = 60.0
# Download progress is published at most this often.
PROGRESS_SECONDS = 0.1


@dataclass(frozen=True, kw_only=True)
class WatchOptions:
    """How a query is watched.

    Parameters
    ----------
    wait : int
        Seconds that the server may hold the response to the submit back, in the hope that the query ends by then.
    fetch : bool
        Download the rows at the end.
    max_bytes : int, optional
        Refuse a result of more bytes than this.
    pause : callable, optional
        Replaces the pause between two requests, for tests; ``pause(seconds)`` may return early.
    """

    wait: int = WAIT_SUBMIT
    fetch: bool = True
    max_bytes: int | None = None
    pause: Callable[[float], Any] | None = None


class Lifecycle:
    """The steps of one query.

    Parameters
    ----------
    client : RoeClient
    publisher : StatePublisher
        Its event ``left`` ends pauses and loops at once.
    options : WatchOptions
    """

    def __init__(self, client: RoeClient, publisher: StatePublisher, options: WatchOptions) -> None:
        self.max_bytes = options.max_bytes
        self._client, self._publisher, self._options = client, publisher, options
        # Of the submit.
        self.delivery = Delivery(publisher.left)
        self._again = Repetition(publisher, options.pause)
        self._enclosed_rows: bytes | None = None
        self._fetching = threading.Lock()

    @property
    def _state(self) -> QueryState:
        return self._publisher.state

    @property
    def _query_id(self) -> UUID:
        query_id = self._state.query_id
        if query_id is None:
            raise ProtocolError("The query has no id yet.")
        return query_id

    def submit(self, request: models.WorksheetQueryCreateRequest) -> None:
        """Submit the query; a small result may come with the response."""
        wait, rows = self._options.wait, self._options.fetch
        response = self._client.submit(request, wait=wait, rows=rows, delivery=self.delivery)
        submitted, self._enclosed_rows = download.split_enclosed(response)
        self._publisher.publish(
            submitted=submitted, last_status=_status_in(submitted), echo_notice=_echo_notice(request.query, submitted)
        )

    def attach(self, query_id: UUID) -> None:
        """Request the status of a query that was submitted before, instead of submitting one."""
        left = self._publisher.left
        status = self._again.take(
            RequestKind.ATTACH, lambda: self._client.status(query_id, stop=left), query_id=query_id
        )
        if status is not None:
            self._publisher.publish(
                submitted=_submitted_from(status), last_status=status, age_before=_age(status, self._publisher.elapsed)
            )

    def watch(self) -> None:
        """Request the status until the query has ended or the caller has left."""
        clock, left = self._publisher.clock, self._publisher.left
        while not self._state.finished and not left.is_set():
            asked_at = clock()
            waited = self._again.take(RequestKind.STATUS, self._ask, query_id=self._query_id)
            # A server that holds its responses back is asked again at once, but not more often than any other.
            pause = next_poll(self._publisher.elapsed, live=watched_queries.count)
            pause -= clock() - asked_at if waited else 0.0
            if pause > 0 and not self._state.finished:
                self._again.pause(pause)

    def _ask(self) -> bool:
        """Request the status once; return whether the server held its response back as asked."""
        waited = None
        for update in self._client.follow(self._query_id, retries=0, stop=self._publisher.left):
            self._again.succeeded()
            waited = update.waited
            # The first status decides, so that the panel's button never comes to mean something else.
            can_cancel = waited if self._state.can_cancel is None else self._state.can_cancel
            self._publisher.publish(
                last_status=update.status, can_cancel=can_cancel, notice=self._notice(update.status)
            )
            if self._state.finished or self._publisher.left.is_set():
                break
        if waited is None:
            raise ProtocolError("The server's response holds no status.")
        return waited

    def _notice(self, status: models.QueryStatus) -> str | None:
        elapsed = self._publisher.elapsed
        if status.status == PENDING and elapsed > STALL_AFTER:
            return f"Still PENDING after {elapsed:.0f} s. No worker has started it yet, or the server does not know it."
        if status.status not in {PENDING, *models.STATES}:
            return f"The server reports the unknown status {status.status!r}; still waiting for the query's end."
        return None

    @property
    def complete(self) -> bool:
        """Whether the query has ended, and its rows are here if they are wanted."""
        has_rows = self._state.statements is not None or not self._options.fetch
        return self._state.finished and (has_rows or self._state.status != SUCCESS)

    def conclude(self) -> None:
        """Download the rows, if they are wanted."""
        if self._options.fetch:
            self.fetch()

    def fetch(self) -> None:
        """Download the rows of the ended query; nothing happens where the caller has left."""
        left = self._publisher.left
        if not left.is_set():
            with self._fetching:
                self._fetch(left)

    def fetch_later(self) -> None:
        """Download the rows when they are first looked at, also where watching was stopped before.

        Raises
        ------
        UsageError
            It is called by a listener, which would wait for itself.
        """
        if self._publisher.is_notifying:
            raise UsageError("A listener cannot download the rows; wait for the end of the query.")
        # The download of a caller who has left may hang until its deadline: nobody waits for that one.
        with nullcontext() if self._publisher.left.is_set() else self._fetching:
            self._fetch(threading.Event())

    def _fetch(self, left: threading.Event) -> None:
        if self._state.statements is not None:
            return
        if self._state.status == SUCCESS:
            read = functools.partial(self._read_rows, left)
            result = self._again.take(RequestKind.RESULT, read, query_id=self._query_id, left=left)
            if result is not None:
                self._publish_rows(result)
        elif self._state.status == FAILURE:
            self._fetch_before_failure(left)

    def _fetch_before_failure(self, left: threading.Event) -> None:
        # Statements before the failing one may have rows; the failure is reported either way.
        try:
            self._publish_rows(self._read_rows(left, retries=None))
        except RoeError as error:
            if (
                action_after(RequestKind.RESULT, error) is not Action.REPEAT
            ):  # or whoever looks at the results asks again
                self._publisher.publish(statements=[])

    def _publish_rows(self, result: models.QueryResult) -> None:
        changes: dict[str, Any] = {"statements": result.results or []}
        submitted = self._state.submitted
        if submitted is not None and self._state.attached and result.results:
            # A status does not name the SQL; the results do.
            changes["sql"] = sql = ";\n".join(statement.query or "" for statement in result.results)
            changes["submitted"] = replace(submitted, query=sql)
        if self._state.status == SUCCESS and (result.error or result.status in models.ENDED_BADLY):
            changes["result_error"] = result.error or f"The result says {result.status}, and not why."
        self._publisher.publish(**changes)

    def _read_rows(self, left: threading.Event, retries: int | None = 0) -> models.QueryResult:
        rows, self._enclosed_rows = self._enclosed_rows, None
        if rows is not None:
            sql = self._state.submitted.query if self._state.submitted else ""
            rows = self._client.settings.api_key.conceal_bytes(rows, same_length=True)  # they came in Base64
            with suppress(ProtocolError):  # enclosed rows that cannot be read are asked for like any others
                return download.read_enclosed(rows, self._query_id, self.max_bytes, sql.strip(" \t\r\n;"))
        reporter = _ProgressReporter(self._publisher, left)
        return download.read(
            self._client,
            self._query_id,
            max_bytes=self.max_bytes,
            on_progress=reporter,
            retries=retries,
            stop=left,
        )


class _ProgressReporter:
    """Publishes how much of the rows has arrived, now and then; ends the download of a caller who has left."""

    def __init__(self, publisher: StatePublisher, left: threading.Event) -> None:
        self._publisher, self._left = publisher, left
        self._next = float("-inf")

    def __call__(self, progress: DownloadProgress) -> None:
        if self._left.is_set():
            raise TransportError("The download was stopped.")
        now = self._publisher.clock()
        if progress.received and now < self._next:
            return
        self._next = now + PROGRESS_SECONDS if progress.received else self._next
        self._publisher.publish(download=progress)


def _echo_notice(sql: str, submitted: models.WorksheetQueryResponse) -> str | None:
    """Return what to say where the server repeats other SQL than was sent: it may be another query's answer."""
    if submitted.query.strip() == conceal(sql).strip():
        return None
    return f"The server says that it runs other SQL than was sent: {clean(submitted.query)}"


def _status_in(submitted: models.WorksheetQueryResponse) -> models.QueryStatus:
    """Return the status that the submit endpoint's response holds."""
    return models.QueryStatus(
        worksheet_query_id=submitted.id,
        status=submitted.query_task_status,
        error=submitted.error,
        created_at=submitted.created_at,
        finished_at=submitted.finished_at,
        notices=submitted.notices,
    )


def _age(status: models.QueryStatus, elapsed: float) -> float | None:
    """Return how many seconds old a query was ``elapsed`` seconds ago; None where its status does not tell."""
    began = status.created_at or status.started_at
    if began is None:
        return None
    return max((datetime.now(timezone.utc) - began).total_seconds() - elapsed, 0.0)


def _submitted_from(status: models.QueryStatus) -> models.WorksheetQueryResponse:
    """Return what a submit would have answered, as far as a status tells it."""
    # A status need not say when the query was created; now is the latest that it can have been.
    created = status.created_at or status.started_at or status.finished_at or datetime.now(timezone.utc)
    return models.WorksheetQueryResponse(
        id=status.worksheet_query_id,
        created_at=created,
        updated_at=status.finished_at or created,
        finished_at=status.finished_at,
        query="",
        query_task_id=None,
        query_task_status=status.status,
        error=status.error,
        ai_summary=None,
        notices=status.notices,
    )
