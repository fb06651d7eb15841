"""The user's profiles: an INI file for what may be seen, the keyring for the keys."""

from __future__ import annotations

import configparser
import functools
import getpass
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from roe_magic.config.hidden_frames import hides_frames
from roe_magic.config.secret import Secret, secret_of
from roe_magic.config.settings import DEFAULT_BASE_URL, SettingsSource, check_base_url, check_organization, read_number
from roe_magic.errors import ConfigError, MissingExtra

KEYRING_SERVICE = "roe-magic"
_key_cache: dict[str, str] = {}


def config_path() -> Path:
    """Return the path of the user's file; ``ROE_CONFIG_FILE`` names another one."""
    if moved := os.environ.get("ROE_CONFIG_FILE"):
        return Path(moved)
    import platformdirs

    return Path(platformdirs.user_config_dir("roe-magic", appauthor=False)) / "config.ini"


def read_profiles(path: Path | None = None) -> dict[str, dict[str, str]]:
    """Return the sections of the user's INI file, one per profile."""
    location = path or config_path()
    try:
        found = location.stat()
    except OSError:
        return {}
    return _read_profiles(location, found.st_mtime_ns, found.st_size)


@functools.lru_cache(maxsize=1)
def _read_profiles(location: Path, *_: int) -> dict[str, dict[str, str]]:
    """Parse the file; cached, because every cell asks and the file seldom changes."""
    parser = configparser.ConfigParser(interpolation=None)
    try:
        parser.read(location, encoding="utf-8")
    except (configparser.Error, UnicodeDecodeError) as error:
        raise ConfigError(f"The profiles in {location} cannot be read: {_reason(error)}.") from None
    return {name: dict(parser[name]) for name in parser.sections()}


def _reason(error: Exception) -> str:
    """Return what is wrong with the file, and in which line; not the line itself, in which a key may stand."""
    if isinstance(error, configparser.MissingSectionHeaderError):
        return f"line {error.lineno} stands below no [profile]"
    if isinstance(error, configparser.ParsingError):
        return f"line {error.errors[0][0]} is not NAME = value"
    return str(error)


@hides_frames
def from_profile(name: str, path: Path | None = None) -> SettingsSource:
    """Return one profile of the user's file, with its key from the keyring or from the variable that it names.

    Raises
    ------
    ConfigError
        There is no such profile, or it has no key.
    """
    known = read_profiles(path)
    if name not in known:
        listed = ", ".join(sorted(known)) or "none yet"
        raise ConfigError(f"There is no profile {name!r}.", hint=f"Profiles: {listed}. Add one: roe-magic login {name}")
    source = _profile_source(name, known[name])
    if source.api_key is None:
        variable = known[name].get("api_key_variable")
        hint = f"Set the environment variable {variable}." if variable else f"Store one: roe-magic login {name}"
        raise ConfigError(f"The profile {name!r} has no API key.", hint=hint)
    return source


@hides_frames
def keyed_profiles() -> list[SettingsSource]:
    """Return the profiles that have a key."""
    sources = (_profile_source(name, section) for name, section in read_profiles().items())
    return [source for source in sources if source.api_key is not None]


@hides_frames
def from_user_file(path: Path | None = None) -> SettingsSource:
    """Return the profile ``default``; an empty source where there is none."""
    section = read_profiles(path).get("default")
    return _profile_source("default", section) if section else SettingsSource(name="the user's file")


def _profile_source(name: str, section: Mapping[str, str]) -> SettingsSource:
    base_url = check_base_url(section.get("base_url") or DEFAULT_BASE_URL)
    variable = section.get("api_key_variable")
    key = os.environ.get(variable) if variable else stored_key(name, base_url)
    return SettingsSource(
        name=f"the profile {name!r}",
        base_url=base_url,
        api_key=secret_of(key),
        organization_id=check_organization(section.get("organization_id"), f"organization_id of the profile {name!r}"),
        timeout=read_number(section.get("timeout"), float, f"timeout of the profile {name!r}"),
        max_retries=read_number(section.get("max_retries"), int, f"max_retries of the profile {name!r}"),
    )


@hides_frames
def save_profile(name: str, base_url: str, organization_id: str | None, key: Secret) -> Path:
    """Store a profile: the key in the keyring, bound to its address, the rest in the user's file.

    Raises
    ------
    MissingExtra
        The package ``keyring`` is not installed.
    """
    keyring = require_keyring()
    base_url = check_base_url(base_url)
    try:
        keyring.set_password(KEYRING_SERVICE, _entry(name, base_url), key.reveal())
    except keyring.errors.KeyringError as error:
        raise ConfigError(
            f"The API key could not be stored in this machine's keyring: {error}.",
            hint="Set ROE_API_KEY instead, or name an environment variable in the profile: api_key_variable = MY_KEY",
        ) from None
    _key_cache.pop(_entry(name, base_url), None)
    path = config_path()
    parser = configparser.ConfigParser(interpolation=None)
    parser.read(path, encoding="utf-8")
    parser[name] = {"base_url": base_url, **({"organization_id": organization_id} if organization_id else {})}
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", encoding="utf-8") as file:
        parser.write(file)
    return path


def require_keyring() -> Any:
    """Return the keyring module; raise where the package, or a backend that can store a key, is missing."""
    keyring = _keyring()
    if keyring is None:
        raise MissingExtra("keyring", "Storing a key")
    if keyring.get_keyring().priority <= 0:
        raise ConfigError(
            "This machine has no keyring that can store a key.",
            hint=f"Set ROE_API_KEY instead, or write a profile with api_key_variable = MY_KEY into {config_path()}",
        )
    return keyring


@hides_frames
def ask_for_key(prompt: str) -> Secret:
    """Return the API key that the user types at a prompt, unseen."""
    try:
        key = secret_of(getpass.getpass(prompt))
    except (EOFError, OSError):
        raise ConfigError(
            "The API key cannot be typed in here: there is no terminal.", hint="Set ROE_API_KEY instead."
        ) from None
    if key is None:
        raise ConfigError("No API key was typed in.", hint="Start again, and paste the key at the prompt.")
    return key


@hides_frames
def stored_key(profile: str, base_url: str) -> str | None:
    """Return a profile's key from the keyring; None without a keyring or an entry.

    A key that was found is cached: every cell asks, and a keyring may be slow or ask the user.
    """
    keyring, entry = _keyring(), _entry(profile, base_url)
    if keyring is None or entry in _key_cache:
        return _key_cache.get(entry)
    try:
        key: str | None = keyring.get_password(KEYRING_SERVICE, entry)
    except keyring.errors.KeyringError:
        return None
    if key is not None:
        _key_cache[entry] = key
    return key


def _keyring() -> Any:
    try:
        import keyring
        import keyring.errors
    except ImportError:
        return None
    return keyring


def _entry(profile: str, base_url: str) -> str:
    return f"{profile}@{base_url}"
