"""The lists behind :mod:`.guard`: what a statement may name, and the functions that it may not."""

from __future__ import annotations


def words(text: str) -> frozenset[str]:
    """Make a set of the words in a text."""
    return frozenset(text.split())


# Kinds of statement, as the engine's syntax tree calls them.
READS = words(
    "SelectWithUnionQuery SelectIntersectExceptQuery ExplainQuery ShowTablesQuery ShowColumnsQuery ShowIndexesQuery "
    "SetQuery UseQuery"
)
WRITES = words("CreateQuery DropQuery InsertQuery AlterQuery RenameQuery OptimizeQuery DeleteQuery UpdateQuery")

# SHOW TABLES is one node with flags; these show databases, dictionaries, clusters and what others run.
SHOWS_OTHERS = words("databases dictionaries clusters cluster caches merges")

CREATE_FLAGS = words(
    "attach is_temporary temporary is_dictionary has_uuid has_uuid_clause has_inner_uuid_clause has_attach_from_path "
    "is_time_series_table is_live_view is_window_view refresh_strategy cluster"
)

ALTER_COMMANDS = words(
    "ADD_COLUMN DROP_COLUMN MODIFY_COLUMN RENAME_COLUMN COMMENT_COLUMN MATERIALIZE_COLUMN CLEAR_COLUMN "
    "ADD_INDEX DROP_INDEX MATERIALIZE_INDEX ADD_CONSTRAINT DROP_CONSTRAINT ADD_PROJECTION DROP_PROJECTION "
    "MATERIALIZE_PROJECTION MODIFY_ORDER_BY MODIFY_COMMENT MODIFY_TTL REMOVE_TTL "
    "DELETE UPDATE DROP_PARTITION MODIFY_QUERY"
)

# Those that make up rows or only look at rows that the statement may see anyway.
TABLE_FUNCTIONS = words(
    "numbers numbers_mt zeros zeros_mt primes generateseries generate_series generaterandom values sqlstandardvalues "
    "view null"
)

ENGINES = words(
    "MergeTree ReplacingMergeTree SummingMergeTree AggregatingMergeTree CollapsingMergeTree "
    "VersionedCollapsingMergeTree CoalescingMergeTree Memory Log TinyLog StripeLog Null Set Join"
)

STORAGE_SETTINGS = words("index_granularity allow_nullable_key min_bytes_for_wide_part min_rows_for_wide_part")

# Nothing that shows other callers, their tables, or paths.
SYSTEM_TABLES = words(
    "numbers numbers_mt zeros zeros_mt one primes functions settings data_type_families formats table_functions "
    "table_engines keywords time_zones aggregate_function_combinators collations codecs contributors licenses unicode "
    "data_skipping_index_types documentation"
)

IN_FUNCTIONS = words(
    "in notin globalin globalnotin nullin notnullin globalnullin globalnotnullin "
    "inignoreset notinignoreset globalinignoreset globalnotinignoreset "
    "nullinignoreset notnullinignoreset globalnullinignoreset globalnotnullinignoreset"
)

# Functions that read files, reach the network, other tables, the server's configuration or its memory. They are refused
# as bare names too, since a function's name can be an argument: arrayMap(file, [...]).
OUTSIDE_FUNCTIONS = words(
    "file hascolumnintable catboostevaluate evalmlmethod reversednsquery getmacro getserverport getserversetting "
    "getmergetreesetting tcpport showcertificate zookeepersessionuptime transactionid transactionlatestsnapshot "
    "transactionoldestsnapshot generateserialid getclienthttpheader currentrequesturl lemmatize synonyms "
    "addresstoline addresstolinewithinlines addresstosymbol demangle buildid getoskernelversion joinget joingetornull "
    "aiclassify aiembed aiextract aifilter aigenerate airedact aisimilarity aitranslate "
    "filesystemavailable filesystemcapacity filesystemunreserved __getscalar __scalarsubqueryresult"
)
OUTSIDE_PREFIXES = ("dictget", "dicthas", "dictisin", "region", "naivebayesclassifier")
# The functions that take functions.
HIGHER_ORDER_PREFIXES = ("array", "map")

# Table functions: refused when called in any place, since one may stand at the right of IN.
OUTSIDE_TABLES = words(
    "merge cluster clusterallreplicas dictionary executable executablepool python eval fuzzquery input loop "
    "url urlcluster mysql postgresql sqlite mongodb redis odbc jdbc bigquery ytsaurus arrowstream gcs oss cosn "
    "viewifpermitted viewexplain mergetreeindex mergetreeprojection mergetreetextindex mergetreeanalyzeindexes "
    "mergetreeanalyzeindexesuuid mergetreecodecblockcounts timeseriesdata timeseriestags timeseriesmetrics "
    "timeseriessamples timeseriesselector timeseriesmetricfamilies filesystem filecluster"
)
OUTSIDE_TABLE_PREFIXES = ("s3", "iceberg", "deltalake", "hudi", "paimon", "azureblob", "hdfs", "remote", "prometheus")

# What a query may choose for itself. The limits may only be lowered (see the worker).
SETTINGS = words(
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
