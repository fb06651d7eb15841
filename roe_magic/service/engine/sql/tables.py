"""Which tables a statement may name: those of the caller's database, and system tables that show no one else's."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from roe_magic.service.engine.sql import name_classes
from roe_magic.service.engine.sql.nodes import Node, name_parts
from roe_magic.service.engine.sql.quoting import quoted
from roe_magic.service.engine.sql.refusal import StatementRefused, require
from roe_magic.service.engine.sql.scope import JudgementScope
from roe_magic.service.engine.sql.statements import CLOSING, OPENING, SqlStatement, StatementToken

# The databases of views that show a caller the rows about its own database alone, by the databases that they are of.
# ClickHouse may evaluate a caller's condition before it applies ``additional_table_filters``, and an error message
# would then show others' rows. No condition reaches below the LIMIT of these views.
FILTERED = {
    "system": "filtered_system",
    "information_schema": "filtered_information_schema",
    "INFORMATION_SCHEMA": "filtered_information_schema",
}
# The views that also have the tables' ALIAS columns, which are not part of ``*``.
_WITH_ALIASES = {"filtered_system": "filtered_system_aliases"}
_ORIGINALS = {
    "filtered_system": "system",
    "filtered_system_aliases": "system",
    "filtered_information_schema": "information_schema",
}


def is_filtered(database: str, table: str) -> bool:
    """Whether a caller reads a table of ``system`` or ``information_schema`` through a filtered view."""
    rule = name_classes.system_table_class(database, table)
    return rule is not None and rule.kind == "own"


def has_aliases(database: str) -> bool:
    """Whether the views in a database have the ALIAS columns, too."""
    return database in _WITH_ALIASES.values()


def view_of(database: str, table: str, aliases: Iterable[str] = ()) -> str:
    """Return the SELECT of a filtered view, which is named by its own database, with some ALIAS columns."""
    name = f"{_ORIGINALS[database]}.{table}"
    rule = name_classes.names("system_tables")[name]
    columns = ", ".join(["*", *map(quoted, aliases)])
    return f"SELECT {columns} FROM {name} WHERE `{rule.column}` = currentDatabase() LIMIT {_ALL_ROWS}"  # noqa: S608  # listed


def filtered_tables(statement: SqlStatement) -> Iterator[tuple[int, str, str]]:
    """Yield the filtered tables that a statement names: the index of the database's token, and the view's name."""
    tokens = statement.tokens
    selects = _selects(tokens)
    with_all_columns = {selects[index] for index in range(len(tokens)) if _stands_for_columns(tokens, index)}
    for index in range(1, len(tokens) - 2):
        database, table = tokens[index].text.strip('`"'), tokens[index + 2].text.strip('`"')
        is_name = tokens[index + 1].kind == "Dot" and tokens[index - 1].kind != "Dot"
        if is_name and database in FILTERED and is_filtered(database, table):
            view = FILTERED[database]
            yield index, view if selects[index] in with_all_columns else _WITH_ALIASES.get(view, view), table


def _selects(tokens: Sequence[StatementToken]) -> list[int]:
    """Return for each token the number of the SELECT in brackets that it is in, 0 outside of all."""
    numbers, stack, last = list[int](), [0], 0
    for index, token in enumerate(tokens):
        if token.kind in OPENING:
            is_select = index + 1 < len(tokens) and tokens[index + 1].word in {"SELECT", "WITH", "FROM", "EXPLAIN"}
            last += is_select
            stack.append(last if is_select else stack[-1])
        numbers.append(stack[-1])
        if token.kind in CLOSING and len(stack) > 1:
            stack.pop()
    return numbers


def _stands_for_columns(tokens: Sequence[StatementToken], index: int) -> bool:
    """Whether a token may stand for columns that are not named: a ``*``, or a pattern of their names."""
    if tokens[index].kind == "Asterisk":
        return tokens[max(index - 2, 0)].word != "COUNT"
    is_called = index + 1 < len(tokens) and tokens[index + 1].kind == "OpeningRoundBracket"
    return is_called and tokens[index].word == "COLUMNS"


_ALL_ROWS = 1_000_000_000_000


def check_table(parts: Sequence[str], scope: JudgementScope) -> None:
    """Raise StatementRefused unless a table may be read; a name without a database means the caller's own."""
    if len(parts) <= 1 or (parts[0] == scope.database and len(parts) == 2):
        return
    database = _ORIGINALS.get(parts[0], parts[0])
    if database not in FILTERED:
        raise StatementRefused(f"the database {parts[0]} is not yours; leave its name out")
    name = ".".join([database, *parts[1:]])
    rule = name_classes.system_table_class(database, ".".join(parts[1:]))
    reason = (rule.reason if rule else "is unknown") or "must be written without quotes or escapes"
    is_permitted = rule and rule.kind == ("own" if database != parts[0] else "free")
    require(is_permitted, f"the table {name} is not permitted here: it {reason}")
    require(
        database == parts[0] or scope.sees_system_tables,
        f"the table {name} cannot be read by what runs later in the background",
    )


def check_databases(node: Node, scope: JudgementScope) -> None:
    """Raise StatementRefused if a field of a node names a database that is not the caller's."""
    for key, value in node.items():
        if key == "database" or key.endswith(("_database", "database_ast")) or (key == "from" and _is_show(node)):
            check_database(value, scope)


def check_database(value: Any, scope: JudgementScope) -> None:
    """Raise StatementRefused if a name, given as a text or a node, is that of another database."""
    name = name_parts(value)[-1] if isinstance(value, Mapping) else value
    require(name is not True, "databases are made and named by the service")
    require(not name or name == scope.database, f"the database {name} is not yours; leave its name out")


def _is_show(node: Node) -> bool:
    return str(node.get("type", "")).startswith("Show")
