"""Data folders that cannot be used: one sentence that names the folder and says what to set, and no traceback."""

from __future__ import annotations

import contextlib
import os
import stat
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from roe_magic import local_discovery, local_service
from roe_magic.errors import ServiceError
from roe_magic.service import env_file, file_lock, serve
from roe_magic.service.data_folder import DataFolder, temporary_folder
from roe_magic.service.serve import ServeOptions
from tests.faults.conftest import Record

INSTEAD = "set ROE_LOCAL_DATA to another one, or use `%roe connect local --memory`, which keeps nothing."
SERVE_INSTEAD = "choose another one with --data DIR, or use --memory, which keeps nothing."


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """A folder that every user of the machine can reach, which pytest's own are not."""
    with tempfile.TemporaryDirectory() as name:
        Path(name).chmod(0o755)
        yield Path(name).resolve()


@contextlib.contextmanager
def without_privileges() -> Iterator[None]:
    """Be a user who must heed the permissions of files, if the tests run as root."""
    is_root = os.geteuid() == 0
    if is_root:
        os.seteuid(65534)
    try:
        yield
    finally:
        if is_root:
            os.seteuid(0)


def message_of(root: Path | str) -> str:
    """Return the message of the error for a data folder, without a hint, which it needs none of."""
    with pytest.raises(ServiceError) as caught:
        local_service(root)
    assert "\n" not in str(caught.value)
    assert caught.value.__cause__ is None
    return str(caught.value)


def reason_of(root: Path) -> str:
    """Return what both who joins a service, and a service itself, say is wrong with a data folder."""
    with pytest.raises(ServiceError) as caught:
        serve.serve(ServeOptions(data=root))
    begin = f"The data folder {root} cannot be used: "
    reasons = {
        said.removeprefix(begin).removesuffix(f"; {end}").partition(" (")[0]  # which file it is may differ
        for said, end in ((str(caught.value), SERVE_INSTEAD), (message_of(root), INSTEAD))
    }
    assert len(reasons) == 1, reasons
    return reasons.pop()


def test_a_file(tmp_path: Path, seen: Record) -> None:
    """The path is that of a file."""
    (tmp_path / "file").write_text("")
    seen("data folder: a file", "it is a file", reason_of(tmp_path / "file"))


def test_under_a_file(tmp_path: Path, seen: Record) -> None:
    """A part of the path is a file."""
    (tmp_path / "file").write_text("")
    seen("data folder: under a file", "Not a directory", reason_of(tmp_path / "file" / "data"))


def test_too_long_a_name(tmp_path: Path, seen: Record) -> None:
    """The name has 300 characters."""
    seen("data folder: too long a name", "File name too long", reason_of(tmp_path / ("a" * 300)))


def test_a_folder_that_is_read_only(open_folder: Path, seen: Record) -> None:
    """It exists, and no file can be created in it."""
    data = open_folder / "data"
    data.mkdir(mode=0o555)
    with without_privileges():
        seen("data folder: read-only", "Permission denied", reason_of(data))


