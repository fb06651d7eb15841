"""What a statement may and may not do, tried on the real engine."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from roe_magic.contract import models
from roe_magic.service.engine.sql.guard import judge
from roe_magic.service.engine.sql.kinds import WRITE_REFUSED
from roe_magic.service.engine.sql.scope import JudgementScope
from tests.support.engines import LiveEngine

SECRET = "canary-7261"


@pytest.fixture(scope="module")
def live(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveEngine]:
    """An engine with another organisation's table ``other.t`` and a secret file."""
    live = LiveEngine(tmp_path_factory.mktemp("guard"))
    try:
        live.start()
        live.call(live.engine.ensure_database("other"))
        secret_file(live).write_text(SECRET)
        create = f"CREATE TABLE t (a Int, b String) ENGINE = MergeTree ORDER BY a; INSERT INTO t VALUES (1, '{SECRET}')"
        assert live.run(create, database="other", use_admin=True).status == models.SUCCESS
        own = "CREATE TABLE mine (a Int, file String) ENGINE = MergeTree ORDER BY a; INSERT INTO mine VALUES (1, 'x')"
        assert live.run(own, use_admin=True).status == models.SUCCESS
        yield live
    finally:
        live.close()


def secret_file(live: LiveEngine) -> Path:
    return live.folder / "secret.txt"


# Reads of local files: {file} is a real one that the engine's process could open.
FILES = [
    "SELECT file('{file}')",
    "SELECT `file`('{file}')",
    "SELECT FILE('{file}')",
    "SELECT * FROM file('{file}', LineAsString)",
    "SELECT * APPLY(file) FROM (SELECT '{file}')",
    "SELECT * APPLY file FROM (SELECT '{file}')",
    "SELECT * APPLY(x -> file(x)) FROM (SELECT '{file}')",
    "SELECT * APPLY(structureToProtobufSchema) FROM (SELECT 'a String DEFAULT file(\\'{file}\\')')",
    "SELECT * APPLY structureToCapnProtoSchema FROM (SELECT 'a String DEFAULT file(\\'{file}\\')')",
    "SELECT arrayMap(structureToProtobufSchema, ['a String DEFAULT file(\\'{file}\\')'])",
    "SELECT arrayMap(initializeAggregation, ['quantile(ascii(file(\\'{file}\\')))'], [1])",
    "SELECT arrayMap(file, ['{file}'])",
    "SELECT arrayMap(`file`, ['{file}'])",
    "SELECT arrayMap((file), ['{file}'])",
    "SELECT arrayMap(x -> file(x), ['{file}'])",
    "WITH x -> file(x) AS f SELECT f('{file}')",
    "SELECT mapApply((k, v) -> (k, file(v)), map('a', '{file}'))",
    "SELECT arrayFilter(FILE, ['{file}'])",
    "FROM mine |> WHERE file('{file}') = '' |> SELECT a",
    "SELECT transform('a', ['a'], [file('{file}')])",
    "SELECT (SELECT file('{file}'))",
    "SELECT 1 WHERE file('{file}') != ''",
    "SELECT 1 ORDER BY file('{file}')",
    "SELECT count() FROM system.one GROUP BY file('{file}')",
    "SELECT sum(1) OVER (PARTITION BY file('{file}'))",
    "SELECT * FROM values('a String', (file('{file}')))",
    "SELECT * FROM view(SELECT file('{file}'))",
    "EXPLAIN SELECT file('{file}')",
    "DESCRIBE file('{file}', LineAsString)",
    "DESCRIBE TABLE file('{file}', LineAsString)",
    "DESCRIBE (SELECT file('{file}'))",
    "DESCRIBE SELECT file('{file}')",
    "DESCRIBE TABLE SELECT * FROM file('{file}', LineAsString)",
    "DESC WITH file('{file}') AS x SELECT x",
    "INSERT INTO mine VALUES (2, file('{file}'))",
    "INSERT INTO mine SELECT 2, file('{file}')",
    "INSERT INTO mine FROM INFILE '{file}' FORMAT LineAsString",
    "CREATE TABLE e1 (a String DEFAULT file('{file}')) ENGINE = Memory",
    "CREATE TABLE e2 ENGINE = File(LineAsString, '{file}')",
    "CREATE TABLE e3 AS file('{file}', LineAsString)",
    "CREATE VIEW e4 AS SELECT file('{file}')",
    "CREATE FUNCTION e5 AS x -> file(x)",
    "CREATE DICTIONARY e6 (a String) PRIMARY KEY a SOURCE(FILE(path '{file}' format 'CSV')) LAYOUT(FLAT())",
    "ALTER TABLE mine ADD COLUMN c String DEFAULT file('{file}')",
    "ALTER TABLE mine UPDATE file = file('{file}') WHERE 1",
    "DELETE FROM mine WHERE file('{file}') = ''",
    "SELECT * FROM default.`{file}`",
    "INSERT INTO mine SELECT 2, * FROM default.`{file}`",
    "DESCRIBE default.`{file}`",
    "SELECT * FROM sqlite('{file}', 't')",
    "SELECT * FROM executable('cat {file}', LineAsString, 'a String')",
    "SELECT * FROM python(x)",
]

