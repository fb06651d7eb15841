"""A column of Python objects."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from roe_magic.uploads.arrow.column_problem import NotCarried
from roe_magic.uploads.arrow.nested_kinds import kind_of
from roe_magic.uploads.arrow.python_values import ValueFacts
from roe_magic.uploads.arrow.source_column import SourceColumn

_ROWS = 65_536


def object_column(name: str, values: Callable[[int, int], Sequence[Any]], row_count: int) -> SourceColumn:
    """Look at all objects of a column, and return it; raise NotCarried where they cannot be uploaded.

    Parameters
    ----------
    name : str
    values : callable
        Returns the objects of the rows from one number up to, but not including, another.
    row_count : int
    """
    facts = ValueFacts(kind_of, nan_is_missing=True)
    for start in range(0, row_count, _ROWS):
        stop = min(start + _ROWS, row_count)
        facts.add(values(start, stop), range(start, stop))
    codec = facts.codec()
    return SourceColumn(name, lambda start, stop: codec.encode(values(start, stop)), codec.wish)


def refused_column(name: str, error: NotCarried) -> SourceColumn:
    """Return a column that cannot be uploaded; to read it raises the error."""

    def read(_: int, __: int) -> Any:
        raise error

    return SourceColumn(name, read)
