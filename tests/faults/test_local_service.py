"""The life and death of the local service, seen by those who use it: real services, processes and kernels."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID

import pytest

from roe_magic import RoeClient, RunningQuery, local, local_service, run
from roe_magic.errors import ServiceError
from roe_magic.local import LocalService
from roe_magic.service import env_file, file_lock, serve
from roe_magic.service.data_folder import DataFolder
from tests.faults.conftest import Record
from tests.support.kernels import Kernel, running_kernel
from tests.support.scripted_server import ScriptedServer
from tests.support.services import end_service, start_service, wait_for
from tests.support.shells import shell

pytestmark = pytest.mark.integration

ENDED = "The local service had ended"


def pids_of_services(data: Path) -> list[int]:
    """Return the process ids of the services that were started for a data folder."""
    listed = subprocess.run(["ps", "-Aww", "-o", "pid=,command="], capture_output=True, text=True, check=True).stdout
    return [
        int(pid) for pid in re.findall(rf"^ *(\d+) .* serve .*--data {re.escape(str(data))} ", listed, re.MULTILINE)
    ]


def end(data: Path, number: signal.Signals) -> None:
    """End the service of a data folder with a signal, and wait until it has gone."""
    (pid,) = pids_of_services(data)
    os.kill(pid, number)
    wait_for(lambda: not file_lock.is_held(data / "service.lock"))


@contextlib.contextmanager
def stranger_at(address: str) -> Iterator[ScriptedServer]:
    """Listen where a service has listened, and see that nothing comes."""
    server = ScriptedServer(port=urlsplit(address).port or 0)
    try:
        yield server
        assert server.connections == 0
    finally:
        server.close()


def answer_of(service: LocalService) -> int:
    with RoeClient(service.settings) as client:
        return int(run("SELECT 6 * 7 AS answer", client).df()["answer"][0])


# In plain Python


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_a_service_that_ended_is_started_again(number: signal.Signals, tmp_path: Path, seen: Record) -> None:
    """`local_service` returns one that lives, with the tables of before; nothing goes to the old address."""
    with local_service(tmp_path) as first, RoeClient(first.settings) as client:
        run("CREATE TABLE kept (a Int8) ORDER BY a", client, use_admin=True)
        assert first.is_running
        end(tmp_path, number)
        assert not first.is_running
        with stranger_at(first.source.address), local_service(tmp_path) as second:
            assert second is not first
            assert second.source.base_url != first.source.base_url
            assert second.source.api_key == first.source.api_key
            assert local_service(tmp_path) is second
            with RoeClient(second.settings) as again:
                tables = [table.name for table in again.tables()]
            seen(f"local service: {number.name}, then local_service()", ["kept"], tables)
            first.close()  # of no effect on the one that took its place
            assert local_service(tmp_path) is second
            assert answer_of(second) == 42


def test_a_service_that_somebody_else_started_anew_is_joined(tmp_path: Path, seen: Record) -> None:
    """It has another address; the object of before says that its service has gone."""
    with local_service(tmp_path) as first:
        end(tmp_path, signal.SIGKILL)
        started = start_service(tmp_path)
        try:
            assert not first.is_running  # a service runs, but not the one that was joined
            with stranger_at(first.source.address), first.renewed() as second:
                assert second.source.base_url == started.url
                assert second.renewed() is second
                seen("local service: started anew by somebody else, then local_service()", 42, answer_of(second))
        finally:
            end_service(started)


def test_a_service_whose_folder_was_removed_is_started_again(tmp_path: Path) -> None:
    """Nothing of the old one is needed."""
    data = tmp_path / "data"
    with local_service(data) as first:
        end(data, signal.SIGKILL)
        shutil.rmtree(data)
        assert not first.is_running
        with first.renewed() as second:
            assert answer_of(second) == 42


def test_an_address_of_before_is_never_in_the_env_file_while_a_service_starts(tmp_path: Path) -> None:
    """Whoever joins meanwhile waits for the new address, also where a stranger answers at the old one."""
    folder = DataFolder(tmp_path)
    env_file.write(folder.env_file, {"ROE_BASE_URL": "http://127.0.0.1:1", "ROE_API_KEY": "k"})
    serve._forget_address(folder)
    assert env_file.read(folder.env_file) == {"ROE_API_KEY": "k"}


def test_a_service_that_dies_while_a_query_runs(tmp_path: Path, seen: Record) -> None:
    """The error names the query; neither its polls nor anything else goes to who listens at the address by then."""
    with local_service(tmp_path) as service, RoeClient(service.settings) as client:
        running = RunningQuery(client, SLOW).start()
        wait_for(lambda: running.state.query_id)
        end(tmp_path, signal.SIGKILL)
        with stranger_at(service.source.address):
            with pytest.raises(ServiceError, match="has ended") as caught:
                running.wait()
            with pytest.raises(ServiceError, match="local_service"):
                client.current_user()
        is_named = caught.value.query_id == str(running.state.query_id)
        seen("local service: killed while a query runs: its error has its id", True, is_named)
        with service.renewed() as again, RoeClient(again.settings) as other:
            assert other.status(UUID(caught.value.query_id)).error == "server restarted"


def test_an_interrupted_start_leaves_no_service(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Stop is pressed while the service starts: it is ended, and the next attempt has the folder to itself."""

    def interrupted(folder: DataFolder, still_runs: Callable[[], bool]) -> None:
        if still_runs():  # the process that was started just now
            raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(local, "wait_until_healthy", interrupted)
        with pytest.raises(KeyboardInterrupt):
            local_service(tmp_path)
    assert pids_of_services(tmp_path) == []
    with local_service(tmp_path) as service:
        assert answer_of(service) == 42


