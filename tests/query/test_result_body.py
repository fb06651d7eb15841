"""Result bodies, JSON and Arrow, read while they arrive: in chunks of any size, unusual ones and broken ones."""

from __future__ import annotations

import gc
import io
import json
import math
import tracemalloc
from collections.abc import Iterator
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from roe_magic import frames
from roe_magic.contract import models
from roe_magic.errors import ProtocolError, ResultTooLarge
from roe_magic.query import result_body
from tests.support.rows_engine import QUERY_ID, body, cut, same, shown, values

pytestmark = pytest.mark.usefixtures("each_json_path")

UTC = ZoneInfo("UTC")

EXAMPLE = """{
  "worksheet_query_id": "123e4567-e89b-12d3-a456-426614174000", "status": "SUCCESS",
  "results": [{
      "query_id": "123e4567-e89b-12d3-a456-426614174000", "query": "SELECT * FROM files LIMIT 3",
      "summary": {"read_rows": 3, "read_bytes": 123, "result_rows": 3, "elapsed_ns": 1000000},
      "row_count": 3, "column_names": ["name", "file", "created_at"], "column_types": ["String", "String", "DateTime"],
      "result_rows": [
        ["example1.pdf", "file_123", "2024-04-29 21:11:17+00:00"],
        ["example2.png", "file_456", "2024-04-29 21:11:18+00:00"],
        ["example3.mp4", "file_789", "2024-04-29 21:11:19+00:00"]
      ],
      "start_timestamp": 1719852303.0115254, "end_timestamp": 1719852303.0204659
    }], "error": null, "more": [1]
}"""


def read(text: str | bytes, size: int = 1 << 16) -> models.QueryResult:
    return result_body.read_json(cut(text.encode() if isinstance(text, str) else text, size))


def table_of(names: list[str], types: list[str], rows: str | bytes, size: int = 1 << 16) -> pa.Table:
    data = body(names, types, rows.encode() if isinstance(rows, str) else rows)
    (statement,) = result_body.read_json(cut(data, size)).results or ()
    return statement.result_rows


@pytest.mark.parametrize("size", [1, 2, 3, 7, 64, 1 << 16])
def test_the_published_example_is_read_in_chunks_of_any_size(size: int) -> None:
    """Every field of the documentation's example is read, in chunks of any size."""
    result = read(EXAMPLE, size)
    assert (str(result.worksheet_query_id), result.status, result.error) == (QUERY_ID, "SUCCESS", None)
    assert result.extra == {"more": [1]}
    (statement,) = result.results or ()
    assert statement.row_count == 3
    assert statement.summary is not None
    assert statement.summary.read_bytes == 123
    assert statement.result_rows.column_names == ["name", "file", "created_at"]
    assert [str(moment) for moment in values(statement.result_rows, 2)][2] == "2024-04-29 21:11:19+00:00"


def test_rows_may_come_before_their_types() -> None:
    """Keys of a JSON object have no order, so the rows may come before column_names and column_types."""
    text = (
        '{"results": [{"result_rows": [[1, "a"], [2, "]"]], "column_types": ["UInt8", "String"], '
        '"column_names": ["n", "s"]}], "worksheet_query_id": "%s", "status": "SUCCESS"}'
    )
    (statement,) = read(text % QUERY_ID, 5).results or ()
    assert values(statement.result_rows, 0) == [1, 2]
    assert values(statement.result_rows, 1) == ["a", "]"]


@pytest.mark.parametrize("rows", ["null", "[]", " [ ] "])
def test_a_result_without_rows_keeps_its_columns(rows: str) -> None:
    """An empty list of rows, or null, becomes an empty table with names and types."""
    text = body(["a", "b"], ["UInt64", "LowCardinality(String)"], b"").replace(b"[]", rows.encode())
    (statement,) = read(text).results or ()
    assert statement.result_rows.schema.equals(frames.schema(["a", "b"], ["UInt64", "LowCardinality(String)"]))
    assert statement.result_rows.num_rows == 0


