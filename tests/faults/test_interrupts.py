"""Stop, at any moment of a cell's life: it always says what becomes of the query, and leaves nothing half done.

The moments are 100: 40 in a real kernel and 20 in a terminal, by the clock; 40 in this process, by the line of code
that runs. ``make slow`` tries more.
"""

from __future__ import annotations

import asyncio
import functools
import os
import pty
import re
import select
import signal
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Any

import IPython
import pytest

import roe_magic
from roe_magic import imports, interrupts
from roe_magic.client import RoeClient
from roe_magic.config.secret import Secret
from roe_magic.config.settings import Settings
from roe_magic.errors import QueryInterrupted
from roe_magic.query.running_query import RunningQuery
from tests.faults.conftest import Record
from tests.support.kernels import WIDGET, Kernel, running_kernel
from tests.support.scripted_server import wait_for
from tests.support.shells import shell
from tests.support.timed_server import TimedServer

PACKAGE = str(Path(roe_magic.__file__).parent)
SAYS_WHERE = re.compile(r"come back to it with: %roe result (\S+)|was not sent")
# A cell's life is 0.8 s: the submit, some statuses, the rows.
LIFE = {"submit": 0.2, "runs": 0.4, "result": 0.1}

pytestmark = pytest.mark.usefixtures("python_handler")


@pytest.fixture
def server() -> Iterator[TimedServer]:
    with TimedServer(**LIFE) as server:
        yield server


def client_of(server: TimedServer) -> RoeClient:
    return RoeClient(Settings(base_url=server.url, api_key=Secret("long-enough-a-key")))


def environment_of(server: TimedServer, folder: Path) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("ROE_")}
    names = {"ROE_BASE_URL": server.url, "ROE_API_KEY": "long-enough-a-key", "ROE_CONFIG_FILE": str(folder / "c.ini")}
    return {**kept, **names, "PYDEVD_DISABLE_FILE_VALIDATION": "1", "IPYTHONDIR": str(folder)}


def query_threads() -> list[str]:
    return [thread.name for thread in threading.enumerate() if thread.name.startswith("roe-query")]


# Who handles a stop


def press(times: int = 1) -> None:
    for _ in range(times):
        signal.raise_signal(signal.SIGINT)


@contextmanager
def interrupted(kind: type[BaseException] = KeyboardInterrupt) -> Iterator[None]:
    with pytest.raises(kind) as caught:
        yield
    assert type(caught.value) is kind


def test_a_stop_is_counted_first_and_raised_at_the_end() -> None:
    """Also where one block is inside of another, whose count is the same."""
    with interrupted(), interrupts.counted() as outer:
        with interrupts.counted() as inner:
            press()
            assert inner is outer
        assert outer.count == 1
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_an_exception_that_says_so_is_not_replaced() -> None:
    """The stop was told by it."""
    with interrupted(QueryInterrupted), interrupts.counted():
        press(2)
        raise QueryInterrupted("Stopped.")


def test_a_third_stop_is_raised_at_once() -> None:
    """Something that blocks keeps nobody from leaving."""
    with interrupted(), interrupts.counted():
        press(2)
        with interrupted():
            press()
        raise KeyboardInterrupt


def test_a_question_is_ended_by_a_stop() -> None:
    """Under `raised`, inside of `counted`, the handler is Python's."""
    with interrupts.counted() as stops:
        with pytest.raises(KeyboardInterrupt), interrupts.raised():
            press()
        assert stops.count == 0


@pytest.mark.parametrize("handler", [signal.SIG_IGN, signal.SIG_DFL, lambda *_: None], ids=["ignored", "C", "user's"])
def test_a_handler_of_somebody_else_stays(handler: Any) -> None:
    """So does no handler at all."""
    signal.signal(signal.SIGINT, handler)
    with interrupts.counted():
        assert signal.getsignal(signal.SIGINT) is handler
    assert signal.getsignal(signal.SIGINT) is handler


