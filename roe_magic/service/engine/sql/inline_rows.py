"""The rows inside the text of an INSERT, judged without a syntax tree of them.

ClickHouse reads each cell of VALUES as text of its column's type, and evaluates as an expression what cannot be read
so. Of a million cells hardly one is an expression, and a tree of all would take a hundred times as long as the INSERT
itself. :func:`are_plain` finds with a few operations on the whole text that there are no expressions at all. Otherwise
ClickHouse's lexer finds the words, which are enough where only harmless functions are called; else
:func:`expressions` returns the cells that are expressions, for a syntax tree of these alone.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence

import numpy as np

from roe_magic.service.engine.sql.statements import CLOSING, INSIGNIFICANT, OPENING, RowTokens, Span

# Words that are literals, or that stand inside of one: in 1e5 and 0x1F there is a letter.
_LITERAL_WORDS = frozenset({b"null", b"true", b"false", b"nan", b"inf", b"infinity", b"e", b"x"})
_LITERAL_LETTERS = bytes(sorted(set(b"".join(_LITERAL_WORDS)) | set(b"".join(_LITERAL_WORDS).upper())))
# Everything of plain rows that is neither a word nor inside quotes.
_PLAIN_BYTES = b"0123456789 \t\r\n,()[]{}:.+-'"
_ESCAPED_BACKSLASH, _ESCAPED_QUOTE = b"\x01", b"\x02"

_JSON_TEXT_OR_SEMICOLON = re.compile(rb'"(?:[^"\\]|\\.)*"|;', re.DOTALL)
_BEFORE_ROWS = re.compile(rb"[ \t\f]*\r?\n?")

_LITERAL_KINDS = frozenset({"Number", "StringLiteral", "Comma", "Minus", "Plus", "Colon", "HereDoc", "Dot"})


def bounds(data: bytes, name_end: int, format_name: str) -> tuple[int, int]:
    """Return where the rows after ``FORMAT name`` end, and where the next statement begins.

    They end at an empty line, as in ClickHouse; in the formats of JSON also at a semicolon outside of a text, since
    there it cannot be part of a row.
    """
    blank = data.find(b"\n\n", name_end)
    end = len(data) if blank < 0 else blank
    if format_name.upper().startswith(("JSON", "NDJSON")):
        for match in _JSON_TEXT_OR_SEMICOLON.finditer(data, name_end, end):
            if match[0] == b";":
                return match.start(), match.end()
    return end, end


def first_byte(data: bytes, name_end: int) -> int:
    """Return where the rows after ``FORMAT name`` begin: after spaces, and one line end."""
    match = _BEFORE_ROWS.match(data, name_end)
    return match.end() if match else name_end


def are_plain(rows: bytes) -> bool:
    """Whether rows of VALUES hold literals only, as far as this can be seen without a lexer; False if in doubt.

    What is outside of single quotes must be digits, brackets, commas, signs and the words of :data:`_LITERAL_WORDS`.
    So no comment, here document or other quotes can hide a quote from this.
    """
    if _ESCAPED_BACKSLASH in rows or _ESCAPED_QUOTE in rows:
        return False
    if b"\\" in rows:
        # Marked, not deleted: outside of quotes neither may stand.
        rows = rows.replace(b"\\\\", _ESCAPED_BACKSLASH).replace(b"\\'", _ESCAPED_QUOTE)
    outside = _outside_of_quotes(rows)
    if outside is None or b"--" in outside:
        return False
    others = outside.translate(None, _PLAIN_BYTES)
    if others.translate(None, _LITERAL_LETTERS):
        return False
    return not others or {word.lower() for word in set(re.findall(rb"[A-Za-z]+", outside))} <= _LITERAL_WORDS


def _outside_of_quotes(rows: bytes) -> bytes | None:
    """Return what is not between single quotes, each closing quote included; None if a quote is not closed."""
    characters = np.frombuffer(rows, np.uint8)
    is_inside = np.bitwise_xor.accumulate((characters == ord("'")).view(np.uint8))
    if len(rows) and is_inside[-1]:
        return None
    outside: bytes = characters[is_inside == 0].tobytes()
    return outside


def are_expressions_known(tokens: RowTokens) -> bool:
    """Whether rows hold words, literals and brackets only, so that their words show what they can do."""
    return tokens.kinds <= _LITERAL_KINDS | OPENING | CLOSING | {"BareWord"}


def expressions(data: bytes, spans: Iterable[Span]) -> Iterator[str]:
    """Yield the SQL of each cell of VALUES that is not a literal."""
    depth, cell = 0, list[Span]()
    for span in spans:
        kind = span[2]
        if kind in INSIGNIFICANT:
            continue
        depth -= kind in CLOSING
        if (depth == 1 and kind == "Comma") or (depth == 0 and kind in CLOSING):
            yield from _expression(data, cell)
            cell = []
        elif depth:
            cell.append(span)
        depth += kind in OPENING
    yield from _expression(data, cell)


def _expression(data: bytes, cell: Sequence[Span]) -> Iterator[str]:
    is_literal = all(
        kind in _LITERAL_KINDS
        or kind in OPENING
        or kind in CLOSING
        or (kind == "BareWord" and data[begin:end].lower() in _LITERAL_WORDS)
        for begin, end, kind in cell
    )
    if cell and not is_literal:
        yield data[cell[0][0] : cell[-1][1]].decode()
