"""Rows as CSV: what is written, and what is said to be lost."""

from __future__ import annotations

import csv
import datetime as dt
import io
import json
from decimal import Decimal
from typing import Any

import pandas as pd
import pyarrow as pa
import pytest

from roe_magic.errors import UsageError
from roe_magic.uploads.arrow.frames_to_arrow import to_arrow
from roe_magic.uploads.csv_out import write_csv
from roe_magic.uploads.ndjson_out import write_ndjson_as_csv


def written(**columns: Any) -> tuple[str, list[str]]:
    buffer = io.BytesIO()
    losses = write_csv(to_arrow(pa.table(columns)), buffer)
    return buffer.getvalue().decode(), losses


AS_JSON = "lists and objects are sent as JSON text. In queries, if it is text there"
BERLIN = pa.array([dt.datetime(2024, 1, 1, 11, tzinfo=dt.timezone.utc)], pa.timestamp("ms", "Europe/Berlin"))
# A column, how its values are written, and how the sentence on it begins and ends; None where nothing is lost.
COLUMNS: list[tuple[Any, str, str | None]] = [
    ([1, None, -3], "1,,-3", None),
    (pa.array([2**64 - 1], pa.uint64()), "18446744073709551615", None),
    ([0.5, None, 1234.75, float("inf")], "0.5,,1234.75,inf", None),
    ([0.5, None, 1e-07, 1e22, float("inf")], "0.5,,1e-7,1e+22,inf", "numbers with an exponent, such as 1e+10, may be"),
    (
        [float("inf"), None, float("nan")],
        "inf,,nan",
        "inf and nan without other numbers may be read as text. In queries: toFloat64(x)",
    ),
    ([1.0, 2.0], "1,2", "whole numbers are read as integers. In queries: toFloat64(x)"),
    (pa.array([0.1], pa.float32()), "0.10000000149011612", None),
    ([True, None, False], "true,,false", None),
    (["a", None, 'say "hi"', "a,b"], '"a",,"say ""hi""","a,b"', None),
    (["a", ""], '"a",""', None),
    (["", None], '"",', "empty text and NULL may become one."),
    (["", ""], '"",""', "empty text may become NULL."),
    ([r"\N", "a"], r'"\N","a"', r"the text NULL or \N may be read as NULL."),
    (["null"], '"null"', r"the text NULL or \N may be read as NULL."),
    (["02134", None, "00501"], '"02134",,"00501"', "text that looks like numbers may be read as numbers, and changed"),
    (["1.10", "1e5"], '"1.10","1e5"', "text that looks like numbers"),
    (["+5", "1,234"], '"+5","1,234"', "text that looks like numbers"),
    (["2024-01-01"], '"2024-01-01"', "text that looks like dates or times"),
    (["12/31/2024", "1.2.2024"], '"12/31/2024","1.2.2024"', "text that looks like dates or times"),
    (["1 Jan 2024", "Sat August 17 2024"], '"1 Jan 2024","Sat August 17 2024"', "text that looks like dates or times"),
    (["10:00 17/08/2024"], '"10:00 17/08/2024"', "text that looks like dates or times"),
    (["1 Jan 2024", "May be", "Marvin 5"], '"1 Jan 2024","May be","Marvin 5"', None),
    (["true", "False"], '"true","False"', "text that looks like booleans"),
    (["[1]", "{}"], '"[1]","{}"', "text that looks like lists or objects"),
    (["1", "a"], '"1","a"', None),
    ([dt.date(2024, 2, 29)], "2024-02-29", None),
    ([dt.date(1901, 1, 1)], "1901-01-01", "dates before 1970 or after 2105 may be changed or read as text."),
    (pa.array([1704070800], pa.timestamp("s")), "2024-01-01 01:00:00", None),
    (
        BERLIN,
        "2024-01-01 11:00:00.000",
        "times are sent in UTC, without their zone Europe/Berlin. In queries: toTimeZone(",
    ),
    (pa.array([Decimal("1.10")], pa.decimal128(10, 2)), "1.10", "Decimal(10, 2) is read as a number without a fixed"),
    (
        pa.array([Decimal("1.10")], pa.decimal128(38, 2)),
        '"1.10"',
        "Decimal(38, 2) is sent as text, and may be rounded if it is read",
    ),
    (
        pa.array([dt.timedelta(seconds=2)], pa.duration("s")),
        "2",
        "spans of time are sent as plain numbers. In queries:",
    ),
    (
        pa.array([dt.time(1, 2, 3)], pa.time32("s")),
        '"01:02:03"',
        "times of day are sent as text. In queries: CAST(x, 'Time64(0)')",
    ),
    (
        [b"\xff\x00", b"ok"],
        '"0xff00","0x6f6b"',
        "bytes are sent as hexadecimal digits. In queries: unhex(substring(x, 3))",
    ),
    (
        [[1, 2], []],
        '"[1, 2]","[]"',
        f"{AS_JSON}: JSONExtract(assumeNotNull(x), 'Array(",
    ),
    (pa.array([["a", None], []], pa.large_list(pa.large_string())), '"[""a"", null]","[]"', f"{AS_JSON}: JSONExtract("),
    (
        [{"a": 1}],
        '"{""a"": 1}"',
        f"{AS_JSON}: JSONExtract(assumeNotNull(x), 'Tuple(a ",
    ),
    (
        pa.array([[("k", 1)]], pa.map_(pa.string(), pa.int64())),
        '"{""k"": 1}"',
        "lists and objects are sent as JSON text",
    ),
    (pa.array(["x", None, "x"]).dictionary_encode(), '"x",,"x"', None),
    (pa.nulls(2), ",", "it has no values, so the server chooses a type without any."),
]


