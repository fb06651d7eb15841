"""The HTTP application: its routes, and what needs no key."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from importlib.metadata import version

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from roe_magic.service.container import Services
from roe_magic.service.http import openapi, problems
from roe_magic.service.http.endpoints import queries, table_queries, tables, uploads, worksheets
from roe_magic.service.http.gate import Gate
from roe_magic.service.http.services import services
from roe_magic.service.http.upload_folder import UploadFolder


def create_app(starting: AbstractAsyncContextManager[Services]) -> Starlette:
    """Return the application.

    Parameters
    ----------
    starting : context manager
        Entered when the application starts, left when it stops; yields the services.
    """

    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        async with starting as app.state.services:
            app.state.upload_folder = UploadFolder(app.state.services.folder.uploads)
            yield

    app = Starlette(
        routes=routes(), lifespan=lifespan, middleware=[Middleware(Gate)], exception_handlers=problems.HANDLERS
    )
    # A POST without the final slash would be redirected, to an address made of the Host header.
    app.router.redirect_slashes = False
    return app


def routes() -> list[Route]:
    """Return the routes of all endpoints."""
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
        Route(f"{table}upload/", uploads.upload, methods=["POST"]),
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
    """Respond that the service is running, with its version and facts about its engine; no key is needed."""
    running = services(request)
    status = "stopping" if running.queries.closing else "ok"
    return JSONResponse({"status": status, "version": version("roe-magic"), **running.engine.health()})


async def description(_: Request) -> Response:
    """Respond with the API's description, OpenAPI 3.1; no key is needed."""
    return Response(openapi.encoded_description(), media_type="application/json")