# SQL in texts that ClickHouse parses while the statement runs, and in what it reads as rows.
TEXTS = [
    "SELECT * FROM generateRandom('a UInt8, b String ALIAS file(''{file}'')') LIMIT 1",
    "SELECT b FROM generateRandom('a UInt8, b String DEFAULT file(''{file}'')') LIMIT 1",
    "SELECT * FROM generateRandom('index String ALIAS file(''{file}'')') LIMIT 1",
    "SELECT * FROM generateRandom(concat('a UInt8, b String ALIAS fi', 'le(''{file}'')')) LIMIT 1",
    "SELECT * FROM null('a String DEFAULT file(''{file}'')')",
    "SELECT * FROM null('a UInt8) ENGINE = File(LineAsString, ''{file}'') --')",
    "SELECT * FROM values('a String DEFAULT file(''{file}'')', 'x')",
    "SELECT * FROM format(JSONEachRow, 'a String DEFAULT file(''{file}'')', '{{}}')",
    "SELECT * FROM format(Values, 'a String', '(file(''{file}''))')",
    "SELECT structureToCapnProtoSchema('a String DEFAULT file(''{file}'')')",
    "SELECT structureToProtobufSchema('a String DEFAULT file(''{file}'')')",
    "SELECT arrayReduce('quantile(ascii(file(''{file}'')))', [1])",
    "SELECT arrayReduce(concat('quantile(ascii(fi', 'le(''{file}'')))'), [1])",
    "SELECT arrayReduceInRanges('quantile(ascii(file(''{file}'')))', [(1, 1)], [1])",
    "SELECT initializeAggregation('quantileState(ascii(file(''{file}'')))', 1)",
    "SELECT initializeAggregation('topK(length(file(''{file}'')))', 1)",
    "SELECT topK(length(file('{file}')))(1)",
    "CREATE VIEW e7 AS SELECT arrayMap({{f:Identifier}}, ['{file}'])",
    "CREATE VIEW e8 AS SELECT b FROM generateRandom({{t:String}}) LIMIT 1",
    "SELECT * FROM e9(x = file('{file}'))",
    "INSERT INTO mine VALUES (3, `file`('{file}'))",
    "INSERT INTO mine VALUES (3, \"file\"('{file}'))",
    "INSERT INTO mine VALUES (3, file /* ( */ ('{file}'))",
    "INSERT INTO mine VALUES (3, arrayMap(file, ['{file}'])[1])",
    "INSERT INTO mine VALUES (3, initializeAggregation('topK(length(file(''{file}'')))', 1))",
    "SELECT * FROM (SELECT file('{file}') SETTINGS max_threads = 1)",
    "SELECT nth_value(file('{file}'), 1) OVER ()",
    "EXPLAIN QUERY TREE SELECT file('{file}')",
]

# Several statements, of which the first ones are harmless.
SEVERAL = [
    "CREATE OR REPLACE VIEW JSON AS SELECT {{p:String}} AS z; "  # noqa: ISC004
    "CREATE TABLE q (j JSON(a Int), z String) ENGINE = Memory AS SELECT '', z FROM JSON(p = (SELECT b FROM other.t))",
    "CREATE OR REPLACE VIEW json AS SELECT {{p:String}} AS z; "  # noqa: ISC004
    "CREATE TABLE q (j JSON(a Int), z String) ENGINE = Log AS SELECT '', z FROM own.json(p = (SELECT b FROM other.t))",
    "SELECT 1; CREATE TABLE JSON (a JSON(b Int), c String DEFAULT file('{file}')) ENGINE = Memory",
    "SELECT 1; CREATE TEMPORARY TABLE Object (a JSON(b Int), c String ALIAS joinGet('other.t', 'b', 1))",
    "SET param_t = 'a UInt8, b String ALIAS file(''{file}'')'; SELECT * FROM generateRandom({{t:String}}) LIMIT 1",
    "SET param_f = 'file'; SELECT arrayMap({{f:Identifier}}, ['{file}'])",
    "SET param_d = 'other'; SET param_t = 't'; SELECT * FROM {{d:Identifier}}.{{t:Identifier}}",
    "SET param_t = 'other.t'; SELECT * FROM {{t:Identifier}}",
    "INSERT INTO rows FORMAT TSV 3\nx\n\nSELECT file('{file}')",
    'INSERT INTO rows FORMAT JSONEachRow {{"a": "3"}}\n\nSELECT file(\'{file}\')',
    "INSERT INTO rows FORMAT CSV \"x\n\nSELECT file('{file}')",
    "INSERT INTO rows FORMAT LineAsString x;\n\nSELECT file('{file}'); SELECT 1",
    "SELECT 1; SELECT file('{file}')",
]

