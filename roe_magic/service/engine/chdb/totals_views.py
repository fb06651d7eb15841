"""Whether a statement may read a view that returns totals."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

# What does not hold its rows itself may read such a view: another view, or a table that stands for others.
_SQL = (
    "SELECT name, match(create_table_query, '(?i)WITH TOTALS') FROM system.tables WHERE database = {database:String} "
    "AND engine NOT LIKE '%MergeTree' AND engine NOT LIKE '%Log' AND engine NOT IN ('Memory', 'Set', 'Join', 'Null')"
)
# Table functions that read tables whose names are in texts, or in no text at all.
_READS_BY_PATTERN = re.compile(r"\b(?:merge|loop|viewExplain|executeTable)\w*\b", re.IGNORECASE)


class TotalsViews:
    """The names of a database's views, if one of them has totals; they are kept until something is written.

    Parameters
    ----------
    rows : callable
        Returns the rows of a query of the service's own.
    """

    def __init__(self, rows: Callable[[str, Mapping[str, str]], list[list[Any]]]) -> None:
        self._rows = rows
        self._known: dict[str, list[str]] = {}

    def may_be_read(self, sql: str, database: str) -> bool:
        """Whether the text of a statement names a view of a database in which a view has totals."""
        names = self._names(database)
        if not names:
            return False
        # A name that is no plain word may be written in more than one way, any name with escapes.
        if "\\" in sql or _READS_BY_PATTERN.search(sql):
            return True
        return any(not name.isidentifier() or name in sql for name in names)

    def _names(self, database: str) -> list[str]:
        known = self._known
        if database not in known:
            rows = self._rows(_SQL, {"database": database})
            known[database] = [name for name, _ in rows] if any(has_totals for _, has_totals in rows) else []
        return known[database]

    def forget(self) -> None:
        """Ask again next time; an answer that is being asked for now is not kept either."""
        self._known = {}
