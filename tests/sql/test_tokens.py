"""What is read from the tokens of SQL: the semicolon at its end, its statements, its brackets, its names."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from roe_magic.sql.lexer import tokenize
from roe_magic.sql.tokens import bracket_pairs, ends_in_semicolon, first_word, identifier, statements


@pytest.mark.parametrize(
    "sql",
    [
        *("SELECT 1;", "SELECT 1 ; \n\t", "SELECT 1; -- done", "SELECT 1; /* done */", "SELECT 1; # done"),
        *("SELECT 1;;", "SELECT 1; SELECT 2;", "SELECT ';';", 'SELECT ";" ;', "SELECT `;`;", "SELECT '\\';';"),
        *(
            "SELECT 1; /* ; */ -- ;",
            "SELECT 1; /* a /* b */ c */",
            "SELECT 1; // done",
            "SELECT $$'$$;",
            "SELECT 1;\xa0",
        ),
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
        *("SELECT $$;$$", "SELECT \u2018;;;", "SELECT $a$ ';' $a$", "/* /* */ ;", "SELECT 1; /* open", "SELECT 1\\G"),
    ],
)
def test_a_semicolon_inside_something_is_not_the_end(sql: str) -> None:
    """In a string, a name or a comment, or where the text cannot be read at all."""
    assert not ends_in_semicolon(sql)


@settings(deadline=None)
@given(st.text(max_size=60))
def test_any_text_has_an_answer(sql: str) -> None:
    """No text of a user raises; a comment behind it changes nothing, unless it is inside of something."""
    assert ends_in_semicolon(sql) in (True, False)


@pytest.mark.parametrize(
    ("sql", "texts"),
    [
        ("", []),
        (" ;; -- nothing\n;", []),
        ("SELECT 1", ["SELECT 1"]),
        ("SELECT 1;", ["SELECT 1"]),
        (" SELECT 1 ; SELECT 2 -- done", ["SELECT 1", "SELECT 2"]),
        ("/* a */ SELECT /* b */ 1 /* c */; -- d\n SELECT 2;;", ["SELECT /* b */ 1", "SELECT 2"]),
        ("SELECT ';', `;`, \";\", $$;$$; SELECT 2", ["SELECT ';', `;`, \";\", $$;$$", "SELECT 2"]),
        ("SELECT 1; SELECT 'open; SELECT 3", ["SELECT 1", "SELECT 'open; SELECT 3"]),
        ("SELECT \u00e9; SELECT '\U0001f600'", ["SELECT \u00e9", "SELECT '\U0001f600'"]),
    ],
)
def test_statements_are_split_at_semicolons(sql: str, texts: list[str]) -> None:
    """Each from its first token to its last, without the comments around it; empty ones are left out."""
    assert [sql[begin:end] for begin, end in statements(sql)] == texts


@pytest.mark.parametrize(
    ("sql", "pairs"),
    [
        ("", {}),
        ("f(a[1], {b:T})", {1: 13, 3: 5, 8: 12}),
        ("((", {}),
        ("(()", {1: 2}),
        (")(", {}),
        ("( ] )", {0: 4}),
        ("(')', $$)$$ /* ) */)", {0: 19}),
    ],
)
def test_brackets_are_paired(sql: str, pairs: dict[int, int]) -> None:
    """Those in strings and comments do not count, and one without a partner has none."""
    assert bracket_pairs(tokenize(sql)) == pairs


@pytest.mark.parametrize(
    ("sql", "word"),
    [
        ("describe t", "DESCRIBE"),
        ("\n-- first\n/* then */ Explain AST SELECT 1", "EXPLAIN"),
        ("SHOW", "SHOW"),
        ("(SELECT 1)", ""),
        ("`show` x", ""),
        ("'EXPLAIN'", ""),
        ("-- EXPLAIN", ""),
        ("", ""),
    ],
)
def test_a_statement_begins_with_a_word(sql: str, word: str) -> None:
    """In capitals; comments, quoted names and texts are none."""
    assert first_word(sql) == word


@pytest.mark.parametrize(
    ("sql", "name"),
    [
        ("abc", "abc"),
        ("`a b`", "a b"),
        ('"a b"', "a b"),
        ("\u201ca b\u201d", "a b"),
        ("`a``b`", "a`b"),
        ("`a\\`b`", "a`b"),
        ('"a""b``c"', 'a"b``c'),
        ("`a\\\\b`", "a\\b"),
        ("``", ""),
    ],
)
def test_an_identifier_has_a_name(sql: str, name: str) -> None:
    """The name is what stands in the quotes, with doubled quotes and backslashes resolved."""
    (token,) = tokenize(sql)
    assert identifier(sql, token) == name
