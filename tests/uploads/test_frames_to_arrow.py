"""What each kind of column becomes in a table, and which are refused; read back by the engine itself."""

from __future__ import annotations

import datetime as dt
import enum
import io
import ipaddress
import re
import struct
import uuid
import zoneinfo
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import dateutil.tz
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

from roe_magic import frames
from roe_magic.errors import UsageError
from roe_magic.frames.arrow_types import resolve_type
from roe_magic.frames.to_python import python_cells
from roe_magic.uploads.arrow.frames_to_arrow import is_frame, to_arrow
from roe_magic.uploads.arrow.scalar_plan import NO_VALUES
from tests.support.arrow_import import read_by_the_engine

PARIS = zoneinfo.ZoneInfo("Europe/Paris")
UTC = dt.timezone.utc
# A file of a zone that has one offset, 0, and nothing else; the file says no name of the zone.
ZONE_FROM_A_FILE = zoneinfo.ZoneInfo.from_file(
    io.BytesIO(b"TZif" + bytes(16) + struct.pack(">6i", 0, 0, 0, 0, 1, 4) + bytes(6) + b"UTC\0")
)
NAIVE = dt.datetime(2024, 1, 1)  # noqa: DTZ001  # a time without a zone is what is tested
NAN = float("nan")


class NamelessZone(dt.tzinfo):
    """A zone that has an offset alone."""

    def utcoffset(self, _: dt.datetime | None) -> dt.timedelta:
        return dt.timedelta(hours=1)


def objects(*values: Any) -> pd.Series[Any]:
    return pd.Series(list(values), dtype=object)


def arrow(values: Any, data_type: pa.DataType) -> pa.Table:
    return pa.table({"c": values if isinstance(values, pa.Array) else pa.array(values, data_type)})


def utc(*parts: int) -> dt.datetime:
    return dt.datetime(*parts, tzinfo=UTC)  # type: ignore[arg-type, misc]


def in_paris(*parts: int, fold: int = 0) -> dt.datetime:
    return dt.datetime(*parts, fold=fold, tzinfo=PARIS)  # type: ignore[arg-type, misc]


