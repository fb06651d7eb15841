"""Rows and panels as JupyterLab lays them out, in a notebook that it trusts and in one that it does not."""

from __future__ import annotations

import re
from typing import Any

import nbformat
import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Locator, expect

from tests.browser.harness import THEMES, Lab

pytestmark = pytest.mark.browser

URL = "https://example.org/" + "abcdef0123456789" * 14
UUID = "toUUID('61f0c404-5cb3-11e7-907b-a6006ad3dba0')"
MOMENT = "toDateTime64('2024-05-01 10:00:00.123', 3, 'UTC')"
SCALARS = ", ".join(f"{MOMENT} AS moment_{i}, {UUID} AS id_{i}, 'New York City' AS city_{i}" for i in range(5))
# What a cell runs, by what it is for.
CASES = {
    "long-text": f"SELECT '{URL}' AS url, 'next' AS n, repeat('some prose that goes on, ', 60) AS prose, 7 AS seven",
    "scalars": f"SELECT {SCALARS}, -1.5 AS x, [1, 2] AS list, repeat('a b ', 60) AS prose",
    "white-space": "SELECT '  two  spaces ' AS s, 'a\\tb' AS t, 'one\\n  two\\n\\nfour' AS lines, 1 AS n",
    "explain": "EXPLAIN AST SELECT number + 1 FROM numbers(3) WHERE number > 1",
    "create": "SHOW CREATE TABLE screen",
    "describe": "DESCRIBE screen",
    "mathematics": r"""SELECT 'from $5 to $10' AS p, '$a_1$' AS `$b$ and $c$`, '\\(x\\) \\[y\\]' AS `\\(name\\)`,
        '\\begin{equation}z\\end{equation} \\ref{a} \\$5 C:\\\\dir' AS e, map('$k$', '$v$') AS m, 'a$b$' AS `$d$`""",
    "statements": "SELECT 'x$1' AS `$a$`; SELECT '$1 $2 $3' AS b, NULL AS nothing, '' AS empty, nan AS n, 'nan' AS t",
    "error": "SELECT `$a_1$ and $b$`",
    "markup": "SELECT '<b>bold</b>' AS `<i>`, 'a&amp;b' AS `a\nb`",
    "totals": "SELECT number % 2 AS k, sum(number) AS total FROM numbers(5) GROUP BY k WITH TOTALS ORDER BY k",
    "hidden": "SELECT 1;",
    "wide": f"SELECT {', '.join(f'{i} AS c{i}' for i in range(60))} FROM numbers(12)",
}
COLUMNS = ", ".join(f"column_{i} Nullable(String) COMMENT 'of $5'" for i in range(19))
CREATE = f"%%roe --use-admin\nCREATE TABLE screen ({COLUMNS}) ENGINE = MergeTree ORDER BY tuple()"
# Of each cell of a table: whether it is one line that never wraps, how many lines high its text is, how far that
# goes beyond the cell on the right, and the text.
MEASURE_CELLS = """output => [...output.querySelectorAll('th, td')].map(cell => {
  const range = document.createRange();
  range.selectNodeContents(cell);
  const [text, box, style] = [range.getBoundingClientRect(), cell.getBoundingClientRect(), getComputedStyle(cell)];
  const lines = cell.querySelector('div') ? 1 : text.height / (1.3 * parseFloat(style.fontSize));
  return [style.whiteSpace, Math.round(lines), text.right - box.right, cell.textContent];
})"""
ADD_FORMULA = """() => {
  const cells = window.jupyterapp.shell.currentWidget.content.model.sharedModel;
  cells.insertCell(cells.cells.length, { cell_type: "markdown", source: "$a$" });
}"""


@pytest.fixture(scope="module")
def saved() -> dict[str, Any]:
    """The notebook with all cases, once it has been run."""
    return {}


