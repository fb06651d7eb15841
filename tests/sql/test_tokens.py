"""SQL text: whether it ends in a semicolon that hides the rows."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from roe_magic.sql.tokens import ends_in_semicolon


@pytest.mark.parametrize(
    "sql",
    [
        *("SELECT 1;", "SELECT 1 ; \n\t", "SELECT 1; -- done", "SELECT 1; /* done */", "SELECT 1; # done"),
        *("SELECT 1;;", "SELECT 1; SELECT 2;", "SELECT ';';", 'SELECT ";" ;', "SELECT `;`;", "SELECT '\\';';"),
        "SELECT 1; /* ; */ -- ;",
    ],
)
def test_a_semicolon_at_the_end_is_seen(sql: str) -> None:
    """Behind white space and before comments, whatever stands in strings."""
    assert ends_in_semicolon(sql)


@pytest.mark.parametrize(
    "sql",
    [
        *("", " \n", "SELECT 1", "SELECT 1; SELECT 2", "SELECT ';'", "SELECT 1 -- ;", "SELECT 1 /* ; */", "-- ;"),
        *("SELECT '", "SELECT ';", "SELECT /* ;", "SELECT `;", 'SELECT ";', "SELECT 'it''s;'", "SELECT '\\';"),
        "SELECT $$;$$",
    ],
)
def test_a_semicolon_inside_something_is_not_the_end(sql: str) -> None:
    """In a string, a name or a comment, or where the text cannot be read at all."""
    assert not ends_in_semicolon(sql)


@settings(deadline=None)
@given(st.text(max_size=60))
def test_any_text_has_an_answer(sql: str) -> None:
    """No text of a user raises; a line of nothing but a comment behind it changes nothing."""
    assert ends_in_semicolon(sql) in (True, False)
