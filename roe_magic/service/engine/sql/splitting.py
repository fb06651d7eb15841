"""Cuts SQL into statements by the tokens of ClickHouse's own lexer.

The rows of an INSERT with VALUES or FORMAT do not become tokens: that would take a hundred times as long as to insert
them. In a long text that ends in such an INSERT only the beginning is given to the lexer; see :mod:`.inline_rows`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Protocol

from roe_magic.service.engine.sql import inline_rows
from roe_magic.service.engine.sql.statements import (
    INSIGNIFICANT,
    InlineRows,
    RowTokens,
    Span,
    SqlStatement,
    StatementToken,
)

# In a text longer than this, the rows of an INSERT are looked for in its first part.
_NAMES = frozenset({"BareWord", "QuotedIdentifier"})
LONG_TEXT, _FIRST_PART = 20_000, 4_000


class Lexer(Protocol):
    """ClickHouse's lexer."""

    def tokens(self, sql: str) -> Iterable[Span]:
        """Return the tokens of SQL in order."""

    def row_tokens(self, rows: str) -> RowTokens:
        """Return what tokens there are in the rows of an INSERT."""


def split(sql: str, lexer: Lexer) -> list[SqlStatement]:
    """Return the statements between the semicolons; those of only white space and comments are left out.

    Parameters
    ----------
    sql : str
        Any text.
    lexer : Lexer
        Finds the tokens.
    """
    statements: list[SqlStatement] = []
    rest: bytes | None = sql.encode()
    while rest is not None:
        first, rest = _until_formatted_rows(rest, lexer)
        statements += first
    return statements


def _until_formatted_rows(data: bytes, lexer: Lexer) -> tuple[list[SqlStatement], bytes | None]:
    """Return the statements up to the first INSERT with FORMAT, and the text after that one, None if there is none.

    The rows after FORMAT are not SQL: the tokens of what follows them cannot be known from tokens of the whole.
    """
    if len(data) > LONG_TEXT:
        at_once = _with_rows_last(data, lexer)
        if at_once is not None:
            return at_once, None
    statements: list[SqlStatement] = []
    for spans in _between_semicolons([*lexer.tokens(data.decode()), (len(data), len(data), "Semicolon")]):
        rows_index = _rows_index(data, spans)
        name = "" if rows_index is None else _word(data, spans[rows_index - 1])
        if rows_index is None or name == "VALUES":
            statements.append(_statement(data[: spans[-1][1]], spans))
            continue
        end, next_begin = inline_rows.bounds(data, spans[rows_index - 1][1], name)
        return [*statements, _statement(data[:end], spans)], data[next_begin:]
    return statements, None


def _between_semicolons(spans: Iterable[Span]) -> Iterator[list[Span]]:
    group: list[Span] = []
    for span in spans:
        if span[2] == "Semicolon":
            if group:
                yield group
            group = []
        elif span[2] not in INSIGNIFICANT:
            group.append(span)


def _with_rows_last(data: bytes, lexer: Lexer) -> list[SqlStatement] | None:
    """Return the statements of a text that ends in the rows of an INSERT with VALUES, None for any other text."""
    # The last token of the first part may be cut in two.
    spans = [*lexer.tokens(data[:_FIRST_PART].decode("utf-8", "ignore"))][:-1]
    *before, last = [*_between_semicolons([*spans, (0, 0, "Semicolon")])] or [[]]
    rows_index = _rows_index(data, last)
    if rows_index is None or _word(data, last[rows_index - 1]) != "VALUES":
        return None
    if any(_rows_index(data, group) is not None for group in before):
        return None
    begin = last[rows_index - 1][1]
    text = data[begin:].rstrip(b" \t\r\n;")
    row_tokens = RowTokens() if inline_rows.are_plain(text) else lexer.row_tokens(text.decode())
    if "Semicolon" in row_tokens.kinds:
        return None
    statement = _statement(data[: begin + len(text)], last, row_tokens)
    return [*(_statement(data[: group[-1][1]], group) for group in before), statement]


def _statement(data: bytes, spans: Sequence[Span], row_tokens: RowTokens | None = None) -> SqlStatement:
    """Return the statement whose tokens begin with these, and whose text ends with the data."""
    start, rows_index = spans[0][0], _rows_index(data, spans)
    heads = spans if rows_index is None else spans[:rows_index]
    tokens = [StatementToken(kind, data[begin:end].decode(), begin - start) for begin, end, kind in heads]
    name = tokens[-1].text
    if rows_index is None:
        return SqlStatement(data[start:].decode(), tokens)
    has_format = len(heads) > _after_table_name(data, spans) + 1 and tokens[-2].word == "FORMAT"
    head_end = tokens[-2 if has_format else -1].begin
    rows = InlineRows("Values" if name.upper() == "VALUES" else name, tokens[-1].end, head_end, row_tokens)
    return SqlStatement(data[start:].decode(), tokens, rows)


def _rows_index(data: bytes, spans: Sequence[Span]) -> int | None:
    """Return the index of the first token of an INSERT's rows; None if the statement has none."""
    if not spans or _word(data, spans[0]) != "INSERT":
        return None
    depth = 0
    for index in range(_after_table_name(data, spans), len(spans) - 1):
        kind, word = spans[index][2], _word(data, spans[index])
        depth += (kind == "OpeningRoundBracket") - (kind == "ClosingRoundBracket")
        if depth == 0 and word == "VALUES" and spans[index + 1][2] == "OpeningRoundBracket":
            return index + 1
        if depth == 0 and word == "FORMAT" and spans[index + 1][2] == "BareWord":
            return index + 2
        if depth == 0 and word in {"SELECT", "WITH"}:
            return None
    return None


def _after_table_name(data: bytes, spans: Sequence[Span]) -> int:
    index = 2 if len(spans) > 1 and _word(data, spans[1]) == "INTO" else 1
    has_keyword = index + 1 < len(spans) and _word(data, spans[index]) == "TABLE" and spans[index + 1][2] in _NAMES
    if has_keyword and _word(data, spans[index + 1]) not in {"VALUES", "FORMAT", "SELECT", "WITH", "SETTINGS"}:
        index += 1
    return index + (3 if index + 1 < len(spans) and spans[index + 1][2] == "Dot" else 1)


def _word(data: bytes, span: Span) -> str:
    return data[span[0] : span[1]].decode().upper() if span[2] == "BareWord" else ""
