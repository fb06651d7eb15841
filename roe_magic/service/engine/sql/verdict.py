"""What is known of a statement that may run."""

from __future__ import annotations

from dataclasses import dataclass

from roe_magic.service.engine.sql import select_shape
from roe_magic.service.engine.sql.nodes import Node, nodes

_SELECTS = frozenset({"SelectWithUnionQuery", "SelectIntersectExceptQuery"})
# Table functions that ClickHouse refuses under readonly=1, though they only return rows.
_NOT_READONLY = frozenset({"zeros", "zeros_mt", "format", "viewexplain", "loop"})
# Functions whose keys ClickHouse hides where it lists what runs: it writes the statement anew, without its comments.
WITH_SECRETS = frozenset(
    {"HMAC", "aes_decrypt_mysql", "aes_encrypt_mysql", "decrypt", "encrypt", "tryDecrypt"}  # in this spelling only
)


@dataclass(frozen=True)
class Verdict:
    """What kind of statement a permitted one is.

    Parameters
    ----------
    action : str
        ``read``, ``write``, ``set`` or ``use``.
    readonly : str
        The value of ClickHouse's setting ``readonly`` under which it can run.
    is_small : bool
        Whether a SELECT can only return few rows.
    concerns_temporary_table : bool
        Whether it creates or drops a temporary table, so that it and later statements need one connection.
    has_secrets : bool
        Whether ClickHouse leaves out its comments where it lists what runs.
    """

    action: str
    readonly: str = "1"
    is_select: bool = False
    is_small: bool = False
    has_scalar_subquery: bool = False
    concerns_temporary_table: bool = False
    has_secrets: bool = False

    @classmethod
    def of(cls, tree: Node, action: str) -> Verdict:
        """Return the verdict on a statement of which the tree was judged."""
        is_select = tree.get("type") in _SELECTS
        return cls(
            action,
            readonly=_readonly(tree, action),
            is_select=is_select,
            is_small=is_select and select_shape.is_small(tree),
            has_scalar_subquery=is_select and select_shape.has_scalar_subquery(tree),
            concerns_temporary_table=tree.get("type") in {"CreateQuery", "DropQuery"}
            and bool(tree.get("is_temporary") or tree.get("temporary")),
            has_secrets=any(node.get("name") in WITH_SECRETS for _, node in nodes(tree)),
        )


def _readonly(tree: Node, action: str) -> str:
    is_explained_write = tree.get("type") == "ExplainQuery" and (tree.get("query") or {}).get("type") not in _SELECTS
    if action == "write" or is_explained_write:
        return "0"
    names = {str(node.get("name")).lower() for key, node in nodes(tree) if "table_function" in key}
    return "2" if names & _NOT_READONLY else "1"