def test_a_service_that_gives_way_to_another_is_no_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A process was killed while it started a service, which gets the folder first and needs long: it is joined."""
    command = [sys.executable, "-m", "roe_magic.service", "--data", str(tmp_path)]
    started: list[subprocess.Popen[bytes]] = []
    start = local._process

    def resume() -> None:
        started[1].wait()
        started[0].send_signal(signal.SIGCONT)

    def second(folder: DataFolder, *arguments: Any, **options: Any) -> subprocess.Popen[bytes]:
        started.append(subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL))
        wait_for(lambda: file_lock.is_held(folder.service_lock))
        started[0].send_signal(signal.SIGSTOP)
        started.append(start(folder, *arguments, **options))
        threading.Thread(target=resume).start()
        return started[1]

    monkeypatch.setattr(local, "_process", second)
    try:
        with local_service(tmp_path) as service:
            assert answer_of(service) == 42
            assert pids_of_services(tmp_path) == []  # ours, which has an option more
            assert started[1].returncode == 1
    finally:
        started[0].terminate()
        started[0].wait()


# A service that keeps nothing

KEEPS_NOTHING = """
import sys, time
from roe_magic import RoeClient, RunningQuery, local_service
service = local_service(memory=True)
with RoeClient(service.settings) as client:
    if sys.argv[1]:
        running = RunningQuery(client, sys.argv[1]).start()
        while running.state.query_id is None:
            time.sleep(0.01)
print(service.data, flush=True)
time.sleep(600)
"""
SLOW = "SELECT count() FROM numbers(100000000000) WHERE NOT ignore(sin(number))"


@pytest.mark.parametrize("sql", ["", SLOW])
def test_in_memory_nothing_is_left_when_its_process_is_killed(sql: str, tmp_path: Path, seen: Record) -> None:
    """The service removes its folder, also while a query runs whose result nobody can fetch any more."""
    environment = {**os.environ, "TMPDIR": str(tmp_path)}
    process = subprocess.Popen(
        [sys.executable, "-c", KEEPS_NOTHING, sql], stdout=subprocess.PIPE, text=True, env=environment
    )
    try:
        assert process.stdout is not None
        data = Path(process.stdout.readline().strip())
        assert [data] == list(tmp_path.iterdir())
    finally:
        process.kill()
    process.communicate()
    wait_for(lambda: not list(tmp_path.iterdir()), seconds=20)
    when = "while a query runs" if sql else "between two queries"
    seen(f"--memory: the kernel is killed {when}: folders left", [], list(tmp_path.iterdir()))


def test_in_memory_a_service_that_was_killed_is_replaced(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """By an empty one; of both nothing is left."""
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    with local_service(memory=True) as first:
        end(first.data, signal.SIGKILL)
        with first.renewed() as second:
            assert not first.data.exists()
            assert second.memory
            assert answer_of(second) == 42
    assert list(tmp_path.iterdir()) == []


def test_in_memory_a_service_that_does_not_start_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its log is in the error, and its folder is gone."""
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / "uvicorn.py").write_text("raise ImportError('this uvicorn is broken')")
    (tmp_path / "temporary").mkdir()
    monkeypatch.setenv("PYTHONPATH", str(tmp_path / "broken"))
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "temporary"))
    with pytest.raises(ServiceError, match="this uvicorn is broken"):
        local_service(memory=True)
    assert list((tmp_path / "temporary").iterdir()) == []


