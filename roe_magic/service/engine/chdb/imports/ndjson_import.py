"""Plans the import of a file of JSON lines: one object per row, its keys the columns.

ClickHouse finds out the types from all rows. It widens and rounds without a word, though: true beside 2 becomes 1, and
9007199254740993 beside 0.5 another number. So every value is then looked at as the text that stands in the file, and a
column whose values do not all fit its type becomes that text. Text beside other values is text to ClickHouse, too; that
is found by the first character of each value.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from roe_magic.contract import models
from roe_magic.frames.type_parser import parse
from roe_magic.service.engine.chdb.database import EmbeddedClickHouse, EngineError
from roe_magic.service.engine.chdb.file_source import FileSource
from roe_magic.service.engine.chdb.imports import column_choice, csv_declared, ndjson_fault
from roe_magic.service.engine.chdb.imports.column_choice import ChosenReading, ColumnChoice
from roe_magic.service.engine.chdb.imports.csv_candidates import READINGS
from roe_magic.service.engine.chdb.imports.csv_reading import TEXT, Reading, unchanged
from roe_magic.service.engine.chdb.imports.import_plan import ImportPlan, listed, require_columns, require_text
from roe_magic.service.engine.chdb.source_errors import LIMITS, explained
from roe_magic.service.engine.sql.quoting import literal, quoted
from roe_magic.service.results import writer

_ALL = "1000000000000"
_SETTINGS = {
    "input_format_max_rows_to_read_for_schema_inference": _ALL,
    "input_format_max_bytes_to_read_for_schema_inference": _ALL,
    "schema_inference_make_columns_nullable": "1",
    # Text stays text.
    "input_format_try_infer_dates": "0",
    "input_format_try_infer_datetimes": "0",
    # A column that is read as String has the text that stands in the file.
    "input_format_json_read_numbers_as_strings": "1",
    "input_format_json_read_bools_as_strings": "1",
    "input_format_json_read_arrays_as_strings": "1",
    "input_format_json_read_objects_as_strings": "1",
    "precise_float_parsing": "1",
}
# What ClickHouse says where the values of a column have types that no other type covers.
_CONFLICT = re.compile(
    r"Automatically defined type (.+?) for column '(.*)' in row \d+ differs from .*?: (.+?)\. You can", re.DOTALL
)
_EMPTY_OBJECT = "Cannot infer named Tuple from JSON object because object is empty"
# Inside of a JSON text a quotation mark has a backslash before it.
_EMPTY_KEY_PATTERN = r'(^|[^\\])""\s*:'
_EMPTY_KEY = f"match(line, {literal(_EMPTY_KEY_PATTERN)})"
# For each key of an object whether its value is text, other than null.
_KINDS = (
    "arrayMap(pair -> (pair.1, startsWith(pair.2, '\"')), "
    "arrayFilter(pair -> pair.2 != 'null', JSONExtractKeysAndValuesRaw(object)))"
)
_INTEGERS = frozenset({"Int64", "UInt64"})
_MAX_CONFLICTS = 1000

_ANY_TEXT = Reading(TEXT, lambda _: "0", unchanged, "")
_MIXED_TEXT = Reading(TEXT, lambda _: "0", unchanged, "values of different kinds")
_BY_TYPE = {reading.type: reading for reading in READINGS}
# By the type that ClickHouse finds, the types that values may have which it takes for that.
_CANDIDATES = {
    TEXT: (),
    "Bool": ("Bool",),
    "Int64": ("Int64", "Float64"),
    "UInt64": ("UInt64", "Float64"),
    "Integers": ("Int128", "Float64"),
    "Float64": ("Float64",),
}


def plan(
    clickhouse: EmbeddedClickHouse,
    path: Path,
    types: Mapping[str, str],
    settings: Mapping[str, str],
    check: Callable[[], None],
) -> ImportPlan:
    """Return how a file of JSON lines is to be imported; parameters and errors are those of ``csv_import.plan``."""
    settings, source = {**settings, **_SETTINGS}, FileSource(str(path), "JSONEachRow")

    def explain(error: EngineError) -> EngineError:
        if _EMPTY_OBJECT in error.message:  # the only conflict of which ClickHouse does not name the column
            return EngineError("A column holds empty objects ({}) beside values of another kind; leave them out.")
        if error.code in (0, *LIMITS):
            return error
        fault = ndjson_fault.first_fault(path, check)
        return ndjson_fault.error(fault) if fault else explained(error, "JSON lines")

    try:
        _require_names(clickhouse, path, settings)
        inferred = _infer(clickhouse, source, settings)
        require_columns(types, inferred)
        inferred |= dict.fromkeys(_mixed(clickhouse, path, settings, inferred), "Mixed")
        as_text = source.sql([(name, "Nullable(String)") for name in inferred])
        columns = [_choice(name, type_name, types.get(name, "")) for name, type_name in inferred.items()]
        chosen = column_choice.choose(clickhouse, as_text, settings, columns)
    except EngineError as error:
        raise explain(error) from None
    return ImportPlan(list(_columns(chosen)), _select(source, chosen), settings, _notices(chosen), explain)


def _require_names(clickhouse: EmbeddedClickHouse, path: Path, settings: Mapping[str, str]) -> None:
    """Raise EngineError where a key is empty: ClickHouse would leave out its values."""
    text = FileSource(str(path), "LineAsString").sql([("line", "String")])
    sql = f"SELECT minIf(rowNumberInAllBlocks() + 1, {_EMPTY_KEY}) FROM {text}"  # noqa: S608  # our own
    ((line,),) = writer.decode_lines(clickhouse.query(sql, settings, output_format="JSONCompactEachRow"))
    if int(line):
        raise ndjson_fault.error(f"line {line} has an empty key")


def _infer(clickhouse: EmbeddedClickHouse, source: FileSource, settings: Mapping[str, str]) -> dict[str, str]:
    """Return the types of the columns; a column whose values have types that nothing covers has a word for a type."""
    conflicts: dict[str, str] = {}
    while True:
        hints = ", ".join(f"{quoted(name)} Nullable(String)" for name in conflicts)
        try:
            text = clickhouse.query(
                f"DESCRIBE {source.sql()}",
                {**settings, "schema_inference_hints": hints},
                output_format="JSONCompactEachRow",
            )
        except EngineError as error:
            conflict = _CONFLICT.search(error.message)
            if not conflict or conflict[2] in conflicts or len(conflicts) >= _MAX_CONFLICTS:
                raise
            conflicts[conflict[2]] = "Integers" if {conflict[1], conflict[3]} <= _INTEGERS else "Mixed"
        else:
            found = {name: type_name for name, type_name, *_ in writer.decode_lines(text)}
            require_text(found)
            return {name: conflicts.get(name, type_name) for name, type_name in found.items()}


def _mixed(
    clickhouse: EmbeddedClickHouse, path: Path, settings: Mapping[str, str], inferred: Mapping[str, str]
) -> list[str]:
    """Return the columns that ClickHouse takes for text though not all of their values are."""
    if not any(_without_nullable(type_name) == TEXT for type_name in inferred.values()):
        return []
    objects = FileSource(str(path), "JSONAsString").sql([("object", "String")])
    sql = f"SELECT groupUniqArrayArray({_KINDS}) FROM {objects}"  # noqa: S608  # our own
    ((kinds,),) = writer.decode_lines(clickhouse.query(sql, settings, output_format="JSONCompactEachRow"))
    texts, others = ({name for name, is_text in kinds if bool(is_text) == wanted} for wanted in (True, False))
    return [name for name in inferred if name in texts & others]


def _choice(name: str, inferred: str, declared: str) -> ColumnChoice:
    if declared:
        return ColumnChoice(name, quoted(name), csv_declared.readings(name, declared), declared)
    kind = _without_nullable(inferred)
    readings = [_BY_TYPE[each] for each in _CANDIDATES[kind]] if kind in _CANDIDATES else _nested(inferred)
    return ColumnChoice(name, quoted(name), [*readings, _ANY_TEXT if kind == TEXT else _MIXED_TEXT])


def _nested(inferred: str) -> Iterator[Reading]:
    """Yield the reading of lists and objects as what they are, if their type holds every value."""
    if inferred == "Mixed" or re.search(r"\b(Dynamic|Variant|JSON|Object)\b", inferred):
        return
    conditions = []
    if not inferred.startswith("Nullable("):
        conditions.append("{0} IS NULL")  # ClickHouse has no NULL lists
    if "Float64" in inferred:
        conditions.append(r"match({0}, '[0-9][0-9.]{{15,}}|[eE][+]?[0-9]{{3}}')")
    if re.search(r"Int64|Float64", inferred):
        conditions.append(r"match({0}, '\\b(true|false)\\b')")
    yield Reading(_without_nullable(inferred), (" OR ".join(conditions) or "0").format, unchanged, "")


def _without_nullable(type_name: str) -> str:
    return type_name.removeprefix("Nullable(")[:-1] if type_name.startswith("Nullable(") else type_name


def _is_native(chosen: ChosenReading) -> bool:
    """Whether the engine reads the values as what they are, rather than as text."""
    return parse(chosen.reading.type).name in ("Array", "Tuple", "Map")


def _notices(chosen: list[ChosenReading]) -> list[str]:
    mixed = [each.column.name for each in chosen if each.reading is _MIXED_TEXT]
    return [f"Columns with values of different kinds are text: {listed(mixed)}."] if mixed else []


def _columns(chosen: list[ChosenReading]) -> Iterator[models.UploadColumn]:
    for each in chosen:
        meaning = each.reading.meaning
        reason = "declared" if each.column.declared else f"all values are {meaning}" if meaning else None
        if each.reading is _MIXED_TEXT:
            reason = f"text: {meaning}"
        yield models.UploadColumn(name=each.column.name, type=each.type, reason=reason)


def _select(source: FileSource, chosen: list[ChosenReading]) -> str:
    structure = [(each.column.name, each.type if _is_native(each) else "Nullable(String)") for each in chosen]
    return f"SELECT {', '.join(each.expression for each in chosen)} FROM {source.sql(structure)}"  # noqa: S608  # quoted
