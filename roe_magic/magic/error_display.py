"""Errors as a notebook shows them: the message and what to do next, without a traceback unless it is asked for."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from roe_magic.errors import QueryFailed, RoeError
from roe_magic.formatting import clean, clean_message, conceal, count

# ClickHouse ends a message with the name of its error code: "... (SYNTAX_ERROR)".
_CODE_NAME = re.compile(r"\(([A-Z][A-Z_]+)\)\W*$")
# A line of a traceback may be so long; the one that calls a cell magic holds the whole cell.
_LINE_LIMIT = 500
_RESET_COLOUR = "\x1b[0m"
# What IPython colours a traceback with. Concealed text (8) is no colour.
_COLOUR = re.compile(r"(\x1b\[(?!(?:\d*;)*0*8[;m])[\d;]*m)")


def rendering_of(error: BaseException, shell: Any, *, short: bool, shown: bool) -> Callable[[], list[str]]:
    """Return what IPython calls for the lines of an error, as its ``_render_traceback_``.

    Parameters
    ----------
    error : RoeError or QueryInterrupted
    shell : InteractiveShell
    short : bool
        Whether there is no traceback.
    shown : bool
        Whether the panel above has shown the message already, to somebody who is there.
    """
    if not short:
        return lambda: full_rendering(shell, error)
    coloured = str(getattr(shell, "colors", "")).lower() != "nocolor"
    lines = short_rendering(error, shown=shown, coloured=coloured)
    return lambda: lines


def short_rendering(error: BaseException, *, shown: bool, coloured: bool = True) -> list[str]:
    """Return the error's name, in red where lines are coloured, its message and what to do next."""
    name = type(error).__name__
    name = f"\x1b[31m{name}\x1b[0m" if coloured else name
    if shown and isinstance(error, QueryFailed):
        code = _CODE_NAME.search(error.message)
        return [f"{name}: {code[1]}, see above." if code else f"{name}, see above."]
    if shown and isinstance(error, RoeError):
        return [f"{name}: {clean_message(error.message)}"]
    lines = [f"{name}: {error}"]
    query_id = getattr(error, "query_id", None)
    return [*lines, f"Query id: {query_id}"] if query_id and query_id not in str(error) else lines


def full_rendering(shell: Any, error: BaseException) -> list[str]:
    """Return the lines of IPython's own traceback, the very long ones cut."""
    blocks = shell.InteractiveTB.structured_traceback(type(error), error, error.__traceback__, tb_offset=1)
    return [_clean(_cut(conceal(line))) for block in blocks for line in block.split("\n")]


def _clean(line: str) -> str:
    """Return a line without terminal sequences other than colours: variables, and their reprs, may hold any text."""
    texts_and_colours = _COLOUR.split(line)
    texts_and_colours[::2] = [clean(text, limit=2 * _LINE_LIMIT, lines=True) for text in texts_and_colours[::2]]
    return "".join(texts_and_colours)


def _cut(line: str) -> str:
    more = len(line) - _LINE_LIMIT
    return line if more <= 0 else f"{line[:_LINE_LIMIT]}{_RESET_COLOUR} … ({count(more)} more characters)"
