"""Cases in which values are easily lost: beyond their type, nested, with unusual names, from other servers."""

from __future__ import annotations

import json
import warnings
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from roe_magic import frames
from roe_magic.frames.json import scanner
from roe_magic.query import result_body
from tests.support.rows_engine import body, by_arrow, by_native, cut, lines, same, shown, values

pytestmark = pytest.mark.usefixtures("each_json_path")


def received(kind: str, *cells: str, beside: bool = False) -> pa.Table:
    """Return the table of a column of JSON cells; ``beside`` a nested column the rows cannot be read as CSV."""
    names, types = ["c", *("z" * beside)], [kind, *(["Array(UInt8)"] * beside)]
    rows = ",".join(f"[{cell},[]]" if beside else f"[{cell}]" for cell in cells)
    (statement,) = result_body.read_json(cut(body(names, types, rows.encode()), 1 << 16)).results or ()
    return statement.result_rows


def by_every_path(sql: str) -> tuple[list[str], pa.Table]:
    """Return a SELECT's types and table read from JSON lines, and assert that JSON and Arrow of any form agree."""
    names, types, text = lines(sql)
    table = frames.from_lines(names, types, text)
    stored = frames.from_lines(names, types, text, stored=True)
    assert stored.schema.equals(frames.schema(names, types, stored=True), check_metadata=True)
    assert same(frames.from_arrow(stored, types), table)
    (statement,) = result_body.read_json([body(names, types, frames.to_json(stored, types))]).results or ()
    assert same(statement.result_rows, table)
    if frames.native_is_readable(types):
        assert same(by_native(sql, types), table)
    if frames.arrow_is_faithful(types):
        raw = by_arrow(sql).rename_columns(names)
        assert same(frames.from_arrow(raw, types), table)
        assert same(frames.from_arrow(frames.from_arrow(raw, types, stored=True), types), table)
    assert len(frames.to_pandas(table, types)) == len(frames.to_polars(table, types)) == table.num_rows
    assert len(frames.to_pandas(table, types, dtype_backend="pyarrow")) == table.num_rows
    json.dumps(frames.to_rows(table, types), allow_nan=False)
    return types, table


FAR, NEAR = "2299-12-31 23:59:59.9", "2024-01-01 00:00:00"


@pytest.mark.filterwarnings("ignore::roe_magic.frames.TypeFallbackWarning")
@pytest.mark.parametrize("digits", [7, 8])
@pytest.mark.parametrize(
    ("sql", "text"),
    [
        ("[{far}, {near}]", '["{FAR}","{NEAR}"]'),
        ("[[{far}], []]", '[["{FAR}"],[]]'),
        ("tuple({far}, 'a', map('k', 1))", '["{FAR}","a",{{"k":1}}]'),
        ("map({far}, 'a')", '{{"{FAR}":"a"}}'),
        ("map('a', [{far}, NULL])", '{{"a":["{FAR}",null]}}'),
        ("CAST(tuple({far}) AS Tuple(`a.b` DateTime64({digits})))", '{{"a.b":"{FAR}"}}'),
        ("{far}", "{FAR}"),
    ],
)
def test_timestamps_beyond_nanoseconds_are_text_at_any_depth(digits: int, sql: str, text: str) -> None:
    """The column is the same text by every path, also inside arrays, tuples and maps."""
    far, near = (f"toDateTime64('{moment}', {digits})" for moment in (FAR, NEAR))
    zeros = "0" * digits
    written = {"FAR": f"2299-12-31T23:59:59.9{zeros[1:]}Z", "NEAR": f"2024-01-01T00:00:00.{zeros}Z"}
    _, table = by_every_path(f"SELECT {sql.format(far=far, near=near, digits=digits)} AS t")
    assert values(table) == [text.format(**written)]


@pytest.mark.parametrize("digits", [7, 8, 9])
@pytest.mark.parametrize("moment", ["2262-04-11 16:47:16.8547758", "1900-01-02 00:00:00.1", "1969-12-31 23:59:59.9"])
def test_the_first_and_last_moments_of_nanoseconds_are_moments(digits: int, moment: str) -> None:
    """Timestamps that nanoseconds can hold are not text, those of the last months of 2262 included, by every path."""
    _, table = by_every_path(f"SELECT [toTimeZone(toDateTime64('{moment}', {digits}, 'UTC'), 'Asia/Kolkata')] AS t")
    assert table.schema.field(0).type == pa.list_(pa.timestamp("ns", "Asia/Kolkata"))
    assert values(table)[0] == [pd.Timestamp(moment, tz="UTC")]


