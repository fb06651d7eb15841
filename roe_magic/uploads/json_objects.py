"""The objects of a file of JSON lines, found as the local service finds them.

They stand one after another, however they are broken into lines, with or without a comma between two of them; or in one
array. The file is read in blocks; ``row_ends`` finds where objects end, and decodes nothing.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import BinaryIO

from roe_magic.frames.json.scanner import row_ends

_BLOCK = 1 << 20
# Where no object ends within so many bytes, a bracket or a quotation mark is missing: the rest need not be read.
LONGEST_OBJECT = 64 << 20
_BEGINNING = re.compile(rb"(?:\xef\xbb\xbf)?\s*\[?\s*")
_GAP = re.compile(rb"\s*,?\s*")
_END_OF_ARRAY = re.compile(rb"\s*\]\s*")


def json_objects(file: BinaryIO) -> Iterator[tuple[int, bytes]]:
    """Yield the line in which each object begins, and its bytes; only decoding shows whether they are an object.

    Where none can be found though the file does not end as it should, what stands there is yielded as the last one.
    """
    file.seek(0)
    data = file.read(_BLOCK)
    start = _end(_BEGINNING, data, 0)
    end_of_file = _END_OF_ARRAY if b"[" in data[:start] else _GAP
    line, data, block = 1 + data.count(b"\n", 0, start), data[start:], data
    if data.startswith(b","):  # there is a comma between two objects, and at the end of a line
        yield line, data
        return
    while block and _may_go_on(data):
        start = 0
        for last in row_ends(data, ord("{"), ord("}"))[0].tolist():
            first = _end(_GAP, data, start)
            line += data.count(b"\n", start, first)
            yield line, data[first : last + 1]
            line += data.count(b"\n", first, last)
            start = last + 1
        block = file.read(max(_BLOCK, len(data) - start))
        data = data[start:] + block
    if not end_of_file.fullmatch(data):
        start = _end(_GAP, data, 0)
        yield line + data.count(b"\n", 0, start), data[start:]


def _end(pattern: re.Pattern[bytes], data: bytes, start: int) -> int:
    """Return where a match ends that begins at ``start``; ``start`` if there is none."""
    match = pattern.match(data, start)
    return match.end() if match else start


def _may_go_on(data: bytes) -> bool:
    """Whether an object or the end of the array may follow; otherwise nothing more is read."""
    start = _end(_GAP, data, 0)
    return len(data) < LONGEST_OBJECT and data[start : start + 1] in (b"", b"{", b"]")
