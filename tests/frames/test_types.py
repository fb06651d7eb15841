"""Every ClickHouse type from the real engine, by JSON and by Arrow, against expected values."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import pandas as pd
import pyarrow as pa
import pytest

from roe_magic import frames
from roe_magic.query import result_body
from tests.support.rows_engine import body, by_arrow, by_json, by_native, cut, lines, same, shown, values

NAN, INF = math.nan, math.inf
PYARROW = int(pa.__version__.split(".")[0])
UTC, PARIS = ZoneInfo("UTC"), ZoneInfo("Europe/Paris")


@dataclass
class Case:
    """A type, some of its values as SQL, and what they are in Python, in Arrow and in pandas."""

    type: str
    sql: list[str]
    python: list[Any]
    arrow: pa.DataType
    dtype: str
    nullable: bool = True
    objects: list[Any] | None = field(default=None)  # cells of pandas, where they are not the Arrow values
    arrow_dtype: str = ""  # with dtype_backend="pyarrow", where it is not the Arrow type

    def __str__(self) -> str:
        return self.type


def text(*values: str) -> list[str]:
    return ["'" + value.replace("\\", "\\\\").replace("'", "\\'") + "'" for value in values]


def integers(bits: int, *, signed: bool) -> Case:
    low, high = (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1) if signed else (0, 2**bits - 1)
    name = f"{'' if signed else 'U'}Int{bits}"
    python: list[Any] = [low, high, 0, 1]
    if bits <= 64:
        return Case(name, text(*map(str, python)), python, getattr(pa, name.lower())(), name)
    arrow = pa.decimal256(39, 0) if bits == 128 else pa.string()
    written = list(map(Decimal if bits == 128 else str, python))
    arrow_dtype = "" if bits == 128 else "object"
    return Case(name, text(*map(str, python)), written, arrow, "object", objects=python, arrow_dtype=arrow_dtype)


def decimals(precision: int, scale: int) -> Case:
    digits = "9" * (precision - scale) + ("." + "9" * scale if scale else "")
    python = [Decimal(digits), Decimal("-" + digits), Decimal(0).scaleb(-scale), Decimal(1).scaleb(-scale)]
    arrow = (pa.decimal128 if precision <= 38 else pa.decimal256)(precision, scale)
    sql = text(*(format(value, "f") for value in python))
    dtype = str(pd.ArrowDtype(pa.decimal256(precision, scale) if PYARROW >= 21 else arrow))
    return Case(f"Decimal({precision}, {scale})", sql, python, arrow, dtype, arrow_dtype=dtype)


def moments(digits: int, zone: str | None) -> Case:
    name = f"DateTime64({digits}, '{zone}')" if zone else f"DateTime64({digits})"
    unit = ("s", "ms", "ms", "ms", "us", "us", "us", "ns", "ns", "ns")[digits]
    years = (1900, 2261) if unit == "ns" else (1900, 2299)
    fraction = "123456789"[:digits]
    where = ZoneInfo(zone or "UTC")
    written = [f"{years[0]}-01-02 00:00:00", f"{years[1]}-12-30 23:59:59", "1969-12-31 23:59:59", "2024-03-31 12:00:00"]
    written = [f"{each}.{fraction}" if fraction else each for each in written]
    python: list[Any] = [pd.Timestamp(each).tz_localize(where) for each in written]
    if unit != "ns":
        python = [each.to_pydatetime() for each in python]
    return moment_case(name, text(*written), python, unit, zone or "UTC")


def moment_case(name: str, sql: list[str], python: list[Any], unit: str, zone: str) -> Case:
    finer = "ns" if unit == "ns" else "us"
    return Case(
        name,
        sql,
        python,
        pa.timestamp(unit, zone),
        f"datetime64[{finer}, {zone}]",
        arrow_dtype=f"timestamp[{finer}, tz={zone}][pyarrow]",
    )


def span_case(name: str, sql: list[str], python: list[Any], unit: str) -> Case:
    finer = "ns" if unit == "ns" else "us"
    return Case(
        name, sql, python, pa.duration(unit), f"timedelta64[{finer}]", arrow_dtype=f"duration[{finer}][pyarrow]"
    )


def days(name: str, sql: list[str], python: list[Any], *, nullable: bool = True) -> Case:
    return Case(name, sql, python, pa.date32(), "datetime64[us]", nullable, arrow_dtype="timestamp[us][pyarrow]")


def times(digits: int | None) -> Case:
    name = "Time" if digits is None else f"Time64({digits})"
    unit = ("s", "ms", "ms", "ms", "us", "us", "us", "ns", "ns", "ns")[digits or 0]
    fraction = "123456"[: digits or 0]
    part = timedelta(microseconds=int(fraction.ljust(6, "0")))
    tail = f".{fraction}" if fraction else ""
    longest = timedelta(hours=999, minutes=59, seconds=59) + part
    sql = text(f"-999:59:59{tail}", f"999:59:59{tail}", "00:00:00", f"25:00:01{tail}")
    python: list[Any] = [-longest, longest, timedelta(0), timedelta(hours=25, seconds=1) + part]
    if unit == "ns":
        python = [pd.Timedelta(each) for each in python]
    return span_case(name, sql, python, unit)


def interval(unit: str, arrow_unit: str, one: timedelta) -> Case:
    sql = [f"INTERVAL {count} {unit}" for count in (-3, 0, 5)]
    python: list[Any] = [count * one for count in (-3, 0, 5)]
    if arrow_unit == "ns":
        python = [pd.Timedelta(count) for count in (-3, 0, 5)]
    name = f"Interval{unit.capitalize()}"
    return span_case(name, sql, python, arrow_unit)


def document(name: str, sql: list[str], texts: list[str | None], objects: list[Any]) -> Case:
    return Case(name, sql, texts, pa.string(), "object", nullable=False, objects=objects)


def label(labels: int) -> pa.DataType:
    return pa.dictionary(pa.int8() if labels <= 128 else pa.int16(), pa.string())


POINT = pa.struct([("1", pa.float64()), ("2", pa.float64())])
P1, P2 = {"1": 1.5, "2": -2.0}, {"1": 0.0, "2": 1e300}
T1, T2 = (1.5, -2.0), (0.0, 1e300)
LOW = pa.dictionary(pa.int32(), pa.string())
TINY = 5e-324
MANY = ", ".join(f"'v{number}' = {number}" for number in range(200))

CASES = [
    *(integers(bits, signed=signed) for bits in (8, 16, 32, 64, 128, 256) for signed in (True, False)),
    Case(
        "Float64",
        ["nan", "inf", "-inf", "0.1", "5e-324", "1.7976931348623157e308"],
        [NAN, INF, -INF, 0.1, TINY, 1.7976931348623157e308],
        pa.float64(),
        "Float64",
    ),
    Case(
        "Float32",
        ["nan", "-inf", "0.5", "16777216", "3.4028235e38"],
        [NAN, -INF, 0.5, 16777216.0, 3.4028234663852886e38],
        pa.float32(),
        "Float32",
    ),
    Case("BFloat16", ["nan", "inf", "1.5", "-3"], [NAN, INF, 1.5, -3.0], pa.float32(), "Float32"),
    *(decimals(*size) for size in ((9, 2), (9, 9), (18, 4), (38, 0), (38, 10), (76, 0), (76, 20), (76, 76))),
    Case("Bool", ["true", "false"], [True, False], pa.bool_(), "boolean"),
    Case(
        "String",
        text("", "a", "null", "é😀", 'tab\tline\nquote"back\\', "nul\0", "NaN", " spaced "),
        ["", "a", "null", "é😀", 'tab\tline\nquote"back\\', "nul\0", "NaN", " spaced "],
        pa.string(),
        "string",
    ),
    Case(
        "String",
        ["unhex('ff00fe')", "'plain'", "unhex('eda080')", "''"],
        [b"\xff\x00\xfe", b"plain", b"\xed\xa0\x80", b""],
        pa.binary(),
        "object",
    ),
    Case("FixedString(4)", text("ab", "", "abcd"), ["ab\0\0", "\0\0\0\0", "abcd"], pa.string(), "string"),
    Case("FixedString(2)", ["unhex('ffff')", "'ab'"], [b"\xff\xff", b"ab"], pa.binary(), "object"),
    Case(
        "UUID",
        text("00000000-0000-0000-0000-000000000000", "61f0c404-5cb3-11e7-907b-a6006ad3dba0"),
        ["00000000-0000-0000-0000-000000000000", "61f0c404-5cb3-11e7-907b-a6006ad3dba0"],
        pa.string(),
        "string",
    ),
    days("Date", text("1970-01-01", "2149-06-06"), [date(1970, 1, 1), date(2149, 6, 6)]),
    days(
        "Date32",
        text("1900-01-01", "2299-12-31", "1969-12-31"),
        [date(1900, 1, 1), date(2299, 12, 31), date(1969, 12, 31)],
    ),
    moment_case(
        "DateTime",
        text("1970-01-01 00:00:00", "2106-02-07 06:28:15"),
        [datetime(1970, 1, 1, tzinfo=UTC), datetime(2106, 2, 7, 6, 28, 15, tzinfo=UTC)],
        "s",
        "UTC",
    ),
    # The hour that the end of summer time repeats: the two times differ.
    moment_case(
        "DateTime('Europe/Paris')",
        ["toDateTime(1729987200)", "toDateTime(1729990800)"],
        [datetime(2024, 10, 27, 2, tzinfo=PARIS, fold=0), datetime(2024, 10, 27, 2, tzinfo=PARIS, fold=1)],
        "s",
        "Europe/Paris",
    ),
    *(moments(digits, zone) for digits in range(10) for zone in (None, "America/New_York")),
    # Local mean time, before there were time zones, has seconds in its offset.
    moment_case(
        "DateTime64(3, 'Europe/Paris')",
        ["fromUnixTimestamp64Milli(-2208988800001)"],
        [datetime(1900, 1, 1, 0, 9, 20, 999000, tzinfo=PARIS)],
        "ms",
        "Europe/Paris",
    ),
    *map(times, (None, 0, 3, 6)),
    Case(
        "Time64(9)",
        text("-999:59:59.123456789", "00:00:00.000000001"),
        [-pd.Timedelta(hours=999, minutes=59, seconds=59, nanoseconds=123456789), pd.Timedelta(1)],
        pa.duration("ns"),
        "timedelta64[ns]",
    ),
    interval("NANOSECOND", "ns", timedelta(0)),
    interval("MICROSECOND", "us", timedelta(microseconds=1)),
    interval("MILLISECOND", "ms", timedelta(milliseconds=1)),
    interval("SECOND", "s", timedelta(seconds=1)),
    interval("MINUTE", "s", timedelta(minutes=1)),
    interval("HOUR", "s", timedelta(hours=1)),
    interval("DAY", "s", timedelta(days=1)),
    interval("WEEK", "s", timedelta(weeks=1)),
    *(
        Case(
            f"Interval{unit.capitalize()}",
            [f"INTERVAL {count} {unit}" for count in (-3, 0, 5)],
            [-3, 0, 5],
            pa.int64(),
            "Int64",
        )
        for unit in ("MONTH", "QUARTER", "YEAR")
    ),
    Case(
        "Enum8('a' = -128, '' = 0, 'it''s' = 127)",
        text("a", "", "it's"),
        ["a", "", "it's"],
        label(3),
        "string",
        arrow_dtype="string[pyarrow]",
    ),
    Case(
        f"Enum16({MANY}, 'last' = 32767)",
        text("v0", "v199", "last"),
        ["v0", "v199", "last"],
        label(201),
        "string",
        arrow_dtype="string[pyarrow]",
    ),
    Case(
        "LowCardinality(String)",
        text("x", "", "x", "y"),
        ["x", "", "x", "y"],
        LOW,
        "string",
        nullable=False,
        arrow_dtype="string[pyarrow]",
    ),
    Case(
        "LowCardinality(Nullable(String))",
        ["'x'", "NULL", "''"],
        ["x", None, ""],
        LOW,
        "string",
        nullable=False,
        arrow_dtype="string[pyarrow]",
    ),
    Case(
        "LowCardinality(FixedString(2))",
        text("x", "yy"),
        ["x\0", "yy"],
        LOW,
        "string",
        nullable=False,
        arrow_dtype="string[pyarrow]",
    ),
    Case("LowCardinality(UInt16)", ["1", "65535"], [1, 65535], pa.uint16(), "UInt16", nullable=False),
    days("LowCardinality(Date)", text("2024-01-01"), [date(2024, 1, 1)], nullable=False),
    Case(
        "IPv4",
        text("0.0.0.0", "255.255.255.255", "1.2.3.4"),
        ["0.0.0.0", "255.255.255.255", "1.2.3.4"],
        pa.string(),
        "string",
    ),
    Case(
        "IPv6",
        text("::", "2001:db8::1", "::ffff:1.2.3.4"),
        ["::", "2001:db8::1", "::ffff:1.2.3.4"],
        pa.string(),
        "string",
    ),
    Case("Array(Int64)", ["[]", "[1, -2, 3]"], [[], [1, -2, 3]], pa.list_(pa.int64()), "object", nullable=False),
    Case(
        "Array(Nullable(String))",
        ["[]", "['a', NULL, '']", "[NULL]"],
        [[], ["a", None, ""], [None]],
        pa.list_(pa.string()),
        "object",
        nullable=False,
    ),
    Case(
        "Array(String)",
        ["['a']", "[unhex('ff')]"],
        [[b"a"], [b"\xff"]],
        pa.list_(pa.binary()),
        "object",
        nullable=False,
    ),
    Case(
        "Array(Array(UInt8))",
        ["[[], [1]]", "[]", "[[2, 3], [], []]"],
        [[[], [1]], [], [[2, 3], [], []]],
        pa.list_(pa.list_(pa.uint8())),
        "object",
        nullable=False,
    ),
    Case(
        "Array(DateTime)",
        ["[toDateTime(0), toDateTime(1)]"],
        [[datetime(1970, 1, 1, tzinfo=UTC), datetime(1970, 1, 1, 0, 0, 1, tzinfo=UTC)]],
        pa.list_(pa.timestamp("s", "UTC")),
        "object",
        nullable=False,
    ),
    Case("Array(Enum8('a' = 1))", ["['a', 'a']"], [["a", "a"]], pa.list_(pa.string()), "object", nullable=False),
    Case(
        "Array(LowCardinality(Nullable(String)))",
        ["['a', NULL]"],
        [["a", None]],
        pa.list_(pa.string()),
        "object",
        nullable=False,
    ),
    Case(
        "Array(Int256)",
        [f"['{2**255 - 1}', '-1']"],
        [[str(2**255 - 1), "-1"]],
        pa.list_(pa.string()),
        "object",
        nullable=False,
        objects=[[2**255 - 1, -1]],
    ),
    Case("Array(Float64)", ["[nan, inf, 0.5]"], [[NAN, INF, 0.5]], pa.list_(pa.float64()), "object", nullable=False),
    Case("Array(Nothing)", ["[]"], [[]], pa.list_(pa.null()), "object", nullable=False),
    Case(
        "Tuple(UInt8, Nullable(String))",
        ["(1, 'a')", "(2, NULL)"],
        [{"1": 1, "2": "a"}, {"1": 2, "2": None}],
        pa.struct([("1", pa.uint8()), ("2", pa.string())]),
        "object",
        nullable=False,
        objects=[(1, "a"), (2, None)],
    ),
    Case(
        "Tuple(a UInt8, `b c` Array(Tuple(x Int8)))",
        ["(1, [tuple(2)])", "(3, [])"],
        [{"a": 1, "b c": [{"x": 2}]}, {"a": 3, "b c": []}],
        pa.struct([("a", pa.uint8()), ("b c", pa.list_(pa.struct([("x", pa.int8())])))]),
        "object",
        nullable=False,
    ),
    Case(
        "Nullable(Tuple(a UInt8))",
        ["tuple(1)", "NULL"],
        [{"a": 1}, None],
        pa.struct([("a", pa.uint8())]),
        "object",
        nullable=False,
    ),
    Case("Tuple()", ["tuple()"], [{}], pa.struct([]), "object", nullable=False, objects=[()]),
    Case(
        "Map(String, UInt8)",
        ["map()", "map('a', 1, 'b', 2)"],
        [[], [("a", 1), ("b", 2)]],
        pa.map_(pa.string(), pa.uint8()),
        "object",
        nullable=False,
        objects=[{}, {"a": 1, "b": 2}],
    ),
    Case(
        "Map(String, UInt8)",
        ["map('a', 1, 'a', 2)", "map('a', 3)"],
        [[("a", 1), ("a", 2)], [("a", 3)]],
        pa.map_(pa.string(), pa.uint8()),
        "object",
        nullable=False,
        objects=[[("a", 1), ("a", 2)], {"a": 3}],
    ),
    Case(
        "Map(UInt64, Array(Nullable(DateTime)))",
        ["map(18446744073709551615, [toDateTime(0), NULL])"],
        [[(2**64 - 1, [datetime(1970, 1, 1, tzinfo=UTC), None])]],
        pa.map_(pa.uint64(), pa.list_(pa.timestamp("s", "UTC"))),
        "object",
        nullable=False,
        objects=[{2**64 - 1: [datetime(1970, 1, 1, tzinfo=UTC), None]}],
    ),
    Case(
        "Map(DateTime, String)",
        ["map(toDateTime(0), 'a')"],
        [[(datetime(1970, 1, 1, tzinfo=UTC), "a")]],
        pa.map_(pa.timestamp("s", "UTC"), pa.string()),
        "object",
        nullable=False,
        objects=[{datetime(1970, 1, 1, tzinfo=UTC): "a"}],
    ),
    Case(
        "Nested(a UInt8, b String)",
        ["[(1, 'x'), (2, 'y')]", "[]"],
        [[{"a": 1, "b": "x"}, {"a": 2, "b": "y"}], []],
        pa.list_(pa.struct([("a", pa.uint8()), ("b", pa.string())])),
        "object",
        nullable=False,
    ),
    Case("Point", ["(1.5, -2)", "(0, 1e300)"], [P1, P2], POINT, "object", nullable=False, objects=[T1, T2]),
    *(
        Case(
            name,
            ["[(1.5, -2), (0, 1e300)]", "[]"],
            [[P1, P2], []],
            pa.list_(POINT),
            "object",
            nullable=False,
            objects=[[T1, T2], []],
        )
        for name in ("Ring", "LineString", "MultiPoint")
    ),
    Case(
        "Polygon",
        ["[[(1.5, -2)], []]"],
        [[[P1], []]],
        pa.list_(pa.list_(POINT)),
        "object",
        nullable=False,
        objects=[[[T1], []]],
    ),
    Case(
        "MultiLineString",
        ["[[(1.5, -2)]]"],
        [[[P1]]],
        pa.list_(pa.list_(POINT)),
        "object",
        nullable=False,
        objects=[[[T1]]],
    ),
    Case(
        "MultiPolygon",
        ["[[[(1.5, -2)]]]"],
        [[[[P1]]]],
        pa.list_(pa.list_(pa.list_(POINT))),
        "object",
        nullable=False,
        objects=[[[[T1]]]],
    ),
    document("Geometry", ["CAST((1.5, -2) AS Point)::Geometry"], ["[1.5,-2]"], [[1.5, -2]]),
    document(
        "JSON",
        ["'{}'", """'{"a": {"b": 42}, "c": [1, "x/y", null]}'"""],
        ["{}", '{"a":{"b":42},"c":[1,"x/y",null]}'],
        [{}, {"a": {"b": 42}, "c": [1, "x/y", None]}],
    ),
    document(
        "JSON(max_dynamic_paths=8, `a.b` Decimal(30, 20), SKIP q)",
        ["""'{"a": {"b": "1.00000000000000000001"}, "q": 1}'"""],
        ['{"a":{"b":"1.00000000000000000001"}}'],
        [{"a": {"b": "1.00000000000000000001"}}],
    ),
    document("Nullable(JSON)", ["NULL", """'{"a": 1}'"""], [None, '{"a":1}'], [None, {"a": 1}]),
    document(
        "Dynamic",
        ["42::UInt64::Dynamic", "'42'::Dynamic", "[1, 2]::Array(UInt8)::Dynamic", "NULL::Dynamic", "nan::Dynamic"],
        ["42", '"42"', "[1,2]", None, '"nan"'],
        [42, "42", [1, 2], None, "nan"],
    ),
    document(
        "Dynamic(max_types=3)",
        ["toDateTime(0, 'Europe/Paris')::Dynamic"],
        ['"1970-01-01T00:00:00Z"'],
        ["1970-01-01T00:00:00Z"],
    ),
    document(
        "Variant(Bool, Int128, String)",
        [f"'{2**100}'::Int128", "true", "'a\"/'", "NULL"],
        [str(2**100), "true", '"a\\"/"', None],
        [2**100, True, 'a"/', None],
    ),
    Case(
        "Array(Dynamic)",
        ["[1::UInt8::Dynamic, 'a'::Dynamic, NULL::Dynamic]"],
        [["1", '"a"', None]],
        pa.list_(pa.string()),
        "object",
        nullable=False,
        objects=[[1, "a", None]],
    ),
    Case(
        "SimpleAggregateFunction(sum, UInt64)",
        ["18446744073709551615"],
        [2**64 - 1],
        pa.uint64(),
        "UInt64",
        nullable=False,
    ),
    Case(
        "AggregateFunction(sum, UInt64)",
        ["initializeAggregation('sumState', 255::UInt64)"],
        [b"\xff\0\0\0\0\0\0\0"],
        pa.binary(),
        "object",
        nullable=False,
    ),
    Case("QBit(Float32, 3)", ["[1, 2.5, -3]"], [[1.0, 2.5, -3.0]], pa.list_(pa.float32()), "object", nullable=False),
    Case(
        "Nullable(Nothing)", ["NULL", "NULL"], [None, None], pa.null(), "object", nullable=False, arrow_dtype="object"
    ),
]


def select(case: Case, *, null: bool) -> str:
    kind = f"Nullable({case.type})" if null else case.type
    cells = [f"CAST({value} AS {kind})" for value in case.sql]
    if null:
        cells = [f"CAST(NULL AS {kind})", *cells, f"CAST(NULL AS {kind})"]
    return f"SELECT arrayJoin([{', '.join(cells)}]) AS c"


def expected(case: Case, *, null: bool) -> list[Any]:
    return [None, *case.python, None] if null else case.python


def cell(value: Any) -> Any:
    """Return a pandas cell as a Python value that can be compared; None for every missing value."""
    if value is None or value is pd.NA or value is pd.NaT:
        return None
    return value.item() if hasattr(value, "item") else value


NULLS = [
    pytest.param(case, null, id=f"{case}-{'null' if null else 'plain'}"[:60])
    for case in CASES
    for null in (False, True)
    if case.nullable or not null
]


@pytest.mark.parametrize(("case", "null"), NULLS)
def test_each_type_has_its_values_by_each_format(case: Case, null: bool) -> None:
    """The engine's JSON, and where they carry it its Native and its Arrow, become the same table."""
    sql, wanted = select(case, null=null), expected(case, null=null)
    names, types, table = by_json(sql)
    assert shown(values(table)) == shown(wanted)
    assert table.schema.field(0).type == case.arrow
    table.validate(full=True)
    if frames.native_is_readable(types):
        assert same(by_native(sql, types), table)
    if frames.arrow_is_faithful(types):
        raw = by_arrow(sql)
        assert same(frames.from_arrow(raw, types), table)
        stored = frames.from_arrow(raw, types, stored=True)
    else:
        stored = frames.from_arrow(table, types, stored=True)
    assert stored.schema.equals(frames.schema(names, types, stored=True), check_metadata=True)
    assert same(frames.from_arrow(stored, types), table)
    assert same(frames.from_arrow(table, types), table)
    assert same(frames.from_rows(names, types, json.loads(b"[%s]" % frames.to_json(stored, types))), table)


