"""The live panel and the display, in a real kernel driven over its own protocol."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support import query_states
from tests.support.kernels import WIDGET, Kernel, running_kernel

# The builder of states runs inside the kernel.
STATES = Path(query_states.__file__).read_text("utf-8")
SETUP = f"""{STATES}
import threading, time
from roe_magic.panel import Display
now = query_state(sql="SELECT 1", server="https://api.roe-ai.com", query_id="8f3a2c1d", status="STARTED", stop="cancel")
done = replaced(now, status="SUCCESS", live=False, elapsed=2.0, rows=1)
"""
BLOCKING = """
from roe_magic.panel.widget import Panel
heard = []
pressed = threading.Event()
def on_stop(action):
    heard.append((action, threading.current_thread() is threading.main_thread()))
    pressed.set()
panel = Panel(now, on_stop)
print("ready", panel.comm.comm_id, flush=True)
arrived = pressed.wait(10)
panel.update(replaced(now, elapsed=1.0))
"""


@pytest.fixture(scope="module")
def running() -> Iterator[Kernel]:
    with running_kernel() as kernel:
        yield kernel


@pytest.fixture
def kernel(running: Kernel) -> Kernel:
    running.run(SETUP)
    return running


def test_the_button_is_heard_while_the_cell_blocks(kernel: Kernel) -> None:
    """A press reaches the callback while the cell's own thread waits, where ipykernel gives a way, and only once."""
    kernel.start(BLOCKING)
    ready = kernel.until(lambda m: m["msg_type"] == "stream" and m["content"]["text"].startswith("ready"))
    kernel.press(ready["content"]["text"].split()[1], "cancel")
    kernel.wait()
    # The cell above has ended, and so has the second way of the same message, by the kernel's main loop.
    # Before ipykernel 7.4 a client without subshells, as this one, is heard only now.
    early = kernel.value("hasattr(type(panel.comm), '_reply_subshell_for')") == "True"
    assert kernel.value("arrived, heard") == f"{early} [('cancel', {not early})]"
    assert kernel.value("panel.view['stopping']") == str(early)


def test_a_second_action_is_heard_after_the_first(kernel: Kernel) -> None:
    """Where cancelling did not work, the button may become Stop watching and be pressed again."""
    kernel.run("heard = []; from roe_magic.panel.widget import Panel; panel = Panel(now, heard.append)")
    for action in ("cancel", "cancel", "detach", "explode"):
        kernel.press(kernel.value("panel.comm.comm_id"), action)
    assert kernel.value("heard") == "['cancel', 'detach']"


def test_a_long_query_text_crosses_the_wire_once(kernel: Kernel) -> None:
    """Updates carry the changing view and not the SQL."""
    kernel.run("from roe_magic.panel.widget import Panel; panel = Panel(now)")
    kernel.run("panel.update(replaced(now, elapsed=1.0)); panel.update(replaced(now, elapsed=2.0))")
    states = [m["content"]["data"]["state"] for m in kernel.messages if m["msg_type"] == "comm_msg"]
    assert [sorted(state) for state in states] == [["view"], ["view"]]


def test_a_live_panel_is_replaced_by_its_static_form(kernel: Kernel) -> None:
    """At the end the same display holds HTML and text, no widget, and the widget is closed."""
    first, last = kernel.run("d = Display(); d.show(now); d.show(replaced(now, elapsed=1.0)); d.finish(done)")
    assert (first["kind"], WIDGET in first["data"]) == ("display_data", True)
    assert (last["kind"], sorted(last["data"])) == ("update_display_data", ["text/html", "text/plain"])
    assert first["transient"]["display_id"] == last["transient"]["display_id"]
    kinds = [m["msg_type"] for m in kernel.messages]
    assert kinds.count("comm_close") == kinds.count("comm_open") == 2  # the panel's and its layout's


def test_a_display_without_a_widget_manager_still_reads(kernel: Kernel) -> None:
    """The live bundle carries HTML and text too, for readers that know no widgets."""
    (shown,) = kernel.run("Display().show(now)")
    assert shown["data"]["text/plain"].startswith("STARTED running for")
    assert "<details>" in shown["data"]["text/html"]


