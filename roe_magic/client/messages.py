"""Request and Response: what the client hands to the transport, and what it gets back."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from roe_magic.client.response_errors import decode_json
from roe_magic.errors import ProtocolError

if TYPE_CHECKING:
    from roe_magic.client.multipart import MultipartBody

# A body that is read whole is small; a larger one is a mistake or an attack (a compressed bomb, say).
MAX_BODY_BYTES = 64 << 20


@dataclass(frozen=True, kw_only=True)
class Request:
    """One HTTP request, without the server's address and the API key.

    Attributes
    ----------
    method, path : str
    params : mapping
        The query string; a value of None is left out.
    json : object
        A body to send as JSON.
    upload : MultipartBody, optional
        A body that is read from a file while it is sent.
    headers : mapping
    extra_time : float
        Seconds added to the usual deadline, where the server was asked to hold its response back.
    stream : bool
        Whether the caller reads the body while it arrives; otherwise it is read whole, within the retries.
    query_id : str, optional
        The query that errors are about.
    """

    method: str
    path: str
    params: Mapping[str, str | None] = field(default_factory=dict)
    json: Any = None
    upload: MultipartBody | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    extra_time: float = 0.0
    stream: bool = False
    query_id: str | None = None


@dataclass(frozen=True)
class Response:
    """An HTTP response: status and headers, and a body that can be read once."""

    status: int
    headers: Mapping[str, str]
    chunks: Iterator[bytes]
    close: Callable[[], None]

    @property
    def content_type(self) -> str:
        """The media type without its parameters, in lower case."""
        return self.headers.get("Content-Type", "").partition(";")[0].strip().lower()

    def read(self) -> bytes:
        """Return the whole body; raise ProtocolError where it is larger than 64 MB."""
        chunks, size = [], 0
        for chunk in self.chunks:
            chunks.append(chunk)
            size += len(chunk)
            if size > MAX_BODY_BYTES:
                self.close()
                raise ProtocolError(f"The server's response is larger than {MAX_BODY_BYTES >> 20} MB; it was not read.")
        return b"".join(chunks)

    def json(self) -> Any:
        """Return the whole body, decoded from JSON."""
        return decode_json(self.read(), self.content_type)
