"""Judges the arguments that ClickHouse parses: structures, aggregate functions, names of tables and databases.

Which arguments of which functions these are stands in the lists, as ``0:structure`` or ``0:database,1:table``. Their
texts must be literals, since a computed text is known only while the statement runs.
"""

from __future__ import annotations

from collections.abc import Callable

from roe_magic.service.engine.sql import name_classes, nodes
from roe_magic.service.engine.sql.name_classes import NameClass
from roe_magic.service.engine.sql.nodes import Node, is_name, name_parts, text
from roe_magic.service.engine.sql.refusal import StatementRefused, require
from roe_magic.service.engine.sql.scope import JudgementScope
from roe_magic.service.engine.sql.tables import check_table

# Of the other kinds, EXPLAIN TABLE OVERRIDE never ends where it is a subquery.
_EXPLAIN_KINDS = frozenset(
    f"EXPLAIN {kind}".strip() for kind in ("", "AST", "SYNTAX", "QUERY TREE", "PLAN", "PIPELINE", "ESTIMATE", "ANALYZE")
)


def check(function: Node, rule: NameClass, scope: JudgementScope) -> list[Node]:
    """Return the trees of what ClickHouse parses in the arguments of a function, a table function or an engine.

    Raises
    ------
    StatementRefused
        An argument that ClickHouse parses is not a literal, is not valid, or names what is not the caller's.
    """
    trees: list[Node] = []
    items = nodes.arguments(function)
    for argument in rule.arguments:
        index = argument.index_in(len(items))
        if index is not None:
            what = f"argument {index + 1} of {function.get('name')}"
            trees += _CHECKS[argument.kind](items[index], what, scope) or []
    return trees


def _check_aggregate(item: Node, what: str, scope: JudgementScope) -> list[Node]:
    tree = scope.parse(f"SELECT {_literal(item, what)}")
    require(tree is not None and _only_expression(tree).get("type") in {"Function", "Identifier"}, _not_valid(what))
    expression = _only_expression(tree or {})
    if is_name(expression):
        expression = {"type": "Function", "name": expression.get("name", "")}
    return [expression]


def _check_structure(item: Node, what: str, scope: JudgementScope) -> list[Node]:
    if _is_data(item):
        return []  # in values(), where the structure may be left out
    return _check_structure_text(_literal(item, what), what, scope)


def _is_data(item: Node) -> bool:
    """Whether an argument is a row or a value that is not a text, so that it cannot be a structure."""
    if item.get("type") == "Literal":
        return text(item) is None
    return item.get("type") == "Function" and item.get("name") in {"tuple", "array"}


def _check_structure_text(structure: str, what: str, scope: JudgementScope) -> list[Node]:
    tree = scope.parse(f"CREATE TABLE structure ({structure}\n) ENGINE = Memory") if structure.strip() else {}
    require(tree is not None and set(_present(tree)) <= _STRUCTURE_PARTS, _not_valid(what))
    columns: Node = (tree or {}).get("columns_list") or {}
    require(all(node.get("type") != "Subquery" for _, node in nodes.nodes(columns)), f"{what} holds a query")
    return [columns]


_STRUCTURE_PARTS = {"type", "table", "table_ast", "columns_list", "storage"}


def _present(tree: Node) -> list[str]:
    return [key for key, value in tree.items() if value not in (False, "", None, [])]


def _only_expression(tree: Node) -> Node:
    selects = (tree.get("list_of_selects") or {}).get("children") or []
    items = ((selects[0].get("select") or {}).get("children") or []) if len(selects) == 1 else []
    return items[0] if len(items) == 1 and set(_present(selects[0])) == {"type", "select"} else {}


def _check_table(item: Node, what: str, scope: JudgementScope) -> None:
    # ClickHouse takes the name as one text, so `a.b` in quotes is the table b of the database a as well.
    name = ".".join(name_parts(item)) if is_name(item) else _literal(item, what)
    check_table(name.split(".", 1), scope)


def _check_database(item: Node, what: str, scope: JudgementScope) -> None:
    if item.get("type") == "Function" and str(item.get("name")).lower() in {"currentdatabase", "database", "schema"}:
        return
    name = name_parts(item)[-1] if is_name(item) else _literal(item, what)
    require(name in {"", scope.database}, f"the database {name} is not yours; leave its name out")


def _check_explain(item: Node, what: str, scope: JudgementScope) -> None:
    kind = _literal(item, what)
    require(kind in _EXPLAIN_KINDS, f"{kind} is not offered here")


def _check_format(item: Node, what: str, scope: JudgementScope) -> None:
    name = name_parts(item)[-1] if is_name(item) else _literal(item, what)
    check_format(name)


def check_format(name: str) -> None:
    """Raise StatementRefused unless rows may be given in this format inside a statement."""
    rule = name_classes.format_class(name)
    reason = _because(rule)
    if rule and rule.kind == "judged":
        reason = ": its rows are expressions; use values(...), or INSERT ... VALUES"
    require(rule is None or rule.kind == "free", f"the format {name} is not permitted here{reason}")


def _because(rule: NameClass | None) -> str:
    return f": it {rule.reason}" if rule and rule.reason else ""


def _literal(item: Node, what: str) -> str:
    literal = text(item)
    if literal is None:
        raise StatementRefused(f"{what} must be a literal here, since ClickHouse parses it")
    return literal


def _not_valid(what: str) -> str:
    return f"{what} is not valid here"


def _check_function(item: Node, what: str, scope: JudgementScope) -> None:
    """Refuse the bare name of a function that is refused, or cannot be judged so, as in ``arrayMap(file, [...])``."""
    parts = name_parts(item) if is_name(item) else []
    rule = name_classes.function_class(parts[0]) if len(parts) == 1 else None
    if rule and (rule.kind == "refused" or rule.needs_arguments):
        raise StatementRefused(
            f"the function {parts[0]} is not permitted here{_because(rule)} (is it a column? write table.{parts[0]})"
        )


def _check_table_function(item: Node, what: str, scope: JudgementScope) -> None:
    raise StatementRefused(f"{what} must be a table of your own")


_CHECKS: dict[str, Callable[[Node, str, JudgementScope], list[Node] | None]] = {
    "aggregate": _check_aggregate,
    "database": _check_database,
    "explain": _check_explain,
    "format": _check_format,
    "function": _check_function,
    "structure": _check_structure,
    "table": _check_table,
    "table_function": _check_table_function,
}
