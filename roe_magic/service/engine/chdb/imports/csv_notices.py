"""What the user should know about how a CSV file was read, and why it was not."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from roe_magic.service.engine.chdb.database import EngineError
from roe_magic.service.engine.chdb.imports import csv_declared
from roe_magic.service.engine.chdb.imports.column_choice import misfit_error, undecided_error
from roe_magic.service.engine.chdb.imports.csv_candidates import MAYBE_IDS
from roe_magic.service.engine.chdb.imports.csv_file import CsvFile
from roe_magic.service.engine.chdb.imports.csv_reasons import Reason
from roe_magic.service.engine.chdb.imports.csv_text import CsvText, cell
from roe_magic.service.engine.chdb.imports.csv_types import CsvColumn, Findings
from roe_magic.service.engine.chdb.imports.import_plan import listed, taken_as_utc

_EXAMPLE_LENGTH = 40


def notices(file: CsvFile, columns: Sequence[CsvColumn], reasons: Sequence[Reason]) -> Iterator[str]:
    """Yield a sentence for everything in a file that could have been meant in another way."""
    for column, reason in zip(columns, reasons, strict=True):
        if reason.is_surprising:
            yield f"{column.name} is text: {reason.text}."
        if column.reading.choices:
            choices = " or ".join(f"--types {column.name}={choice}" for choice in column.reading.choices)
            yield f"{column.name} stays text: all values are {column.reading.meaning}. To choose, add {choices}."
    maybe_ids = [column.name for column in columns if column.reading is MAYBE_IDS]
    if maybe_ids:
        yield (
            f"Numbers written like 1E5, without a point, may be ids: {listed(maybe_ids)}. "
            f"--types {maybe_ids[0]}=String keeps the text."
        )
    without_zone = [c.name for c in columns if c.reading.type.startswith("DateTime") and "'" not in c.reading.type]
    if without_zone:
        yield taken_as_utc(without_zone)
    emptied = [column.name for column in columns if column.empty_texts and not column.reading.is_text]
    if emptied:
        yield f'Empty quotation marks ("") are read as NULL, since the other values are no text: {listed(emptied)}.'
    if file.is_padded:
        yield "Spaces around all values were removed, since there are some around quotation marks."


def refuse_misfits(texts: CsvText, findings: Findings) -> None:
    """Raise EngineError if values do not fit the type that was declared for their column."""
    for column in findings.columns:
        if column.declared and column.reading.choices:
            raise undecided_error(column.name, column.declared, column.reading)
        if column.declared and not column.readings:
            raise _misfits(texts, column)


def _misfits(texts: CsvText, column: CsvColumn) -> EngineError:
    text = f"nullIf({cell(column.position)}, '')"
    row, example = "rowNumberInAllBlocks()", f"leftUTF8({text}, {_EXAMPLE_LENGTH})"
    conditions = [
        f"ifNull({reading.misfit(text)}, 0)" for reading in csv_declared.readings(column.name, column.declared)
    ]
    total, *found = texts.aggregate(
        [
            f"count({text})",
            *(
                f"(countIf({misfit}), minIf({row}, {misfit}), argMinIf({example}, {row}, {misfit}))"
                for misfit in conditions
            ),
        ]
    )
    # A date may be written in several ways: it is told of the one that most values fit.
    number, row, example = min(found, key=lambda counts: int(counts[0]))
    place = texts.file.describe_place(int(row))
    return misfit_error(column.name, column.declared, (int(number), int(total)), example, place)
