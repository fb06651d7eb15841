"""The panel in a real JupyterLab, as a reader sees and uses it."""

import json
import os
import re
import signal
from pathlib import Path
from typing import Any

import nbformat
import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Locator, expect

from roe_magic.panel import html, text
from tests.browser.harness import PATIENCE, Lab, empty_notebook
from tests.support import query_states
from tests.support.query_states import query_state

pytestmark = pytest.mark.browser

ID = "8f3a2c1d-3b52-4d0f-9a51-0d1b3c5a7e42"
# The builder of states runs inside the kernel.
STATES = Path(query_states.__file__).read_text("utf-8")
SETUP = f"""{STATES}
import threading, time
from roe_magic.contract.models import Progress
from roe_magic.panel import Display
from roe_magic.panel.widget import Panel
query = query_state(sql="SELECT carrier, count()\\nFROM flights", server="https://api.roe-ai.com", organization="Acme",
                 query_id="{ID}", stop="cancel")
"""
# A cell that blocks, as %%roe does, until the button is pressed. Its query is queued until the file "go" is there.
BLOCKING = (
    SETUP
    + """
from pathlib import Path
pressed = threading.Event()
queued = None
display_ = Display(on_stop=lambda action: pressed.set())
display_.show(replaced(query, query_id=None))
start = time.monotonic()
while not pressed.wait(0.2) and (t := time.monotonic() - start) < 100:
    if queued is None:
        display_.show(replaced(query, status="PENDING", elapsed=t, queued=t))
        queued = t if Path("go").exists() else None
        continue
    read = int((t - queued) * 1_000_000)
    progress = Progress(read_rows=read, read_bytes=8 * read, total_rows_to_read=200_000_000, elapsed_ns=int(t * 1e9))
    now = replaced(query, status="STARTED", elapsed=t, queued=queued, running=t - queued, progress=progress)
    display_.show(now)
end = "REVOKED" if pressed.is_set() else "SUCCESS"
display_.finish(replaced(now, status=end, live=False, elapsed=t))
print("ended with", end)
"""
)
GALLERY = (
    SETUP
    + """
from IPython.display import HTML, display
from roe_magic.panel import html
progress = Progress(read_rows=1_234_567, read_bytes=34_100_000, total_rows_to_read=2_900_000, elapsed_ns=3_100_000_000)
live = [
    replaced(query, query_id=None),
    replaced(query, status="PENDING", elapsed=130, notice="Queued for 2 min: is a worker running?"),
    replaced(query, status="STARTED", elapsed=3.4, queued=0.2, running=3.1, progress=progress),
    replaced(query, status="STARTED", elapsed=65, queued=20, running=45, stop="detach"),
    replaced(query, status="SUCCESS", elapsed=8, downloaded=12_000_000, download_size=40_000_000, stop="detach"),
]
ended = [
    replaced(query, status="SUCCESS", live=False, duration=4.2, queued=0.2, running=4.0, rows=336_776, columns=19,
            notices=["FORMAT CSV was ignored: rows always arrive as values with their types."]),
    replaced(query, status="FAILURE", live=False, duration=0.3,
            error="Syntax error: failed at position 8 (FORM). " * 3, hint="Did you mean FROM?",
            notices=["FORMAT CSV was ignored: rows always arrive as values with their types.", "And another. " * 20]),
    replaced(query, status="REVOKED", live=False, elapsed=12.3),
    replaced(query, status="STARTED", live=False, detached=True, notice="Come back to it with: %roe result 8f3a2c1d"),
]
for state in live + ended:
    display(Panel(state))
for state in ended:
    display(HTML(html(state)))
"""
)


def panel_in(cell: Locator) -> Locator:
    panel = cell.locator(".roe")
    panel.first.wait_for(timeout=PATIENCE)
    return panel


def seconds_in(panel: Locator) -> float:
    return float((panel.locator(".roe-elapsed").text_content() or "").removesuffix(" s"))


def read_rows_in(panel: Locator) -> int:
    return int(panel.get_attribute("data-read-rows") or 0)


def wait_for_more(lab: Lab, selector: str, attribute: str, than: int) -> None:
    condition = "([s, name, than]) => Number(document.querySelector(s)?.dataset[name]) > than"
    lab.page.wait_for_function(condition, arg=[selector, attribute, than])


