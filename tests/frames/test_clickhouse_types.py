"""The ClickHouse type that an Arrow field becomes, against the engine itself."""

from __future__ import annotations

import json
from decimal import Decimal
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from roe_magic import frames
from roe_magic.errors import UsageError
from roe_magic.frames.clickhouse_types import clickhouse_columns, clickhouse_type
from tests.support.rows_engine import query

# Each array with the type that it becomes, and the text of its values in a table of that type.
FIXED: list[tuple[pa.Array, str, list[str | None]]] = [
    (pa.array([True, False]), "Bool", ["true", "false"]),
    (pa.array([-(2**63), 2**63 - 1]), "Int64", ["-9223372036854775808", "9223372036854775807"]),
    (pa.array([0, 2**64 - 1], pa.uint64()), "UInt64", ["0", "18446744073709551615"]),
    (pa.array([-128, 127], pa.int8()), "Int8", ["-128", "127"]),
    (pa.array(np.array([1.5, -0.0], "f2")), "Float32", ["1.5", "-0"]),
    (pa.array([0.1, float("nan"), float("inf")]), "Float64", ["0.1", "nan", "inf"]),
    (pa.array([Decimal("1.10"), Decimal("-99.99")], pa.decimal128(10, 2)), "Decimal(10, 2)", ["1.1", "-99.99"]),
    (pa.array([Decimal(10) ** 75], pa.decimal256(76, 0)), "Decimal(76, 0)", [str(10**75)]),
    (pa.array(["a", "", "\\N"]), "String", ["a", "", "\\N"]),
    (pa.array(["a"], pa.large_string()), "String", ["a"]),
    (pa.array([b"a"], pa.binary()), "String", ["a"]),
    (pa.array([b"\0a"], pa.binary(2)), "FixedString(2)", ["\0a"]),
    (pa.array(["a", "b"]).dictionary_encode(), "LowCardinality(String)", ["a", "b"]),
    (pa.array([5, 6]).dictionary_encode(), "Int64", ["5", "6"]),
    (pa.array([-719_528, 2_932_896], pa.date32()), "Date32", ["0000-01-01", "9999-12-31"]),
    (pa.array([-1], pa.timestamp("s")), "DateTime64(0, 'UTC')", ["1969-12-31 23:59:59"]),
    (pa.array([1], pa.timestamp("ns", "Asia/Tokyo")), "DateTime64(9, 'Asia/Tokyo')", ["1970-01-01 09:00:00.000000001"]),
    (pa.array([0], pa.timestamp("ms", "+02:00")), "DateTime64(3, 'Fixed/UTC+02:00:00')", ["1970-01-01 02:00:00.000"]),
    (pa.array([3723], pa.time32("s")), "Time64(0)", ["01:02:03"]),
    (pa.array([1], pa.time64("us")), "Time64(6)", ["00:00:00.000001"]),
    (pa.array([-5], pa.duration("ns")), "IntervalNanosecond", ["-5"]),
    (pa.nulls(1), "Nullable(String)", [None]),
    (pa.array([[1, None], []]), "Array(Nullable(Int64))", ["[1,NULL]", "[]"]),
    (pa.array([[("a", 1)]], pa.map_(pa.string(), pa.int8())), "Map(String, Nullable(Int8))", ["{'a':1}"]),
    (pa.array([{"a b": 1, "c": ["x"]}]), "Tuple(`a b` Nullable(Int64), c Array(Nullable(String)))", ["(1,['x'])"]),
    (pa.array([[["a"]]], pa.list_(pa.list_(pa.string()), 1)), "Array(Array(Nullable(String)))", ["[['a']]"]),
]
# Types of a field's metadata that count.
DECLARED: list[tuple[pa.Array, str, list[str | None]]] = [
    (pa.array([0], pa.date32()), "Date", ["1970-01-01"]),
    (pa.array([2**32 - 1], pa.uint32()), "DateTime('UTC')", ["2106-02-07 06:28:15"]),
    (pa.array([(-5).to_bytes(16, "little", signed=True)], pa.binary(16)), "Int128", ["-5"]),
    (pa.array([b"\xff" * 32], pa.binary(32)), "UInt256", [str(2**256 - 1)]),
    (pa.array([Decimal(10) ** 38], pa.decimal256(39, 0)), "Int128", [str(10**38)]),
    (pa.array([3], pa.int64()), "IntervalMonth", ["3"]),
    (pa.array(["1.2.3.4"]), "IPv4", ["1.2.3.4"]),
    (pa.array(["::1"]), "IPv6", ["::1"]),
    (pa.array(["00010203-0405-0607-0809-0a0b0c0d0e0f"]), "UUID", ["00010203-0405-0607-0809-0a0b0c0d0e0f"]),
    (pa.array(['{"a":{"b":1}}']), "JSON", ['{"a":{"b":1}}']),
    (pa.array(["b", "a"]), "Enum8('b' = 1, 'a' = -2)", ["b", "a"]),
    (pa.array(["b", "a"]).dictionary_encode(), "Enum16('b' = 1, 'a' = 300)", ["b", "a"]),
    (pa.array(["a"]), "LowCardinality(Nullable(String))", ["a"]),
    (pa.array([[{"1": 1, "2": "x"}]]), "Array(Tuple(Int64, String))", ["[(1,'x')]"]),
    (pa.array([[("a", 1)]], pa.map_(pa.string(), pa.int64())), "Map(String, Int64)", ["{'a':1}"]),
    (pa.array([{"a": 1}]), "Nullable(Tuple(a Int64))", ["(1)"]),
]


