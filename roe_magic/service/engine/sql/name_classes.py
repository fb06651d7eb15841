"""What each of ClickHouse's names may do here: functions, settings, engines, formats, system tables.

The folder ``lists`` holds one file per kind of name. A line is a name, its class, and what the class needs to be told,
with tabs between them:

``free``
    Harmless wherever it stands. For a setting: it changes values, but for the caller alone, so it may stand at the end
    of a statement, and not in a part of it, where ClickHouse ignores it under ``readonly``.
``plan``
    A setting that changes how a statement is run, and never what it returns: it may stand anywhere.
``lower``
    A limit: it may be lowered, but neither raised nor switched off.
``own``
    A system table, of which a caller sees the rows of its own database alone. The third column is the column to filter
    by.
``judged``
    A function that reads some of its arguments as something else than a value: SQL, or the name of a table, say. The
    third column says which ones. ``0:format,1of3:structure`` is the first argument, and the second in a call of three;
    ``0of2+:function`` is the first in a call of two or more. See :class:`ParsedArgument`.
``ignored``
    A setting that many scripts begin with and that no result depends on: it is left out, and a notice says so. The
    third column completes "... was ignored: it ...".
``refused``
    The third column says why, so as to complete "... is not permitted here: it ...".

A ``<=`` in the third column of a setting is the largest value that it may have. What ClickHouse has and no list names
must be refused: the lists were made by looking at each name. ``tests/service/engine/sql/test_name_lists.py`` fails when
a new version of ClickHouse brings names that nobody has looked at, and ``make lists`` prints them.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Literal, cast

Kind = Literal["free", "plan", "lower", "own", "judged", "ignored", "refused"]

KINDS: dict[str, frozenset[Kind]] = {
    "functions": frozenset({"free", "judged", "refused"}),
    "aggregate_functions": frozenset({"free", "judged", "refused"}),
    "aggregate_function_combinators": frozenset({"free"}),
    "table_functions": frozenset({"free", "judged", "refused"}),
    "table_engines": frozenset({"free", "judged", "refused"}),
    "formats": frozenset({"free", "judged", "refused"}),
    "settings": frozenset({"free", "plan", "lower", "ignored", "refused"}),
    "merge_tree_settings": frozenset({"free", "refused"}),
    "system_tables": frozenset({"free", "own", "refused"}),
}
"""The lists, and the classes that each of them uses."""

ARGUMENT_KINDS = frozenset(
    {"aggregate", "structure", "table", "database", "explain", "format", "function", "table_function", "rows"}
)
"""What an argument of a judged function is read as.

ClickHouse runs the expressions in an ``aggregate`` (an aggregate function with its parameters), in a ``structure``
(columns with their defaults) and in ``rows`` (as after VALUES). The others are names: a ``function`` without brackets,
as in ``arrayMap(length, x)``, but a ``table_function`` with its own, and ``explain``, a kind of EXPLAIN. Types are read
from texts too; nothing in them is run.
"""

_ARGUMENT = re.compile(r"(?P<position>-?\d+)(?:of(?P<count>\d+)(?P<more>\+?))?:(?P<kind>\w+)")
_FOLDER = Path(__file__).with_name("lists")


@dataclass(frozen=True)
class ParsedArgument:
    """An argument that ClickHouse reads as something else than a value.

    Parameters
    ----------
    kind : str
        One of ``ARGUMENT_KINDS``.
    position : int
        Counted from 0, or back from -1, the last.
    count : int or None
        The number of arguments that a call must have for this to hold; None for any number.
    or_more : bool
        Whether it also holds for more arguments than ``count``.
    """

    kind: str
    position: int
    count: int | None = None
    or_more: bool = False

    def index_in(self, count: int) -> int | None:
        """Return the argument's index in a call with so many arguments, None if that call has no such argument."""
        index = self.position if self.position >= 0 else count + self.position
        holds = self.count in {None, count} or (self.or_more and self.count is not None and count > self.count)
        return index if holds and 0 <= index < count else None


