"""Which names and keywords fit at the cursor in SQL; it reads the catalogue and never waits."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from itertools import islice
from typing import NamedTuple

from roe_magic.magic.catalogue import Catalogue, CompletionItem, Completions, columns_of, is_offered
from roe_magic.sql.lexer import IDENTIFIERS, Token, tokenize
from roe_magic.sql.quoting import KEYWORDS, sql_name
from roe_magic.sql.tokens import identifier, significant

# At most this many tables and this many columns are offered: more is not readable, and slow.
MAX_NAMES = 200
_BEFORE_TABLE = frozenset({"FROM", "JOIN", "INTO", "TABLE", "DESCRIBE"})
_END_OF_QUOTED_NAME = re.compile(r"\w*`")


class _Word(NamedTuple):
    """A token of the SQL; ``name`` is empty unless it is an identifier or a keyword."""

    kind: str
    name: str

    @property
    def keyword(self) -> str:
        return self.name.upper() if self.kind == "BareWord" else ""


def complete_sql(catalogue: Catalogue, sql: str, cursor: int) -> Completions:
    """Return what fits at the cursor; inside of strings and comments, nothing does.

    Parameters
    ----------
    catalogue : Catalogue
    sql : str
        The whole SQL: the tables that it names, before the cursor or after it, decide which columns are offered.
    cursor : int
        The offset of the cursor in it.
    """
    begin, end = _word_at(sql, cursor)
    typed = sql[begin:cursor]
    # A space takes the place of the word: it is white space, unless the cursor is inside of something.
    sql = f"{sql[:begin]} {sql[end:]}"
    tokens = list(tokenize(sql))
    index = next(index for index, token in enumerate(tokens) if token.end > begin)
    if tokens[index].kind != "Whitespace":
        return Completions(typed, [])
    before, after = _words(sql, tokens[:index]), _words(sql, tokens[index:])
    if sql[:begin].endswith("."):
        return Completions(typed, _columns_of_qualifier(catalogue, before, after, typed))
    return Completions(typed, _unqualified(catalogue, before, after, typed))


def _word_at(sql: str, cursor: int) -> tuple[int, int]:
    """Return where the word at the cursor begins, its opening backtick included, and where it ends.

    Only a name in backticks extends behind the cursor: up to the closing one, which many editors insert by themselves.
    """
    begin = cursor
    while begin and (sql[begin - 1].isalnum() or sql[begin - 1] == "_"):
        begin -= 1
    if not sql[:begin].endswith("`"):
        return begin, cursor
    closing = _END_OF_QUOTED_NAME.match(sql, cursor)
    return begin - 1, closing.end() if closing else cursor


def _words(sql: str, tokens: Iterable[Token]) -> list[_Word]:
    return [
        _Word(token.kind, identifier(sql, token) if token.kind in IDENTIFIERS else "") for token in significant(tokens)
    ]


def _columns_of_qualifier(
    catalogue: Catalogue, before: list[_Word], after: list[_Word], typed: str
) -> list[CompletionItem]:
    """Return the columns of the table whose name or alias stands before the dot."""
    name = before[-2].name if len(before) > 1 and before[-1].kind == "Dot" else ""
    if not name:
        return []
    table = catalogue.tables.get(name) or catalogue.tables.get(_table_with_alias(name, [*before, *after]))
    return _names(columns_of([table]), typed) if table else []


def _unqualified(catalogue: Catalogue, before: list[_Word], after: list[_Word], typed: str) -> list[CompletionItem]:
    """Return tables where only a table can follow, else columns, tables and keywords."""
    tables = _names(dict.fromkeys(catalogue.tables, "table"), typed)
    if tables and before and before[-1].keyword in _BEFORE_TABLE:
        return tables
    named = {word.name for word in (*before, *after)}
    used = [table for name, table in catalogue.tables.items() if name in named]
    columns = _names(columns_of(used) if used else catalogue.columns, typed)
    return [*columns, *tables, *_keywords(typed)]


def _table_with_alias(alias: str, words: Sequence[_Word]) -> str:
    """Return the table of ``FROM table AS alias``, or an empty string."""
    for index in range(2, len(words)):
        if words[index].name.lower() == alias.lower():
            table = index - (2 if words[index - 1].keyword == "AS" else 1)
            # A database may stand before the table.
            first = table - 2 if words[table - 1].kind == "Dot" else table
            if first > 0 and (words[first - 1].keyword in {"FROM", "JOIN"} or words[first - 1].kind == "Comma"):
                return words[table].name
    return ""


def _names(kinds: Mapping[str, str], typed: str) -> list[CompletionItem]:
    """Return the names that begin like the typed part, as SQL writes them, each with its kind."""
    quoted, prefix = typed.startswith("`"), typed.removeprefix("`").lower()
    names = (name for name in kinds if name.lower().startswith(prefix) and is_offered(name))
    return [CompletionItem(sql_name(name, quoted=quoted), kinds[name]) for name in islice(names, MAX_NAMES)]


def _keywords(typed: str) -> list[CompletionItem]:
    """Return the keywords, in small letters if the typed part is: some front ends drop what differs from it."""
    words = (word for word in KEYWORDS if word.startswith(typed.upper()))
    return [CompletionItem(word.lower() if typed.islower() else word, "keyword") for word in words]
