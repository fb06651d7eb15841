"""The functions of ``roe_magic.frames``: DataFrames for users, and the stored form for the service."""

from __future__ import annotations

import io
import subprocess
import sys
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from roe_magic import frames
from roe_magic.errors import MissingExtra, ProtocolError
from tests.support.rows_engine import by_arrow, by_json, query, same, values

COMMON = {
    "id": ("UInt64", [1, 2, None]),
    "ratio": ("Nullable(Float64)", ["nan", 0.5, None]),
    "name": ("Nullable(String)", ["a", "", None]),
    "at": ("Nullable(DateTime('Europe/Paris'))", ["2024-07-01 12:00:00+02:00", "2024-01-01 00:00:00Z", None]),
    "day": ("Nullable(Date)", ["2024-07-01", "1970-01-01", None]),
    "price": ("Nullable(Decimal(20, 4))", ["1.2500", "-3.0000", None]),
    "flag": ("Nullable(Bool)", [True, False, None]),
    "kind": ("Nullable(Enum8('x' = 1, 'y' = 2))", ["y", "x", None]),
    "city": ("LowCardinality(Nullable(String))", ["Oslo", "Bern", None]),
    "raw": ("Nullable(String)", ["\udcff", "b", None]),
    "span": ("Nullable(Time)", ["25:00:00", "-00:00:01", None]),
    "list": ("Array(Int64)", [[1, 2], [], [3]]),
}
NAMES, TYPES = list(COMMON), [kind for kind, _ in COMMON.values()]


@pytest.fixture
def table() -> pa.Table:
    rows = list(zip(*(cells for _, cells in COMMON.values()), strict=True))
    return frames.from_rows(NAMES, TYPES, rows)


def test_null_and_nan_are_told_apart_in_pandas(table: pa.Table) -> None:
    """A Float64 column has NaN where the value is NaN and <NA> where it is NULL."""
    ratio = frames.to_pandas(table, TYPES)["ratio"]
    assert ratio.isna().tolist() == [False, False, True]
    assert ratio.array[0] != ratio.array[0]  # NaN
    assert ratio.array[2] is pd.NA


def test_integers_with_null_stay_integers() -> None:
    """The largest and smallest 64-bit integers keep their last digit in a column with a NULL."""
    column = frames.from_rows(["id"], ["Nullable(Int64)"], [[2**63 - 1], [None], [-(2**63)]])
    frame = frames.to_pandas(column, ["Nullable(Int64)"])
    assert frame["id"].dtype == pd.Int64Dtype()
    assert frame["id"].tolist() == [2**63 - 1, pd.NA, -(2**63)]


def test_frames_can_be_changed(table: pa.Table) -> None:
    """A DataFrame does not share memory with the table: pandas may write to every column."""
    frame = frames.to_pandas(table, TYPES)
    for name, value in {"id": 9, "ratio": 9.5, "name": "z", "flag": False, "kind": "x", "day": pd.NaT}.items():
        frame.loc[1, name] = value
    assert frame.loc[1, "id"] == 9
    assert values(table, 0) == [1, 2, None]


def test_times_can_be_converted_to_one_time_zone(table: pa.Table) -> None:
    """With tz the column has that time zone and the same times, in both backends."""
    moments = frames.to_pandas(table, TYPES)["at"]
    for backend in ("numpy_nullable", "pyarrow"):
        moved = frames.to_pandas(table, TYPES, tz="Asia/Tokyo", dtype_backend=backend)["at"]  # type: ignore[arg-type]  # one of the two
        assert [str(moment) for moment in moved[:2]] == ["2024-07-01 19:00:00+09:00", "2024-01-01 09:00:00+09:00"]
        assert list(moved[:2]) == list(moments[:2])


def test_the_common_types_go_to_parquet_and_back(table: pa.Table) -> None:
    """to_parquet works without a conversion before it, and keeps values and attributes."""
    frame = frames.to_pandas(table, TYPES)
    frame.attrs["roe"] = {"id": "x", "row_count": 3}
    sink = io.BytesIO()
    frame.to_parquet(sink)
    back = pd.read_parquet(sink)
    assert back.attrs == frame.attrs
    assert list(back.columns) == NAMES
    for name in ("id", "name", "flag", "kind", "city", "raw", "price"):
        assert back[name].isna().tolist() == [False, False, True]
        assert back[name].tolist()[:2] == frame[name].tolist()[:2]
    assert back["at"].tolist()[:2] == frame["at"].tolist()[:2]


def test_the_arrow_table_goes_to_parquet_with_its_type_names(table: pa.Table) -> None:
    """The ClickHouse type in each field's metadata is written to the file and read from it."""
    sink = io.BytesIO()
    pq.write_table(table.drop_columns("span"), sink)
    back = pq.read_table(sink)
    assert back.schema.field("at").metadata[frames.TYPE_KEY] == b"Nullable(DateTime('Europe/Paris'))"


