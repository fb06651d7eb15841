"""The lists that :mod:`.guard` uses: what a statement may name, and the functions that it may not call."""

from __future__ import annotations


def word_set(text: str) -> frozenset[str]:
    """Return the words of a text as a set."""
    return frozenset(text.split())


# Kinds of statement by their names in ClickHouse's syntax tree.
READS = word_set(
    "SelectWithUnionQuery SelectIntersectExceptQuery ExplainQuery ShowTablesQuery ShowColumnsQuery ShowIndexesQuery "
    "SetQuery UseQuery"
)
WRITES = word_set("CreateQuery DropQuery InsertQuery AlterQuery RenameQuery OptimizeQuery DeleteQuery UpdateQuery")

# Flags of the SHOW TABLES node; with these it shows databases, dictionaries, clusters and what others run.
SHOWS_OTHERS = word_set("databases dictionaries clusters cluster caches merges")

CREATE_FLAGS = word_set(
    "attach is_temporary temporary is_dictionary has_uuid has_uuid_clause has_inner_uuid_clause has_attach_from_path "
    "is_time_series_table is_live_view is_window_view refresh_strategy cluster"
)

ALTER_COMMANDS = word_set(
    "ADD_COLUMN DROP_COLUMN MODIFY_COLUMN RENAME_COLUMN COMMENT_COLUMN MATERIALIZE_COLUMN CLEAR_COLUMN "
    "ADD_INDEX DROP_INDEX MATERIALIZE_INDEX ADD_CONSTRAINT DROP_CONSTRAINT ADD_PROJECTION DROP_PROJECTION "
    "MATERIALIZE_PROJECTION MODIFY_ORDER_BY MODIFY_COMMENT MODIFY_TTL REMOVE_TTL "
    "DELETE UPDATE DROP_PARTITION MODIFY_QUERY"
)

# Table functions that generate rows, or read only rows that the statement may read anyway.
TABLE_FUNCTIONS = word_set(
    "numbers numbers_mt zeros zeros_mt primes generateseries generate_series generaterandom values sqlstandardvalues "
    "view null"
)

ENGINES = word_set(
    "MergeTree ReplacingMergeTree SummingMergeTree AggregatingMergeTree CollapsingMergeTree "
    "VersionedCollapsingMergeTree CoalescingMergeTree Memory Log TinyLog StripeLog Null Set Join"
)

STORAGE_SETTINGS = word_set("index_granularity allow_nullable_key min_bytes_for_wide_part min_rows_for_wide_part")

# System tables that show neither other callers, nor their tables, nor paths.
SYSTEM_TABLES = word_set(
    "numbers numbers_mt zeros zeros_mt one primes functions settings data_type_families formats table_functions "
    "table_engines keywords time_zones aggregate_function_combinators collations codecs contributors licenses unicode "
    "data_skipping_index_types documentation"
)

IN_FUNCTIONS = word_set(
    "in notin globalin globalnotin nullin notnullin globalnullin globalnotnullin "
    "inignoreset notinignoreset globalinignoreset globalnotinignoreset "
    "nullinignoreset notnullinignoreset globalnullinignoreset globalnotnullinignoreset"
)

# Functions that read files, the network, other tables, the server's configuration or its memory. They are refused as
# bare names too, since a function's name can be an argument: arrayMap(file, [...]).
OUTSIDE_FUNCTIONS = word_set(
    "file hascolumnintable catboostevaluate evalmlmethod reversednsquery getmacro getserverport getserversetting "
    "getmergetreesetting tcpport showcertificate zookeepersessionuptime transactionid transactionlatestsnapshot "
    "transactionoldestsnapshot generateserialid getclienthttpheader currentrequesturl lemmatize synonyms "
    "addresstoline addresstolinewithinlines addresstosymbol demangle buildid getoskernelversion joinget joingetornull "
    "aiclassify aiembed aiextract aifilter aigenerate airedact aisimilarity aitranslate "
    "filesystemavailable filesystemcapacity filesystemunreserved __getscalar __scalarsubqueryresult"
)
OUTSIDE_PREFIXES = ("dictget", "dicthas", "dictisin", "region", "naivebayesclassifier")
# Functions that take functions as arguments.
HIGHER_ORDER_PREFIXES = ("array", "map")

# Table functions that are refused wherever they are called, since one may also be at the right of IN.
OUTSIDE_TABLES = word_set(
    "merge cluster clusterallreplicas dictionary executable executablepool python eval fuzzquery input loop "
    "url urlcluster mysql postgresql sqlite mongodb redis odbc jdbc bigquery ytsaurus arrowstream gcs oss cosn "
    "viewifpermitted viewexplain mergetreeindex mergetreeprojection mergetreetextindex mergetreeanalyzeindexes "
    "mergetreeanalyzeindexesuuid mergetreecodecblockcounts timeseriesdata timeseriestags timeseriesmetrics "
    "timeseriessamples timeseriesselector timeseriesmetricfamilies filesystem filecluster"
)
OUTSIDE_TABLE_PREFIXES = ("s3", "iceberg", "deltalake", "hudi", "paimon", "azureblob", "hdfs", "remote", "prometheus")

# Settings that a query may set. The limits among them may only be lowered; see engine/chdb/submission.py.
SETTINGS = word_set(
    "max_threads max_execution_time max_memory_usage max_result_rows max_rows_to_read max_bytes_to_read max_block_size "
    "max_insert_threads max_rows_in_join max_bytes_in_join max_bytes_before_external_group_by "
    "max_bytes_before_external_sort join_algorithm join_use_nulls any_join_distinct_right_table_keys "
    "group_by_use_nulls group_by_overflow_mode union_default_mode intersect_default_mode except_default_mode "
    "transform_null_in aggregate_functions_null_for_empty data_type_default_nullable cast_keep_nullable "
    "prefer_column_name_to_alias enable_optimize_predicate_expression optimize_move_to_prewhere "
    "optimize_read_in_order optimize_aggregation_in_order optimize_skip_unused_shards use_skip_indexes "
    "final do_not_merge_across_partitions_select_final mutations_sync flatten_nested "
    "allow_suspicious_low_cardinality_types allow_suspicious_types_in_group_by allow_suspicious_types_in_order_by "
    "allow_suspicious_variant_types allow_experimental_variant_type allow_experimental_dynamic_type "
    "allow_experimental_json_type enable_json_type enable_dynamic_type enable_variant_type "
    "allow_experimental_time_time64_type enable_time_time64_type date_time_input_format use_variant_as_common_type"
)
