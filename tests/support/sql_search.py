"""SQL that tries to get out: the engine's own examples of its functions, with something risky put into them.

The examples come from ``system.functions``, so that a new version of the engine brings its own. Most of them run. Each
is changed in a few places: a literal becomes a text that some function parses as SQL, as a path or as an address, or
an expression that reaches outside; the table becomes another organisation's; the whole becomes a part of something.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

from hypothesis import strategies as st

from tests.support.bare_clickhouse import BareClickHouse

Change = Callable[[str, st.DrawFn], str]

_LITERAL = re.compile(r"'(?:[^'\\]|\\.|'')*'|\b\d+(?:\.\d+)?\b")
_TEXT_LITERAL = re.compile(r"'(?:[^'\\]|\\.|'')*'")
_CALLED = re.compile(r"\b[A-Za-z_]\w*(?=\()")
_TABLE = re.compile(r"(?<=\bFROM )[\w.]+(?:\([^()]*\))?", re.IGNORECASE)

# Words in angle brackets are the canaries of a test.
TEXTS = [
    "<file>",
    "file('<file>')",
    "a UInt8, b String ALIAS file('<file>')",
    "a UInt8, b String DEFAULT file('<file>')",
    "a UInt8, b String MATERIALIZED file('<file>')",
    "quantile(ascii(file('<file>')))",
    "sumIf(file('<file>'))",
    "SELECT a FROM <database>.secret",
    "SELECT file('<file>')",
    "<database>.secret",
    "<database>",
    "secret",
    "http://127.0.0.1:<port>/",
    "127.0.0.1:<port>",
    "LineAsString",
    "/proc/self/environ",
    "x', file('<file>'), '",
]
EXPRESSIONS = [
    "file('<file>')",
    "`file`('<file>')",
    "file/**/(concat('<file>', ''))",
    "(SELECT file('<file>'))",
    "(SELECT line FROM file('<file>', 'LineAsString'))",
    "arrayMap(f -> file(f), ['<file>'])[1]",
    "arrayReduce('quantile(ascii(file(''<file>'')))', [1])",
    "initializeAggregation('quantile(ascii(file(''<file>'')))', 1)",
    "(SELECT b FROM generateRandom('a UInt8, b String ALIAS file(''<file>'')') LIMIT 1)",
    "(SELECT a FROM <database>.secret LIMIT 1)",
    "(SELECT groupArray(a) FROM `<database>`.`secret`)",
    "('x' IN <database>.secret)",
    "hasColumnInTable('<database>', 'secret', 'a')",
    "joinGet('<database>.secret', 'a', 'x')",
    "dictGet('<database>.secret', 'a', 1)",
    "(SELECT * FROM url('http://127.0.0.1:<port>/', 'LineAsString') LIMIT 1)",
    "(SELECT count() FROM system.processes)",
    "catboostEvaluate('<file>', 1)",
    "a",
]
TABLES = [
    "file('<file>', 'LineAsString')",
    "url('http://127.0.0.1:<port>/', 'LineAsString')",
    "remote('127.0.0.1:<port>', system.one)",
    "s3('http://127.0.0.1:<port>/bucket/key', 'LineAsString')",
    "redis('127.0.0.1:<port>', 'k', 'k String, v String')",
    "<database>.secret",
    '"<database>"."secret"',
    "merge('<database>', 'secret')",
    "merge(REGEXP('org.*'), '.*')",
    "loop('<database>', 'secret')",
    "view(SELECT * FROM <database>.secret)",
    "viewExplain('EXPLAIN', '', (SELECT * FROM <database>.secret))",
    "mergeTreeIndex('<database>', 'secret')",
    "cluster('default', <database>.secret)",
    "dictionary('<database>.secret')",
    "(SELECT * FROM <database>.secret)",
    "generateRandom('a UInt8, b String ALIAS file(''<file>'')')",
    "format(JSONEachRow, 'a UInt8, b String DEFAULT file(''<file>'')', '{\"a\": 1}')",
    "values('a UInt8, b String DEFAULT file(''<file>'')', (1, 'x'))",
    "null('a String DEFAULT file(''<file>'')')",
    "executable('x.sh', TSV, 'a String')",
    "sqlite('<file>', 't')",
    "system.tables",
    "system.parts",
    "system.query_log",
    "information_schema.columns",
    "numbers(2)",
    "kept",
    "made",
    "seen",
]
RISKY_NAMES = [
    *("file", "url", "remote", "s3", "merge", "dictionary", "dictGet", "joinGet", "hasColumnInTable", "getMacro"),
    *("catboostEvaluate", "arrayReduce", "formatRow", "initializeAggregation", "structureToProtobufSchema"),
    *("structureToCapnProtoSchema", "evalMLMethod", "reverseDNSQuery", "regionToName", "getServerSetting"),
    *("addressToLine", "__getScalar"),
]
WRAPPINGS = [
    "SELECT * FROM ({sql})",
    "SELECT * APPLY({name}) FROM ({sql})",
    "SELECT * REPLACE({expression} AS a) FROM (SELECT 1 AS a, * FROM ({sql}))",
    "WITH made AS ({sql}) SELECT * FROM made",
    "WITH ({sql}) AS a SELECT {expression}",
    "{sql} UNION ALL SELECT {expression}",
    "SELECT {expression} FROM ({sql})",
    "SELECT * FROM ({sql}) AS l, {table} AS r",
    "SELECT * FROM ({sql}) AS l WHERE {expression} IN {table}",
    "SELECT * FROM ({sql}) AS l WHERE EXISTS (SELECT * FROM {table})",
    "SELECT count() FROM ({sql}) GROUP BY {expression} ORDER BY {expression} LIMIT 1 BY {expression}",
    "SELECT * FROM {table}",
    "SELECT {expression} FROM {table}",
    "SELECT arrayMap({name}, [{expression}])",
    "DESCRIBE ({sql})",
    "DESCRIBE {table}",
    "EXPLAIN {sql}",
    "EXPLAIN SYNTAX SELECT {expression} FROM {table}",
    "EXPLAIN ESTIMATE SELECT * FROM {table}",
    "SHOW CREATE TABLE {table}",
    "EXISTS {table}",
    "CREATE OR REPLACE TABLE made ENGINE = Memory AS {sql}",
    "CREATE OR REPLACE TABLE made (a String DEFAULT {expression}) ENGINE = Memory",
    "CREATE OR REPLACE TABLE made ENGINE = Merge('<database>', 'secret')",
    "CREATE OR REPLACE TABLE made AS {table}",
    "CREATE OR REPLACE VIEW seen AS {sql}",
    "CREATE OR REPLACE VIEW seen AS SELECT * FROM {table}",
    "INSERT INTO kept SELECT toString({expression})",
    "INSERT INTO kept SELECT * FROM {table}",
    "INSERT INTO kept VALUES ({expression})",
    "INSERT INTO made (a) VALUES (DEFAULT)",
    "ALTER TABLE kept UPDATE a = {expression} WHERE 1 SETTINGS mutations_sync = 1",
    "ALTER TABLE kept DELETE WHERE {expression} = 1 SETTINGS mutations_sync = 1",
    "{sql} SETTINGS max_threads = 1, additional_result_filter = '{text}'",
    "{sql} SETTINGS additional_table_filters = {{'system.one': '{text}'}}",
    "SET max_threads = 1; {sql}",
    "SET param_x = '{text}'; SELECT * FROM {{x:Identifier}}",
    "SET param_x = '{text}'; SELECT {{x:String}}, file({{x:String}})",
    "USE <database>; SELECT * FROM secret",
    "CREATE TEMPORARY TABLE passing AS {sql}; SELECT * FROM passing",
    "CREATE TEMPORARY TABLE passing (a String ALIAS {expression}); SELECT a FROM passing",
    "CREATE OR REPLACE VIEW seen AS SELECT {{p:String}} AS p, {expression} AS e; SELECT * FROM seen(p = '{text}')",
    "CREATE OR REPLACE TABLE made ENGINE = Buffer('<database>', 'secret', 1, 1, 1, 1, 1, 1, 1)",
    "CREATE OR REPLACE TABLE made ENGINE = Alias('<database>', 'secret')",
    "CREATE OR REPLACE TABLE made ENGINE = GenerateRandom('{text}')",
    "CREATE OR REPLACE TABLE made (a String, b String ALIAS {expression}) ENGINE = MergeTree ORDER BY {expression}",
    "CREATE MATERIALIZED VIEW IF NOT EXISTS watching TO kept AS SELECT toString({expression}) AS a FROM made",
    "ALTER TABLE kept ADD COLUMN IF NOT EXISTS b String DEFAULT {expression}",
    "ALTER TABLE kept ATTACH PARTITION ALL FROM <database>.secret",
    "ALTER TABLE kept MODIFY TTL toDate({expression})",
    "RENAME TABLE <database>.secret TO kept_too",
    "SHOW COLUMNS FROM secret FROM <database>",
    "SHOW TABLES FROM <database>",
    "CHECK TABLE <database>.secret",
    'INSERT INTO kept FORMAT JSONEachRow {{"a": "{name}"}}',
    "SELECT * FROM values(({expression}), ({expression}))",
    "SELECT * FROM format(Values, '({text})')",
    "SELECT formatRow('{text}', {expression})",
    "SELECT JSONExtract('{{}}', '{text}')",
    "SELECT {name}('{text}', '{text}')",
    "SELECT {name}({expression}, '{text}')",
    "SELECT * FROM {name}('{text}', '{text}')",
    "SELECT CAST('x', '{text}')",
    "{sql} FORMAT TSV",
    "{sql} INTO OUTFILE '<outside>/new'",
]


def examples(clickhouse: BareClickHouse) -> list[str]:
    """Return the statements of the engine's documentation of its functions, one of each page's at least."""
    pages = clickhouse.rows("SELECT examples FROM system.functions WHERE examples != '' ORDER BY name")
    found = [sql for (page,) in pages for sql in re.findall(r"```sql[^\n]*\n(.*?)```", page, re.DOTALL)]
    statements = {sql.partition(";")[0].strip() for sql in found}
    return sorted(sql for sql in statements if sql.upper().startswith(("SELECT", "WITH")) and "sleep" not in sql)


def function_names(clickhouse: BareClickHouse) -> list[str]:
    """Return the names of all functions and table functions."""
    tables = "SELECT name FROM system.functions UNION DISTINCT SELECT name FROM system.table_functions"
    return sorted(name for (name,) in clickhouse.rows(tables) if "sleep" not in name.lower())


def statements(bases: Sequence[str], names: Sequence[str]) -> st.SearchStrategy[str]:
    """Return a strategy of SQL texts that hold the words <file>, <outside>, <port> and <database>."""
    any_name = st.one_of(st.sampled_from(RISKY_NAMES), st.sampled_from(names))

    @st.composite
    def statement(draw: st.DrawFn) -> str:
        sql = draw(st.sampled_from(bases))
        for change in draw(st.lists(st.sampled_from(changes), min_size=1, max_size=3)):
            sql = change(sql, draw)
        return sql

    def literal_to_text(sql: str, draw: st.DrawFn) -> str:
        return _replaced(_TEXT_LITERAL, sql, f"'{_quoted(draw(st.sampled_from(TEXTS)))}'", draw)

    def literal_to_expression(sql: str, draw: st.DrawFn) -> str:
        return _replaced(_LITERAL, sql, draw(st.sampled_from(EXPRESSIONS)), draw)

    def other_function(sql: str, draw: st.DrawFn) -> str:
        return _replaced(_CALLED, sql, draw(any_name), draw)

    def other_table(sql: str, draw: st.DrawFn) -> str:
        return _replaced(_TABLE, sql, draw(st.sampled_from(TABLES)), draw)

    def wrapped(sql: str, draw: st.DrawFn) -> str:
        return draw(st.sampled_from(WRAPPINGS)).format(
            sql=sql,
            name=draw(any_name),
            expression=draw(st.sampled_from(EXPRESSIONS)),
            table=draw(st.sampled_from(TABLES)),
            text=_quoted(draw(st.sampled_from(TEXTS))),
        )

    def unchanged(sql: str, _: st.DrawFn) -> str:
        return sql

    # A text alone often still runs, and is where a guard that reads the tree alone is blind.
    changes: list[Change] = [literal_to_text, literal_to_text, literal_to_expression, other_function, other_table]
    changes += [wrapped, unchanged, literal_to_text, unchanged]
    return statement()


def _replaced(pattern: re.Pattern[str], sql: str, new: str, draw: st.DrawFn) -> str:
    """Return the SQL with one of the places that a pattern matches replaced; as it is if there is none."""
    places = [match.span() for match in pattern.finditer(sql)]
    if not places:
        return sql
    start, end = draw(st.sampled_from(places))
    return f"{sql[:start]}{new}{sql[end:]}"


def _quoted(text: str) -> str:
    return text.replace("'", "''")
