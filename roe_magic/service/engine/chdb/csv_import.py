"""Plans the import of a CSV file."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from roe_magic.contract import models
from roe_magic.service.engine.chdb import csv_file, csv_types
from roe_magic.service.engine.chdb.database import EmbeddedClickHouse, EngineError
from roe_magic.service.engine.chdb.file_source import FileSource
from roe_magic.service.engine.chdb.import_plan import ImportPlan, require_columns

_SETTINGS = {
    # Every column is nullable, since an empty cell means "no value" in most CSV files.
    "schema_inference_make_columns_nullable": "1",
    "input_format_csv_empty_as_default": "1",
    # Otherwise a column that contains 1.5e-05 becomes text.
    "input_format_try_infer_exponent_floats": "1",
    # The caller says whether the first row is a header; it is not guessed.
    "input_format_csv_detect_header": "0",
}


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
        The file cannot be read.
    """
    file = csv_file.prepare(path, with_headers=with_headers)
    settings = {**settings, **_SETTINGS, "input_format_csv_skip_first_lines": str(file.skipped)}
    source = FileSource(str(path), "CSV", settings, file.separator, file.names)
    try:
        found = csv_types.columns(clickhouse, source, settings)
        _check_names(file.names, found)
    except EngineError as error:
        raise file.explain(error) from None
    require_columns(types, file.names)
    columns = [
        models.UploadColumn(name=name, type=types.get(name, kind))
        for name, (_, kind) in zip(file.names, found, strict=True)
    ]
    select = f"SELECT * FROM {source.sql(found)}{source.settings_clause}"  # noqa: S608  # quoted
    return ImportPlan(columns, select, settings, explain=file.explain)


def _check_names(names: Sequence[str], columns: Sequence[tuple[str, str]]) -> None:
    if len(names) != len(columns):
        raise EngineError(
            f"the first line has {len(names)} values and the rows have {len(columns)}", csv_file.INCORRECT_DATA
        )
    if any(re.search(r"[\0\ud800-\udfff]", name) for name in names):  # bytes that are not UTF-8 are read as surrogates
        raise EngineError("A column's name holds bytes that are not text.")
