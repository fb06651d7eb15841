SET param_a = '127', param_b = '-128', param_c = '1.5', param_d = 'x';
SELECT {a:Int8} AS x, {b:Int8} AS y, {c:Float32} AS z, {c:Decimal32(3)} AS w, {d:FixedString(2)} AS f, {d:LowCardinality(String)} AS l, {d:Enum8('x' = 1, 'y' = 2)} AS e;
SELECT {c:BFloat16} AS b, {a:UInt256} AS u, {a:Nullable(Int128)} AS n, {a:Dynamic} AS dy, {a:Variant(String, UInt8)} AS v;
-- new session
SET param_a = '2024-01-01', param_b = '2024-01-01 10:11:12.123456', param_c = '12:34:56.789', param_u = '61f0c404-5cb3-11e7-907b-a6006ad3dba0', param_i = '1.2.3.4', param_j = '::1';
SELECT {a:Date} AS a, {a:Date32} AS b, {b:DateTime64(6, 'Europe/Paris')} AS c, {c:Time64(3)} AS d, {u:UUID} AS e, {i:IPv4} AS f, {j:IPv6} AS g;
-- new session
SET param_a = '[[1, 2], []]', param_b = '(1, \'x\', [NULL])', param_c = '{\'a\': {\'b\': 1.5}}', param_d = '[\'it\\\'s\', NULL, \'ü\']', param_j = '{"a": [1, {"b": null}]}', param_p = '(1.5, 2)';
SELECT {a:Array(Array(UInt8))} AS a, {b:Tuple(UInt8, String, Array(Nullable(UInt8)))} AS b, {c:Map(String, Map(String, Float64))} AS c, {d:Array(Nullable(String))} AS d, {j:JSON} AS j, {p:Point} AS p;
SELECT {b:Tuple(a UInt8, b String, c Array(Nullable(UInt8)))} AS b, {j:JSON(a Array(Dynamic))} AS j, {j:String} AS s;
-- new session
SET param_n = '\\N';
SELECT {n:Nullable(UInt8)} AS a, {n:Nullable(String)} AS b, {n:String} AS c;
-- new session
SET param_b = 'true', param_c = 0, param_d = '';
SELECT {b:Bool} AS a, {c:Bool} AS b, {c:Nullable(Bool)} AS c, {d:String} AS d, {d:Nullable(String)} AS e;
SELECT {d:UInt8};
SELECT {d:Array(UInt8)};
-- new session
SET param_x = 'a;b -- c', param_y = '/* x */', param_z = '{x:String}';
-- new session
SELECT {x:String} AS a, {y:String} AS b, {z:String} AS c;
SET param_t = 'c_t', param_c = 'a', param_d = 'weird `name"';
CREATE TABLE {t:Identifier} (a UInt8, b String DEFAULT 'z') ENGINE = MergeTree ORDER BY a;
SELECT 1 AS {d:Identifier};
EXISTS TABLE {t:Identifier};
TRUNCATE TABLE {t:Identifier};
OPTIMIZE TABLE {t:Identifier};
DROP TABLE {t:Identifier};
SELECT {t:Identifier}.x;
-- new session
SET param_l = 2, param_o = 1, param_s = 'n';
SELECT number AS n FROM numbers(5) ORDER BY n LIMIT {l:UInt8} OFFSET {o:UInt8};
SELECT number AS n FROM numbers({l:UInt64}) ORDER BY n;
SELECT number AS n FROM numbers(5) WHERE n IN ({l:UInt8}, {o:UInt8}) ORDER BY n LIMIT {l:UInt8} BY n;
SELECT {l:UInt8} + {o:UInt8} AS {s:Identifier}, quantile({l:Float64} / 4)(number) FROM numbers(3);
SELECT toTypeName({l:UInt8}) AS t, {l: UInt8} AS a, { o : UInt8 } AS b;
SELECT CAST(1, {s:String});
SELECT number FROM numbers(3) ORDER BY number WITH FILL TO {l:UInt8} + 4;
WITH {l:UInt8} AS v SELECT v * 2 AS y;
-- new session
SET param_x = 5;
SET param_x = DEFAULT;
-- new session
SET param_x = [1, 2];
SELECT {x:Array(UInt8)} AS x;
-- new session
SET param_x = {'a': 1};
SELECT {x:Map(String, UInt8)} AS x;
-- new session
SET param_x = (1, 2);
SELECT {x:Tuple(UInt8, UInt8)} AS x;
-- new session
SET param_x = -1.5;
SELECT {x:Float64} AS x;
-- new session
SET param_x = true;
SELECT {x:Bool} AS x;
-- new session
SET param_x = NULL;
SELECT {x:Nullable(UInt8)} AS x;
-- new session
SET param_x = 1, max_threads = 2, param_y = 'b';
SELECT {x:UInt8} AS x, {y:String} AS y, getSetting('max_threads') AS m;
-- new session
SELECT 1 AS x SETTINGS param_x = 1;
SELECT {x:UInt8} AS y SETTINGS param_x = 1;
SELECT {:UInt8};
SELECT {x};
SELECT {x:};
SELECT {x:Nosuch};
CREATE TABLE c_i (a UInt32, b String, c Nullable(Float64), d DateTime('UTC') DEFAULT 0, e Array(String), f Tuple(x UInt8, y String), g Map(String, UInt8), h Decimal(10, 2), i Enum8('on' = 1, 'off' = 2), j JSON, k UUID, l IPv4, m FixedString(3), n Bool, o Date32, p LowCardinality(Nullable(String)), q Int256, r Time64(3)) ENGINE = Memory;
INSERT INTO c_i VALUES (1, 'x', 1.5, '2024-01-01 00:00:00', ['a', 'b\'c'], (1, 'y'), {'k': 1}, 12.345, 'on', '{"a": 1}', '61f0c404-5cb3-11e7-907b-a6006ad3dba0', '1.2.3.4', 'abc', true, '1950-01-01', NULL, -1, '01:02:03.456');
INSERT INTO c_i VALUES (2, 'multi
line', NULL, 1704067200, [], (2, ''), {}, -0.01, 2, '{}', toUUID('61f0c404-5cb3-11e7-907b-a6006ad3dba0'), toIPv4('1.2.3.5'), 'a', false, toDate32('2200-01-01'), 'p', toInt256('99999999999999999999999999999'), 0);
INSERT INTO c_i (a, b) VALUES (3, upper('q')), (3 + 1, concat('a', 'b')), (5, (SELECT 'sub'));
INSERT INTO c_i (a, e) VALUES (6, arrayMap(x -> toString(x), [1, 2])), (7, ['x' || 'y']);
INSERT INTO c_i (a, c) VALUES (8, nan), (9, inf), (10, -inf), (11, 1e400), (12, -0.0), (13, .5), (14, 1.), (15, +1);
INSERT INTO c_i (a, j) VALUES (16, '{"x": {"y": [1, "z"]}}'), (17, {'a': 1}), (18, '{"q": 1}'::JSON);
INSERT INTO c_i (a, j) VALUES (16, '{"x": {"y": [1, "z"]}}');
INSERT INTO c_i (a, h) VALUES (24, '1.999'), (25, 1e2), (26, toDecimal64(3, 4)), (27, 99999999.99);
INSERT INTO c_i (a, h) VALUES (28, 999999999999);
INSERT INTO c_i (a, i) VALUES (29, 'nosuch');
INSERT INTO c_i (a, i) VALUES (30, 1), (31, 'off');
INSERT INTO c_i (a) VALUES (-1);
INSERT INTO c_i (a) VALUES (4294967296), (33);
INSERT INTO c_i (a) VALUES ('34'), (35.0), (0x24), (true), (NULL);
INSERT INTO c_i (a, m) VALUES (40, 'toolong');
INSERT INTO c_i (a, f) VALUES (41, (1, 'a')), (42, tuple(2, 'b')), (43, CAST((3, 'c'), 'Tuple(x UInt8, y String)'));
INSERT INTO c_i (a, f.x) VALUES (44, 1);
INSERT INTO c_i (a, g) VALUES (45, map('a', 1, 'b', 2)), (46, {'a': 1 + 1}), (47, {});
INSERT INTO c_i (a, n) VALUES (48, 'true'), (49, 1), (50, 'no'), (51, 1 = 1);
INSERT INTO c_i (a, p) VALUES (52, NULL), (53, 'NULL'), (54, ''), (55, null);
INSERT INTO c_i (* EXCEPT (a, b, j)) VALUES (DEFAULT, DEFAULT, DEFAULT, DEFAULT, DEFAULT, DEFAULT, DEFAULT, DEFAULT, DEFAULT, DEFAULT, DEFAULT, DEFAULT, DEFAULT, DEFAULT, DEFAULT);
INSERT INTO c_i (a, nosuch) VALUES (1, 2);
INSERT INTO c_i (a, a) VALUES (1, 2);
INSERT INTO c_i (a, b) VALUES (1);
INSERT INTO c_i (a, b) VALUES (1, 'x', 2);
INSERT INTO c_i (a, b) VALUES (60, 'x') (61, 'y');
INSERT INTO c_i (a, b) VALUES (62, 'x'), (63, 'y'),;
INSERT INTO c_i (a, b) VALUES;
INSERT INTO c_i (a, b) VALUES (64, 'x' -- comment
), /* c */ (65, 'y;z');
INSERT INTO c_i (a, b) VALUES (66, "x");
INSERT INTO c_i (a, b) VALUES (67, a);
INSERT INTO c_i (a, b) VALUES (68, '\x41\u0042\0\b'), (69, '\\'), (70, '');
INSERT INTO c_i (a, b) values (71, 'lower');
INSERT INTO c_i (a, b) VALUES (72, $$he;re$$), (73, unhex('ff00'));
INSERT INTO c_i(a,b)VALUES(74,'tight'),(75,'t');
INSERT c_i (a) VALUES (76);
INSERT INTO TABLE c_i (a) VALUES (77);
INSERT INTO c_i AS x (a) VALUES (1);
INSERT INTO c_i (a, b) SETTINGS max_threads = 1, input_format_values_interpret_expressions = 0 VALUES (78, 'x');
INSERT INTO c_i (a, b) SETTINGS input_format_values_interpret_expressions = 0 VALUES (79, lower('X'));
INSERT INTO c_i (a, b) SETTINGS input_format_null_as_default = 0 VALUES (NULL, 'x');
INSERT INTO c_i (a, d) SETTINGS date_time_input_format = 'best_effort' VALUES (80, 'Jan 3 2024 10:00');
INSERT INTO c_i (a, b) FORMAT CSV 81,"x ""q"""
82,y
;
INSERT INTO c_i (a, b) FORMAT TSV 83	a\tb;
INSERT INTO c_i (a, b) FORMAT TabSeparated
84	x
85	\N
;
INSERT INTO c_i (a, b) FORMAT CSVWithNames
b,a
x,86
;
INSERT INTO c_i FORMAT JSONEachRow {"a": 87, "b": "x", "e": ["q"], "f": {"x": 1, "y": "z"}, "g": {"k": 2}, "j": {"n": {"m": 1}}, "h": "1.5", "n": true, "nosuch": 1};
INSERT INTO c_i SETTINGS input_format_skip_unknown_fields = 0 FORMAT JSONEachRow {"a": 88, "nosuch": 1};
INSERT INTO c_i (a, b) FORMAT JSONCompactEachRow [89, "x"] [90, "y"];
INSERT INTO c_i FORMAT JSON {"meta": [{"name": "a", "type": "UInt32"}], "data": [{"a": 91}]};
INSERT INTO c_i FORMAT JSONColumns {"a": [92, 93], "b": ["x", "y"]};
INSERT INTO c_i FORMAT TSKV a=94	b=x;
INSERT INTO c_i (b) FORMAT LineAsString whole line;
INSERT INTO c_i (j) FORMAT JSONAsObject {"z": 1};
INSERT INTO c_i (b) FORMAT JSONAsString {"z": 1};
INSERT INTO c_i (b) FORMAT RawBLOB blob;
INSERT INTO c_i (a, b) FORMAT Values (95, 'x'), (96, 'y');
INSERT INTO c_i (a, b) FORMAT CustomSeparated 97	x;
INSERT INTO c_i (a, b) FORMAT MarkdownNosuch x;
INSERT INTO c_i (a) FORMAT JSONEachRow {"a": "text"};
INSERT INTO c_i (a) FORMAT JSONEachRow {"a": 1;
INSERT INTO c_i (a) FORMAT CSV x;
INSERT INTO c_i (a, b) SELECT number + 200, toString(number) FROM numbers(3) FORMAT Values;
INSERT INTO c_i (a, b) SELECT 210, 'x' UNION ALL SELECT 211, 'y';
INSERT INTO c_i (a, b) (SELECT 212, 'p');
INSERT INTO c_i (a, b) FROM (SELECT 1) SELECT 213, 'f';
INSERT INTO c_i (a, b) WITH 214 AS z SELECT z, 'w';
INSERT INTO c_i (a, b) SELECT a + 300, b FROM c_i WHERE a < 3 ORDER BY a LIMIT 5 SETTINGS max_threads = 1;
INSERT INTO c_i (a, b) TABLE c_i;
INSERT INTO c_none VALUES (1);
SELECT * FROM c_i ORDER BY a, b, toString(c), toString(e), toString(j), toString(g), toString(h), toString(n), toString(p), toString(i), toString(d), toString(f);
SELECT a, c, d FROM c_i WHERE a BETWEEN 8 AND 30 ORDER BY a LIMIT 100;
-- together
INSERT INTO c_i (a, b) VALUES (400, 'x;y');
SELECT b FROM c_i WHERE a = 400;
INSERT INTO c_i (a, b) FORMAT JSONEachRow {"a": 401, "b": "z"};
SELECT b FROM c_i WHERE a >= 400 ORDER BY a;
-- end
INSERT INTO c_i (a, b) FORMAT CSV 402,"q"
SELECT b FROM c_i WHERE a >= 400 ORDER BY a;
INSERT INTO c_i (a, b) FORMAT TSV
403	r
404	s
SELECT count() FROM c_i WHERE a >= 400;
SELECT 1;; SELECT 2;
SET max_threads = 1; SELECT getSetting('max_threads') AS m; SET max_threads = 2; SELECT getSetting('max_threads') AS m;
-- new session
SELECT ';' AS a; -- c ; d
/* ; */ SELECT "x;y" FROM (SELECT 1 AS "x;y"); # hash ; comment
SELECT `p;q` FROM (SELECT 2 AS `p;q`);
# hash comment
SELECT 1 AS h;
#! shebang comment
SELECT 1 AS h;
SELECT 1 AS `a` /* nested /* comment */ still */;
SELECT /* a */ /* b */ 1 /**/ AS /* c */ x;
SELECT 1 as é;
SELECT 'a' AS "é";
SELECT 1​;
SELECT 1 AS x;
SELECT 1 AS x, 2 AS y;
SELECT “1”;
SELECT 1 = 1 AS a ;
select 1 as A, 2 as a;
SELECT 1,;
SELECT 1, 2, AS x;
SELECT FROM numbers(1);
SELECT * FROM;
SELECT * FROM numbers(1) WHERE ORDER BY 1;
SELECT 1 FROM numbers(1) GROUP BY;
SELECT 1 LIMIT;
SELECT 1 SETTINGS;
SELECT 1 SETTINGS max_threads;
SELECT 1 SETTINGS max_threads = ;
SELECT 1 FORMAT;
SELECT 1 FORMAT 'x';
SELECT 1 INTO OUTFILE;
SELECT (1, 2;
SELECT [1, 2;
SELECT {1;
SELECT 1);
SELECT "unclosed;
SELECT `unclosed;
SELECT 1 /* unclosed;
SELECT $$unclosed;
SELECT 1a;
SELECT 1.2.3;
SELECT @x;
SELECT @@version AS v;
SELECT :x;
SELECT ?;
SELECT 1 ? 2;
SELECT !1;
SELECT ~1;
SELECT 1 & 2;
SELECT 1 ^ 2;
SELECT 1::;
SELECT 1::UInt8::String || 'x' AS a, -1::Int8 AS b, [1]::Array(UInt8)::String AS c, '2024-01-01'::Date + 1 AS d, 1::Decimal(5, 2)::Float64 AS e;
SELECT CAST(1 AS Nullable(UInt8)) AS a, CAST('1', 'UInt8') AS b, CAST('x' AS Enum('x')) AS c, CAST((1, 2) AS Tuple(a UInt8, b UInt8)) AS d;
SELECT CAST('x' AS UInt8);
SELECT CAST(300, 'UInt8') AS a, CAST(-1 AS UInt8) AS b, accurateCastOrNull(300, 'UInt8') AS c, accurateCast(300, 'UInt8') AS d;
SELECT toUInt8('x') AS a;
SELECT toDate('x');
SELECT toDateTime64('2024-01-01', 3, 'Nosuch/Zone');
SELECT 1 + 'a';
SELECT [1, 'a'];
SELECT if(1, 1, 'a');
SELECT sum('a');
SELECT sum();
SELECT sum(1, 2);
SELECT quantile(2)(1);
SELECT nosuch(1) FROM numbers(1);
SELECT lenght('a');
SELECT sun(1);
SELECT numbr FROM numbers(1);
SELECT n.numbr FROM numbers(1) AS n;
SELECT * FROM numbrs(1);
SELECT * FROM q_nosuch_table;
SELECT sum(sum(number)) FROM numbers(1);
SELECT number FROM numbers(2) GROUP BY 1 HAVING sum(x) > 0;
SELECT max(number) OVER (ORDER BY) FROM numbers(1);
SELECT throwIf(1, 'msg with (brackets) and "quotes" ü');
SELECT throwIf(number = 5, concat('at ', 'five')) FROM numbers(10);
SELECT throwIf(1, 'msg', 257::Int16) SETTINGS allow_custom_error_code_in_throwif = 1;
SELECT throwIf(1, 'line\nbreak');
SELECT intDiv(1, 0);
SELECT 1 % 0;
SELECT toDecimal32(1, 2) / 0;
SELECT toDecimal32('99999999', 8);
SELECT arrayElement([1], 'a');
SELECT arrayMap(x -> x, 1);
SELECT arrayMap((x, y) -> x, [1], [1, 2]);
SELECT JSONExtract('{"a": 1}', 'a', 'Nosuch');
SELECT toTypeName(nosuch);
SELECT number AS number, number + 1 AS number FROM numbers(2);
SELECT a AS b, b AS a;
SELECT 1 AS a, 2 AS a, a;
SELECT * FROM (SELECT 1) JOIN (SELECT 2);
SELECT * FROM (SELECT 1 AS a) AS x JOIN (SELECT 2 AS b) AS y ON x.a = y.c;
SELECT 1 FROM numbers(1) AS a JOIN numbers(1) AS a USING (number);
SELECT number FROM numbers(3) LIMIT -1 BY number;
SELECT number FROM numbers(10) SETTINGS max_result_rows = 5, result_overflow_mode = 'break';
SELECT number FROM numbers(1000) SETTINGS max_rows_to_read = 10, read_overflow_mode = 'break', max_block_size = 5;
SELECT count() FROM (SELECT number FROM numbers(1000) GROUP BY number) SETTINGS max_rows_to_group_by = 10;
SELECT count() FROM (SELECT DISTINCT number FROM numbers(1000)) SETTINGS max_rows_in_distinct = 10;
SELECT number FROM numbers(1000) ORDER BY number DESC SETTINGS max_rows_to_sort = 10;
SELECT count() FROM numbers(1000) WHERE number IN (SELECT number FROM numbers(100)) SETTINGS max_rows_in_set = 10;
