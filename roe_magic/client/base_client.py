"""What every group of endpoints needs of a client: its settings, its transport, and GET requests."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING
from urllib.parse import quote
from uuid import UUID

from roe_magic.client.messages import Request, Response
from roe_magic.config.profiles import from_user_file
from roe_magic.config.settings import Settings, from_environment, resolve

if TYPE_CHECKING:
    from typing_extensions import Self

    from roe_magic.client.transport import Transport


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
        headers: Mapping[str, str] | None = None,
        extra_time: float = 0.0,
        stream: bool = False,
        query_id: str | None = None,
        **params: str,
    ) -> Response:
        request = Request(
            method="GET",
            path=path,
            params={**self._organization(), **params},
            headers=headers or {},
            extra_time=extra_time,
            stream=stream,
            query_id=query_id,
        )
        return self._transport.send(request)

    def _organization(self) -> dict[str, str | None]:
        return {"organization_id": self.settings.organization_id}


def _transport(settings: Settings) -> Transport:
    from roe_magic.client.transport import Transport  # imports requests, which takes 0.1 s

    return Transport(settings)


def segment(value: UUID | str) -> str:
    """Return a name or an id as one segment of a path."""
    return quote(str(value), safe="")