# Each column, the type that it gets, and the values that are read back, as Python objects.
CARRIED: dict[str, tuple[Any, str, list[Any]]] = {
    # numpy
    "int64": (pd.Series([2**63 - 1, -(2**63)]), "Int64", [2**63 - 1, -(2**63)]),
    "uint64": (pd.Series([2**64 - 1], dtype="uint64"), "UInt64", [2**64 - 1]),
    "int8": (pd.Series([-128, 127], dtype="int8"), "Int8", [-128, 127]),
    "big endian": (pd.Series(np.array([1, 2], ">i8")), "Int64", [1, 2]),
    "bool": (pd.Series([True, False]), "Bool", [True, False]),
    "float64, NaN is NULL": (pd.Series([0.1, NAN, np.inf, -0.0]), "Nullable(Float64)", [0.1, None, np.inf, -0.0]),
    "float16": (pd.Series(np.array([1.5], "f2")), "Float32", [1.5]),
    "datetime64[s], naive": (
        pd.Series(np.array(["0001-01-01", "9999-12-31", "NaT"], "M8[s]")),
        "Nullable(DateTime64(0, 'UTC'))",
        [utc(1, 1, 1), utc(9999, 12, 31), None],
    ),
    "timedelta64[us]": (
        pd.Series(np.array([-1, "NaT"], "m8[us]")),
        "Nullable(IntervalMicrosecond)",
        [dt.timedelta(microseconds=-1), None],
    ),
    # pandas' own
    "Int8": (pd.Series([1, None], dtype="Int8"), "Nullable(Int8)", [1, None]),
    "boolean": (pd.Series([True, None], dtype="boolean"), "Nullable(Bool)", [True, None]),
    "string": (pd.Series(["a", None, "", "\\N"], dtype="string"), "Nullable(String)", ["a", None, "", "\\N"]),
    "string[python]": (pd.Series(["a", None], dtype="string[python]"), "Nullable(String)", ["a", None]),
    "ArrowDtype": (pd.Series([1.5, None], dtype=pd.ArrowDtype(pa.float32())), "Nullable(Float32)", [1.5, None]),
    "time zone": (
        pd.Series(
            pd.DatetimeIndex(["2024-10-27 00:30", None]).tz_localize("UTC").tz_convert("Europe/Paris").as_unit("us")
        ),
        "Nullable(DateTime64(6, 'Europe/Paris'))",
        [in_paris(2024, 10, 27, 2, 30), None],
    ),
    "offset": (
        pd.Series(pd.DatetimeIndex(["2024-01-01 00:00:00+05:30"]).as_unit("ms")),
        "DateTime64(3, 'Fixed/UTC+05:30:00')",
        [utc(2023, 12, 31, 18, 30)],
    ),
    "category": (pd.Series(pd.Categorical(["b", None, "a"])), "LowCardinality(Nullable(String))", ["b", None, "a"]),
    "category of numbers": (pd.Series(pd.Categorical([3, 1])), "Int64", [3, 1]),
    "category without values": (pd.Series(pd.Categorical([None])), "Nullable(Float64)", [None]),
    "ordered category": (
        pd.Series(pd.Categorical(["hi", "lo'"], ["lo'", "hi"], ordered=True)),
        "Enum8('lo\\'' = 1, 'hi' = 2)",
        ["hi", "lo'"],
    ),
    "sparse": (pd.Series(pd.arrays.SparseArray([0.0, NAN])), "Nullable(Float64)", [0.0, None]),
    # Python objects
    "str": (objects("02134", None, NAN, pd.NA, pd.NaT, ""), "Nullable(String)", ["02134", None, None, None, None, ""]),
    "str of numpy": (objects(np.str_("x"), "y"), "String", ["x", "y"]),
    "bytes": (objects(b"\xff\x00", bytearray(b"a")), "String", [b"\xff\x00", b"a"]),
    "bool objects": (objects(True, None, np.bool_(False)), "Nullable(Bool)", [True, None, False]),
    "int objects": (objects(1, np.int8(2)), "Int64", [1, 2]),
    "float objects": (objects(0.5, np.float32(1), NAN), "Nullable(Float64)", [0.5, 1.0, None]),
    "2^64 - 1": (objects(2**64 - 1), "UInt64", [2**64 - 1]),
    "2^64 - 1 and -1": (objects(2**64 - 1, -1), "Int128", [2**64 - 1, -1]),
    "2^127 - 1": (objects(2**127 - 1, -(2**127), None), "Nullable(Int128)", [2**127 - 1, -(2**127), None]),
    "2^128 - 1": (objects(2**128 - 1), "UInt128", [2**128 - 1]),
    "2^255 - 1": (objects(2**255 - 1, -(2**255)), "Int256", [2**255 - 1, -(2**255)]),
    "2^256 - 1": (objects(2**256 - 1), "UInt256", [2**256 - 1]),
    "Decimal": (
        objects(Decimal("1.10"), Decimal("-1E+3"), None, Decimal("NaN")),
        "Nullable(Decimal(6, 2))",
        [Decimal("1.10"), Decimal(-1000), None, None],
    ),
    "Decimal of 76 digits": (objects(Decimal("9" * 76)), "Decimal(76, 0)", [Decimal("9" * 76)]),
    "UUID": (objects(uuid.UUID(int=5), None), "Nullable(UUID)", [str(uuid.UUID(int=5)), None]),
    "IPv4Address": (objects(ipaddress.IPv4Address("1.2.3.4")), "IPv4", ["1.2.3.4"]),
    "IPv6Address": (objects(ipaddress.IPv6Address("::1"), None), "Nullable(IPv6)", ["::1", None]),
    "date": (objects(dt.date.min, dt.date.max), "Date32", [dt.date.min, dt.date.max]),
    "datetime": (
        objects(in_paris(2024, 10, 27, 2, 30), in_paris(2024, 10, 27, 2, 30, fold=1)),
        "DateTime64(6, 'Europe/Paris')",
        [utc(2024, 10, 27, 0, 30), utc(2024, 10, 27, 1, 30)],
    ),
    "Timestamp with nanoseconds": (
        objects(pd.Timestamp(1, unit="ns", tz="UTC"), utc(1970, 1, 1)),
        "DateTime64(9, 'UTC')",
        [pd.Timestamp(1, unit="ns", tz="UTC"), utc(1970, 1, 1)],
    ),
    "time": (
        objects(dt.time(23, 59, 59, 999_999), None),
        "Nullable(Time64(6))",
        [dt.timedelta(days=1, microseconds=-1), None],
    ),
    "timedelta": (objects(dt.timedelta(1, 2, 3)), "IntervalMicrosecond", [dt.timedelta(1, 2, 3)]),
    "no values": (objects(None, NAN), "Nullable(String)", [None, None]),
    # nested objects
    "list": (objects([1, None], []), "Array(Nullable(Int64))", [[1, None], []]),
    "list with NaN": (objects([1.5, np.inf]), "Array(Float64)", [[1.5, np.inf]]),
    "list of lists": (objects([["a"], []], []), "Array(Array(String))", [[["a"], []], []]),
    "list of integers beyond 64 bits": (objects([2**70]), "Array(Int128)", [[2**70]]),
    "ndarray": (objects(np.array([1.5], "f4"), np.array([], "f4")), "Array(Float32)", [[1.5], []]),
    "ndarray of text": (objects(np.array(["a", "b"])), "Array(String)", [["a", "b"]]),
    "ndarray of objects": (objects(np.array(["a", None], object)), "Array(Nullable(String))", [["a", None]]),
    "ndarray of two dimensions": (objects(np.eye(2)), "Array(Array(Float64))", [[[1.0, 0.0], [0.0, 1.0]]]),
    "tuple": (objects((1, "a"), None), "Nullable(Tuple(Nullable(Int64), Nullable(String)))", [(1, "a"), None]),
    "dict, a map": (objects({"a": 1}, {"b": None}, {}), "Map(String, Nullable(Int64))", [{"a": 1}, {"b": None}, {}]),
    "dict, a struct": (
        objects({"a b": 1, "c": "x"}, {"c": "y", "a b": 2}),
        "Tuple(`a b` Int64, c String)",
        [{"a b": 1, "c": "x"}, {"a b": 2, "c": "y"}],
    ),
    "dict of lists": (objects({1: [True]}), "Map(Int64, Array(Bool))", [{1: [True]}]),
    # polars
    "polars Categorical": (
        pl.Series(["a", None], dtype=pl.Categorical),
        "LowCardinality(Nullable(String))",
        ["a", None],
    ),
    "polars Enum": (pl.Series(["a"], dtype=pl.Enum(["b", "a"])), "Enum8('b' = 1, 'a' = 2)", ["a"]),
    "polars List": (pl.Series([[1], [2, None]]), "Array(Nullable(Int64))", [[1], [2, None]]),
    "polars Array": (pl.Series([[1, 2]], dtype=pl.Array(pl.Int8, 2)), "Array(Int8)", [[1, 2]]),
    "polars Struct": (pl.Series([{"a": 1}, None]), "Nullable(Tuple(a Nullable(Int64)))", [{"a": 1}, None]),
    "polars Duration": (pl.Series([dt.timedelta(1)]), "IntervalMicrosecond", [dt.timedelta(1)]),
    "polars Time": (pl.Series([dt.time(1)]), "Time64(9)", [dt.timedelta(hours=1)]),
    "polars Decimal": (pl.Series([Decimal("1.5")], dtype=pl.Decimal(10, 2)), "Decimal(10, 2)", [Decimal("1.5")]),
    "polars Int128": (pl.Series([2**100, None], dtype=pl.Int128), "Nullable(Int128)", [2**100, None]),
    "polars Object": (
        pl.Series([uuid.UUID(int=5), None], dtype=pl.Object),
        "Nullable(UUID)",
        [str(uuid.UUID(int=5)), None],
    ),
    "polars Null": (pl.Series([None]), "Nullable(String)", [None]),
    "polars Binary": (pl.Series([b"\xff"]), "String", [b"\xff"]),
    # pyarrow
    "date64": (arrow([dt.date(1969, 12, 31), None], pa.date64()), "Nullable(Date32)", [dt.date(1969, 12, 31), None]),
    "date64, not midnight": (
        arrow(pa.array([-1]).view(pa.date64()), pa.date64()),
        "DateTime64(3, 'UTC')",
        [utc(1969, 12, 31, 23, 59, 59, 999_000)],
    ),
    "date64 in lists": (
        arrow([[dt.date(1969, 12, 31)], []], pa.list_(pa.date64())),
        "Array(Date32)",
        [[dt.date(1969, 12, 31)], []],
    ),
    "date64 in structs": (
        arrow([{"a": dt.date(1969, 12, 31)}, None], pa.struct([("a", pa.date64())])),
        "Nullable(Tuple(a Date32))",
        [{"a": dt.date(1969, 12, 31)}, None],
    ),
    "date64 in maps": (
        arrow([[("a", dt.date(1969, 12, 31))]], pa.map_(pa.string(), pa.date64())),
        "Map(String, Date32)",
        [{"a": dt.date(1969, 12, 31)}],
    ),
    "list_view": (arrow([[1, 2], [], [3]], pa.list_view(pa.int64())), "Array(Int64)", [[1, 2], [], [3]]),
    "run-end encoded": (
        arrow(pa.RunEndEncodedArray.from_arrays(pa.array([2, 3], pa.int32()), pa.array([5, None])), pa.null()),
        "Nullable(Int64)",
        [5, 5, None],
    ),
    "negative scale": (arrow([Decimal("1E+5")], pa.decimal128(5, -3)), "Decimal(8, 0)", [Decimal(100_000)]),
    "more than 256 bytes": (arrow([b"a" * 300], pa.binary(300)), "String", ["a" * 300]),
    "a dictionary with NULL": (
        arrow(pa.DictionaryArray.from_arrays(pa.array([0, 1]), pa.array(["x", None])), pa.null()),
        "LowCardinality(Nullable(String))",
        ["x", None],
    ),
    "another spelling of a zone": (arrow([0], pa.timestamp("s", "utc")), "DateTime64(0, 'UTC')", [utc(1970, 1, 1)]),
}


