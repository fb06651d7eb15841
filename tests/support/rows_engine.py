"""SELECTs on a real ClickHouse (chDB) in JSON and in Arrow, with the settings that the local service uses.

chDB runs in one child process, because it must not share a process with pandas and pyarrow. The child opens one
connection and keeps it: opening one for each SELECT takes 50 ms, a SELECT itself 2 ms. Settings are part of each
statement, so none of them outlives it.
"""

from __future__ import annotations

import atexit
import functools
import json
import multiprocessing
from collections.abc import Mapping
from concurrent.futures import ProcessPoolExecutor
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pyarrow as pa

from roe_magic import frames

QUERY_ID = "123e4567-e89b-12d3-a456-426614174000"
# Without these the engine refuses some types, or shows them otherwise.
SETTINGS = {
    "session_timezone": "UTC",
    "enable_time_time64_type": "1",
    "allow_suspicious_low_cardinality_types": "1",
    "allow_suspicious_variant_types": "1",
    "allow_experimental_qbit_type": "1",
    "allow_experimental_nullable_tuple_type": "1",
    "flatten_nested": "0",
}


@functools.cache
def _process() -> ProcessPoolExecutor:
    return ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn"))


@functools.cache
def _connection() -> Any:
    """Return the child process's connection, which is opened by its first SELECT and closed when it exits."""
    import chdb

    connection = chdb.connect(":memory:")
    atexit.register(connection.close)
    return connection


def _run(sql: str, output_format: str) -> bytes:
    connection = _connection()
    try:
        return connection.query(sql, output_format).bytes()
    except RuntimeError:
        # What a failed query had written comes before the output of the next one on its connection.
        _connection.cache_clear()
        connection.close()
        raise


def query(sql: str, output_format: str, settings: Mapping[str, str] = {}) -> bytes:
    """Run one SELECT and return the engine's output."""
    clause = ", ".join(f"{name} = '{value}'" for name, value in {**SETTINGS, **settings}.items())
    return _process().submit(_run, f"{sql} SETTINGS {clause}", output_format).result(timeout=240)


@functools.cache
def lines(sql: str) -> tuple[list[str], list[str], bytes]:
    """Return the column names, types and rows of a SELECT; the rows are the engine's JSON, one row per line."""
    output = query(sql, "JSONCompactEachRowWithNamesAndTypes", frames.JSON_SETTINGS)
    names, types, rows = (output + b"\n").split(b"\n", 2)
    return *(json.loads(each.decode("utf-8", "surrogateescape")) for each in (names, types)), rows


def by_native(sql: str, types: list[str]) -> pa.Table:
    """Return the canonical table of a SELECT, read from Native; the types are given, since it leaves time zones out."""
    tables = [block.table for block in frames.from_native(query(sql, "Native"))]
    return frames.from_arrow(frames.from_arrow(pa.concat_tables(tables), types, stored=True), types)


@functools.cache
def by_json(sql: str) -> tuple[list[str], list[str], pa.Table]:
    """Return the column names, types and canonical table of a SELECT, read from JSON with ``from_rows``."""
    names, types, text = lines(sql)
    rows = [_decoded(line) for line in text.splitlines() if line]
    return names, types, frames.from_rows(names, types, rows)


def _decoded(line: bytes) -> Any:
    # ClickHouse writes a Float64 of -0.0 inside a tuple as "-0", which Python would read as the integer 0.
    return json.loads(line.decode("utf-8", "surrogateescape"), parse_int=lambda s: -0.0 if s == "-0" else int(s))


def body(names: list[str], types: list[str], rows: bytes, **more: object) -> bytes:
    """Return the body of a result response with one statement, as the API sends it."""
    statement = {"query": "SELECT 1", "column_names": names, "column_types": types, "result_rows": "@", **more}
    result = {"worksheet_query_id": QUERY_ID, "status": "SUCCESS", "results": [statement], "error": None}
    return json.dumps(result, separators=(",", ":")).encode().replace(b'"@"', b"[" + rows + b"]")


def cut(data: bytes, size: int) -> list[bytes]:
    """Return a body as chunks of so many bytes."""
    return [data[start : start + size] for start in range(0, len(data), size)]


@functools.cache
def by_arrow(sql: str) -> pa.Table:
    """Return the engine's own Arrow table of a SELECT."""
    return pa.ipc.open_stream(query(sql, "ArrowStream", frames.ARROW_SETTINGS)).read_all()


def values(table: pa.Table, column: int = 0) -> list[object]:
    """Return a column as Python values, dictionaries decoded."""
    return table.column(column).to_pylist()


def shown(value: object) -> object:
    """Return a value in a form that compares: NaN equals itself, -0.0 is not 0.0, a time is its UTC and its zone."""
    if isinstance(value, (list, tuple)):
        return [shown(each) for each in value]
    if isinstance(value, dict):
        return [(shown(key), shown(each)) for key, each in value.items()]
    if isinstance(value, datetime) and value.tzinfo is not None:
        return f"{value.astimezone(timezone.utc).isoformat()} {value.tzinfo}"
    if isinstance(value, timedelta):
        return f"{value // timedelta(microseconds=1)} us {getattr(value, 'nanoseconds', 0)} ns"
    return repr(value)


def same(one: pa.Table, other: pa.Table) -> bool:
    """Whether two tables have equal schemas (metadata included) and equal values; NaN equals itself."""
    if not one.schema.equals(other.schema, check_metadata=True):
        return False
    return all(repr(values(one, at)) == repr(values(other, at)) for at in range(one.num_columns))


def bare(sql: str, output_format: str) -> bytes:
    """Run a statement in the child process with no setting at all, and return the engine's output."""
    return _process().submit(_run, sql, output_format).result(timeout=240)


def by_bare_engine(sql: str, file: Path) -> tuple[list[str], list[str], pa.Table]:
    """Return the names, types and canonical table of a SELECT that runs with no setting at all.

    Its rows leave the engine as RowBinary, which no setting changes; the engine converts that from a file to JSON.
    """
    file.write_bytes(bare(sql, "RowBinaryWithNamesAndTypes"))
    output = query(
        f"SELECT * FROM file('{file}', RowBinaryWithNamesAndTypes)",
        "JSONCompactEachRowWithNamesAndTypes",
        {**frames.JSON_SETTINGS, "schema_inference_use_cache_for_file": "0", "max_threads": "1"},
    )
    names, types, rows = (output + b"\n").split(b"\n", 2)
    columns = [json.loads(each.decode("utf-8", "surrogateescape")) for each in (names, types)]
    return *columns, frames.from_lines(*columns, rows)
