"""The panel without a widget: HTML that reads well anywhere a notebook is shown, and text for terminals.

Untrusted notebooks lose style elements and classes, so every style is inline. No colour depends on the theme: the pill
brings its own background, everything else inherits the page's text colour. JupyterLab keeps of ``overflow-wrap`` only
``break-word`` there.
"""

from __future__ import annotations

from html import escape
from typing import Any

from roe_magic.contract.models import SUCCESS
from roe_magic.formatting import html_text
from roe_magic.panel.view import view
from roe_magic.query.query_state import QueryState

# Each carries white text at a contrast of 4.5 or more; panel.css has the same.
TONES = {
    "waiting": "#57606a",
    "running": "#0969da",
    "success": "#1a7f37",
    "failure": "#cf222e",
    "attention": "#9a6700",
}
_PILL = (
    "display:inline-block; padding:1px 9px; border-radius:10px; color:#ffffff; font-size:11px; font-weight:600;"
    " letter-spacing:0.3px; line-height:18px"
)
_MONO = "font-family:monospace; font-size:12px; white-space:pre-wrap; overflow-wrap:break-word"
# Without a kernel there is no button to copy the id with: one click selects it, or a triple click where the notebook is
# not trusted and loses the first of these.
_SELECTABLE = "user-select:all; display:block"
_BOX = "margin:6px 0 2px 0; padding:6px 10px; border-left:3px solid"
_QUIET = "margin-left:16px; opacity:0.8; overflow-wrap:break-word"


def html(state: QueryState, *, rows_hidden: bool = False) -> str:
    """Return the panel as one self-contained piece of HTML; it says where a semicolon hides the rows."""
    shown = _view(state, rows_hidden)
    parts = [
        _summary(shown),
        _box(shown["notice"], "attention"),
        _error(shown),
        *(f'<div style="{_QUIET}">{html_text(notice)}</div>' for notice in shown["notices"]),
        _box(_unfinished(shown), "attention"),
    ]
    return f'<div style="margin:2px 0; font-size:13px; line-height:20px">{"".join(parts)}</div>'


def text(state: QueryState, *, rows_hidden: bool = False) -> str:
    """Return the panel as a line of text, and a few more where there is an error or a notice."""
    shown = _view(state, rows_hidden)
    line = f"{shown['label']} " + " · ".join([*shown["outcome"], *filter(None, [shown["query_id"]])])
    messages = (shown["notice"], shown["error"], shown["hint"], *shown["notices"], _unfinished(shown))
    return "\n".join(filter(None, (line, *messages)))


def notes(state: QueryState, *, rows_hidden: bool = False) -> str:
    """Return what is said even where no panel is shown, one line each: the notices, and that a semicolon hides rows."""
    shown = view(state)
    hidden = [f"{note[:1].upper()}{note[1:]}" for note in _hidden(state, rows_hidden)]
    return "\n".join(filter(None, (shown["notice"], *shown["notices"], *hidden)))


def _view(state: QueryState, rows_hidden: bool) -> dict[str, Any]:
    shown = view(state)
    return {**shown, "outcome": [*shown["outcome"], *_hidden(state, rows_hidden)]}


def _hidden(state: QueryState, rows_hidden: bool) -> list[str]:
    has_rows = state.status_word == SUCCESS and any(statement.column_names for statement in state.statements or ())
    return ["rows hidden by the closing ;"] if rows_hidden and has_rows else []


def _unfinished(shown: dict[str, Any]) -> str | None:
    """Return how to go on, for the reader of a notebook that was saved before the query's end."""
    if not (shown["live"] and shown["query_id"]):
        return None
    return f"Saved before the query's end. Come back to it with: {shown['way_back']}"


def _summary(shown: dict[str, Any]) -> str:
    """Return the line with the outcome, and everything else folded below it."""
    pill = f'<span style="{_PILL}; background-color:{TONES[shown["tone"]]}">{html_text(shown["label"])}</span>'
    outcome = html_text(" · ".join([*shown["outcome"], *filter(None, [shown["short_id"]])]))
    line = f'<summary style="cursor:pointer">{pill}&ensp;{outcome}</summary>'
    return f'<details>{line}<div style="margin:4px 0 4px 16px">{_facts(shown)}{_sql(shown)}</div></details>'


def _facts(shown: dict[str, Any]) -> str:
    return "".join(_fact(key, name, value) for key, name, value in shown["facts"])


def _fact(key: str, name: str, value: str) -> str:
    if key != "query_id":
        return f"<div>{html_text(name)}: {html_text(value)}</div>"
    # The id is a block of its own, so that a triple click selects it alone.
    code = f'<code style="{_SELECTABLE}">{html_text(value)}</code>'
    return f'<div style="display:flex">{html_text(name)}:&nbsp;{code}</div>'


def _sql(shown: dict[str, Any]) -> str:
    if not shown["sql"]:
        return ""  # nobody tells the SQL of a query that was submitted elsewhere
    return f'<pre style="margin:6px 0 0 0; {_MONO}">{escape(shown["sql"], quote=False)}</pre>'


def _error(shown: dict[str, Any]) -> str:
    if not shown["error"]:
        return ""
    message = f'<div style="{_MONO}">{html_text(shown["error"])}</div>'
    hint = f'<div style="margin-top:4px">{html_text(shown["hint"])}</div>' if shown["hint"] else ""
    return f'<div style="{_BOX} {TONES["failure"]}">{message}{hint}</div>'


def _box(words: str | None, tone: str) -> str:
    return f'<div style="{_BOX} {TONES[tone]}">{html_text(words)}</div>' if words else ""
