"""What goes over the wire, as frozen dataclasses: the schemas of the contract and its neighbours.

JSON is read once, at the edge, by :func:`parse`; :func:`to_wire` is its inverse. A field without a default is required
by the published schema. Fields that the schema does not know are kept in ``extra``.
"""

from __future__ import annotations

import functools
import typing
from collections.abc import Mapping
from dataclasses import MISSING, dataclass, field, fields, is_dataclass
from datetime import datetime, timezone
from typing import Any, TypeVar
from uuid import UUID

import msgspec

from roe_magic.errors import ProtocolError

T = TypeVar("T")

# Celery's task states, which the API speaks. Any other word is not terminal.
PENDING, STARTED, RETRY, SUCCESS, FAILURE, REVOKED = "PENDING", "STARTED", "RETRY", "SUCCESS", "FAILURE", "REVOKED"
STATES = (PENDING, STARTED, RETRY, SUCCESS, FAILURE, REVOKED)
TERMINAL = frozenset({SUCCESS, FAILURE, REVOKED})

ARROW_STREAM = "application/vnd.apache.arrow.stream"
NDJSON = "application/x-ndjson"
# The schema metadata key under which an Arrow stream carries its StatementResult, all but the rows, as JSON.
ARROW_KEY = b"roe.statement"
# An optional field that is left out of the JSON when it is None.
OMIT = {"omit": True}


class Model:
    """A frozen dataclass of the wire."""

    __slots__ = ()
    extra: Mapping[str, Any]


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
class WorksheetQuery(Model):
    """One query of a worksheet, as the submit endpoint answers it."""

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


def parse(kind: type[T], payload: object) -> T:
    """Read one decoded JSON value as a model.

    Parameters
    ----------
    kind : type
        A model class of this module.
    payload : object
        What a JSON decoder gave.

    Returns
    -------
    An instance of ``kind``; times are time-zone aware (UTC where the server named no zone).

    Raises
    ------
    ProtocolError
        Names every required field that is missing, or the field whose value has the wrong type.
    """
    missing = list(_missing(kind, payload, ""))
    if missing:
        raise ProtocolError(
            f"The server's answer is not a {kind.__name__}: it lacks {', '.join(missing)}.",
            hint="Check ROE_BASE_URL: is this address Roe's API?",
        )
    return typing.cast("T", _read(kind, payload, kind.__name__))


def to_wire(model: Model) -> dict[str, Any]:
    """Turn a model into what a JSON encoder takes: strings for UUIDs and times, nested dicts, extra fields merged."""
    wire: dict[str, Any] = {}
    for spec in fields(model):  # type: ignore[arg-type]  # every Model is a dataclass
        value = getattr(model, spec.name)
        if spec.name != "extra" and not (value is None and spec.metadata.get("omit")):
            wire[spec.name] = _plain(value)
    return {**wire, **model.extra}


def _plain(value: Any) -> Any:
    if isinstance(value, Model):
        return to_wire(value)
    if isinstance(value, list) and value and isinstance(value[0], Model):
        return [to_wire(item) for item in value]
    return msgspec.to_builtins(value)


def _missing(kind: Any, payload: object, where: str) -> typing.Iterator[str]:
    """Yield the dotted path of every required field that the payload lacks, at all depths."""
    if not isinstance(payload, Mapping):
        raise _wrong_kind(kind, where.removesuffix(".") or "it", payload, "an object")
    for name, (hint, required) in _shape(kind).items():
        if name not in payload:
            if required:
                yield where + name
            continue
        value, model = payload[name], _model_in(hint)
        if model is None or value is None:
            continue
        if not _is_list(hint):
            yield from _missing(model, value, f"{where}{name}.")
        elif isinstance(value, list):
            for index, item in enumerate(value):
                yield from _missing(model, item, f"{where}{name}[{index}].")
        else:
            raise _wrong_kind(kind, where + name, value, "a list")


def _read(hint: Any, value: object, where: str) -> Any:
    model = _model_in(hint)
    if model is None or value is None:
        return _convert(hint, value, where)
    if isinstance(value, list):
        return [_read(model, item, f"{where}[{index}]") for index, item in enumerate(value)]
    assert isinstance(value, Mapping)  # _missing has looked at the same payload
    shape = _shape(model)
    known = {name: _read(shape[name][0], item, f"{where}.{name}") for name, item in value.items() if name in shape}
    return model(**known, extra={name: item for name, item in value.items() if name not in shape})


def _convert(hint: Any, value: object, where: str) -> Any:
    if hint is Any:
        return value
    try:
        result = msgspec.convert(value, hint, strict=False)
    except (msgspec.ValidationError, OverflowError) as error:
        raise ProtocolError(f"The server's answer has a field of the wrong type: {where}: {error}.") from None
    if isinstance(result, datetime) and result.tzinfo is None:
        return result.replace(tzinfo=timezone.utc)
    return result


@functools.cache
def _shape(kind: Any) -> dict[str, tuple[Any, bool]]:
    """Map each field of a model to its type and whether the schema requires it."""
    hints = typing.get_type_hints(kind)
    return {
        spec.name: (hints[spec.name], spec.default is MISSING and spec.default_factory is MISSING)
        for spec in fields(kind)
        if spec.name != "extra"
    }


def _model_in(hint: Any) -> Any:
    """Find the model inside ``M``, ``M | None`` or ``list[M]``, if there is one."""
    if is_dataclass(hint):
        return hint
    return next((found for part in typing.get_args(hint) if (found := _model_in(part)) is not None), None)


def _is_list(hint: Any) -> bool:
    """Whether a field holds a list, or a list or null."""
    return typing.get_origin(hint) is list or any(typing.get_origin(part) is list for part in typing.get_args(hint))


def _wrong_kind(kind: Any, where: str, value: object, wanted: str) -> ProtocolError:
    return ProtocolError(
        f"The server's answer is not a {kind.__name__}: {where} is {_kind_of(value)}, not {wanted}.",
        hint="Check ROE_BASE_URL: is this address Roe's API?",
    )


def _kind_of(value: object) -> str:
    names = {type(None): "null", bool: "a boolean", int: "a number", float: "a number", str: "a string"}
    return names.get(type(value), "a list" if isinstance(value, list) else "an object")