# Every place of the grammar in which an expression, K, can stand.
PLACES = [
    "SHOW TABLES WHERE name = K",
    "SHOW TABLES LIMIT K",
    "SHOW COLUMNS FROM mine WHERE name = K",
    "SHOW INDEX FROM mine WHERE K",
    "SELECT 1 LIMIT K",
    "SELECT 1 LIMIT 1 BY K",
    "SELECT 1 GROUP BY GROUPING SETS ((K))",
    "SELECT 1 AS a ORDER BY a WITH FILL FROM K",
    "SELECT 1 AS a ORDER BY a WITH FILL INTERPOLATE (a AS K)",
    "SELECT sum(1) OVER w FROM mine WINDOW w AS (PARTITION BY K)",
    "SELECT sum(1) OVER (ROWS BETWEEN K PRECEDING AND K FOLLOWING) FROM mine",
    "SELECT a FROM mine PREWHERE K",
    "SELECT 1 HAVING K",
    "SELECT 1 QUALIFY K",
    "SELECT DISTINCT ON (K) 1",
    "SELECT * FROM mine AS x JOIN mine AS y ON K",
    "SELECT * FROM mine ARRAY JOIN K",
    "SELECT * REPLACE (K AS a) FROM mine",
    "SELECT COLUMNS('a') APPLY(K) FROM mine",
    "SELECT CASE WHEN 1 THEN K END",
    "SELECT K ? 1 : 2",
    "SELECT any(1) FILTER (WHERE K)",
    "SELECT INTERVAL K DAY",
    "SELECT [K][1], (K, K).1, -K, NOT K, K::Int, K BETWEEN 1 AND 2",
    "CREATE TABLE p (a Int TTL K) ENGINE = MergeTree ORDER BY a",
    "CREATE TABLE p (a Int CODEC(K)) ENGINE = MergeTree ORDER BY a",
    "CREATE TABLE p (a Int, INDEX i K TYPE minmax) ENGINE = MergeTree ORDER BY a",
    "CREATE TABLE p (a Int, CONSTRAINT c CHECK K) ENGINE = MergeTree ORDER BY a",
    "CREATE TABLE p (a Int, PROJECTION q (SELECT K)) ENGINE = MergeTree ORDER BY a",
    "CREATE TABLE p (a Int) ENGINE = MergeTree ORDER BY K",
    "CREATE TABLE p (a Int) ENGINE = MergeTree PARTITION BY K ORDER BY a",
    "CREATE TABLE p (a Int) ENGINE = MergeTree ORDER BY a TTL K",
    "ALTER TABLE mine ADD INDEX i K TYPE minmax",
    "ALTER TABLE mine ADD CONSTRAINT c CHECK K",
    "ALTER TABLE mine MODIFY COLUMN a DEFAULT K",
    "ALTER TABLE mine DELETE WHERE K",
    "UPDATE mine SET a = K WHERE 1",
]

# Other organisations' tables, and system tables that show other callers.
OTHERS = [
    "SELECT * FROM other.t",
    "SELECT * FROM `other`.`t`",
    "SELECT * FROM other . t",
    "FROM other.t SELECT a",
    "(((SELECT a FROM other.t)))",
    "WITH x AS (SELECT * FROM other.t) SELECT * FROM x",
    "SELECT 1 UNION ALL SELECT a FROM other.t",
    "SELECT 1 EXCEPT SELECT a FROM other.t",
    "SELECT 1 AS a FROM mine, other.t",
    "SELECT * FROM mine JOIN other.t ON mine.a = other.t.a",
    "SELECT (1, 'x') IN other.t",
    "SELECT (1, 'x') IN (other.t)",
    "SELECT in((1, 'x'), other.t)",
    "SELECT (1, 'x') GLOBAL NOT IN other.t",
    "SELECT arrayMap(x -> (x, 'x') IN other.t, [1])",
    "SELECT * APPLY(x -> (x, 'x') IN other.t) FROM numbers(1)",
    "SELECT (SELECT any(b) FROM other.t)",
    "SELECT * FROM numbers((SELECT count() FROM other.t))",
    "SELECT * FROM system.one LIMIT (SELECT count() FROM other.t)",
    "SELECT EXISTS(SELECT 1 FROM other.t)",
    "SELECT * FROM view(SELECT * FROM other.t)",
    "SELECT * FROM merge('other', 't')",
    "SELECT * FROM merge(REGEXP('.*'), 't')",
    "SELECT * FROM loop(other.t) LIMIT 1",
    "SELECT * FROM mergeTreeIndex('other', 't')",
    "SELECT * FROM remote('127.0.0.1', other.t)",
    "SELECT joinGet('other.t', 'b', 1)",
    "SELECT joinGet(`other.t`, 'b', 1)",
    "SELECT joinGetOrNull(`other`.`t`, 'b', 1)",
    "SELECT * FROM loop(`other.t`) LIMIT 1",
    "SELECT dictGet('other.t', 'b', 1)",
    "SELECT hasColumnInTable('other', 't', 'b')",
    "SELECT * FROM {{name:Identifier}}.t",
    "EXPLAIN SELECT * FROM other.t",
    "EXPLAIN ESTIMATE SELECT * FROM other.t",
    "DESCRIBE other.t",
    "DESC TABLE other.t",
    "EXISTS other.t",
    "EXISTS TABLE `other`.t",
    "SHOW CREATE other.t",
    "SHOW CREATE TABLE other.t",
    "SHOW CREATE DATABASE other",
    "SHOW TABLES FROM other",
    "SHOW FULL TABLES IN other",
    "SHOW COLUMNS FROM t FROM other",
    "SHOW INDEX FROM other.t",
    "SHOW PROCESSLIST",
    "SHOW USERS",
    "SHOW GRANTS",
    "SHOW CREATE USER",
    "SHOW CREATE PROFILES",
    "USE other",
    "USE system",
    "CHECK TABLE other.t",
    "SELECT (SELECT b FROM other.t LIMIT 1)",
    "INSERT INTO mine VALUES (3, (SELECT b FROM other.t LIMIT 1))",
    "INSERT INTO mine VALUES (3, ((SELECT * FROM other.t LIMIT 1).2))",
    "SELECT * FROM merge('system', '^databases$')",
    "SELECT * FROM merge(other, 't')",
    "CREATE TABLE u ENGINE = Alias('system', 'databases')",
    "CREATE TABLE u ENGINE = Alias(other.t)",
    "CREATE TABLE u ENGINE = Merge(REGEXP('.*'), 't')",
    "CREATE TABLE u (a Int) ENGINE = Buffer(other, t, 1, 1, 1, 1, 1, 1, 1)",
    "CREATE MATERIALIZED VIEW u ENGINE = Memory AS SELECT (SELECT count() FROM system.tables) AS n FROM mine",
    "ALTER TABLE mine UPDATE file = (SELECT any(name) FROM system.tables) WHERE 1",
    "DELETE FROM mine WHERE file IN (SELECT name FROM system.tables)",
    "SHOW TABLES WHERE toUInt8(name)",
    "SHOW COLUMNS FROM mine WHERE throwIf(1)",
    "EXISTS DATABASE other",
    "SELECT * FROM system.completions",
    "SELECT * FROM system.errors",
    "SELECT * FROM system.query_cache",
    "SELECT * FROM filtered_system.processes",
    "SELECT * FROM filtered_system_aliases.processes",
    "SELECT * FROM system.processes",
    "SELECT * FROM `system`.processes",
    "DESCRIBE system.processes",
]