@pytest.fixture(params=["trusted", "untrusted"])
def trust(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def shown(trust: str, roe: Lab, saved: dict[str, Any]) -> Lab:
    """The notebook with the outputs of all cases, or a copy of it that nobody has signed."""
    if "notebook" not in saved:
        for cell in (CREATE, *(f"%%roe\n{sql}" for sql in CASES.values())):
            roe.wait(roe.run_cell(cell))
        roe.page.evaluate(ADD_FORMULA)
        saved["notebook"] = roe.save()
    notebook = nbformat.from_dict(saved["notebook"])
    if trust == "untrusted":
        notebook.cells[-1].source += " -- changed by somebody else"
    roe.close()
    roe.open(f"rows-{trust}.ipynb", notebook)
    # Cells are typeset one after the other: when the formula of the last one is there, so would be those before it.
    expect(roe.page.locator(".jp-MarkdownCell mjx-container")).to_have_count(1)
    is_trusted = roe.page.evaluate(
        """() => [...window.jupyterapp.shell.currentWidget.content.model.cells]
          .filter(cell => cell.type === 'code' && cell.outputs.length).map(cell => cell.trusted)"""
    )
    assert set(is_trusted) == {trust == "trusted"}
    return roe


def output_of(lab: Lab, case: str) -> Locator:
    """The output of a case; the cases are the last cells with code."""
    cells = lab.page.locator(".jp-Notebook .jp-CodeCell")
    return cells.nth(cells.count() - len(CASES) + list(CASES).index(case)).locator(".jp-Cell-outputArea")


def test_rows_are_shown_as_they_are(shown: Lab, trust: str) -> None:
    """Nothing is typeset, lines never wrap, long texts stay in their cells, white space is kept."""
    assert shown.page.locator(".jp-OutputArea mjx-container").count() == 0
    for text in ("from $5 to $10", "$a_1$", "$b$ and $c$", "\\(x\\) \\[y\\]", "\\(name\\)", '{"$k$": "$v$"}'):
        expect(output_of(shown, "mathematics")).to_contain_text(text)
    expect(output_of(shown, "mathematics")).to_contain_text(r"\begin{equation}z\end{equation} \ref{a} \$5 C:\\dir")
    expect(output_of(shown, "error").locator("details ~ div")).to_contain_text("`$a_1$ and $b$`")
    cells = [cell for case in CASES for cell in output_of(shown, case).evaluate(MEASURE_CELLS)]
    assert len(cells) > 500
    short = [(space, lines) for space, lines, _, text in cells if 0 < len(text) <= 60 and "\n" not in text]
    assert set(short) == {("pre", 1)}
    assert max(beyond for _, _, beyond, _ in cells) <= 0
    texts = [text for *_, text in cells]
    assert URL in texts
    assert {"  two  spaces ", "a\tb", "one\n  two\n\nfour"} <= set(texts)
    lines_high = {text: lines for _, lines, _, text in cells}
    assert (lines_high["one\n  two\n\nfour"], lines_high[URL] > 2) == (4, True)


def test_statements_about_tables_are_shown_whole(shown: Lab, trust: str) -> None:
    """DESCRIBE has all its rows; EXPLAIN and SHOW CREATE are blocks with their indentation."""
    describe, explain, create = (output_of(shown, case) for case in ("describe", "explain", "create"))
    expect(describe.locator("tbody tr")).to_have_count(19)
    expect(explain.locator("pre:not(details *)")).to_contain_text("\n    ExpressionList")
    expect(create.locator("pre:not(details *)")).to_contain_text(
        "\n    `column_18` Nullable(String) COMMENT 'of $5'\n)"
    )
    expect(output_of(shown, "hidden")).to_contain_text(
        re.compile("1 row, 1 column · ended .* · rows hidden by the closing ;")
    )


def test_a_wide_table_scrolls(shown: Lab, trust: str) -> None:
    """It is wider than the notebook, which does not become wider by it; keyboards reach all of it.

    In an untrusted notebook JupyterLab takes the attribute for Safari's keyboard away; other browsers need none.
    """
    output = output_of(shown, "scalars")
    scroller = output.locator("div:has(> table)")
    assert scroller.evaluate("scroller => scroller.scrollWidth > 2 * scroller.clientWidth")
    assert output.evaluate("output => output.scrollWidth <= output.clientWidth")
    found = Axe().run(shown.page, context=".jp-Cell-outputWrapper")
    serious = {item["id"] for item in found.response["violations"] if item["impact"] in ("serious", "critical")}
    expected = {"scrollable-region-focusable"} if trust == "untrusted" else set()
    assert serious == expected, found.generate_report()


@pytest.mark.parametrize("theme", THEMES)
def test_there_is_a_picture_of_each_case(shown: Lab, trust: str, theme: str) -> None:
    """For people to look at, in both themes; what is faint can be read in both."""
    shown.theme(theme)
    for case in CASES:
        assert shown.screenshot(f"rows-{trust}-{theme}-{case}", output_of(shown, case)).stat().st_size > 0
    found = Axe().run(shown.page, context=".jp-Cell-outputWrapper", options={"runOnly": ["color-contrast"]})
    assert found.response["violations"] == [], found.generate_report()
