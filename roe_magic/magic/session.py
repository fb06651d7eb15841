"""What a notebook keeps while the extension is loaded anew: where it is connected to, and which queries it ran."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

if TYPE_CHECKING:
    from uuid import UUID

    from roe_magic.config.settings import SettingsSource


@dataclass
class Session:
    """One notebook's.

    Attributes
    ----------
    connection : SettingsSource or None
        What ``%roe connect`` chose.
    query_ids : dict of UUID to None
        The queries that were submitted or come back to, in that order.
    """

    connection: SettingsSource | None = None
    query_ids: dict[UUID, None] = field(default_factory=dict)


_sessions: WeakKeyDictionary[Any, Session] = WeakKeyDictionary()


def session_of(shell: Any) -> Session:
    """Return the session of a shell, the same one for as long as the shell lives."""
    return Session() if shell is None else _sessions.setdefault(shell, Session())
