"""Who takes a query or a result for a DataFrame gets an error that says df(); the mapping stays what it is."""

from __future__ import annotations

import contextlib
import copy
import pickle
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

from roe_magic.contract import models
from roe_magic.errors import RoeError, UsageError
from roe_magic.query.worksheet_query import WorksheetQuery
from tests.query.test_worksheet_query import KEYS, SMALLEST, finished, rows, submitted

QUERY = finished(rows(["first"], ["UInt8"], [1]), rows(["a", "status"], ["UInt8", "String"], [1, "x"], [2, "y"]))
BOTH = pytest.mark.parametrize("thing", [QUERY, QUERY.results[-1]], ids=["query", "result"])
# What pandas' and polars' users type first.
NAMES = [
    *("head", "tail", "columns", "shape", "dtypes", "index", "iloc", "loc", "groupby", "group_by", "describe"),
    *("sort_values", "to_pandas", "to_numpy", "to_csv", "to_parquet", "plot", "merge", "join", "filter", "ndim", "T"),
]


@BOTH
@pytest.mark.parametrize("make", [pd.DataFrame, lambda thing: pd.DataFrame({"a": thing}), pd.DataFrame.from_records])
def test_pandas_makes_no_frame_of_it(thing: Any, make: Callable[[Any], Any]) -> None:
    """Of the mapping it would be the names of the fields, one in each row."""
    with pytest.raises((RoeError, KeyError, TypeError), match=r"df\(\)"):
        make(thing)


def test_the_error_of_the_constructor_names_the_rows_of_the_query() -> None:
    """It is one of ours, so that a notebook shows it without a traceback."""
    with pytest.raises(UsageError, match=r"DataFrame itself.\nThe rows are a DataFrame: df\(\)"):
        pd.DataFrame(QUERY)


@pytest.mark.parametrize("make", [pl.DataFrame, pl.LazyFrame])
def test_polars_makes_a_frame_of_the_rows_or_none(make: Callable[[Any], Any]) -> None:
    """Some releases read the Arrow stream of a mapping, others begin with its keys; a result has no keys."""
    found: list[pl.DataFrame] = []
    with contextlib.suppress(UsageError):
        found = [make(QUERY).lazy().collect()]
    assert all(frame.equals(QUERY.polars()) for frame in found)
    assert make(QUERY.results[-1]).lazy().collect().equals(QUERY.polars())


def test_what_reads_the_mapping_reads_it_as_before() -> None:
    """pd.Series(q), dict(q), several queries as rows."""
    assert list(pd.Series(QUERY).index) == list(QUERY) == list(QUERY.keys()) == KEYS
    assert dict(QUERY) == {**QUERY} == dict(QUERY.items())
    assert len(QUERY) == len(KEYS)
    for frame in (pd.DataFrame([QUERY, SMALLEST]), pd.DataFrame.from_records([QUERY, SMALLEST])):
        assert sorted(frame.columns) == sorted(KEYS)
        assert len(frame) == 2
    assert pl.from_dicts([QUERY]).height == pl.DataFrame([QUERY]).height == 1


def test_a_query_in_an_array_or_a_column_is_one_object() -> None:
    """numpy does not take it apart into its keys."""
    assert np.array([QUERY, SMALLEST], dtype=object).tolist() == [QUERY, SMALLEST]
    assert np.asarray(QUERY).item() is QUERY
    assert pd.Series([QUERY, SMALLEST])[0] is QUERY
    assert pd.DataFrame({"q": [QUERY]})["q"][0] is QUERY
    assert not pd.isna(QUERY)


@BOTH
@pytest.mark.parametrize("name", NAMES)
def test_the_methods_of_a_frame_are_absent_and_the_error_says_where_they_are(thing: Any, name: str) -> None:
    """For libraries they do not exist, and Tab does not offer them."""
    if name == "head" and thing is not QUERY:  # a result has one of its own
        assert thing.head() == [[1, "x"], [2, "y"]]
        return
    assert not hasattr(thing, name)
    assert name not in dir(thing)
    with pytest.raises(AttributeError, match=rf"no attribute '{name}'\. .*DataFrame: (q\.)?df\(\)$"):
        getattr(thing, name)