# What would write beyond the caller's own tables, reach the network, or end others' work.
BEYOND = [
    "SELECT * FROM url('http://127.0.0.1:9/', LineAsString)",
    "DESCRIBE url('http://127.0.0.1:9/')",
    "DESCRIBE remote('127.0.0.1:9', system.one)",
    "SELECT 1 IN url('http://127.0.0.1:9/')",
    "SELECT * FROM s3('http://127.0.0.1:9/b/c')",
    "SELECT * FROM mysql('127.0.0.1:9', 'd', 't', 'u', 'p')",
    "SELECT aiGenerate('x')",
    "INSERT INTO FUNCTION url('http://127.0.0.1:9/') SELECT 1",
    "INSERT INTO TABLE FUNCTION file('out.csv') VALUES (1)",
    "SELECT 1 INTO OUTFILE '{file}.out'",
    "SELECT 1 INTO OUTFILE '{file}.out' TRUNCATE FORMAT CSV",
    "EXPLAIN SELECT 1 INTO OUTFILE '{file}.out'",
    "SHOW TABLES INTO OUTFILE '{file}.out'",
    "DESCRIBE mine INTO OUTFILE '{file}.out'",
    "KILL QUERY WHERE 1",
    "SYSTEM SHUTDOWN",
    "SYSTEM KILL",
    "SYSTEM FLUSH LOGS",
    "INSERT INTO other.t VALUES (2, 'x')",
    "INSERT INTO other.t SELECT 2, 'x'",
    "DROP TABLE other.t",
    "DROP TABLE mine, other.t",
    "DROP DATABASE other",
    "DROP DATABASE own",
    "TRUNCATE TABLE other.t",
    "TRUNCATE DATABASE other",
    "TRUNCATE ALL TABLES FROM other",
    "ALTER TABLE other.t ADD COLUMN c Int",
    "ALTER TABLE mine ATTACH PARTITION tuple() FROM other.t",
    "ALTER TABLE mine MOVE PARTITION tuple() TO TABLE other.t",
    "ALTER TABLE mine FREEZE",
    "ALTER TABLE mine MODIFY SETTING storage_policy = 'x'",
    "RENAME TABLE mine TO other.mine",
    "EXCHANGE TABLES mine AND other.t",
    "RENAME DATABASE own TO own2",
    "OPTIMIZE TABLE other.t",
    "DELETE FROM other.t WHERE 1",
    "UPDATE other.t SET b = '' WHERE 1",
    "CREATE DATABASE third",
    "CREATE TABLE other.u (a Int) ENGINE = Memory",
    "CREATE OR REPLACE TABLE other.t (a Int) ENGINE = Memory",
    "CREATE TABLE u AS other.t",
    "CREATE TABLE u CLONE AS other.t",
    "CREATE TABLE u ENGINE = Memory AS SELECT * FROM other.t",
    "CREATE VIEW u AS SELECT * FROM other.t",
    "CREATE MATERIALIZED VIEW u TO other.t AS SELECT a, 'x' AS b FROM mine",
    "CREATE MATERIALIZED VIEW u REFRESH EVERY 1 SECOND ENGINE = Memory AS SELECT 1",
    "CREATE TABLE u ENGINE = Merge('other', 't')",
    "CREATE TABLE u ENGINE = Distributed('c', 'other', 't')",
    "CREATE TABLE u (a Int) ENGINE = Buffer('other', 't', 1, 1, 1, 1, 1, 1, 1)",
    "CREATE TABLE u (a Int) ENGINE = URL('http://127.0.0.1:9/')",
    "CREATE TABLE u (a Int) ENGINE = MergeTree ORDER BY a SETTINGS disk = disk(type = local, path = '/')",
    "CREATE TABLE u (a Int) ENGINE = Alias('other', 't')",
    "ATTACH TABLE u FROM '/' (a Int) ENGINE = MergeTree ORDER BY a",
    "DETACH TABLE mine",
    "BACKUP TABLE mine TO File('{file}.bak')",
    "RESTORE TABLE mine FROM File('{file}.bak')",
    "GRANT ALL ON *.* TO default",
    "CREATE USER u",
    "CREATE NAMED COLLECTION c AS a = 1",
    "EXECUTE AS x SELECT 1",
    "BEGIN TRANSACTION",
    "exit",
    "quit",
    "SET readonly = 0",
    "SET max_execution_time = 0",
    "SET max_memory_usage = 99999999999999",
    "SET log_comment = 'someone-else'",
    "SET additional_table_filters = {{'mine': '0'}}",
    "SELECT 1 SETTINGS max_execution_time = 0",
    "SELECT 1 SETTINGS readonly = 0",
    "SELECT 1 SETTINGS offset = 1, max_execution_time = 100000",
    "SET offset = 9, max_memory_usage = 0",
    "SET limit = 1, page = 2, max_memory_usage = 0",
    "SET limit = 1, max_execution_time = 100000, max_memory_usage = 0",
    "SET profile = 'default'",
    "SELECT * FROM viewExplain('EXPLAIN TABLE OVERRIDE', '', (SELECT 1))",
    "SELECT * FROM (EXPLAIN CURRENT TRANSACTION)",
    "CREATE MATERIALIZED VIEW u TO INNER UUID '11111111-1111-1111-1111-111111111111' ENGINE = Memory AS SELECT 1 AS a",
    "INSERT INTO mine SETTINGS max_execution_time = 0 VALUES (1, 'x')",
    "SELECT getServerSetting('path')",
    "SET dialect = 'prql'",
    "SET additional_result_filter = 'file(''{file}'')'",
    "SET format_schema = '{file}'",
    "SET output_format_native_write_json_as_string = 1",
    "SELECT 1 SETTINGS max_execution_time = 0.0000001",
    "SELECT 1 SETTINGS max_execution_time = DEFAULT, readonly = 0",
    "SELECT * FROM (SELECT 1 SETTINGS max_execution_time = 1000)",
    "SELECT * FROM (SELECT 1 SETTINGS join_use_nulls = 1)",
    "CREATE VIEW u AS SELECT 1 SETTINGS join_use_nulls = 1",
    "CREATE TABLE u (a Int) ENGINE = MergeTree ORDER BY a SETTINGS storage_policy = 'x'",
    "CREATE FUNCTION plus_one AS x -> x + 1",
    "CREATE DICTIONARY u (a Int) PRIMARY KEY a SOURCE(CLICKHOUSE(TABLE 'mine')) LAYOUT(FLAT())",
    "ALTER TABLE mine MOVE PARTITION tuple() TO DISK 'x'",
    "ALTER TABLE mine FETCH PARTITION tuple() FROM '/x'",
    "INSERT INTO mine FORMAT Values (1, file('{file}'))",
]


