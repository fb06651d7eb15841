"""How an endpoint gets the services of its application."""

from __future__ import annotations

from typing import cast

from starlette.requests import Request

from roe_magic.service.container import Services


def services(request: Request) -> Services:
    """Return the services of the application that handles a request."""
    return cast("Services", request.app.state.services)