@pytest.mark.parametrize("results", ["null", "[]", '[{"query": "CREATE TABLE t (a Int8)", "result_rows": null}]'])
def test_a_result_without_columns_is_read(results: str) -> None:
    """A failed query has no results; DDL has one without columns."""
    text = f'{{"worksheet_query_id": "{QUERY_ID}", "status": "FAILURE", "results": {results}, "error": "no"}}'
    result = read(text)
    assert result.error == "no"
    assert all(statement.result_rows.num_columns == 0 for statement in result.results or [])


def test_several_statements_each_have_their_rows() -> None:
    """The results are a list with one item per statement."""
    one = json.loads(body(["a"], ["UInt8"], b"[1],[2]"))
    two = json.loads(body(["b"], ["String"], b'["x"]'))
    one["results"] += two["results"]
    statements = read(json.dumps(one), 9).results or []
    assert [values(each.result_rows) for each in statements] == [[1, 2], ["x"]]


def test_a_byte_order_mark_is_skipped() -> None:
    """Some proxies add one."""
    assert read(b"\xef\xbb\xbf" + EXAMPLE.encode(), 2).status == "SUCCESS"


@pytest.mark.parametrize(
    ("kind", "cells", "expected"),
    [
        (
            "Float64",
            "NaN, Infinity, -Infinity, -0, -0.0, 1, null",
            [math.nan, math.inf, -math.inf, -0.0, -0.0, 1.0, None],
        ),
        ("Float64", '"nan", "inf", "-inf", 1e400', [math.nan, math.inf, -math.inf, math.inf]),
        ("Float64", "-0, 2", [-0.0, 2.0]),
        ("UInt64", '18446744073709551615, "18446744073709551614", null', [2**64 - 1, 2**64 - 2, None]),
        ("Int64", '"1", "2", null', [1, 2, None]),
        ("Int64", "3.0, 4", [3, 4]),
        ("Int256", "57896044618658097711785492504343953926634992332820282019728792003956564819967", [str(2**255 - 1)]),
        ("Int128", "170141183460469231731687303715884105727, -1", [2**127 - 1, -1]),
        ("Bool", 'true, 0, "true", 1, false', [True, False, True, True, False]),
        ("String", r'"\ud800", "\udcff", "a"', [b"\xed\xa0\x80", b"\xff", b"a"]),
        ("String", r'"é", "\u00e9\n\"\\", "", null', ["é", 'é\n"\\', "", None]),
        ("String", '"],[", "[", "\\\\", "a\\"],[\\"b", "{\\"x\\":[1]}"', ["],[", "[", "\\", 'a"],["b', '{"x":[1]}']),
        ("String", '"null", null, "NULL"', ["null", None, "NULL"]),
        ("String", '1, "x", true, {"a": 1}', ["1", "x", "true", '{"a":1}']),
        ("JSON", '{"a": 1.0}, "{\\"b\\": 2}", null', ['{"a": 1.0}', '{"b": 2}', None]),
        ("Dynamic", '1e5, "x", [1, 2], null', ["1e5", '"x"', "[1, 2]", None]),
        ("Nullable(Nothing)", "null, null", [None, None]),
        (
            "Time",
            '"-42 days, 8:00:01", "1 day, 1:00:00", "-00:00:01", -1.0, "3"',
            [timedelta(seconds=n) for n in (-3599999, 90000, -1, -1, 3)],
        ),
        ("IntervalDay", '"2", -1, 3.0', [timedelta(days=2), timedelta(days=-1), timedelta(days=3)]),
        ("Date", '"2024-01-02", "2024-01-03 00:00:00"', [date(2024, 1, 2), date(2024, 1, 3)]),
        (
            "DateTime",
            '0, "1970-01-01", 1.0, null',
            [
                datetime(1970, 1, 1, tzinfo=UTC),
                datetime(1970, 1, 1, tzinfo=UTC),
                datetime(1970, 1, 1, 0, 0, 1, tzinfo=UTC),
                None,
            ],
        ),
        ("Tuple(a UInt8, b String)", '[1, "x"], {"b": "y", "a": "2"}', [{"a": 1, "b": "x"}, {"a": 2, "b": "y"}]),
        (
            "Map(UInt8, Date)",
            '{"1": "2024-01-02"}, [[2, "2024-01-03"]], [{"keys": 3, "values": "2024-01-04"}], {}',
            [[(1, date(2024, 1, 2))], [(2, date(2024, 1, 3))], [(3, date(2024, 1, 4))], []],
        ),
    ],
)
@pytest.mark.parametrize("size", [3, 1 << 16])
def test_unusual_cells_keep_their_values(kind: str, cells: str, expected: list[Any], size: int) -> None:
    """What other servers and JSON writers send for a type is read exactly: numbers as strings, NaN, surrogates."""
    rows = ",".join(f"[{cell}]" for cell in _split(cells))
    found = values(table_of(["c"], [kind], rows, size))
    assert shown([_plain(value) for value in found]) == shown([_plain(value) for value in expected])


