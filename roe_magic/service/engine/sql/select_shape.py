"""How a SELECT is best run, by its syntax tree: whether it returns few rows, whether it has scalar subqueries."""

from __future__ import annotations

from roe_magic.service.engine.sql.nodes import Node, nodes

# Up to this many rows, reading them at once and in parts takes the same time.
_SMALL_LIMIT = 1000


def is_small(tree: Node) -> bool:
    """Whether a SELECT, and each part of a UNION, can only return few rows, as far as its syntax shows."""
    selects = (tree.get("list_of_selects") or {}).get("children", [])  # an INTERSECT has none
    return bool(selects) and all(map(_is_small, selects))


def _is_small(select: Node) -> bool:
    """Whether a SELECT has a small LIMIT, or reads no table and calls no function that makes several rows of one."""
    if select.get("type") != "SelectQuery":
        return False
    limit = ((select.get("limit_length") or {}).get("value") or {}).get("value")
    if isinstance(limit, int) and limit <= _SMALL_LIMIT and not select.get("limit_with_ties"):
        return True
    return "tables" not in select and not any(_multiplies_rows(node) for _, node in nodes(select))


def _multiplies_rows(node: Node) -> bool:
    return node.get("type") == "Function" and str(node.get("name")).lower() in {"arrayjoin", "unnest"}


def has_scalar_subquery(tree: Node) -> bool:
    """Whether a subquery is used as a value."""
    return any(node.get("type") == "Subquery" and key != "subquery" for key, node in nodes(tree))
