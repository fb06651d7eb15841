"""The columns of a pandas DataFrame or Series: each dtype as Arrow."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from roe_magic.uploads.arrow.column_facts import is_text
from roe_magic.uploads.arrow.column_problem import NotCarried
from roe_magic.uploads.arrow.labels import enum_of
from roe_magic.uploads.arrow.object_column import object_column, refused_column
from roe_magic.uploads.arrow.source_column import SourceColumn, combined
from roe_magic.uploads.arrow.zones import zone_name

if TYPE_CHECKING:
    import pandas as pd

_NOT_CARRIED = {
    "complex": "Convert it to text, or its real and imaginary parts to columns of their own.",
    "period": "Convert it with .dt.to_timestamp(), or to text with .astype(str).",
    "interval": "Convert it to text with .astype(str), or its bounds to columns of their own.",
}


def pandas_column(name: str, series: pd.Series[Any]) -> SourceColumn:
    """Return a Series as a column; one that cannot be uploaded raises NotCarried when it is read."""
    try:
        return _column(name, series)
    except NotCarried as error:
        return refused_column(name, error)


def _column(name: str, series: pd.Series[Any]) -> SourceColumn:
    import pandas as pd

    dtype: Any = series.dtype
    if isinstance(dtype, np.dtype):
        return _numpy_column(name, series.to_numpy())
    if isinstance(dtype, pd.CategoricalDtype):
        return _category_column(name, series)
    if isinstance(dtype, pd.DatetimeTZDtype):
        return _zoned_column(name, series)
    if isinstance(dtype, pd.SparseDtype):
        return _numpy_column(name, np.asarray(series.array))
    if isinstance(dtype, (pd.ArrowDtype, pd.StringDtype, pd.BooleanDtype)) or hasattr(dtype, "numpy_dtype"):
        return SourceColumn(name, lambda start, stop: pa.array(series.array[start:stop]))
    raise _not_carried(dtype)


def _not_carried(dtype: Any) -> NotCarried:
    default = "Convert it first, for example with .astype(str)."
    advice = next((advice for word, advice in _NOT_CARRIED.items() if str(dtype).startswith(word)), default)
    return NotCarried(f"has the dtype {dtype}, which has no counterpart in ClickHouse", advice, of_values=False)


def _numpy_column(name: str, values: np.ndarray[Any, Any]) -> SourceColumn:
    if values.dtype.kind == "O":
        return object_column(name, lambda start, stop: values[start:stop].tolist(), len(values))
    if not values.dtype.isnative:
        values = values.astype(values.dtype.newbyteorder("="))
    try:
        data_type = pa.from_numpy_dtype(values.dtype)
    except pa.ArrowException:
        raise _not_carried(values.dtype) from None
    return SourceColumn(name, lambda start, stop: pa.array(values[start:stop], data_type, from_pandas=True))


def _zoned_column(name: str, series: pd.Series[Any]) -> SourceColumn:
    dtype: Any = series.dtype
    times = series.to_numpy(np.dtype(f"M8[{dtype.unit}]"))  # in UTC
    zone = zone_name(dtype.tz)
    if zone is None:
        advice = "Convert it with .dt.tz_convert to a named zone or to UTC first."
        raise NotCarried(f"has a time zone without a name in the tz database ({dtype.tz})", advice, of_values=False)
    data_type = pa.timestamp(dtype.unit, zone)
    # From a time without a zone to one with, Arrow takes the first as UTC.
    return SourceColumn(name, lambda start, stop: pa.array(times[start:stop]).cast(data_type))


def _category_column(name: str, series: pd.Series[Any]) -> SourceColumn:
    """Return a column of a dictionary; ordered categories of text become an Enum."""
    import pandas as pd

    dtype: Any = series.dtype
    codes = series.cat.codes.to_numpy()
    categories = _column(name, pd.Series(dtype.categories))
    dictionary = combined(categories.read(0, len(dtype.categories)))

    def read(start: int, stop: int) -> pa.Array:
        part = codes[start:stop].astype(np.int32)
        return pa.DictionaryArray.from_arrays(pa.array(part, mask=part < 0), dictionary)

    wish = categories.wish
    if dtype.ordered and is_text(dictionary.type):
        wish = enum_of(dictionary.to_pylist())
    return SourceColumn(name, read, wish)
