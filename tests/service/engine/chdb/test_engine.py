"""Submissions on the real engine: results, errors, limits, progress, cancelling, and a process that dies."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import textwrap
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from roe_magic.contract import models
from roe_magic.errors import MissingExtra, ServiceError, UsageError
from roe_magic.service.engine.chdb import engine as engine_module
from roe_magic.service.engine.chdb import process
from roe_magic.service.engine.chdb.engine import ChdbEngine
from roe_magic.service.engine.chdb.process import RESTARTED
from roe_magic.service.job import Limits, Outcome
from roe_magic.service.results import manifest
from tests.support.engines import PATIENCE, LiveEngine, file_of, rows_of, table_of, upload_of

pytestmark = pytest.mark.integration

# Takes a minute over a single block of rows, so that no kill and no limit of the engine's ends it.
UNSTOPPABLE = "SELECT sum(editDistance(materialize(repeat('a', 65000)), repeat('b', 65000))) FROM numbers(20)"
# Never ends by itself within a test.
ENDLESS = "SELECT sum(number) FROM numbers(1000000000000000)"


@pytest.fixture
def make(tmp_path: Path) -> Iterator[Callable[..., LiveEngine]]:
    """Start engines for one test alone."""
    made: list[LiveEngine] = []

    def start(**limits: float) -> LiveEngine:
        made.append(LiveEngine(tmp_path / f"own-{len(made)}", Limits(**limits)))
        return made[-1].start()

    yield start
    for each in made:
        each.close()


def until(condition: Callable[[], object]) -> None:
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline, "the condition did not come true in time"
        time.sleep(0.01)


def endless(live: LiveEngine) -> tuple[str, Future[Outcome]]:
    """Start a submission, and wait until the engine runs it."""
    working = threading.Event()
    job, future = live.submit(ENDLESS, on_progress=lambda _: working.set())
    assert working.wait(PATIENCE)
    return job.id, future


def failure(live: LiveEngine, sql: str, **options: object) -> str:
    outcome = live.run(sql, **options)
    assert outcome.status == models.FAILURE
    assert outcome.error
    return outcome.error


def test_deeply_nested_functions_run_as_in_the_engine(live: LiveEngine) -> None:
    """ClickHouse accepts a thousand levels; a syntax tree of ours must not be the limit."""
    assert live.rows(f"SELECT {'abs(' * 450}1{')' * 450}") == [(1,)]
    assert "TOO_DEEP_AST" in failure(live, f"SELECT {'abs(' * 600}1{')' * 600}")


def test_an_error_keeps_its_words_and_says_which_statement(live: LiveEngine) -> None:
    """Words in brackets are not taken for the name of the error."""
    error = failure(live, "SELECT 1; SELEC 1")
    assert error.startswith("Statement 2 of 2: Code: 62. Syntax error")
    assert "(SELEC)" in error
    assert error.endswith("(SYNTAX_ERROR)")


def test_a_temporary_table_lives_until_the_submission_ends(live: LiveEngine) -> None:
    """The statements after it see it, and no other submission does; settings change from statement to statement."""
    sql = (
        "CREATE TEMPORARY TABLE passing (a UInt8); INSERT INTO passing VALUES (1), (2); SET max_threads = 1;"
        "SELECT sum(a), any(getSetting('max_threads')), any(getSetting('readonly')) FROM passing;"
        "SET max_threads = DEFAULT; SELECT getSetting('max_threads') > 0 FROM passing"
    )
    assert live.rows(sql, 3, use_admin=True) == [(3, 1, 1)]
    assert "UNKNOWN_TABLE" in failure(live, "SELECT * FROM passing", use_admin=True)
    assert "this statement writes" in failure(live, "CREATE TEMPORARY TABLE passing (a UInt8)").lower()


def test_cached_rows_are_the_callers_own(live: LiveEngine) -> None:
    """The same text on another organisation's table of the same name returns that one's rows."""
    live.call(live.engine.ensure_database("second"))
    for database, value in [("own", 1), ("second", 2)]:
        sql = f"CREATE TABLE cached ENGINE = Memory AS SELECT {value} AS a"
        assert live.run(sql, use_admin=True, database=database).status == models.SUCCESS
    sql = "SELECT * FROM cached SETTINGS use_query_cache = 1, query_cache_min_query_runs = 0"
    for _ in range(2):
        assert live.rows(sql, database="own") == [(1,)]
        assert live.rows(sql, database="second") == [(2,)]


def test_tables_that_read_each_other_stop_no_other_statement(live: LiveEngine) -> None:
    """ClickHouse cannot list such tables; whatever does not read them runs, and they can be dropped."""
    create = "CREATE TABLE {} (a Int) ENGINE = Merge('own', '^{}$')"
    sql = "; ".join([create.format("ring_a", "ring_b"), create.format("ring_b", "ring_a")])
    assert live.run(sql, use_admin=True).status == models.SUCCESS
    try:
        assert live.rows("SELECT number, toString(number) FROM numbers(2)") == [(0, b"0"), (1, b"1")]
        assert (b"ring_a",) in live.rows("SHOW TABLES")
        assert "TOO_DEEP_RECURSION" in failure(live, "SELECT * FROM ring_a")
    finally:
        assert live.run("DROP TABLE ring_a; DROP TABLE ring_b", use_admin=True).status == models.SUCCESS


def test_a_statement_is_described(live: LiveEngine) -> None:
    """A statement is returned with its SQL, columns, summary, times and a query id, and its rows are in its file."""
    before = time.time()
    sql = "SELECT number AS n, toString(number) AS s FROM numbers(100000) WHERE number % 20000 = 0"
    job, future = live.submit(sql)
    outcome = future.result(PATIENCE)
    (statement,) = manifest.decode(outcome.statements)
    assert (outcome.status, outcome.error) == (models.SUCCESS, None)
    assert statement.query == sql
    assert (statement.column_names, statement.column_types) == (["n", "s"], ["UInt64", "String"])
    assert statement.row_count == 5
    assert statement.summary is not None
    assert (statement.summary.read_rows, statement.summary.result_rows) == (100000, 5)
    assert statement.summary.read_bytes == 800000
    assert statement.summary.elapsed_ns > 0
    assert before <= statement.start_timestamp <= statement.end_timestamp <= time.time()
    assert str(uuid.UUID(statement.query_id)) == statement.summary.query_id
    assert rows_of(job, 0) == [(n, str(n).encode()) for n in range(0, 100000, 20000)]


def parts_of(live: LiveEngine, sql: str) -> int:
    job, future = live.submit(sql)
    assert future.result(PATIENCE).status == models.SUCCESS
    with pa.ipc.open_stream(file_of(job, 0)) as stream:
        return sum(1 for _ in stream)


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT number FROM numbers(200000) LIMIT 150000",
        "SELECT number FROM numbers(200000) EXCEPT SELECT 1",
        "SELECT number FROM numbers(200000) ORDER BY 1 + 0 * number LIMIT 1 WITH TIES",
        "(SELECT number FROM numbers(200000)) UNION ALL (SELECT 1 LIMIT 1)",
        "WITH t AS (SELECT number FROM numbers(200000)) SELECT * FROM t",
    ],
)
def test_many_rows_are_taken_in_parts(live: LiveEngine, sql: str) -> None:
    """If there may be many rows, the engine's process never has all of them in memory."""
    assert parts_of(live, sql) > 1


