"""What goes over the wire, as frozen dataclasses: the schemas of the contract and its neighbours.

A field without a default is required by the published schema. Fields that the schema does not know are kept in
``extra``. :mod:`roe_magic.contract.codec` reads and writes them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from roe_magic.contract.codec import OMIT, Model

# Celery's task states, which the API speaks. Any other word is not terminal.
PENDING, STARTED, RETRY, SUCCESS, FAILURE, REVOKED = "PENDING", "STARTED", "RETRY", "SUCCESS", "FAILURE", "REVOKED"
STATES = (PENDING, STARTED, RETRY, SUCCESS, FAILURE, REVOKED)
TERMINAL = frozenset({SUCCESS, FAILURE, REVOKED})

ARROW_STREAM = "application/vnd.apache.arrow.stream"
NDJSON = "application/x-ndjson"
# The schema metadata key under which an Arrow stream carries its StatementResult, all but the rows, as JSON.
ARROW_KEY = b"roe.statement"
# The field of a submit's answer that holds the whole result, where it is small: the Arrow streams in base64.
RESULT_FIELD = "result_arrow"


@dataclass(frozen=True, kw_only=True)
class OrganizationSlim(Model):
    """An organisation, as other objects name it."""

    id: UUID
    name: str
    created_at: datetime
    extra: Mapping[str, Any] = field(default_factory=dict, compare=False, repr=False)


@dataclass(frozen=True, kw_only=True)
class UserInfo(Model):
    """A user, as other objects name them."""

    id: int
    email: str
    display_name: str
    first_name: str | None = field(default=None, metadata=OMIT)
    last_name: str | None = field(default=None, metadata=OMIT)
    extra: Mapping[str, Any] = field(default_factory=dict, compare=False, repr=False)


@dataclass(frozen=True, kw_only=True)
class Worksheet(Model):
    """A worksheet: the folder that queries belong to."""

    id: UUID
    name: str
    created_at: datetime
    updated_at: datetime
    creator: UserInfo | None = None
    organization: OrganizationSlim | None = field(default=None, metadata=OMIT)
    extra: Mapping[str, Any] = field(default_factory=dict, compare=False, repr=False)


@dataclass(frozen=True, kw_only=True)
class WorksheetQueryResponse(Model):
    """The contract's WorksheetQuery: one query of a worksheet, as the submit endpoint answers it."""

    id: UUID
    worksheet: Worksheet | None = field(default=None, metadata=OMIT)
    organization: OrganizationSlim | None = field(default=None, metadata=OMIT)
    creator: UserInfo | None = None
    created_at: datetime
    updated_at: datetime
    finished_at: datetime | None
    query: str
    query_task_id: str | None
    query_task_status: str | None
    error: str | None
    ai_summary: str | None
    extra: Mapping[str, Any] = field(default_factory=dict, compare=False, repr=False)


@dataclass(frozen=True, kw_only=True)
class WorksheetQueryCreateRequest(Model):
    """The body of a submit."""

    query: str
    worksheet_id: UUID | None = None
    use_admin: bool = False
    organization_id: UUID | None = field(default=None, metadata=OMIT)
    extra: Mapping[str, Any] = field(default_factory=dict, compare=False, repr=False)


@dataclass(frozen=True, kw_only=True)
class Progress(Model):
    """How far a running query is, in ClickHouse's own figures. Not part of the published API."""

    read_rows: int = 0
    read_bytes: int = 0
    total_rows_to_read: int = 0
    written_rows: int = 0
    written_bytes: int = 0
    elapsed_ns: int = 0
    # Which statement runs (from 0) and how many there are.
    statement: int = 0
    statements: int = 1
    extra: Mapping[str, Any] = field(default_factory=dict, compare=False, repr=False)