def _plain(value: Any) -> Any:
    return int(value) if isinstance(value, Decimal) else value


def _split(cells: str) -> Iterator[str]:
    decoder, at = json.JSONDecoder(), 0
    while at < len(cells):
        _, end = decoder.raw_decode(cells, at)
        yield cells[at:end]
        at = end + 2


def test_decimals_sent_as_numbers_keep_every_digit() -> None:
    """A JSON number of a Decimal column does not pass through a float."""
    table = table_of(["d"], ["Decimal(38, 20)"], "[0.10000000000000000001],[12345678901234567.5],[null]")
    assert [str(value) for value in values(table)] == [
        "0.10000000000000000001",
        "12345678901234567.50000000000000000000",
        "None",
    ]
    nested = table_of(["d", "a"], ["Decimal(38, 20)", "Array(UInt8)"], "[0.10000000000000000001,[]],[2,[1]]")
    assert str(values(nested)[0]) == "0.10000000000000000001"


@pytest.mark.parametrize("offset", ["+00:00", "Z", "", "+02:00", "-0530"])
@pytest.mark.parametrize("separator", [" ", "T"])
def test_timestamps_are_read_with_any_offset(offset: str, separator: str) -> None:
    """A time without an offset is one of the column's time zone."""
    rows = f'["2024-07-01{separator}12:00:00{offset}"],["2024-07-01{separator}12:00:00.250{offset}"]'
    minutes = {"+00:00": 0, "Z": 0, "": 120, "+02:00": 120, "-0530": -330}[offset]
    table = table_of(["t"], ["DateTime64(3, 'Europe/Paris')"], rows)
    assert table.column(0).cast(pa.int64()).to_pylist() == [1719835200000 - minutes * 60000 + part for part in (0, 250)]
    assert table.schema.field(0).type.tz == "Europe/Paris"


def test_a_column_turns_to_bytes_when_a_late_row_is_not_text() -> None:
    """The rows before it become bytes, too: a column has one type."""
    rows = ",".join(['["a",["a"]]'] * 5000 + ['["\\udcff",["\\udcff"]]'] + ['["b",["b"]]'] * 5000)
    table = table_of(["s", "l"], ["String", "Array(String)"], rows)
    assert table.schema.types == [pa.binary(), pa.list_(pa.binary())]
    assert values(table)[4999:5002] == [b"a", b"\xff", b"b"]
    assert values(table, 1)[4999:5002] == [[b"a"], [b"\xff"], [b"b"]]


def test_a_column_turns_to_text_with_one_warning_when_a_late_value_does_not_fit() -> None:
    """The whole column is kept as text, the value included."""
    rows = ",".join([f"[{at}]" for at in range(5000)] + ["[70000]"] + ["[5]"] * 5000)
    with pytest.warns(frames.TypeFallbackWarning, match="UInt16") as caught:
        table = table_of(["n"], ["UInt16"], rows)
    assert len(caught) == 1
    assert table.schema.types == [pa.string()]
    assert values(table)[4998:5002] == ["4998", "4999", "70000", "5"]


def test_a_column_of_an_unknown_type_is_text_with_one_warning() -> None:
    """A type that this version does not know is not an error, at any depth."""
    rows = '[{"x":1},["a"]],["b",[2]],[null,[]]'
    with pytest.warns(frames.TypeFallbackWarning, match="Quaternion") as caught:
        table = table_of(["q", "l"], ["Quaternion(Float64)", "Array(Quaternion(Float64))"], rows)
    assert len(caught) == 2  # one for each column's type, and none when they are read again
    assert values(table, 0) == ['{"x":1}', "b", None]
    assert values(table, 1) == [["a"], ["2"], []]
    assert frames.to_pandas(table, ["Quaternion(Float64)", "Array(Quaternion(Float64))"]).shape == (3, 2)