@pytest.mark.parametrize("sql", ["SELECT 1", "SELECT number FROM numbers(200000) LIMIT 1000"])
def test_few_rows_are_taken_at_once(live: LiveEngine, sql: str) -> None:
    """If the syntax shows that there are few rows, they are read at once."""
    assert parts_of(live, sql) == 1


def test_statements_are_split_by_the_engines_lexer(live: LiveEngine) -> None:
    """Semicolons in strings, names, comments and heredocs end no statement, and empty statements are left out."""
    sql = ";SELECT 'é;' AS `a;b`; -- one; two\n /* ; */ ;\nSELECT $x$;$x$, 'it\\'s;' /* 🦜; */;;"
    outcome = live.run(sql)
    assert [statement.query for statement in manifest.decode(outcome.statements)] == [
        "SELECT 'é;' AS `a;b`",
        "SELECT $x$;$x$, 'it\\'s;'",
    ]
    assert live.rows(sql, 0) == [("é;".encode(),)]
    assert live.rows(sql, 1) == [(b";", b"it's;")]


def test_the_first_failing_statement_ends_the_run_and_is_named(live: LiveEngine) -> None:
    """Earlier statements are in the outcome, and the error names the statement, with ClickHouse's message."""
    job, future = live.submit("SELECT 1; SELECT * FROM nosuch; SELECT 3")
    outcome = future.result(PATIENCE)
    assert outcome.status == models.FAILURE
    assert outcome.error is not None
    assert outcome.error.startswith("Statement 2 of 3: Code: 60. ")
    assert outcome.error.endswith("(UNKNOWN_TABLE)")
    assert [statement.query for statement in manifest.decode(outcome.statements)] == ["SELECT 1"]
    assert rows_of(job, 0) == [(1,)]
    assert not file_of(job, 2).exists()


@pytest.mark.parametrize(
    ("sql", "words"),
    [
        ("", "empty"),
        (" \n\t", "empty"),
        (";;", "empty"),
        ("-- nothing\n/* at all */", "empty"),
        ("SELECT '\0'", "NUL"),
        ("exit", "SYNTAX_ERROR"),
        ("quit", "SYNTAX_ERROR"),
        ("garbage in", "SYNTAX_ERROR"),
        ("SELECT 'open", "not closed"),
        ("SELECT (1", "SYNTAX_ERROR"),
        ("SELECT \udcff", "SYNTAX_ERROR"),
        ("SELECT " + "(" * 3000 + "1" + ")" * 3000, ""),
        ("SELECT 1" + " SETTINGS max_threads = 1" * 100_000, "SYNTAX_ERROR"),
        ("SELECT " + "+".join(["1"] * 20000), ""),
        ("SELECT {name:String}", "name"),
        (r"SET param_x = '\xff'; SELECT * FROM {x:Identifier}", "not UTF-8"),
        (r"SET param_x = '\xff'; SELECT {x:String}", "not UTF-8"),
        (r"SELECT 1 SETTINGS session_timezone = '\xff'", "not UTF-8"),
        (r"SELECT arrayReduce('\xff', [1])", "not valid"),
        (r"SELECT * FROM `\xff`.t", r"The database \xff is not yours"),
        (r"SELECT * FROM viewExplain('\xff', '', (SELECT 1))", r"\xff is not offered here"),
    ],
)
def test_what_is_not_sql_ends_in_a_clear_failure(live: LiveEngine, sql: str, words: str) -> None:
    """Blank, broken and unfinished SQL fails with a short message, and the next query works."""
    error = failure(live, sql)
    assert words in error
    assert len(error) < 1000 + len(sql)
    assert "parseQueryToJSON" not in error
    assert str(live.folder) not in error
    assert live.rows("SELECT 1") == [(1,)]


