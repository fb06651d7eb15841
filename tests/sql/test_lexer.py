"""The tokenizer, compared with the engine's own lexer."""

# ruff: noqa: RUF001  # curly quotes are part of what is tested

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Iterator, Sequence

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from roe_magic.sql.lexer import tokenize
from tests.support.engines import LiveEngine

# (kind, begin, end), in bytes of UTF-8.
Spans = list[tuple[str, int, int]]
Engine = Callable[[Sequence[str]], list[Spans]]

# One snippet on each line would take 500 lines.
# fmt: off
STRINGS = [
    "''", "'a'", "'it''s'", "''''", "'''", "'a\\'b'", "'a\\\\'", "'a\\\\''", "'\\", "'\\'", "'a", "'a'''", "'a''b",
    "'a\nb'", "'a' 'b'", "'a''' ''''", "'é😀'", "'a\x00b'", "'--'", "'/*'", "'$$'", "'\"`'", "'“”'", "'‘'", "x'41'",
    "X'4a4B'", "x''", "x'", "x'4", "x'4g'", "x'41' y", "b'01'", "B'0'", "b''", "b'", "b'2'", "b'01", "xx'41'", "ax'41'",
    "1x'41'", "x '41'", "x''''", "b'0''1'", "x'41''42'", 'x"41"', "N'a'", "_x'1'", "x'é'", "x'4\n1'",
]
IDENTIFIERS = [
    '"a"', '"a""b"', '"a\\"b"', '"a', '"', '""', "`a`", "`a``b`", "`a\\`b`", "`a", "`", "``", "`a.b`.c", '"a"."b"', "a",
    "_a", "a1", "a_b", "a$b", "$a", "$", "a$", "$1", "$ a", "$$", "$a b", "$a$", "é", "aé", "éa", "日本", "a.b.c", "@a",
    "@@a", "@@", "@@@", "a@b", "1a", "1_a", "12abc34", "0x", "0xg", "0b", "0b2", "1e", "1e5x", "1.5x", "0x1.8z", "a.1",
    "a.1.1", "a.1e5", "a.1_000.2", "a.1x", "(a).1", "[a].1", "`a`.1", '"a".1', "1.1.1", "'a'.1", "a .1", "a. 1",
    "{a}.1", "a::b.1", "a.1.b.2", "a./*c*/1.5", "x.0x1F", "a.b.1", "a..1", "a...1", "a.*", "* .5", "+.5", ",.5", "$.5",
]
CURLY_QUOTES = [
    "‘a’", "“a”", "‘a“", "‘a", "“a", "‘", "“", "‘’", "“”", "‘a'", "‘ab", "‘abc", "‘é", "‘éa", "‘日", "“日", "’", "”",
    "‘it''s’", "‘a\\’b’", "‘a’’b’", "‘‘a’", "“a\nb” c", "‘a’ x", "‘😀", "‘ab\n", "–", "—", "\u2212", "\u22121",
    "1\u22122",
]
NUMBERS = [
    "0", "1", "12", "1.", "1.5", ".5", ".", "..", "...", ".e5", ".5e5", ".5abc", "-.5", "1.5.5", "1..2", "1._5", "1_",
    "_1", "1_000", "1__0", "1_000_", "1_000.5_0", "1._0", "1.0_", "1e5", "1E5", "1e+5", "1e-5", "1e", "1e+", "1e+ ",
    "1e ", "1e-", "1e5_0", "1e_5", "1e5.5", "1.e5", "1.5e", "1e+a", "1e5e5", "0x1F", "0X1f", "0x1_F", "0x_1", "0x1__F",
    "0x1.8", "0x1.", "0x1p5", "0x1P-5", "0x1p", "0x1p ", "0x1p+", "0x1p5_0", "0x1.8p1", "0x1e5", "0xF_", "0b101", "0B1",
    "0b1_0", "0b12", "0b1.1", "0b1e5", "0b_1", "01", "00", "0_0", "1$", "1$a", "1é", "9223372036854775808", "1-1",
    "1--1", "1/1", "1//1", "1*/2", "1,2", "1;2", "inf", "nan", "1 .5", "1 . 5", ")1", ").5", "].5", "}.5", "1e5.1.1",
    "0x", "0x ", "0b ", "٣", "1٣",
]
COMMENTS = [
    "--", "-- a", "--a\nb", "a--b", "- -a", "---", "->-", "-->", "//", "// a\nb", "a//b", "/ /", "/", "/*", "/**/",
    "/* a */", "/* a", "/* /* a */ b */ c", "/* /* a */ b", "/*/", "/*/*/", "/*/**/*/", "/* */ */", "*/", "/***/",
    "/* -- */", "-- /*\na", "/* ' */ 'a'", "'/*' */", "/* ; */;", "#", "# a", "#a", "#!a", "#!", "#\n", "# a\nb", "##",
    "a # b", "a#b", "#\ta", "#\xa0a", "-- é\r\na", "--\\\na", "/*\n\n*/a", "/**//**/", "/* $$ */ $$", "\u2212-a",
    "-\u2212a", "/\u2212*",
]
HEREDOCS = [
    "$$a$$", "$$$$", "$$$", "$$ ' $$", "$$ -- $$ a", "$a$ x $a$", "$a$ x $b$ y $a$", "$a$ x $a", "$a$ x",
    "$a b$ x $a b$", "$$a$$$", "$a$$a$", "$a$a$a$", "$1$ x $1$", "$_$x$_$", "$é$ x $é$", "a$$b$$", "$$;$$;",
    "$a$$b$ x $b$", "$$ $a$ $$ $a$", "$A$ x $a$", "$$\n$$", "$$é$$", "$ $ $", "$-$", "$a$b$a$c", "1$a$ x $a$",
    "'$$' $$", "$$'$$'", "$a", "$a$ $a$ $a$", "$x'41'$", "$$/*$$*/", "($$a$$)", "$a$ \x00 $a$",
]
SYMBOLS = [
    "()[]{}", "(", ")", "[", "]", "{", "}", "([{", ",", ";", ";;", "; ;", "*", "**", "+", "++", "-", "->", "->>", "%",
    "?", "? :", ":", "::", ":::", "::::", "=", "==", "===", "====", "!=", "!", "!!", "! =", "!==", "<", "<=", "<>",
    "<=>", "<<", "<=<", "<==>", ">", ">=", ">>", "=>", "<-", "|", "||", "|||", "||||", "|>", "|>>", "| >", "||>", "^",
    "^^", "~", "~*", "~~", "~~*", "!~", "!~*", "!~~", "! ~", "!*", "&", "&&", "\\", "\\G", "\\g", "\\\\G", "\\Ga",
    "\\n", "@", "@@", "@ @", "\x00", "\x01", "\x7f", "a\x00b", "{a:UInt8}", "{a: Array(UInt8)}", "a->b", "a - > b",
    "x -> x.1", "a?b:c", "a[1]", "€", "\ud7ff",
]
SPACES = [
    "", " ", "  ", "\t", "\n", "\r\n", "\x0c", "\x0b", " \n\t ", "\x85", "\xa0", "\u180e", "\u2000", "\u2001", "\u200a",
    "\u200b", "\u200c", "\u200d", "\u200e", "‧", "\u2028", "\u2029", "\u202a", "\u202f", "\u205f", "\u2060", "\u2061",
    "\u3000", "、", "\ufeff", "\ufefe", "\x1c", "\x1f", "\xa0a", "a\xa0b", " \xa0 a", "\xa0 \xa0a", "\ufeffSELECT 1",
    "\u200b\u200c",
]
STATEMENTS = [
    "SELECT a, count() AS n FROM db.t AS x WHERE a IN (1, 2) GROUP BY a ORDER BY n DESC LIMIT 10;",
    "INSERT INTO m VALUES ({'a': 1}), ({})", 'INSERT INTO t (a, s) FORMAT JSONEachRow {"a": 3, "s": "z"};',
    "CREATE TABLE t (a UInt32, s String, d DateTime DEFAULT 0) ENGINE = MergeTree PARTITION BY a % 2 ORDER BY a;",
    "SELECT CAST('99.99', 'Decimal(4, 2)') * 2 AS x; SELECT toJSONString(map('a', 1)) AS x",
    "SELECT [(1, NULL), (2, NULL)] AS x, t.1.2, x[1].2, -1.5e-3, 0xFF, 1_000::UInt64",
    "CREATE VIEW pv AS SELECT * FROM t WHERE a > {low:UInt32} -- the lower bound\n;",
    "FROM t |> WHERE a = 1 |> SELECT a",
    "SELECT arrayMap(x -> x || 'a', ['b']), a <=> b, a !~* 'c', a ~ 'd', @@version, $$heredoc's$$ /* it's */ # end",
    "SELECT * FROM `odd name` \"q\" WHERE q.\"a\"\"b\" = 'it''s' SETTINGS max_threads = 1 FORMAT Vertical\\G",
    "EXPLAIN SYNTAX SELECT 1 WHERE 'a' LIKE '%\\_%' -- comment",
    "#!/usr/bin/env clickhouse-local\nSELECT 1 # one\n; // two\nSELECT 2",
    "SELECT\xa0‘copied’ AS “from a mail”, 1 \u2212 2",
]
# What the lexer has rules for, to be put together at random.
PIECES = [
    "'", "''", '"', "`", "\\", "\\'", "$", "$$", "$a$", "$b$", "-", "--", "/", "//", "/*", "*/", "#", "# ", "#!", "\n",
    " ", "\t", "\xa0", "\u2003", "\ufeff", "‘", "’", "“", "”", "\u2212", "é", "😀", "\x00", "x'", "b'", "X'", "0x",
    "0b",
    "0", "1", "42", "_", "1_0", ".", "..", "e", "E", "p", "e+", "+", ">", "<", "=", "!", "~", "*", "@", ":", "|", "?",
    "^", "%", "&", ";", "\\G", "(", ")", "[", "]", "{", "}", ",", "a", "F", "SELECT", "x", "b", "0x1F", "1e5",
]
# fmt: on
CORPUS = [*STRINGS, *IDENTIFIERS, *CURLY_QUOTES, *NUMBERS, *COMMENTS, *HEREDOCS, *SYMBOLS, *SPACES, *STATEMENTS]


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    """The engine's own lexer, applied to many texts at once."""
    live = LiveEngine(tmp_path_factory.mktemp("lexer"))
    try:
        live.start()
        yield lambda texts: engine_spans(live, texts)
    finally:
        live.close()


