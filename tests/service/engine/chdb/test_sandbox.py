"""The kernel's confinement of the engine's process, tried in processes of its own."""

from __future__ import annotations

import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from roe_magic.service.engine.chdb import sandbox
from tests.support.engines import PATIENCE, LiveEngine

pytestmark = pytest.mark.integration


def confined(folder: Path, program: str) -> list[str]:
    """Run a program in a confined process, and return its lines; the first is the result of ``confine``."""
    source = f"""
        import socket
        from roe_magic.service.engine.chdb import sandbox
        def attempt(name, act):
            try:
                act()
            except OSError as error:
                print(name, type(error).__name__)
            else:
                print(name, "done")
        print(sandbox.confine([{str(folder)!r}]))
    """
    command = [sys.executable, "-c", textwrap.dedent(source) + textwrap.dedent(program)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


def test_a_confined_process_has_its_folder_and_nothing_else(tmp_path: Path) -> None:
    """Files and folders outside cannot be read, written or listed, where the kernel has Landlock; its own can."""
    inside = tmp_path / "inside"
    inside.mkdir()
    secret = tmp_path / "secret"
    secret.write_text("canary")
    program = f"""
        import os
        attempt("own", lambda: open({str(inside / "new")!r}, "w").write("x"))
        attempt("rename", lambda: os.rename({str(inside / "new")!r}, {str(inside / "newer")!r}))
        attempt("null", lambda: open("/dev/null", "w").write("x"))
        attempt("read", lambda: open({str(secret)!r}).read())
        attempt("append", lambda: open({str(secret)!r}, "a"))
        attempt("list", lambda: os.listdir({str(tmp_path)!r}))
        attempt("passwd", lambda: open("/etc/passwd").read())
    """
    said, *lines = confined(inside, program)
    outside = "done" if said == "none" else "PermissionError"
    assert lines == [
        "own done",
        "rename done",
        "null done",
        *(f"{name} {outside}" for name in ("read", "append", "list", "passwd")),
    ]
    assert (said == "none") == (sandbox.available() == 0)


def test_a_confined_process_opens_no_connection(tmp_path: Path) -> None:
    """From Landlock's fourth version on, TCP is not available."""
    program = """
        attempt("connect", lambda: socket.create_connection(("127.0.0.1", 9), 5))
        attempt("bind", lambda: socket.socket().bind(("127.0.0.1", 0)))
    """
    _, *lines = confined(tmp_path, program)
    closed = ["connect PermissionError", "bind PermissionError"]
    assert lines == (closed if sandbox.available() >= 4 else ["connect ConnectionRefusedError", "bind done"])


def test_the_engine_says_how_it_is_confined(tmp_path: Path) -> None:
    """The service can report which version of Landlock holds its engine, if any does."""
    live = LiveEngine(tmp_path)
    try:
        live.start()
        version = sandbox.available()
        assert live.engine.health()["sandbox"] == (f"landlock-abi-{version}" if version else "none")
    finally:
        live.close()


def test_another_system_is_not_confined(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Where there is no Landlock, confining is not an error."""
    monkeypatch.setattr(sys, "platform", "darwin")
    assert sandbox.confine([str(tmp_path)]) == "none"
