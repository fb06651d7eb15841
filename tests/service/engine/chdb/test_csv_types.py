"""The types of large files, whose first rows may differ from later ones."""

from __future__ import annotations

import pytest

from tests.support.services import Api

# More rows than are looked at first, in a file that several threads read.
ROWS = 12_000
PADDING = "some words " * (8 * 2**20 // (11 * ROWS) + 1)


def column_of(api: Api, usual: str, last: str) -> tuple[str, object]:
    """Upload a large file with one value in all rows but the last; return the column's type and the last value."""
    lines = ["padding,a", *[f"{PADDING},{usual}"] * ROWS, f"the last,{last}"]
    sent = api.upload("large", "\n".join(lines))
    assert sent.status_code == 201, sent.text
    (kind,) = (c["type"] for c in api.http.get("/v1/tables/large/describe/").json()["columns"] if c["name"] == "a")
    query = api.submit("SELECT count(), any(a) FROM large WHERE padding = 'the last'")
    ((count, value),) = api.result(query["id"])["results"][0]["result_rows"]
    api.http.delete("/v1/tables/large/")
    assert count == 1
    return kind, value


@pytest.mark.parametrize(
    ("usual", "last", "kind", "value"),
    [
        ("1", "2", "Int64", 2),
        ("1.5", "2", "Float64", 2.0),
        ("1.5", "1.5e-05", "Float64", 1.5e-05),
        ("2020-01-01", "2020-01-02", "Date", "2020-01-02"),
        ("2020-01-01 00:00:00", "2020-01-01 00:00:01", "DateTime", "2020-01-01 00:00:01+00:00"),
        ("2020-01-01 00:00:00.25", "2020-01-01 00:00:00.5", "DateTime64(3)", "2020-01-01 00:00:00.500+00:00"),
        ("true", "false", "Bool", False),
        ("a word", "2", "String", "2"),
    ],
)
def test_values_like_the_first_have_their_type(api: Api, usual: str, last: str, kind: str, value: object) -> None:
    """The types of the first rows are used if all rows have them."""
    assert column_of(api, usual, last) == (f"Nullable({kind})", value)


@pytest.mark.parametrize(
    ("usual", "last", "kind", "value"),
    [
        ("1", "2.5", "Float64", 2.5),
        ("1", "99999999999999999999", "Int128", "99999999999999999999"),
        ("1", "a word", "String", "a word"),
        ("1.5", "a word", "String", "a word"),
        ("2020-01-01", "1960-01-01", "Date32", "1960-01-01"),
        ("2020-01-01", "2020-01-01 10:00:00", "DateTime", "2020-01-01 10:00:00+00:00"),
        ("2020-01-01 00:00:00", "1960-01-01 00:00:00", "DateTime64(3)", "1960-01-01 00:00:00+00:00"),
        ("2020-01-01 00:00:00", "2020-01-01 00:00:00.5", "DateTime64(3)", "2020-01-01 00:00:00.500+00:00"),
        ("2020-01-01 00:00:00.25", "soon", "String", "soon"),
        ("true", "maybe", "String", "maybe"),
        ("", "2", "Int64", 2),
        ("'x'", "2", "String", "2"),
    ],
)
def test_no_late_value_is_damaged(api: Api, usual: str, last: str, kind: str, value: object) -> None:
    """If the last value differs from the thousands before it, the column gets a type that holds both."""
    assert column_of(api, usual, last) == (f"Nullable({kind})", value)


def test_a_late_row_with_more_values_is_named(api: Api) -> None:
    """The message names the line in a large file as well."""
    (message,) = api.upload("large", "\n".join(["padding,a", *[f"{PADDING},1"] * ROWS, "x,2,3"])).json()
    assert message == f"The file cannot be read as CSV: line {ROWS + 2} has 3 values, and the first line has 2."
