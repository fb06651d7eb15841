"""Files that other programs write, with any values in them, arrive as they were."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Sequence
from datetime import date, datetime, timedelta, timezone
from typing import Any

import hypothesis.strategies as st
import pandas as pd
import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings

from tests.support.csv_uploads import UploadedCsv, upload
from tests.support.services import Api

DATES = st.dates(date(1, 1, 1), date(9999, 12, 31))
TIMES = st.datetimes(datetime(1, 1, 2), datetime(9999, 12, 30))  # noqa: DTZ001  # without a zone
OFFSETS = st.integers(-14 * 60, 14 * 60).map(lambda minutes: timezone(timedelta(minutes=minutes)))
WHOLE_SECONDS = st.datetimes(datetime(1970, 1, 2), datetime(2106, 2, 6)).map(  # noqa: DTZ001
    lambda moment: moment.replace(microsecond=0)
)
# Python's writer leaves a carriage return without quotation marks, so that it is a part of the line's end.
TEXTS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\r"), max_size=12)
# Texts of which many are nearly something else.
NEARLY = st.text(st.sampled_from("0123456789+-.eE,:/ TZnaif_"), max_size=12)
KINDS: dict[str, st.SearchStrategy[str]] = {
    "whole numbers": st.integers(-(2**63), 2**64 - 1).map(str),
    "large numbers": st.integers(-(2**255), 2**256).map(str),
    "numbers": st.floats().map(repr),
    "short numbers": st.decimals(allow_nan=False, allow_infinity=False, places=2, min_value=-1000, max_value=1000).map(
        str
    ),
    "postcodes": st.from_regex(r"\A[0-9]{5}\Z"),
    "booleans": st.sampled_from(["true", "True", "TRUE", "false", "False", "FALSE"]),
    "dates": DATES.map(str),
    "European dates": DATES.map(lambda day: f"{day.day}/{day.month:02}/{day.year:04}"),
    "American dates": DATES.map(lambda day: f"{day.month}-{day.day}-{day.year:04}"),
    "times": TIMES.map(lambda moment: f"{moment.isoformat(' ', 'microseconds')}"),
    "whole seconds": WHOLE_SECONDS.map(datetime.isoformat),
    "times with a zone": st.builds(lambda moment, zone: moment.replace(tzinfo=zone).isoformat(), TIMES, OFFSETS),
    "words": st.sampled_from(["", "red", "blue", "NA", "null", "\\N", "nan", "-", " ", "1,5", '5" pipe', "a\r\nb"]),
    "texts": TEXTS,
    "nearly": NEARLY,
}


@st.composite
def tables(draw: st.DrawFn) -> list[list[str]]:
    """Draw the rows of a file: in each column the values are of one kind or two."""
    number = draw(st.integers(1, 12))
    columns = []
    for _ in range(draw(st.integers(2, 4))):
        kinds = draw(st.lists(st.sampled_from(sorted(KINDS)), min_size=1, max_size=2, unique=True))
        cells = st.one_of(*(KINDS[kind] for kind in kinds), *([st.just("")] if draw(st.booleans()) else []))
        columns.append(draw(st.lists(cells, min_size=number, max_size=number)))
    return [list(row) for row in zip(*columns, strict=True)]


def is_equal(text: str | None, kind: str, value: Any) -> bool:
    """Whether a value of a table is what the text in the file says, by rules of Python's own."""
    if kind == "String" or text is None:
        return bool(value == text)
    if kind == "Bool":
        return bool(value is (text.lower() == "true"))
    if "Int" in kind:
        return text == str(int(value))
    if kind == "Float64":
        return repr(float(text)) == repr(float(value))
    return is_moment(text, kind, value)


def is_moment(text: str, kind: str, value: str) -> bool:
    first, separator, second, rest = re.fullmatch(r"(\d+)([-/.])(\d+)[-/.](.*)", text).groups()  # type: ignore[union-attr]
    if len(first) < 4:
        # The day is the first in the dates with a slash that are drawn here, and the second in the others.
        day, month = (first, second) if separator == "/" else (second, first)
        text = f"{rest}-{int(month):02}-{int(day):02}"
    if kind.startswith("Date3") or kind == "Date":
        return str(date.fromisoformat(text)) == value
    written, meant = (datetime.fromisoformat(re.sub(r"(\.\d{6})\d+", r"\1", each)) for each in (value, text))
    return written == (meant if meant.tzinfo else meant.replace(tzinfo=timezone.utc))


def might_be(texts: Sequence[str]) -> set[str]:
    """Return the types that all of some texts have beyond doubt."""
    patterns = {
        "Int64": r"0|-?[1-9][0-9]{0,17}",
        "Float64": r"-?(0|[1-9][0-9]{0,6})\.[0-9]{1,7}",
        "Bool": "[tT]rue|[fF]alse",
        "Date": r"20[0-9]{2}-(0[1-9]|1[0-2])-(0[1-9]|1[0-9]|2[0-8])",
        "DateTime": r"20[0-9]{2}-(0[1-9]|1[0-2])-(0[1-9]|1[0-9]|2[0-8])T(0[0-9]|1[0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9]",
    }
    return {kind for kind, pattern in patterns.items() if texts and all(re.fullmatch(pattern, text) for text in texts)}


