"""Joins the local service of a data folder, and starts it where it does not run.

There is one service per data folder. Each process that uses it is a member: it holds a shared lock on a file, and the
service ends when nobody has held that lock for a while. A process that dies releases its lock by dying, so nothing has
to be tidied up. Who joins first takes the start lock, runs ``roe-magic serve`` as a process of its own, and waits until
it answers at the address in its env file.
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
# A service that is about to end holds the members' lock until it has ended.
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
        Start a service of this process alone that keeps nothing.

    Raises
    ------
    MissingExtra
        The extra ``local`` is not installed.
    ServiceError
        It did not start; the message ends with the last lines of its log.
    """
    serve.check_installation()
    root = (
        Path(tempfile.mkdtemp(prefix="roe-magic-"))
        if memory
        else Path(data or os.environ.get("ROE_LOCAL_DATA") or serve.default_data()).expanduser().resolve()
    )
    if root in _joined:
        return _joined[root]
    root.mkdir(mode=0o700, parents=True, exist_ok=True)
    folder = DataFolder(root)
    with contextlib.ExitStack() as undo:
        undo.enter_context(_locked(folder.members_lock, shared=True))
        with _locked(folder.start_lock):
            source = _join(folder) or _start(folder, memory=memory)
        member = undo.pop_all()
    service = _joined[root] = LocalService(root, source, member, memory=memory)
    atexit.register(service.close)
    return service


def _join(folder: DataFolder) -> SettingsSource | None:
    """Return the settings of the service that runs on the data folder; None where none does."""
    with file_lock.opened(folder.service_lock) as handle:
        is_free = file_lock.acquire(handle, shared=True)
    return None if is_free else _wait_until_healthy(folder)


def _start(folder: DataFolder, *, memory: bool) -> SettingsSource:
    """Start the service and return its settings."""
    # An env file of before may name an address that another service has by now.
    stale = _modified(folder.env_file)
    with folder.log.open("wb") as log:
        process = subprocess.Popen(  # noqa: S603  # our own module, no shell
            _command(folder, memory=memory),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            # The service needs no key of the user's, so it does not get one.
            env={name: value for name, value in os.environ.items() if not name.startswith("ROE_")},
            cwd=folder.root,
            start_new_session=True,
        )
    # This process may outlive the service; waiting for its end leaves no zombie.
    threading.Thread(target=process.wait, name="roe-service", daemon=True).start()
    return _wait_until_healthy(folder, process, stale)


def _command(folder: DataFolder, *, memory: bool) -> list[str]:
    command = [sys.executable, "-m", "roe_magic", "serve", "--port", "0", "--data", str(folder.root)]
    command += ["--env-file", str(folder.env_file), "--members-lock", str(folder.members_lock)]
    # This process, the first member, has joined already.
    command += ["--grace", "0"]
    return [*command, "--memory"] if memory else command


def _modified(path: Path) -> int:
    """Return when a file was last written, in nanoseconds; 0 where there is none."""
    return path.stat().st_mtime_ns if path.exists() else 0


def _wait_until_healthy(
    folder: DataFolder, process: subprocess.Popen[bytes] | None = None, stale: int = 0
) -> SettingsSource:
    """Wait until the service answers and return its settings; an env file of the time ``stale`` is not read."""
    ends = time.monotonic() + START_TIMEOUT
    while time.monotonic() < ends:
        if _modified(folder.env_file) != stale and _is_healthy(source := read_source(folder.env_file)):
            return source
        if process is not None and process.poll() is not None:
            message = f"The local service did not start. {_end_of_log(folder.log)}"
            raise ServiceError(message, hint="`roe-magic doctor` checks the installation.")
        time.sleep(0.02)
    message = f"The local service did not answer within {START_TIMEOUT:g} s. {_end_of_log(folder.log)}"
    raise ServiceError(message, hint=f"Its log: {folder.log}")


def read_source(path: Path) -> SettingsSource:
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


def _end_of_log(log: Path) -> str:
    lines = log.read_text(encoding="utf-8", errors="replace").strip().splitlines() if log.exists() else []
    return f"Its log ends with: {' '.join(lines[-3:])}" if lines else "Its log is empty."


@contextlib.contextmanager
def _locked(path: Path, *, shared: bool = False) -> Iterator[None]:
    """Hold a lock on a file; it waits first for a service that is about to end."""
    with file_lock.opened(path) as handle:
        if not file_lock.acquire(handle, shared=shared, timeout=LEAVE_TIMEOUT):
            raise ServiceError(
                f"Another process has locked {path} for more than {LEAVE_TIMEOUT:g} s.",
                hint="Try again, or choose another data folder with ROE_LOCAL_DATA.",
            )
        yield
