"""QueryState: what is known of one query at one moment.

It is made of what the server said (models of the contract) and of what the client saw: elapsed time, bytes received,
errors. What follows from these is a property here, so that the panel and the public WorksheetQuery agree.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from typing import Any
from uuid import UUID

from roe_magic.contract import models
from roe_magic.contract.models import FAILURE, TERMINAL
from roe_magic.errors import RoeError


@dataclass(frozen=True)
class DownloadProgress:
    """How much of the rows has arrived.

    Attributes
    ----------
    received : int
        Bytes.
    rows : int
    size : int or None
        Bytes of the whole body, where the server says so.
    """

    received: int = 0
    rows: int = 0
    size: int | None = None


# Compared by identity, and printed without what is long: the rows and the SQL.
@dataclass(frozen=True, kw_only=True, eq=False)
class QueryState:
    """What is known of a query at one moment.

    Attributes
    ----------
    sql : str
    server : str
        The base URL that it was sent to.
    organization_id : str or None
        The organisation that was asked for; None leaves it to the key.
    elapsed : float or None
        Seconds since the submit, or since watching began, by the client's monotonic clock; None where nobody watched.
    age_before : float or None
        How many seconds old the query was when watching began; None where nobody knows.
    submitted : models.WorksheetQueryResponse or None
        What the submit endpoint answered.
    last_status : models.QueryStatus or None
        The last status that the server told.
    download : DownloadProgress or None
        None before the download.
    statements : list of models.Statement or None
        The results, once they are here; ``result_rows`` of each is a pyarrow Table.
    echo_notice : str or None
        That the server says it runs other SQL than was sent.
    result_error : str or None
        Why the query failed after all, where only its result says so.
    ended_seen_at : datetime or None
        When the client saw that the query had ended; None where it had ended before.
    notice : str or None
        Something unusual while the query goes on: no response, no progress.
    cancel_problem : str or None
        Why the query goes on although its cancellation was requested.
    error : RoeError or None
        Why watching ended without rows.
    attached : bool
        The query was submitted earlier; here it is only watched.
    can_cancel : bool or None
        Whether the server offers to cancel: it does where it honours ``Prefer: wait``, since both are our additions to
        the API. None before the first status.
    left : bool
        The caller has stopped watching.
    over : bool
        Nothing more will change.
    """

    sql: str = field(repr=False)
    server: str = ""
    organization_id: str | None = None
    elapsed: float | None = None
    age_before: float | None = 0.0
    submitted: models.WorksheetQueryResponse | None = field(default=None, repr=False)
    last_status: models.QueryStatus | None = None
    download: DownloadProgress | None = None
    statements: list[models.Statement] | None = field(default=None, repr=False)
    echo_notice: str | None = None
    result_error: str | None = None
    ended_seen_at: datetime | None = None
    notice: str | None = None
    cancel_problem: str | None = None
    error: RoeError | None = None
    attached: bool = False
    can_cancel: bool | None = None
    left: bool = False
    over: bool = False

    @property
    def query_id(self) -> UUID | None:
        """The query's id, once the server has told it."""
        if self.submitted is not None:
            return self.submitted.id
        return self.last_status.worksheet_query_id if self.last_status is not None else None

    @property
    def status(self) -> str | None:
        """The status as the server spells it; None before the first response, or where the server sends null."""
        if self.result_error is not None:
            return FAILURE
        if self.last_status is not None:
            return self.last_status.status
        return self.submitted.query_task_status if self.submitted is not None else None

    @property
    def status_word(self) -> str | None:
        """The status in the contract's spelling, whatever its case."""
        return self.status and self.status.strip().upper()

    @property
    def progress(self) -> models.Progress | None:
        """How far the server says the query is."""
        return self.last_status.progress if self.last_status is not None else None

    @property
    def finished(self) -> bool:
        """Whether the query has ended at the server."""
        return self.status in TERMINAL

    @property
    def watched(self) -> bool:
        """Whether somebody watches the query now."""
        return not (self.over or self.left)

    @property
    def detached(self) -> bool:
        """Whether watching was stopped before the query's end."""
        return self.left and not self.over

    @property
    def server_error(self) -> str | None:
        """The server's own message of a query that failed."""
        if self.result_error is not None:
            return self.result_error
        if self.last_status is not None and self.last_status.error:
            return self.last_status.error
        return self.submitted.error if self.submitted is not None else None

    @property
    def notices(self) -> list[str]:
        """What is to be said about how the query was run, a sentence each."""
        submitted = self.submitted.notices if self.submitted is not None else None
        current = self.last_status.notices if self.last_status is not None else None
        return [*(current or submitted or []), *([self.echo_notice] if self.echo_notice else [])]

    @property
    def created_at(self) -> datetime | None:
        """When the server took the query."""
        return self.submitted.created_at if self.submitted is not None else None

    @property
    def started_at(self) -> datetime | None:
        """When it began to run, where the server tells: in its status, or in its first result."""
        if self.last_status is not None and self.last_status.started_at is not None:
            return self.last_status.started_at
        first = self.statements[0].start_timestamp if self.statements else None
        try:
            return None if first is None else datetime.fromtimestamp(first, timezone.utc)
        except (ValueError, OverflowError, OSError):  # NaN, or a time that no calendar has
            return None

    @property
    def finished_at(self) -> datetime | None:
        """When it ended."""
        if self.last_status is not None and self.last_status.finished_at is not None:
            return self.last_status.finished_at
        return self.submitted.finished_at if self.submitted is not None else None

    @property
    def ended_at(self) -> datetime | None:
        """When it ended, by the server's clock; by the client's where the server does not tell."""
        return self.finished_at or self.ended_seen_at

    @property
    def age(self) -> float | None:
        """Seconds since the server took the query; None where nobody knows."""
        if self.elapsed is None or self.age_before is None:
            return None
        return max(self.age_before + self.elapsed, 0.0)

    @property
    def updated_at(self) -> datetime | None:
        """When the server last changed it, as far as was seen."""
        seen = [self.submitted.updated_at] if self.submitted is not None else []
        return max([*seen, *([self.finished_at] if self.finished_at is not None else [])], default=None)

    @property
    def extra(self) -> dict[str, Any]:
        """Fields of the server's responses that the contract does not know."""
        models_seen = (self.submitted, self.last_status)
        return {name: value for model in models_seen if model is not None for name, value in model.extra.items()}

    @property
    def queued(self) -> timedelta | None:
        """From submit to start, by the server's clock."""
        if self.started_at is None or self.created_at is None:
            return None
        return max(self.started_at - self.created_at, timedelta(0))

    @property
    def running(self) -> timedelta | None:
        """From start to end, by the server's clock."""
        if self.started_at is None or self.finished_at is None:
            return None
        return max(self.finished_at - self.started_at, timedelta(0))

    @property
    def duration(self) -> timedelta | None:
        """From submit to end, by the server's clock; by the client's where the server tells no end."""
        if self.finished_at is not None and self.created_at is not None:
            return max(self.finished_at - self.created_at, timedelta(0))
        # A query that was attached to began before the client's clock did.
        if not self.finished or self.elapsed is None or self.attached:
            return None
        return timedelta(seconds=max(self.elapsed, 0.0))

    @property
    def observed(self) -> tuple[str, ...]:
        """The names of the figures that only the client's clock tells."""
        return ("duration",) if self.finished_at is None and self.duration is not None else ()

    @property
    def has_rows(self) -> bool:
        """Whether the rows of every statement are here."""
        return self.statements is not None and all(item.result_rows is not None for item in self.statements)