def test_a_type_that_cannot_be_read_is_text_with_a_warning() -> None:
    """A column type that is not a type name does not prevent reading the rows."""
    with pytest.warns(frames.TypeFallbackWarning, match="Array\\(\\("):
        assert values(table_of(["q"], ["Array(("], "[1]")) == ["1"]


def test_repeated_and_empty_column_names_survive() -> None:
    """A join may return a name twice; Arrow and pandas keep both, polars numbers them with a warning."""
    names, types = ["a", "a", "", "", "a_1"], ["UInt8"] * 5
    table = table_of(names, types, "[1,2,3,4,5]")
    assert table.column_names == names
    assert list(frames.to_pandas(table, types).columns) == names
    assert frames.to_pandas(table, types).iloc[0].tolist() == [1, 2, 3, 4, 5]
    with pytest.warns(UserWarning, match="no repeated column names"):
        frame = frames.to_polars(table, types)
    assert frame.row(0) == (1, 2, 3, 4, 5)
    assert len(set(frame.columns)) == 5


@pytest.mark.parametrize("separators", [(",", ":"), (", ", ": ")])
@pytest.mark.parametrize("indent", [None, 2])
def test_white_space_makes_no_difference(separators: tuple[str, str], indent: int | None) -> None:
    """Compact, spaced and indented JSON become the same table."""
    names, types = ["i", "s", "t", "f"], ["Int64", "String", "DateTime", "Nullable(Float32)"]
    rows = [[at, f"a, [{at}] \\ ", "2024-01-01 00:00:00+00:00", None if at % 3 else at / 4] for at in range(3000)]
    expected = frames.from_rows(names, types, rows)
    payload = json.loads(body(names, types, b""))
    payload["results"][0]["result_rows"] = rows
    text = json.dumps(payload, separators=separators, indent=indent)
    (statement,) = read(text).results or ()
    assert same(statement.result_rows, expected)


FLAT = {
    "Int64": st.integers(-(2**63), 2**63 - 1),
    "UInt64": st.integers(0, 2**64 - 1),
    "Float64": st.floats(allow_nan=False, allow_infinity=False),
    "String": st.text(),
    "Decimal(38, 5)": st.integers(-(10**37), 10**37).map(lambda digits: f"{digits // 10**5}.{abs(digits) % 10**5:05}"),
    "Int128": st.integers(-(2**127), 2**127 - 1).map(str),
    "Bool": st.booleans(),
    "Date32": st.dates().filter(lambda day: 1900 <= day.year < 2300).map(str),
    "DateTime": st.datetimes().filter(lambda t: 1970 <= t.year < 2106).map(lambda t: f"{t:%Y-%m-%d %H:%M:%S}+00:00"),
    "Array(String)": st.lists(st.text(max_size=3), max_size=3),
    "Map(String, Int8)": st.dictionaries(st.text(max_size=3), st.integers(-128, 127), max_size=3),
}


@st.composite
def results(draw: st.DrawFn) -> tuple[list[str], list[list[Any]]]:
    kinds = draw(st.lists(st.sampled_from(sorted(FLAT)), min_size=1, max_size=4))
    cells = [st.none() | FLAT[kind] for kind in kinds]
    return kinds, draw(st.lists(st.tuples(*cells).map(list), max_size=6))


@settings(max_examples=300, deadline=None)
@given(results(), st.booleans(), st.booleans(), st.integers(1, 40))
def test_streamed_rows_equal_decoded_rows(
    result: tuple[list[str], list[list[Any]]], ascii_only: bool, spaced: bool, size: int
) -> None:
    """Reading a stream returns the same table as decoding the whole body, for any values, spacing and chunk size."""
    kinds, rows = result
    names = [str(at) for at in range(len(kinds))]
    payload = json.loads(body(names, kinds, b""))
    payload["results"][0]["result_rows"] = rows
    text = json.dumps(payload, ensure_ascii=ascii_only, separators=(", ", ": ") if spaced else (",", ":"))
    (statement,) = result_body.read_json(cut(text.encode("utf-8", "surrogatepass"), size)).results or ()
    assert same(statement.result_rows, frames.from_rows(names, kinds, rows))


