"""An import that runs: what it is to do, how long it may take, and whether it is to stop."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from roe_magic.service.engine.chdb.connection_pool import UNIQUE_SETTING
from roe_magic.service.engine.chdb.database import EngineError
from roe_magic.service.engine.chdb.submission import time_limit
from roe_magic.service.engine.chdb.watchdog import StatementWatch
from roe_magic.service.job import Upload

# ClickHouse's error code.
_TIMEOUT = 159
# Slower than any disk: an import may take as long as it takes to read its file at this speed.
_BYTES_PER_SECOND = 2**20


@dataclass
class ImportRun:
    """An import that runs.

    Parameters
    ----------
    upload : Upload
        What is imported. A cancel, and the watchdog at the time limit, find its statements by the upload's id.
    limits : mapping of str to str
        Settings that limit what a statement may use.
    """

    upload: Upload
    limits: Mapping[str, str]
    watch: StatementWatch | None = None
    cancelled: threading.Event = field(default_factory=threading.Event)
    ended: threading.Event = field(default_factory=threading.Event)

    @property
    def path(self) -> Path:
        """Where the file is."""
        return Path(self.upload.path)

    @property
    def time_limit(self) -> float:
        """How many seconds the whole import may take, 0 for no limit; more for a large file."""
        limit = time_limit(self.limits)
        return limit and max(limit, self.path.stat().st_size / _BYTES_PER_SECOND)

    @property
    def settings(self) -> dict[str, str]:
        """The settings of every statement that may take long."""
        return {
            **self.limits,
            "max_execution_time": f"{self.time_limit:g}",
            UNIQUE_SETTING: self.upload.id,
            # One thread inserts, so that the rows keep their order; several still read and parse the file.
            "max_threads": "1",
            # Otherwise a folder called a=b in the path becomes a column.
            "use_hive_partitioning": "0",
        }

    def check(self) -> None:
        """Raise EngineError if the import is to end."""
        error = self._end()
        if error:
            raise error

    def explain(self, error: EngineError) -> EngineError:
        """Return why the import ended, if it was ended, rather than the error of the statement that was killed."""
        return self._end(timed_out=error.code == _TIMEOUT) or error

    def _end(self, *, timed_out: bool = False) -> EngineError | None:
        if self.cancelled.is_set():
            return EngineError("The upload was cancelled.")
        if timed_out or (self.watch and self.watch.error):
            return EngineError(f"The import took longer than its limit of {self.time_limit:.3g} s and was ended.")
        return None
