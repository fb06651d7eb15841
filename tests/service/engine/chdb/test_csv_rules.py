"""The rules by which the values of a CSV file get their types, each with small files."""

from __future__ import annotations

import csv
import io
from typing import Any

import pytest

from tests.support.csv_uploads import refusal, upload
from tests.support.services import Api

EITHER_DATE = "all values are dates written day/month/year or month/day/year"
EITHER_TIME = "all values are dates and times written day.month.year or month.day.year"
MAYBE_IDS = "Numbers written like 1E5, without a point, may be ids: a. --types a=String keeps the text."
TRIMMED = "Spaces around all values were removed, since there are some around quotation marks."
NO_ZONE = "Times without a time zone are taken as UTC: a."


def one_column(*cells: str, name: str = "a") -> str:
    """Return a file of one column; a second one keeps empty cells apart from empty lines."""
    text = io.StringIO()
    csv.writer(text).writerows([[name, "n"], *([cell, index] for index, cell in enumerate(cells))])
    return text.getvalue()


@pytest.mark.parametrize(
    ("cells", "kind", "values"),
    [
        # Numbers.
        (["1", "-2", ""], "Int64", [1, -2, None]),
        (["9223372036854775807", "-9223372036854775808"], "Int64", [2**63 - 1, -(2**63)]),
        (["9223372036854775808", "0"], "UInt64", [2**63, 0]),
        (["9223372036854775808", "-1"], "Int128", ["9223372036854775808", "-1"]),
        ([str(2**127), "-1"], "Int256", [str(2**127), "-1"]),
        ([str(2**256 - 1)], "UInt256", [str(2**256 - 1)]),
        ([str(2**256)], "String", [str(2**256)]),
        (["5.0", "1.10", "1e-07", "-0", ".5", "5."], "Float64", [5.0, 1.1, 1e-07, -0.0, 0.5, 5.0]),
        (["1e5", "1E5"], "Float64", [1e5, 1e5]),
        (["9007199254740992", "0.5"], "Float64", [9007199254740992.0, 0.5]),
        (["1.000000000000000056e-01"], "Float64", [0.1]),
        (["0.30000000000000004", "1.2345678901234568e-05"], "Float64", [0.1 + 0.2, 1.2345678901234568e-05]),
        (["-100000000000000.50", "1152921504606846976"], "Float64", [-100000000000000.5, 2.0**60]),
        (["nan", "1"], "Float64", ["nan", 1.0]),
        # Numbers that no number type would keep as they are.
        (["9007199254740993", "0.5"], "String", ["9007199254740993", "0.5"]),
        (["1.234567890123456789"], "String", ["1.234567890123456789"]),
        (["9007199254740993.0", "1.5"], "String", ["9007199254740993.0", "1.5"]),
        (["9007199254740993.5"], "String", ["9007199254740993.5"]),
        (["99999999999999.995"], "String", ["99999999999999.995"]),
        (["12345678901234.565"], "String", ["12345678901234.565"]),
        (["123456789012345678E1"], "String", ["123456789012345678E1"]),
        (["1e400"], "String", ["1e400"]),
        (["1e-400"], "String", ["1e-400"]),
        # What looks like a number, and is a text.
        (["02134", "00501", "10001"], "String", ["02134", "00501", "10001"]),
        (["00"], "String", ["00"]),
        (["-01"], "String", ["-01"]),
        (["00.5"], "String", ["00.5"]),
        (["+5", "5"], "String", ["+5", "5"]),
        (["1,234", "5"], "String", ["1,234", "5"]),
        (["1 234"], "String", ["1 234"]),
        ([" 5"], "String", [" 5"]),
        (["5 "], "String", ["5 "]),
        (["5\t"], "String", ["5\t"]),
        (["5\n"], "String", ["5\n"]),
        (["1_000"], "String", ["1_000"]),
        (["0x10"], "String", ["0x10"]),
        (["٣"], "String", ["٣"]),
        (["-", "1"], "String", ["-", "1"]),
        (["NA", "1"], "String", ["NA", "1"]),
        (["NULL", "1"], "String", ["NULL", "1"]),
        (["\\N", "1"], "String", ["\\N", "1"]),
        (["nan", "NaN", "inf"], "String", ["nan", "NaN", "inf"]),
        (["$5"], "String", ["$5"]),
        (["5%"], "String", ["5%"]),
        # Booleans.
        (["True", "False", ""], "Bool", [True, False, None]),
        (["true", "FALSE"], "Bool", [True, False]),
        (["true", "1"], "String", ["true", "1"]),
        (["0", "1"], "Int64", [0, 1]),
        (["yes", "no"], "String", ["yes", "no"]),
        (["t", "f"], "String", ["t", "f"]),
        (["tRUE"], "String", ["tRUE"]),
        # Dates.
        (["2024-12-31", ""], "Date", ["2024-12-31", None]),
        (["1969-12-31", "2024-12-31"], "Date32", ["1969-12-31", "2024-12-31"]),
        (["0001-01-01", "9999-12-31"], "Date32", ["0001-01-01", "9999-12-31"]),
        (["2024-02-30"], "String", ["2024-02-30"]),
        (["2024-13-01"], "String", ["2024-13-01"]),
        (["20241231"], "Int64", [20241231]),
        (["2024-01"], "String", ["2024-01"]),
        (["12/31/2024", "02/01/2024"], "Date", ["2024-12-31", "2024-02-01"]),
        (["31/12/2024", "2/1/2024"], "Date", ["2024-12-31", "2024-01-02"]),
        (["31/12/1924", "2/1/2024"], "Date32", ["1924-12-31", "2024-01-02"]),
        (["31.12.2024"], "Date", ["2024-12-31"]),
        (["12-31-2024"], "Date", ["2024-12-31"]),
        (["2024/1/2"], "Date", ["2024-01-02"]),
        (["02/01/2024"], "String", ["02/01/2024"]),
        (["31/12/2024", "12/31/2024"], "String", ["31/12/2024", "12/31/2024"]),
        (["31/12/2024", "31.12.2024"], "String", ["31/12/2024", "31.12.2024"]),
        (["31/12/2024", "2024-12-31"], "String", ["31/12/2024", "2024-12-31"]),
        (["31/02/2024"], "String", ["31/02/2024"]),
        (["31/12/24"], "String", ["31/12/24"]),
        (["31-Dec-2024"], "String", ["31-Dec-2024"]),
        # Times.
        (["2024-12-31 23:59:59"], "DateTime", ["2024-12-31 23:59:59+00:00"]),
        (["2024-12-31T23:59", "2024-12-31"], "DateTime", ["2024-12-31 23:59:00+00:00", "2024-12-31 00:00:00+00:00"]),
        (["1969-12-31 23:59:59"], "DateTime64(3)", ["1969-12-31 23:59:59+00:00"]),
        (["2024-12-31 23:59:59.5"], "DateTime64(3)", ["2024-12-31 23:59:59.500+00:00"]),
        (["2024-12-31 23:59:59.123456"], "DateTime64(6)", ["2024-12-31 23:59:59.123456+00:00"]),
        (["2024-12-31T23:59:59.123456789"], "DateTime64(9)", ["2024-12-31 23:59:59.123456789+00:00"]),
        (["2024-12-31 23:59:59.1234567891"], "String", ["2024-12-31 23:59:59.1234567891"]),
        (["2024-12-31 23:59:59."], "String", ["2024-12-31 23:59:59."]),
        (["2024-12-31 24:00:00"], "String", ["2024-12-31 24:00:00"]),
        (["2024-12-31 23:59:60"], "String", ["2024-12-31 23:59:60"]),
        (["2024-12-31T23:59:59Z"], "DateTime('UTC')", ["2024-12-31 23:59:59+00:00"]),
        (["2024-12-31 23:59:59 UTC"], "DateTime('UTC')", ["2024-12-31 23:59:59+00:00"]),
        (["2024-12-31 23:00+0530"], "DateTime('UTC')", ["2024-12-31 17:30:00+00:00"]),
        (["1969-12-31T23:59:59.25-02:00"], "DateTime64(3, 'UTC')", ["1970-01-01 01:59:59.250+00:00"]),
        (["1970-01-01 00:00:00+01:00"], "DateTime64(3, 'UTC')", ["1969-12-31 23:00:00+00:00"]),
        (["2024-12-31 23:00+15:00"], "String", ["2024-12-31 23:00+15:00"]),
        (["2024-12-31 10:00:00", "2024-12-31 10:00:00Z"], "String", ["2024-12-31 10:00:00", "2024-12-31 10:00:00Z"]),
        (["31/12/2024 9:05", "1/2/2024"], "DateTime", ["2024-12-31 09:05:00+00:00", "2024-02-01 00:00:00+00:00"]),
        (["31/12/1924 09:05:07"], "DateTime64(3)", ["1924-12-31 09:05:07+00:00"]),
        (["12/31/2024 9:05 PM"], "String", ["12/31/2024 9:05 PM"]),
        (["10:00:00"], "String", ["10:00:00"]),
        # Texts.
        (["", ""], "String", [None, None]),
        (["a", ""], "String", ["a", None]),
        (["'5'"], "String", ["'5'"]),
        (["  "], "String", ["  "]),
    ],
)
def test_a_type_is_that_of_every_value(api: Api, cells: list[str], kind: str, values: list[Any]) -> None:
    """A value that would have to be changed for the type makes the column text, which is kept as it is."""
    found = upload(api, one_column(*cells))
    assert (found.types[0], found.column()) == (kind, values)