def test_ddl_and_insert_give_an_empty_result_with_counts(live: LiveEngine) -> None:
    """A writing statement has no columns and no rows, and its summary counts what it wrote."""
    sql = """
        CREATE TABLE counts (a Int32, b String) ENGINE = MergeTree ORDER BY a;
        INSERT INTO counts VALUES (1, 'x;'), (2, 'y');
        INSERT INTO counts SELECT number, 'z' FROM numbers(10);
        SELECT count() FROM counts;
        DROP TABLE counts
    """
    job, future = live.submit(sql, use_admin=True)
    outcome = future.result(PATIENCE)
    assert outcome.status == models.SUCCESS, outcome.error
    statements = manifest.decode(outcome.statements)
    written = [statement.summary and statement.summary.written_rows for statement in statements]
    assert written == [0, 2, 10, 0, 0]
    assert [statement.row_count for statement in statements] == [0, 0, 0, 1, 0]
    assert table_of(job, 1).num_columns == 0
    assert rows_of(job, 3) == [(12,)]


MANY_ROWS = ", ".join(["(1)"] * 10_000)


@pytest.mark.parametrize("rows", ["VALUES (1), (-1)", f"VALUES {MANY_ROWS}, (-1)", "FORMAT CSV 1\n-1\n"], ids=len)
@pytest.mark.parametrize(
    ("definition", "error"),
    [
        ("CREATE TABLE checked (a Int32, CONSTRAINT c CHECK a >= 0) ENGINE = Memory", "VIOLATED_CONSTRAINT"),
        ("CREATE TABLE checked (a Int32, b UInt8 DEFAULT throwIf(a < 0)) ENGINE = Memory", "FUNCTION_THROW_IF"),
        (
            "CREATE TABLE checked (a Int32) ENGINE = Null; "  # noqa: ISC004
            "CREATE MATERIALIZED VIEW copied ENGINE = Memory AS SELECT throwIf(a < 0) AS b FROM checked",
            "FUNCTION_THROW_IF",
        ),
    ],
    ids=["constraint", "default", "materialized view"],
)
def test_rows_that_cannot_be_inserted_are_an_error_wherever_they_fail(
    live: LiveEngine, rows: str, definition: str, error: str
) -> None:
    """What reads the rows is not what refuses them, and its error is not lost on the way."""
    live.rows(f"DROP VIEW IF EXISTS copied; DROP TABLE IF EXISTS checked; {definition}", use_admin=True)
    outcome = live.run(f"INSERT INTO checked (a) {rows}", use_admin=True)
    assert (outcome.status, error in str(outcome.error)) == (models.FAILURE, True), outcome.error
    assert "file" not in str(outcome.error)


def test_many_inline_rows_are_the_rows_that_few_would_be(live: LiveEngine) -> None:
    """A long list of them leaves the SQL; expressions, defaults, parameters and texts stay what they are."""
    live.rows(
        "CREATE OR REPLACE TABLE made (a Int32, b String DEFAULT concat('d', toString(a))) ENGINE = Memory",
        use_admin=True,
    )
    few = "(DEFAULT, 'x;y'), (1 + 1, 'a\n\nb'), (3 /* c */, DEFAULT), ({p:Int32}, upper('q')), ((SELECT 5), 'it''s')"
    for rows in (few, f"{few}, {', '.join(['(7, DEFAULT)'] * 5000)}"):
        sql = f"SET param_p = '4'; INSERT INTO made VALUES {rows} ; SELECT * FROM made WHERE a != 7 ORDER BY a"
        found = live.rows(f"TRUNCATE TABLE made; {sql}", use_admin=True)
        assert found == [(0, b"x;y"), (2, b"a\n\nb"), (3, b"d3"), (4, b"Q"), (5, b"it's")]
    assert live.rows("SELECT b, count() FROM made WHERE a = 7 GROUP BY b") == [(b"d7", 5000)]


def test_set_holds_for_the_rest_of_its_own_submission_only(live: LiveEngine) -> None:
    """A SET applies to the statements after it, not to those of another submission."""
    ask = "SELECT getSetting('max_block_size')"
    (default,) = live.rows(ask)[0]
    assert live.rows(f"{ask}; SET max_block_size = 1234; {ask}", 0) == [(default,)]
    assert live.rows(f"SET max_block_size = 1234; USE own; {ask}") == [(1234,)]
    assert live.rows(ask) == [(default,)]


def test_a_settings_clause_of_harmless_settings_takes_effect(live: LiveEngine) -> None:
    """SETTINGS works for its own statement, although the connection lets no setting be changed."""
    ask = "SELECT getSetting('max_block_size')"
    assert live.rows(f"{ask} SETTINGS max_block_size = 4321; ") == [(4321,)]
    assert live.rows(f"SET max_block_size = 1; {ask} AS `é` SETTINGS max_block_size = 4321 -- so") == [(4321,)]
    assert live.rows(f"SELECT 1 AS settings, ({ask}) SETTINGS max_block_size = 99, max_threads = 1") == [(1, 99)]