def test_the_saved_bundle_names_the_query_once_its_id_is_known(kernel: Kernel) -> None:
    """The first update with an id, from whatever thread, publishes widget, HTML and text anew in the same display."""
    first, again = kernel.run(
        "d = Display(); d.show(replaced(now, query_id=None, status=None))\n"
        "def follow():\n    for t in (1.0, 2.0, 3.0): d.show(replaced(now, elapsed=t))\n"
        "thread = threading.Thread(target=follow); thread.start(); thread.join()"
    )
    assert (again["kind"], again["transient"]) == ("update_display_data", first["transient"])
    assert again["data"][WIDGET] == first["data"][WIDGET]
    assert "8f3a2c1d" not in first["data"]["text/plain"] + first["data"]["text/html"]
    assert "%roe result 8f3a2c1d" in again["data"]["text/plain"]
    assert "%roe result 8f3a2c1d" in again["data"]["text/html"]


def test_a_batch_run_shows_once_at_the_end(kernel: Kernel) -> None:
    """Where nobody can answer a prompt (nbclient, nbval, papermill) there is one static display and no widget."""
    (shown,) = kernel.run("d = Display(); d.show(now); d.show(now); d.finish(done)", watched=False)
    assert (shown["kind"], sorted(shown["data"])) == ("display_data", ["text/html", "text/plain"])
    assert not [m for m in kernel.messages if m["msg_type"].startswith("comm_")]


def test_a_batch_run_shows_the_notices(kernel: Kernel) -> None:
    """In its one display, as HTML and as text."""
    (shown,) = kernel.run("Display().finish(replaced(done, notices=['FORMAT CSV was ignored.']))", watched=False)
    for kind in ("text/html", "text/plain"):
        assert shown["data"][kind].count("FORMAT CSV was ignored.") == 1


def test_a_captured_cell_keeps_one_static_display(kernel: Kernel) -> None:
    """Under %%capture no widget is made that would be closed before it is shown."""
    assert kernel.run("%%capture kept\nd = Display(); d.show(now); d.finish(done)") == []
    assert kernel.value("[sorted(o.data) for o in kept.outputs]") == "[['text/html', 'text/plain']]"


def test_off_shows_nothing(kernel: Kernel) -> None:
    """Mode off publishes nothing at all."""
    assert kernel.run("d = Display('off'); d.show(now); d.show(now); d.finish(done)") == []


def test_a_second_finish_stays_in_its_place(kernel: Kernel) -> None:
    """Writing the end again updates the same display instead of adding one."""
    shown = kernel.run("d = Display(); d.show(now); d.finish(done); d.finish(done)")
    assert [m["kind"] for m in shown] == ["display_data", "update_display_data", "update_display_data"]


def test_a_fast_download_does_not_flood_the_page(kernel: Kernel) -> None:
    """A thousand reports in a moment become a handful of messages."""
    kernel.run(
        "d = Display(); d.show(now)\nfor n in range(1000): d.show(replaced(now, status='SUCCESS', downloaded=n))"
    )
    assert 1 <= len([m for m in kernel.messages if m["msg_type"] == "comm_msg"]) < 100


def test_the_query_outlives_its_panel(kernel: Kernel) -> None:
    """When all widgets are closed under a running query, its panel still ends with the static form and no error."""
    shown = kernel.run(
        "import ipywidgets\nd = Display(); d.show(now); ipywidgets.Widget.close_all(); d.show(now); d.finish(done)"
    )
    assert sorted(shown[-1]["data"]) == ["text/html", "text/plain"]


TERMINAL = f"""{STATES}
from roe_magic.panel import Display
done = query_state(sql="SELECT 1", server="https://api.roe-ai.com", status="SUCCESS", live=False, elapsed=2.0,
                   notices=["FORMAT CSV was ignored."])
display = Display("live")
display.show(done)
display.show(done)
display.finish(done)
display.finish(done)
"""


@pytest.mark.parametrize("python", [["-m", "IPython", "--quick", "--colors=nocolor", "-c"], ["-c"]])
def test_a_terminal_prints_once_at_the_end(python: list[str], tmp_path: Path) -> None:
    """In terminal IPython, and in plain Python, the panel is one line of text and a line per notice.

    A second finish repeats nothing.
    """
    environment = {**os.environ, "IPYTHONDIR": str(tmp_path)}
    run = subprocess.run(
        [sys.executable, *python, TERMINAL], capture_output=True, text=True, env=environment, check=True
    )
    assert run.stdout.strip().splitlines() == ["SUCCESS in 2.0 s", "FORMAT CSV was ignored."]
