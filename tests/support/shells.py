"""An IPython shell inside the test's process, to run cells in."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import pytest
from IPython.core.interactiveshell import InteractiveShell
from IPython.utils.capture import capture_output


@dataclass
class Ran:
    """What came of one cell."""

    value: Any
    out: str
    error: BaseException | None


class Shell:
    """A fresh shell with the extension loaded."""

    def __init__(self, ipython: InteractiveShell) -> None:
        self.ipython = ipython
        self.variables = ipython.user_ns

    @property
    def magic(self) -> Any:
        return self.ipython.magics_manager.registry["RoeMagic"]

    def run(self, code: str) -> Ran:
        """Run a cell; what it prints, displays and raises is in the result."""
        with capture_output() as captured:
            done = self.ipython.run_cell(code, store_history=False)
        displayed = "".join(output.data.get("text/plain", "") + "\n" for output in captured.outputs)
        return Ran(
            done.result, captured.stdout + captured.stderr + displayed, done.error_before_exec or done.error_in_exec
        )

    def roe(self, header: str, sql: str) -> Ran:
        """Run a ``%%roe`` cell."""
        return self.run(f"%%roe {header}\n{sql}")


@contextmanager
def shell(monkeypatch: pytest.MonkeyPatch, environment: dict[str, str], folder: Any) -> Iterator[Shell]:
    """Give a shell whose environment names a server, or none."""
    for name in [name for name in os.environ if name.startswith("ROE_")]:
        monkeypatch.delenv(name)
    for name, value in {**environment, "ROE_CONFIG_FILE": str(folder / "config.ini")}.items():
        monkeypatch.setenv(name, value)
    InteractiveShell.clear_instance()
    ipython = InteractiveShell.instance()
    ipython.run_line_magic("load_ext", "roe_magic")
    try:
        yield Shell(ipython)
    finally:
        ipython.run_line_magic("unload_ext", "roe_magic")
        ipython.history_manager.end_session()
        InteractiveShell.clear_instance()
