"""Step 1 of 4: a JSON text that is still arriving in chunks, read value by value.

:class:`JsonStreamReader` is a pull parser. Its caller iterates over the keys of an object (``object_keys``) and the
elements of a list (``list_elements``), reads single values as bytes (``read_value``) and the rows of a result in blocks
(``read_rows``). Only keys are decoded here. The next chunk is waited for when the bytes at hand do not suffice.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Iterator
from typing import Any, NoReturn

import msgspec
import numpy as np

from roe_magic.errors import ProtocolError
from roe_magic.frames.json.scanner import Positions, row_ends, string_quotes

# Bytes per block: some thousand rows, and small enough for the processor's cache.
_BLOCK_SIZE = 1 << 19
_WHITE_SPACE = b" \t\r\n"
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"
_LITERAL = re.compile(rb"[^\s,\]}]+(?=[\s,\]}])")


class JsonStreamReader:
    """Reads a JSON text from chunks; ``data[position:]`` has arrived and is not read yet.

    Parameters
    ----------
    chunks : iterable of bytes
        The text, cut anywhere.
    on_chunk : callable
        Called after each chunk with the number of bytes that have arrived so far.
    """

    def __init__(self, chunks: Iterable[bytes], on_chunk: Callable[[int], None]) -> None:
        self._chunks = iter(chunks)
        self._on_chunk = on_chunk
        self.data = b""
        self.position = 0
        self.bytes_received = 0

    def receive(self, min_bytes: int = 1) -> bool:
        """Wait for at least so many bytes more, or the end of the text; whether any arrived."""
        parts, count = [self.data[self.position :]], 0
        while count < min_bytes and (chunk := next(self._chunks, None)) is not None:
            parts.append(chunk)
            count += len(chunk)
            self.bytes_received += len(chunk)
            self._on_chunk(self.bytes_received)
        self.data, self.position = b"".join(parts), 0
        return count > 0

    def receive_block(self) -> None:
        """Wait for one block more; for a long value for as many bytes as it has so far, to take linear time."""
        if not self.receive(max(_BLOCK_SIZE, len(self.data) - self.position)):
            raise ProtocolError(f"The result ends too early, after {self.bytes_received:,} bytes.")

    def fail(self, problem: str) -> NoReturn:
        """Raise a ProtocolError that quotes the text at the current position."""
        found = self.data[self.position : self.position + 40]
        raise ProtocolError(f"The result is not the JSON that the contract describes: {problem}, not {found!r}.")

    def peek(self) -> bytes:
        """Skip white space and return the next byte without reading it, b"" at the end of the text."""
        while True:
            rest = self.data[self.position : self.position + _BLOCK_SIZE]
            self.position += len(rest) - len(rest.lstrip(_WHITE_SPACE))
            if self.position < len(self.data):
                return self.data[self.position : self.position + 1]
            if not self.receive():
                return b""

    def accept(self, mark: bytes) -> bool:
        """Skip a mark of one byte if it is next; whether it was."""
        if self.peek() != mark:
            return False
        self.position += 1
        return True

    def skip_byte_order_mark(self) -> None:
        """Skip a byte order mark, which some proxies add."""
        while len(self.data) - self.position < len(_BYTE_ORDER_MARK) and self.receive():
            pass
        if self.data.startswith(_BYTE_ORDER_MARK, self.position):
            self.position += len(_BYTE_ORDER_MARK)

    def object_keys(self) -> Iterator[str]:
        """Yield each key of an object; the caller must read its value before the next key."""
        if not self.accept(b"{"):
            self.fail("expected an object")
        if self.accept(b"}"):
            return
        while True:
            if self.peek() != b'"':
                self.fail("expected a key")
            yield str(decode(self.read_value()))
            if self.accept(b"}"):
                return
            if not self.accept(b","):
                self.fail("expected ',' or '}'")

    def list_elements(self) -> Iterator[None]:
        """Yield at the beginning of each element of a list; the caller must read it before the next."""
        self.position += 1
        if self.accept(b"]"):
            return
        while True:
            yield
            if self.accept(b"]"):
                return
            if not self.accept(b","):
                self.fail("expected ',' or ']'")

    def read_value(self) -> bytes:
        """Read one whole value and return its bytes; a colon before it is skipped."""
        self.accept(b":")
        first = self.peek()
        while (end := _value_end(self.data, self.position, first)) < 0:
            self.receive_block()
        text = self.data[self.position : end]
        self.position = end
        return text

    def read_rows(self) -> Iterator[tuple[bytes, Positions]]:
        """Read a list of lists; yield the text of each block of whole rows, and where in it each row ends."""
        self.position += 1
        while True:
            ends, closing = row_ends(self.data[self.position :])
            size = int(ends[-1]) + 1 if len(ends) else 0
            if size:
                yield self.data[self.position : self.position + size], ends
                self.position += size
            if closing >= 0:
                break
            self.receive_block()
        after_rows = self.data[self.position : self.position + closing - size]
        if after_rows.strip(_WHITE_SPACE):
            self.fail("expected a list")
        self.position += len(after_rows) + 1


def _value_end(data: bytes, position: int, first: bytes) -> int:
    """Return where the value that starts at a position ends, or -1 where it continues after the data."""
    if first == b'"':
        quotes = string_quotes(np.frombuffer(data, np.uint8, offset=position))
        return position + int(quotes[1]) + 1 if len(quotes) > 1 else -1
    if first in (b"[", b"{"):
        ends, _ = row_ends(data[position:], *(b"[]" if first == b"[" else b"{}"))
        return position + int(ends[0]) + 1 if len(ends) else -1
    match = _LITERAL.match(data, position)
    return match.end() if match else -1


def decode(text: bytes) -> Any:
    """Return the value of a JSON text, also of one with NaN, lone surrogates or bytes that are not UTF-8."""
    try:
        return msgspec.json.decode(text)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return decode_leniently(text)


def decode_leniently(text: bytes, **hooks: Any) -> Any:
    """Decode with the standard library what msgspec refuses; bytes that are not UTF-8 become lone surrogates.

    ``hooks`` are arguments of ``json.loads``, such as ``parse_int``.
    """
    try:
        return json.loads(text.decode("utf-8", "surrogateescape"), **hooks)
    except (ValueError, RecursionError) as error:
        raise ProtocolError(f"The result is not JSON: {error or 'it is nested too deeply'}.") from None
