"""Rows of the state as the models of the contract."""

from __future__ import annotations

from roe_magic.contract import models
from roe_magic.service.state import schema


def organization(row: schema.OrganizationRow) -> models.OrganizationSlim:
    """Return an organisation as it stands inside other objects."""
    return models.OrganizationSlim(id=row.id, name=row.name, created_at=row.created_at)


def user_info(row: schema.UserRow) -> models.UserInfo:
    """Return a user as they stand inside other objects."""
    return models.UserInfo(
        id=row.id, email=row.email, display_name=row.display_name, first_name=row.first_name, last_name=row.last_name
    )


def user(row: schema.UserRow) -> models.User:
    """Return a user in full."""
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


def worksheet(row: schema.WorksheetRow) -> models.Worksheet:
    """Return a worksheet."""
    return models.Worksheet(
        id=row.id,
        name=row.name,
        created_at=row.created_at,
        updated_at=row.updated_at,
        creator=user_info(row.creator) if row.creator else None,
        organization=organization(row.organization),
    )


def worksheet_query(row: schema.QueryRow) -> models.WorksheetQueryResponse:
    """Return a query of a worksheet."""
    return models.WorksheetQueryResponse(
        id=row.id,
        worksheet=worksheet(row.worksheet) if row.worksheet else None,
        organization=organization(row.organization),
        creator=user_info(row.creator) if row.creator else None,
        created_at=row.created_at,
        updated_at=row.updated_at,
        finished_at=row.finished_at,
        query=row.sql,
        query_task_id=str(row.task_id),
        query_task_status=row.status,
        error=row.error,
        ai_summary=None,
        notices=row.notices or None,
    )


def status(row: schema.QueryRow, progress: models.Progress | None = None) -> models.QueryStatus:
    """Return a query's status."""
    return models.QueryStatus(
        worksheet_query_id=row.id,
        status=row.status,
        error=row.error,
        created_at=row.created_at,
        finished_at=row.finished_at,
        started_at=row.started_at,
        progress=progress,
        notices=row.notices or None,
    )
