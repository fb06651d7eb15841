"""The schemas of the published API, and of its local extensions, as frozen dataclasses.

A field without a default is required by the published schema. Fields of the JSON that the schema does not have are
kept in ``extra``. :mod:`roe_magic.contract.codec` converts models from and to JSON.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from roe_magic.contract.codec import OMIT_IF_NONE, Model

# Celery's task states, which the API uses as a query's status. A status that is none of them is not terminal.
PENDING, STARTED, RETRY, SUCCESS, FAILURE, REVOKED = "PENDING", "STARTED", "RETRY", "SUCCESS", "FAILURE", "REVOKED"
STATES = (PENDING, STARTED, RETRY, SUCCESS, FAILURE, REVOKED)
ENDED_BADLY = frozenset({FAILURE, REVOKED})
TERMINAL = ENDED_BADLY | {SUCCESS}

ARROW_STREAM, ARROW_FILE = "application/vnd.apache.arrow.stream", "application/vnd.apache.arrow.file"
PARQUET, NDJSON, CSV = "application/vnd.apache.parquet", "application/x-ndjson", "text/csv"
# The files that an upload to the local service takes.
UPLOAD_TYPES = (CSV, ARROW_STREAM, ARROW_FILE, PARQUET, NDJSON)
# What an upload's `types` may also say of a column of a CSV file: which number of a date is the day.
CSV_DATE_TYPES = ("DateDMY", "DateMDY", "DateTimeDMY", "DateTimeMDY")
# The key in an Arrow stream's schema metadata whose value is the Statement as JSON, without its rows.
STATEMENT_METADATA_KEY = b"roe.statement"
# The field of a submit's response that holds a small result: the Arrow streams of all statements in base64.
RESULT_ARROW_FIELD = "result_arrow"


@dataclass(frozen=True, kw_only=True)
class OrganizationSlim(Model):
    """An organisation, as it stands inside other objects."""

    id: UUID
    name: str
    created_at: datetime


@dataclass(frozen=True, kw_only=True)
class UserInfo(Model):
    """A user, as they stand inside other objects."""

    id: int
    email: str
    display_name: str
    first_name: str | None = field(default=None, metadata=OMIT_IF_NONE)
    last_name: str | None = field(default=None, metadata=OMIT_IF_NONE)


@dataclass(frozen=True, kw_only=True)
class Worksheet(Model):
    """A worksheet: the folder that queries belong to."""

    id: UUID
    name: str
    created_at: datetime
    updated_at: datetime
    creator: UserInfo | None = None
    organization: OrganizationSlim | None = field(default=None, metadata=OMIT_IF_NONE)


@dataclass(frozen=True, kw_only=True)
class WorksheetQueryResponse(Model):
    """The contract's WorksheetQuery: one query of a worksheet, as the submit endpoint returns it."""

    id: UUID
    worksheet: Worksheet | None = field(default=None, metadata=OMIT_IF_NONE)
    organization: OrganizationSlim | None = field(default=None, metadata=OMIT_IF_NONE)
    creator: UserInfo | None = None
    created_at: datetime
    updated_at: datetime
    finished_at: datetime | None
    query: str
    query_task_id: str | None
    query_task_status: str | None
    error: str | None
    ai_summary: str | None
    # An extension of the local service, as in QueryStatus.
    notices: list[str] | None = field(default=None, metadata=OMIT_IF_NONE)


@dataclass(frozen=True, kw_only=True)
class WorksheetQueryCreateRequest(Model):
    """The body of a submit request."""

    query: str
    worksheet_id: UUID | None = None
    use_admin: bool = False
    organization_id: UUID | None = field(default=None, metadata=OMIT_IF_NONE)


@dataclass(frozen=True, kw_only=True)
class Progress(Model):
    """How far a running query is, in the figures of ClickHouse's progress. Not part of the published API."""

    read_rows: int = 0
    read_bytes: int = 0
    total_rows_to_read: int = 0
    written_rows: int = 0
    written_bytes: int = 0
    elapsed_ns: int = 0
    # The statement that runs, counted from 0, and the number of statements.
    statement: int = 0
    statements: int = 1


