"""A search for statements that get out of the service: to a file, another organisation's rows, or the network.

The same search runs on bare ClickHouse, where it has to find all three: so it would find them here.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import hypothesis
import pytest
from hypothesis import HealthCheck, settings

from roe_magic.service.engine.chdb import process
from roe_magic.service.job import Limits
from tests.support import sql_search
from tests.support.bare_clickhouse import BareClickHouse, ClickHouseError
from tests.support.canaries import TEXT, Canaries, canaries
from tests.support.layers import without_sandbox
from tests.support.services import Api, api_on

pytestmark = [pytest.mark.conformance, pytest.mark.timeout(7200)]

ROW = "canary-row-51d2"
SEED = int(os.environ.get("ROE_TEST_SEED", "1"))
# `make slow` takes many more.
STATEMENTS = int(os.environ.get("ROE_TEST_STATEMENTS", "500"))
TARGETS = ("file", "row", "socket")
LEAST_EXECUTED = 0.3
# No client of the engine tries for long.
QUICK = {
    "database": "own",
    "http_max_tries": "1",
    "connect_timeout": "1",
    "receive_timeout": "1",
    "handshake_timeout_ms": "1000",
    "s3_retry_attempts": "0",
    "max_execution_time": "2",
}

# Runs a statement; returns whether it ran, and everything that its caller sees.
Run = Callable[[str], tuple[bool, str]]


@pytest.fixture(scope="module")
def bare(tmp_path_factory: pytest.TempPathFactory) -> Iterator[BareClickHouse]:
    clickhouse = BareClickHouse(tmp_path_factory.mktemp("bare"))
    for sql in (
        "CREATE DATABASE own",
        "CREATE DATABASE org_b",
        "CREATE TABLE own.kept (a String) ENGINE = MergeTree ORDER BY a",
        f"CREATE TABLE org_b.secret ENGINE = MergeTree ORDER BY a AS SELECT '{ROW}' AS a",
    ):
        clickhouse.query(sql)
    yield clickhouse
    clickhouse.close()


def search(bare: BareClickHouse, reached: Canaries, run: Run, *, until_found: bool = False) -> Counter[str]:
    """Run made-up statements, and count those that executed and those that reached something.

    Unless it goes on until everything was found, reaching anything is a failure, for which hypothesis then looks for
    the shortest statement.
    """
    counts: Counter[str] = Counter()
    strategy = sql_search.statements(sql_search.examples(bare), sql_search.function_names(bare))

    @hypothesis.seed(SEED)
    @settings(
        max_examples=max(STATEMENTS, 1000) if until_found else STATEMENTS,
        deadline=None,
        database=None,
        suppress_health_check=list(HealthCheck),
    )
    @hypothesis.given(strategy)
    def attempt(template: str) -> None:
        if until_found and all(counts[name] for name in TARGETS):
            return
        executed, seen = run(reached.filled(template))
        found = {
            "file": TEXT in seen or reached.was_read(),
            "row": ROW in seen,
            "socket": reached.was_connected(),
            "new file": bool(reached.written()),
        }
        counts.update({"statements": 1, "executed": executed, **found})
        assert until_found or not any(found.values()), f"{found}: {seen[:1000]}"

    attempt()
    return counts


def test_the_search_finds_its_way_out_of_bare_clickhouse(bare: BareClickHouse, tmp_path: Path) -> None:
    """With all defences off it reads the file and the row, and connects."""

    def run(sql: str) -> tuple[bool, str]:
        try:
            return True, bare.query(sql, settings=QUICK)
        except ClickHouseError as error:
            return False, str(error)
        except EOFError:
            return False, ""

    with canaries(tmp_path, database="org_b") as reached:
        counts = search(bare, reached, run, until_found=True)
    assert all(counts[name] for name in TARGETS), counts


@pytest.fixture(scope="module", params=["confined", "not confined"])
def target(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Api]:
    """Run the service with all its defences, and without the sandbox, as on a system that has none."""
    with pytest.MonkeyPatch.context() as patch:
        if request.param == "not confined":
            patch.setattr(process, "PROGRAM", without_sandbox())
        with api_on(tmp_path_factory.mktemp("target"), limits=Limits(max_execution_time=2)) as api:
            yield api


def test_no_statement_gets_out_of_the_service(bare: BareClickHouse, target: Api, tmp_path: Path) -> None:
    """Though many run, none reads the file, another organisation's row, or connects: with an admin's rights neither."""
    assert target.upload("secret", f"a\n{ROW}\n").status_code == 201
    attacker = target.as_("other")

    def run(sql: str) -> tuple[bool, str]:
        answer = target.http.post("/v1/database/query/", json={"query": sql, "use_admin": True}, headers=attacker)
        assert answer.status_code in {200, 400}, answer.text
        return answer.status_code == 200, answer.text

    assert run("CREATE TABLE kept (a String) ENGINE = MergeTree ORDER BY a")[0]
    with canaries(tmp_path, database=f"org_{target.organization_id.replace('-', '')}") as reached:
        counts = search(bare, reached, run)
    assert counts["statements"] >= STATEMENTS // 2
    assert counts["executed"] >= LEAST_EXECUTED * counts["statements"], counts