def engine_spans(live: LiveEngine, texts: Sequence[str]) -> list[Spans]:
    # A hexadecimal literal can hold any text, whatever its quotes.
    literals = ", ".join(f"x'{text.encode().hex()}'" for text in texts)
    ((listed,),) = live.rows(f"SELECT arrayMap(text -> tokenizeQuery(text), [{literals}])")
    return [[(token["type"], token["begin"], token["end"]) for token in tokens] for tokens in listed]


def our_spans(text: str) -> Spans:
    bytes_before = [0, *itertools.accumulate(len(character.encode()) for character in text)]
    return [(token.kind, bytes_before[token.begin], bytes_before[token.end]) for token in tokenize(text)]


def differences(engine: Engine, texts: Sequence[str]) -> dict[str, tuple[Spans, Spans]]:
    """Map each text that is not tokenized as the engine does to the engine's tokens and to ours."""
    both = zip(texts, engine(texts), map(our_spans, texts), strict=True)
    return {text: (theirs, ours) for text, theirs, ours in both if theirs != ours}


def test_every_rule_is_the_engines(engine: Engine) -> None:
    """Kinds and byte offsets equal those of tokenizeQuery, alone and with something before or behind."""
    assert differences(engine, CORPUS) == {}
    assert differences(engine, [f"a {text}" for text in CORPUS]) == {}
    assert differences(engine, [f"{text} a" for text in CORPUS]) == {}
    assert differences(engine, [f"({text}'" for text in CORPUS]) == {}