def prompt_of(cell: Locator) -> str:
    return cell.locator(".jp-InputPrompt").first.text_content() or ""


def test_the_panel_lives_while_the_cell_blocks(lab: Lab) -> None:
    """Pill, clock, figures and the one bar move while the cell blocks; Cancel is heard; the end is a static line."""
    cell = lab.run_cell(BLOCKING)
    panel = panel_in(cell)
    expect(panel.locator(".roe-pill")).to_have_text("PENDING")
    (lab.server.notebooks / "go").touch()
    expect(panel.locator(".roe-pill")).to_have_text("STARTED")
    figures = [read_rows_in(panel)]
    for _ in range(3):
        wait_for_more(lab, ".roe", "readRows", than=figures[-1])
        figures.append(read_rows_in(panel))
    assert figures == sorted(set(figures))
    expect(panel.locator(".roe-figures")).to_contain_text("of 200 M rows read")
    expect(panel.locator(".roe-share")).to_have_text(re.compile(r"^\d+ %$"))
    assert len(re.findall(r"\d s\b", re.sub(r"was queued for [\d.]+ s|about \d+ s left", "", panel.inner_text()))) == 1
    bar = panel.get_by_role("progressbar")
    expect(bar).to_have_count(1)
    assert 0 <= int(bar.get_attribute("aria-valuenow") or -1) < 100
    assert "[*]" in prompt_of(cell)
    lab.screenshot("panel-live", panel)
    panel.get_by_role("button", name="Cancel").click()
    expect(cell).to_contain_text("ended with REVOKED")
    expect(cell.locator("details summary")).to_contain_text("REVOKED")
    expect(cell.locator(".roe")).to_have_count(0)


def test_a_press_that_nobody_hears_is_explained(lab: Lab) -> None:
    """Where a blocked kernel cannot hear the button, the panel names the button that works."""
    deaf = "panel = Panel(replaced(query, status='STARTED'))\ndel panel.comm._reply_subshell_for\ndisplay(panel)\n"
    cell = lab.run_cell(f"{SETUP}{deaf}time.sleep(120)")
    panel_in(cell).get_by_role("button", name="Cancel").click()
    expect(cell.get_by_role("status").filter(has_text="stop button")).to_be_visible()
    lab.page.evaluate("async () => window.jupyterapp.commands.execute('notebook:interrupt-kernel')")
    lab.wait(cell)
    expect(cell.get_by_text("The kernel has not answered yet")).to_be_visible()
    lab.wait(lab.run_cell("panel.update(replaced(query, status='STARTED', elapsed=5.0))"))
    expect(cell.get_by_text("The kernel has not answered yet")).to_be_hidden()


def test_an_end_from_a_thread_lands_in_its_own_cell(lab: Lab) -> None:
    """A query that ends while another cell runs is written down where it was started."""
    waits = "go = threading.Event()\nd = Display(); d.show(query)\n"
    ends = "def end(): go.wait(60); d.finish(replaced(query, status='SUCCESS', live=False))\n"
    first = lab.run_cell(f"{SETUP}{waits}{ends}thread = threading.Thread(target=end); thread.start()")
    lab.wait(first)
    second = lab.run_cell("go.set(); thread.join()")
    lab.wait(second)
    expect(first.locator("details summary")).to_contain_text("SUCCESS")
    expect(second.locator("details")).to_have_count(0)


def test_the_clock_ticks_between_two_messages(lab: Lab) -> None:
    """The one time that is shown goes on in the browser while the kernel says nothing."""
    cell = lab.run_cell(SETUP + "Panel(replaced(query, status='STARTED', elapsed=5.0, queued=1.0, running=3.0))")
    panel = panel_in(cell)
    lab.wait(cell)
    early = seconds_in(panel)
    assert early >= 5.0
    lab.page.wait_for_function(
        "early => parseFloat(document.querySelector('.roe-elapsed').textContent) > early + 0.5", arg=early
    )
    expect(panel.locator(".roe-head")).to_have_text(re.compile(r"STARTED\s*running\s*[\d.]+ s"), use_inner_text=True)
    expect(panel.locator("[aria-live=polite]")).to_have_text("Query running")


