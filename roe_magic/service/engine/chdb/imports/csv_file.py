"""Examines a CSV file before ClickHouse reads it: its encoding, separator, column names, and rows that do not fit."""

from __future__ import annotations

import codecs
import contextlib
import csv
import io
import itertools
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from roe_magic.service.engine.chdb.database import EngineError
from roe_magic.service.engine.chdb.imports.csv_head import (
    HEAD_CHARACTERS,
    csv_error,
    csv_reader,
    describe_csv_error,
    first_records,
)
from roe_magic.service.engine.chdb.imports.csv_lengths import may_be_longer

_CHUNK_BYTES = 2**20
# A space between a quotation mark and a border of its value. Both patterns begin with fixed bytes, which are found
# quickly.
_AFTER_SPACE, _BEFORE_SPACE = re.compile(rb' "(?<=[,;\t|\n ] ")'), re.compile(rb'" +[,;\t|\r\n]')
# A value in quotation marks between two separators or line ends, and the spaces around the marks.
_QUOTED = re.compile(rb'[,;\t|\n]( *)"[^"]*(?:""[^"]*)*"( *)(?=[,;\t|\r\n])')
_SPACES_BEHIND = re.compile(r'" +(?=[,;|\r\n])')
# For each byte, whether it may stand next to a quotation mark, outside the value.
_BESIDE_QUOTES = np.isin(np.arange(256), list(b',;\t|\r\n"'))
# Where a row is by lines is not looked for beyond so many rows.
_MAX_ROWS_WALKED = 2_000_000
# ClickHouse's error codes for text that it cannot parse; limits and the like have other codes.
INCORRECT_DATA = 117
_PARSE_ERRORS = frozenset({6, 26, 27, 33, 38, 41, 53, 72, INCORRECT_DATA, 130, 131, 636})


@dataclass(frozen=True)
class CsvFile:
    """A file that is UTF-8 text and has column names or rows.

    Parameters
    ----------
    path : Path
        Where it is.
    separator : str
        The character between two values.
    skipped : int
        How many records there are before the first row: empty lines, Excel's ``sep=;``, and the column names.
    names : sequence of str
        One name per column, no two of them the same.
    is_padded : bool
        Whether there are spaces around quotation marks. They are understood only if all spaces around values are
        taken for no part of them.
    has_stray_quotes : bool
        Whether there are quotation marks within values that do not begin with one, as in 5".
    has_rows : bool
        Whether there is a row.
    """

    path: Path
    separator: str
    skipped: int
    names: Sequence[str]
    is_padded: bool = False
    has_stray_quotes: bool = False
    has_rows: bool = True

    def explain(self, error: EngineError) -> EngineError:
        """Return an error that says in one sentence why ClickHouse could not read the file.

        An error that does not come from the file's text is returned as it is.
        """
        if error.code not in _PARSE_ERRORS:
            return error
        return csv_error(self.first_fault() or _reason(error.message), error.code)

    def first_fault(self) -> str | None:
        """Return what is wrong with the first row that is not like the others, None if all are alike."""
        try:
            for line, row in self._rows():
                # An empty line is a row of one column.
                if len(row or [""]) != len(self.names):
                    return self._describe_row(line, row)
        except csv.Error as error:
            return str(error)
        return None

    def describe_place(self, row: int) -> str:
        """Return where a row is, of which 0 is the first: by its line, or its number if that takes too long."""
        with contextlib.suppress(csv.Error):
            if row < _MAX_ROWS_WALKED:
                for line, _ in itertools.islice(self._rows(), row, row + 1):
                    return f"line {line}"
        return f"row {row + 1:,}"

    def _rows(self) -> Iterator[tuple[int, list[str]]]:
        """Yield the first line and the values of each row; csv.Error says what is wrong with one, and its line."""
        with self.path.open(encoding="utf-8-sig", newline="\n") as file:
            # Python's reader skips spaces before quotation marks only.
            lines = (_SPACES_BEHIND.sub('"', line) for line in file) if self.is_padded else file
            reader = csv_reader(lines, self.separator, skipinitialspace=self.is_padded, strict=True)
            first_line = 1
            try:
                for number, row in enumerate(reader):
                    if number >= self.skipped:
                        yield first_line, row
                    first_line = reader.line_num + 1
            except csv.Error as error:
                raise csv.Error(describe_csv_error(first_line, error)) from None

    def _describe_row(self, line: int, row: Sequence[str]) -> str:
        if not row:
            return f"line {line} is empty"
        values = "1 value" if len(row) == 1 else f"{len(row)} values"
        separator = "" if self.separator == "," else f" (separated by {self.separator!r})"
        return f"line {line} has {values}, and the first line has {len(self.names)}{separator}"


