"""Repetition: takes a step of a query again while what it raises may pass."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any, TypeVar
from uuid import UUID

from roe_magic.client.retries import backoff
from roe_magic.client.retry_policy import Action, RequestKind, action_after
from roe_magic.errors import RoeError
from roe_magic.query.poll_schedule import PATIENCE, SHORT_PATIENCE, Patience
from roe_magic.query.state_publisher import StatePublisher

T = TypeVar("T")


class Repetition:
    """Takes steps again, within one patience for all of one query's.

    Parameters
    ----------
    publisher : StatePublisher
        What passes is told by a notice in its state.
    pause : callable, optional
        Replaces the pause between two requests, for tests; ``pause(seconds)`` may return early.
    """

    def __init__(self, publisher: StatePublisher, pause: Callable[[float], Any] | None) -> None:
        self._publisher, self._pause = publisher, pause
        self._patience = {
            Action.REPEAT: Patience(PATIENCE, clock=publisher.clock),
            Action.WAIT: Patience(SHORT_PATIENCE, clock=publisher.clock),
        }
        self._failures = 0

    def take(
        self, kind: RequestKind, step: Callable[[], T], *, query_id: UUID, left: threading.Event | None = None
    ) -> T | None:
        """Return what a step returns; None where the caller has left meanwhile.

        Parameters
        ----------
        kind : RequestKind
            The kind of its request, for the policy.
        step : callable
        query_id : UUID
            What the error of a step that is given up names.
        left : threading.Event, optional
            Set when the caller leaves; the publisher's when left out.

        Raises
        ------
        RoeError
            The step's, where it does not pass, or not within our patience.
        """
        left = left or self._publisher.left
        while not left.is_set():
            try:
                value = step()
            except RoeError as error:
                if not left.is_set():
                    self._tolerate(error, action_after(kind, error), query_id, left)
            else:
                self.succeeded()
                return value
        return None

    def succeeded(self) -> None:
        """End the row of failures."""
        self._failures = 0
        for patience in self._patience.values():
            patience.succeeded()

    def pause(self, seconds: float, left: threading.Event | None = None) -> None:
        """Wait, until the caller leaves at the latest."""
        (self._pause or (left or self._publisher.left).wait)(seconds)

    def _tolerate(self, error: RoeError, action: Action, query_id: UUID, left: threading.Event) -> None:
        """Pause after a failure that may pass, with a notice; raise any other."""
        patience = self._patience.get(action)
        if patience is None:
            raise error
        since = patience.failed()
        if patience.is_over:
            error.hint = f"It may still be running at the server. Come back to it with: %roe result {query_id}"
            raise error
        self._publisher.publish(notice=f"No response for {since:.0f} s, still trying ({error.message})")
        retry_after = getattr(error, "retry_after", None)
        self.pause(backoff(self._failures) if retry_after is None else retry_after, left)
        self._failures += 1