# Forks

FORKS = """
import os, sys
from roe_magic import RoeClient, local_service, run
memory = sys.argv[1] == "memory"
parent = local_service(memory=True) if memory else local_service(sys.argv[1])
child = os.fork()
if child == 0:
    parent.close()
    own = local_service(parent.data)
    assert own is not parent and own.source.base_url == parent.source.base_url
    with RoeClient(own.settings) as client:
        assert run("SELECT 1 AS a", client).df()["a"][0] == 1
    sys.exit(7)  # with all that is registered for the end of a process
assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 7
assert parent.is_running and parent.data.exists()
from roe_magic.service import file_lock
with file_lock.opened(parent.data / "members.lock") as members:
    assert not file_lock.acquire(members)  # the parent is a member still
assert local_service(parent.data) is parent
with RoeClient(parent.settings) as client:
    print(run("SELECT 42 AS a", client).df()["a"][0])
"""


@pytest.mark.parametrize("kind", ["memory", "data"])
def test_a_forked_child_leaves_its_parents_service_alone(kind: str, tmp_path: Path, seen: Record) -> None:
    """Its exit removes no folder and leaves no service; it joins as a process of its own."""
    where = kind if kind == "memory" else str(tmp_path / "data")
    environment = {**os.environ, "TMPDIR": str(tmp_path)}
    done = subprocess.run(
        [sys.executable, "-c", FORKS, where], capture_output=True, text=True, timeout=120, check=False, env=environment
    )
    assert done.returncode == 0, done.stderr
    seen(f"local service ({kind}): a forked child exits, then the parent's query", "42", done.stdout.strip())
    if kind == "memory":
        assert list(tmp_path.iterdir()) == []


# In two notebooks


