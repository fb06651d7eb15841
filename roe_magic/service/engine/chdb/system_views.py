"""Makes the views through which callers see system tables, when a statement first names one."""

from __future__ import annotations

import threading

from roe_magic.service.engine.chdb.database import EmbeddedClickHouse
from roe_magic.service.engine.sql import name_classes, tables
from roe_magic.service.engine.sql.quoting import literal, quoted


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
                self._clickhouse.query(f"CREATE OR REPLACE VIEW {name} AS {tables.view_of(database, table)}", {})
                self._made.add((database, table))


def filters(database: str) -> dict[str, str]:
    """Return the setting by which a caller sees no rows of system tables but those about its own database."""
    conditions = (
        f"{literal(table)}: {literal(f'{rule.column} = {literal(database)}')}"
        for table, rule in name_classes.names("system_tables").items()
        if rule.column
    )
    return {"additional_table_filters": "{" + ", ".join(conditions) + "}"}