def test_a_bad_value_of_a_setting_fails_where_it_stands(live: LiveEngine) -> None:
    """The error for a bad SET names that statement, not a later one."""
    assert failure(live, "SET max_threads = 'many'; SELECT 1").startswith("Statement 1 of 2: ")


@pytest.mark.parametrize(
    ("sql", "types", "rows"),
    [
        ("SELECT 1, 1", ["UInt8", "UInt8"], [(1, 1)]),
        ("SELECT (SELECT max(number) FROM numbers(7)) AS m", ["Nullable(UInt64)"], [(6,)]),
        ("SELECT (SELECT 1), (SELECT 1)", ["Nullable(UInt8)"] * 2, [(1, 1)]),
        ("SELECT unhex('ff00') AS b", ["String"], [(b"\xff\x00",)]),
        ("SELECT number FROM numbers(3) WHERE 0", ["UInt64"], []),
        ("SELECT '{\"a\": 1}'::JSON AS j WHERE 0", ["JSON"], []),
        ("EXISTS nosuch", ["UInt8"], [(0,)]),
        ("(SELECT 1) UNION ALL (SELECT 1)", ["UInt8"], [(1,), (1,)]),
        ("WITH 2 AS x SELECT x -- the end", ["UInt8"], [(2,)]),
        ("SELECT NULL", ["Nullable(Nothing)"], [(None,)]),
    ],
)
def test_rows_come_with_clickhouse_type_names(
    live: LiveEngine, sql: str, types: list[str], rows: list[tuple[object, ...]]
) -> None:
    """Every kind of reading statement has ClickHouse's type names, also with duplicate names or no rows."""
    job, future = live.submit(sql)
    outcome = future.result(PATIENCE)
    assert outcome.status == models.SUCCESS, outcome.error
    assert manifest.decode(outcome.statements)[0].column_types == types
    assert rows_of(job, 0) == rows


def test_a_scalar_subquery_runs_once(live: LiveEngine) -> None:
    """Asking for the types of a result does not run the heavy part of it a second time."""
    sql = "SELECT (SELECT max(sipHash64(number)) FROM numbers(50000000)) > 0 AS a"
    (statement,) = manifest.decode(live.run(sql).statements)
    assert statement.summary is not None
    took = (statement.end_timestamp - statement.start_timestamp) * 1e9
    assert took < 1.6 * statement.summary.elapsed_ns


def test_a_result_of_many_parts_is_whole_and_in_order(live: LiveEngine) -> None:
    """A million rows are read in parts and written to one file, as Arrow and as JSON."""
    job, future = live.submit(
        "SELECT number FROM numbers(1000000); SELECT number, '1'::Variant(UInt8, String) FROM numbers(150000)"
    )
    outcome = future.result(PATIENCE)
    assert [statement.row_count for statement in manifest.decode(outcome.statements)] == [1000000, 150000]
    assert table_of(job, 0)["number"].to_pylist() == list(range(1000000))
    assert table_of(job, 1)["number"].to_pylist() == list(range(150000))


def test_progress_rises_and_says_which_statement_runs(live: LiveEngine) -> None:
    """A long statement is reported several times, with rising counters, at most every 100 ms."""
    seen: list[tuple[float, models.Progress]] = []
    sql = "SELECT 1; SELECT sum(sipHash64(number)) FROM numbers(150000000) SETTINGS max_threads = 1"
    outcome = live.submit(sql, on_progress=lambda step: seen.append((time.monotonic(), step)))[1].result(PATIENCE)
    assert outcome.status == models.SUCCESS, outcome.error
    steps = [step for _, step in seen if step.statement == 1]
    assert len(steps) >= 3
    assert [step.read_rows for step in steps] == sorted({step.read_rows for step in steps})
    assert {step.statements for step in steps} == {2}
    assert (steps[-1].read_rows, steps[-1].total_rows_to_read) == (150000000, 150000000)
    assert len(steps) <= 2 + (seen[-1][0] - seen[0][0]) / 0.1


@pytest.mark.parametrize(
    ("limits", "sql", "name"),
    [
        ({"max_execution_time": 0.5}, ENDLESS, "TIMEOUT_EXCEEDED"),
        ({"max_memory_usage": 50_000_000}, "SELECT groupArray(number) FROM numbers(50000000)", "MEMORY_LIMIT_EXCEEDED"),
        ({"max_result_bytes": 1_000_000}, "SELECT number FROM numbers(10000000)", "TOO_MANY_ROWS_OR_BYTES"),
    ],
)
def test_a_limit_ends_the_statement_with_a_clear_error(
    make: Callable[..., LiveEngine], limits: dict[str, float], sql: str, name: str
) -> None:
    """Time, memory and result size are limited, and the engine still works afterwards."""
    live = make(**limits)
    assert name in failure(live, sql)
    assert live.rows("SELECT 1") == [(1,)]


def test_a_time_limit_that_the_engine_takes_for_none_is_refused(live: LiveEngine) -> None:
    """A value is judged as the engine reads it: this one it rounds to no limit."""
    error = failure(live, f"{ENDLESS} SETTINGS max_execution_time = 0.0000001")
    assert "max_execution_time can be lowered only" in error
    assert "not be switched off" in error


