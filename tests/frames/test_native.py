"""Native blocks: what the cases of types do not show, such as several blocks, long texts and broken output."""

from __future__ import annotations

import pyarrow as pa
import pytest

from roe_magic import frames
from roe_magic.errors import ProtocolError
from tests.support.rows_engine import by_json, by_native, query, same

MANY = (
    "SELECT number AS n, repeat('x', number % 300) AS s, toLowCardinality(toString(number % 70000)) AS l, "
    "[toLowCardinality(toNullable(if(number % 3 = 0, NULL, toString(number % 300))))] AS a, "
    "toDateTime64(number / 7, 8, 'UTC') AS t, CAST(number % 2, 'Bool') AS b FROM numbers(80000) ORDER BY n"
)


def test_many_rows_in_many_blocks_are_those_of_the_json() -> None:
    """Dictionaries with indices of each size, texts of more than 127 bytes, and offsets that begin anew."""
    names, types, table = by_json(MANY)
    blocks = list(frames.from_native(query(MANY, "Native")))
    assert len(blocks) > 1
    assert {tuple(block.names) for block in blocks} == {tuple(names)}
    assert same(by_native(MANY, types).combine_chunks(), table.combine_chunks())


@pytest.mark.parametrize(
    "kind",
    [
        *("JSON", "JSON(a UInt8)", "Dynamic", "Variant(String, UInt8)", "Array(Dynamic)", "Map(String, JSON)"),
        *(
            "AggregateFunction(sum, UInt64)",
            "Tuple(a AggregateFunction(sum, UInt64))",
            "QBit(Float32, 2, 1)",
            "Geometry",
        ),
    ],
)
def test_a_type_that_only_the_engine_can_convert_is_named(kind: str) -> None:
    """At any depth."""
    assert not frames.native_is_readable(["UInt8", kind])
    name = kind.encode()
    with pytest.raises(frames.UnreadableType) as raised:
        list(frames.from_native(b"\x01\x01\x01x" + bytes([len(name)]) + name + bytes(64)))
    assert str(raised.value) == kind


def test_columns_of_one_name_are_all_there() -> None:
    """The format has them side by side."""
    (block,) = frames.from_native(query("SELECT 1 AS a, 'x', 'x'", "Native"))
    assert block.names == ["a", "'x'", "'x'"]
    assert [column.to_pylist() for column in block.table.columns] == [[1], [b"x"], [b"x"]]


def test_no_output_is_no_block() -> None:
    """The engine writes nothing for a result without rows."""
    assert query("SELECT 1 WHERE 0", "Native") == b""
    assert list(frames.from_native(b"")) == []


def test_output_that_ends_too_early_is_refused() -> None:
    """Wherever it is cut."""
    sql = "SELECT 1 AS a, 'text' AS b, [toLowCardinality('x')] AS c, toNullable(2.5) AS d, map('k', tuple(1)) AS e"
    whole = query(sql, "Native")
    assert len(list(frames.from_native(whole))) == 1
    for size in range(1, len(whole)):
        with pytest.raises(ProtocolError):
            list(frames.from_native(whole[:size]))


def test_a_block_is_in_stored_form() -> None:
    """Its schema depends on the types alone."""
    sql = (
        "SELECT toDecimal32(1, 2) AS d, toIntervalDay(3) AS i, toDateTime64('2299-01-01 00:00:00.5', 7) AS t, 'x' AS s"
    )
    (block,) = frames.from_native(query(sql, "Native"))
    assert block.table.schema == frames.schema(block.names, block.types, stored=True)
    assert [field.type for field in block.table.schema] == [pa.decimal128(38, 2), pa.int64(), pa.string(), pa.binary()]


def test_decimals_beyond_their_precision_are_whole() -> None:
    """By each format, at any depth."""
    sql = "SELECT CAST('99.99', 'Decimal(4, 2)') * 2 AS d, [d] AS a, CAST('9e17', 'Decimal(18, 0)') * 10 AS e"
    names, types, table = by_json(sql)
    assert types == ["Decimal(4, 2)", "Array(Decimal(4, 2))", "Decimal(18, 0)"]
    assert [str(column[0]) for column in table.columns] == ["199.98", "[Decimal('199.98')]", "9000000000000000000"]
    assert same(by_native(sql, types), table)
    assert frames.to_rows(table, types) == [["199.98", ["199.98"], "9000000000000000000"]]
    assert same(frames.from_rows(names, types, frames.to_rows(table, types)), table)