@dataclass(frozen=True)
class NameClass:
    """The class of a name.

    Parameters
    ----------
    kind : str
        ``free``, ``plan``, ``lower``, ``own``, ``judged``, ``ignored`` or ``refused``.
    reason : str
        Why it is refused, as the end of "... is not permitted here: it ...", or ignored.
    arguments : tuple of ParsedArgument
        The arguments to judge.
    column : str
        The column by which a system table is filtered.
    ceiling : int or None
        The largest value that a setting may have.
    """

    kind: Kind
    reason: str = ""
    arguments: tuple[ParsedArgument, ...] = ()
    column: str = ""
    ceiling: int | None = None

    @property
    def needs_arguments(self) -> bool:
        """Whether a function can be judged only with its arguments, and so may not be called by its bare name."""
        return any(argument.kind != "function" for argument in self.arguments)


def function_class(name: str) -> NameClass | None:
    """Return the class of a function, aggregate functions with combinators such as ``sumIf`` included.

    Like all functions here it returns None for a name that is in no list. Where ClickHouse tells capital letters from
    small ones, a wrong name gets the class of the right one, and ClickHouse's own error.
    """
    lower = name.lower()
    return _lower_case("functions").get(lower) or _aggregate_class(lower)


def table_function_class(name: str) -> NameClass | None:
    """Return the class of a table function."""
    return _lower_case("table_functions").get(name.lower())


def engine_class(name: str) -> NameClass | None:
    """Return the class of a table engine."""
    return names("table_engines").get(name)


def format_class(name: str) -> NameClass | None:
    """Return the class of a format."""
    return _lower_case("formats").get(name.lower())


def setting_class(name: str) -> NameClass | None:
    """Return the class of a setting of a query."""
    return names("settings").get(name)


def merge_tree_setting_class(name: str) -> NameClass | None:
    """Return the class of a setting of a table: of the MergeTree engines, and of Memory, Join and Set."""
    return names("merge_tree_settings").get(name)


def system_table_class(database: str, table: str) -> NameClass | None:
    """Return the class of a table of ``system`` or of ``information_schema``."""
    return names("system_tables").get(f"{database}.{table}")


@cache
def names(list_name: str) -> dict[str, NameClass]:
    """Return one of the lists, by name."""
    lines = (_FOLDER / f"{list_name}.tsv").read_text("utf-8").splitlines()
    return {name: _parsed(rest) for name, _, rest in (line.partition("\t") for line in lines)}


@cache
def _lower_case(list_name: str) -> dict[str, NameClass]:
    return {name.lower(): value for name, value in names(list_name).items()}


def _aggregate_class(lower: str) -> NameClass | None:
    if found := _lower_case("aggregate_functions").get(lower):
        return found
    for combinator in _lower_case("aggregate_function_combinators"):
        if lower.endswith(combinator) and (found := _aggregate_class(lower.removesuffix(combinator))):
            return found
    return None


@cache
def _parsed(rest: str) -> NameClass:
    kind, _, detail = rest.partition("\t")
    if kind in {"ignored", "refused"}:
        return NameClass(cast(Kind, kind), reason=detail)
    if kind == "judged":
        return NameClass("judged", arguments=tuple(_argument(text) for text in detail.split(",")))
    if kind == "own":
        return NameClass("own", column=detail)
    return NameClass(cast(Kind, kind), ceiling=int(detail.removeprefix("<=")) if detail else None)


def _argument(text: str) -> ParsedArgument:
    match = _ARGUMENT.fullmatch(text)
    if match is None:
        raise ValueError(f"not an argument: {text!r}")
    count = int(match["count"]) if match["count"] else None
    position, or_more = int(match["position"]), bool(match["more"])
    return ParsedArgument(match["kind"], position, count, or_more)
