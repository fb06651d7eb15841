"""A statement's rows as plain text with aligned columns.

A text with several lines takes as many in its cell, and one that is too wide is wrapped there. Where the text's own
line ends, and it is not only wrapped, the line has the mark ``↵``.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence

from roe_magic.formatting import display_width, pieces
from roe_magic.query.render.cells import LINE_WIDTH, Cell
from roe_magic.query.render.shown_rows import ShownRows, within

_BETWEEN = "  "
_LINE_END = "↵"

# A row: the lines of each of its cells.
_Row = list[list[str]]


def text_table(shown: ShownRows, budget: int, width: int) -> str:
    """Return the rows as aligned columns with their extent below; a text that stands alone as it is.

    Parameters
    ----------
    shown : ShownRows
    budget : int
        How many characters the rows may take; the first row is shown in any case.
    width : int
        How wide a line may be. The last columns are left out where they do not fit.
    """
    if shown.block is not None:
        name = _lines(shown.names[0])
        return "\n".join([*name, "-" * _width(name), shown.block, shown.extent(len(shown.head), 1)])
    names, rows = _names_and_rows(shown, budget, width)
    extra = [(name, _row(row)) for name, row in shown.extra_rows()]
    widths = _widths([names, *rows, *(row for _, row in extra)])
    widths = widths[: _fitting(widths, width)]
    head = _aligned(names, widths, shown.is_number)
    rule = _aligned([["-" * width] for width in widths], widths, shown.is_number)
    lines = [line for row in rows for line in _aligned(row, widths, shown.is_number)]
    foot = [_named(_aligned(row, widths, shown.is_number), name) for name, row in extra]
    return "\n".join([*head, *rule, *lines, *(rule if foot else []), *foot, shown.extent(len(rows), len(widths))])


def _names_and_rows(shown: ShownRows, budget: int, width: int) -> tuple[_Row, list[_Row]]:
    """Return the names and rows, without the columns that do not fit even where the first row alone is looked at."""
    names, cells = _row(shown.names), shown.rows()
    first = list(map(_row, itertools.islice(cells, 1)))
    columns = _fitting(_widths([names, *first]), width)
    rows = itertools.chain((row[:columns] for row in first), (_row(row[:columns]) for row in cells))
    return names[:columns], within(budget, rows, _size)


def _row(cells: Sequence[Cell]) -> _Row:
    return list(map(_lines, cells))


def _lines(cell: Cell) -> list[str]:
    """Return the lines that a cell takes. A text that reads NULL is in quotes, as in SQL."""
    if cell.text == "NULL" and not cell.is_null:
        return ["'NULL'"]
    *lines, last = cell.text.expandtabs().split("\n")
    lines = [*(f"{line}{_LINE_END}" for line in lines), last]
    return [piece for line in lines for piece in pieces(line, LINE_WIDTH)] if cell.wraps else lines


def _width(lines: Sequence[str]) -> int:
    return max(map(display_width, lines))


def _widths(rows: Sequence[_Row]) -> list[int]:
    """Return the width of each column that all of the rows have."""
    return [max(map(_width, column)) for column in zip(*rows, strict=False)]


def _size(row: _Row) -> int:
    return sum(map(len, itertools.chain.from_iterable(row)))


def _fitting(widths: Sequence[int], limit: int) -> int:
    """Return how many columns fit into a line, at least one."""
    ends = itertools.accumulate(width + len(_BETWEEN) for width in widths)
    return max(1, sum(end - len(_BETWEEN) <= limit for end in ends))


def _aligned(row: _Row, widths: Sequence[int], is_number: Sequence[bool]) -> list[str]:
    """Return the lines of a row, without what fills them up behind the last text."""
    lines = itertools.zip_longest(*row[: len(widths)], fillvalue="")
    return [_BETWEEN.join(_filled_up(line, widths, is_number)) for line in lines]


def _filled_up(line: Sequence[str], widths: Sequence[int], is_number: Sequence[bool]) -> Iterator[str]:
    last = max((index for index, text in enumerate(line) if text), default=0)
    for index, (text, width, right) in enumerate(zip(line[: last + 1], widths, is_number, strict=False)):
        fill = " " * (width - display_width(text))
        yield fill + text if right else text if index == last else text + fill


def _named(lines: list[str], name: str) -> str:
    return "\n".join([f"{lines[0]}  ({name})", *lines[1:]])
