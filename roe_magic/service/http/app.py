"""The HTTP application: its routes, and the gate that every request passes."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from importlib.metadata import version

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from roe_magic.service import container
from roe_magic.service.container import Parts
from roe_magic.service.http import openapi, problems
from roe_magic.service.http.endpoints import queries, table_queries, tables, worksheets
from roe_magic.service.http.problems import Problem, unauthorized

_LOOPBACK = frozenset({"localhost", "127.0.0.1", "[::1]"})


def create_app(started: AbstractAsyncContextManager[Parts]) -> Starlette:
    """Make the application.

    Parameters
    ----------
    started : context manager
        What :func:`roe_magic.service.container.running` gives; entered when the application starts.
    """

    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        async with started as app.state.parts:
            yield

    app = Starlette(
        routes=routes(), lifespan=lifespan, middleware=[Middleware(Gate)], exception_handlers=problems.HANDLERS
    )
    # A redirect would answer a POST without its final slash, with an address made of the Host header.
    app.router.redirect_slashes = False
    return app


def routes() -> list[Route]:
    """List the endpoints."""
    query, table = "/v1/database/query/", "/v1/tables/"
    return [
        Route("/healthz", health),
        Route("/openapi.json", description),
        Route(query, queries.run, methods=["POST"]),
        Route(f"{query}async/", queries.submit, methods=["POST"]),
        Route(f"{query}{{query_id}}/status/", queries.status),
        Route(f"{query}{{query_id}}/result/", queries.result),
        Route(f"{query}{{query_id}}/cancel/", queries.cancel, methods=["POST"]),
        Route(table, tables.all_tables),
        Route(f"{table}upload/", tables.upload, methods=["POST"]),
        Route(f"{table}query/", table_queries.submit, methods=["POST"]),
        Route(f"{table}query/{{query_id}}/result/", table_queries.result),
        Route(f"{table}{{table_name}}/", tables.delete, methods=["DELETE"]),
        Route(f"{table}{{table_name}}/describe/", tables.describe),
        Route(f"{table}{{table_name}}/preview/", tables.preview),
        Route("/v1/users/current_user/", worksheets.current_user),
        Route("/v1/worksheets/", worksheets.Worksheets),
        Route("/v1/worksheets/{worksheet_id}/queries/", worksheets.queries),
    ]


async def health(request: Request) -> Response:
    """Tell that the service is there, which one it is, and what it runs; no key is needed."""
    found = container.of(request)
    return JSONResponse(
        {
            "status": "stopping" if found.tasks.closing else "ok",
            "version": version("roe-magic"),
            "sandbox": found.engine.sandbox,
        }
    )


async def description(_: Request) -> Response:
    """Tell the API's description, OpenAPI 3.1; no key is needed."""
    return Response(openapi.document(), media_type="application/json")


class Gate:
    """Let a request through when it is meant for this service and, below ``/v1/``, carries a valid key.

    A page of a foreign site can make a browser call a local address, under a name of its own that resolves to
    127.0.0.1. Such a request has an Origin, or a Host that is not ours; neither is wanted by any client of this API.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request."""
        if scope["type"] == "http":
            request = Request(scope)
            try:
                _check_origin(request)
                if scope["path"].startswith("/v1/"):
                    scope["key"] = _key(request)
            except Problem as problem:
                response = await problems.answer(request, problem)
                return await response(scope, receive, send)
        return await self._app(scope, receive, send)


def _check_origin(request: Request) -> None:
    host = request.headers.get("host", "").lower()
    name = host if host.endswith("]") else host.rpartition(":")[0] or host
    # An address that the connection really came in on is ours, too; uvicorn tells it without brackets.
    here = (request.scope.get("server") or ("",))[0]
    ours = _LOOPBACK.union(container.of(request).hosts, (here, f"[{here}]"))
    if "origin" in request.headers or name not in ours:
        raise Problem(403, "This service answers no pages of other sites, and only to its own host name.")


def _key(request: Request) -> object:
    scheme, _, text = request.headers.get("authorization", "").partition(" ")
    key = container.of(request).store.key(text.strip()) if scheme.lower() == "bearer" else None
    if key is None:
        raise unauthorized()
    return key