@pytest.mark.parametrize(
    "sql", ["SELECT 1 FORMAT CSV", "SELECT 1 SETTINGS max_threads = 1 FORMAT CSV", "SHOW TABLES FORMAT CSV"]
)
def test_a_format_clause_is_ignored_with_a_notice(live: LiveEngine, sql: str) -> None:
    """The rows arrive as they would without it."""
    outcome = live.run(sql)
    assert outcome.status == models.SUCCESS, outcome.error
    assert [notice.split(":")[0] for notice in outcome.notices] == ["FORMAT CSV was ignored"]


@pytest.mark.parametrize("word", ["SET", "USE"])
@pytest.mark.parametrize("before", ["", "SELECT 1; "])
def test_what_ends_with_the_query_is_of_no_use_as_its_last_statement(live: LiveEngine, word: str, before: str) -> None:
    """A notice says so; there is none where a statement follows."""
    statement = "SET max_threads = 1" if word == "SET" else "USE own"
    outcome = live.run(f"{before}{statement}; -- done")
    assert outcome.status == models.SUCCESS, outcome.error
    assert [notice.partition(":")[0] for notice in outcome.notices] == [f"{word} had no effect"]
    assert live.run(f"{statement}; SELECT 1").notices == ()


@pytest.mark.parametrize("sql", ["SET send_logs_level = 'trace'", "SELECT 1 SETTINGS send_logs_level = 'trace'"])
def test_a_setting_may_be_ignored_with_a_notice(live: LiveEngine, sql: str) -> None:
    """Many scripts begin with it."""
    outcome = live.run(f"{sql}; SELECT getSetting('send_logs_level') AS level")
    assert outcome.status == models.SUCCESS, outcome.error
    assert [*outcome.notices] == ["The setting send_logs_level was ignored: it changes what the service logs."]
    assert live.rows(f"{sql}; SELECT getSetting('send_logs_level') != 'trace'") == [(True,)]


@pytest.mark.parametrize("clause", ["max_threads", "`max_threads`", "max_threads, final"])
def test_only_a_boolean_setting_may_be_named_without_a_value(live: LiveEngine, clause: str) -> None:
    """As in ClickHouse, whose message it is; and the name of no setting becomes SQL."""
    assert "cannot be set without a value" in failure(live, f"SELECT 1 SETTINGS {clause}")
    assert "cannot be set without a value" in failure(live, f"SET {clause}")
    assert "UNKNOWN_SETTING" in failure(live, "SET `nosuch, readonly = 2, x`")


@pytest.mark.parametrize(
    "sql",
    [UNSTOPPABLE, f"SELECT ({UNSTOPPABLE})", f"INSERT INTO kept {UNSTOPPABLE}"],
    ids=["select", "while it is analysed", "insert"],
)
def test_a_statement_that_cannot_be_stopped_ends_with_its_process(make: Callable[..., LiveEngine], sql: str) -> None:
    """Past its limit it fails with what ran before it, the jobs beside it say that they were cut off, tables stay."""
    live = make(max_execution_time=30)
    live.run("CREATE TABLE kept (a UInt64) ENGINE = MergeTree ORDER BY a; INSERT INTO kept VALUES (7)", use_admin=True)
    pid = live.engine.pid
    _, bystander = endless(live)
    began = time.monotonic()
    outcome = live.run(f"SELECT 1; SET max_execution_time = 0.5; {sql}", use_admin=True)
    assert time.monotonic() - began < 20
    assert outcome.status == models.FAILURE
    assert outcome.error == (
        "Statement 3 of 3: Code: 159. The statement ran longer than its limit of 0.5 s and was ended. "
        "(TIMEOUT_EXCEEDED)"
    )
    assert len(manifest.decode(outcome.statements)) == 2
    assert bystander.result(PATIENCE) == Outcome(models.FAILURE, RESTARTED)
    assert live.rows("SELECT a FROM kept") == [(7,)]
    assert live.engine.pid not in {None, pid}


def test_a_preview_that_cannot_be_stopped_ends_with_its_process(make: Callable[..., LiveEngine]) -> None:
    """The preview of a view runs its SELECT, which has the same limit."""
    live = make(max_execution_time=0.5)
    assert live.run(f"CREATE VIEW slow AS {UNSTOPPABLE}", use_admin=True).status == models.SUCCESS
    with pytest.raises(UsageError, match=r"longer than its limit of 0\.5 s"):
        live.call(live.engine.preview("own", "slow", 1))
    assert live.rows("SELECT 1") == [(1,)]


def check_cancel(live: LiveEngine, sql: str) -> None:
    """Cancel SQL once it works; the process stays."""
    working, pid = threading.Event(), live.engine.pid
    job, future = live.submit(sql, on_progress=lambda _: working.set())
    assert working.wait(PATIENCE)
    assert live.call(live.engine.cancel(job.id)) is True
    assert future.result(PATIENCE).status == models.REVOKED
    assert live.engine.pid == pid


def test_a_select_of_any_length_is_cancelled(live: LiveEngine) -> None:
    """Long SQL is found by its log_comment, short SQL by the comment in it."""
    check_cancel(live, ENDLESS.replace("SELECT", f"SELECT /* {'long ' * 30_000} */"))


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT count() FROM numbers(1000000000000000) WHERE HMAC('sha256', toString(number), 'key') = 'x'",
        f"WITH (SELECT encrypt('aes-128-ecb', 'x', '0123456789abcdef')) AS x {ENDLESS}",
        f"{ENDLESS} SETTINGS log_queries_cut_to_length = 5",
        f"SET log_queries_cut_to_length = 5; {ENDLESS}",
    ],
)
def test_a_select_whose_text_the_engine_would_not_list_is_cancelled(live: LiveEngine, sql: str) -> None:
    """It writes a statement with keys anew, without comments, and would cut others: neither ends its process."""
    check_cancel(live, sql)


