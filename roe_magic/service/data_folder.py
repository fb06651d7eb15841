"""The names of all files and folders in a data folder."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

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
