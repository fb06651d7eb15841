"""The service as a process: starts, files, locks and ends."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import re
import signal
import socket
import stat
import subprocess
import sys
import textwrap
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
import requests

from roe_magic.errors import MissingExtra, ServiceError
from roe_magic.service import env_file, serve
from roe_magic.service.data_folder import DataFolder
from roe_magic.service.engine.chdb import sandbox
from roe_magic.service.engine.chdb.process import PROGRAM
from roe_magic.service.state.schema import QueryRow
from roe_magic.service.state.store import Store
from tests.support.layers import without_sandbox
from tests.support.services import PATIENCE, Service, end_service, start_service, wait_for

pytestmark = pytest.mark.integration

LINES = {"Prefer": "wait=30", "Accept": "application/x-ndjson"}
SLOW = "SELECT count() FROM numbers(100000000000) WHERE NOT ignore(sin(number))"


@contextlib.contextmanager
def running(data: Path, *arguments: str) -> Iterator[Service]:
    service = start_service(data, *arguments)
    try:
        yield service
    finally:
        end_service(service)


def submit(service: Service, sql: str, wait: int = 0) -> dict[str, Any]:
    body = {"query": sql, "organization_id": service.organization_id}
    with service.client() as http:
        return dict(http.post("/v1/database/query/async/", json=body, headers={"Prefer": f"wait={wait}"}).json())


def status(service: Service, query_id: str, wait: int = 0) -> dict[str, Any]:
    with service.client() as http:
        return dict(http.get(f"/v1/database/query/{query_id}/status/", headers={"Prefer": f"wait={wait}"}).json())


def stored(service: Service, query_id: str) -> QueryRow:
    """Read a query from the state of a service that runs."""
    store = Store(DataFolder(service.data).state)
    try:
        row = store.query(UUID(service.organization_id), UUID(query_id))
    finally:
        store.close()
    assert row
    return row


def second_start(*arguments: str) -> tuple[int, str]:
    command = [sys.executable, "-m", "roe_magic.service", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE, check=False)
    return done.returncode, done.stderr


def test_the_service_answers_over_the_network(service: Service) -> None:
    """A client that is not ours reads a row with what the env file says."""
    query = submit(service, "SELECT 42", wait=30)
    url = f"{service.url}/v1/database/query/{query['id']}/result/"
    answer = requests.get(url, headers={"Authorization": f"Bearer {service.api_key}"}, timeout=PATIENCE)
    assert answer.json()["results"][0]["result_rows"] == [[42]]


def test_the_env_file_is_private_and_plain(service: Service) -> None:
    """Mode 0600, three NAME=value lines, and a shell can source it."""
    assert stat.S_IMODE(service.env_file.stat().st_mode) == 0o600
    assert list(service.env) == ["ROE_BASE_URL", "ROE_API_KEY", "ROE_ORGANIZATION_ID"]
    assert re.fullmatch(r"http://127\.0\.0\.1:\d+", service.url)
    script = f'. "{service.env_file}" && printf %s "$ROE_API_KEY"'
    assert subprocess.check_output(["sh", "-c", script], text=True) == service.api_key
    assert stat.S_IMODE(service.data.stat().st_mode) & 0o077 == 0 or service.data.stat().st_uid == os.getuid()


def test_the_env_file_is_never_readable_by_others(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Only its owner can read it from its first byte on, whatever the umask, and it is never seen half written."""
    path, seen = tmp_path / "e", []
    old = os.umask(0)
    try:
        monkeypatch.setattr(
            Path, "replace", lambda self, _: seen.append((stat.S_IMODE(self.stat().st_mode), path.exists()))
        )
        env_file.write(path, {"A": "1"})
    finally:
        os.umask(old)
    assert seen == [(0o600, False)]


def test_a_later_start_keeps_a_valid_key_and_renews_a_lost_one(tmp_path: Path) -> None:
    """A valid key in the env file is kept; without one a new key is made. The organisation stays the same."""
    with running(tmp_path) as first:
        query = submit(first, "SELECT 1", wait=30)
    with running(tmp_path) as again:
        assert (again.api_key, again.organization_id) == (first.api_key, first.organization_id)
        assert status(again, query["id"])["status"] == "SUCCESS"
    again.env_file.unlink()
    with running(tmp_path) as renewed:
        assert renewed.api_key != first.api_key
        assert status(renewed, query["id"])["status"] == "SUCCESS"
    renewed.env_file.write_text("ROE_API_KEY=roe_local_0_0\n")
    with running(tmp_path) as repaired:
        assert status(repaired, query["id"])["status"] == "SUCCESS"


def test_the_data_folder_has_an_env_file_beside_the_one_asked_for(tmp_path: Path) -> None:
    """The data folder always has an env file with the address and key, readable by its owner alone."""
    asked = tmp_path / "roe.env"
    with running(tmp_path / "data", "--env-file", str(asked)) as service:
        own = service.data / "service.env"
        wait_for(own.exists)
        assert own.read_text() == wait_for(lambda: asked.exists() and asked.read_text())
        assert stat.S_IMODE(own.stat().st_mode) == 0o600


