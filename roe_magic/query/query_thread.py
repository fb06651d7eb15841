"""QueryThread: takes the steps of one query in a thread of its own.

Each step publishes a new QueryState; a listener is called on that thread. Errors are kept in the state.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import TYPE_CHECKING
from uuid import UUID

from roe_magic.client import RoeClient
from roe_magic.contract.models import TERMINAL
from roe_magic.errors import RoeError
from roe_magic.query.checks import check_max_bytes
from roe_magic.query.lifecycle import Lifecycle, WatchOptions
from roe_magic.query.poll_schedule import watched_queries
from roe_magic.query.query_state import QueryState
from roe_magic.query.state_publisher import StatePublisher
from roe_magic.query.worksheet_query import WorksheetQuery

if TYPE_CHECKING:
    from typing_extensions import Self


class QueryThread:
    """What a RunningQuery does without its caller: it runs, may be left, and may be cancelled.

    Parameters
    ----------
    client : RoeClient
    options : WatchOptions
    clock : callable
        Monotonic, in seconds.
    sql : str
    attached : bool
        The query was submitted before.
    """

    def __init__(
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

    def _in_thread(self, work: Callable[[], None]) -> Self:
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

    @property
    def _id_text(self) -> str | None:
        return None if self.query_id is None else str(self.query_id)


def _unexpected(error: Exception, query_id: str | None) -> RoeError:
    """Wrap an exception that no step should raise, so that the waiting thread gets it."""
    problem = RoeError(f"Unexpected error in roe-magic: {type(error).__name__}: {error}", query_id=query_id)
    problem.__cause__ = error
    return problem
