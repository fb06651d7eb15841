"""What pandas can do with each type that the engine returns: operation x type x backend.

Each sample has the rows k = 1 to 5 with the second value, the third, NULL, the first and the third again, so that most
operations have one right answer for all types. What pandas itself refuses for a type is in REFUSED, with its error.
"""

from __future__ import annotations

import io
import json
import math
import pickle
from collections.abc import Callable
from datetime import timedelta
from fractions import Fraction
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from matplotlib import pyplot as plt
from pandas.testing import assert_frame_equal

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
    frame_of,
    rows,
    table_of,
    tables_by_other_ways,
)

PANDAS_2 = pd.__version__.startswith("2.")
BACKENDS = ("numpy_nullable", "pyarrow")
VALUES = "(SELECT arrayJoin(['m', 'a', 'z']) AS c)"
SCALARS = (*NUMBERS, "bool", "text", "bytes", "moment", "span", "scalar document")

OPERATIONS = OperationTable()
operation = OPERATIONS.add


def in_order(sample: Sample) -> list[int]:
    """Return the k of all rows sorted by value, NULL last."""
    return sorted(range(1, 6), key=lambda k: 9 if (rank := sample.ranks[k - 1]) is None else rank)


def of_each_rank(sample: Sample, aggregate: Callable[[list[int]], int]) -> list[int]:
    """Return an aggregate of the k of each value, in the order of the values."""
    return [aggregate(rows(sample, lambda rank, at=at: rank == at)) for at in sorted({*sample.ranks} - {None})]


def chosen(frame: pd.DataFrame, condition: Any) -> list[int]:
    """Return the k of the rows for which a condition is true and not missing."""
    return [k for k, true in zip(frame["k"], condition, strict=True) if pd.notna(true) and true]


def present(column: Any) -> list[Any]:
    """Return the values of a column, None for what is missing."""
    return [None if missing else _plain(value) for value, missing in zip(column, column.isna(), strict=True)]


def _plain(value: Any) -> Any:
    """Return a cell as Parquet returns it: an array for a list, and a dict with the keys of all rows."""
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items() if item is not None}
    if isinstance(value, (list, tuple, np.ndarray)):
        return [_plain(item) for item in value]
    value = value.item() if isinstance(value, np.generic) else value
    return None if isinstance(value, float) and math.isnan(value) else value


def exact(number: Any) -> Fraction:
    """Return a number of any class as one that a sum does not round."""
    return Fraction(number.item() if hasattr(number, "item") else number)


def equal(one: Any, other: Any) -> bool:
    """Whether two cells are equal; lists of an Arrow column may come as arrays."""
    return str(_plain(one)) == str(_plain(other)) or bool(one == other)


@operation()
def sort_values(frame: pd.DataFrame, sample: Sample) -> None:
    assert frame.sort_values("c", kind="stable")["k"].tolist() == in_order(sample)


@operation()
def sort_index(frame: pd.DataFrame, sample: Sample) -> None:
    assert frame.set_index("c").sort_index(kind="stable")["k"].tolist() == in_order(sample)


@operation()
def set_and_reset_index(frame: pd.DataFrame, _: Sample) -> None:
    again = frame.set_index("c").reset_index()
    assert present(again["c"]) == present(frame["c"])
    assert again["c"].dtype == frame["c"].dtype or frame["c"].dtype == object


@operation()
def groupby(frame: pd.DataFrame, sample: Sample) -> None:
    assert frame.groupby("c", observed=True)["k"].sum().tolist() == of_each_rank(sample, sum)
    assert frame.groupby("c", observed=True, dropna=False).size().sum() == 5


@operation()
def groupby_and_aggregate(frame: pd.DataFrame, sample: Sample) -> None:
    found = frame.groupby(frame["k"] > 0)["c"].agg(["min", "max", "count"])
    assert equal(found["min"].array[0], frame["c"].array[LOW])
    assert equal(found["max"].array[0], frame["c"].array[HIGH])
    assert found["count"].tolist() == [len(rows(sample, lambda _: True))]


