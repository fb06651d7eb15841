"""What is known of the server's names, and which of them may stand at the cursor in SQL; nothing here waits."""

from __future__ import annotations

import contextlib
import re
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from typing import TYPE_CHECKING, Any, NamedTuple

from roe_magic.errors import RoeError

if TYPE_CHECKING:
    from roe_magic.client import RoeClient
    from roe_magic.contract.models import Table

# Seconds after which the next query lets the names be asked for again.
MAX_AGE = 60.0
# So many tables and so many columns are offered at most: enough to read, and quick.
MOST = 200
_WORDS = (
    "SELECT, DISTINCT, FROM, FINAL, SAMPLE, PREWHERE, WHERE, GROUP BY, HAVING, ORDER BY, LIMIT, OFFSET, WITH, TOTALS, "
    "QUALIFY, WINDOW, OVER, PARTITION BY, ROWS BETWEEN, SETTINGS, FORMAT, JOIN, INNER JOIN, LEFT JOIN, RIGHT JOIN, "
    "FULL JOIN, CROSS JOIN, ASOF JOIN, ANY, ARRAY JOIN, ON, USING, UNION ALL, UNION DISTINCT, INTERSECT, EXCEPT, AS, "
    "AND, OR, NOT, IN, GLOBAL IN, BETWEEN, LIKE, ILIKE, IS NULL, IS NOT NULL, NULL, TRUE, FALSE, CASE, WHEN, THEN, "
    "ELSE, END, CAST, INTERVAL, BY, ASC, DESC, NULLS FIRST, NULLS LAST, EXISTS, SHOW TABLES, DESCRIBE TABLE, EXPLAIN, "
    "INSERT INTO, VALUES, CREATE TABLE, IF NOT EXISTS, IF EXISTS, ENGINE, PRIMARY KEY, DROP TABLE, ALTER TABLE, "
    "ADD COLUMN, TRUNCATE TABLE, RENAME TABLE, UPDATE, DELETE FROM, SET, USE"
)
KEYWORDS = _WORDS.split(", ")
# As names these are put in backticks, which is always right.
_RESERVED = frozenset(_WORDS.replace(",", "").split())
_CHANGES = re.compile(r"\b(CREATE|DROP|ALTER|RENAME|EXCHANGE|ATTACH|DETACH|UNDROP)\b", re.IGNORECASE)
# What stands at the cursor: perhaps a table or an alias and its dot, and the beginning of a name.
_NAME = re.compile(r"(?:(?:`(?P<quoted>[^`\n]+)`|(?P<plain>\w+))\.)?(?P<typed>`?\w*)\Z")
_AFTER_FROM = re.compile(r"\b(?:FROM|JOIN|INTO|TABLE|DESCRIBE)\s+\Z", re.IGNORECASE)
# Strings, quoted names and comments that have an end; a mark that is left without them has none.
_CLOSED = re.compile(r"'(?:[^'\\]|\\.)*'|\"(?:[^\"\\]|\\.)*\"|`(?:[^`\\]|\\.)*`|--[^\n]*\n|/\*.*?\*/", re.DOTALL)
_OPEN = re.compile(r"['\"]|--|/\*")
_BARE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


class Offer(NamedTuple):
    """A text to insert, and what it is in words."""

    text: str
    kind: str


class Found(NamedTuple):
    """The typed part that an offer replaces, and what is offered for it, the likeliest first."""

    typed: str
    offers: list[Offer]


