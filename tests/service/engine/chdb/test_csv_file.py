"""CSV files as people have them, uploaded to the real service."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from roe_magic.service.engine.chdb.database import EngineError
from roe_magic.service.engine.chdb.imports import csv_file
from tests.support import csv_uploads
from tests.support.services import Api

NO_ROWS = (
    "The file has column names but no rows, so the types of the columns are not known; "
    "choose the type of each with --types."
)
LONG_LINE = "The first line is longer than 1,048,576 characters; shorten it, or upload the file as Parquet."


def not_utf8(line: int, encoding: str) -> str:
    """Return the message for a file that is not UTF-8, and probably in another encoding."""
    return (
        f"The file is not UTF-8 (line {line}). Convert it first (iconv -f {encoding} -t utf-8), "
        f"or upload the DataFrame of pandas.read_csv(..., encoding={encoding!r})."
    )


def loaded(api: Api, content: bytes, **more: str) -> pd.DataFrame:
    """Upload a file, read its first rows back, and drop the table."""
    sent = api.http.post(
        "/v1/tables/upload/", data={"table_name": "loaded", **more}, files={"file": ("t.csv", content)}
    )
    assert sent.status_code == 201, sent.text
    preview = api.http.get("/v1/tables/loaded/preview/", params={"limit": 50}).json()
    api.http.delete("/v1/tables/loaded/")
    frame: pd.DataFrame = pd.DataFrame(
        preview["rows"], columns=[column["name"] for column in preview["columns"]], dtype=object
    )
    return frame


def refusal(api: Api, content: bytes) -> str:
    """Upload a file that must be refused; check that no table is left, and return the message."""
    sent = api.http.post("/v1/tables/upload/", data={"table_name": "refused"}, files={"file": ("t.csv", content)})
    assert sent.status_code == 400
    (message,) = sent.json()
    assert api.http.get("/v1/tables/refused/describe/").status_code == 404
    return str(message)


def test_no_column_is_lost_whatever_its_header(api: Api) -> None:
    """A column without a name gets one made of its position; unusual names are not changed."""
    found = loaded(api, b'First Name,Amount (\xe2\x82\xac),date,,first name,"a,b",1st\nx,1,2020-01-01,here,y,z,7\n')
    assert list(found) == ["First Name", "Amount (€)", "date", "column_4", "first name", "a,b", "1st"]
    assert found.loc[0].tolist() == ["x", 1, "2020-01-01", "here", "y", "z", 7]


def test_the_index_of_a_dataframe_is_a_column(api: Api) -> None:
    """A file that pandas has written keeps its index."""
    frame = pd.DataFrame({"a": [1, 2], "small": [1.5e-05, 2.0]}, index=[10, 20])
    found = loaded(api, frame.to_csv().encode())
    assert found["column_1"].tolist() == [10, 20]
    assert found["small"].tolist() == [1.5e-05, 2.0]


@pytest.mark.parametrize(
    ("header", "names"),
    [
        (["a", "a", "a"], ["a", "a_2", "a_3"]),
        (["a", "a", "a_2"], ["a", "a_3", "a_2"]),
        (["", "column_1"], ["column_1_2", "column_1"]),
        (["", "", " b "], ["column_1", "column_2", "b"]),
        (["A", "a"], ["A", "a"]),
    ],
)
def test_every_column_has_a_name_of_its_own(header: list[str], names: list[str]) -> None:
    """Names in the header are not changed if they differ; others get a number that makes them differ."""
    assert csv_file.column_names(header) == names


def test_columns_of_one_name_take_no_time() -> None:
    """A file of 40 kB would otherwise keep the engine's process busy for hours."""
    assert csv_file.column_names(["x"] * 20_000)[-1] == "x_20000"