@operation()
def first_and_last_of_a_group(frame: pd.DataFrame, _: Sample) -> None:
    both = frame.groupby(frame["k"] > 0)["c"].agg(["first", "last"])
    assert equal(both["first"].array[0], frame["c"].array[MID])
    assert equal(both["last"].array[0], frame["c"].array[HIGH])


@operation()
def value_counts(frame: pd.DataFrame, sample: Sample) -> None:
    counts = frame["c"].value_counts()
    assert equal(counts.index[0], frame["c"].array[HIGH])
    assert sorted(counts.tolist()) == sorted(of_each_rank(sample, len))


@operation()
def smallest_and_largest(frame: pd.DataFrame, _: Sample) -> None:
    assert equal(frame["c"].min(), frame["c"].array[LOW])
    assert equal(frame["c"].max(), frame["c"].array[HIGH])


@operation()
def equals(frame: pd.DataFrame, sample: Sample) -> None:
    highest = max(rank or 0 for rank in sample.ranks)
    high = frame["c"].array[HIGH]
    assert chosen(frame, frame["c"] == high) == rows(sample, lambda rank: rank == highest)
    assert chosen(frame[frame["c"].notna()], frame["c"].dropna() != high) == rows(sample, lambda rank: rank < highest)


@operation()
def less_than(frame: pd.DataFrame, sample: Sample) -> None:
    mid = frame["c"].array[MID]
    assert chosen(frame, frame["c"] < mid) == rows(sample, lambda rank: rank < 1)
    assert chosen(frame, frame["c"] >= mid) == rows(sample, lambda rank: rank >= 1)


@operation()
def isin(frame: pd.DataFrame, sample: Sample) -> None:
    # As objects, because numpy cuts NUL characters off the bytes in a list.
    values = pd.Series([frame["c"].array[LOW], frame["c"].array[MID]], dtype=object)
    assert chosen(frame, frame["c"].isin(values)) == rows(sample, lambda rank: rank < 2)


@operation(*SCALARS)
def query(frame: pd.DataFrame, _: Sample) -> None:
    low = frame["c"].array[LOW]  # noqa: F841  # named in the expression
    assert frame.query("c == @low")["k"].tolist() == [4]


@operation(*SCALARS)
def fill_with_a_new_value(frame: pd.DataFrame, sample: Sample) -> None:
    filled = frame["c"].fillna(sample.new)
    assert filled.notna().all()
    assert filled.dtype == frame["c"].dtype
    if sample.ranks[GAP] is None:
        assert equal(filled.array[GAP], sample.new)


@operation("text")
def fill_with_a_new_text(frame: pd.DataFrame, _: Sample) -> None:
    assert frame["c"].fillna("another").array[GAP] == "another"
    assert frame["c"].replace(frame["c"].array[LOW], "another").array[LOW] == "another"


@operation()
def ffill(frame: pd.DataFrame, _: Sample) -> None:
    filled = frame["c"].ffill()
    assert equal(filled.array[GAP], frame["c"].array[HIGH])
    assert filled.dtype == frame["c"].dtype


@operation()
def merge(frame: pd.DataFrame, sample: Sample) -> None:
    other = frame.iloc[[HIGH]].rename(columns={"k": "other"})
    highest = max(rank or 0 for rank in sample.ranks)
    assert frame.merge(other, on="c")["k"].tolist() == rows(sample, lambda rank: rank == highest)
    left = frame.merge(other, on="c", how="left")
    assert left["other"].notna().sum() == len(rows(sample, lambda rank: rank == highest))
    assert left["c"].dtype == frame["c"].dtype


@operation("integer", "float", "bool", "text", "moment", "span")
def merge_with_a_frame_of_pandas(frame: pd.DataFrame, _: Sample) -> None:
    other = pd.DataFrame({"c": [frame["c"].array[LOW]], "other": [1]})
    assert frame.merge(other, on="c")["k"].tolist() == [4]


@operation()
def concat(frame: pd.DataFrame, _: Sample) -> None:
    twice = pd.concat([frame, frame], ignore_index=True)
    assert present(twice["c"]) == present(frame["c"]) * 2
    assert twice["c"].dtype == frame["c"].dtype


