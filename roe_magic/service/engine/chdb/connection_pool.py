"""Connections to the embedded engine, kept for whoever needs one with the same settings next."""

from __future__ import annotations

import contextlib
import threading
from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping
from typing import Any

# Set for one statement alone: no other will ask for such a connection.
UNIQUE = "log_comment"
_MOST_IDLE = 32


class Connections:
    """The connections to one data folder.

    Parameters
    ----------
    connect : callable
        chDB's own: takes a connection string.
    path : str
        The data folder.
    always : mapping of str to str
        Settings that every connection has.
    """

    def __init__(self, connect: Callable[[str], Any], path: str, always: Mapping[str, str]) -> None:
        self._connect, self._path, self._always = connect, path, always
        self._lock = threading.Lock()
        # The connection string and the database in use, and who waits there; used last, last.
        self._idle: OrderedDict[tuple[str, str], list[Any]] = OrderedDict()

    @contextlib.contextmanager
    def lend(self, settings: Mapping[str, str], use: str = "") -> Iterator[Any]:
        """Lend a connection with these settings, in which ``USE`` has chosen a database if one is named.

        After an error it still holds output that would be put before its next result, so it is closed then.
        """
        key = "&".join(f"{name}={value}" for name, value in {**self._always, **settings}.items()), use
        connection = self._taken(key) or self._opened(*key)
        try:
            yield connection
        except BaseException:
            connection.close()
            raise
        if UNIQUE in settings:
            connection.close()
        else:
            self._put(key, connection)

    def close(self) -> None:
        """Close those that nobody uses."""
        while self._idle:
            self._close_oldest()

    def _opened(self, options: str, use: str) -> Any:
        connection = self._connect(f"{self._path}?{options}")
        try:
            if use:
                connection.query(f"USE `{use}`", "Null")
        except BaseException:
            connection.close()
            raise
        return connection

    def _taken(self, key: tuple[str, str]) -> Any:
        with self._lock:
            waiting = self._idle.get(key)
            return waiting.pop() if waiting else None

    def _put(self, key: tuple[str, str], connection: Any) -> None:
        with self._lock:
            self._idle.setdefault(key, []).append(connection)
            self._idle.move_to_end(key)
            if sum(map(len, self._idle.values())) > _MOST_IDLE:
                self._close_oldest()

    def _close_oldest(self) -> None:
        _, connections = self._idle.popitem(last=False)
        for connection in connections:
            connection.close()