@pytest.mark.filterwarnings("ignore::roe_magic.frames.TypeFallbackWarning")
def test_a_column_is_the_same_text_wherever_the_first_timestamp_beyond_nanoseconds_is() -> None:
    """Blocks that were converted to timestamps before it become the text that the engine writes."""
    sql = "SELECT [toDateTime64(if(number = 29999, '2299-01-01', '2024-01-01'), 7)] AS t FROM numbers(30000)"
    names, types, text = lines(sql)
    stored = frames.from_lines(names, types, text, stored=True)
    whole = body(names, types, frames.to_json(stored, types))
    (statement,) = result_body.read_json(cut(whole, 1 << 16)).results or ()
    assert same(statement.result_rows, frames.from_arrow(stored, types))
    assert values(statement.result_rows)[0] == '["2024-01-01T00:00:00.0000000Z"]'


MOST = 2**63 - 1


@pytest.mark.filterwarnings("ignore::roe_magic.frames.TypeFallbackWarning")
@pytest.mark.parametrize(
    ("sql", "text"),
    [
        (f"toIntervalWeek({MOST})", f"{MOST}"),
        (f"toIntervalDay({-MOST})", f"{-MOST}"),
        (f"[toIntervalHour({MOST}), toIntervalHour(1)]", f"[{MOST},1]"),
        (f"map('a', toIntervalMinute({MOST}))", f'{{"a":{MOST}}}'),
        (f"tuple(toIntervalWeek({MOST}), 'x')", f'[{MOST},"x"]'),
    ],
)
def test_intervals_beyond_their_unit_are_text_at_any_depth(sql: str, text: str) -> None:
    """The count is kept, by every path, where its seconds do not fit into 64 bits."""
    _, table = by_every_path(f"SELECT {sql} AS i")
    assert values(table) == [text]


def test_a_long_interval_is_a_duration() -> None:
    """Durations that Python's timedelta cannot hold reach pandas, also inside an array."""
    names, types, text = lines(f"SELECT toIntervalSecond({MOST}) AS i, [toIntervalSecond({MOST})] AS l")
    table = frames.from_arrow(frames.from_lines(names, types, text, stored=True), types)
    assert table.column(0).cast(pa.int64()).to_pylist() == [MOST]
    frame = frames.to_pandas(table, types)
    assert frame["i"].array.asi8.tolist() == [MOST]
    assert frame["l"][0] == [np.timedelta64(MOST, "s")]


def test_a_timestamp_that_cannot_be_shown_in_its_zone_is_shown_in_utc() -> None:
    """In time zones east of UTC the last hours of nanoseconds are beyond their range."""
    table = received("Array(DateTime64(9, 'Asia/Kolkata'))", '["2262-04-11T23:47:16.854775807Z"]')
    frame = frames.to_pandas(table, ["Array(DateTime64(9, 'Asia/Kolkata'))"])
    assert frame["c"][0] == [pd.Timestamp(MOST, tz="UTC")]


def test_a_column_that_fell_back_to_text_warns_once() -> None:
    """Making DataFrames of it does not warn again."""
    names, types, text = lines("SELECT [toDateTime64('2299-01-01 00:00:00', 7)] AS t")
    stored = frames.from_lines(names, types, text, stored=True)
    with pytest.warns(frames.TypeFallbackWarning) as caught:
        table = frames.from_arrow(stored, types)
    assert len(caught) == 1
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert frames.to_pandas(table, types)["t"][0] == '["2299-01-01T00:00:00.0000000Z"]'
        assert frames.to_polars(table, types)["t"][0] == '["2299-01-01T00:00:00.0000000Z"]'


