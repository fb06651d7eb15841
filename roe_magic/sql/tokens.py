"""What the tokens of SQL tell without a server: its statements, its brackets, its names, a closing semicolon."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from roe_magic.sql.lexer import INSIGNIFICANT, Token, tokenize

_BRACKETS = {
    "OpeningRoundBracket": "ClosingRoundBracket",
    "OpeningSquareBracket": "ClosingSquareBracket",
    "OpeningCurlyBrace": "ClosingCurlyBrace",
}
_ESCAPES = {quote: re.compile(rf"\\(.)|{quote}({quote})", re.DOTALL) for quote in '"`'}


def significant(tokens: Iterable[Token]) -> Iterator[Token]:
    """Yield the tokens that are neither white space nor comments."""
    return (token for token in tokens if token.kind not in INSIGNIFICANT)


def ends_in_semicolon(sql: str) -> bool:
    """Whether the last token, white space and comments aside, is a semicolon; after an open quote it never is."""
    if ";" not in sql:
        return False
    kind = ""
    for token in significant(tokenize(sql)):
        kind = token.kind
    return kind == "Semicolon"


def statements(sql: str) -> Iterator[tuple[int, int]]:
    """Yield the offsets at which each statement begins and ends, from its first token to its last.

    Semicolons, and the white space and comments around a statement, belong to none; empty statements are left out.
    """
    begin = end = -1
    for token in significant(tokenize(sql)):
        if token.kind != "Semicolon":
            begin, end = token.begin if begin < 0 else begin, token.end
        elif begin >= 0:
            yield begin, end
            begin = -1
    if begin >= 0:
        yield begin, end


def first_word(sql: str) -> str:
    """Return the word that a statement begins with, in capitals; empty where it begins with something else."""
    token = next(significant(tokenize(sql)), None)
    return sql[token.begin : token.end].upper() if token is not None and token.kind == "BareWord" else ""


def bracket_pairs(tokens: Iterable[Token]) -> dict[int, int]:
    """Return the offset of the closing bracket for the offset of each opening one; without a partner it is left out."""
    pairs: dict[int, int] = {}
    open_brackets: list[Token] = []
    for token in tokens:
        if token.kind in _BRACKETS:
            open_brackets.append(token)
        elif open_brackets and token.kind == _BRACKETS[open_brackets[-1].kind]:
            pairs[open_brackets.pop().begin] = token.begin
    return pairs


def identifier(sql: str, token: Token) -> str:
    """Return the name that an identifier stands for, without its quotes and what escapes characters inside of them."""
    text = sql[token.begin : token.end]
    if token.kind == "BareWord":
        return text
    escape = _ESCAPES.get(text[0])
    return escape.sub(lambda match: match[1] or match[2], text[1:-1]) if escape else text[1:-1]