def check(found: UploadedCsv, rows: Sequence[Sequence[str | None]]) -> None:
    assert len(found.rows) == len(rows)
    for index, kind in enumerate(found.types):
        texts = [row[index] for row in rows]
        if kind != "String":
            texts = [text or None for text in texts]
        for text, value in zip(texts, found.column(index), strict=True):
            assert is_equal(text, kind, value), (text, kind, value)
        assert might_be([text for text in texts if text]) <= {kind}


PATIENT = settings(
    deadline=None, max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)


@PATIENT
@given(
    rows=tables(),
    quoting=st.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL, csv.QUOTE_NONNUMERIC]),
    separator=st.sampled_from(",;\t|"),
    line_end=st.sampled_from(["\n", "\r\n"]),
    mark=st.sampled_from(["", "\ufeff"]),
)
def test_files_of_the_csv_module_are_read(
    api: Api, rows: list[list[str]], quoting: int, separator: str, line_end: str, mark: str
) -> None:
    """Whatever the values are, and however they are quoted and separated, they are the same in the table."""
    file = io.StringIO(newline="")
    writer = csv.writer(file, delimiter=separator, lineterminator=line_end, quoting=quoting)  # type: ignore[arg-type]
    writer.writerows([[f"c{index}" for index in range(len(rows[0]))], *rows])
    found = upload(api, mark + file.getvalue())
    is_quoted = quoting != csv.QUOTE_MINIMAL
    check(found, [[cell if cell or is_quoted else None for cell in row] for row in rows])


FRAME = {
    "whole": [1, None, -(2**63)],
    "big": [2**64 - 1, 0, None],
    "number": [0.1, None, 1e-07],
    "flag": [True, False, None],
    "zip": ["02134", "00501", None],
    "text": ["a,b", 'say "no"', "line\nend"],
    "spaces": [" a ", "", None],
    "day": [date(2024, 12, 31), date(1960, 1, 1), None],
    "moment": [datetime(2024, 12, 31, 23, 59, 59, 123456), datetime(1600, 1, 1), None],  # noqa: DTZ001
    "second": [datetime(2024, 12, 31, 23, 59, 59, tzinfo=timezone.utc)] * 2 + [None],
}
FRAME_TYPES = {
    "whole": "Int64",
    "big": "UInt64",
    "number": "Float64",
    "flag": "Bool",
    "zip": "String",
    "text": "String",
    "spaces": "String",
    "day": "Date32",
    "moment": "DateTime64(6)",
    "second": "DateTime('UTC')",
}
FRAME_VALUES = {
    **FRAME,
    "day": ["2024-12-31", "1960-01-01", None],
    "moment": ["2024-12-31 23:59:59.123456+00:00", "1600-01-01 00:00:00+00:00", None],
    "second": ["2024-12-31 23:59:59+00:00"] * 2 + [None],
}


def pandas_frame() -> pd.DataFrame:
    """Return the frame with missing values in columns of nullable types."""
    frame = pd.DataFrame({name: pd.Series(values, dtype=object) for name, values in FRAME.items()})
    return frame.astype({"whole": "Int64", "big": "UInt64", "number": float, "flag": "boolean"})


@pytest.mark.parametrize("quoting", [csv.QUOTE_MINIMAL, csv.QUOTE_ALL, csv.QUOTE_NONNUMERIC])
@pytest.mark.parametrize("separator", [",", ";", "\t", "|"])
@pytest.mark.parametrize("line_end", ["\n", "\r\n"])
def test_files_of_pandas_are_read(api: Api, quoting: int, separator: str, line_end: str) -> None:
    """Types and values are those of the frame; an empty text is NULL unless all texts are quoted."""
    text = pandas_frame().to_csv(index=False, quoting=quoting, sep=separator, lineterminator=line_end)
    found = upload(api, text)
    assert dict(zip(FRAME, found.types, strict=True)) == FRAME_TYPES
    # pandas writes a missing text and an empty one alike, whatever the quoting.
    alike = ['""', ""] if quoting else [None, None]
    for index, (name, values) in enumerate(FRAME_VALUES.items()):
        expected = [" a ", *(["", ""] if alike[0] else alike)] if name == "spaces" else values
        if name == "zip" and alike[0]:
            expected = [*values[:2], ""]
        assert found.column(index) == expected, name


@pytest.mark.parametrize("quote_style", ["necessary", "always", "non_numeric"])
@pytest.mark.parametrize("separator", [",", ";", "\t", "|"])
@pytest.mark.parametrize("bom", [False, True])
def test_files_of_polars_are_read(api: Api, quote_style: Any, separator: str, bom: bool) -> None:
    """Types and values are those of the frame; an empty text is not NULL, unless all values are quoted."""
    frame = pl.DataFrame(FRAME, schema_overrides={"big": pl.UInt64})
    text = frame.write_csv(quote_style=quote_style, separator=separator, include_bom=bom)
    found = upload(api, text)
    assert dict(zip(FRAME, found.types, strict=True)) == {**FRAME_TYPES, "second": "DateTime64(6, 'UTC')"}
    for index, (name, values) in enumerate(FRAME_VALUES.items()):
        is_empty = quote_style == "always" and FRAME_TYPES[name] == "String"
        assert found.column(index) == ["" if is_empty and value is None else value for value in values], name


