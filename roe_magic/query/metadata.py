"""What a query tells of itself, flat: one key for each figure, and pandas with full dtypes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import timezone
from typing import TYPE_CHECKING, Any

from roe_magic.contract import models

if TYPE_CHECKING:
    import pandas as pd

    from roe_magic.query.worksheet_query import WorksheetQuery

_STATES = list(models.STATES)
_NESTED = (
    *("worksheet.id", "worksheet.name", "organization.id", "organization.name"),
    *("creator.id", "creator.email", "creator.display_name"),
)
_TIMES = ("created_at", "updated_at", "finished_at")
_SPANS = ("duration", "queued", "running")
_TEXTS = ("query", "query_task_id", "query_task_status", "error", "ai_summary")
_KEYS = ("id", "status", *_TIMES, *_SPANS, *_TEXTS)
_STRINGS = ("query", "query_task_id", "error", "ai_summary", "observed", *(key for key in _NESTED if key[-3:] != ".id"))


def flat(query: WorksheetQuery) -> dict[str, Any]:
    """Give what a query tells by flat names (``status``, ``worksheet.name``), and what it knows beyond them."""
    flat = {name: getattr(query, name) for name in _KEYS}
    for name in _NESTED:
        outer, _, key = name.partition(".")
        flat[name] = getattr(getattr(query, outer), key, None)
    flat["observed"] = ", ".join(query.observed)
    return {**flat, **{key: value for key, value in query.extra.items() if key not in flat}}


def frame(queries: Iterable[Mapping[str, Any]]) -> pd.DataFrame:
    """Make a DataFrame of several queries' figures; see :meth:`WorksheetQuery.frame`."""
    import pandas as pd

    items = list(queries)
    columns = dict.fromkeys((*_KEYS, *_NESTED, "observed", *(key for item in items for key in item)))
    frame: pd.DataFrame = pd.DataFrame({key: pd.Series([q.get(key) for q in items], dtype=object) for key in columns})
    for name in _TIMES:
        frame[name] = _times(frame[name])
    for name in _SPANS:
        frame[name] = pd.Series(frame[name].to_numpy("timedelta64[us]"), index=frame.index)
    words = [*_STATES, *sorted({str(w) for w in frame["status"].dropna()} - set(_STATES))]
    for name in ("status", "query_task_status"):
        frame[name] = pd.Categorical(frame[name], categories=words)
    for name in _STRINGS:
        frame[name] = frame[name].astype("string")
    return frame


def _times(values: pd.Series[Any]) -> pd.Series[Any]:
    """Make a column of times, of any year: pandas 2 would go through nanoseconds, which end in 2262."""
    import numpy as np
    import pandas as pd

    naive = [None if value is None else value.astimezone(timezone.utc).replace(tzinfo=None) for value in values]
    times: pd.Series[Any] = pd.Series(np.array(naive, dtype="datetime64[us]"), index=values.index)
    zoned: pd.Series[Any] = times.dt.tz_localize("UTC")
    return zoned
