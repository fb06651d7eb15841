"""One small result for each ClickHouse type, from the real engine, for the tests of what DataFrames can do with it."""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from decimal import Decimal
from typing import Any

import pandas as pd
import pyarrow as pa

from roe_magic import frames
from tests.support.rows_engine import by_arrow, by_json, by_native

UTC = timezone.utc


@dataclass(frozen=True)
class Sample:
    """A type with three of its values in ascending order, as SQL, and a fourth as Python has it, to fill gaps with."""

    type: str
    kind: str
    sql: tuple[str, str, str]
    new: Any = None
    nullable: bool = True

    def __str__(self) -> str:
        return f"{self.type}, {self.kind}"

    @property
    def column_type(self) -> str:
        """The type with NULL allowed, where that is possible."""
        if not self.nullable:
            return self.type
        head, _, inner = self.type.partition("(")
        return f"{head}(Nullable({inner})" if head == "LowCardinality" else f"Nullable({self.type})"

    @property
    def ranks(self) -> list[int | None]:
        """Which of the values is in each row, None for NULL; a type that cannot be NULL has the third one there."""
        gap = None if self.nullable or self.kind == "scalar document" else 2
        return [1, 1, None, 0, 1] if self.kind == "bool" else [1, 2, gap, 0, 2]

    @property
    def query(self) -> str:
        """A SELECT of the columns k, from 1 to 5, and c, with the values of :attr:`ranks`."""
        values = ["NULL" if rank is None else self.sql[rank] for rank in self.ranks]
        cells = [f"CAST({value} AS {self.column_type})" for value in values]
        rows = ", ".join(f"(toUInt8({number}), {cell})" for number, cell in enumerate(cells, 1))
        return f"SELECT row.1 AS k, row.2 AS c FROM (SELECT arrayJoin([{rows}]) AS row)"


MID, HIGH, GAP, LOW = range(4)  # the rows of the values
NUMBERS = ("integer", "wide integer", "float", "decimal")


def rows(sample: Sample, condition: Callable[[int], bool]) -> list[int]:
    """Return the k of the rows whose value has such a rank."""
    return [k for k, rank in enumerate(sample.ranks, 1) if rank is not None and condition(rank)]


Operation = Callable[[Any, Sample], None]


class OperationTable(dict[str, tuple[Operation, tuple[str, ...]]]):
    """What is done with DataFrames, by name, each with the kinds of types that it is for; none means all."""

    def add(self, *kinds: str) -> Callable[[Operation], Operation]:
        """Add a function, as its decorator."""

        def add(function: Operation) -> Operation:
            self[function.__name__] = function, kinds
            return function

        return add


def texts(*values: object) -> Any:
    return tuple(f"'{value}'" for value in values)


MOMENT = datetime(2025, 1, 2, 3, 4, 5, 678901, UTC)
DAYS = texts("2024-01-31", "2024-02-29", "2024-12-01")
TIMES = texts("2024-01-31 00:00:00", "2024-02-29 12:00:00", "2024-12-01 23:59:59")
SPANS = texts("-01:00:00", "12:00:00", "100:00:01")
# An order that is not that of the alphabet.
ENUM = "('z' = 1, 'a' = 2, 'm' = 3)"
LISTS = ("[]", "[1]", "[1, 2]")
PAIRS = ("(1, 'b')", "(2, 'a')", "(2, 'b')")


def _intervals(unit: str) -> Any:
    return tuple(f"INTERVAL {count} {unit}" for count in (-1000, 9000, 10000))


