"""A clock that tests wind themselves."""

from __future__ import annotations

import threading


class FakeClock:
    """Time that passes only while somebody sleeps; ``slept`` lists the sleeps."""

    def __init__(self, start: float = 1000.0) -> None:
        self.time = start
        self.slept: list[float] = []
        self._lock = threading.Lock()

    def __call__(self) -> float:
        return self.time

    def sleep(self, seconds: float) -> None:
        """Let time pass at once."""
        with self._lock:
            self.slept.append(seconds)
            self.time += seconds

    def pause(self, seconds: float) -> bool:
        """Let time pass at once; nobody has left meanwhile."""
        self.sleep(seconds)
        return False

    def wait(self, event: threading.Event, seconds: float) -> bool:
        """Let time pass at once; return whether the event is set."""
        self.sleep(seconds)
        return event.is_set()
