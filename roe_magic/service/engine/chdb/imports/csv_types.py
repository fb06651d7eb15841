"""Finds out which readings all values of a CSV file's columns fit: see ``csv_candidates``.

ClickHouse counts the misfits. All readings are glanced at on a hundred rows. Those left are tried on thousands of rows,
and then, if it is asked for, on all rows.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from functools import partial

from roe_magic.service.engine.chdb.imports.csv_reading import TEXT, Expression, Reading, unchanged
from roe_magic.service.engine.chdb.imports.csv_text import CsvText, cell

PLAIN_TEXT = Reading(TEXT, lambda _: "0", unchanged, "")
_FEW_ROWS, _MANY_ROWS, _MANY_CELLS = 100, 10_000, 1_000_000


@dataclass(frozen=True)
class CsvColumn:
    """A column, and what is known about its values.

    Parameters
    ----------
    name : str
        Its name in the table.
    position : int
        Its position in the file; the first is 0.
    readings : sequence of Reading
        Those that all values looked at so far fit; at first, all that are to be tried.
    declared : str
        The type that the caller wants it to have, if any.
    values, empty_texts : int
        How many cells have a value, and how many an empty text in quotation marks.
    """

    name: str
    position: int
    readings: Sequence[Reading]
    declared: str = ""
    values: int = 0
    empty_texts: int = 0

    @property
    def reading(self) -> Reading:
        """The first reading that is left; text if there is none."""
        return self.readings[0] if self.readings else PLAIN_TEXT

    @property
    def misfit(self) -> str:
        """The condition that a text does not fit the reading; an empty text fits any."""
        return self.reading.misfit(self._without_empty_texts)

    @property
    def value(self) -> str:
        """The expression of the value: of an empty text, NULL where other values are not text."""
        return self.reading.value(cell(self.position) if self.reading.is_text else self._without_empty_texts)

    @property
    def _without_empty_texts(self) -> str:
        own = cell(self.position)
        return f"nullIf({own}, '')" if self.empty_texts else own


@dataclass(frozen=True)
class Findings:
    """What is known of a file's columns.

    Parameters
    ----------
    columns : sequence of CsvColumn
        In the file's order.
    rows : int
        How many rows were looked at.
    is_complete : bool
        Whether these are all rows of the file.
    """

    columns: Sequence[CsvColumn]
    rows: int = 0
    is_complete: bool = False


# By its text, a condition as a reading that has it, and the columns in which values are tried.
_Tests = dict[str, tuple[Reading, list[CsvColumn]]]


def find(texts: CsvText, columns: Sequence[CsvColumn], *, thorough: bool) -> Findings:
    """Return the columns with their first reading that all of the first values fit, or all values at all."""
    glanced = _look_at(texts, columns, _FEW_ROWS, lambda reading, text: reading.glance(text))
    findings = _first_fit(texts, glanced.columns, max(_FEW_ROWS, min(_MANY_ROWS, _MANY_CELLS // len(columns))))
    # Of a type that was declared it must be known whether later values say which number of a date is the day.
    thorough = thorough or any(column.declared and column.reading.choices for column in findings.columns)
    return _first_fit(texts, findings.columns, None) if thorough and not findings.is_complete else findings


def _first_fit(texts: CsvText, columns: Sequence[CsvColumn], limit: int | None) -> Findings:
    """Return the columns without the readings before the first that fits; those after it are not tried."""
    firsts = _look_at(texts, [replace(column, readings=column.readings[:1]) for column in columns], limit)
    failed = [column.position for column in firsts.columns if not column.readings]
    others = [replace(columns[position], readings=columns[position].readings[1:]) for position in failed]
    found = _look_at(texts, others, limit).columns if others else []
    settled = [replace(new, readings=old.readings) for new, old in zip(firsts.columns, columns, strict=True)]
    for column in found:
        settled[column.position] = column
    return replace(firsts, columns=settled)


def _look_at(
    texts: CsvText,
    columns: Sequence[CsvColumn],
    limit: int | None,
    condition: Callable[[Reading, str], str] = lambda reading, text: reading.misfit(text),
) -> Findings:
    """Return the columns without the readings for which a condition holds for a value of the first rows."""
    tests = _tests(columns, condition)
    count = _counts_by_column if limit is None else _CountsByArray()
    cells = [cell(column.position) for column in columns]
    rows, values, empty_texts, *counts = texts.aggregate(
        [
            "count()",
            count(lambda text: f"{text} != ''", cells),
            count(lambda text: f"{text} = ''", cells),
            *(count(partial(condition, reading), map(_value, tested)) for reading, tested in tests.values()),
        ],
        limit,
    )
    if not int(rows):
        return Findings(columns, is_complete=True)
    unfit = _unfit(tests, counts)
    narrowed = [
        replace(
            column,
            readings=[r for r in column.readings if (condition(r, "t"), column.position) not in unfit],
            values=int(with_value),
            empty_texts=int(empty),
        )
        for column, with_value, empty in zip(columns, values, empty_texts, strict=True)
    ]
    return Findings(narrowed, int(rows), limit is None or int(rows) < limit)


def _tests(columns: Sequence[CsvColumn], condition: Callable[[Reading, str], str]) -> _Tests:
    """Return the conditions of all readings; many readings have the same one, which is counted once."""
    tests: _Tests = {}
    for column in columns:
        for reading in column.readings:
            tested = tests.setdefault(condition(reading, "t"), (reading, []))[1]
            if tested[-1:] != [column]:
                tested.append(column)
    return tests


def _unfit(tests: _Tests, counts: Sequence[Sequence[str]]) -> set[tuple[str, int]]:
    """Return the conditions that hold for a value, each with the position of the column."""
    return {
        (test, column.position)
        for (test, (_, tested)), numbers in zip(tests.items(), counts, strict=True)
        for column, number in zip(tested, numbers, strict=True)
        if int(number)
    }


def _value(column: CsvColumn) -> str:
    return f"nullIf({cell(column.position)}, '')"


def _counts_by_column(condition: Expression, texts: Iterable[str]) -> str:
    """Return the aggregates that count where a condition holds, which many rows pass through quickly."""
    return f"[{', '.join(f'countIf({condition(text)})' for text in texts)}]"


class _CountsByArray:
    """Makes aggregates that count the same, and are short: those of a thousand columns would take long to parse."""

    def __init__(self) -> None:
        self._aliases: dict[str, str] = {}

    def __call__(self, condition: Expression, texts: Iterable[str]) -> str:
        array = f"[{', '.join(texts)}]"
        alias = self._aliases.get(array)
        if alias is None:
            alias = self._aliases[array] = f"array_{len(self._aliases)}"
            alias = f"{array} AS {alias}"
        return f"sumForEach(arrayMap(t -> ifNull({condition('t')}, 0), {alias}))"
