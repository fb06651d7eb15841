"""Each value is the same on every road through the service, and in the engine alone, which has no setting of ours."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from roe_magic import frames
from roe_magic.contract import models
from roe_magic.service.results import manifest
from tests.support.engines import PATIENCE, LiveEngine, table_of
from tests.support.rows_engine import bare, by_bare_engine, same

pytestmark = pytest.mark.integration

MOMENT = "toDateTime('2024-01-01 00:00:00', 'UTC')"
NAMED = "CAST(tuple(1, 'x'), 'Tuple(a UInt8, `b c` String)')"
JSON = """'{"a": {"b": 1}, "c": [1, 2], "d": "2024-01-01 00:00:00", "e": 0.1}'::JSON"""

# What a setting of an output format would change inside a function.
FUNCTIONS = [
    f"toString({MOMENT})",
    f"toString([{MOMENT}])",
    f"toString(tuple({MOMENT}, 'a'))",
    f"toString(map('k', {MOMENT}))",
    f"CAST([{MOMENT}] AS String)",
    f"CAST({MOMENT} AS String)",
    f"length(toString([{MOMENT}]))",
    f"cityHash64(toString([{MOMENT}]))",
    f"concat('at ', {MOMENT})",
    f"format('{{}}', [{MOMENT}])",
    f"toJSONString({MOMENT})",
    f"toJSONString([{MOMENT}])",
    "toJSONString(toDateTime64('2024-01-01 00:00:00.123', 3, 'Asia/Tokyo'))",
    "toJSONString(map('a', 1))",
    "toJSONString(map(1, 'a'))",
    "toJSONString(toDecimal64(1.5, 4))",
    "toJSONString(nan)",
    "toJSONString([inf, -inf, NULL])",
    "toJSONString('a/b')",
    "toJSONString(18446744073709551615)",
    "toJSONString(toInt128(1))",
    f"toJSONString({NAMED})",
    "toJSONString(toFloat32(0.1))",
    f"toString({NAMED})",
    f"toTypeName({NAMED})",
    f"toTypeName(map('a', {NAMED}))",
    f"toString({JSON})",
    f"toJSONString({JSON})",
    f"CAST({JSON} AS String)",
    "toString(map('a', 1)::JSON)",
    "map('a', 1)::JSON",
    f"JSONAllPathsWithTypes({JSON})",
    f"formatRow('JSONEachRow', {MOMENT}, map('a', 1), 'a/b', 1.5::Decimal(9, 2), nan)",
    f"formatRow('JSONCompactEachRow', {NAMED}, {MOMENT}, 18446744073709551615)",
    f"formatRow('CSV', {MOMENT}, 'a', [1, 2], {NAMED})",
    f"formatRow('TSV', {MOMENT}, NULL, true, '\\t')",
    f"formatRow('Values', [{MOMENT}], map('a', 1))",
    f"formatRowNoNewline('TSKV', {MOMENT})",
    "hex(formatRow('RowBinary', 'a', 1))",
    "formatQuery('select 1 as a, map(1, 2) from t where x in (1, 2)')",
    "formatQuerySingleLine('select 1 as a from t')",
    "toString(true)",
    "toString([true, false])",
    "toString(1.50::Decimal(9, 4))",
    "toString([1.50::Decimal(9, 4)])",
    "toString(nan)",
    "toString([nan, inf])",
    "toString(CAST('a' AS Enum8('a' = 1)))",
    "toString(toIntervalDay(3))",
    f"arrayStringConcat(arrayMap(x -> toString(x), [{MOMENT}]), ',')",
    f"toString({MOMENT}) LIKE '%T%'",
    "toString([toDateTime(0)]) LIKE '%1970-01-01 00:00:00%'",
    f"parseDateTimeBestEffort(toString({MOMENT}))",
    f"JSONExtractString(toJSONString(map('k', {MOMENT})), 'k')",
    "toString(toTime('10:00:00'))",
    "dumpColumnStructure([(1, 'a')])",
    "toColumnTypeName(1)",
    "getSetting('date_time_output_format')",
    "getSetting('output_format_json_quote_denormals')",
    "getSetting('output_format_native_write_json_as_string')",
]
VALUES = [
    "-9223372036854775808",
    "toUInt256('115792089237316195423570985008687907853269984665640564039457584007913129639935')",
    "toInt128(-1)",
    "[nan, inf, -inf, -0.0, 5e-324]",
    "toFloat32(0.1)",
    "toBFloat16(0.1)",
    "unhex('ff00fe')",
    "['a', unhex('ff')]",
    "toFixedString('ab', 4)",
    "CAST('99.99', 'Decimal(4, 2)') * 2",
    "[CAST('99.99', 'Decimal(4, 2)') * 2]",
    "CAST('9e17', 'Decimal(18, 0)') * 10",
    "toDecimal256('1.5', 40)",
    "toDate('2024-02-29')",
    "toDate32('1900-01-01')",
    "toDateTime(1729987200, 'Europe/Paris')",
    "toDateTime(1729990800, 'Europe/Paris')",
    "[toDateTime(1729990800, 'Europe/Paris')]",
    "toDateTime64('1999-12-31 23:59:59.123456789', 9, 'America/New_York')",
    "toDateTime64('2299-12-31 23:59:59.1234567', 7, 'UTC')",
    "toTime('-100:00:00')",
    "toTime64('10:00:00.12', 2)",
    "toIntervalWeek(3)",
    "toIntervalMonth(3)",
    "toUUID('00112233-4455-6677-8899-aabbccddeeff')",
    "toIPv4('1.2.3.4')",
    "toIPv6('2001:db8::1')",
    "CAST('b' AS Enum16('a' = -1, 'b' = 300))",
    "NULL",
    "[]",
    "map()",
    "(tuple(), 1)",
    "[(1, NULL), (2, NULL)]",
    "[NULL, 1]",
    "[[1, NULL], []]",
    "map('a', [1, NULL], 'a', [])",
    NAMED,
    "CAST([(1, 'a')], 'Nested(a UInt8, b String)')",
    "(1.5, 2)::Point",
    "[[(0, 0), (1, 1)]]::Polygon",
    "toLowCardinality('a')",
    "[toLowCardinality(toNullable('a')), NULL]",
    JSON,
    "'x'::Dynamic",
    f"[{MOMENT}]::Dynamic",
    "[1::Variant(UInt8, String), 'a'::Variant(UInt8, String)]",
    "initializeAggregation('sumState', 1)",
    "CAST([1, 2], 'QBit(Float32, 2)')",
    "CAST([1, 2], 'QBit(Float32, 2)')::Nullable(QBit(Float32, 2))",
    "[" * 64 + "1" + "]" * 64,
    "[" * 70 + "'x'" + "]" * 70,
    "tuple(tuple(tuple(1, 'a'), [map(1, toDecimal32(1.5, 2))]), NULL)",
]

# The roads: at once; in parts, as Arrow or Native; in parts, converted by the engine; as a text of RowBinary.
ROADS: dict[str, Callable[[str], str]] = {
    "at once": lambda each: f"SELECT {each} AS x LIMIT 10",
    "in parts": lambda each: f"SELECT {each} AS x FROM numbers(2)",
    "converted": lambda each: f"SELECT {each} AS x, 1::Dynamic AS y FROM numbers(2)",
    "as text": lambda each: f"SELECT {each} AS x, 1::Dynamic AS y FROM numbers(2) -- totals",
}


def by_service(live: LiveEngine, sql: str) -> tuple[models.Statement, pa.Table]:
    """Return the last statement of SQL that must succeed, and its rows as the client sees them."""
    job, future = live.submit(sql, use_admin=True)
    outcome = future.result(PATIENCE)
    assert outcome.status == models.SUCCESS, outcome.error
    statements = manifest.decode(outcome.statements)
    statement = statements[-1]
    return statement, frames.from_arrow(table_of(job, len(statements) - 1), statement.column_types)


def in_one_chunk(table: pa.Table) -> pa.Table:
    """Return a table that can be compared; pyarrow would lose the rows of a table of empty tuples."""
    return table.combine_chunks() if table.column(0).num_chunks > 1 else table


@pytest.mark.filterwarnings("ignore::roe_magic.frames.TypeFallbackWarning")
@pytest.mark.parametrize("road", ROADS)
@pytest.mark.parametrize("expression", [*FUNCTIONS, *VALUES], ids=lambda each: each[:60])
def test_a_value_is_that_of_the_engine_alone(live: LiveEngine, tmp_path: Path, expression: str, road: str) -> None:
    """Its name, its type and itself."""
    sql = ROADS[road](expression)
    names, types, table = by_bare_engine(sql, tmp_path / "rows")
    statement, found = by_service(live, sql)
    assert (statement.column_names, statement.column_types) == (names, types)
    assert same(in_one_chunk(found), in_one_chunk(table))
    assert statement.row_count == found.num_rows == table.num_rows > 0


def test_settings_of_the_binary_format_change_nothing(live: LiveEngine) -> None:
    """Rows with totals leave the engine in it."""
    for value in ("0", "1"):
        settings = f"output_format_binary_write_json_as_string = {value}, limit = 1"
        sql = f"SELECT {JSON} AS j, number AS n, count() FROM numbers(2) GROUP BY n WITH TOTALS ORDER BY n"
        statement, found = by_service(live, f"{sql} SETTINGS {settings}")
        assert json.loads(found.column("j")[0].as_py())["c"] == [1, 2]
        assert (found.num_rows, statement.totals[1:] if statement.totals else None) == (1, [0, 2])


@pytest.mark.parametrize("road", ["", " LIMIT 1000", " LIMIT 1000 -- totals"])
def test_no_setting_of_a_format_is_changed_that_a_function_reads(live: LiveEngine, road: str) -> None:
    """Whatever functions the engine may have: on no road is there a setting that reaches one."""
    formats = "match(name, '^(output_format|input_format|format|date_time|print|cast|bool|json|session)_')"
    sql = f"SELECT name FROM system.settings WHERE changed AND {formats} ORDER BY name{road}"
    found = {name.decode() for (name,) in live.rows(sql)}
    assert found <= {*frames.ARROW_SETTINGS, "output_format_parallel_formatting"}
    assert found > {"output_format_parallel_formatting"} if road == "" else len(found) == 1


@pytest.mark.parametrize("road", ROADS)
def test_rows_of_empty_tuples_are_all_there(live: LiveEngine, road: str) -> None:
    """Although they have no bytes in most formats."""
    sql = ROADS[road]("tuple()").replace(", 1::Dynamic AS y", "")
    statement, found = by_service(live, sql)
    assert (statement.column_types, statement.row_count) == (["Tuple()"], found.num_rows)
    assert found.column("x").to_pylist() == [{}] * (1 if road == "at once" else 2)


@pytest.mark.parametrize(("kind", "size"), [("Float32", 20), ("Float64", 17), ("BFloat16", 9), ("Float32", 8)])
def test_each_number_of_a_qbit_is_in_its_place(live: LiveEngine, kind: str, size: int) -> None:
    """NaN and inf too, for which the engine's JSON has no text that can be read."""
    numbers = [float("nan"), float("-inf"), *(1.25 * n - 3 for n in range(size - 2))]
    literal = "[" + ", ".join(map(str, numbers)) + "]"
    for end in ("LIMIT 9", "", "-- with totals"):
        _, found = by_service(live, f"SELECT CAST({literal}, 'QBit({kind}, {size})') AS q FROM numbers(2) {end}")
        assert repr(found.column("q").to_pylist()) == repr([numbers, numbers])


