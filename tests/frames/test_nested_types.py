"""Nested types and values of them that hypothesis generates, through the real engine."""

from __future__ import annotations

import ipaddress
import json
import socket
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from roe_magic import frames
from roe_magic.frames.type_parser import parse
from roe_magic.query import result_body
from tests.support.rows_engine import body, by_arrow, by_json, by_native, cut, lines, same, shown, values

pytestmark = pytest.mark.usefixtures("each_json_path")


@dataclass
class Kind:
    """A ClickHouse type, a strategy for its values, and functions from a value to SQL and to the Arrow value."""

    name: str
    values: st.SearchStrategy[Any]
    sql: Callable[[Any], str]
    arrow: Callable[[Any], Any] = lambda value: value


def quoted(value: Any) -> str:
    return "'" + str(value).replace("\\", "\\\\").replace("'", "\\'").replace("\0", "\\0") + "'"


def padded(text: str) -> str:
    return text + "\0" * (4 - len(text.encode()))


def written(address: ipaddress.IPv6Address) -> str:
    return socket.inet_ntop(socket.AF_INET6, address.packed)


LABELS = ["", "a\\b", '`"', "(1)", "é='1',"]
KOLKATA, UTC = ZoneInfo("Asia/Kolkata"), ZoneInfo("UTC")
TEXT = st.text(st.characters(codec="utf-8"), max_size=5)
LEAVES = [
    Kind("Int64", st.integers(-(2**63), 2**63 - 1), quoted),
    Kind("UInt8", st.integers(0, 255), str),
    Kind("UInt256", st.integers(0, 2**256 - 1), quoted, str),
    Kind("Int128", st.integers(-(2**127), 2**127 - 1), quoted, Decimal),
    Kind("Float64", st.floats(allow_nan=False), lambda value: f"'{value!r}'"),
    Kind("Bool", st.booleans(), str),
    Kind("String", TEXT, quoted),
    Kind("Decimal(20, 3)", st.integers(-(10**18), 10**18).map(lambda digits: Decimal(digits).scaleb(-3)), quoted),
    Kind("Date32", st.dates(date(1900, 1, 1), date(2299, 12, 31)), quoted),
    Kind(
        "DateTime('Asia/Kolkata')",
        st.integers(0, 2**32 - 1),
        str,
        lambda seconds: datetime(1970, 1, 1, tzinfo=UTC).astimezone(KOLKATA) + timedelta(seconds=seconds),
    ),
    Kind(
        "DateTime64(6)",
        st.integers(-2_208_988_800_000_000, 10_413_791_999_999_999),
        lambda ticks: f"fromUnixTimestamp64Micro({ticks})",
        lambda ticks: datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=ticks),
    ),
    Kind("Time", st.integers(-3599999, 3599999), lambda n: f"toTime({n})", lambda n: timedelta(seconds=n)),
    Kind("UUID", st.uuids(), quoted, str),
    Kind("IPv4", st.ip_addresses(v=4), quoted, str),
    Kind("Enum8('a' = -1, 'b''c' = 2)", st.sampled_from(["a", "b'c"]), quoted),
    Kind("LowCardinality(String)", TEXT, quoted),
    Kind(r"Enum16('' = -300, 'a\\b' = 0, '`\"' = 7, '(1)' = 300, 'é=\'1\',' = 301)", st.sampled_from(LABELS), quoted),
    Kind("IntervalDay", st.integers(-(10**8), 10**8), "toIntervalDay({})".format, lambda days: timedelta(days=days)),
    Kind("FixedString(4)", TEXT.filter(lambda text: len(text.encode()) <= 4), quoted, padded),
    Kind("IPv6", st.ip_addresses(v=6), quoted, written),
    Kind(
        "DateTime64(8, 'America/St_Johns')",
        st.integers(-2_208_900_000_00000000, 9_214_646_400_00000000),
        lambda ticks: f"CAST(toDecimal128('{Decimal(ticks).scaleb(-8):f}', 8) AS DateTime64(8, 'America/St_Johns'))",
        lambda ticks: pd.Timestamp(ticks * 10, tz="America/St_Johns"),
    ),
]


