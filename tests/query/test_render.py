"""Rows as HTML and as text: what a cell is decides how it is laid out, and what is left out is said."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from html.parser import HTMLParser
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from roe_magic import frames
from roe_magic.contract import models
from roe_magic.query import render
from roe_magic.query.render.statements import _HTML_BUDGET, _TEXT_BUDGET
from roe_magic.query.statement_result import StatementResult

URL = "https://example.org/" + "abcdef0123456789" * 14


def result(types: dict[str, str], *rows: list[Any], sql: str = "SELECT 1", **fields: Any) -> StatementResult:
    """Make the result of a statement from its columns' names and types, and its rows."""
    names, column_types = list(types), list(types.values())
    table = frames.from_rows(names, column_types, rows)
    statement = models.Statement(
        query=sql, column_names=names, column_types=column_types, result_rows=table, row_count=len(rows)
    )
    return StatementResult(replace(statement, **fields), {})


def text_of(*results: StatementResult, limit: int | None = 10) -> list[str]:
    return render.text(results, limit, variable="q").split("\n")


class Cells(HTMLParser):
    """The cells and blocks of a piece of HTML: the style and the text of each, and every text between two tags."""

    def __init__(self, *results: StatementResult, limit: int | None = 10) -> None:
        super().__init__()
        self.styles: list[str] = []
        self.texts: list[str] = []
        self.between: list[str] = []
        self.blocks: list[str] = []
        self._open: list[str] = []
        self.source = render.html(results, limit, variable="q")
        self.feed(self.source)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._open.append(tag)
        if tag == "td":
            self.styles.append(dict(attrs)["style"] or "")
            self.texts.append("")
        if tag == "pre":
            self.blocks.append("")

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.between.append(data)
        if "td" in self._open:
            self.texts[-1] += data
        if "pre" in self._open:
            self.blocks[-1] += data

    def styled(self) -> Iterator[tuple[str, dict[str, str]]]:
        """Yield the text of each cell and its style."""
        for text, style in zip(self.texts, self.styles, strict=True):
            yield text, dict(part.split(":", 1) for part in style.split(";"))  # type: ignore[misc]


SCALARS = [
    ("UInt8", 1, "right"),
    ("Nullable(Int64)", -5, "right"),
    ("LowCardinality(UInt8)", 7, "right"),
    ("LowCardinality(Nullable(Float64))", 1.5, "right"),
    ("SimpleAggregateFunction(sum, UInt64)", 8, "right"),
    ("Int256", "-" + "9" * 76, "right"),
    ("Decimal(76, 3)", "9" * 70 + ".125", "right"),
    ("Float64", "nan", "right"),
    ("String", "x" * 60, "left"),
    ("String", "1", "left"),
    ("DateTime64(9, 'UTC')", "2024-05-01 10:00:00.123456789+00:00", "left"),
    ("UUID", "61f0c404-5cb3-11e7-907b-a6006ad3dba0", "left"),
    ("Enum8('New York City' = 1)", "New York City", "left"),
    ("IPv6", "2001:db8:85a3:8d3:1319:8a2e:370:7348", "left"),
    ("Bool", True, "left"),
    ("Array(UInt8)", [1, 2], "left"),
    ("Map(String, UInt8)", {"a": 1}, "left"),
]


@pytest.mark.parametrize(("type_name", "value", "side"), SCALARS)
def test_what_fits_on_a_line_never_wraps(type_name: str, value: Any, side: str) -> None:
    """In HTML, and no digit is lost as text; numbers stand at the right, whatever their type is wrapped in."""
    shown = result({"a": type_name, "wide name of a column": type_name}, [value, value])
    ((text, style), _) = Cells(shown).styled()
    assert (style["white-space"], style["text-align"], "max-width" in style) == ("pre", side, False)
    line = text_of(shown)[2]
    assert re.split(" {2,}", line.strip()) == [text, text]
    assert line.endswith(" " + text if side == "right" else text)
    assert "…" not in text


