"""StatePublisher: holds the present state of one query, and calls a listener with each new one."""

from __future__ import annotations

import logging
import threading
import time
import traceback
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timezone
from typing import Any

from roe_magic.contract import models
from roe_magic.contract.models import TERMINAL
from roe_magic.formatting import clean_message
from roe_magic.query.query_state import QueryState

_log = logging.getLogger(__name__)

Listener = Callable[[QueryState], None]


class StatePublisher:
    """Holds the present state of a query and passes each new one on; thread-safe.

    Parameters
    ----------
    state : QueryState
        The first one.
    clock : callable
        Monotonic, in seconds.
    keep : callable, optional
        Called with each new state, before the listener: the WorksheetQuery that shows it.

    Attributes
    ----------
    state : QueryState
        The present one.
    left : threading.Event
        Set when the caller has stopped watching; each later state says so.
    """

    def __init__(
        self, state: QueryState, *, clock: Callable[[], float] = time.monotonic, keep: Listener | None = None
    ) -> None:
        self.state, self.clock, self.left = state, clock, threading.Event()
        self._began: float | None = None
        self._keep = keep
        self._listener: Listener | None = None
        # Reentrant: a listener may publish.
        self._lock = threading.RLock()
        self._notifying_thread: int | None = None

    @property
    def elapsed(self) -> float:
        """Seconds since the first step; 0 before it."""
        return 0.0 if self._began is None else self.clock() - self._began

    @property
    def is_notifying(self) -> bool:
        """Whether the calling thread is inside a call of the listener."""
        return self._notifying_thread == threading.get_ident()

    def begin(self) -> None:
        """Start the clock, unless it runs."""
        self._began = self.clock() if self._began is None else self._began

    def listen(self, listener: Listener | None) -> None:
        """Call ``listener`` with the present state, and with each new one from now on, one at a time.

        None ends that: once this method has returned, the listener before is not called again.
        """
        with self._lock:
            self._listener = listener
            if listener is not None:
                self._notify(listener)

    def publish(self, **changes: Any) -> None:
        """Replace fields of the state; the elapsed time is fixed once the state is over."""
        with self._lock:
            if "last_status" in changes:
                changes["last_status"] = self._newer(changes["last_status"])
            elapsed = self.state.elapsed if self.state.over else self.elapsed
            before = self.state
            self.state = replace(before, elapsed=elapsed, left=self.left.is_set(), **changes)
            # A query whose first status says that it has ended may have done so long ago, unless it was submitted here.
            if self.state.finished and not before.finished and (before.last_status or not before.attached):
                self.state = replace(self.state, ended_seen_at=datetime.now(timezone.utc))
            if self._keep is not None:
                self._keep(self.state)
            if self._listener is not None:
                self._notify(self._listener)

    def _newer(self, status: models.QueryStatus) -> models.QueryStatus:
        """Return the status to keep: once a query has ended, a late response does not change how it ended."""
        present = self.state.last_status
        if present is not None and present.status in TERMINAL and status.status != present.status:
            return present
        return status

    def _notify(self, listener: Listener) -> None:
        """Call the listener; a failure of its own does not reach the query."""
        outer, self._notifying_thread = self._notifying_thread, threading.get_ident()
        try:
            listener(self.state)
        except Exception:
            self._listener = None
            _log.warning("A listener failed; it is not called again.\n%s", clean_message(traceback.format_exc()))
        finally:
            self._notifying_thread = outer