@pytest.mark.parametrize(
    ("cells", "reason"),
    [
        (["1", "2", "3"], "all 3 values are whole numbers"),
        (["1.5"], "all values are numbers"),
        (["True"], "all values are true or false"),
        (["31.12.2024"], "all values are dates written day.month.year"),
        (["", ""], "there are no values"),
        (["02134", "00501", "10001"], "2 of 3 values have a leading zero (02134)"),
        (["10001", "02134"], "1 of 2 values has a leading zero (02134)"),
        (["02134"], "the only value has a leading zero (02134)"),
        (["+5", "5"], "1 of 2 values has a plus sign (+5)"),
        (["1,234", "1 234"], "all 2 values have commas or separators of thousands (1,234)"),
        ([" 5", "6"], "1 of 2 values has spaces around it ( 5)"),
        (["1", "2", "NA"], "1 of 3 values is not a number (NA)"),
        (["9007199254740993", "0.5"], "1 of 2 values has more digits than Float64 holds (9007199254740993)"),
        (["123456789012345678E1"], "the only value has more digits than Float64 holds (123456789012345678E1)"),
        (["nan"], "all values are nan or inf (nan)"),
        (["true", "maybe", "false"], "1 of 3 values is neither true nor false (maybe)"),
        (["2024-01-01", "2024-02-30"], "1 of 2 values is not a date or time (2024-02-30)"),
        (["31/12/2024", "12/31/2024"], "no order of day, month and year fits all values (31/12/2024)"),
        (["02/01/2024"], "all values are dates written day/month/year or month/day/year (02/01/2024)"),
        (["red", "1", "blue"], "2 of 3 values are text (red)"),
        (["red", "blue"], "all 2 values are text (red)"),
        (["x" * 100], f"the only value is text ({'x' * 40})"),
    ],
)
def test_a_column_says_why_it_has_its_type(api: Api, cells: list[str], reason: str) -> None:
    """The reason has numbers, and the first value that kept the column from another type."""
    assert upload(api, one_column(*cells)).columns[0]["reason"] == reason


