"""DataFrames and whatever else has rows and columns, as Arrow: which library's it is, and who reads it.

pandas and polars are not imported here: where a value of theirs exists, they are loaded already.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

from roe_magic.errors import UsageError

if TYPE_CHECKING:
    from roe_magic.uploads.arrow.arrow_source import ArrowSource


def is_frame(data: object) -> bool:
    """Whether :func:`to_arrow` takes it: a DataFrame, LazyFrame or Series, or what has an Arrow stream."""
    return _is_a(data, "pandas", "DataFrame", "Series") or _is_polars(data) or _has_stream(data)


def to_arrow(data: Any) -> ArrowSource:
    """Return a DataFrame, a Series, or anything that has an Arrow stream, as one Arrow stream with ClickHouse types.

    Parameters
    ----------
    data : object
        Of pandas a DataFrame or Series; of polars also a LazyFrame, which is collected; of pyarrow a Table, RecordBatch
        or RecordBatchReader; a query or its result; whatever else has ``__arrow_c_stream__``, such as a relation
        of duckdb.

    Raises
    ------
    UsageError
        It is none of these, or some columns cannot be carried; the message names all of them, each with the first row
        that is in the way, and what to do.
    """
    if _is_a(data, "pandas", "DataFrame", "Series"):
        return _from_pandas(data)
    if _is_polars(data):
        return _from_polars(data)
    if _has_stream(data):
        return _from_arrow(data)
    raise UsageError(
        f"A value of type {type(data).__name__} cannot be uploaded.",
        hint="Upload a DataFrame, for example pandas.DataFrame(data), a pyarrow Table, or a file.",
    )


def _is_a(data: object, library: str, *names: str) -> bool:
    module = sys.modules.get(library)
    return module is not None and isinstance(data, tuple(getattr(module, name) for name in names))


def _is_polars(data: object) -> bool:
    return _is_a(data, "polars", "DataFrame", "LazyFrame", "Series")


def _has_stream(data: object) -> bool:
    return hasattr(data, "__arrow_c_stream__") or _is_a(data, "pyarrow", "RecordBatch")


def _from_pandas(data: Any) -> ArrowSource:
    from roe_magic.uploads.arrow import pandas_frame

    is_series = _is_a(data, "pandas", "Series")
    return pandas_frame.from_series(data) if is_series else pandas_frame.from_frame(data)


def _from_polars(data: Any) -> ArrowSource:
    from roe_magic.uploads.arrow import polars_frame

    if _is_a(data, "polars", "Series"):
        return polars_frame.from_polars_series(data)
    return polars_frame.from_polars(_collected(data) if _is_a(data, "polars", "LazyFrame") else data)


def _collected(frame: Any) -> Any:
    try:
        return frame.collect()
    except Exception as error:  # whatever the user's own expressions raise
        reason = str(error).partition("\n")[0]
        message = f"The LazyFrame cannot be collected: {type(error).__name__}: {reason}"
        raise UsageError(message, hint="Try frame.collect() first.") from error


def _from_arrow(data: Any) -> ArrowSource:
    import pyarrow as pa

    from roe_magic.uploads.arrow import arrow_table

    if isinstance(data, pa.ChunkedArray):
        raise UsageError("An Arrow array has no column name.", hint="Put it into a table: pa.table({'name': array}).")
    if isinstance(data, pa.RecordBatch):
        data = pa.Table.from_batches([data])
    return arrow_table.from_table(data) if isinstance(data, pa.Table) else arrow_table.from_stream(data)
