"""Files of JSON lines become tables on the real engine: no value is rounded, widened or lost without a word."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from roe_magic.contract import models
from roe_magic.errors import UsageError
from roe_magic.service.queries.interfaces import UploadOutcome
from tests.support.engines import LiveEngine, upload_of

DEEP = "line 1 has more than 1,000 lists and objects inside of each other"
pytestmark = pytest.mark.integration


@pytest.fixture
def files(live: LiveEngine) -> Iterator[Path]:
    """The folder of uploaded files."""
    folder = live.folder / "uploads"
    folder.mkdir(exist_ok=True)
    yield folder
    assert not [name for (name,) in live.rows("SHOW TABLES") if name.startswith(b".")]


def create(live: LiveEngine, files: Path, text: str | bytes, **options: Any) -> UploadOutcome:
    """Create the table `t` of a file, in place of the one before."""
    path = files / "t"
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    upload = upload_of(path, **{"content_type": models.NDJSON, "replace": True, **options})
    outcome: UploadOutcome = live.call(live.engine.create_table("own", "t", upload))
    return outcome


def lines(*values: str) -> str:
    """Return a line for each value of a column; an empty one is a line without it."""
    return "".join(
        f'{{"n": {number}{f", {chr(34)}c{chr(34)}: {value}" if value else ""}}}\n'
        for number, value in enumerate(values)
    )


@pytest.mark.parametrize(
    ("values", "type_name", "texts"),
    [
        (["1", "-2"], "Int64", ["1", "-2"]),
        (["1", "18446744073709551615"], "UInt64", ["1", "18446744073709551615"]),
        (["-1", "18446744073709551615"], "Int128", ["-1", "18446744073709551615"]),
        (["1", "null", ""], "Nullable(Int64)", ["1", None, None]),
        (["0.5", "1", "1e5", "-0"], "Float64", ["0.5", "1", "100000", "-0"]),
        (["1.10"], "Float64", ["1.1"]),
        (["true", "false"], "Bool", ["true", "false"]),
        (["true", "null"], "Nullable(Bool)", ["true", None]),
        (['"02134"', '"true"', '"2024-01-01"', '""'], "String", ["02134", "true", "2024-01-01", ""]),
        (['"\\\\N"', '"\\u00fc\\n"', "null"], "Nullable(String)", ["\\N", "ü\n", None]),
        (["[1, null]", "[]"], "Array(Nullable(Int64))", ["[1,NULL]", "[]"]),
        (
            ['{"x": 1, "y": "a"}', '{"x": null}'],
            "Tuple(x Nullable(Int64), y Nullable(String))",
            ["(1,'a')", "(NULL,NULL)"],
        ),
        (['{"x": 1}', ""], "Nullable(Tuple(x Nullable(Int64)))", ["(1)", None]),
        (["null", "null"], "Nullable(String)", [None, None]),
    ],
)
def test_values_arrive_as_they_are(
    live: LiveEngine, files: Path, values: list[str], type_name: str, texts: list[str | None]
) -> None:
    """Text stays text, and a column is Nullable only if it holds NULL."""
    outcome = create(live, files, lines(*values))
    assert [column.type for column in outcome.columns] == ["Int64", type_name]
    assert outcome.notices == []
    rows = [text if text is None else text.encode() for text in texts]
    assert [text for (text,) in live.rows("SELECT toString(c) FROM t ORDER BY n")] == rows


@pytest.mark.parametrize(
    ("values", "texts"),
    [
        (["true", "2"], ["true", "2"]),
        (["9007199254740993", "0.5"], ["9007199254740993", "0.5"]),
        (["1e400", "1"], ["1e400", "1"]),
        (['"x"', '{"b": 1}'], ["x", '{"b": 1}']),
        (['"x"', "1"], ["x", "1"]),
        (["1", '"1"'], ["1", "1"]),
        (['"x"', "true", "null"], ["x", "true", None]),
        (['"x"', "[1]"], ["x", "[1]"]),
        (["123456789012345678901234567890", "1"], ["123456789012345678901234567890", "1"]),
        (["[1]", '{"b": 1}'], ["[1]", '{"b": 1}']),
        (["[1]", "null"], ["[1]", None]),
        (["[1]", ""], ["[1]", None]),
        (['[1, "x"]'], ['[1, "x"]']),
        (["[true, 2]"], ["[true, 2]"]),
        (["[9007199254740993, 0.5]"], ["[9007199254740993, 0.5]"]),
        (["[1e400]"], ["[1e400]"]),
    ],
)
def test_what_no_type_holds_exactly_is_the_text_of_the_file(
    live: LiveEngine, files: Path, values: list[str], texts: list[str | None]
) -> None:
    """The engine alone would change these values, or refuse the whole file; the reason says why it is text."""
    outcome = create(live, files, lines(*values))
    column = outcome.columns[1]
    assert (column.type, column.reason) == (
        "Nullable(String)" if None in texts else "String",
        "text: values of different kinds",
    )
    rows = [text if text is None else text.encode() for text in texts]
    assert [text for (text,) in live.rows("SELECT c FROM t ORDER BY n")] == rows
    assert outcome.notices == ["Columns with values of different kinds are text: c."]


def test_whole_numbers_beyond_64_bits_keep_every_digit(live: LiveEngine, files: Path) -> None:
    """The engine's types cannot tell them from text, so they are text unless a type is declared."""
    text = lines("123456789012345678901234567890", "1")
    create(live, files, text)
    assert live.rows("SELECT c FROM t WHERE n = 0") == [(b"123456789012345678901234567890",)]
    assert create(live, files, text, types={"c": "Int128"}).columns[1].type == "Int128"
    assert live.rows("SELECT toString(c) FROM t WHERE n = 0") == [(b"123456789012345678901234567890",)]