def test_a_handler_of_somebody_else_that_raises_ends_the_watch(server: TimedServer) -> None:
    """As a stop does, whatever it raises."""
    signal.signal(signal.SIGINT, lambda *_: signal.default_int_handler(signal.SIGINT, None))
    running = RunningQuery(client_of(server), "SELECT 1").start()
    alarm = threading.Timer(0.3, os.kill, [os.getpid(), signal.SIGINT])
    alarm.start()
    with pytest.raises(QueryInterrupted, match="%roe result"):
        running.wait(30)
    alarm.join()


def test_a_thread_sets_no_handler() -> None:
    """A cell on a subshell is one: there, no stop arrives."""
    found: list[object] = []

    def cell() -> None:
        with interrupts.counted() as stops, interrupts.raised():
            found.extend([signal.getsignal(signal.SIGINT), stops.count])

    thread = threading.Thread(target=cell)
    with interrupts.counted() as main:
        thread.start()
        thread.join()
    assert found == [main, 0]


def test_a_stop_under_asyncio_ends_the_waiting(server: TimedServer) -> None:
    """Its own handler only cancels the task, which waits."""

    async def main() -> None:
        alarm = threading.Timer(0.3, os.kill, [os.getpid(), signal.SIGINT])
        alarm.start()
        RunningQuery(client_of(server), "SELECT 1").start().wait(30)

    server.runs = 60.0
    with pytest.raises(QueryInterrupted, match="%roe result"):
        asyncio.run(main())


# Imports

SLOW_PACKAGE = {
    "__init__.py": "import time; time.sleep(0.2); from slow_library import part; whole = part.value",
    "part.py": "import time; time.sleep(0.2); value = 1",
}


def test_an_interrupted_import_goes_on_to_its_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The stop ends the waiting at once; the library is whole afterwards."""
    folder = tmp_path / "slow_library"
    folder.mkdir()
    for name, text in SLOW_PACKAGE.items():
        (folder / name).write_text(text)
    monkeypatch.syspath_prepend(str(tmp_path))
    alarm = threading.Timer(0.1, os.kill, [os.getpid(), signal.SIGINT])
    alarm.start()
    began = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        imports.load("slow_library")
    assert time.monotonic() - began < 0.3
    assert not imports.load_soon("slow_library")
    assert imports.load("slow_library").whole == 1
    assert imports.load_soon("slow_library")


def test_an_import_that_fails_raises_its_error() -> None:
    """And not only once."""
    for _ in range(2):
        with pytest.raises(ModuleNotFoundError):
            imports.load("no_such_library")


FIRST_USE = textwrap.dedent("""
    import os, signal, sys, threading, roe_magic
    signal.signal(signal.SIGINT, signal.default_int_handler)
    alarm = threading.Timer(float(sys.argv[1]), os.kill, [os.getpid(), signal.SIGINT])
    try:
        alarm.start()
        roe_magic.run("SELECT 1").df()
        alarm.join()
        raise SystemExit("the stop came too late")
    except KeyboardInterrupt:
        print(roe_magic.run("SELECT 1").df().to_dict())
