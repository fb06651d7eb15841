"""What every group of endpoints needs of a client: its settings, its transport, and GET requests."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import parse_qsl, quote, urlsplit
from uuid import UUID

from roe_magic.client.delivery import Delivery
from roe_magic.client.messages import Request, Response
from roe_magic.client.retry_policy import RequestKind
from roe_magic.config.profiles import from_user_file
from roe_magic.config.settings import Settings, from_environment, resolve
from roe_magic.contract.codec import parse
from roe_magic.errors import ProtocolError
from roe_magic.imports import load

if TYPE_CHECKING:
    from typing_extensions import Self

    from roe_magic.client.transport import Transport

M = TypeVar("M")
# A list of more pages than this has no end.
MOST_PAGES = 1000


class BaseClient:
    """The settings and the transport of a client, to be closed with it."""

    def __init__(self, settings: Settings | None = None, *, transport: Transport | None = None) -> None:
        self.settings = settings or resolve(from_environment(), from_user_file())
        self._transport = transport or _transport(self.settings)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.settings.base_url!r}, key from {self.settings.source})"

    def close(self) -> None:
        """Close the kept connections."""
        self._transport.close()

    def _get(
        self,
        path: str,
        *,
        kind: RequestKind = RequestKind.READ,
        headers: Mapping[str, str] | None = None,
        extra_time: float = 0.0,
        stream: bool = False,
        query_id: str | None = None,
        retries: int | None = None,
        stop: threading.Event | None = None,
        params: Mapping[str, str] | None = None,
    ) -> Response:
        request = Request(
            method="GET",
            path=path,
            kind=kind,
            params={**self._organization(), **(params or {})},
            headers=headers or {},
            extra_time=extra_time,
            stream=stream,
            query_id=query_id,
            retries=retries,
            delivery=Delivery(stop or threading.Event()),
        )
        return self._transport.send(request)

    def _pages(self, kind: type[M], path: str) -> list[M]:
        """Return the models in a list: a bare one, or all pages of one of Django REST framework."""
        items: list[M] = []
        params: dict[str, str] = {}
        for _ in range(MOST_PAGES):
            payload = self._get(path, params=params).json()
            page = payload.get("results") if isinstance(payload, Mapping) else payload
            if not isinstance(page, list):
                raise ProtocolError(f"The server's response is not a list of {kind.__name__}.")
            items += [parse(kind, item) for item in page]
            params = _next_page(payload)
            if not params:
                return items
        raise ProtocolError(f"The server's list of {kind.__name__} has more than {MOST_PAGES} pages.")

    def _organization(self) -> dict[str, str | None]:
        return {"organization_id": self.settings.organization_id}


def _transport(settings: Settings) -> Transport:
    transport: type[Transport] = load("roe_magic.client.transport").Transport  # imports requests, which takes 0.1 s
    return transport(settings)


def _next_page(payload: Any) -> dict[str, str]:
    """Return the query of the next page; nothing where this is the last one.

    Only the query of the address is used: the key goes to no other address than the one that is set.
    """
    link = payload.get("next") if isinstance(payload, Mapping) else None
    return dict(parse_qsl(urlsplit(link).query)) if isinstance(link, str) else {}


def segment(value: UUID | str) -> str:
    """Return a name or an id as one segment of a path."""
    return quote(str(value), safe="")