@pytest.mark.parametrize("use_admin", [False, True], ids=["reader", "admin"])
@pytest.mark.parametrize(
    "sql", [*FILES, *TEXTS, *[re.sub(r"\bK\b", "file('{file}')", place) for place in PLACES], *OTHERS, *BEYOND]
)
def test_an_escape_is_refused(live: LiveEngine, sql: str, use_admin: bool) -> None:
    """With or without use_admin, no statement reaches beyond its own tables, and no error shows the secret."""
    outcome = live.run(sql.format(file=secret_file(live)), use_admin=use_admin)
    assert outcome.status == models.FAILURE, sql
    assert outcome.statements == b"[]"
    assert outcome.error
    assert SECRET not in outcome.error
    # It is our refusal that stops it, not an error of the engine that another version might not raise.
    is_ours = not outcome.error.startswith("Code:") or "write SET param_" in outcome.error
    assert sql in {"exit", "quit"} or is_ours


@pytest.mark.parametrize("sql", SEVERAL)
def test_an_escape_after_another_statement_is_refused(live: LiveEngine, sql: str) -> None:
    """Nor does the text of rows, or the value of a parameter, become a statement that is not judged."""
    assert (
        live.run("CREATE TABLE IF NOT EXISTS rows (a String) ENGINE = Memory", use_admin=True).status == models.SUCCESS
    )
    outcome = live.run(sql.format(file=secret_file(live)), use_admin=True)
    assert outcome.status == models.FAILURE
    assert outcome.error
    assert SECRET not in outcome.error
    assert (SECRET.encode(),) not in live.rows("SELECT a FROM rows")


@pytest.mark.parametrize("join_name", ["`other.jn`", "`other`.jn"])
def test_a_name_with_a_dot_is_no_way_to_the_table_of_others(live: LiveEngine, join_name: str) -> None:
    """joinGet takes a table's name as one text, even where a table of that whole name is the caller's own."""
    table = "(k Int, v String) ENGINE = Join(ANY, LEFT, k)"
    for name, database in [("jn", "other"), ("`other.jn`", "own")]:
        outcome = live.run(f"CREATE TABLE IF NOT EXISTS {name} {table}", database=database, use_admin=True)
        assert outcome.status == models.SUCCESS
    assert live.run(f"INSERT INTO jn VALUES (1, '{SECRET}')", database="other", use_admin=True).status == models.SUCCESS
    outcome = live.run(f"SELECT joinGet({join_name}, 'v', toInt32(1))")
    assert outcome.error == "The database other is not yours; leave its name out."


# Settings that would be dangerous in the name of another one.
DANGEROUS = ["max_memory_usage` = 0", "additional_result_filter` = '1 IN (SELECT a FROM other.t)'", "dialect` = 'prql'"]


@pytest.mark.parametrize("dangerous", DANGEROUS)
@pytest.mark.parametrize("harmless", ["max_threads", "no_such_setting"])
@pytest.mark.parametrize("form", ["SET {}; SELECT 1", "SELECT 1 SETTINGS {}"], ids=["set", "clause"])
def test_the_name_of_a_setting_holds_no_other_setting(
    live: LiveEngine, form: str, harmless: str, dangerous: str
) -> None:
    """A name in quotes is one name, however many it looks like."""
    outcome = live.run(form.format(f"`{harmless} = 1, {dangerous}"))
    assert outcome.status == models.FAILURE
    assert "UNKNOWN_SETTING" in (outcome.error or "")