""")


def check_first_use(folder: Path, seconds: list[float]) -> dict[float, str]:
    """Stop the first query of a process at each moment; return what came of the second, where it went wrong."""
    with TimedServer() as server:
        options: dict[str, Any] = {"stdout": subprocess.PIPE, "text": True, "env": environment_of(server, folder)}
        command = [sys.executable, "-c", FIRST_USE]
        processes = {second: subprocess.Popen([*command, str(second)], **options) for second in seconds}
        told = {second: process.communicate(timeout=100)[0] for second, process in processes.items()}
    return {second: text for second, text in told.items() if text.strip() != "{'a': {0: 1}}"}


def test_a_stop_while_libraries_are_first_imported(tmp_path: Path, seen: Record) -> None:
    """requests, pyarrow and pandas are whole afterwards: the next query runs, and makes a DataFrame."""
    wrong = check_first_use(tmp_path, [0.05, 0.2, 0.4, 0.7, 1.0, 1.5])
    seen("stop while requests, pyarrow, pandas are imported", {}, wrong)


@pytest.mark.exhaustive
def test_a_stop_at_any_moment_of_the_first_imports(tmp_path: Path) -> None:
    """Every 20 ms, six processes at a time."""
    for begin in range(6):
        assert check_first_use(tmp_path, [0.02 * (number * 6 + begin + 1) for number in range(12)]) == {}


# At a line of code


class Stopper:
    """Presses stop when a certain line of the package, or of `threading`, is about to run in the main thread."""

    def __init__(self, line: int | None, presses: int) -> None:
        self.line, self.presses, self.passed = line, presses, 0

    def __call__(self, frame: FrameType, event: str, _: Any) -> Any:
        name = frame.f_code.co_filename
        if not name.startswith(PACKAGE) and not name.endswith("threading.py"):
            return None
        if event == "line":
            self.passed += 1
            if self.passed == self.line:
                sys.settrace(None)
                press(self.presses)
        return self


@contextmanager
def stopping_at(line: int | None, presses: int = 1) -> Iterator[Stopper]:
    stopper = Stopper(line, presses)
    before = sys.gettrace()
    sys.settrace(stopper)
    try:
        yield stopper
    finally:
        sys.settrace(before)


def moments(count: int) -> list[float]:
    return [number / count for number in range(count)]


def check_lines(monkeypatch: pytest.MonkeyPatch, folder: Path, shares: list[float]) -> list[str]:
    """Stop a cell once at each share of its lines; return what did not hold."""
    wrong = []
    with (
        TimedServer(submit=0.05, runs=0.1) as server,
        shell(monkeypatch, environment_of(server, folder), folder) as ours,
    ):
        run = functools.partial(ours.ipython.run_line_magic, "roe", "--progress-after 0 SELECT 1")
        run()
        with stopping_at(None) as stopper:
            run()
        for share in shares:
            sent, message = len(server.ends), "it ended"
            try:
                with stopping_at(1 + int(share * stopper.passed), 1 + int(share * 1000) % 2):
                    run()
            except KeyboardInterrupt as error:
                message = f"{type(error).__name__}: {error}"
            found = SAYS_WHERE.search(message)
            told = found is not None and found[1] is not None
            # Before the magic has read its line, there is nothing to say; a line may be passed once less another time.
            plain = message == "KeyboardInterrupt: " and len(server.ends) == sent
            if not plain and message != "it ended" and told != (len(server.ends) > sent):
                wrong.append(f"at {share}: {message}")
        wait_for(lambda: not query_threads())
        assert {str(each) for each in ours.magic.session.query_ids} == set(server.ends)
        assert ours.magic.session.latest is None
        assert ours.roe("", "SELECT 1").error is None
    return wrong


def test_stop_at_any_line_of_a_cell(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, seen: Record) -> None:
    """Once or twice: what becomes of the query is said, and its id is kept."""
    seen("stop at 40 lines of a cell's code", [], check_lines(monkeypatch, tmp_path, moments(40)))


@pytest.mark.exhaustive
def test_stop_at_many_lines_of_a_cell(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Four hundred of some thousand."""
    assert check_lines(monkeypatch, tmp_path, moments(400)) == []


# In a kernel


def check_kernel(kernel: Kernel, server: TimedServer, seconds: list[float]) -> list[str]:
    """Stop a cell once or twice at each moment; return what did not hold."""
    wrong = []
    for number, moment in enumerate(seconds):
        sent = len(server.ends)
        kernel.start("%%roe --progress-after 0.1\nSELECT 1")
        time.sleep(moment)
        pressed = time.monotonic()
        for _ in range(1 + number % 2):
            kernel.manager.interrupt_kernel()
            time.sleep(0.01)
        kernel.wait()
        took, most = time.monotonic() - pressed, 1.5 if number % 2 else 3.0
        twice = number % 2 == 1
        if problem := problem_of(kernel, len(server.ends) > sent, twice) or (
            took > most and f"the cell took {took:.1f} s"
        ):
            wrong.append(f"after {moment:.2f} s: {problem}")
    return wrong


