"""A file becomes a table as a whole or not at all, whatever happens meanwhile: on the real engine."""

from __future__ import annotations

import asyncio
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from roe_magic.contract import models
from roe_magic.errors import UsageError
from roe_magic.service.engine.chdb.engine import CANCELLED, RESTARTED_IN_IMPORT
from roe_magic.service.job import Limits, Upload
from roe_magic.service.queries.interfaces import UploadOutcome
from tests.support.engines import PATIENCE, LiveEngine, upload_of

pytestmark = pytest.mark.integration

# A file of a megabyte that takes the engine some seconds.
MANY_ROWS = 300_000_000


@pytest.fixture(scope="module")
def many_rows(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A Parquet file with a great many equal rows."""
    path = tmp_path_factory.mktemp("files") / "many"
    table = pa.table({"n": pa.array([7] * 1_000_000)})
    with pq.ParquetWriter(path, table.schema) as writer:
        for _ in range(MANY_ROWS // table.num_rows):
            writer.write_table(table)
    return path


@pytest.fixture
def own(tmp_path: Path) -> Iterator[LiveEngine]:
    """An engine for one test alone."""
    live = LiveEngine(tmp_path / "engine").start()
    yield live
    live.close()


def upload(live: LiveEngine, source: Path | str, **options: Any) -> Upload:
    """Return the upload of a file, or of a CSV text, from the folder of uploads."""
    folder = live.folder / "uploads"
    folder.mkdir(exist_ok=True)
    made = upload_of(folder / "x", **options)
    path = folder / made.id
    if isinstance(source, Path):
        os.link(source, path)
    else:
        path.write_text(source)
    return Upload(**{**{name: getattr(made, name) for name in made.__struct_fields__}, "path": str(path)})


def create(live: LiveEngine, table: str, source: Path | str, **options: Any) -> UploadOutcome:
    outcome: UploadOutcome = live.call(live.engine.create_table("own", table, upload(live, source, **options)))
    return outcome


def importing(live: LiveEngine, table: str, many_rows: Path, **options: Any) -> tuple[Upload, Future[UploadOutcome]]:
    """Start an import, and wait until rows arrive."""
    running = upload(live, many_rows, content_type=models.PARQUET, **options)
    future = asyncio.run_coroutine_threadsafe(live.engine.create_table("own", table, running), live.loop)
    until(lambda: live.rows("SELECT 1 FROM system.tables WHERE name LIKE '.import%' AND total_rows > 0"))
    assert not future.done()
    return running, future


def until(condition: Callable[[], object]) -> None:
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline, "the condition did not come true in time"
        time.sleep(0.02)


def names(live: LiveEngine) -> list[str]:
    """Return the names of all tables, those of imports too."""
    return [name.decode() for (name,) in live.rows("SHOW TABLES")]


# Ended before its time


def test_a_cancel_ends_an_import_and_leaves_nothing(own: LiveEngine, many_rows: Path) -> None:
    """The statement is killed, its table dropped; the table that was to be replaced is as it was."""
    create(own, "t", "a\n1\n")
    pid = own.engine.pid
    running, future = importing(own, "t", many_rows, replace=True)
    began = time.monotonic()
    assert own.call(own.engine.cancel(running.id)) is True
    assert time.monotonic() - began < 3
    with pytest.raises(UsageError, match=CANCELLED):
        future.result(PATIENCE)
    assert names(own) == ["t"]
    assert own.rows("SELECT a FROM t") == [(1,)]
    assert own.engine.pid == pid


def test_a_cancel_ends_an_import_that_waits_for_its_turn(own: LiveEngine, many_rows: Path) -> None:
    """Only two files are imported at the same time; the third is cancelled before it begins."""
    first = [importing(own, name, many_rows) for name in ("a", "b")]
    waiting = upload(own, "a\n1\n")
    future = asyncio.run_coroutine_threadsafe(own.engine.create_table("own", "c", waiting), own.loop)
    time.sleep(0.2)
    assert not future.done()
    assert own.call(own.engine.cancel(waiting.id)) is True
    with pytest.raises(UsageError, match=CANCELLED):
        future.result(PATIENCE)
    for running, _ in first:
        own.call(own.engine.cancel(running.id))
    assert names(own) == []


def test_who_no_longer_waits_for_an_import_ends_it(own: LiveEngine, many_rows: Path) -> None:
    """A coroutine that is cancelled cancels the import too."""
    _, future = importing(own, "t", many_rows)
    future.cancel()
    until(lambda: names(own) == [])


def test_an_import_has_a_time_limit(tmp_path: Path, many_rows: Path) -> None:
    """It is that of a statement, and a second for each MB of a large file; the error says how long it was."""
    limit = max(0.5, many_rows.stat().st_size / 2**20)
    live = LiveEngine(tmp_path / "engine", Limits(max_execution_time=0.5)).start()
    try:
        with pytest.raises(UsageError) as caught:
            create(live, "t", many_rows, content_type=models.PARQUET)
        assert f"took longer than its limit of {limit:.3g} s" in caught.value.message
        assert names(live) == []
    finally:
        live.close()


def test_a_killed_engine_leaves_the_old_table_and_no_other(own: LiveEngine, many_rows: Path) -> None:
    """The caller hears of it, the next process starts at once, and drops what the import has left."""
    create(own, "t", "a\n1\n")
    _, future = importing(own, "t", many_rows, replace=True)
    pid = own.engine.pid
    assert pid
    os.kill(pid, signal.SIGKILL)
    with pytest.raises(UsageError) as caught:
        future.result(PATIENCE)
    assert caught.value.message == RESTARTED_IN_IMPORT
    until(lambda: names(own) == ["t"])
    assert own.rows("SELECT a FROM t") == [(1,)]
    assert create(own, "t", "a\n2\n", replace=True).summary.written_rows == 1


def test_what_an_import_has_left_is_dropped_at_the_next_start(tmp_path: Path, many_rows: Path) -> None:
    """Nothing of a killed service takes room for ever."""
    first = LiveEngine(tmp_path / "engine").start()
    importing(first, "t", many_rows)
    first.close()
    second = LiveEngine(tmp_path / "engine").start()
    try:
        until(lambda: names(second) == [])
        assert create(second, "t", "a\n1\n").summary.written_rows == 1
    finally:
        second.close()


def test_a_table_that_is_dropped_under_the_import_is_no_success(own: LiveEngine, many_rows: Path) -> None:
    """ClickHouse's INSERT ends without an error then, and without rows."""
    running, future = importing(own, "t", many_rows)
    own.run(f"DROP TABLE `.import_{running.id}`", use_admin=True)
    with pytest.raises(UsageError):
        future.result(PATIENCE)
    assert names(own) == []


# Replacing


def test_a_file_that_cannot_be_read_replaces_nothing(live: LiveEngine) -> None:
    """The old table is there all the time."""
    create(live, "kept", "a\n1\n", replace=True)
    for text in ("", "a,b\n1\n2,3,4\n", "a\n"):
        with pytest.raises(UsageError):
            create(live, "kept", text, replace=True)
        assert live.rows("SELECT a FROM kept") == [(1,)]


def test_a_table_is_replaced_while_it_is_read(live: LiveEngine) -> None:
    """The reader gets all rows of the old one; the new one is there at once, and nothing waits for the reader."""
    create(live, "read", "a\n1\n2\n3\n", replace=True)
    reading = threading.Event()
    sql = "SELECT sum(a + 0 * sleepEachRow(1)) FROM read SETTINGS max_block_size = 1"
    _, reader = live.submit(sql, on_progress=lambda _: reading.set())
    assert reading.wait(PATIENCE)
    began = time.monotonic()
    create(live, "read", "a\n10\n", replace=True)
    assert live.rows("SELECT sum(a) FROM read") == [(10,)]
    assert time.monotonic() - began < 2
    assert not reader.done()
    assert reader.result(PATIENCE).status == models.SUCCESS


def test_two_replaces_at_once_leave_one_whole_table(live: LiveEngine) -> None:
    """Each is either the table at the end, or was replaced by the other; no error, and no leftovers."""

    async def both() -> None:
        texts = [f"a\n{n}\n{n}\n" for n in range(6)]
        uploads = [upload(live, text, replace=True) for text in texts]
        await asyncio.gather(*(live.engine.create_table("own", "raced", each) for each in uploads))

    for _ in range(5):
        live.call(both())
        ((count, distinct),) = live.rows("SELECT count(), uniqExact(a) FROM raced")
        assert (count, distinct) == (2, 1)
    assert not [name for name in names(live) if name.startswith(".")]


def test_a_table_that_is_dropped_in_the_last_moment_is_replaced_all_the_same(live: LiveEngine) -> None:
    """Drops and replaces at the same time end in a table or in none, and in no other error."""

    async def churn() -> None:
        replaces = [live.engine.create_table("own", "churned", upload(live, "a\n1\n", replace=True)) for _ in range(6)]
        drops = [live.engine.drop("own", "churned") for _ in range(6)]
        await asyncio.gather(*(each for pair in zip(replaces, drops, strict=True) for each in pair))

    for _ in range(5):
        live.call(churn())
    live.call(live.engine.drop("own", "churned"))


@pytest.mark.parametrize(
    ("sql", "kind"),
    [
        ("CREATE VIEW other AS SELECT 1 AS a", "View"),
        ("CREATE MATERIALIZED VIEW other ENGINE = Memory AS SELECT a FROM base", "MaterializedView"),
        ("CREATE TABLE other (a Int8) ENGINE = Null", "Null"),
        ("CREATE TABLE other (k UInt8, a Int8) ENGINE = Join(ANY, LEFT, k)", "Join"),
    ],
)
def test_what_is_more_than_rows_is_not_replaced(live: LiveEngine, sql: str, kind: str) -> None:
    """A view of that name stays, and the message says what it is."""
    create(live, "base", "a\n1\n", replace=True)
    live.rows(sql, use_admin=True)
    try:
        with pytest.raises(UsageError, match=kind):
            create(live, "other", "a\n1\n", replace=True)
        with pytest.raises(UsageError, match=kind):
            live.call(live.engine.check_upload("own", "other", upload_of(Path("x"), replace=True)))
        assert "other" in names(live)
    finally:
        live.rows("DROP TABLE other", use_admin=True)


@pytest.mark.parametrize("engine", ["Memory", "Log", "TinyLog", "StripeLog", "ReplacingMergeTree ORDER BY a"])
def test_a_plain_table_of_any_engine_is_replaced(live: LiveEngine, engine: str) -> None:
    """What was made with CREATE TABLE can be replaced too."""
    live.rows(f"CREATE TABLE plain (a Int8) ENGINE = {engine}", use_admin=True)
    create(live, "plain", "b\nx\n", replace=True)
    assert live.rows("SELECT b FROM plain") == [(b"x",)]
    live.call(live.engine.drop("own", "plain"))


def test_views_that_read_a_replaced_table_are_named(live: LiveEngine) -> None:
    """They read the new one, and its columns may be others."""
    create(live, "source", "a\n1\n", replace=True)
    live.rows("CREATE VIEW seen AS SELECT a FROM source", use_admin=True)
    live.rows("CREATE VIEW unrelated AS SELECT 1 AS source_of", use_admin=True)
    outcome = create(live, "source", "a\n2\n", replace=True)
    assert outcome.notices == ["Views read this table: 'seen'. Check that they still fit its columns."]
    assert live.rows("SELECT a FROM seen") == [(2,)]
    for name in ("seen", "unrelated"):
        live.rows(f"DROP VIEW {name}", use_admin=True)


# Looked at beforehand


@pytest.mark.parametrize("content_type", [models.CSV, models.PARQUET])
def test_a_dry_run_creates_nothing(live: LiveEngine, many_rows: Path, content_type: str) -> None:
    """The columns are known afterwards, and the figures are zeros."""
    source = "a,b\n1,x\n" if content_type == models.CSV else many_rows
    outcome = create(live, "dry", source, content_type=content_type, dry_run=True)
    assert outcome.columns
    assert outcome.summary.written_rows == 0
    assert not [name for name in names(live) if name.startswith((".", "dry"))]


def test_a_dry_run_answers_where_the_table_exists(live: LiveEngine) -> None:
    """It creates nothing, so nothing is in the way."""
    create(live, "dry_taken", "a\n1\n", replace=True)
    live.call(live.engine.check_upload("own", "dry_taken", upload_of(Path("nowhere"), dry_run=True)))
    outcome = create(live, "dry_taken", "b\nx\n", dry_run=True)
    assert [column.name for column in outcome.columns] == ["b"]
    assert live.rows("SELECT a FROM dry_taken") == [(1,)]


def test_a_name_that_is_taken_is_known_beforehand(live: LiveEngine) -> None:
    """The file need not be there."""
    create(live, "taken", "a\n1\n", replace=True)
    nowhere = upload_of(Path("nowhere"))
    with pytest.raises(UsageError, match="exists already"):
        live.call(live.engine.check_upload("own", "taken", nowhere))
    live.call(live.engine.check_upload("own", "free", nowhere))
    live.call(live.engine.check_upload("own", "taken", upload_of(Path("nowhere"), replace=True)))


@pytest.mark.parametrize(
    "type_name",
    [
        "AggregateFunction(sum, UInt64)",
        "SimpleAggregateFunction(sum, UInt64)",
        "Array(AggregateFunction(sum, UInt64))",
        "Tuple(a AggregateFunction(count))",
        "Tuple(a b AggregateFunction(count))",
        "Nullable(Nothing)",
        "Nested(a UInt8)",
        "Variant(String, UInt8)",
        "Dynamic",
        "Object('json')",
        "JSON(max_dynamic_paths=1000000)",
        "QBit(Float32, 8)",
        "NoSuchType",
        "Int64) ENGINE = File(CSV, '/etc/passwd') --",
        "Int64 DEFAULT file('/etc/passwd')",
        "Int64, b String",
        "Array(Int64",
        "Decimal(200, 2)",
        "Nullable(Array(Int8))",
        "Array(" * 200 + "Int8" + ")" * 200,
        "",
        "''",
    ],
)
def test_a_type_that_no_column_may_have_is_refused_by_name(live: LiveEngine, type_name: str) -> None:
    """The message names the column; nothing of the text reaches ClickHouse."""
    declared = upload_of(Path("nowhere"), types={"amount": type_name})
    with pytest.raises(UsageError, match="types: column 'amount'") as caught:
        live.call(live.engine.check_upload("own", "free", declared))
    assert "DB::" not in caught.value.message


@pytest.mark.parametrize(
    "type_name",
    [
        "Int64",
        "integer",
        "VARCHAR",
        "Nullable(String)",
        "Decimal32(2)",
        "DateTime64(3, 'Europe/Paris')",
        "Enum('a', 'b' = 2)",
        # In small letters or capitals as well, which ClickHouse does not take for all types.
        "string",
        "int64",
        "FLOAT64",
        "nullable(string)",
        "array(uint8)",
        "lowcardinality(String)",
        "decimal(10, 2)",
        "datedmy",
    ],
)
def test_a_type_may_be_written_as_in_sql(live: LiveEngine, type_name: str) -> None:
    """Aliases are types too."""
    live.call(live.engine.check_upload("own", "free", upload_of(Path("nowhere"), types={"amount": type_name})))


@pytest.mark.parametrize(
    ("type_name", "says"),
    [
        ("str", "types: column 'a': 'str' is not a type that a column of a file can have; did you mean String?"),
        ("Strng", "types: column 'a': 'Strng' is not a type that a column of a file can have; did you mean String?"),
        ("Array(Flaot64)", "'Flaot64' is not a type that a column of a file can have; did you mean Float64?"),
        ("Variant(String)", "'Variant(String)' is not a type that a column of a file can have."),
        ("float", "types: column 'a': 'float' may be Float64 or Float32; choose one of them."),
        ("Array(DateDMY)", "'DateDMY' is not a type that a column of a file can have"),
    ],
)
def test_a_type_that_nobody_knows_is_refused_with_a_suggestion(live: LiveEngine, type_name: str, says: str) -> None:
    """ClickHouse's float has 32 bits and Python's 64: that is asked."""
    with pytest.raises(UsageError) as caught:
        live.call(live.engine.check_upload("own", "free", upload_of(Path("nowhere"), types={"a": type_name})))
    assert says in caught.value.message


def test_a_type_in_small_letters_is_the_type(live: LiveEngine) -> None:
    """The column's type is written as ClickHouse does."""
    outcome = create(live, "small", "s,n,d\n1,1,02/01/2024\n", types={"s": "string", "n": "uint8", "d": "datedmy"})
    assert [column.type for column in outcome.columns] == ["Nullable(String)", "Nullable(UInt8)", "Nullable(Date)"]
    live.call(live.engine.drop("own", "small"))


@pytest.mark.parametrize("content_type", [models.CSV, models.PARQUET])
def test_a_type_for_a_column_that_is_not_there_is_refused(live: LiveEngine, many_rows: Path, content_type: str) -> None:
    """The message names it, and those that there are."""
    source = "n\n1\n" if content_type == models.CSV else many_rows
    with pytest.raises(UsageError, match="no column 'm'; it has 'n'"):
        create(live, "free", source, content_type=content_type, types={"m": "Int64"})
