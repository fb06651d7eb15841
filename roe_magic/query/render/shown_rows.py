"""Which rows and columns of a statement are shown, and the line below them that tells the size and what is left out."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from functools import cached_property
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from roe_magic.formatting import plural
from roe_magic.query.render.cells import Cell, cell_of, is_number_type
from roe_magic.sql.tokens import first_word

if TYPE_CHECKING:
    from roe_magic.contract.models import Summary

# More rows and columns are not shown, even without a displaylimit: they would slow the browser down.
MAX_ROWS = 1000
MAX_COLUMNS = 50
# So many characters are shown of a cell, of one that a metadata statement gave, and of a text that stands alone.
_CELL_LIMIT = 500
_METADATA_CELL_LIMIT = 10_000
_BLOCK_LIMIT = 100_000
_NAME_LIMIT = 200
# Their rows are few and looked at as a whole, so the displaylimit is not theirs.
_METADATA_STATEMENTS = frozenset({"DESCRIBE", "DESC", "SHOW", "EXPLAIN", "EXISTS", "CHECK"})


_Row = TypeVar("_Row")


class Rows(Protocol):
    """The part of a StatementResult that is shown."""

    query: str | None
    column_names: list[str]
    column_types: list[str]
    row_count: int
    summary: Summary | None

    @property
    def extra_rows(self) -> list[tuple[str, list[Any]]]:
        """The rows below the others, each with its name."""
        ...

    def head(self, limit: int) -> list[list[Any]]:
        """Return the first rows, JSON-ready."""
        ...


class ShownRows:
    """The cells of a statement that are shown.

    Parameters
    ----------
    result : Rows
    limit : int or None
        The displaylimit; None for up to 1,000 rows.
    frame_call : str
        What gives all rows as a DataFrame, such as ``q.df()``.
    """

    def __init__(self, result: Rows, limit: int | None, frame_call: str) -> None:
        self._result, self._frame_call = result, frame_call
        self._statement = first_word(result.query or "")
        self._is_metadata = self._statement in _METADATA_STATEMENTS
        self._displaylimit = None if self._is_metadata else limit or None
        self.types = result.column_types[:MAX_COLUMNS]
        self.is_number = [is_number_type(type_name) for type_name in self.types]

    @property
    def names(self) -> list[Cell]:
        """The columns' names."""
        names = self._result.column_names[:MAX_COLUMNS]
        return [cell_of(name, is_number=False, limit=_NAME_LIMIT) for name in names]

    @cached_property
    def block(self) -> str | None:
        """The text that stands alone, and is shown whole: a single long text, or the lines of EXPLAIN."""
        if len(self._result.column_names) != 1 or self.is_number[0] or self._result.extra_rows:
            return None
        column = [row[0] for row in self.head]
        is_explanation = self._statement == "EXPLAIN"
        if not column or not (is_explanation or self._result.row_count == 1) or not all(map(_is_text, column)):
            return None
        cell = cell_of("\n".join(column), is_number=False, limit=_BLOCK_LIMIT)
        return cell.text if is_explanation or cell.wraps or "\n" in cell.text else None

    def rows(self) -> Iterator[list[Cell]]:
        """Yield the cells of the rows."""
        limit = _METADATA_CELL_LIMIT if self._is_metadata else _CELL_LIMIT
        return (self._cells(row, limit) for row in self.head)

    def extra_rows(self) -> list[tuple[str, list[Cell]]]:
        """Return the cells of the totals and the extremes, each row with its name."""
        return [(name, self._cells(row, _CELL_LIMIT)) for name, row in self._result.extra_rows]

    @property
    def head(self) -> list[list[Any]]:
        """The rows that may be shown, JSON-ready."""
        return self._result.head(min(self._displaylimit or MAX_ROWS, MAX_ROWS))

    def _cells(self, row: list[Any], limit: int) -> list[Cell]:
        return [
            cell_of(value, is_number=is_number, limit=limit)
            for value, is_number in zip(row, self.is_number, strict=False)
        ]

    def extent(self, rows: int, columns: int) -> str:
        """Return a line with the number of rows and columns and, where fewer are shown, how to see the others."""
        total, all_columns = self._result.row_count, len(self._result.column_names)
        size = f"{total:,} {'row' if total == 1 else 'rows'} × {plural(all_columns, 'column')}"
        size = f"{rows:,} of {size}" if rows < total else size
        size += f" ({plural(columns, 'column')} shown)" if columns < all_columns else ""
        ways = [f"all: {self._frame_call}"] if rows < total or columns < all_columns else []
        if rows < total and rows == self._displaylimit and rows < MAX_ROWS:
            ways.insert(0, f"more: %config RoeMagic.displaylimit = {100 if rows < 100 else MAX_ROWS}")
        return " · ".join([size, *ways])


def _is_text(value: Any) -> bool:
    return isinstance(value, str)


def frame_call(variable: str, index: int | None = None) -> str:
    """Return what gives the rows of a statement, the last one by default, of the query in a variable: ``q.df(0)``."""
    return expression(variable, f"df({'' if index is None else index})")


def expression(variable: str, attribute: str) -> str:
    """Return what is typed for an attribute of the query in a variable; the attribute alone where none is known."""
    return f"{variable}.{attribute}" if variable else attribute


def within(budget: int, rows: Iterable[_Row], size: Callable[[_Row], int]) -> list[_Row]:
    """Return the first rows that take no more characters together; the first one in any case."""
    kept: list[_Row] = []
    for row in rows:
        budget -= size(row)
        if kept and budget < 0:
            break
        kept.append(row)
    return kept
