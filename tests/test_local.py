"""Joining, sharing and leaving the local service, with real processes."""

from __future__ import annotations

import os
import signal
import stat
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from roe_magic import RoeClient, RunningQuery, local_discovery, local_service
from roe_magic.config import resolve
from roe_magic.errors import MissingExtra, ServiceError
from roe_magic.local import LocalService
from tests.support.services import end_service, start_service, wait_for

pytestmark = pytest.mark.integration

MEMBER = """
import sys
from roe_magic import local_service
service = local_service(sys.argv[1])
print(service.source.base_url, flush=True)
sys.stdin.readline()
"""


def member(data: Path) -> subprocess.Popen[str]:
    """Start a process that joins the service, tells its address, and stays until a line comes."""
    command = [sys.executable, "-c", MEMBER, str(data)]
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


def address_of(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return process.stdout.readline().strip()


def leave(process: subprocess.Popen[str]) -> None:
    process.communicate("\n", timeout=60)


def is_over(data: Path) -> bool:
    """Whether no service holds the data folder."""
    from roe_magic.service import file_lock

    with file_lock.opened(data / "service.lock") as handle:
        return file_lock.acquire(handle)


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalService]:
    with local_service(tmp_path_factory.mktemp("shared")) as service:
        yield service
    wait_for(lambda: is_over(service.data))


def test_a_query_runs_on_it(shared: LocalService) -> None:
    """The service that `local_service` gives answers a client with its settings."""
    with RoeClient(shared.settings) as client:
        assert RunningQuery(client, "SELECT 6 * 7 AS answer").start().wait().df()["answer"].tolist() == [42]


def test_a_long_statement_has_its_sql(shared: LocalService) -> None:
    """The service leaves it out where the client knows it."""
    sql = f"SELECT 1 AS a WHERE 1 IN ({', '.join(map(str, range(10_000)))})"
    with RoeClient(shared.settings) as client:
        assert RunningQuery(client, f"{sql};").start().wait().results[0].query == sql


def test_joining_again_is_the_same_service(shared: LocalService) -> None:
    """In one process a second call gives the same object; the env file is for its owner alone."""
    assert local_service(shared.data) is shared
    assert stat.S_IMODE((shared.data / "service.env").stat().st_mode) == 0o600
    assert stat.S_IMODE(shared.data.stat().st_mode) & 0o077 == 0


def test_others_join_and_the_last_one_ends_it(tmp_path: Path) -> None:
    """Two processes that start at once share one service; it survives a kill of one and ends after the other left."""
    first, second = member(tmp_path), member(tmp_path)
    address = address_of(first)
    assert address == address_of(second)
    first.send_signal(signal.SIGKILL)
    first.communicate()
    third = member(tmp_path)
    assert address_of(third) == address
    leave(second)
    time.sleep(2)
    assert not is_over(tmp_path)
    leave(third)
    wait_for(lambda: is_over(tmp_path))


def test_a_service_that_was_started_by_hand_is_joined(tmp_path: Path) -> None:
    """It is found through its data folder, whatever env file it was told to write, and goes on without its members."""
    started = start_service(tmp_path / "data", "--env-file", str(tmp_path / "roe.env"))
    try:
        with local_service(started.data) as service, RoeClient(service.settings) as client:
            assert service.source.base_url == started.url
            assert client.current_user().is_active
        assert started.process.poll() is None
    finally:
        end_service(started)


def test_an_address_of_an_earlier_service_is_not_believed(shared: LocalService, tmp_path: Path) -> None:
    """The env file that a killed service left may name what is another service's address by now."""
    (tmp_path / "service.env").write_bytes((shared.data / "service.env").read_bytes())
    with local_service(tmp_path) as service, RoeClient(service.settings) as client:
        assert service.source.base_url != shared.source.base_url
        assert client.current_user().is_active


def test_data_outlives_the_service_and_memory_does_not(tmp_path: Path) -> None:
    """A worksheet made in one life of the service is there in the next; in memory nothing is kept."""
    with local_service(tmp_path) as service, RoeClient(service.settings) as client:
        made = client.create_worksheet("kept").id
    wait_for(lambda: is_over(tmp_path))
    with local_service(tmp_path) as service, RoeClient(service.settings) as client:
        assert made in {item.id for item in client.worksheets()}
    with local_service(memory=True) as private, RoeClient(private.settings) as client:
        assert private.data != tmp_path
        assert [item.name for item in client.worksheets()] != ["kept"]
    assert not private.data.exists()


def test_a_service_that_cannot_start_says_why(tmp_path: Path) -> None:
    """What stands in the way is in the error, and nothing hangs."""
    (tmp_path / "engine").write_text("a file where a folder must be")
    (tmp_path / "roe.db").mkdir()
    (tmp_path / "state.sqlite").mkdir()
    with pytest.raises(ServiceError, match="did not start") as caught:
        local_service(tmp_path)
    assert "doctor" in str(caught.value)


def test_without_the_extra_the_error_says_how_to_get_it(tmp_path: Path) -> None:
    """A Python that lacks chDB names the extra to install."""
    program = "import sys; sys.modules['chdb'] = None\nfrom roe_magic import local_service\nlocal_service()"
    done = subprocess.run(
        [sys.executable, "-c", program],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "ROE_LOCAL_DATA": str(tmp_path)},
    )
    assert f"{MissingExtra.__name__}" in done.stderr
    assert "pip install 'roe-magic[local]'" in done.stderr


def test_the_env_file_says_where_the_service_is(tmp_path: Path) -> None:
    """Its address, key and organisation, under the name of the local service."""
    organization_id = "5d9a6a3e-0c6e-4f1e-9a0b-6a2f3c4d5e6f"
    path = tmp_path / "service.env"
    path.write_text(
        f"ROE_BASE_URL=http://127.0.0.1:8123\nROE_API_KEY=roe_local_k\nROE_ORGANIZATION_ID={organization_id}\n"
    )
    settings = resolve(local_discovery.read_source(path))
    assert (settings.base_url, settings.source, settings.is_loopback) == (
        *("http://127.0.0.1:8123", "the local service", True),
    )
    assert (settings.api_key.reveal(), settings.organization_id) == ("roe_local_k", organization_id)
