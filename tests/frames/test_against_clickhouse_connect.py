"""The same values read by clickhouse-connect on the same engine: it differs only as docs/types.md says."""

from __future__ import annotations

import functools
import multiprocessing
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from datetime import datetime, timedelta
from decimal import Decimal
from ipaddress import ip_address
from typing import Any
from uuid import UUID

import pytest

from roe_magic.frames.arrow_types import resolve_type
from roe_magic.frames.to_python import python_cells
from tests.frames.test_types import CASES, PARIS, Case, select
from tests.support.rows_engine import SETTINGS, by_json

pytestmark = pytest.mark.conformance


@functools.cache
def _process() -> ProcessPoolExecutor:
    return ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn"))


@functools.cache
def _client() -> Any:
    import clickhouse_connect

    return clickhouse_connect.get_client(interface="chdb", path=":memory:", settings=dict(SETTINGS))


def _rows(sql: str) -> list[Any]:
    try:
        return [row[0] for row in _client().query(sql).result_rows]
    except Exception as error:  # carried to the test as text: not every error of it can be pickled
        _client.cache_clear()
        return [f"{type(error).__name__}: {error}"]


def peer_cells(sql: str) -> list[Any]:
    """Return a column as clickhouse-connect converts it."""
    return _process().submit(_rows, sql).result(timeout=240)


def our_cells(sql: str) -> list[Any]:
    """Return a column as ``python_cells`` converts it for pandas."""
    _, types, table = by_json(sql)
    return [cell for chunk in table.column(0).chunks for cell in python_cells(chunk, resolve_type(types[0]))]


def naive(moment: Any) -> datetime:
    """Return a timestamp cut to microseconds, without its time zone."""
    return datetime(*moment.timetuple()[:6], moment.microsecond)  # noqa: DTZ001  # that is the difference


def short(moment: Any) -> datetime:
    return datetime(*moment.timetuple()[:6], moment.microsecond, tzinfo=moment.tzinfo)


def hexed(raw: bytes) -> str:
    try:
        return raw.decode()
    except UnicodeDecodeError:
        return raw.hex()


def count(unit: timedelta) -> Callable[[Any], int]:
    return lambda span: round(span / unit)


# From our value to that of clickhouse-connect, for each type where the two differ.
DIFFERENCES: dict[str, Callable[[Any], Any]] = {
    # clickhouse-connect loses something: bytes become hex text, digits, repeated keys and time zones are dropped.
    "String": lambda cell: hexed(cell) if isinstance(cell, bytes) else cell,
    "Array(String)": lambda cell: [hexed(each) for each in cell],
    "DateTime": naive,
    "Array(DateTime)": lambda cell: [naive(each) for each in cell],
    "Map(DateTime, String)": lambda cell: {naive(key): value for key, value in cell.items()},
    "Map(UInt64, Array(Nullable(DateTime)))": lambda cell: {
        key: [each and naive(each) for each in value] for key, value in cell.items()
    },
    **{f"DateTime64({digits})": naive for digits in range(10)},
    **{f"DateTime64({digits}, 'America/New_York')": short for digits in (7, 8, 9)},
    "Time64(9)": lambda cell: timedelta(microseconds=cell.value // 1000 if cell.value > 0 else -(-cell.value // 1000)),
    "Map(String, UInt8)": dict,
    "Dynamic": lambda cell: {"42": 42, "nan": "nan"}.get(cell, cell) if isinstance(cell, str) else cell,
    # Another Python class for the same value.
    "FixedString(4)": lambda cell: cell.encode(),
    "LowCardinality(FixedString(2))": lambda cell: cell.encode(),
    "UUID": UUID,
    "IPv4": ip_address,
    "IPv6": ip_address,
    "Geometry": lambda cell: tuple(map(float, cell)),
    "JSON(max_dynamic_paths=8, `a.b` Decimal(30, 20), SKIP q)": lambda cell: {"a": {"b": Decimal(cell["a"]["b"])}},
    "Dynamic(max_types=3)": lambda cell: datetime.fromisoformat(cell.replace("Z", "+00:00")).astimezone(PARIS),
    # The count, without its unit.
    "IntervalNanosecond": lambda cell: cell.value,
    "IntervalMicrosecond": count(timedelta(microseconds=1)),
    "IntervalMillisecond": count(timedelta(milliseconds=1)),
    "IntervalSecond": count(timedelta(seconds=1)),
    "IntervalMinute": count(timedelta(minutes=1)),
    "IntervalHour": count(timedelta(hours=1)),
    "IntervalDay": count(timedelta(days=1)),
    "IntervalWeek": count(timedelta(weeks=1)),
}
REFUSED = {"AggregateFunction(sum, UInt64)"}


@pytest.mark.parametrize("case", CASES, ids=lambda case: str(case)[:50])
def test_clickhouse_connect_differs_only_as_documented(case: Case) -> None:
    """Its value is equal to ours, after the listed conversion where there is one."""
    sql = select(case, null=case.nullable)
    theirs = peer_cells(sql)
    if case.type in REFUSED:
        assert "not supported" in theirs[0]
        return
    as_theirs = DIFFERENCES.get(case.type, lambda cell: cell)
    ours = [None if cell is None else as_theirs(cell) for cell in our_cells(sql)]
    assert [str(cell) for cell in ours] == [str(cell) for cell in theirs]


def test_every_listed_difference_is_one() -> None:
    """DIFFERENCES and REFUSED have no type whose values are equal, and none that is not tested."""
    differing = {
        case.type
        for case in CASES
        if repr(peer_cells(select(case, null=case.nullable))) != repr(our_cells(select(case, null=case.nullable)))
    }
    assert differing == {*DIFFERENCES, *REFUSED}