SAMPLES = [
    *(Sample(f"{sign}Int{bits}", "integer", ("9", "10", "50"), 7) for sign in ("", "U") for bits in (8, 16, 32, 64)),
    *(Sample(name, "wide integer", texts(9, 10, 2**120), 7) for name in ("Int128", "UInt128", "Int256", "UInt256")),
    *(Sample(name, "float", ("-1.5", "2", "10.25"), 0.5) for name in ("Float32", "Float64", "BFloat16")),
    *(
        Sample(f"Decimal({digits}, 2)", "decimal", texts("-1.50", "9.25", "10.00"), Decimal("0.50"))
        for digits in (9, 18, 38, 76)
    ),
    Sample("Bool", "bool", ("false", "true", "true"), True),
    Sample("String", "text", texts("B", "a", "ab"), "new"),
    Sample("FixedString(2)", "text", texts("Bc", "aa", "ab"), "new"),
    Sample("LowCardinality(String)", "text", texts("B", "a", "ab"), "new"),
    Sample("LowCardinality(FixedString(2))", "text", texts("Bc", "aa", "ab"), "new"),
    Sample("LowCardinality(UInt16)", "integer", ("9", "10", "100"), 7),
    Sample("LowCardinality(Date)", "moment", DAYS, MOMENT.replace(tzinfo=None)),
    Sample(f"Enum8{ENUM}", "text", texts("a", "m", "z"), "new"),
    Sample(f"Enum16{ENUM}", "text", texts("a", "m", "z"), "new"),
    Sample("UUID", "text", texts(*(f"0000000{digit}-0000-0000-0000-000000000000" for digit in "19a")), "new"),
    Sample("IPv4", "text", texts("1.2.3.4", "10.0.0.1", "9.0.0.1"), "new"),
    Sample("IPv6", "text", texts("2001:db8::1", "::1", "::2"), "new"),
    Sample("String", "bytes", ("unhex('00ff')", "unhex('ff')", "unhex('ff00')"), b"new"),
    Sample("LowCardinality(String)", "bytes", ("unhex('00ff')", "unhex('ff')", "unhex('ff00')"), b"new"),
    Sample("Date", "moment", DAYS, MOMENT.replace(tzinfo=None)),
    Sample("Date32", "moment", DAYS, MOMENT.replace(tzinfo=None)),
    *(
        Sample(name, "moment", TIMES, MOMENT)
        for name in (
            *("DateTime", "DateTime('Europe/Paris')", "DateTime64(0)", "DateTime64(3)", "DateTime64(6)"),
            *("DateTime64(9)", "DateTime64(3, 'America/New_York')", "DateTime64(9, 'Asia/Tokyo')"),
        )
    ),
    *(Sample(name, "span", SPANS, timedelta(seconds=1.5)) for name in ("Time", "Time64(3)", "Time64(9)")),
    *(
        Sample(f"Interval{unit.capitalize()}", "span", _intervals(unit), timedelta(seconds=1.5))
        for unit in ("NANOSECOND", "MICROSECOND", "MILLISECOND", "SECOND", "HOUR", "DAY", "WEEK")
    ),
    *(Sample(f"Interval{unit.capitalize()}", "integer", _intervals(unit), 7) for unit in ("MONTH", "QUARTER", "YEAR")),
    Sample("Array(Int64)", "list", LISTS, nullable=False),
    Sample("Array(LowCardinality(String))", "list", ("[]", "['a']", "['a', 'b']"), nullable=False),
    Sample("Array(Enum8('a' = 1, 'b' = 2))", "list", ("[]", "['a']", "['a', 'b']"), nullable=False),
    Sample("QBit(Float32, 2)", "list", ("[0, 1]", "[1, 1]", "[1, 2]"), nullable=False),
    Sample("Ring", "list", ("[]", "[(0, 1)]", "[(0, 2)]"), nullable=False),
    Sample("Nested(a UInt8)", "list of dicts", ("[]", "[tuple(1)]", "[tuple(2)]"), nullable=False),
    Sample("Map(String, UInt8)", "dict", ("map()", "map('a', 1)", "map('b', 2)"), nullable=False),
    Sample("Map(LowCardinality(String), UInt8)", "dict", ("map()", "map('a', 1)", "map('b', 2)"), nullable=False),
    Sample("Tuple(a UInt8, b String)", "dict", PAIRS, nullable=False),
    Sample("Tuple(UInt8, LowCardinality(String))", "tuple", PAIRS, nullable=False),
    Sample("Point", "tuple", ("(0, 1)", "(0, 2)", "(1, 0)"), nullable=False),
    Sample("JSON", "json", texts('{"a":1}', '{"a":2}', '{"b":[1,null]}'), nullable=False),
    Sample("Dynamic", "scalar document", ("1", "2", "3"), 7, nullable=False),
    Sample("Variant(String, UInt64)", "scalar document", texts("B", "a", "ab"), "new", nullable=False),
    Sample(
        "AggregateFunction(sum, UInt64)",
        "bytes",
        tuple(f"initializeAggregation('sumState', {number}::UInt64)" for number in (1, 2, 3)),
        b"new",
        nullable=False,
    ),
]


def table_of(sample: Sample, condition: str = "") -> tuple[list[str], pa.Table]:
    """Return the column types and the canonical table of a sample, as JSON brings it."""
    _, types, table = by_json(sample.query + condition)
    return types, table


def tables_by_other_ways(sample: Sample) -> list[pa.Table]:
    """Return the same table as Native and as Arrow bring it, where they carry the type."""
    types, _ = table_of(sample)
    tables = [by_native(sample.query, types)] if frames.native_is_readable(types) else []
    if frames.arrow_is_faithful(types):
        tables.append(frames.from_arrow(by_arrow(sample.query), types))
    return tables


@functools.cache
def _frame(sample: Sample, backend: Any, condition: str) -> pd.DataFrame:
    types, table = table_of(sample, condition)
    return frames.to_pandas(table, types, dtype_backend=backend)


def frame_of(sample: Sample, backend: str, condition: str = "") -> pd.DataFrame:
    """Return a sample as a DataFrame of its own."""
    return _frame(sample, backend, condition).copy(deep=True)
