"""A pandas DataFrame or Series as columns: the index first, and names that are not text as text.

A named index becomes columns, as ``reset_index`` makes them. The default index (0, 1, 2, ...) is left out. Another
index without a name becomes the column ``index``, with a notice.
"""

from __future__ import annotations

import datetime as dt
import numbers
from typing import TYPE_CHECKING, Any

from roe_magic.errors import UsageError
from roe_magic.uploads.arrow.arrow_source import ArrowSource
from roe_magic.uploads.arrow.pandas_columns import pandas_column
from roe_magic.uploads.arrow.source_column import SourceColumn

if TYPE_CHECKING:
    import pandas as pd


def from_frame(frame: pd.DataFrame) -> ArrowSource:
    """Return a DataFrame as an Arrow stream."""
    index, notices = _index_columns(frame.index)
    names = [_name(label) for label in frame.columns]
    _check_no_name_twice([column.name for column in index], names)
    if frame.columns.nlevels > 1:
        notices.append("The names of columns with several levels are joined with _.")
    columns = [pandas_column(name, frame.iloc[:, position]) for position, name in enumerate(names)]
    if not index and not columns:
        raise UsageError("The DataFrame has no columns.")
    return ArrowSource([*index, *columns], len(frame), notices)


def from_series(series: pd.Series[Any]) -> ArrowSource:
    """Return a Series as an Arrow stream: its index and its values."""
    return from_frame(series.to_frame("value" if series.name is None else series.name))


def _index_columns(index: pd.Index[Any]) -> tuple[list[SourceColumn], list[str]]:
    """Return the columns that an index becomes, and the notices about it."""
    import pandas as pd

    # False and 0.0 equal 0, but are data.
    is_whole = index.inferred_type in ("integer", "empty")
    is_default = index.nlevels == 1 and is_whole and index.equals(pd.RangeIndex(len(index)))
    if index.names == [None] and is_default:
        return [], []
    unnamed = ["index"] if index.nlevels == 1 else [f"level_{level}" for level in range(index.nlevels)]
    names = [new if name is None else _name(name) for name, new in zip(index.names, unnamed, strict=True)]
    new_names = [new for name, new in zip(index.names, unnamed, strict=True) if name is None]
    notices = [f"The index without a name became the column {name!r}." for name in new_names]
    levels = (index.get_level_values(level) for level in range(index.nlevels))
    columns = [pandas_column(name, level.to_series()) for name, level in zip(names, levels, strict=True)]
    return columns, notices


def _name(label: Any) -> str:
    """Return a column's label as text; raise UsageError where it has none."""
    if isinstance(label, tuple):
        return "_".join(filter(None, map(_name_part, label)))
    return _name_part(label)


def _name_part(label: Any) -> str:
    if label is None or label != label:  # noqa: PLR0124  # true of NaN alone
        raise UsageError(f"A column is named {label}.", hint="Give it a name of text, for example with df.rename(...).")
    if isinstance(label, (str, numbers.Number, dt.date, dt.time, dt.timedelta)):
        return str(label)
    raise UsageError(
        f"The name of a column, {label!r}, is of type {type(label).__name__}.",
        hint="Give every column a name of text: df.columns = df.columns.map(str).",
    )


def _check_no_name_twice(index: list[str], names: list[str]) -> None:
    for name in index:
        if name in names:
            raise UsageError(
                f"The index and a column are both named {name!r}.",
                hint="Rename one of them, or leave the index out with df.reset_index(drop=True).",
            )
