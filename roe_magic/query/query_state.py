"""Story: what is known of a query at one moment, and what follows from it; a Teller tells each new one."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timezone
from typing import Any
from uuid import UUID

from roe_magic.contract import models
from roe_magic.contract.models import FAILURE, TERMINAL
from roe_magic.errors import QueryError, QueryFailed, QueryRevoked, RoeError
from roe_magic.query.download import Progress
from roe_magic.query.worksheet_query import WorksheetQuery

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Story:
    """What is known of a query at one moment.

    Attributes
    ----------
    sql : str
    elapsed : float
        Seconds since the submit, by this machine's monotonic clock.
    submitted, status : models, optional
        The server's last words.
    downloaded : download.Progress, optional
        How much of the rows is here; None before the download.
    statements : list of models.Statement, optional
        The results, once they are here.
    notice : str, optional
        What is unusual: no answers, no progress.
    error : RoeError, optional
        Why watching ended without rows.
    waited : bool
        The server holds its answers back as asked, so it has our additions to the API: cancel, too.
    over : bool
        Nothing more will be told.
    """

    sql: str
    elapsed: float = 0.0
    submitted: models.WorksheetQueryResponse | None = None
    status: models.QueryStatus | None = None
    downloaded: Progress | None = None
    statements: list[models.Statement] | None = None
    notice: str | None = None
    error: RoeError | None = None
    waited: bool = False
    over: bool = False

    @property
    def query_id(self) -> UUID | None:
        """The query's id, once the server has told it."""
        if self.submitted is not None:
            return self.submitted.id
        return self.status.worksheet_query_id if self.status is not None else None

    @property
    def state(self) -> str | None:
        """The server's last word on the state."""
        return self.status.status if self.status is not None else None

    @property
    def terminal(self) -> bool:
        """Whether the query has ended at the server."""
        return self.state in TERMINAL


class Teller:
    """Tells the story of a query, moment after moment, to one listener; thread-safe.

    Attributes
    ----------
    story : Story
        The present one.
    clock : callable
        Monotonic, in seconds.
    """

    def __init__(self, story: Story, clock: Callable[[], float]) -> None:
        self.story, self.clock = story, clock
        self._begun = clock()
        self._listener: Callable[[Story], None] | None = None
        self._telling = threading.RLock()

    @property
    def elapsed(self) -> float:
        """Seconds since the submit."""
        return self.clock() - self._begun

    def listen(self, listener: Callable[[Story], None] | None) -> None:
        """Call ``listener`` with each new Story from now on, one at a time; None ends it, and none follows after."""
        with self._telling:
            self._listener = listener

    def tell(self, **changes: Any) -> None:
        """Go on with the story; what is over takes no more time."""
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


def first_status(submitted: models.WorksheetQueryResponse) -> models.QueryStatus:
    """Read the status out of what the submit endpoint answered."""
    return models.QueryStatus(
        worksheet_query_id=submitted.id,
        status=submitted.query_task_status,
        error=submitted.error,
        created_at=submitted.created_at,
        finished_at=submitted.finished_at,
    )


def known_by_status(status: models.QueryStatus) -> models.WorksheetQueryResponse:
    """Make what a submit would have answered, as far as a status tells it."""
    # A status need not tell when the query was created; it was, at the latest, now.
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
    )


def ended_badly(query: WorksheetQuery) -> QueryError:
    """Make the exception of a query that ended otherwise than in SUCCESS."""
    if query.status == FAILURE:
        error: QueryError = QueryFailed(query.error or "The query failed; the server does not say why.")
    else:
        error = QueryRevoked(query.error or "The query was cancelled.")
    error.query_id, error.query = str(query.id), query
    return error
