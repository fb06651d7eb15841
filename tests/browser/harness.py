"""A real JupyterLab server and a real Chromium, and the few gestures that the tests need."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import nbformat
from playwright.sync_api import BrowserContext, Locator, Page, expect

# Two slow, shared processors are enough: nothing here waits for a time, all waits end as soon as their condition holds.
PATIENCE = 60_000  # ms
THEMES = {"light": "JupyterLab Light", "dark": "JupyterLab Dark"}
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


def find_chromium() -> str | None:
    """Find the browser: ROE_TEST_CHROMIUM, or the first of the usual names on the path."""
    names = (os.environ.get("ROE_TEST_CHROMIUM"), "chromium", "chromium-browser", "google-chrome")
    return next((path for name in names if name and (path := shutil.which(name))), None)


class Server:
    """JupyterLab on a free port, with all of its folders in one temporary place."""

    def __init__(self, folder: Path) -> None:
        self.notebooks = folder / "notebooks"
        self.notebooks.mkdir(parents=True)
        self._log = (folder / "server.log").open("wb")
        self.port = _free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        _write_settings(folder / "settings")
        self._process = subprocess.Popen(
            [sys.executable, "-m", "jupyterlab", *self._options(folder)],
            env=_environment(folder),
            stdout=self._log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )

    def _options(self, folder: Path) -> list[str]:
        return [
            "--no-browser",
            "--allow-root",
            "--expose-app-in-browser",
            f"--ServerApp.port={self.port}",
            "--ServerApp.port_retries=0",
            "--IdentityProvider.token=",
            f"--ServerApp.root_dir={self.notebooks}",
            f"--LabApp.user_settings_dir={folder / 'settings'}",
            f"--LabApp.workspaces_dir={folder / 'workspaces'}",
            "--LabApp.check_for_updates_class=jupyterlab.NeverCheckForUpdate",
        ]

    def wait_until_ready(self) -> None:
        deadline = time.monotonic() + PATIENCE / 1000
        while True:
            try:
                urllib.request.urlopen(f"{self.url}/api/status", timeout=5).close()
            except OSError:
                if self._process.poll() is not None or time.monotonic() > deadline:
                    raise RuntimeError(f"JupyterLab did not start; see {self._log.name}") from None
                time.sleep(0.1)
            else:
                return

    def stop(self) -> None:
        self._process.send_signal(signal.SIGTERM)
        try:
            self._process.wait(20)
        except subprocess.TimeoutExpired:
            os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()
        self._log.close()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _environment(folder: Path) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("JUPYTER", "IPYTHON", "ROE_"))}
    places = ("HOME", "JUPYTER_CONFIG_DIR", "JUPYTER_DATA_DIR", "JUPYTER_RUNTIME_DIR", "IPYTHONDIR")
    return {**kept, **{name: str(folder / name.lower()) for name in places}, "PYDEVD_DISABLE_FILE_VALIDATION": "1"}


def _write_settings(folder: Path) -> None:
    """Switch off what talks to the network or hides cells that are out of sight."""
    settings = {
        "@jupyterlab/apputils-extension/notification": {"fetchNews": "false", "checkForUpdates": False},
        "@jupyterlab/notebook-extension/tracker": {"windowingMode": "none"},
    }
    for name, values in settings.items():
        file = folder / f"{name}.jupyterlab-settings"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(json.dumps(values))


class Lab:
    """One notebook, open in a page.

    ``lab.run_cell(code)`` adds a cell, starts it and returns it at once; ``lab.wait(cell)`` waits for its end.
    """

    def __init__(self, server: Server, page: Page, artifacts: Path) -> None:
        self.server = server
        self.page = page
        self.artifacts = artifacts
        self.path = "test.ipynb"
        self.requests: list[str] = []
        page.on("request", lambda request: self.requests.append(request.url))

    def open(self, path: str, notebook: Any = None) -> None:
        """Open a notebook, an empty one unless it is given, and wait for its kernel."""
        self.path = path
        nbformat.write(notebook or empty_notebook(), self.server.notebooks / path)
        self.page.evaluate(_OPEN, path)

    def close(self) -> None:
        """End the notebook's kernel and forget the notebook."""
        self.page.evaluate(_CLOSE)

    def reload(self) -> None:
        """Open the saved notebook in a page that remembers nothing."""
        open_lab(self.page, self.server)
        self.page.evaluate(_OPEN, self.path)

    def run_cell(self, code: str) -> Locator:
        """Add a cell at the end, start it, and return it without waiting for its end."""
        index = self.page.evaluate(_RUN_CELL, code)
        return self.page.locator(".jp-Notebook .jp-Cell").nth(index)

    def wait(self, cell: Locator) -> None:
        """Wait until a cell has run to its end."""
        expect(cell.locator(".jp-InputPrompt").first).to_have_text(re.compile(r"\[\d+\]"))

    def save(self) -> Any:
        """Save the notebook and read it from the disk."""
        self.page.evaluate("async () => { await window.jupyterapp.commands.execute('docmanager:save'); }")
        return nbformat.read(self.server.notebooks / self.path, 4)

    def theme(self, name: str) -> None:
        """Switch to the light or the dark theme."""
        self.page.evaluate("async theme => window.jupyterapp.commands.execute(...theme)", _theme_command(name))
        light = "true" if name == "light" else "false"
        self.page.wait_for_selector(f"body[data-jp-theme-light={light}]", state="attached")

    def make_room(self, part: Locator | None) -> None:
        """Make the window so tall that the whole of one part is in sight."""
        box = part.bounding_box() if part else None
        self.page.set_viewport_size({"width": 1100, "height": max(800, int(box["height"]) + 200 if box else 0)})

    def screenshot(self, name: str, of: Locator | None = None) -> Path:
        """Keep a picture of the page, or of one part of it, as ``artifacts/NAME.png``."""
        self.artifacts.mkdir(exist_ok=True)
        file = self.artifacts / f"{name}.png"
        self.make_room(of)
        (of or self.page).screenshot(path=file, animations="disabled")
        return file


