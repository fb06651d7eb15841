"""The API key as a canary: all that a notebook in a real kernel and an IPython in a real terminal write is searched."""

from __future__ import annotations

import os
import pty
import re
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

from tests.faults.conftest import Record
from tests.support import hostile_text as evil
from tests.support.hostile_text import HOSTILE, KEY, hostile_server, problems_in
from tests.support.scripted_server import Request, Step, answer, hang, reset

SET_UP = """
import copy, faulthandler, io, json, logging, os, pdb, pickle, signal, sys, traceback
import roe_magic
from roe_magic.config.settings import Settings

logged = io.StringIO()
logging.basicConfig(level=logging.DEBUG, handlers=[logging.StreamHandler(logged), logging.StreamHandler(sys.stderr)])

class Alarm(Exception):
    pass

def alarm(*_):
    raise Alarm

def frames(error):
    while error is not None:
        trace = error.__traceback__
        while trace is not None:
            yield trace.tb_frame
            trace = trace.tb_next
        error = error.__cause__ or error.__context__

def tell(error):
    print("all that a debugger shows:")
    print(error, repr(error), error.args, vars(error))
    print("".join(traceback.TracebackException.from_exception(error, capture_locals=True).format()))
    commands = io.StringIO("pp locals()\\nup\\n" * 40 + "quit\\n")
    debugger = pdb.Pdb(stdin=commands, stdout=sys.stdout, readrc=False)
    debugger.use_rawinput = False
    debugger.reset()
    debugger.interaction(None, error.__traceback__)
    for frame in frames(error):
        if frame.f_globals.get("__name__", "").startswith(("roe_magic", "requests", "urllib3", "http", "socket")):
            for name, value in frame.f_locals.items():
                print(name, repr(value), repr(getattr(value, "__dict__", "")))

def caught(cell):
    done = get_ipython().run_cell(cell)
    tell(done.error_in_exec)
    try:
        print(pickle.dumps(done.error_in_exec))
    except Exception as error:
        print(error)
"""
CELLS = {
    "the extension": "%load_ext roe_magic\n%roe connect",
    "the commands": f"%roe whoami\n%roe tables\n%roe status {evil.ID}\n%roe worksheets",
    "the settings": "%config RoeMagic",
    "a live panel": "%config RoeMagic.panel = 'live'\n%config RoeMagic.progress_after = 0\nq = %roe SELECT live\nq",
    "copies": "print(repr(q), copy.copy(q), copy.deepcopy(q), pickle.dumps(q))\n"
    "print(q.to_json(rows=True), q.to_frame(), q.df())",
    "the objects": "magic = get_ipython().magics_manager.registry['RoeMagic']\n"
    "client = magic.client()\n"
    "transport = client._transport\n"
    "print(client, client.settings, vars(client), vars(transport), vars(transport._adapter), vars(magic))\n"
    "for copied in (copy.copy, copy.deepcopy, pickle.dumps):\n"
    "    for value in (client, client.settings, client.settings.api_key):\n"
    "        try:\n"
    "            print(copied(value))\n"
    "        except Exception as error:\n"
    "            tell(error)",
    **{
        f"an error in the mode {mode}": f"%config RoeMagic.short_errors = {mode == 'short'}\n"
        f"%xmode {'Plain' if mode == 'short' else mode}\ncaught('%roe SELECT fail')"
        for mode in ("short", "Plain", "Context", "Verbose", "Minimal", "Docs")
    },
    "a broken connection": "%xmode Verbose\ncaught('%roe SELECT reset')",
    "a redirect": "caught('%roe SELECT redirect')",
    "a query that fails": "caught('%roe SELECT failure')",
    "a wrong setting": "os.environ['ROE_TIMEOUT'] = 'soon'\ncaught('%roe SELECT 1')\ndel os.environ['ROE_TIMEOUT']",
    "a signal's exception": "signal.signal(signal.SIGALRM, alarm)\nsignal.setitimer(signal.ITIMER_REAL, 0.5)\n"
    "caught('client.preview(\"hang\")')",
    "faulthandler": "faulthandler.enable(file=sys.__stderr__)\n"
    "with open('dump.txt', 'w+') as dump:\n"
    "    faulthandler.dump_traceback_later(0.3, file=dump)\n"
    "    signal.setitimer(signal.ITIMER_REAL, 0.8)\n"
    "    caught('client.preview(\"hang\")')\n"
    "    faulthandler.cancel_dump_traceback_later()\n"
    "    dump.seek(0)\n"
    "    print(dump.read())",
    "the history": "%history",
    "the log": "print(logged.getvalue())",
}


def script(request: Request) -> Step | None:
    """Answer a submit as its SQL says; every answer repeats the key."""
    if request.path.endswith("/preview/"):
        return hang()
    sql = request.json()["query"] if request.path.endswith("/async/") else ""
    steps = {
        "SELECT live": answer(evil.submitted(query_task_status="PENDING", finished_at=None)),
        "SELECT fail": answer({"detail": f"{HOSTILE} {request.headers['authorization']}"}, 401),
        "SELECT reset": reset(),
        "SELECT redirect": answer("", 302, {"Location": f"http://127.0.0.1:9/?key={KEY}"}),
        "SELECT failure": answer(evil.submitted(query_task_status="FAILURE", error=f"{HOSTILE} (CODE)")),
    }
    return steps.get(sql)


