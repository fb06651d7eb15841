"""The classes of ClickHouse's names, looked up without an engine."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from roe_magic.service.engine.sql import name_classes
from roe_magic.service.engine.sql.name_classes import ARGUMENT_KINDS, KINDS, NameClass, ParsedArgument

LISTS = Path(name_classes.__file__).with_name("lists")


def lines_of(list_name: str) -> list[str]:
    return (LISTS / f"{list_name}.tsv").read_text("utf-8").splitlines()


def test_every_file_is_a_list() -> None:
    """No list is forgotten, and none is left over."""
    assert {path.stem for path in LISTS.iterdir()} == set(KINDS)


@pytest.mark.parametrize("list_name", KINDS)
def test_a_list_is_sorted_and_names_nothing_twice(list_name: str) -> None:
    """So that two people's changes meet in one line, and the last of two lines does not win unseen."""
    found = [line.partition("\t")[0] for line in lines_of(list_name)]
    assert found == sorted(set(found))


@pytest.mark.parametrize("list_name", KINDS)
def test_a_list_uses_its_own_classes(list_name: str) -> None:
    """A misspelt class would refuse nothing and permit nothing."""
    assert {name_class.kind for name_class in name_classes.names(list_name).values()} <= KINDS[list_name]


@pytest.mark.parametrize("list_name", KINDS)
def test_what_is_refused_has_a_reason_and_what_is_judged_has_arguments(list_name: str) -> None:
    """The reason ends "... is not permitted here: it ...", and what to judge is in the vocabulary."""
    for name, name_class in name_classes.names(list_name).items():
        assert bool(name_class.reason) == (name_class.kind in {"refused", "ignored"}), name
        assert bool(name_class.arguments) == (name_class.kind == "judged"), name
        assert re.fullmatch(r"([a-z][\w' ,]+[\w])?", name_class.reason), name
        assert {argument.kind for argument in name_class.arguments} <= ARGUMENT_KINDS, name


@pytest.mark.parametrize("list_name", ["functions", "aggregate_functions", "table_functions", "formats"])
def test_names_that_differ_in_capitals_have_one_class(list_name: str) -> None:
    """These are looked up without regard to capitals."""
    found: dict[str, set[NameClass]] = {}
    for name, name_class in name_classes.names(list_name).items():
        found.setdefault(name.lower(), set()).add(name_class)
    assert {name for name, classes in found.items() if len(classes) > 1} == set()


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("length", "free"),
        ("sum", "free"),
        ("sumIf", "free"),
        ("quantilesTDigestArrayIf", "free"),
        ("countStateMerge", "free"),
        ("sumMap", "free"),
        ("file", "refused"),
        ("FILE", "refused"),
        ("dictGetOrDefault", "refused"),
        ("arrayReduce", "judged"),
        ("groupFormatIf", "free"),
        ("flameGraphIf", "refused"),
    ],
)
def test_a_function_has_a_class(name: str, kind: str) -> None:
    """With any combinators of aggregate functions."""
    found = name_classes.function_class(name)
    assert found is not None
    assert found.kind == kind


@pytest.mark.parametrize("name", ["no_such", "fileIf", "lengthIf", "", "sum If", "sum.If"])
def test_a_name_in_no_list_has_no_class(name: str) -> None:
    """A combinator behind a function that does not aggregate makes no function either."""
    assert name_classes.function_class(name) is None


def test_an_argument_is_found_from_both_ends() -> None:
    """The structure of `format` is the second argument of three; that of two is its data."""
    found = name_classes.table_function_class("FORMAT")
    assert found == NameClass("judged", arguments=(ParsedArgument("format", 0), ParsedArgument("structure", 1, 3)))
    assert [argument.index_in(3) for argument in found.arguments] == [0, 1]
    assert [argument.index_in(2) for argument in found.arguments] == [0, None]
    assert [ParsedArgument("table", -1).index_in(count) for count in (0, 1, 4)] == [None, 0, 3]
    assert ParsedArgument("table", 3).index_in(3) is None


def test_a_function_without_brackets_is_one_of_two_arguments_or_more() -> None:
    """`arraySum(file)` sums a column; `arrayMap(file, x)` calls a function."""
    found = name_classes.function_class("arrayMap")
    assert found == NameClass("judged", arguments=(ParsedArgument("function", 0, 2, or_more=True),))
    assert [found.arguments[0].index_in(count) for count in (0, 1, 2, 3)] == [None, None, 0, 0]


def test_settings_have_classes_by_what_they_do() -> None:
    """One of each class, and an alias with the class of what it stands for."""
    kinds = {
        "max_execution_time": "lower",
        "query_plan_filter_push_down": "plan",
        "session_timezone": "free",
        "additional_table_filters": "refused",
        "dialect": "refused",
        "enable_analyzer": "plan",
        "send_logs_level": "ignored",
        "format_schema": "refused",
        "readonly": "refused",
        "enable_parallel_replicas": "refused",
    }
    assert {name: getattr(name_classes.setting_class(name), "kind", None) for name in kinds} == kinds
    assert name_classes.setting_class("Dialect") is None


def test_a_setting_may_have_a_ceiling() -> None:
    """A statement is stopped between two blocks, so they must not be of any size."""
    found = name_classes.setting_class("max_block_size")
    assert found == NameClass("free", ceiling=16777216)


def test_the_other_kinds_of_name_have_classes() -> None:
    """Engines are told apart by capitals, as ClickHouse does; formats are not."""
    assert name_classes.engine_class("MergeTree") == NameClass("free")
    assert name_classes.engine_class("mergetree") is None
    assert name_classes.engine_class("File") == NameClass("refused", reason="reads files")
    assert name_classes.format_class("jsoneachrow") == NameClass("free")
    assert name_classes.merge_tree_setting_class("index_granularity") == NameClass("free")
    assert name_classes.merge_tree_setting_class("disk") == NameClass("refused", reason="reaches other disks")
    assert name_classes.merge_tree_setting_class("no_such") is None


def test_system_tables_say_by_which_column_they_are_filtered() -> None:
    """Those of information_schema have columns of their own for it."""
    assert name_classes.system_table_class("system", "parts") == NameClass("own", column="database")
    assert name_classes.system_table_class("system", "databases") == NameClass("own", column="name")
    assert name_classes.system_table_class("system", "one") == NameClass("free")
    assert name_classes.system_table_class("information_schema", "tables") == NameClass("own", column="table_schema")
    columns = name_classes.system_table_class("INFORMATION_SCHEMA", "COLUMNS")
    assert columns == NameClass("own", column="table_schema")
    processes = name_classes.system_table_class("system", "processes")
    assert processes == NameClass("refused", reason="shows what other callers run")
    assert name_classes.system_table_class("org", "parts") is None
