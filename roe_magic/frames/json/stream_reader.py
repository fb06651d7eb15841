"""Step 1 of 4: a JSON text that is still arriving in chunks, read value by value.

:class:`JsonStreamReader` is a pull parser. Its caller iterates over the keys of an object (``object_keys``) and the
elements of a list (``list_elements``), reads single values (``read_value``) and the rows of a result in blocks
(``read_rows``). Rows are not decoded here. The next chunk is waited for when the bytes at hand do not suffice.

Whatever a server sends, time and memory are bounded: each byte is scanned once, and all that is no row has limits.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Iterator
from typing import Any, NoReturn

import msgspec

from roe_magic import json_limits
from roe_magic.errors import ProtocolError
from roe_magic.frames.json.scanner import Positions, Scanner

# Bytes per block: some thousand rows, and small enough for the processor's cache.
_BLOCK_SIZE = 1 << 19
# The first block of a value or of rows, most of which are short; each following block is twice as long.
_FIRST_BLOCK_SIZE = 1 << 12
# What a body may have besides its rows, all together: 16 MB is also the longest SQL that the local service takes.
_MAX_BYTES_BESIDES_ROWS = 16 << 20
_MAX_KEYS = _MAX_ELEMENTS = 10_000
# Python's own decoders refuse deeper values, but only after the whole of them has arrived.
_MAX_DEPTH = 1000
_WHITE_SPACE = b" \t\r\n"
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"
_END_OF_LITERAL = re.compile(rb"[\s,\]}]")


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
        self._bytes_besides_rows = 0
        self._value_count = 0

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

    def take_block(self, size: int) -> bytes:
        """Read the next bytes, at most ``size``; wait for a whole block where none have arrived."""
        if self.position == len(self.data) and not self.receive(_BLOCK_SIZE):
            raise ProtocolError(f"The result ends too early, after {self.bytes_received:,} bytes.")
        block = self.data[self.position : self.position + size]
        self.position += len(block)
        return block

    def fail(self, problem: str, found: bytes | None = None) -> NoReturn:
        """Raise a ProtocolError that quotes what was found, or else the text at the current position."""
        found = (self.data[self.position : self.position + 40] if found is None else found)[:40]
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
        for _ in range(_MAX_KEYS):
            if self.peek() != b'"':
                self.fail("expected a key")
            yield str(self.read_value())
            if self.accept(b"}"):
                return
            if not self.accept(b","):
                self.fail("expected ',' or '}'")
        raise ProtocolError(f"The result has an object of more than {_MAX_KEYS:,} keys.")

    def list_elements(self) -> Iterator[None]:
        """Yield at the beginning of each element of a list; the caller must read it before the next."""
        self.position += 1
        if self.accept(b"]"):
            return
        for _ in range(_MAX_ELEMENTS):
            yield
            if self.accept(b"]"):
                return
            if not self.accept(b","):
                self.fail("expected ',' or ']'")
        raise ProtocolError(f"The result has more than {_MAX_ELEMENTS:,} statements.")

    def read_value(self) -> Any:
        """Read and decode one whole value that is no row; a colon before it is skipped."""
        self.accept(b":")
        first = self.peek()
        scanner = Scanner(*(b"{}" if first == b"{" else b"[]"))
        if first == b'"':
            opening = self.take_block(1)
            scanner.quotes(opening)
            return decode(opening + self._read_to(lambda block: _end_of_first(scanner.quotes(block))))
        if first in (b"[", b"{"):
            text = self._read_to(lambda block: _end_of_first(scanner.list_ends(block)[0]))
            self._count_values(text)
            value = decode(text)
            if json_limits.is_too_deep(value):
                raise ProtocolError(f"The result is nested more than {json_limits.MAX_DEPTH} levels deep.")
            return value
        return decode(self._read_to(_start_of_mark))

    def _count_values(self, text: bytes) -> None:
        self._value_count += json_limits.count_values(text, json_limits.MAX_VALUES - self._value_count)
        if self._value_count > json_limits.MAX_VALUES:
            raise ProtocolError(f"The result has more than {json_limits.MAX_VALUES:,} values besides its rows.")

    def _read_to(self, find_end: Callable[[bytes], int]) -> bytes:
        """Read blocks up to the position that ``find_end`` returns for one of them; it returns -1 for the others."""
        blocks, size = [], _FIRST_BLOCK_SIZE
        while True:
            block = self.take_block(size)
            end = find_end(block)
            blocks.append(block if end < 0 else block[:end])
            self._bytes_besides_rows += len(blocks[-1])
            if self._bytes_besides_rows > _MAX_BYTES_BESIDES_ROWS:
                raise ProtocolError(f"The result has more than {_MAX_BYTES_BESIDES_ROWS >> 20} MB besides its rows.")
            if end >= 0:
                self.position -= len(block) - end
                return b"".join(blocks)
            size = min(2 * size, _BLOCK_SIZE)

    def read_rows(self) -> Iterator[tuple[bytes, Positions]]:
        """Read a list of lists; yield the text of each block of whole rows, and where in it each row ends."""
        self.position += 1
        scanner, closing, block_size = Scanner(), -1, _FIRST_BLOCK_SIZE
        unfinished: list[bytes] = []
        while closing < 0:
            block = self.take_block(block_size)
            block_size = min(2 * block_size, _BLOCK_SIZE)
            ends, closing = scanner.list_ends(block)
            if scanner.depth > _MAX_DEPTH:
                raise ProtocolError(f"A row of the result is nested more than {_MAX_DEPTH:,} levels deep.")
            if len(ends):
                size, before = int(ends[-1]) + 1, b"".join(unfinished)
                yield before + block[:size], ends + len(before)
                unfinished, block, closing = [], block[size:], max(closing - size, -1)
            unfinished.append(block)
        unfinished[-1] = block[:closing]
        self.position -= len(block) - closing - 1
        if (after_rows := b"".join(unfinished)).strip(_WHITE_SPACE):
            self.fail("expected a list", after_rows)


def _end_of_first(last_positions: Positions) -> int:
    return int(last_positions[0]) + 1 if len(last_positions) else -1


def _start_of_mark(block: bytes) -> int:
    match = _END_OF_LITERAL.search(block)
    return match.start() if match else -1


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
