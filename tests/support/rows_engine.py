"""A real ClickHouse (chDB) in a process of its own, asked in JSON and in Arrow, as the local service asks it."""

from __future__ import annotations

import functools
import json
import multiprocessing
from collections.abc import Mapping
from concurrent.futures import ProcessPoolExecutor
from datetime import datetime, timedelta, timezone

import pyarrow as pa

from roe_magic import frames

QUERY_ID = "123e4567-e89b-12d3-a456-426614174000"
# What makes every type available to a test.
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


def _run(sql: str, form: str) -> bytes:
    import chdb

    connection = chdb.connect(":memory:")
    try:
        return connection.query(sql, form).bytes()
    finally:
        connection.close()


def query(sql: str, form: str, settings: Mapping[str, str] = {}) -> bytes:
    """Run one SELECT and give the engine's bytes."""
    listed = ", ".join(f"{name} = '{value}'" for name, value in {**SETTINGS, **settings}.items())
    return _process().submit(_run, f"{sql} SETTINGS {listed}", form).result(timeout=240)


@functools.cache
def lines(sql: str) -> tuple[list[str], list[str], bytes]:
    """Give names, types and the rows of a SELECT as the engine's JSON, one row a line."""
    answer = query(sql, "JSONCompactEachRowWithNamesAndTypes", frames.JSON_SETTINGS)
    names, types, rows = (answer + b"\n").split(b"\n", 2)
    return *(json.loads(each.decode("utf-8", "surrogateescape")) for each in (names, types)), rows


@functools.cache
def by_json(sql: str) -> tuple[list[str], list[str], pa.Table]:
    """Give names, types and canonical table of a SELECT, by way of the engine's JSON, decoded."""
    names, types, text = lines(sql)
    rows = [json.loads(line.decode("utf-8", "surrogateescape")) for line in text.splitlines() if line]
    return names, types, frames.from_rows(names, types, rows)


def body(names: list[str], types: list[str], rows: bytes, **more: object) -> bytes:
    """Write a result as the API sends it, with one statement."""
    about = {"query": "SELECT 1", "column_names": names, "column_types": types, "result_rows": "@", **more}
    whole = {"worksheet_query_id": QUERY_ID, "status": "SUCCESS", "results": [about], "error": None}
    return json.dumps(whole, separators=(",", ":")).encode().replace(b'"@"', b"[" + rows + b"]")


def cut(data: bytes, size: int) -> list[bytes]:
    """Cut a body into chunks."""
    return [data[start : start + size] for start in range(0, len(data), size)]


@functools.cache
def by_arrow(sql: str) -> pa.Table:
    """Give the engine's raw Arrow of a SELECT."""
    return pa.ipc.open_stream(query(sql, "ArrowStream", frames.ARROW_SETTINGS)).read_all()


def values(table: pa.Table, column: int = 0) -> list[object]:
    """Give a column as Python values, dictionaries decoded."""
    return table.column(column).to_pylist()


def shown(value: object) -> object:
    """Write a value so that equal ones look alike: NaN and the sign of zero count, a moment is its UTC and zone."""
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
    """Compare two tables, column types and all, with NaN equal to itself."""
    if not one.schema.equals(other.schema, check_metadata=True):
        return False
    return all(repr(values(one, at)) == repr(values(other, at)) for at in range(one.num_columns))
