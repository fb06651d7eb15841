"""The tables of the service's state as SQLAlchemy models; ``migrations`` creates them in the database."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from uuid import UUID, uuid4

import sqlalchemy as sa
from sqlalchemy.orm import DeclarativeBase, Mapped, MappedAsDataclass, mapped_column, relationship

_EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)


def now() -> datetime:
    """Return the present time in UTC."""
    return datetime.now(timezone.utc)


class UtcTime(sa.types.TypeDecorator[datetime]):
    """A time, stored as whole microseconds since 1970, which SQLite sorts and compares exactly."""

    impl = sa.BigInteger
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: sa.Dialect) -> int | None:  # noqa: D102  # SQLAlchemy's
        return None if value is None else (value - _EPOCH) // timedelta(microseconds=1)

    def process_result_value(self, value: int | None, dialect: sa.Dialect) -> datetime | None:  # noqa: D102  # SQLAlchemy's
        return None if value is None else _EPOCH + timedelta(microseconds=value)


class Base(DeclarativeBase):
    """The base class of all models."""

    type_annotation_map = {datetime: UtcTime}  # noqa: RUF012  # SQLAlchemy reads it from the class


class OrganizationRow(Base):
    """An organisation: it owns worksheets, queries and one database of tables."""

    __tablename__ = "organizations"
    id: Mapped[UUID] = mapped_column(primary_key=True, default=uuid4)
    name: Mapped[str]
    created_at: Mapped[datetime] = mapped_column(default=now)

    @property
    def database(self) -> str:
        """The name of the organisation's database in the engine."""
        return f"org_{self.id.hex}"


class UserRow(Base):
    """A person; a request acts for the user of its key."""

    __tablename__ = "users"
    id: Mapped[int] = mapped_column(primary_key=True)
    email: Mapped[str] = mapped_column(unique=True)
    first_name: Mapped[str] = mapped_column(default="")
    last_name: Mapped[str] = mapped_column(default="")
    date_joined: Mapped[datetime] = mapped_column(default=now)

    @property
    def display_name(self) -> str:
        """The name to show."""
        return f"{self.first_name} {self.last_name}".strip() or self.email


class KeyRow(Base):
    """An API key; only the digest of its secret is stored."""

    __tablename__ = "keys"
    id: Mapped[str] = mapped_column(primary_key=True)
    digest: Mapped[bytes]
    admin: Mapped[bool]
    organization_id: Mapped[UUID] = mapped_column(sa.ForeignKey("organizations.id"))
    user_id: Mapped[int] = mapped_column(sa.ForeignKey("users.id"))
    created_at: Mapped[datetime] = mapped_column(default=now)

    organization: Mapped[OrganizationRow] = relationship(lazy="joined")
    user: Mapped[UserRow] = relationship(lazy="joined")


class WorksheetRow(Base):
    """A folder of queries."""

    __tablename__ = "worksheets"
    id: Mapped[UUID] = mapped_column(primary_key=True, default=uuid4)
    name: Mapped[str]
    is_default: Mapped[bool] = mapped_column(default=False)
    organization_id: Mapped[UUID] = mapped_column(sa.ForeignKey("organizations.id"), index=True)
    creator_id: Mapped[int | None] = mapped_column(sa.ForeignKey("users.id"))
    created_at: Mapped[datetime] = mapped_column(default=now)
    updated_at: Mapped[datetime] = mapped_column(default=now)

    organization: Mapped[OrganizationRow] = relationship(lazy="joined")
    creator: Mapped[UserRow | None] = relationship(lazy="joined")


class QueryRow(MappedAsDataclass, Base, kw_only=True, eq=False, repr=False):
    """A query and, once it has ended, its outcome.

    It is a dataclass, so that a new row has all its defaults before it is written.
    """

    __tablename__ = "queries"
    # sql, kind, use_admin and row_limit are the fields of SubmitRequest.
    id: Mapped[UUID] = mapped_column(primary_key=True, default_factory=uuid4)
    kind: Mapped[str]
    # The SQL, empty in the database if it is long: see LongSqlRow.
    sql: Mapped[str] = mapped_column("query")
    use_admin: Mapped[bool]
    row_limit: Mapped[int | None]
    task_id: Mapped[UUID] = mapped_column(default_factory=uuid4)
    status: Mapped[str] = mapped_column(index=True)
    error: Mapped[str | None] = mapped_column(default=None)
    # The completed statements without their rows: see results/manifest.py. The rows are files.
    statements: Mapped[bytes] = mapped_column(default=b"[]")
    notices: Mapped[list[str]] = mapped_column(sa.JSON, default_factory=list)
    result_bytes: Mapped[int] = mapped_column(sa.BigInteger, default=0)
    # Whether the rows were deleted to make room for newer ones.
    expired: Mapped[bool] = mapped_column(default=False)
    organization_id: Mapped[UUID] = mapped_column(sa.ForeignKey("organizations.id"))
    worksheet_id: Mapped[UUID | None] = mapped_column(sa.ForeignKey("worksheets.id"))
    creator_id: Mapped[int | None] = mapped_column(sa.ForeignKey("users.id"))
    created_at: Mapped[datetime]
    updated_at: Mapped[datetime]
    started_at: Mapped[datetime | None] = mapped_column(default=None)
    finished_at: Mapped[datetime | None] = mapped_column(default=None)

    organization: Mapped[OrganizationRow] = relationship(lazy="joined", init=False)
    worksheet: Mapped[WorksheetRow | None] = relationship(lazy="joined", init=False)
    creator: Mapped[UserRow | None] = relationship(lazy="joined", init=False)

    __table_args__ = (sa.Index("ix_queries_worksheet_created", "worksheet_id", "created_at"),)


class LongSqlRow(Base):
    """The SQL of a query, if it is long: in a row that is not written again when the query ends."""

    __tablename__ = "long_sql"
    query_id: Mapped[UUID] = mapped_column(sa.ForeignKey("queries.id"), primary_key=True)
    sql: Mapped[str]