@pytest.mark.parametrize(
    ("declared", "value", "type_name", "text"),
    [
        ("Int8", "5", "Int8", b"5"),
        ("String", "1.50", "String", b"1.50"),
        ("Decimal(10, 2)", '"1.50"', "Decimal(10, 2)", b"1.5"),
        ("Date", '"2024-01-01"', "Date", b"2024-01-01"),
        ("DateDMY", '"02/01/2024"', "Date", b"2024-01-02"),
        ("DateTimeMDY", '"02/01/2024 9:30"', "DateTime", b"2024-02-01 09:30:00"),
        ("DateTime64(3)", '"2024-01-01 00:00:00.5"', "DateTime64(3)", b"2024-01-01 00:00:00.500"),
        ("Nullable(Int8)", "5", "Nullable(Int8)", b"5"),
        ("String", "[1, 2]", "String", b"[1, 2]"),
    ],
)
def test_a_declared_type_is_strict(
    live: LiveEngine, files: Path, declared: str, value: str, type_name: str, text: bytes
) -> None:
    """A value that fits is read as that type; one that does not is refused with the value."""
    outcome = create(live, files, lines(value), types={"c": declared})
    assert (outcome.columns[1].type, outcome.columns[1].reason) == (type_name, "declared")
    assert live.rows("SELECT toString(c) FROM t") == [(text,)]
    if declared != "String":
        with pytest.raises(UsageError, match=r"The column 'c' cannot be .*the first is 'some words' \(row 2, counted"):
            create(live, files, lines(value, '"some words"'), types={"c": declared})


def test_columns_have_the_order_and_the_names_of_the_file(live: LiveEngine, files: Path) -> None:
    """Names may be anything; a key that comes later is a column after the others."""
    outcome = create(live, files, '{"b": 1, "a.b": 2}\n{"it\'s `\\\\": 3}\n\n{"a": null}\n')
    assert [column.name for column in outcome.columns] == ["b", "a.b", "it's `\\", "a"]
    assert outcome.summary.written_rows == 3