def test_a_saved_notebook_shows_the_end_without_widgets(lab: Lab) -> None:
    """After the end, and after a reload that knows no widget state, the static twin stands in the widget's place."""
    cell = lab.run_cell(
        SETUP + "d = Display(); d.show(query); d.finish(replaced(query, status='SUCCESS', live=False, rows=3))"
    )
    lab.wait(cell)
    expect(cell.locator("details summary")).to_contain_text("SUCCESS")
    saved = lab.save()
    assert "widgets" not in saved.metadata
    (output,) = saved.cells[-1].outputs
    assert sorted(output.data) == ["text/html", "text/plain"]
    assert output.data["text/plain"].startswith("SUCCESS in")
    lab.reload()
    expect(lab.page.locator(".jp-OutputArea details summary")).to_contain_text("SUCCESS")
    expect(lab.page.get_by_text("Error displaying widget")).to_have_count(0)


def test_an_untrusted_notebook_keeps_the_looks(lab: Lab) -> None:
    """In a notebook that nobody has trusted the pill keeps its colour, the outcome its fold, and the error its edge."""
    failed = query_state(
        sql="SELECT 1", server="https://api.roe-ai.com", status="FAILURE", live=False, error="<b>bad</b>", hint="Look."
    )
    lab.close()
    lab.open("untrusted.ipynb", _notebook_with({"text/html": html(failed), "text/plain": text(failed)}))
    assert lab.page.evaluate("window.jupyterapp.shell.currentWidget.content.model.cells.get(0).trusted") is False
    output = lab.page.locator(".jp-OutputArea")
    expect(output.locator("summary span")).to_have_css("background-color", "rgb(207, 34, 46)")
    expect(output.locator("summary span")).to_have_css("color", "rgb(255, 255, 255)")
    expect(output.get_by_text("<b>bad</b>")).to_have_css("white-space", "pre-wrap")
    expect(output.locator("div[style*='border-left']")).to_have_css("border-left-color", "rgb(207, 34, 46)")
    expect(output.locator("pre")).to_be_hidden()
    output.locator("summary").click()
    expect(output.locator("pre")).to_be_visible()
    lab.screenshot("static-untrusted", output)


def test_nothing_is_wrong_for_assistive_technology(lab: Lab) -> None:
    """axe-core finds no violation in any state, folded or open, in the light and the dark theme."""
    cell = lab.run_cell(GALLERY)
    lab.wait(cell)
    expect(cell.locator(".roe")).to_have_count(9)
    output = cell.locator(".jp-Cell-outputWrapper")
    lab.make_room(output)
    for theme in ("dark", "light"):
        lab.theme(theme)
        lab.screenshot(f"panel-states-{theme}", output)
        output.evaluate("area => area.querySelectorAll('details').forEach(fold => { fold.open = true; })")
        lab.make_room(output)
        found = Axe().run(lab.page, context=".jp-Cell-outputWrapper")
        assert found.violations_count == 0, found.generate_report()
        lab.screenshot(f"panel-states-{theme}-open", output)


def test_the_keyboard_is_enough(lab: Lab) -> None:
    """Tab reaches fold, copy, SQL and Cancel with a visible focus, and Enter works them instead of JupyterLab."""
    cell = lab.run_cell(SETUP + "heard = []; panel = Panel(replaced(query, status='STARTED'), heard.append); panel")
    lab.wait(cell)
    panel = panel_in(cell)
    panel.locator(".roe-head").focus()
    for target in (".roe-copy", ".roe-sql > summary", ".roe-stop"):
        lab.page.keyboard.press("Tab")
        expect(panel.locator(target)).to_be_focused()
        expect(panel.locator(target)).to_have_css("outline-style", "solid")
    lab.page.keyboard.press("Enter")
    expect(panel.locator(".roe-stop")).to_have_text("Cancelling…")
    expect(panel.locator(".roe-stop")).to_be_focused()
    expect(
        lab.run_cell("for _ in range(100):\n    if heard: break\n    time.sleep(0.1)\nprint(heard)")
    ).to_contain_text("['cancel']")
    expect(lab.run_cell("panel.update(replaced(query, status='STARTED', stop='detach'))")).to_be_visible()
    expect(panel.locator(".roe-stop")).to_have_text("Stop watching")