@pytest.mark.integration
def test_a_notebook_that_shows_all_it_can_has_no_key(tmp_path: Path, seen: Record) -> None:
    """Its file has the outputs of each cell, and the states of its widgets."""
    notebook = nbformat.v4.new_notebook(cells=list(map(nbformat.v4.new_code_cell, (SET_UP, *CELLS.values()))))
    with hostile_server() as server:
        server.script = script
        server.on(
            "GET", evil.STATUS, *[answer(evil.status(status="STARTED", finished_at=None))] * 8, answer(evil.status())
        )
        kept = {name: value for name, value in os.environ.items() if not name.startswith("ROE_")}
        settings = {"ROE_BASE_URL": server.url, "ROE_API_KEY": KEY, "ROE_MAX_RETRIES": "0", "ROE_TIMEOUT": "60"}
        environment = {**kept, **settings, "ROE_CONFIG_FILE": str(tmp_path / "config.ini")}
        client = NotebookClient(notebook, timeout=120, kernel_name="python3", allow_errors=True)
        client.execute(env=environment, cwd=str(tmp_path))
        assert {request.headers["authorization"] for request in server.journal} == {f"Bearer {KEY}"}
    nbformat.write(notebook, tmp_path / "saved.ipynb")
    saved = (tmp_path / "saved.ipynb").read_text("utf-8")
    assert "widget" in saved
    for name, cell in zip(("the set-up", *CELLS), notebook.cells, strict=True):
        text = "".join(map(str, cell.outputs))
        seen(f"key: {name}", [], [text[found.start() - 200 : found.end()] for found in re.finditer(KEY, text)])
        assert name == "the set-up" or text
        assert "raise" not in name or "Traceback" in text
    texts = {name: "".join(map(str, cell.outputs)) for name, cell in zip(CELLS, notebook.cells[1:], strict=True)}
    assert all(name in texts["the log"] for name in ("urllib3", "POST"))
    assert "File" in texts["faulthandler"]
    assert "Alarm" in texts["a signal's exception"]
    assert "<secret>" in texts["an error in the mode Verbose"]
    seen("key: the notebook's file", False, KEY in saved)


# What is run in the terminal: each of these shows a text of the server.
LINES = (
    *("%load_ext roe_magic", "%roe connect", "%roe whoami", "%roe tables", "%roe worksheets", "%roe worksheets no"),
    *(f"%roe worksheets {evil.WORKSHEET}", f"%roe status {evil.ID}", "%roe SELECT 1", "_roe", "%roe SELECT failure"),
    *("%roe SELECT fail", "%config RoeMagic.short_errors = False", "%xmode Verbose", "%roe SELECT fail"),
    *("%roe upload t rows.csv", "roe_magic.run('SELECT failure')"),
)


def terminal(arguments: list[str], environment: dict[str, str], folder: Path) -> str:
    """Run a program in a terminal of its own, and return all that it writes there."""
    ours, its = pty.openpty()
    program = subprocess.Popen(arguments, stdin=its, stdout=its, stderr=its, env=environment, cwd=folder)
    os.close(its)
    written = b""
    while True:
        try:
            data = os.read(ours, 1 << 16)
        except OSError:  # how Linux tells the end
            data = b""
        if not data:
            break
        written += data
    os.close(ours)
    assert program.wait(60) == 0
    return written.decode().replace("\r\n", "\n")


def test_a_terminal_gets_no_sequence_of_a_server_and_no_key(tmp_path: Path, seen: Record) -> None:
    """IPython's own output is in colours; nothing else of it is a command to the terminal."""
    (tmp_path / "rows.csv").write_text("a\n1\n")
    cells = f"import roe_magic; ran = list(map(get_ipython().run_cell, {LINES!r}))"
    options = ["--simple-prompt", "--no-banner", "--no-term-title", "--HistoryManager.enabled=False", "-c", cells]
    with hostile_server() as server:
        server.script = script
        kept = {name: value for name, value in os.environ.items() if not name.startswith("ROE_")}
        environment = {
            **kept,
            "ROE_BASE_URL": server.url,
            "ROE_API_KEY": KEY,
            "ROE_MAX_RETRIES": "0",
            "TERM": "xterm",
            "ROE_CONFIG_FILE": str(tmp_path / "config.ini"),
            "IPYTHONDIR": str(tmp_path / "ipython"),
        }
        written = terminal([sys.executable, "-m", "IPython", *options], environment, tmp_path)
    assert written.count("<U+202E>") > len(LINES) / 2
    assert written.count("AuthenticationError") >= 2
    seen("key and sequences: a terminal", [], problems_in(written, longest=1_000_000))
