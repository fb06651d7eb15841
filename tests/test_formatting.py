"""Texts for people: how wide they are, where they are cut, and how they stand in HTML."""

from __future__ import annotations

import re
from html import unescape

import pytest
from hypothesis import given
from hypothesis import strategies as st

from roe_magic.errors import RoeError
from roe_magic.formatting import KEPT_LIMIT, MESSAGE_LIMIT, clean, clean_message, display_width, html_text, pieces

TEXTS = st.text(st.characters(codec="utf-8") | st.sampled_from("$\\<&日e\u0301"))


@given(TEXTS)
def test_html_reads_as_the_text_and_has_no_mathematics(text: str) -> None:
    """Each dollar and each backslash is alone between two tags."""
    html = html_text(text)
    assert unescape(re.sub(r"</?span>", "", html)) == text
    assert [piece for piece in re.split(r"<[^>]*>", html) if re.search(r"[$\\]", piece) and len(piece) > 1] == []


@pytest.mark.parametrize(("text", "width"), [("", 0), ("abc", 3), ("日本", 4), ("e\u0301", 1), ("é", 1), ("\uff21", 2)])
def test_a_text_has_a_width(text: str, width: int) -> None:
    """In columns of a terminal."""
    assert display_width(text) == width


@given(TEXTS, st.integers(2, 20))
def test_pieces_are_the_text_and_fit(text: str, width: int) -> None:
    """None is wider, none is empty, and together they are the text."""
    cut = list(pieces(text, width))
    assert "".join(cut) == text
    assert all(display_width(piece) <= width for piece in cut)
    assert all(cut) or not text


@given(st.text(), st.integers(3, 50))
def test_a_message_is_cut_in_its_middle_if_at_all(text: str, limit: int) -> None:
    """A short one is whole."""
    shown = clean_message(text, limit)
    assert ("characters left out" in shown) == (len(text) > limit)
    if text.isascii() and text.isprintable() and len(text) > limit:
        assert shown.startswith(text[: limit - limit // 3] + " … (")
        assert shown.endswith(") … " + text[-(limit // 3) :])


def test_an_error_says_what_a_screen_takes_and_keeps_more_of_it() -> None:
    """All that is kept of a message is safe to print, and limited: tracebacks and logs show it, too."""
    error = RoeError("a\x1b[2J" + "x" * 100_000 + " (CODE)", hint="y" * 10_000)
    message, hint = str(error).split("\n")
    assert message.startswith("a<U+001B>[2Jx")
    assert message.endswith("x (CODE)")
    assert max(len(message), len(hint)) < MESSAGE_LIMIT + 50
    assert error.message.startswith("a<U+001B>[2Jx")
    assert KEPT_LIMIT < len(error.message) < KEPT_LIMIT + 50
    assert max(len(repr(error)), len(error.args[0])) < KEPT_LIMIT + 100


@pytest.mark.parametrize("hidden", "\u034f\u115f\u1160\u2800\u3164\uffa0\U000e0100\U000e01ef")
def test_a_character_that_cannot_be_seen_is_named(hidden: str) -> None:
    """Two names that look the same are told apart."""
    assert clean(f"a{hidden}b") == f"a<U+{ord(hidden):04X}>b"