def test_the_id_can_be_copied(lab: Lab) -> None:
    """The copy button puts the whole id on the clipboard and says so."""
    lab.page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    cell = lab.run_cell(SETUP + "Panel(replaced(query, status='STARTED'))")
    panel = panel_in(cell)
    panel.get_by_role("button", name="Copy the query id").click()
    expect(panel.locator("[aria-live=polite]")).to_have_text("Query id copied")
    assert lab.page.evaluate("navigator.clipboard.readText()") == ID


def test_strings_of_the_server_stay_strings(lab: Lab) -> None:
    """Markup in SQL, error, status, server and organisation is shown as text and nothing of it runs."""
    attack = "<img src=x onerror='window.hacked = 1'>"
    fields = ("sql", "server", "organization", "query_id", "status", "error", "hint", "notice")
    hostile = ", ".join(f"{field}=attack" for field in fields) + ", notices=[attack]"
    cell = lab.run_cell(f'{SETUP}attack = "{attack}"\nd = Display(); d.show(replaced(query, {hostile}))')
    panel = panel_in(cell)
    lab.wait(cell)
    expect(panel.locator(".roe-message")).to_have_text(attack)
    expect(panel.locator(".roe-notices")).to_have_text(attack)
    assert panel.locator("img").count() == 0
    ended = lab.run_cell(f"d.finish(replaced(query, live=False, {hostile}))")
    lab.wait(ended)
    expect(cell.locator("details summary")).to_contain_text("<img src=x")
    assert cell.locator("img").count() == 0
    assert lab.page.evaluate("window.hacked") is None


def test_motion_and_network_are_left_alone(lab: Lab) -> None:
    """The bar does not move for readers who asked for less motion, and the page asks no other machine for anything."""
    cell = lab.run_cell(SETUP + "Panel(replaced(query, status='STARTED'))")
    fill = panel_in(cell).locator(".roe-fill")
    expect(fill).to_have_css("animation-name", "roe-sweep")
    lab.page.emulate_media(reduced_motion="reduce")
    expect(fill).to_have_css("animation-name", "none")
    lab.page.emulate_media(reduced_motion="no-preference")
    elsewhere = [url for url in lab.requests if not url.startswith((lab.server.url, "data:", "blob:"))]
    assert elsewhere == []


def test_a_saved_panels_id_is_selected_as_a_whole(lab: Lab) -> None:
    """By a triple click in a notebook that is not trusted; by one click otherwise."""
    lab.close()
    state = query_state(sql="SELECT 1", query_id=ID, status="SUCCESS", live=False, duration=2.0)
    lab.open("selected.ipynb", _notebook_with({"text/html": html(state), "text/plain": text(state)}))
    output = lab.page.locator(".jp-Notebook .jp-OutputArea")
    output.locator("summary").click()
    output.locator("code").click(click_count=3)
    assert lab.page.evaluate("getSelection().toString()").strip() == ID
    cell = lab.run_cell(f"{SETUP}d = Display(); d.show(query); d.finish(replaced(query, status='SUCCESS', live=False))")
    lab.wait(cell)
    cell.locator("summary").click()
    lab.page.evaluate("getSelection().removeAllRanges()")
    cell.locator(".jp-OutputArea code").click()
    assert lab.page.evaluate("getSelection().toString()") == ID


def test_a_cancel_that_failed_can_be_pressed_again(lab: Lab) -> None:
    """The button is Cancel again, with a word on what went wrong; what it does has not changed."""
    cell = lab.run_cell(SETUP + "heard = []; panel = Panel(replaced(query, status='STARTED'), heard.append); panel")
    panel = panel_in(cell)
    lab.wait(cell)
    for _ in range(2):
        panel.get_by_role("button", name="Cancel").click()
        expect(panel.locator(".roe-stop")).to_have_text("Cancelling…")
        lab.wait(
            lab.run_cell(
                "while not heard: time.sleep(0.1)\nheard.clear(); panel.update(replaced(query, status='STARTED'))"
            )
        )
        expect(panel.locator(".roe-stop")).to_have_text("Cancelling…")
        lab.wait(lab.run_cell("panel.update(replaced(query, status='STARTED', cancel_problem='No answer.'))"))
        expect(panel.locator(".roe-stop")).to_have_text("Cancel")
        expect(panel.locator(".roe-notice:visible")).to_have_text("No answer.")


