"""Joins the local service of a data folder, and starts it where it does not run.

There is one service per data folder. Each process that uses it is a member: it holds a shared lock on a file, and the
service ends when nobody has held that lock for a while. A process that dies releases its lock by dying, so nothing has
to be tidied up. Who joins first takes the start lock, runs ``roe-magic serve`` as a process of its own, and waits until
it answers at the address in its env file.

A service may end while members use it: it is killed, or the machine runs out of memory. Then another member may start
it anew, at another address. ``LocalService.is_running`` sees both by the service's lock and its env file, without a
request: by then a stranger may listen at the old address.
"""

from __future__ import annotations

import atexit
import contextlib
import os
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import BinaryIO

from roe_magic.config.hidden_frames import hides_frames
from roe_magic.config.settings import Settings, resolve
from roe_magic.errors import ServiceError
from roe_magic.local_discovery import OTHER_FOLDER, FoundService, is_running, version_of, wait_until_healthy
from roe_magic.service import env_file, file_lock, serve
from roe_magic.service.data_folder import DataFolder, folder_errors, temporary_folder

# A service that is about to end holds the members' lock until it has ended.
LEAVE_TIMEOUT = 30.0
# How long a service of this process alone may take to end.
END_TIMEOUT = 10.0
_joined: dict[Path, LocalService] = {}
if hasattr(os, "register_at_fork"):
    # A forked child is a process of its own: it joins by itself.
    os.register_at_fork(after_in_child=_joined.clear)


class LocalService:
    """A local service in use by this process.

    Attributes
    ----------
    source : SettingsSource
        Its address, key and organisation.
    data : Path
        Its data folder.
    memory : bool
        Whether it is this process's alone, and its data folder is removed at the end.
    """

    def __init__(self, folder: DataFolder, found: FoundService, leaving: contextlib.ExitStack, *, memory: bool) -> None:
        self.data, self.memory = folder.root, memory
        self.source = replace(found.source, is_current=self._is_current)
        self._folder, self._found, self._leaving, self._pid = folder, found, leaving, os.getpid()

    @property
    def settings(self) -> Settings:
        """What a RoeClient needs."""
        return resolve(self.source)

    @property
    def is_running(self) -> bool:
        """Whether the service that was joined still runs; a later one on its data folder is another."""
        return is_running(self._folder) and version_of(self._folder.env_file) == self._found.version

    def _is_current(self) -> bool:
        return self.is_running

    def renewed(self) -> LocalService:
        """Return this service if it runs; otherwise the one that is joined or started in its place."""
        if self.is_running:
            return self
        self.close()
        return local_service(memory=True) if self.memory else local_service(self.data)

    def close(self) -> None:
        """Leave the service; it stops soon after the last one has left, and one that keeps nothing at once."""
        if os.getpid() != self._pid:
            return  # a forked child leaves what its parent joined alone
        atexit.unregister(self.close)
        if _joined.get(self.data) is self:
            del _joined[self.data]
        self._leaving.close()

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
        The data folder cannot be used, or the service did not start; the message ends with the last lines of its log.
    """
    serve.check_installation()
    root = temporary_folder() if memory else _data_root(data)
    if root in _joined:
        if _joined[root].is_running:
            return _joined[root]
        _joined[root].close()
    folder = DataFolder(root)
    with contextlib.ExitStack() as undo:
        if memory:
            undo.callback(shutil.rmtree, root, ignore_errors=True)
        with folder_errors(root, OTHER_FOLDER):
            root.mkdir(mode=0o700, parents=True, exist_ok=True)
        undo.enter_context(_locked(folder, folder.members_lock, shared=True))
        with _locked(folder, folder.start_lock):
            found = _join(folder) or _start(folder, undo if memory else None)
        service = _joined[root] = LocalService(folder, found, undo.pop_all(), memory=memory)
    atexit.register(service.close)
    return service


def _data_root(data: Path | str | None) -> Path:
    """Return the data folder that is named, or set, or the user's own one."""
    named = data or os.environ.get("ROE_LOCAL_DATA")
    chosen = Path(named) if named else serve.default_data()
    with folder_errors(chosen, OTHER_FOLDER):
        return chosen.expanduser().resolve()


