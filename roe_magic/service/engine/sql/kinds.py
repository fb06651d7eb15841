"""Which kinds of statement may run, and which commands and flags of them."""

from __future__ import annotations

from roe_magic.service.engine.sql import name_classes
from roe_magic.service.engine.sql.nodes import Node, name_parts, nodes
from roe_magic.service.engine.sql.refusal import StatementRefused, require

WRITE_REFUSED = "this statement writes; run it with use_admin and an admin key (in a notebook: %%roe --use-admin)"
_NO_ATTACH = "ATTACH is not offered here, since it reads files of the server; CREATE TABLE and INSERT make a table"
_NO_UDF = "until one engine serves one organisation alone; write the expression where you need it"


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


_SELECTS = _words("SelectWithUnionQuery SelectIntersectExceptQuery")
_READS = _SELECTS | _words("ExplainQuery ShowTablesQuery ShowColumnsQuery ShowIndexesQuery CheckTableQuery")
_WRITES = _words(
    "CreateQuery DropQuery InsertQuery AlterQuery RenameQuery OptimizeQuery DeleteQuery UpdateQuery "
    "CreateIndexQuery DropIndexQuery"
)
_OTHER_ACTIONS = {"SetQuery": "set", "UseQuery": "use"}
_REFUSED_KINDS = {
    "CreateSQLFunctionQuery": f"CREATE FUNCTION is not offered {_NO_UDF}",
    "DropFunctionQuery": f"functions of your own are not offered {_NO_UDF}",
    "CreateDictionaryQuery": f"dictionaries are not offered {_NO_UDF}",
    "KillQueryQuery": "KILL is not offered here; press Cancel in the panel of a query of your own",
    "SystemQuery": "SYSTEM statements are for the administrator of a ClickHouse server",
    "BackupQuery": "BACKUP and RESTORE are for a server's administrator; save rows with df().to_csv(...) of the result",
    "CheckAllTablesQuery": "CHECK ALL TABLES would reach tables of others; CHECK TABLE checks one of your own",
    "TransactionControl": "transactions are not offered here",
}

# Functions that can be in the condition of a SHOW.
_CONDITIONS = _words("and or not equals notEquals like notLike ilike notILike startsWith endsWith")
# Flags of the SHOW TABLES node: with these it shows clusters, caches and what others run.
_SHOWS_OTHERS = _words("clusters cluster caches")

_CREATE_FLAGS = {
    "attach": _NO_ATTACH,
    "has_uuid": "a table's UUID is chosen by the engine",
    "has_uuid_clause": "a table's UUID is chosen by the engine",
    "has_inner_uuid_clause": "a table's UUID is chosen by the engine",
    "has_attach_from_path": _NO_ATTACH,
    "is_dictionary": f"dictionaries are not offered {_NO_UDF}",
    "is_time_series_table": "time series tables are not offered here",
    "is_live_view": "live views are not offered here",
    "is_window_view": "window views are not offered here",
    "refresh_strategy": "a refreshable view is not offered, since its refresh would escape every limit; "
    "use a materialized view without REFRESH",
    "cluster": "ON CLUSTER is for a ClickHouse server",
    "sql_security": "SQL SECURITY is not offered here, since there are no database users",
}
# Settings of where a table is; the value "default" is the only place that there is.
_PLACES = _words("disk storage_policy")
_ALTER_COMMANDS = _words(
    "ADD_COLUMN DROP_COLUMN MODIFY_COLUMN RENAME_COLUMN COMMENT_COLUMN MATERIALIZE_COLUMN CLEAR_COLUMN "
    "ADD_INDEX DROP_INDEX MATERIALIZE_INDEX CLEAR_INDEX ADD_CONSTRAINT DROP_CONSTRAINT "
    "ADD_PROJECTION DROP_PROJECTION MATERIALIZE_PROJECTION CLEAR_PROJECTION "
    "ADD_STATISTICS MODIFY_STATISTICS DROP_STATISTICS CLEAR_STATISTICS MATERIALIZE_STATISTICS "
    "MODIFY_ORDER_BY MODIFY_SAMPLE_BY REMOVE_SAMPLE_BY MODIFY_COMMENT MODIFY_TTL REMOVE_TTL MATERIALIZE_TTL "
    "MODIFY_SETTING RESET_SETTING DELETE UPDATE APPLY_DELETED_MASK APPLY_PATCHES MODIFY_QUERY "
    "DROP_PARTITION DETACH_PARTITION ATTACH_PARTITION DROP_DETACHED_PARTITION REPLACE_PARTITION MOVE_PARTITION "
    "FORGET_PARTITION REWRITE_PARTS"
)