@BOTH
def test_private_names_have_the_usual_error(thing: Any) -> None:
    """IPython and copy look for many of them."""
    with pytest.raises(AttributeError, match=r"no attribute '_ipython_display_'$"):
        thing._ipython_display_  # noqa: B018
    assert copy.copy(thing).__class__ is copy.deepcopy(thing).__class__ is thing.__class__
    assert pickle.loads(pickle.dumps(thing)).df().equals(thing.df())


@pytest.mark.parametrize("name", ["summary", "row_count", "column_names", "column_types", "totals", "extremes"])
def test_what_each_statement_has_is_named_with_a_statement(name: str) -> None:
    """A query may have several."""
    assert hasattr(QUERY.results[0], name)
    with pytest.raises(AttributeError, match=rf"Each statement has its own: results\[0\]\.{name}$"):
        getattr(QUERY, name)


def test_a_column_is_named_with_the_statement_that_has_it() -> None:
    """As a key and as an attribute."""
    for ask in (lambda: QUERY.__getitem__("a"), lambda: getattr(QUERY, "a")):  # noqa: B009
        with pytest.raises((KeyError, AttributeError), match=r"column of the rows: df\(\)\['a'\]"):
            ask()
    with pytest.raises(KeyError, match=r"df\(0\)\['first'\]"):
        QUERY["first"]
    with pytest.raises(TypeError, match=r"column of the rows: df\(\)\['a'\]"):
        QUERY.results[-1]["a"]
    assert QUERY["status"] == "SUCCESS"  # a field, whatever the columns are


@pytest.mark.parametrize("key", [0, ["a", "status"], slice(0, 5), "nothing", None])
def test_what_is_no_field_is_a_key_error_that_says_where_the_rows_are(key: Any) -> None:
    """Also what could never be a key; ``get`` and ``in`` work as in any mapping."""
    with pytest.raises(KeyError, match=r"no field of the query\. The rows are a DataFrame: df\(\)"):
        QUERY[key]
    assert QUERY.get(key, "default") == "default"
    assert key not in QUERY


def test_asking_for_a_column_downloads_nothing() -> None:
    """The hint is right without the rows."""

    def download() -> list[models.Statement]:
        raise AssertionError("no error needs the rows")

    query = WorksheetQuery(submitted(), models.QueryStatus(worksheet_query_id=QUERY.id, status="SUCCESS"), download)
    assert not hasattr(query, "head")
    with pytest.raises(KeyError, match=r"df\(\)"):
        query["revenue"]


def test_a_result_is_not_iterated_over() -> None:
    """Its rows are not its items."""
    with pytest.raises(TypeError, match=r"not iterated over.*df\(\)"):
        iter(QUERY.results[-1])
    assert len(QUERY.results[-1]) == 2
    assert pa.table(QUERY.results[-1]).num_rows == 2


@BOTH
@pytest.mark.parametrize(
    ("options", "accepted"),
    [
        ({"dtype_backend": "nonsense"}, "'numpy_nullable' or 'pyarrow'"),
        ({"dtype_backend": None}, "'numpy_nullable' or 'pyarrow'"),
        ({"tz": "Mars/Olympus"}, "'Europe/Paris', 'UTC'"),
        ({"tz": 5}, "'Europe/Paris', 'UTC'"),
        ({"categories": "all"}, "True or False"),
    ],
)
def test_nonsense_is_refused_with_what_is_accepted(thing: Any, options: dict[str, Any], accepted: str) -> None:
    """By df(), before anything is converted."""
    with pytest.raises(UsageError, match=accepted):
        thing.df(**options)


@pytest.mark.parametrize("index", ["a", 1.5, True])
def test_a_statement_is_chosen_by_its_number(index: Any) -> None:
    """Not by the name of a column."""
    with pytest.raises(UsageError, match=r"not the number of a statement"):
        QUERY.df(index)
    assert QUERY.df(-2).columns.tolist() == QUERY.df(0).columns.tolist() == ["first"]


def test_categories_are_passed_on() -> None:
    """By the query and by the result, to pandas and to polars."""
    query = finished(rows(["e"], ["Enum8('b' = 1, 'a' = 2)"], ["a"], ["b"]))
    for thing in (query, query.results[0]):
        assert str(thing.df()["e"].dtype) == "string"
        assert thing.df(categories=True)["e"].max() == "a"
        assert thing.polars()["e"].dtype == pl.String
        assert thing.polars(categories=True)["e"].dtype == pl.Enum(["b", "a"])
