"""The service's state in SQLite."""

from __future__ import annotations

import contextlib
import signal
import sqlite3
import subprocess
import sys
import threading
from datetime import datetime, timedelta, timezone
from pathlib import Path

import alembic.autogenerate
import alembic.command
import alembic.migration
import alembic.script
import pytest
import sqlalchemy as sa
from sqlalchemy.orm import Session

from roe_magic.service.job import Outcome, SubmitRequest
from roe_magic.service.state import api_keys, migrations, schema
from roe_magic.service.state.sqlite import NEWEST_REVISION, open_database
from roe_magic.service.state.store import Store, StoreError


@pytest.fixture
def store(tmp_path: Path):
    opened = Store(tmp_path / "state.sqlite3")
    yield opened
    opened.close()


@pytest.fixture
def database(tmp_path: Path):
    opened = open_database(tmp_path / "database.sqlite3")
    yield opened
    opened.dispose()


ONE = SubmitRequest(sql="SELECT 1")
BEGIN = datetime(2026, 1, 1, tzinfo=timezone.utc)


def finish(store: Store, query: schema.QueryRow, finished_at: datetime = BEGIN, size: int = 0) -> None:
    store.finish_query(query.id, Outcome("SUCCESS"), started_at=BEGIN, finished_at=finished_at, result_bytes=size)


def first_key(store: Store) -> schema.KeyRow:
    organization, user = store.first_start()
    found = store.key(store.add_key(organization, user, admin=True))
    assert found
    return found


def test_the_migrations_create_the_tables_of_the_models(database: sa.Engine) -> None:
    """Alembic finds no difference between the tables on disk and those of the code."""
    with database.connect() as connection:
        context = alembic.migration.MigrationContext.configure(connection, opts={"compare_type": False})
        assert alembic.autogenerate.compare_metadata(context, schema.Base.metadata) == []


def test_the_newest_revision_is_that_of_the_last_migration() -> None:
    """An up-to-date file is opened without Alembic, which the revision in the code permits."""
    newest = alembic.script.ScriptDirectory.from_config(migrations.config()).get_current_head()
    assert newest == NEWEST_REVISION


def test_the_file_is_in_wal_mode_with_foreign_keys_on(database: sa.Engine) -> None:
    """A committed write survives a kill, and a row cannot refer to one that does not exist."""
    with database.connect() as connection:
        pragma = {
            name: connection.exec_driver_sql(f"PRAGMA {name}").scalar() for name in ("journal_mode", "foreign_keys")
        }
    assert pragma == {"journal_mode": "wal", "foreign_keys": 1}
    with pytest.raises(sa.exc.IntegrityError), Session(database) as session, session.begin():
        session.add(schema.WorksheetRow(name="x", organization_id=schema.uuid4()))


@pytest.mark.integration
def test_several_openings_at_once_migrate_once(tmp_path: Path) -> None:
    """Threads and processes that open a new file together all find it ready."""
    path = tmp_path / "state.sqlite3"
    program = (
        "from pathlib import Path; from roe_magic.service.state.store import Store; "
        f"Store(Path({str(path)!r})).first_start()"
    )
    processes = [subprocess.Popen([sys.executable, "-c", program]) for _ in range(3)]
    assert [process.wait(60) for process in processes] == [0, 0, 0]
    store = Store(path)
    assert len(store.worksheets(store.first_start()[0].id)) == 1
    store.close()


def test_an_opening_waits_for_another_process_that_writes(tmp_path: Path) -> None:
    """SQLite refuses at once to change a file's journal while another connection writes."""
    path = tmp_path / "state.sqlite3"
    with contextlib.closing(sqlite3.connect(path, isolation_level=None, check_same_thread=False)) as other:
        other.execute("CREATE TABLE other (x)")
        other.execute("BEGIN IMMEDIATE")
        commit = threading.Timer(0.3, other.execute, ("COMMIT",))
        commit.start()
        Store(path).close()
        commit.join()


