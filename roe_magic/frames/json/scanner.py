"""Step 2 of 4: the ends of JSON lists, and the quotes of strings, in a block of bytes; nothing is decoded."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

# Indices into a block of bytes.
Positions = npt.NDArray[np.int64]

_QUOTE, _BACKSLASH = b'"\\'
# Shorter runs of backslashes before a quote are counted byte by byte; text seldom has longer ones.
_LONG_RUN = 32


class Scanner:
    """Finds the ends of lists and strings in a JSON text that arrives in blocks; each block is scanned once.

    This is exact although no value is decoded: brackets count only outside strings, and a quote ends a string unless an
    odd number of backslashes precedes it. What a block leaves open is kept for the next one.

    Parameters
    ----------
    opening, closing : int
        The brackets: those of lists, or of objects.

    Attributes
    ----------
    depth : int
        In how many lists the text so far ends; the sequence is none of them.
    """

    def __init__(self, opening: int = ord("["), closing: int = ord("]")) -> None:
        self._opening, self._closing = opening, closing
        self.depth, self._in_string, self._after_backslash = 0, False, False

    def list_ends(self, block: bytes) -> tuple[Positions, int]:
        """Return where each list of a sequence ends, and where the sequence itself is closed (-1 if it is not)."""
        values = np.frombuffer(block, np.uint8)
        brackets = np.flatnonzero((values == self._opening) | (values == self._closing))
        was_in_string = self._in_string
        quotes_before = np.searchsorted(self.quotes(block), brackets)
        brackets = brackets[(quotes_before & 1) == was_in_string]
        depth = self.depth + np.cumsum(np.where(values[brackets] == self._opening, 1, -1))
        self.depth = int(depth[-1]) if len(depth) else self.depth
        beyond_sequence = np.flatnonzero(depth < 0)
        if len(beyond_sequence):
            first = int(beyond_sequence[0])
            return brackets[:first][depth[:first] == 0], int(brackets[first])
        return brackets[depth == 0], -1

    def quotes(self, block: bytes) -> Positions:
        """Return the positions of the quotes that begin or end a string."""
        escaped = int(self._after_backslash)
        text = b"\\" * escaped + block
        found = string_quotes(np.frombuffer(text, np.uint8)) - escaped
        self._in_string ^= bool(len(found) & 1)
        self._after_backslash = bool((len(text) - len(text.rstrip(b"\\"))) & 1)
        return found


def row_ends(data: bytes, opening: int = ord("["), closing: int = ord("]")) -> tuple[Positions, int]:
    """Return where each list of a sequence ends, and where the sequence itself is closed (-1 if it is not)."""
    return Scanner(opening, closing).list_ends(data)


def string_quotes(values: npt.NDArray[np.uint8]) -> Positions:
    """Return the positions of the quotes that begin or end a string; escaped quotes are left out."""
    quotes = np.flatnonzero(values == _QUOTE)
    escaped, after_backslashes = np.zeros(len(quotes), np.bool_), np.arange(len(quotes))
    for distance in range(1, _LONG_RUN):
        before = quotes[after_backslashes] - distance
        after_backslashes = after_backslashes[(before >= 0) & (values[before] == _BACKSLASH)]
        if not len(after_backslashes):
            break
        escaped[after_backslashes] ^= True
    else:
        escaped = _are_escaped(values, quotes)
    unescaped: Positions = quotes[~escaped]
    return unescaped


def _are_escaped(values: npt.NDArray[np.uint8], quotes: Positions) -> npt.NDArray[np.bool_]:
    """Return for each quote whether an odd number of backslashes precedes it, in runs of any length."""
    backslashes = np.flatnonzero(values == _BACKSLASH)
    begins_run = np.diff(backslashes, prepend=-2) != 1
    run_start = np.maximum.accumulate(np.where(begins_run, backslashes, 0))
    before = np.minimum(np.searchsorted(backslashes, quotes - 1), len(backslashes) - 1)
    escaped: npt.NDArray[np.bool_] = (backslashes[before] == quotes - 1) & ((quotes - run_start[before]) & 1 == 1)
    return escaped
