"""SQL cut into statements, and statements into parts, by the tokens of the engine's own lexer."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

# (begin, end, kind) of a token, in bytes of the UTF-8 text.
Span = tuple[int, int, str]


@dataclass(frozen=True)
class Token:
    """One token that is neither white space nor a comment; ``begin`` counts bytes from the statement's first."""

    kind: str
    text: str
    begin: int

    @property
    def word(self) -> str:
        """The token in capitals when it is a bare word, else an empty string."""
        return self.text.upper() if self.kind == "BareWord" else ""


@dataclass(frozen=True)
class Piece:
    """One statement: its text, from its first token to its last, and its tokens."""

    text: str
    tokens: Sequence[Token]


def split(sql: str, lexer: Callable[[str], Iterable[Span]]) -> list[Piece]:
    """Cut SQL at its semicolons; pieces of only white space and comments are dropped.

    Parameters
    ----------
    sql : str
        Any text.
    lexer : callable
        Gives its tokens in order, white space and comments included.
    """
    data = sql.encode()
    pieces: list[Piece] = []
    current: list[Span] = []
    for begin, end, kind in [*lexer(sql), (len(data), len(data), "Semicolon")]:
        if kind == "Semicolon" and current:
            pieces.append(_piece(data, current))
            current = []
        elif kind not in {"Whitespace", "Comment", "Semicolon"}:
            current.append((begin, end, kind))
    return pieces


def _piece(data: bytes, spans: Sequence[Span]) -> Piece:
    start, stop = spans[0][0], spans[-1][1]
    tokens = [Token(kind, data[begin:end].decode(), begin - start) for begin, end, kind in spans]
    return Piece(data[start:stop].decode(), tokens)


def lift_settings(piece: Piece) -> tuple[Piece, str]:
    """Take the SETTINGS clause off a statement: it stands at the end, or in an INSERT before its rows.

    Returns
    -------
    tuple
        The statement without it, and what stood behind the word, or an empty string. The clause of a CREATE belongs to
        the table and stays.
    """
    tokens = piece.tokens
    at = None if tokens[0].word == "CREATE" else _last_settings(tokens)
    if at is None:
        return piece, ""
    after = {"SELECT", "WITH", "VALUES"} if tokens[0].word == "INSERT" else {"FORMAT", "INTO"}
    stop = next((i for i in range(at, len(tokens)) if tokens[i].word in after), len(tokens))
    data = piece.text.encode()
    begin, end = tokens[at].begin, tokens[stop].begin if stop < len(tokens) else len(data)
    rest = [Token(token.kind, token.text, token.begin - (end - begin)) for token in tokens[stop:]]
    clause = data[begin:end].decode()[len("SETTINGS") :]
    return Piece((data[:begin] + data[end:]).decode(), [*tokens[:at], *rest]), clause


def _last_settings(tokens: Sequence[Token]) -> int | None:
    depth = 0
    # A name and an equals sign follow, else it is a name itself.
    for index in range(len(tokens) - 1, 0, -1):
        depth += (tokens[index].kind == "ClosingRoundBracket") - (tokens[index].kind == "OpeningRoundBracket")
        follows = tokens[index + 2].kind if index + 2 < len(tokens) else ""
        if depth == 0 and tokens[index].word == "SETTINGS" and follows == "Equals":
            return index
    return None


def insert_as_select(tokens: Sequence[Token]) -> str | None:
    """Rewrite ``INSERT INTO t VALUES (1), (2)`` as ``INSERT INTO t SELECT (1), (2)``, for its syntax tree only.

    The engine shows no tree for inline rows, whose cells are expressions and can call functions. None when the
    statement is something else.
    """
    at = _values(tokens)
    if at is None:
        return None
    parts = [token.text for token in tokens[:at]] + ["SELECT"]
    for before, token in zip(tokens[at:], tokens[at + 1 :], strict=False):
        # Commas between rows are optional in VALUES.
        if before.kind == "ClosingRoundBracket" and token.kind == "OpeningRoundBracket":
            parts.append(",")
        parts.append(token.text)
    return " ".join(parts)


def _values(tokens: Sequence[Token]) -> int | None:
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
