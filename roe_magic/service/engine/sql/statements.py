"""Splits SQL into statements, and takes SETTINGS clauses out of them, by the tokens of ClickHouse's own lexer."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

# (begin, end, kind) of a token, in bytes of the UTF-8 text.
Span = tuple[int, int, str]


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


@dataclass(frozen=True)
class SqlStatement:
    """One statement: its SQL, from its first token to its last, and its tokens."""

    sql: str
    tokens: Sequence[StatementToken]


def split(sql: str, lexer: Callable[[str], Iterable[Span]]) -> list[SqlStatement]:
    """Return the statements between the semicolons; those of only white space and comments are left out.

    Parameters
    ----------
    sql : str
        Any text.
    lexer : callable
        Returns its tokens in order, white space and comments included.
    """
    data = sql.encode()
    statements: list[SqlStatement] = []
    spans: list[Span] = []
    for begin, end, kind in [*lexer(sql), (len(data), len(data), "Semicolon")]:
        if kind == "Semicolon" and spans:
            statements.append(_statement(data, spans))
            spans = []
        elif kind not in {"Whitespace", "Comment", "Semicolon"}:
            spans.append((begin, end, kind))
    return statements


def _statement(data: bytes, spans: Sequence[Span]) -> SqlStatement:
    start, stop = spans[0][0], spans[-1][1]
    tokens = [StatementToken(kind, data[begin:end].decode(), begin - start) for begin, end, kind in spans]
    return SqlStatement(data[start:stop].decode(), tokens)


def without_settings(statement: SqlStatement) -> tuple[SqlStatement, str]:
    """Separate a statement from its SETTINGS clause, which is at its end, or in an INSERT before the rows.

    Returns
    -------
    tuple
        The statement without the clause, and the clause without the word SETTINGS, empty if there is none. The clause
        of a CREATE describes the table, so it stays in the statement.
    """
    tokens = statement.tokens
    index = None if tokens[0].word == "CREATE" else _settings_index(tokens)
    if index is None:
        return statement, ""
    words_after = {"SELECT", "WITH", "VALUES"} if tokens[0].word == "INSERT" else {"FORMAT", "INTO"}
    stop = next((i for i in range(index, len(tokens)) if tokens[i].word in words_after), len(tokens))
    data = statement.sql.encode()
    begin, end = tokens[index].begin, tokens[stop].begin if stop < len(tokens) else len(data)
    rest = [StatementToken(token.kind, token.text, token.begin - (end - begin)) for token in tokens[stop:]]
    clause = data[begin:end].decode()[len("SETTINGS") :]
    return SqlStatement((data[:begin] + data[end:]).decode(), [*tokens[:index], *rest]), clause


def _settings_index(tokens: Sequence[StatementToken]) -> int | None:
    """Return the index of the last SETTINGS that begins a clause of the statement itself, None if there is none."""
    depth = 0
    for index in range(len(tokens) - 1, 0, -1):
        depth += (tokens[index].kind == "ClosingRoundBracket") - (tokens[index].kind == "OpeningRoundBracket")
        # A clause goes on with a name and an equals sign; otherwise SETTINGS is the name of a column, say.
        second_kind = tokens[index + 2].kind if index + 2 < len(tokens) else ""
        if depth == 0 and tokens[index].word == "SETTINGS" and second_kind == "Equals":
            return index
    return None


def insert_as_select(tokens: Sequence[StatementToken]) -> str | None:
    """Return ``INSERT INTO t VALUES (1), (2)`` as ``INSERT INTO t SELECT (1), (2)``; None for any other statement.

    Only for the syntax tree: ClickHouse shows none for inline rows, whose cells are expressions and can call functions.
    """
    values_index = _values_index(tokens)
    if values_index is None:
        return None
    texts = [token.text for token in tokens[:values_index]] + ["SELECT"]
    for previous, token in zip(tokens[values_index:], tokens[values_index + 1 :], strict=False):
        # Commas between rows are optional in VALUES.
        if previous.kind == "ClosingRoundBracket" and token.kind == "OpeningRoundBracket":
            texts.append(",")
        texts.append(token.text)
    return " ".join(texts)


def _values_index(tokens: Sequence[StatementToken]) -> int | None:
    if tokens[0].word != "INSERT":
        return None
    depth = 0
    for index, token in enumerate(tokens[:-1]):
        depth += (token.kind == "OpeningRoundBracket") - (token.kind == "ClosingRoundBracket")
        if depth == 0 and token.word == "VALUES" and tokens[index + 1].kind == "OpeningRoundBracket":
            return index
        if depth == 0 and token.word in {"SELECT", "WITH", "FORMAT"}:
            return None
    return None
