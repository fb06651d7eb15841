"""The DataFrames and Series that commands return, shown as the rows of a query are."""

from __future__ import annotations

import functools
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from roe_magic.contract.models import Summary
from roe_magic.formatting import duration, encodable
from roe_magic.imports import load
from roe_magic.query.render.html_table import html_table
from roe_magic.query.render.shown_rows import MAX_ROWS, ShownRows
from roe_magic.query.render.text_table import text_table

if TYPE_CHECKING:
    import pandas as pd

# So many characters are shown, as HTML and as text, in lines of such a width.
_HTML_BUDGET, _TEXT_BUDGET, _TEXT_WIDTH = 500_000, 150_000, 200
# A cell has the columns of a table, which are shown whole, as those of SHOW are.
_SHOWN_AS = "SHOW"


def listing(rows: Any, columns: list[str] | None = None) -> pd.DataFrame:
    """Return a DataFrame for those who use it; who looks at it sees it drawn by our own tables.

    The reprs of pandas cut a cell at 50 characters, and a notebook finds mathematics in what they show. What is made
    of a listing (a selection, a copy, a pickle) is a plain DataFrame.
    """
    if isinstance(rows, list):
        rows = [tuple(map(encodable, row)) for row in rows]
    frame: pd.DataFrame = _drawn_by_us("DataFrame")(rows, columns=columns)
    return frame


def record(values: dict[str, Any], name: str) -> pd.Series[Any]:
    """Return a Series that is drawn as :func:`listing` draws a DataFrame, one line for each value."""
    series: pd.Series[Any] = _drawn_by_us("Series")(values, dtype=object, name=name)
    return series


@functools.cache
def _drawn_by_us(kind: str) -> Any:
    """Return a subclass of a class of pandas."""
    base = getattr(load("pandas"), kind)

    class Listing(base):  # type: ignore[misc, valid-type]  # the class is known only here, once pandas is loaded
        def _repr_html_(self) -> str:
            return html_table(_shown(self), _HTML_BUDGET)

        def __repr__(self) -> str:
            return text_table(_shown(self), _TEXT_BUDGET, _TEXT_WIDTH)

        def __reduce_ex__(self, _protocol: Any) -> Any:
            return base, (base(self),)

    return Listing


@dataclass
class _Rows:
    """A DataFrame in the form that is drawn."""

    frame: pd.DataFrame
    column_names: list[str]
    column_types: list[str]
    row_count: int
    query: str | None = _SHOWN_AS
    summary: Summary | None = None
    extra_rows: list[tuple[str, list[Any]]] = field(default_factory=list)

    def head(self, limit: int) -> list[list[Any]]:
        """Return the first rows as texts."""
        return [list(map(_text, row)) for row in self.frame.head(limit).itertuples(index=False)]


def _shown(listed: Any) -> ShownRows:
    frame = listed if listed.ndim == 2 else listed.rename_axis("field").reset_index()
    names = list(map(str, frame.columns))
    rows = _Rows(frame, names, [""] * len(names), len(frame))
    return ShownRows(rows, MAX_ROWS, "print(_.to_string())")


def _text(value: Any) -> str | None:
    import pandas as pd

    if pd.api.types.is_scalar(value) and pd.isna(value):
        return None
    return duration(value.total_seconds()) if isinstance(value, pd.Timedelta) else str(value)
