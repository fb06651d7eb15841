"""Arrow results with some of their bytes changed, read and used in a process of its own, which a wrong one may end.

``python -m tests.support.fuzzed_arrow SEED COUNT`` prints how often what came of it, as JSON.
"""

from __future__ import annotations

import collections
import json
import random
import subprocess
import sys
import warnings
from pathlib import Path
from typing import Any

# A column of each kind: its type and three cells.
COLUMNS: dict[str, list[Any]] = {
    "Nullable(Int64)": [1, 2, None],
    "Float64": [1.5, None, 2],
    "Bool": [True, False, None],
    "String": ["x", "yy", None],
    "LowCardinality(String)": ["u", "v", "u"],
    "Enum8('u' = 1, 'v' = 2)": ["u", "v", "u"],
    "Decimal(38, 5)": ["1.5", "2", None],
    "Int128": ["1", "2", "3"],
    "Int256": ["1", "2", "3"],
    "UUID": ["11111111-2222-3333-4444-555555555555"] * 3,
    "IPv6": ["::1"] * 3,
    "JSON": [{"a": 1}] * 3,
    "Date32": ["2024-01-01"] * 3,
    "DateTime": ["2024-01-01 00:00:00"] * 3,
    "DateTime64(6, 'Europe/Paris')": ["2024-01-01 00:00:00"] * 3,
    "DateTime64(8)": ["2024-01-01 00:00:00"] * 3,
    "Time64(3)": ["00:00:01"] * 3,
    "IntervalDay": [1, 2, 3],
    "Nullable(Nothing)": [None] * 3,
    "Array(String)": [["p"], [], ["q", "r"]],
    "Array(Date32)": [["2024-01-01"]] * 3,
    "Array(DateTime)": [["2024-01-01 00:00:00"]] * 3,
    "Array(Decimal(9, 2))": [["1.5"]] * 3,
    "Map(String, DateTime64(9))": [{"a": "2024-01-01 00:00:00"}] * 3,
    "Tuple(a UInt8, b String, c Date)": [[1, "x", "2024-01-01"]] * 3,
}


def stream(source: random.Random) -> bytes:
    """Return a result of some of the columns, as a server of ours sends it."""
    from roe_magic import frames
    from tests.support.hostile_bodies import arrow_stream

    types = source.sample(sorted(COLUMNS), source.randint(1, 5))
    rows = list(zip(*map(COLUMNS.__getitem__, types), strict=True))
    return arrow_stream(frames.from_rows(types, types, rows, stored=source.random() < 0.7))


def changed(data: bytes, source: random.Random) -> bytes:
    """Return bytes of which some are others, or the last are missing; more often those of the rows, which come last."""
    bytes_ = bytearray(data)
    for _ in range(source.choice([1, 1, 2, 4])):
        size, start = source.choice([1, 1, 1, 4, 8]), source.choice([0, max(0, len(bytes_) - 600)])
        position = source.randrange(start, len(bytes_))
        bytes_[position : position + size] = bytes([source.choice([0, 255, 127, 128, source.randrange(256)])]) * size
    return bytes(bytes_[: source.randrange(len(bytes_))] if source.random() < 0.1 else bytes_)


def use(data: bytes) -> None:
    """Read a result, and use its rows in every way."""
    from roe_magic import frames
    from roe_magic.query import result_body
    from roe_magic.query.statement_result import StatementResult

    for statement in result_body.read_arrow(iter([data])):
        result = StatementResult(statement, {"id": "x"})
        frames.to_rows(statement.result_rows, statement.column_types)
        result.df()
        result.df(categories=True)
        result.df(dtype_backend="pyarrow", tz="Asia/Tokyo")
        result.polars()
        (result._repr_html_() + repr(result)).encode()


def outcome(data: bytes) -> str:
    """Return what comes of a result: the error's name, with its message where it is not one of ours."""
    from roe_magic.errors import RoeError

    try:
        use(data)
    except RoeError as error:
        return type(error).__name__
    except BaseException as error:  # a panic of polars is no Exception
        return f"not ours: {type(error).__name__}: {str(error)[:200]}"
    return "rows"


def main(seed: int, count: int) -> None:
    """Print what came of so many changed results."""
    warnings.simplefilter("ignore")
    source = random.Random(seed)
    print(json.dumps(collections.Counter(outcome(changed(stream(source), source)) for _ in range(count))))


def outcomes(seed: int, count: int) -> dict[str, int]:
    """Return what came of so many changed results; fail where one of them ended the process."""
    command = [sys.executable, "-X", "faulthandler", "-m", "tests.support.fuzzed_arrow", str(seed), str(count)]
    root = Path(__file__).parents[2]
    done = subprocess.run(command, check=False, capture_output=True, text=True, timeout=1000, cwd=root)
    assert done.returncode == 0, f"seed {seed}: exit code {done.returncode}: {done.stderr[-3000:]}"
    found: dict[str, int] = json.loads(done.stdout)
    return found


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]))