@pytest.mark.parametrize(
    ("content", "notices"),
    [
        (one_column("2024-12-31 10:00:00"), [NO_ZONE]),
        (one_column("2024-12-31 10:00:00Z"), []),
        (
            one_column("02/01/2024"),
            [f"a stays text: {EITHER_DATE}. To choose, add --types a=DateDMY or --types a=DateMDY."],
        ),
        (
            one_column("02.01.2024 10:00"),
            [f"a stays text: {EITHER_TIME}. To choose, add --types a=DateTimeDMY or --types a=DateTimeMDY."],
        ),
        (
            'a,b\n"",""\n"1",x\n',
            ['Empty quotation marks ("") are read as NULL, since the other values are no text: a.'],
        ),
        (one_column(*map(str, range(20)), "NA"), ["a is text: 1 of 21 values is not a number (NA)."]),
        ('a,b\n1, "x, y"\n2, z\n', [TRIMMED]),
        ('a,b\n"x" ,3\n', [TRIMMED]),
        ('a,b\nx,"3" ', [TRIMMED]),
        # No quotation mark here has a space between it and a border of its value, or spaces matter beside tabs.
        ('a,b\nhe said "hi" ,1\n z ,2\n', []),
        ('a;b\nx; "hi" she said\n z ;y\n', []),
        ('a,b\n"x ""y"" ,z",1\n', []),
        ('a\tb\n "x"\t3\n', []),
        (one_column("1E5", "7E2", "10E10"), [MAYBE_IDS]),
        (one_column("12", "7e2", ""), [MAYBE_IDS]),
        (one_column(*["12"] * 12_000, "7E2"), [MAYBE_IDS]),
        (one_column("1E5", "0.5"), []),
        (one_column("1e+05"), []),
        (one_column("1e-07"), []),
        (one_column("-1E5"), []),
        (one_column(*["1E5"] * 12_000, "0.5"), []),
        (one_column("02134", "00501"), []),
    ],
)
def test_what_could_be_meant_otherwise_is_said(api: Api, content: str, notices: list[str]) -> None:
    """A notice says what was assumed, and what to do if it was meant otherwise."""
    assert upload(api, content).notices == notices


