"""Large results in a process of limited memory: they fit, or the error is one clear sentence."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from roe_magic.errors import ResultTooLarge
from roe_magic.frames.memory import memory_errors
from tests.support.services import Service

ROWS = 5_000_000
LIMITED = """
import resource, sys
resource.setrlimit(resource.RLIMIT_AS, (int(sys.argv[2]) << 20,) * 2)
from roe_magic import RoeClient, RunningQuery
from roe_magic.errors import ResultTooLarge
try:
    frame = RunningQuery(RoeClient(), sys.argv[1]).start().wait().df()
except ResultTooLarge as error:
    print("refused:", error.message)
else:
    print("rows:", len(frame))
"""
MIXED = f"""
SELECT number AS id, number / 3 AS x, concat('name ', toString(number)) AS name, toDate('2024-01-01') AS day,
    toDateTime('2024-01-01 00:00:00', 'UTC') + number AS at, toLowCardinality('red') AS colour,
    if(number % 10 = 0, NULL, toInt64(number)) AS maybe
FROM numbers({ROWS})
"""
REFUSED = "refused: The rows do not fit into this process's memory."
# Other systems than Linux ignore the limit, so that everything fits.
IS_LIMITED = sys.platform == "linux"


def output_with_memory(megabytes: int, service: Service, sql: str) -> str:
    """Return what a process with this much address space prints about a query's result."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("ROE_")}
    command = [sys.executable, "-c", LIMITED, sql, str(megabytes)]
    # malloc reserves 64 MB of address space for each arena, and by default has several arenas per thread.
    environment = {**inherited, **service.env, "MALLOC_ARENA_MAX": "2"}
    process = subprocess.run(command, capture_output=True, text=True, timeout=240, env=environment, check=False)
    assert "Traceback" not in process.stderr
    return process.stdout.strip()


def test_five_million_rows_fit_into_two_gigabytes(service: Service) -> None:
    """Rows of seven columns become a DataFrame while their Arrow table is in memory too."""
    assert output_with_memory(2048, service, MIXED) == f"rows: {ROWS}"


@pytest.mark.parametrize(
    "sql",
    [
        pytest.param(f"SELECT repeat('x', 200) AS s, number FROM numbers({ROWS})", id="while it is read"),
        pytest.param(f"SELECT [toInt128(number), 1] AS a FROM numbers({ROWS})", id="while it becomes a DataFrame"),
    ],
)
def test_rows_that_do_not_fit_are_refused_in_a_sentence(service: Service, sql: str) -> None:
    """The error is ResultTooLarge, not MemoryError, wherever the memory ends."""
    assert output_with_memory(1024, service, sql) == (REFUSED if IS_LIMITED else f"rows: {ROWS}")


def test_the_error_does_not_hold_what_did_not_fit() -> None:
    """ResultTooLarge has no reference to the MemoryError, whose stack frames hold the rows."""

    @memory_errors
    def read() -> None:
        raise MemoryError

    with pytest.raises(ResultTooLarge) as caught:
        read()
    assert caught.value.__cause__ is None
    assert caught.value.__context__ is None
