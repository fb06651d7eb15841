"""JSON lines as a CSV file, for servers that take nothing else.

Every value keeps the characters that it has in the JSON: no number is rounded, no text is taken for a date. The file is
read twice: for the names of all columns, then for the rows.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import IO, BinaryIO

import msgspec

from roe_magic.errors import UsageError
from roe_magic.formatting import clean
from roe_magic.uploads.csv_losses import INTEGER_DIGITS, LOOKS, identifier
from roe_magic.uploads.csv_out import header, quoted

_decode_row = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode
_decode_text = msgspec.json.Decoder(str).decode
_LOOKS = {look: re.compile(pattern) for look, pattern in LOOKS.items()}
_DIGITS = re.compile(rb"\d")


class _ColumnNotes:
    """What the values of one column have been so far."""

    def __init__(self) -> None:
        self.kinds: set[str] = set()
        self.looks = set(_LOOKS)
        self.has_long_number = False

    def add(self, value: bytes) -> None:
        """Take one value of the JSON into account."""
        kind = _KINDS.get(value[:1], "numbers")
        self.kinds.add(kind)
        if kind == "text" and self.looks:
            text = _decode_text(value)
            self.looks = {look for look in self.looks if not text or _LOOKS[look].match(text)}
        elif kind == "numbers":
            self.has_long_number |= len(_DIGITS.findall(value)) > INTEGER_DIGITS - 2

    def sentences(self, name: str) -> Iterator[str]:
        column = identifier(name)
        if "lists or objects" in self.kinds:
            yield f"lists and objects are sent as JSON text. In queries: JSONExtractRaw({column})"
        if self.kinds >= {"text", "numbers"}:
            yield "text and numbers are in one column, and the server cannot tell them apart."
        if "text" in self.kinds and self.looks:
            look = next(look for look in _LOOKS if look in self.looks)
            yield f"text that looks like {look} may be read as {look}. In queries: toString({column})"
        if self.has_long_number:
            yield "numbers of many digits may be rounded by the server."


_KINDS = {
    b'"': "text",
    b"[": "lists or objects",
    b"{": "lists or objects",
    b"t": "booleans",
    b"f": "booleans",
    b"n": "NULL",
}


def write_ndjson_as_csv(source: BinaryIO, target: IO[bytes], name: str) -> list[str]:
    """Write JSON lines as CSV, and return what CSV does not keep of them, a sentence each.

    Raises
    ------
    UsageError
        A line is not a JSON object, or there is none.
    """
    notes: dict[str, _ColumnNotes] = {}
    for row in _rows(source, name):
        for column, value in row.items():
            notes.setdefault(column, _ColumnNotes()).add(bytes(value))
    if not notes:
        raise UsageError(f"{name!r} has no rows with columns.")
    target.write(header(notes))
    for row in _rows(source, name):
        target.write(_line(row, notes))
    return [f"{clean(column)}: {what}" for column, note in notes.items() for what in note.sentences(column)]


def _rows(source: BinaryIO, name: str) -> Iterator[Mapping[str, msgspec.Raw]]:
    source.seek(0)
    for number, line in enumerate(source, 1):
        if not line.strip():
            continue
        try:
            yield _decode_row(line)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise UsageError(f"{name!r}, line {number}, is not a JSON object: {error}.") from None


def _line(row: Mapping[str, msgspec.Raw], columns: Iterable[str]) -> bytes:
    cells = (_cell(bytes(row[column])) if column in row else "" for column in columns)
    return (",".join(cells) + "\n").encode()


def _cell(value: bytes) -> str:
    """Return a value of the JSON as CSV: NULL as nothing, lists and objects as text."""
    kind = _KINDS.get(value[:1], "numbers")
    if kind == "text":
        return quoted(_decode_text(value))
    if kind == "lists or objects":
        return quoted(value.decode())
    return "" if kind == "NULL" else value.decode()
