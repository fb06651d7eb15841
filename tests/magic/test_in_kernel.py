"""The whole magic in a real kernel on the real service: a blocking cell, stop, cancel, batch runs."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path
from typing import Any

import nbformat
import pytest
from nbclient import NotebookClient

from tests.support.kernels import PATIENCE, WIDGET, Kernel, running_kernel
from tests.support.services import Service, wait_for

# Since ipykernel 7.4 a press is looked at on its way to the blocked shell; see roe_magic/panel/widget.py.
HEARS_WHILE_BLOCKED = tuple(map(int, version("ipykernel").split(".")[:2])) >= (7, 4)
LONG = "SELECT count() FROM numbers(20000000000) WHERE NOT ignore(sipHash64(number))"


@pytest.fixture(scope="module")
def environment(service: Service, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("ROE_")}
    config = tmp_path_factory.mktemp("config") / "config.ini"
    return {**kept, **service.env, "ROE_CONFIG_FILE": str(config), "PYDEVD_DISABLE_FILE_VALIDATION": "1"}


@pytest.fixture(scope="module")
def kernel(environment: dict[str, str]) -> Iterator[Kernel]:
    with running_kernel(environment) as kernel:
        kernel.run("%load_ext roe_magic")
        yield kernel


def views(kernel: Kernel) -> list[dict[str, Any]]:
    """List the pictures that the panel was given, in order."""
    states = [m["content"]["data"].get("state", {}) for m in kernel.messages if m["msg_type"].startswith("comm_")]
    return [state["view"] for state in states if "view" in state]


def error_from(kernel: Kernel) -> dict[str, Any]:
    return next(m["content"] for m in kernel.messages if m["msg_type"] == "error")


def start_long(kernel: Kernel) -> str:
    """Start a long query; gives the panel's comm once three rising figures were seen."""
    kernel.start(f"%%roe\n{LONG}")
    kernel.until(lambda _: len({view["read_rows"] for view in views(kernel) if view["read_rows"]}) >= 3)
    opened = (m["content"] for m in kernel.messages if m["msg_type"] == "comm_open")
    return next(content["comm_id"] for content in opened if "view" in content["data"].get("state", {}))


def test_a_quick_query_needs_no_widget(kernel: Kernel) -> None:
    """A query that ends before `progress_after` is shown once, as HTML and text."""
    (shown,) = kernel.run("%config RoeMagic.progress_after = 20\n%roe -o q SELECT 1")
    assert sorted(shown["data"]) == ["text/html", "text/plain"]
    kernel.run("%config RoeMagic.progress_after = 0.2")


def test_the_panel_lives_while_the_cell_blocks_and_stop_lets_the_query_go_on(
    kernel: Kernel, environment: dict[str, str]
) -> None:
    """Rows read rise in the panel; stop ends the cell, says how to come back, and the next cell is not run."""
    start_long(kernel)
    figures = [view["read_rows"] for view in views(kernel) if view["read_rows"]]
    assert figures == sorted(figures)
    queued = kernel.client.execute("print('must not run')")
    time.sleep(0.5)  # until the request is in the kernel's queue
    pressed = time.monotonic()
    kernel.manager.interrupt_kernel()
    kernel.wait()
    assert time.monotonic() - pressed < 10
    error = error_from(kernel)
    assert error["ename"] == "QueryInterrupted"
    assert "goes on at the server" in error["evalue"]
    kernel.cell = queued
    kernel.wait()
    assert not any(m["content"].get("text") == "must not run\n" for m in kernel.messages)
    last = next(m for m in reversed(kernel.messages) if m["msg_type"] == "update_display_data")
    assert WIDGET not in last["content"]["data"]
    query_id = wait_for(lambda: kernel.value("_roe.id"))
    assert query_id in error["evalue"]
    assert kernel.value(f"get_ipython().run_line_magic('roe', 'status {query_id}')['status']") == "STARTED"
    kernel.run(
        "from roe_magic import config, RoeClient\nRoeClient(config.resolve(config.from_environment())).cancel(_roe.id)"
    )