ENGINE: list[tuple[str, list[Any]]] = [
    ("SELECT map() AS m", [[]]),
    ("SELECT [map()] AS m", [[[]]]),
    ("SELECT [-0., 0.] AS z, tuple(-0.) AS t", [[-0.0, 0.0]]),
    ("SELECT map('-0', [-0., 1.5]) AS z", [[("-0", [-0.0, 1.5])]]),
    ("SELECT CAST(unhex('ff') AS Enum8('\\xff' = 1)) AS e", ["\\xff"]),
    ("SELECT [CAST('é' AS Enum8('é' = 1, '\\xc3' = 2, '' = 3, 'it\\'s = (1)' = 4))] AS e", [["é"]]),
    ("SELECT CAST(tuple(1, 2) AS Tuple(`\\xff` UInt8, `é` Float64)) AS t", [{"\\xff": 1, "é": 2.0}]),
    ("SELECT CAST(tuple(1, 2, 3) AS Tuple(`a.b` Float64, `q\"\\`'` Int8, `select` Int8)) AS t",
     [{"a.b": 1.0, "q\"`'": 2, "select": 3}]),
    ("SELECT toInt128(-5)::Dynamic AS d", ["-5"]),
    ("SELECT [CAST(unhex('78ff') AS Dynamic)] AS d", [['"x\\udcff"']]),
    ("SELECT [CAST([1, 2] AS Variant(Array(UInt8), String)), 'x'] AS v", [["[1,2]", '"x"']]),
]  # fmt: skip


@pytest.mark.parametrize(("sql", "expected"), ENGINE)
def test_unusual_values_of_the_engine_are_the_same_by_every_path(sql: str, expected: list[Any]) -> None:
    """Empty maps, negative zeros, labels and names that are not UTF-8 or need quotes, documents inside arrays."""
    _, table = by_every_path(sql)
    assert shown(values(table)) == shown(expected)


@pytest.mark.filterwarnings("ignore:The time zone")  # the first pyarrow releases that we support know no offsets
@pytest.mark.parametrize("zone", ["Fixed/UTC+05:30:00", "Fixed/UTC-01:00:00", "Etc/GMT+5", "GMT0"])
def test_a_time_zone_that_is_an_offset_keeps_its_timestamps(zone: str) -> None:
    """ClickHouse's fixed offsets become Arrow's, or UTC where Arrow has none; the timestamps are the same."""
    types, table = by_every_path(f"SELECT toDateTime(3600, '{zone}') AS t, [t] AS l")
    assert table.schema.field(0).type.tz in (zone, zone.removeprefix("Fixed/UTC").removesuffix(":00"), "UTC")
    assert frames.to_pandas(table, types)["t"][0].timestamp() == 3600
    assert frames.to_polars(table, types)["t"].dt.epoch("s")[0] == 3600


def test_a_zone_that_is_not_known_here_is_shown_in_utc_with_a_warning() -> None:
    """A time with an offset keeps its value; a time without one has no known value and is kept as text."""
    with pytest.warns(frames.TypeFallbackWarning, match="Olympus"):
        table = received("DateTime('Mars/Olympus')", '"2024-01-01T00:00:00Z"')
    assert [str(moment) for moment in values(table)] == ["2024-01-01 00:00:00+00:00"]
    with pytest.warns(frames.TypeFallbackWarning, match="kept as text"):
        assert values(received("DateTime('Mars/Olympus')", '"2024-01-01 00:00:00"')) == ["2024-01-01 00:00:00"]


def test_a_time_beyond_nanoseconds_is_kept_as_text_with_a_warning_in_words() -> None:
    """It names the column and the limit, and no file, line or message of Python."""
    with pytest.warns(frames.TypeFallbackWarning) as told:
        received("DateTime64(8)", '"2299-12-31 23:59:59.12345678"')
    (warning,) = told
    assert "nanoseconds here, from 1677 to 2262." in str(warning.message)
    assert (warning.filename, warning.line) == ("roe_magic", None)


@pytest.mark.parametrize("nested", [False, True])
def test_a_thousand_columns_are_read(nested: bool) -> None:
    """No value of a wide result is lost."""
    cell = "[number + {}]" if nested else "number + {}"
    _, table = by_every_path(
        f"SELECT {', '.join(cell.format(at) + f' AS c{at}' for at in range(1000))} FROM numbers(2)"
    )
    assert [values(table, at)[1] for at in range(1000)] == [[at + 1] if nested else at + 1 for at in range(1000)]


LONG, WIDE = "0.1000000000000000055511151231257827", str(2**255 - 1)

