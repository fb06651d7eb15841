"""The rows of each statement of a query, one below the other."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from roe_magic.formatting import clean, plural
from roe_magic.query.render.html_table import html_table, note
from roe_magic.query.render.shown_rows import Rows, ShownRows, frame_call
from roe_magic.query.render.text_table import text_table

# So many characters the rows of a query take, as HTML and as text: both are stored in the notebook.
_HTML_BUDGET, _TEXT_BUDGET = 500_000, 150_000
_TEXT_WIDTH = 200


def text(results: Sequence[Rows], limit: int | None, width: int = _TEXT_WIDTH, *, variable: str = "") -> str:
    """Return the rows of each statement as plain text, at most ``limit`` rows of each, in lines of such a width.

    The line below them names the query by its ``variable`` where it tells how to get all rows.
    """

    def table(shown: ShownRows, budget: int) -> str:
        return text_table(shown, budget, width)

    sections = _sections(results, limit, variable, _TEXT_BUDGET, table, str)
    return "\n\n".join("\n".join(filter(None, section)) for section in sections)


def html(results: Sequence[Rows], limit: int | None, *, variable: str = "") -> str:
    """Return the rows of each statement as HTML, at most ``limit`` rows of each; ``variable`` as in :func:`text`."""
    sections = [
        f'<div style="margin-top:8px">{heading}{rows}</div>' if heading else rows
        for heading, rows in _sections(results, limit, variable, _HTML_BUDGET, html_table, note)
    ]
    return f"<div>{''.join(sections)}</div>"


def _sections(
    results: Sequence[Rows],
    limit: int | None,
    variable: str,
    budget: int,
    table: Callable[[ShownRows, int], str],
    line: Callable[[str], str],
) -> Iterator[tuple[str, str]]:
    """Yield each statement's heading, which is empty where there is only one statement, and its rows."""
    for index, result in enumerate(results):
        alone = len(results) == 1
        heading = "" if alone else f"Statement {index + 1} of {len(results)}: {clean(result.query or '', limit=80)}"
        shown = ShownRows(result, limit, frame_call(variable, None if alone else index))
        rows = table(shown, budget) if result.column_names else line(_written(result))
        budget = max(0, budget - len(rows))
        yield line(heading) if heading else "", rows


def _written(result: Rows) -> str:
    """Return what a statement without columns did."""
    written = result.summary.written_rows if result.summary else 0
    return f"No rows to show; {plural(written, 'row')} written." if written else "Done; no rows to show."
