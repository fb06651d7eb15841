CREATE TABLE pa_t (a UInt32, s String, d Date) ENGINE = MergeTree ORDER BY a;
INSERT INTO pa_t SELECT number, toString(number), toDate('2024-01-01') + number FROM numbers(10);
SET param_x = 5;
SELECT {x:UInt8} + 1 AS y;
SELECT a FROM pa_t WHERE a > {x:UInt32} ORDER BY a;
SELECT {x:UInt8} + 1;
SELECT {x:String} AS s, {x:Float64} AS f, {x:Decimal(5, 2)} AS d, {x:Nullable(UInt8)} AS n, {x:Int256} AS w;
-- new session
SET param_s = 'it''s \\ "quoted" ü';
SELECT {s:String} AS s, length({s:String}) AS l;
-- new session
SET param_ids = '[1, 2, 3]';
SELECT a FROM pa_t WHERE a IN {ids:Array(UInt32)} ORDER BY a;
SELECT {ids:Array(UInt8)} AS x, arraySum({ids:Array(UInt8)}) AS y;
-- new session
SET param_m = '{\'a\': [1, 2]}';
SELECT {m:Map(String, Array(UInt8))} AS m;
-- new session
SET param_t = 'pa_t';
SELECT count() FROM {t:Identifier};
SELECT a FROM {t:Identifier} ORDER BY a LIMIT 2;
DESCRIBE TABLE {t:Identifier};
-- new session
SET param_c = 's';
SELECT {c:Identifier} FROM pa_t ORDER BY a LIMIT 2;
SELECT max({c:Identifier}) AS m FROM pa_t;
-- new session
SET param_d = '2024-01-03', param_e = '2024-01-05';
SELECT a FROM pa_t WHERE d BETWEEN {d:Date} AND {e:Date} ORDER BY a;
-- new session
SET param_n = 'NULL';
SELECT {n:Nullable(String)} AS n;
-- new session
SET param_tup = '(1, \'x\')';
SELECT {tup:Tuple(UInt8, String)} AS t;
-- new session
SET param_dt = '2024-01-01 10:00:00';
SELECT {dt:DateTime('UTC')} AS d, {dt:DateTime64(3, 'UTC')} AS e, {dt:String} AS s;
-- new session
SET param_x = 1;
SET param_x = 2;
SELECT {x:UInt8} AS x;
SET param_y = 'b';
SELECT {x:UInt8} AS x, {y:String} AS y;
-- new session
SET param_tab = 'a\\tb\\nc';
SELECT {tab:String} AS s;
-- new session
SET param_tab = 'a\tb\nc';
SELECT {tab:String} AS s;
-- new session
SELECT {missing:UInt8};
SET param_x = 'text';
SELECT {x:UInt8};
-- new session
CREATE VIEW pa_v AS SELECT * FROM pa_t WHERE a > {low:UInt32};
SELECT count() FROM pa_v(low = 1);
SELECT a FROM pa_v(low = 7) ORDER BY a;
SELECT a FROM pa_v(low = 3 + 4) ORDER BY a;
CREATE VIEW pa_w AS SELECT a, s FROM pa_t WHERE a BETWEEN {low:UInt32} AND {high:UInt32} AND s LIKE {p:String};
SELECT * FROM pa_w(low = 1, high = 8, p = '%') ORDER BY a LIMIT 3;
SELECT * FROM pa_w(low = 1, high = 8, p = '5');
SELECT x.a FROM pa_v(low = 8) AS x JOIN pa_t AS y ON x.a = y.a ORDER BY x.a;
SELECT count() FROM pa_v;
SELECT count() FROM pa_v(nosuch = 1);
SET param_low = 5;
SELECT count() FROM pa_v(low = {low:UInt32});
DROP VIEW pa_v;
CREATE TABLE pa_copy AS pa_t;
SET param_limit = 3;
INSERT INTO pa_copy SELECT * FROM pa_t ORDER BY a LIMIT {limit:UInt64};
SELECT count() FROM pa_copy;
ALTER TABLE pa_copy DELETE WHERE a = {low:UInt32} SETTINGS mutations_sync = 1;