@operation()
def drop_duplicates(frame: pd.DataFrame, sample: Sample) -> None:
    assert frame.drop_duplicates("c")["k"].tolist() == [
        k for k in range(1, 6) if sample.ranks.index(sample.ranks[k - 1]) == k - 1
    ]


@operation()
def unique(frame: pd.DataFrame, sample: Sample) -> None:
    assert frame["c"].nunique() == len({*sample.ranks} - {None})
    assert len(frame["c"].unique()) == len({*sample.ranks})


@operation()
def to_text(frame: pd.DataFrame, _: Sample) -> None:
    values = frame["c"].astype(str)
    assert values.array[HIGH] == values.array[4] != values.array[LOW]
    assert isinstance(values.array[HIGH], str)


@operation("text")
def text_methods(frame: pd.DataFrame, _: Sample) -> None:
    low = frame["c"].array[LOW]
    assert frame["c"].str.upper().array[LOW] == low.upper()
    assert chosen(frame, frame["c"].str.startswith(low)) == [4]
    assert frame["c"].str.len().array[LOW] == len(low)


@operation("text")
def add_text(frame: pd.DataFrame, _: Sample) -> None:
    low = frame["c"].array[LOW]
    assert (frame["c"] + "x").array[LOW] == low + "x"
    assert ("x" + frame["c"]).isna().tolist() == [False, False, True, False, False]


@operation("moment")
def parts_of_a_moment(frame: pd.DataFrame, _: Sample) -> None:
    assert frame["c"].dt.month.tolist()[:2] == [2, 12]
    assert frame["c"].dt.strftime("%d").tolist()[:2] == ["29", "01"]
    assert frame["c"].dt.floor("D").array[LOW].hour == 0


@operation("moment")
def difference_of_moments(frame: pd.DataFrame, _: Sample) -> None:
    days = (frame["c"].dt.floor("D") - frame["c"].array[LOW]).dt.days
    assert days.tolist()[:2] == [29, 305]
    later = frame["c"] + pd.Timedelta(milliseconds=1)
    assert later.array[MID] == frame["c"].array[MID] + timedelta(milliseconds=1)


@operation("moment")
def compare_with_a_moment_of_pandas(frame: pd.DataFrame, _: Sample) -> None:
    moment = pd.Timestamp("2024-06-01", tz=frame["c"].array[LOW].tz)
    assert chosen(frame, frame["c"] > moment) == [2, 5]


@operation("moment")
def compare_with_text(frame: pd.DataFrame, _: Sample) -> None:
    assert chosen(frame, frame["c"] > "2024-06-01") == [2, 5]


@operation("moment")
def resample(frame: pd.DataFrame, _: Sample) -> None:
    dated = frame.dropna().set_index("c").sort_index()["k"]
    assert dated.resample("MS").sum().tolist()[:3] == [4, 1, 0]
    assert dated.iloc[:1].resample("100ms").sum().tolist() == [4]


@operation("moment", "integer", "float", "span")
def merge_asof(frame: pd.DataFrame, _: Sample) -> None:
    left = frame.dropna().sort_values("c")
    right = left.iloc[:2].rename(columns={"k": "other"})
    assert pd.merge_asof(left, right, on="c")["other"].tolist() == [4, 1, 1, 1]


@operation("moment", "span")
def set_a_finer_value(frame: pd.DataFrame, sample: Sample) -> None:
    before = frame["c"].dtype
    frame.loc[0, "c"] = sample.new
    assert frame["c"].array[0] == sample.new
    assert frame["c"].dtype == before


@operation("span")
def length_of_a_span(frame: pd.DataFrame, _: Sample) -> None:
    column = frame["c"]
    assert column.dt.total_seconds().array[HIGH] == pytest.approx(column.array[HIGH].total_seconds(), abs=1e-6)
    assert (column * 2).array[HIGH] == column.array[HIGH] * 2
    assert column.sum() == sum(column.dropna(), timedelta(0))