def test_an_empty_text_is_not_null(api: Api) -> None:
    """In a column of text, empty quotation marks are an empty text; in others they are no value."""
    found = upload(api, 's,n,b,d\n"","","",""\n,,,\nx,1,true,2024-12-31\n')
    assert found.rows == [["", None, None, None], [None] * 4, ["x", 1, True, "2024-12-31"]]


@pytest.mark.parametrize(
    ("content", "rows"),
    [
        ('a,b\n1, "x, y"\n2,z\n', [[1, "x, y"], [2, "z"]]),
        ('a,b\n"x" ,3\n', [["x", 3]]),
        ('a,b\n "x",3\n', [["x", 3]]),
        (' "a",b\nx,  "3, y"\n', [["x", "3, y"]]),
        ('a;b\n1; "x; y"\n', [[1, "x; y"]]),
        # Within quotation marks, the same is text, and no space is lost.
        ('a,b\n"x, ""y"" ,z"," w "\n', [['x, "y" ,z', " w "]]),
        ('a,b\n"x\n ""y""\n", w\n', [['x\n "y"\n', " w"]]),
        ("a,b\n x , y\n", [[" x ", " y"]]),
        ('a,b\nhe said "hi" ,1\n z ,2\n', [['he said "hi" ', 1], [" z ", 2]]),
        ('a;b\nx; "hi" she said\n z ;y\n', [["x", ' "hi" she said'], [" z ", "y"]]),
        # All values are trimmed, the last one of a line and of the file too.
        ('a,b,n\n1, "x",5 \n2, "y" ,6 ', [[1, "x", 5], [2, "y", 6]]),
        ('a,b,n\r\n1, "x",5 \r\n2, "y" ,6 \r\n', [[1, "x", 5], [2, "y", 6]]),
        ('a\n "x"\n 5 ', [["x"], ["5"]]),
        ('a,b,c\n"x" ,3,\n', [["x", 3, None]]),
        # Beside tabs a space is always a part of the value.
        ('a\tb\tc\n1\t "x y"\t3 \n', [[1, ' "x y"', "3 "]]),
    ],
)
def test_spaces_around_quotation_marks_are_no_text(api: Api, content: str, rows: list[list[Any]]) -> None:
    """A space between a separator and a quotation mark is skipped; elsewhere a space is kept."""
    assert upload(api, content).rows == rows


