"""The panel without a widget: HTML that reads well anywhere a notebook is shown, and text for terminals.

Untrusted notebooks lose style elements and classes, so every style is inline. No colour depends on the theme: the pill
brings its own background, everything else inherits the page's text colour.
"""

from __future__ import annotations

from html import escape
from typing import Any

from roe_magic.panel.view import Snapshot, view

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
_MONO = "font-family:monospace; font-size:12px; white-space:pre-wrap; overflow-wrap:anywhere"
_BOX = "margin:6px 0 2px 0; padding:6px 10px; border-left:3px solid"


def html(s: Snapshot) -> str:
    """Write the panel as one self-contained piece of HTML."""
    v = view(s)
    parts = [_fold(v), _box(v["notice"], "attention"), _error(v), _box(_unfinished(v), "attention")]
    return f'<div style="margin:2px 0; font-size:13px; line-height:20px">{"".join(parts)}</div>'


def text(s: Snapshot) -> str:
    """Write the panel as a line of text, and a few more when there is an error or something to know."""
    v = view(s)
    line = f"{v['label']} " + " · ".join([*v["story"], *filter(None, [v["query_id"]])])
    error = ": ".join(part for part in (v["exception"], v["error"]) if part)
    return "\n".join(part for part in (line, v["notice"], error, v["hint"], _unfinished(v)) if part)


def _unfinished(v: dict[str, Any]) -> str | None:
    """Say how to go on, to whoever reads a notebook that was saved before the query's end."""
    return (
        f"Saved before the query's end. Come back to it with: {v['way_back']}" if v["live"] and v["query_id"] else None
    )


def _fold(v: dict[str, Any]) -> str:
    """Write the one line of story with everything else folded behind it."""
    pill = f'<span style="{_PILL}; background-color:{TONES[v["tone"]]}">{escape(v["label"])}</span>'
    story = escape(" · ".join([*v["story"], *filter(None, [v["short_id"]])]))
    line = f'<summary style="cursor:pointer">{pill}&ensp;{story}</summary>'
    return f'<details>{line}<div style="margin:4px 0 4px 16px">{_facts(v)}{_sql(v)}</div></details>'


def _facts(v: dict[str, Any]) -> str:
    clock = " (as seen from here)" if v["observed"] else ""
    times = ", ".join(f"{name} {words}" for name, _, words, _ in v["timeline"])
    facts = v["facts"] + ([["times", "Times", times + clock]] if times else [])
    return "".join(f"<div>{escape(name)}: {_value(key, value)}</div>" for key, name, value in facts)


def _value(key: str, value: str) -> str:
    return f"<code>{escape(value)}</code>" if key == "query_id" else escape(value)


def _sql(v: dict[str, Any]) -> str:
    return f'<pre style="margin:6px 0 0 0; {_MONO}">{escape(v["sql"])}</pre>'


def _error(v: dict[str, Any]) -> str:
    if not v["error"]:
        return _box(v["hint"], "attention")
    name = f"<div><b>{escape(v['exception'])}</b></div>" if v["exception"] else ""
    message = f'<div style="{_MONO}">{escape(v["error"])}</div>'
    hint = f'<div style="margin-top:4px">{escape(v["hint"])}</div>' if v["hint"] else ""
    return f'<div style="{_BOX} {TONES["failure"]}">{name}{message}{hint}</div>'


def _box(words: str | None, tone: str) -> str:
    return f'<div style="{_BOX} {TONES[tone]}">{escape(words)}</div>' if words else ""
