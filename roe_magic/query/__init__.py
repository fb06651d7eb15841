"""One query, from its submit to its rows.

``running_query`` is the handle and its thread, ``lifecycle`` the steps, ``worksheet_query`` what callers get.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from roe_magic.query.worksheet_query import WorksheetQuery

__all__ = ["WorksheetQuery"]


def __getattr__(name: str) -> Any:
    # Loaded when it is asked for: the panel needs `query_state` alone.
    if name == "WorksheetQuery":
        from roe_magic.query.worksheet_query import WorksheetQuery

        return WorksheetQuery
    raise AttributeError(f"module 'roe_magic.query' has no attribute {name!r}")
