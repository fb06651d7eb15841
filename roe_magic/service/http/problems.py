"""What goes wrong with a request, and the one place where error bodies are built.

The API has three shapes: ``{"message": ...}`` under ``/v1/database/``, as its contract says; ``{"detail": ...}``
elsewhere; and for what a request's fields lack, below ``/v1/tables/`` and the like, ``{field: [messages]}`` or a bare
list of messages.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response

from roe_magic.service.engine.chdb.process import EngineGone
from roe_magic.service.queries.query_manager import Closing

_CONTRACT = "/v1/database/"
_TEXTS = {
    # Of a path that is no endpoint's; what an endpoint does not find it says itself.
    404: "Not found. The API's paths begin with /v1/, which is no part of ROE_BASE_URL.",
    405: "This method is not allowed here.",
    500: "The service failed; its log says more.",
}


class Problem(Exception):
    """An answer other than 2xx.

    Parameters
    ----------
    status : int
        The HTTP status.
    message : str
        What is wrong, for a person.
    field : str, optional
        The request's field it is about.
    bare : bool
        The tables' endpoints answer it as a bare list.
    headers : mapping, optional
        More headers of the answer.
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
        """Build the body in the shape that the endpoint documents."""
        if path.startswith(_CONTRACT):
            return {"message": f"{self.field}: {self.message}" if self.field else self.message}
        if self.field:
            return {self.field: [self.message]}
        return [self.message] if self.bare else {"detail": self.message}


def not_found(what: str) -> Problem:
    """Say that something does not exist, or is another organisation's."""
    return Problem(404, f"{what} not found.")


def unauthorized() -> Problem:
    """Say that a valid key is needed."""
    headers = {"WWW-Authenticate": "Bearer"}
    return Problem(401, "A valid API key is needed: Authorization: Bearer KEY.", headers=headers)


def unavailable() -> Problem:
    """Say that nothing is accepted right now."""
    return Problem(503, "The service accepts no queries right now.", headers={"Retry-After": "1"})


async def answer(request: Request, error: Exception) -> Response:
    """Answer a request that went wrong; this is the handler of every exception."""
    problem = _problem(error)
    return JSONResponse(problem.body(request.url.path), problem.status, headers=problem.headers)


# In the form that Starlette wants; anything else is logged with its traceback and answered as a plain 500.
HANDLERS: dict[Any, Any] = dict.fromkeys(
    (Problem, Closing, EngineGone, ClientDisconnect, HTTPException, Exception), answer
)


def _problem(error: Exception) -> Problem:
    if isinstance(error, Problem):
        return error
    if isinstance(error, Closing | EngineGone):
        return unavailable()
    if isinstance(error, ClientDisconnect):
        return Problem(400, "The body ended too early.")
    if isinstance(error, HTTPException):
        message = _TEXTS.get(error.status_code, error.detail)
        return Problem(error.status_code, message, headers=error.headers)
    return Problem(500, _TEXTS[500])
