"""Rows as HTML and as plain text: the repr of a WorksheetQuery and of its statements.

The panel tells a query's story; a repr shows the rows and does not tell it again. Everything from the server is
escaped, and styles stand in the elements, where they survive in an untrusted notebook.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from html import escape
from typing import TYPE_CHECKING, Any, Protocol

from roe_magic.formatting import clean, count, plural

if TYPE_CHECKING:
    from roe_magic.contract.models import Summary

# Even without a displaylimit a browser is not given more than this many rows.
MOST_ROWS = 1000
MOST_COLUMNS = 50
CELL, TEXT_CELL = 200, 40
_FAINT = "color:var(--jp-ui-font-color2,#767676)"
_LINE = "border-bottom:1px solid var(--jp-border-color2,#bdbdbd80)"
_NUMBERS = ("Int", "UInt", "Float", "Decimal", "BFloat")


class Rows(Protocol):
    """What is shown of one statement: a StatementResult."""

    query: str | None
    column_names: list[str]
    column_types: list[str]
    row_count: int
    summary: Summary | None

    def head(self, limit: int) -> list[list[Any]]:
        """Give the first rows, JSON-ready."""
        ...


def text(results: Sequence[Rows], limit: int | None) -> str:
    """Write the rows of each statement as plain text, ``limit`` rows of each."""
    return "\n\n".join(
        "\n".join(filter(None, (heading, statement_text(result, limit)))) for heading, result in _headed(results)
    )


def html(results: Sequence[Rows], limit: int | None) -> str:
    """Write the rows of each statement as HTML, ``limit`` rows of each."""
    sections = [
        (f'<div style="{_FAINT};margin-top:8px">{escape(heading)}</div>' if heading else "")
        + statement_html(result, limit)
        for heading, result in _headed(results)
    ]
    return f'<div style="overflow-x:auto">{"".join(sections)}</div>'


def preformatted(plain: str) -> str:
    """Write plain text as HTML."""
    return f"<pre>{escape(plain)}</pre>"


def statement_html(result: Rows, limit: int | None) -> str:
    """Write a statement's rows as an HTML table with its size below."""
    if not result.column_names:
        return f'<div style="{_FAINT}">{escape(_size(result, 0))}</div>'
    rows = _cells(result, limit, CELL)
    numeric = [kind.removeprefix("Nullable(").startswith(_NUMBERS) for kind in result.column_types[:MOST_COLUMNS]]
    head = "".join(map(_head_cell, result.column_names[:MOST_COLUMNS], result.column_types, numeric))
    body = "".join(f"<tr>{''.join(map(_cell, row, numeric))}</tr>" for row in rows)
    return (
        '<table style="border-collapse:collapse;margin:4px 0">'
        f"<thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"
        f'<div style="{_FAINT}">{escape(_size(result, len(rows)))}</div>'
    )


def statement_text(result: Rows, limit: int | None) -> str:
    """Write a statement's rows as aligned plain text with its size below."""
    if not result.column_names:
        return _size(result, 0)
    rows = [["NULL" if cell is None else cell for cell in row] for row in _cells(result, limit, TEXT_CELL)]
    names = [clean(name, limit=TEXT_CELL) for name in result.column_names[:MOST_COLUMNS]]
    widths = [max(map(len, column)) for column in zip(names, *rows, strict=True)]
    lines = [names, ["-" * width for width in widths], *rows]
    table = ["  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip() for line in lines]
    return "\n".join([*table, _size(result, len(rows))])


def _cells(result: Rows, limit: int | None, width: int) -> list[list[str | None]]:
    """Take the first rows as short safe strings, None for NULL."""
    rows = result.head(min(limit or MOST_ROWS, MOST_ROWS))
    return [[None if cell is None else _short(cell, width) for cell in row[:MOST_COLUMNS]] for row in rows]


def _short(cell: Any, width: int) -> str:
    text = json.dumps(cell, ensure_ascii=False) if isinstance(cell, (dict, list, bool)) else str(cell)
    return clean(text, limit=width)


def _head_cell(name: str, kind: str, numeric: bool) -> str:
    align = "right" if numeric else "left"
    shown, title = escape(clean(name)), escape(clean(kind, limit=500), quote=True)
    kind_line = f'<div style="font-weight:normal;font-size:85%;{_FAINT}">{escape(clean(kind, limit=30))}</div>'
    return f'<th title="{title}" style="text-align:{align};padding:2px 10px;{_LINE}">{shown}{kind_line}</th>'


def _cell(text: str | None, numeric: bool) -> str:
    align = "right;font-variant-numeric:tabular-nums" if numeric else "left"
    style = f"text-align:{align};padding:2px 10px;white-space:pre-wrap;max-width:40em"
    return f'<td style="{style};{_FAINT}">NULL</td>' if text is None else f'<td style="{style}">{escape(text)}</td>'


def _size(result: Rows, shown: int) -> str:
    """Tell how large a result is, and how much of it is shown."""
    if not result.column_names:
        written = result.summary.written_rows if result.summary else 0
        return f"No rows to show; {plural(written, 'row')} written." if written else "Done; no rows to show."
    total, columns = result.row_count, len(result.column_names)
    size = f"{plural(total, 'row')} × {plural(columns, 'column')}"
    more = f" ({MOST_COLUMNS} columns shown)" if columns > MOST_COLUMNS else ""
    return f"{count(shown)} of {size}{more}" if shown < total else size + more


def _headed(results: Sequence[Rows]) -> Iterator[tuple[str, Rows]]:
    """Give each result its heading; one alone needs none."""
    for number, result in enumerate(results, 1):
        sql = clean(result.query or "", limit=80)
        yield f"Statement {number} of {len(results)}: {sql}" if len(results) > 1 else "", result