def problem_of(kernel: Kernel, sent: bool, twice: bool) -> str:
    kinds = [message["msg_type"] for message in kernel.messages]
    shown = [message["content"]["data"] for message in kernel.messages if message["msg_type"].endswith("display_data")]
    errors = [message["content"] for message in kernel.messages if message["msg_type"] == "error"]
    if shown and WIDGET in shown[-1]:
        return "the panel is still live"
    if kinds.count("comm_open") != kinds.count("comm_close"):
        return "a widget is left"
    if not errors:
        return ""  # the stop came before the kernel had begun, or after the end
    (error,) = errors
    if error["ename"] == "KeyboardInterrupt" and (not sent or "SUCCESS" in str(shown)):
        return ""  # the magic had not been called yet, or had returned what IPython was about to show
    if twice and sent and "was being sent and may be running" in error["evalue"]:
        return ""  # the second stop ended the waiting for the id, which is among the session's later
    if error["ename"] != "QueryInterrupted" or not (told := SAYS_WHERE.search(error["evalue"])):
        return f"{error['ename']}: {error['evalue']}"
    return "" if sent == (told[1] is not None) else f"the query was {'' if sent else 'not '}sent: {error['evalue']}"


@contextmanager
def kernel_of(server: TimedServer, folder: Path) -> Iterator[Kernel]:
    with running_kernel(environment_of(server, folder)) as kernel:
        kernel.run("%load_ext roe_magic")
        yield kernel


IDS = "sorted(map(str, get_ipython().magics_manager.registry['RoeMagic'].session.query_ids))"
THREADS = "[t.name for t in __import__('threading').enumerate() if t.name.startswith('roe-query')]"


@pytest.mark.integration
def test_stop_at_any_moment_in_a_kernel(server: TimedServer, tmp_path: Path, seen: Record) -> None:
    """No id is lost, no thread goes on, no panel stays half; the next cell runs."""
    with kernel_of(server, tmp_path) as kernel:
        # The first of them while the panel's libraries are imported.
        wrong = check_kernel(kernel, server, [0.3, *(moment * 0.8 for moment in moments(39))])
        seen("stop at 40 moments of a cell in a kernel", [], wrong)
        wait_for(lambda: kernel.value(THREADS) == "[]")
        assert kernel.value(IDS) == str(sorted(server.ends))
        kernel.run("%%roe --df d\nSELECT 1")
        # A cell with `await` has another handler, which cannot end a call that blocks.
        server.runs, sent = 60.0, len(server.ends)
        kernel.start("import asyncio; await asyncio.sleep(0)\n%roe SELECT 1")
        wait_for(lambda: len(server.ends) > sent and server.got("GET", list(server.ends)[-1]))
        kernel.manager.interrupt_kernel()
        kernel.wait()
        error = next(message["content"] for message in kernel.messages if message["msg_type"] == "error")
        assert (error["ename"], list(server.ends)[-1] in error["evalue"]) == ("QueryInterrupted", True)


@pytest.mark.exhaustive
@pytest.mark.integration
def test_stop_at_many_moments_in_a_kernel(server: TimedServer, tmp_path: Path) -> None:
    """Every three milliseconds of the first second."""
    with kernel_of(server, tmp_path) as kernel:
        assert check_kernel(kernel, server, moments(300)) == []
        wait_for(lambda: kernel.value(THREADS) == "[]")
        assert kernel.value(IDS) == str(sorted(server.ends))


# In a terminal

# IPython 8 ends where an interrupt comes at its prompt: there, none comes after the cell.
SURVIVES_ITS_PROMPT = IPython.version_info >= (9,)
BOOT = """
import faulthandler, fcntl, signal, termios
faulthandler.register(signal.SIGUSR1, all_threads=True)
fcntl.ioctl(0, termios.TIOCSCTTY, 0)
modes = termios.tcgetattr(0)
modes[3] |= termios.NOFLSH  # or ^C would drop what is typed and printed at that moment
termios.tcsetattr(0, termios.TCSANOW, modes)
from IPython import start_ipython
start_ipython(["--simple-prompt", "--no-banner", "--quick", "--colors=NoColor", "--ext=roe_magic"])
"""


