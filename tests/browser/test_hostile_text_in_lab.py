"""What a hostile server writes, in the page of a real browser: text, and nothing that runs, hides or erases."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from playwright.sync_api import expect

from tests.browser.harness import Lab
from tests.support import hostile_text as evil
from tests.support.hostile_text import HOSTILE, KEY, hostile_server, problems_in
from tests.support.scripted_server import Request, Step, answer

pytestmark = pytest.mark.browser

CONNECT = "import json, os\nos.environ.update(json.load(open({file!r})))\n%load_ext roe_magic\n%roe connect"
CELLS = (
    *("%roe whoami", "%roe tables", f"%roe worksheets {evil.WORKSHEET}", f"%roe status {evil.ID}", "%roe SELECT 1"),
    "%config RoeMagic.panel = 'live'\n%config RoeMagic.progress_after = 0\n%roe SELECT 1",
    *("%roe SELECT fail", "%roe SELECT failure", "%roe worksheets nothing", "_roe"),
    "open('rows.csv', 'w').write('a\\n1\\n')\n%roe upload t rows.csv",
    "%config RoeMagic.short_errors = False\n%xmode Verbose\n%roe SELECT fail",
)
# Its panel is looked at while the query runs.
RUNNING = f"%roe result {evil.ID}"
LOOK = """() => [...document.querySelectorAll('.jp-OutputArea')].map(area => ({
  text: area.textContent,
  elements: [...area.querySelectorAll('*')].map(each => each.localName),
  attributes: [...area.querySelectorAll('*')].flatMap(each => [...each.attributes].map(a => `${a.name}=${a.value}`)),
}))"""


def script(request: Request) -> Step | None:
    sql = request.json()["query"] if request.path.endswith("/async/") else ""
    if sql == "SELECT fail":
        return answer({"detail": HOSTILE}, 401)
    if sql == "SELECT failure":
        return answer(evil.submitted(query_task_status="FAILURE", error=f"{HOSTILE} (CODE)"))
    return None


def test_a_hostile_servers_texts_are_text_in_the_page(lab: Lab, tmp_path: Path) -> None:
    """In the outputs of commands, errors, tables and panels, live and static, and in the saved notebook."""
    file = tmp_path / "environment.json"
    with hostile_server() as server:
        server.script = script
        file.write_text(json.dumps({"ROE_BASE_URL": server.url, "ROE_API_KEY": KEY, "ROE_MAX_RETRIES": "0"}))
        connected = lab.run_cell(CONNECT.format(file=str(file)))
        lab.wait(connected)
        expect(connected).to_contain_text("<script>window.owned=1</script>")
        for code in CELLS:
            cell = lab.run_cell(code)
            lab.wait(cell)
            expect(cell.locator(".jp-OutputArea").first).to_contain_text("<U+202E>")
        server.on("GET", evil.STATUS, answer(evil.status(status="STARTED", finished_at=None)))
        running = lab.run_cell(RUNNING)
        expect(running.locator(".roe")).to_contain_text("<U+202E>")
        areas = lab.page.evaluate(LOOK)
        owned = lab.page.evaluate("() => window.owned")
        server.on("GET", evil.STATUS, answer(evil.status()))
        lab.wait(running)
    assert owned is None
    assert len(areas) > len(CELLS)
    for area in areas:
        assert {"script", "img", "iframe"}.isdisjoint(area["elements"])
        # JupyterLab makes a link of an address in a text, with the address as its words.
        assert [text for text in area["attributes"] if text.startswith(("on", "href=javascript", "src=http"))] == []
        assert problems_in(area["text"] + "".join(area["attributes"]), longest=1_000_000) == []
    assert KEY not in json.dumps(lab.save())
    assert KEY not in lab.page.content()