def series_of(column: Any) -> Any:
    """Return a column as a frame with the column c."""
    if isinstance(column, pd.Series):
        return column.rename("c").to_frame()
    return column.alias("c").to_frame() if isinstance(column, pl.Series) else column


def in_utc(value: Any) -> Any:
    """Return a time in UTC, since Python finds no times of two zones equal where clocks are set back."""
    return value.astimezone(UTC) if isinstance(value, dt.datetime) else value


# An old pyarrow knows no offsets such as +05:30, so that the times come back in UTC.
@pytest.mark.filterwarnings("ignore::roe_magic.frames.arrow_types.TypeFallbackWarning")
@pytest.mark.parametrize("case", CARRIED)
def test_a_column_arrives_with_its_own_type(case: str) -> None:
    """The engine has the type that the column says, and the values that are in it."""
    column, type_name, values = CARRIED[case]
    source = to_arrow(series_of(column))
    assert source.columns == [("c", type_name)]
    table, types = read_by_the_engine(source)
    found = [cell for chunk in table["c"].chunks for cell in python_cells(chunk, resolve_type(types[0]))]
    assert list(map(in_utc, found)) == list(map(in_utc, values))
    assert [type(cell) for cell in found if not isinstance(cell, (dt.date, dt.timedelta))] == [
        type(value) for value in values if not isinstance(value, (dt.date, dt.timedelta))
    ]


