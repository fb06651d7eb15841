"""Chooses how the columns of a file are read, where that depends on their values: one query looks at all of them."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from roe_magic.service.engine.chdb.database import EmbeddedClickHouse, EngineError
from roe_magic.service.engine.chdb.imports.csv_reading import Reading

_EXAMPLE_LENGTH = 40


@dataclass(frozen=True)
class ColumnChoice:
    """A column, and the ways to read it.

    Parameters
    ----------
    name : str
        Its name.
    values : str
        The SQL expression of its values.
    readings : sequence of Reading
        The first that all values fit is chosen; they get ``values``, which need not be text.
    declared : str
        The type that the caller wants; empty if there is none. Then one of the readings fits any value.
    """

    name: str
    values: str
    readings: Sequence[Reading]
    declared: str = ""


@dataclass(frozen=True)
class ChosenReading:
    """How a column is read, and whether it holds NULL."""

    column: ColumnChoice
    reading: Reading
    has_null: bool

    @property
    def type(self) -> str:
        """The type of the column: Nullable if it holds NULL, or if that was asked for."""
        wants_null = self.has_null or "Nullable(" in self.column.declared
        return self.reading.column_type if wants_null else self.reading.type

    @property
    def expression(self) -> str:
        """The SQL expression of the values."""
        return self.reading.value(self.column.values)


def choose(
    clickhouse: EmbeddedClickHouse, rows: str, settings: Mapping[str, str], columns: Sequence[ColumnChoice]
) -> list[ChosenReading]:
    """Return how each of the columns is read.

    Parameters
    ----------
    rows : str
        The table function that they are read from.
    settings : mapping of str to str
        The settings of the query.

    Raises
    ------
    EngineError
        The values of a column do not fit the type that was declared for it.
    """
    if not columns:
        return []
    counts = ", ".join(_counts(column) for column in columns)
    sql = f"SELECT count(), {counts} FROM {rows}"  # noqa: S608  # quoted
    text = clickhouse.query(sql, settings, output_format="JSONCompactEachRow")
    row_count, *found = json.loads(text.decode("utf-8", "replace"))
    return [_chosen(column, int(row_count), counted) for column, counted in zip(columns, found, strict=True)]


def _counts(column: ColumnChoice) -> str:
    """Return the expression of how many values a column has, and per reading, how many do not fit, and the first."""
    row, example = "rowNumberInAllBlocks()", f"leftUTF8(toString({column.values}), {_EXAMPLE_LENGTH})"
    misfits = [f"ifNull({reading.misfit(column.values)}, 0)" for reading in column.readings]
    counts = (f"(countIf({m}), minIf({row}, {m}), argMinIf({example}, {row}, {m}))" for m in misfits)
    return f"(count({column.values}), [{', '.join(counts)}])"


def _chosen(column: ColumnChoice, row_count: int, counted: tuple[str, list[tuple[str, str, str]]]) -> ChosenReading:
    value_count, misfits = int(counted[0]), [(int(count), int(row), example) for count, row, example in counted[1]]
    # A table without rows may get others later, with NULL among them.
    has_null = value_count < row_count or not row_count
    for reading, (count, _, _) in zip(column.readings, misfits, strict=True):
        if not count and column.declared and reading.choices:
            raise undecided_error(column.name, column.declared, reading)
        if not count:
            return ChosenReading(column, reading, has_null)
    # A date may be written in several ways: it is told of the one that most values fit.
    count, row, example = min(misfits)
    raise misfit_error(column.name, column.declared, (count, value_count), example, f"row {row + 1:,}, counted from 1")


def undecided_error(column: str, declared: str, reading: Reading) -> EngineError:
    """Return the error for dates of which either of two numbers may be the day."""
    return EngineError(
        f"The column {column!r} cannot be {declared} without a choice: all values are {reading.meaning}. "
        f"Ask for {' or '.join(reading.choices)} instead."
    )


def misfit_error(column: str, declared: str, counts: tuple[int, int], example: str, place: str) -> EngineError:
    """Return the error for values that do not fit the type that was declared for their column.

    Parameters
    ----------
    counts : (int, int)
        How many do not fit, and how many there are.
    example, place : str
        The first that does not, and where it is.
    """
    verb = "does not fit" if counts[0] == 1 else "do not fit"
    return EngineError(
        f"The column {column!r} cannot be {declared}: {share(*counts)} {verb}; the first is {example!r} ({place})."
    )


def share(number: int, total: int, *, are_all: bool = True) -> str:
    """Return "2 of 3 values", "all 3 values", or "2 of the first 3 values" if there are more."""
    if total == 1:
        return "the only value" if are_all else "the first value"
    if number == total:
        return f"all {total:,} values" if are_all else f"all of the first {total:,} values"
    return f"{number:,} of {'' if are_all else 'the first '}{total:,} values"