class Terminal:
    """An IPython in a terminal of its own, whose keys a test presses."""

    def __init__(self, environment: dict[str, str]) -> None:
        self.keys, other = pty.openpty()
        options: dict[str, Any] = {"stdin": other, "stdout": other, "stderr": other, "start_new_session": True}
        self.process = subprocess.Popen([sys.executable, "-c", BOOT], env=environment, **options)
        os.close(other)
        self.text = ""

    def write(self, text: str) -> None:
        os.write(self.keys, text.encode())

    def read(self) -> str:
        """Return what was printed; a terminal whose program has ended is an error."""
        try:
            return os.read(self.keys, 1 << 16).decode(errors="replace")
        except OSError:
            raise AssertionError(f"IPython has ended ({self.process.poll()}): {self.text}") from None

    def until_prompt(self, seconds: float = 30.0) -> str:
        """Return what is printed up to the next prompt."""
        ends, self.text = time.monotonic() + seconds, ""
        while not re.search(r"In \[\d+\]: $", self.text):
            if time.monotonic() > ends:
                self.process.send_signal(signal.SIGUSR1)  # prints what each thread does
                time.sleep(1)
                raise AssertionError(self.text + self.read())
            if select.select([self.keys], [], [], 0.1)[0]:
                self.text += self.read()
        return self.text

    def close(self) -> None:
        self.process.kill()
        self.process.wait()
        os.close(self.keys)


@pytest.mark.integration
def test_stop_at_any_moment_in_a_terminal(server: TimedServer, tmp_path: Path, seen: Record) -> None:
    """As in a kernel."""
    terminal = Terminal(environment_of(server, tmp_path))
    wrong = []
    try:
        terminal.until_prompt()
        for number, moment in enumerate(moments(20)):
            sent = len(server.ends)
            terminal.write("%roe SELECT 1\n")
            time.sleep(moment * (0.8 if SURVIVES_ITS_PROMPT else 0.6))
            for _ in range(1 + number % 2 * SURVIVES_ITS_PROMPT):
                terminal.write("\x03")
                time.sleep(0.01)
            shown = terminal.until_prompt()
            terminal.write("print('next')\n")
            while "next" not in shown.replace("print('next')", ""):
                shown += terminal.until_prompt()
            told = SAYS_WHERE.search(shown)
            # Before the magic is called, IPython says no more than that there was an interrupt.
            before = len(server.ends) == sent and "KeyboardInterrupt" in shown
            if not (told or "SUCCESS" in shown or before):
                wrong.append(f"after {moment}: {shown}")
        seen("stop at 20 moments of a line in a terminal", [], wrong)
        terminal.write(f"print({IDS})\n")
        assert str(sorted(server.ends)) in terminal.until_prompt()
    finally:
        terminal.close()


# In a script

SCRIPT = textwrap.dedent("""
    import roe_magic, signal
    signal.signal(signal.SIGINT, signal.default_int_handler)
    roe_magic.run("SELECT 1")
""")
WAITS = {"submit": {"submit": 1.5}, "status": {"runs": 60.0}, "result": {"result": 60.0}}


@pytest.mark.parametrize("phase", WAITS)
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_script_ends_and_names_the_id(number: signal.Signals, phase: str, tmp_path: Path, seen: Record) -> None:
    """Within 3 s, as a process that a signal has ended."""
    with TimedServer(**WAITS[phase]) as server:
        options: dict[str, Any] = {"stderr": subprocess.PIPE, "text": True, "env": environment_of(server, tmp_path)}
        process = subprocess.Popen([sys.executable, "-c", SCRIPT], **options)
        wait_for(lambda: server.got("POST", "async") if phase == "submit" else server.got("GET", phase))
        sent = time.monotonic()
        process.send_signal(number)
        _, told = process.communicate(timeout=30)
        took = time.monotonic() - sent
    (query_id,) = server.ends
    found = (query_id in told, took < 3.0, process.returncode in {-number, 1})
    seen(f"{number.name} while a script waits for the {phase}", (True, True, True), found)