@dataclass(frozen=True, kw_only=True)
class QueryStatus(Model):
    """DatabaseQueryStatusResponse: where a query stands."""

    worksheet_query_id: UUID
    status: str | None
    error: str | None = None
    # The schema lets it be absent, but not null.
    created_at: datetime | None = field(default=None, metadata=OMIT)
    finished_at: datetime | None = None
    # Ours, optional on the wire.
    started_at: datetime | None = field(default=None, metadata=OMIT)
    progress: Progress | None = field(default=None, metadata=OMIT)
    extra: Mapping[str, Any] = field(default_factory=dict, compare=False, repr=False)


@dataclass(frozen=True, kw_only=True)
class Summary(Model):
    """ClickHouse's X-ClickHouse-Summary of one statement."""

    read_rows: int = 0
    read_bytes: int = 0
    written_rows: int = 0
    written_bytes: int = 0
    total_rows_to_read: int = 0
    result_rows: int = 0
    result_bytes: int = 0
    elapsed_ns: int = 0
    query_id: str | None = None
    extra: Mapping[str, Any] = field(default_factory=dict, compare=False, repr=False)


@dataclass(frozen=True, kw_only=True)
class Statement(Model):
    """One item of ``results``: what one statement gave. ``result_rows`` may be null when there are none."""

    query: str | None = None
    summary: Summary | None = None
    row_count: int | None = None
    column_names: list[str] = field(default_factory=list)
    column_types: list[str] = field(default_factory=list)
    result_rows: Any = None
    start_timestamp: float | None = None
    end_timestamp: float | None = None
    query_id: str | None = None
    extra: Mapping[str, Any] = field(default_factory=dict, compare=False, repr=False)


@dataclass(frozen=True, kw_only=True)
class QueryResult(Model):
    """The result endpoint's answer; ``results`` has one item per statement."""

    worksheet_query_id: UUID
    status: str | None
    results: list[Statement] | None = None
    error: str | None = None
    extra: Mapping[str, Any] = field(default_factory=dict, compare=False, repr=False)


@dataclass(frozen=True, kw_only=True)
class TableColumn(Model):
    """A column's name and ClickHouse type."""

    name: str
    type: str
    extra: Mapping[str, Any] = field(default_factory=dict, compare=False, repr=False)


@dataclass(frozen=True, kw_only=True)
class Table(Model):
    """A table and its columns."""

    name: str
    columns: list[TableColumn]
    extra: Mapping[str, Any] = field(default_factory=dict, compare=False, repr=False)


@dataclass(frozen=True, kw_only=True)
class TableList(Model):
    """TableListResponse."""

    results: list[Table]
    total: int
    extra: Mapping[str, Any] = field(default_factory=dict, compare=False, repr=False)


@dataclass(frozen=True, kw_only=True)
class TableDescription(Model):
    """TableDescribeResponse."""

    table_name: str
    columns: list[TableColumn]
    row_count: int | None
    updated_at: datetime | None
    extra: Mapping[str, Any] = field(default_factory=dict, compare=False, repr=False)


@dataclass(frozen=True, kw_only=True)
class TablePreview(Model):
    """TablePreviewResponse; ``rows`` are keyed by column name."""

    table_name: str
    columns: list[TableColumn]
    rows: list[dict[str, Any]]
    row_count: int
    extra: Mapping[str, Any] = field(default_factory=dict, compare=False, repr=False)


@dataclass(frozen=True, kw_only=True)
class TableUpload(Model):
    """TableUploadResponse."""

    table_name: str
    organization_id: UUID
    summary: Any = None
    extra: Mapping[str, Any] = field(default_factory=dict, compare=False, repr=False)


@dataclass(frozen=True, kw_only=True)
class User(Model):
    """The caller."""

    id: int
    email: str
    first_name: str
    last_name: str
    display_name: str
    date_joined: datetime
    is_staff: bool = False
    is_superuser: bool = False
    is_active: bool = True
    is_first_login: bool = True
    is_email_verified: bool = False
    is_mfa_enabled: bool = True
    extra: Mapping[str, Any] = field(default_factory=dict, compare=False, repr=False)