@pytest.mark.parametrize(
    "name", ["max_memory_usage", "log_comment", "priority", "additional_table_filters", "ast_fuzzer_runs"]
)
def test_a_table_has_no_settings_of_a_query(live: LiveEngine, name: str) -> None:
    """The engine would take them for the statement that creates the table, beyond what a caller may choose."""
    sql = f"CREATE TABLE with_settings (a Int8) ENGINE = MergeTree ORDER BY a SETTINGS {name} = '5'"
    assert f"The setting {name} is not one of a table" in failure(live, sql, use_admin=True)
    join = "CREATE TABLE joined (a Int8) ENGINE = Join(ANY, LEFT, a) SETTINGS max_rows_in_join = 9"
    assert live.run(f"{join}; DROP TABLE joined", use_admin=True).status == models.SUCCESS


def test_low_limits_do_not_keep_the_service_from_asking_for_them(live: LiveEngine) -> None:
    """The service asks what each limit is, under these limits."""
    low = "max_bytes_in_set = 1, max_result_rows = 1, max_rows_to_read = 1, max_result_bytes = 100"
    assert live.rows(f"SELECT 1 AS x SETTINGS {low}") == [(1,)]
    modes = "result_overflow_mode = 'break', read_overflow_mode = 'break', aggregate_functions_null_for_empty = 1"
    error = failure(live, f"SELECT 1 SETTINGS {low}, {modes}, max_block_size = 1, max_execution_time = 1000")
    assert "max_execution_time can be lowered only" in error


@pytest.mark.parametrize(
    "rest", ["FROM numbers(2)", "FROM numbers(2) LIMIT 1", "FROM numbers(2) GROUP BY number WITH TOTALS"]
)
def test_a_type_may_depend_on_a_limit_of_the_service(live: LiveEngine, rest: str) -> None:
    """What describes a statement has the limits of its result, too: the type of a number depends on them."""
    job, future = live.submit(
        f"SELECT CAST(number, if(getSetting('max_result_bytes') > 0, 'Int32', 'Float32')) AS x {rest}"
    )
    outcome = future.result(PATIENCE)
    assert outcome.status == models.SUCCESS, outcome.error
    (statement,) = manifest.decode(outcome.statements)
    assert statement.column_types == ["Int32"]
    assert sorted(rows_of(job, 0))[0] == (0,)


def test_cancel_returns_when_the_engine_has_stopped(live: LiveEngine) -> None:
    """A cancelled submission is REVOKED by a kill inside the engine: its process is the same afterwards."""
    pid = live.engine.pid
    job, future = endless(live)
    assert live.call(live.engine.cancel(job)) is True
    assert future.result(PATIENCE) == Outcome(models.REVOKED)
    assert live.engine.pid == pid
    assert live.call(live.engine.cancel(job)) is False


def test_cancel_at_once_is_not_lost(live: LiveEngine) -> None:
    """A cancel that comes before the engine has the query still stops it."""
    for _ in range(20):
        started = threading.Event()
        job, future = live.submit(f"SELECT 1; {ENDLESS}", on_start=started.set)
        assert started.wait(PATIENCE)
        assert live.call(live.engine.cancel(job.id)) is True
        assert future.result(PATIENCE).status == models.REVOKED


def test_cancelling_what_is_not_there_is_false(live: LiveEngine) -> None:
    """An unknown id is no error."""
    assert live.call(live.engine.cancel("nosuch")) is False


def test_submissions_queue_above_the_limit(make: Callable[..., LiveEngine]) -> None:
    """A job that waits has not started; if it is cancelled then, the next one still gets its slot."""
    live = make(max_concurrency=1)
    first, running = endless(live)
    starts: list[str] = []
    second, waiting = live.submit("SELECT 2", on_start=lambda: starts.append("second"))
    _, third = live.submit("SELECT 3", on_start=lambda: starts.append("third"))
    assert live.call(live.engine.cancel(second.id)) is True
    assert waiting.result(PATIENCE).status == models.REVOKED
    assert starts == []
    live.call(live.engine.cancel(first))
    assert running.result(PATIENCE).status == models.REVOKED
    assert third.result(PATIENCE).status == models.SUCCESS
    assert starts == ["third"]


def test_submissions_run_beside_each_other(live: LiveEngine) -> None:
    """A quick query ends while a long one runs."""
    job, long_one = endless(live)
    assert live.rows("SELECT 1") == [(1,)]
    assert not long_one.done()
    live.call(live.engine.cancel(job))
    assert long_one.result(PATIENCE).status == models.REVOKED


def test_an_engine_that_will_not_stop_is_replaced(
    make: Callable[..., LiveEngine], monkeypatch: pytest.MonkeyPatch
) -> None:
    """After a timeout the process is killed: the cancelled job is REVOKED, others fail, and the next query works."""
    live = make()
    pid = live.engine.pid
    _, bystander = endless(live)
    job, stubborn = endless(live)
    monkeypatch.setattr(engine_module, "CANCEL_SECONDS", 0.0)
    assert live.call(live.engine.cancel(job)) is True
    assert stubborn.result(PATIENCE).status == models.REVOKED
    assert bystander.result(PATIENCE) == Outcome(models.FAILURE, RESTARTED)
    assert live.rows("SELECT 1") == [(1,)]
    assert live.engine.pid not in {None, pid}


