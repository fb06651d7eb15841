"""Errors as a notebook shows them: the message, what to do next, and no traceback."""

from __future__ import annotations

import re

from roe_magic.errors import QueryFailed, RoeError

_CODE = re.compile(r"\(([A-Z][A-Z_]+)\)\W*$")


def brief(error: BaseException, *, told: bool, coloured: bool = True) -> list[str]:
    """Write an error for IPython's ``_render_traceback_``.

    Parameters
    ----------
    error : RoeError or QueryInterrupted
    told : bool
        Whether the panel above has shown the message already, to somebody who looks.
    coloured : bool
        Whether the name may be red.
    """
    name = type(error).__name__
    name = f"\x1b[31m{name}\x1b[0m" if coloured else name
    if told and isinstance(error, QueryFailed):
        code = _CODE.search(error.message)
        return [f"{name}: {code[1]}, see above." if code else f"{name}, see above."]
    if told and isinstance(error, RoeError):
        return [f"{name}: {error.message}"]
    lines = [f"{name}: {error}"]
    query_id = getattr(error, "query_id", None)
    return [*lines, f"Query id: {query_id}"] if query_id and query_id not in str(error) else lines