def test_any_two_snippets_are_tokenized_as_the_engine_does(engine: Engine) -> None:
    """What a token is may depend on the one before it."""
    pairs = [first + second for first, second in itertools.product(PIECES, repeat=2)]
    for begin in range(0, len(pairs), 2000):
        assert differences(engine, pairs[begin : begin + 2000]) == {}


@settings(deadline=None, max_examples=25, suppress_health_check=[HealthCheck.data_too_large, HealthCheck.too_slow])
@given(st.lists(st.lists(st.sampled_from(PIECES), max_size=12).map("".join), min_size=80, max_size=120))
def test_any_mixture_is_tokenized_as_the_engine_does(engine: Engine, texts: list[str]) -> None:
    """Quotes, escapes, tags and comment marks in any order, 2,000 texts and more."""
    assert differences(engine, texts) == {}


@settings(deadline=None, max_examples=20)
@given(st.lists(st.text(st.characters(codec="utf-8"), max_size=30), min_size=10, max_size=40))
def test_any_text_is_tokenized_as_the_engine_does(engine: Engine, texts: list[str]) -> None:
    """Any characters of Unicode."""
    assert differences(engine, texts) == {}


def test_the_corpus_has_every_kind() -> None:
    """Nothing that the lexer knows is left out of the comparison."""
    kinds = {token.kind for text in CORPUS for token in tokenize(text)}
    assert len(kinds) == 51
    assert {kind for kind in kinds if kind.startswith("Error")} == {
        "Error",
        "ErrorBackQuoteIsNotClosed",
        "ErrorDoubleQuoteIsNotClosed",
        "ErrorMultilineCommentIsNotClosed",
        "ErrorSingleExclamationMark",
        "ErrorSingleQuoteIsNotClosed",
        "ErrorWrongNumber",
    }


