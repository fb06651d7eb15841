"""Splits SQL into statements by the tokens of ClickHouse's own lexer, and takes clauses out of a statement.

The rows of an INSERT with VALUES or FORMAT are not among its tokens, since there may be a million of them; see
:mod:`.inline_rows`.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

# (begin, end, kind) of a token, in bytes of the UTF-8 text.
Span = tuple[int, int, str]

INSIGNIFICANT = frozenset({"Whitespace", "Comment"})
OPENING = frozenset({"OpeningRoundBracket", "OpeningSquareBracket", "OpeningCurlyBrace"})
CLOSING = frozenset({"ClosingRoundBracket", "ClosingSquareBracket", "ClosingCurlyBrace"})


@dataclass(frozen=True)
class StatementToken:
    """A token that is neither white space nor a comment; ``begin`` counts bytes from the statement's beginning."""

    kind: str
    text: str
    begin: int

    @property
    def word(self) -> str:
        """The token in capitals if it is a bare word, else an empty string."""
        return self.text.upper() if self.kind == "BareWord" else ""

    @property
    def end(self) -> int:
        """The byte after the token."""
        return self.begin + len(self.text.encode())


@dataclass(frozen=True)
class RowTokens:
    """The kinds of token in the rows of an INSERT, and the bare words, each with whether a bracket follows it."""

    kinds: frozenset[str] = frozenset()
    words: frozenset[tuple[str, bool]] = frozenset()


@dataclass(frozen=True)
class InlineRows:
    """The rows inside the text of an INSERT.

    Parameters
    ----------
    format : str
        The name of their format.
    begin, head_end : int
        Where they begin, and where the word VALUES or FORMAT before them begins, in bytes.
    tokens : RowTokens, optional
        What tokens there are, if that is known: for plain rows, none.
    """

    format: str
    begin: int
    head_end: int
    tokens: RowTokens | None = None


@dataclass(frozen=True)
class SqlStatement:
    """One statement: its SQL, from its first token to its last, its tokens, and the inline rows after them."""

    sql: str
    tokens: Sequence[StatementToken]
    rows: InlineRows | None = None


@dataclass(frozen=True)
class Edit:
    """Tokens to replace: those from ``start`` up to ``stop``, by one token, or by nothing if ``text`` is empty."""

    start: int
    stop: int
    text: str = ""
    kind: str = "QuotedIdentifier"


def edited(statement: SqlStatement, edits: Iterable[Edit]) -> SqlStatement:
    """Return a statement in which some tokens, in ascending order, are replaced."""
    data, tokens, shift, position, index = statement.sql.encode(), list[StatementToken](), 0, 0, 0
    parts: list[bytes] = []
    for edit in edits:
        begin, end = statement.tokens[edit.start].begin, statement.tokens[edit.stop - 1].end
        tokens += [_moved(token, shift) for token in statement.tokens[index : edit.start]]
        replacement = edit.text.encode() or b" "
        if edit.text:
            tokens.append(StatementToken(edit.kind, edit.text, begin + shift))
        parts += [data[position:begin], replacement]
        shift, position, index = shift + len(replacement) - (end - begin), end, edit.stop
    tokens += [_moved(token, shift) for token in statement.tokens[index:]]
    rows = statement.rows and replace(
        statement.rows, begin=statement.rows.begin + shift, head_end=statement.rows.head_end + shift
    )
    return SqlStatement(b"".join([*parts, data[position:]]).decode(), tokens, rows)


def _moved(token: StatementToken, shift: int) -> StatementToken:
    return StatementToken(token.kind, token.text, token.begin + shift) if shift else token
