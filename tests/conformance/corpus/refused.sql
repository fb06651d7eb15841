-- says: file
-- says: %roe upload
SELECT * FROM file('/etc/passwd');
-- says: url
-- says: %roe upload
SELECT * FROM url('http://127.0.0.1:1/x.csv', CSV);
-- says: s3
SELECT * FROM s3('https://127.0.0.1:1/b/x.csv');
-- says: remote
SELECT * FROM remote('127.0.0.1:1', system.one);
-- says: mysql
SELECT * FROM mysql('127.0.0.1:1', 'd', 't', 'u', 'p');
-- says: postgresql
SELECT * FROM postgresql('127.0.0.1:1', 'd', 't', 'u', 'p');
-- says: sqlite
SELECT * FROM sqlite('/tmp/x.db', 't');
-- says: executable
SELECT * FROM executable('x.sh', TSV, 'a UInt8');
-- says: python
SELECT * FROM Python(x);
-- says: file
SELECT file('/etc/passwd');
-- says: file
SELECT arrayMap(x -> file(x), ['/etc/passwd']);
-- says: file
SELECT * APPLY(file) FROM (SELECT '/etc/passwd' AS p);
-- says: OUTFILE
SELECT 1 INTO OUTFILE '/tmp/x';
-- says: SYSTEM
SYSTEM FLUSH LOGS;
-- says: KILL
KILL QUERY WHERE 1;
-- says: BACKUP
BACKUP TABLE t TO Disk('d', 'x');
-- says: RESTORE
RESTORE TABLE t FROM Disk('d', 'x');
-- says: CREATE USER
CREATE USER u;
-- says: GRANT
GRANT SELECT ON *.* TO u;
-- says: database
CREATE DATABASE d;
-- says: only tables and views can be dropped
DROP DATABASE default;
-- says: nosuch_database
-- together
USE nosuch_database;
SELECT 1;
-- end
-- says: database
SELECT * FROM default.t;
-- says: database
CREATE TABLE default.t (a UInt8) ENGINE = Memory;
-- says: processes
SELECT * FROM system.processes;
-- says: query_log
SELECT * FROM system.query_log;
-- says: PROCESSLIST
SHOW PROCESSLIST;
-- says: FUNCTION
CREATE FUNCTION f AS x -> x + 1;
-- says: dictionar
CREATE DICTIONARY d (a UInt64) PRIMARY KEY a SOURCE(CLICKHOUSE(TABLE 't')) LAYOUT(FLAT()) LIFETIME(0);
-- says: refresh
CREATE MATERIALIZED VIEW m REFRESH EVERY 1 HOUR (a UInt8) ENGINE = Memory AS SELECT 1 AS a;
-- says: URL
CREATE TABLE u (a UInt8) ENGINE = URL('http://127.0.0.1:1/', CSV);
-- says: File
CREATE TABLE u (a UInt8) ENGINE = File(CSV);
-- says: Distributed
CREATE TABLE u (a UInt8) ENGINE = Distributed('c', 'd', 't');
-- says: max_execution_time
SELECT 1 SETTINGS max_execution_time = 0;
-- says: max_execution_time
SELECT 1 SETTINGS max_execution_time = 0.0000001;
-- says: max_execution_time
SELECT 1 SETTINGS max_execution_time = 100000;
-- says: max_memory_usage
SET max_memory_usage = 0;
-- says: readonly
SET readonly = 0;
-- says: additional_result_filter
SELECT 1 SETTINGS additional_result_filter = '1';
-- says: additional_table_filters
SELECT 1 SETTINGS additional_table_filters = {'t': '1'};
-- says: dialect
SET dialect = 'kusto';
-- says: format_schema
SELECT 1 SETTINGS format_schema = 'x:y';
-- says: ATTACH
ATTACH TABLE x FROM '/tmp' (a UInt8) ENGINE = Memory;
-- says: INSERT INTO FUNCTION
INSERT INTO FUNCTION file('/tmp/x.csv') SELECT 1;
-- says: %roe upload
INSERT INTO t FROM INFILE '/etc/passwd' FORMAT CSV;
-- says: Argument 1 of arrayReduce
SELECT arrayReduce(concat('su', 'm'), [1]);
-- says: function file
SELECT arrayReduce('quantile(ascii(file(\'/etc/passwd\')))', [1]);
-- says: function file
SELECT * FROM generateRandom('a UInt8, b String ALIAS file(\'/etc/passwd\')', 1, 1, 1) LIMIT 1;
-- says: DETACH
-- says: DROP TABLE
DETACH TABLE t;
-- says: ATTACH
ATTACH TABLE t;
-- says: FREEZE
ALTER TABLE t FREEZE;
-- says: KILL
KILL MUTATION WHERE 1;
-- says: Values
SELECT * FROM format(Values, '(1), (2)');
-- says: database
EXISTS DATABASE nosuch;
-- says: max_block_size
-- says: statement's end
SELECT * FROM (SELECT number FROM numbers(3) SETTINGS max_block_size = 1);
-- says: merge_max_block_size
CREATE TABLE t (a UInt8) ENGINE = MergeTree ORDER BY a SETTINGS merge_max_block_size = 1024;
-- says: Argument 1 of joinGet
SELECT joinGet(concat('j', 'k'), 'v', 1);
-- says: CHECK TABLE checks one of your own
CHECK ALL TABLES;
-- says: input()
-- says: format(...)
INSERT INTO t SELECT * FROM input('a UInt8') FORMAT CSV 1;
-- says: INSERT ... SELECT
EXPLAIN AST INSERT INTO t VALUES (1);
-- says: other disks
CREATE TABLE t (a UInt8) ENGINE = MergeTree ORDER BY a SETTINGS disk = disk(type = local, path = '/x/');
-- says: changes many settings at once
SET profile = 'default';
-- says: administrator of a ClickHouse server
SET ROLE DEFAULT;
-- says: changes other callers' queries
SET priority = 1;
-- says: can be lowered only
SET max_ast_depth = 10000;
-- says: can be lowered only
SET max_result_bytes = 0;
-- says: shared by all callers
SET queue_max_wait_ms = 0;
-- says: it profiles the engine
SET query_profiler_real_time_period_ns = 0;
-- says: shared by all callers
SET query_cache_share_between_users = 0;
-- says: Transactions are not offered
BEGIN TRANSACTION;
-- says: Transactions are not offered
COMMIT;
-- says: Transactions are not offered
ROLLBACK;
-- says: Transactions are not offered
SET TRANSACTION SNAPSHOT 1;
-- says: EXECUTE AS is not offered
EXECUTE AS u SELECT 1;
-- says: separate the statements with semicolons
SELECT 1 PARALLEL WITH SELECT 2;
-- says: separate the statements with semicolons
DROP TABLE IF EXISTS r_none PARALLEL WITH DROP TABLE IF EXISTS r_none3;
-- says: write ORDER BY
SET sort = 'x';
