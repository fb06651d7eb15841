"""How a file is to become a table: its columns, and the SELECT that yields their values.

Each format has a module with a function that makes a plan (``csv_import``, ...); ``table_import`` carries it out.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from roe_magic.contract import models
from roe_magic.service.engine.chdb.database import EngineError

# ClickHouse's code for the error of throwIf(), by which a plan's SELECT says that a value does not fit its column.
VALUE_DOES_NOT_FIT = 395
# So many columns are named in a notice.
_MAX_NAMES = 10


def _unchanged(error: EngineError) -> EngineError:
    return error


@dataclass(frozen=True)
class ImportPlan:
    """The columns of a table, and where its rows come from.

    Parameters
    ----------
    columns : sequence of UploadColumn
        Their names, no two the same; their types; and why a type is what it is.
    select : str
        A SELECT statement that yields the values in the order of the columns. It may end in a SETTINGS clause.
    settings : mapping of str to str
        The settings with which it runs.
    notices : sequence of str
        What the user should know about how the file is read, a sentence each.
    explain : callable
        Takes an error of the SELECT, and returns the error for the user.
    row_count : int, optional
        How many rows there are, if that is known.
    """

    columns: Sequence[models.UploadColumn]
    select: str
    settings: Mapping[str, str] = field(default_factory=dict)
    notices: Sequence[str] = ()
    explain: Callable[[EngineError], EngineError] = _unchanged
    row_count: int | None = None


def taken_as_utc(columns: Sequence[str]) -> str:
    """Return the notice on columns of times without a time zone."""
    return f"Times without a time zone are taken as UTC: {listed(columns)}."


def listed(columns: Sequence[str]) -> str:
    """Return the first names of many."""
    more = f" and {len(columns) - _MAX_NAMES} more" if len(columns) > _MAX_NAMES else ""
    return f"{', '.join(columns[:_MAX_NAMES])}{more}"


def require_text(columns: Iterable[str]) -> None:
    """Raise EngineError if a column's name is not text: bytes that are not UTF-8 are read as surrogates."""
    if any(re.search(r"[\0\ud800-\udfff]", name) for name in columns):
        raise EngineError("A column's name holds bytes that are not text.")


def require_columns(types: Iterable[str], columns: Iterable[str]) -> None:
    """Raise EngineError if a type was declared for a column that the file does not have."""
    known = list(columns)
    unknown = next((name for name in types if name not in known), None)
    if unknown is not None:
        raise EngineError(f"types: the file has no column {unknown!r}; it has {', '.join(map(repr, known[:20]))}.")
