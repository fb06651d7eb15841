"""How an Arrow column is sent: the ClickHouse type that it gets, and the Arrow type that the engine reads as that.

Most columns are sent as they are. Some are converted, each value exactly: dates in milliseconds, which the engine takes
for times from 1970 on; text of integers beyond 64 bits; the times of a DateTime column. What no conversion carries is
refused. ``docs/uploads.md`` has the table.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from roe_magic.frames import TYPE_KEY
from roe_magic.frames.clickhouse_types import exact_type
from roe_magic.frames.fixed_types import UnsupportedArrowType
from roe_magic.frames.type_parser import Argument, ClickHouseType, NamedArgument
from roe_magic.frames.type_properties import element_names, unwrap
from roe_magic.uploads.arrow.column_facts import Facts, child_arrays, is_list, list_range, plain, plain_type
from roe_magic.uploads.arrow.column_problem import NotCarried
from roe_magic.uploads.arrow.scalar_plan import plan_scalar


@dataclass(frozen=True)
class Plan:
    """How arrays of one type are sent.

    Parameters
    ----------
    ch_type : ClickHouseType
        The type of the table's column, or of what is inside its lists, maps and structs.
    arrow_type : pa.DataType
        The type that is sent.
    convert : callable
        Returns an array of that type.
    notices : frozenset of str
        What the user should know.
    may_fail : bool
        Whether only the conversion itself tells whether the values fit the type.
    """

    ch_type: ClickHouseType
    arrow_type: pa.DataType
    convert: Callable[[pa.Array], pa.Array]
    notices: frozenset[str] = frozenset()
    may_fail: bool = False


def plan_column(data_type: pa.DataType, facts: Facts, hint: ClickHouseType | None, *, is_empty: bool = False) -> Plan:
    """Return how values of an Arrow type are sent.

    Parameters
    ----------
    data_type : pa.DataType
    facts : Facts
        About all values.
    hint : ClickHouseType, optional
        The type that is wanted, where the values fit it.
    is_empty : bool
        Whether the column has no values, so that any could follow: it becomes Nullable.

    Raises
    ------
    NotCarried
        The values cannot be uploaded.
    """
    data_type = plain_type(data_type)
    nullable = is_empty or bool(facts.null_count) or (hint is not None and _is_nullable(hint))
    hint = None if hint is None else _scalar_or_nested(hint)
    if is_list(data_type) or pa.types.is_map(data_type):
        return _plan_lists(data_type, facts, hint, is_empty=is_empty)
    if pa.types.is_struct(data_type):
        return _plan_structs(data_type, facts, hint, nullable=nullable, is_empty=is_empty)
    arrow_type, wanted, convert, notices = plan_scalar(data_type, facts, hint)
    ch_type = _type_of(arrow_type, wanted, nullable=nullable)
    return Plan(
        ch_type, arrow_type, convert, notices, may_fail=pa.types.is_string(data_type) and arrow_type != data_type
    )


def _is_nullable(ch_type: ClickHouseType) -> bool:
    inner = ch_type.types[0] if ch_type.name == "LowCardinality" and ch_type.types else ch_type
    return inner.name == "Nullable"


def _scalar_or_nested(hint: ClickHouseType) -> ClickHouseType:
    """Return a type without what says how it is stored; but LowCardinality(String) is what text may become."""
    inner = unwrap(hint)
    is_low_cardinality = hint.name == "LowCardinality" and inner.name == "String"
    return ClickHouseType("LowCardinality", (inner,)) if is_low_cardinality else inner


def _type_of(arrow_type: pa.DataType, wanted: ClickHouseType | None, *, nullable: bool) -> ClickHouseType:
    metadata = None if wanted is None else {TYPE_KEY: str(wanted).encode("utf-8", "surrogateescape")}
    try:
        return exact_type(pa.field("", arrow_type, metadata=metadata), nullable=nullable)
    except UnsupportedArrowType as error:
        raise NotCarried(error.reason, error.hint, of_values=False) from None


def _plan_lists(data_type: pa.DataType, facts: Facts, hint: ClickHouseType | None, *, is_empty: bool) -> Plan:
    """Return how lists are sent, or maps, which are lists of pairs."""
    is_map = pa.types.is_map(data_type)
    name, kind = ("Map", "map") if is_map else ("Array", "list")
    if facts.null_count:
        raise NotCarried(f"has a NULL {kind}, and ClickHouse has none", f"Replace it by an empty {kind} first.")
    fields = [data_type.key_field, data_type.item_field] if is_map else [data_type.value_field]
    emptiness = [False, is_empty] if is_map else [is_empty]
    children = _plan_children(fields, facts, _hints(hint, name, len(fields)), emptiness)
    ch_type = ClickHouseType(name, tuple(child.ch_type for child in children))
    types = [child.arrow_type for child in children]
    target = pa.map_(*types) if is_map else _list_type(data_type, *types)
    may_fail = any(child.may_fail for child in children)
    return Plan(ch_type, target, functools.partial(_convert_lists, target, children), _all_notices(children), may_fail)


def _plan_children(
    fields: list[pa.Field], facts: Facts, hints: list[ClickHouseType | None], emptiness: list[bool]
) -> list[Plan]:
    rows = zip(fields, facts.children, hints, emptiness, strict=True)
    return [plan_column(field.type, known, hint, is_empty=is_empty) for field, known, hint, is_empty in rows]


def _hints(hint: ClickHouseType | None, name: str, count: int) -> list[ClickHouseType | None]:
    """Return the types that are wanted inside; None for each where another type is wanted."""
    if hint is None or hint.name != name or len(hint.types) != count:
        return [None] * count
    return list(hint.types)


def _list_type(data_type: pa.DataType, child: pa.DataType) -> pa.DataType:
    return pa.large_list(child) if pa.types.is_large_list(data_type) else pa.list_(child)


def _all_notices(children: list[Plan]) -> frozenset[str]:
    return frozenset().union(*(child.notices for child in children))


def _convert_lists(target: pa.DataType, children: list[Plan], array: pa.Array) -> pa.Array:
    array = plain(array)
    if not len(array):
        return pa.array([], target)
    first, _ = list_range(array)
    offsets = pc.subtract(array.offsets, pa.scalar(first, array.offsets.type))
    inside = [child.convert(values) for child, values in zip(children, child_arrays(array), strict=True)]
    classes: list[tuple[Callable[[pa.DataType], bool], Any]] = [
        (pa.types.is_map, pa.MapArray),
        (pa.types.is_large_list, pa.LargeListArray),
        (pa.types.is_list, pa.ListArray),
    ]
    array_class = next(each for fits, each in classes if fits(target))
    return array_class.from_arrays(offsets, *inside)


def _plan_structs(
    data_type: pa.StructType, facts: Facts, hint: ClickHouseType | None, *, nullable: bool, is_empty: bool
) -> Plan:
    names = tuple(field.name for field in data_type)
    if not all(names) or len(set(names)) != len(names):
        raise NotCarried("has structs with fields of no name or of the same name", "Rename them.", of_values=False)
    hints = _hints(hint, "Tuple", len(names))
    children = _plan_children(list(data_type), facts, hints, [is_empty] * len(names))
    is_unnamed = hint is not None and hint.name == "Tuple" and not hint.names and element_names(hint) == names
    elements: list[Argument] = [child.ch_type for child in children]
    if not is_unnamed:
        elements = [NamedArgument(name, child.ch_type) for name, child in zip(names, children, strict=True)]
    ch_type = ClickHouseType("Tuple", tuple(elements))
    fields = [pa.field(name, child.arrow_type) for name, child in zip(names, children, strict=True)]
    return Plan(
        ClickHouseType("Nullable", (ch_type,)) if nullable else ch_type,
        pa.struct(fields),
        functools.partial(_convert_structs, fields, children),
        _all_notices(children),
        any(child.may_fail for child in children),
    )


def _convert_structs(fields: list[pa.Field], children: list[Plan], array: pa.Array) -> pa.Array:
    if not fields:
        return array
    inside = [child.convert(values) for child, values in zip(children, child_arrays(array), strict=True)]
    return pa.StructArray.from_arrays(inside, fields=fields, mask=array.is_null() if array.null_count else None)
