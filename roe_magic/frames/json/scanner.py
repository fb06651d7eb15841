"""A JSON text that is still arriving, stepped through without decoding what lies between."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Iterator
from typing import Any, NoReturn

import msgspec
import numpy as np
import numpy.typing as npt

from roe_magic.errors import ProtocolError

Positions = npt.NDArray[np.int64]

# Some thousand rows, and small enough to stay in the processor's cache.
BLOCK = 1 << 19
_SPACE = b" \t\r\n"
_QUOTE, _SLASH = b'"\\'
# Backslashes in a row, which text seldom has.
_LONG_RUN = 32
_SCALAR = re.compile(rb"[^\s,\]}]+(?=[\s,\]}])")


class Source:
    """The bytes from where reading stands to the end of what has arrived."""

    def __init__(self, chunks: Iterable[bytes], on_bytes: Callable[[int], None]) -> None:
        self._chunks = iter(chunks)
        self._on_bytes = on_bytes
        self.data = b""
        self.at = 0
        self.received = 0

    def more(self, least: int = 1) -> bool:
        """Wait for at least so many bytes more, or the end; tell whether any came."""
        parts, count = [self.data[self.at :]], 0
        while count < least and (chunk := next(self._chunks, None)) is not None:
            parts.append(chunk)
            count += len(chunk)
            self.received += len(chunk)
            self._on_bytes(self.received)
        self.data, self.at = b"".join(parts), 0
        return count > 0

    def grow(self) -> None:
        """Double what is at hand, so that reading one long value stays linear."""
        if not self.more(max(BLOCK, len(self.data) - self.at)):
            raise ProtocolError(f"The result ends too early, after {self.received:,} bytes.")

    def fail(self, wanted: str) -> NoReturn:
        """Refuse what stands here."""
        found = self.data[self.at : self.at + 40]
        raise ProtocolError(f"The result is not the JSON that the contract describes: {wanted}, not {found!r}.")

    def peek(self) -> bytes:
        """Skip white space and give the next byte, b"" at the end."""
        while True:
            rest = self.data[self.at : self.at + BLOCK]
            self.at += len(rest) - len(rest.lstrip(_SPACE))
            if self.at < len(self.data):
                return self.data[self.at : self.at + 1]
            if not self.more():
                return b""

    def take(self, mark: bytes) -> bool:
        """Step over a mark if it stands here."""
        if self.peek() != mark:
            return False
        self.at += 1
        return True

    def skip_mark_of_unicode(self) -> None:
        """Step over a byte order mark, which JSON need not have."""
        while len(self.data) - self.at < 3 and self.more():
            pass
        if self.data.startswith(b"\xef\xbb\xbf", self.at):
            self.at += 3

    def members(self) -> Iterator[str]:
        """Give each key of an object; its value stands there and must be taken before the next."""
        if not self.take(b"{"):
            self.fail("expected an object")
        if self.take(b"}"):
            return
        while True:
            if self.peek() != b'"':
                self.fail("expected a key")
            yield str(decode(self.value()))
            if self.take(b"}"):
                return
            if not self.take(b","):
                self.fail("expected ',' or '}'")

    def elements(self) -> Iterator[None]:
        """Stop at each element of a list; it must be taken before the next."""
        self.at += 1
        if self.take(b"]"):
            return
        while True:
            yield
            if self.take(b"]"):
                return
            if not self.take(b","):
                self.fail("expected ',' or ']'")

    def value(self) -> bytes:
        """Take one whole value, undecoded; a key's colon before it is stepped over."""
        self.take(b":")
        first = self.peek()
        while (end := _end(self.data, self.at, first)) < 0:
            self.grow()
        text = self.data[self.at : end]
        self.at = end
        return text

    def rows(self) -> Iterator[tuple[bytes, Positions]]:
        """Take a list of lists block by block: the text of some whole rows, and where in it each of them ends."""
        self.at += 1
        separator = b""
        while True:
            ends, closing = row_ends(self.data[self.at :])
            if len(ends):
                size = int(ends[-1]) + 1
                yield separator + self.data[self.at : self.at + size], ends + len(separator)
                self.at += size
                separator = b""
            if closing >= 0:
                break
            self.grow()
        if self.data[self.at : self.at + closing - (size if len(ends) else 0)].strip(_SPACE):
            self.fail("expected a list")
        self.at += closing - (size if len(ends) else 0) + 1


def _end(data: bytes, at: int, first: bytes) -> int:
    """Find where the value that starts here ends, or -1 if it goes on."""
    if first == b'"':
        quotes = quotes_in(np.frombuffer(data, np.uint8, offset=at))
        return at + int(quotes[1]) + 1 if len(quotes) > 1 else -1
    if first in (b"[", b"{"):
        ends, _ = row_ends(data[at:], *(b"[]" if first == b"[" else b"{}"))
        return at + int(ends[0]) + 1 if len(ends) else -1
    match = _SCALAR.match(data, at)
    return match.end() if match else -1


def row_ends(data: bytes, opening: int = ord("["), closing: int = ord("]")) -> tuple[Positions, int]:
    """Find where each list of a sequence ends, and where the sequence itself is closed (-1 if it is not).

    It is exact and reads no value: brackets count only outside strings, and a quote ends a string unless the
    backslashes before it are odd in number.
    """
    values = np.frombuffer(data, np.uint8)
    brackets = np.flatnonzero((values == opening) | (values == closing))
    brackets = brackets[(np.searchsorted(quotes_in(values), brackets) & 1) == 0]
    is_opening = values[brackets] == opening
    depth = np.cumsum(np.where(is_opening, 1, -1))
    shut = np.flatnonzero(depth < 0)
    if len(shut):
        first = int(shut[0])
        return brackets[:first][depth[:first] == 0], int(brackets[first])
    return brackets[depth == 0], -1


def quotes_in(values: npt.NDArray[np.uint8]) -> Positions:
    """Find the quotes that begin or end a string."""
    quotes = np.flatnonzero(values == _QUOTE)
    escaped, behind_slashes = np.zeros(len(quotes), np.bool_), np.arange(len(quotes))
    for back in range(1, _LONG_RUN):
        before = quotes[behind_slashes] - back
        behind_slashes = behind_slashes[(before >= 0) & (values[before] == _SLASH)]
        if not len(behind_slashes):
            break
        escaped[behind_slashes] ^= True
    else:
        escaped = _escaped(values, quotes)
    found: Positions = quotes[~escaped]
    return found


def _escaped(values: npt.NDArray[np.uint8], quotes: Positions) -> npt.NDArray[np.bool_]:
    """Tell which quotes have an odd number of backslashes before them, however many."""
    slashes = np.flatnonzero(values == _SLASH)
    begins = np.diff(slashes, prepend=-2) != 1
    run_start = np.maximum.accumulate(np.where(begins, slashes, 0))
    before = np.minimum(np.searchsorted(slashes, quotes - 1), len(slashes) - 1)
    odd: npt.NDArray[np.bool_] = (slashes[before] == quotes - 1) & ((quotes - run_start[before]) & 1 == 1)
    return odd


def decode(text: bytes) -> Any:
    """Decode JSON: what msgspec refuses (NaN, lone surrogates, bad UTF-8), the standard library reads."""
    try:
        return msgspec.json.decode(text)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        pass
    try:
        return json.loads(text.decode("utf-8", "surrogateescape"))
    except (ValueError, RecursionError) as error:
        raise ProtocolError(f"The result is not JSON: {error or 'it is nested too deeply'}.") from None
