"""The names of the server's tables, columns and worksheets, for the Tab key.

``Catalogue.refresh_soon`` is called after each query and returns at once. When the names may have changed or are old,
it starts a thread that requests them and then ends. Completion reads the attributes and never waits for a request.
"""

from __future__ import annotations

import contextlib
import re
import threading
import time
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, NamedTuple

from roe_magic.errors import RoeError
from roe_magic.formatting import clean

if TYPE_CHECKING:
    from roe_magic.client import RoeClient
    from roe_magic.contract.models import Table

# Seconds after which the next query starts a refresh.
MAX_AGE = 60.0
_CHANGES_NAMES = re.compile(r"\b(CREATE|DROP|ALTER|RENAME|EXCHANGE|ATTACH|DETACH|UNDROP)\b", re.IGNORECASE)
# The middle of a longer text is rows of an INSERT, and to look through them would take longer than to insert them.
_LOOKED_AT = 2_000


def _may_change_names(sql: str) -> bool:
    """Whether SQL may create, drop or rename a table, by its beginning and its end."""
    text = sql if len(sql) <= 2 * _LOOKED_AT else f"{sql[:_LOOKED_AT]} {sql[-_LOOKED_AT:]}"
    return _CHANGES_NAMES.search(text) is not None


class CompletionItem(NamedTuple):
    """A text to insert at the cursor, and what it is in a word: ``table``, ``flag``, a column's type."""

    text: str
    kind: str


class Completions(NamedTuple):
    """The part of a word that is typed already, and the items that can replace it, the likeliest first."""

    typed: str
    items: list[CompletionItem]


class Catalogue:
    """The names that the server listed last; a refresh replaces them from a thread of its own.

    Attributes
    ----------
    tables : dict of str to Table
        By their names.
    columns : dict of str to str
        The columns of all tables: name to type. A name that several tables have is there once.
    worksheets : list of str
        Their names.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self.tables: dict[str, Table] = {}
        self.columns: dict[str, str] = {}
        self.worksheets: list[str] = []
        self._clock, self._requested_at = clock, 0.0
        self._client: RoeClient | None = None
        self._lock = threading.Lock()
        self._refresh_wanted = False
        self._thread: threading.Thread | None = None

    def refresh_soon(self, client: RoeClient, sql: str | None = None) -> None:
        """Start a refresh in the background if one is due, and return at once.

        Parameters
        ----------
        client : RoeClient
            The client that requests the names. When it is another one than before, the names of its predecessor are
            dropped at once.
        sql : str, optional
            The SQL that was run just now: a refresh is due if it may have changed the names, or if they are old.
            Without it, a refresh is always due.
        """
        with self._lock:
            other, old = client is not self._client, self._clock() - self._requested_at > MAX_AGE
            if not (other or old or sql is None or _may_change_names(sql)):
                return
            if other:
                self.tables, self.columns, self.worksheets = {}, {}, []
            self._client, self._requested_at, self._refresh_wanted = client, self._clock(), True
            if self._thread is None:
                self._thread = threading.Thread(target=self._refresh, name="roe-catalogue", daemon=True)
                self._thread.start()

    def close(self, timeout: float = 2.0) -> None:
        """Start no further request, and wait up to ``timeout`` seconds for the one that is under way."""
        with self._lock:
            self._client, self._refresh_wanted, thread = None, False, self._thread
        if thread is not None:
            thread.join(timeout)

    def _refresh(self) -> None:
        """Request the names until no further refresh is wanted; this runs on the thread."""
        while client := self._next_client():
            # The user's own requests report what is wrong with a server; here the names stay as they are.
            with contextlib.suppress(RoeError):
                self._set_tables(client, client.tables())
                self._set_worksheets(client, [worksheet.name for worksheet in client.worksheets()])

    def _next_client(self) -> RoeClient | None:
        """Return the client for the next refresh, or None where none is wanted; the thread then ends."""
        with self._lock:
            if self._refresh_wanted:
                self._refresh_wanted = False
                return self._client
            self._thread = None
            return None

    def _set_tables(self, client: RoeClient, tables: Iterable[Table]) -> None:
        by_name = {table.name: table for table in tables}
        columns = columns_of(by_name.values())
        with self._lock:
            if client is self._client:
                self.tables, self.columns = by_name, columns

    def _set_worksheets(self, client: RoeClient, names: list[str]) -> None:
        with self._lock:
            if client is self._client:
                self.worksheets = names


def is_offered(name: str) -> bool:
    """Whether a name is offered: one that is very long or has invisible characters could be taken for another one."""
    return name.isprintable() and clean(name, lines=True) == name


def columns_of(tables: Iterable[Table]) -> dict[str, str]:
    """Map the names of the tables' columns to their types."""
    return {column.name: column.type for table in tables for column in table.columns}
