"""What came of an upload, as text and as HTML."""

from __future__ import annotations

import textwrap
from dataclasses import dataclass, field

from roe_magic.contract.models import UploadColumn
from roe_magic.formatting import clean, html_text, plural

_WIDTH = 100
_STYLE = "text-align:left;padding:2px 10px;white-space:pre-wrap"


@dataclass(frozen=True)
class UploadResult:
    """A table that an upload created, or, after a dry run, that it would create.

    Attributes
    ----------
    table_name : str
    rows : int or None
        How many rows the table has; None where the server does not tell, and after a dry run.
    columns : list of UploadColumn
        Each with ``name``, ``type`` and, where there is something to say, ``reason``.
    notices : list of str
        What is not quite as it was in the source, and why; a sentence each.
    dry_run : bool
        Whether no table was created.
    """

    table_name: str
    rows: int | None
    columns: list[UploadColumn]
    notices: list[str] = field(default_factory=list)
    dry_run: bool = False

    def __str__(self) -> str:
        if self.dry_run:
            body = _as_table([(column.name, column.type, column.reason or "") for column in self.columns])
        else:
            body = _as_list([f"{clean(column.name)} {clean(column.type)}" for column in self.columns])
        return "\n".join(filter(None, (self.heading, body, *self._notice_lines)))

    def __repr__(self) -> str:
        return f"<UploadResult {self.heading.rstrip('.')}>"

    def _repr_pretty_(self, printer: object, cycle: bool) -> None:
        printer.text(str(self))  # type: ignore[attr-defined]  # IPython's printer

    def _repr_html_(self) -> str:
        cells = [(column.name, column.type, column.reason or "") for column in self.columns]
        head = "".join(f'<th style="{_STYLE}">{name}</th>' for name in ("Column", "Type", "Why"))
        body = "".join(f"<tr>{''.join(map(_html_cell, row))}</tr>" for row in cells)
        notices = "".join(f"<div>{html_text(line)}</div>" for line in self._notice_lines)
        return (
            f"<div><div>{html_text(self.heading)}</div>"
            f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>{notices}</div>"
        )

    @property
    def heading(self) -> str:
        """The table's name and size in one sentence."""
        columns = plural(len(self.columns), "column")
        if self.dry_run:
            return f"Dry run: the table {clean(self.table_name)} would have {columns}; nothing was created."
        if self.rows is None and not self.columns:
            return f"Table {clean(self.table_name)} was created; the server did not say what is in it."
        rows = "row count unknown" if self.rows is None else plural(self.rows, "row")
        return f"Table {clean(self.table_name)}: {rows}, {columns}."

    @property
    def _notice_lines(self) -> list[str]:
        return [f"Note: {clean(notice, limit=1000)}" for notice in self.notices]


def _as_list(items: list[str]) -> str:
    """Return items in lines; none is broken."""
    text = ", ".join(item.replace(" ", "\0") for item in items)
    lines = textwrap.wrap(text, _WIDTH, break_long_words=False, break_on_hyphens=False)
    return "\n".join(f"  {line}" for line in lines).replace("\0", " ")


def _as_table(rows: list[tuple[str, str, str]]) -> str:
    cleaned = [tuple(clean(cell, limit=300) for cell in row) for row in (("column", "type", "why"), *rows)]
    widths = [min(40, max(len(row[index]) for row in cleaned)) for index in (0, 1)]
    lines = (f"  {name:<{widths[0]}}  {kind:<{widths[1]}}  {why}".rstrip() for name, kind, why in cleaned)
    return "\n".join(lines)


def _html_cell(text: str) -> str:
    return f'<td style="{_STYLE}">{html_text(clean(text, limit=300))}</td>'