@operation(*NUMBERS)
def arithmetic(frame: pd.DataFrame, _: Sample) -> None:
    column, low = frame["c"], frame["c"].array[LOW]
    assert (column + 1).array[LOW] == low + 1
    assert ((column + 1) * 2 - 1).array[LOW] == (low + 1) * 2 - 1
    assert (column + column).array[LOW] == 2 * low
    assert float((column / 4).array[LOW]) == float(low) / 4
    assert (column + 1).isna().tolist() == [False, False, True, False, False]


@operation(*NUMBERS, "bool")
def total_and_mean(frame: pd.DataFrame, _: Sample) -> None:
    total = sum(map(exact, frame["c"].dropna()))
    assert exact(frame["c"].sum()) == total
    assert float(frame["c"].mean()) == pytest.approx(float(total) / 4, rel=1e-3)
    assert list(map(exact, frame.groupby(frame["k"] > 0)["c"].sum())) == [total]


@operation()
def describe(frame: pd.DataFrame, sample: Sample) -> None:
    assert frame["c"].describe()["count"] == len(rows(sample, lambda _: True))
    assert frame.describe(include="all").loc["count", "k"] == 5


@operation()
def pivot_table(frame: pd.DataFrame, sample: Sample) -> None:
    down = frame.pivot_table(index="c", values="k", aggfunc="max", observed=True)
    assert down["k"].tolist() == of_each_rank(sample, max)
    across = frame.pivot_table(columns="c", values="k", aggfunc="max", observed=True)
    assert across.iloc[0].tolist() == of_each_rank(sample, max)


@operation()
def choose_rows(frame: pd.DataFrame, sample: Sample) -> None:
    assert frame.head(2)["k"].tolist() == [1, 2]
    assert frame.tail(1)["k"].tolist() == [5]
    assert frame.loc[frame["c"].notna()]["k"].tolist() == rows(sample, lambda _: True)
    assert len(frame.sample(3, random_state=1)) == 3
    assert frame.iloc[1:3]["c"].dtype == frame["c"].dtype


@operation()
def melt(frame: pd.DataFrame, _: Sample) -> None:
    assert present(frame.melt(id_vars="k")["value"]) == present(frame["c"])


@operation()
def to_parquet(frame: pd.DataFrame, _: Sample) -> None:
    file = io.BytesIO()
    frame.to_parquet(file)
    backend: Any = {} if frame["k"].dtype == "UInt8" else {"dtype_backend": "pyarrow"}
    again = pd.read_parquet(file, **backend)
    assert present(again["c"]) == present(frame["c"])


@operation()
def to_csv(frame: pd.DataFrame, _: Sample) -> None:
    cells = [line.partition(",")[2] for line in frame.to_csv(index=False).splitlines()]
    assert len(cells) == 6
    assert cells[2] == cells[5] != cells[4]


@operation()
def to_json(frame: pd.DataFrame, sample: Sample) -> None:
    cells = [row["c"] for row in json.loads(frame.to_json(orient="records", date_format="iso"))]
    assert cells[HIGH] == cells[4] != cells[LOW]
    assert (cells[GAP] is None) == (sample.ranks[GAP] is None)


@operation()
def to_records(frame: pd.DataFrame, _: Sample) -> None:
    value = frame["c"].array[HIGH]
    assert equal(frame.to_dict("records")[HIGH]["c"], value)
    assert equal(list(frame.itertuples())[HIGH].c, value)
    assert equal([row["c"] for _, row in frame.iterrows()][HIGH], value)


@operation()
def pickled(frame: pd.DataFrame, _: Sample) -> None:
    assert_frame_equal(pickle.loads(pickle.dumps(frame)), frame)


@operation("integer", "float", "decimal", "bool", "text", "moment", "span")
def plot_against(frame: pd.DataFrame, _: Sample) -> None:
    axes = frame.dropna().sort_values("c").plot(x="c", y="k")
    (line,) = axes.lines
    assert line.get_ydata()[0] == 4
    plt.close("all")


@operation(*NUMBERS)
def plot(frame: pd.DataFrame, _: Sample) -> None:
    (line,) = frame.plot(x="k", y="c").lines
    assert line.get_ydata()[HIGH] == pytest.approx(float(frame["c"].array[HIGH]))
    plt.close("all")


