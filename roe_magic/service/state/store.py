"""The service's own state in SQLite: organisations, users, keys, worksheets and queries.

Every method is one short transaction that is on disk when the method returns (write-ahead log, so a killed process
loses nothing). Methods are plain and blocking: a query by primary key takes a fraction of a millisecond.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.orm import Session, sessionmaker
from sqlalchemy.orm.attributes import set_committed_value

from roe_magic.contract import models
from roe_magic.service.state import api_keys, schema
from roe_magic.service.state.schema import Key, Organization, Query, User, Worksheet, now

# The revision of the last step in ``migrations``.
NEWEST = "001"

_BUSY_SECONDS = 30

R = TypeVar("R", bound=schema.Base)

# Every query is inserted and updated once; a session would take five times as long for it.
_COLUMNS = [column.name for column in Query.__table__.columns]
_INSERT = sa.insert(Query)
_UPDATE = sa.update(Query).where(Query.id == sa.bindparam("query_id"))


class Store:
    """The state of one data folder.

    Parameters
    ----------
    path : Path
        The SQLite file; made, or brought to the present schema, when the store is opened.
    """

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._engine = sa.create_engine(
            sa.URL.create("sqlite", database=str(path)), connect_args={"timeout": _BUSY_SECONDS}
        )
        sa.event.listen(self._engine, "connect", _configure)
        sa.event.listen(self._engine, "begin", _begin)
        self._session = sessionmaker(self._engine, expire_on_commit=False)
        # SQLite refuses to turn a read into a write when another process has written in between.
        writing = self._engine.execution_options(begin="IMMEDIATE")
        self._writing = sessionmaker(writing, expire_on_commit=False)
        # Every submit asks for these, and they never change.
        self._keys: dict[str, Key] = {}
        self._worksheets: dict[tuple[UUID, UUID | None], Worksheet] = {}
        try:
            _migrate(self._engine)
            self._writer, self._writes = writing.connect(), threading.Lock()
        except BaseException:
            self._engine.dispose()
            raise

    def close(self) -> None:
        """Close every connection."""
        self._writer.close()
        self._engine.dispose()

    # Who

    def first_start(self) -> tuple[Organization, User]:
        """Find the organisation and user of this data folder; make them, and a default worksheet, at first start."""
        with self._writing.begin() as session:
            organization = session.scalar(sa.select(Organization).order_by(Organization.created_at))
            user = session.scalar(sa.select(User).order_by(User.id))
            if organization is None or user is None:
                user = User(email="local@localhost.localdomain", first_name="Local", last_name="User")
                organization = _organization(session, "Local", user)
            return organization, user

    def add_organization(self, name: str, user: User) -> Organization:
        """Make an organisation with its default worksheet."""
        with self._writing.begin() as session:
            return _organization(session, name, session.merge(user))

    def add_key(self, organization: Organization, user: User, *, admin: bool) -> str:
        """Make a key of an organisation; this is the only time that its text is known."""
        key, key_id, digest = api_keys.make()
        row = Key(id=key_id, digest=digest, admin=admin, organization_id=organization.id, user_id=user.id)
        with self._writing.begin() as session:
            session.add(row)
        return key

    def key(self, text: str) -> Key | None:
        """Find the key whose text this is, with its organisation and user."""
        key_id = api_keys.id_of(text)
        if key_id is None:
            return None
        row = self._keys.get(key_id)
        if row is None:
            with self._session() as session:
                row = session.get(Key, key_id)
        if row is None or not api_keys.matches(text, row.digest):
            return None
        return self._keys.setdefault(key_id, row)

    # Worksheets

    def worksheets(self, organization_id: UUID) -> Sequence[Worksheet]:
        """List an organisation's worksheets, the oldest (its default one) first."""
        found = sa.select(Worksheet).where(Worksheet.organization_id == organization_id)
        with self._session() as session:
            return session.scalars(found.order_by(Worksheet.created_at, Worksheet.id)).all()

    def worksheet(self, organization_id: UUID, worksheet_id: UUID | None) -> Worksheet | None:
        """Find one worksheet of an organisation; its default one when no id is given."""
        known = (organization_id, worksheet_id)
        if known not in self._worksheets:
            which = Worksheet.is_default if worksheet_id is None else Worksheet.id == worksheet_id
            with self._session() as session:
                row = session.scalar(sa.select(Worksheet).where(Worksheet.organization_id == organization_id, which))
            if row is None:
                return None
            self._worksheets[known] = row
        return self._worksheets[known]

    def add_worksheet(self, key: Key, name: str) -> Worksheet:
        """Make a worksheet."""
        row = Worksheet(name=name, organization_id=key.organization_id, creator_id=key.user_id)
        with self._writing.begin() as session:
            session.add(row)
        return _related(row, organization=key.organization, creator=key.user)

    # Queries

    def add_query(self, key: Key, sql: str, worksheet: Worksheet | None = None, **columns: Any) -> Query:
        """Keep a submission as PENDING; it is on disk when this returns."""
        made = now()
        row = Query(
            query=sql,
            status=models.PENDING,
            organization_id=key.organization_id,
            worksheet_id=worksheet.id if worksheet else None,
            creator_id=key.user_id,
            created_at=made,
            updated_at=made,
            **columns,
        )
        self._write(_INSERT, {name: getattr(row, name) for name in _COLUMNS})
        return _related(row, organization=key.organization, creator=key.user, worksheet=worksheet)

    def query(self, organization_id: UUID, query_id: UUID, kind: str = schema.WORKSHEET) -> Query | None:
        """Find one query of an organisation."""
        mine = (Query.id == query_id, Query.organization_id == organization_id, Query.kind == kind)
        with self._session() as session:
            return session.scalar(sa.select(Query).where(*mine))

    def queries(self, worksheet_id: UUID, limit: int) -> Sequence[Query]:
        """List the queries of a worksheet, the newest first."""
        found = sa.select(Query).where(Query.worksheet_id == worksheet_id)
        with self._session() as session:
            return session.scalars(found.order_by(Query.created_at.desc(), Query.id).limit(limit)).all()

    def finish(self, query_id: UUID, **columns: Any) -> None:
        """Write down what became of a query."""
        self._write(_UPDATE, {"query_id": query_id, **columns})

    def fail_unfinished(self, error: str) -> Sequence[UUID]:
        """Give every query that has not ended the status FAILURE, and list them."""
        time, unfinished = now(), Query.status.not_in(models.TERMINAL)
        failed = sa.update(Query).values(status=models.FAILURE, error=error, finished_at=time, updated_at=time)
        with self._writing.begin() as session:
            ids = session.scalars(sa.select(Query.id).where(unfinished)).all()
            session.execute(failed.where(unfinished))
        return ids

    def stored_bytes(self) -> int:
        """Add up what the rows of all ended queries take."""
        with self._session() as session:
            return session.scalar(sa.select(sa.func.coalesce(sa.func.sum(Query.result_bytes), 0))) or 0

    def results_over(self, total_bytes: int) -> Sequence[UUID]:
        """List the queries, oldest first, whose stored rows are more than the newest ``total_bytes`` of them."""
        running = sa.func.sum(Query.result_bytes).over(order_by=(Query.finished_at.desc(), Query.id))
        kept = sa.select(Query.id, running.label("total")).where(Query.result_bytes > 0).subquery()
        with self._session() as session:
            return session.scalars(sa.select(kept.c.id).where(kept.c.total > total_bytes)).all()

    def forget_results(self, query_ids: Iterable[UUID]) -> None:
        """Note that the rows of these queries are gone."""
        with self._writing.begin() as session:
            session.execute(sa.update(Query).where(Query.id.in_(list(query_ids))).values(result_bytes=0, expired=True))

    def _write(self, statement: sa.Insert | sa.Update, values: Mapping[str, Any]) -> None:
        """Run one statement in a transaction of its own, on the connection that is kept for this."""
        with self._writes, self._writer.begin():
            self._writer.execute(statement, values)