def test_the_help_lists_the_options_for_people() -> None:
    """Options that only other processes of ours use are not listed."""
    done = subprocess.run([sys.executable, "-m", "roe_magic.service", "--help"], capture_output=True, check=True)
    options = set(re.findall(rb"^ +(--[a-z-]+)", done.stdout, re.MULTILINE))
    assert options == {b"--host", b"--port", b"--data", b"--env-file", b"--memory"}


def test_a_data_folder_has_one_service(service: Service) -> None:
    """A second start on the same folder ends with exit code 1 and says what to do; the first service goes on."""
    code, said = second_start("--data", str(service.data))
    assert code == 1
    assert re.fullmatch(r"Another service uses the data folder .* already\.\nIn a notebook, .*\n", said)
    assert all(way in said for way in ("%roe connect local", "--data DIR", "--memory"))
    assert status(service, submit(service, "SELECT 1", wait=30)["id"])["status"] == "SUCCESS"


def test_a_busy_port_is_reported(tmp_path: Path) -> None:
    """The error is one sentence that names the port."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        code, said = second_start("--data", str(tmp_path), "--port", str(port))
    assert (code, said) == (
        1,
        f"Port {port} on 127.0.0.1 is in use by another program; choose another one with --port.\n",
    )
    assert not (tmp_path / "service.env").exists()


@pytest.mark.parametrize(
    ("arguments", "says"),
    [(["--host", "no.such.host.invalid"], "no.such.host.invalid"), (["--port", "99999"], "99999")],
)
def test_an_impossible_address_is_reported(tmp_path: Path, arguments: list[str], says: str) -> None:
    """For a name that does not resolve, and for a port out of range, the error is one sentence."""
    code, said = second_start("--data", str(tmp_path), *arguments)
    assert (code, said.count("\n")) == (1, 1)
    assert says in said


def test_a_data_folder_that_cannot_be_created_is_reported(tmp_path: Path) -> None:
    """If the path is a file, the error is one sentence."""
    (tmp_path / "file").write_text("")
    code, said = second_start("--data", str(tmp_path / "file" / "data"))
    assert (code, said.count("\n")) == (1, 1)
    assert "cannot be used" in said


def test_an_env_file_that_cannot_be_written_is_reported(tmp_path: Path) -> None:
    """If the path is a folder, the error is one sentence."""
    (tmp_path / "env").mkdir()
    code, said = second_start("--data", str(tmp_path / "d"), "--env-file", str(tmp_path / "env"))
    assert (code, said.count("\n")) == (1, 1)
    assert "cannot be written" in said


def test_the_error_for_a_missing_package_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the extra the error names it."""
    monkeypatch.setattr(serve, "REQUIRED_PACKAGES", ("uvicorn", "no_such_package_anywhere"))
    with pytest.raises(MissingExtra, match=re.escape("pip install 'roe-magic[local]'")):
        serve.serve(serve.ServeOptions(memory=True))