@pytest.mark.parametrize(
    ("content", "rows"),
    [
        (b"a;b\n1,5;x y\n;z\n", [{"a": "1,5", "b": "x y"}, {"a": None, "b": "z"}]),
        (b"a\tb\tc\n1\t\tx y\n\t2\tz\n", [{"a": 1, "b": None, "c": "x y"}, {"a": None, "b": 2, "c": "z"}]),
        (b"a|b\n1|2\n", [{"a": 1, "b": 2}]),
        (b"Umsatz, EUR;Datum\n1234,56;x\n", [{"Umsatz, EUR": "1234,56", "Datum": "x"}]),
        (b'Name;"Preis, EUR";x\nA;1,5;2\n', [{"Name": "A", "Preis, EUR": "1,5", "x": 2}]),
        (b"Name;Preis, EUR\nA;1\nB;2\n", [{"Name": "A", "Preis, EUR": 1}, {"Name": "B", "Preis, EUR": 2}]),
        (b"a;b\tc\n1\t2\n", [{"a;b": 1, "c": 2}]),
        (b"Name, first\tx\nA, b\t2\n", [{"Name, first": "A, b", "x": 2}]),
        (b'a,b\n"1;2",x;y\n', [{"a": "1;2", "b": "x;y"}]),
        (b"a,b|c\n1,2|3\n", [{"a": 1, "b|c": "2|3"}]),
        (b"sep=;\r\na;b\r\n1;2\r\n", [{"a": 1, "b": 2}]),
        (b"\xef\xbb\xbfSEP=,\na,b;c\n1,2;3\n", [{"a": 1, "b;c": "2;3"}]),
        (b'"sep=;"\n"a"\n1\n', [{"a": 1}]),
        (
            b'a,b,\n1,2,\n",\n",5",\n',
            [{"a": "1", "b": "2", "column_3": None}, {"a": ",\n", "b": '5"', "column_3": None}],
        ),
        (b"notes; and more\nplain text\n", [{"notes; and more": "plain text"}]),
        (b'"two\nlines",b\r\n1,2\r\n', [{"two\nlines": 1, "b": 2}]),
        (b"\n\na,b\n1,2\n\n\n", [{"a": 1, "b": 2}]),
        (b"a\n1\n\n", [{"a": 1}, {"a": None}]),
        (b"\xef\xbb\xbfa,b\n1,2\n", [{"a": 1, "b": 2}]),
        (b'a,b\n5" pipe,2\n', [{"a": '5" pipe', "b": 2}]),
        # Python's own reader refuses NUL before 3.11.
        (b'a,b\nx\0y,1\n"\0",2\n', [{"a": "x\0y", "b": 1}, {"a": "\0", "b": 2}]),
    ],
)
def test_files_of_other_programs_are_read(api: Api, content: bytes, rows: list[dict[str, Any]]) -> None:
    """Semicolons, tabs, a byte order mark, empty lines around and line feeds in names are understood."""
    assert loaded(api, content).to_dict("records") == rows


def test_a_byte_order_mark_is_no_part_of_the_first_cell(api: Api) -> None:
    """Without headers, too, the first column is numbers."""
    assert loaded(api, b"\xef\xbb\xbf1,x\n2,y\n", with_headers="false")["column_1"].tolist() == [1, 2]


def test_a_single_row_is_separated_too(api: Api) -> None:
    """It has as many values as itself."""
    assert loaded(api, b"1;2,5\n", with_headers="false").to_dict("records") == [{"column_1": 1, "column_2": "2,5"}]


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"", "The file is empty."),
        (b"\n\n", "The file is empty."),
        (b"a,b\n", NO_ROWS),
        (b"a,b\n" + b"\n" * 3, NO_ROWS),
        (b",".join(b"column_%d" % n for n in range(100_000)) + b"\n1\n", LONG_LINE),
        (
            b'a,b\n"x" ,3,5\n',
            "The file cannot be read as CSV: line 2 has 3 values, and the first line has 2.",
        ),
        (
            b'a\tb\tc\n1\t "x\ty"\t3\n',
            "The file cannot be read as CSV: line 2 has 4 values, and the first line has 3 (separated by '\\t').",
        ),
        (b"a,b\n1,2\n3,4,5\n", "The file cannot be read as CSV: line 3 has 3 values, and the first line has 2."),
        (b'a,b\n"1\n2",2\n3\n', "The file cannot be read as CSV: line 4 has 1 value, and the first line has 2."),
        (
            b"a;b\n1;2\n3\n",
            "The file cannot be read as CSV: line 3 has 1 value, and the first line has 2 (separated by ';').",
        ),
        (
            b"a;b\nx\n1;2\n",
            "The file cannot be read as CSV: line 2 has 1 value, and the first line has 2 (separated by ';').",
        ),
        (b"a,b\n1,2, \n3,4\n", "The file cannot be read as CSV: line 2 has 3 values, and the first line has 2."),
        (b"a,b\n1,2\n3,4,", "The file cannot be read as CSV: line 3 has 3 values, and the first line has 2."),
        (
            b'a,b\r\n5","x,\n"\r\n1,2,\r\n',
            "The file cannot be read as CSV: line 4 has 3 values, and the first line has 2.",
        ),
        (b'a,b\n"1,\n",\n1,2,\n', "The file cannot be read as CSV: line 4 has 3 values, and the first line has 2."),
        (b"a\nHello,\n", "The file cannot be read as CSV: line 2 has 2 values, and the first line has 1."),
        (b"a,b\n1,2,3\n4,5,6\n", "The file cannot be read as CSV: line 2 has 3 values, and the first line has 2."),
        (b"a,b\n1,2\n\n3,4\n", "The file cannot be read as CSV: line 3 is empty."),
        (
            b'a,b\n1,"x\n2,3\n',
            "The file cannot be read as CSV: a quotation mark in the row that begins on line 2 is not closed.",
        ),
        (
            b'a,b\n1,"x"y\n2,3\n',
            "The file cannot be read as CSV: text follows a quotation mark in the row that begins on line 2.",
        ),
        ("a\nx\nBjörn\n".encode("latin-1"), not_utf8(3, "latin-1")),
        ("a\nBjörn\n".encode("utf-16"), not_utf8(1, "utf-16")),
        (b"a\nx\xc3", not_utf8(2, "latin-1")),
        (b"a,b\r1,2\r", "The file's lines end in a carriage return alone; convert them to line feeds first."),
        (
            b"a,b\nx\ry,1\n2,3\n",
            "The file cannot be read as CSV: a carriage return stands in a value without quotation marks on line 2.",
        ),
        (b"a\0b,c\n1,2\n", "The first line holds no column names: there are NUL characters in it."),
    ],
)
def test_a_file_that_cannot_be_read_is_refused_in_a_sentence(api: Api, content: bytes, says: str) -> None:
    """The sentence names the line, and no table is left."""
    assert refusal(api, content) == says


