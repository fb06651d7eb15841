"""Makes the views through which callers see system tables, when a statement first names one."""

from __future__ import annotations

import functools
import threading
from collections.abc import Mapping

from roe_magic.service.engine.chdb.database import EmbeddedClickHouse
from roe_magic.service.engine.sql import name_classes, tables
from roe_magic.service.engine.sql.quoting import literal, quoted

_ALIASES = (
    "SELECT name FROM system.columns WHERE database = 'system' AND table = {table:String} AND default_kind = 'ALIAS' "
    "ORDER BY position"
)


class SystemViews:
    """The filtered views of the open data folder.

    Parameters
    ----------
    clickhouse : EmbeddedClickHouse
        Where they are.
    """

    def __init__(self, clickhouse: EmbeddedClickHouse) -> None:
        self._clickhouse, self._lock = clickhouse, threading.Lock()
        self._made: set[tuple[str, str]] = set()

    def ensure(self, database: str, table: str) -> None:
        """Create a view, unless this process has done so: another version may have left it in another form."""
        with self._lock:
            if (database, table) not in self._made:
                self._clickhouse.query(f"CREATE DATABASE IF NOT EXISTS {quoted(database)}", {})
                name = f"{quoted(database)}.{quoted(table)}"
                view = tables.view_of(database, table, self._aliases(table) if tables.has_aliases(database) else ())
                self._clickhouse.query(f"CREATE OR REPLACE VIEW {name} AS {view}", {})
                self._made.add((database, table))

    def _aliases(self, table: str) -> list[str]:
        """Return the names of a system table's ALIAS columns."""
        return [name for (name,) in self._clickhouse.rows(_ALIASES, {"table": table})]


@functools.lru_cache
def filters(database: str) -> Mapping[str, str]:
    """Return the setting by which a caller sees no rows of system tables but those about its own database.

    The tables of information_schema are views of those in system, so they need no conditions of their own. Each
    condition makes every statement a little slower.
    """
    conditions = (
        f"{literal(table)}: {literal(f'{rule.column} = {literal(database)}')}"
        for table, rule in name_classes.names("system_tables").items()
        if rule.column and table.startswith("system.")
    )
    return {"additional_table_filters": "{" + ", ".join(conditions) + "}"}
