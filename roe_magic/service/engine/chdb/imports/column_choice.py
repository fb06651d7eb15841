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
    example = f"leftUTF8(toString({column.values}), {_EXAMPLE_LENGTH})"
    misfits = [f"ifNull({reading.misfit(column.values)}, 0)" for reading in column.readings]
    return f"(count({column.values}), [{', '.join(f'(countIf({m}), anyIf({example}, {m}))' for m in misfits)}])"


def _chosen(column: ColumnChoice, row_count: int, counted: tuple[str, list[tuple[str, str]]]) -> ChosenReading:
    value_count, misfits = int(counted[0]), [(int(count), example) for count, example in counted[1]]
    # A table without rows may get others later, with NULL among them.
    has_null = value_count < row_count or not row_count
    for reading, (count, _) in zip(column.readings, misfits, strict=True):
        if not count:
            return ChosenReading(column, reading, has_null)
    count, example = min(misfits)
    verb = "does not fit" if count == 1 else "do not fit"
    raise EngineError(
        f"The column {column.name!r} cannot be {column.declared}: {count} of {value_count} values {verb}, "
        f"such as {example!r}."
    )
