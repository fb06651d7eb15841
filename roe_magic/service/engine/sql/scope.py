"""What the judgement of one statement depends on besides its tree."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

Node = Mapping[str, Any]


@dataclass(frozen=True)
class EngineNames:
    """The names that the running engine has, those of functions and types in lower case.

    It may have some that are in no list of ours, which are refused. A name that it does not have may stay in a
    statement, and gets its own error.
    """

    functions: frozenset[str] = frozenset()
    table_functions: frozenset[str] = frozenset()
    engines: frozenset[str] = frozenset()
    settings: frozenset[str] = frozenset()
    table_settings: frozenset[str] = frozenset()
    types: frozenset[str] = frozenset()


@dataclass(frozen=True)
class JudgementScope:
    """Where a statement is judged.

    Parameters
    ----------
    database : str
        The only database that it may read and write.
    parse : callable
        Returns the tree of other SQL, None for the few kinds that ClickHouse cannot show as a tree.
    engine : EngineNames
        What the running engine has.
    sees_system_tables : bool
        Whether the filter on system tables applies to this part of the statement. It does not where ClickHouse runs
        the part later and in the background: in mutations, and in materialized views.
    """

    database: str
    parse: Callable[[str], Node | None]
    engine: EngineNames = field(default_factory=EngineNames)
    sees_system_tables: bool = True
