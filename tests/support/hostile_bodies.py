"""Bodies that take far more time or memory than bytes, and a process of its own to read one of them in.

``python -m tests.support.hostile_bodies NAME`` reads the body of that name, and prints what came of it as JSON: the
error, the seconds and the megabytes that it took.
"""

from __future__ import annotations

import io
import json
import resource
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

MB = 1 << 20
# What the user allows in these tests, and what a body without end has before the test gives up.
LIMIT, ENDLESS = 100 * MB, 200 * MB
QUERY_ID = "123e4567-e89b-12d3-a456-426614174000"
_BLOCK = 1 << 16


@dataclass(frozen=True)
class Outcome:
    """What came of a body: the name of the error, its message, and the cost."""

    error: str
    message: str
    seconds: float
    megabytes: float


def endless(head: bytes, unit: bytes, size: int = ENDLESS) -> Iterator[bytes]:
    """Yield a beginning, then the same bytes over and over."""
    yield head
    block = unit * (_BLOCK // len(unit))
    for _ in range(size // len(block)):
        yield block


def statement(names: str, types: str, rows: str) -> bytes:
    """Return the beginning of a result, up to within its rows."""
    return f'{{"results":[{{"column_names":{names},"column_types":{types},"result_rows":[{rows}'.encode()


_COLUMN = '["a"]', '["String"]'
# Bodies that go on after a beginning, as (beginning, what is repeated).
REPEATED: dict[str, tuple[bytes, bytes]] = {
    "brackets": (b'{"x":', b"["),
    "braces": (b'{"x":', b'{"a":'),
    "a string": (b'{"x":"', b"x"),
    "backslashes": (b'{"x":"', b"\\\\"),
    "escaped quotes": (b'{"x":"', b'\\"'),
    "a list of strings": (b'{"x":[', b'"",'),
    "a list of objects": (b'{"x":[', b"{},"),
    "digits": (b'{"x":', b"1"),
    "white space": (b'{"x":', b" "),
    "keys": (b'{"a":1,', b'"a":1,'),
    "keys of a statement": (b'{"results":[{', b'"a":{},'),
    "values of many keys": (b"{", b'"a":[' + b"[]," * 1000 + b"1],"),
    "a long key": (b'{"', b"x"),
    "statements": (b'{"results":[', b"{},"),
    "statements with a column": (
        b'{"results":[',
        b'{"column_names":["a"],"column_types":["String"],"result_rows":[["x"]]},',
    ),
    "names of columns": (b'{"results":[{"column_names":[', b'"a",'),
    "brackets as rows": (statement(*_COLUMN, ""), b"["),
    "brackets as a cell": (statement(*_COLUMN, "["), b"[],"),
    "numbers as a row": (statement(*_COLUMN, "["), b"1,"),
    "a cell": (statement(*_COLUMN, '["'), b"x"),
    "a cell of backslashes": (statement(*_COLUMN, '["'), b"\\\\"),
    "empty rows": (statement("[]", "[]", ""), b"[],"),
    "rows before their types": (b'{"results":[{"result_rows":[', b"[],"),
    "rows in many keys": (b'{"results":[{', b'"result_rows":[' + b"[1]," * 1000 + b"[1]],"),
    "a number that grows": (statement('["a"]', '["Decimal(76, 0)"]', "[1]"), b",[1]"),
}


def finished(*statements: dict[str, Any]) -> bytes:
    """Return a whole result."""
    return json.dumps({"worksheet_query_id": QUERY_ID, "status": "SUCCESS", "results": statements}).encode()


def _of_type(kind: str, *rows: list[Any]) -> bytes:
    return finished({"column_names": ["a"], "column_types": [kind], "result_rows": rows})


def _with_cell(kind: str, cell: bytes) -> bytes:
    return _of_type(kind, ["@"]).replace(b'"@"', cell)


# Whole bodies below the limit that decode to far more.
WHOLE: dict[str, Callable[[], bytes]] = {
    "a cell of lists": lambda: _with_cell("String", b"[" + b"[]," * (30 * MB) + b"[]]"),
    "a cell of objects": lambda: _with_cell("String", b"[" + b'{"a":{}},' * (10 * MB) + b"[]]"),
    "an array of wide decimals": lambda: _with_cell("Array(Decimal(76, 0))", b"[" + b"1," * (40 * MB) + b"1]"),
    "an array of empty arrays": lambda: _with_cell("Array(Array(UInt8))", b"[" + b"[]," * (30 * MB) + b"[]]"),
    "a tuple of a million": lambda: _of_type(f"Tuple({'UInt8,' * 1_000_000}UInt8)"),
    "an enum of a million": lambda: _of_type("Enum16(" + ",".join(f"'{at}'={at}" for at in range(1_000_000)) + ")"),
    "a million columns": lambda: finished({"column_names": ["a"] * 1_000_000, "column_types": ["UInt8"] * 1_000_000}),
    "a number of a million digits": lambda: _of_type(f"Decimal({'1' * 1_000_000}, 1)", ["x"]),
}


def arrow_stream(table: Any, **options: Any) -> bytes:
    """Return a result of one statement as an Arrow stream; ``options`` are those of pyarrow's writer."""
    import pyarrow as pa

    from roe_magic.contract import models

    types = [field.metadata[b"clickhouse.type"].decode() for field in table.schema]
    metadata = json.dumps({"query": "SELECT 1", "column_names": table.column_names, "column_types": types})
    table = table.replace_schema_metadata({models.STATEMENT_METADATA_KEY: metadata.encode()})
    sink = io.BytesIO()
    with pa.ipc.new_stream(sink, table.schema, options=pa.ipc.IpcWriteOptions(**options)) as writer:
        writer.write_table(table)
    return sink.getvalue()


def column(array: Any, kind: str) -> Any:
    """Return a table of one column that says it is of this ClickHouse type."""
    import pyarrow as pa

    return pa.Table.from_arrays(
        [array], schema=pa.schema([pa.field("a", array.type, metadata={"clickhouse.type": kind})])
    )


def _compressed() -> bytes:
    import pyarrow as pa

    return arrow_stream(column(pa.array(["a" * 1_000_000] * 200), "String"), compression="zstd")


def _dictionary() -> bytes:
    import pyarrow as pa

    indices = pa.array([0] * 1_000_000, pa.int8())
    return arrow_stream(column(pa.DictionaryArray.from_arrays(indices, pa.array(["a" * 1000])), "String"))


def _runs() -> bytes:
    import pyarrow as pa

    runs = pa.RunEndEncodedArray.from_arrays(pa.array([(1 << 31) - 1], pa.int64()), pa.array([1], pa.int64()))
    return arrow_stream(column(runs, "Int64"))


def _nulls() -> bytes:
    import pyarrow as pa

    return arrow_stream(column(pa.nulls(100_000_000), "Nullable(Nothing)"))


def _nested_nulls() -> bytes:
    import pyarrow as pa

    lists = pa.ListArray.from_arrays(pa.array([0, (1 << 31) - 1], pa.int32()), pa.nulls((1 << 31) - 1))
    return arrow_stream(column(lists, "Array(Nullable(Nothing))"))


def _numbers_as_text() -> bytes:
    import pyarrow as pa

    return arrow_stream(column(pa.array([1] * 10_000_000, pa.int8()), "Array(String)"))


ARROW: dict[str, Callable[[], bytes]] = {
    "a compressed body": _compressed,
    "a dictionary of long text": _dictionary,
    "one run of two billion": _runs,
    "a hundred million NULLs": _nulls,
    "a list of two billion NULLs": _nested_nulls,
    "numbers that say they are lists": _numbers_as_text,
    "a batch of another length": lambda: (
        arrow_stream(column(_nothing(), "UInt8"))[:-8] + b"\xff\xff\xff\xff\xff\xff\xff\x7f"
    ),
}


def _nothing() -> Any:
    import pyarrow as pa

    return pa.array([], pa.uint8())


def _chunks(name: str) -> Iterator[bytes]:
    if name in REPEATED:
        return endless(*REPEATED[name])
    data = {**WHOLE, **ARROW}[name]()
    return (data[at : at + _BLOCK] for at in range(0, len(data), _BLOCK))


def _read(name: str, chunks: Iterator[bytes]) -> None:
    from roe_magic.errors import ResultTooLarge
    from roe_magic.query import result_body

    def check(received: int, _: int) -> None:
        if received > LIMIT:
            raise ResultTooLarge("The body has more bytes than the limit.")

    if name in ARROW:
        result_body.read_arrow(chunks, check)
    else:
        result_body.read_json(chunks, check, max_bytes=LIMIT)


def _peak() -> float:
    """Return the largest memory so far, in megabytes."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (MB if sys.platform == "darwin" else 1024)


def main(name: str) -> None:
    """Read one body, and print what came of it."""
    from roe_magic.query import result_body  # noqa: F401  # loaded before memory is measured

    chunks, error = _chunks(name), None
    before, started = _peak(), time.monotonic()
    try:
        _read(name, chunks)
    except Exception as raised:
        error = raised
    seconds, megabytes = time.monotonic() - started, _peak() - before
    print(json.dumps([type(error).__name__, str(error)[:1000], seconds, megabytes]))


def outcome(name: str) -> Outcome:
    """Read a body in a process of its own; fail where that process is killed by a signal."""
    command = [sys.executable, "-W", "ignore", "-m", "tests.support.hostile_bodies", name]
    root = Path(__file__).parents[2]
    done = subprocess.run(command, check=False, capture_output=True, text=True, timeout=120, cwd=root)
    assert done.returncode == 0, f"{name}: exit code {done.returncode}: {done.stderr[-2000:]}"
    return Outcome(*json.loads(done.stdout))


if __name__ == "__main__":
    main(sys.argv[1])
