"""A real ipykernel, driven over its own protocol."""

from __future__ import annotations

import queue
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from jupyter_client.blocking.client import BlockingKernelClient
from jupyter_client.manager import KernelManager

PATIENCE = 60
WIDGET = "application/vnd.jupyter.widget-view+json"


class Kernel:
    """A real ipykernel, and what it published for the cell started last."""

    def __init__(self, client: BlockingKernelClient, manager: KernelManager) -> None:
        self.client, self.manager = client, manager
        self.messages: list[dict[str, Any]] = []
        self.cell = ""

    def start(self, code: str, *, watched: bool = True) -> None:
        self.messages = []
        self.cell = self.client.execute(code, allow_stdin=watched)

    def run(self, code: str, *, watched: bool = True) -> list[dict[str, Any]]:
        """Run a cell to its end; returns the contents of what it displayed, updates included."""
        self.start(code, watched=watched)
        self.wait()
        errors = ["\n".join(m["content"]["traceback"]) for m in self.messages if m["msg_type"] == "error"]
        assert errors == []
        return [m["content"] | {"kind": m["msg_type"]} for m in self.messages if m["msg_type"].endswith("display_data")]

    def wait(self) -> None:
        """Wait for the end of the cell."""
        self.until(lambda m: m["msg_type"] == "status" and m["content"]["execution_state"] == "idle")

    def until(self, condition: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
        deadline = time.monotonic() + PATIENCE
        while time.monotonic() < deadline:
            try:
                message = self.client.get_iopub_msg(timeout=1)
            except queue.Empty:
                continue
            if message["parent_header"].get("msg_id") == self.cell:
                self.messages.append(message)
                if condition(message):
                    return message
        raise AssertionError(f"never happened; seen: {self.messages}")

    def value(self, expression: str) -> str:
        self.run(f"print({expression})")
        return "".join(m["content"]["text"] for m in self.messages if m["msg_type"] == "stream").strip()

    def press(self, comm_id: str, action: str) -> None:
        """Send what the front end sends when the button is pressed."""
        content = {"comm_id": comm_id, "data": {"method": "custom", "content": {"stop": action}}}
        self.client.shell_channel.send(self.client.session.msg("comm_msg", content))


@contextmanager
def running_kernel(environment: dict[str, str] | None = None) -> Iterator[Kernel]:
    """Start a kernel, and end it with the block."""
    manager = KernelManager(kernel_name="python3")
    manager.start_kernel(**({"env": environment} if environment else {}))
    client = manager.client()
    client.start_channels()
    try:
        client.wait_for_ready(timeout=PATIENCE)
        yield Kernel(client, manager)
    finally:
        client.stop_channels()
        manager.shutdown_kernel(now=True)
        manager.cleanup_resources()