class Catalogue:
    """The names of tables, columns and worksheets as the server told them last, asked for on a thread of its own.

    Attributes
    ----------
    tables : dict of str to Table
    columns : list of Offer
        Those of all tables, each name once.
    worksheets : list of str
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self.tables: dict[str, Table] = {}
        self.columns: list[Offer] = []
        self.worksheets: list[str] = []
        self._clock, self._asked_at = clock, 0.0
        self._client: RoeClient | None = None
        self._lock = threading.Lock()
        self._wanted = False
        self._thread: threading.Thread | None = None

    def refresh_soon(self, client: RoeClient, sql: str | None = None) -> None:
        """Let the names be asked for, and return at once.

        Parameters
        ----------
        client : RoeClient
            Who is to ask; what another client was told is forgotten.
        sql : str, optional
            What was run just now: the names are asked for if it may have changed them, or if they are old.
        """
        with self._lock:
            other, old = client is not self._client, self._clock() - self._asked_at > MAX_AGE
            if not (other or old or sql is None or _CHANGES.search(sql)):
                return
            if other:
                self.tables, self.columns, self.worksheets = {}, [], []
            self._client, self._asked_at, self._wanted = client, self._clock(), True
            if self._thread is None:
                self._thread = threading.Thread(target=self._work, name="roe-catalogue", daemon=True)
                self._thread.start()

    def close(self, timeout: float = 2.0) -> None:
        """Ask for nothing more, and wait a moment for the answer that is under way."""
        with self._lock:
            self._client, self._wanted, thread = None, False, self._thread
        if thread is not None:
            thread.join(timeout)

    def _work(self) -> None:
        while client := self._next():
            # The user's own requests tell what is wrong with a server; here the names stay as they are.
            with contextlib.suppress(RoeError):
                tables = {table.name: table for table in client.tables()}
                self._keep(client, tables=tables, columns=_columns(tables.values()))
                self._keep(client, worksheets=[worksheet.name for worksheet in client.worksheets()])

    def _next(self) -> RoeClient | None:
        with self._lock:
            if self._wanted:
                self._wanted = False
                return self._client
            self._thread = None
            return None

    def _keep(self, client: RoeClient, **names: Any) -> None:
        with self._lock:
            if client is self._client:
                vars(self).update(names)


def in_sql(catalogue: Catalogue, before: str, sql: str) -> Found:
    """Find what may stand at the cursor in SQL.

    Parameters
    ----------
    catalogue : Catalogue
    before : str
        The SQL up to the cursor.
    sql : str
        All of it: where it names tables, the columns are theirs.
    """
    match = _NAME.search(before)
    assert match is not None  # it matches the empty text too
    typed, above = match["typed"], match["quoted"] or match["plain"]
    if _OPEN.search(_CLOSED.sub(" ", before)):
        return Found(typed, [])
    tables = catalogue.tables
    if above:
        table = tables.get(above) or tables.get(_behind_alias(above, sql))
        return Found(typed, _named(typed, _columns([table]) if table else []))
    listed = _named(typed, (Offer(name, "table") for name in tables))
    if listed and _AFTER_FROM.search(before[: match.start("typed")]):
        return Found(typed, listed)
    named = [table for name, table in tables.items() if _names(sql, name)]
    columns = _named(typed, _columns(named) if named else catalogue.columns)
    return Found(typed, [*columns, *listed, *_keywords(typed)])


def starting(typed: str, offers: Iterable[Offer]) -> Iterator[Offer]:
    """Keep what begins like the typed part, in capitals or not, in quotes or not."""
    typed = typed.lower().lstrip("'\"")
    return (offer for offer in offers if offer.text.lower().lstrip("'").startswith(typed))


def _named(typed: str, offers: Iterable[Offer]) -> list[Offer]:
    """Keep the names that begin like the typed part, as SQL spells them."""
    # A name with a character that nobody sees could not be told from another, or could be more than a name.
    found = (offer for offer in starting(typed.removeprefix("`"), offers) if offer.text.isprintable())
    return [Offer(_spelt(name, always=typed.startswith("`")), kind) for name, kind in islice(found, MOST)]


def _spelt(name: str, *, always: bool) -> str:
    if _BARE.fullmatch(name) and name.upper() not in _RESERVED and not always:
        return name
    return "`" + name.replace("\\", "\\\\").replace("`", "\\`") + "`"


def _columns(tables: Iterable[Table]) -> list[Offer]:
    kinds = {column.name: column.type for table in tables for column in table.columns}
    return [Offer(name, kind) for name, kind in kinds.items()]


def _keywords(typed: str) -> list[Offer]:
    """List the keywords, in small letters for who types so: a front end may drop what differs from the typed part."""
    found = (word for word in KEYWORDS if word.startswith(typed.upper()))
    return [Offer(word.lower() if typed.islower() else word, "keyword") for word in found]


def _behind_alias(alias: str, sql: str) -> str:
    """Find the table in ``FROM table AS alias``."""
    match = re.search(rf"(?:FROM|JOIN|,)\s+(?:`([^`]+)`|(\w+))\s+(?:AS\s+)?`?{re.escape(alias)}\b", sql, re.IGNORECASE)
    return (match[1] or match[2]) if match else ""


def _names(sql: str, table: str) -> bool:
    return table in sql and (not _BARE.fullmatch(table) or re.search(rf"\b{table}\b", sql) is not None)
