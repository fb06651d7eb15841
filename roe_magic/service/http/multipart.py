"""Reads a multipart form part by part, while it arrives.

:func:`parts` yields one part after the other. The data of a part is an iterator of its own: what the caller does not
read of it is skipped. So a file of any size goes where the caller wants it, and is never whole in memory.
"""

from __future__ import annotations

from collections import deque
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header
from starlette.requests import Request

from roe_magic.service.http.problems import Problem

MAX_PARTS = 21
_MAX_HEADER_BYTES = 8 * 2**10


@dataclass(frozen=True)
class Part:
    """One part of a form: a file if it has the name of one.

    Parameters
    ----------
    name : str
        The field's name.
    is_file : bool
        Whether it is a file.
    content_type : str
        The media type in lower case without parameters; empty if there is none.
    data : iterator of bytes
        The content, to be read before the next part.
    """

    name: str
    is_file: bool
    content_type: str
    data: AsyncIterator[bytes]

    async def text(self, max_bytes: int) -> str:
        """Return the content, which must be UTF-8."""
        content = bytearray()
        async for chunk in self.data:
            content += chunk
            if len(content) > max_bytes:
                raise Problem(413, f"This field is longer than {max_bytes} bytes.", field=self.name)
        try:
            return content.decode()
        except UnicodeDecodeError:
            raise Problem(400, "Must be text in UTF-8.", field=self.name) from None


async def parts(request: Request) -> AsyncIterator[Part]:
    """Yield the parts of a form.

    Raises
    ------
    Problem
        400 if the body is no multipart form, has too many parts, or ends too early.
    """
    events = _Events(request)
    for _ in range(MAX_PARTS):
        while isinstance(event := await events.next(), bytes):
            pass  # what was not read of the part before
        if event is None:
            return
        yield _part(event, events)
    raise _no_form(f"it has more than {MAX_PARTS} parts")


def _part(headers: dict[str, bytes], events: _Events) -> Part:
    disposition, options = parse_options_header(headers.get("content-disposition", b""))
    if disposition != b"form-data" or b"name" not in options:
        raise _no_form("a part has no name")
    try:
        name = options[b"name"].decode()
    except UnicodeDecodeError:
        raise _no_form("the name of a part is not UTF-8") from None
    content_type = headers.get("content-type", b"").decode("latin-1").partition(";")[0].strip().lower()
    return Part(name, b"filename" in options, content_type, events.data())


class _Events:
    """What the parser reports: the headers of a part that begins, its data piece by piece, None at the form's end."""

    def __init__(self, request: Request) -> None:
        self._chunks, self._parser = request.stream(), _parser(request, self._callbacks())
        self._arrived: deque[dict[str, bytes] | bytes | None] = deque()
        self._headers: dict[str, bytes] = {}
        self._field, self._value, self._header_bytes = b"", b"", 0

    async def next(self) -> dict[str, bytes] | bytes | None:
        """Return the next event."""
        while not self._arrived:
            chunk = await anext(self._chunks, b"")
            if not chunk:
                raise _no_form("it ends too early")
            try:
                self._parser.write(chunk)
            except FormParserError as error:
                raise _no_form(str(error)) from None
        return self._arrived.popleft()

    async def data(self) -> AsyncIterator[bytes]:
        """Yield the data of the present part."""
        while isinstance(event := await self.next(), bytes):
            yield event
        self._arrived.appendleft(event)

    def _callbacks(self) -> Any:
        return {
            "on_part_begin": self._headers_begin,
            "on_header_field": self._add_to_field,
            "on_header_value": self._add_to_value,
            "on_header_end": self._header_end,
            "on_headers_finished": lambda: self._arrived.append(self._headers),
            "on_part_data": lambda data, start, end: self._arrived.append(data[start:end]),
            "on_end": lambda: self._arrived.append(None),
        }

    def _headers_begin(self) -> None:
        self._headers, self._header_bytes = {}, 0

    def _add_to_field(self, data: bytes, start: int, end: int) -> None:
        self._field += self._limited(data[start:end])

    def _add_to_value(self, data: bytes, start: int, end: int) -> None:
        self._value += self._limited(data[start:end])

    def _limited(self, data: bytes) -> bytes:
        self._header_bytes += len(data)
        if self._header_bytes > _MAX_HEADER_BYTES:
            raise FormParserError("the headers of a part are too long")
        return data

    def _header_end(self) -> None:
        self._headers[self._field.decode("latin-1").lower()] = self._value
        self._field, self._value = b"", b""


def _parser(request: Request, callbacks: Any) -> MultipartParser:
    _, options = parse_options_header(request.headers.get("content-type", ""))
    boundary = options.get(b"boundary", b"")
    if not boundary:
        raise _no_form("its Content-Type names no boundary")
    try:
        return MultipartParser(boundary, callbacks)
    except FormParserError as error:
        raise _no_form(str(error)) from None


def _no_form(reason: str) -> Problem:
    return Problem(400, f"The body is not a multipart form: {reason.rstrip('.')}.")
