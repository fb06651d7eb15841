"""Canonical Arrow to Python values: JSON-ready cells for the wire, natural ones for pandas objects."""

from __future__ import annotations

import itertools
import json
import math
from collections.abc import Callable, Iterable, Sequence
from decimal import Decimal
from typing import Any

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from roe_magic.frames import schema as canonical
from roe_magic.frames.clickhouse_types import Type
from roe_magic.frames.memory import no_garbage_collection
from roe_magic.frames.schema import INTERVALS, Form, arrow_type, bare, element_names, resolve

Convert = Callable[[pa.Array, Type], list[Any]]


def to_rows(table: pa.Table | pa.RecordBatch, column_types: Sequence[str]) -> list[list[Any]]:
    """Turn canonical (or stored) Arrow into JSON-ready rows, the shape that the API sends.

    128- and 256-bit integers, decimals and nan or inf are strings, times look like Python's ``str(datetime)``, a named
    tuple is an object, and a map is an object too, unless a key repeats or is not simple: then it is a list of pairs.
    ``from_rows`` of it gives the same table again.
    """
    with no_garbage_collection():
        return [list(row) for row in zip(*_columns(table, column_types, json_cells), strict=True)]


def to_json(table: pa.Table | pa.RecordBatch, column_types: Sequence[str]) -> bytes:
    """Write the rows as JSON, ``[1,"a"],[2,"b"]``, without the outer brackets; documents go through as they are."""
    try:
        with no_garbage_collection():
            rows = list(zip(*_columns(table, column_types, _raw_cells), strict=True))
            return msgspec.json.encode(rows)[1:-1]
    except UnicodeEncodeError:  # bytes that are not UTF-8, as lone surrogates: only the standard library writes them
        return json.dumps(to_rows(table, column_types), separators=(",", ":"))[1:-1].encode()


def _columns(table: pa.Table | pa.RecordBatch, column_types: Sequence[str], convert: Convert) -> list[list[Any]]:
    if isinstance(table, pa.RecordBatch):
        table = pa.Table.from_batches([table])
    canonical.check_lengths(table.column_names, column_types)
    return [
        list(itertools.chain.from_iterable(convert(chunk, resolve(kind)) for chunk in column.chunks))
        for column, kind in zip(table.columns, column_types, strict=True)
    ]


def json_cells(array: pa.Array, kind: Type) -> list[Any]:
    """Turn a canonical array into JSON-ready values."""
    return _cells(array, kind, _JSON, json_cells)


def python_cells(array: pa.Array, kind: Type) -> list[Any]:
    """Turn a canonical array into natural Python values: dicts, tuples, datetimes, big integers."""
    return _cells(array, kind, _PYTHON, python_cells)


def _raw_cells(array: pa.Array, kind: Type) -> list[Any]:
    """Like json_cells, but a column of documents stays JSON text, for a JSON encoder that takes it as it is."""
    if bare(kind).name in canonical.DOCUMENTS and pa.types.is_string(array.type):
        return [None if text is None else msgspec.Raw(text.encode()) for text in plain(array)]
    return json_cells(array, kind)


def _cells(array: pa.Array, kind: Type, leaves: dict[str, Convert], again: Convert) -> list[Any]:
    kind = bare(kind)
    if pa.types.is_dictionary(array.type):
        array = array.dictionary_decode()
    nested = _NESTED.get(kind.name)
    if nested is not None and pa.types.is_nested(array.type):
        return nested(array, kind, again)
    is_text = pa.types.is_string(array.type)
    fallen_back = is_text and (arrow_type(kind, Form(array.type)) != array.type or not canonical.is_known(kind))
    return plain(array) if fallen_back else leaves.get(kind.name, _leaf)(array, kind)


def plain(array: pa.Array) -> list[Any]:
    """Give the values as pyarrow does, but faster where numpy can."""
    kind = array.type
    if pa.types.is_integer(kind) or pa.types.is_floating(kind):
        return _with_nulls(array, array.fill_null(0).to_numpy().tolist())
    if pa.types.is_string(kind) or pa.types.is_boolean(kind) or pa.types.is_binary(kind):
        values: list[Any] = array.to_numpy(zero_copy_only=False).tolist()
        return values
    try:
        found: list[Any] = array.to_pylist()
    except (OverflowError, ValueError):
        found = _beyond_python(array)
    return found


