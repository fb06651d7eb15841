"""The large result that is read in every way: ten columns of different types."""

from __future__ import annotations


def clickhouse(rows: int) -> str:
    """Give the SQL for ClickHouse."""
    return f"""SELECT
    number AS id,
    toInt32(number % 1000) AS n,
    number / 3 AS x,
    concat('name ', toString(number)) AS name,
    toLowCardinality(['red', 'green', 'blue'][number % 3 + 1]) AS colour,
    toDateTime('2024-01-01 00:00:00', 'UTC') + number AS at,
    toDate('2024-01-01') + number % 1000 AS day,
    toDecimal64(number, 2) / 4 AS price,
    number % 2 = 0 AS even,
    if(number % 10 = 0, NULL, toInt64(number)) AS maybe
FROM numbers({rows})"""


def duckdb(rows: int) -> str:
    """Give the same rows in DuckDB's SQL."""
    return f"""SELECT
    range::UBIGINT AS id,
    (range % 1000)::INTEGER AS n,
    range / 3 AS x,
    concat('name ', range) AS name,
    (['red', 'green', 'blue'])[range % 3 + 1] AS colour,
    TIMESTAMP '2024-01-01 00:00:00' + to_seconds(range) AS at,
    DATE '2024-01-01' + (range % 1000)::INTEGER AS day,
    (range / 4)::DECIMAL(18, 2) AS price,
    (range % 2 = 0)::UTINYINT AS even,
    CASE WHEN range % 10 = 0 THEN NULL ELSE range END AS maybe
FROM range({rows})"""


# What a user would write by hand to have right types after pandas.DataFrame(rows).
ASTYPE = """{
    "id": "UInt64", "n": "Int32", "x": "Float64", "name": "string", "colour": "string", "at": "datetime64[us, UTC]",
    "day": "datetime64[us]", "price": "Float64", "even": "UInt8", "maybe": "Int64",
}"""