def test_a_failed_migration_leaves_nothing_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """All migrations are one transaction: the next start begins anew."""
    path = tmp_path / "state.sqlite3"
    with monkeypatch.context() as patch:
        patch.setattr("alembic.op.create_index", lambda *_: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            Store(path)
    with sqlite3.connect(path) as connection:
        assert connection.execute("SELECT count(*) FROM sqlite_master").fetchone() == (0,)
    connection.close()
    Store(path).close()


def test_a_path_may_hold_any_character(tmp_path: Path) -> None:
    """Per cent signs, blanks and question marks in the folder's name do no harm."""
    path = tmp_path / "50% of ü?#" / "state.sqlite3"
    Store(path).close()
    assert path.exists()


def test_a_second_start_finds_what_the_first_made(tmp_path: Path) -> None:
    """Organisation, user, default worksheet and key are made once."""
    first = Store(tmp_path / "s")
    organization, user = first.first_start()
    key = first.add_key(organization, user, admin=True)
    first.close()
    second = Store(tmp_path / "s")
    again, same_user = second.first_start()
    assert (again.id, same_user.id) == (organization.id, user.id)
    found = second.key(key)
    assert found
    assert (found.organization.id, found.admin) == (organization.id, True)
    second.close()


def test_a_keys_text_is_nowhere_on_disk(tmp_path: Path) -> None:
    """Only its digest is stored."""
    store = Store(tmp_path / "s")
    organization, user = store.first_start()
    key = store.add_key(organization, user, admin=True)
    store.close()
    kept = b"".join(path.read_bytes() for path in tmp_path.iterdir())
    assert api_keys.digest(key) in kept
    assert key.rpartition("_")[2].encode() not in kept


@pytest.mark.parametrize(
    "change",
    [
        lambda key: key[:-1],
        lambda key: key + "0",
        str.upper,
        lambda _: "",
        lambda _: "roe_local__",
        lambda key: key.replace("roe_local_", ""),
    ],
)
def test_a_changed_key_is_not_valid(store: Store, change) -> None:
    """A changed key is not valid, neither before nor after the real one was first used."""
    organization, user = store.first_start()
    key = store.add_key(organization, user, admin=True)
    assert store.key(change(key)) is None
    assert store.key(key)
    assert store.key(change(key)) is None


def test_times_come_back_exactly(store: Store) -> None:
    """Microseconds and the zone survive, also before 1970."""
    moment = datetime(1969, 12, 31, 23, 59, 59, 999_999, tzinfo=timezone.utc)
    query = store.add_query(first_key(store), ONE)
    finish(store, query, moment)
    found = store.query(query.organization_id, query.id)
    assert found
    assert found.finished_at == moment
    assert found.created_at == query.created_at


def test_text_comes_back_exactly(store: Store) -> None:
    """SQL may hold any character, NUL too."""
    sql = "SELECT '\0 ü 🦀 \r\n'"
    query = store.add_query(first_key(store), SubmitRequest(sql=sql))
    found = store.query(query.organization_id, query.id)
    assert found
    assert found.sql == sql


def test_unfinished_queries_fail_and_others_stay(store: Store) -> None:
    """Unfinished queries become FAILURE with the reason; ended ones are not changed."""
    key = first_key(store)
    done, left = store.add_query(key, ONE), store.add_query(key, SubmitRequest(sql="SELECT 2"))
    finish(store, done)
    assert store.fail_unfinished("server restarted") == [left.id]
    rows = {one.id: store.query(key.organization_id, one.id) for one in (done, left)}
    assert [(row.status, row.error) for row in rows.values() if row] == [
        ("SUCCESS", None),
        ("FAILURE", "server restarted"),
    ]


def test_the_oldest_results_are_over_the_limit(store: Store) -> None:
    """Sizes are added up from the newest query on; those beyond the limit are returned."""
    key = first_key(store)
    queries = [store.add_query(key, ONE) for _ in range(4)]
    for hour, query in enumerate(queries):
        finish(store, query, BEGIN + timedelta(hours=hour), size=10)
    assert store.stored_bytes() == 40
    assert set(store.results_over(25)) == {queries[0].id, queries[1].id}
    store.expire_results([queries[0].id, queries[1].id])
    assert store.stored_bytes() == 20
    found = store.query(key.organization_id, queries[0].id)
    assert found
    assert found.expired


def test_a_started_query_is_stored_as_started(store: Store) -> None:
    """Its status and the time of its start are on disk, and a restart still fails it with that time."""
    key = first_key(store)
    query = store.add_query(key, ONE)
    query.status, query.started_at, query.updated_at = "STARTED", BEGIN, BEGIN
    store.start_query(query)
    found = store.query(key.organization_id, query.id)
    assert found
    assert (found.status, found.started_at, found.updated_at) == ("STARTED", BEGIN, BEGIN)
    assert store.fail_unfinished("server restarted") == [query.id]
    failed = store.query(key.organization_id, query.id)
    assert failed
    assert (failed.status, failed.started_at) == ("FAILURE", BEGIN)


def test_every_field_of_a_request_is_stored(store: Store) -> None:
    """The stored row has every field of the request."""
    request = SubmitRequest(sql="SELECT 1", use_admin=True, kind="table", row_limit=7)
    query = store.add_query(first_key(store), request)
    found = store.query(query.organization_id, query.id, "table")
    assert found
    assert SubmitRequest(**{name: getattr(found, name) for name in SubmitRequest.__struct_fields__}) == request


@pytest.mark.parametrize("length", [0, 20_000, 20_001, 2_000_000])
def test_sql_of_any_length_comes_back(store: Store, length: int) -> None:
    """Alone, in a list, and after the query has ended."""
    key, sql = first_key(store), "x" * length
    worksheet = store.worksheet(key.organization_id, None)
    assert worksheet
    row = store.add_query(key, SubmitRequest(sql=sql), worksheet)
    other = store.add_query(key, ONE, worksheet)
    finish(store, row)
    found = store.query(key.organization_id, row.id)
    assert found
    assert (row.sql, found.sql, found.status) == (sql, sql, "SUCCESS")
    assert {each.id: each.sql for each in store.queries(worksheet.id, 5)} == {row.id: sql, other.id: ONE.sql}


def test_the_end_of_a_long_query_does_not_write_its_sql_again(store: Store, tmp_path: Path) -> None:
    """What the write-ahead log grows by at the end is a small part of the SQL."""
    row = store.add_query(first_key(store), SubmitRequest(sql="x" * 1_000_000))
    log = tmp_path / "state.sqlite3-wal"
    before = log.stat().st_size
    finish(store, row)
    assert log.stat().st_size - before < 100_000


def test_notices_are_stored_with_the_end(store: Store) -> None:
    """They come back as a list, whatever characters they hold; a query without any has an empty one."""
    notices = ("FORMAT CSV was ignored.", "'\0 ü 🦀 \n\ud800")
    key = first_key(store)
    query, other = (store.add_query(key, ONE) for _ in range(2))
    ended = Outcome("FAILURE", "no", notices=notices)
    store.finish_query(query.id, ended, started_at=BEGIN, finished_at=BEGIN, result_bytes=0)
    finish(store, other)
    found = [store.query(query.organization_id, one.id) for one in (query, other)]
    assert [row.notices for row in found if row] == [list(notices), []]


FIRST_REVISION = f"""
INSERT INTO organizations VALUES ('{"a" * 32}', 'Local', 0);
INSERT INTO queries (id, kind, query, use_admin, task_id, status, statements, result_bytes, expired, organization_id,
                     created_at, updated_at)
VALUES ('{"b" * 32}', 'worksheet', 'SELECT 1', false, '{"c" * 32}', 'SUCCESS', x'5b5d', 0, false, '{"a" * 32}', 0, 0);
"""


def test_queries_from_before_the_notices_have_none(tmp_path: Path) -> None:
    """A file of the first revision is migrated with its queries."""
    database = sa.create_engine(f"sqlite:///{tmp_path / 's'}")
    with database.begin() as connection:
        configuration = migrations.config()
        configuration.attributes["connection"] = connection
        alembic.command.upgrade(configuration, "001")
        for statement in filter(str.strip, FIRST_REVISION.split(";")):
            connection.exec_driver_sql(statement)
    database.dispose()
    store = Store(tmp_path / "s")
    row = store.query(schema.UUID("a" * 32), schema.UUID("b" * 32))
    assert row
    assert (row.status, row.notices) == ("SUCCESS", [])
    store.close()


def test_a_large_result_is_counted(store: Store) -> None:
    """The size of a result may need more than 32 bits."""
    finish(store, store.add_query(first_key(store), ONE), size=2**40)
    assert store.stored_bytes() == 2**40


def test_a_failure_of_the_database_is_a_store_error(tmp_path: Path) -> None:
    """An error of SQLAlchemy becomes a StoreError."""
    (tmp_path / "text").write_text("this is no database " * 100)
    with pytest.raises(StoreError, match="not a database"):
        Store(tmp_path / "text")


def test_threads_may_use_one_store(store: Store) -> None:
    """Lists are read in worker threads while the event loop writes."""
    key = first_key(store)
    threads = [
        threading.Thread(
            target=lambda: [store.add_query(key, ONE, store.worksheet(key.organization_id, None)) for _ in range(20)]
        )
        for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    worksheet = store.worksheet(key.organization_id, None)
    assert worksheet
    assert len(store.queries(worksheet.id, 1000)) == 80


@pytest.mark.integration
def test_acknowledged_queries_survive_a_kill(tmp_path: Path) -> None:
    """A process that is killed while it writes loses no query whose id it has returned."""
    program = (
        "import sys; from pathlib import Path; from roe_magic.service.state.store import Store\n"
        "from roe_magic.service.job import SubmitRequest; one = SubmitRequest(sql='SELECT 1')\n"
        "store = Store(Path(sys.argv[1]))\n"
        "o, u = store.first_start(); key = store.key(store.add_key(o, u, admin=True))\n"
        "while True: print(store.add_query(key, one).id, flush=True)"
    )
    process = subprocess.Popen([sys.executable, "-c", program, str(tmp_path / "s")], stdout=subprocess.PIPE, text=True)
    assert process.stdout
    told = [process.stdout.readline().strip() for _ in range(50)]
    process.send_signal(signal.SIGKILL)
    told += [line.strip() for line in process.stdout if line.endswith("\n")]
    process.stdout.close()
    process.wait(60)
    store = Store(tmp_path / "s")
    organization, _ = store.first_start()
    missing = [query_id for query_id in told if store.query(organization.id, schema.UUID(query_id)) is None]
    assert missing == []
    store.close()