def _beyond_python(array: pa.Array) -> list[Any]:
    """Give durations that timedelta cannot hold, and moments that cannot be shown in their zone but in UTC."""
    if pa.types.is_duration(array.type):
        ticks = plain(array.cast(pa.int64()))
        return [None if value is None else np.timedelta64(value, array.type.unit) for value in ticks]
    found: list[Any] = array.cast(pa.timestamp(array.type.unit, "UTC")).to_pylist()
    return found


def _with_nulls(array: pa.Array, values: list[Any]) -> list[Any]:
    if array.null_count:
        for at in np.flatnonzero(array.is_null().to_numpy(zero_copy_only=False)).tolist():
            values[at] = None
    return values


def _leaf(array: pa.Array, _: Type) -> list[Any]:
    return plain(array)


def _each(array: pa.Array, function: Callable[[Any], Any]) -> list[Any]:
    return [None if value is None else function(value) for value in plain(array)]


def _finite(array: pa.Array, _: Type) -> list[Any]:
    """JSON has no nan or inf: ClickHouse writes them as strings."""
    values = plain(array)
    odd = pc.invert(pc.fill_null(pc.is_finite(array), True)).to_numpy(zero_copy_only=False)
    for at in np.flatnonzero(odd).tolist():
        values[at] = str(values[at])
    return values


def _decoded(array: pa.Array, _: Type) -> list[Any]:
    try:
        return plain(array.cast(pa.string()))
    except pa.ArrowInvalid:
        pass
    return _each(array, lambda raw: raw.decode("utf-8", "surrogateescape"))


