"""What polars can do with each type that the engine returns: operation x type.

The rows are those of tests/frames/test_pandas_operations.py. What polars itself refuses for a type is in REFUSED.
"""

from __future__ import annotations

import io
from datetime import datetime, timedelta
from typing import Any

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from roe_magic import frames
from tests.support.rows_engine import by_json
from tests.support.typed_frames import (
    ENUM,
    GAP,
    HIGH,
    LOW,
    MID,
    NUMBERS,
    SAMPLES,
    OperationTable,
    Sample,
    rows,
    table_of,
    tables_by_other_ways,
)

VALUES = "(SELECT arrayJoin(['m', 'a', 'z']) AS c)"
SCALARS = (*NUMBERS, "bool", "text", "bytes", "moment", "span")

OPERATIONS = OperationTable()
operation = OPERATIONS.add


@operation()
def sort(frame: pl.DataFrame, sample: Sample) -> None:
    wanted = sorted(range(1, 6), key=lambda k: 9 if (rank := sample.ranks[k - 1]) is None else rank)
    assert frame.sort("c", nulls_last=True, maintain_order=True)["k"].to_list() == wanted


@operation()
def group_by(frame: pl.DataFrame, sample: Sample) -> None:
    sums = frame.drop_nulls().group_by("c", maintain_order=True).agg(pl.col("k").sum())
    assert sorted(sums["k"].to_list()) == sorted(
        sum(rows(sample, lambda rank, at=at: rank == at)) for at in {*sample.ranks} - {None}
    )


@operation()
def aggregate(frame: pl.DataFrame, sample: Sample) -> None:
    found = frame.group_by(pl.col("k") > 0).agg(pl.col("c").first(), pl.col("c").count().alias("n"))
    assert found["c"].to_list() == frame["c"].to_list()[:1]
    assert found["n"].to_list() == [len(rows(sample, lambda _: True))]


@operation(*SCALARS)
def smallest_and_largest(frame: pl.DataFrame, _: Sample) -> None:
    assert frame["c"].min() == frame["c"][LOW]
    assert frame["c"].max() == frame["c"][HIGH]


@operation(*SCALARS)
def compare(frame: pl.DataFrame, sample: Sample) -> None:
    mid = frame["c"][MID]
    assert frame.filter(pl.col("c") < mid)["k"].to_list() == rows(sample, lambda rank: rank < 1)
    assert frame.filter(pl.col("c") == mid)["k"].to_list() == rows(sample, lambda rank: rank == 1)
    assert frame.filter(pl.col("c").is_in([mid]))["k"].to_list() == rows(sample, lambda rank: rank == 1)


@operation(*SCALARS)
def fill_with_a_new_value(frame: pl.DataFrame, sample: Sample) -> None:
    new = sample.new
    if sample.kind == "moment":  # polars compares times of one zone only
        low = frame["c"][LOW]
        new = new.astimezone(low.tzinfo) if isinstance(low, datetime) else new.date()
    filled = frame["c"].fill_null(new)
    assert filled.null_count() == 0
    if sample.ranks[GAP] is None:
        assert filled[GAP] == new


@operation("text")
def fill_with_a_new_text(frame: pl.DataFrame, _: Sample) -> None:
    assert frame["c"].fill_null("another")[GAP] == "another"


@operation()
def fill_forward(frame: pl.DataFrame, _: Sample) -> None:
    assert frame["c"].forward_fill().to_list()[GAP] == frame["c"].to_list()[HIGH]


@operation()
def join(frame: pl.DataFrame, sample: Sample) -> None:
    other = frame[[HIGH]].rename({"k": "other"})
    highest = max(rank or 0 for rank in sample.ranks)
    joined = frame.join(other, on="c").sort("k")
    assert joined["k"].to_list() == rows(sample, lambda rank: rank == highest)


@operation("integer", "float", "bool", "text", "moment", "span")
def join_a_frame_of_polars(frame: pl.DataFrame, _: Sample) -> None:
    other = pl.DataFrame({"c": [frame["c"][LOW]], "other": [1]})
    assert frame.join(other, on="c")["k"].to_list() == [4]


@operation("moment", "integer", "span")
def join_asof(frame: pl.DataFrame, _: Sample) -> None:
    left = frame.drop_nulls().sort("c")
    right = left[:2].rename({"k": "other"})
    assert left.join_asof(right, on="c")["other"].to_list() == [4, 1, 1, 1]


@operation()
def concat(frame: pl.DataFrame, _: Sample) -> None:
    assert pl.concat([frame, frame])["c"].to_list() == frame["c"].to_list() * 2


@operation()
def unique(frame: pl.DataFrame, sample: Sample) -> None:
    assert frame["c"].n_unique() == len({*sample.ranks})
    assert frame.unique("c").height == len({*sample.ranks})


@operation("text")
def text_methods(frame: pl.DataFrame, _: Sample) -> None:
    assert frame["c"].str.to_uppercase()[LOW] == frame["c"][LOW].upper()
    assert (frame["c"] + "x")[LOW] == frame["c"][LOW] + "x"


@operation("moment")
def parts_of_a_moment(frame: pl.DataFrame, _: Sample) -> None:
    assert frame["c"].dt.month().to_list()[:2] == [2, 12]
    assert frame.filter(pl.col("c").dt.year() == 2024).height == 4
    assert (frame["c"] - frame["c"][LOW]).dt.total_days().to_list()[:2] == [29, 305]


