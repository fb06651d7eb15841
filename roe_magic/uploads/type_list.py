"""The list of ``--types``: ``price=Decimal(10, 2), day=Date`` as a mapping of columns to ClickHouse types."""

from __future__ import annotations

import re
from collections.abc import Iterator

from roe_magic.errors import UsageError

# A text in quotes, in which a quote is doubled or behind a backslash; or one other character.
_LEXEME = re.compile(r"""'(?:[^'\\]|\\.|'')*'|"(?:[^"\\]|\\.|"")*"|`(?:[^`\\]|\\.|``)*`|.""", re.DOTALL)
_DEPTH = {"(": 1, "[": 1, ")": -1, "]": -1}
_HINT = "Write it like this: --types price=Decimal(10, 2),day=Date"


def parse_type_list(text: str) -> dict[str, str]:
    """Return the types by their columns.

    A comma or an equals sign inside brackets or quotes belongs to the type, or to the column's name. Both may stand in
    quotes of any kind. The types themselves are checked by the server.

    Raises
    ------
    UsageError
        Something is missing, or a column is there twice.
    """
    types: dict[str, str] = {}
    for item in _split(text, ","):
        name, *rest = _split(item, "=")
        column, type_name = _unquoted(name.strip()), _unquoted("=".join(rest).strip())
        if not column or not type_name:
            raise UsageError(f"--types has {item.strip()!r}, which is not COLUMN=TYPE.", hint=_HINT)
        if column in types:
            raise UsageError(f"--types names the column {column!r} twice.")
        types[column] = type_name
    return types


def _split(text: str, separator: str) -> list[str]:
    """Split a text at a character outside of brackets and quotes."""
    items, depth = [""], 0
    for lexeme in _lexemes(text):
        depth += _DEPTH.get(lexeme, 0)
        if depth < 0:
            break
        if lexeme == separator and depth == 0:
            items.append("")
        else:
            items[-1] += lexeme
    if depth:
        raise UsageError(f"The brackets in --types {text} do not match.", hint=_HINT)
    return items


def _lexemes(text: str) -> Iterator[str]:
    return (match[0] for match in _LEXEME.finditer(text))


def _unquoted(name: str) -> str:
    quote = name[:1]
    if quote not in ("'", '"', "`") or len(name) < 2 or name[-1] != quote:
        return name
    return re.sub(rf"\\(.)|{quote}{quote}", lambda match: match[1] or quote, name[1:-1])


def end_of_type_list(text: str) -> int:
    """Return where a list of types at the beginning of a line ends: at white space that is not inside of it.

    White space may stand inside of brackets and quotes, and around a comma or an equals sign.
    """
    depth, end, last = 0, 0, ","
    for lexeme in _lexemes(text):
        if lexeme.isspace() and depth == 0 and last not in ",=" and text[end:].lstrip()[:1] not in (",", "="):
            return end
        depth += _DEPTH.get(lexeme, 0)
        last = last if lexeme.isspace() else lexeme
        end += len(lexeme)
    return end
