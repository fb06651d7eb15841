"""Connections to the embedded ClickHouse, kept open for the next statement with the same settings."""

from __future__ import annotations

import contextlib
import threading
from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping
from typing import Any

# A setting whose value is different for every statement: a connection that has it is never used again.
UNIQUE_SETTING = "log_comment"
_MAX_IDLE = 32


class ConnectionPool:
    """The connections to one data folder. A connection's settings are fixed when it is opened.

    Parameters
    ----------
    connect : callable
        chDB's function: takes a connection string.
    path : str
        The data folder.
    settings : mapping of str to str
        Settings of every connection.
    """

    def __init__(self, connect: Callable[[str], Any], path: str, settings: Mapping[str, str]) -> None:
        self._connect, self._path, self._settings = connect, path, settings
        self._lock = threading.Lock()
        # Idle connections by connection string and database in use; the most recently used at the end.
        self._idle: OrderedDict[tuple[str, str], list[Any]] = OrderedDict()

    @contextlib.contextmanager
    def lend(self, settings: Mapping[str, str], use: str = "") -> Iterator[Any]:
        """Yield a connection with these settings on which, if a database is named, ``USE`` has chosen it."""
        key = "&".join(f"{name}={value}" for name, value in {**self._settings, **settings}.items()), use
        connection = self._idle_connection(key) or self._open(*key)
        try:
            yield connection
        except BaseException:
            # After an error it holds output that would come before its next result.
            connection.close()
            raise
        if UNIQUE_SETTING in settings:
            connection.close()
        else:
            self._put(key, connection)

    def _open(self, options: str, use: str) -> Any:
        connection = self._connect(f"{self._path}?{options}")
        try:
            if use:
                connection.query(f"USE `{use}`", "Null")
        except BaseException:
            connection.close()
            raise
        return connection

    def _idle_connection(self, key: tuple[str, str]) -> Any:
        with self._lock:
            connections = self._idle.get(key)
            return connections.pop() if connections else None

    def _put(self, key: tuple[str, str], connection: Any) -> None:
        with self._lock:
            self._idle.setdefault(key, []).append(connection)
            self._idle.move_to_end(key)
            if sum(map(len, self._idle.values())) > _MAX_IDLE:
                self._close_oldest()

    def _close_oldest(self) -> None:
        _, connections = self._idle.popitem(last=False)
        for connection in connections:
            connection.close()
