"""Where things lie in a data folder."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from roe_magic.service.engine.chdb.engine import Engine, Limits


@dataclass(frozen=True)
class DataFolder:
    """A data folder; one service at a time uses it.

    The state, with its keys, lies outside of what the engine's process may open.
    """

    root: Path

    @property
    def lock(self) -> Path:
        """Who holds a lock on this file has the folder."""
        return self.root / "service.lock"

    @property
    def env_file(self) -> Path:
        """The env file, unless another is named."""
        return self.root / "service.env"

    @property
    def state(self) -> Path:
        """Organisations, keys, queries and so on, in SQLite."""
        return self.root / "state.sqlite3"

    @property
    def results(self) -> Path:
        """The rows of ended queries, one folder each."""
        return self.root / "results"

    @property
    def uploads(self) -> Path:
        """Files while they are imported."""
        return self.root / "engine" / "uploads"

    def new_engine(self, limits: Limits | None = None) -> Engine:
        """Make the folder's engine, not yet started."""
        self.results.mkdir(parents=True, exist_ok=True)
        return Engine(self.root / "engine", limits, self.results)