BROKEN = {
    "nothing": b"",
    "a page": b"<html>Bad gateway</html>",
    "a list": b"[]",
    "a string": b'"x"',
    "cut in a key": EXAMPLE[:20].encode(),
    "cut in rows": EXAMPLE[:600].encode(),
    "cut at the end": EXAMPLE.rstrip()[:-1].encode(),
    "cut in a cell": EXAMPLE[: EXAMPLE.index("file_456")].encode(),
    "garbage in a row": EXAMPLE.replace('"file_456"', "file_456").encode(),
    "something behind": EXAMPLE.encode() + b"x",
    "a missing comma": EXAMPLE.replace("],\n        [", "]\n        [").encode(),
    "a comma too many": EXAMPLE.replace("],\n        [", "],,\n        [").encode(),
    "a comma at the end": EXAMPLE.replace('19+00:00"]', '19+00:00"],').encode(),
    "a comma in front": EXAMPLE.replace('"result_rows": [', '"result_rows": [,').encode(),
    "a short row": EXAMPLE.replace('"file_456", ', "").encode(),
    "a row that is an object": EXAMPLE.replace('["example2', '{"a": 1}, ["example2').encode(),
    "a row that is a number": EXAMPLE.replace('["example2', '1, ["example2').encode(),
    "fewer types than names": EXAMPLE.replace('["String", "String",', '["String",').encode(),
    "types that are no strings": EXAMPLE.replace('["String", "String", "DateTime"]', "[1, 2, 3]").encode(),
    "rows that are an object": body(["a"], ["UInt8"], b"").replace(b"[]", b"{}"),
    "results that are an object": f'{{"worksheet_query_id": "{QUERY_ID}", "status": null, "results": {{}}}}'.encode(),
    "a missing id": b'{"status": "SUCCESS", "results": []}',
    "a deep value": b'{"a": ' + b"[" * 100_000 + b"]" * 100_000 + b"}",
    "a deep cell": body(["a"], ["JSON"], b"[" + b"[" * 100_000 + b"]" * 100_000 + b"]"),
}


@pytest.mark.parametrize("size", [1 << 16, 50])
@pytest.mark.parametrize("name", BROKEN)
def test_what_is_not_the_contract_is_a_protocol_error(name: str, size: int) -> None:
    """Every fault of the body is a ProtocolError, never another error and never wrong rows."""
    with pytest.raises(ProtocolError):
        result_body.read_json(cut(BROKEN[name], size))


def test_progress_has_bytes_and_rows_and_may_end_the_reading() -> None:
    """Bytes and rows rise to their totals, and an exception of the callback is raised to the caller."""
    names, types = ["n", "s"], ["UInt64", "String"]
    rows = ",".join(f'[{at},"{at:020}"]' for at in range(100_000)).encode()
    data = body(names, types, rows)
    seen: list[tuple[int, int]] = []
    result_body.read_json(cut(data, 1 << 16), lambda *figures: seen.append(figures))
    assert seen == sorted(seen)
    assert max(figures[0] for figures in seen) == len(data)
    assert max(figures[1] for figures in seen) == 100_000
    assert any(0 < count < 100_000 for _, count in seen)

    def limit(received: int, count: int) -> None:
        if count > 10_000:
            raise ResultTooLarge("too many")

    taken = iter(cut(data, 1 << 16))
    with pytest.raises(ResultTooLarge):
        result_body.read_json(taken, limit)
    assert next(taken, None) is not None


def test_garbage_collection_is_as_it_was_afterwards() -> None:
    """It is enabled again after rows were converted, also after an error, and stays disabled where it was."""
    assert gc.isenabled()
    read(EXAMPLE)
    assert gc.isenabled()
    with pytest.raises(ProtocolError):
        read(BROKEN["a short row"])
    assert gc.isenabled()
    gc.disable()
    try:
        read(EXAMPLE)
        assert not gc.isenabled()
    finally:
        gc.enable()


