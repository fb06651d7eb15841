"""Reads ClickHouse's syntax trees, as ``parseQueryToJSON`` returns them and JSON decodes them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

Node = Mapping[str, Any]

_NAMES = frozenset({"Identifier", "TableIdentifier"})


def nodes(tree: Any, key: str = "") -> Iterator[tuple[str, Node]]:
    """Yield every node of a tree with the name under which its parent holds it; a literal's value is none.

    A stack, not recursion: a query may be nested more deeply than Python's calls may be.
    """
    stack: list[tuple[str, Any]] = [(key, tree)]
    while stack:
        key, node = stack.pop()
        if isinstance(node, list):
            stack += [(key, item) for item in reversed(node)]
        elif isinstance(node, Mapping):
            yield key, node
            stack += children(node)


def children(node: Node) -> list[tuple[str, Any]]:
    """Return what may be or hold nodes in a node, in reverse order, each with its name."""
    if node.get("type") == "Literal":
        return []
    return [(name, child) for name, child in reversed(list(node.items())) if isinstance(child, (dict, list))]


def is_name(node: Node) -> bool:
    """Whether a node is the name of a column or a table."""
    return node.get("type") in _NAMES


def name_parts(identifier: Node) -> list[str]:
    """Return the parts of a name, one or more."""
    return list(identifier.get("name_parts") or [str(identifier.get("name", ""))])


def arguments(function: Node) -> Sequence[Node]:
    """Return the arguments of a Function node."""
    return (function.get("arguments") or {}).get("children") or []


def text(node: Node) -> str | None:
    """Return the text of a literal that is one, None for any other node."""
    value = node.get("value") if node.get("type") == "Literal" else None
    if isinstance(value, Mapping) and value.get("field_type") == "String":
        return str(value.get("value", ""))
    return None