def check(tree: Node, *, use_admin: bool) -> str:
    """Return what a statement of this kind does, ``read``, ``write``, ``set`` or ``use``.

    Raises
    ------
    StatementRefused
        Statements of this kind may not run, or only with use_admin.
    """
    kind = str(tree.get("type", ""))
    if kind in _OTHER_ACTIONS:
        return _OTHER_ACTIONS[kind]
    if kind in _WRITES:
        require(use_admin, WRITE_REFUSED)
        _check_write(tree)
        return "write"
    require(kind not in _REFUSED_KINDS, _REFUSED_KINDS.get(kind, ""))
    require(kind in _READS, f"statements of the kind {kind.removesuffix('Query')} are not offered here")
    if kind == "ExplainQuery":
        explained = (tree.get("query") or {}).get("type")
        require(explained in _READS | _WRITES | set(_OTHER_ACTIONS), f"{tree.get('kind')} is not offered here")
    _check_condition(tree.get("where_expression"))
    require(
        kind != "ShowTablesQuery" or not any(tree.get(flag) for flag in _SHOWS_OTHERS),
        "this SHOW would list what is not yours; try SHOW TABLES",
    )
    return "read"


def _check_condition(where: Node | None) -> None:
    """Raise StatementRefused unless the condition of a SHOW can raise no error, which would show others' names."""
    for _, node in nodes(where):
        require(
            node.get("type") != "Function" or str(node.get("name")) in _CONDITIONS,
            "SHOW takes comparisons and LIKE alone here; select from system.tables or system.columns for others",
        )


def _check_write(tree: Node) -> None:
    kind = tree["type"]
    if kind == "CreateQuery":
        require(tree.get("table"), "databases are made by the service; create tables in your own")
    elif kind == "DropQuery":
        require(tree.get("table") or tree.get("database_and_tables"), "only tables and views can be dropped here")
        require(tree.get("kind") in {"Drop", "Truncate"}, "DETACH is not offered here; DROP TABLE deletes a table")
        require(not tree.get("is_dictionary"), _REFUSED_KINDS["CreateDictionaryQuery"])
    elif kind == "InsertQuery":
        require(not tree.get("table_function"), "INSERT INTO FUNCTION is not offered here; name a table of your own")
        require(
            not tree.get("infile"),
            "INSERT takes rows in the statement or a SELECT here; upload files (in a notebook: %roe upload)",
        )
    elif kind == "AlterQuery":
        require(tree.get("alter_object", "TABLE") == "TABLE", "only tables can be altered here")


def check_part(node: Node, known_settings: frozenset[str]) -> None:
    """Raise StatementRefused unless a CREATE has flags, or an ALTER a command, that are permitted."""
    if node.get("type") == "CreateQuery":
        for flag, message in _CREATE_FLAGS.items():
            require(not node.get(flag), message)
        targets = (node.get("targets") or {}).get("targets") or []
        require(not any(target.get("inner_uuid") for target in targets), _CREATE_FLAGS["has_uuid"])
        return
    command = str(node.get("command_type"))
    words = command.replace("_", " ")
    require(
        command in _ALTER_COMMANDS,
        f"ALTER TABLE ... {words} is not offered here: it is for the administrator of a ClickHouse server; "
        "save rows with df().to_csv(...) of the result",
    )
    require(
        command != "MOVE_PARTITION" or node.get("move_destination_type") == "TABLE",
        "partitions can be moved to other tables of your own only, not to disks",
    )
    for identifier in (node.get("settings_resets") or {}).get("children") or []:
        _check_table_setting(name_parts(identifier)[-1], known_settings)


# Settings of the table engine Join that have the names of limits of a query.
_OF_JOIN = frozenset({"max_bytes_in_join", "max_rows_in_join"})


def check_table_settings(node: Node, known: frozenset[str]) -> None:
    """Raise StatementRefused unless a table may have these settings."""
    for change in node.get("changes", []):
        value = change.get("value")
        if change["name"] not in _PLACES or not isinstance(value, dict) or value.get("value") != "default":
            _check_table_setting(change["name"], known)
        if not isinstance(value, dict) or value.get("field_type") in {"CustomType", "Object", "Map"}:
            raise StatementRefused(f"the table setting {change['name']} must have a plain value here")


def _check_table_setting(name: str, known: frozenset[str]) -> None:
    rule = name_classes.merge_tree_setting_class(name)
    # ClickHouse takes the settings of a query here as well, for this statement.
    of_query = None if rule else name_classes.setting_class(name)
    require(
        of_query is None or name in _OF_JOIN or of_query.kind not in {"lower", "ignored", "refused"},
        f"the setting {name} is not one of a table; leave it out",
    )
    require(
        (rule and rule.kind == "free") or (rule is None and name not in known),
        f"the table setting {name} is not permitted here: it {rule.reason if rule else 'is unknown'}; leave it out",
    )
