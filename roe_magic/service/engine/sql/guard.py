"""Decides by its syntax tree whether a statement may run.

The embedded engine has no users and no grants, and its ``readonly`` setting still lets a query read local files and
open connections. So every statement is judged before it runs: each kind of statement, function, table function, table
engine, setting, format and system table in it must be in a list of what is permitted (:mod:`.name_classes`). Where
ClickHouse parses a text as SQL, the text must be a literal, and its tree is judged as well (:mod:`.arguments`).

Nothing here calls the engine: :func:`judge` is given the tree from ``parseQueryToJSON``, and a function that parses
other SQL in the same way.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from roe_magic.service.engine.sql import arguments, functions, kinds, settings, tables
from roe_magic.service.engine.sql.nodes import Node, children
from roe_magic.service.engine.sql.refusal import require
from roe_magic.service.engine.sql.scope import JudgementScope
from roe_magic.service.engine.sql.verdict import Verdict

# Kinds of statement that change rows later and in the background, where the filter on system tables does not apply.
_BACKGROUND = frozenset({"AlterQuery", "DeleteQuery", "UpdateQuery", "CreateIndexQuery"})
# Words of expressions that are literals, operators or units.
_OPERATOR_WORDS = frozenset(
    {
        *(
            "NULL",
            "TRUE",
            "FALSE",
            "NAN",
            "INF",
            "INFINITY",
            "AND",
            "OR",
            "NOT",
            "IS",
            "LIKE",
            "ILIKE",
            "BETWEEN",
            "DIV",
        ),
        *("MOD", "CASE", "WHEN", "THEN", "ELSE", "END", "INTERVAL", "SECOND", "MINUTE", "HOUR", "DAY", "WEEK", "MONTH"),
        *("QUARTER", "YEAR"),
    }
)
# What a node for settings under these names is about, if not about settings of a query.
_SETTINGS_OF = {
    ("ExplainQuery", "settings"): "options of EXPLAIN",
    ("Storage", "settings"): "table settings",
    ("ColumnDeclaration", "settings"): "table settings",
    ("AlterCommand", "settings_changes"): "table settings",
}
# Function nodes that are no functions: codecs, and the names of index types and statistics.
_NOT_FUNCTIONS = frozenset({"codec", "index_type", "statistics_desc", "statistics_type"})


def judge(tree: Node, scope: JudgementScope, *, use_admin: bool) -> Verdict:
    """Return the verdict on a statement that may run.

    Parameters
    ----------
    tree : mapping
        Its syntax tree, without the clauses that the service handles itself.
    scope : JudgementScope
        Where it is judged.
    use_admin : bool
        Whether it may write.

    Raises
    ------
    StatementRefused
        It may not run.
    """
    action = kinds.check(tree, use_admin=use_admin)
    check_tree(tree, scope)
    return Verdict.of(tree, action)


def check_tree(tree: Node, scope: JudgementScope) -> None:
    """Raise StatementRefused if anything in a tree is not permitted."""
    stack: list[tuple[str, Any, JudgementScope]] = [("", tree, scope)]
    while stack:
        key, node, inner = stack.pop()
        if isinstance(node, list):
            stack += [(key, item, inner) for item in reversed(node)]
        elif isinstance(node, Mapping):
            more = _check_node(node, key, inner)
            kind = str(node.get("type"))
            stack += [
                (_SETTINGS_OF.get((kind, name), name), child, _scope_of(node, name, inner))
                for name, child in children(node)
            ]
            stack += [("", item, inner) for item in more]


def check_format(name: str) -> None:
    """Raise StatementRefused unless the rows of an INSERT may be in this format."""
    arguments.check_format(name)


def are_harmless_words(words: Iterable[tuple[str, bool]]) -> bool:
    """Whether expressions that hold these words, each with whether a bracket follows it, need no tree to be judged."""
    return all(word.upper() in _OPERATOR_WORDS or (is_called and functions.is_free(word)) for word, is_called in words)


def _scope_of(node: Node, name: str, scope: JudgementScope) -> JudgementScope:
    """Return the scope of what a node holds under a name."""
    kind = node.get("type")
    is_later = kind in _BACKGROUND or (kind == "CreateQuery" and (name != "select" or node.get("is_materialized_view")))
    return dataclasses.replace(scope, sees_system_tables=False) if is_later else scope


def _check_node(node: Node, key: str, scope: JudgementScope) -> Sequence[Node]:
    """Return the trees that are to be judged because of a node; what the node holds is judged in any case."""
    require(
        not node.get("out_file"),
        "INTO OUTFILE is not offered here; save the rows in the notebook: df().to_csv(...) of the result",
    )
    tables.check_databases(node, scope)
    kind = node.get("type")
    if kind == "Function":
        return _check_function(node, key, scope)
    if kind == "ColumnsApplyTransformer":
        functions.check_bare_function(str(node.get("func_name") or ""), scope)
    elif kind == "TableIdentifier":
        tables.check_table([*_table_parts(node)], scope)
    elif kind == "QueryParameter":
        name = node.get("name")
        require(
            node.get("param_type") != "Identifier",
            f"Code: 456. Substitution `{name}` is not set: write SET param_{name} = '...' before; a view cannot leave "
            "a name open (UNKNOWN_QUERY_PARAMETER)",
        )
    elif kind == "SetQuery" and key:
        _check_inner_settings(node, key, scope)
    elif kind in {"AlterCommand", "CreateQuery"}:
        kinds.check_part(node, scope.engine.table_settings)
    return []


def _check_function(node: Node, key: str, scope: JudgementScope) -> Sequence[Node]:
    if "table_function" in key:
        return functions.check_table_function(node, scope)
    if key == "engine":
        return functions.check_engine(node, scope)
    if key in _NOT_FUNCTIONS:
        return []
    return functions.check_function(node, scope)


def _table_parts(node: Node) -> Iterator[str]:
    require(node.get("name") or node.get("name_parts"), "a table's name is a parameter that is not set")
    yield from node.get("name_parts") or [node["name"]]


def _check_inner_settings(node: Node, key: str, scope: JudgementScope) -> None:
    if key == "table settings":
        kinds.check_table_settings(node, scope.engine.table_settings)
    elif key != "options of EXPLAIN":
        settings.check_inside(node, scope.engine.settings)
