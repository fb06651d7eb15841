"""Arrow and Parquet files become tables on the real engine: every value as it was, or a refusal by name."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from roe_magic.contract import models
from roe_magic.errors import UsageError
from roe_magic.service.queries.interfaces import UploadOutcome
from tests.support.engines import LiveEngine, upload_of

pytestmark = pytest.mark.integration

FORMATS = [models.ARROW_STREAM, models.ARROW_FILE, models.PARQUET]


def write(table: pa.Table, path: Path, content_type: str) -> None:
    """Write a table as a file of a media type."""
    if content_type == models.PARQUET:
        pq.write_table(table, path)
    else:
        make = pa.ipc.new_stream if content_type == models.ARROW_STREAM else pa.ipc.new_file
        with make(str(path), table.schema) as writer:
            writer.write_table(table)


@pytest.fixture
def files(live: LiveEngine) -> Iterator[Path]:
    """The folder of uploaded files; it has no leftovers at the end, and neither have the tables."""
    folder = live.folder / "uploads"
    folder.mkdir(exist_ok=True)
    yield folder
    assert live.rows("SELECT name FROM system.tables WHERE name LIKE '.import%'") == []


def create(
    live: LiveEngine, files: Path, table: pa.Table, content_type: str = models.ARROW_STREAM, **options: Any
) -> UploadOutcome:
    """Create the table `t` of an Arrow table, in place of the one before."""
    path = files / "t"
    write(table, path, content_type)
    upload = upload_of(path, **{"content_type": content_type, "replace": True, **options})
    outcome: UploadOutcome = live.call(live.engine.create_table("own", "t", upload))
    return outcome


def types(outcome: UploadOutcome) -> list[str]:
    return [column.type for column in outcome.columns]


D = Decimal
MOMENTS = [dt.datetime(1969, 12, 31, 23, 59, 59), dt.datetime(2024, 1, 1)]  # noqa: DTZ001  # without a zone
VALUES: list[tuple[pa.Array, str, list[str]]] = [
    (pa.array([True, False]), "Bool", ["true", "false"]),
    (pa.array([-128, 127], pa.int8()), "Int8", ["-128", "127"]),
    (pa.array([0, 2**64 - 1], pa.uint64()), "UInt64", ["0", str(2**64 - 1)]),
    (pa.array([-(2**63), 2**63 - 1]), "Int64", [str(-(2**63)), str(2**63 - 1)]),
    (pa.array([1.5, float("nan"), -0.0]), "Float64", ["1.5", "nan", "-0"]),
    (pa.array([0.5, float("inf")], pa.float32()), "Float32", ["0.5", "inf"]),
    (pa.array(["02134", "", "\\N", "ü\n"]), "String", ["02134", "", "\\N", "ü\n"]),
    (pa.array(["true", "1.10"], pa.large_string()), "String", ["true", "1.10"]),
    (pa.array([b"\xff\0", b""]), "String", ["\xff\0", ""]),
    (pa.array([dt.date(1, 1, 1), dt.date(9999, 12, 31)]), "Date32", ["0001-01-01", "9999-12-31"]),
    (pa.array(MOMENTS, pa.timestamp("us")), "DateTime64(6, 'UTC')", [f"{moment}.000000" for moment in MOMENTS]),
    (pa.array(MOMENTS, pa.timestamp("ms", "Europe/Paris")), "DateTime64(3, 'Europe/Paris')",
     ["1970-01-01 00:59:59.000", "2024-01-01 01:00:00.000"]),
    (pa.array([-1, 5], pa.duration("ms")), "IntervalMillisecond", ["-1", "5"]),
    (pa.array([0, 86_399_999_999], pa.time64("us")), "Time64(6)", ["00:00:00.000000", "23:59:59.999999"]),
    (pa.array([D("1.23"), D("-9.99")], pa.decimal128(3, 2)), "Decimal(3, 2)", ["1.23", "-9.99"]),
    (pa.array([D("1" * 50)], pa.decimal256(50, 0)), "Decimal(50, 0)", ["1" * 50]),
    (pa.array(["a", "b", "a"]).dictionary_encode(), "LowCardinality(String)", ["a", "b", "a"]),
    (pa.array([[1, None], []]), "Array(Nullable(Int64))", ["[1,NULL]", "[]"]),
    (pa.array([[("a", 1)], []], pa.map_(pa.string(), pa.int64())), "Map(String, Nullable(Int64))", ["{'a':1}", "{}"]),
    (pa.array([{"x": 1, "y": "a"}]), "Tuple(x Nullable(Int64), y Nullable(String))", ["(1,'a')"]),
]  # fmt: skip  # a table


@pytest.mark.parametrize("content_type", FORMATS)
def test_every_value_arrives_as_it_was(live: LiveEngine, files: Path, content_type: str) -> None:
    """Each column has the ClickHouse type of its Arrow type, and is Nullable only if it holds NULL."""
    for array, type_name, texts in VALUES:
        outcome = create(live, files, pa.table({"c": array}), content_type)
        assert types(outcome) == [type_name], array.type
        assert outcome.summary.written_rows == len(array)
        expected = [(text.encode("latin-1" if pa.types.is_binary(array.type) else "utf-8"),) for text in texts]
        assert live.rows("SELECT toString(c) FROM t") == expected, array.type


@pytest.mark.parametrize("content_type", FORMATS)
def test_a_file_without_rows_becomes_a_table(live: LiveEngine, files: Path, content_type: str) -> None:
    """Its columns are Nullable, since rows may follow; but lists, maps and tuples are not."""
    for array, type_name, _ in VALUES:
        outcome = create(live, files, pa.table({"c": array.slice(0, 0)}), content_type)
        if pa.types.is_nested(array.type):
            assert types(outcome) == [type_name]
        else:
            assert types(outcome)[0].removeprefix("LowCardinality(").startswith("Nullable("), type_name


@pytest.mark.parametrize("content_type", FORMATS)
def test_null_is_null_in_every_column_that_holds_it(live: LiveEngine, files: Path, content_type: str) -> None:
    """A NULL of a scalar stays apart from zero and from empty text."""
    for array, type_name, _ in VALUES:
        if not pa.types.is_nested(array.type):
            plain = array.dictionary_decode() if pa.types.is_dictionary(array.type) else array
            with_null = pa.concat_arrays([plain, pa.nulls(1, plain.type)])
            with_null = with_null.dictionary_encode() if plain is not array else with_null
            outcome = create(live, files, pa.table({"c": with_null}), content_type)
            inner = type_name.removeprefix("LowCardinality(").rstrip(")")
            found = types(outcome)[0]
            assert found == f"Nullable({type_name})" or found == f"LowCardinality(Nullable({inner}))"
            assert live.rows("SELECT countIf(c IS NULL), count() FROM t") == [(1, len(array) + 1)], array.type


@pytest.mark.parametrize("content_type", FORMATS)
def test_a_table_without_rows_has_columns_that_may_hold_null(live: LiveEngine, files: Path, content_type: str) -> None:
    """No value says that there will be no NULL."""
    outcome = create(
        live, files, pa.table({"a": pa.array([], pa.int32()), "b": pa.array([], pa.string())}), content_type
    )
    assert types(outcome) == ["Nullable(Int32)", "Nullable(String)"]
    assert live.rows("SELECT count() FROM t") == [(0,)]


def test_rows_keep_their_order(live: LiveEngine, files: Path) -> None:
    """The rows of many batches are stored one after the other."""
    outcome = create(live, files, pa.table({"n": range(500_000)}))
    assert outcome.summary.written_rows == 500_000
    sql = "SELECT count() FROM (SELECT n, rowNumberInAllBlocks() AS r FROM t) WHERE n != r SETTINGS max_threads = 1"
    assert live.rows(sql) == [(0,)]


@pytest.mark.parametrize("name", ["a.b", "a b", "a`b", 'a"b', "a'b", "a\\b", "a\nb", "ü", "_path", "sum(1)", "1"])
@pytest.mark.parametrize("content_type", FORMATS)
def test_a_column_may_have_any_name(live: LiveEngine, files: Path, name: str, content_type: str) -> None:
    """Names are quoted wherever they stand."""
    outcome = create(live, files, pa.table({name: [1, 2], "other": ["x", "y"]}), content_type)
    assert [column.name for column in outcome.columns] == [name, "other"]
    assert live.rows("SELECT * FROM t ORDER BY other") == [(1, b"x"), (2, b"y")]


def test_the_type_in_the_metadata_counts_where_it_keeps_every_value(live: LiveEngine, files: Path) -> None:
    """UUIDs and dates come back as what they were; a type that the values do not fit is not believed."""
    uuid = "61f0c404-5cb3-11e7-907b-a6006ad3dba0"
    fields = [
        pa.field("u", pa.string(), metadata={b"clickhouse.type": b"UUID"}),
        pa.field("n", pa.int64(), metadata={b"clickhouse.type": b"Int8"}),
        pa.field("o", pa.int64(), metadata={b"clickhouse.type": b"Nullable(Int64)"}),
        pa.field("x", pa.int64(), metadata={b"clickhouse.type": b"Int8) ENGINE = File(CSV, '/etc/passwd') --"}),
    ]
    outcome = create(live, files, pa.table([[uuid], [300], [1], [2]], schema=pa.schema(fields)))
    assert types(outcome) == ["UUID", "Int64", "Nullable(Int64)", "Int64"]
    assert live.rows("SELECT toString(u), n FROM t") == [(uuid.encode(), 300)]


def test_times_without_a_zone_are_named(live: LiveEngine, files: Path) -> None:
    """They are stored in UTC, and a notice says so."""
    outcome = create(
        live, files, pa.table({"at": pa.array(MOMENTS), "zoned": pa.array(MOMENTS, pa.timestamp("s", "UTC"))})
    )
    assert outcome.notices == ["Times without a time zone are taken as UTC: at."]


def test_a_column_without_values_is_text(live: LiveEngine, files: Path) -> None:
    """Arrow's null type has no counterpart in a table."""
    outcome = create(live, files, pa.table({"n": pa.nulls(2), "a": [1, 2]}))
    assert types(outcome) == ["Nullable(String)", "Int64"]
    assert outcome.notices == ["Columns without any value are Nullable(String): n."]
    declared = create(live, files, pa.table({"n": pa.nulls(2)}), types={"n": "Int8"})
    assert (types(declared), declared.notices) == (["Nullable(Int8)"], [])