@pytest.mark.parametrize(("case", "null"), NULLS)
def test_each_type_goes_through_json_rows_and_back(case: Case, null: bool) -> None:
    """``from_rows`` of ``to_rows`` is the same table, also for a slice or a batch."""
    names, types, table = by_json(select(case, null=null))
    rows = json.loads(json.dumps(frames.to_rows(table, types), allow_nan=False))
    assert same(frames.from_rows(names, types, rows), table)
    assert json.loads(b"[%s]" % frames.to_json(table, types)) == rows
    assert frames.to_rows(table.slice(1), types) == frames.to_rows(table, types)[1:]
    (batch,) = table.slice(1).combine_chunks().to_batches() or [None]
    assert batch is None or frames.to_rows(batch, types) == rows[1:]


@pytest.mark.usefixtures("each_json_path")
@pytest.mark.parametrize(("case", "null"), NULLS)
def test_each_type_arrives_in_a_result(case: Case, null: bool) -> None:
    """The engine's own JSON lines, and a result body in chunks of any size, become the same table."""
    names, types, table = by_json(select(case, null=null))
    assert same(frames.from_lines(*lines(select(case, null=null))), table)
    for size in (11, 1 << 20):
        chunks = cut(body(names, types, frames.to_json(table, types)), size)
        (statement,) = result_body.read_json(chunks).results or ()
        assert same(statement.result_rows, table)