def test_nan_in_a_list_stays_nan() -> None:
    """It is NULL only where pandas means by it that a value is missing."""
    source = to_arrow(series_of(objects([NAN, None])))
    table, _ = read_by_the_engine(source)
    first, second = table["c"].to_pylist()[0]
    assert first != first
    assert second is None
    nullable = pd.Series(pd.arrays.FloatingArray(np.array([NAN, 1.0]), np.array([False, True])), name="c")
    first, second = read_by_the_engine(to_arrow(nullable))[0]["c"].to_pylist()
    assert first != first
    assert second is None


class Colour(enum.Enum):
    RED = 1


# Each column, and what the error says of it.
REFUSED: dict[str, tuple[Any, str]] = {
    "text and numbers": (objects("a", 1), "row 1 .*holds an int, while the values before it are of type str"),
    "int and bool": (objects(1, True), "row 1 .*holds a bool"),
    "int and float": (objects(1, 0.5), "row 1 .*holds a float"),
    "str and bytes": (objects("a", None, b"b"), "row 2 .*holds a bytes"),
    "date and datetime": (
        objects(dt.date(2024, 1, 1), NAIVE),
        "row 1 .*holds a datetime.datetime",
    ),
    "both versions of addresses": (objects(ipaddress.ip_address("::1"), ipaddress.ip_address("1.2.3.4")), "row 1"),
    "an address with a scope": (objects(ipaddress.ip_address("fe80::1%eth0")), "row 0 .*with a scope"),
    "naive and aware": (
        objects(in_paris(2024, 1, 1), NAIVE),
        "several time zones .Europe/Paris, none",
    ),
    "two zones": (objects(in_paris(2024, 1, 1), utc(2024, 1, 1)), "row 1 .*several time zones"),
    "a zone without a name": (
        objects(dt.datetime(2024, 1, 1, tzinfo=dt.timezone(dt.timedelta(seconds=30)))),
        "without a name",
    ),
    "a column of such a zone": (
        pd.Series([pd.Timestamp("2024", tz=dt.timezone(dt.timedelta(seconds=30)))]),
        "time zone without a name",
    ),
    "a zone that calls itself something": (
        objects(dt.datetime(2024, 1, 1, tzinfo=dateutil.tz.tzoffset("mine", 3600))),
        r"row 0 .*time zone without a name in the tz database .*mine",
    ),
    "a column of a zone that calls itself something": (
        pd.Series([pd.Timestamp("2024", tz=dateutil.tz.tzoffset("mine", 3600))]),
        r"time zone without a name in the tz database .*mine",
    ),
    "a zone that is called like a folder": (
        objects(dt.datetime(2024, 1, 1, tzinfo=dateutil.tz.tzoffset("Europe", 3600))),
        r"row 0 .*time zone without a name in the tz database .*Europe",
    ),
    "a zone read from a file": (
        objects(dt.datetime(2024, 1, 1, tzinfo=ZONE_FROM_A_FILE)),
        "row 0 .*time zone without a name in the tz database",
    ),
    "a zone of a class without names": (
        objects(dt.datetime(2024, 1, 1, tzinfo=NamelessZone())),
        "row 0 .*time zone without a name in the tz database",
    ),
    "a time with a zone": (objects(dt.time(1, tzinfo=UTC)), "row 0 .*with a time zone"),
    "257 bits": (objects(1, 2**257), "row 1 .*more than 256 bits"),
    "-1 and 2^256 - 1": (objects(-1, 2**256 - 1), "row 1 .*more than 256 bits"),
    "Infinity": (objects(Decimal("Infinity")), "row 0 .*Infinity"),
    "77 digits": (objects(Decimal(1), Decimal("1" * 77)), "row 1 .*needs decimals of 77 digits"),
    "too long a duration": (objects(dt.timedelta(1), dt.timedelta.max), "row 1 .*too large"),
    "a year beyond 9999": (pd.Series(np.array(["2000", "10000"], "M8[s]")), "row 1 .*outside the years"),
    "a year before 0": (pd.Series(np.array(["-0044"], "M8[s]")), "row 0 .*outside the years"),
    "numpy's datetime64": (objects(np.datetime64("2024-01-01")), "numpy.datetime64.*pd.to_datetime"),
    "numpy's timedelta64": (objects(np.timedelta64(1, "D")), "numpy.timedelta64.*pd.to_timedelta"),
    "an Enum": (objects(Colour.RED), "Colour, which has no counterpart"),
    "a set": (objects([1], {1}), "row 1 .*a set, .*column.map.list."),
    "an object": (objects(object()), "row 0 .*holds an object"),
    "text that is not UTF-8": (objects("a", "\ud800"), "row 1 .*not UTF-8"),
    "no list": (objects([1], None), "row 1 .*has no value.*an empty list"),
    "no list in a list": (objects([[1], None]), "row 0 .*in a list.*an empty list"),
    "no map": (objects({"a": 1}, NAN), "row 1 .*an empty dict"),
    "a list of text and numbers": (objects([1], [2, "a"]), "row 1 .*holds a str in a list"),
    "lists and arrays": (objects([1], np.array([1])), "row 1 .*holds a numpy.ndarray"),
    "lists and tuples": (objects([1], (1,)), "row 1 .*holds a tuple"),
    "tuples of two lengths": (objects((1,), (1, 2)), "row 1 .*tuples of 1 and of 2"),
    "arrays of two dtypes": (objects(np.array([1]), np.array([0.5])), "row 1 .*dtype float64"),
    "an array of no dimension": (objects(np.array(1)), "row 0 .*shape"),
    "dicts of other keys and types": (objects({"a": 1, "b": "x"}, {"a": 2}), "row 1 .*a dict without the key 'b'"),
    "a dict with another key": (objects({"a": 1, "b": "x"}, None, {"a": 2, "b": "y", "c": 3}), "row 2 .*the key 'c'"),
    "a map with text": (objects({"a": 1}, {"b": 2}, {"b": "x"}), "row 2 .*holds a str in a dict"),
    "a map of two kinds": (objects({1: 1, 2: "x"}, {1: 2}), "row 0 .*holds a str in a dict"),
    "a dict in a list without a key": (objects([{"a": 1, "b": "x"}, {"a": 2}]), "row 0 .*a dict without the key 'b'"),
    "a key that is missing": (objects({None: 1}), "row 0 .*NULL"),
    "complex": (pd.Series([1j]), "has the dtype complex128"),
    "longdouble": (pd.Series(np.array([1], "longdouble")), "has the dtype float128|has the dtype longdouble"),
    "period": (pd.Series(pd.period_range("2024", periods=1, freq="M")), "period.M.*to_timestamp"),
    "interval": (pd.Series(pd.interval_range(0, 1)), "interval.*astype.str"),
    "a category of intervals": (pd.Series(pd.cut([1, 2], 2)), "interval"),
    "polars: no list": (pl.Series([[1], None]), "row 1 .*NULL list"),
    "polars: Int128 in lists": (pl.Series([[2**70]], dtype=pl.List(pl.Int128)), "has the type List.Int128"),
    "polars: mixed objects": (pl.Series([1, "a"], dtype=pl.Object), "row 1 .*holds a str"),
    "months, days and nanoseconds": (
        arrow([pa.MonthDayNano([1, 2, 3])], pa.month_day_nano_interval()),
        "month_day_nano",
    ),
    "a union": (arrow(pa.UnionArray.from_sparse(pa.array([0], pa.int8()), [pa.array([1])]), pa.null()), "union"),
    "no map in Arrow": (arrow([[("a", 1)], None], pa.map_(pa.string(), pa.int64())), "row 1 .*NULL map"),
    "a time beyond a day": (
        arrow(pa.array([86_400], pa.int32()).view(pa.time32("s")), pa.null()),
        "row 0 .*beyond 24 hours",
    ),
    "a struct without names": (arrow([{"": 1}], pa.struct([("", pa.int64())])), "fields of no name"),
    "a date beyond 9999": (arrow([0, 2_932_897], pa.date32()), "row 1 .*outside the years"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_a_column_that_cannot_be_carried_is_refused_by_name(case: str) -> None:
    """With the first row that is in the way, and what to do."""
    column, reason = REFUSED[case]
    with pytest.raises(UsageError) as caught:
        to_arrow(series_of(column))
    assert re.search(f"Column 'c'.*({reason})", str(caught.value), re.DOTALL)
    assert caught.value.hint


def test_the_row_is_named_in_a_long_column() -> None:
    """Also where it is in a later batch than the first."""
    values = ["a"] * 200_000
    values[150_000] = 1  # type: ignore[call-overload]
    with pytest.raises(UsageError, match=r"row 150000 .counted from 0., holds an int"):
        to_arrow(series_of(objects(*values)))
    values[150_000] = "\ud800"
    with pytest.raises(UsageError, match=r"row 150000 .counted from 0., holds text that is not UTF-8"):
        to_arrow(series_of(objects(*values)))


def test_all_columns_that_cannot_be_carried_are_named() -> None:
    """At once, so that nobody mends one after another."""
    frame = pd.DataFrame({"a": objects(1, "b"), "fine": [1, 2], "c": objects({1}, None), "d": [1j, 2j]})
    with pytest.raises(UsageError, match="3 columns cannot be uploaded") as caught:
        to_arrow(frame)
    assert [line.partition(",")[0].partition(" has")[0] for line in str(caught.value).splitlines()[1:]] == [
        "Column 'a'",
        "Column 'c'",
        "Column 'd'",
    ]


def columns_of(data: Any) -> list[tuple[str, str]]:
    return to_arrow(data).columns


FRAME = pd.DataFrame({"k": ["a", "b", "a"], "v": [1, 2, 3]})


@pytest.mark.parametrize(
    ("data", "columns", "notices"),
    [
        (FRAME, ["k", "v"], []),
        (FRAME.groupby("k").sum(), ["k", "v"], []),
        (FRAME["k"].value_counts(), ["k", "count"], []),
        (FRAME.set_index(["k", "v"]), ["k", "v"], []),
        (FRAME[FRAME["v"] > 1], ["index", "k", "v"], ["The index without a name became the column 'index'."]),
        (FRAME.rename_axis("n"), ["n", "k", "v"], []),
        (FRAME.set_axis(range(3, 0, -1)), ["index", "k", "v"], ["The index without a name became the column 'index'."]),
        (FRAME.set_axis([0, 1, 2]), ["k", "v"], []),
        (FRAME.set_axis([0.0, 1.0, 2.0]), ["index", "k", "v"], ["The index without a name became the column 'index'."]),
        (FRAME[:2].set_axis([False, True]), ["index", "k", "v"],
         ["The index without a name became the column 'index'."]),
        (pd.DataFrame({"a": []}), ["a"], []),
        (
            FRAME.groupby("k").agg({"v": ["min", "max"]}),
            ["k", "v_min", "v_max"],
            ["The names of columns with several levels are joined with _."],
        ),
        (FRAME.assign(w=1).pivot_table(index="k", columns="v", values="w"), ["k", "1", "2", "3"], []),
        (FRAME["v"], ["v"], []),
        (pd.Series([1]), ["value"], []),
        (
            FRAME.set_axis(pd.MultiIndex.from_tuples([(1, "x"), (2, "y"), (3, "z")])),
            ["level_0", "level_1", "k", "v"],
            [f"The index without a name became the column '{name}'." for name in ("level_0", "level_1")],
        ),
        (pd.DataFrame({"a b": [1], 'é`"\'\\': [1], "x.y": [1]}), ["a b", 'é`"\'\\', "x.y"], []),
        (pd.DataFrame({1.5: [1], True: [1]}), ["1.5", "True"], []),
        (pd.DataFrame({"t": pd.DatetimeIndex(["2024"])}), ["t"], ["'t': times without a time zone are taken as UTC."]),
        (pd.DataFrame({"a": [None], "b": [None]}), ["a", "b"], [f"'a', 'b': {NO_VALUES}."]),
        (pl.DataFrame({"a": [1]}).lazy(), ["a"], []),
        (pl.Series([1]), ["value"], []),
        (pa.record_batch({"a": [1]}), ["a"], []),
    ],
)  # fmt: skip
def test_index_and_names_become_columns(data: Any, columns: list[str], notices: list[str]) -> None:
    """A named index comes first; what was done beyond that is said."""
    source = to_arrow(data)
    assert [name for name, _ in source.columns] == columns
    assert source.notices == notices
    assert read_by_the_engine(source)[0].column_names == columns


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (FRAME.set_index("k", drop=False), "The index and a column are both named 'k'"),
        (pd.DataFrame([[1, 2]], columns=["a", "a"]), "2 columns are named 'a'"),
        (pd.DataFrame([[1, 2]], columns=[1, "1"]), "2 columns are named '1'"),
        (pd.DataFrame({"": [1]}), "A column has no name"),
        (pd.DataFrame({None: [1]}), "A column is named None"),
        (pd.DataFrame({NAN: [1]}), "A column is named nan"),
        (pd.DataFrame({object: [1]}), "is of type type"),
        (pd.DataFrame(), "The DataFrame has no columns"),
        (pl.DataFrame(), "The DataFrame has no columns"),
        (pa.table({}), "The table has no columns"),
        (pa.chunked_array([[1]]), "An Arrow array has no column name"),
        ({"a": [1]}, "A value of type dict cannot be uploaded"),
        ([1], "A value of type list cannot be uploaded"),
        (np.array([1]), "A value of type ndarray cannot be uploaded"),
    ],
)
def test_what_has_no_columns_is_refused(data: Any, reason: str) -> None:
    """Or none that a table can have."""
    with pytest.raises(UsageError, match=reason) as caught:
        to_arrow(data)
    assert caught.value.hint or "no columns" in reason