@pytest.mark.parametrize("content_type", FORMATS)
@pytest.mark.parametrize(
    ("column", "says"),
    [
        (pa.array([[1], None]), "NULL lists"),
        (pa.array([[[1], None]]), "NULL lists"),
        (pa.array([{"x": None}, {"x": [1]}]), "NULL lists"),
        (pa.array([[{"x": 1}, None]]), "NULL structs"),
        (pa.array([[("a", 1)], None], pa.map_(pa.string(), pa.int64())), "NULL maps"),
    ],
)
def test_null_that_clickhouse_does_not_have_is_refused_by_name(
    live: LiveEngine, files: Path, column: pa.Array, says: str, content_type: str
) -> None:
    """The engine would read it as an empty list without a word."""
    with pytest.raises(UsageError, match=f"'bad'.*{says}"):
        create(live, files, pa.table({"good": range(len(column)), "bad": column}), content_type)


@pytest.mark.parametrize("content_type", FORMATS)
def test_a_null_struct_is_null_or_refused_by_name(live: LiveEngine, files: Path, content_type: str) -> None:
    """The engine reads it from Arrow, and not from Parquet."""
    table = pa.table({"s": pa.array([{"x": [1]}, None])})
    if content_type == models.PARQUET:
        with pytest.raises(UsageError, match=r"'s'.*NULL structs"):
            create(live, files, table, content_type)
    else:
        create(live, files, table, content_type)
        assert live.rows("SELECT countIf(s IS NULL), sum(length(s.x)) FROM t") == [(1, 1)]