def typed(data_type: pa.DataType, type_name: str) -> pa.Field:
    return pa.field("c", data_type, metadata={frames.TYPE_KEY: type_name.encode()})


def read(array: pa.Array, field: pa.Field, folder: Path) -> list[str | None]:
    """Return the text of the values that the engine reads from an Arrow stream, with the field's type declared."""
    schema = pa.schema([field])
    with pa.ipc.new_stream(folder / "c.arrow", schema) as writer:
        writer.write_batch(pa.record_batch([array], schema=schema))
    structure = f"c {clickhouse_type(field, nullable=False)}".replace("\\", "\\\\").replace("'", "\\'")
    sql = f"SELECT toString(c) FROM file('{folder / 'c.arrow'}', ArrowStream, '{structure}')"
    return [json.loads(line)[0] for line in query(sql, "JSONCompactEachRow").splitlines()]


@pytest.mark.parametrize(("array", "type_name", "values"), FIXED, ids=lambda each: str(each)[:40])
def test_each_arrow_type_has_the_type_that_holds_its_values(
    array: pa.Array, type_name: str, values: list[str | None], tmp_path: Path
) -> None:
    """The engine reads from Arrow, as that type, the values that are there."""
    field = pa.field("c", array.type)
    assert clickhouse_type(field, nullable=False) == type_name
    assert read(array, field, tmp_path) == values


def test_uuids_are_known_by_their_extension(tmp_path: Path) -> None:
    """Arrow's own, whether or not this pyarrow knows it."""
    field = pa.field(
        "c", pa.binary(16), metadata={"ARROW:extension:name": "arrow.uuid", "ARROW:extension:metadata": ""}
    )
    assert clickhouse_type(field, nullable=False) == "UUID"
    array = pa.array([bytes(range(16))], pa.binary(16))
    assert read(array, field, tmp_path) == ["00010203-0405-0607-0809-0a0b0c0d0e0f"]


@pytest.mark.parametrize(("array", "type_name", "values"), DECLARED, ids=lambda each: str(each)[:40])
def test_a_type_in_the_metadata_counts_where_the_engine_reads_it_exactly(
    array: pa.Array, type_name: str, values: list[str | None], tmp_path: Path
) -> None:
    """Such as IPv4 for text, or Int128 for its 16 bytes."""
    field = typed(array.type, type_name)
    assert clickhouse_type(field, nullable=False) == type_name
    assert read(array, field, tmp_path) == values


@pytest.mark.parametrize(
    ("data_type", "declared", "type_name"),
    [
        (pa.int64(), "Int32", "Int64"),
        (pa.uint64(), "Int64", "UInt64"),
        (pa.timestamp("s"), "DateTime", "DateTime64(0, 'UTC')"),
        (pa.timestamp("ms"), "DateTime64(2)", "DateTime64(3, 'UTC')"),
        (pa.decimal128(38, 2), "Decimal(4, 2)", "Decimal(38, 2)"),
        (pa.string(), "Int256", "String"),
        (pa.string(), "Decimal(4, 2)", "String"),
        (pa.string(), "Date", "String"),
        (pa.string(), "Enum8('a' = 1, 'a' = 2)", "String"),
        (pa.binary(16), "UUID", "FixedString(16)"),
        (pa.binary(2), "FixedString(1)", "FixedString(2)"),
        (pa.float32(), "BFloat16", "Float32"),
        (pa.duration("s"), "IntervalDay", "IntervalSecond"),
        (pa.int64(), "LowCardinality(Int64)", "Int64"),
        (pa.list_(pa.float32()), "QBit(Float32, 3)", "Array(Nullable(Float32))"),
        (pa.struct([("a", pa.int64())]), "Tuple(b Int64)", "Tuple(a Nullable(Int64))"),
        (pa.list_(pa.list_(pa.int64())), "Array(Nullable(Array(Int64)))", "Array(Array(Nullable(Int64)))"),
        (pa.string(), "Dynamic", "String"),
        (pa.int64(), "SimpleAggregateFunction(sum, Int64)", "Int64"),
        (pa.int64(), "Int64) ENGINE = Memory --", "Int64"),
        (pa.int64(), "Nullable(Nullable(Int64))", "Int64"),
    ],
)
def test_another_type_in_the_metadata_does_not_count(data_type: pa.DataType, declared: str, type_name: str) -> None:
    """The engine would change values without a word, refuse the type, or read it as SQL."""
    assert clickhouse_type(typed(data_type, declared), nullable=False) == type_name