@pytest.mark.parametrize(
    ("kind", "cells", "values"),
    [
        ("String", ["1", "02"], ["1", "02"]),
        ("LowCardinality(String)", ["a", ""], ["a", None]),
        ("FixedString(2)", ["ab"], ["ab"]),
        ("Int32", ["007", "+5", " 6 ", "5.0", "-08"], [7, 5, 6, 5, -8]),
        ("UInt8", ["255", ""], [255, None]),
        ("Int256", [str(-(2**255))], [str(-(2**255))]),
        ("Float64", ["007", "+.5", "1.234567890123456789"], [7.0, 0.5, 1.2345678901234567]),
        ("Float32", ["0.5", "nan"], [0.5, "nan"]),
        ("Float64", ["1e3", "+1E5"], [1000.0, 100000.0]),
        ("Decimal(5, 2)", ["123.45", "-0.5", "7", "1.2300", "+001"], ["123.45", "-0.50", "7.00", "1.23", "1.00"]),
        ("Decimal(2, 2)", ["0.25", ".5"], ["0.25", "0.50"]),
        ("Bool", ["yes", "0", "TRUE", "f"], [True, False, True, False]),
        ("Date", ["2024-12-31"], ["2024-12-31"]),
        ("Date", ["12/31/2024", "02/01/2024"], ["2024-12-31", "2024-02-01"]),
        ("DateDMY", ["02/01/2024"], ["2024-01-02"]),
        ("DateMDY", ["02/01/1924"], ["1924-02-01"]),
        ("DateTimeDMY", ["02.01.2024 10:30"], ["2024-01-02 10:30:00+00:00"]),
        ("DateTime", ["2024-12-31", "2024-12-31T10:00"], ["2024-12-31 00:00:00+00:00", "2024-12-31 10:00:00+00:00"]),
        ("DateTime('Europe/Paris')", ["2024-07-01 10:00:00"], ["2024-07-01 10:00:00+02:00"]),
        ("DateTime64(3, 'Europe/Paris')", ["2024-07-01T10:00:00.5Z"], ["2024-07-01 12:00:00.500+02:00"]),
        ("UUID", ["61F0C404-5CB3-11E7-907B-A6006AD3DBA0"], ["61f0c404-5cb3-11e7-907b-a6006ad3dba0"]),
        ("IPv4", ["127.0.0.1"], ["127.0.0.1"]),
        ("Enum8('red' = 1, 'blue' = 2)", ["blue", "red"], ["blue", "red"]),
    ],
)
def test_a_declared_type_is_used(api: Api, kind: str, cells: list[str], values: list[Any]) -> None:
    """Whatever way a value is written in, it is taken if the type holds it exactly."""
    found = upload(api, one_column(*cells), {"a": kind})
    assert (found.columns[0]["reason"], found.column()) == ("as asked for", values)