RIGHT: list[tuple[str, list[str], list[Any]]] = [
    ("UInt64", ["1e3", "2.0", '"18446744073709551615"', "18446744073709551615.0"], [1000, 2, 2**64 - 1, 2**64 - 1]),
    ("Array(UInt64)", ['[18446744073709551615, "18446744073709551614", 1.0]'], [[2**64 - 1, 2**64 - 2, 1]]),
    ("Array(Int64)", ["[-9223372036854775808, 9223372036854775807.0]"], [[-(2**63), 2**63 - 1]]),
    ("Array(Int128)", [f"[{2**127 - 1}, {-(2**127)}]"], [[Decimal(2**127 - 1), Decimal(-(2**127))]]),
    ("Int128", [f"{2**127 - 1}.0"], [Decimal(2**127 - 1)]),
    ("Tuple(a Int256)", [f"[{WIDE}]", f'{{"a": {WIDE}}}'], [{"a": WIDE}] * 2),
    ("Map(String, UInt256)", [f'{{"k": {2**256 - 1}}}'], [[("k", str(2**256 - 1))]]),
    ("Array(Decimal(38, 34))", [f'[{LONG}, "{LONG}", 1]'], [[Decimal(LONG), Decimal(LONG), Decimal("1." + "0" * 34)]]),
    ("Tuple(a Decimal(76, 40), b Float64)", [f"[{LONG}, 0.1]", f'{{"a": {LONG}, "b": "nan"}}'],
     [{"a": Decimal(LONG + "000000"), "b": 0.1}, {"a": Decimal(LONG + "000000"), "b": float("nan")}]),
    ("Map(String, Array(Decimal(20, 10)))", ['[["a", [0.1234567891]]]'], [[("a", [Decimal("0.1234567891")])]]),
    ("Decimal(10, 2)", ["1e2", "-0.5"], [Decimal("100.00"), Decimal("-0.50")]),
    # More digits than the type declares: the engine does not check results for that.
    ("Decimal(5, 2)", ["1", "1234.5"], [Decimal("1.00"), Decimal("1234.50")]),
    ("Decimal(20, 2)", ['"-1234567890123456789012.5"'], [Decimal("-1234567890123456789012.50")]),
    ("Map(String, Decimal(4, 2))", ['[["\\udcff", "199.98"]]'], [[(b"\xff", Decimal("199.98"))]]),
    ("Array(Float64)", ['[NaN, Infinity, -Infinity, null, -0, "nan", "-inf", 1e400]'],
     [[float("nan"), float("inf"), float("-inf"), None, -0.0, float("nan"), float("-inf"), float("inf")]]),
    ("Array(Float32)", ["[-0, -0.0, 1e-45]"], [[-0.0, -0.0, 1.401298464324817e-45]]),
    ("Array(Bool)", ['[0, 1, true, "false"]'], [[False, True, True, False]]),
    ("Date", ['"2024-01-02T00:00:00"', '"2024-01-02 00:00:00+00:00"', '"2024-01-02T00:00:00.000Z"'],
     [pd.Timestamp("2024-01-02").date()] * 3),
    ("DateTime", ['"2024-01-02T03:04:05+05:30"', '"2024-01-02 03:04:05"', "1704164645"],
     [pd.Timestamp(text, tz="UTC").to_pydatetime() for text in
      ("2024-01-01 21:34:05", "2024-01-02 03:04:05", "2024-01-02 03:04:05")]),
    ("DateTime64(9)", ["1704164645.123456789", '"2262-04-11 23:47:16.854775807"'],
     [pd.Timestamp(1704164645123456789, tz="UTC"), pd.Timestamp(2**63 - 1, tz="UTC")]),
    ("Tuple(UInt8, String)", ['{"1": 1, "2": "x"}', '[1, "x"]'], [{"1": 1, "2": "x"}] * 2),
    ("Tuple(a UInt8, b String)", ['{"b": "x", "a": 1}', '[1, "x"]', '{"a": 1, "b": "x"}'], [{"a": 1, "b": "x"}] * 3),
    ("Map(UInt64, Float64)", ['{"18446744073709551615": "nan"}', "[[1, -0]]", '[{"keys": 2, "values": 1}]'],
     [[(2**64 - 1, float("nan"))], [(1, -0.0)], [(2, 1.0)]]),
    ("Enum8('a' = 1, 'b' = 2, '2' = 7)", ['"a"', "2", "7", '"2"'], ["a", "b", "2", "2"]),
    ("Array(Enum8('a' = 1))", ['["a", 1]'], [["a", "a"]]),
    ("IPv4", ["16909060", '"1.2.3.4"', "0"], ["1.2.3.4", "1.2.3.4", "0.0.0.0"]),
    ("Array(IPv6)", ['[1, "::2"]'], [["::1", "::2"]]),
    ("FixedString(3)", ['"a\\u0000\\u0000"'], ["a\0\0"]),
    ("String", ["1.10", "12345678901234567890123", LONG, '{"a": [1e400, 1.10]}'],
     ["1.10", "12345678901234567890123", LONG, '{"a":[1E+400,1.10]}']),
    ("JSON", [f'{{"a": 1e400, "b": {LONG}, "c": {WIDE}, "d": -0}}'],
     [f'{{"a": 1e400, "b": {LONG}, "c": {WIDE}, "d": -0}}']),
    ("JSON", [f'{{"a":NaN,"b":{LONG},"c":{WIDE}}}'], [f'{{"a":"nan","b":{LONG},"c":{WIDE}}}']),
    ("JSON", [f'{{"a":"\\udcff","b":{LONG},"n":null}}'], [f'{{"a":"\\udcff","b":{LONG},"n":null}}']),
    ("JSON", ['"{\\"a\\":1e400}"', '"hello"'], ['{"a":1e400}', '"hello"']),
    ("Dynamic", ["1e400", LONG, WIDE, "9" * 5000], ["1e400", LONG, WIDE, "9" * 5000]),
    ("Array(Dynamic)", [f'[1e400, {LONG}, "x", null]'], [["1e400", LONG, '"x"', None]]),
    ("Map(String, Variant(String, UInt8))", [f'{{"a": {LONG}}}'], [[("a", LONG)]]),
    ("IntervalDay", ['"1"', "2.0"], [pd.Timedelta(days=1).to_pytimedelta(), pd.Timedelta(days=2).to_pytimedelta()]),
]  # fmt: skip


