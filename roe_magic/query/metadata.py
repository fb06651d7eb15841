"""Metadata of queries: one as a flat dict, several as a DataFrame with full dtypes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import timezone
from typing import TYPE_CHECKING, Any

from roe_magic.contract import models
from roe_magic.formatting import encodable
from roe_magic.imports import load
from roe_magic.query.query_state import QueryState

if TYPE_CHECKING:
    import pandas as pd

_STATES = list(models.STATES)
_TIMES = ("created_at", "updated_at", "finished_at")
_SPANS = ("duration", "queued", "running")
_SUBMITTED = ("query", "query_task_id", "ai_summary")
_NESTED = (
    *("worksheet.id", "worksheet.name", "organization.id", "organization.name"),
    *("creator.id", "creator.email", "creator.display_name"),
)
_FIELDS = ("id", "status", *_TIMES, *_SPANS, "query", "query_task_id", "query_task_status", "error", "ai_summary")
_STRINGS = (
    *("query", "query_task_id", "error", "ai_summary", "observed"),
    *("worksheet.name", "organization.name", "creator.email", "creator.display_name"),
)


def flat(state: QueryState) -> dict[str, Any]:
    """Return the fields and figures of a query by flat names (``status``, ``worksheet.name``), then unknown fields.

    Names and values are such that pandas and its file formats take them: see :func:`_portable`.
    """
    submitted = state.submitted
    values: dict[str, Any] = {
        "id": state.query_id,
        "status": state.status,
        "query_task_status": state.status,
        "error": state.server_error,
        **{name: getattr(state, name) for name in (*_TIMES, *_SPANS)},
        **{name: getattr(submitted, name, None) for name in _SUBMITTED},
    }
    fields = {name: values[name] for name in _FIELDS}
    for name in _NESTED:
        outer, _, inner = name.partition(".")
        fields[name] = getattr(getattr(submitted, outer, None), inner, None)
    fields["observed"] = ", ".join(state.observed)
    unknown = {name: value for name, value in state.extra.items() if name not in fields}
    return {_portable(name): _portable(value) for name, value in {**fields, **unknown}.items()}


# Deeper values of unknown fields stay as they are.
_MAX_DEPTH = 50


def _portable(value: Any, depth: int = 0) -> Any:
    """Return a value with halves of surrogate pairs as escapes (``\\ud800``), and integers beyond 64 bits as text."""
    if isinstance(value, str):
        return encodable(value)
    if isinstance(value, int):
        return value if -(2**63) <= value < 2**63 else str(value)
    if isinstance(value, list) and depth < _MAX_DEPTH:
        return [_portable(item, depth + 1) for item in value]
    if isinstance(value, dict) and depth < _MAX_DEPTH:
        return {_portable(name): _portable(item, depth + 1) for name, item in value.items()}
    return value


def frame(queries: Iterable[Mapping[str, Any]]) -> pd.DataFrame:
    """Return a DataFrame with one row per query and full dtypes, even in columns where all is missing.

    Parameters
    ----------
    queries : iterable of mapping
        Each with the names that :func:`flat` returns.
    """
    load("pandas")
    import pandas as pd

    items = list(queries)
    columns = dict.fromkeys((*_FIELDS, *_NESTED, "observed", *(key for item in items for key in item)))
    frame: pd.DataFrame = pd.DataFrame({key: pd.Series([q.get(key) for q in items], dtype=object) for key in columns})
    for name in _TIMES:
        frame[name] = _times(frame[name])
    for name in _SPANS:
        frame[name] = pd.Series(frame[name].to_numpy("timedelta64[us]"), index=frame.index)
    categories = [*_STATES, *sorted({str(word) for word in frame["status"].dropna()} - set(_STATES))]
    for name in ("status", "query_task_status"):
        frame[name] = pd.Categorical(frame[name], categories=categories)
    for name in _STRINGS:
        frame[name] = frame[name].astype("string")
    return frame


def _times(values: pd.Series[Any]) -> pd.Series[Any]:
    """Return a column of times as ``datetime64[us, UTC]``; nanoseconds, pandas 2's own choice, end in 2262."""
    import numpy as np
    import pandas as pd

    naive = [None if value is None else value.astimezone(timezone.utc).replace(tzinfo=None) for value in values]
    times: pd.Series[Any] = pd.Series(np.array(naive, dtype="datetime64[us]"), index=values.index)
    zoned: pd.Series[Any] = times.dt.tz_localize("UTC")
    return zoned
