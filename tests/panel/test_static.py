"""The panel written down: HTML for any page that shows notebooks, text for terminals."""

import re
import subprocess
import sys
from datetime import timedelta
from html import unescape

import pytest

from roe_magic.formatting import moment
from roe_magic.panel import html, text
from roe_magic.panel.static import TONES
from roe_magic.query.query_state import QueryState
from tests.support.html_page import Page
from tests.support.query_states import CREATED, query_state, replaced

ID = "8f3a2c1d-3b52-4d0f-9a51-0d1b3c5a7e42"
DONE = query_state(
    sql="SELECT 1\nFROM t",
    server="https://api.roe-ai.com",
    organization="Acme",
    query_id=ID,
    status="SUCCESS",
    elapsed=4.4,
    duration=4.2,
    queued=0.2,
    running=4.0,
    rows=3,
    columns=2,
    live=False,
)
END = f"ended {moment(CREATED + timedelta(seconds=4.2))}"
FAILED = replaced(DONE, status="FAILURE", error="Missing columns: 'x' (UNKNOWN_IDENTIFIER)", hint="Look.")
ATTACK = "</pre><script>alert(1)</script><img src=x onerror=alert(1)>\"'&\u202e\x1b[2J"


def test_a_finished_query_is_one_line_with_the_rest_folded() -> None:
    """The outcome stands in the summary; server, id, times and SQL are behind it."""
    summary, _, folded = html(DONE).partition("</summary>")
    assert Page(summary.split("<summary", 1)[1].split(">", 1)[1]).text.split("\u2002") == [
        "SUCCESS",
        f"in 4.2 s · 3 rows, 2 columns · {END} · 8f3a2c1d",
    ]
    for piece in ("https://api.roe-ai.com", "Acme", ID, "Queued: 200 ms", "SELECT 1\nFROM t"):
        assert piece in folded


def test_one_click_selects_the_whole_id() -> None:
    """Without a kernel no button could copy it, so a click on it selects it."""
    assert f'<code style="user-select:all; display:block">{ID}</code>' in html(DONE)


def test_an_error_is_seen_without_unfolding() -> None:
    """Message and hint stand outside the fold, each apart."""
    after = html(FAILED).partition("</details>")[2]
    assert re.findall(r">([^<>]+)</", after) == ["Missing columns: &#x27;x&#x27; (UNKNOWN_IDENTIFIER)", "Look."]


@pytest.mark.parametrize("field", ["sql", "server", "organization", "query_id", "status", "error", "hint", "notices"])
def test_strings_of_the_server_are_never_markup(field: str) -> None:
    """Markup in any string arrives as text, and hidden characters by name."""
    hostile = {field: [ATTACK] if field == "notices" else ATTACK}
    page = Page(html(replaced(FAILED, notice="Look out.", **hostile)))
    assert set(page.tags) <= {"div", "details", "summary", "span", "code", "pre", "b"}
    assert page.attributes <= {"style"}
    assert page.open == []
    assert not {"\u202e", "\x1b"} & set(page.text)
    assert "alert(1)" in page.text
    assert "\x1b" not in text(replaced(FAILED, **hostile))


@pytest.mark.parametrize(
    "field", ["sql", "server", "organization", "query_id", "status", "error", "hint", "notice", "notices"]
)
def test_nothing_is_taken_for_mathematics(field: str) -> None:
    """Dollars and backslashes stand alone in an element, but for a block, in which nothing is typeset."""
    formula = r"$a_1$ \(x\) \begin{z}"
    page = html(replaced(FAILED, **{"notice": "n", field: [formula] if field == "notices" else formula}))
    outside = re.sub(r"<pre.*?</pre>|<code.*?</code>", "", page, flags=re.DOTALL)
    assert [text for text in re.findall(r">([^<]+)<", outside) if re.search(r"[$\\]", text) and len(text) > 1] == []
    assert formula in Page(page).text