@pytest.mark.parametrize("beside", [False, True])
@pytest.mark.parametrize(("kind", "cells", "expected"), RIGHT)
def test_what_another_server_sends_is_read_exactly(
    kind: str, cells: list[str], expected: list[Any], beside: bool
) -> None:
    """Numbers quoted or not, by name or by number, as lists or objects, keep every digit at any depth."""
    table = received(kind, *cells, beside=beside)
    assert shown(values(table)) == shown(expected)
    assert frames.to_pandas(table.select(["c"]), [kind]).shape == (len(cells), 1)
    json.dumps(frames.to_rows(table.select(["c"]), [kind]), allow_nan=False)


TEXT: list[tuple[str, str, str]] = [
    ("UInt64", "1.8446744073709552e19", "1.8446744073709552E+19"),
    ("Int64", "1.5", "1.5"),
    ("Int64", '"1_0"', "1_0"),
    ("Int64", "1e1000000", "1E+1000000"),
    ("Int64", "9" * 5000, "9" * 5000),
    ("Int8", "128", "128"),
    ("Array(UInt8)", "[1, 300]", "[1,300]"),
    ("Array(Int64)", "[1.5]", "[1.5]"),
    ("Decimal(5, 2)", "1" + "0" * 90, "1" + "0" * 90),
    ("Decimal(5, 2)", "1.005", "1.005"),
    ("Decimal(5, 2)", '"nan"', "nan"),
    ("Float64", '"1_0"', "1_0"),
    ("Bool", "2", "2"),
    ("Date", '"2024-01-02T13:00:00"', "2024-01-02T13:00:00"),
    ("Date", "19000", "19000"),
    ("Date", '"0000-00-00"', "0000-00-00"),
    ("DateTime", "1704164645000", "1704164645000"),
    ("DateTime", '"2024-01-02T03:04:05.5"', "2024-01-02T03:04:05.5"),
    ("DateTime", "1e1000000", "1E+1000000"),
    ("DateTime64(3, 'Europe/Paris')", '"2024-03-31 02:30:00"', "2024-03-31 02:30:00"),
    ("DateTime64(9)", '"2299-01-01 00:00:00"', "2299-01-01 00:00:00"),
    ("Tuple(a UInt8)", '{"a": 1, "b": 2}', '{"a":1,"b":2}'),
    ("Tuple(a UInt8)", "{}", "{}"),
    ("Tuple(UInt8)", '"(1)"', "(1)"),
    ("Tuple()", "[1]", "[1]"),
    ("Map(String, UInt8)", '["ab"]', '["ab"]'),
    ("Map(String, UInt8)", "[[null, 1]]", "[[null,1]]"),
    ("Enum8('a' = 1)", '"zz"', "zz"),
    ("Enum8('a' = 1)", "5", "5"),
    ("Array(Enum8('a' = 1))", '["q"]', '["q"]'),
    ("IPv4", "4294967296", "4294967296"),
    ("Time", "1e1000000", "1E+1000000"),
    ("Time64(3)", "1.0005", "1.0005"),
    ("IntervalDay", str(MOST), str(MOST)),
    ("IntervalMonth", "1.5", "1.5"),
    ("Point", '{"x": 1, "y": 2}', '{"x":1,"y":2}'),
]  # fmt: skip