def test_blank_lines_of_one_column_are_its_empty_cells(api: Api) -> None:
    """pandas writes a missing value of a single column as empty quotation marks, others as a blank line."""
    frame = pd.DataFrame({"x": [0.5, None, 2.5]})
    assert upload(api, frame.to_csv(index=False)).column() == [0.5, None, 2.5]
    assert upload(api, "x\n0.5\n\n2.5\n").column() == [0.5, None, 2.5]
    assert upload(api, "x\nred\n\n\\N\n").column() == ["red", None, "\\N"]


def test_a_thousand_columns_are_read(api: Api) -> None:
    """Every one has its own type, and a name of its own."""
    cells = ["1", "0.5", "02134", "true", "2024-12-31", "31/12/2024", "2024-12-31 10:00:00", "words", "", "2024-12-31Z"]
    header = ",".join(f"c{index}" for index in range(1000))
    found = upload(api, "\n".join([header, *[",".join(cells * 100)] * 20]))
    kinds = ["Int64", "Float64", "String", "Bool", "Date", "Date", "DateTime", "String", "String", "String"]
    assert found.types == kinds * 100
    dates = ["2024-12-31", "2024-12-31", "2024-12-31 10:00:00+00:00"]
    assert found.rows[7][-10:] == [1, 0.5, "02134", True, *dates, "words", None, "2024-12-31Z"]


def test_a_mark_of_inches_does_not_hide_the_end_of_a_row(api: Api) -> None:
    """In a file of several megabytes, a lone quotation mark in one value does not move the borders of others."""
    rows = [f'{n},5" pipe' if n % 2 else f'{n},"two\nlines"' for n in range(150_000)]
    padding = "x" * 60
    assert api.upload("inches", "n,b,pad\n" + "".join(f"{row},{padding}\n" for row in rows)).status_code == 201
    query = api.submit("SELECT count(), uniqExact(n), uniqExact(b), uniqExact(pad) FROM inches")
    assert api.result(query["id"])["results"][0]["result_rows"] == [[150_000, 150_000, 2, 1]]
    api.http.delete("/v1/tables/inches/")


def test_long_cells_are_read_whole(api: Api) -> None:
    """Cells of 200,000 characters, quoted or not, arrive as they are."""
    plain, quoted = "é" * 200_000, 'a\n"b",' * 40_000
    file = io.StringIO(newline="")
    csv.writer(file).writerows([["a", "b"], *[[plain, quoted]] * 20])
    assert upload(api, file.getvalue()).rows == [[plain, quoted]] * 20


@pytest.mark.parametrize("name", ["a.b", "`", "'", "a\\b", "x y", "ü", "%s", "{c}", "c0", "t", "NULL", "a\r\nb"])
def test_any_name_may_be_in_the_header(api: Api, name: str) -> None:
    """A name is the column's, whatever characters it has, and whatever is read from it."""
    file = io.StringIO(newline="")
    csv.writer(file).writerows([[name, "c1", name, ""], [1, "x", "2024-12-31", ""]])
    found = upload(api, file.getvalue(), {"c1": "String"})
    assert [column["name"] for column in found.columns] == [name, "c1", f"{name}_2", "column_4"]
    assert found.rows == [[1, "x", "2024-12-31", None]]


@st.composite
def padded_cells(draw: st.DrawFn, separator: str) -> tuple[str, str, bool]:
    """Draw a cell as it is written, its text, and whether there are spaces around its quotation marks."""
    text = draw(st.text(st.sampled_from(f'ab "\n{separator}'), min_size=1, max_size=6).filter(str.strip))
    if not draw(st.booleans()) and not set(text) & {'"', "\n", separator}:
        return text, text, False
    before, after = (draw(st.sampled_from(["", "", " ", "  "])) for _ in range(2))
    quoted = text.replace('"', '""')
    return f'{before}"{quoted}"{after}', text, bool(before or after)


@PATIENT
@given(data=st.data(), separator=st.sampled_from(",;|"), end=st.sampled_from(["", "\n", "\r\n"]))
def test_spaces_around_quotation_marks_are_no_part_of_any_value(
    api: Api, data: st.DataObject, separator: str, end: str
) -> None:
    """Wherever they are; then values without quotation marks lose theirs, and those within them do not."""
    rows = data.draw(st.lists(st.lists(padded_cells(separator), min_size=3, max_size=3), min_size=1, max_size=5))
    lines = [separator.join(written for written, _, _ in row) for row in rows]
    found = upload(api, "\n".join([separator.join("xyz"), *lines]) + end, dict.fromkeys("xyz", "String"))
    is_padded = any(padded for row in rows for _, _, padded in row)
    assert bool(found.notices) == is_padded
    expected = [[text.strip(" ") if is_padded and '"' not in cell else text for cell, text, _ in row] for row in rows]
    assert found.rows == expected