@pytest.mark.parametrize("sql", ["SET session = 'job-1'", "SELECT 1 SETTINGS session = 'job-1'"])
def test_a_session_cannot_be_chosen(live: LiveEngine, sql: str) -> None:
    """The connection of another query is no setting, so ClickHouse itself does not know this one."""
    outcome = live.run(sql)
    assert outcome.status == models.FAILURE
    assert "UNKNOWN_SETTING" in (outcome.error or "")


@pytest.mark.parametrize("dangerous", DANGEROUS)
def test_the_name_of_a_query_parameter_holds_no_setting(live: LiveEngine, dangerous: str) -> None:
    """Nor does the name of a query parameter, which may be anything."""
    ask = "SELECT toString(getSetting('max_memory_usage'))"
    assert live.rows(f"SET `param_x = 1, {dangerous}; {ask}") == live.rows(ask)


def test_limits_are_lowered_beside_a_setting_that_leaves_out_rows(live: LiveEngine) -> None:
    """The settings offset, limit and page are about the caller's rows, not about what the service asks for itself."""
    select = "SELECT number, getSetting('max_execution_time') FROM numbers(4) SETTINGS max_execution_time = 5"
    assert live.rows(f"{select}, offset = 3") == [(3, 5.0)]
    assert live.rows(f"{select}, limit = 2, page = 2") == [(2, 5.0), (3, 5.0)]


def test_the_escapes_left_no_trace(live: LiveEngine) -> None:
    """After all of that the other organisation's table and the folder are as they were."""
    for sql in BEYOND:
        live.run(sql.format(file=secret_file(live)), use_admin=True)
    assert live.rows("SELECT * FROM t", database="other") == [(1, SECRET.encode())]
    assert live.rows("SELECT a FROM mine") == [(1,)]
    assert [path.name for path in live.folder.glob("secret*")] == ["secret.txt"]


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT * FROM tt",
        "DESCRIBE tt",
        "SHOW CREATE TABLE tt",
        "DROP TABLE tt",
        "INSERT INTO tt VALUES (1)",
        "OPTIMIZE TABLE tt",
        "SELECT joinGet('tt', 'a', 1)",
        "SELECT hasColumnInTable('own', 'tt', 'a')",
    ],
)
def test_an_error_does_not_guess_at_the_tables_of_others(live: LiveEngine, sql: str) -> None:
    """ClickHouse would name the most similar table of any database."""
    error = live.run(sql, use_admin=True).error
    assert error is not None
    assert error.startswith("Code:")
    assert "meant" not in error


@pytest.mark.parametrize(
    "sql", ["SELECT * FROM `se?`", "DROP TABLE `se?`", "INSERT INTO `se?` VALUES (1)", "DESCRIBE `se?`"]
)
def test_an_error_shows_no_part_of_an_odd_name(live: LiveEngine, sql: str) -> None:
    """The name of the table that ClickHouse guesses at may hold a question mark, as the guess itself does."""
    odd = "CREATE TABLE IF NOT EXISTS `se?c\\`ret?` (a Int) ENGINE = Memory"
    assert live.run(odd, database="other", use_admin=True).status == models.SUCCESS
    assert (
        live.run("CREATE TABLE IF NOT EXISTS `sea?` (a Int) ENGINE = Memory", use_admin=True).status == models.SUCCESS
    )
    error = live.run(sql, use_admin=True).error
    assert error is not None
    assert error.startswith("Code:")
    assert "ret" not in error


@pytest.mark.parametrize(
    ("sql", "own"),
    [
        ("SELECT name FROM system.databases", [(b"own",)]),
        ("SELECT DISTINCT database FROM system.columns", [(b"own",)]),
        ("SELECT DISTINCT database FROM system.parts", [(b"own",)]),
        ("SELECT name FROM system.tables WHERE throwIf(database = 'other') = 0", None),
        ("SELECT name FROM system.tables WHERE throwIf(name = 't') = 0", None),
        ("SELECT DISTINCT table FROM system.columns WHERE throwIf(table = 't') = 0", None),
        ("SELECT table FROM system.parts WHERE throwIf(database = 'other') = 0", None),
        ("SELECT name FROM system.databases WHERE throwIf(name != 'own') = 0", [(b"own",)]),
        (
            "SELECT DISTINCT table_schema FROM information_schema.tables WHERE throwIf(table_name = 't') = 0",
            [(b"own",)],
        ),
        ("SELECT DISTINCT TABLE_SCHEMA FROM INFORMATION_SCHEMA.COLUMNS", [(b"own",)]),
        ("SELECT 't' IN (SELECT name FROM system.tables)", [(0,)]),
        ("WITH RECURSIVE x AS (SELECT name FROM system.tables WHERE throwIf(name = 't') = 0) SELECT name FROM x", None),
        ("SELECT count() FROM mine JOIN system.tables AS s ON s.name = 't'", [(0,)]),
        ("SHOW DATABASES", [(b"own",)]),
    ],
)
def test_system_tables_show_the_callers_own(live: LiveEngine, sql: str, own: list[tuple[object]] | None) -> None:
    """No condition is evaluated on the rows of others, whose values an error message would show."""
    rows = live.rows(sql)
    assert rows == own if own is not None else (b"mine",) in rows
    assert (b"t",) not in rows


