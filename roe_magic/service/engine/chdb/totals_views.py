"""Whether a database has a view that returns totals."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

_SQL = (
    "SELECT count() > 0 FROM system.tables WHERE database = {database:String} "
    "AND engine LIKE '%View' AND match(create_table_query, '(?i)\\\\btotals\\\\b')"
)


class TotalsViews:
    """The answer for each database, kept until something is written.

    Parameters
    ----------
    rows : callable
        Returns the rows of a query of the service's own.
    """

    def __init__(self, rows: Callable[[str, Mapping[str, str]], list[list[Any]]]) -> None:
        self._rows = rows
        self._known: dict[str, bool] = {}

    def exist(self, database: str) -> bool:
        """Whether the definition of a view in the database has the word TOTALS."""
        known = self._known
        if database not in known:
            ((found,),) = self._rows(_SQL, {"database": database})
            known[database] = bool(found)
        return known[database]

    def forget(self) -> None:
        """Ask again next time; an answer that is being asked for now is not kept either."""
        self._known = {}