def test_a_lazy_frame_that_cannot_be_collected_is_told() -> None:
    """With the first line of what polars says."""
    with pytest.raises(UsageError, match=r'cannot be collected: ColumnNotFoundError: .*"zz"'):
        to_arrow(pl.DataFrame({"a": [1]}).lazy().select("zz"))


def test_frames_are_told_from_other_values() -> None:
    """By what they are, not by a name."""
    reader = pa.RecordBatchReader.from_batches(pa.schema([]), [])
    frame = pl.DataFrame()
    assert all(map(is_frame, [FRAME, FRAME["v"], frame, frame.lazy(), pl.Series(), pa.table({}), reader]))
    assert not any(map(is_frame, [{"a": [1]}, "name.csv", None, 5, np.array([1])]))


def test_without_rows_every_column_is_nullable() -> None:
    """Since any row could follow."""
    frame = pd.DataFrame({"a": pd.Series(dtype="int64"), "b": pd.Series(dtype=object), "c": pd.Series(dtype="M8[ns]")})
    columns = [("a", "Nullable(Int64)"), ("b", "Nullable(String)"), ("c", "Nullable(DateTime64(9, 'UTC'))")]
    assert columns_of(frame) == columns
    lists = pa.table({"a": pa.array([], pa.list_(pa.int64()))})
    assert columns_of(lists) == [("a", "Array(Nullable(Int64))")]
    assert read_by_the_engine(to_arrow(frame))[0].num_rows == 0


