"""The list of `--types`: brackets, commas and quotes."""

from __future__ import annotations

import pytest

from roe_magic.errors import UsageError
from roe_magic.uploads.type_list import end_of_type_list, parse_type_list


@pytest.mark.parametrize(
    ("text", "types"),
    [
        ("a=Int64", {"a": "Int64"}),
        ("price=Decimal(10, 2),d=Date", {"price": "Decimal(10, 2)", "d": "Date"}),
        (" a = Int64 , b = String ", {"a": "Int64", "b": "String"}),
        ("at=DateTime64(3, 'Europe/Berlin'),b=Bool", {"at": "DateTime64(3, 'Europe/Berlin')", "b": "Bool"}),
        ("s=Enum8('a,(' = 1, 'b)' = 2),t=String", {"s": "Enum8('a,(' = 1, 'b)' = 2)", "t": "String"}),
        ("t=Tuple(a Array(Int8), `b,c` String)", {"t": "Tuple(a Array(Int8), `b,c` String)"}),
        ('"a, b"=Int8,`c=d`=Int8', {"a, b": "Int8", "c=d": "Int8"}),
        ("'it''s'=Int8,\"a\\\"b\"=Int8", {"it's": "Int8", 'a"b': "Int8"}),
        ("zip=String,amount='Decimal(12, 2)'", {"zip": "String", "amount": "Decimal(12, 2)"}),
        ("first name=String,größe=Float64", {"first name": "String", "größe": "Float64"}),
    ],
)
def test_columns_and_their_types_are_read(text: str, types: dict[str, str]) -> None:
    """A comma or an equals sign inside brackets or quotes splits nothing."""
    assert parse_type_list(text) == types


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "not COLUMN=TYPE"),
        ("a", "'a', which is not COLUMN=TYPE"),
        ("a=", "not COLUMN=TYPE"),
        ("=Int8", "not COLUMN=TYPE"),
        ("a=Int8,", "not COLUMN=TYPE"),
        ("a=Int8,,b=Int8", "not COLUMN=TYPE"),
        ("a=Int8,a=Int16", "'a' twice"),
        ("a=Decimal(10, 2", "brackets"),
        ("a=Decimal)10, 2(", "brackets"),
    ],
)
def test_what_is_no_list_is_refused(text: str, said: str) -> None:
    """With an example of what to write."""
    with pytest.raises(UsageError, match=said):
        parse_type_list(text)


@pytest.mark.parametrize(
    "listed",
    [
        "a=Int8",
        "price=Decimal(10, 2),d=Date",
        "a=Int8, b=Int8",
        "a = Int8 , b= DateTime('UTC')",
        "s=Enum8('a b' = 1, 'c' = 2)",
        "'a b'=Int8",
    ],
)
def test_a_list_ends_where_the_next_word_begins(listed: str) -> None:
    """Blanks around commas and inside brackets and quotes do not end it."""
    for line in (listed, f"{listed} --replace t x", f"{listed}  'some file.csv'"):
        assert line[: end_of_type_list(line)] == listed