PLAIN = [
    "SELECT file, count() FROM mine GROUP BY file WITH TOTALS",
    "SELECT arrayMap(x -> x = file, ['x']), countIf(file = 'x') FROM mine GROUP BY file",
    "SELECT arrayReduce('quantile(0.5)', [1, 2]), arrayReduce('sumIf', [1, 2], [1, 0])",
    "SELECT * FROM generateRandom('a UInt8, b Array(String)', 1) LIMIT 1",
    "SELECT * FROM format(JSONEachRow, '{{\"a\": 1}}')",
    "SELECT * FROM format(CSV, 'a Int, j JSON(x Int)', '1,{{}}')",
    "SELECT * FROM zeros(1) AS a, zeros_mt(1) AS b",
    "SELECT * FROM merge('^mine$')",
    "SELECT * FROM loop(mine) LIMIT 1",
    "SELECT * FROM (EXPLAIN SELECT 1)",
    "SELECT hasColumnInTable('own', 'mine', 'a')",
    "SELECT * FROM (SELECT count() FROM mine SETTINGS max_threads = 1)",
    "SELECT 1 SETTINGS max_threads = 1 UNION ALL SELECT 2",
    "SELECT 1 SETTINGS session_timezone = 'Europe/Paris', enable_analyzer = 1, final, extremes = 0",
    "SET param_x = 5; SELECT {{x:UInt8}} + 1; SET param_t = 'mine'; SELECT * FROM {{t:Identifier}}",
    "SET max_threads = 2; SET max_threads = DEFAULT; SELECT getSetting('readonly')",
    "SELECT 1 FORMAT Vertical",
    "DESCRIBE (SELECT 1 AS a, 'x' AS b)",
    "DESCRIBE TABLE numbers(3) FORMAT TSV",
    "EXISTS DATABASE own",
    "EXISTS DICTIONARY mine",
    "SHOW SETTING max_threads",
    "SHOW TABLES WHERE name LIKE 'm%' LIMIT 1",
    "CHECK TABLE mine",
    "EXPLAIN PIPELINE INSERT INTO mine SELECT 1, 'x'",
    "SELECT arrayFold((a, x) -> a + x, [1, 2], toInt64(0)), mapApply((k, v) -> (k, v + 1), map('a', 1))",
    "SELECT file FROM mine",
    "SELECT upper(mine.file) FROM mine",
    "SELECT * FROM mine WHERE file = 'x' AND file LIKE '%x'",
    "SELECT file AS f FROM mine ORDER BY f",
    "SELECT concat(file, 'x'), length(file) FROM mine",
    "SELECT * FROM mine AS m WHERE m.a IN (1, 2) AND m.file NOT IN ('y')",
    "SELECT region, regions FROM (SELECT 1 AS region, 2 AS regions)",
    "SELECT * FROM own.mine",
    "SELECT (1, 'x') IN mine, 1 IN (SELECT a FROM mine)",
    "SELECT sum(input) FROM (SELECT 1 AS input, 2 AS cluster, 'x' AS url)",
    "SELECT air_time, remote_addr, s3_key FROM (SELECT 1 AS air_time, 2 AS remote_addr, 3 AS s3_key)",
    "SELECT max(air_time) FROM (SELECT 1 AS air_time)",
    "WITH RECURSIVE t AS (SELECT 1 AS n UNION ALL SELECT n + 1 FROM t WHERE n < 3) SELECT n FROM t",
    "SELECT arrayMap(x -> x + 1, [1, 2])",
    "SELECT arrayMap(toString, [1, 2])",
    "SELECT format('{} {}', 'a', 'b')",
    "SELECT count() FROM system.functions",
    "SELECT * FROM generate_series(1, 3)",
    "SELECT * FROM values('a Int', 1, 2)",
    "SELECT number, rank() OVER (ORDER BY number) FROM numbers(3) QUALIFY number > 0",
    "SELECT * REPLACE (a + 1 AS a) EXCEPT file FROM mine",
    "SELECT 1 SETTINGS max_threads = 1, max_execution_time = 5",
    "SHOW TABLES",
    "SHOW TABLES FROM own",
    "SHOW CREATE TABLE mine",
    "SHOW COLUMNS FROM mine",
    "SHOW FUNCTIONS LIKE 'array%'",
    "SHOW SETTINGS LIKE 'max_threads'",
    "DESCRIBE mine",
    "DESC TABLE own.mine",
    "EXISTS mine",
    "EXISTS TABLE `mine`",
    "EXPLAIN SELECT * FROM mine",
    "EXPLAIN indexes = 1 SELECT * FROM mine WHERE a = 1",
    "EXPLAIN SYNTAX SELECT 1",
    "USE own",
    "SET max_threads = 2, join_use_nulls = 1",
]


@pytest.mark.parametrize("sql", PLAIN)
def test_everyday_queries_are_permitted(live: LiveEngine, sql: str) -> None:
    """Everyday queries run without use_admin, whatever their columns are called."""
    outcome = live.run(sql.replace("{{", "{").replace("}}", "}"))
    assert outcome.status == models.SUCCESS, outcome.error


