"""Takes the brackets off JSON types, as in ``JSON(a UInt32, SKIP b)``, which ClickHouse cannot show in a syntax tree.

Only brackets that can be nothing else are taken off: a table, a view or a function may be named JSON as well, and what
stands in its brackets must be judged.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from roe_magic.service.engine.sql.statements import Edit, SqlStatement, StatementToken, edited

Tokens = Sequence[StatementToken]

_NAMES = frozenset({"BareWord", "QuotedIdentifier"})
# After these words comes the name of a table, or an expression.
_NO_TYPE_AFTER = frozenset(
    {
        *(
            "TABLE",
            "VIEW",
            "EXISTS",
            "FROM",
            "JOIN",
            "INTO",
            "IN",
            "AS",
            "WITH",
            "UPDATE",
            "TO",
            "SELECT",
            "WHERE",
            "BY",
        ),
        *("DEFAULT", "MATERIALIZED", "ALIAS", "EPHEMERAL", "TTL", "ON", "SET", "CHECK", "ASSUME"),
    }
)


def without_paths(statement: SqlStatement, types: frozenset[str]) -> SqlStatement:
    """Return a statement whose JSON types have lost their brackets.

    Parameters
    ----------
    statement : SqlStatement
        The statement.
    types : frozenset of str
        The names of ClickHouse's types, in lower case.
    """
    edits = [*_brackets(statement.tokens, types)]
    return edited(statement, edits) if edits else statement


def _brackets(tokens: Tokens, types: frozenset[str]) -> Iterator[Edit]:
    index = 1
    while index < len(tokens) - 1:
        stop = _type_end(tokens, index) if tokens[index].word in {"JSON", "OBJECT"} else None
        if stop and all(_is_item(item, types) for item in _items(tokens[index + 2 : stop - 1])):
            yield Edit(index + 1, stop)
            index = stop
        else:
            index += 1


def _type_end(tokens: Tokens, index: int) -> int | None:
    """Return the index after the brackets of a word that may be a type, None if it cannot be one."""
    before = tokens[index - 1]
    if before.word in _NO_TYPE_AFTER or before.kind == "Dot" or tokens[index + 1].kind != "OpeningRoundBracket":
        return None
    depth = 0
    for end in range(index + 1, len(tokens)):
        depth += (tokens[end].kind == "OpeningRoundBracket") - (tokens[end].kind == "ClosingRoundBracket")
        if depth == 0:
            return end + 1
    return None


def _items(tokens: Tokens) -> Iterator[Tokens]:
    """Yield what is between the commas."""
    depth, start = 0, 0
    for index, token in enumerate(tokens):
        depth += (token.kind == "OpeningRoundBracket") - (token.kind == "ClosingRoundBracket")
        if depth == 0 and token.kind == "Comma":
            yield tokens[start:index]
            start = index + 1
    if tokens:
        yield tokens[start:]


def _is_item(item: Tokens, types: frozenset[str]) -> bool:
    """Whether this is ``name = 1``, ``SKIP path``, ``SKIP REGEXP 'text'`` or ``path Type``."""
    kinds = [token.kind for token in item]
    if kinds == ["BareWord", "Equals", "Number"]:
        return True
    if item and item[0].word == "SKIP":
        is_pattern = kinds[1:] == ["BareWord", "StringLiteral"] and item[1].word == "REGEXP"
        return is_pattern or (len(item) > 1 and _path_end(item[1:]) == len(item) - 1)
    end = _path_end(item)
    return bool(end) and _is_type(item[end:], types)


def _path_end(item: Tokens) -> int:
    """Return how many tokens the names and dots at the beginning are."""
    end = 0
    while end < len(item) and item[end].kind in _NAMES:
        end += 1
        if end + 1 >= len(item) or item[end].kind != "Dot" or item[end + 1].kind not in _NAMES:
            break
        end += 1
    return end


def _is_type(item: Tokens, types: frozenset[str]) -> bool:
    """Whether this is one word, or a known type with brackets that hold types and literals."""
    if not item or item[0].kind != "BareWord":
        return False
    if len(item) == 1:
        return True
    if item[1].kind != "OpeningRoundBracket" or _type_end((item[0], *item), 1) != len(item) + 1:
        return False
    is_json = item[0].word in {"JSON", "OBJECT"}
    is_part = _is_item if is_json else _is_argument
    return item[0].text.lower() in types and all(is_part(part, types) for part in _items(item[2:-1]))


def _is_argument(item: Tokens, types: frozenset[str]) -> bool:
    """Whether this is a literal, a type, or a name and a type."""
    kinds = [token.kind for token in item if token.kind != "Minus"]
    if kinds in (["Number"], ["StringLiteral"], ["StringLiteral", "Equals", "Number"]):
        return True
    return _is_type(item, types) or (len(item) > 1 and item[0].kind in _NAMES and _is_type(item[1:], types))
