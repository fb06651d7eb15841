"""Statements with totals or extremes: no binary format of the engine has these, and text loses types.

So the statement becomes a subquery, whose totals pass through the SELECT around it. That makes one text of each row,
the row in the format RowBinary as base64, which no setting of the caller changes. The output in TabSeparated is then
the rows, an empty line, the totals, another empty line, and the two lines of the setting ``extremes``. The last are
those of the texts, so the engine is asked for the extremes of the rows afterwards.
"""

from __future__ import annotations

import binascii
import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import BinaryIO

_WORDS = re.compile(r"\bwith\s+totals\b", re.IGNORECASE)
# What the service adds at the end.
_MARK = re.compile(r"\n/\* roe:[\w-]+ \*/\Z")
# Between the two words there may be comments, and spaces beyond ASCII.
_COMMENTS = ("/*", "--", "#", "//")

OUTPUT_FORMAT = "TabSeparated"
# A UInt8 after the columns of each row.
END_OF_ROW = "reinterpretAsUInt8('end of row')"


def may_have_totals(sql: str) -> bool:
    """Whether a statement may have WITH TOTALS, as far as its text shows; for one that has not, it does no harm."""
    if "totals" not in sql.lower():
        return False
    sql = _MARK.sub("", sql)
    is_plain = sql.isascii() and not any(mark in sql for mark in _COMMENTS)
    return _WORDS.search(sql) is not None or not is_plain


def as_row_binary(sql: str) -> str:
    """Return the statement that returns the rows of another as text."""
    # The last byte is there because an empty tuple has none, and a row without any could not be found in a file.
    return f"SELECT base64Encode(formatRow('RowBinary', *, {END_OF_ROW})) FROM (\n{sql}\n)"  # noqa: S608  # the caller's


@dataclass
class Output:
    """What was read besides the rows; ``totals`` is such a row too."""

    row_count: int = 0
    totals: bytes | None = None
    has_extremes: bool = False


def read(parts: Iterable[bytes], rows: BinaryIO) -> Output:
    """Read the output of :func:`as_row_binary`, write its rows to a file in RowBinary, and return the rest."""
    output, rest = Output(), b""
    for part in parts:
        lines, _, after = (b"", b"", part[1:]) if part.startswith(b"\n") else part.partition(b"\n\n")
        if rest:
            rest += part
            continue
        rest = after
        decoded = [binascii.a2b_base64(line) for line in lines.split(b"\n") if line]
        output.row_count += len(decoded)
        rows.write(b"".join(decoded))
    for section in rest.strip(b"\n").split(b"\n\n"):
        lines_of_section = section.split(b"\n")
        if len(lines_of_section) > 1:
            output.has_extremes = True
        elif section:
            output.totals = binascii.a2b_base64(section)
    return output