@pytest.mark.parametrize(("column", "cells", "loss"), COLUMNS, ids=[str(index) for index in range(len(COLUMNS))])
def test_a_column_is_written_as_it_is_or_said_to_be_changed(column: Any, cells: str, loss: str | None) -> None:
    """Text in quotes, NULL without; one sentence for what the server does not get to know."""
    array = column if isinstance(column, (pa.Array, pa.DictionaryArray)) else pa.array(column)
    text, losses = written(x=array, other=pa.array(range(1, len(array) + 1)))
    assert text.splitlines()[0] == '"x","other"'
    numbers = range(1, len(array) + 1)
    assert [line.removesuffix(f",{n}") for line, n in zip(text.splitlines()[1:], numbers, strict=True)] == split(cells)
    assert len(losses) == (loss is not None)
    assert loss is None or losses[0].startswith(f"x: {loss}")


def split(cells: str) -> list[str]:
    """Split at commas outside of quotes, and keep the quotes."""
    items, quoted = [""], False
    for character in cells:
        quoted ^= character == '"'
        if character == "," and not quoted:
            items.append("")
        else:
            items[-1] += character
    return items


def test_a_csv_reader_finds_the_rows_again() -> None:
    """Line ends, quotes and commas inside of text and of names."""
    text, _ = written(**{'na"me, with': ["line\nend", "\r\n", "tab\t", " blank "]})
    assert list(csv.reader(io.StringIO(text, newline=""))) == [
        ['na"me, with'],
        ["line\nend"],
        ["\r\n"],
        ["tab\t"],
        [" blank "],
    ]


def test_a_single_column_with_null_is_warned_of() -> None:
    """An empty line may be left out by the server."""
    _, losses = written(x=pa.array([1, None]))
    assert losses == ["x: rows without a value are empty lines, which the server may leave out."]


def test_blanks_around_a_name_are_warned_of() -> None:
    """Programs that read CSV take them away."""
    _, losses = written(**{" x": [1]})
    assert losses == ["x: the blanks around its name may be lost."]


def test_names_that_csv_makes_the_same_are_warned_of() -> None:
    """A server gives all but one of them other names."""
    _, losses = written(**{" a ": [1], "a": [2]})
    assert losses == [
        "a: the blanks around its name may be lost.",
        "a: another column has the same name without the blanks around it; one of them gets another name.",
    ]


def test_a_look_is_decided_by_all_values() -> None:
    """One value among many thousands that is no number."""
    _, losses = written(x=["02134"] * 100_000 + ["N/A"] + ["00501"] * 50_000)
    assert losses == []


@pytest.mark.parametrize(
    ("name", "in_sql"), [("price", "price"), ("the `price`", r"`the \`price\``"), ("from", "`from`"), ("1st", "`1st`")]
)
def test_names_are_quoted_where_sql_wants_it(name: str, in_sql: str) -> None:
    """In the CAST that is suggested; a keyword cannot stand there bare."""
    _, losses = written(**{name: pa.array([Decimal("1.10")], pa.decimal128(10, 2))})
    assert losses[0].endswith(f"toDecimal64(toString({in_sql}), 2)")


def as_csv(*rows: Any) -> tuple[str, list[str]]:
    lines = "".join(row if isinstance(row, str) else json.dumps(row) + "\n" for row in rows)
    buffer = io.BytesIO()
    losses, row_count = write_ndjson_as_csv(io.BytesIO(lines.encode()), buffer, "t.jsonl")
    assert row_count == sum(1 for row in rows if row != "\n")
    return buffer.getvalue().decode(), losses


def test_json_lines_keep_their_characters() -> None:
    """No number is rounded; what a row lacks is NULL, and so is null."""
    text, losses = as_csv(
        '{"a":1.10,"b":"x\\n\\"y"}\n', "\n", '{"c":null,"a":123456789012345678901234567890,"d":true}\n'
    )
    assert text == '"a","b","c","d"\n1.10,"x\n""y",,\n123456789012345678901234567890,,,true\n'
    assert losses == [
        "a: numbers of many digits may be rounded by the server.",
        "c: it has no values, so the server chooses a type without any.",
    ]