def _related(row: R, **related: object) -> R:
    """Set what is known already: reading it back would double the time."""
    for name, value in related.items():
        set_committed_value(row, name, value)
    return row


def _organization(session: Session, name: str, creator: User) -> Organization:
    organization = Organization(name=name)
    session.add_all([organization, creator])
    session.add(Worksheet(name="Default", is_default=True, organization=organization, creator=creator))
    session.flush()
    return organization


def _configure(connection: Any, _: Any) -> None:
    # SQLAlchemy shall say when a transaction begins, not the driver, which leaves DDL outside of one.
    connection.isolation_level = None
    for pragma in ("journal_mode = WAL", "synchronous = NORMAL", "foreign_keys = ON"):
        connection.execute(f"PRAGMA {pragma}")


def _begin(connection: sa.Connection) -> None:
    connection.exec_driver_sql(f"BEGIN {connection.get_execution_options().get('begin', '')}")


def _migrate(engine: sa.Engine) -> None:
    """Bring the file to the present schema in one transaction; a second process waits for the first."""
    with engine.connect().execution_options(begin="IMMEDIATE") as connection, connection.begin():
        if _version(connection) != NEWEST:
            from roe_magic.service.state import migrations  # Alembic takes a third of a second

            migrations.upgrade(connection)


def _version(connection: sa.Connection) -> str | None:
    if not sa.inspect(connection).has_table("alembic_version"):
        return None
    return connection.exec_driver_sql("SELECT version_num FROM alembic_version").scalar()
