"""Hypothesis strategies for pandas DataFrames: every dtype, extremes and missing values, indexes and odd names."""

from __future__ import annotations

import datetime as dt
import zoneinfo
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
from hypothesis import strategies as st

ZONES = ("UTC", "Europe/Paris", "America/St_Johns", "Asia/Kathmandu", "Pacific/Apia")
_UTF8 = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
_WORDS = st.sampled_from(["", "\\N", "NULL", "02134", "true", "2024-01-01", "1.10", "nan", "a'b`\"\\", "\0", "é\n"])
TEXT = _UTF8 | _WORDS
# Microseconds from the year 1 to the year 9999.
_MICROSECONDS = st.integers(-62_135_596_800 * 10**6, 253_402_300_799 * 10**6 + 999_999)
# Two days less at both ends: pandas cannot print a time whose zone's clock shows the year 0 or 10000.
_ZONED_MICROSECONDS = st.integers((-62_135_596_800 + 172_800) * 10**6, (253_402_300_799 - 172_800) * 10**6)
_NANOSECONDS = st.integers(-(2**63) + 1, 2**63 - 1)
_DAY = 86_400 * 10**6
_INTEGERS = [f"{sign}int{bits}" for sign in ("", "u") for bits in (8, 16, 32, 64)]


def _integers(dtype: str) -> st.SearchStrategy[int]:
    bounds = np.iinfo(dtype)
    return st.integers(int(bounds.min), int(bounds.max))


def _floats(dtype: str) -> st.SearchStrategy[float]:
    return st.floats(width=np.dtype(dtype).itemsize * 8)  # type: ignore[arg-type]  # 16, 32 or 64


def _cells(draw: st.DrawFn, elements: st.SearchStrategy[Any], rows: int, *, missing: bool = True) -> list[Any]:
    cells = st.none() | elements if missing else elements
    return draw(st.lists(cells, min_size=rows, max_size=rows))


@st.composite
def _numpy_numbers(draw: st.DrawFn, rows: int) -> pd.Series[Any]:
    dtype = draw(st.sampled_from(["bool", "float16", "float32", "float64", *_INTEGERS]))
    elements = st.booleans() if dtype == "bool" else _floats(dtype) if "float" in dtype else _integers(dtype)
    byte_order = draw(st.sampled_from("=>")) if dtype not in ("bool", "int8", "uint8") else "="
    values = np.array(_cells(draw, elements, rows, missing=False), dtype)
    return pd.Series(values.astype(np.dtype(dtype).newbyteorder(byte_order)))  # type: ignore[call-overload]  # = or >


@st.composite
def _whole_numbers(draw: st.DrawFn, rows: int) -> pd.Series[Any]:
    return pd.Series(_cells(draw, _integers("int64"), rows, missing=False), dtype="int64")


