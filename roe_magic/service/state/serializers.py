"""Rows of the state as the models that go over the wire."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from roe_magic.contract import codec, models

if TYPE_CHECKING:
    from roe_magic.service.state import schema


def organization(row: schema.Organization) -> models.OrganizationSlim:
    """Show an organisation."""
    return models.OrganizationSlim(id=row.id, name=row.name, created_at=row.created_at)


def user_info(row: schema.User) -> models.UserInfo:
    """Show a user inside another object."""
    return models.UserInfo(
        id=row.id, email=row.email, display_name=row.display_name, first_name=row.first_name, last_name=row.last_name
    )


def user(row: schema.User) -> models.User:
    """Show the caller."""
    return models.User(
        id=row.id,
        email=row.email,
        first_name=row.first_name,
        last_name=row.last_name,
        display_name=row.display_name,
        date_joined=row.date_joined,
        is_first_login=False,
        is_mfa_enabled=False,
    )


def worksheet(row: schema.Worksheet) -> models.Worksheet:
    """Show a worksheet."""
    return models.Worksheet(
        id=row.id,
        name=row.name,
        created_at=row.created_at,
        updated_at=row.updated_at,
        creator=user_info(row.creator) if row.creator else None,
        organization=organization(row.organization),
    )


def worksheet_query(row: schema.Query) -> models.WorksheetQueryResponse:
    """Show a query of a worksheet."""
    return models.WorksheetQueryResponse(
        id=row.id,
        worksheet=worksheet(row.worksheet) if row.worksheet else None,
        organization=organization(row.organization),
        creator=user_info(row.creator) if row.creator else None,
        created_at=row.created_at,
        updated_at=row.updated_at,
        finished_at=row.finished_at,
        query=row.query,
        query_task_id=str(row.task_id),
        query_task_status=row.status,
        error=row.error,
        ai_summary=None,
    )


def status(row: schema.Query, progress: models.Progress | None = None) -> models.QueryStatus:
    """Show where a query stands."""
    return models.QueryStatus(
        worksheet_query_id=row.id,
        status=row.status,
        error=row.error,
        created_at=row.created_at,
        finished_at=row.finished_at,
        started_at=row.started_at,
        progress=progress,
    )


def statements_out(statements: list[models.Statement]) -> bytes:
    """Encode statements, without their rows, for the state: a JSON list."""
    items = [codec.to_wire(one) for one in statements]
    return msgspec.json.encode([{name: one[name] for name in one if name != "result_rows"} for one in items])


def statements_in(kept: bytes) -> list[models.Statement]:
    """Decode what :func:`statements_out` made."""
    return [codec.parse(models.Statement, one) for one in msgspec.json.decode(kept)]


def statements_raw(kept: bytes) -> list[bytes]:
    """Take what :func:`statements_out` made apart, each statement still JSON."""
    return [bytes(one) for one in msgspec.json.decode(kept, type=list[msgspec.Raw])]