@pytest.mark.parametrize("name", ["NaN", "Infinity", "-Infinity"])
def test_constants_that_json_does_not_have_are_named(name: str) -> None:
    """Python writes them."""
    with pytest.raises(UsageError, match=f"line 1, is not a JSON object: {name} is no value of JSON; write null"):
        as_csv(f'{{"a":{name}}}\n')


def test_bytes_that_are_not_text_are_told() -> None:
    """With the line, and how to read the file."""
    with pytest.raises(UsageError, match=r"'t\.jsonl' is not UTF-8 \(line 2\)\.\n.*encoding='latin-1'"):
        write_ndjson_as_csv(io.BytesIO(b'{"a":"x"}\n{"a":"\xff"}\n'), io.BytesIO(), "t.jsonl")


def test_colons_and_a_byte_order_mark_are_no_fault() -> None:
    """Colons in keys and values; the mark before the first line."""
    buffer = io.BytesIO()
    write_ndjson_as_csv(io.BytesIO(b'\xef\xbb\xbf{"a:":{"b":":"},"c":"x:y"}\n'), buffer, "t.jsonl")
    assert buffer.getvalue().decode() == '"a:","c"\n"{""b"":"":""}","x:y"\n'


def test_text_that_may_be_null_does_not_hide_what_the_rest_looks_like() -> None:
    """ClickHouse's inference takes the text NULL as NULL, and then all other values as dates."""
    source = to_arrow(pd.DataFrame({"x": ["NULL", "2024-01-01"], "y": ["null", "a"]}))
    x_looks, *null = write_csv(source, io.BytesIO())
    assert x_looks.startswith("x: text that looks like dates or times may be read as dates or times")
    assert null == [
        r"x: the text NULL or \N may be read as NULL.",
        r"y: the text NULL or \N may be read as NULL.",
    ]


@pytest.mark.parametrize(
    ("values", "said"),
    [
        (["", None, "x"], ["empty text and NULL may become one."]),
        (["", ""], ["empty text may become NULL."]),
        (["", None], ["empty text and NULL may become one."]),
        ([None, None], ["it has no values, so the server chooses a type without any."]),
        ([r"\N", "x"], [r"the text NULL or \N may be read as NULL."]),
        (["NULL", "null"], [r"the text NULL or \N may be read as NULL."]),
        ([1e100, 2.5], ["numbers with an exponent, such as 1e+10, may be read as text. In queries: toFloat64(x)"]),
        ([True, 1], ["numbers and booleans are in one column, and the server cannot tell them apart."]),
    ],
)
def test_what_csv_does_not_keep_of_values_in_json_is_said(values: list[Any], said: list[str]) -> None:
    """As of the columns of a DataFrame."""
    _, losses = as_csv(*({"x": value, "other": number} for number, value in enumerate(values)))
    assert losses == [f"x: {what}" for what in said]


def test_what_csv_does_not_keep_of_keys_is_said() -> None:
    """Blanks, no name, and a value that a row lacks in the only column."""
    assert as_csv({" a": 1, "a": 2, "": 3})[1] == [
        "a: the blanks around its name may be lost.",
        "a: another column has the same name without the blanks around it; one of them gets another name.",
        "(no name): the server gives it a name.",
    ]
    assert as_csv({"a": 1}, {})[1] == ["a: rows without a value are empty lines, which the server may leave out."]


def test_what_csv_does_not_keep_of_json_is_said() -> None:
    """Lists and objects; a column of text and numbers; text that looks like something else."""
    text, losses = as_csv({"l": [1, {"é": 2}], "m": 1, "z": "02134"}, {"m": "1", "z": "00501"})
    assert text == '"l","m","z"\n"[1, {""\\u00e9"": 2}]",1,"02134"\n,"1","00501"\n'
    assert [loss.partition(".")[0] for loss in losses] == [
        "l: lists and objects are sent as JSON text",
        "m: text and numbers are in one column, and the server cannot tell them apart",
        "m: text that looks like numbers may be read as numbers",
        "z: text that looks like numbers may be read as numbers",
    ]


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        ("[1]\n", "line 1, is not a JSON object"),
        ('{"a":1}\n{"a"', "line 2"),
        ("\n", "no rows"),
        ('{"b":0}\n{"a":1,"a":2}\n', "line 2, is not a JSON object: the key 'a' is there twice"),
        ('{"x:":":","a":"::","x:":2}\n', "the key 'x:' is there twice"),
        ('{"a":"\\ud800"}\n', "half of a character"),
        ('{"a":' + "[" * 99_999 + "]" * 99_999 + "}", "nested too deeply"),
    ],
)
def test_what_is_no_json_line_is_told(lines: str, said: str) -> None:
    """With its number."""
    with pytest.raises(UsageError, match=said):
        as_csv(lines)