@st.composite
def _numpy_times(draw: st.DrawFn, rows: int) -> pd.Series[Any]:
    unit = draw(st.sampled_from(["s", "ms", "us", "ns"]))
    factor = {"s": 10**6, "ms": 10**3, "us": 1}.get(unit)
    # So that a zone's clock shows it too.
    margin = 2 * _DAY * 1000
    times = (
        st.integers(-(2**63) + margin, 2**63 - margin)
        if factor is None
        else _ZONED_MICROSECONDS.map(lambda count: count // factor)
    )
    is_time = draw(st.booleans())
    spans = st.integers(-(9 * 10**18), 9 * 10**18).map(lambda count: count // (factor or 1))  # in microseconds too
    counts = _cells(draw, times if is_time else spans, rows)
    values = np.array([np.iinfo("i8").min if count is None else count for count in counts], "i8")
    series = pd.Series(values.view(f"{'M8' if is_time else 'm8'}[{unit}]"))
    zone = draw(st.sampled_from([None, *ZONES])) if is_time else None
    return series if zone is None else series.dt.tz_localize("UTC").dt.tz_convert(zone)


def _nullable_name(dtype: str) -> str:
    return dtype.replace("i", "I").replace("u", "U")


@st.composite
def _nullable(draw: st.DrawFn, rows: int) -> pd.Series[Any]:
    dtype = draw(st.sampled_from(["boolean", "Float32", "Float64", *map(_nullable_name, _INTEGERS)]))
    if dtype == "boolean":
        elements: st.SearchStrategy[Any] = st.booleans()
    else:
        elements = _floats(dtype.lower()) if dtype.startswith("F") else _integers(dtype.lower())
    cells = _cells(draw, elements, rows)
    mask = np.array([cell is None for cell in cells], bool)
    values = np.array([0 if cell is None else cell for cell in cells], "bool" if dtype == "boolean" else dtype.lower())
    kinds: dict[str, Any] = {"b": pd.arrays.BooleanArray, "F": pd.arrays.FloatingArray}
    return pd.Series(kinds.get(dtype[0], pd.arrays.IntegerArray)(values, mask))


@st.composite
def _texts(draw: st.DrawFn, rows: int) -> pd.Series[Any]:
    dtype: Any = draw(st.sampled_from(["string[python]", "string[pyarrow]", "str", object, "category"]))
    return pd.Series(_cells(draw, TEXT, rows), dtype=dtype)


@st.composite
def _ordered(draw: st.DrawFn, rows: int) -> pd.Series[Any]:
    labels = draw(st.lists(TEXT, min_size=1, max_size=5, unique=True))
    cells = _cells(draw, st.sampled_from(labels), rows)
    return pd.Series(pd.Categorical(cells, labels, ordered=draw(st.booleans())))


_ARROW: dict[pa.DataType, st.SearchStrategy[Any]] = {
    pa.bool_(): st.booleans(),
    pa.int8(): _integers("int8"),
    pa.uint64(): _integers("uint64"),
    pa.float32(): _floats("float32"),
    pa.float64(): _floats("float64"),
    pa.string(): TEXT,
    pa.large_string(): TEXT,
    pa.binary(): st.binary(max_size=6),
    pa.binary(3): st.binary(min_size=3, max_size=3),
    pa.date32(): st.dates(),
    pa.date64(): st.dates(),
    pa.timestamp("us"): _MICROSECONDS,
    pa.timestamp("ns", "Asia/Kathmandu"): _NANOSECONDS,
    pa.time32("ms"): st.integers(0, _DAY // 1000 - 1),
    pa.time64("ns"): st.integers(0, _DAY * 1000 - 1),
    pa.duration("us"): _NANOSECONDS,
    pa.decimal128(20, 5): st.decimals(-(10**14), 10**14, places=5),
    pa.decimal256(60, 2): st.decimals(-(10**57), 10**57, places=2),
    pa.dictionary(pa.int8(), pa.string()): TEXT,
}
_MAPS = st.dictionaries(TEXT, st.none() | _integers("int64"), max_size=3).map(lambda each: list(each.items()))
_STRUCTS = st.fixed_dictionaries({"a b": st.none() | _integers("int64"), "c": st.lists(TEXT, max_size=2)})
_ARROW_NESTED: dict[pa.DataType, st.SearchStrategy[Any]] = {
    pa.list_(pa.int64()): st.lists(st.none() | _integers("int64"), max_size=3),
    pa.large_list(pa.string()): st.lists(TEXT, max_size=3),
    pa.list_(pa.float32(), 2): st.lists(_floats("float32"), min_size=2, max_size=2),
    pa.list_(pa.list_(pa.date64())): st.lists(st.lists(st.none() | st.dates(), max_size=2), max_size=2),
    pa.map_(pa.string(), pa.int64()): _MAPS,
    pa.struct([("a b", pa.int64()), ("c", pa.list_(pa.string()))]): _STRUCTS,
}


@st.composite
def _arrow(draw: st.DrawFn, rows: int) -> pd.Series[Any]:
    data_type, elements = draw(st.sampled_from(list(_ARROW.items())))
    return _arrow_series(_cells(draw, elements, rows), data_type)


@st.composite
def _arrow_nested(draw: st.DrawFn, rows: int) -> pd.Series[Any]:
    data_type, elements = draw(st.sampled_from(list(_ARROW_NESTED.items())))
    missing = pa.types.is_struct(data_type) and draw(st.booleans())
    cells = _cells(draw, elements, rows, missing=missing)
    if missing:  # inside a NULL struct there is a list, which cannot be NULL
        mask = pa.array([cell is None for cell in cells], pa.bool_())
        inside = [cell or {"a b": None, "c": []} for cell in cells]
        children = [pa.array([cell[field.name] for cell in inside], field.type) for field in data_type]
        structs = pa.StructArray.from_arrays(children, fields=list(data_type), mask=mask)
        return pd.Series(pd.arrays.ArrowExtensionArray(pa.chunked_array([structs])))
    return _arrow_series(cells, data_type)


def _arrow_series(cells: list[Any], data_type: pa.DataType) -> pd.Series[Any]:
    return pd.Series(pd.arrays.ArrowExtensionArray(pa.chunked_array([pa.array(cells, data_type)], data_type)))


_FIRST, _LAST = dt.datetime(1900, 1, 1), dt.datetime(2200, 1, 1)  # noqa: DTZ001  # the zone is drawn
_AWARE = st.sampled_from(ZONES).flatmap(
    lambda zone: st.just(st.datetimes(_FIRST, _LAST, timezones=st.just(zoneinfo.ZoneInfo(zone))))
)
_SCALAR_OBJECTS: list[st.SearchStrategy[st.SearchStrategy[Any]]] = [
    st.just(TEXT),
    st.just(st.binary(max_size=4)),
    st.just(st.booleans()),
    st.just(st.integers(-(2**63), 2**63 - 1)),
    st.just(st.integers(-(2**127), 2**127 - 1)),
    st.just(st.decimals(allow_infinity=False, allow_nan=False, min_value=-(10**30), max_value=10**30, places=20)),
    st.just(st.uuids()),
    st.just(st.ip_addresses(v=4)),
    st.just(st.ip_addresses(v=6).filter(lambda address: address.scope_id is None)),  # type: ignore[union-attr]
    st.just(st.dates()),
    st.just(st.datetimes()),
    _AWARE,
    st.just(st.times()),
    st.just(st.timedeltas(dt.timedelta(-90_000_000), dt.timedelta(90_000_000))),
    st.just(st.floats()),
]


@st.composite
def _objects(draw: st.DrawFn, rows: int) -> pd.Series[Any]:
    elements = draw(draw(st.sampled_from(_SCALAR_OBJECTS)))
    return pd.Series(_cells(draw, elements, rows), dtype=object)


@st.composite
def _nested_objects(draw: st.DrawFn, rows: int) -> pd.Series[Any]:
    inside = draw(draw(st.sampled_from(_SCALAR_OBJECTS)))
    others = draw(draw(st.sampled_from(_SCALAR_OBJECTS)))
    shapes = [
        st.lists(st.none() | inside, max_size=3),
        st.lists(st.lists(inside, max_size=2), max_size=2),
        st.tuples(inside, others),
        st.dictionaries(TEXT, st.none() | inside, max_size=3),
        st.fixed_dictionaries({"a": inside, "b": others}),
        st.lists(_floats("float32"), max_size=3).map(lambda each: np.array(each, "float32")),
    ]
    shape = draw(st.sampled_from(shapes))
    values = np.empty(rows, object)
    for row, cell in enumerate(_cells(draw, shape, rows, missing=False)):
        values[row] = cell
    return pd.Series(values, dtype=object)


COLUMNS = [_numpy_numbers, _numpy_times, _nullable, _texts, _ordered, _arrow, _arrow_nested, _objects, _nested_objects]
_INDEX_COLUMNS = [_whole_numbers, _numpy_times, _texts]
NAMES = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1, max_size=6)


@st.composite
def frames(draw: st.DrawFn, names: st.SearchStrategy[str] = NAMES, min_rows: int = 0) -> pd.DataFrame:
    """Draw a DataFrame with up to four columns, and a named index of one or two levels now and then."""
    rows = draw(st.integers(min_rows, 6))
    labels = draw(st.lists(names, min_size=1, max_size=4, unique=True))
    data = [draw(draw(st.sampled_from(COLUMNS))(rows)) for _ in labels]
    frame = pd.DataFrame(dict(enumerate(data)))
    frame.columns = pd.Index(labels, dtype=object)
    if draw(st.booleans()):
        levels = draw(st.lists(draw(st.sampled_from(_INDEX_COLUMNS))(rows), min_size=1, max_size=2))
        return frame.set_index([pd.Index(level, name=f"level {number}") for number, level in enumerate(levels)])
    return frame
