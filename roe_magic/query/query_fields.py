"""The fields of a query as attributes: those of the contract, and the figures that follow from them."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from roe_magic.contract import models
from roe_magic.contract.models import SUCCESS
from roe_magic.errors import UsageError
from roe_magic.query.query_state import QueryState


class QueryFields:
    """Read-only attributes over the state of a query that has been submitted."""

    _state: QueryState

    @property
    def _submitted(self) -> models.WorksheetQueryResponse:
        submitted = self._state.submitted
        if submitted is None:
            raise UsageError("The query has not been submitted yet.")
        return submitted

    @property
    def id(self) -> UUID:
        """The query's id."""
        return self._submitted.id

    @property
    def query(self) -> str:
        """The SQL as the server knows it."""
        return self._submitted.query

    @property
    def worksheet(self) -> models.Worksheet | None:
        """The worksheet it belongs to."""
        return self._submitted.worksheet

    @property
    def organization(self) -> models.OrganizationSlim | None:
        """The organisation it belongs to."""
        return self._submitted.organization

    @property
    def creator(self) -> models.UserInfo | None:
        """Who submitted it."""
        return self._submitted.creator

    @property
    def created_at(self) -> datetime:
        """When the server took it."""
        return self._submitted.created_at

    @property
    def updated_at(self) -> datetime:
        """When the server last changed it, as far as was seen."""
        return self._state.updated_at or self._submitted.updated_at

    @property
    def finished_at(self) -> datetime | None:
        """When it ended."""
        return self._state.finished_at

    @property
    def query_task_id(self) -> str | None:
        """The id of the task that runs it."""
        return self._submitted.query_task_id

    @property
    def query_task_status(self) -> str | None:
        """The task's state, as last seen."""
        return self._state.status

    @property
    def error(self) -> str | None:
        """Why it failed."""
        return self._state.server_error

    @property
    def notices(self) -> list[str]:
        """What the server says about how the query was run, a sentence each; only the local service says anything."""
        return self._state.notices

    @property
    def ai_summary(self) -> str | None:
        """Roe's own summary of the query."""
        return self._submitted.ai_summary

    @property
    def extra(self) -> dict[str, Any]:
        """Fields of the server's answers that the contract does not know."""
        return self._state.extra

    # What follows from them

    @property
    def status(self) -> str | None:
        """The state: PENDING, STARTED, RETRY, SUCCESS, FAILURE, REVOKED, or whatever word the server uses."""
        return self.query_task_status

    @property
    def succeeded(self) -> bool:
        """Whether it ended in SUCCESS."""
        return self.status == SUCCESS

    @property
    def finished(self) -> bool:
        """Whether it has ended, in whatever way."""
        return self._state.finished

    @property
    def started_at(self) -> datetime | None:
        """When it began to run, where the server tells: in its status, or in its first result."""
        return self._state.started_at

    @property
    def duration(self) -> timedelta | None:
        """From submit to end, by the server's clock; by the caller's where ``observed`` names it."""
        return self._state.duration

    @property
    def queued(self) -> timedelta | None:
        """From submit to start, by the server's clock."""
        return self._state.queued

    @property
    def running(self) -> timedelta | None:
        """From start to end, by the server's clock."""
        return self._state.running

    @property
    def observed(self) -> tuple[str, ...]:
        """The names of the figures that only the caller's clock tells."""
        return self._state.observed
