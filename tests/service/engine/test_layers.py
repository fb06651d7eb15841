"""Each of the defences around the engine alone, with the others off: the sandbox, the engine's settings, the guard.

The engine's process is the real one; ``tests.support.layers`` switches off what is not tested.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from roe_magic.contract import models
from roe_magic.errors import UsageError
from roe_magic.service.engine.chdb import process
from tests.support.canaries import TEXT, Canaries, canaries
from tests.support.engines import LiveEngine
from tests.support.layers import with_raw_sql, without_sandbox
from tests.support.platforms import needs_landlock, needs_linux

pytestmark = pytest.mark.integration

# No client of the engine tries for long.
QUICK = {
    "http_max_tries": "1",
    "connect_timeout": "1",
    "handshake_timeout_ms": "1000",
    "receive_timeout": "1",
    "s3_retry_attempts": "0",
    "max_execution_time": "5",
}
# In these the name of the function is inside a text, which the engine parses later.
HIDDEN_READS = [
    "SELECT b FROM generateRandom($$a UInt8, b String ALIAS file('{file}')$$) LIMIT 1",
    "SELECT * FROM format(JSONEachRow, $$a UInt8, b String DEFAULT file('{file}')$$, '{{\"a\": 1}}')",
]
READS = [
    "SELECT file('{file}')",
    "SELECT * FROM file('{file}', 'LineAsString')",
    "SELECT * FROM url('file://{file}', 'LineAsString')",
    "SELECT arrayMap(f -> file(f), ['{file}'])",
    "SELECT * APPLY(file) FROM (SELECT '{file}' AS f)",
]
RESULT_READS = [
    "SELECT file('{results}/other/0.arrow')",
    "SELECT * FROM file('{results}/other/0.arrow', 'LineAsString')",
    "SELECT * FROM file('{results}/*/*.arrow', 'RawBLOB')",
    "SELECT file('{data}/../results/other/0.arrow')",
]
PROCESS_READS = [
    f"SELECT file('/proc/{process}/{name}')"
    for process in ("self", "thread-self", "1")
    for name in ("environ", "cmdline", "mem", "status")
]
# The socket to the service, in several spellings.
STREAM_READS = [f"SELECT file('{path}')" for path in ("/proc/self/fd/0", "/dev/stdin", "/dev/fd/0", "/proc/self/fd/3")]
CONNECTS = [
    "SELECT * FROM url('http://127.0.0.1:{port}/', 'LineAsString')",
    "DESCRIBE url('http://127.0.0.1:{port}/')",
    "SELECT * FROM remote('127.0.0.1:{port}', system.one)",
    "DESCRIBE remote('127.0.0.1:{port}', system.one)",
    "SELECT * FROM s3('http://127.0.0.1:{port}/bucket/key', 'LineAsString')",
    "SELECT * FROM postgresql('127.0.0.1:{port}', 'd', 't', 'u', 'p')",
    "SELECT * FROM redis('127.0.0.1:{port}', 'k', 'k String, v String')",
    "INSERT INTO FUNCTION url('http://127.0.0.1:{port}/', 'TSV', 'a UInt8') SELECT 1",
    "CREATE TABLE own.remote (a String) ENGINE = URL('http://127.0.0.1:{port}/', 'TSV')",
]
WRITES_OUTSIDE = [
    "SELECT 1 INTO OUTFILE '{outside}/new'",
    "INSERT INTO FUNCTION file('{outside}/new', 'TSV', 'a UInt8') SELECT 1",
]
WRITES = [
    "CREATE TABLE own.new (a Int8) ENGINE = Memory",
    "INSERT INTO own.t VALUES (2)",
    "ALTER TABLE own.t DELETE WHERE 1",
    "TRUNCATE TABLE own.t",
    "DROP TABLE own.t",
    "RENAME TABLE own.t TO own.u",
    "CREATE DATABASE new",
    "DROP DATABASE own",
    "CREATE FUNCTION new AS x -> x",
    "CREATE TABLE own.outside (a String) ENGINE = File('LineAsString', '{file}')",
    "INSERT INTO FUNCTION file('{outside}/new', 'TSV', 'a UInt8') SELECT 1",
]
SETTINGS = [
    "SET readonly = 0",
    "SET max_memory_usage = 0",
    "SELECT 1 SETTINGS readonly = 0",
    "SELECT 1 SETTINGS max_execution_time = 1000",
    "SELECT 1 SETTINGS max_result_bytes = 0",
]
SCRIPT = "SELECT * FROM executable('started.sh', TSV, 'a String')"
OTHERS = [
    "SELECT * FROM org_b.secret",
    "SELECT * FROM merge('org_b', 'secret')",
    "SELECT query FROM system.processes",
    "KILL QUERY WHERE 1",
    "SYSTEM SHUTDOWN",
    "SHOW PROCESSLIST",
]


class Bench:
    """An engine with canaries around it; ``raw`` runs SQL without the guard."""

    def __init__(self, live: LiveEngine, reached: Canaries) -> None:
        self.live, self.reached = live, reached

    def raw(self, template: str, **settings: str) -> str:
        """Return what a statement returns, or its error."""
        sql = self.reached.sql(template)
        try:
            return str(self.live.call(self.live.engine._call("sql", sql=sql, settings={**QUICK, **settings})))
        except UsageError as error:
            return f"Error: {error}"


def add_script(bench: Bench) -> None:
    """Put a program where the engine looks for programs."""
    folder = bench.live.folder / "engine" / "user_scripts"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "started.sh").write_text("#!/bin/sh\necho started\n")
    (folder / "started.sh").chmod(0o755)


@pytest.fixture(scope="module")
def make_bench(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[str], Bench]]:
    """Start engines with another program than the usual one, each once."""
    benches: dict[str, Bench] = {}
    with pytest.MonkeyPatch.context() as patch:

        def make(program: str) -> Bench:
            if program not in benches:
                folder = tmp_path_factory.mktemp("layers")
                patch.setattr(process, "PROGRAM", program)
                benches[program] = _bench(folder, stack)
            return benches[program]

        with contextlib.ExitStack() as stack:
            yield make


def _bench(folder: Path, stack: contextlib.ExitStack) -> Bench:
    results, data = folder / "results", folder / "engine"
    (results / "other").mkdir(parents=True)
    (results / "other" / "0.arrow").write_text(f"{TEXT}\n")
    reached = stack.enter_context(canaries(folder, results=str(results), data=str(data)))
    live = LiveEngine(data, results=results)
    stack.callback(live.close)
    bench = Bench(live.start(), reached)
    assert live.run("CREATE TABLE t (a Int32) ENGINE = MergeTree ORDER BY a", use_admin=True).status == models.SUCCESS
    live.call(live.engine.ensure_database("org_b"))
    secret = f"CREATE TABLE secret ENGINE = MergeTree ORDER BY a AS SELECT '{TEXT}' AS a"
    assert live.run(secret, use_admin=True, database="org_b").status == models.SUCCESS
    return bench


@pytest.fixture
def nothing(make_bench: Callable[[str], Bench]) -> Bench:
    """Return an engine with no defence at all."""
    return make_bench(with_raw_sql(without_sandbox()))


@pytest.fixture
def sandboxed(make_bench: Callable[[str], Bench]) -> Bench:
    """Return an engine with the sandbox alone."""
    return make_bench(with_raw_sql())


class TestWithoutAny:
    """The attacks are real: without a defence each reaches what it is meant for."""

    @pytest.mark.parametrize("sql", [*READS, *HIDDEN_READS, *RESULT_READS])
    def test_files_are_read(self, nothing: Bench, sql: str) -> None:
        assert TEXT in nothing.raw(sql)

    @pytest.mark.parametrize("sql", CONNECTS)
    def test_connections_are_made(self, nothing: Bench, sql: str) -> None:
        nothing.raw(sql)
        if "CREATE TABLE" in sql:
            nothing.raw("SELECT * FROM own.remote")
        assert nothing.reached.was_connected()

    @needs_linux  # elsewhere the path of an open file is another name for it
    @pytest.mark.parametrize("sql", STREAM_READS)
    def test_the_services_messages_are_not_taken(self, nothing: Bench, sql: str) -> None:
        """They come through a socket, which has no second end to open; of a pipe a statement would read them."""
        assert nothing.raw(sql).startswith("Error: Code: ")
        assert nothing.live.rows("SELECT 1") == [(1,)]

    def test_the_environment_is_read(self, nothing: Bench) -> None:
        assert "TMPDIR=" in nothing.raw("SELECT file('/proc/self/environ')")

    def test_programs_are_started(self, nothing: Bench) -> None:
        add_script(nothing)
        assert nothing.raw(SCRIPT) == "started\n"

    @pytest.mark.parametrize("sql", WRITES_OUTSIDE)
    def test_files_are_written(self, nothing: Bench, sql: str) -> None:
        nothing.raw(sql)
        assert nothing.reached.written() == ["new"]
        (nothing.reached.outside / "new").unlink()


@needs_landlock
class TestSandboxAlone:
    """No guard, no readonly: the kernel refuses."""

    @pytest.mark.parametrize("sql", [*READS, *HIDDEN_READS, *RESULT_READS, *PROCESS_READS, *STREAM_READS])
    def test_no_file_is_read(self, sandboxed: Bench, sql: str) -> None:
        answer = sandboxed.raw(sql)
        # A pattern of names finds nothing where folders cannot be listed.
        assert answer.startswith("Error: Code: ") or (answer == "" and "*" in sql)
        assert TEXT not in answer

    @pytest.mark.parametrize("sql", CONNECTS)
    def test_no_connection_is_made(self, sandboxed: Bench, sql: str) -> None:
        answer = sandboxed.raw(sql)
        if "CREATE TABLE" in sql:
            answer = sandboxed.raw("SELECT * FROM own.remote")
        assert answer.startswith("Error: Code: ")
        assert not sandboxed.reached.was_connected()

    @pytest.mark.parametrize("sql", WRITES_OUTSIDE)
    def test_no_file_is_written(self, sandboxed: Bench, sql: str) -> None:
        assert sandboxed.raw(sql).startswith("Error: Code: ")
        assert sandboxed.reached.written() == []

    def test_no_program_is_started(self, sandboxed: Bench) -> None:
        add_script(sandboxed)
        # The engine takes a program that did not start for one that wrote nothing.
        assert sandboxed.raw(SCRIPT) == ""


class TestEngineSettingsAlone:
    """No guard and no sandbox: readonly and the limits on the connection.

    They do not keep a statement from reading files (``file`` as a function), from connecting (``DESCRIBE url``), from
    writing INTO OUTFILE or from killing the queries of others: for those there are the guard and the sandbox.
    """

    @pytest.mark.parametrize("sql", [*WRITES, *SETTINGS])
    def test_nothing_is_changed(self, nothing: Bench, sql: str) -> None:
        assert "READONLY" in nothing.raw(sql, readonly="1", max_result_bytes="1000000", max_memory_usage="1000000000")
        assert nothing.raw("SELECT count() FROM own.t") == "0\n"
        assert nothing.reached.written() == []

    @pytest.mark.parametrize("sql", [sql for sql in CONNECTS if not sql.startswith("DESCRIBE")])
    def test_no_table_function_connects(self, nothing: Bench, sql: str) -> None:
        assert "READONLY" in nothing.raw(sql, readonly="1")
        assert not nothing.reached.was_connected()

    @pytest.mark.parametrize(
        ("sql", "limit", "error"),
        [
            ("SELECT sum(number) FROM numbers(1000000000000)", {"max_execution_time": "0.3"}, "TIMEOUT_EXCEEDED"),
            ("SELECT groupArray(number) FROM numbers(90000000)", {"max_memory_usage": "50000000"}, "MEMORY_LIMIT"),
            ("SELECT number FROM numbers(10000000)", {"max_result_bytes": "1000000"}, "TOO_MANY_ROWS_OR_BYTES"),
        ],
    )
    def test_limits_hold(self, nothing: Bench, sql: str, limit: dict[str, str], error: str) -> None:
        assert error in nothing.raw(sql, readonly="1", **limit)


class TestGuardAlone:
    """No sandbox: the guard refuses before the engine is asked, so its messages have no code of the engine's."""

    @pytest.mark.parametrize("use_admin", [False, True], ids=["reader", "admin"])
    @pytest.mark.parametrize(
        "sql",
        [
            *READS,
            *HIDDEN_READS,
            *RESULT_READS,
            *PROCESS_READS,
            *STREAM_READS,
            *CONNECTS,
            *WRITES_OUTSIDE,
            *OTHERS,
            SCRIPT,
        ],
    )
    def test_nothing_is_reached(self, make_bench: Callable[[str], Bench], sql: str, *, use_admin: bool) -> None:
        bench = make_bench(without_sandbox())
        outcome = bench.live.run(bench.reached.sql(sql), use_admin=use_admin)
        assert outcome.status == models.FAILURE
        assert outcome.error
        assert "Code: " not in outcome.error
        assert TEXT not in outcome.error
        assert not bench.reached.was_connected()
        assert bench.reached.written() == []

    @pytest.mark.parametrize("table", ["tables", "columns", "parts"])
    def test_tables_of_the_system_show_nothing_of_others(self, make_bench: Callable[[str], Bench], table: str) -> None:
        bench = make_bench(without_sandbox())
        assert bench.live.rows(f"SELECT * FROM system.{table} WHERE database = 'org_b'") == []

    @pytest.mark.parametrize("sql", [*WRITES, *SETTINGS])
    def test_a_reader_changes_nothing(self, make_bench: Callable[[str], Bench], sql: str) -> None:
        bench = make_bench(without_sandbox())
        outcome = bench.live.run(bench.reached.sql(sql))
        assert outcome.status == models.FAILURE
        assert "Code: " not in str(outcome.error)
        assert bench.live.rows("SELECT count() FROM t") == [(0,)]