@pytest.fixture
def kernels(tmp_path: Path) -> Iterator[tuple[Kernel, Kernel]]:
    """Two kernels, both connected to one local service."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("ROE_")}
    config = tmp_path / "config.ini"
    environment = {
        **kept,
        "ROE_LOCAL_DATA": str(tmp_path / "data"),
        "ROE_CONFIG_FILE": str(config),
        "PYDEVD_DISABLE_FILE_VALIDATION": "1",
    }
    with running_kernel(environment) as one, running_kernel(environment) as two:
        for kernel in (one, two):
            kernel.run("%load_ext roe_magic\n%config RoeMagic.panel = 'off'")
            assert "Connected to" in printed(kernel, "%roe connect local")
        yield one, two


def printed(kernel: Kernel, code: str) -> str:
    """Run a cell, and return what it printed and showed."""
    shown = "".join(content["data"].get("text/plain", "") for content in kernel.run(code))
    values = [m["content"]["data"]["text/plain"] for m in kernel.messages if m["msg_type"] == "execute_result"]
    streams = [m["content"]["text"] for m in kernel.messages if m["msg_type"] == "stream"]
    return "\n".join([*streams, shown, *values])


def test_two_notebooks_go_on_after_the_service_died(
    kernels: tuple[Kernel, Kernel], tmp_path: Path, seen: Record
) -> None:
    """The next cell starts or joins it, says so, and sends its query once; nothing goes to the old address."""
    one, two = kernels
    data = tmp_path / "data"
    address = one.value("get_ipython().magics_manager.registry['RoeMagic'].session.connection.base_url")
    end(data, signal.SIGKILL)
    with stranger_at(address):
        first = printed(one, "%%roe\nSELECT 1001 AS a")
        seen("local service: killed, then a cell: notices", 1, first.count(ENDED))
        assert "1001" in first
        assert ENDED not in printed(one, "%%roe\nSELECT 1002 AS a")
        second = printed(two, "%roe tables")
        seen("local service: started anew, then a command in another notebook: notices", 1, second.count(ENDED))
        assert "1003" in printed(two, "%%roe\nSELECT 1003 AS a")
    end(data, signal.SIGTERM)
    told = printed(two, "%roe connect local")
    assert "Connected to" in told
    assert ENDED not in told  # asked for, so there is nothing to announce
    assert ENDED in printed(one, "%roe result")
    with local_service(data) as service, RoeClient(service.settings) as client:
        sent = [query.query.strip() for query in client.worksheet_queries(client.worksheets()[0].id)]
    arrived = sorted(sql.split()[1] for sql in sent if "100" in sql)
    seen("local service: killed, then three cells: queries that arrived", ["1001", "1002", "1003"], arrived)


def test_a_notebook_in_memory_says_that_its_tables_have_gone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The next cell that needs the service starts one; help, another server and another profile need none."""
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    (tmp_path / "config.ini").write_text("[acme]\nbase_url = https://127.0.0.1:1\napi_key_variable = ACME_KEY\n")
    with shell(monkeypatch, {"ACME_KEY": "roe-canary", "ROE_MAX_RETRIES": "0"}, tmp_path) as notebook:
        assert notebook.run("%roe connect local --memory").error is None
        before = notebook.magic.session.local
        end(before.data, signal.SIGKILL)
        for code in ("%roe help", "%roe connect nowhere", "%roe connect acme", "%roe -s acme SELECT 1"):
            assert ENDED not in notebook.run(code).out
            assert notebook.magic.session.local is before
        ran = notebook.run("q = %roe SELECT 1001 AS a")
        assert ran.error is None
        assert f"{ENDED}. A new one was started, without the tables of before" in ran.out
        assert notebook.variables["q"].df()["a"].tolist() == [1001]
        notebook.magic.session.local.close()
    assert [path.name for path in tmp_path.iterdir()] == ["config.ini"]


def test_names_for_the_tab_key_are_not_asked_for_where_the_service_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The service dies while a query runs: what comes after the query goes to nobody else."""
    with shell(monkeypatch, {"ROE_LOCAL_DATA": str(tmp_path / "data"), "ROE_MAX_RETRIES": "0"}, tmp_path) as notebook:
        assert notebook.run("%roe connect local").error is None
        magic, local = notebook.magic, notebook.magic.session.local
        client = magic.client()
        wait_for(lambda: magic.catalogue.worksheets)
        end(local.data, signal.SIGKILL)
        with stranger_at(local.source.address):
            magic._refresh_catalogue(client)
            wait_for(lambda: magic.catalogue._thread is None)
        local.close()


def test_a_service_that_cannot_be_started_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The cell fails with what is in the way; the cell after that was removed works."""
    data = tmp_path / "data"
    with shell(monkeypatch, {"ROE_LOCAL_DATA": str(data)}, tmp_path) as notebook:
        assert notebook.run("%roe connect local").error is None
        end(data, signal.SIGKILL)
        data.rename(tmp_path / "kept")
        data.write_text("a file where a folder must be")
        failed = notebook.run("%roe SELECT 1")
        assert isinstance(failed.error, ServiceError)
        assert f"The data folder {data} cannot be used: it is a file" in str(failed.error)
        data.unlink()
        (tmp_path / "kept").rename(data)
        ran = notebook.run("q = %roe SELECT 1001 AS a")
        assert ENDED in ran.out
        assert notebook.variables["q"].df()["a"].tolist() == [1001]
        notebook.magic.session.local.close()
