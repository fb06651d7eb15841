"""Runs the local service: one per data folder, from its start to its end.

:func:`serve` blocks until the service ends. It takes, one after the other and each as a context manager:

1. the members' lock file, if there is one, only opened: the service watches it, see ``http.server``;
2. the data folder, which with ``memory`` is a temporary one;
3. the lock on the data folder, so that no second service uses it;
4. the listening socket, so that a client that connects early waits a little and is not refused.

Then it starts the engine's process and, at the same time, imports the HTTP side. When both are ready it writes the env
files with the address and key, and serves requests until a signal comes or the last member has left.

No package of the extra ``local`` is imported at the top: the command line needs the options without it, and
:func:`check_installation` reports it if it is missing.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import errno
import importlib
import importlib.util
import shutil
import signal
import socket
import sys
from collections.abc import AsyncIterator, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import platformdirs

from roe_magic.errors import MissingExtra, RoeError, ServiceError
from roe_magic.service import env_file, file_lock
from roe_magic.service.data_folder import MAX_STORED_BYTES, DataFolder, folder_errors, temporary_folder

if TYPE_CHECKING:
    from roe_magic.service.container import Services
    from roe_magic.service.job import Limits

REQUIRED_PACKAGES = ("alembic", "chdb", "python_multipart", "sqlalchemy", "starlette", "uvicorn")
# Addresses that mean every interface, and the ones by which this machine reaches itself.
_EVERY_INTERFACE = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104  # compared with, not bound to
_BACKLOG = 128
# A process that looks whether a service runs holds the service's lock for a moment.
_LOCK_TIMEOUT = 1.0
_OTHER_FOLDER = "choose another one with --data DIR, or use --memory, which keeps nothing"
_NOT_CONFINED = (
    "Note: this system has no Landlock, so nothing but the service's own checks keeps queries from your files; see "
    "docs/service.md."
)


def default_data() -> Path:
    """Return the data folder that is used if none is named."""
    return Path(platformdirs.user_data_dir("roe-magic")) / "service"


@dataclass(frozen=True, kw_only=True)
class ServeOptions:
    """How to run the service.

    Parameters
    ----------
    host, port : str, int
        Where to listen; port 0 picks a free one.
    data : Path, optional
        The data folder; ``default_data()`` if it is not given.
    env_file : Path, optional
        Where to write the address and key, in addition to ``service.env`` in the data folder.
    memory : bool
        Use a temporary folder that is removed at the end; ``data`` is not used.
    temporary : bool
        ``data`` is a temporary folder that the caller made: it is removed at the end, and queries that run do not keep
        the service once its members have left.
    members_lock : Path, optional
        A file on which everyone who uses the service holds a shared lock. A member must wait for the lock, since the
        service tries to take it once a second. When nobody has held it for ``linger`` seconds the service ends; before
        the first member comes it waits for ``grace`` seconds.
    limits : Limits, optional
        What one statement may use.
    max_stored_bytes : int
        If the rows of all ended queries take more on disk, those of the oldest are deleted. Their result endpoint then
        responds with 404; the queries themselves stay.
    """

    host: str = "127.0.0.1"
    port: int = 0
    data: Path | None = None
    env_file: Path | None = None
    memory: bool = False
    temporary: bool = False
    members_lock: Path | None = None
    grace: float = 30.0
    linger: float = 5.0
    limits: Limits | None = None
    max_stored_bytes: int = MAX_STORED_BYTES


def serve(options: ServeOptions) -> None:
    """Run the service until a signal, or the last member's leaving, ends it.

    Raises
    ------
    MissingExtra
        A package of the extra ``local`` is not installed.
    ServiceError
        The folder or the port is in use or cannot be used, or the engine does not start.
    """
    check_installation()
    with contextlib.ExitStack() as stack:
        # Closed last: a process that waits for this lock then finds the data folder free.
        members = stack.enter_context(_open_members_lock(options.members_lock))
        folder = stack.enter_context(_data_folder(options))
        stack.enter_context(_service_lock(folder))
        _forget_address(folder)
        listener = stack.enter_context(_listener(options.host, options.port))
        asyncio.run(_serve(options, folder, listener, members))


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of :class:`ServeOptions` to a command line."""
    add = parser.add_argument
    add("--host", default="127.0.0.1", help="the address to listen on (default: %(default)s)")
    add("--port", type=int, default=0, help="the port to listen on; 0 picks a free one (default: %(default)s)")
    add("--data", type=Path, metavar="DIR", help=f"the data folder (default: {default_data()})")
    add("--env-file", type=Path, metavar="FILE", help="write address and key to this file and to DIR/service.env")
    add("--memory", action="store_true", help="keep everything in a temporary folder that is removed at the end")
    # %roe connect local uses these when it starts a service that other processes may join.
    add("--members-lock", type=Path, help=argparse.SUPPRESS)
    add("--temporary", action="store_true", help=argparse.SUPPRESS)
    add("--linger", type=float, default=5.0, help=argparse.SUPPRESS)
    add("--grace", type=float, default=30.0, help=argparse.SUPPRESS)


def run(arguments: argparse.Namespace) -> int:
    """Run the service with the options of a command line, and return the exit code."""
    names = ("host", "port", "data", "env_file", "memory", "temporary", "members_lock", "linger", "grace")
    try:
        serve(ServeOptions(**{name: getattr(arguments, name) for name in names}))
    except RoeError as error:
        print(error, file=sys.stderr)  # a command's own output
        return 1
    return 0