@pytest.mark.parametrize(
    ("kind", "cells", "says"),
    [
        ("Int64", ["1", "x1", "", "y"], "2 of 3 values do not fit; the first is 'x1' (line 3)."),
        # An exponent is for floats alone.
        ("Int64", ["1e3"], "the only value does not fit; the first is '1e3' (line 2)."),
        ("Decimal(9, 2)", ["1", "1E3"], "1 of 2 values does not fit; the first is '1E3' (line 3)."),
        ("Int64", ["1.5"], "the only value does not fit; the first is '1.5' (line 2)."),
        ("UInt8", ["256", "-1", "1"], "2 of 3 values do not fit; the first is '256' (line 2)."),
        ("Int64", ["a\nb", "1", "2\n"], "1 of 3 values does not fit; the first is 'a\\nb' (line 2)."),
        ("Int64", ["1\n", "1,000"], "1 of 2 values does not fit; the first is '1,000' (line 4)."),
        ("Float32", ["1e300"], "the only value does not fit; the first is '1e300' (line 2)."),
        ("Decimal(5, 2)", ["1.239", "1234.5"], "all 2 values do not fit; the first is '1.239' (line 2)."),
        ("Bool", ["2", "1"], "1 of 2 values does not fit; the first is '2' (line 2)."),
        ("Date", ["2024-02-30"], "the only value does not fit; the first is '2024-02-30' (line 2)."),
        ("Date", ["1969-12-31"], "the only value does not fit; the first is '1969-12-31' (line 2)."),
        ("Date", ["31/12/2024", "13/13/2024"], "1 of 2 values does not fit; the first is '13/13/2024' (line 3)."),
        ("DateTime", ["2024-12-31 10:00:00.5"], "the only value does not fit; "),
        ("DateTime('Europe/Paris')", ["2024-03-31 02:30:00"], "the only value does not fit; "),
        ("DateMDY", ["31/12/2024"], "the only value does not fit; the first is '31/12/2024' (line 2)."),
        ("FixedString(2)", ["abc"], "the only value does not fit; the first is 'abc' (line 2)."),
        ("UUID", ["61f0c404"], "the only value does not fit; the first is '61f0c404' (line 2)."),
        ("IPv4", ["300.0.0.1"], "the only value does not fit; the first is '300.0.0.1' (line 2)."),
        ("Enum8('red' = 1)", ["blue"], "the only value does not fit; the first is 'blue' (line 2)."),
    ],
)
def test_a_value_that_does_not_fit_a_declared_type_is_refused(api: Api, kind: str, cells: list[str], says: str) -> None:
    """Nothing is rounded, cut off or taken for another day; the message has the first value and its line."""
    assert refusal(api, one_column(*cells), {"a": kind}).startswith(f"The column 'a' cannot be {kind}: {says}")


def test_a_late_value_that_does_not_fit_a_declared_type_is_refused(api: Api) -> None:
    """The value is found beyond the rows that are looked at first."""
    message = refusal(api, "a\n" + "1\n" * 12_000 + "x\n1\n", {"a": "Int64"})
    assert message == "The column 'a' cannot be Int64: 1 of 12,002 values does not fit; the first is 'x' (line 12002)."


def test_a_date_of_either_order_is_refused_with_the_choice(api: Api) -> None:
    """The message names the types to choose from; a late value may decide."""
    assert refusal(api, one_column("02/01/2024"), {"a": "Date"}) == (
        "The column 'a' cannot be Date without a choice: all values are dates written day/month/year or "
        "month/day/year. Ask for DateDMY or DateMDY instead."
    )
    late = "a\n" + "02/01/2024\n" * 12_000 + "13/01/2024\n"
    assert upload(api, late, {"a": "Date"}).column()[-1] == "2024-01-13"
    found = upload(api, late)
    assert (found.types, found.column()[-1], found.notices) == (["Date"], "2024-01-13", [])


def test_types_of_unknown_columns_and_nested_types_are_refused(api: Api) -> None:
    """The message lists the columns of the file, or says what to do instead."""
    assert refusal(api, "a,b\n1,2\n", {"q": "Int64"}) == "types: the file has no column 'q'; it has 'a', 'b'."
    assert refusal(api, "a\n[1]\n", {"a": "Array(Int64)"}) == (
        "types: the column 'a' of a CSV file cannot be Array(Int64); leave it text, and convert it in the query."
    )


def test_the_rows_keep_their_order(api: Api) -> None:
    """The rows of a file of several blocks are in the table as in the file."""
    rows = 300_000
    upload_text = "n,pad\n" + "".join(f"{n},{'some words ' * 5}\n" for n in range(rows))
    assert api.upload("in_order", upload_text).status_code == 201
    sql = "SELECT count(), countIf(n != toInt64(rowNumberInAllBlocks())) FROM in_order SETTINGS max_threads = 1"
    assert api.result(api.submit(sql)["id"])["results"][0]["result_rows"] == [[rows, 0]]
    api.http.delete("/v1/tables/in_order/")
