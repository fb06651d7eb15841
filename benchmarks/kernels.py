"""Real kernels that race: each contestant has one of its own, and they take turns."""

from __future__ import annotations

import contextlib
import gc
import os
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from jupyter_client.manager import KernelManager

PATIENCE = 120
_QUIET = {
    "PYDEVD_DISABLE_FILE_VALIDATION": "1",
    # JupySQL would tell its makers of every cell, in the time that is measured.
    "PLOOMBER_STATS_ENABLED": "false",
}


@dataclass(frozen=True)
class Contestant:
    """Who runs in a race.

    Parameters
    ----------
    name : str
    cell : str
        What is measured.
    setup : str
        A cell that is run before.
    module : str
        What must be installed.
    """

    name: str
    cell: str
    setup: str = "pass"
    module: str = "roe_magic"


class Kernel:
    """A running kernel and a client of it."""

    def __init__(self, python: str, environment: Mapping[str, str] | None = None) -> None:
        self._manager = KernelManager(kernel_name="python3")
        assert self._manager.kernel_spec is not None
        self._manager.kernel_spec.argv[0] = python
        kept = {name: value for name, value in os.environ.items() if not name.startswith("ROE_")}
        self._manager.start_kernel(env={**kept, **_QUIET, **(environment or {})}, stderr=subprocess.DEVNULL)
        self._client = self._manager.client()
        self._client.start_channels()
        self._client.wait_for_ready(timeout=PATIENCE)

    def run(self, code: str) -> float:
        """Run a cell; gives the seconds from its sending until the kernel says that it is done.

        Raises
        ------
        RuntimeError
            The cell failed, or said so: JupySQL prints its errors.
        """
        began = time.perf_counter()
        cell = self._client.execute(code, allow_stdin=True)
        errors = []
        while True:
            message = self._client.get_iopub_msg(timeout=PATIENCE)
            kind, content = message["msg_type"], message["content"]
            if message["parent_header"].get("msg_id") != cell:
                continue
            if kind == "status" and content["execution_state"] == "idle":
                break
            if kind == "error" or (kind == "stream" and "Error" in content["text"]):
                errors.append(content)
        took = time.perf_counter() - began
        self._answer(cell)
        if errors:
            raise RuntimeError(f"The cell {code!r} failed: {errors}")
        return took

    def value(self, expression: str) -> str:
        """Give the repr of an expression, without it being a cell of its own."""
        answer = self._answer(self._client.execute("", silent=True, user_expressions={"value": expression}))
        found = answer["user_expressions"]["value"]
        if found["status"] != "ok":
            raise RuntimeError(f"{expression} failed: {found}")
        return str(found["data"]["text/plain"])

    def _answer(self, cell: str) -> dict[str, Any]:
        while (message := self._client.get_shell_msg(timeout=PATIENCE))["parent_header"].get("msg_id") != cell:
            pass
        content: dict[str, Any] = message["content"]
        return content

    def close(self) -> None:
        """End the kernel."""
        self._client.stop_channels()
        self._manager.shutdown_kernel(now=True)
        self._manager.cleanup_resources()


@contextlib.contextmanager
def running(python: str, environment: Mapping[str, str] | None = None) -> Iterator[Kernel]:
    """Start a kernel, and end it with the block."""
    kernel = Kernel(python, environment)
    try:
        yield kernel
    finally:
        kernel.close()


def race(
    python: str, contestants: Sequence[Contestant], rounds: int, environment: Mapping[str, str], *, warm_up: int = 3
) -> dict[str, list[float]]:
    """Let every contestant run its cell in its own kernel, in turns; gives the seconds of each round."""
    taken: dict[str, list[float]] = {one.name: [] for one in contestants}
    with contextlib.ExitStack() as stack:
        lanes = [(one, stack.enter_context(running(python, environment))) for one in contestants]
        for one, kernel in lanes:
            kernel.run(one.setup)
        gc.disable()
        for turn in range(-warm_up, rounds):
            for one, kernel in lanes:
                seconds = kernel.run(one.cell)
                if turn >= 0:
                    taken[one.name].append(seconds)
        gc.enable()
    return taken


def fresh_race(
    python: str, contestants: Sequence[Contestant], rounds: int, environment: Mapping[str, str], *, warm_up: int = 1
) -> dict[str, list[float]]:
    """Let every contestant run its cell once in a fresh kernel, in turns; the first rounds warm the disk's cache."""
    taken: dict[str, list[float]] = {one.name: [] for one in contestants}
    for turn in range(-warm_up, rounds):
        for one in contestants:
            with running(python, environment) as kernel:
                kernel.run(one.setup)
                seconds = kernel.run(one.cell)
            if turn >= 0:
                taken[one.name].append(seconds)
    return taken