@pytest.mark.parametrize(
    ("type_name", "value", "beginning"),
    [
        ("String", URL, URL),
        ("LowCardinality(String)", "some prose " * 30, "some prose some"),
        ("String", "first\n" + "x" * 61, "first\nxxx"),
        ("Array(UInt64)", list(range(100)), "[0, 1, 2"),
        ("Tuple(a String, b UInt8)", {"a": URL, "b": 1}, '{"a": "https'),
        ("JSON", {"k": [URL]}, '{"k": ["https'),
    ],
)
def test_what_is_longer_wraps_inside_its_cell(type_name: str, value: Any, beginning: str) -> None:
    """Not over the next column: the width is limited, and a word breaks where it must."""
    shown = result({"a": type_name, "n": "String"}, [value, "next"])
    (text, style), _ = Cells(shown).styled()
    assert (style["white-space"], style["overflow-wrap"]) == ("pre-wrap", "break-word")
    assert (style["min-width"], style["max-width"]) == ("20em", "40em")
    assert text.startswith(beginning)
    lines = text_of(shown)[:-1]
    assert {line[62:] for line in lines if len(line) > 62} <= {"n", "-" * 4, "next"}
    whole = "".join(line[:60] for line in lines[2:]).replace("↵", "").replace(" ", "")
    assert text.replace("\n", "").replace(" ", "") == whole


@pytest.mark.parametrize(
    ("type_name", "value", "kept"),
    [("String", "x" * 5000, "x" * 500), ("Array(String)", ["x" * 4996], '["' + "x" * 498)],
)
def test_a_cell_that_is_cut_tells_how_much_is_left(type_name: str, value: Any, kept: str) -> None:
    """Of a text and of JSON text, as HTML and as text."""
    shown = result({"a": type_name}, [value], [value])
    assert Cells(shown).texts == [f"{kept} … (4,500 more characters)"] * 2
    assert "".join(text_of(shown)[2:-1]) == f"{kept} … (4,500 more characters)" * 2


def test_white_space_is_kept() -> None:
    """Spaces, tabs and line ends, in cells and in names; hidden characters still have names."""
    values = ["  two  spaces ", "a\tb", "one\n  two\n\nfour", "\u202ex\x00"]
    shown = result({"two  spaces\nand a line": "String"}, *([value] for value in values))
    cells = Cells(shown)
    assert cells.texts == [*values[:3], "<U+202E>x<U+0000>"]
    assert "two  spaces\nand a line" in cells.between
    assert text_of(shown) == [
        *("two  spaces↵", "and a line", "-" * 17),
        *("  two  spaces ", "a       b", "one↵", "  two↵", "↵", "four", "<U+202E>x<U+0000>", "4 rows × 1 column"),
    ]


def test_rows_of_several_lines_stay_aligned() -> None:
    """What is beside a text of several lines stands on its first one; wide characters count as two."""
    shown = result({"n": "UInt64", "s": "String", "日本": "String"}, [1, "a\nb", "日本語"], [100, "é", "x"])
    assert text_of(shown) == [
        *("  n  s   日本", "---  --  ------", "  1  a↵  日本語", "     b", "100  é   x", "2 rows × 3 columns"),
    ]


def test_nothing_is_taken_for_mathematics() -> None:
    """In cells, names, types, headings and totals."""
    attack = r"from $5 to $10, \(x\) \[y\] \begin{z}\end{z} \$ \\"
    cells = result({attack: "String", "e": "Enum8('$a$' = 1)"}, [attack, "$a$"], sql=attack, totals=[attack, "$a$"])
    pages = Cells(cells, result({"m": "Map(String, String)"}, [{"$k$": "\\(v\\)"}]))
    assert [piece for piece in pages.between if re.search(r"[$\\]", piece) and len(piece) > 1] == []
    whole = "".join(pages.between)
    assert whole.count(attack) == 4
    assert "Enum8('$a$' = 1)" in whole


TABLE_SQL = "CREATE TABLE t\n(\n    `a` UInt8 COMMENT 'of $5 & <b>'\n)\nENGINE = Memory"


