"""Finds the separator, the column names and the first rows in the beginning of a CSV file."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable
from typing import Any

from roe_magic.service.engine.chdb.database import EngineError

# The first line and the first row must end within so many characters.
HEAD_CHARACTERS = 2**20
# Python's limit would be 131,072.
csv.field_size_limit(2**31 - 1)
# In this order, since a comma may stand in numbers and names.
_SEPARATORS = ("\t", ";", ",", "|")
_NAMED_SEPARATOR = re.compile(r'"?sep=([^\w\s"]|\t)"?\r?\n', re.IGNORECASE)
# By so many records the separator is chosen.
_MAX_RECORDS = 100


def first_records(head: str) -> tuple[str, int, list[list[str]]]:
    """Return the separator, how many records come before the column names, and the first records from there on.

    The separator is the first of which every record has as many. If none is so, it is the one of which most have as
    many as the first record, so that the others are told of.
    """
    if "\r" in head and "\n" not in head:
        raise EngineError("The file's lines end in a carriage return alone; convert them to line feeds first.")
    if "\0" in head.lstrip("\n").partition("\n")[0]:
        raise EngineError("The first line holds no column names: there are NUL characters in it.")
    if named := _NAMED_SEPARATOR.match(head):
        # Excel's first line.
        skipped, records = _records(head[named.end() :], named[1])
        return named[1], skipped + 1, records
    fits = {separator: _fit(head, separator) for separator in _SEPARATORS}
    best = max(fits, key=lambda separator: fits[separator])
    separator = best if fits[best] else ","
    return separator, *_records(head, separator)


def _fit(head: str, separator: str) -> float:
    """Return which part of the first records has as many values as the very first one; 0 if that has one value."""
    try:
        _, (first, *others) = _records(head, separator)
    except (EngineError, ValueError):
        return 0
    if len(first) == 1:
        return 0
    return sum(len(record) == len(first) for record in others) / len(others) if others else 1


def _records(head: str, separator: str) -> tuple[int, list[list[str]]]:
    """Return the number of empty lines at the beginning, and the first records after them."""
    records: list[list[str]] = []
    skipped = 0
    reader = csv_reader(io.StringIO(head, newline="\n"), separator, skipinitialspace=True)
    try:
        for record in reader:
            if record:
                records.append(record)
            elif not records:
                skipped += 1
            if len(records) == _MAX_RECORDS:
                return skipped, records
    except csv.Error as error:
        raise csv_error(describe_csv_error(reader.line_num, error)) from None
    # The last one of a long head may have been cut.
    return skipped, records[:-1] if len(head) > HEAD_CHARACTERS - 100 and len(records) > 2 else records


def csv_reader(lines: Iterable[str], separator: str, *, skipinitialspace: bool, strict: bool = False) -> Any:
    """Return Python's reader of CSV; before Python 3.11 it refuses NUL, so that is another character here."""
    without_nul = (line.replace("\0", "\ufffd") for line in lines)
    return csv.reader(without_nul, delimiter=separator, skipinitialspace=skipinitialspace, strict=strict)


def describe_csv_error(line: int, error: csv.Error) -> str:
    """Return what is wrong with a row, by Python's error and the row's line."""
    if str(error) == "unexpected end of data":
        return f"a quotation mark in the row that begins on line {line} is not closed"
    if "new-line character" in str(error):
        return f"a carriage return stands in a value without quotation marks on line {line}"
    if "expected after" in str(error):
        return f"text follows a quotation mark in the row that begins on line {line}"
    return f"line {line}: {error}"


def csv_error(reason: str, code: int = 0) -> EngineError:
    """Return the error for a file that is no CSV."""
    return EngineError(f"The file cannot be read as CSV: {reason}.", code)