def test_a_killed_engine_is_replaced_and_loses_no_rows(make: Callable[..., LiveEngine]) -> None:
    """After kill -9 running queries fail with a message, and the next query finds the tables unchanged."""
    live = make()
    live.run(
        "CREATE TABLE kept (a Int) ENGINE = MergeTree ORDER BY a; INSERT INTO kept VALUES (1), (2)", use_admin=True
    )
    _, running = endless(live)
    assert live.engine.pid
    os.kill(live.engine.pid, signal.SIGKILL)
    assert running.result(PATIENCE) == Outcome(models.FAILURE, RESTARTED)
    assert live.rows("SELECT a FROM kept ORDER BY a") == [(1,), (2,)]


def test_the_process_ends_with_a_service_that_had_not_read_everything(make: Callable[..., LiveEngine]) -> None:
    """A service that is killed leaves messages unread; its engine ends all the same, though a query runs."""
    live = make()
    endless(live)
    engine = live.engine._process
    assert engine

    async def vanish() -> None:
        engine._loop.remove_reader(engine._connection)
        engine.send("tables", {"database": "own"})
        await asyncio.sleep(0.5)
        engine._connection.close()
        engine.alive = False

    live.call(vanish())
    engine.process.wait(PATIENCE)


def test_stopping_while_jobs_run_does_not_hang(make: Callable[..., LiveEngine]) -> None:
    """Stop ends the process at once, whatever runs or waits."""
    live = make(max_concurrency=1)
    pid = live.engine.pid
    _, running = endless(live)
    _, waiting = live.submit("SELECT 1")
    live.call(live.engine.stop())
    assert running.result(PATIENCE).status == models.FAILURE
    assert waiting.result(PATIENCE).status == models.FAILURE
    assert pid is not None
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


def test_the_engine_ends_when_its_owner_is_killed(tmp_path: Path) -> None:
    """The engine's process reads the end of its input, so it ends even if the service is killed with kill -9."""
    program = """
        import asyncio, os, sys
        from pathlib import Path
        from roe_magic.service.engine.chdb.engine import ChdbEngine
        async def main():
            engine = ChdbEngine(Path(sys.argv[1]))
            await engine.start()
            print(engine.pid, flush=True)
            os.kill(os.getpid(), 9)
        asyncio.run(main())
    """
    command = [sys.executable, "-c", textwrap.dedent(program), str(tmp_path)]
    done = subprocess.run(command, stdout=subprocess.PIPE, timeout=PATIENCE, check=False)
    pid = int(done.stdout)

    def gone() -> bool:
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            return True
        status = Path(f"/proc/{pid}/status")
        # Nobody here is its parent: where no init collects it, it stays behind as a zombie.
        return status.exists() and "State:\tZ" in status.read_text()

    until(gone)


@pytest.mark.parametrize("character", "*?{}")
def test_a_folder_whose_path_clickhouse_would_misread_is_a_clear_error(tmp_path: Path, character: str) -> None:
    """It reads no file there, and says nothing."""
    with pytest.raises(ServiceError, match="takes for a wildcard"):
        asyncio.run(ChdbEngine(tmp_path / f"a{character}b").start())


def test_a_folder_that_is_in_use_is_a_clear_error(live: LiveEngine) -> None:
    """A second engine on the same folder raises an error at once."""
    second = ChdbEngine(live.folder)
    with pytest.raises(ServiceError, match="Another process uses the data folder"):
        live.call(second.start())
    live.call(second.stop())


