"""Request and Response: what the client hands to the transport, and what it gets back."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from roe_magic.client.delivery import Delivery
from roe_magic.client.response_errors import decode_json
from roe_magic.client.retry_policy import RequestKind
from roe_magic.errors import ProtocolError

if TYPE_CHECKING:
    from roe_magic.client.multipart import MultipartBody

# A body that is read whole is small; a larger one is a mistake or an attack (a compressed bomb, say).
MAX_BODY_BYTES = 64 << 20
# The errors of servers are some lines, or a web page; a status is an object of some fields.
MAX_ERROR_BYTES = MAX_LINE_BYTES = 1 << 20


@dataclass(frozen=True, kw_only=True)
class Request:
    """One HTTP request, without the server's address and the API key.

    Attributes
    ----------
    method, path : str
    kind : RequestKind
        It decides what follows from a fault; READ for a GET, else WRITE when left out.
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
    retries : int, optional
        How often it is sent again at most, where that is safe; as the settings say when left out.
    delivery : Delivery
        Ends the pauses between attempts, and the attempts, when the caller has left.
    """

    method: str
    path: str
    kind: RequestKind = None  # type: ignore[assignment]  # see __post_init__
    params: Mapping[str, str | None] = field(default_factory=dict)
    json: Any = None
    upload: MultipartBody | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    extra_time: float = 0.0
    stream: bool = False
    query_id: str | None = None
    retries: int | None = None
    delivery: Delivery = field(default_factory=Delivery)

    def __post_init__(self) -> None:
        if self.kind is None:
            object.__setattr__(self, "kind", RequestKind.READ if self.method == "GET" else RequestKind.WRITE)


@dataclass(frozen=True)
class Response:
    """An HTTP response without the request's API key: status and headers, and a body that can be read once."""

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
        body = self._read_up_to(MAX_BODY_BYTES)
        if len(body) > MAX_BODY_BYTES:
            raise ProtocolError(f"The server's response is larger than {MAX_BODY_BYTES >> 20} MB; it was not read.")
        return body

    def read_error(self) -> bytes:
        """Return the body of an error; of a very long one the beginning."""
        return self._read_up_to(MAX_ERROR_BYTES)[:MAX_ERROR_BYTES]

    def json(self) -> Any:
        """Return the whole body, decoded from JSON."""
        return decode_json(self.read(), self.content_type)

    def lines(self) -> Iterator[Any]:
        """Yield each line as it arrives, decoded from JSON; blank ones are left out."""
        rest = b""
        for chunk in self.chunks:
            *lines, rest = (rest + chunk).split(b"\n")
            for line in lines:
                yield from self._decoded(line)
            if len(rest) > MAX_LINE_BYTES:
                raise ProtocolError(f"The server sent a line of more than {MAX_LINE_BYTES >> 20} MB.")
        yield from self._decoded(rest)

    def _decoded(self, line: bytes) -> Iterator[Any]:
        if line.strip():
            yield decode_json(line, self.content_type)

    def _read_up_to(self, limit: int) -> bytes:
        """Return the body; of one that is longer than the limit the first part, which is longer than that, too."""
        chunks, size = [], 0
        for chunk in self.chunks:
            chunks.append(chunk)
            size += len(chunk)
            if size > limit:
                self.close()
                break
        return b"".join(chunks)
