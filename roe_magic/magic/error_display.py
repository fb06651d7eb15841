"""Errors as a notebook shows them: the message and what to do next, without a traceback."""

from __future__ import annotations

import re

from roe_magic.errors import QueryFailed, RoeError

# ClickHouse ends a message with the name of its error code: "... (SYNTAX_ERROR)".
_CODE_NAME = re.compile(r"\(([A-Z][A-Z_]+)\)\W*$")


def short_rendering(error: BaseException, *, shown: bool, coloured: bool = True) -> list[str]:
    """Return the lines for IPython's ``_render_traceback_``.

    Parameters
    ----------
    error : RoeError or QueryInterrupted
    shown : bool
        Whether the panel above has shown the message already, to somebody who is there.
    coloured : bool
        Whether the exception's name is red.
    """
    name = type(error).__name__
    name = f"\x1b[31m{name}\x1b[0m" if coloured else name
    if shown and isinstance(error, QueryFailed):
        code = _CODE_NAME.search(error.message)
        return [f"{name}: {code[1]}, see above." if code else f"{name}, see above."]
    if shown and isinstance(error, RoeError):
        return [f"{name}: {error.message}"]
    lines = [f"{name}: {error}"]
    query_id = getattr(error, "query_id", None)
    return [*lines, f"Query id: {query_id}"] if query_id and query_id not in str(error) else lines