@pytest.mark.parametrize("beside", [False, True])
@pytest.mark.parametrize(("kind", "cell", "text"), TEXT)
def test_what_does_not_fit_its_type_is_text_with_one_warning(kind: str, cell: str, text: str, beside: bool) -> None:
    """No value is rounded or cut to fit its type: the text has every digit that was sent."""
    with pytest.warns(frames.TypeFallbackWarning) as caught:
        table = received(kind, cell, beside=beside)
    assert len(caught) == 1
    assert values(table) == [text]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        frame = frames.to_pandas(table.select(["c"]), [kind])
    assert frame["c"].tolist() == [text]


@pytest.mark.parametrize(
    "kind", ["Decimal(5, 9)", "Enum8('a' = 1, 'a' = 2)", "Enum8", "Decimal", "Map(String)", "Array", "Nullable"]
)
def test_a_type_with_invalid_arguments_is_text_with_a_warning(kind: str) -> None:
    """Arguments that no ClickHouse would send do not raise an error."""
    with warnings.catch_warnings(record=True):
        warnings.simplefilter("always")
        table = received(kind, '"a"')
        assert values(table) == ["a"]
        assert frames.to_pandas(table, [kind]).shape == frames.to_polars(table, [kind]).shape == (1, 1)
        assert frames.to_rows(table, [kind]) == [["a"]]


def test_names_that_are_not_utf8_are_shown_with_backslashes() -> None:
    """A lone surrogate in a column's name or type does not prevent reading the rows."""
    table = frames.from_rows(["\udcff"], ["Enum8('\udcff' = 1)"], [["\udcff"]])
    assert table.column_names == ["\\xff"]
    assert values(table) == ["\\xff"]


def string_quotes_one_by_one(data: bytes) -> list[int]:
    quotes, backslashes = [], 0
    for position, byte in enumerate(data):
        if byte == ord('"') and backslashes % 2 == 0:
            quotes.append(position)
        backslashes = backslashes + 1 if byte == ord("\\") else 0
    return quotes


PIECES = st.lists(st.sampled_from([b'"', b"\\", b"a", b"\\" * 33, b"\\" * 64]), max_size=12).map(b"".join)


@given(PIECES)
def test_a_quote_after_any_number_of_backslashes_is_recognised(data: bytes) -> None:
    """An odd number of backslashes escapes the quote, in runs of any length."""
    assert scanner.string_quotes(np.frombuffer(data, np.uint8)).tolist() == string_quotes_one_by_one(data)


@pytest.mark.parametrize(
    "write", [frames.to_rows, lambda table, types: json.loads(b"[%s]" % frames.to_json(table, types))]
)
def test_numbers_of_documents_that_no_float_holds_are_json(write: Callable[[pa.Table, list[str]], Any]) -> None:
    """JSON has no inf: such a number is written as its digits, by ``to_rows`` as a string of them."""
    table = frames.from_lines(["d"], ["JSON"], b'[{"a":1e300,"b":-0}]')
    assert shown(write(table, ["JSON"])[0][0]["a"]) == "1e+300"
    table = frames.from_lines(["d"], ["Dynamic"], b"[1e400]")
    assert frames.to_rows(table, ["Dynamic"]) == [["1e400"]]
    assert frames.to_json(table, ["Dynamic"]) == b"[1e400]"