def test_a_limit_changes_no_answer(live: LiveEngine) -> None:
    """The statement that found the fault."""
    sql = "SELECT number FROM numbers(3) WHERE toString([toDateTime(number)]) LIKE '%1970-01-01 00:00:01%'"
    assert live.rows(sql) == live.rows(f"{sql} LIMIT 10") == [(1,)]


SETUP = """
CREATE TABLE sales (day Date, at DateTime('Europe/Paris'), what LowCardinality(String), price Decimal(4, 2), n UInt8)
    ENGINE = MergeTree ORDER BY day;
INSERT INTO sales
    SELECT toDate('2024-10-27') + number % 3, 1729987200 + 3600 * (number % 2), toString(number % 4), 99.99, number
    FROM numbers(12);
CREATE VIEW by_day AS SELECT day, count() AS c FROM sales GROUP BY day WITH TOTALS;
CREATE VIEW of_by_day AS SELECT * FROM by_day
"""
WITH_TOTALS = [
    "SELECT day, count() FROM sales GROUP BY day WITH TOTALS ORDER BY day",
    "SELECT day, count() FROM sales GROUP BY day WITH TOTALS ORDER BY day DESC LIMIT 2",
    "SELECT day, sum(price), avg(n), uniq(what), max(at) FROM sales GROUP BY day WITH TOTALS ORDER BY day",
    "SELECT what, sum(price) FROM sales GROUP BY what WITH TOTALS HAVING sum(n) > 15 ORDER BY what",
    "SELECT at, 'x' AS c, NULL, [1], count() FROM sales GROUP BY at WITH TOTALS ORDER BY at",
    "SELECT what, groupUniqArray(day) FROM sales WHERE n = 1 GROUP BY what WITH TOTALS",
    "SELECT day, c * 2 FROM (SELECT day, count() AS c FROM sales GROUP BY day WITH TOTALS) ORDER BY day",
    "SELECT day, count() FROM sales WHERE 0 GROUP BY day WITH TOTALS",
    "SELECT * FROM by_day ORDER BY day",
    "SELECT * FROM by_day ORDER BY day LIMIT 1",
    "SELECT day, c FROM `by_day` ORDER BY day",
    "SELECT * FROM of_by_day ORDER BY c, day",
    "SELECT day, count() FROM sales GROUP BY day WITH/**/Totals ORDER BY day",
    "SELECT day, count() FROM sales GROUP BY day with\u200b totals ORDER BY day",
    "SELECT number % 100000 AS k, count() FROM numbers(200000) GROUP BY k WITH TOTALS ORDER BY k DESC",
    "SELECT day, day AS d, count() FROM sales GROUP BY day WITH TOTALS ORDER BY day",
    (
        "SELECT a.day, b.day, a.c FROM (SELECT day, count() AS c FROM sales GROUP BY day WITH TOTALS) AS a "
        "JOIN (SELECT day, max(n) AS m FROM sales GROUP BY day WITH TOTALS) AS b ON a.day = b.day ORDER BY a.day"
    ),
]