def test_what_is_shown_never_changes_its_meaning(lab: Lab) -> None:
    """The organisation and the button appear once they are known, and stay as they are."""
    begin = "panel = Panel(replaced(query, query_id=None, stop=None)); panel"
    cell = lab.run_cell(SETUP + begin)
    panel = panel_in(cell)
    lab.wait(cell)
    expect(panel.locator(".roe-stop")).to_be_hidden()
    expect(panel.locator("[data-key=organization]")).to_have_count(0)
    lab.wait(lab.run_cell("panel.update(replaced(query, status='STARTED', organization_name='Acme Airlines'))"))
    expect(panel.locator("[data-key=organization]")).to_contain_text("Acme Airlines")
    expect(panel.locator(".roe-stop")).to_have_text("Cancel")


def test_a_finished_widget_folds_to_one_line(lab: Lab) -> None:
    """When a watched query ends, its card becomes one line; the reader can unfold it."""
    cell = lab.run_cell(SETUP + "panel = Panel(replaced(query, status='STARTED')); panel")
    panel = panel_in(cell)
    expect(panel.locator(".roe-facts")).to_be_visible()
    lab.wait(
        lab.run_cell("panel.update(replaced(query, status='SUCCESS', live=False, duration=4.2, rows=3, columns=2))")
    )
    expect(panel.locator(".roe-head")).to_have_text(
        re.compile(r"SUCCESS\s*in 4\.2 s · 3 rows, 2 columns · ended 2026-03-01 \d\d:\d0:04 UTC\S* · 8f3a2c1d"),
        use_inner_text=True,
    )
    expect(panel.locator(".roe-facts")).to_be_hidden()
    expect(panel.get_by_role("progressbar")).to_have_count(0)
    panel.locator(".roe-head").click()
    expect(panel.locator(".roe-facts")).to_be_visible()


def test_a_notice_is_seen_below_the_folded_line(lab: Lab) -> None:
    """It appears with the end, stays in the static form that replaces the widget, and is said to a screen reader."""
    notice = "FORMAT CSV was ignored: rows always arrive as values with their types."
    cell = lab.run_cell(SETUP + "d = Display('live'); d.show(replaced(query, status='STARTED'))")
    panel = panel_in(cell)
    expect(panel.locator(".roe-notices")).to_be_hidden()
    ended = f"ended = replaced(query, status='SUCCESS', live=False, duration=4.2, notices=[{notice!r}, 'Two.'])\n"
    lab.wait(lab.run_cell(f"{ended}d.show(ended)"))
    expect(panel.locator(".roe-facts")).to_be_hidden()
    expect(panel.locator(".roe-notices > div")).to_have_text([notice, "Two."])
    expect(panel.locator("[aria-live=polite]")).to_have_text(re.compile(r"in 4\.2 s\. FORMAT CSV .*Two\.$"))
    lab.wait(lab.run_cell("d.show(replaced(ended, notices=['Two.']))"))
    expect(panel.locator(".roe-notices > div")).to_have_text(["Two."])
    lab.wait(lab.run_cell("d.finish(ended)"))
    expect(cell.locator(".roe")).to_have_count(0)
    expect(cell.get_by_text(notice, exact=True)).to_be_visible()


GONE = f"The kernel has gone; the query goes on at the server. Come back to it with: %roe result {ID}"
LIVE = SETUP + "import os; print(os.getpid()); Display().show(replaced(query, status='STARTED', elapsed=5.0))\n"
ENDS = {
    "restarted": "kernel => kernel.restart()",
    "shut down": "kernel => kernel.shutdown()",
    "replaced": "(_, session) => session.changeKernel({ name: 'python3' })",
}


def end_kernel(lab: Lab, how: str) -> None:
    session = "window.jupyterapp.shell.currentWidget.sessionContext"
    lab.page.evaluate(f"async () => {{ await ({how})({session}.session.kernel, {session}); }}")


