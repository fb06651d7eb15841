"""Plans the import of a CSV file: what its values are, and the SELECT that makes them of the text.

The types are proposed by the first rows, so that the file is read once: the SELECT fails where a later value does not
fit, and then all values are looked at.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from roe_magic.contract import models
from roe_magic.service.engine.chdb.database import EmbeddedClickHouse, EngineError
from roe_magic.service.engine.chdb.imports import csv_declared, csv_file, csv_notices, csv_reasons, csv_types
from roe_magic.service.engine.chdb.imports.csv_candidates import READINGS
from roe_magic.service.engine.chdb.imports.csv_text import CsvText
from roe_magic.service.engine.chdb.imports.csv_types import CsvColumn
from roe_magic.service.engine.chdb.imports.import_plan import ImportPlan, require_columns, require_text


def plan(
    clickhouse: EmbeddedClickHouse,
    path: Path,
    with_headers: bool,
    types: Mapping[str, str],
    settings: Mapping[str, str],
    *,
    thorough: bool,
    check: Callable[[], None] = lambda: None,
) -> ImportPlan:
    """Return how a CSV file is to be imported.

    Parameters
    ----------
    clickhouse : EmbeddedClickHouse
        What reads the file.
    path : Path
        The file.
    with_headers : bool
        Whether its first row is the columns' names.
    types : mapping of str to str
        The types of some columns, which have been judged; they are found out for the others.
    settings : mapping of str to str
        The settings of every statement that reads the file: limits, and the name by which it is killed.
    thorough : bool
        Whether every value is looked at now. If not, the types may be those of the first rows, and the plan's SELECT
        must fail with ``VALUE_DOES_NOT_FIT`` where a later value has another; then a thorough plan is asked for.
    check : callable
        Raises EngineError if the import is to end. To be called now and then by whatever takes long in Python.

    Raises
    ------
    EngineError
        The file cannot be read, or a value does not fit the type that was declared.
    """
    file = csv_file.prepare(path, with_headers=with_headers, check=check)
    require_text(file.names)
    require_columns(types, file.names)
    if not file.has_rows and not set(file.names) <= types.keys():
        raise EngineError(
            "The file has column names but no rows, so the types of the columns are not known; "
            "choose the type of each with --types."
        )
    columns = [_column(name, position, types.get(name)) for position, name in enumerate(file.names)]
    texts = CsvText(clickhouse, file, settings)
    try:
        findings = csv_types.find(texts, columns, thorough=thorough)
        csv_notices.refuse_misfits(texts, findings)
        reasons = csv_reasons.reasons(texts, findings)
    except EngineError as error:
        raise file.explain(error) from None
    return ImportPlan(
        [
            models.UploadColumn(name=column.name, type=column.reading.column_type, reason=reason.text)
            for column, reason in zip(findings.columns, reasons, strict=True)
        ],
        _select(texts, findings.columns),
        texts.settings,
        list(csv_notices.notices(file, findings.columns, reasons)),
        file.explain,
    )


def _column(name: str, position: int, declared: str | None) -> CsvColumn:
    if declared is None:
        return CsvColumn(name, position, READINGS)
    return CsvColumn(name, position, csv_declared.readings(name, declared), declared)


def _select(texts: CsvText, columns: Sequence[CsvColumn]) -> str:
    """Return the SELECT of the values, which fails at the first text that does not fit."""
    misfits = [f"({column.misfit})" for column in columns if column.readings]
    condition = f"NOT throwIf(ifNull({' OR '.join(misfits)}, 0))" if misfits else ""
    return texts.select((column.value for column in columns), condition)
