SELECT 1 AS x SETTINGS enable_analyzer = 1, max_threads = 1 FORMAT TSV;
SELECT 1 AS x FORMAT TSV SETTINGS enable_analyzer = 1;
SELECT * FROM (SELECT 1 AS x SETTINGS enable_analyzer = 1);
SELECT * FROM (SELECT 1 AS x UNION ALL SELECT 2 SETTINGS optimize_read_in_order = 1) ORDER BY x;
WITH t AS (SELECT 1 AS x SETTINGS allow_experimental_analyzer = 1) SELECT * FROM t;
SELECT (SELECT 1 SETTINGS max_threads = 1) AS x;
SELECT 1 WHERE 1 IN (SELECT 1 SETTINGS max_threads = 1);
SELECT * FROM view(SELECT 1 AS a SETTINGS max_threads = 1);
EXPLAIN SELECT 1 SETTINGS enable_analyzer = 1;
EXPLAIN PLAN actions = 1 SELECT 1 SETTINGS max_threads = 1;
DESCRIBE (SELECT 1 AS a SETTINGS max_threads = 1);
DESCRIBE TABLE numbers(1) SETTINGS describe_compact_output = 1;
SHOW TABLES SETTINGS max_threads = 1;
EXISTS nosuch SETTINGS max_threads = 1;
SHOW CREATE TABLE nosuch SETTINGS max_threads = 1;
CREATE TABLE s_t (a UInt32, s String) ENGINE = MergeTree ORDER BY a SETTINGS index_granularity = 100, min_bytes_for_wide_part = 0, storage_policy = 'default';
CREATE TABLE s_t (a UInt32, s String) ENGINE = MergeTree ORDER BY a SETTINGS index_granularity = 100, min_bytes_for_wide_part = 0, ratio_of_defaults_for_sparse_serialization = 0.5, allow_nullable_key = 1, deduplicate_merge_projection_mode = 'rebuild';
SHOW CREATE TABLE s_t;
CREATE TABLE s_u (a UInt32) ENGINE = MergeTree ORDER BY a SETTINGS disk = 'default';
CREATE TABLE s_w ENGINE = Memory AS SELECT 1 AS a SETTINGS max_threads = 1;
CREATE TABLE s_x (a UInt8) ENGINE = Memory SETTINGS max_threads = 1;
CREATE VIEW s_y AS SELECT 1 AS a SETTINGS enable_analyzer = 1;
CREATE MATERIALIZED VIEW s_mv ENGINE = Memory AS SELECT a FROM s_t SETTINGS max_threads = 1;
INSERT INTO s_t SETTINGS insert_deduplicate = 1, insert_deduplication_token = 'x' VALUES (2, 'y');
INSERT INTO s_t SETTINGS max_partitions_per_insert_block = 10, min_insert_block_size_rows = 1, max_insert_threads = 2 SELECT 3, 'z';
INSERT INTO s_t SELECT 4, 'z' SETTINGS enable_parsing_to_custom_serialization = 0, optimize_on_insert = 0;
INSERT INTO s_t (a) SETTINGS throw_on_max_partitions_per_insert_block = 0 VALUES (5);
SELECT * FROM s_t ORDER BY a SETTINGS optimize_move_to_prewhere = 0, query_plan_enable_optimizations = 0, use_skip_indexes = 0, force_primary_key = 0, load_balancing = 'random', max_streams_to_max_threads_ratio = 1;
SELECT * FROM s_t WHERE s = 'x' SETTINGS force_primary_key = 1;
SELECT * FROM s_t WHERE s = 'x' SETTINGS force_index_by_date = 1;
ALTER TABLE s_t ADD COLUMN b UInt8 SETTINGS alter_sync = 2, mutations_sync = 2, lock_acquire_timeout = 10;
ALTER TABLE s_t DELETE WHERE a = 5 SETTINGS mutations_sync = 2, validate_mutation_query = 1, allow_nondeterministic_mutations = 1;
DELETE FROM s_t WHERE a = 4 SETTINGS lightweight_deletes_sync = 2, lightweight_delete_mode = 'alter_update';
OPTIMIZE TABLE s_t FINAL SETTINGS optimize_throw_if_noop = 0, alter_sync = 1;
TRUNCATE TABLE s_t SETTINGS max_table_size_to_drop = 0;
DROP TABLE s_w SETTINGS max_table_size_to_drop = 0;
SET optimize_trivial_count_query = 0, max_bytes_before_external_group_by = 100000000, distributed_product_mode = 'allow', send_logs_level = 'none';
SELECT count() FROM numbers(10);
-- new session
SET output_format_pretty_max_rows = 5, format_csv_delimiter = '|', output_format_write_statistics = 0, output_format_json_quote_64bit_integers = 1;
-- new session
SET max_execution_time = 5, timeout_overflow_mode = 'throw', max_memory_usage = '1G', max_rows_to_read = 1000000;
SELECT getSetting('max_memory_usage') AS m;
-- new session
SET allow_experimental_json_type = 1, allow_experimental_dynamic_type = 1, allow_experimental_variant_type = 1, enable_json_type = 1, allow_experimental_object_type = 1;
SELECT '{"a": 1}'::JSON AS j;
-- new session
SET allow_experimental_full_text_index = 1, enable_full_text_index = 1;
CREATE TABLE s_ft (k UInt64, s String, INDEX i s TYPE text(tokenizer = 'splitByNonAlpha')) ENGINE = MergeTree ORDER BY k;
INSERT INTO s_ft VALUES (1, 'hello world'), (2, 'bye moon');
SELECT k FROM s_ft WHERE hasAllTokens(s, ['hello']) ORDER BY k;
SELECT k FROM s_ft WHERE hasAnyTokens(s, ['moon', 'x']) ORDER BY k;
CREATE TABLE s_ft2 (k UInt64, s String, INDEX i s TYPE text(tokenizer = ngrams(3), preprocessor = lower(s))) ENGINE = MergeTree ORDER BY k;
CREATE TABLE s_ft3 (k UInt64, s String, INDEX i s TYPE full_text) ENGINE = MergeTree ORDER BY k;
-- new session
SET allow_experimental_time_series_table = 1, allow_experimental_kafka_offsets_storage_in_keeper = 0;
-- new session
SET allow_experimental_funnel_functions = 1, allow_experimental_nlp_functions = 1, allow_experimental_hash_functions = 1;
SELECT stem('en', 'running') AS s, lemmatize('en', 'x') AS l;
SELECT detectLanguage('hello') AS l;
SELECT sequenceNextNode('forward', 'head')(number, toString(number), number = 1, number = 1) AS s FROM numbers(4);
-- new session
SET allow_deprecated_syntax_for_merge_tree = 1;
CREATE TABLE s_old (d Date, a UInt8) ENGINE = MergeTree(d, a, 8192);
SHOW CREATE TABLE s_old;
-- new session
SET allow_suspicious_codecs = 1, allow_experimental_codecs = 1, enable_deflate_qpl_codec = 0;
CREATE TABLE s_cod (a UInt64 CODEC(Delta, Delta, LZ4), b Float64 CODEC(ALP)) ENGINE = MergeTree ORDER BY a;
-- new session
SET role = 'x';
-- new session
SET send_timeout = 10, receive_timeout = 10, connect_timeout = 1, http_receive_timeout = 5;
-- new session
SET log_queries = 0, log_query_threads = 0;
-- new session
SET max_ast_depth = 900, max_ast_elements = 1000, max_expanded_ast_elements = 1000, max_query_size = 1000000, max_parser_depth = 100;
-- new session
SET max_result_rows = 0, max_result_bytes = 1000000, max_bytes_to_read = 0;
-- new session
SET max_threads = 100;
SET max_insert_threads = 4, background_pool_size = 16;
-- new session
SET query_cache_ttl = 10, use_query_cache = 1, query_cache_min_query_runs = 1, enable_writes_to_query_cache = 1, enable_reads_from_query_cache = 1, query_cache_nondeterministic_function_handling = 'save', query_cache_tag = 'x';
SELECT sum(number) FROM numbers(10);
-- new session
SET join_algorithm = 'full_sorting_merge', max_bytes_in_join = 1000000, join_overflow_mode = 'break', join_any_take_last_row = 1, join_default_strictness = 'ANY';
SELECT a.number FROM numbers(3) AS a JOIN numbers(2) AS b ON a.number = b.number ORDER BY 1;
-- new session
SET group_by_two_level_threshold = 1, group_by_overflow_mode = 'any', max_rows_to_group_by = 3, distributed_aggregation_memory_efficient = 0, enable_positional_arguments = 0, enable_order_by_all = 0;
SELECT number % 2 AS k, count() FROM numbers(5) GROUP BY k ORDER BY k;
SELECT number FROM numbers(3) ORDER BY 1 DESC;
-- new session
SET first_day_of_week = 'x';
-- new session
SET date_time_overflow_behavior = 'throw', cast_ipv4_ipv6_default_on_conversion_error = 1, input_format_ipv4_default_on_conversion_error = 1, enable_extended_results_for_datetime_functions = 1, parsedatetime_parse_without_leading_zeros = 1, formatdatetime_f_prints_single_zero = 1;
SELECT toDateTime64('2300-01-01 00:00:00', 0, 'UTC')::DateTime('UTC') AS x;
SELECT toIPv4('nosuch') AS i, toStartOfMonth(toDate32('1950-01-15')) AS m;
-- new session
SET decimal_check_overflow = 0;
SELECT toDecimal32('9.99', 8) * toDecimal32('99.9', 7) AS x;
-- new session
SET short_circuit_function_evaluation = 'force_enable', legacy_column_name_of_tuple_literal = 1, cast_keep_nullable = 1, convert_query_to_cnf = 1;
SELECT (1, 2), CAST(NULL::Nullable(UInt8), 'UInt16');
-- new session
SET additional_settings_nosuch = 1;
-- new session
SET output_format_tsv_crlf_end_of_line = 1, format_tsv_null_representation = 'NIL', output_format_csv_crlf_end_of_line = 1;
SELECT number % 2 AS k, any(NULL::Nullable(String)) AS n, 'a\nb' AS t FROM numbers(3) GROUP BY k WITH TOTALS ORDER BY k;
-- new session
SET bool_true_representation = 'YES', date_time_output_format = 'unix_timestamp', output_format_decimal_trailing_zeros = 1, interval_output_format = 'kusto';
SELECT true AS b, toDateTime(5, 'UTC') AS d, toDecimal32(1, 3) AS c, INTERVAL 1 DAY AS i, toString(i) AS si, toString(b) AS sb, [d]::String AS sd FROM numbers(1);
-- new session
SET limit = 3, offset = 1, max_block_size = 2;
SELECT number FROM numbers(10) ORDER BY number;
SELECT number % 5 AS k, count() FROM numbers(10) GROUP BY k WITH TOTALS ORDER BY k;
DESCRIBE (SELECT 1, 2, 3, 4, 5);
SELECT 1 UNION ALL SELECT 1;
-- new session
SET result_overflow_mode = 'break', max_result_rows = 2, max_block_size = 1;
SELECT number FROM numbers(10) ORDER BY number;
-- new session
SET union_default_mode = '', intersect_default_mode = 'DISTINCT', except_default_mode = 'ALL';
SELECT 1 UNION SELECT 1;
-- sorted
SELECT number % 2 AS k FROM numbers(4) EXCEPT SELECT 5;
-- new session
SET extremes = 1, totals_mode = 'before_having';
SELECT number % 2 AS k, count() FROM numbers(3) GROUP BY k WITH TOTALS ORDER BY k;
SHOW TABLES LIKE 'nosuch';
DESCRIBE (SELECT 1 AS a);
-- new session
SELECT table, sum(rows) FROM system.parts WHERE database = currentDatabase() AND active AND table = 's_ft' GROUP BY table;
SELECT count() FROM system.parts_columns WHERE database = currentDatabase() AND table = 's_nosuch';
SELECT count() FROM system.dictionaries;
SELECT count() FROM system.replicas;
SELECT count() FROM system.replication_queue;
SELECT count() FROM system.distribution_queue;
SELECT count() FROM system.view_refreshes;
SELECT count() FROM system.part_moves_between_shards;
SELECT count() FROM system.kafka_consumers;
SELECT count() FROM system.rocksdb;
SELECT count() > 0 AS c FROM system.contributors;
SELECT count() > 0 AS c FROM system.licenses;
SELECT count() > 0 AS c FROM system.codecs;
SELECT count() > 0 AS c FROM system.privileges;
SELECT count() > 0 AS c FROM system.table_functions;
SELECT count() > 0 AS c FROM system.aggregate_function_combinators;
SELECT count() > 0 AS c FROM system.build_options;
SELECT count() >= 0 AS c FROM system.constraints;
SELECT count() >= 0 AS c FROM system.projection_parts WHERE database = currentDatabase();
SELECT count() >= 0 AS c FROM system.projection_parts_columns WHERE database = currentDatabase();
SELECT count() >= 0 FROM system.iceberg_history;
SELECT name FROM system.databases ORDER BY name LIMIT 0;
SELECT schema_name = currentDatabase() AS s FROM information_schema.schemata WHERE schema_name = currentDatabase();
SELECT count() FROM information_schema.key_column_usage WHERE table_schema = currentDatabase() AND table_name = 's_ft';
SELECT count() FROM information_schema.referential_constraints;
SELECT count() FROM information_schema.statistics WHERE table_schema = currentDatabase();
SELECT character_set_name FROM information_schema.character_sets;
SELECT count() > 0 FROM information_schema.engines;
SELECT * FROM INFORMATION_SCHEMA.COLUMNS WHERE TABLE_NAME = 'nosuch';
SELECT t.name, p.rows FROM system.tables t LEFT JOIN system.parts p ON p.table = t.name AND p.database = t.database WHERE t.database = currentDatabase() AND t.name = 's_ft' AND p.active;
SELECT * FROM system.tables WHERE name = 'nosuch';
SELECT system.one.dummy FROM system.one;
SELECT `system`.`one`.dummy FROM `system`.`one`;
SELECT o.dummy, n.number FROM system.one AS o, system.numbers AS n LIMIT 2;
SELECT dummy FROM system . one;
DESCRIBE information_schema.tables;
SHOW CREATE TABLE system.one;
EXISTS TABLE system.one;
EXISTS system.tables;
SELECT name FROM system.settings WHERE changed AND name = 'max_threads' SETTINGS max_threads = 3;
SELECT value FROM system.merge_tree_settings WHERE name = 'index_granularity';
SELECT getSettingOrDefault('nosuch', 5) AS a, getMergeTreeSetting('index_granularity') AS b, getMaxTableNameLengthForDatabase(currentDatabase()) > 0 AS c;
SELECT currentUser() AS u, user() AS v, currentRoles() AS r, hasThreadFuzzer() AS f, serverTimezone() AS t, displayName() != '' AS d, initialQueryID() != '' AS q, queryID() = initialQueryID() AS e, currentQueryID() != '' AS h;
SELECT connectionId() AS c, connection_id() AS d, partitionId(1) AS p, defaultRoles() AS r, enabledRoles() AS e, currentSchemas(true) AS s, current_database() AS z;
SELECT isDecimalOverflow(toDecimal32(1, 2), 1) AS a, byteSize(1, 'x') AS b, toColumnTypeName(1) AS c, defaultValueOfTypeName('Tuple(UInt8, String)') AS d, defaultValueOfArgumentType(toDate(1)) AS e, getTypeSerializationStreams('Array(UInt8)') AS f;
SELECT reinterpret(1::UInt32, 'Float32') AS a, CAST('[1,2]', 'Array(UInt8)') AS b, JSONExtract('{"a": [1, "x"]}', 'Tuple(a Array(Dynamic))') AS c, JSONExtract('{"a": 1}', 'JSON') AS d, JSONExtract('{"a": "b"}', 'a', 'Enum8(\'b\' = 1)') AS e;
SELECT toUInt8OrDefault('x', 5::UInt8) AS a, accurateCastOrDefault('x', 'UInt8', 6::UInt8) AS b, toDateTime64OrNull('x', 3) AS c, parseDateTimeBestEffort('Jan 1 2024', 'UTC') AS d, parseDateTime('2024', '%Y', 'UTC') AS e, parseReadableSize('1 KiB') AS f;
SELECT variantElement('x'::Variant(String, UInt8), 'String') AS a, dynamicElement(1::Dynamic, 'UInt8') AS b, variantType(NULL::Variant(String, UInt8)) AS c, tupleToNameValuePairs((1, 2)::Tuple(a UInt8, b UInt8)) AS d, flattenTuple((1, (2, 3))::Tuple(a UInt8, b Tuple(c UInt8, d UInt8))) AS e, tupleNames((1, 2)::Tuple(a UInt8, b UInt8)) AS f;
SELECT extractAllGroupsVertical('a1b2', '([a-z])(\\d)') AS a, splitByRegexp('\\d', 'a1b') AS b, tokens('a b') AS c, ngrams('abcd', 3) AS d, sparseGrams('abcdef') AS e, multiSearchAllPositions('abc', ['a', 'c']) AS f, extractKeyValuePairs('a:1, b:2') AS g;
SELECT geoToH3(1., 2., 5) AS a, h3ToGeo(644325524701193974) AS b, geohashEncode(1., 2., 5) AS c, greatCircleDistance(0, 0, 1, 1) AS d, pointInPolygon((0.5, 0.5), [(0, 0), (1, 0), (1, 1)]) AS e, polygonAreaCartesian([[[(0., 0.), (1., 0.), (1., 1.)]]]) AS f, S2ToGeo(5074766849661468672) AS g;
SELECT encrypt('aes-128-ecb', 'x', '1234567890123456') AS a, decrypt('aes-128-ecb', encrypt('aes-128-ecb', 'x', '1234567890123456'), '1234567890123456') AS b, hex(MD5('x')) AS c, hex(SHA256('x')) AS d, base58Encode('x') AS e, sipHash128('x') AS f, xxh3('x') AS g, murmurHash3_128('x') AS h, keccak256('x') AS i, BLAKE3('x') AS j, javaHash('x') AS k;
SELECT bar(1, 0, 10, 5) AS a, formatReadableSize(1000) AS b, formatReadableTimeDelta(100) AS c, toRoman(5) AS d, numberToWords(5);
SELECT uuid != toUUID('00000000-0000-0000-0000-000000000000') AS a FROM (SELECT generateUUIDv4() AS uuid);
SELECT UUIDv7ToDateTime(toUUID('018f05c9-4ab8-7b86-b64e-c9f03fbd45d1'), 'UTC') AS a, snowflakeIDToDateTime(7204436857747984384, 0, 'UTC') AS b, dateTimeToSnowflakeID(toDateTime('2024-01-01 00:00:00', 'UTC')) AS c, ULIDStringToDateTime('01GNB2S2FGN2P93QPXDNB4EN2R', 'UTC') AS d;
SELECT tumble(toDateTime(0, 'UTC'), INTERVAL 1 DAY) AS a, hop(toDateTime(0, 'UTC'), INTERVAL 1 HOUR, INTERVAL 2 HOUR) AS b, tumbleStart(toDateTime(0, 'UTC'), INTERVAL 1 DAY) AS c, timeSlots(toDateTime(0, 'UTC'), 600::UInt32, 300) AS d, toStartOfInterval(toDateTime(100, 'UTC'), INTERVAL 1 MINUTE) AS e, age('day', toDate(0), toDate(10)) AS f, dateTrunc('month', toDate('2024-01-20')) AS g;
SELECT seriesDecomposeSTL([1., 2, 3, 1, 2, 3, 1, 2, 3], 3) AS a, seriesFFT([1., 2]) AS b, seriesOutliersDetectTukey([1., 2, 3, 100, 2, 1, 2]) AS c, seriesPeriodDetectFFT([1., 2, 1, 2, 1, 2]) AS d, arrayAUC([0.1, 0.4], [0, 1]) AS e, arrayROCAUC([0.1, 0.4], [0, 1]) AS f;
SELECT simpleJSONExtractInt('{"a": 1}', 'a') AS a, JSONExtractKeysAndValues('{"a": 1}', 'Int8') AS b, JSON_VALUE('{"a": 1}', '$.a') AS c, JSON_QUERY('{"a": [1]}', '$.a') AS d, JSON_EXISTS('{"a": 1}', '$.a') AS e, JSONMergePatch('{"a": 1}', '{"b": 2}') AS f, JSONArrayLength('[1, 2]') AS g, jsonMergePatch('{"a": 1}', '{"a": null}') AS h, toJSONString(map('a', [1])) AS i;
SELECT domain('http://a.b/c?d=e') AS a, cutToFirstSignificantSubdomain('a.b.co.uk') AS b, extractURLParameters('http://a/?b=c') AS c, decodeURLComponent('a%20b') AS d, netloc('http://u@h:1/') AS e, IPv4CIDRToRange(toIPv4('1.2.3.4'), 8) AS f, isIPAddressInRange('1.2.3.4', '1.0.0.0/8') AS g, toIPv6OrNull('x') AS h;
SELECT catboostEvaluate('x', 1);
SELECT structureToCapnProtoSchema('a UInt8') != '' AS a, structureToProtobufSchema('a UInt8') != '' AS b;
SELECT currentProfiles() AS a, enabledProfiles() AS b, defaultProfiles() AS c;
SELECT arrayZip([1, 2], ['a', 'b']) AS a, arrayEnumerateUniqRanked([1, 1]) AS b, arrayPartialSort(2, [3, 1, 2]) AS c, arrayShuffle([1]) AS d, arrayResize([1], 3) AS e, arraySymmetricDifference([1], [2]) AS f, arrayLevenshteinDistance([1], [2]) AS g, arrayReduceInRanges('sum', [(1, 1)], [5]) AS h, kafkaMurmurHash('x') AS i;
SELECT sumMapFiltered([1, 2])([1, 2, 3], [10, 20, 30]) AS a, groupArrayIntersect([1, 2]) AS b, approx_top_k(2)(1) AS c, mannWhitneyUTest(number, number % 2) AS d, studentTTest(number, number % 2) AS e, groupConcat(', ', 2)(number) AS f, largestTriangleThreeBuckets(2)(number, number) AS g, quantilesGK(100, 0.5)(number) AS h, kolmogorovSmirnovTest(number, number % 2) AS i, theilsU(number, number) AS j, sparkbar(3)(number, number) AS k FROM numbers(4);
