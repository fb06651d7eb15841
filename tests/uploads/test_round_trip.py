"""Any DataFrame, uploaded and read back, is equal by the table of docs/uploads.md, or refused with the column named."""

from __future__ import annotations

import functools
import tempfile
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import polars.testing.parametric as polars_strategies
import pyarrow as pa
from hypothesis import HealthCheck, given, settings

from roe_magic import frames
from roe_magic.client import RoeClient
from roe_magic.contract.models import ARROW_STREAM
from roe_magic.errors import UsageError
from roe_magic.query.running_query import RunningQuery
from roe_magic.uploads.arrow.arrow_source import ArrowSource
from roe_magic.uploads.arrow.frames_to_arrow import to_arrow
from tests.support.arrow_import import read_by_the_engine
from tests.support.frame_strategies import frames as pandas_frames
from tests.support.value_meaning import meaning, meanings

Road = Callable[[ArrowSource], tuple[pa.Table, list[str]]]
THOROUGH = settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large]
)


def in_utc(series: pd.Series[Any]) -> pd.Series[Any]:
    """Return the same moments in UTC: in other zones pandas 2.2 crashes at the year 1."""
    return series.dt.tz_convert("UTC") if isinstance(series.dtype, pd.DatetimeTZDtype) else series


def expected_of(series: pd.Series[Any]) -> list[Any]:
    """Return what the values of a pandas Series mean; NaN of numpy and in objects is a missing value."""
    if isinstance(series.dtype, pd.ArrowDtype):
        return meanings(pa.chunked_array(series.array.__arrow_array__()))
    series = in_utc(series)
    nan_is_value = str(series.dtype) in ("Float32", "Float64")
    cells = [meaning(cell) for cell in (series.to_numpy() if isinstance(series.dtype, np.dtype) else series.array)]
    return cells if nan_is_value else [None if cell == ("float", "nan") else cell for cell in cells]


def check_pandas(frame: pd.DataFrame, road: Road) -> tuple[pa.Table, list[str]]:
    """Assert that a frame comes back equal; return what came back."""
    table, types = road(to_arrow(frame))
    flat = frame.reset_index() if frame.index.names != [None] else frame
    assert table.column_names == list(flat.columns)
    assert table.num_rows == len(frame)
    for position, name in enumerate(flat.columns):
        assert meanings(table.column(position)) == expected_of(flat.iloc[:, position]), f"{name!r} {types[position]}"
    return table, types


def through_the_service(client: RoeClient, source: ArrowSource) -> tuple[pa.Table, list[str]]:
    """Upload rows to the real service, and return what a query reads of the table."""
    with tempfile.TemporaryFile() as file:
        source.write(file)
        file.seek(0)
        created = client.upload("round_trip", file, content_type=ARROW_STREAM, replace=True)
    assert [(column.name, column.type) for column in created.columns or ()] == source.columns
    query = RunningQuery(client, "SELECT * FROM round_trip").start().wait()
    return query.arrow(), query.results[-1].column_types


@THOROUGH
@given(pandas_frames())
def test_a_pandas_frame_comes_back_equal(frame: pd.DataFrame) -> None:
    """Every dtype of pandas that a table can hold."""
    check_pandas(frame, read_by_the_engine)


def source_or_refusal(frame: pl.DataFrame) -> ArrowSource | None:
    """Return what is uploaded; None where that was refused, by a message that names columns of the frame."""
    try:
        return to_arrow(frame)
    except UsageError as error:
        message = str(error)
    named = [name for name in frame.columns if repr(name) in message]
    assert named or "A column has no name" in message, message
    return None


@settings(THOROUGH, max_examples=40, suppress_health_check=list(HealthCheck))
@given(frame=pandas_frames())
def test_a_pandas_frame_comes_back_equal_from_the_service(client: RoeClient, frame: pd.DataFrame) -> None:
    """Through every part: the client, HTTP, the import, a query, and its result; and so does the DataFrame of it."""
    table, types = check_pandas(frame, functools.partial(through_the_service, client))
    back = frames.to_pandas(table, types)
    assert list(back.columns) == table.column_names
    for name, column in back.items():
        cells = in_utc(column).array
        assert [meaning(cell) for cell in cells] == [_as_in_pandas(each) for each in meanings(table[name])]


def _as_in_pandas(value: Any) -> Any:
    """Return what a value means in a DataFrame: a date is a time there."""
    return ("moment", value[1] * 86_400 * 10**9) if isinstance(value, tuple) and value[:1] == ("day",) else value


@THOROUGH
@given(
    polars_strategies.dataframes(
        excluded_dtypes=[pl.Object, pl.Unknown] if hasattr(pl, "Unknown") else [pl.Object], max_cols=3, max_size=5
    )
)
def test_a_polars_frame_comes_back_equal_or_is_refused_by_name(frame: pl.DataFrame) -> None:
    """A NULL list is the reason in most cases."""
    source = source_or_refusal(frame)
    if source is None:
        return
    table, types = read_by_the_engine(source)
    assert table.column_names == frame.columns
    for position, series in enumerate(frame.get_columns()):
        wide = series.dtype in (pl.Int128, pl.UInt128)
        expected = [meaning(value) for value in series.to_list()] if wide else meanings(series.to_arrow())
        assert meanings(table.column(position)) == expected, f"{series.name!r} {types[position]}"