def test_a_reader_is_read_once_and_its_rows_twice() -> None:
    """Its batches may have dictionaries of their own."""
    batches = [
        pa.record_batch({"a": [number], "b": pa.array([text]).dictionary_encode()})
        for number, text in ((1, "x"), (2, "y"))
    ]
    source = to_arrow(pa.RecordBatchReader.from_batches(batches[0].schema, batches))
    table, _ = read_by_the_engine(source)
    assert table.to_pydict() == {"a": [1, 2], "b": ["x", "y"]}
    assert sum(batch.num_rows for batch in source.batches()) == 2


def test_an_error_of_a_reader_is_told() -> None:
    """As one of ours."""

    def batches() -> Any:
        yield pa.record_batch({"a": [1]})
        raise ValueError("the disk is gone")

    reader = pa.RecordBatchReader.from_batches(pa.schema([("a", pa.int64())]), batches())
    with pytest.raises((UsageError, ValueError), match="the disk is gone"):
        to_arrow(reader)


# Every type of ClickHouse, with values of a query's result.
OF_RESULTS = {
    "Int128": ([2**127 - 1], "Int128"),
    "UInt128": ([2**128 - 1], "UInt128"),
    "Int256": ([-(2**255)], "Int256"),
    "UInt256": ([2**256 - 1], "UInt256"),
    "Nullable(UInt8)": ([1], "Nullable(UInt8)"),
    "DateTime('Europe/Paris')": (["2024-07-01 12:00:00+02:00"], "DateTime('Europe/Paris')"),
    "DateTime64(2, 'UTC')": (["2024-07-01 12:00:00.25+00:00"], "DateTime64(3, 'UTC')"),
    "Date": (["2024-07-01"], "Date"),
    "Date32": (["1900-01-01"], "Date32"),
    "Time": (["12:00:00"], "Time64(0)"),
    "Time64(6)": (["23:59:59.999999"], "Time64(6)"),
    "Nullable(Time)": (["-00:00:01"], "Nullable(IntervalSecond)"),
    "Decimal(20, 4)": (["1.2500"], "Decimal(20, 4)"),
    "UUID": (["00000000-0000-0000-0000-000000000005"], "UUID"),
    "IPv4": (["1.2.3.4"], "IPv4"),
    "IPv6": (["::1"], "IPv6"),
    "Enum8('b' = -1, 'a' = 2)": (["a"], "Enum8('b' = -1, 'a' = 2)"),
    "LowCardinality(Nullable(String))": (["a"], "LowCardinality(Nullable(String))"),
    "LowCardinality(String)": (["a"], "LowCardinality(String)"),
    "IntervalDay": ([3], "IntervalDay"),
    "IntervalMonth": ([3], "IntervalMonth"),
    "Array(Array(UUID))": ([[["00000000-0000-0000-0000-000000000005"]]], "Array(Array(UUID))"),
    "Array(DateTime('UTC'))": ([["2024-07-01 12:00:00+00:00"]], "Array(DateTime('UTC'))"),
    "Tuple(Int64, Nullable(Date))": ([[1, None]], "Tuple(Int64, Nullable(Date))"),
    "Tuple(a Int64, b Int256)": ([{"a": 1, "b": 2}], "Tuple(a Int64, b Int256)"),
    "Map(String, IPv4)": ([{"a": "1.2.3.4"}], "Map(String, IPv4)"),
    "Point": ([[1.5, 2.5]], "Tuple(Float64, Float64)"),
}


