"""Error responses, and the exceptions that lead to them. The only place where error bodies are built.

The API has these shapes: ``{"message": ...}`` below ``/v1/database/``, as its contract says, and ``{"detail": ...}``
elsewhere. Outside of the contract an error of one field is ``{field: [messages]}``, and some errors of the tables'
endpoints are a bare list of messages.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Match

from roe_magic.service.queries.errors import DiskFull, EngineGone, QueryNotAccepted

_CONTRACT = "/v1/database/"
_MESSAGES = {
    # For a path that is no endpoint's. What an endpoint itself does not find has its own message.
    404: "Not found. The API's paths begin with /v1/; ROE_BASE_URL must not contain it.",
    405: "This method is not allowed here.",
    500: "The service failed; its log says more.",
}


class Problem(Exception):
    """Ends a request with an error response.

    Parameters
    ----------
    status : int
        The HTTP status.
    message : str
        What is wrong, for a person to read.
    field : str, optional
        The field of the request that is wrong.
    bare : bool
        Whether the body is a bare list.
    headers : mapping, optional
        More headers of the response.
    """

    def __init__(
        self,
        status: int,
        message: str,
        *,
        field: str | None = None,
        bare: bool = False,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.field = field
        self.bare = bare
        self.headers = headers

    def body(self, path: str) -> Any:
        """Return the body in the shape that the endpoint documents."""
        if path.startswith(_CONTRACT):
            return {"message": f"{self.field}: {self.message}" if self.field else self.message}
        if self.field:
            return {self.field: [self.message]}
        return [self.message] if self.bare else {"detail": self.message}


def not_found(what: str) -> Problem:
    """Return the 404 for a thing that does not exist or is another organisation's."""
    return Problem(404, f"{what} not found.")


def unauthorized() -> Problem:
    """Return the 401 for a request without a valid key."""
    headers = {"WWW-Authenticate": "Bearer"}
    return Problem(401, "A valid API key is needed: Authorization: Bearer KEY.", headers=headers)


def unavailable() -> Problem:
    """Return the 503 for a query that is not accepted at present."""
    return Problem(503, "The service accepts no queries right now.", headers={"Retry-After": "1"})


def disk_full() -> Problem:
    """Return the 507 for a file or its table, if there is no room for it."""
    return Problem(507, "The service's disk has no room for this file; delete tables that are no longer needed.")


async def error_response(request: Request, error: Exception) -> Response:
    """Return the response to a request that ended in an exception."""
    problem = _problem(request, error)
    return JSONResponse(problem.body(request.url.path), problem.status, headers=problem.headers)


# Starlette's exception handlers. It also logs an exception that none but the last entry covers, with its traceback.
HANDLERS: dict[Any, Any] = dict.fromkeys(
    (Problem, QueryNotAccepted, EngineGone, DiskFull, ClientDisconnect, HTTPException, Exception), error_response
)


def _problem(request: Request, error: Exception) -> Problem:
    if isinstance(error, Problem):
        return error
    if isinstance(error, QueryNotAccepted | EngineGone):
        return unavailable()
    if isinstance(error, DiskFull):
        return disk_full()
    if isinstance(error, ClientDisconnect):
        return Problem(400, "The body ended too early.")
    if isinstance(error, HTTPException):
        return Problem(error.status_code, _http_message(request, error), headers=error.headers)
    return Problem(500, _MESSAGES[500])


def _http_message(request: Request, error: HTTPException) -> str:
    if error.status_code == 404 and _lacks_slash(request):
        return "Not found: the path of an endpoint ends with a slash, and this one lacks it."
    message = _MESSAGES.get(error.status_code, error.detail)
    allowed = (error.headers or {}).get("Allow") if error.status_code == 405 else None
    return f"{message} Allowed: {allowed}." if allowed else message


def _lacks_slash(request: Request) -> bool:
    """Whether the path would be an endpoint's with a slash at its end."""
    scope = {**request.scope, "path": f"{request.scope['path']}/"}
    return any(route.matches(scope)[0] is not Match.NONE for route in request.app.routes)