@pytest.fixture(scope="module")
def tables(live: LiveEngine, tmp_path_factory: pytest.TempPathFactory) -> None:
    """The same tables in both engines."""
    assert live.run(SETUP, use_admin=True).status == models.SUCCESS
    for statement in SETUP.split(";"):
        bare(statement, "Null")


def sections(sql: str) -> list[list[list[str]]]:
    """Return the rows, the totals and the extremes that the engine alone writes in its own text format."""
    text = bare(sql, "TabSeparated").decode()
    texts = text.removeprefix("\n").split("\n\n") if text.startswith("\n") else text.split("\n\n")
    parts = [[line.split("\t") for line in part.strip("\n").split("\n") if line] for part in texts]
    return [[], *parts] if text.startswith("\n") else parts


def as_text(live: LiveEngine, types: list[str], rows: list[list[Any]]) -> list[list[str]]:
    """Return rows as the engine writes them, by way of the values that the client makes of them."""
    literals = [
        f"({', '.join(_literal(live, cell, kind) for cell, kind in zip(row, types, strict=True))})" for row in rows
    ]
    structure = ", ".join(f"c{n} {kind}" for n, kind in enumerate(types)).replace("\\", "\\\\").replace("'", "\\'")
    text = bare(f"SELECT * FROM values('{structure}', {', '.join(literals)})", "TabSeparated").decode()
    return [line.split("\t") for line in text.strip("\n").split("\n")]


