"""Connections to the embedded ClickHouse, kept open for the next statement with the same settings.

The settings of a caller's statement are given to a new connection by one ``SET`` with quoted values: in a connection
string, which chDB does not decode, a value with ``&`` in it would become several settings.
"""

from __future__ import annotations

import contextlib
import threading
from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from roe_magic.service.engine.sql.quoting import literal, quoted

# A setting whose value is different for every statement: a connection that has it is never used again.
UNIQUE_SETTING = "log_comment"
# The beginning of the name under which the value of a query parameter is set.
PARAMETER = "param_"
_MAX_IDLE = 32


@dataclass(frozen=True)
class Place:
    """Where a statement runs; apart from its settings, whose names a caller chooses.

    Parameters
    ----------
    database : str
        The current database; ClickHouse's own if this is empty.
    session : str
        The name of a session, whose statements all get the same connection, and so the same temporary tables; empty if
        there is none.
    """

    database: str = ""
    session: str = ""


ANYWHERE = Place()
_Key = tuple[str, tuple[tuple[str, str], ...]]


def set_statement(settings: Mapping[str, str]) -> str:
    """Return the statement that changes these settings; ``readonly`` is changed last, since it forbids all others."""
    # The names are quoted too: a caller may have written one that ends in another setting, as in `a = 1, b`.
    names = sorted(settings, key=lambda name: name == "readonly")
    return "SET " + ", ".join(f"{quoted(name)} = {literal(settings[name])}" for name in names)


class ConnectionPool:
    """The connections to one data folder. A connection's settings are fixed when it is opened.

    Parameters
    ----------
    connect : callable
        chDB's function: takes a connection string.
    path : str
        The data folder.
    settings : mapping of str to str
        Settings of every connection, by names and values that need no quotes.
    """

    def __init__(self, connect: Callable[[str], Any], path: str, settings: Mapping[str, str]) -> None:
        self._connect, self._lock = connect, threading.Lock()
        self._location = f"{path}?{'&'.join(f'{name}={value}' for name, value in settings.items())}"
        # Idle connections by settings; the most recently used at the end.
        self._idle: OrderedDict[_Key, list[Any]] = OrderedDict()
        # The connections of sessions by name, each with its settings.
        self._sessions: dict[str, tuple[Any, Mapping[str, str]]] = {}

    @contextlib.contextmanager
    def lend(self, settings: Mapping[str, str], place: Place = ANYWHERE) -> Iterator[Any]:
        """Yield a connection with these settings.

        The settings of a session's connection change from statement to statement. There ``readonly`` is left out,
        since it could not be changed back.
        """
        if place.session:
            yield self._in_session(settings, place)
            return
        key = place.database, tuple(settings.items())
        connection = self._idle_connection(key) or self._open(settings, place.database)
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

    def end_session(self, name: str) -> None:
        """Close the connection of a session, and with it drop the session's temporary tables."""
        with self._lock:
            connection, _ = self._sessions.pop(name, (None, {}))
        if connection:
            connection.close()

    def _in_session(self, settings: Mapping[str, str], place: Place) -> Any:
        wanted = {key: value for key, value in settings.items() if key != "readonly"}
        with self._lock:
            connection, current = self._sessions.get(place.session, (None, {}))
        if connection is None:
            connection = self._open(wanted, place.database)
        else:
            changed = {key: value for key, value in wanted.items() if current.get(key) != value}
            restored = [key for key in current if key not in wanted and not key.startswith(PARAMETER)]
            defaults = [f"SET {quoted(key)} = DEFAULT" for key in restored]
            for statement in [set_statement(changed)] * bool(changed) + defaults:
                connection.query(statement, "Null")
        with self._lock:
            self._sessions[place.session] = connection, wanted
        return connection

    def _open(self, settings: Mapping[str, str], database: str) -> Any:
        connection = self._connect(self._location)
        try:
            if database:
                # Not in the connection string, where classify_query does not look for it.
                connection.query(f"USE {quoted(database)}", "Null")
            if settings:
                connection.query(set_statement(settings), "Null")
        except BaseException:
            connection.close()
            raise
        return connection

    def _idle_connection(self, key: _Key) -> Any:
        with self._lock:
            connections = self._idle.get(key)
            return connections.pop() if connections else None

    def _put(self, key: _Key, connection: Any) -> None:
        with self._lock:
            self._idle.setdefault(key, []).append(connection)
            self._idle.move_to_end(key)
            if sum(map(len, self._idle.values())) > _MAX_IDLE:
                self._close_oldest()

    def _close_oldest(self) -> None:
        _, connections = self._idle.popitem(last=False)
        for connection in connections:
            connection.close()