@pytest.mark.parametrize("type_name", OF_RESULTS)
def test_a_result_keeps_the_types_of_its_query(type_name: str) -> None:
    """Or gets one of the same values, where the engine reads no better one from Arrow."""
    cells, becomes = OF_RESULTS[type_name]
    table = frames.from_rows(["c"], [type_name], [[cell] for cell in cells])
    source = to_arrow(table)
    assert source.columns == [("c", becomes)]
    back, types = read_by_the_engine(source)
    assert frames.to_rows(back, types) == frames.to_rows(table, [type_name]) or "Time" in type_name
    assert back["c"].to_pylist() == table["c"].to_pylist() or pa.types.is_duration(back["c"].type)


@pytest.mark.parametrize(
    ("type_name", "values", "becomes"),
    [
        ("DateTime('UTC')", pa.array([-1], pa.timestamp("s", "UTC")), "DateTime64(0, 'UTC')"),
        ("Date", pa.array([-1], pa.date32()), "Date32"),
        ("IntervalDay", pa.array([86_401], pa.duration("s")), "IntervalSecond"),
        ("Int128", pa.array(["a"]), "String"),
    ],
)
def test_a_type_that_the_values_do_not_fit_any_more_is_not_kept(type_name: str, values: pa.Array, becomes: str) -> None:
    """Such as after arithmetic: the metadata of a field is then of before."""
    schema = pa.schema([pa.field("c", values.type, metadata={frames.TYPE_KEY: type_name.encode()})])
    source = to_arrow(pa.table([values], schema=schema))
    assert source.columns == [("c", becomes)]
    table, _ = read_by_the_engine(source)
    assert table["c"].cast(values.type).to_pylist() == values.to_pylist()


def test_a_million_rows_need_little_memory() -> None:
    """Only one batch of them is converted at a time."""
    frame = pd.DataFrame({f"c{number}": np.arange(1_000_000) for number in range(9)}, copy=False)
    frame["text"] = [f"text {number}" for number in range(1_000_000)]
    before = pa.total_allocated_bytes()
    source = to_arrow(frame)
    for batch in source.batches():
        assert batch.nbytes < 64 * 2**20
        assert pa.total_allocated_bytes() - before < 128 * 2**20


def test_an_error_of_a_stream_is_told() -> None:
    """Whatever its source raises, and with the type of the data."""

    def batches() -> Iterator[pa.RecordBatch]:
        yield pa.record_batch({"a": [1]})
        raise KeyError("no such file")

    reader = pa.RecordBatchReader.from_batches(pa.schema({"a": pa.int64()}), batches())
    with pytest.raises(UsageError, match=r"The Arrow stream of the RecordBatchReader cannot be read: .*no such file"):
        to_arrow(reader)
