"""What can go wrong with a query for a reason that is not its SQL. None of these errors leaves the service."""

from __future__ import annotations

from roe_magic.errors import ServiceError


class EngineGone(ServiceError):
    """The engine's process ended during a call, or the engine has been stopped."""


class DiskFull(ServiceError):
    """The disk has no room for what a call would write."""


class QueryNotAccepted(Exception):
    """The service is stopping, or too many queries are unfinished; nothing was stored."""