def expect_a_calm_end(panel: Locator) -> None:
    expect(panel.locator(".roe-notice:visible")).to_have_text(GONE)
    expect(panel.locator(".roe-pill")).to_have_text("STARTED")
    expect(panel.locator(".roe-outcome")).to_have_text(re.compile(r"not watched any more after \d.*8f3a2c1d"))
    for gone in (".roe-elapsed", ".roe-phase", ".roe-bar", ".roe-stop"):
        expect(panel.locator(gone)).to_be_hidden()
    expect(panel.locator("[aria-live=polite]")).to_have_text(GONE)


@pytest.mark.parametrize("how", ENDS)
def test_a_kernel_that_ends_stops_the_panel(lab: Lab, how: str) -> None:
    """Restarted, shut down or replaced: the clock stops, the button goes, the way back to the query is told."""
    cell = lab.run_cell(LIVE)
    panel = panel_in(cell)
    lab.wait(cell)
    end_kernel(lab, ENDS[how])
    expect_a_calm_end(panel)
    found = Axe().run(lab.page, context=".jp-Cell-outputWrapper .roe")
    assert found.violations_count == 0, found.generate_report()
    lab.screenshot(f"panel-gone-{how.replace(' ', '-')}", panel)


def test_a_kernel_that_crashes_in_a_query_stops_the_panel(lab: Lab) -> None:
    """A kernel that is killed while its cell blocks ends the same way, and the id can still be copied."""
    lab.page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    cell = lab.run_cell(f"{LIVE}time.sleep(300)")
    panel = panel_in(cell)
    os.kill(int(cell.locator(".jp-OutputArea-output pre").first.text_content() or ""), signal.SIGKILL)
    expect_a_calm_end(panel)
    lab.page.locator(".jp-Dialog").get_by_role("button", name="Ok").click()
    panel.get_by_role("button", name="Copy the query id").click()
    expect(panel.locator("[aria-live=polite]")).to_have_text("Query id copied")
    assert lab.page.evaluate("navigator.clipboard.readText()") == ID


def test_a_panel_that_was_saved_with_its_state_does_not_tick(lab: Lab) -> None:
    """Where a notebook keeps widgets with their state, a panel from before a query's end opens stopped."""
    cell = lab.run_cell(LIVE + "import ipywidgets, json; print(json.dumps(ipywidgets.Widget.get_manager_state()))")
    panel_in(cell)
    lab.wait(cell)
    state = json.loads((cell.locator(".jp-OutputArea-output pre").last.text_content() or "").splitlines()[-1])
    mime = "application/vnd.jupyter.widget-state+json"
    model = "window.jupyterapp.shell.currentWidget.context.model"
    lab.page.evaluate(f"state => {model}.setMetadata('widgets', state)", {mime: state})
    lab.save()
    lab.close()
    lab.reload()
    expect_a_calm_end(panel_in(lab.page.locator(".jp-Notebook")))


def test_a_notebook_saved_in_mid_query_names_the_query(lab: Lab) -> None:
    """Once the id is known the widget is published anew in its place: one panel, and the saved text has the id."""
    cell = lab.run_cell(SETUP + "d = Display(); d.show(replaced(query, query_id=None))")
    expect(panel_in(cell).locator(".roe-pill")).to_have_text("SUBMITTING")
    other = lab.run_cell("d.show(replaced(query, status='PENDING', elapsed=1.0, queued=1.0))")
    lab.wait(other)
    expect(cell.locator(".roe-pill")).to_have_text(["PENDING"])
    expect(other.locator(".roe")).to_have_count(0)
    data = lab.save().cells[-2].outputs[0].data
    assert "application/vnd.jupyter.widget-view+json" in data
    assert f"%roe result {ID}" in data["text/plain"]
    assert f"%roe result {ID}" in data["text/html"]
    lab.wait(lab.run_cell("d.finish(replaced(query, status='SUCCESS', live=False))"))
    expect(cell.locator("details summary")).to_contain_text("SUCCESS")
    expect(cell.locator(".roe")).to_have_count(0)


def _notebook_with(data: dict[str, str]) -> Any:
    notebook = empty_notebook()
    output = nbformat.v4.new_output("display_data", data=data)
    notebook.cells.append(nbformat.v4.new_code_cell("%%roe\nSELECT 1", outputs=[output]))
    return notebook
