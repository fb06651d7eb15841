"""One local service per user and data folder: the first process starts it, others join, it stops after the last left.

Each process that uses the service holds a shared lock on a file; the service looks whether anyone does. A process that
dies gives its lock back by dying, so nothing has to be tidied up.
"""

from __future__ import annotations

import atexit
import contextlib
import os
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from roe_magic.config.settings import Settings, SettingsSource, from_environment, resolve
from roe_magic.errors import ServiceError
from roe_magic.service import env_file, file_lock, serve
from roe_magic.service.data_folder import DataFolder

START_TIMEOUT = 60.0
# A service that is going holds the members' file until it has gone.
LEAVE_TIMEOUT = 30.0
_joined: dict[Path, LocalService] = {}


class LocalService:
    """A local service in use by this process.

    Attributes
    ----------
    source : SettingsSource
        Its address, key and organisation.
    data : Path
        Its data folder.
    """

    def __init__(self, data: Path, source: SettingsSource, member: contextlib.ExitStack, *, memory: bool) -> None:
        self.data, self.source = data, source
        self._member, self._memory = member, memory

    @property
    def settings(self) -> Settings:
        """What a RoeClient needs."""
        return resolve(self.source)

    def close(self) -> None:
        """Leave the service; it stops soon after the last one has left."""
        self._member.close()
        _joined.pop(self.data, None)
        if self._memory:
            shutil.rmtree(self.data, ignore_errors=True)

    def __enter__(self) -> LocalService:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"<LocalService {self.source.base_url}, data in {self.data}>"


def local_service(data: Path | str | None = None, *, memory: bool = False) -> LocalService:
    """Join the local service, and start it where it does not run.

    Parameters
    ----------
    data : path, optional
        The data folder; ``ROE_LOCAL_DATA`` or the user's own one when left out.
    memory : bool
        Start one of this process's own that keeps nothing.

    Raises
    ------
    MissingExtra
        The extra ``local`` is not installed.
    ServiceError
        It did not start; the message ends with what it said.
    """
    serve.check_installation()
    folder = (
        Path(tempfile.mkdtemp(prefix="roe-magic-"))
        if memory
        else Path(data or os.environ.get("ROE_LOCAL_DATA") or serve.default_data()).expanduser().resolve()
    )
    if folder in _joined:
        return _joined[folder]
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    with contextlib.ExitStack() as undo:
        undo.enter_context(_locked(DataFolder(folder).members_lock, shared=True))
        with _locked(DataFolder(folder).start_lock):
            source = _running(folder) or _start(folder, memory=memory)
        member = undo.pop_all()
    service = _joined[folder] = LocalService(folder, source, member, memory=memory)
    atexit.register(service.close)
    return service


def _running(folder: Path) -> SettingsSource | None:
    """Find the service that holds the data folder, if one does."""
    with file_lock.opened(DataFolder(folder).service_lock) as handle:
        is_free = file_lock.acquire(handle, shared=True)
    return None if is_free else _answering(folder)


def _start(folder: Path, *, memory: bool) -> SettingsSource:
    command = [sys.executable, "-m", "roe_magic", "serve", "--port", "0", "--data", str(folder)]
    command += ["--env-file", str(DataFolder(folder).env_file)]
    command += ["--members-lock", str(DataFolder(folder).members_lock)]
    # The first member is here already.
    command += ["--grace", "0"]
    command += ["--memory"] if memory else []
    # The service needs no key of the user's, so it does not get one.
    environment = {name: value for name, value in os.environ.items() if not name.startswith("ROE_")}
    # It may name an address that another service has by now.
    stale = _written(folder)
    with DataFolder(folder).log.open("wb") as log:
        process = subprocess.Popen(  # noqa: S603  # our own module, no shell
            command,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            env=environment,
            cwd=folder,
            start_new_session=True,
        )
    # Whoever starts it outlives it, perhaps: then its end is taken note of, and it leaves no zombie.
    threading.Thread(target=process.wait, name="roe-service", daemon=True).start()
    return _answering(folder, process, stale)


def _written(folder: Path) -> int:
    """Tell when the env file was written, 0 when there is none."""
    path = DataFolder(folder).env_file
    return path.stat().st_mtime_ns if path.exists() else 0


def _answering(folder: Path, process: subprocess.Popen[bytes] | None = None, stale: int = 0) -> SettingsSource:
    """Wait until the service answers, and read where it is; an env file of the time ``stale`` is not looked at."""
    ends = time.monotonic() + START_TIMEOUT
    while time.monotonic() < ends:
        if _written(folder) != stale and _is_healthy(source := _read_source(DataFolder(folder).env_file)):
            return source
        if process is not None and process.poll() is not None:
            raise ServiceError(
                f"The local service did not start. {_last_words(folder)}", hint="roe-magic doctor tells more."
            )
        time.sleep(0.02)
    raise ServiceError(
        f"The local service did not answer within {START_TIMEOUT:g} s. {_last_words(folder)}",
        hint=f"Its log: {DataFolder(folder).log}",
    )


def _read_source(path: Path) -> SettingsSource:
    """Return the address, key and organisation that the service wrote into its env file."""
    return replace(from_environment(env_file.read(path)), name="the local service")


def _is_healthy(source: SettingsSource) -> bool:
    from http.client import HTTPConnection, HTTPException
    from urllib.parse import urlsplit

    connection = HTTPConnection(urlsplit(source.address).netloc, timeout=5)
    try:
        connection.request("GET", "/healthz")
        return connection.getresponse().status == 200
    except (OSError, HTTPException):
        return False
    finally:
        connection.close()


def _last_words(folder: Path) -> str:
    log = DataFolder(folder).log
    lines = log.read_text(encoding="utf-8", errors="replace").strip().splitlines() if log.exists() else []
    return f"It said: {' '.join(lines[-3:])}" if lines else "It said nothing."


@contextlib.contextmanager
def _locked(path: Path, *, shared: bool = False) -> Iterator[None]:
    """Hold a lock on a file; it waits first for a service that is about to end."""
    with file_lock.opened(path) as handle:
        if not file_lock.acquire(handle, shared=shared, timeout=LEAVE_TIMEOUT):
            raise ServiceError(f"{path.name} is held by another process for over {LEAVE_TIMEOUT:g} s.")
        yield
