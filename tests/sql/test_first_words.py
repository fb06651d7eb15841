"""The words that a statement can begin with, compared with what the engine itself expects there."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from roe_magic.sql.first_words import FIRST_WORDS, foreign_first_word
from tests.support.bare_engine import BareEngine


@pytest.mark.integration
def test_the_words_are_the_engines(tmp_path: Path) -> None:
    """It lists them in its error about a statement that begins with none of them."""
    engine = BareEngine(str(tmp_path / "engine"), "mine")
    try:
        (result,) = engine.each(["zzz"])
    finally:
        engine.close()
    expected = (result.message).partition("Expected one of: ")[2].split(", ")
    # Names of grammar rules have small letters in their first word, or are not words of SQL.
    begins = {item.split()[0] for item in expected if re.match(r"[A-Z]{2,}( [A-Z\\[|]|$)", item)}
    assert {"SELECT", "WITH", "UNDROP"} <= begins
    assert begins == FIRST_WORDS


@pytest.mark.parametrize(
    ("text", "word"),
    [
        *(
            (sql, None)
            for sql in ("SELECT 1", "  with x", "desc\nt", "(SELECT 1)", "-- a", "/* a */", "1", "'a'", "", ";")
        ),
        *((text, text.split()[0].rstrip("(),;")) for text in ("cancel", "history x", "now()", "tables;", "größe")),
    ],
)
def test_a_word_is_told_where_no_sql_begins_with_it(text: str, word: str | None) -> None:
    """Whatever is no word may be SQL."""
    assert foreign_first_word(text) == word
