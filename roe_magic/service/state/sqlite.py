"""Opens the SQLite database of the state: its settings, its transactions, its migrations."""

from __future__ import annotations

import sqlite3
import time
from pathlib import Path
from typing import Any

import sqlalchemy as sa

# The revision of the last module in ``migrations``; a test compares the two. A database that has it is opened without
# Alembic, which takes a third of a second to import.
NEWEST_REVISION = "003"

_LOCK_TIMEOUT_SECONDS = 30


def open_database(path: Path) -> sa.Engine:
    """Open a database file, creating it or migrating it to the present schema if necessary.

    Transactions begin as SQLite's DEFERRED; with the execution option ``begin="IMMEDIATE"`` they lock the database for
    writing at once.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    url = sa.URL.create("sqlite", database=str(path))
    database = sa.create_engine(url, connect_args={"timeout": _LOCK_TIMEOUT_SECONDS})
    sa.event.listen(database, "connect", _configure)
    sa.event.listen(database, "begin", _begin)
    try:
        _migrate(database)
    except BaseException:
        database.dispose()
        raise
    return database


def _configure(connection: Any, _: Any) -> None:
    # SQLAlchemy decides when a transaction begins, not the driver, which leaves DDL outside of transactions.
    connection.isolation_level = None
    _write_ahead(connection)
    for pragma in ("synchronous = NORMAL", "foreign_keys = ON"):
        connection.execute(f"PRAGMA {pragma}")


def _write_ahead(connection: Any) -> None:
    """Switch to the write-ahead log; SQLite itself does not wait for another process that does the same just now."""
    ends = time.monotonic() + _LOCK_TIMEOUT_SECONDS
    while True:
        try:
            connection.execute("PRAGMA journal_mode = WAL")
        except sqlite3.OperationalError as error:
            if "locked" not in str(error) or time.monotonic() > ends:
                raise
            time.sleep(0.02)
        else:
            return


def _begin(connection: sa.Connection) -> None:
    connection.exec_driver_sql(f"BEGIN {connection.get_execution_options().get('begin', '')}")


def _migrate(database: sa.Engine) -> None:
    """Run the missing migrations in one transaction; a second process waits for the first."""
    with database.connect().execution_options(begin="IMMEDIATE") as connection, connection.begin():
        if _revision(connection) != NEWEST_REVISION:
            from roe_magic.service.state import migrations  # see NEWEST_REVISION

            migrations.upgrade(connection)


def _revision(connection: sa.Connection) -> str | None:
    if not sa.inspect(connection).has_table("alembic_version"):
        return None
    return connection.exec_driver_sql("SELECT version_num FROM alembic_version").scalar()