def test_metadata_that_is_not_text_does_not_count() -> None:
    """Bytes that are not UTF-8 are no type."""
    assert clickhouse_type(pa.field("c", pa.int64(), metadata={frames.TYPE_KEY: b"\xff"}), nullable=False) == "Int64"


@pytest.mark.parametrize(
    ("data_type", "declared", "type_name"),
    [
        (pa.int64(), None, "Nullable(Int64)"),
        (pa.int64(), "Nullable(Int64)", "Nullable(Int64)"),
        (pa.dictionary(pa.int8(), pa.string()), None, "LowCardinality(Nullable(String))"),
        (pa.string(), "LowCardinality(Nullable(String))", "LowCardinality(Nullable(String))"),
        (pa.struct([("a", pa.int64())]), None, "Nullable(Tuple(a Nullable(Int64)))"),
        (pa.null(), None, "Nullable(String)"),
    ],
)
def test_a_column_with_null_is_nullable(data_type: pa.DataType, declared: str | None, type_name: str) -> None:
    """Inside LowCardinality too, and once only."""
    field = pa.field("c", data_type) if declared is None else typed(data_type, declared)
    assert clickhouse_type(field, nullable=True) == type_name


def test_what_is_never_null_inside_a_list_is_not_nullable() -> None:
    """As the Arrow field of the elements says."""
    field = pa.field("c", pa.list_(pa.field("item", pa.int64(), nullable=False)))
    assert clickhouse_type(field, nullable=False) == "Array(Int64)"


@pytest.mark.parametrize(
    ("field", "nullable", "reason"),
    [
        (pa.field("c", pa.list_(pa.int64())), True, "NULL lists.*\n.*empty lists"),
        (pa.field("c", pa.map_(pa.string(), pa.int64())), True, "NULL maps"),
        (pa.field("c", pa.date64()), False, "date64"),
        (pa.field("c", pa.month_day_nano_interval()), False, "month_day_nano"),
        (pa.field("c", pa.run_end_encoded(pa.int32(), pa.int64())), False, "run_end_encoded"),
        (pa.field("c", pa.list_view(pa.int64())), False, "list_view"),
        (pa.field("c", pa.list_(pa.list_view(pa.int64()))), False, "list_view"),
        (pa.field("c", pa.decimal128(5, -2)), False, "decimal128"),
        (pa.field("c", pa.binary(257)), False, "fixed_size_binary.257"),
        (pa.field("c", pa.sparse_union([pa.field("a", pa.int64())])), False, "union"),
        (pa.field("c", pa.struct([("a", pa.int64()), ("a", pa.int64())])), False, "the same name"),
        (pa.field("c", pa.int64(), metadata={b"ARROW:extension:name": b"pandas.period"}), False, "pandas.period"),
        (typed(pa.binary(), "AggregateFunction(sum, Int64)"), False, "finalizeAggregation"),
        (typed(pa.list_(pa.binary()), "Array(AggregateFunction(sum, Int64))"), False, "finalizeAggregation"),
    ],
)
def test_a_column_without_a_type_is_refused_by_name(field: pa.Field, nullable: bool, reason: str) -> None:
    """The message says what the column holds, and what to do."""
    with pytest.raises(UsageError, match=f"(?s)Column 'c' .*{reason}") as caught:
        clickhouse_type(field, nullable=nullable)
    assert caught.value.hint


@pytest.mark.parametrize(
    ("names", "reason"),
    [
        (["a", ""], "no name"),
        (["a", "b", "a"], "2 columns are named 'a'"),
        (["a\0"], "'a.x00' is not text"),
        (["n.a", "n.b"], "2 columns of lists have names that begin with 'n.'"),
    ],
)
def test_names_that_no_table_can_have_are_refused(names: list[str], reason: str) -> None:
    """Before anything is created."""
    schema = pa.schema([pa.field(name, pa.list_(pa.int64())) for name in names])
    with pytest.raises(UsageError, match=reason):
        clickhouse_columns(schema, [False] * len(names))


def test_the_columns_of_a_table_have_names_and_types() -> None:
    """In the order of the fields; a dot alone is no harm."""
    schema = pa.schema([("n.a", pa.int64()), ("n.b", pa.string()), ("n.c", pa.list_(pa.int8()))])
    columns = [("n.a", "Int64"), ("n.b", "Nullable(String)"), ("n.c", "Array(Nullable(Int8))")]
    assert clickhouse_columns(schema, [False, True, False]) == columns