def test_categories_follow_the_enum_or_the_alphabet(table: pa.Table) -> None:
    """An Enum's categories, if asked for, are its labels in the type's order; a LowCardinality's are sorted."""
    frame = frames.to_pandas(table, TYPES, categories=True)
    assert frame["kind"].cat.categories.tolist() == ["x", "y"]
    assert frame["city"].cat.categories.tolist() == ["Bern", "Oslo"]
    assert frame["kind"].cat.ordered
    assert frame["city"].cat.ordered
    assert frame["city"].tolist()[:2] == ["Oslo", "Bern"]
    plain = frames.to_pandas(table, TYPES)
    assert [str(plain[name].dtype) for name in ("kind", "city")] == ["string", "string"]


def test_an_empty_result_keeps_names_and_dtypes(table: pa.Table) -> None:
    """A DataFrame without rows has the same dtypes as one with rows."""
    empty = frames.from_rows(NAMES, TYPES, [])
    assert empty.schema.equals(frames.schema(NAMES, TYPES))
    frame = frames.to_pandas(empty, TYPES)
    full = frames.to_pandas(table.drop_columns("raw"), TYPES[:9] + TYPES[10:])
    dtypes = frame.drop(columns="raw").dtypes
    assert {name: str(dtype) for name, dtype in dtypes.items()} == {
        name: str(dtype) for name, dtype in full.dtypes.items()
    }


def test_a_result_without_columns_is_an_empty_frame() -> None:
    """DDL and INSERT have no columns."""
    nothing = frames.from_rows([], [], [])
    assert frames.to_pandas(nothing, []).shape == (0, 0)
    assert frames.to_polars(nothing, []).shape == (0, 0)
    assert frames.to_rows(nothing, []) == []
    assert frames.to_json(nothing, []) == b""


@pytest.mark.parametrize("names", [["a"], ["a", "b", "c"]])
def test_names_and_types_must_be_as_many(names: list[str]) -> None:
    """Fewer or more names than types are a ProtocolError."""
    with pytest.raises(ProtocolError, match="column types"):
        frames.from_rows(names, ["UInt8", "UInt8"], [])


@pytest.mark.parametrize("rows", [[[1]], [[1, 2, 3]], [1], [{"a": 1}], ["ab"]])
def test_rows_must_have_a_cell_for_each_column(rows: list[Any]) -> None:
    """A row of another length, or one that is not a list, is a ProtocolError."""
    with pytest.raises(ProtocolError, match="2 cells"):
        frames.from_rows(["a", "b"], ["UInt8", "UInt8"], rows)


def test_canonical_columns_share_their_memory() -> None:
    """Columns that need no conversion are not copied: the engine's numbers, and bytes that are valid text."""
    sql = "SELECT number AS n, toString(number) AS s FROM numbers(10000)"
    raw = by_arrow(sql)
    table = frames.from_arrow(raw, ["UInt64", "String"])
    for at, buffer in ((0, 1), (1, 2)):
        one, other = (each.column(at).chunk(0).buffers()[buffer].address for each in (raw, table))
        assert one == other
    assert frames.from_arrow(table, ["UInt64", "String"]).column(1).chunk(0).buffers()[2].address == other


@pytest.mark.parametrize("of", [pa.large_list, lambda inner: pa.list_(inner, 2)], ids=["large", "fixed size"])
@pytest.mark.parametrize("first", [0, 1])
def test_lists_of_every_layout_become_lists(of: Any, first: int) -> None:
    """A large list counts with 64 bits, one of a fixed size not at all: neither may be read as a list of 32 bits."""
    lists = [["a", "b"], [None, "c"], ["d", ""]]
    raw = pa.table({"c": pa.array(lists, of(pa.large_string()))}).slice(first)
    table = frames.from_arrow(raw, ["Array(Nullable(String))"])
    table.validate(full=True)
    assert table.column("c").to_pylist() == lists[first:]


def test_batches_of_one_result_are_stored_with_one_schema() -> None:
    """The stored schema does not depend on the values: a later batch may have bytes, or labels in another order."""
    names, types = ["s", "l", "t"], ["String", "LowCardinality(String)", "DateTime64(7)"]
    schema = frames.schema(names, types, stored=True)
    parts = [[["a", "x", "2024-01-01 00:00:00Z"]], [["\udcff", "y", "2024-01-01 00:00:00.0000001Z"]]]
    stored = pa.concat_tables(frames.from_rows(names, types, part, stored=True) for part in parts)
    assert stored.schema.equals(schema, check_metadata=True)
    assert same(frames.from_arrow(stored, types), frames.from_rows(names, types, [*parts[0], *parts[1]]))


def test_timestamps_beyond_nanoseconds_are_text_with_a_warning() -> None:
    """DateTime64(7) reaches 2299, Arrow's nanoseconds 2262; the stored form holds both."""
    names, types, text = ["t"], ["DateTime64(7)"], "2299-12-31T23:59:59.1234567Z"
    rows = f'["{text}"]\n["2024-01-01T00:00:00Z"]\n'.encode()
    stored = frames.from_lines(names, types, rows, stored=True)
    assert stored.schema.equals(frames.schema(names, types, stored=True), check_metadata=True)
    with pytest.warns(frames.TypeFallbackWarning, match=r"DateTime64\(7\)"):
        table = frames.from_arrow(stored, types)
    assert values(table) == [text, "2024-01-01T00:00:00Z"]