@pytest.mark.parametrize("content", [b"n,d\n", b"n,d", b"\n\nn;d\r\n\r\n"])
def test_column_names_alone_become_a_table_if_the_types_are_declared(api: Api, content: bytes) -> None:
    """There are no values from which the types could be known otherwise."""
    found = csv_uploads.upload(api, content, {"n": "Int64", "d": "DateDMY"})
    assert (found.types, found.rows) == (["Int64", "Date"], [])
    assert csv_uploads.refusal(api, content, {"n": "Int64"}) == NO_ROWS


def test_the_line_that_is_not_utf8_is_found_in_a_long_file(tmp_path: Path) -> None:
    """A character that spans two chunks is read as one, and lines are counted across chunks."""
    path = tmp_path / "long.csv"
    text = ("a" * 9 + "\n").encode() * 104857 + "abcdeé\n".encode()  # the é lies at 2**20 - 1
    path.write_bytes(text)
    assert csv_file.prepare(path, with_headers=True).names == ["aaaaaaaaa"]
    path.write_bytes(text + b"\xff\n")
    with pytest.raises(EngineError, match=r"line 104859\)"):
        csv_file.prepare(path, with_headers=True)


def test_the_error_for_an_existing_table_says_how_to_replace_it(api: Api) -> None:
    """The message shows how to replace the table, and none of the service's own names."""
    assert api.upload("odd", "a\n1\n").status_code == 201
    (message,) = api.upload("odd", "a,b\n1\n").json()
    assert message == (
        "A table named 'odd' exists already; delete it first (in a notebook: %roe upload odd FILE --replace)."
    )
    api.http.delete("/v1/tables/odd/")


def test_messages_do_not_show_the_database(api: Api) -> None:
    """Error messages do not show the name of the organisation's database."""
    assert api.upload("oddly", "a\n1\n").status_code == 201
    for sql in ("CREATE TABLE oddly (a Int8) ENGINE = Memory", "SELECT * FROM oddl", "DROP TABLE oddl"):
        query = api.submit(sql, use_admin=True)
        error = api.status(query["id"])["error"]
        assert "oddly" in error
        assert "org_" not in error
    api.http.delete("/v1/tables/oddly/")


def test_a_refused_write_says_how_to_write_from_a_notebook(api: Api) -> None:
    """The API's field and the notebook's flag are both named."""
    error = api.status(api.submit("DROP TABLE x")["id"])["error"]
    assert "use_admin" in error
    assert "%%roe --use-admin" in error


@pytest.mark.parametrize(
    ("content", "is_stray"),
    [
        (b'a,b\n"x, ""y""",1\n"",2\n', False),
        (b'"a";"b"\r\n"x\r\ny";"""z"""', False),
        (b'a,b\n5" pipe,2\n', True),
        (b'a,b\n1,5"\n2,3"\n', True),
        (b'a,b\n1,"x"\n2,"five 5"" pipes"\n', False),
    ],
)
def test_a_stray_quotation_mark_is_found(tmp_path: Path, content: bytes, is_stray: bool) -> None:
    """One within a value that does not begin with one; such files are not parsed in parallel."""
    path = tmp_path / "t.csv"
    path.write_bytes(content)
    assert csv_file.prepare(path, with_headers=True).has_stray_quotes is is_stray