def empty_notebook() -> Any:
    """Make a notebook without cells for this Python."""
    kernel = {"name": "python3", "display_name": "Python 3", "language": "python"}
    return nbformat.v4.new_notebook(metadata={"kernelspec": kernel})


def open_lab(page: Page, server: Server) -> None:
    """Load JupyterLab into the page, without a memory of what was open."""
    page.goto(f"{server.url}/lab?reset", wait_until="commit")
    page.wait_for_function("() => window.jupyterapp")
    page.evaluate("async () => { await window.jupyterapp.restored; }")


@contextmanager
def new_page(context: BrowserContext) -> Iterator[Page]:
    """Open a page and fail when a widget's script did (a widget's module has a blob: address)."""
    page = context.new_page()
    errors: list[str] = []
    page.on("pageerror", lambda error: errors.append(f"{error}\n{error.stack}"))
    yield page
    page.close()
    assert [error for error in errors if "blob:" in error] == []


def _theme_command(name: str) -> list[Any]:
    return ["apputils:change-theme", {"theme": THEMES[name]}]


_OPEN = """async path => {
  const lab = window.jupyterapp;
  const panel = await lab.commands.execute("docmanager:open", { path });
  await panel.context.ready;
  await panel.sessionContext.ready;
  lab.shell.activateById(panel.id);
}"""
_CLOSE = """async () => {
  const panel = window.jupyterapp.shell.currentWidget;
  await panel.sessionContext.shutdown();
  panel.dispose();
}"""
_RUN_CELL = """code => {
  const lab = window.jupyterapp;
  const notebook = lab.shell.currentWidget.content;
  const cells = notebook.model.sharedModel;
  const index = cells.cells.length;
  cells.insertCell(index, { cell_type: "code", source: code });
  notebook.activeCellIndex = index;
  lab.commands.execute("notebook:run-cell");
  return index;
}"""