@dataclass(frozen=True, kw_only=True)
class QueryStatus(Model):
    """DatabaseQueryStatusResponse: a query's status."""

    worksheet_query_id: UUID
    status: str | None
    error: str | None = None
    # The published schema allows it to be absent, but not null.
    created_at: datetime | None = field(default=None, metadata=OMIT_IF_NONE)
    finished_at: datetime | None = None
    # Extensions of the local service; Roe's API does not send them.
    started_at: datetime | None = field(default=None, metadata=OMIT_IF_NONE)
    progress: Progress | None = field(default=None, metadata=OMIT_IF_NONE)
    # What the user should know about how an ended query was run, a sentence each; absent if there is nothing.
    notices: list[str] | None = field(default=None, metadata=OMIT_IF_NONE)


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


@dataclass(frozen=True, kw_only=True)
class Statement(Model):
    """The result of one statement, an item of ``results``. ``result_rows`` may be null where there are none."""

    query: str | None = None
    summary: Summary | None = None
    row_count: int | None = None
    column_names: list[str] = field(default_factory=list)
    column_types: list[str] = field(default_factory=list)
    result_rows: Any = None
    start_timestamp: float | None = None
    end_timestamp: float | None = None
    query_id: str | None = None
    # Extensions of the local service: the row of WITH TOTALS, and the two rows of ClickHouse's setting `extremes`.
    totals: list[Any] | None = field(default=None, metadata=OMIT_IF_NONE)
    extremes: list[list[Any]] | None = field(default=None, metadata=OMIT_IF_NONE)


@dataclass(frozen=True, kw_only=True)
class QueryResult(Model):
    """The response of the result endpoint; ``results`` has one item per statement."""

    worksheet_query_id: UUID
    status: str | None
    results: list[Statement] | None = None
    error: str | None = None


@dataclass(frozen=True, kw_only=True)
class TableColumn(Model):
    """A column's name and ClickHouse type."""

    name: str
    type: str


@dataclass(frozen=True, kw_only=True)
class Table(Model):
    """A table and its columns."""

    name: str
    columns: list[TableColumn]


@dataclass(frozen=True, kw_only=True)
class TableList(Model):
    """TableListResponse: the tables of an organisation."""

    results: list[Table]
    total: int
    # An extension of the local service: the media types of the files that an upload takes; CSV alone if it is absent.
    # A server that sends it also takes the fields `types`, `replace` and `dry_run` of an upload.
    upload_types: list[str] | None = field(default=None, metadata=OMIT_IF_NONE)


@dataclass(frozen=True, kw_only=True)
class TableDescription(Model):
    """TableDescribeResponse: a table's columns and size."""

    table_name: str
    columns: list[TableColumn]
    row_count: int | None
    updated_at: datetime | None


@dataclass(frozen=True, kw_only=True)
class TablePreview(Model):
    """TablePreviewResponse: a table's first rows, as dicts by column name."""

    table_name: str
    columns: list[TableColumn]
    rows: list[dict[str, Any]]
    row_count: int


@dataclass(frozen=True, kw_only=True)
class UploadColumn(Model):
    """A column of an uploaded file: its ClickHouse type, and why it is that one; no reason where it is plain."""

    name: str
    type: str
    reason: str | None = field(default=None, metadata=OMIT_IF_NONE)


@dataclass(frozen=True, kw_only=True)
class TableUpload(Model):
    """TableUploadResponse: the table that an upload created."""

    table_name: str
    organization_id: UUID
    summary: Any = None
    # Extensions of the local service. What the user should know about how the file was read, a sentence each; and
    # whether the file was only looked at, and no table created.
    columns: list[UploadColumn] | None = field(default=None, metadata=OMIT_IF_NONE)
    notices: list[str] | None = field(default=None, metadata=OMIT_IF_NONE)
    dry_run: bool | None = field(default=None, metadata=OMIT_IF_NONE)


@dataclass(frozen=True, kw_only=True)
class User(Model):
    """The user whose API key a request has."""

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
