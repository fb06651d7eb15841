"""How a SELECT is best run, by its syntax tree: whether it returns few rows, whether it has scalar subqueries."""

from __future__ import annotations

from roe_magic.service.engine.sql import name_classes
from roe_magic.service.engine.sql.nodes import Node, nodes

# Up to this many rows, reading them at once and in parts takes the same time.
_SMALL_LIMIT = 1000


def is_small(tree: Node) -> bool:
    """Whether a SELECT, and each part of a UNION, can only return few rows, as far as its syntax shows."""
    selects = (tree.get("list_of_selects") or {}).get("children", [])  # an INTERSECT has none
    return bool(selects) and all(map(_is_small, selects))


def _is_small(select: Node) -> bool:
    """Whether a SELECT has a small LIMIT, or one row and no function that makes several of it."""
    if select.get("type") != "SelectQuery":
        return False
    limit = ((select.get("limit_length") or {}).get("value") or {}).get("value")
    if isinstance(limit, int) and limit <= _SMALL_LIMIT and not select.get("limit_with_ties"):
        return True
    has_one_row = "tables" not in select or _aggregates_all_rows(select)
    return has_one_row and not any(_multiplies_rows(node) for _, node in nodes(select))


def _aggregates_all_rows(select: Node) -> bool:
    """Whether a SELECT makes one row of all others, as ``SELECT count() FROM t`` does."""
    if any(key.startswith(("group_by", "window")) and select[key] for key in select):
        return False
    calls = [item for item in (select.get("select") or {}).get("children", []) if item.get("type") == "Function"]
    return any(_is_aggregate(call) for call in calls)


def _is_aggregate(call: Node) -> bool:
    name = str(call.get("name"))
    return not call.get("is_window_function") and name in name_classes.names("aggregate_functions")


def _multiplies_rows(node: Node) -> bool:
    return node.get("type") == "Function" and str(node.get("name")).lower() in {"arrayjoin", "unnest"}


def has_scalar_subquery(tree: Node) -> bool:
    """Whether a subquery is used as a value."""
    return any(node.get("type") == "Subquery" and key != "subquery" for key, node in nodes(tree))