@operation()
def equal_from_each_format(frame: pd.DataFrame, sample: Sample) -> None:
    types, table = table_of(sample)
    backend: Any = "numpy_nullable" if frame["k"].dtype == "UInt8" else "pyarrow"
    for other in (table, *tables_by_other_ways(sample)):
        assert_frame_equal(frames.to_pandas(other, types, dtype_backend=backend), frame)


UNORDERED = dict.fromkeys(
    ("sort_values", "sort_index", "groupby_and_aggregate", "smallest_and_largest", "less_than"), TypeError
)
NOT_HASHABLE = dict.fromkeys(("groupby", "merge", "unique", "pivot_table"), TypeError)
# pandas takes a list for one value per row.
NO_LISTS = dict.fromkeys(("equals", "less_than"), ValueError)
# What Arrow has no function for, and what pandas then does with values of each kind.
NOT_BY_ARROW: dict[str, Any] = {
    **dict.fromkeys(("sort_values", "sort_index", "groupby", "value_counts", "merge"), pa.ArrowNotImplementedError),
    **dict.fromkeys(("drop_duplicates", "unique", "describe", "pivot_table", "isin"), pa.ArrowNotImplementedError),
    **dict.fromkeys(("groupby_and_aggregate", "smallest_and_largest"), TypeError),
}
ARROW_LISTS: dict[str, Any] = {**NOT_BY_ARROW, **NO_LISTS}
ARROW_MAPS: dict[str, Any] = {**NOT_BY_ARROW, **NO_LISTS, "isin": TypeError}
# pandas raises NotImplementedError itself for what it cannot compare.
ARROW_STRUCTS: dict[str, Any] = {**NOT_BY_ARROW, **dict.fromkeys(("equals", "less_than"), NotImplementedError)}
NOT_UTF8: dict[str, Any] = dict.fromkeys(("to_text", "to_json"), UnicodeDecodeError)
# Python's integers: Parquet has none of more than 64 bits. Their Arrow table has.
OBJECTS_OF_INTEGERS: dict[str, Any] = {"to_parquet": OverflowError, "plot": TypeError}