def prepare(path: Path, *, with_headers: bool, check: Callable[[], None] = lambda: None) -> CsvFile:
    """Examine a file, and end it with one line end: ClickHouse takes empty lines for rows with too few values.

    Parameters
    ----------
    path : Path
        The file.
    with_headers : bool
        Whether the first row is the columns' names; if not, they are called ``column_1`` and so on.
    check : callable
        Called now and then; what it raises ends the examination.

    Raises
    ------
    EngineError
        It is not UTF-8, is empty, or ends inside quotation marks.
    """
    quotation_marks, padded, has_stray_quotes = _look_at_bytes(path, check)
    with path.open(encoding="utf-8-sig", newline="\n") as text:
        head = text.read(HEAD_CHARACTERS)
    separator, skipped, records = first_records(head)
    if not records:
        raise EngineError("The file is empty.")
    if len(records) == 1 and len(head) == HEAD_CHARACTERS:
        raise EngineError(
            f"The first line is longer than {HEAD_CHARACTERS:,} characters; shorten it, or upload the file as Parquet."
        )
    has_rows = len(records) > with_headers
    _end_with_line(path, keep_empty=len(records[0]) == 1)
    header = records[0] if with_headers else [""] * len(records[0])
    # ClickHouse does not skip spaces where the separator is a tab.
    is_padded = separator != "\t" and not padded.isdisjoint({separator.encode(), b""})
    names = column_names(header)
    file = CsvFile(path, separator, skipped + with_headers, names, is_padded, has_stray_quotes, has_rows)
    # An odd number is rare, and ClickHouse would read the rest of the file as one value.
    if quotation_marks % 2 and (fault := file.first_fault()):
        raise csv_error(fault)
    # ClickHouse would drop an empty value behind the last one.
    if may_be_longer(path, separator, len(header), is_sure=not has_stray_quotes) and (fault := file.first_fault()):
        raise csv_error(fault)
    return file


def column_names(header: Sequence[str]) -> list[str]:
    """Return a different name for each column: its own, with a number if it is taken, or one made of its position."""
    stripped = [name.strip() for name in header]
    # The names in order; and for each name in the header its last number, since it may be there a thousand times.
    given, names, numbers = set(stripped), dict[str, None](), dict[str, int]()
    for position, header_name in enumerate(stripped, 1):
        base = header_name or f"column_{position}"
        number = numbers.get(header_name, 1) if header_name else 1
        name = base if number == 1 else f"{base}_{number}"
        while name in names or (name != header_name and name in given):
            number += 1
            name = f"{base}_{number}"
        numbers[header_name] = number
        names[name] = None
    return list(names)


