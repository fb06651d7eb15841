"""The command line, as a user runs it."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import keyring
import keyring.backend
import pytest

from roe_magic import __version__, cli
from roe_magic.config import profiles
from roe_magic.errors import ConfigError
from tests.conftest import Service


class MemoryKeyring(keyring.backend.KeyringBackend):
    """A keyring that lasts as long as the test."""

    priority = 1

    def __init__(self) -> None:
        super().__init__()
        self.entries: dict[tuple[str, str], str] = {}

    def get_password(self, service: str, username: str) -> str | None:
        return self.entries.get((service, username))

    def set_password(self, service: str, username: str, password: str) -> None:
        self.entries[service, username] = password

    def delete_password(self, service: str, username: str) -> None:
        del self.entries[service, username]


@pytest.fixture(autouse=True)
def alone(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    for name in ("ROE_API_KEY", "ROE_BASE_URL", "ROE_ORGANIZATION_ID"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("ROE_CONFIG_FILE", str(tmp_path / "config.ini"))
    before = keyring.get_keyring()
    keyring.set_keyring(MemoryKeyring())
    yield
    keyring.set_keyring(before)


def run(*arguments: str) -> int:
    with pytest.raises(SystemExit) as ended:
        cli.main(arguments)
    return int(ended.value.code or 0)


def test_version_and_help() -> None:
    """Both work from the module, too, and name the commands."""
    command = [sys.executable, "-m", "roe_magic"]
    assert __version__ in subprocess.run([*command, "--version"], capture_output=True, text=True, check=True).stdout
    text = subprocess.run([*command, "--help"], capture_output=True, text=True, check=True).stdout
    for word in ("serve", "doctor", "login"):
        assert word in text


def test_doctor_finds_all_well(
    service: Service, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """With a working server it ends 0 and shows whose key it is, and not the key."""
    for name, value in service.env.items():
        monkeypatch.setenv(name, value)
    assert run("doctor") == 0
    shown = capsys.readouterr().out
    assert "No problems found." in shown
    assert service.url in shown
    assert service.api_key not in shown


def test_doctor_is_content_with_a_local_service_alone(capsys: pytest.CaptureFixture[str]) -> None:
    """Without an account it ends 0: it says that the local service works, and what an account needs."""
    assert run("doctor") == 0
    shown = capsys.readouterr().out
    assert "local service: it starts and runs a query" in shown
    assert "Roe account: none is set" in shown
    assert "ROE_API_KEY" in shown
    assert "WRONG" not in shown


def test_doctor_names_what_is_wrong(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """With an address and no key for it, it ends 1 and says what to set."""
    monkeypatch.setenv("ROE_BASE_URL", "https://api.acme.roe-ai.com")
    assert run("doctor") == 1
    shown = capsys.readouterr().out
    assert "WRONG" in shown
    assert "ROE_API_KEY" in shown


def test_doctor_says_why_the_local_service_does_not_start(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """A broken installation is a problem, with the end of the service's log."""
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    (tmp_path / "uvicorn.py").write_text("raise ImportError('this uvicorn is broken')")
    assert run("doctor") == 1
    shown = capsys.readouterr().out
    assert "WRONG  local service: The local service did not start." in shown
    assert "this uvicorn is broken" in shown


def test_doctor_takes_a_missing_extra_for_no_problem(
    service: Service, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Who works on Roe's server alone does not need it; who has neither can run nothing."""
    monkeypatch.setattr("roe_magic.service.serve.REQUIRED_PACKAGES", ("no_such_package",))
    assert run("doctor") == 1
    assert "WRONG  Roe account: none is set" in capsys.readouterr().out
    for name, value in service.env.items():
        monkeypatch.setenv(name, value)
    assert run("doctor") == 0
    shown = capsys.readouterr().out
    assert "pip install 'roe-magic[local]'" in shown
    assert "WRONG" not in shown


def test_doctor_tells_a_server_that_is_away(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A server that cannot be reached is one finding, with advice."""
    monkeypatch.setenv("ROE_API_KEY", "canary-key")
    monkeypatch.setenv("ROE_BASE_URL", "http://127.0.0.1:9")
    monkeypatch.setenv("ROE_MAX_RETRIES", "0")
    assert run("doctor") == 1
    shown = capsys.readouterr().out
    assert "cannot be reached" in shown
    assert "canary-key" not in shown


def test_login_stores_a_key_bound_to_its_address(
    service: Service, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """The key goes into the keyring and not into the file, and the profile works."""
    monkeypatch.setattr("getpass.getpass", lambda _prompt: f"{service.api_key}\n")
    assert run("login", "work", "--base-url", service.url, "--organization", service.organization_id) == 0
    assert service.api_key not in capsys.readouterr().out + (tmp_path / "config.ini").read_text()
    assert run("doctor", "-s", "work") == 0
    moved = (tmp_path / "config.ini").read_text().replace(service.url, "https://elsewhere.example")
    (tmp_path / "config.ini").write_text(moved)
    with pytest.raises(ConfigError, match="has no API key"):
        profiles.from_profile("work")


def test_a_bad_key_is_refused_without_being_shown(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A key with a line break in it ends with one clear sentence."""
    monkeypatch.setattr("getpass.getpass", lambda _prompt: "abc\r\nX-Evil: 1")
    assert run("login") == 1
    shown = capsys.readouterr().err
    assert "line break" in shown
    assert "Evil" not in shown


def test_serve_on_a_busy_port_is_one_sentence(
    service: Service, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """A port that is taken ends with status 1 and a sentence that names it."""
    port = service.url.rpartition(":")[2]
    assert run("serve", "--port", port, "--data", str(tmp_path)) == 1
    assert f"Port {port} on 127.0.0.1 is in use" in capsys.readouterr().err
