"""Names that the installed engine has and the lists of :mod:`roe_magic.service.engine.sql.name_classes` do not.

``make lists`` prints them, with the engine's own description, for whoever looks at each and puts it into its list.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

from roe_magic.service.engine.sql import name_classes
from tests.support.bare_clickhouse import BareClickHouse

# Where the engine tells its names, each with what it says about it.
ENGINE_NAMES = {
    "functions": "SELECT name, description FROM system.functions WHERE NOT is_aggregate",
    "aggregate_functions": "SELECT name, description FROM system.functions WHERE is_aggregate",
    "aggregate_function_combinators": "SELECT name, description FROM system.aggregate_function_combinators",
    "table_functions": "SELECT name, description FROM system.table_functions",
    "table_engines": "SELECT name, description FROM system.table_engines",
    "formats": "SELECT name, description FROM system.formats",
    "settings": "SELECT name, description FROM system.settings",
    "merge_tree_settings": "SELECT name, description FROM system.merge_tree_settings",
    "system_tables": (
        "SELECT database || '.' || name, comment FROM system.tables "
        "WHERE database IN ('system', 'information_schema', 'INFORMATION_SCHEMA')"
    ),
}

_ADVICE = """
Find out what each of them can reach: files, the network, other databases, what other callers run, the configuration or
the memory of the engine, a limit. Does it parse a text as SQL, or as the name of a table? Then add it to its list
in roe_magic/service/engine/sql/lists/, in the order of the names; name_classes.py beside that folder explains the
classes. Then run `make slow`, which looks for texts that the engine runs as SQL.
"""


def engine_names(clickhouse: BareClickHouse, list_name: str) -> dict[str, str]:
    """Return the engine's names of a kind, with their descriptions in one line."""
    return {name: " ".join(text.split()) for name, text in clickhouse.rows(ENGINE_NAMES[list_name])}


def unlisted(clickhouse: BareClickHouse, list_name: str) -> dict[str, str]:
    """Return those that are in no list."""
    listed = name_classes.names(list_name)
    return {name: text for name, text in engine_names(clickhouse, list_name).items() if name not in listed}


def main() -> None:
    """Print the unlisted names, and how to class them."""
    with tempfile.TemporaryDirectory() as folder:
        clickhouse = BareClickHouse(Path(folder))
        found = {list_name: unlisted(clickhouse, list_name) for list_name in name_classes.KINDS}
        clickhouse.close()
    for list_name, names in found.items():
        for name, text in sorted(names.items()):
            print(f"{list_name}.tsv: {name}: {text[:200]}")
    print(_ADVICE if any(found.values()) else "Every name of the engine is in its list.")


if __name__ == "__main__":
    main()