def test_a_long_body_is_never_in_memory_as_a_whole() -> None:
    """Python's memory stays near the size of one block, however long the body is; the rows are in Arrow's memory."""
    row = b'[12345,"' + b"x" * 90 + b'"]'

    def chunks() -> Iterator[bytes]:
        head, tail = body(["n", "s"], ["UInt64", "String"], b"@").split(b"@")
        yield head
        for at in range(2000):
            yield (b"," if at else b"") + b",".join([row] * 200)
        yield tail

    tracemalloc.start()
    try:
        (statement,) = result_body.read_json(chunks()).results or ()
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert statement.result_rows.num_rows == 400_000
    assert peak < 10_000_000  # of 40,000,000 bytes of body


def stream(table: pa.Table, types: list[str], *, with_statement: bool = True) -> bytes:
    """Return an Arrow body of one statement, in the form that the local service stores."""
    stored = frames.from_arrow(table, types, stored=True)
    names, row_count = table.column_names, table.num_rows
    fields = {"query": "SELECT 1", "column_names": names, "column_types": types, "row_count": row_count}
    sink = io.BytesIO()
    schema = stored.schema.with_metadata(
        {models.STATEMENT_METADATA_KEY: json.dumps(fields)} if with_statement else None
    )
    with pa.ipc.new_stream(sink, schema) as writer:
        for batch in stored.to_batches(max_chunksize=1000):
            writer.write_batch(batch)
    return sink.getvalue()


TYPES = ["UInt64", "String", "LowCardinality(String)", "DateTime64(7)"]
ROWS = [[at, f"é{at}" if at % 7 else "\udcff", f"{at % 3}", "2024-01-01 00:00:00+00:00"] for at in range(5000)]


@pytest.mark.parametrize("size", [1, 100, 1 << 16, 1 << 24])
def test_concatenated_arrow_streams_are_read_in_chunks_of_any_size(size: int) -> None:
    """Each stream is a statement; its rows are in canonical form and equal to those read from JSON."""
    table = frames.from_rows(["n", "s", "l", "t"], TYPES, ROWS)
    data = stream(table, TYPES) + stream(table.slice(0, 0), TYPES) + stream(table.slice(0, 2), TYPES)
    statements = result_body.read_arrow(cut(data, size))
    assert [each.row_count for each in statements] == [5000, 0, 2]
    assert same(statements[0].result_rows, table)
    assert statements[1].result_rows.schema.equals(frames.schema(table.column_names, TYPES))
    assert values(statements[2].result_rows) == [0, 1]


def test_a_cut_arrow_stream_is_a_protocol_error() -> None:
    """So is one that is cut between two messages, which pyarrow accepts as complete."""
    data = stream(frames.from_rows(["n", "s", "l", "t"], TYPES, ROWS), TYPES)
    for end in (0, 3, 100, len(data) // 2, len(data) - 8, len(data) - 4, len(data) - 1):
        with pytest.raises(ProtocolError):
            result_body.read_arrow([data[:end]])


@pytest.mark.parametrize("data", [b"garbage garbage garbage", b"{}", b"\xff" * 100, b"<html>"])
def test_what_is_not_arrow_is_a_protocol_error(data: bytes) -> None:
    """A proxy's page with Arrow's content type is refused."""
    with pytest.raises(ProtocolError):
        result_body.read_arrow([data])


def test_an_arrow_stream_without_its_statement_is_a_protocol_error() -> None:
    """Without the ClickHouse types the rows cannot be converted."""
    with pytest.raises(ProtocolError, match="which statement"):
        result_body.read_arrow([stream(frames.from_rows(["n"], ["UInt8"], [[1]]), ["UInt8"], with_statement=False)])


def test_arrow_progress_has_rows_and_may_end_the_reading() -> None:
    """As for JSON; an interrupt or a lost connection is raised to the caller unchanged."""
    data = stream(frames.from_rows(["n", "s", "l", "t"], TYPES, ROWS), TYPES)
    seen: list[tuple[int, int]] = []
    result_body.read_arrow(cut(data, 1000), lambda *figures: seen.append(figures))
    assert seen == sorted(seen)
    assert sorted({rows for _, rows in seen}) == [0, 1000, 2000, 3000, 4000, 5000]

    def broken(error: BaseException) -> Iterator[bytes]:
        yield data[:5000]
        raise error

    for error in (KeyboardInterrupt(), ConnectionResetError("gone"), ResultTooLarge("too many")):
        with pytest.raises(type(error)) as caught:
            result_body.read_arrow(broken(error))
        assert caught.value is error
