"""The whole way in a real JupyterLab: `%%roe` on the real local service, watched while the cell blocks."""

from __future__ import annotations

import re

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import expect

from tests.browser.harness import Lab

pytestmark = pytest.mark.browser

# Bounded by time, not by the machine's speed: every block sleeps a little, so that it takes about 5 s.
FIVE_SECONDS = """%%roe
SELECT count() AS n, max(sleepEachRow(0.00005)) AS slept
FROM numbers(100000)
SETTINGS max_block_size = 2000, max_threads = 1"""


def test_a_query_is_watched_while_its_cell_blocks_and_ends_in_rows(roe: Lab) -> None:
    """State, clock and three rising figures are seen while the cell blocks; then one line of story, and rows."""
    cell = roe.run_cell(FIVE_SECONDS)
    panel = cell.locator(".roe")
    expect(panel.locator(".roe-pill")).to_have_text(re.compile("PENDING|STARTED"))
    seen = [panel.locator(".roe-elapsed").text_content()]
    figures = [0]
    for _ in range(3):
        roe.page.wait_for_function(
            "than => Number(document.querySelector('.roe')?.dataset.readRows) > than", arg=figures[-1]
        )
        figures.append(int(panel.get_attribute("data-read-rows") or 0))
        seen.append(panel.locator(".roe-elapsed").text_content())
    assert figures == sorted(set(figures))
    assert len(set(seen)) > 2
    expect(cell.locator(".jp-InputPrompt").first).to_have_text("[*]:")
    roe.screenshot("roe-live", cell)
    roe.wait(cell)
    expect(cell.locator("details summary")).to_contain_text("SUCCESS")
    expect(cell.locator("table")).to_contain_text("100000")
    expect(cell.locator(".roe")).to_have_count(0)
    roe.screenshot("roe-done", cell)


def test_cancel_stops_the_engine(roe: Lab) -> None:
    """Cancel, pressed while the cell blocks, ends the query at the service and the cell with QueryRevoked."""
    cell = roe.run_cell("%%roe\nSELECT count() FROM numbers(50000000000) WHERE NOT ignore(sipHash64(number))")
    cell.locator(".roe").get_by_role("button", name="Cancel").click()
    expect(cell.locator(".roe")).to_have_count(0)
    expect(cell.locator("details summary")).to_contain_text("REVOKED")
    expect(cell).to_contain_text("QueryRevoked")


def test_a_cell_is_good_for_assistive_technology_in_both_themes(roe: Lab) -> None:
    """axe-core finds no serious violation in a cell with rows and a notice and in one that failed, light and dark."""
    rows = roe.run_cell(
        "%%roe\nSELECT number AS n, toString(number) AS s, now() AS t, NULL AS nothing FROM numbers(12) FORMAT CSV"
    )
    roe.wait(rows)
    expect(rows).to_contain_text("10 of 12 rows")
    expect(rows).to_contain_text("FORMAT CSV was ignored")
    failed = roe.run_cell("%%roe\nSELECT nope")
    roe.wait(failed)
    expect(failed).to_contain_text("UNKNOWN_IDENTIFIER, see above")
    for theme in ("dark", "light"):
        roe.theme(theme)
        roe.make_room(None)
        found = Axe().run(roe.page, context=".jp-Cell-outputWrapper")
        serious = [item for item in found.response["violations"] if item["impact"] in ("serious", "critical")]
        assert serious == [], found.generate_report()
        roe.screenshot(f"roe-rows-{theme}", rows)
        roe.screenshot(f"roe-failed-{theme}", failed)
