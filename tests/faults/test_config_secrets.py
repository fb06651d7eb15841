"""Wrong settings, profiles and keyrings: the frames of the error hold neither a key nor the environment."""

from __future__ import annotations

import getpass
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import keyring
import pytest
from keyring.backend import KeyringBackend
from keyring.errors import KeyringError

from roe_magic import config, local_discovery, local_service
from roe_magic.config import profiles
from roe_magic.config.secret import Secret, secret_of
from roe_magic.errors import ConfigError, ServiceError
from roe_magic.magic.settings_sources import from_traits
from tests.faults.conftest import Record
from tests.support.shells import Shell, shell

KEY = "roe-canary-8d21f0"
BROKEN_KEY = f"{KEY} x"
HERE = "https://api.acme.roe-ai.com"
WRONG_SETTINGS = {
    "ROE_BASE_URL": "no address",
    "ROE_ORGANIZATION_ID": "no-uuid",
    "ROE_TIMEOUT": "soon",
    "ROE_MAX_RETRIES": "-1",
    "ROE_API_KEY": BROKEN_KEY,
}


class LockedKeyring(KeyringBackend):
    """A keyring that refuses to store a key. By itself it has none: keyring may choose it for other tests."""

    priority = 1
    key: str | None = None

    def get_password(self, service: str, username: str) -> str | None:
        return self.key

    def set_password(self, service: str, username: str, password: str) -> None:
        raise KeyringError("it is locked")


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Set a key, and nothing else."""
    for name in (*WRONG_SETTINGS, "ROE_ALLOW_HTTP"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("ROE_API_KEY", KEY)
    monkeypatch.setenv("ROE_CONFIG_FILE", str(tmp_path / "config.ini"))
    monkeypatch.setattr(profiles, "_key_cache", {})


@pytest.fixture
def ring() -> Iterator[LockedKeyring]:
    before, ring = keyring.get_keyring(), LockedKeyring()  # type: ignore[no-untyped-call]  # keyring's
    keyring.set_keyring(ring)
    yield ring
    keyring.set_keyring(before)


def shown_variables(error: BaseException | None) -> Iterator[tuple[str, str]]:
    """Yield (function: variable, repr) of each frame of an error and of those it came from, but for this file's."""
    while error is not None:
        trace = error.__traceback__
        while trace is not None:
            frame, trace = trace.tb_frame, trace.tb_next
            if frame.f_code.co_filename != __file__:
                yield from ((f"{frame.f_code.co_name}: {name}", repr(value)) for name, value in frame.f_locals.items())
        error = error.__cause__ or error.__context__


def refused(call: Callable[..., Any], *arguments: Any) -> ConfigError:
    """Return the error of a call, after a look at all that its traceback may show."""
    with pytest.raises(ConfigError) as caught:
        call(*arguments)
    shown = dict(shown_variables(caught.value))
    assert [name for name, text in shown.items() if KEY in text or "environ(" in text] == []
    assert shown  # our own frames were looked at
    assert KEY not in str(caught.value)
    return caught.value


def write_profile(tmp_path: Path, *lines: str) -> None:
    (tmp_path / "config.ini").write_text("\n".join(["[acme]", f"base_url = {HERE}", *lines]))