@given(st.text(max_size=60))
def test_every_character_belongs_to_one_token(text: str) -> None:
    """The tokens of a text follow each other without a gap, lone surrogates included."""
    ends = [0, *(token.end for token in tokenize(text))]
    assert [token.begin for token in tokenize(text)] == ends[:-1]
    assert ends[-1] == len(text)


@pytest.mark.parametrize(
    "piece",
    ["'", "''", "\\'", '"', "`", "‘", "/*", "/*/", "*/", "$", "$$ ", "$a$ ", "$a b$", ".", "1_", "0x", "x'", "\\"],
)
def test_a_long_text_takes_linear_time(piece: str) -> None:
    """100,000 pieces of anything, open or closed, are read in seconds."""
    assert seconds_for(piece * 100_000) < 5
    assert seconds_for("'" + piece * 100_000) < 5


def test_many_heredoc_tags_take_linear_time() -> None:
    """Tags that never come again, and tags that come again at the end, are not searched for one by one."""
    tags = "".join(f"$t{number}$ " for number in range(100_000))
    assert seconds_for(tags) < 5
    assert seconds_for(tags + tags) < 5


def seconds_for(text: str) -> float:
    began = time.process_time()
    assert max(token.end for token in tokenize(text)) == len(text)
    return time.process_time() - began


def test_tokens_come_one_by_one() -> None:
    """Who needs the first words alone does not wait for the rest."""
    began = time.process_time()
    first = list(itertools.islice(tokenize("SELECT " + "a, " * 3_000_000), 2))
    assert [token.kind for token in first] == ["BareWord", "Whitespace"]
    assert time.process_time() - began < 1
