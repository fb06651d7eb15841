"""Which settings a caller may choose, and with which values.

A setting of the class ``plan`` changes only how a statement is run, and may stand anywhere. One of the class ``free``
may change values: it is given to the connection of the whole statement, and cannot stand in a part of it, where
ClickHouse ignores it under ``readonly``. One of the class ``lower`` is a limit: its value, as ClickHouse reads it, may
be lower than the service's own, never higher, and never "no limit".
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from roe_magic.service.engine.sql import name_classes
from roe_magic.service.engine.sql.refusal import require

Node = Mapping[str, Any]

# How a tree has bytes that are not UTF-8, which '\xff' is.
_SURROGATE = re.compile(r"[\ud800-\udfff]")
_KNOWN_PARTS = {"type", "is_standalone", "changes", "default_settings", "query_parameters"}


@dataclass(frozen=True)
class Changes:
    """What a SET statement or a SETTINGS clause changes.

    ``values`` are new values as text, ``defaults`` the settings that get the service's value again, and ``parameters``
    the values of query parameters. ``without_value`` are the settings that are named alone, as in ``SETTINGS final``,
    and ``ignored`` those that are left out.
    """

    values: Mapping[str, str] = field(default_factory=dict)
    defaults: frozenset[str] = frozenset()
    parameters: Mapping[str, str] = field(default_factory=dict)
    without_value: frozenset[str] = frozenset()
    ignored: tuple[str, ...] = ()

    def notices(self) -> tuple[str, ...]:
        """Return what the user should know about the settings that are left out."""
        rules = {name: name_classes.setting_class(name) for name in self.ignored}
        return tuple(f"The setting {name} was ignored: it {rule.reason}." for name, rule in rules.items() if rule)

    def applied_to(self, settings: Mapping[str, str]) -> dict[str, str]:
        """Return settings after these changes."""
        kept = {name: value for name, value in settings.items() if name not in self.defaults}
        return {**kept, **self.values}


def changes_of(tree: Node | None, known: frozenset[str]) -> Changes:
    """Return the changes in the tree of a SET statement, or of a SETTINGS clause in the form of one.

    Parameters
    ----------
    tree : mapping or None
        The tree.
    known : frozenset of str
        The settings that the running engine has.

    Raises
    ------
    StatementRefused
        A setting is not one that a caller may choose.
    """
    tree = tree or {}
    require(set(tree) <= _KNOWN_PARTS, "only plain settings can be chosen here")
    changes = tree.get("changes", [])
    defaults = frozenset(map(str, tree.get("default_settings", [])))
    check_names([*(change["name"] for change in changes), *defaults], known)
    ignored = tuple(change["name"] for change in changes if is_of(change["name"], "ignored"))
    changes = [change for change in changes if change["name"] not in ignored]
    values = {change["name"]: setting_text(change.get("value")) for change in changes}
    parameters = {item["name"]: str(item["value"]) for item in tree.get("query_parameters", [])}
    texts = [*values, *values.values(), *defaults, *parameters, *parameters.values()]
    require(not _SURROGATE.search("".join(texts)), "a setting or a query parameter holds bytes that are not UTF-8")
    without_value = frozenset(change["name"] for change in changes if change.get("shorthand"))
    return Changes(values, defaults, parameters, without_value, ignored)


def check_names(names: Iterable[str], known: frozenset[str]) -> None:
    """Raise StatementRefused if a caller may not choose one of these settings for a whole statement."""
    for name in names:
        rule = name_classes.setting_class(name)
        reason = (rule.reason if rule else "") or "is the service's"
        require(
            (rule and rule.kind != "refused") or (rule is None and name not in known),
            f"the setting {name} cannot be chosen here: it {reason}",
        )


def check_inside(tree: Node, known: frozenset[str]) -> None:
    """Raise StatementRefused unless the SETTINGS clause of a part of a statement cannot change any value."""
    for change in tree.get("changes", []):
        name = change["name"]
        check_names([name], known)
        require(
            is_of(name, "plan") or name not in known,
            f"the setting {name} inside a statement would not take effect; write SETTINGS at the statement's end",
        )
    require(
        not tree.get("default_settings") and not tree.get("query_parameters"),
        "SETTINGS inside a statement cannot restore defaults; write SETTINGS at the statement's end",
    )


def is_of(name: str, kind: str) -> bool:
    """Whether a setting has a class: ``lower``, for instance, if its value must not exceed the service's."""
    rule = name_classes.setting_class(name)
    return rule is not None and rule.kind == kind


def is_bounded(name: str) -> bool:
    """Whether the value of a setting must be looked at."""
    rule = name_classes.setting_class(name)
    return rule is not None and (rule.kind == "lower" or rule.ceiling is not None)


def check_value(name: str, value: str, limit: str) -> None:
    """Raise StatementRefused if a setting's value, as ClickHouse reports it, is above what it may be here.

    Parameters
    ----------
    name : str
        The setting.
    value, limit : str
        The value that the caller wants, and the one that the service's connections have.
    """
    rule = name_classes.setting_class(name)
    if rule and rule.ceiling is not None:
        require(0 <= _number(value) <= rule.ceiling, f"the setting {name} can be at most {rule.ceiling} here")
    if is_of(name, "lower"):
        require(
            _number(limit) == 0 or 0 < _number(value) <= _number(limit),
            f"the setting {name} can be lowered only, to at most {_number(limit):g}, and not be switched off",
        )


def setting_text(value: Any) -> str:
    """Return the value of a setting in a syntax tree as the text from which ClickHouse reads it."""
    if isinstance(value, Mapping) and "field_type" in value:
        value = _field_value(value)
    if isinstance(value, bool):
        return str(int(value))
    return str(value)


def _field_value(field_node: Node) -> Any:
    require(
        field_node["field_type"] in {"UInt64", "Int64", "Float64", "String", "Bool", "UInt128", "Int128"},
        "a setting's value must be a number, a text or a boolean here",
    )
    return field_node.get("value", "")


def _number(text: str) -> float:
    try:
        return float({"true": "1", "false": "0"}.get(text, text))
    except ValueError:
        return -1.0