def test_rows_keep_their_order(live: LiveEngine, files: Path) -> None:
    """The engine parses with several threads, and inserts with one."""
    create(live, files, "".join(f'{{"n": {n}}}\n' for n in range(300_000)))
    sql = "SELECT count() FROM (SELECT n, rowNumberInAllBlocks() AS r FROM t) WHERE n != r SETTINGS max_threads = 1"
    assert live.rows(sql) == [(0,)]


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\n\n",
        b"no json\n",
        b'{"a": 1\n{"a": 2}\n',
        b'{"a": 1}\n{"a": \n',
        b'{"a": 1, "a": 2}\n',
        b'{"": 1}\n',
        b'{"": 1, "a": 2}\n',
        b"[1, 2]\n",
        b"1\n2\n",
        b'{"a": NaN}\n{"a": 1}\n',
        b"\xff\xfe{\x00}\x00",
        b'{"a\xff": 1}\n',
        b'{"a": {}}\n{"a": 5}\n',
        b'{"a": ' + b"[" * 5000 + b"]" * 5000 + b"}\n",
        b'{"a": "x\n',
    ],
)
def test_what_is_no_file_of_json_lines_is_refused(live: LiveEngine, files: Path, content: bytes) -> None:
    """The message says so, and shows neither a path nor the engine's own doings; the old table stays."""
    create(live, files, '{"old": 1}\n')
    pid = live.engine.pid
    with pytest.raises(UsageError) as caught:
        create(live, files, content)
    for hidden in (str(live.folder), "DB::", "While executing", "You can specify", "in file/uri", "hive"):
        assert hidden not in caught.value.message
    assert live.rows("SELECT old FROM t") == [(1,)]
    assert live.engine.pid == pid


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b'{"a": 1}\n{"a":', "line 2 ends before its object does"),
        (b'{"a": "x\n', "line 1 ends before its object does"),
        (b'\n{"a": 1}\r\n\r\n{"a": x}\r\n', "line 4 is no JSON at 'x}'"),
        (b'{"a": 1}\n{"a": "\\ud800"}\n', "line 2 has one half of a character (\\ud800 to \\udfff) without the other"),
        (b'{"a": 1}\n{"a": 1, "a": 2}\n', "line 2 has the key 'a' more than once"),
        (b'{"a": 1}\n{"a": NaN}\n', "line 2 has NaN, which JSON does not have"),
        (b"no json\n", "line 1 is no object in braces"),
        (b"[1, 2]\n", "line 1 is no object in braces"),
        (b'{"a": 1\n{"a": 2}\n', "line 1 ends before its object does"),
        (b'[{"a": 1}, {"a": 2}, {"a":', "line 1 ends before its object does"),
        (b'{"a": 1}{"a": 2}\n{\n"a": [1,\n2],\n"b": y}\n', "line 5 is no JSON at 'y}'"),
        (b'{\n"a": 1\n}\n{\n"a": 2,\n"a": 3\n}\n', "line 4 has the key 'a' more than once"),
        (b'{"a": "[[{"}\n5\n', "line 2 is no object in braces"),
        (b'[{"a": 1},\n{"a": }]', "line 2 is no JSON at '}]'"),
        (b'{"a": 1}\n{"": 1}\n', "line 2 has an empty key"),
        (b'{"a": ' + b"[" * 5000 + b"]" * 5000 + b"}\n", DEEP),
    ],
)
def test_what_is_wrong_with_a_line_is_said(live: LiveEngine, files: Path, content: bytes, says: str) -> None:
    """By the line's number, in words that do not speak of the engine."""
    with pytest.raises(UsageError) as caught:
        create(live, files, content)
    assert caught.value.message == f"The file cannot be read as JSON lines: {says}."


@pytest.mark.parametrize(
    "content",
    [b'[{"c": 1}, {"c": "x"}]', b'[\n{"c": 1},\n{"c": "x"}\n]\n', b'{"c": 1},\n{"c": "x"},\n', b'{"c": 1}{"c": "x"}'],
)
def test_objects_may_stand_in_an_array_or_have_commas(live: LiveEngine, files: Path, content: bytes) -> None:
    """Other programs write JSON so; each object is a row all the same."""
    outcome = create(live, files, content)
    assert live.rows("SELECT c FROM t") == [(b"1",), (b"x",)]
    assert outcome.notices == ["Columns with values of different kinds are text: c."]


def test_a_file_with_many_conflicting_columns_is_read(live: LiveEngine, files: Path) -> None:
    """The engine names one conflict at a time."""
    rows = [", ".join(f'"c{n}": {value}' for n in range(30)) for value in ('"x"', "[1]", "-1")]
    outcome = create(live, files, "".join(f"{{{row}}}\n" for row in rows))
    assert {column.type for column in outcome.columns} == {"String"}
