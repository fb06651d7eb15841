SELECT toString(toDateTime(0)) AS x SETTINGS session_timezone = 'Asia/Tokyo';
SELECT toDateTime(0) AS x, toDateTime64(0.5, 3) AS y, toString(x) AS z SETTINGS session_timezone = 'Europe/Paris';
SELECT toDateTime('2024-01-01 00:00:00') AS x, [toDateTime('2024-06-01 00:00:00')] AS y FROM numbers(2) SETTINGS session_timezone = 'America/New_York';
SELECT toDateTime('2024-01-01 00:00:00')::Dynamic AS x, toJSONString(toDateTime(0)) AS y SETTINGS session_timezone = 'Europe/Paris';
SELECT '{"t": "2024-01-01 00:00:00"}'::JSON AS x SETTINGS session_timezone = 'Europe/Paris';
SELECT number FROM numbers(10) SETTINGS limit = 3;
SELECT number FROM numbers(10) SETTINGS limit = 3, offset = 2;
SELECT number FROM numbers(10) ORDER BY number LIMIT 5 SETTINGS max_threads = 1, max_block_size = 2;
SELECT 1 / 0 AS x;
SELECT intDiv(1, 0) AS y;
SELECT count() FROM numbers(1000) SETTINGS max_rows_to_read = 10;
SELECT number FROM numbers(1000) SETTINGS max_result_rows = 10;
SELECT number FROM numbers(1000) SETTINGS max_result_rows = 10, result_overflow_mode = 'throw';
SELECT sum(number) FROM numbers(10) SETTINGS use_query_cache = 1;
SELECT sum(number) FROM numbers(10) SETTINGS enable_analyzer = 1, compile_expressions = 0, optimize_read_in_order = 0;
SELECT a.number FROM numbers(3) AS a JOIN numbers(3) AS b USING (number) ORDER BY 1 SETTINGS join_algorithm = 'partial_merge';
SELECT a.number FROM numbers(3) AS a JOIN numbers(3) AS b USING (number) ORDER BY 1 SETTINGS join_algorithm = 'hash,grace_hash', max_rows_in_join = 100;
SELECT CAST(NULL, 'UInt8') AS x SETTINGS cast_keep_nullable = 1;
SELECT NULL IN (NULL, 1) AS x SETTINGS transform_null_in = 1;
SELECT sum(number) AS s FROM numbers(0) SETTINGS aggregate_functions_null_for_empty = 1;
SELECT 1 AS x UNION SELECT 1 SETTINGS union_default_mode = 'ALL';
SELECT toDate('2024-01-01') AS d SETTINGS date_time_input_format = 'best_effort';
SELECT '01/02/2024 10:00'::DateTime('UTC') AS d SETTINGS cast_string_to_date_time_mode = 'best_effort_us';
SELECT JSONExtractRaw('{"a": 1.0}', 'a') AS x SETTINGS allow_simdjson = 0;
SELECT formatDateTime(toDateTime(0, 'UTC'), '%M') AS x SETTINGS formatdatetime_parsedatetime_m_is_month_name = 0;
SELECT toString(toDateTime(0, 'UTC')) AS x SETTINGS date_time_output_format = 'iso';
SELECT toString(toDateTime(0, 'UTC')) AS x, [toDateTime(0, 'UTC')]::String AS y SETTINGS date_time_output_format = 'unix_timestamp';
SELECT toDateTime(0, 'UTC') AS x SETTINGS date_time_output_format = 'iso';
SELECT toDateTime(0, 'UTC') AS x, number FROM numbers(2) SETTINGS date_time_output_format = 'unix_timestamp';
SELECT toJSONString(18446744073709551615::UInt64) AS x, 18446744073709551615 AS y SETTINGS output_format_json_quote_64bit_integers = 1;
SELECT toJSONString(nan) AS x, nan AS y SETTINGS output_format_json_quote_denormals = 1;
SELECT toJSONString(1.5::Decimal(5, 2)) AS x, 1.5::Decimal(5, 2) AS y SETTINGS output_format_json_quote_decimals = 1;
SELECT toJSONString('a/b') AS x, 'a/b' AS y SETTINGS output_format_json_escape_forward_slashes = 0;
SELECT toJSONString(CAST((1, 'a'), 'Tuple(k UInt8, v String)')) AS x, CAST((1, 'a'), 'Tuple(k UInt8, v String)') AS y SETTINGS output_format_json_named_tuples_as_objects = 0;
SELECT toString(true) AS x, true AS y, [true]::String AS z SETTINGS bool_true_representation = 'yes', bool_false_representation = 'no';
SELECT toString(1.50::Decimal(9, 4)) AS x SETTINGS output_format_decimal_trailing_zeros = 1;
SELECT toTypeName(CAST((1, 'a'), 'Tuple(k UInt8, v String)')) AS x, CAST((1, 'a'), 'Tuple(k UInt8, v String)') AS y SETTINGS print_pretty_type_names = 0;
SELECT formatRow('CSV', 'a', 1) AS x SETTINGS format_csv_delimiter = ';';
SELECT formatRow('TSV', NULL) AS x SETTINGS format_tsv_null_representation = 'NIL';
SELECT '{"a": "2024-01-01"}'::JSON AS x SETTINGS input_format_try_infer_dates = 0;
SELECT 'inf'::Float64 AS x, '1_000'::String AS y SETTINGS input_format_values_interpret_expressions = 0;
SELECT 1 SETTINGS nosuch_setting = 1;
SELECT 1 SETTINGS max_threads = 'many';
SELECT 1 SETTINGS join_use_nulls;
SELECT 1 SETTINGS max_threads = 2, max_threads = 1;
SELECT 1 AS x SETTINGS max_memory_usage = 1000000000, max_execution_time = 10;
SELECT number FROM numbers(100000000) WHERE sleepEachRow(0.01) = 1 SETTINGS max_execution_time = 0.2;
SELECT uniqExact(number) FROM numbers(100000000) SETTINGS max_memory_usage = 50000000;
-- new session
SET max_threads = 1, max_block_size = 100;
SELECT getSetting('max_threads') AS a, getSetting('max_block_size') AS b;
SET max_threads = DEFAULT;
SELECT getSetting('max_block_size') AS b;
-- new session
SET session_timezone = 'Europe/Paris';
SELECT toDateTime(0) AS x, toString(toDateTime(0)) AS y, toDateTime64(0, 3) AS z;
SELECT timezone() AS t, toTypeName(toDateTime(0)) AS n;
SELECT toDateTime('2024-07-01 12:00:00') AS x FROM numbers(2);
SET session_timezone = DEFAULT;
SELECT toString(toDateTime(0, 'UTC')) AS x;
-- new session
SET join_use_nulls = 1;
SELECT a.number, b.number FROM numbers(3) AS a LEFT JOIN numbers(2) AS b ON a.number = b.number ORDER BY 1;
-- new session
SET extremes = 1;
SELECT number FROM numbers(3) ORDER BY number;
SELECT 'x' AS s, count() AS c;
-- new session
SET limit = 2;
SELECT number FROM numbers(10);
-- new session
SET date_time_output_format = 'iso';
SELECT toString(toDateTime(0, 'UTC')) AS x, toDateTime(0, 'UTC') AS y;
-- new session
SET final = 1, union_default_mode = 'DISTINCT', optimize_aggregation_in_order = 1, enable_analyzer = 1;
SELECT 1 AS x UNION SELECT 1;
-- new session
SET custom_nosuch = 1;
-- new session
SET nosuch_setting = 1;
-- new session
SELECT 1 AS x FORMAT JSON;
SELECT 1 AS x, 'y' AS y FORMAT Vertical;
SELECT number FROM numbers(3) FORMAT CSVWithNames;
SELECT number FROM numbers(3) ORDER BY number LIMIT 2 FORMAT Pretty SETTINGS max_threads = 1;
SELECT number FROM numbers(3) SETTINGS max_threads = 1 FORMAT JSONEachRow;
SELECT 1 AS x FORMAT Null;
SELECT 1 AS x format tsv;
SELECT toJSONString(map('a', 1)) AS x FORMAT JSON;
SELECT number % 2 AS k, count() AS c FROM numbers(5) GROUP BY k WITH TOTALS ORDER BY k FORMAT JSON;
-- sorted
SELECT 1 AS x UNION ALL SELECT 2 FORMAT TSV;
EXPLAIN SELECT 1 FORMAT TSV;
DESCRIBE (SELECT 1 AS x) FORMAT Vertical;
EXISTS TABLE nosuch FORMAT JSON;
SELECT 1 AS x FORMAT NoSuchFormat;
