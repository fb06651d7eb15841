"""Looks quickly for rows of a CSV file that have more values than there are columns."""

from __future__ import annotations

from pathlib import Path
from typing import BinaryIO

import numpy as np

_CHUNK_BYTES, _MAX_CHUNK_BYTES = 2**20, 2**24


def may_be_longer(path: Path, separator: str, columns: int, *, is_sure: bool) -> bool:
    """Return whether a row that ends in a separator may have more values than there are columns.

    Parameters
    ----------
    is_sure : bool
        Whether text between an odd quotation mark and the next one is always within a value. If not, the rows are not
        counted: then any row that ends in a separator may be one.
    """
    mark = separator.encode()
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK_BYTES) + file.readline(_MAX_CHUNK_BYTES):
            if is_sure:
                chunk += _rest_of_row(file, chunk.count(b'"'))
            ends = any(mark + end in chunk for end in (b"\n", b"\r", b" ", b"\t")) or chunk.endswith(mark)
            if ends and (not is_sure or _most_separators(chunk, mark) >= columns):
                return True
    return False


def _rest_of_row(file: BinaryIO, quotation_marks: int) -> bytes:
    """Return the lines up to one that ends outside quotation marks, so that a chunk ends with a row."""
    lines, size = list[bytes](), 0
    while quotation_marks % 2 and size < _MAX_CHUNK_BYTES and (line := file.readline(_MAX_CHUNK_BYTES)):
        lines.append(line)
        size += len(line)
        quotation_marks += line.count(b'"')
    return b"".join(lines)


def _most_separators(chunk: bytes, separator: bytes) -> int:
    """Return how many separators are in the row that has most; those within quotation marks do not count."""
    data = np.frombuffer(chunk, np.uint8)
    inside = np.cumsum(data == ord('"'), dtype=np.uint8) % 2 == 1
    separators = np.flatnonzero((data == ord(separator)) & ~inside)
    ends = np.append(np.flatnonzero((data == ord("\n")) & ~inside), len(data))
    return int(np.diff(np.searchsorted(separators, ends), prepend=0).max())
