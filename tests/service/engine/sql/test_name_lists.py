"""The lists of names, compared with what the installed engine has."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from roe_magic.service.engine.sql import name_classes
from tests.support.bare_clickhouse import BareClickHouse

pytestmark = pytest.mark.integration

# Where the engine tells its names. Each list must hold all of them.
ENGINE_NAMES = {
    "functions": "SELECT name FROM system.functions WHERE NOT is_aggregate",
    "aggregate_functions": "SELECT name FROM system.functions WHERE is_aggregate",
    "aggregate_function_combinators": "SELECT name FROM system.aggregate_function_combinators",
    "table_functions": "SELECT name FROM system.table_functions",
    "table_engines": "SELECT name FROM system.table_engines",
    "formats": "SELECT name FROM system.formats",
    "settings": "SELECT name FROM system.settings",
    "merge_tree_settings": "SELECT name FROM system.merge_tree_settings",
    "system_tables": (
        "SELECT database || '.' || name FROM system.tables "
        "WHERE database IN ('system', 'information_schema', 'INFORMATION_SCHEMA')"
    ),
}


@pytest.fixture(scope="module")
def clickhouse(tmp_path_factory: pytest.TempPathFactory) -> Iterator[BareClickHouse]:
    bare = BareClickHouse(tmp_path_factory.mktemp("bare"))
    yield bare
    bare.close()


@pytest.mark.parametrize("list_name", name_classes.KINDS)
def test_every_name_of_the_engine_has_a_class(clickhouse: BareClickHouse, list_name: str) -> None:
    """A new version has new names: look at each, and put it into its list (`make lists` prints them)."""
    names = {name for (name,) in clickhouse.rows(ENGINE_NAMES[list_name])}
    assert names
    assert names - name_classes.names(list_name).keys() == set()
