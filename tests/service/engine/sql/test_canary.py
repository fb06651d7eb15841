"""Where the engine parses a text as SQL: found by trying every name, and compared with the lists.

The probe (``tests/support/canary_probe.py``) calls every function, table function, format and setting that is not
refused, on bare chDB, with texts that read a canary file. A new version of the engine that parses one more text fails
here. ``make slow`` tries more forms of text in more places.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest

from roe_magic.service.engine.sql import name_classes
from tests.support import canary_probe
from tests.support.bare_clickhouse import BareClickHouse

pytestmark = [pytest.mark.integration, pytest.mark.slow, pytest.mark.timeout(1200)]

# What is run when it is parsed.
RUN = {"aggregate", "structure"}
# The names that a list may speak of; other names for them have the same class, which test_name_lists.py looks at.
NAMES = {
    "functions": "SELECT name FROM system.functions WHERE NOT is_aggregate AND alias_to = ''",
    "aggregate_functions": "SELECT name FROM system.functions WHERE is_aggregate AND alias_to = ''",
    "table_functions": "SELECT name FROM system.table_functions",
    "formats": "SELECT name FROM system.formats",
    "settings": "SELECT name FROM system.settings WHERE type IN ('String', 'Map') AND NOT is_obsolete",
}

Place = tuple[str, int]


@pytest.fixture(scope="module")
def clickhouse(tmp_path_factory: pytest.TempPathFactory) -> Iterator[BareClickHouse]:
    bare = BareClickHouse(tmp_path_factory.mktemp("bare"))
    yield bare
    bare.close()


def probe(folder: Path, kind: str, names: Iterable[str], *, is_thorough: bool = False) -> set[Place]:
    """Return the places that a probe of these names finds."""
    command = [sys.executable, canary_probe.__file__]
    task = json.dumps([kind, list(names), is_thorough])
    done = subprocess.run(command, input=task, cwd=folder, capture_output=True, text=True, check=False)
    last = folder / "last.sql"
    assert done.stdout, f"the probe died of: {last.read_text().strip() if last.exists() else done.stderr}"
    return {(name, position) for name, position in json.loads(done.stdout)}


def permitted(clickhouse: BareClickHouse, list_name: str) -> list[str]:
    """List the engine's names of a kind that are not refused."""
    found = (name for (name,) in clickhouse.rows(NAMES[list_name]))
    return sorted(name for name in found if name_classes.names(list_name)[name].kind != "refused")


def judged(clickhouse: BareClickHouse, list_name: str, kinds: set[str]) -> set[Place]:
    """List the arguments that are judged as something of these kinds."""
    names = set(permitted(clickhouse, list_name))
    return {
        (name, argument.position)
        for name, name_class in name_classes.names(list_name).items()
        for argument in name_class.arguments
        if argument.kind in kinds and name in names
    }


@pytest.mark.parametrize("list_name", ["functions", "aggregate_functions", "table_functions"])
def test_the_texts_that_are_run_are_judged(clickhouse: BareClickHouse, tmp_path: Path, list_name: str) -> None:
    """And no others: an argument that the engine does not run needs no judgement as SQL."""
    found = probe(tmp_path, list_name, permitted(clickhouse, list_name))
    assert found == judged(clickhouse, list_name, RUN)


def test_only_values_evaluates_expressions_in_rows(clickhouse: BareClickHouse, tmp_path: Path) -> None:
    """The rows of every other format are data."""
    found = probe(tmp_path, "formats", permitted(clickhouse, "formats"))
    assert found == {("Values", 0)}
    assert {name for name, value in name_classes.names("formats").items() if value.kind == "judged"} == {"Values"}


def test_no_permitted_setting_carries_sql(clickhouse: BareClickHouse, tmp_path: Path) -> None:
    """Nor the path of a file that is read."""
    assert probe(tmp_path, "settings", permitted(clickhouse, "settings")) == set()


def test_the_probe_finds_the_settings_that_carry_sql(tmp_path: Path) -> None:
    """So a probe that finds nothing has looked."""
    names = [
        "additional_result_filter",
        "additional_table_filters",
        "filter",
        "order",
        "schema_inference_hints",
        "select",
    ]
    assert probe(tmp_path, "settings", names) == {(name, 0) for name in names}


def test_a_bare_name_is_a_function_where_the_lists_say_so(clickhouse: BareClickHouse, tmp_path: Path) -> None:
    """`arrayMap(file, ['/etc/passwd'])` calls a function without brackets behind its name."""
    found = probe(tmp_path, "function_places", permitted(clickhouse, "functions"))
    assert found == judged(clickhouse, "functions", {"function"})


@pytest.mark.exhaustive
@pytest.mark.timeout(7200)
@pytest.mark.parametrize("list_name", ["functions", "aggregate_functions", "table_functions"])
def test_no_form_of_text_is_run_elsewhere(clickhouse: BareClickHouse, tmp_path: Path, list_name: str) -> None:
    """With all forms of text, literal and computed, and up to four arguments."""
    found = probe(tmp_path, list_name, permitted(clickhouse, list_name), is_thorough=True)
    assert found == judged(clickhouse, list_name, RUN)


@pytest.mark.exhaustive
@pytest.mark.timeout(7200)
@pytest.mark.parametrize("list_name", ["formats", "settings"])
def test_no_form_of_text_is_run_by_formats_and_settings(
    clickhouse: BareClickHouse, tmp_path: Path, list_name: str
) -> None:
    """With all forms of text."""
    found = probe(tmp_path, list_name, permitted(clickhouse, list_name), is_thorough=True)
    assert found == ({("Values", 0)} if list_name == "formats" else set())


@pytest.mark.exhaustive
@pytest.mark.timeout(7200)
def test_no_literal_of_a_documented_example_is_run(clickhouse: BareClickHouse, tmp_path: Path) -> None:
    """The examples call each function with arguments that fit; those with the names that are judged are left out."""
    text = "\n".join(example for (example,) in clickhouse.rows("SELECT examples FROM system.functions"))
    blocks = (block.strip().rstrip(";") for block in re.findall(r"```\w*[^\n]*\n(.*?)```", text, re.DOTALL))
    texts_are_run = re.compile(
        r"arrayReduce|initializeAggregation|structureTo|values\s*\(|format\s*\(|file|sleep|generateRandom|\bnull\s*\(|;",
        re.I,
    )
    statements = sorted(
        {block for block in blocks if re.match("SELECT|WITH", block) and not texts_are_run.search(block)}
    )
    assert len(statements) > 500
    assert probe(tmp_path, "examples", statements) == set()
