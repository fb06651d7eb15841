"""The check that every request passes before an endpoint sees it: is it meant for this service, has it a valid key."""

from __future__ import annotations

from starlette.requests import Request
from starlette.types import ASGIApp, Receive, Scope, Send

from roe_magic.service.http.problems import Problem, error_response, unauthorized
from roe_magic.service.http.services import services
from roe_magic.service.state.schema import KeyRow

_LOOPBACK_NAMES = frozenset({"localhost", "127.0.0.1", "[::1]"})


class Gate:
    """ASGI middleware that refuses requests from other sites and, below ``/v1/``, those without a valid key.

    A page of another site can make a browser call a local address, under a name of its own that resolves to 127.0.0.1.
    Such a request has an Origin, or a Host that is not ours. No client of this API sends either.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request; the key's row goes into the scope, as ``key``."""
        if scope["type"] == "http":
            request = Request(scope)
            try:
                _check_origin(request)
                if scope["path"].startswith("/v1/"):
                    scope["key"] = _key(request)
            except Problem as problem:
                response = await error_response(request, problem)
                return await response(scope, receive, send)
        return await self._app(scope, receive, send)


def _check_origin(request: Request) -> None:
    host = request.headers.get("host", "").lower()
    name = host if host.endswith("]") else host.rpartition(":")[0] or host
    # The address that the connection came in on is ours as well; uvicorn gives an IPv6 address without brackets.
    address = (request.scope.get("server") or ("",))[0]
    our_names = _LOOPBACK_NAMES.union(services(request).hosts, (address, f"[{address}]"))
    if "origin" in request.headers or name not in our_names:
        raise Problem(403, "Requests from pages of other sites, or for another host name, are refused.")


def _key(request: Request) -> KeyRow:
    scheme, _, text = request.headers.get("authorization", "").partition(" ")
    key = services(request).store.key(text.strip()) if scheme.lower() == "bearer" else None
    if key is None:
        raise unauthorized()
    return key
