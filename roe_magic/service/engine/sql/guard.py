"""Decides by its syntax tree whether a statement may run.

The embedded engine has no users and no grants, and its ``readonly`` setting still lets a query read local files and
open connections. So every statement is judged before it runs. Whatever is not known to be harmless is refused: for
kinds of statement, table functions, table engines and settings there are lists of what is permitted. There are too
many functions for that, so for them the list is of those that reach outside.

Nothing here calls the engine: :func:`judge` is given tokens and the tree from ``parseQueryToJSON``.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from roe_magic.service.engine.sql import allow_lists, select_shape
from roe_magic.service.engine.sql.select_shape import Node
from roe_magic.service.engine.sql.statements import StatementToken

WRITE_REFUSED = "this statement writes; run it with use_admin and an admin key (in a notebook: %%roe --use-admin)"

_NAMES = frozenset({"Identifier", "TableIdentifier"})


class StatementRefused(Exception):
    """The statement is not permitted; the message says why and what to do."""


@dataclass(frozen=True)
class Verdict:
    """What kind of statement a permitted one is.

    ``action`` is ``read``, ``write``, ``set`` or ``use``; ``is_small`` means that a SELECT can only return few rows.
    """

    action: str
    is_select: bool = False
    is_small: bool = False
    has_scalar_subquery: bool = False


def judge(tokens: Sequence[StatementToken], tree: Node | None, database: str, *, use_admin: bool) -> Verdict:
    """Return the verdict on a statement that may run.

    Parameters
    ----------
    tokens : sequence of StatementToken
        The statement's tokens.
    tree : mapping or None
        Its syntax tree without its SETTINGS clause; None for the few kinds that ClickHouse cannot show as JSON. For an
        INSERT with VALUES it is the tree of :func:`~roe_magic.service.engine.sql.statements.insert_as_select`.
    database : str
        The only database that it may read and write.
    use_admin : bool
        Whether it may write.

    Raises
    ------
    StatementRefused
        It may not run.
    """
    if tree is None:
        return _judge_tokens(tokens, database)
    kind = tree.get("type", "")
    if kind in allow_lists.WRITES:
        _require(use_admin, WRITE_REFUSED)
        _check_write(tree)
    elif kind == "ShowTablesQuery":
        _require(not (allow_lists.SHOWS_OTHERS & set(tree)), "this SHOW would list other users; try SHOW TABLES")
    elif kind not in allow_lists.READS:
        raise StatementRefused(f"{_first_words(tokens)} is not offered here")
    _check_tree(tree, database, top=tree)
    if kind == "SetQuery":
        return Verdict("set")
    if kind == "UseQuery":
        return Verdict("use")
    is_select = kind in {"SelectWithUnionQuery", "SelectIntersectExceptQuery"}
    return Verdict(
        "write" if kind in allow_lists.WRITES else "read",
        is_select=is_select,
        is_small=is_select and select_shape.is_small(tree),
        has_scalar_subquery=is_select and select_shape.has_scalar_subquery(tree),
    )


def settings_of(tree: Node | None) -> dict[str, str]:
    """Return the settings of a SET, in the form that a connection string needs.

    Raises
    ------
    StatementRefused
        A setting is not one that a query may set here.
    """
    _require(tree and set(tree) <= {"type", "is_standalone", "changes"}, "only plain settings can be chosen here")
    return dict(_setting(change) for change in (tree or {}).get("changes", []))


def _require(condition: object, message: str) -> None:
    if not condition:
        raise StatementRefused(message)


def _first_words(tokens: Sequence[StatementToken]) -> str:
    words = [token.word for token in tokens[:2] if token.word]
    return " ".join(words) or "this statement"


# The kinds of statement that have no tree. What is permitted of them is a few keywords and at most one name, so it is
# described by patterns of tokens.
_TABLE_PATTERN = r"(?P<first>name)(?: \. (?P<second>name))?"
_PATTERNS = [
    re.compile(rf"(?:DESCRIBE|DESC)(?: TABLE)? {_TABLE_PATTERN}"),
    re.compile(rf"EXISTS(?: TABLE| VIEW)? {_TABLE_PATTERN}"),
    re.compile(rf"SHOW(?: CREATE)?(?: TABLE| VIEW)? {_TABLE_PATTERN}"),
    re.compile(r"SHOW (?:FUNCTIONS|ENGINES)(?: I?LIKE string)?"),
]
_KEYWORDS = allow_lists.word_set("DESCRIBE DESC EXISTS SHOW CREATE TABLE VIEW FUNCTIONS ENGINES LIKE ILIKE")
_NOT_A_TABLE = allow_lists.word_set(
    "PROCESSLIST GRANTS USERS ROLES ACCESS QUOTAS QUOTA PROFILES PRIVILEGES ACCOUNTS CURRENT USER ROLE DATABASE "
    "DICTIONARY POLICY POLICIES PROFILE SETTINGS SETTING"
)


def _judge_tokens(tokens: Sequence[StatementToken], database: str) -> Verdict:
    token_classes = " ".join(_token_class(token, index) for index, token in enumerate(tokens))
    for pattern in _PATTERNS:
        if pattern.fullmatch(token_classes):
            names = [token for index, token in enumerate(tokens) if _token_class(token, index) == "name"]
            _require(not names or names[0].word not in _NOT_A_TABLE, f"{_first_words(tokens)} is not offered here")
            _check_table_name([_unquote(name.text) for name in names], database)
            return Verdict("read")
    raise StatementRefused(f"{_first_words(tokens)} in this form is not offered here")


def _token_class(token: StatementToken, index: int) -> str:
    # Keywords are among the first four tokens; after them even a word like TABLE is a name.
    if token.word in _KEYWORDS and index < 4:
        return token.word
    classes = {"BareWord": "name", "QuotedIdentifier": "name", "StringLiteral": "string", "Dot": "."}
    return classes.get(token.kind, "other")


def _unquote(name: str) -> str:
    return name[1:-1] if name[:1] in {"`", '"'} else name


def _check_write(tree: Node) -> None:
    kind = tree["type"]
    if kind == "CreateQuery":
        _require(tree.get("table"), "databases are made by the service; create tables in your own")
        _require(
            not any(tree.get(flag) for flag in allow_lists.CREATE_FLAGS), "this kind of CREATE is not offered here"
        )
    elif kind == "DropQuery":
        _require(tree.get("table") or tree.get("database_and_tables"), "only tables and views can be dropped here")
        _require(tree.get("kind") in {"Drop", "Truncate"}, "DETACH is not offered here")
        _require(not tree.get("is_dictionary"), "dictionaries are not offered here")
    elif kind == "InsertQuery":
        _require(not tree.get("table_function"), "INSERT INTO FUNCTION is not offered here")
        _require(
            not tree.get("infile") and not tree.get("format"),
            "INSERT takes VALUES or a SELECT here; upload files through the tables API",
        )
    elif kind == "AlterQuery":
        _require(tree.get("alter_object", "TABLE") == "TABLE", "only tables can be altered here")


def _check_tree(node: Any, database: str, top: Node, key: str = "") -> None:
    if isinstance(node, list):
        for item in node:
            _check_tree(item, database, top, key)
    elif isinstance(node, Mapping):
        _check_node(node, database, top, key)
        for name, child in node.items():
            _check_tree(child, database, top, name)


def _check_node(node: Node, database: str, top: Node, key: str) -> None:
    _require(not node.get("out_file"), "INTO OUTFILE is not offered here")
    _require(not node.get("format_ast"), "leave FORMAT out: the service chooses the format")
    kind = node.get("type")
    if kind == "Function":
        _check_function(node, key, database)
    elif kind == "ColumnsApplyTransformer":
        _check_function_name(str(node.get("func_name") or ""))
    elif kind == "TableIdentifier":
        _check_table_name(_name_parts(node), database)
    elif kind == "AlterCommand":
        command = str(node.get("command_type"))
        _require(command in allow_lists.ALTER_COMMANDS, f"ALTER ... {command.replace('_', ' ')} is not offered here")
    elif kind == "SetQuery" and node is not top:
        _check_inner_settings(node, key, top)
    _check_databases(node, database)


def _check_inner_settings(node: Node, key: str, top: Node) -> None:
    names = {change["name"] for change in node.get("changes", [])}
    if top["type"] == "ExplainQuery" and node is top.get("settings"):
        return
    if top["type"] == "CreateQuery" and key == "settings" and names <= allow_lists.STORAGE_SETTINGS:
        return
    raise StatementRefused("a SETTINGS clause is permitted at the statement's end only, and with harmless settings")


def _check_databases(node: Node, database: str) -> None:
    for key, value in node.items():
        if key == "database" or key.endswith(("_database", "database_ast")) or (key == "from" and _is_show(node)):
            name = _name_parts(value)[-1] if isinstance(value, Mapping) else value
            _require(name is not True, "databases are made and named by the service")
            _require(not name or name == database, f"the database {name} is not yours; leave its name out")


def _is_show(node: Node) -> bool:
    return str(node.get("type", "")).startswith("Show")


def _check_function(node: Node, key: str, database: str) -> None:
    name = str(node.get("name", ""))
    if "table_function" in key:
        _require(name.lower() in allow_lists.TABLE_FUNCTIONS, f"the table function {name} is not permitted here")
    elif key == "engine":
        _require(name in allow_lists.ENGINES, f"the table engine {name} is not permitted here")
    else:
        _check_function_name(name)
        _check_arguments(node, database)


def _check_arguments(node: Node, database: str) -> None:
    name = node["name"].lower()
    arguments = (node.get("arguments") or {}).get("children", [])
    if name in allow_lists.IN_FUNCTIONS and arguments[-1:] and arguments[-1].get("type") in _NAMES:
        # At the right of IN a bare name is a table.
        _check_table_name(_name_parts(arguments[-1]), database)
    if name.startswith(allow_lists.HIGHER_ORDER_PREFIXES):
        for item in arguments:
            _check_function_reference(item)


def _check_function_reference(item: Node) -> None:
    """Refuse a bare function name as an argument, as in ``arrayMap(file, [...])``."""
    name = item.get("name", "")
    _require(
        item.get("type") not in _NAMES or len(_name_parts(item)) > 1 or not _reaches_outside(name),
        f"the function {name} is not permitted here (is it a column? write table.{name})",
    )


def _check_function_name(name: str) -> None:
    lower = name.lower()
    is_table_function = lower in allow_lists.OUTSIDE_TABLES or lower.startswith(allow_lists.OUTSIDE_TABLE_PREFIXES)
    _require(not is_table_function and not _reaches_outside(name), f"the function {name} is not permitted here")


def _reaches_outside(name: str) -> bool:
    lower = name.lower()
    return lower in allow_lists.OUTSIDE_FUNCTIONS or lower.startswith(allow_lists.OUTSIDE_PREFIXES)


def _name_parts(identifier: Node) -> list[str]:
    return list(identifier.get("name_parts") or [str(identifier.get("name", ""))])


def _check_table_name(parts: Sequence[str], database: str) -> None:
    """Refuse the name of a table in another database; a name without a database means the caller's own."""
    if len(parts) <= 1 or (parts[0] == database and len(parts) == 2):
        return
    if parts[0] == "system":
        _require(parts[-1] in allow_lists.SYSTEM_TABLES, f"the table {'.'.join(parts)} is not permitted here")
        return
    raise StatementRefused(f"the database {parts[0]} is not yours; leave its name out")


def _setting(change: Node) -> tuple[str, str]:
    name, value = change["name"], change.get("value")
    _require(name in allow_lists.SETTINGS, f"the setting {name} cannot be chosen here")
    text = str(value.get("value") if isinstance(value, Mapping) else value)
    # The value becomes part of a connection string.
    _require(re.fullmatch(r"[\w.,+-]{1,64}", text), f"the setting {name} cannot have that value")
    return name, {"True": "1", "False": "0"}.get(text, text)
