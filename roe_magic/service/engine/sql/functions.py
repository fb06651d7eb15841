"""Which functions, table functions and table engines a statement may use, and with which arguments."""

from __future__ import annotations

from roe_magic.service.engine.sql import arguments, name_classes
from roe_magic.service.engine.sql.name_classes import NameClass
from roe_magic.service.engine.sql.nodes import Node, is_name, name_parts
from roe_magic.service.engine.sql.nodes import arguments as arguments_of
from roe_magic.service.engine.sql.refusal import StatementRefused, require
from roe_magic.service.engine.sql.scope import JudgementScope
from roe_magic.service.engine.sql.tables import check_table

_UPLOAD = "upload files with the tables API (in a notebook: %roe upload)"
# What to do instead, by the reason of a refusal.
_WAYS_OUT = {
    "reads files": _UPLOAD,
    "names a file": _UPLOAD,
    "opens connections": f"{_UPLOAD}, or ask an administrator of a ClickHouse server for the data",
    "shows what other callers run": "%roe worksheets lists queries of your own",
    "is read by expressions": "use values(...), or INSERT ... VALUES",
    "reads dictionaries": "join the table that the dictionary would read",
}
# Forms of the grammar that ClickHouse shows as functions.
_SYNTAX = frozenset({"lambda", "exists", "grouping", "all", "any"})
_IN_FUNCTIONS = frozenset(
    f"{prefix}{name}{suffix}"
    for prefix in ("", "global")
    for name in ("in", "notin", "nullin", "notnullin")
    for suffix in ("", "ignoreset")
)


def check_function(node: Node, scope: JudgementScope) -> list[Node]:
    """Return what else is to be judged; raise StatementRefused unless a function may be called like this."""
    name = str(node.get("name", ""))
    check_function_name(name, scope)
    rule = name_classes.function_class(name)
    trees = _parsed_arguments(node, rule, scope)
    items = arguments_of(node)
    if name.lower() in _IN_FUNCTIONS and items:
        trees += _check_right_of_in(items[-1], scope)
    return trees


def is_free(name: str) -> bool:
    """Whether a function may be called with any arguments."""
    rule = name_classes.function_class(name)
    return rule is not None and rule.kind == "free" and name_classes.table_function_class(name) is None


def check_function_name(name: str, scope: JudgementScope) -> None:
    """Raise StatementRefused unless a function of this name may be called; one that does not exist may be."""
    rule = name_classes.function_class(name)
    if rule is None:
        is_known = name.lower() in scope.engine.functions and name.lower() not in _SYNTAX
        require(not is_known, f"the function {name} is not permitted here: nobody has judged it yet")
        # ClickHouse accepts the names of table functions at the right of IN.
        require_permitted(f"the table function {name}", name_classes.table_function_class(name))
    else:
        require_permitted(f"the function {name}", rule)


def check_bare_function(name: str, scope: JudgementScope) -> None:
    """Raise StatementRefused unless a function may be called with any argument, as in ``* APPLY(length)``."""
    check_function_name(name, scope)
    rule = name_classes.function_class(name)
    require(
        rule is None or not rule.needs_arguments,
        f"the function {name} is permitted only with its arguments in brackets, since ClickHouse parses them",
    )


def check_table_function(node: Node, scope: JudgementScope) -> list[Node]:
    """Return what else is to be judged; raise StatementRefused unless a table function may be read like this.

    A view with parameters is called like a table function.
    """
    name = str(node.get("name", ""))
    rule = name_classes.table_function_class(name)
    if rule is None:
        require(
            name.lower() not in scope.engine.table_functions,
            f"the table function {name} is not permitted here: nobody has judged it yet",
        )
        check_table(name.split(".", 1), scope)
        return []
    require_permitted(f"the table function {name}", rule)
    return _parsed_arguments(node, rule, scope)


def check_engine(node: Node, scope: JudgementScope) -> list[Node]:
    """Return what else is to be judged; raise StatementRefused unless a table may have this engine."""
    name = str(node.get("name", ""))
    rule = name_classes.engine_class(name)
    require(
        rule or name not in scope.engine.engines,
        f"the table engine {name} is not permitted here: nobody has judged it yet",
    )
    require_permitted(f"the table engine {name}", rule)
    return _parsed_arguments(node, rule, scope)


def _parsed_arguments(node: Node, rule: NameClass | None, scope: JudgementScope) -> list[Node]:
    return arguments.check(node, rule, scope) if rule and rule.kind == "judged" else []


def require_permitted(what: str, rule: NameClass | None) -> None:
    """Raise StatementRefused, with the reason and the way out, if a rule refuses something."""
    if rule and rule.kind == "refused":
        way_out = _WAYS_OUT.get(rule.reason, "")
        reason = f": it {rule.reason}" if rule.reason else ""
        raise StatementRefused(f"{what} is not permitted here{reason}{f'; {way_out}' if way_out else ''}")


def _check_right_of_in(item: Node, scope: JudgementScope) -> list[Node]:
    if is_name(item):  # here a bare name is a table
        check_table(name_parts(item), scope)
    elif item.get("type") == "Function" and name_classes.table_function_class(str(item.get("name"))):
        return check_table_function(item, scope)
    return []