def _look_at_bytes(path: Path, check: Callable[[], None]) -> tuple[int, set[bytes], bool]:
    """Return how many quotation marks there are, which separators stand a space away from one, and if any is stray.

    Lines count as the separator ``b""``.

    Raises
    ------
    EngineError
        The bytes are not UTF-8.
    """
    decoder = codecs.getincrementaldecoder("utf-8")()
    quotation_marks, padded, has_stray_quotes, read = 0, set[bytes](), False, 0
    with path.open("rb") as file:
        # A chunk ends with a line, so that what is looked for lies in one chunk.
        while chunk := file.read(_CHUNK_BYTES) + file.readline(_CHUNK_BYTES):
            check()
            try:
                decoder.decode(chunk)
            except UnicodeDecodeError as error:
                # error.object begins with bytes of the last chunk if a character spans both.
                raise _not_utf8(path, read + len(chunk) - len(error.object) + error.start) from None
            read += len(chunk)
            if b'"' in chunk:
                if _AFTER_SPACE.search(b"\n" + chunk) or _BEFORE_SPACE.search(chunk + b"\n"):
                    padded |= _padded_separators(chunk, is_quoted=quotation_marks % 2 == 1)
                has_stray_quotes = has_stray_quotes or _has_stray_quotes(chunk, quotation_marks)
                quotation_marks += chunk.count(b'"')
    if decoder.getstate()[0]:
        raise _not_utf8(path, read)
    return quotation_marks, padded, has_stray_quotes


def _has_stray_quotes(chunk: bytes, quotation_marks: int) -> bool:
    """Whether a mark that should open a value has no separator before it, or one that should close it none behind it.

    Of two marks that stand for one, the first closes the value and the second opens it again.
    """
    data = np.frombuffer(b"\n" + chunk + b"\n", np.uint8)
    marks = np.flatnonzero(data == ord('"'))
    opens = (np.arange(len(marks)) + quotation_marks) % 2 == 0
    return not _BESIDE_QUOTES[np.where(opens, data[marks - 1], data[marks + 1])].all()


def _not_utf8(path: Path, size: int) -> EngineError:
    """Return the error for a file that is UTF-8 in so many of its first bytes."""
    with path.open("rb") as file:
        line, left = 1, size
        while left > 0:
            chunk = file.read(min(_CHUNK_BYTES, left))
            line, left = line + chunk.count(b"\n"), left - len(chunk)
    with path.open("rb") as file:
        encoding = "utf-16" if file.read(2) in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE) else "latin-1"
    return EngineError(
        f"The file is not UTF-8 (line {line}). Convert it first (iconv -f {encoding} -t utf-8), "
        f"or upload the DataFrame of pandas.read_csv(..., encoding={encoding!r})."
    )


def _padded_separators(chunk: bytes, *, is_quoted: bool) -> set[bytes]:
    """Return the separators with a space between them and the quotation marks of a value.

    Parameters
    ----------
    is_quoted : bool
        Whether the chunk begins within quotation marks.
    """
    start = chunk.find(b'"') + 1 if is_quoted else 0
    text, found = b"\n" + chunk[start:] + b"\n", set[bytes]()
    for match in _QUOTED.finditer(text):
        if match[1]:
            found.add(text[match.start() : match.start() + 1])
        if match[2]:
            found.add(text[match.end() : match.end() + 1])
    return {each.strip(b"\r\n") for each in found}


def _end_with_line(path: Path, *, keep_empty: bool) -> None:
    """Let the last line end like the others, without which ClickHouse does not trim its last value.

    Parameters
    ----------
    keep_empty : bool
        Whether empty lines at the end are kept: they are rows of one column.
    """
    with path.open("r+b") as file:
        start = max(0, file.seek(0, io.SEEK_END) - _CHUNK_BYTES)
        file.seek(start)
        end = file.read()
        size = len(end) if keep_empty and end.endswith(b"\n") else len(end.rstrip(b"\r\n"))
        file.truncate(start + size)
        file.seek(start + size)
        if not end[:size].endswith(b"\n"):
            file.write(b"\n")


def _reason(message: str) -> str:
    """Return the part of a ClickHouse message that helps a person.

    ClickHouse's errors are text alone, so that the row's number can only be found by searching it.
    """
    row = re.search(r"\(at row (\d+)\)", message)
    if row:
        return f"a value of data row {row[1]} does not fit its column, whose type comes from the rows before it"
    inner = re.search(r"Error:\s*(.+?)\.?\s*You can specify", message, re.DOTALL)
    return " ".join((inner[1] if inner else message).split())