@pytest.mark.parametrize("name", WRONG_SETTINGS)
def test_a_wrong_variable(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each variable in turn, in the process's environment and in a mapping."""
    monkeypatch.setenv(name, WRONG_SETTINGS[name])
    refused(lambda: config.resolve(config.from_environment()))
    if name != "ROE_BASE_URL":  # which is judged where the settings are resolved
        refused(config.from_environment, {"ROE_API_KEY": KEY, name: WRONG_SETTINGS[name]})


@pytest.mark.parametrize("url", ["http://api.roe-ai.com", "https://u:p@host", "nowhere", "https://x:99999"])
def test_a_wrong_address(url: str) -> None:
    """Where it is resolved, and where it is checked by itself: plain http asks the environment for permission."""
    source = config.SettingsSource(name="a test", base_url=url, api_key=Secret(KEY))
    refused(config.resolve, source)
    refused(config.check_base_url, url)
    refused(config.same_address, HERE, url)
    refused(lambda: config.Settings(base_url=url, api_key=Secret(KEY)))


@pytest.mark.parametrize("key", [BROKEN_KEY, f"{KEY}\n{KEY}", f"{KEY}\u00e9"])
def test_a_broken_key(key: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Wherever it is read: given, typed, in a variable that ``%config`` names, in the env file of a service."""
    refused(Secret, key)
    refused(secret_of, key)
    monkeypatch.setattr(getpass, "getpass", lambda prompt: key)
    refused(profiles.ask_for_key, "API key: ")
    monkeypatch.setenv("MY_KEY", key)
    traits = type("Traits", (), {"api_key_variable": "MY_KEY", "base_url": "", "organization_id": ""})()
    refused(from_traits, traits)


def test_no_key_at_the_prompt(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing but white space is no key, and the error says what to do."""
    monkeypatch.setattr(getpass, "getpass", lambda prompt: "  ")
    assert "paste the key" in str(refused(profiles.ask_for_key, "API key: "))


@pytest.mark.parametrize(
    "line",
    [*("timeout = soon", "max_retries = 1.5", "organization_id = acme"), "base_url2 = 1\nbase_url3: 2\nordinary"],
)
def test_a_wrong_profile(line: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its key is in a variable; whoever asks for the profile, for all of them, or for the default."""
    monkeypatch.setenv("MY_KEY", KEY)
    write_profile(tmp_path, "api_key_variable = MY_KEY", line)
    refused(profiles.from_profile, "acme")
    refused(profiles.keyed_profiles)
    (tmp_path / "config.ini").write_text((tmp_path / "config.ini").read_text().replace("[acme]", "[default]"))
    refused(profiles.from_user_file)


def test_a_broken_key_in_a_profile(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, ring: LockedKeyring) -> None:
    """In a variable and in the keyring."""
    write_profile(tmp_path, "api_key_variable = MY_KEY")
    monkeypatch.setenv("MY_KEY", BROKEN_KEY)
    refused(profiles.from_profile, "acme")
    ring.key = BROKEN_KEY
    write_profile(tmp_path)
    refused(profiles.from_profile, "acme")


@pytest.mark.parametrize("text", [f"{KEY}\n", f"[acme]\n{KEY}\n", f"[acme]\napi_key {KEY}\n"])
def test_a_key_that_was_written_into_the_file(text: str, tmp_path: Path) -> None:
    """The message names the line and does not repeat it."""
    (tmp_path / "config.ini").write_text(text)
    assert "line " in str(refused(profiles.from_profile, "acme"))


def test_a_key_that_was_written_into_a_profile(tmp_path: Path, ring: LockedKeyring) -> None:
    """A profile has no such setting, so there is no key; what stands there is not shown."""
    write_profile(tmp_path, f"api_key = {KEY}")
    assert "has no API key" in str(refused(profiles.from_profile, "acme"))


def test_a_keyring_that_stores_nothing(ring: LockedKeyring) -> None:
    """The keyring's own frames hold the key as well."""
    assert "it is locked" in str(refused(profiles.save_profile, "acme", HERE, None, Secret(KEY)))


def test_an_interrupt_while_a_key_is_stored(ring: LockedKeyring, monkeypatch: pytest.MonkeyPatch) -> None:
    """The interrupt arrives, without the frames of the keyring."""

    def interrupted(self: LockedKeyring, service: str, username: str, password: str) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(LockedKeyring, "set_password", interrupted)
    with pytest.raises(KeyboardInterrupt) as caught:
        profiles.save_profile("acme", HERE, None, Secret(KEY))
    assert not any(KEY in text for _, text in shown_variables(caught.value))


def test_a_damaged_env_file_of_a_service(tmp_path: Path) -> None:
    """A service's key is a key like any other."""
    path = tmp_path / "service.env"
    path.write_text(f"ROE_BASE_URL=http://127.0.0.1:1\nROE_API_KEY={KEY}\nROE_TIMEOUT=soon\n")
    refused(local_discovery.read_source, path)


def test_a_service_that_cannot_be_started(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The process gets the environment without our variables; a key in another one is not shown either."""
    monkeypatch.setenv("MY_KEY", KEY)
    monkeypatch.setattr(sys, "executable", str(tmp_path / "no-python"))
    with pytest.raises(ServiceError, match="cannot be started: No such file") as caught:
        local_service(tmp_path / "data")
    shown = dict(shown_variables(caught.value))
    assert "_start: folder" in shown
    assert [name for name, text in shown.items() if KEY in text or "environ(" in text] == []


@pytest.fixture
def verbose(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Shell]:
    """A shell that shows full tracebacks, with the variables of each frame."""
    with shell(monkeypatch, {"ROE_API_KEY": KEY, "MY_KEY": KEY}, tmp_path) as running:
        running.run("%xmode Verbose")
        running.run("%config RoeMagic.short_errors = False")
        yield running


def times_shown(text: str) -> tuple[int, int]:
    """Return how often a traceback shows the key, and an environment."""
    return text.count(KEY), text.count("environ(")


@pytest.mark.parametrize(
    ("name", "value"),
    [*WRONG_SETTINGS.items(), ("ROE_BASE_URL", "http://api.roe-ai.com"), ("ROE_BASE_URL", "https://u:p@host")],
)
def test_a_verbose_traceback(
    name: str, value: str, verbose: Shell, monkeypatch: pytest.MonkeyPatch, seen: Record
) -> None:
    """``%xmode Verbose`` shows the variables of our frames, and neither key nor environment among them."""
    monkeypatch.setenv(name, value)
    ran = verbose.run("%roe SELECT 1")
    assert isinstance(ran.error, ConfigError)
    assert "Namespace(" in ran.out  # the variables are shown
    seen(f"%xmode Verbose: {name} is {value!r}: keys, environments shown", (0, 0), times_shown(ran.out))


def test_a_verbose_traceback_of_a_profile(verbose: Shell, tmp_path: Path, seen: Record) -> None:
    """The same for a profile whose key is in a variable."""
    write_profile(tmp_path, "api_key_variable = MY_KEY", "timeout = soon")
    ran = verbose.run("%roe -s acme SELECT 1")
    assert isinstance(ran.error, ConfigError)
    assert "Namespace(" in ran.out
    seen("%xmode Verbose: a profile's timeout is 'soon': keys, environments shown", (0, 0), times_shown(ran.out))