def check_installation() -> None:
    """Raise an error if the service cannot run on this system, or the extra ``local`` is not installed."""
    if sys.platform == "win32":
        raise ServiceError(
            "The local service needs Linux or macOS: its engine, chDB, has no Windows version.",
            hint="Use WSL 2, or Roe's server.",
        )
    if not all(importlib.util.find_spec(name) for name in REQUIRED_PACKAGES):
        raise MissingExtra("local", "The local service")


@contextlib.contextmanager
def _open_members_lock(path: Path | None) -> Iterator[int | None]:
    if path is None:
        yield None
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    with file_lock.opened(path) as handle:
        yield handle


@contextlib.contextmanager
def _data_folder(options: ServeOptions) -> Iterator[DataFolder]:
    root = temporary_folder() if options.memory else options.data or default_data()
    with folder_errors(root, _OTHER_FOLDER):
        root = root.expanduser().absolute()
        root.mkdir(mode=0o700, parents=True, exist_ok=True)
    try:
        yield DataFolder(root)
    finally:
        if options.memory or options.temporary:
            shutil.rmtree(root, ignore_errors=True)


@contextlib.contextmanager
def _service_lock(folder: DataFolder) -> Iterator[None]:
    with contextlib.ExitStack() as stack:
        with folder_errors(folder.root, _OTHER_FOLDER):
            handle = stack.enter_context(file_lock.opened(folder.service_lock))
            is_free = file_lock.acquire(handle, timeout=_LOCK_TIMEOUT)
        if not is_free:
            raise ServiceError(
                f"Another service uses the data folder {folder.root} already.",
                hint="In a notebook, %roe connect local uses it. To start a second one, add --data DIR or --memory.",
            )
        yield


def _forget_address(folder: DataFolder) -> None:
    """Remove the address of an earlier service, where a stranger may listen by now, from the folder's env file."""
    with folder_errors(folder.root, _OTHER_FOLDER):
        env_file.remove(folder.env_file, "ROE_BASE_URL")


@contextlib.contextmanager
def _listener(host: str, port: int) -> Iterator[socket.socket]:
    try:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        listener = socket.create_server((host, port), family=family, backlog=_BACKLOG)
    except (OSError, OverflowError) as error:
        is_in_use = isinstance(error, OSError) and error.errno == errno.EADDRINUSE
        reason = getattr(error, "strerror", None) or error
        fault = (
            "is in use by another program; choose another one with --port" if is_in_use else f"cannot be used: {reason}"
        )
        raise ServiceError(f"Port {port} on {host} {fault}.") from None
    with listener:
        yield listener


async def _serve(options: ServeOptions, folder: DataFolder, listener: socket.socket, members: int | None) -> None:
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    from roe_magic.service import bootstrap  # needs the extra

    async with _running_services(options, folder) as services:
        env_path = (options.env_file or folder.env_file).expanduser().absolute()
        url = _url(options.host, listener)
        key = env_file.read(env_path).get("ROE_API_KEY", "")
        credentials = bootstrap.credentials(services, key)
        _write_env_files((env_path, folder.env_file), {"ROE_BASE_URL": url, **credentials})
        print(f"The Roe API is at {url}; its address and key are in {env_path}", flush=True)  # a command's own output
        if "landlock" not in services.engine.health()["sandbox"]:
            print(_NOT_CONFINED, flush=True)
        from roe_magic.service.http import server  # imported by now

        if members is None:
            await server.run(services, listener, stop)
        else:
            waits = {"grace": options.grace, "linger": options.linger}
            await server.run_for_members(services, listener, stop, members, **waits, temporary=options.temporary)


@contextlib.asynccontextmanager
async def _running_services(options: ServeOptions, folder: DataFolder) -> AsyncIterator[Services]:
    """Start the services of the data folder, and import the HTTP side; leaving the block stops them."""
    from roe_magic.service import bootstrap  # needs the extra

    hosts = {options.host.lower(), socket.gethostname().lower()}
    async with contextlib.AsyncExitStack() as stack:
        with folder_errors(folder.root, _OTHER_FOLDER):
            engine = bootstrap.new_engine(folder, options.limits)
            # Each takes about a second: the engine's process starts while this one imports the HTTP side.
            imports = asyncio.to_thread(importlib.import_module, "roe_magic.service.http.server")
            await asyncio.gather(engine.start(), imports)
            started = bootstrap.running(
                folder.root, engine=engine, hosts=hosts, max_stored_bytes=options.max_stored_bytes
            )
            services = await stack.enter_async_context(started)
        yield services


def _url(host: str, listener: socket.socket) -> str:
    name = _EVERY_INTERFACE.get(host, host)
    return f"http://{f'[{name}]' if ':' in name else name}:{listener.getsockname()[1]}"


def _write_env_files(paths: tuple[Path, Path], values: Mapping[str, str]) -> None:
    """Write the env file that was asked for, and that of the data folder, where processes that join look for it.

    Both stay after the service has ended: the next start keeps the key.
    """
    for path in dict.fromkeys(paths):
        try:
            env_file.write(path, values)
        except OSError as error:
            raise ServiceError(f"The env file {path} cannot be written: {error.strerror}.") from None
