"""A polars DataFrame, LazyFrame or Series as columns."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

from roe_magic.errors import UsageError
from roe_magic.frames.type_parser import ClickHouseType
from roe_magic.uploads.arrow.arrow_source import ArrowSource
from roe_magic.uploads.arrow.column_problem import NotCarried
from roe_magic.uploads.arrow.labels import enum_of
from roe_magic.uploads.arrow.object_column import object_column, refused_column
from roe_magic.uploads.arrow.source_column import SourceColumn

if TYPE_CHECKING:
    import polars as pl

_WIDE_INTEGERS = ("Int128", "UInt128")


def from_polars(frame: pl.DataFrame) -> ArrowSource:
    """Return a polars DataFrame as an Arrow stream."""
    if not frame.width:
        raise UsageError("The DataFrame has no columns.")
    return ArrowSource([polars_column(series) for series in frame.get_columns()], frame.height)


def from_polars_series(series: pl.Series) -> ArrowSource:
    """Return a polars Series as an Arrow stream of one column, called ``value`` where the Series has no name."""
    return from_polars((series if series.name else series.alias("value")).to_frame())


def polars_column(series: pl.Series) -> SourceColumn:
    """Return a Series as a column; one that cannot be uploaded raises NotCarried when it is read."""
    pl: Any = sys.modules["polars"]
    name, kind = series.name, str(series.dtype)
    if series.dtype == pl.Object:
        return _object_column(series)
    if kind in _WIDE_INTEGERS:
        return SourceColumn(name, _reader(series.cast(pl.String)), ClickHouseType(kind))
    if any(wide in kind for wide in (*_WIDE_INTEGERS, "Object")):
        error = NotCarried(f"has the type {kind}, which cannot be uploaded", "Cast it first.", of_values=False)
        return refused_column(name, error)
    wish = enum_of(series.dtype.categories.to_list()) if isinstance(series.dtype, pl.Enum) else None
    return SourceColumn(name, _reader(series), wish)


def _object_column(series: pl.Series) -> SourceColumn:
    try:
        return object_column(series.name, lambda start, stop: series[start:stop].to_list(), len(series))
    except NotCarried as error:
        return refused_column(series.name, error)


def _reader(series: pl.Series) -> Any:
    return lambda start, stop: series.slice(start, stop - start).to_arrow()