@operation("moment")
def group_by_month(frame: pl.DataFrame, _: Sample) -> None:
    months = frame.drop_nulls().sort("c").group_by_dynamic("c", every="1mo").agg(pl.col("k").sum())
    assert months["k"].to_list() == [4, 1, 7]


@operation("span")
def length_of_a_span(frame: pl.DataFrame, _: Sample) -> None:
    assert frame["c"].dt.total_microseconds()[HIGH] == frame["c"][HIGH] // timedelta(microseconds=1)
    assert frame["c"].sum() == sum(frame["c"].drop_nulls(), timedelta(0))


@operation(*NUMBERS)
def arithmetic(frame: pl.DataFrame, _: Sample) -> None:
    found = frame.select((pl.col("c") + 1).alias("more"), (pl.col("c") * 2).alias("twice"))
    assert found.row(LOW) == (frame["c"][LOW] + 1, frame["c"][LOW] * 2)
    assert frame["c"].sum() == sum(frame["c"].drop_nulls())
    assert float(frame["c"].mean()) == pytest.approx(float(frame["c"].sum()) / 4, rel=1e-3)


@operation()
def describe(frame: pl.DataFrame, _: Sample) -> None:
    assert frame.describe().height == 9


@operation(*SCALARS)
def pivot(frame: pl.DataFrame, sample: Sample) -> None:
    wide = frame.drop_nulls().pivot(on="c", values="k", aggregate_function="max")
    assert wide.width >= len({*sample.ranks} - {None})


@operation()
def parquet(frame: pl.DataFrame, _: Sample) -> None:
    file = io.BytesIO()
    frame.write_parquet(file)
    assert_frame_equal(pl.read_parquet(file.getvalue()), frame)


@operation()
def to_pandas_and_rows(frame: pl.DataFrame, _: Sample) -> None:
    assert [row["k"] for row in frame.to_dicts()] == [1, 2, 3, 4, 5]
    assert frame.to_pandas()["k"].tolist() == [1, 2, 3, 4, 5]
    assert frame.head(2).height == frame.sample(2).height == 2


@operation()
def equal_from_each_format(frame: pl.DataFrame, sample: Sample) -> None:
    types, _ = table_of(sample)
    for table in tables_by_other_ways(sample):
        assert_frame_equal(frames.to_polars(table, types), frame)
    empty_types, empty = table_of(sample, " WHERE 0")
    if sample.kind != "bytes":
        assert frames.to_polars(empty, empty_types).schema == frame.schema


# What polars refuses, by kind of type; a name of a type is for that type alone.
REFUSED: dict[str, dict[str, Any]] = {
    "bytes": {"pivot": pl.exceptions.PolarsError},  # the values become names of columns, which are text
    "span": {"pivot": pl.exceptions.PolarsError},
    # Its own columns are in microseconds, and it joins times of one unit only.
    **{
        name: {"join_a_frame_of_polars": pl.exceptions.PolarsError}
        for name in ("DateTime64(9)", "DateTime64(9, 'Asia/Tokyo')", "Time64(9)", "IntervalNanosecond")
    },
    # pyarrow does not know polars' integers of 128 bits.
    **{f"{sign}Int{bits}": {"to_pandas_and_rows": ValueError} for sign in ("", "U") for bits in (128, 256)},
    "AggregateFunction(sum, UInt64)": {"pivot": None},
}
CELLS = [
    pytest.param(sample, name, id=f"{name}-{sample}")
    for name, (_, kinds) in OPERATIONS.items()
    for sample in SAMPLES
    if not kinds or sample.kind in kinds
]


@pytest.mark.parametrize(("sample", "name"), CELLS)
def test_polars_operates_on_every_type(sample: Sample, name: str) -> None:
    """It gives the right rows and values, or the error of polars that the table has for it."""
    types, table = table_of(sample)
    frame = frames.to_polars(table, types)
    error = (REFUSED.get(sample.kind, {}) | REFUSED.get(sample.type, {})).get(name)
    if error is not None:
        with pytest.raises(error):
            OPERATIONS[name][0](frame, sample)
    else:
        OPERATIONS[name][0](frame, sample)


def test_categories_come_where_they_are_asked_for() -> None:
    """They are polars' Enum: an Enum's labels in the order of its type, those of LowCardinality sorted."""
    sql = f"SELECT CAST(c AS Enum8{ENUM}) AS e, toLowCardinality(c) AS l, c FROM {VALUES}"
    _, types, table = by_json(sql)
    assert frames.to_polars(table, types).dtypes == [pl.String] * 3
    frame = frames.to_polars(table, types, categories=True)
    assert frame.dtypes == [pl.Enum(["z", "a", "m"]), pl.Enum(["a", "m", "z"]), pl.String]
    assert frame.sort("e")["c"].to_list() == ["z", "a", "m"]
    assert frame.sort("l")["c"].to_list() == ["a", "m", "z"]
    assert frame["e"].to_list() == frame["l"].to_list() == frame["c"].to_list()


def test_times_of_different_precision_can_be_joined() -> None:
    """DateTime, DateTime64(3) and (6) have one unit in polars."""
    _, types, table = by_json("SELECT toDateTime(9) AS s, toDateTime64(9, 3) AS ms, toDateTime64(9, 6) AS us")
    frame = frames.to_polars(table, types)
    for name in ("ms", "us"):
        assert frame.select("s").join(frame.select(name), left_on="s", right_on=name).height == 1