def test_rows_that_a_semicolon_hides_are_told() -> None:
    """In the line of a success with rows, and nowhere else."""
    words = "rows hidden by the closing ;"
    assert text(DONE, rows_hidden=True) == f"SUCCESS in 4.2 s · 3 rows, 2 columns · {END} · {words} · {ID}"
    assert f"3 rows, 2 columns · {END} · {words} · {ID[:8]}" in Page(html(DONE, rows_hidden=True)).text
    for state in (FAILED, replaced(DONE, columns=0), replaced(DONE, rows=None), replaced(DONE, status="REVOKED")):
        assert words not in text(state, rows_hidden=True)


def test_long_sql_and_long_messages_are_cut_in_the_middle() -> None:
    """Both ends are shown and the rest is counted, in less than ten kilobytes as HTML and text together."""
    long = replaced(FAILED, sql="SELECT '" + "x" * 400_000 + "' AS last", error="what: " + "y" * 400_000 + " (CODE)")
    page, line = html(long), text(long)
    for shown in (page, line):
        assert re.search(r"what: y+ … \(398,5\d\d characters left out\) … y+ \(CODE\)", shown)
    assert re.search(r"SELECT 'x+ … \(398,0\d\d characters left out\) … x+' AS last", page)
    assert len(page) + len(line) < 10_000


def test_styles_are_inline_and_fetch_nothing() -> None:
    """No style element, class, script or address of another place is needed to read it."""
    page = html(FAILED)
    assert not re.search(r"<style|class=|<script|url\(|src=|href=", page)


def test_the_pill_reads_well_on_any_page() -> None:
    """White on each tone has a contrast of at least 4.5, whatever the page's own colours are."""
    assert {tone: _contrast_with_white(colour) >= 4.5 for tone, colour in TONES.items()} == dict.fromkeys(TONES, True)


def test_the_text_is_one_line_unless_there_is_more_to_say() -> None:
    """A terminal gets the outcome with the whole id, then the error and what to do."""
    assert text(DONE) == f"SUCCESS in 4.2 s · 3 rows, 2 columns · {END} · {ID}"
    assert text(FAILED).splitlines() == [
        f"FAILURE after 4.2 s · {END} · {ID}",
        "Missing columns: 'x' (UNKNOWN_IDENTIFIER)",
        "Look.",
    ]


@pytest.mark.parametrize("state", [DONE, FAILED, replaced(DONE, status="REVOKED", rows=None)])
def test_a_notice_is_one_quiet_line_outside_the_fold(state: QueryState) -> None:
    """However the query ended: as the last lines, without a pill, a border or a colour."""
    noticed = replaced(state, notices=["FORMAT CSV was ignored:\nrows have types.", "<b>"])
    lines = ["FORMAT CSV was ignored: rows have types.", "<b>"]
    assert text(noticed).splitlines() == [*text(state).splitlines(), *lines]
    after = html(noticed).partition("</details>")[2]
    *_, first, last = re.findall(r'<div style="([^"]*)">([^<>]+)</div>', after)
    assert [unescape(words) for _, words in (first, last)] == lines
    assert not re.search("color|border|font", first[0])


def test_a_panel_from_before_the_end_says_so() -> None:
    """What is saved when a kernel dies half-way does not look finished."""
    half = replaced(DONE, status="STARTED", live=True, duration=None)
    assert "ended" not in text(half)
    way_back = f"Saved before the query's end. Come back to it with: %roe result {ID}"
    assert text(half) == f"STARTED running for 4.4 s so far · {ID}\n{way_back}"
    assert Page(html(half)).text.endswith(way_back)
    assert "Saved before" not in text(DONE) + html(DONE)
    assert text(replaced(DONE, status=None, live=True, query_id=None)) == "SUBMITTING for 4.4 s so far"


def test_importing_the_panel_loads_no_widget_library() -> None:
    """A terminal or a batch run pays for no widgets."""
    program = "import sys, roe_magic.panel; print(sorted({'IPython', 'ipywidgets', 'anywidget'} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout == "[]\n"


def _contrast_with_white(colour: str) -> float:
    channels = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return 1.05 / (0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2] + 0.05)