def test_a_single_long_text_is_a_block_and_whole() -> None:
    """As SHOW CREATE TABLE gives it; of a short one a table is made."""
    shown = result({"statement": "String"}, [TABLE_SQL], sql="SHOW CREATE TABLE t")
    assert Cells(shown).blocks == [TABLE_SQL]
    assert text_of(shown) == ["statement", "---------", *TABLE_SQL.split("\n"), "1 row × 1 column"]
    assert Cells(result({"s": "String"}, ["y" * 5000])).blocks == ["y" * 5000]
    assert Cells(result({"s": "String"}, ["y" * 60])).blocks == []
    assert Cells(result({"n": "UInt256"}, ["9" * 78])).blocks == []
    assert Cells(result({"s": "String"}, ["y" * 5000], ["z"])).blocks == []


def test_a_block_keeps_its_first_line_end() -> None:
    """A browser drops the one that follows the tag."""
    assert "<pre" in (page := Cells(result({"s": "String"}, ["\n\n  x"])).source)
    assert ">\n\n\n  x</pre>" in page


def test_a_block_tells_where_it_ends() -> None:
    """After 100,000 characters."""
    text = "x" * 250_000
    for shown in (Cells(result({"s": "String"}, [text])).blocks[0], render.text([result({"s": "String"}, [text])], 10)):
        assert "x" * 100_000 + " … (150,000 more characters)" in shown


@pytest.mark.parametrize("sql", ["EXPLAIN AST SELECT 1", "-- why\n explain PLAN SELECT 1"])
def test_the_lines_of_explain_are_a_block(sql: str) -> None:
    """All of them, with their indentation."""
    lines = [" " * number + "Expression" for number in range(30)]
    shown = result({"explain": "String"}, *([line] for line in lines), sql=sql)
    assert Cells(shown).blocks == ["\n".join(lines)]
    assert text_of(shown) == ["explain", "-------", *lines, "30 rows × 1 column"]


@pytest.mark.parametrize("word", ["DESCRIBE", "desc", "SHOW", "/* */ EXISTS", "CHECK", "EXPLAIN"])
def test_statements_about_tables_are_shown_whole(word: str) -> None:
    """Whatever the displaylimit; up to 1,000 rows, and a long type in full."""
    columns = {"name": "String", "type": "String"}
    shown = result(columns, *([f"c{number}", "T" * 3000] for number in range(19)), sql=f"{word} t")
    assert len(Cells(shown, limit=3).texts) == 38
    assert Cells(shown, limit=3).texts[1] == "T" * 3000
    assert text_of(shown)[-1] == "19 rows × 2 columns"
    many = result(columns, *([f"c{number}", ""] for number in range(1200)), sql=f"{word} t")
    assert text_of(many)[-1] == "1,000 of 1,200 rows × 2 columns · all: q.df()"


@pytest.mark.parametrize(
    ("rows", "limit", "line"),
    [
        (10, 10, "10 rows × 1 column"),
        (2_131_000, 10, "10 of 2,131,000 rows × 1 column · more: %config RoeMagic.displaylimit = 100 · all: q.df()"),
        (2_131_000, 100, "100 of 2,131,000 rows × 1 column · more: %config RoeMagic.displaylimit = 1000 · all: q.df()"),
        (2_131_000, None, "1,000 of 2,131,000 rows × 1 column · all: q.df()"),
        (1, 10, "1 row × 1 column"),
        (0, 10, "0 rows × 1 column"),
    ],
)
def test_the_size_tells_how_to_see_more(rows: int, limit: int | None, line: str) -> None:
    """In full figures; the same as HTML."""
    table = pa.table({"n": pa.nulls(rows, pa.uint32())})
    shown = StatementResult(models.Statement(column_names=["n"], column_types=["UInt32"], result_rows=table), {})
    assert text_of(shown, limit=limit)[-1] == line
    assert Cells(shown, limit=limit).between[-1] == line


def test_of_several_statements_each_tells_its_own_way_to_more() -> None:
    """By its number."""
    numbers = result({"n": "UInt8"}, *([number] for number in range(12)))
    assert [line.rpartition(" ")[2] for line in text_of(numbers, numbers) if "of 12" in line] == ["q.df(0)", "q.df(1)"]