def _datetimes(array: pa.Array, _: Type) -> list[Any]:
    """Write moments as Python does: the fraction left out where it is zero, the offset with a colon."""
    local = pc.local_timestamp(array)  # twenty times as quick as strftime
    text = local.cast(pa.string())
    if array.type.unit != "s":
        text = pc.replace_substring_regex(text, r"\.0+$", "")
    seconds = pc.subtract(local.cast(pa.int64()), array.cast(pa.int64())).dictionary_encode()
    per_second = 10 ** _DIGITS[array.type.unit]
    offsets = pa.array([_offset(ticks // per_second) for ticks in seconds.dictionary.to_pylist()], pa.string())
    return plain(pc.binary_join_element_wise(text, offsets.take(seconds.indices), ""))


def _offset(seconds: int) -> str:
    """Write +01:00, or +00:09:21 for the mean times before there were zones."""
    minutes, rest = divmod(abs(seconds), 60)
    text = f"{'-' if seconds < 0 else '+'}{minutes // 60:02}:{minutes % 60:02}"
    return f"{text}:{rest:02}" if rest else text


_DIGITS = {"s": 0, "ms": 3, "us": 6, "ns": 9}


def _clocks(array: pa.Array, _: Type) -> list[Any]:
    """Write a Time as ClickHouse does: hours may pass 24, and the sign is in front."""
    digits = _DIGITS[array.type.unit]

    def clock(ticks: int) -> str:
        seconds, fraction = divmod(abs(ticks), 10**digits)
        hours, rest = divmod(seconds, 3600)
        text = f"{'-' if ticks < 0 else ''}{hours:02}:{rest // 60:02}:{rest % 60:02}"
        return f"{text}.{fraction:0{digits}}" if digits else text

    return _each(array.cast(pa.int64()), clock)


def _counts(array: pa.Array, kind: Type) -> list[Any]:
    """Write an interval as the count of its unit."""
    factor = 1 if pa.types.is_integer(array.type) else INTERVALS[kind.name][1]
    return _each(array.cast(pa.int64()), lambda ticks: ticks // factor)


def _load(text: str) -> Any:
    try:
        return _loads(text) if "-0" in text else msgspec.json.decode(text)
    except (msgspec.DecodeError, UnicodeEncodeError):
        return _loads(text)


def _loads(text: str) -> Any:
    """Read what msgspec refuses, or of which it loses the sign."""
    try:
        return json.loads(text, parse_int=_integer, parse_float=_float)
    except ValueError:  # not a document after all: the text itself is the value
        return text


def _integer(digits: str) -> int | float | str:
    return -0.0 if digits == "-0" else int(digits) if len(digits) < 1000 else digits


def _float(digits: str) -> float | str:
    """Keep a number that no float holds as its digits: JSON has no inf."""
    return value if math.isfinite(value := float(digits)) else digits


def _documents(array: pa.Array, _: Type) -> list[Any]:
    return _each(array, _load)


def _decimals(array: pa.Array, _: Type) -> list[Any]:
    return _each(array, lambda value: format(value, "f"))


def _integers(array: pa.Array, _: Type) -> list[Any]:
    return _each(array, _whole)


def _whole(value: str | Decimal) -> int | str:
    try:
        return int(value)
    except ValueError:  # the column fell back to text
        return str(value)


def _dates(array: pa.Array, _: Type) -> list[Any]:
    return plain(array.cast(pa.string()))


_SHARED: dict[str, Convert] = dict.fromkeys(canonical.DOCUMENTS, _documents)
_PYTHON: dict[str, Convert] = {**_SHARED, **dict.fromkeys(canonical.WIDE_INTEGERS, _integers)}
_JSON: dict[str, Convert] = {
    **_SHARED,
    **dict.fromkeys(("Float32", "Float64", "BFloat16"), _finite),
    **dict.fromkeys(("Decimal", "Int128", "UInt128"), _decimals),
    **dict.fromkeys(("String", "FixedString", "AggregateFunction"), _decoded),
    **dict.fromkeys(("DateTime", "DateTime64"), _datetimes),
    **dict.fromkeys(("Date", "Date32"), _dates),
    **dict.fromkeys(("Time", "Time64"), _clocks),
    **dict.fromkeys(INTERVALS, _counts),
}


def _spans(array: pa.Array) -> tuple[Iterable[tuple[int, int]], int, int]:
    """Give where each list lies among its values, and where the first and the last end."""
    offsets = array.offsets.to_numpy()
    if not len(offsets):
        return [], 0, 0
    return itertools.pairwise((offsets - offsets[0]).tolist()), int(offsets[0]), int(offsets[-1])


def _lists(array: pa.Array, kind: Type, again: Convert) -> list[Any]:
    spans, first, last = _spans(array)
    values = again(array.values[first:last], kind.types[0])
    return _with_nulls(array, [values[start:stop] for start, stop in spans])


def _maps(array: pa.Array, kind: Type, again: Convert) -> list[Any]:
    spans, first, last = _spans(array)
    keys = again(array.keys[first:last], kind.types[0])
    items = again(array.items[first:last], kind.types[1])
    make = _json_map if again is not python_cells else _python_map
    return _with_nulls(array, [make(keys[start:stop], items[start:stop]) for start, stop in spans])


def _python_map(keys: list[Any], items: list[Any]) -> Any:
    try:
        whole = dict(zip(keys, items, strict=True))
    except TypeError:  # a key that is a list
        return list(zip(keys, items, strict=True))
    return whole if len(whole) == len(keys) else list(zip(keys, items, strict=True))


def _json_map(keys: list[Any], items: list[Any]) -> Any:
    if all(isinstance(key, (str, int)) for key in keys):
        whole = {key if isinstance(key, str) else json.dumps(key): item for key, item in zip(keys, items, strict=True)}
        if len(whole) == len(keys):
            return whole
    return [list(pair) for pair in zip(keys, items, strict=True)]


def _tuples(array: pa.Array, kind: Type, again: Convert) -> list[Any]:
    names = element_names(kind)
    children = [again(child, part) for child, part in zip(array.flatten(), kind.types, strict=True)]
    rows: list[Any] = list(zip(*children, strict=True)) if names else [()] * len(array)
    if kind.names:
        rows = list(map(dict, map(zip, itertools.repeat(names), rows)))
    elif again is not python_cells:
        rows = [list(row) for row in rows]
    return _with_nulls(array, rows)


_NESTED: dict[str, Callable[[pa.Array, Type, Convert], list[Any]]] = {"Array": _lists, "Map": _maps, "Tuple": _tuples}
