"""An uploaded CSV file as seen before the engine reads it: its text, separator and column names, and its faults."""

from __future__ import annotations

import codecs
import csv
import io
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from roe_magic.service.engine.chdb.database import EngineError

_CHUNK = 2**20
# The first line and the first row must be found in so many characters.
_HEAD = 2**20
_SEPARATORS = (";", "\t", "|")
# What ClickHouse answers to text that it cannot parse; limits and the like have other codes.
UNEVEN = 117
_UNPARSED = frozenset({6, 26, 27, 33, 38, 41, 53, 72, UNEVEN, 130, 131, 636})


@dataclass(frozen=True)
class CsvFile:
    """A file that is UTF-8 text and has at least one row.

    Parameters
    ----------
    path : Path
        Where it lies.
    separator : str
        What stands between two values.
    skipped : int
        How many records come before the first row: empty lines and the column names.
    names : sequence of str
        One name per column, all of them different.
    """

    path: Path
    separator: str
    skipped: int
    names: Sequence[str]

    def explained(self, error: EngineError) -> EngineError:
        """Say in one sentence why the engine could not read the file; an error of another kind stays as it is."""
        if error.code not in _UNPARSED:
            return error
        return _unreadable(self.fault() or _reason(error.message), error.code)

    def fault(self) -> str | None:
        """Find the first row that is not like the others."""
        csv.field_size_limit(2**31 - 1)
        with self.path.open(encoding="utf-8-sig", newline="\n") as file:
            reader = csv.reader(file, delimiter=self.separator, skipinitialspace=True, strict=True)
            begin = 1
            try:
                for number, row in enumerate(reader):
                    # An empty line is a row of one column.
                    if number >= self.skipped and len(row or [""]) != len(self.names):
                        return self._uneven(begin, row)
                    begin = reader.line_num + 1
            except csv.Error as error:
                return _broken(begin, error)
        return None

    def _uneven(self, line: int, row: Sequence[str]) -> str:
        if not row:
            return f"line {line} is empty"
        values = "1 value" if len(row) == 1 else f"{len(row)} values"
        separator = "" if self.separator == "," else f" (separated by {self.separator!r})"
        return f"line {line} has {values}, and the first line has {len(self.names)}{separator}"


def prepare(path: Path, *, with_headers: bool) -> CsvFile:
    """Look at a file, and cut off empty lines at its end, which the engine would take for short rows.

    Parameters
    ----------
    path : Path
        The file.
    with_headers : bool
        Whether its first row holds the columns' names; without them they are ``column_1`` and so on.

    Raises
    ------
    EngineError
        It is not UTF-8, has no rows, or ends within quotation marks.
    """
    quotes = _checked(path)
    with path.open(encoding="utf-8-sig", newline="\n") as text:
        head = text.read(_HEAD)
    separator, skipped, records = _opening(head)
    if not records:
        raise EngineError("The file is empty.")
    if with_headers and len(records) < 2:
        raise EngineError("The file holds column names and no rows, which leaves the columns' types open.")
    if len(records[0]) > 1:
        _cut_empty_lines(path)
    header = records[0] if with_headers else [""] * len(records[0])
    file = CsvFile(path, separator, skipped + with_headers, column_names(header))
    # An odd number of them is rare, and the engine would take the rest of the file for one value.
    if quotes % 2 and (fault := file.fault()):
        raise _unreadable(fault)
    return file


def column_names(header: Sequence[str]) -> list[str]:
    """Give every column a name of its own: by position where there is none, with a number where it is taken."""
    stripped = [name.strip() for name in header]
    names: list[str] = []
    for position, given in enumerate(stripped, 1):
        name = base = given or f"column_{position}"
        number = 1
        while name in names or (name != given and name in stripped):
            number += 1
            name = f"{base}_{number}"
        names.append(name)
    return names


def _checked(path: Path) -> int:
    """Make sure that a file is UTF-8, and count its quotation marks."""
    decoder = codecs.getincrementaldecoder("utf-8")()
    line, quotes = 1, 0
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK):
            try:
                decoder.decode(chunk)
            except UnicodeDecodeError as error:
                # The part of a character that the last chunk ended with is in front of the error's bytes.
                line += error.object.count(b"\n", 0, error.start)
                raise EngineError(f"The file is not UTF-8 (line {line}); convert it first.") from None
            line += chunk.count(b"\n")
            quotes += chunk.count(b'"')
    if decoder.getstate()[0]:
        raise EngineError(f"The file is not UTF-8 (line {line}); convert it first.")
    return quotes


def _opening(head: str) -> tuple[str, int, list[list[str]]]:
    """Tell the separator, how many empty lines come first, and the first two records that are not empty."""
    if "\r" in head and "\n" not in head:
        raise EngineError("The file's lines end in a carriage return alone; convert them to line feeds first.")
    skipped, records = _records(head, ",")
    if records and len(records[0]) == 1:
        for separator in _SEPARATORS:
            others = _records(head, separator)[1]
            if len(others) == 2 and all(len(record) > 1 for record in others):
                return separator, skipped, others
    return ",", skipped, records


def _records(head: str, separator: str) -> tuple[int, list[list[str]]]:
    found: list[list[str]] = []
    skipped = 0
    if "\0" in head.lstrip("\n").partition("\n")[0]:
        raise EngineError("The first line holds no column names: there are NUL characters in it.")
    try:
        for record in csv.reader(io.StringIO(head, newline="\n"), delimiter=separator, skipinitialspace=True):
            if record:
                found.append(record)
            elif not found:
                skipped += 1
            if len(found) == 2:
                break
    except csv.Error as error:
        raise _unreadable(str(error)) from None
    return skipped, found


def _cut_empty_lines(path: Path) -> None:
    with path.open("r+b") as file:
        start = max(0, file.seek(0, io.SEEK_END) - _CHUNK)
        file.seek(start)
        file.truncate(start + len(file.read().rstrip(b"\r\n")))


def _broken(line: int, error: csv.Error) -> str:
    if str(error) == "unexpected end of data":
        return f"a quotation mark in the row that begins on line {line} is not closed"
    if "expected after" in str(error):
        return f"text follows a quotation mark in the row that begins on line {line}"
    return f"line {line}: {error}"


def _reason(message: str) -> str:
    """Take out of ClickHouse's message what a person can use."""
    row = re.search(r"\(at row (\d+)\)", message)
    if row:
        return f"a value of data row {row[1]} does not fit its column, whose type the rows before it told"
    inner = re.search(r"Error:\s*(.+?)\.?\s*You can specify", message, re.DOTALL)
    return " ".join((inner[1] if inner else message).split())


def _unreadable(why: str, code: int = 0) -> EngineError:
    return EngineError(f"The file cannot be read as CSV: {why}.", code)
