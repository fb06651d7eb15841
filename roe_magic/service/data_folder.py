"""The names of all files and folders in a data folder, and what is said of one that cannot be used."""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from roe_magic.errors import ServiceError

# How many bytes the rows of all ended queries may take, unless the service is started with another limit.
MAX_STORED_BYTES = 10 * 2**30


@dataclass(frozen=True)
class DataFolder:
    """A data folder; one service at a time uses it.

    The engine's process may open ``engine`` and ``results`` only, so the state with its keys lies outside of both.
    """

    root: Path

    @property
    def service_lock(self) -> Path:
        """The running service holds an exclusive lock on this file."""
        return self.root / "service.lock"

    @property
    def start_lock(self) -> Path:
        """A process holds an exclusive lock on this file while it looks for the service or starts it."""
        return self.root / "start.lock"

    @property
    def members_lock(self) -> Path:
        """Each process that uses the service holds a shared lock on this file."""
        return self.root / "members.lock"

    @property
    def env_file(self) -> Path:
        """The service's address and key."""
        return self.root / "service.env"

    @property
    def log(self) -> Path:
        """The output of a service that :func:`roe_magic.local_service` has started."""
        return self.root / "service.log"

    @property
    def state(self) -> Path:
        """The SQLite database of organisations, keys, worksheets and queries."""
        return self.root / "state.sqlite3"

    @property
    def results(self) -> Path:
        """The rows of ended queries, one folder per query."""
        return self.root / "results"

    @property
    def engine(self) -> Path:
        """The engine's own folder: its tables, its working files and its log."""
        return self.root / "engine"

    @property
    def uploads(self) -> Path:
        """Uploaded files while they are imported; inside ``engine``, since the engine reads them."""
        return self.engine / "uploads"


def temporary_folder() -> Path:
    """Return a new folder for the data of a service that keeps nothing."""
    parent = Path(os.environ.get("TMPDIR") or "/tmp")  # noqa: S108  # only named in a message
    with folder_errors(parent, "set TMPDIR to another one"):
        return Path(tempfile.mkdtemp(prefix="roe-magic-"))


@contextlib.contextmanager
def folder_errors(root: Path, what_to_do: str) -> Iterator[None]:
    """Raise ServiceError, which names the data folder and says what to do, where it cannot be used."""
    try:
        yield
    except (OSError, RuntimeError, ValueError) as error:  # no home folder; a NUL in the name
        raise ServiceError(f"The data folder {root} cannot be used: {_reason(error, root)}; {what_to_do}.") from None


def _reason(error: Exception, root: Path) -> str:
    """Return what is wrong with a data folder, or with which file in it."""
    path = getattr(error, "filename", None)
    is_inside = path is not None and Path(path).parent.is_relative_to(root)
    if isinstance(error, FileExistsError):
        return f"{path} is a file" if is_inside else "it is a file"
    reason = getattr(error, "strerror", None) or str(error).rstrip(".")
    return f"{reason} ({path})" if is_inside else reason
