"""Run the local service: one per data folder, from its first start to its end.

Nothing that an extra brings is imported before :func:`serve` has seen that it is there.
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
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import platformdirs

from roe_magic.errors import MissingExtra, RoeError, ServiceError
from roe_magic.service import env_file

if TYPE_CHECKING:
    from roe_magic.service.container import Parts
    from roe_magic.service.data_folder import DataFolder
    from roe_magic.service.engine.chdb.engine import Limits

_NEEDED = ("alembic", "chdb", "python_multipart", "sqlalchemy", "starlette", "uvicorn")
_EVERY_ADDRESS = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104  # compared with, not bound to
_BACKLOG = 128


def default_data() -> Path:
    """Tell where the data folder is when none is named."""
    return Path(platformdirs.user_data_dir("roe-magic")) / "service"


@dataclass(frozen=True, kw_only=True)
class Settings:
    """How to run the service.

    Parameters
    ----------
    host, port : str, int
        Where to listen; port 0 picks a free one.
    data : Path, optional
        The data folder; ``default_data()`` when it is not named.
    env_file : Path, optional
        Where to write address and key, beside ``service.env`` in the data folder.
    memory : bool
        Keep everything in a temporary folder that is removed in the end; ``data`` is not looked at.
    members_lock : Path, optional
        A file that everyone who uses the service holds a shared ``flock`` on (taken with waiting, since the service
        tries it once a second). When nobody has held it for ``linger`` seconds the service ends; before the first
        member has come it waits for ``grace`` seconds.
    limits : Limits, optional
        What one statement may use.
    max_stored_bytes : int
        When the rows of all ended queries take more on disk, those of the oldest are removed; the result endpoint then
        answers 404, and the query itself stays.
    """

    host: str = "127.0.0.1"
    port: int = 0
    data: Path | None = None
    env_file: Path | None = None
    memory: bool = False
    members_lock: Path | None = None
    grace: float = 30.0
    linger: float = 5.0
    limits: Limits | None = None
    max_stored_bytes: int = 10 * 2**30


def serve(settings: Settings) -> None:
    """Run the service until a signal, or its last member's leaving, ends it.

    Raises
    ------
    MissingExtra
        A package of the extra ``local`` is not installed.
    ServiceError
        The folder or the port is in use, or cannot be used, or the engine does not start.
    """
    check_installation()
    with contextlib.ExitStack() as stack:
        # The members' lock is let go last: whoever waits for it then finds the folder free.
        members = stack.enter_context(_members(settings.members_lock))
        folder = stack.enter_context(_folder(settings))
        stack.enter_context(_alone(folder.lock))
        listener = stack.enter_context(_listener(settings.host, settings.port))
        asyncio.run(_serve(settings, folder, listener, members))


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Give a command line the options of :class:`Settings`."""
    add = parser.add_argument
    add("--host", default="127.0.0.1", help="the address to listen on (default: %(default)s)")
    add("--port", type=int, default=0, help="the port to listen on; 0 picks a free one (default: %(default)s)")
    add("--data", type=Path, metavar="DIR", help=f"the data folder (default: {default_data()})")
    add("--env-file", type=Path, metavar="FILE", help="where to write address and key, beside DIR/service.env")
    add("--memory", action="store_true", help="keep everything in a temporary folder that is removed at the end")
    # Those of %roe connect local, which starts the service for all that join it.
    add("--members-lock", type=Path, help=argparse.SUPPRESS)
    add("--linger", type=float, default=5.0, help=argparse.SUPPRESS)
    add("--grace", type=float, default=30.0, help=argparse.SUPPRESS)


def run(arguments: argparse.Namespace) -> int:
    """Serve as a command line says, and tell the exit code."""
    names = ("host", "port", "data", "env_file", "memory", "members_lock", "linger", "grace")
    try:
        serve(Settings(**{name: getattr(arguments, name) for name in names}))
    except RoeError as error:
        print(error, file=sys.stderr)  # a command's own output
        return 1
    return 0


