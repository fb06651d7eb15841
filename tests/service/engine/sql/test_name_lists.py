"""The lists of names, compared with what the installed engine has."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from roe_magic.service.engine.sql import name_classes
from tests.support.bare_clickhouse import BareClickHouse
from tests.support.unlisted_names import engine_names, unlisted

pytestmark = pytest.mark.integration


@pytest.fixture(scope="module")
def clickhouse(tmp_path_factory: pytest.TempPathFactory) -> Iterator[BareClickHouse]:
    bare = BareClickHouse(tmp_path_factory.mktemp("bare"))
    yield bare
    bare.close()


@pytest.mark.parametrize("list_name", name_classes.KINDS)
def test_every_name_of_the_engine_has_a_class(clickhouse: BareClickHouse, list_name: str) -> None:
    """A new version has new names: look at each, and put it into its list (`make lists` prints them)."""
    assert engine_names(clickhouse, list_name)
    assert unlisted(clickhouse, list_name) == {}


@pytest.mark.parametrize(
    ("list_name", "sql"),
    [
        ("functions", "SELECT name, alias_to FROM system.functions WHERE NOT is_aggregate AND alias_to != ''"),
        ("aggregate_functions", "SELECT name, alias_to FROM system.functions WHERE is_aggregate AND alias_to != ''"),
        ("settings", "SELECT name, alias_for FROM system.settings WHERE alias_for != ''"),
    ],
)
def test_another_name_for_the_same_has_the_same_class(clickhouse: BareClickHouse, list_name: str, sql: str) -> None:
    """Nothing is let in by its other name."""
    aliases = clickhouse.rows(sql)
    listed = name_classes.names(list_name)
    assert len(aliases) > 5
    assert {alias for alias, name in aliases if name in listed and listed[alias] != listed[name]} == set()


def test_the_column_to_filter_by_exists(clickhouse: BareClickHouse) -> None:
    """A filter by a column that is not there would be an error for every caller."""
    filtered = {name: value.column for name, value in name_classes.names("system_tables").items() if value.column}
    databases = "('system', 'information_schema', 'INFORMATION_SCHEMA')"
    found = clickhouse.rows(f"SELECT database || '.' || table, name FROM system.columns WHERE database IN {databases}")
    assert {(name, column) for name, column in filtered.items() if [name, column] not in found} == set()


def test_a_table_that_shows_databases_is_not_free(clickhouse: BareClickHouse) -> None:
    """Whatever has a column for the database of its rows may show those of others."""
    found = clickhouse.rows(
        "SELECT DISTINCT 'system.' || table FROM system.columns WHERE database = 'system' AND name = 'database'"
    )
    listed = name_classes.names("system_tables")
    assert {name for (name,) in found if listed[name].kind == "free"} == set()


def test_views_of_the_information_schema_read_filtered_tables(clickhouse: BareClickHouse) -> None:
    """Which is why they need no filter of their own."""
    listed = name_classes.names("system_tables")
    found = clickhouse.rows(
        "SELECT database || '.' || name, arrayMap((d, t) -> d || '.' || t, dependencies_database, dependencies_table), "
        "create_table_query FROM system.tables WHERE lower(database) = 'information_schema'"
    )
    assert found
    for name, _, query in found:
        sources = {word.strip("`()") for word in query.split() if word.startswith(("system.", "(system."))}
        kinds = {listed[source].kind for source in sources}
        assert kinds <= {listed[name].kind, "free"}, (name, sources)


def test_the_cache_of_results_keeps_databases_apart(clickhouse: BareClickHouse) -> None:
    """The setting `use_query_cache` is free: the same text in another database gets that one's rows."""
    settings = {"use_query_cache": "1", "query_cache_for_subqueries": "1"}
    for name in ("one_org", "other_org"):
        clickhouse.query(f"CREATE DATABASE {name}")
        clickhouse.query(f"CREATE TABLE {name}.t (owner String) ORDER BY owner")
        clickhouse.query(f"INSERT INTO {name}.t VALUES ('{name}')")
    for name in ("one_org", "other_org", "one_org"):
        for sql in ("SELECT * FROM t", "SELECT * FROM (SELECT owner FROM t)"):
            assert clickhouse.query(sql, settings={**settings, "database": name}) == f"{name}\n"