def test_cancel_stops_the_query_at_the_server(kernel: Kernel) -> None:
    """The panel's button cancels while the cell blocks; the cell ends with QueryRevoked, the query REVOKED."""
    kernel.press(start_long(kernel), "cancel")
    if HEARS_WHILE_BLOCKED:
        kernel.wait()
        assert error_from(kernel)["ename"] == "QueryRevoked"
    else:
        # This ipykernel does not look at the press before the cell has ended: there, only stop works.
        kernel.manager.interrupt_kernel()
        kernel.wait()
        assert error_from(kernel)["ename"] == "QueryInterrupted"
        wait_for(lambda: kernel.value("_roe.id"))
        kernel.run("from roe_magic import RoeClient\nRoeClient().cancel(_roe.id)")
    # What is sent right behind an error may be dropped with the rest of "Run all".
    query_id = wait_for(lambda: kernel.value("_roe.id"))
    state = f"get_ipython().run_line_magic('roe', 'status {query_id}')['status']"
    assert wait_for(lambda: (word := kernel.value(state)) != "STARTED" and word) == "REVOKED"


def test_a_failure_is_an_error_from_the_cell(kernel: Kernel) -> None:
    """The error message has the server's sentence for logs; its rendering points at the panel."""
    kernel.start("%%roe\nSELECT nope")
    kernel.wait()
    error = error_from(kernel)
    assert error["ename"] == "QueryFailed"
    assert "Unknown expression identifier" in error["evalue"]
    assert "see above" in "".join(error["traceback"])


def test_a_batch_run_saves_the_story_and_no_widget(environment: dict[str, str], tmp_path: Path) -> None:
    """nbclient gets one static display per cell, and the key is nowhere in the saved notebook."""
    cells = [
        "%load_ext roe_magic",
        "%%roe q= <<\nSELECT sleep(0.5) AS slept, 'x' AS s FORMAT CSV",
        "%config RoeMagic",
        "%roe connect",
    ]
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in cells])
    NotebookClient(notebook, timeout=120, kernel_name="python3").execute(env=environment)
    outputs = notebook.cells[1].outputs
    assert [output.output_type for output in outputs] == ["display_data", "execute_result"]
    assert not any(WIDGET in output.data for output in outputs)
    assert ["FORMAT CSV was ignored" in output.data["text/html"] for output in outputs] == [True, False]
    saved = nbformat.writes(notebook)
    assert environment["ROE_API_KEY"] not in saved
    assert "SUCCESS" in saved


def test_a_failed_cell_with_a_long_list_stays_small_in_the_saved_notebook(environment: dict[str, str]) -> None:
    """Panel and error together, in a batch run, where the message stands in both."""
    numbers = ", ".join(str(10**12 + number) for number in range(30_000))
    cells = ["%load_ext roe_magic", f"%%roe\nSELECT nope FROM numbers(3) WHERE number IN ({numbers})"]
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in cells])
    NotebookClient(notebook, timeout=120, kernel_name="python3", allow_errors=True).execute(env=environment)
    outputs = notebook.cells[1].outputs
    assert [output.output_type for output in outputs] == ["display_data", "error"]
    assert len(json.dumps(outputs)) < 10_000
    assert all("UNKNOWN_IDENTIFIER" in json.dumps(output) for output in outputs)


def test_a_large_result_asks_before_it_is_fetched(kernel: Kernel) -> None:
    """The question comes through the notebook's own input; a yes fetches the rows of the same query."""
    kernel.run("%config RoeMagic.max_result_bytes = 100_000")
    kernel.start("%%roe -o big\nSELECT number FROM numbers(1000000);")
    asked = kernel.client.get_stdin_msg(timeout=PATIENCE)
    assert "more than the limit of 100 kB" in asked["content"]["prompt"]
    kernel.client.input("yes")
    kernel.wait()
    assert kernel.value("len(big.df())") == "1000000"
    kernel.run("%config RoeMagic.max_result_bytes = 2_000_000_000")


def test_a_large_result_is_refused_where_nobody_can_answer(kernel: Kernel) -> None:
    """In a batch run there is no question, and so no cell that waits for ever."""
    kernel.run("%config RoeMagic.max_result_bytes = 100_000")
    kernel.start("%%roe\nSELECT number FROM numbers(1000000)", watched=False)
    kernel.wait()
    assert error_from(kernel)["ename"] == "ResultTooLarge"
    kernel.run("%config RoeMagic.max_result_bytes = 2_000_000_000")