def check_installation() -> None:
    """Raise where the service cannot run: the wrong system, or its extra is not installed."""
    if sys.platform == "win32":
        raise ServiceError("The local service needs Linux or macOS: its engine, chDB, has no Windows version.")
    if not all(importlib.util.find_spec(name) for name in _NEEDED):
        raise MissingExtra("local", "The local service")


@contextlib.contextmanager
def _members(path: Path | None) -> Iterator[int | None]:
    from roe_magic.service import file_lock  # POSIX alone has it

    if path is None:
        yield None
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    with file_lock.opened(path) as handle:
        yield handle


@contextlib.contextmanager
def _folder(settings: Settings) -> Iterator[DataFolder]:
    from roe_magic.service.data_folder import DataFolder  # it brings the engine

    if settings.memory:
        root = Path(tempfile.mkdtemp(prefix="roe-magic-"))
        try:
            yield DataFolder(root)
        finally:
            shutil.rmtree(root, ignore_errors=True)
        return
    root = (settings.data or default_data()).expanduser().absolute()
    try:
        root.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise ServiceError(f"The data folder {root} cannot be used: {error.strerror}.") from None
    yield DataFolder(root)


@contextlib.contextmanager
def _alone(path: Path) -> Iterator[None]:
    from roe_magic.service import file_lock  # POSIX alone has it

    with file_lock.opened(path) as handle:
        if not file_lock.take(handle):
            raise ServiceError(
                f"Another service uses the data folder {path.parent} already.",
                hint="In a notebook, %roe connect local joins it; --data DIR or --memory starts one of its own.",
            )
        yield


@contextlib.contextmanager
def _listener(host: str, port: int) -> Iterator[socket.socket]:
    """Listen before anybody is told the address: who connects early waits a little, and is not refused."""
    try:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        listener = socket.create_server((host, port), family=family, backlog=_BACKLOG)
    except (OSError, OverflowError) as error:
        taken = isinstance(error, OSError) and error.errno == errno.EADDRINUSE
        why = (
            "is in use by another program" if taken else f"cannot be used: {getattr(error, 'strerror', None) or error}"
        )
        raise ServiceError(f"Port {port} on {host} {why}.") from None
    with listener:
        yield listener


async def _serve(settings: Settings, folder: DataFolder, listener: socket.socket, members: int | None) -> None:
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    # Both take about a second: the engine's process starts while this one reads its packages.
    engine = folder.new_engine(settings.limits)
    await asyncio.gather(engine.start(), asyncio.to_thread(importlib.import_module, "roe_magic.service.http.server"))
    from roe_magic.service import container
    from roe_magic.service.http import server  # see above

    hosts = {settings.host.lower(), socket.gethostname().lower()}
    room = settings.max_stored_bytes
    async with container.running(folder.root, engine=engine, hosts=hosts, max_stored_bytes=room) as running:
        env_file = (settings.env_file or folder.env_file).expanduser().absolute()
        url = _url(settings.host, listener)
        _write_env_files(env_file, folder.env_file, running, url)
        print(f"The Roe API is at {url}; its address and key are in {env_file}", flush=True)  # a command
        if members is None:
            await server.run(running, listener, stop)
        else:
            await server.run_for_members(running, listener, stop, members, settings.grace, settings.linger)


def _url(host: str, listener: socket.socket) -> str:
    name = _EVERY_ADDRESS.get(host, host)
    return f"http://{f'[{name}]' if ':' in name else name}:{listener.getsockname()[1]}"


def _write_env_files(asked: Path, own: Path, running: Parts, url: str) -> None:
    """Tell address and key; a key that the file asked for holds already stays, if it is one of ours.

    Whoever joins the service looks into the data folder for them, so they are always there, too. At the end both files
    stay, since the key goes on being valid.
    """
    organization, user = running.store.first_start()
    key = env_file.read(asked).get("ROE_API_KEY", "")
    if running.store.key(key) is None:
        key = running.store.add_key(organization, user, admin=True)
    values = {"ROE_BASE_URL": url, "ROE_API_KEY": key, "ROE_ORGANIZATION_ID": str(organization.id)}
    for path in dict.fromkeys((asked, own)):
        try:
            env_file.write(path, values)
        except OSError as error:
            raise ServiceError(f"The env file {path} cannot be written: {error.strerror}.") from None
