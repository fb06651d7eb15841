"""What a notebook keeps while the extension is loaded anew: where it is connected to, and which queries it ran."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

if TYPE_CHECKING:
    from uuid import UUID

    from roe_magic.config.settings import SettingsSource
    from roe_magic.local import LocalService
    from roe_magic.query.running_query import RunningQuery


@dataclass
class Session:
    """One notebook's.

    Attributes
    ----------
    connection : SettingsSource or None
        What ``%roe connect`` chose.
    local : LocalService or None
        The local service, where that is what was chosen.
    query_ids : dict of UUID to None
        The queries that were submitted or come back to, in that order.
    latest : RunningQuery or None
        The query that was run last, until its id has come.
    """

    connection: SettingsSource | None = None
    local: LocalService | None = None
    query_ids: dict[UUID, None] = field(default_factory=dict)
    latest: RunningQuery | None = None

    def keep(self, query_id: UUID) -> None:
        """Put an id at the end of the queries."""
        self.query_ids.pop(query_id, None)
        self.query_ids[query_id] = None

    def renew_local(self) -> str | None:
        """Join or start the local service anew if it does not run any more; return what there is to say about that."""
        if self.local is None or self.local.is_running:
            return None
        self.local = self.local.renewed()
        self.connection = self.local.source
        if self.local.memory:
            return "The local service had ended. A new one was started, without the tables of before: it keeps nothing."
        return "The local service had ended and runs again, with its tables. Queries that were running have failed."


_sessions: WeakKeyDictionary[Any, Session] = WeakKeyDictionary()


def session_of(shell: Any) -> Session:
    """Return the session of a shell, the same one for as long as the shell lives."""
    return Session() if shell is None else _sessions.setdefault(shell, Session())