def _join(folder: DataFolder) -> FoundService | None:
    """Return the settings of the service that runs on the data folder; None where none does."""
    return wait_until_healthy(folder, lambda: is_running(folder))


def _start(folder: DataFolder, ending: contextlib.ExitStack | None) -> FoundService:
    """Start the service and return its settings; one that keeps nothing ends with ``ending``."""
    with folder_errors(folder.root, OTHER_FOLDER):
        # An env file of before may name an address that another service has by now.
        env_file.remove(folder.env_file, "ROE_BASE_URL")
        log = folder.log.open("w+b")
    with log:
        process = _process(folder, log, temporary=ending is not None)
        # This process may outlive the service; waiting for its end leaves no zombie.
        threading.Thread(target=process.wait, name="roe-service", daemon=True).start()
        if ending is not None:
            ending.callback(_end, process)
        try:
            found = wait_until_healthy(folder, lambda: process.poll() is None)
        except KeyboardInterrupt:
            _end(process)  # before somebody else starts another one on the same folder
            raise
        # If it gave way to another service, that one was left by a process that was killed while it started it.
        if found := found or _join(folder):
            return found
        # Read from the open file: a service that keeps nothing has removed its folder by now.
        message = f"The local service did not start. {_end_of_log(log)}"
    hint = f"`roe-magic doctor` checks the installation. ROE_LOCAL_DATA names another data folder than {folder.root}."
    raise ServiceError(message, hint=hint)


@hides_frames
def _process(folder: DataFolder, log: BinaryIO, *, temporary: bool) -> subprocess.Popen[bytes]:
    """Start ``roe-magic serve`` as a process of its own."""
    command = [sys.executable, "-m", "roe_magic", "serve", "--port", "0", "--data", str(folder.root)]
    command += ["--env-file", str(folder.env_file), "--members-lock", str(folder.members_lock)]
    # This process, the first member, has joined already.
    command += ["--grace", "0", *(["--temporary"] if temporary else [])]
    # The service needs no key of the user's, so it does not get one.
    environment = {name: value for name, value in os.environ.items() if not name.startswith("ROE_")}
    try:
        return subprocess.Popen(  # noqa: S603  # our own module, no shell
            command,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            env=environment,
            cwd=folder.root,
            start_new_session=True,
        )
    except OSError as error:
        raise ServiceError(f"The local service cannot be started: {error.strerror}.") from None


def _end(process: subprocess.Popen[bytes]) -> None:
    """End a service and wait until it has ended, so that it writes nothing into its data folder any more."""
    process.terminate()
    try:
        process.wait(END_TIMEOUT)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _end_of_log(log: BinaryIO) -> str:
    log.seek(0)
    lines = log.read().decode(errors="replace").strip().splitlines()
    return f"Its log ends with: {' '.join(lines[-3:])}" if lines else "Its log is empty."


@contextlib.contextmanager
def _locked(folder: DataFolder, path: Path, *, shared: bool = False) -> Iterator[None]:
    """Hold a lock on a file of the data folder; it waits first for a service that is about to end."""
    with contextlib.ExitStack() as stack:
        with folder_errors(folder.root, OTHER_FOLDER):
            handle = stack.enter_context(file_lock.opened(path))
            is_locked = file_lock.acquire(handle, shared=shared, timeout=LEAVE_TIMEOUT)
        if not is_locked:
            raise ServiceError(
                f"Another process has locked {path} for more than {LEAVE_TIMEOUT:g} s.",
                hint="Try again, or choose another data folder with ROE_LOCAL_DATA.",
            )
        yield
