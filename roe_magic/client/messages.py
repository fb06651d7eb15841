"""A request before it is sent and an answer before it is read: what the client and the transport say to each other."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from roe_magic.client.response_errors import decode_json
from roe_magic.errors import ProtocolError

# An answer that is not a download is small; more than this is a mistake or an attack (a compressed bomb, say).
LARGEST_ANSWER = 64 << 20


@dataclass(frozen=True)
class Reply:
    """The head of an answer, with its body still to be read once."""

    status: int
    headers: Mapping[str, str]
    chunks: Iterator[bytes]
    close: Callable[[], None]

    @property
    def content_type(self) -> str:
        """The media type without its parameters, in lower case."""
        return self.headers.get("Content-Type", "").partition(";")[0].strip().lower()

    def read(self) -> bytes:
        """Read the whole body, up to 64 MB."""
        parts, size = [], 0
        for chunk in self.chunks:
            parts.append(chunk)
            size += len(chunk)
            if size > LARGEST_ANSWER:
                self.close()
                raise ProtocolError(f"The server's answer is larger than {LARGEST_ANSWER >> 20} MB; it was not read.")
        return b"".join(parts)

    def json(self) -> Any:
        """Read the whole body as JSON."""
        return decode_json(self.read(), self.content_type)


@dataclass(frozen=True, kw_only=True)
class Call:
    """One request, before it is sent."""

    method: str
    path: str
    params: Mapping[str, str | None] = field(default_factory=dict)
    json: Any = None
    form: Mapping[str, str] | None = None
    files: Mapping[str, Any] | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    # Seconds on top of the usual deadline, for an answer that the server was asked to delay.
    extra_time: float = 0.0
    # Whether the caller reads the body piece by piece; else it is read, and repeated, as a whole.
    stream: bool = False
    query_id: str | None = None