@pytest.mark.parametrize(("case", "null"), NULLS)
def test_each_type_has_its_pandas_dtype(case: Case, null: bool) -> None:
    """The DataFrame has the documented dtype and the expected values."""
    _, types, table = by_json(select(case, null=null))
    frame = frames.to_pandas(table, types)
    wanted = [None, *(case.objects or case.python), None] if null else (case.objects or case.python)
    assert str(frame.dtypes.iloc[0]) == case.dtype
    found = [cell(value) for value in frame["c"].array]
    if case.dtype == "datetime64[us]":
        found = [None if value is None else value.date() for value in found]
    assert len(found) == len(wanted)
    assert shown(found) == shown(wanted)


@pytest.mark.parametrize(("case", "null"), NULLS)
def test_each_type_has_an_arrow_backed_pandas_column(case: Case, null: bool) -> None:
    """With dtype_backend="pyarrow" the column has its Arrow type, or what docs/types.md says, and the same values."""
    _, types, table = by_json(select(case, null=null))
    frame = frames.to_pandas(table, types, dtype_backend="pyarrow")
    assert str(frame.dtypes.iloc[0]) == (case.arrow_dtype or str(pd.ArrowDtype(case.arrow)))
    if frame["c"].dtype == object:
        wanted = case.objects or case.python
        assert frame["c"].tolist() == ([None, *wanted, None] if null else wanted)
        return
    column = pa.chunked_array(pa.array(frame["c"]))
    found = column if pa.types.is_dictionary(case.arrow) else column.cast(case.arrow)
    assert shown(found.to_pylist()) == shown(expected(case, null=null))


@pytest.mark.filterwarnings("ignore:polars")
@pytest.mark.parametrize(("case", "null"), NULLS)
def test_each_type_reaches_polars(case: Case, null: bool) -> None:
    """polars accepts every type, with the same number of rows and the same values missing."""
    _, types, table = by_json(select(case, null=null))
    frame = frames.to_polars(table, types)
    assert frame.height == table.num_rows
    assert frame["c"].is_null().to_list() == [value is None for value in expected(case, null=null)]