@pytest.mark.parametrize(
    ("kind", "faithful"),
    [
        ("UInt64", True),
        ("Array(Map(String, Nullable(DateTime('Asia/Tokyo'))))", True),
        ("DateTime64(9)", True),
        ("Nullable(Time)", False),
        ("Tuple(a Array(Time64(3)))", False),
        ("Nullable(QBit(Float32, 2))", False),
        ("Array(Tuple(UInt8, Nullable(Nothing)))", False),
        ("LowCardinality(Nullable(String))", True),
        ("AggregateFunction(sum, UInt64)", False),
        ("SimpleAggregateFunction(sum, UInt64)", True),
        ("Array(Dynamic)", False),
        ("BFloat16", False),
        ("MultiPolygon", True),
        ("DateTime64(7, 'UTC')", False),
    ],
)
def test_the_types_that_arrow_cannot_carry_are_known(kind: str, faithful: bool) -> None:
    """``arrow_is_faithful`` is false for these, at any depth."""
    assert frames.arrow_is_faithful(["UInt8", kind]) is faithful


def test_arrow_is_not_faithful_for_an_unknown_type() -> None:
    """The engine may write an unknown type in any way."""
    with pytest.warns(frames.TypeFallbackWarning, match="Octonion"):
        assert not frames.arrow_is_faithful(["Octonion"])


def test_the_engine_knows_every_setting() -> None:
    """A SELECT with all settings that the service uses is run."""
    for settings in (frames.ARROW_SETTINGS, frames.JSON_SETTINGS):
        assert query("SELECT 1", "TSV", settings) == b"1\n"


def test_a_session_in_another_time_zone_changes_no_timestamp() -> None:
    """session_timezone changes how the engine writes a DateTime without a zone, not the value that is read."""
    sql = "SELECT toDateTime(0) AS t, toDateTime64(0, 3) AS u WHERE getSetting('session_timezone') = 'Asia/Tokyo'"
    answer = query(sql, "JSONCompactEachRow", {**frames.JSON_SETTINGS, "session_timezone": "Asia/Tokyo"})
    table = frames.from_lines(["t", "u"], ["DateTime", "DateTime64(3)"], answer)
    assert [str(moment) for moment in (values(table, 0)[0], values(table, 1)[0])] == ["1970-01-01 00:00:00+00:00"] * 2


def test_other_libraries_take_the_table_as_it_is(table: pa.Table) -> None:
    """polars reads the canonical table, Enum and times included, through Arrow's C stream interface."""
    import polars as pl

    frame = pl.DataFrame(table.drop_columns("raw"))
    assert frame.height == 3
    assert frame["kind"].to_list() == ["y", "x", None]


def test_without_polars_the_error_says_what_to_install(table: pa.Table, monkeypatch: pytest.MonkeyPatch) -> None:
    """polars is an optional dependency."""
    monkeypatch.setitem(sys.modules, "polars", None)
    with pytest.raises(MissingExtra, match=r"roe-magic\[polars\]"):
        frames.to_polars(table, TYPES)


def test_wide_numbers_and_maps_have_their_polars_types() -> None:
    """polars has 128-bit integers and decimals of 38 digits, which hold most wider ones too, and no maps."""
    import polars as pl

    _, types, table = by_json(
        f"SELECT toInt128('{-(2**127)}') AS i, map('a', toInt128(1)) AS m, toInt256(5) AS w, toUInt256(5) AS u, "
        "toDecimal256('1.50', 2) AS d"
    )
    frame = frames.to_polars(table, types)
    assert list(map(int, frame["i"])) == [-(2**127)]
    assert frame["m"].to_list() == [[{"key": "a", "value": "1"}]]
    assert (frame["w"].dtype, frame["u"].dtype) == (pl.Int128, pl.UInt128)
    assert frame["d"].dtype == pl.Decimal(38, 2)
    assert (frame["w"].sum(), frame["u"].sum(), float(frame["d"].sum())) == (5, 5, 1.5)


@pytest.mark.parametrize("number", ["toInt256('-1' || repeat('0', 60))", "toDecimal256('1' || repeat('0', 60), 2)"])
def test_numbers_that_polars_cannot_hold_are_text_with_a_warning(number: str) -> None:
    """No digit is lost."""
    import polars as pl

    _, types, table = by_json(f"SELECT {number} AS n")
    with pytest.warns(UserWarning, match="column 'n' is text"):
        frame = frames.to_polars(table, types)
    assert frame["n"].dtype == pl.String
    assert frame["n"][0].lstrip("-").startswith("1" + "0" * 60)


def test_pandas_and_polars_are_imported_when_they_are_used() -> None:
    """Importing ``roe_magic.frames`` loads neither."""
    code = "import sys; import roe_magic.frames; print({'pandas', 'polars', 'IPython'} & set(sys.modules))"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "set()\n"
