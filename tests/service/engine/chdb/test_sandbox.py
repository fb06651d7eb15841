"""The kernel's confinement of the engine's process, tried in processes of its own."""

from __future__ import annotations

import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from roe_magic.service.engine.chdb import sandbox
from tests.support.engines import PATIENCE, LiveEngine
from tests.support.platforms import needs_landlock, needs_linux

pytestmark = pytest.mark.integration


def confined(folder: Path, program: str, results: Path | None = None, before: str = "") -> list[str]:
    """Run a program in a confined process, and return its lines; the first is the result of ``confine``."""
    source = f"""
        import os, socket
        from roe_magic.service.engine.chdb import sandbox, seccomp
        def attempt(name, act):
            try:
                act()
            except OSError as error:
                print(name, type(error).__name__)
            else:
                print(name, "done")
        {before}
        print(sandbox.confine({str(folder)!r}, {str(results) if results else None!r}), flush=True)
    """
    command = [sys.executable, "-c", textwrap.dedent(source) + textwrap.dedent(program)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


def has_landlock(said: str) -> bool:
    return said.startswith("landlock-abi-")


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
    outside = "PermissionError" if has_landlock(said) else "done"
    assert lines == [
        "own done",
        "rename done",
        "null done",
        *(f"{name} {outside}" for name in ("read", "append", "list", "passwd")),
    ]
    assert has_landlock(said) == (sandbox.available() > 0)


@needs_landlock
@pytest.mark.parametrize("process", ["/proc/self", "/proc/thread-self", "/proc/{pid}", "/proc/{parent}", "/proc/1"])
def test_a_confined_process_does_not_see_itself(tmp_path: Path, process: str) -> None:
    """Environment, arguments, memory and open files are not readable, in any spelling; libraries still load."""
    program = f"""
        import ctypes
        place = {process!r}.format(pid=os.getpid(), parent=os.getppid())
        of_a_thread = "task/" + str(os.getpid()) + "/environ"
        for name in ("environ", "cmdline", "mem", "status", "limits", "mountinfo", of_a_thread):
            attempt(name, lambda: open(place + "/" + name, "rb").read(1))
        for name in ("fd", "root", "cwd", "task"):
            attempt(name, lambda: os.listdir(place + "/" + name))
        import zoneinfo, sqlite3
        ctypes.CDLL("libz.so.1")
    """
    _, *lines = confined(tmp_path, program)
    # The working folder of the test is the project, whose files can be imported.
    readable = {"cwd"} if process in {"/proc/self", "/proc/thread-self", "/proc/{pid}"} else set()
    assert len(lines) == 11
    assert {line.split()[0] for line in lines if line.endswith("done")} <= readable


@needs_landlock
def test_the_folder_of_results_is_for_writing_alone(tmp_path: Path) -> None:
    """Rows are written to new folders and files; what lies there is not read, listed, renamed or deleted."""
    own, results = tmp_path / "own", tmp_path / "results"
    for folder in (own, results / "before"):
        folder.mkdir(parents=True)
    (results / "before" / "0.arrow").write_text("canary")
    program = f"""
        results = {str(results)!r}
        attempt("folder", lambda: os.mkdir(results + "/new"))
        attempt("write", lambda: open(results + "/new/0.arrow", "w").write("x"))
        attempt("again", lambda: open(results + "/new/0.arrow", "w").write("y"))
        attempt("size", lambda: os.stat(results + "/new/0.arrow").st_size)
        attempt("read", lambda: open(results + "/new/0.arrow").read())
        attempt("other", lambda: open(results + "/before/0.arrow").read())
        attempt("list", lambda: os.listdir(results))
        attempt("remove", lambda: os.unlink(results + "/before/0.arrow"))
        attempt("rename", lambda: os.rename(results + "/before/0.arrow", {str(own / "stolen")!r}))
        attempt("link", lambda: os.link(results + "/before/0.arrow", {str(own / "stolen")!r}))
        attempt("symlink", lambda: os.symlink(results, {str(own / "way")!r}))
        attempt("through", lambda: open({str(own / "way" / "before" / "0.arrow")!r}).read())
    """
    _, *lines = confined(own, program, results)
    done = {line.split()[0] for line in lines if line.endswith("done")}
    assert done == {"folder", "write", "again", "size", "symlink"}
    assert (results / "new" / "0.arrow").read_text() == "y"


SOCKETS = """
    attempt("tcp", lambda: socket.create_connection(("127.0.0.1", 9), 5))
    attempt("bind", lambda: socket.socket().bind(("127.0.0.1", 0)))
    attempt("udp", lambda: socket.socket(type=socket.SOCK_DGRAM).sendto(b"x", ("127.0.0.1", 9)))
    attempt("unix", lambda: socket.socket(socket.AF_UNIX).connect("/nosuch"))
    attempt("netlink", lambda: socket.socket(socket.AF_NETLINK, socket.SOCK_RAW))
"""


@needs_linux
def test_a_confined_process_opens_no_socket(tmp_path: Path) -> None:
    """No kind of socket can be opened, while those that are open stay usable."""
    program = (
        SOCKETS
        + """
    mine.send(b"x")
    attempt("open", lambda: theirs.recv(1))
    """
    )
    said, *lines = confined(tmp_path, program, before="mine, theirs = socket.socketpair()")
    assert "seccomp" in said
    assert lines == [*(f"{name} PermissionError" for name in ("tcp", "bind", "udp", "unix", "netlink")), "open done"]


@needs_linux
def test_threads_are_confined_too(tmp_path: Path) -> None:
    """What a thread may not do that was started later is the same."""
    program = """
        import threading
        thread = threading.Thread(target=lambda: attempt("thread", socket.socket))
        thread.start()
        thread.join()
    """
    assert confined(tmp_path, program)[1:] == ["thread PermissionError"]


@needs_landlock
def test_landlock_alone_refuses_tcp(tmp_path: Path) -> None:
    """From Landlock's fourth version on, TCP is not available even without seccomp."""
    said, *lines = confined(tmp_path, SOCKETS, before="seccomp.restrict = lambda: False")
    assert said == f"landlock-abi-{sandbox.available()}"
    closed = ["tcp PermissionError", "bind PermissionError"]
    assert lines[:2] == (closed if sandbox.available() >= 4 else ["tcp ConnectionRefusedError", "bind done"])


@pytest.mark.parametrize("off", ["seccomp.restrict = lambda: False", "sandbox.available = lambda: 0"])
def test_a_confined_process_starts_no_program(tmp_path: Path, off: str) -> None:
    """Landlock and seccomp each refuse to start a program, although Python's own is readable."""
    program = """
        import subprocess, sys
        attempt("python", lambda: subprocess.run([sys.executable, "-c", ""], check=True))
        attempt("shell", lambda: os.execv("/bin/sh", ["sh", "-c", "exit"]))
    """
    said, *lines = confined(tmp_path, program, before=off)
    assert lines == (["python PermissionError", "shell PermissionError"] if said != "none" else ["python done"])


def test_the_engine_says_how_it_is_confined(tmp_path: Path) -> None:
    """The service can report which parts of the kernel confine its engine, if any does."""
    live = LiveEngine(tmp_path)
    try:
        live.start()
        assert live.engine.health()["sandbox"] == confined(tmp_path, "")[0]
    finally:
        live.close()


def test_another_system_is_not_confined(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Where there is neither Landlock nor seccomp, confining is not an error."""
    monkeypatch.setattr(sys, "platform", "darwin")
    assert sandbox.confine(str(tmp_path)) == "none"
