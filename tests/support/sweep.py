"""Expressions that may read a setting, and the values that each setting can have, both found from the engine itself."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from tests.support.bare_engine import BareEngine

# A value of each type, one with what is difficult about it.
VALUES = {
    "int": "-5::Int8",
    "wide": "18446744073709551615",
    "int128": "toInt128(-170141183460469231731687303715884105728)",
    "float32": "toFloat32(0.1)",
    "float": "1e23",
    "whole": "3.::Float64",
    "nan": "nan",
    "inf": "-inf",
    "decimal": "toDecimal64('1.50', 4)",
    "text": "'a/b\"c\\'d,e;f\\tg\\nh\\\\i'",
    "tag": "'</script> <b> & ü'",
    "bytes": "unhex('61ff00')",
    "fixed": "toFixedString('ab', 4)",
    "low": "toLowCardinality('low')",
    "null": "NULL",
    "nullable": "toNullable(toDecimal32(2, 1))",
    "bool": "true",
    "date": "toDate('2024-02-29')",
    "date32": "toDate32('1900-01-01')",
    "datetime": "toDateTime('2024-02-29 12:34:56', 'Europe/Paris')",
    "datetime64": "toDateTime64('2024-02-29 12:34:56.100', 3, 'UTC')",
    "own_zone": "toDateTime(86399)",
    "time": "toTime('12:34:56')",
    "time64": "toTime64('12:34:56.700', 3)",
    "interval": "INTERVAL 3 DAY",
    "enum": "CAST('x', 'Enum8(\\'x\\' = 1)')",
    "uuid": "toUUID('61f0c404-5cb3-11e7-907b-a6006ad3dba0')",
    "ipv4": "toIPv4('1.2.3.4')",
    "ipv6": "toIPv6('::ffff:1.2.3.4')",
    "array": "[1.5, nan, NULL]",
    "texts": "['a/b', 'it\\'s', '']",
    "datetimes": "[toDateTime('2024-02-29 12:34:56', 'UTC')]",
    "bools": "[true, false]",
    "tuple": "(1, 'x/y', toDateTime(0, 'UTC'))",
    "named": "CAST((1, 'x', true), 'Tuple(k UInt8, `v w` String, b Bool)')",
    "map": "map('a/b', toDecimal32(1, 2), 'c', toDecimal32(2, 2))",
    "map_int": "map(1, [toDateTime(0, 'UTC')])",
    "nested": "[CAST((1, 'x'), 'Tuple(k UInt64, v Nullable(String))')]",
    "json": """'{"a": {"b": "2024-02-29", "c": [1, "x/y", null]}, "d": 1.5, "e": 12345678901234567}'::JSON""",
    "dynamic": "toDateTime(0, 'UTC')::Dynamic",
    "variant": "true::Variant(Bool, String)",
    "point": "(1.5, 2.)::Point",
}
# What turns a value into text, or text into a value; @ is the value.
FUNCTIONS = (
    "toString(@)",
    "toJSONString(@)",
    "toString([(@, 1)])",
    "toJSONString(map('k', @))",
    "cityHash64(toString(@::Dynamic))",
    "CAST(concat('<', @), 'String')",
    "toTypeName(@)",
    "formatRow('CSV', @ AS a, 1 AS b)",
    "formatRow('TSV', @ AS a, 1 AS b)",
    "formatRow('JSONEachRow', @ AS a, 1 AS b)",
    "formatRow('Values', @ AS a, 1 AS b)",
)
# Other formats that write a row as text, tried with a few values.
ROW_FORMATS = (
    "JSONCompactEachRow",
    "JSONStringsEachRow",
    "Vertical",
    "TSKV",
    "CustomSeparated",
    "SQLInsert",
    "Markdown",
)
ROW_VALUES = ("text", "datetime", "map", "named", "nan", "bool", "decimal")
# What is read or shown otherwise by a setting, and takes no value of the list above.
OTHERS = [
    "formatQuery('select a,b from t where x = 1 and y in (1,2) order by a')",
    "formatQuerySingleLine('select  a from t')",
    "'2024-02-29 12:34'::DateTime('UTC')",
    "toDateTimeOrNull('29/02/2024 10:00:00', 'UTC')",
    "parseDateTimeBestEffort('01/02/2024 10:00', 'UTC')",
    'toString(\'{"a": "2024-02-29", "b": "5", "c": [1, "x"], "d": [{"e": 1}]}\'::JSON)',
    'JSONExtract(\'{"a": "5", "b": 1}\', \'Tuple(a UInt8, b Bool)\')',
    "JSONExtract('{\"A\": 5}', 'a', 'UInt8')",
    "JSONExtract('[1, \"a\", null]', 'Array(Dynamic)')",
    "JSONExtractKeysAndValues('{\"a\": 1.0}', 'String')",
    'JSONAllPathsWithTypes(\'{"a": "2024-02-29", "b": [1, "2"]}\'::JSON)',
    "dynamicType('2024-02-29'::Dynamic)",
    "CAST('yes', 'Bool')",
    "CAST('[1, NULL]', 'Array(Nullable(UInt8))')",
    "CAST('(1, \\'x\\')', 'Tuple(UInt8, String)')",
    "CAST(NULL, 'UInt8')",
    "toUInt8OrNull('300')",
    "CAST('300', 'UInt8')",
    "formatDateTime(toDateTime64('2024-02-29 12:34:56.100', 3, 'UTC'), '%f %M %e %k %l %c')",
    "formatDateTimeInJodaSyntax(toDateTime(0, 'UTC'), 'yyyy-MM-dd EEE')",
    "parseDateTime('29 February 2024', '%d %M %Y', 'UTC')",
    "formatReadableSize(1e10)",
    "toStartOfWeek(toDate('2024-02-29'))",
    "toStartOfHour(toDateTime64('1900-01-01 10:30:00', 0, 'UTC'))",
    "addMonths(toDate('2024-01-31'), 1)",
    "toDate(70000)",
    "toDateTime(-1, 'UTC')",
    "toDecimal32('1.23456789', 4)",
    "toDecimal64(2, 4) / 3",
    "least(1, NULL)",
    "NULL = NULL",
    "[1, NULL] = [1, NULL]",
    "1 IN (NULL, 1)",
    "map('a', 1)['z']",
    "geoToH3(37.79506683, 55.71290588, 5)",
    "extractKeyValuePairs('a:1, b:2')",
    "splitByChar(',', 'a,b,c', 2)",
    "visibleWidth(toDateTime(0, 'UTC'))",
    "timezone()",
    "toString(toTimeZone(toDateTime(0, 'UTC'), 'Asia/Tokyo'))",
    "generateSerialID('x') >= 0",
    "arrayMap(x -> toString(x), [toDateTime(0, 'UTC')])",
    "dumpColumnStructure(toDateTime(0, 'UTC'))",
    "reinterpret(toString(nan), 'String')",
    "hex(toString([toDateTime(0, 'UTC')]))",
    "sipHash64(toString([toDateTime(0, 'UTC')]))",
    "toString(0 / 0)",
]


@dataclass(frozen=True)
class Setting:
    """A setting, and values that are not its own."""

    name: str
    values: tuple[str, ...]


def expressions(bare: BareEngine) -> list[str]:
    """Return the expressions that the engine can evaluate."""
    candidates = [text.replace("@", value) for value in VALUES.values() for text in FUNCTIONS]
    candidates += [f"formatRow('{name}', {VALUES[key]} AS a, 1 AS b)" for key in ROW_VALUES for name in ROW_FORMATS]
    candidates += OTHERS
    results = bare.each([f"SELECT {text} AS x" for text in candidates])
    return [text for text, result in zip(candidates, results, strict=True) if not result.code]


def examples(bare: BareEngine) -> list[tuple[str, str]]:
    """Return the SELECTs that the engine shows as examples of its functions, each with the function's name.

    Those that the engine refuses itself are left out, and those whose answer is another one each time or in another
    process.
    """
    rows = bare.rows("SELECT name, examples FROM system.functions WHERE alias_to = '' ORDER BY name")
    blocks = [
        (name, sql.strip()) for name, text in rows for sql in re.findall(r"```sql[^\n]*\n(.*?)```", text, re.DOTALL)
    ]
    selects = [(name, sql.rstrip("; \n")) for name, sql in blocks if re.match(r"(?i)(SELECT|WITH)\b", sql)]
    return [(name, sql) for name, sql in selects if ";" not in sql and not _NOT_THE_SAME.search(sql)]


# Clocks, chance, processes and machines; and what takes long.
_NOT_THE_SAME = re.compile(
    r"(?i)now|today|yesterday|rand|uptime|utctimestamp|uuidv|filesystem|queryid|localtime|hostname|serveruuid|\btid\(|"
    r"shuffle|capnproto|snowflake|obfuscate|fuzz|sleep|timestamp\(\)|numbers(_mt)?\((\d{7,}|1e\d)"
)


def settings(bare: BareEngine, names: re.Pattern[str]) -> Iterator[Setting]:
    """Yield each setting with such a name that has values to try, but those of the format that the tests read."""
    sql = "SELECT name, type, default FROM system.settings WHERE NOT is_obsolete ORDER BY name"
    for name, kind, default in filter(lambda row: names.search(row[0]), bare.rows(sql)):
        values = tuple(value for value in _values(bare, name, kind) if value != default)
        if values and not name.startswith("output_format_binary_"):
            yield Setting(name, values)


def _values(bare: BareEngine, name: str, kind: str) -> list[str]:
    if kind in {"Bool", "BoolAuto"}:
        return ["0", "1"]
    if kind in {"Float", "Double", "FloatAuto"}:
        return ["0.5"]
    if kind == "Char":
        return ["';'"]
    if kind == "String":
        return ["'x'", "'Asia/Tokyo'"]
    if "Int" in kind or kind in {"Milliseconds", "Seconds", "MaxThreads"}:
        return ["1", "3"]
    (result,) = bare.each([f"SELECT 1 SETTINGS {name} = 'no such value'"])
    found = re.search(r"ust be one of \[(.*?)\]", result.message)
    return re.findall(r"'[^']*'", found[1]) if found else []
