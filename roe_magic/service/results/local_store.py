"""The rows of queries in a local folder: one folder per query, one file per statement."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from uuid import UUID


class LocalResultStore:
    """A :class:`~roe_magic.service.queries.interfaces.ResultStore` on this machine's disk.

    Parameters
    ----------
    root : Path
        The folder that holds the queries' folders.
    """

    def __init__(self, root: Path) -> None:
        self._root = root

    def folder(self, query_id: UUID) -> Path:
        """Return the folder of a query's rows; it need not exist yet."""
        return self._root / str(query_id)

    def size(self, query_id: UUID) -> int:
        """Return the sum of the sizes of a query's files, 0 if there is no folder."""
        try:
            with os.scandir(self.folder(query_id)) as files:
                return sum(file.stat().st_size for file in files)
        except FileNotFoundError:
            return 0

    def delete(self, query_id: UUID) -> None:
        """Delete a query's folder; nothing happens if there is none."""
        shutil.rmtree(self.folder(query_id), ignore_errors=True)