# What pandas refuses, by kind of type and backend.
REFUSED: dict[tuple[str, str], dict[str, Any]] = {
    ("list", "numpy_nullable"): {**NOT_HASHABLE, **NO_LISTS},
    ("list of dicts", "numpy_nullable"): {**NOT_HASHABLE, **UNORDERED, **NO_LISTS},
    ("dict", "numpy_nullable"): {**NOT_HASHABLE, **UNORDERED},
    ("json", "numpy_nullable"): {**NOT_HASHABLE, **UNORDERED},
    ("list", "pyarrow"): ARROW_LISTS,
    ("list of dicts", "pyarrow"): ARROW_LISTS,
    ("dict", "pyarrow"): ARROW_MAPS,
    ("tuple", "pyarrow"): ARROW_STRUCTS,
    **{("bytes", backend): NOT_UTF8 for backend in BACKENDS},
    # pandas mixes the count, an integer, with decimals, and Arrow takes no such list.
    **{("decimal", backend): {"describe": TypeError} for backend in BACKENDS},
    ("wide integer", "numpy_nullable"): OBJECTS_OF_INTEGERS,
    # With Arrow's times pandas takes only Arrow's times, and no text.
    ("moment", "pyarrow"): {"merge_with_a_frame_of_pandas": ValueError, "compare_with_text": TypeError},
    ("span", "pyarrow"): {"merge_with_a_frame_of_pandas": ValueError},
}
# The same for single types; None where it works, unlike for the others of the kind.
REFUSED_FOR_TYPE: dict[tuple[str, str], dict[str, Any]] = {
    **{(f"Decimal({digits}, 2)", backend): {"arithmetic": ValueError} for digits in (76,) for backend in BACKENDS},
    **{(name, "pyarrow"): {"describe": TypeError} for name in ("Int128", "UInt128")},
    **{(name, "pyarrow"): OBJECTS_OF_INTEGERS for name in ("Int256", "UInt256")},
    ("Tuple(UInt8, LowCardinality(String))", "numpy_nullable"): {"to_parquet": ValueError},
    ("Tuple(a UInt8, b String)", "pyarrow"): ARROW_STRUCTS,
    # JSON text takes no number.
    ("Dynamic", "pyarrow"): {"fill_with_a_new_value": TypeError},
    # No text, but a state that happens to be UTF-8.
    **{("AggregateFunction(sum, UInt64)", backend): {"to_text": None, "to_json": None} for backend in BACKENDS},
}
# The same for the oldest pandas, 2.2, and the Arrow of its time, by kind and by single type.
NO_EXTREMES: dict[str, Any] = dict.fromkeys(("groupby_and_aggregate", "smallest_and_largest"), TypeError)
REFUSED_IN_PANDAS_2: dict[tuple[str, str], dict[str, Any]] = {
    ("bytes", "numpy_nullable"): NO_EXTREMES,
    **{("decimal", backend): {"arithmetic": pa.ArrowInvalid, "plot": TypeError} for backend in BACKENDS},
    ("dict", "pyarrow"): {"merge": TypeError, "to_parquet": ValueError, "to_text": ValueError},
    ("list", "pyarrow"): {
        **dict.fromkeys(("merge", "sort_index", "to_text"), ValueError),
        "to_parquet": TypeError,
    },
    ("list of dicts", "pyarrow"): {"merge": TypeError, "to_parquet": TypeError, "to_text": ValueError},
    ("tuple", "pyarrow"): {"merge": TypeError, "to_parquet": ValueError},
    ("wide integer", "pyarrow"): {"plot": TypeError},
}
REFUSED_IN_PANDAS_2_FOR_TYPE: dict[tuple[str, str], dict[str, Any]] = {
    ("AggregateFunction(sum, UInt64)", "numpy_nullable"): dict.fromkeys(NO_EXTREMES),
    **{("Decimal(76, 2)", backend): {"to_parquet": NotImplementedError} for backend in BACKENDS},
    ("Ring", "pyarrow"): {
        "merge": TypeError,
        "sort_index": pa.ArrowNotImplementedError,
        "to_parquet": ValueError,
    },
    ("Tuple(a UInt8, b String)", "pyarrow"): {"to_text": None},
    ("Variant(String, UInt64)", "numpy_nullable"): NO_EXTREMES,
    **{(name, "pyarrow"): {"to_parquet": NotImplementedError} for name in ("Int128", "UInt128")},
    # pandas 2 makes numbers of the texts in a column of objects that it fills.
    ("Dynamic", "numpy_nullable"): dict.fromkeys(("ffill", "fill_with_a_new_value"), AssertionError),
}


def refusals(sample: Sample, backend: str) -> dict[str, Any]:
    """Return the errors of pandas by operation; None where it works, unlike for others of the kind."""
    tables = [(sample.kind, REFUSED), (sample.type, REFUSED_FOR_TYPE)]
    if PANDAS_2:
        tables += [(sample.kind, REFUSED_IN_PANDAS_2), (sample.type, REFUSED_IN_PANDAS_2_FOR_TYPE)]
    return {name: error for key, table in tables for name, error in table.get((key, backend), {}).items()}


CELLS = [
    pytest.param(sample, backend, name, id=f"{name}-{sample}-{backend}")
    for name, (_, kinds) in OPERATIONS.items()
    for sample in SAMPLES
    for backend in BACKENDS
    if not kinds or sample.kind in kinds
]