def test_a_home_that_is_not_writable(open_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The default folder cannot be created; a folder that is set is used in its place."""
    open_folder.chmod(0o555)
    monkeypatch.setenv("HOME", str(open_folder))
    monkeypatch.delenv("XDG_DATA_HOME", raising=False)
    monkeypatch.delenv("ROE_LOCAL_DATA", raising=False)
    with without_privileges(), pytest.raises(ServiceError, match="cannot be used: Permission denied") as caught:
        local_service()
    assert str(open_folder) in str(caught.value)
    assert "ROE_LOCAL_DATA" in str(caught.value)


@pytest.mark.parametrize(
    ("named", "shown", "reason"),
    [
        ("~nobody-has-this-name/x", "~nobody-has-this-name/x", "Could not determine home directory"),
        ("a\0b", "a<U+0000>b", "embedded null"),
    ],
)
def test_what_is_no_path(named: str, shown: str, reason: str) -> None:
    """A home folder that does not exist, and a NUL."""
    said = message_of(named)
    assert shown in said
    assert reason in said
    assert INSTEAD in said


def test_a_loop_of_links(tmp_path: Path) -> None:
    """Two links that lead to each other."""
    (tmp_path / "a").symlink_to(tmp_path / "b")
    (tmp_path / "b").symlink_to(tmp_path / "a")
    assert str(tmp_path / "a") in message_of(tmp_path / "a")


@pytest.mark.parametrize("name", ["members.lock", "start.lock", "service.log"])
def test_a_folder_in_the_place_of_a_file(name: str, tmp_path: Path) -> None:
    """One of the files that this process opens cannot be opened."""
    (tmp_path / name).mkdir()
    said = f"The data folder {tmp_path} cannot be used: Is a directory ({tmp_path / name}); {INSTEAD}"
    assert message_of(tmp_path) == said


def test_no_temporary_folder(open_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A service that keeps nothing needs a temporary folder; the variable that moves it is named."""
    monkeypatch.setattr(tempfile, "tempdir", str(open_folder / "gone"))
    monkeypatch.setenv("TMPDIR", str(open_folder / "gone"))
    with pytest.raises(ServiceError, match="TMPDIR") as caught:
        local_service(memory=True)
    assert str(open_folder / "gone") in str(caught.value)


@pytest.mark.parametrize(
    "damage",
    [
        *(b"", b"\xff\xfe\x00", b"ROE_API_KEY=k\n", b"ROE_BASE_URL=http://127.0.0.1:1\n", b"ROE_BASE_URL"),
        b"ROE_BASE_URL=http://127.0.0.1:1\nROE_API_KEY=a b\n",
        b"ROE_BASE_URL=http://127.0.0.1:1\nROE_API_KEY=k\nROE_ORGANIZATION_ID=no-uuid\n",
    ],
)
def test_a_damaged_env_file_beside_a_service_that_runs(damage: bytes, tmp_path: Path) -> None:
    """The service cannot be found: said at once, since no service that is just starting wrote so long ago."""
    folder = DataFolder(tmp_path)
    folder.env_file.write_bytes(damage)
    long_ago = time.time() - 2 * local_discovery.START_TIMEOUT
    os.utime(folder.env_file, (long_ago, long_ago))
    with file_lock.opened(folder.service_lock) as lock:
        assert file_lock.acquire(lock)  # as a service does that runs
        with pytest.raises(ServiceError) as caught:
            local_service(tmp_path)
    assert f"{folder.env_file}." in caught.value.message
    assert INSTEAD in str(caught.value)
    assert "a b" not in str(caught.value)


@pytest.mark.parametrize("address", ["http://127.0.0.1:port", "http://[::1", "//", "http://127.0.0.1:1"])
def test_an_address_at_which_nobody_answers(address: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The error names the folder and the log, after the time that a service may take to start."""
    monkeypatch.setattr(local_discovery, "START_TIMEOUT", 0.0)
    folder = DataFolder(tmp_path)
    env_file.write(folder.env_file, {"ROE_BASE_URL": address, "ROE_API_KEY": "k"})
    with file_lock.opened(folder.service_lock) as lock:
        assert file_lock.acquire(lock)
        with pytest.raises(ServiceError, match="did not answer") as caught:
            local_service(tmp_path)
    assert str(tmp_path) in caught.value.message
    assert str(folder.log) in str(caught.value)


@pytest.mark.integration
def test_a_damaged_env_file_of_a_service_that_has_ended(tmp_path: Path) -> None:
    """It is written anew by the next start."""
    (tmp_path / "service.env").write_bytes(b"\xff\xfe\x00")
    with local_service(tmp_path) as service:
        assert env_file.read(tmp_path / "service.env")["ROE_BASE_URL"] == service.source.base_url


@pytest.mark.integration
@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [
        ("service.lock", None, f"Is a directory (service.lock); {SERVE_INSTEAD}"),
        ("results", b"", f"results is a file; {SERVE_INSTEAD}"),
        ("engine", b"", f"Not a directory (engine/engine); {SERVE_INSTEAD}"),
        ("state.sqlite3", None, "unable to open database file (state.sqlite3)."),
        ("state.sqlite3", b"no database" * 1000, "file is not a database (state.sqlite3)."),
    ],
)
def test_what_stands_in_a_services_way(name: str, content: bytes | None, reason: str, tmp_path: Path) -> None:
    """``roe-magic serve`` says which file it is, in one line that is no traceback."""
    if content is None:
        (tmp_path / name).mkdir()
    else:
        (tmp_path / name).write_bytes(content)
    command = [sys.executable, "-m", "roe_magic.service", "--data", str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stdout) == (1, "")
    said = done.stderr.splitlines()[0].replace(f"{tmp_path}/", "")
    assert said == f"The data folder {tmp_path} cannot be used: {reason}"
    assert "Traceback" not in done.stderr


@pytest.mark.integration
def test_too_long_a_path(tmp_path: Path) -> None:
    """SQLite opens no file whose path is longer than 512 characters."""
    data = tmp_path / ("x" * 200) / ("y" * 200) / ("z" * 200)
    with pytest.raises(ServiceError, match="cannot be used: unable to open database file") as caught:
        local_service(data)
    assert "Traceback" not in str(caught.value)
    assert "ROE_LOCAL_DATA" in str(caught.value)


def test_the_folder_is_its_owners_alone(tmp_path: Path) -> None:
    """A temporary one too."""
    made = temporary_folder()
    try:
        assert stat.S_IMODE(made.stat().st_mode) == 0o700
    finally:
        made.rmdir()