def _literal(live: LiveEngine, cell: Any, kind: str) -> str:
    if cell is None:
        return "NULL"
    if isinstance(cell, str) and kind.startswith("DateTime"):
        return f"parseDateTimeBestEffort('{cell}', 'UTC')"
    return "'" + (cell if isinstance(cell, str) else json.dumps(cell).replace('"', "\\'")) + "'"


@pytest.mark.usefixtures("tables")
@pytest.mark.parametrize("extremes", ["", " SETTINGS extremes = 1"])
@pytest.mark.parametrize("sql", WITH_TOTALS, ids=lambda each: each[:80])
def test_totals_and_extremes_are_those_of_the_engine_alone(
    live: LiveEngine, tmp_path: Path, sql: str, extremes: str
) -> None:
    """Beside the rows, which are the same too; with their types."""
    names, types, table = by_bare_engine(sql, tmp_path / "rows")
    statement, found = by_service(live, f"{sql}{extremes}")
    assert (statement.column_names, statement.column_types) == (names, types)
    assert same(in_one_chunk(found), in_one_chunk(table))
    rows, *others = sections(f"{sql}{extremes}")
    assert len(rows) == statement.row_count
    assert statement.totals is not None
    assert as_text(live, types, [statement.totals]) == others[0]
    assert len(others) == (2 if statement.extremes else 1)
    assert not statement.extremes or as_text(live, types, statement.extremes) == others[1]


def test_a_view_with_totals_is_seen_as_soon_as_it_is_there(live: LiveEngine) -> None:
    """And no longer when it is gone, nor in statements that do not name it."""
    read = "SELECT * FROM fresh ORDER BY ALL"
    for totals in (" WITH TOTALS", "", " WITH TOTALS"):
        view = (
            f"CREATE OR REPLACE VIEW fresh AS SELECT number % 2 AS k, count() AS c FROM numbers(4) GROUP BY k{totals}"
        )
        statement, _ = by_service(live, f"{view}; {read}")
        assert statement.totals == ([0, 4] if totals else None)
    assert by_service(live, "SELECT number FROM numbers(2)")[0].totals is None
    assert live.run("DROP VIEW fresh", use_admin=True).status == models.SUCCESS


@pytest.mark.parametrize("end", ["", " FROM numbers(2)"])
def test_columns_of_one_name_are_all_there(live: LiveEngine, end: str) -> None:
    """Even where the engine has to convert them, and cannot read columns of one name."""
    job, future = live.submit(f"SELECT 'x'::Dynamic AS a, materialize([1])::Dynamic AS b, b, b, 1 AS n, n{end}")
    outcome = future.result(PATIENCE)
    (statement,) = manifest.decode(outcome.statements)
    assert statement.column_names == ["a", "b", "b", "b", "n", "n"]
    assert statement.column_types == ["Dynamic"] * 4 + ["UInt8"] * 2
    columns = [column.to_pylist() for column in table_of(job, 0).columns]
    assert [column[0] for column in columns] == ['"x"', "[1]", "[1]", "[1]", 1, 1]
    assert statement.row_count == len(columns[0]) == (2 if end else 1)
