"""Takes out of a statement, by its tokens, what the service handles itself: SETTINGS, FORMAT, names as parameters.

What remains is the text that is parsed, judged and run.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from roe_magic.service.engine.sql import name_classes, tables
from roe_magic.service.engine.sql.quoting import quoted
from roe_magic.service.engine.sql.statements import CLOSING, OPENING, Edit, SqlStatement, StatementToken, edited

_NAMES = frozenset({"BareWord", "QuotedIdentifier"})
# Statements whose SETTINGS clause describes what they create.
_CREATES = frozenset({"CREATE", "REPLACE", "ATTACH"})
# Before the SELECT of an INSERT, at the end of the SELECT, and after FORMAT; more are a syntax error.
_MAX_SETTINGS_CLAUSES = 3
_SET_OPERATIONS = frozenset({"UNION", "INTERSECT", "EXCEPT"})


@dataclass(frozen=True)
class Clauses:
    """A statement without the clauses that the service handles, and those clauses.

    ``settings`` is the SETTINGS clause without that word, ``format`` the name in the FORMAT clause; each is empty if
    there is none.
    """

    statement: SqlStatement
    settings: str = ""
    format: str = ""


def without_settings(statement: SqlStatement) -> Clauses:
    """Separate a statement from its SETTINGS clauses, which are at its end, or in an INSERT before the rows.

    The clause of a CREATE describes the table or the view, unless it follows the SELECT that fills a new table. Of two
    clauses the later one is returned last, so that it counts.
    """
    texts: list[str] = []
    for _ in range(_MAX_SETTINGS_CLAUSES):
        start = _settings_index(statement)
        if start is None:
            break
        stop = _settings_end(statement.tokens, start)
        texts.insert(0, statement.sql.encode()[statement.tokens[start].end : statement.tokens[stop - 1].end].decode())
        statement = edited(statement, [Edit(start, stop)])
    return Clauses(statement, ", ".join(texts))


def _settings_end(tokens: Sequence[StatementToken], start: int) -> int:
    words_after = {"SELECT", "WITH", "VALUES", "FORMAT"} if tokens[0].word == "INSERT" else {"FORMAT", "INTO"}
    return next((index for index in range(start + 1, len(tokens)) if tokens[index].word in words_after), len(tokens))


def _settings_index(statement: SqlStatement) -> int | None:
    """Return the index of the last SETTINGS that begins a clause of the statement itself, None if there is none."""
    tokens, depth = statement.tokens, 0
    for index in range(len(tokens) - 1, 0, -1):
        depth += (tokens[index].kind in CLOSING) - (tokens[index].kind in OPENING)
        if depth == 0 and tokens[index].word in _SET_OPERATIONS:
            return None  # a clause before it is that of one part of a UNION
        if depth == 0 and _begins_settings(tokens, index):
            return index if tokens[0].word not in _CREATES or _fills_table(statement, index) else None
    return None


def _begins_settings(tokens: Sequence[StatementToken], index: int) -> bool:
    """Whether a token is the SETTINGS of a clause, and not the name of a column, say."""
    if tokens[index].word != "SETTINGS" or index + 1 == len(tokens):
        return False
    next_kind = tokens[index + 2].kind if index + 2 < len(tokens) else ""
    if next_kind == "Equals" or [token.kind for token in tokens[index + 2 : index + 5 : 2]] == ["Dot", "Equals"]:
        return True
    # `SETTINGS final` is short for `SETTINGS final = 1`.
    is_name = tokens[index - 1].word in {"FROM", "JOIN", "AS", "INTO", "TABLE"}
    return not is_name and next_kind in {"", "Comma"} and name_classes.setting_class(tokens[index + 1].text) is not None


def _fills_table(statement: SqlStatement, stop: int) -> bool:
    """Whether there is a SELECT before a token, in the statement's own level, that fills a new table."""
    words, depth = list[str](), 0
    for token in statement.tokens[:stop]:
        depth += (token.kind in OPENING) - (token.kind in CLOSING)
        if depth == 0:
            words.append(token.word)
    return "SELECT" in words and "VIEW" not in words[:5]


def without_format(statement: SqlStatement) -> Clauses:
    """Separate a statement from what looks like a FORMAT clause at its end."""
    tokens = statement.tokens
    if len(tokens) < 3 or statement.rows or tokens[-2].word != "FORMAT" or tokens[-1].kind not in _NAMES:
        return Clauses(statement)
    return Clauses(edited(statement, [Edit(len(tokens) - 2, len(tokens))]), format=tokens[-1].text)


def with_names(statement: SqlStatement, parameters: Mapping[str, str]) -> SqlStatement:
    """Return a statement in which ``{x:Identifier}`` is replaced by the name that is the value of the parameter x.

    Parameters without a value stay.
    """
    edits: list[Edit] = []
    for index, token in enumerate(statement.tokens[:-4]):
        five = statement.tokens[index : index + 5]
        kinds = [token.kind for token in five]
        if kinds == ["OpeningCurlyBrace", "BareWord", "Colon", "BareWord", "ClosingCurlyBrace"]:
            name, kind = five[1].text, five[3].text
            if kind == "Identifier" and name in parameters:
                edits.append(Edit(index, index + 5, quoted(parameters[name])))
    return edited(statement, edits) if edits else statement


def with_filtered_system_tables(statement: SqlStatement) -> SqlStatement:
    """Return a statement that reads filtered views instead of ``system.tables`` and its like; see :mod:`.tables`."""
    edits = [Edit(index, index + 1, view, "BareWord") for index, view, _ in tables.filtered_tables(statement)]
    return edited(statement, edits) if edits else statement
