"""Rows as HTML and as plain text: the repr of a WorksheetQuery and of its statements.

A repr shows the rows only; how the query ran is in the panel. Everything from the server is escaped. Styles are
attributes of the elements, because a style sheet does not apply in a notebook that is not trusted.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator, Sequence
from html import escape
from typing import TYPE_CHECKING, Any, Protocol

from roe_magic.formatting import clean, count, plural

if TYPE_CHECKING:
    from roe_magic.contract.models import Summary

# More rows and columns are not shown, even without a displaylimit: they would slow the browser down.
_MAX_ROWS = 1000
_MAX_COLUMNS = 50
# Longer cells are shortened to so many characters.
_MAX_HTML_CELL, _MAX_TEXT_CELL = 200, 40
_FAINT_STYLE = "color:var(--jp-ui-font-color2,#767676)"
_LINE_STYLE = "border-bottom:1px solid var(--jp-border-color2,#bdbdbd80)"
# Columns whose type's name begins so are aligned to the right.
_NUMBER_TYPES = ("Int", "UInt", "Float", "Decimal", "BFloat")


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


def text(results: Sequence[Rows], limit: int | None) -> str:
    """Return the rows of each statement as plain text, at most ``limit`` rows of each."""
    return "\n\n".join(
        "\n".join(filter(None, (heading, statement_text(result, limit)))) for heading, result in _with_headings(results)
    )


def html(results: Sequence[Rows], limit: int | None) -> str:
    """Return the rows of each statement as HTML, at most ``limit`` rows of each."""
    sections = [
        (f'<div style="{_FAINT_STYLE};margin-top:8px">{escape(heading)}</div>' if heading else "")
        + statement_html(result, limit)
        for heading, result in _with_headings(results)
    ]
    return f'<div style="overflow-x:auto">{"".join(sections)}</div>'


def preformatted(plain: str) -> str:
    """Return plain text as HTML."""
    return f"<pre>{escape(plain)}</pre>"


def statement_html(result: Rows, limit: int | None) -> str:
    """Return a statement's rows as an HTML table with its size below."""
    if not result.column_names:
        return f'<div style="{_FAINT_STYLE}">{escape(_size(result, 0))}</div>'
    rows = _cells(result, limit, _MAX_HTML_CELL)
    numeric = [_is_numeric(type_name) for type_name in result.column_types[:_MAX_COLUMNS]]
    head = "".join(map(_html_heading, result.column_names[:_MAX_COLUMNS], result.column_types, numeric))
    body = "".join(map(_html_row, rows, itertools.repeat(numeric)))
    return (
        '<table style="border-collapse:collapse;margin:4px 0">'
        f"<thead><tr>{head}</tr></thead><tbody>{body}</tbody>{_html_foot(result, numeric)}</table>"
        f'<div style="{_FAINT_STYLE}">{escape(_size(result, len(rows)))}</div>'
    )


def statement_text(result: Rows, limit: int | None) -> str:
    """Return a statement's rows as aligned plain text with its size below."""
    if not result.column_names:
        return _size(result, 0)
    rows = list(map(_with_null, _cells(result, limit, _MAX_TEXT_CELL)))
    extra = [(name, _with_null(_row_cells(row, _MAX_TEXT_CELL))) for name, row in result.extra_rows]
    names = [clean(name, limit=_MAX_TEXT_CELL) for name in result.column_names[:_MAX_COLUMNS]]
    widths = [max(map(len, column)) for column in zip(names, *rows, *(row for _, row in extra), strict=True)]
    rule = ["-" * width for width in widths]
    table = [_aligned(line, widths) for line in (names, rule, *rows)]
    foot = [f"{_aligned(row, widths)}  ({name})" for name, row in extra]
    return "\n".join([*table, *([_aligned(rule, widths), *foot] if foot else []), _size(result, len(rows))])


def _aligned(line: Sequence[str], widths: Sequence[int]) -> str:
    return "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip()


def _with_null(row: Sequence[str | None]) -> list[str]:
    return ["NULL" if cell is None else cell for cell in row]


def _cells(result: Rows, limit: int | None, width: int) -> list[list[str | None]]:
    """Return the first rows as strings of at most so many characters, without control characters; None for NULL."""
    rows = result.head(min(limit or _MAX_ROWS, _MAX_ROWS))
    return [_row_cells(row, width) for row in rows]


def _row_cells(row: Sequence[Any], width: int) -> list[str | None]:
    return [None if cell is None else _cell_text(cell, width) for cell in row[:_MAX_COLUMNS]]


def _cell_text(cell: Any, width: int) -> str:
    text = json.dumps(cell, ensure_ascii=False) if isinstance(cell, (dict, list, bool)) else str(cell)
    return clean(text, limit=width)


def _is_numeric(type_name: str) -> bool:
    return type_name.removeprefix("Nullable(").startswith(_NUMBER_TYPES)


def _html_heading(name: str, type_name: str, numeric: bool) -> str:
    align = "right" if numeric else "left"
    title = escape(clean(type_name, limit=500), quote=True)
    type_line = (
        f'<div style="font-weight:normal;font-size:85%;{_FAINT_STYLE}">{escape(clean(type_name, limit=30))}</div>'
    )
    style = f"text-align:{align};padding:2px 10px;{_LINE_STYLE}"
    return f'<th title="{title}" style="{style}">{escape(clean(name))}{type_line}</th>'


def _html_row(row: Sequence[str | None], numeric: Sequence[bool]) -> str:
    return f"<tr>{''.join(map(_html_cell, row, numeric))}</tr>"


def _html_foot(result: Rows, numeric: Sequence[bool]) -> str:
    """Return the totals and the extremes below the rows, each with its name behind it."""
    names = (f'<td style="{_FAINT_STYLE}">{name}</td></tr>' for name, _ in result.extra_rows)
    rows = (_html_row(_row_cells(row, _MAX_HTML_CELL), numeric) for _, row in result.extra_rows)
    foot = "".join(row.removesuffix("</tr>") + name for row, name in zip(rows, names, strict=True))
    return f'<tfoot style="font-weight:bold;border-top:2px solid">{foot}</tfoot>' if foot else ""


def _html_cell(text: str | None, numeric: bool) -> str:
    align = "right;font-variant-numeric:tabular-nums" if numeric else "left"
    style = f"text-align:{align};padding:2px 10px;white-space:pre-wrap;max-width:40em"
    return (
        f'<td style="{style};{_FAINT_STYLE}">NULL</td>' if text is None else f'<td style="{style}">{escape(text)}</td>'
    )


def _size(result: Rows, shown: int) -> str:
    """Return a line with the number of rows and columns, and how many of them are shown."""
    if not result.column_names:
        written = result.summary.written_rows if result.summary else 0
        return f"No rows to show; {plural(written, 'row')} written." if written else "Done; no rows to show."
    total, columns = result.row_count, len(result.column_names)
    size = f"{plural(total, 'row')} × {plural(columns, 'column')}"
    more = f" ({_MAX_COLUMNS} columns shown)" if columns > _MAX_COLUMNS else ""
    return f"{count(shown)} of {size}{more}" if shown < total else size + more


def _with_headings(results: Sequence[Rows]) -> Iterator[tuple[str, Rows]]:
    """Yield each result with its heading, which is empty where there is only one result."""
    for number, result in enumerate(results, 1):
        sql = clean(result.query or "", limit=80)
        yield f"Statement {number} of {len(results)}: {sql}" if len(results) > 1 else "", result