WRITES = [
    "CREATE TABLE w (a Int, b Nullable(String) DEFAULT 'x') ENGINE = MergeTree ORDER BY a",
    "CREATE TABLE IF NOT EXISTS own.w (a Int) ENGINE = Memory",
    "INSERT INTO w VALUES (1, 'a;b'), (2, upper('c')) (3, NULL)",
    "INSERT INTO w (a) VALUES (4)",
    "INSERT INTO own.w SELECT number, 'n' FROM numbers(10)",
    "INSERT INTO w SETTINGS max_threads = 1 SELECT 1, 'z'",
    "INSERT INTO w SELECT 1, 'z' SETTINGS max_threads = 1",
    "INSERT INTO w SETTINGS max_threads = 1 VALUES (5, 'v')",
    "ALTER TABLE w ADD COLUMN c Int DEFAULT 7",
    "ALTER TABLE w DELETE WHERE a = 1 SETTINGS mutations_sync = 1",
    "CREATE VIEW v AS SELECT a FROM w",
    "CREATE MATERIALIZED VIEW mv ENGINE = Memory AS SELECT a FROM w",
    "CREATE OR REPLACE TABLE w2 ENGINE = MergeTree ORDER BY a SETTINGS index_granularity = 1024 AS SELECT a FROM w",
    "RENAME TABLE w2 TO w3",
    "OPTIMIZE TABLE w FINAL",
    "TRUNCATE TABLE w3",
    "DROP TABLE w3",
    "CREATE VIEW pv AS SELECT * FROM w WHERE a > {{low:Int32}}; SELECT 1 FROM pv(low = (SELECT 1)), own.pv(low = 1)",
    'INSERT INTO w (a) FORMAT JSONEachRow {{"a": 6}}; INSERT INTO w (a) FORMAT CSV 7\n8\n\nSELECT a FROM w',
    "INSERT INTO w (a) FORMAT Values (9), (4 + 6)",
    "INSERT INTO w (a) VALUES (abs(-11)), (CAST('12' AS Int32)), ((SELECT 13))",
    "CREATE TABLE j (j JSON(a UInt32, SKIP b), m Map(String, Int8)) ENGINE = Memory",
    "INSERT INTO j VALUES ('{{}}', {{'a': 1}}), ('{{}}', {{}})",
    "CREATE TEMPORARY TABLE u AS SELECT 1 AS a; INSERT INTO u VALUES (2); SELECT a FROM u; DROP TEMPORARY TABLE u",
    "CREATE TABLE al ENGINE = Alias(w); CREATE TABLE mg ENGINE = Merge(currentDatabase(), '^w$'); SELECT * FROM al",
    "CREATE TABLE bf AS w ENGINE = Buffer(currentDatabase(), w, 1, 1, 1, 1, 1, 1, 1); DROP TABLE bf",
    "CREATE INDEX ix ON w (a) TYPE minmax; DROP INDEX ix ON w; ALTER TABLE w MODIFY SETTING merge_with_ttl_timeout = 1",
    "ALTER TABLE w RESET SETTING merge_with_ttl_timeout; ALTER TABLE w DETACH PARTITION tuple()",
    "ALTER TABLE w ATTACH PARTITION tuple(); ALTER TABLE w DETACH PARTITION tuple()",
    "ALTER TABLE w DROP DETACHED PARTITION tuple() SETTINGS allow_drop_detached = 1",
    "INSERT INTO w (a) VALUES (1); CREATE TABLE w4 AS w; ALTER TABLE w4 REPLACE PARTITION tuple() FROM w",
    "DROP VIEW IF EXISTS v",
    "DROP TABLE mv",
    "DROP TABLE w SYNC",
]


def test_use_admin_may_write_its_own_tables(live: LiveEngine) -> None:
    """With use_admin the usual DDL and INSERTs work in the job's own database."""
    for sql in WRITES:
        outcome = live.run(sql.replace("{{", "{").replace("}}", "}"), use_admin=True)
        assert outcome.status == models.SUCCESS, (sql, outcome.error)


@pytest.mark.parametrize("sql", WRITES)
def test_a_write_without_use_admin_says_what_to_do(live: LiveEngine, sql: str) -> None:
    """The error of a refused write names use_admin."""
    outcome = live.run(sql.replace("{{", "{").replace("}}", "}"))
    assert outcome.status == models.FAILURE
    assert outcome.error is not None
    assert WRITE_REFUSED[1:] in outcome.error


def select(**parts: object) -> dict[str, object]:
    return {"type": "SelectQuery", "select": {"type": "ExpressionList", "children": [{"type": "Literal"}]}, **parts}


TABLES = {"type": "TablesInSelectQuery"}
MULTIPLIED = {"type": "ExpressionList", "children": [{"type": "Function", "name": "arrayJoin"}]}


def limit(rows: object) -> dict[str, object]:
    return {"type": "Literal", "value": {"field_type": "UInt64", "value": rows}}


@pytest.mark.parametrize(
    ("selects", "small"),
    [
        ([select()], True),
        ([select(tables=TABLES)], False),
        ([select(tables=TABLES, limit_length=limit(1000))], True),
        ([select(tables=TABLES, limit_length=limit(1001))], False),
        ([select(tables=TABLES, limit_length={"type": "Function", "name": "plus"})], False),
        ([select(select=MULTIPLIED)], False),
        ([select(select=MULTIPLIED, limit_length=limit(5))], True),
        ([select(), select(tables=TABLES)], False),
        ([select(), {"type": "SelectWithUnionQuery"}], False),
        ([], False),
    ],
)
def test_a_select_is_small_if_its_syntax_allows_few_rows_only(selects: list[dict[str, object]], small: bool) -> None:
    """It reads no table and makes no rows, or each part of its UNION has a small LIMIT."""
    tree = {"type": "SelectWithUnionQuery", "list_of_selects": {"type": "ExpressionList", "children": selects}}
    assert judge(tree, JudgementScope("own", lambda sql: None), use_admin=False).is_small is small