def test_columns_beyond_the_width_are_left_out_and_it_is_said() -> None:
    """Fifty in HTML; as text so many as fit on a line, whole and aligned."""
    names = {f"c{number}": "String" for number in range(80)}
    shown = result(names, ["x" * 18] * 80, ["y"] * 80)
    assert Cells(shown).between[-1] == "2 rows × 80 columns (50 columns shown) · all: q.df()"
    *table, size = text_of(shown)
    assert size == "2 rows × 80 columns (10 columns shown) · all: q.df()"
    assert [len(line) for line in table] == [182, 198, 198, 181]
    one = render.text([shown], 10, width=5, variable="q")
    assert one.splitlines()[2:] == ["x" * 18, "y", "2 rows × 80 columns (1 column shown) · all: q.df()"]


def test_nothing_null_empty_and_not_a_number_differ() -> None:
    """NULL is marked, an empty text is empty, and a text that reads NULL is in quotes where there are no styles."""
    shown = result(
        {"s": "Nullable(String)", "x": "Float64"}, [None, "nan"], ["NULL", "inf"], ["", "-inf"], ["nan", 1.0]
    )
    assert "<i " in (page := Cells(shown)).source.split("</td>")[0]
    assert page.source.count("<i ") == 1
    assert page.texts == ["NULL", "nan", "NULL", "inf", "", "-inf", "nan", "1.0"]
    assert text_of(shown)[2:-1] == ["NULL     nan", "'NULL'   inf", "        -inf", "nan      1.0"]


def test_long_names_and_types_stay_in_their_place() -> None:
    """A long name wraps; the type is shortened, and whole in the title."""
    kind = "Enum8(" + ", ".join(f"'label {number}' = {number}" for number in range(20)) + ")"
    shown = result({"countIf(status = 'SUCCESS') + " * 4: kind}, ["label 1"])
    head = Cells(shown).source.split("</thead>")[0]
    assert "max-width:40em" in head
    assert "Enum8(&#x27;label 0&#x27; = 0, &#x27;label 1&#x27;…" in head
    assert "&#x27;label 19&#x27; = 19" in head
    assert max(map(len, text_of(shown)[:-1])) == 60


@pytest.mark.parametrize(
    ("type_name", "cell"),
    [("UInt64", 18_446_744_073_709_551_615), ("String", "$\\<é" * 300), ("Array(UInt8)", [1] * 99)],
)
def test_the_largest_table_stays_small(type_name: str, cell: Any) -> None:
    """A thousand rows of fifty columns are under a megabyte, HTML and text together, and what is left out is said."""
    types = {f"c{number}": type_name for number in range(50)}
    shown = result(types, *[[cell] * 50] * 1000)
    html, text = render.html([shown], None), render.text([shown], None)
    assert len(html.encode()) + len(text.encode()) < 1_000_000
    assert re.search(r"\d of 1,000 rows × 50 columns · all", html)
    assert "× 50 columns (" in text


def test_many_statements_stay_small_together() -> None:
    """What the first ones have taken is not there for the others; each shows a row at least."""
    shown = [result({"s": "String"}, *[["x" * 400]] * 100) for _ in range(40)]
    html, text = render.html(shown, None, variable="q"), render.text(shown, None, variable="q")
    assert len(html) < _HTML_BUDGET + 40 * 2000
    assert len(text) < _TEXT_BUDGET + 40 * 1000
    assert "1 of 100 rows × 1 column · all: q.df(39)" in html


TEXTS = st.text(st.characters(codec="utf-8") | st.sampled_from("$\\ \n\t<&'\"日\u202e"), max_size=90)


@settings(deadline=None, max_examples=200)
@given(st.lists(st.tuples(TEXTS, st.none() | TEXTS), min_size=1, max_size=4), TEXTS)
def test_any_text_is_shown_and_nothing_gets_out_of_its_place(rows: list[tuple[str, str | None]], name: str) -> None:
    """HTML whose cells read as the values do, without mathematics; lines of text no wider than they may be."""
    shown = result({name or "n": "String", f"{name}2": "Nullable(String)"}, *map(list, rows))
    page = Cells(shown)
    assert len(page.texts) == 2 * len(rows)
    plain = [text for text in page.texts if "<U+" not in text]
    values = ["NULL" if cell is None else cell.replace("\r\n", "\n") for row in rows for cell in row]
    assert set(plain) <= set(values)
    assert [piece for piece in page.between if re.search(r"[$\\]", piece) and len(piece) > 1] == []
    assert len(render.text([shown], 10).splitlines()) >= len(rows) + 3
