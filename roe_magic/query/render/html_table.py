"""A statement's rows as HTML.

Styles are attributes of the elements, because a style sheet does not apply in a notebook that is not trusted. There
JupyterLab also removes each declaration that it does not know, such as a colour by ``var()``: those here stay.
"""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from roe_magic.formatting import clean, html_text
from roe_magic.query.render.cells import Cell
from roe_magic.query.render.shown_rows import ShownRows, within

FAINT = "opacity:0.7"
_TABLE = "border-collapse:collapse;table-layout:auto;margin:4px 0;font-variant-numeric:tabular-nums"
_CELL = "padding:2px 10px;vertical-align:top"
_LINE = "white-space:pre"
_WRAPPED = "white-space:pre-wrap;overflow-wrap:break-word;min-width:20em;max-width:40em"
_BLOCK = "margin:4px 0;white-space:pre-wrap;overflow-wrap:break-word"


def html_table(shown: ShownRows, budget: int) -> str:
    """Return the rows as a table with their extent below; a text that stands alone as a block.

    Parameters
    ----------
    shown : ShownRows
    budget : int
        How many characters the rows may take; the first row is shown in any case.
    """
    if shown.block is not None:
        heading = f'<div style="font-weight:bold">{_name(shown.names[0], shown.types[0])}</div>'
        return heading + preformatted(shown.block, _BLOCK) + note(shown.extent(len(shown.head), 1))
    rows = within(budget, (f"<tr>{_row(row, shown.is_number)}</tr>" for row in shown.rows()), len)
    head = "".join(map(_heading, shown.names, shown.types, shown.is_number))
    # A browser's keyboard must reach what scrolls.
    return (
        f'<div style="overflow-x:auto" tabindex="0"><table style="{_TABLE}"><thead><tr>{head}</tr></thead>'
        f"<tbody>{''.join(rows)}</tbody>{_foot(shown)}</table></div>{note(shown.extent(len(rows), len(shown.types)))}"
    )


def note(line: str) -> str:
    """Return a line about the rows."""
    return f'<div style="{FAINT}">{html_text(line)}</div>'


def preformatted(plain: str, style: str = "") -> str:
    """Return plain text as a block of HTML; no notebook looks for mathematics in one."""
    attribute = f' style="{style}"' if style else ""
    # A browser drops a line end that follows the tag.
    first = "\n" if plain.startswith("\n") else ""
    return f"<pre{attribute}>{first}{escape(plain, quote=False)}</pre>"


def _heading(name: Cell, type_name: str, is_number: bool) -> str:
    title = escape(clean(type_name, limit=500), quote=True)
    style = f"{_style(name, is_number)};border-bottom:1px solid #9e9e9e"
    return f'<th title="{title}" style="{style}">{_name(name, type_name)}</th>'


def _name(name: Cell, type_name: str) -> str:
    type_line = html_text(clean(type_name, limit=30))
    return f'{html_text(name.text)}<div style="font-weight:normal;font-size:85%;{FAINT}">{type_line}</div>'


def _row(row: Sequence[Cell], is_number: Sequence[bool]) -> str:
    return "".join(map(_cell, row, is_number))


def _cell(cell: Cell, is_number: bool) -> str:
    text = f'<i style="{FAINT}">{cell.text}</i>' if cell.is_null else html_text(cell.text)
    return f'<td style="{_style(cell, is_number)}">{text}</td>'


def _style(cell: Cell, is_number: bool) -> str:
    return f"{_CELL};text-align:{'right' if is_number else 'left'};{_WRAPPED if cell.wraps else _LINE}"


def _foot(shown: ShownRows) -> str:
    """Return the totals and the extremes below the rows, each with its name behind it."""
    rows = (
        f'<tr>{_row(row, shown.is_number)}<td style="{_CELL};{_LINE};{FAINT}">{name}</td></tr>'
        for name, row in shown.extra_rows()
    )
    foot = "".join(rows)
    return f'<tfoot style="font-weight:bold;border-top:2px solid">{foot}</tfoot>' if foot else ""