def test_windows_is_refused_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the engine does not exist the error says so in one sentence."""
    monkeypatch.setattr(sys, "platform", "win32")
    with pytest.raises(ServiceError, match="needs Linux or macOS"):
        serve.serve(serve.ServeOptions(memory=True))


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_it_cleanly(tmp_path: Path, number: signal.Signals) -> None:
    """What runs is FAILURE "server stopped", who waits hears of it at once, the exit code is 0."""
    with running(tmp_path) as first:
        query = submit(first, SLOW)
        wait_for(lambda: status(first, query["id"])["status"] == "STARTED")
        with (
            first.client() as http,
            http.stream("GET", f"/v1/database/query/{query['id']}/status/", headers=LINES) as told,
        ):
            lines = told.iter_lines()
            assert json.loads(next(lines))["status"] == "STARTED"
            began = time.monotonic()
            first.process.send_signal(number)
            list(lines)
        assert first.wait() == 0
        assert time.monotonic() - began < 20
    with running(tmp_path) as second:
        ended = status(second, query["id"])
        assert (ended["status"], ended["error"]) == ("FAILURE", "server stopped")


def test_a_killed_service_says_so_at_its_next_start(tmp_path: Path) -> None:
    """After SIGKILL what had ended is there, rows and all, and what ran is FAILURE "server restarted"."""
    with running(tmp_path) as first:
        done, lost = submit(first, "SELECT 42", wait=30), submit(first, SLOW)
        wait_for(lambda: stored(first, lost["id"]).status == "STARTED")
        assert stored(first, lost["id"]).started_at is not None
        first.process.kill()
        first.wait()
    with running(tmp_path) as second:
        told = status(second, lost["id"])
        assert (told["status"], told["error"], told["finished_at"] is None) == ("FAILURE", "server restarted", False)
        with second.client() as http:
            assert http.get(f"/v1/database/query/{done['id']}/result/").json()["results"][0]["result_rows"] == [[42]]
        assert submit(second, "SELECT 1", wait=30)["query_task_status"] == "SUCCESS"


def test_in_memory_nothing_is_left(tmp_path: Path) -> None:
    """At the end the temporary folder is removed."""
    (tmp_path / "tmp").mkdir()
    path = tmp_path / "env"
    command = [sys.executable, "-m", "roe_magic.service", "--memory", "--env-file", str(path)]
    process = subprocess.Popen(
        command, env={**os.environ, "TMPDIR": str(tmp_path / "tmp")}, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout
    assert "The Roe API is at http://127.0.0.1:" in process.stdout.readline()
    values = env_file.read(path)
    url, headers = f"{values['ROE_BASE_URL']}/v1/tables/", {"Authorization": f"Bearer {values['ROE_API_KEY']}"}
    assert requests.get(url, headers=headers, timeout=PATIENCE).status_code == 200
    assert list((tmp_path / "tmp").iterdir())
    process.terminate()
    assert process.wait(PATIENCE) == 0
    process.stdout.close()
    assert list((tmp_path / "tmp").iterdir()) == []


def test_the_start_says_if_the_kernel_does_not_confine_the_engine(tmp_path: Path) -> None:
    """Without a sandbox a line says so, after the address; with one there is nothing but the address."""
    lines = {}
    for name, program in (("off", without_sandbox()), ("on", PROGRAM)):
        source = f"""
            import sys
            from roe_magic.service.engine.chdb import process
            process.PROGRAM = {program!r}
            from roe_magic import cli
            sys.exit(cli.main(["serve", "--data", {str(tmp_path / name)!r}]))
        """
        command = [sys.executable, "-c", textwrap.dedent(source)]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as running:
            assert running.stdout
            first = running.stdout.readline()
            running.terminate()
            lines[name] = [first, *running.stdout]
    assert all(written[0].startswith("The Roe API is at ") for written in lines.values())
    (note,) = lines["off"][1:]
    assert "no Landlock" in note
    assert len(lines["on"]) == (1 if sandbox.available() else 2)


def test_the_service_ends_soon_after_its_last_member(tmp_path: Path) -> None:
    """It runs while a member holds the shared lock, and ends by itself when the last one has released it."""
    lock = tmp_path / "members.lock"
    with lock.open("w") as first, lock.open("w") as second:
        fcntl.flock(first, fcntl.LOCK_SH)
        with running(tmp_path / "data", "--members-lock", str(lock), "--linger", "0.5", "--grace", "1") as service:
            fcntl.flock(second, fcntl.LOCK_SH)
            fcntl.flock(first, fcntl.LOCK_UN)
            time.sleep(2)  # longer than both
            assert submit(service, "SELECT 1", wait=30)["query_task_status"] == "SUCCESS"
            fcntl.flock(second, fcntl.LOCK_UN)
            assert service.wait() == 0


def test_a_running_query_keeps_the_service(tmp_path: Path) -> None:
    """A running query ends normally after the last member has left; a restarted kernel can then read its result."""
    lock = tmp_path / "members.lock"
    with lock.open("w") as member:
        fcntl.flock(member, fcntl.LOCK_SH)
        with running(tmp_path / "data", "--members-lock", str(lock), "--linger", "0.5", "--grace", "0") as service:
            query = submit(service, "SELECT sleepEachRow(1) FROM numbers(2) SETTINGS max_block_size = 1")
            fcntl.flock(member, fcntl.LOCK_UN)
            assert status(service, query["id"], wait=30)["status"] == "SUCCESS"
            assert service.wait() == 0


def test_the_service_ends_if_no_member_comes(tmp_path: Path) -> None:
    """A service that no member joins ends by itself."""
    lock = tmp_path / "members.lock"
    with running(tmp_path / "data", "--members-lock", str(lock), "--linger", "0.5", "--grace", "1") as service:
        assert service.wait() == 0


def test_healthz_needs_no_key(service: Service) -> None:
    """A process that has started the service can check that it is ready."""
    answer = requests.get(f"{service.url}/healthz", timeout=PATIENCE)
    assert json.loads(answer.text)["status"] == "ok"
    assert "server" not in {name.lower() for name in answer.headers}


def test_the_address_of_every_interface_is_loopback_in_the_env_file(tmp_path: Path) -> None:
    """Listening everywhere, the env file names an address that one can connect to, and the host's name is served."""
    with running(tmp_path, "--host", "0.0.0.0") as service:  # as asked for
        assert service.url.startswith("http://127.0.0.1:")
        headers = {"Authorization": f"Bearer {service.api_key}", "Host": socket.gethostname()}
        assert requests.get(f"{service.url}/v1/tables/", headers=headers, timeout=PATIENCE).status_code == 200
        foreign = {**headers, "Host": "evil.example"}
        assert requests.get(f"{service.url}/v1/tables/", headers=foreign, timeout=PATIENCE).status_code == 403
