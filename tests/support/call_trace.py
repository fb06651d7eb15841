"""Which files of a package are entered by calls, in which order; its source also runs inside other processes."""

from __future__ import annotations

import sys
import threading
from pathlib import Path
from typing import Any

# Set on the code of functions, not on that of modules and class bodies.
CO_OPTIMIZED = 1


class Trace:
    """Lists the files whose functions were called since the start, each once, in the order of their first calls.

    Threads that start later are watched too. What a module does while it is imported does not count.
    """

    def __init__(self, folder: str, written_to: str | None = None) -> None:
        self.files: list[str] = []
        self._folder, self._written_to = f"{folder}/", written_to and Path(written_to)
        self._lock = threading.Lock()

    def __enter__(self) -> Trace:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        threading.setprofile(None)  # type: ignore[arg-type]  # as documented
        sys.setprofile(None)

    def start(self) -> None:
        threading.setprofile(self._called)
        sys.setprofile(self._called)

    def _called(self, frame: Any, event: str, _: object) -> None:
        code = frame.f_code
        if event != "call" or not code.co_flags & CO_OPTIMIZED or not code.co_filename.startswith(self._folder):
            return
        file = code.co_filename[len(self._folder) :]
        with self._lock:
            if file in self.files and not self._written_to:
                return
            self.files.append(file)
        if self._written_to:
            self._write(file)

    def _write(self, file: str) -> None:
        """Append to a file, each name once; the file may be removed to begin anew."""
        assert self._written_to is not None
        seen = self._written_to.read_text().split() if self._written_to.exists() else []
        if file not in seen:
            with self._written_to.open("a") as out:
                out.write(f"{file}\n")
