"""Who sends a request: the key that the gate has found, and the organisation that the request may name."""

from __future__ import annotations

from typing import cast
from uuid import UUID

import msgspec
from starlette.requests import Request

from roe_magic.service.http.problems import Problem
from roe_magic.service.http.request import parameters
from roe_magic.service.state.schema import KeyRow


class Scope(msgspec.Struct):
    """The parameters that the query string of any request may have."""

    organization_id: str | msgspec.UnsetType = msgspec.UNSET


def caller(request: Request, organization_id: UUID | None = None) -> KeyRow:
    """Return the key of a request.

    Parameters
    ----------
    organization_id : UUID, optional
        The organisation that the body names; that of the query string is checked as well.

    Raises
    ------
    Problem
        404 if the request names an organisation that is not the key's, 400 if the query string names no UUID.
    """
    key = cast("KeyRow", request.scope["key"])
    in_query = parameters(request, Scope).organization_id
    named = [organization_id, _uuid(in_query) if isinstance(in_query, str) else None]
    if any(name not in (None, key.organization_id) for name in named):
        raise Problem(404, "organization_id: Organization not found, or it is not this key's.")
    return key


def _uuid(text: str) -> UUID:
    try:
        return UUID(text)
    except ValueError:
        raise Problem(400, "Must be a valid UUID.", field="organization_id") from None