def test_a_field_that_says_it_holds_no_null_and_does_is_refused(live: LiveEngine, files: Path) -> None:
    """NULL never becomes a zero, whatever the schema says."""
    inner = pa.list_(pa.field("item", pa.int64(), nullable=False))
    with pytest.raises(UsageError, match="null"):
        create(live, files, pa.table({"c": pa.array([[1, None]], inner)}))


def cut_at_a_batch(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-8])


def cut_in_the_middle(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def doubled(path: Path) -> None:
    path.write_bytes(path.read_bytes() * 2)


def emptied(path: Path) -> None:
    path.write_bytes(b"")


def other_format(path: Path) -> None:
    path.write_text("a,b\n1,2\n")


def with_damaged_head(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[12:40] = b"\xff" * 28
    path.write_bytes(content)


@pytest.mark.parametrize(
    ("content_type", "damage"),
    [
        *((each, damage) for each in FORMATS for damage in (cut_at_a_batch, cut_in_the_middle, emptied, other_format)),
        # The others have their schema at the end.
        *((models.ARROW_STREAM, damage) for damage in (doubled, with_damaged_head)),
    ],
)
def test_a_damaged_file_is_refused_and_the_old_table_stays(
    live: LiveEngine, files: Path, damage: Callable[[Path], None], content_type: str
) -> None:
    """The message names the format, and neither a path nor anything of the engine's inside; the process lives on."""
    create(live, files, pa.table({"old": [1]}))
    path, pid = files / "damaged", live.engine.pid
    write(pa.table({"a": range(1000), "b": ["x"] * 1000}), path, content_type)
    damage(path)
    with pytest.raises(UsageError) as caught:
        live.call(live.engine.create_table("own", "t", upload_of(path, content_type=content_type, replace=True)))
    assert ("Parquet" if content_type == models.PARQUET else "Arrow") in caught.value.message
    assert str(live.folder) not in caught.value.message
    assert "DB::" not in caught.value.message
    assert live.rows("SELECT old FROM t") == [(1,)]
    assert live.engine.pid == pid


# Declared types

DECLARED: list[tuple[pa.Array, str, str, list[object]]] = [
    (pa.array([1, None]), "Int8", "Nullable(Int8)", [1, None]),
    (pa.array([1, 2]), "Int8", "Int8", [1, 2]),
    (pa.array([1, 2]), "Nullable(Int64)", "Nullable(Int64)", [1, 2]),
    (pa.array([1, 2]), "String", "String", [b"1", b"2"]),
    (pa.array([1.0, 2.0]), "UInt16", "UInt16", [1, 2]),
    (pa.array([0.5, float("nan")]), "Float32", "Float32", [b"0.5", b"nan"]),
    (pa.array([True, False]), "UInt8", "UInt8", [1, 0]),
    (pa.array(["02134", "1"]), "Int64", "Int64", [2134, 1]),
    (pa.array(["1.50", None]), "Decimal(5, 2)", "Nullable(Decimal(5, 2))", [b"1.5", None]),
    (pa.array(["a", "b"]).dictionary_encode(), "String", "String", [b"a", b"b"]),
    (pa.array(["a", "b"]), "LowCardinality(String)", "LowCardinality(String)", [b"a", b"b"]),
    (pa.array(["a", "b"]), "Enum8('a' = 1, 'b' = 2)", "Enum8('a' = 1, 'b' = 2)", [b"a", b"b"]),
    (pa.array([dt.date(2024, 1, 1)]), "Date", "Date", [b"2024-01-01"]),
    (pa.array([MOMENTS[1]]), "DateTime", "DateTime", [b"2024-01-01 00:00:00"]),
    (pa.array([MOMENTS[1]]), "Date", "Date", [b"2024-01-01"]),
    (
        pa.array([MOMENTS[1], None]),
        "DateTime('Europe/Berlin')",
        "Nullable(DateTime('Europe/Berlin'))",
        [b"2024-01-01 00:00:00", None],
    ),
    (
        pa.array(MOMENTS, pa.timestamp("ns")),
        "DateTime64(3, 'Europe/Berlin')",
        "DateTime64(3, 'Europe/Berlin')",
        [b"1969-12-31 23:59:59.000", b"2024-01-01 00:00:00.000"],
    ),
    (
        pa.array([MOMENTS[1]], pa.timestamp("s", "UTC")),
        "DateTime('Europe/Berlin')",
        "DateTime('Europe/Berlin')",
        [b"2024-01-01 01:00:00"],
    ),
    (pa.array([D("1.50")]), "Float64", "Float64", [b"1.5"]),
    (pa.array(["02/01/2024", None]), "DateDMY", "Nullable(Date)", [b"2024-01-02", None]),
    (pa.array(["02.01.2024"]).dictionary_encode(), "DateMDY", "Date", [b"2024-02-01"]),
    (pa.array(["02/01/2024 9:30"]), "DateTimeDMY", "DateTime", [b"2024-01-02 09:30:00"]),
    (pa.nulls(1), "DateDMY", "Nullable(Date)", [None]),
]


@pytest.mark.parametrize(("column", "declared", "type_name", "values"), DECLARED)
def test_a_declared_type_is_taken_where_it_keeps_every_value(
    live: LiveEngine, files: Path, column: pa.Array, declared: str, type_name: str, values: list[object]
) -> None:
    """The column has that type, Nullable if it holds NULL; its reason says that it was declared."""
    outcome = create(live, files, pa.table({"c": column, "d": range(len(column))}), types={"c": declared})
    assert [(outcome.columns[0].type, outcome.columns[0].reason)] == [(type_name, "declared")]
    shown = "toString(c)" if isinstance(values[0], bytes) else "c"
    assert [value for (value,) in live.rows(f"SELECT {shown} FROM t ORDER BY d")] == values


@pytest.mark.parametrize(
    ("column", "declared", "says"),
    [
        (
            pa.array([1, 300]),
            "Int8",
            r"The column 'c' cannot be Int8: 1 of 2 values does not fit; the first is '300' \(row 2, counted from 1\).",
        ),
        (pa.array([2**53 + 1]), "Float64", "the first is '9007199254740993'"),
        (pa.array([0.5]), "Int64", "the first is '0.5'"),
        (pa.array([2]), "Bool", "the first is '2'"),
        (pa.array([-1]), "UInt64", "the first is '-1'"),
        (pa.array([D("1.239")]), "Decimal(5, 2)", "the first is '1.239'"),
        (pa.array(["1.239"]), "Decimal(5, 2)", "the first is '1.239'"),
        (pa.array(["x", ""]), "Int64", r"all 2 values do not fit; the first is 'x' \(row 1, counted"),
        (pa.array(["2024-02-30"]), "Date", "the first is '2024-02-30'"),
        (pa.array([dt.date(1900, 1, 1)]), "Date", "out of (the )?allowed Date range"),
        (pa.array([MOMENTS[0]]), "Date", "the first is '1969-12-31 23:59:59.000000'"),
        (
            pa.array([1711852200], pa.timestamp("s")),
            "DateTime('Europe/Berlin')",
            "the first is '2024-03-31 02:30:00",
        ),
        (pa.array([[["x"]]]), "DateDMY", "DateDMY says how text is read, and the column 'c' is Array"),
        (pa.array([1]), "DateMDY", "DateMDY says how text is read, and the column 'c' is Int64"),
        (pa.array(["02/01/2024"]), "Date", "cannot be Date without a choice.*Ask for DateDMY or DateMDY instead"),
        (pa.array(["13/13/2024"]), "DateDMY", "the first is '13/13/2024'"),
        (pa.array(["1e3"]), "Int64", "the first is '1e3'"),
        (pa.array([[1]]), "Array(Int8)", r"'c' is Array\(Nullable\(Int64\)\) in the file"),
        (pa.array([1]), "Array(Int8)", "'c' is Int64 in the file"),
    ],
)
@pytest.mark.parametrize("content_type", FORMATS)
def test_a_declared_type_that_does_not_keep_every_value_is_refused(
    live: LiveEngine, files: Path, column: pa.Array, declared: str, says: str, content_type: str
) -> None:
    """Nothing is rounded, cut off or wrapped; the message has the number of values, and one of them."""
    with pytest.raises(UsageError, match=says):
        create(live, files, pa.table({"c": column}), content_type, types={"c": declared})


@pytest.mark.parametrize("content_type", FORMATS)
def test_the_first_value_that_does_not_fit_is_named_by_its_row(
    live: LiveEngine, files: Path, content_type: str
) -> None:
    """Also where it comes after many batches of rows."""
    table = pa.table({"c": [*map(str, range(300_000)), "x", "y"]})
    with pytest.raises(UsageError, match=r"2 of 300,002 values do not fit; the first is 'x' \(row 300,001,"):
        create(live, files, table, content_type, types={"c": "Int64"})
