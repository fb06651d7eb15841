"""Step 2 of 4: the ends of JSON lists, and the quotes of strings, in a block of bytes; nothing is decoded."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

# Indices into a block of bytes.
Positions = npt.NDArray[np.int64]

_QUOTE, _BACKSLASH = b'"\\'
# Shorter runs of backslashes before a quote are counted byte by byte; text seldom has longer ones.
_LONG_RUN = 32


def row_ends(data: bytes, opening: int = ord("["), closing: int = ord("]")) -> tuple[Positions, int]:
    """Return where each list of a sequence ends, and where the sequence itself is closed (-1 if it is not).

    This is exact although no value is decoded: brackets count only outside strings, and a quote ends a string unless an
    odd number of backslashes precedes it.
    """
    values = np.frombuffer(data, np.uint8)
    brackets = np.flatnonzero((values == opening) | (values == closing))
    brackets = brackets[(np.searchsorted(string_quotes(values), brackets) & 1) == 0]
    is_opening = values[brackets] == opening
    depth = np.cumsum(np.where(is_opening, 1, -1))
    beyond_sequence = np.flatnonzero(depth < 0)
    if len(beyond_sequence):
        first = int(beyond_sequence[0])
        return brackets[:first][depth[:first] == 0], int(brackets[first])
    return brackets[depth == 0], -1


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