@pytest.mark.filterwarnings("ignore:Downcasting object dtype:FutureWarning")
@pytest.mark.parametrize(("sample", "backend", "name"), CELLS)
def test_pandas_operates_on_every_type(sample: Sample, backend: str, name: str) -> None:
    """It gives the right rows and values, or the error of pandas that the table has for it."""
    frame = frame_of(sample, backend)
    error = refusals(sample, backend).get(name)
    if error is not None:
        with pytest.raises(error):
            OPERATIONS[name][0](frame, sample)
    else:
        OPERATIONS[name][0](frame, sample)


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("sample", SAMPLES, ids=str)
def test_a_result_without_rows_has_the_same_dtypes(sample: Sample, backend: str) -> None:
    """It can be joined, grouped, sorted and put beside one with rows, which keeps its dtype."""
    frame, empty = frame_of(sample, backend), frame_of(sample, backend, " WHERE 0")
    assert len(empty) == 0
    if sample.kind != "bytes":  # text is bytes where a value is not UTF-8, and here is no value
        assert empty.dtypes.tolist() == frame.dtypes.tolist()
        assert pd.concat([empty, frame])["c"].dtype == frame["c"].dtype
    assert empty.sort_values("k").head().empty
    assert empty.groupby("k")["c"].count().empty
    assert frame.merge(empty, on="k").empty
    assert empty.to_dict("records") == []


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_column_of_nothing_can_be_filled_and_joined(backend: Any) -> None:
    """SELECT NULL: objects in both backends, because Arrow's null column cannot be filled."""
    _, types, table = by_json("SELECT number AS k, NULL AS c FROM numbers(3)")
    frame = frames.to_pandas(table, types, dtype_backend=backend)
    assert frame["c"].isna().all()
    assert frame["c"].astype("string").fillna("x").tolist() == ["x"] * 3
    assert frame["c"].notna().sum() == frame["c"].count() == frame["c"].sum() == 0
    assert frame.sort_values("c")["k"].tolist() == [0, 1, 2]
    assert frame.groupby("c")["k"].sum().empty
    assert pd.concat([frame, frame])["c"].isna().sum() == 6


@pytest.mark.parametrize("backend", BACKENDS)
def test_repeated_column_names_stay_apart(backend: Any) -> None:
    """Both columns are there, each with its values and dtype."""
    types = ["UInt8", "LowCardinality(String)"]
    frame = frames.to_pandas(frames.from_rows(["a", "a"], types, [[0, "0"], [1, "1"]]), types, dtype_backend=backend)
    assert frame.columns.tolist() == ["a", "a"]
    assert frame.iloc[:, 0].tolist() == [0, 1]
    assert frame.iloc[:, 1].tolist() == ["0", "1"]
    assert frame["a"].shape == (2, 2)


@pytest.mark.parametrize("backend", BACKENDS)
def test_categories_come_where_they_are_asked_for(backend: Any) -> None:
    """They are ordered, an Enum's as its type and those of LowCardinality sorted; else both are text."""
    sql = f"SELECT CAST(c AS Enum8{ENUM}) AS e, toLowCardinality(c) AS l, c FROM {VALUES}"
    _, types, table = by_json(sql)
    text = frames.to_pandas(table, types, dtype_backend=backend)
    assert len({str(dtype) for dtype in text.dtypes}) == 1
    frame = frames.to_pandas(table, types, dtype_backend=backend, categories=True)
    assert [str(dtype) for dtype in frame.dtypes[:2]] == ["category", "category"]
    assert frame["e"].cat.categories.tolist() == frame.sort_values("e")["c"].tolist() == ["z", "a", "m"]
    assert frame["l"].cat.categories.tolist() == frame.sort_values("l")["c"].tolist() == ["a", "m", "z"]
    assert (frame["e"].max(), frame["l"].max()) == ("m", "z")
    assert (frame["e"] < "m").tolist() == [False, True, True]
    assert frame["e"].astype(str).tolist() == frame["l"].astype(str).tolist() == frame["c"].tolist()


def test_times_of_different_precision_can_be_joined_by_time() -> None:
    """DateTime, DateTime64(3) and (6) have one unit in pandas."""
    _, types, table = by_json("SELECT toDateTime(10) AS s, toDateTime64(9.5, 3) AS ms, toDateTime64(9.25, 6) AS us")
    frame = frames.to_pandas(table, types)
    for name in ("ms", "us"):
        assert pd.merge_asof(frame[["s"]], frame[[name]], left_on="s", right_on=name)[name].notna().all()


def test_an_interval_beyond_microseconds_keeps_its_unit() -> None:
    """300,000 years and more."""
    _, types, table = by_json("SELECT toIntervalSecond(9223372036854775807) AS c")
    for backend in BACKENDS:
        frame = frames.to_pandas(table, types, dtype_backend=backend)  # type: ignore[arg-type]
        assert "[s]" in str(frame["c"].dtype)
