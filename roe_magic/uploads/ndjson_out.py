"""JSON lines as a CSV file, for servers that take nothing else.

Every value keeps the characters that it has in the JSON: no number is rounded, no text is taken for a date. The file is
read twice: for the names of all columns, then for the rows.
"""

from __future__ import annotations

import contextlib
import json
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import IO, BinaryIO

import msgspec

from roe_magic.contract.models import NDJSON
from roe_magic.errors import UsageError
from roe_magic.formatting import clean, size
from roe_magic.sql.quoting import sql_name
from roe_magic.uploads.csv_losses import EXPONENTS, INTEGER_DIGITS, LOOKS, NULL_TEXT, name_losses
from roe_magic.uploads.csv_out import header, quoted
from roe_magic.uploads.json_objects import LONGEST_OBJECT, json_objects
from roe_magic.uploads.sources import encoding_hint

_decode_row = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode
_decode_text = msgspec.json.Decoder(str).decode
_LOOKS = {look: re.compile(pattern) for look, pattern in LOOKS.items()}
_NULL_TEXT = re.compile(NULL_TEXT)
_DIGITS = re.compile(rb"\d")


class _ColumnNotes:
    """What the values of one column have been so far."""

    def __init__(self) -> None:
        self.kinds: set[str] = set()
        self.looks = set(_LOOKS)
        self.has_long_number = self.has_exponent = self.has_empty = self.has_text = self.has_null_text = False
        self.count = 0

    def add(self, value: bytes) -> None:
        """Take one value of the JSON into account."""
        kind = _KINDS.get(value[:1], "numbers")
        self.kinds.add(kind)
        self.count += 1
        if kind == "text":
            self._add_text(_decode_text(value))
        elif kind == "numbers":
            self.has_long_number |= len(_DIGITS.findall(value)) > INTEGER_DIGITS - 2
            self.has_exponent |= b"e" in value.lower()

    def _add_text(self, text: str) -> None:
        self.has_empty |= not text
        is_null = _NULL_TEXT.search(text) is not None
        self.has_null_text |= is_null
        if text and not is_null:
            self.has_text = True
            self.looks = {look for look in self.looks if _LOOKS[look].match(text)}

    def sentences(self, name: str, row_count: int, *, alone: bool) -> Iterator[str]:
        """Yield what is lost of a column of so many rows; ``alone`` is whether there is no other column."""
        column, has_null = sql_name(name), "NULL" in self.kinds or self.count < row_count
        if not self.kinds - {"NULL"}:
            yield "it has no values, so the server chooses a type without any."
        yield from self._of_kinds(column)
        if self.has_text and self.looks:
            look = next(look for look in _LOOKS if look in self.looks)
            yield f"text that looks like {look} may be read as {look}. In queries: toString({column})"
        if self.has_empty and (has_null or not self.has_text):
            yield "empty text and NULL may become one." if has_null else "empty text may become NULL."
        if self.has_null_text:
            yield r"the text NULL or \N may be read as NULL."
        if self.has_exponent:
            yield f"{EXPONENTS}. In queries: toFloat64({column})"
        if self.has_long_number:
            yield "numbers of many digits may be rounded by the server."
        if alone and (has_null or self.has_empty):
            yield "rows without a value are empty lines, which the server may leave out."

    def _of_kinds(self, column: str) -> Iterator[str]:
        if "lists or objects" in self.kinds:
            yield f"lists and objects are sent as JSON text. In queries: JSONExtractRaw({column})"
        kinds = [kind for kind in _MIXABLE if kind in self.kinds]
        if len(kinds) > 1:
            yield f"{' and '.join(kinds)} are in one column, and the server cannot tell them apart."


_MIXABLE = ("text", "numbers", "booleans")
_KINDS = {
    b'"': "text",
    b"[": "lists or objects",
    b"{": "lists or objects",
    b"t": "booleans",
    b"f": "booleans",
    b"n": "NULL",
}


def write_ndjson_as_csv(source: BinaryIO, target: IO[bytes], name: str) -> tuple[list[str], int]:
    """Write JSON lines as CSV, and return what CSV does not keep of them, a sentence each, and the number of rows.

    Raises
    ------
    UsageError
        Something is not a JSON object, or there is none.
    """
    notes: dict[str, _ColumnNotes] = {}
    row_count = 0
    for row in _rows(source, name):
        row_count += 1
        for column, value in row.items():
            notes.setdefault(column, _ColumnNotes()).add(bytes(value))
    if not notes:
        raise UsageError(f"{name!r} has no rows with columns.")
    target.write(header(notes))
    for row in _rows(source, name):
        target.write(_line(row, notes))
    return [*name_losses(notes), *_losses(notes, row_count)], row_count


def _losses(notes: Mapping[str, _ColumnNotes], row_count: int) -> Iterator[str]:
    for column, note in notes.items():
        for what in note.sentences(column, row_count, alone=len(notes) == 1):
            yield f"{clean(column) or '(no name)'}: {what}"


def _rows(source: BinaryIO, name: str) -> Iterator[Mapping[str, msgspec.Raw]]:
    for line, text in json_objects(source):
        try:
            yield _row(text)
        except UnicodeDecodeError:
            raise UsageError(f"{name!r} is not UTF-8 (line {line}).", hint=encoding_hint(NDJSON, "latin-1")) from None
        except (msgspec.DecodeError, ValueError, RecursionError) as error:
            raise UsageError(f"{name!r}, line {line}, is not a JSON object: {_reason(error, text)}.") from None


def _row(text: bytes) -> Mapping[str, msgspec.Raw]:
    """Return the values of an object by their keys; raise ValueError where it is none, or a key comes twice."""
    text.decode()  # msgspec looks at the bytes of a text only when it is asked for
    row = _decode_row(text)
    colons = text.count(b":") - sum(bytes(value).count(b":") for value in row.values())
    if colons != len(row):  # a key has a colon, or comes twice, of which the decoder keeps one
        keys = [key for key, _ in json.loads(text, object_pairs_hook=list)]
        twice = next((key for key in keys if keys.count(key) > 1), None)
        if twice is not None:
            raise ValueError(f"the key {clean(twice)!r} is there twice")
    for value in row.values():
        if b"\\u" in bytes(value):
            msgspec.json.decode(value)
    return row


def _reason(error: Exception, text: bytes) -> str:
    if isinstance(error, RecursionError):
        return "its lists and objects are nested too deeply"
    if not isinstance(error, msgspec.DecodeError):
        return str(error)
    constants: list[str] = []
    with contextlib.suppress(ValueError):  # Python's own decoder takes these constants, and half of a character
        if isinstance(json.loads(text, parse_constant=constants.append), dict):
            no_value = f"{constants[0]} is no value of JSON; write null" if constants else None
            return no_value or r"half of a character (\ud800 to \udfff) stands alone"
    if len(text) >= LONGEST_OBJECT:
        return f"its end is missing, or it has more than {size(LONGEST_OBJECT)}"
    return "its end is missing" if "truncated" in str(error) else str(error)


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
