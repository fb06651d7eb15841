"""What the syntax tree of a SELECT tells of the way to run it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

Node = Mapping[str, Any]

# As many rows are as quick one way as another.
_FEW = 1000


def is_small(tree: Node) -> bool:
    """Whether the text of a SELECT promises few rows in each of its parts."""
    parts = (tree.get("list_of_selects") or {}).get("children", [])  # an INTERSECT has none
    return bool(parts) and all(map(_is_small, parts))


def _is_small(select: Node) -> bool:
    """Whether a SELECT has a small number as its LIMIT, or is from no table and multiplies no row."""
    if select.get("type") != "SelectQuery":
        return False
    limit = ((select.get("limit_length") or {}).get("value") or {}).get("value")
    if isinstance(limit, int) and limit <= _FEW and not select.get("limit_with_ties"):
        return True
    return "tables" not in select and not any(_multiplies(node) for _, node in _nodes(select))


def _multiplies(node: Node) -> bool:
    return node.get("type") == "Function" and str(node.get("name")).lower() in {"arrayjoin", "unnest"}


def has_scalar_subquery(tree: Node) -> bool:
    """Whether a subquery stands where a value is expected."""
    return any(node.get("type") == "Subquery" and key != "subquery" for key, node in _nodes(tree))


def _nodes(node: Any, key: str = "") -> Iterator[tuple[str, Node]]:
    if isinstance(node, list):
        for item in node:
            yield from _nodes(item, key)
    elif isinstance(node, Mapping):
        yield key, node
        for name, child in node.items():
            yield from _nodes(child, name)