def nullable(kind: Kind) -> Kind:
    name = kind.name.replace("(String)", "(Nullable(String))") if "Low" in kind.name else f"Nullable({kind.name})"
    return Kind(
        name,
        st.none() | kind.values,
        lambda value: "NULL" if value is None else kind.sql(value),
        lambda value: None if value is None else kind.arrow(value),
    )


def array(inner: Kind) -> Kind:
    return Kind(
        f"Array({inner.name})",
        st.lists(inner.values, max_size=3),
        lambda value: "[" + ", ".join(_cast(inner, each) for each in value) + "]",
        lambda value: [inner.arrow(each) for each in value],
    )


def tuple_of(inner: list[Kind], *, named: bool) -> Kind:
    labels = ["x", "y z", "ü`"] if named else ["1", "2", "3"]
    names = ["x ", "`y z` ", "`ü\\`` "] if named else ["", "", ""]
    return Kind(
        f"Tuple({', '.join(name + kind.name for name, kind in zip(names, inner, strict=False))})",
        st.tuples(*(kind.values for kind in inner)),
        lambda value: "tuple(" + ", ".join(_cast(kind, each) for kind, each in zip(inner, value, strict=True)) + ")",
        lambda value: {label: kind.arrow(each) for label, kind, each in zip(labels, inner, value, strict=False)},
    )


def map_of(key: Kind, item: Kind) -> Kind:
    pairs = st.lists(st.tuples(key.values, item.values), max_size=3)
    return Kind(
        f"Map({key.name}, {item.name})",
        pairs,
        lambda value: "map(" + ", ".join(f"{_cast(key, k)}, {_cast(item, v)}" for k, v in value) + ")",
        lambda value: [(key.arrow(k), item.arrow(v)) for k, v in value],
    )


def _cast(kind: Kind, value: Any) -> str:
    return f"CAST({kind.sql(value)} AS {kind.name})"


SIMPLE = st.sampled_from(LEAVES)
KEYS = st.sampled_from([kind for kind in LEAVES if kind.name in ("String", "Int64", "UUID", "Date32", "UInt8")])
KINDS = st.recursive(
    SIMPLE | SIMPLE.map(nullable),
    lambda inner: st.one_of(
        inner.map(array),
        st.builds(tuple_of, st.lists(inner, min_size=1, max_size=3), named=st.booleans()),
        st.builds(map_of, KEYS, inner),
    ),
    max_leaves=5,
)


@st.composite
def columns(draw: st.DrawFn) -> tuple[Kind, list[Any]]:
    kind = draw(KINDS)
    return kind, draw(st.lists(kind.values, min_size=1, max_size=3))


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(columns(), st.integers(1, 60))
def test_any_nested_type_is_exact_by_each_format(column: tuple[Kind, list[Any]], size: int) -> None:
    """Every path from the engine leads to the same table, which has the values written in the SQL."""
    kind, cells = column
    parts = [f"SELECT {at} AS n, {_cast(kind, cell)} AS c" for at, cell in enumerate(cells)]
    sql = f"SELECT c FROM ({' UNION ALL '.join(parts)}) ORDER BY n"
    names, types, table = by_json(sql)
    assert parse(types[0]) == parse(kind.name)
    assert shown(values(table)) == shown([kind.arrow(cell) for cell in cells])
    if frames.native_is_readable(types):
        assert same(by_native(sql, types), table)
    if frames.arrow_is_faithful(types):
        assert same(frames.from_arrow(by_arrow(sql), types), table)
        stored = frames.from_arrow(by_arrow(sql).slice(1), types, stored=True)
        assert same(frames.from_arrow(stored, types), table.slice(1))
    assert same(frames.from_lines(*lines(sql)), table)
    assert same(frames.from_arrow(frames.from_lines(*lines(sql), stored=True), types), table)
    (statement,) = result_body.read_json(cut(body(names, types, frames.to_json(table, types)), size)).results or ()
    assert same(statement.result_rows, table)
    assert json.loads(b"[%s]" % frames.to_json(table, types)) == frames.to_rows(table, types)
    assert len(frames.to_pandas(table, types)) == len(frames.to_polars(table, types)) == len(cells)