def test_without_chdb_the_error_names_the_extra(
    live: LiveEngine, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Where chDB is not installed, starting says what to install."""
    monkeypatch.setattr(process, "PROGRAM", f"import sys; sys.modules['chdb'] = None\n{process.PROGRAM}")
    engine = ChdbEngine(tmp_path)
    with pytest.raises(MissingExtra, match=r"roe-magic\[local\]"):
        live.call(engine.start())
    live.call(engine.stop())


def test_the_process_gets_nothing_of_the_services_environment(
    make: Callable[..., LiveEngine], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Keys in the service's environment are not passed on to the process that runs SQL."""
    monkeypatch.setenv("ROE_API_KEY", "canary-key")
    live = make()
    environ = Path(f"/proc/{live.engine.pid}/environ")
    if environ.exists():
        found = environ.read_text()
    else:  # macOS
        command = ["ps", "eww", "-p", str(live.engine.pid)]
        found = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert "TMPDIR=" in found
    assert "canary-key" not in found


def test_a_platform_without_chdb_is_a_clear_error(
    live: LiveEngine, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Where there is no chDB to install, starting says so instead of naming an extra."""
    monkeypatch.setattr(sys, "platform", "win32")
    with pytest.raises(ServiceError, match="Linux with glibc"):
        live.call(ChdbEngine(tmp_path).start())


class TestTables:
    """The service's own work on tables."""

    @pytest.fixture
    def files(self, live: LiveEngine) -> Path:
        folder = live.folder / "uploads"
        folder.mkdir(exist_ok=True)
        return folder

    def test_a_csv_file_becomes_a_typed_table(self, live: LiveEngine, files: Path) -> None:
        """Types are inferred, an empty cell is NULL, and the table is listed, described, previewed and dropped."""
        path = files / "people.csv"
        path.write_text("id,name,height,born\n1,Ada,1.5,1985-12-10\n2,,,\n")
        engine = live.engine
        outcome = live.call(engine.create_table("own", "people", upload_of(path)))
        assert outcome.summary.written_rows == 2
        columns = [("id", "Nullable(Int64)"), ("name", "Nullable(String)")]
        columns += [("height", "Nullable(Float64)"), ("born", "Nullable(Date)")]
        (listed,) = [table for table in live.call(engine.tables("own")) if table.name == "people"]
        described = live.call(engine.describe("own", "people"))
        preview = live.call(engine.preview("own", "people", 50))
        for found in (listed, described, preview):
            assert [(column.name, column.type) for column in found.columns] == columns
        assert described.row_count == 2
        assert described.updated_at.timestamp() == pytest.approx(time.time(), abs=60)
        assert preview.rows[0] == {"id": 1, "name": "Ada", "height": 1.5, "born": "1985-12-10"}
        assert preview.rows[1] == {"id": 2, "name": None, "height": None, "born": None}
        assert len(live.call(engine.preview("own", "people", 1)).rows) == 1
        assert live.call(engine.drop("own", "people")) is True
        assert live.call(engine.drop("own", "people")) is False

    def test_a_csv_file_without_header_gets_names(self, live: LiveEngine, files: Path) -> None:
        """Columns are then column_1, column_2, and so on, and the first row is a row."""
        path = files / "plain.csv"
        path.write_text("1,a\n2,b\n")
        live.call(live.engine.create_table("own", "plain", upload_of(path, with_headers=False)))
        assert live.rows("SELECT column_1, column_2 FROM plain ORDER BY column_1") == [(1, b"a"), (2, b"b")]
        live.call(live.engine.drop("own", "plain"))

    def test_a_table_that_exists_is_left_alone(self, live: LiveEngine, files: Path) -> None:
        """A second upload to the same name is refused, and the rows of the first stay."""
        path = files / "twice.csv"
        path.write_text("a\n1\n")
        live.call(live.engine.create_table("own", "twice", upload_of(path)))
        with pytest.raises(UsageError, match="exists already"):
            live.call(live.engine.create_table("own", "twice", upload_of(path)))
        assert live.rows("SELECT a FROM twice") == [(1,)]
        live.call(live.engine.drop("own", "twice"))

    @pytest.mark.parametrize("content", ["", "a,b\n1,2\n3,4,5,6\n"])
    def test_a_broken_csv_file_leaves_no_table(self, live: LiveEngine, files: Path, content: str) -> None:
        """The error does not show the service's paths, and no half-imported table is left."""
        path = files / "broken.csv"
        path.write_text(content)
        with pytest.raises(UsageError) as caught:
            live.call(live.engine.create_table("own", "broken", upload_of(path)))
        assert str(live.folder) not in str(caught.value)
        assert live.call(live.engine.describe("own", "broken")) is None

    @pytest.mark.parametrize(
        ("make_writer", "content_type"),
        [(pa.ipc.new_stream, models.ARROW_STREAM), (pa.ipc.new_file, models.ARROW_FILE)],
    )
    def test_arrow_becomes_a_table(
        self, live: LiveEngine, files: Path, make_writer: Callable[..., Any], content_type: str
    ) -> None:
        """Arrow files and Arrow streams are both taken, with their types."""
        table = pa.table({"a": pa.array([1, None], pa.int16()), "b": ["x", "y"]})
        path = files / "table.arrow"
        with make_writer(str(path), table.schema) as writer:
            writer.write_table(table)
        live.call(live.engine.create_table("own", "arrow", upload_of(path, content_type=content_type)))
        assert live.rows("SELECT a, b FROM arrow ORDER BY b") == [(1, b"x"), (None, b"y")]
        live.call(live.engine.drop("own", "arrow"))

    def test_a_table_may_have_any_name(self, live: LiveEngine, files: Path) -> None:
        """Names are quoted wherever the service writes SQL."""
        name = 'it\'s `a` \\ "name"; DROP'
        path = files / "named.csv"
        path.write_text("a\n1\n")
        live.call(live.engine.create_table("own", name, upload_of(path)))
        assert name in [table.name for table in live.call(live.engine.tables("own"))]
        assert live.call(live.engine.preview("own", name, 3)).rows == [{"a": 1}]
        assert live.call(live.engine.describe("own", name)).row_count == 1
        assert live.call(live.engine.drop("own", name)) is True

    def test_an_unknown_table_is_none(self, live: LiveEngine) -> None:
        """For a table that does not exist, describe and preview return None."""
        assert live.call(live.engine.describe("own", "nosuch")) is None
        assert live.call(live.engine.preview("own", "nosuch", 3)) is None

    @pytest.mark.parametrize("name", ["a`b", "", "default", "system", "INFORMATION_SCHEMA"])
    def test_a_database_has_a_plain_name(self, live: LiveEngine, name: str) -> None:
        """A name that would need quoting is refused, and so are the engine's own databases."""
        with pytest.raises(UsageError):
            live.call(live.engine.ensure_database(name))
        with pytest.raises(UsageError):
            live.run("SELECT 1", database=name)
