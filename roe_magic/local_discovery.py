"""Finds the local service of a data folder: by its lock, by the address in its env file, and by its answer there.

The order makes sure that no key is sent to a stranger who listens at the address of an earlier service: a service takes
its lock, removes the address from the env file, and writes its own when it can answer.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

from roe_magic.config.settings import SettingsSource, from_environment
from roe_magic.errors import ConfigError, ServiceError
from roe_magic.service import env_file, file_lock
from roe_magic.service.data_folder import DataFolder

START_TIMEOUT = 60.0
OTHER_FOLDER = "set ROE_LOCAL_DATA to another one, or use `%roe connect local --memory`, which keeps nothing"


class FoundService(NamedTuple):
    """The settings in an env file, and the version of the file that had them."""

    source: SettingsSource
    version: tuple[int, int] | None


def is_running(folder: DataFolder) -> bool:
    """Whether a service runs on the data folder, or is about to."""
    return file_lock.is_held(folder.service_lock)


def version_of(path: Path) -> tuple[int, int] | None:
    """Return what is another one after each writing of an env file; None where there is none."""
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_ino, found.st_mtime_ns


def wait_until_healthy(folder: DataFolder, still_runs: Callable[[], bool]) -> FoundService | None:
    """Wait until the service answers and return its settings; None where it does not run any more."""
    ends = time.monotonic() + START_TIMEOUT
    while still_runs():
        found = _read_env_file(folder.env_file)
        if found is not None and _is_healthy(found.source):
            return found
        if time.monotonic() >= ends or (found is None and _is_old(folder.env_file)):
            raise _no_answer(folder, has_address=found is not None)
        time.sleep(0.02)
    return None


def _read_env_file(path: Path) -> FoundService | None:
    """Return what an env file says; None where it is absent or damaged, and while the service starts."""
    version = version_of(path)
    try:
        source = read_source(path)
    except ConfigError:
        return None
    is_whole = source.base_url and source.api_key and version_of(path) == version  # not written while it was read
    return FoundService(source, version) if is_whole else None


def _is_old(path: Path) -> bool:
    """Whether an env file was written before a service that is still starting may have begun to."""
    version = version_of(path)
    return version is not None and time.time() - version[1] / 1e9 > START_TIMEOUT


def _no_answer(folder: DataFolder, *, has_address: bool) -> ServiceError:
    """Return the error for a service that runs and cannot be used."""
    if has_address:
        message = f"The local service of the data folder {folder.root} did not answer within {START_TIMEOUT:g} s."
        return ServiceError(message, hint=f"Its log: {folder.log}")
    return ServiceError(
        f"A service uses the data folder {folder.root}, but its address is not in {folder.env_file}.",
        hint=f"End that service, then try again; or {OTHER_FOLDER}.",
    )


def read_source(path: Path) -> SettingsSource:
    """Return the address, key and organisation that the service wrote into its env file."""
    return replace(from_environment(env_file.read(path)), name="the local service")


def _is_healthy(source: SettingsSource) -> bool:
    from http.client import HTTPConnection, HTTPException
    from urllib.parse import urlsplit

    try:
        connection = HTTPConnection(urlsplit(source.address).netloc, timeout=5)
        with contextlib.closing(connection):
            connection.request("GET", "/healthz")
            return connection.getresponse().status == 200
    except (OSError, HTTPException, ValueError):  # no address at all: the env file is damaged
        return False
