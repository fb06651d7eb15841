"""The state of the service: organisations, users, keys, worksheets and queries.

Every method is one short transaction, which is on disk when the method returns (SQLite's write-ahead log: a killed
process loses nothing). Methods block: one query by primary key takes a fraction of a millisecond. Where the database
fails they raise :class:`StoreError`.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any, TypeVar
from uuid import UUID

import msgspec
import sqlalchemy as sa
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session, sessionmaker
from sqlalchemy.orm.attributes import set_committed_value

from roe_magic.contract import models
from roe_magic.service.job import WORKSHEET_QUERY, Outcome, SubmitRequest
from roe_magic.service.state import api_keys, schema
from roe_magic.service.state.schema import KeyRow, LongSqlRow, OrganizationRow, QueryRow, UserRow, WorksheetRow, now
from roe_magic.service.state.sqlite import open_database

R = TypeVar("R", bound=schema.Base)

# Every query is inserted once and updated once or twice; with a session that would take five times as long. The pairs
# are the attribute of the row and the column in the database.
_QUERY_COLUMNS = [(attribute.key, attribute.columns[0].name) for attribute in sa.inspect(QueryRow).column_attrs]
_INSERT_QUERY, _INSERT_LONG_SQL = sa.insert(QueryRow), sa.insert(LongSqlRow)
_UPDATE_QUERY = sa.update(QueryRow).where(QueryRow.id == sa.bindparam("query_id"))
# SQL of more characters is stored in a row of its own.
_LONG_SQL = 20_000


class StoreError(Exception):
    """The database failed: the disk is full, say. What was to be written is not there."""


class Store:
    """The state of one data folder.

    Parameters
    ----------
    path : Path
        The SQLite file; created, or migrated to the present schema, if necessary.
    """

    def __init__(self, path: Path) -> None:
        with _own_errors():
            self._database = open_database(path)
            # A transaction that begins with a read cannot write later if another process has written in between.
            writing = self._database.execution_options(begin="IMMEDIATE")
            self._read_sessions = sessionmaker(self._database, expire_on_commit=False)
            self._write_sessions = sessionmaker(writing, expire_on_commit=False)
            self._write_connection, self._write_lock = writing.connect(), threading.Lock()
        # Every submit needs these, and they never change.
        self._keys: dict[str, KeyRow] = {}
        self._worksheets: dict[tuple[UUID, UUID | None], WorksheetRow] = {}

    def close(self) -> None:
        """Close every connection."""
        self._write_connection.close()
        self._database.dispose()

    # Organisations, users, keys

    def first_start(self) -> tuple[OrganizationRow, UserRow]:
        """Return the first organisation and user; at the first start create them and a default worksheet."""
        with self._writing() as session:
            organization = session.scalar(sa.select(OrganizationRow).order_by(OrganizationRow.created_at))
            user = session.scalar(sa.select(UserRow).order_by(UserRow.id))
            if organization is None or user is None:
                return _add_organization(session)
            return organization, user

    def add_key(self, organization: OrganizationRow, user: UserRow, *, admin: bool) -> str:
        """Create a key of an organisation and return its text, which cannot be read again later."""
        key, key_id, digest = api_keys.new_key()
        with self._writing() as session:
            session.add(KeyRow(id=key_id, digest=digest, admin=admin, organization_id=organization.id, user_id=user.id))
        return key

    def key(self, text: str) -> KeyRow | None:
        """Return the key with this text, with its organisation and user; None if it is not valid."""
        key_id = api_keys.id_of(text)
        if key_id is None:
            return None
        row = self._keys.get(key_id)
        if row is None:
            with self._reading() as session:
                row = session.get(KeyRow, key_id)
        if row is None or not api_keys.matches(text, row.digest):
            return None
        return self._keys.setdefault(key_id, row)

    # Worksheets

    def worksheets(self, organization_id: UUID) -> Sequence[WorksheetRow]:
        """Return an organisation's worksheets, the oldest first, which is its default one."""
        query = sa.select(WorksheetRow).where(WorksheetRow.organization_id == organization_id)
        with self._reading() as session:
            return session.scalars(query.order_by(WorksheetRow.created_at, WorksheetRow.id)).all()

    def worksheet(self, organization_id: UUID, worksheet_id: UUID | None) -> WorksheetRow | None:
        """Return a worksheet of an organisation, its default one without an id; None if there is no such worksheet."""
        cache_key = (organization_id, worksheet_id)
        if cache_key not in self._worksheets:
            condition = WorksheetRow.is_default if worksheet_id is None else WorksheetRow.id == worksheet_id
            query = sa.select(WorksheetRow).where(WorksheetRow.organization_id == organization_id, condition)
            with self._reading() as session:
                row = session.scalar(query)
            if row is None:
                return None
            self._worksheets[cache_key] = row
        return self._worksheets[cache_key]

    def add_worksheet(self, key: KeyRow, name: str) -> WorksheetRow:
        """Create a worksheet."""
        row = WorksheetRow(name=name, organization_id=key.organization_id, creator_id=key.user_id)
        with self._writing() as session:
            session.add(row)
        return _set_related(row, organization=key.organization, creator=key.user)

    # Queries

    def add_query(self, key: KeyRow, request: SubmitRequest, worksheet: WorksheetRow | None = None) -> QueryRow:
        """Store a new query as PENDING."""
        created_at = now()
        row = QueryRow(
            **msgspec.structs.asdict(request),
            status=models.PENDING,
            organization_id=key.organization_id,
            worksheet_id=worksheet.id if worksheet else None,
            creator_id=key.user_id,
            created_at=created_at,
            updated_at=created_at,
        )
        values = {column: getattr(row, attribute) for attribute, column in _QUERY_COLUMNS}
        if len(row.sql) > _LONG_SQL:
            long_sql = {"query_id": row.id, "sql": row.sql}
            self._write((_INSERT_QUERY, {**values, "query": ""}), (_INSERT_LONG_SQL, long_sql))
        else:
            self._write((_INSERT_QUERY, values))
        return _set_related(row, organization=key.organization, creator=key.user, worksheet=worksheet)

    def start_query(self, row: QueryRow) -> None:
        """Store that a query has been STARTED."""
        values = {"status": row.status, "started_at": row.started_at, "updated_at": row.updated_at}
        self._write((_UPDATE_QUERY, {"query_id": row.id, **values}))

    def finish_query(
        self, query_id: UUID, outcome: Outcome, *, started_at: datetime | None, finished_at: datetime, result_bytes: int
    ) -> None:
        """Store the end of a query."""
        times = {"started_at": started_at, "finished_at": finished_at, "updated_at": finished_at}
        values = {**msgspec.structs.asdict(outcome), **times, "result_bytes": result_bytes}
        self._write((_UPDATE_QUERY, {"query_id": query_id, **values}))

    def query(self, organization_id: UUID, query_id: UUID, kind: str = WORKSHEET_QUERY) -> QueryRow | None:
        """Return a query of an organisation; None if it has no such query of that kind."""
        conditions = (QueryRow.id == query_id, QueryRow.organization_id == organization_id, QueryRow.kind == kind)
        with self._reading() as session:
            rows = session.scalars(sa.select(QueryRow).where(*conditions)).all()
            return next(iter(_with_long_sql(session, rows)), None)

    def queries(self, worksheet_id: UUID, limit: int) -> Sequence[QueryRow]:
        """Return up to ``limit`` queries of a worksheet, the newest first."""
        query = sa.select(QueryRow).where(QueryRow.worksheet_id == worksheet_id)
        with self._reading() as session:
            rows = session.scalars(query.order_by(QueryRow.created_at.desc(), QueryRow.id).limit(limit)).all()
            return _with_long_sql(session, rows)

    def fail_unfinished(self, error: str) -> Sequence[UUID]:
        """Set every query that has not ended to FAILURE, and return their ids."""
        time, unfinished = now(), QueryRow.status.not_in(models.TERMINAL)
        failure = {"status": models.FAILURE, "error": error, "finished_at": time, "updated_at": time}
        with self._writing() as session:
            ids = session.scalars(sa.select(QueryRow.id).where(unfinished)).all()
            session.execute(sa.update(QueryRow).where(unfinished).values(failure))
        return ids

    # What the rows of ended queries take

    def stored_bytes(self) -> int:
        """Return how many bytes the rows of all ended queries take."""
        with self._reading() as session:
            return session.scalar(sa.select(sa.func.coalesce(sa.func.sum(QueryRow.result_bytes), 0))) or 0

    def results_over(self, total_bytes: int) -> Sequence[UUID]:
        """Return the queries whose rows are beyond the limit, if rows are counted from the newest query on."""
        total = sa.func.sum(QueryRow.result_bytes).over(order_by=(QueryRow.finished_at.desc(), QueryRow.id))
        totals = sa.select(QueryRow.id, total.label("total")).where(QueryRow.result_bytes > 0).subquery()
        with self._reading() as session:
            return session.scalars(sa.select(totals.c.id).where(totals.c.total > total_bytes)).all()

    def expire_results(self, query_ids: Iterable[UUID]) -> None:
        """Store that the rows of these queries are deleted."""
        expired = sa.update(QueryRow).where(QueryRow.id.in_(list(query_ids))).values(result_bytes=0, expired=True)
        with self._writing() as session:
            session.execute(expired)

    @contextmanager
    def _reading(self) -> Iterator[Session]:
        with _own_errors(), self._read_sessions() as session:
            yield session

    @contextmanager
    def _writing(self) -> Iterator[Session]:
        with _own_errors(), self._write_sessions.begin() as session:
            yield session

    def _write(self, *statements: tuple[sa.Insert | sa.Update, Mapping[str, Any]]) -> None:
        """Execute statements with their values in one transaction, on the connection that stays open for this."""
        with _own_errors(), self._write_lock, self._write_connection.begin():
            for statement, values in statements:
                self._write_connection.execute(statement, values)


@contextmanager
def _own_errors() -> Iterator[None]:
    try:
        yield
    except SQLAlchemyError as error:
        raise StoreError(str(error)) from error


def _with_long_sql(session: Session, rows: Sequence[QueryRow]) -> Sequence[QueryRow]:
    """Return rows with their SQL, where that is in a row of its own."""
    incomplete = {row.id: row for row in rows if not row.sql}
    if incomplete:
        for long_sql in session.scalars(sa.select(LongSqlRow).where(LongSqlRow.query_id.in_(incomplete))):
            set_committed_value(incomplete[long_sql.query_id], "sql", long_sql.sql)
    return rows


def _set_related(row: R, **related: object) -> R:
    """Set related rows that are at hand; SQLAlchemy would read them from the database, which doubles the time."""
    for name, value in related.items():
        set_committed_value(row, name, value)
    return row


def _add_organization(session: Session) -> tuple[OrganizationRow, UserRow]:
    user = UserRow(email="local@localhost.localdomain", first_name="Local", last_name="User")
    organization = OrganizationRow(name="Local")
    session.add(WorksheetRow(name="Default", is_default=True, organization=organization, creator=user))
    session.flush()
    return organization, user
