"""JSON cells, decoded, to canonical Arrow: column by column, each by its ClickHouse type."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import msgspec
import numpy as np
import pyarrow as pa

from roe_magic.errors import ProtocolError
from roe_magic.frames import schema as canonical
from roe_magic.frames.clickhouse_types import Type
from roe_magic.frames.json.scalars import LEAVES, STORED_LEAVES, carefully, each
from roe_magic.frames.json_text import as_text
from roe_magic.frames.normalize import enumerate_labels, fallen_back
from roe_magic.frames.schema import (
    AS_BYTES,
    AS_TEXT,
    STORED,
    Form,
    arrow_type,
    bare,
    column_type,
    element_names,
    resolve,
)
from roe_magic.frames.temporal import Cells

# What the engine must be told so that its JSON formats lose nothing.
JSON_SETTINGS: dict[str, str] = {
    "output_format_json_quote_64bit_integers": "0",
    "output_format_json_quote_denormals": "1",
    "output_format_json_quote_decimals": "1",
    "output_format_json_escape_forward_slashes": "0",
    "output_format_json_named_tuples_as_objects": "1",
    # An object cannot hold the same key twice, and makes text of every key.
    "output_format_json_map_as_array_of_tuples": "1",
    # UTC with a Z: the plain form is ambiguous in the hour when summer time ends.
    "date_time_output_format": "iso",
    "print_pretty_type_names": "0",
}

# What a conversion raises on a cell that is not what its column's type says.
Unfit = (pa.ArrowException, TypeError, ValueError, ArithmeticError, KeyError, AttributeError)


def from_rows(
    column_names: Sequence[str], column_types: Sequence[str], rows: Sequence[Sequence[Any]], *, stored: bool = False
) -> pa.Table:
    """Turn decoded JSON rows into canonical Arrow.

    Parameters
    ----------
    column_names, column_types : sequences of str
        As the API answers them.
    rows : sequence of sequences
        The cells, row by row.
    stored : bool
        Make the form whose schema depends on the types alone: see :func:`~roe_magic.frames.schema`.

    Raises
    ------
    ProtocolError
        A row has not as many cells as there are columns.
    """
    canonical.check_lengths(column_names, column_types)
    columns = []
    for name, type_name, cells in zip(column_names, column_types, _transposed(rows, len(column_names)), strict=True):
        kind = resolve(type_name)
        columns.append(finish(pa.chunked_array([column(name, kind, cells, stored=stored)]), kind, stored=stored))
    return canonical.table(column_names, column_types, columns, stored=stored)


def _transposed(rows: Sequence[Sequence[Any]], width: int) -> list[Cells]:
    check_rows(rows, width)
    return list(zip(*rows, strict=True)) if rows else [()] * width


def check_rows(rows: Sequence[Any], width: int, first: int = 0) -> None:
    """Refuse a row that has not as many cells as there are columns; ``first`` is the number of the first one."""
    for number, row in enumerate(rows, first):
        if not isinstance(row, (list, tuple)) or len(row) != width:
            raise ProtocolError(f"Row {number} of the result is not a list of {width} cells.")


def column(name: str, kind: Type, cells: Cells, *, stored: bool = False) -> pa.Array:
    """Make one column, or a part of one: text is binary where it is not UTF-8, plain text where nothing else fits."""
    for form in (STORED,) if stored else (AS_TEXT, AS_BYTES):
        try:
            return build(cells, kind, form)
        except UnicodeEncodeError:
            continue
        except MemoryError:
            raise
        except Unfit as error:
            if stored:  # never from the engine: its values fit its types
                raise
            canonical.warn(f"Column {name!r} is kept as text: a value does not fit {kind}: {error}.")
            break
    return _fallen_back(cells, kind)


def _fallen_back(cells: Cells, kind: Type) -> pa.Array:
    """Write cells out as text: as the stored form does, so that all roads agree, where they fit at least that."""
    try:
        return fallen_back(build(cells, kind, STORED), kind)
    except Unfit:
        return pa.array([None if cell is None else as_text(cell) for cell in cells], pa.string())


def finish(whole: pa.ChunkedArray, kind: Type, *, stored: bool = False) -> pa.ChunkedArray:
    """Make dictionaries of the columns that are Enum or LowCardinality(String)."""
    want = column_type(kind, STORED if stored else Form(whole.type))
    if not pa.types.is_dictionary(want) or want.value_type != whole.type:
        return whole
    if not bare(kind).name.startswith("Enum"):
        return whole.dictionary_encode()
    try:
        return pa.chunked_array([enumerate_labels(chunk, kind, AS_TEXT) for chunk in whole.chunks], want)
    except pa.ArrowInvalid:  # it fell back to text
        return whole


def build(cells: Cells, kind: Type, form: Form) -> pa.Array:
    """Make an array, at any depth, of decoded JSON cells."""
    kind = bare(kind)
    want = arrow_type(kind, form)
    if not canonical.is_known(kind):
        return each(as_text, cells, want)
    maker = _NESTED.get(kind.name)
    if maker is not None:
        return maker(cells, kind, form)
    leaves = STORED_LEAVES if want != arrow_type(kind, Form(form.text)) else LEAVES
    quick, careful = leaves[kind.name]
    try:
        return quick(cells, kind, want)
    except UnicodeEncodeError:
        raise
    except Unfit:
        return carefully(cells, kind, want, careful)


def _spread(cells: Cells) -> tuple[pa.Array, list[Any]]:
    """Lay lists end to end; a null list is a null among the offsets."""
    if set(map(type, cells)) == {list}:
        offsets = np.cumsum([0, *map(len, cells)], dtype=np.int32)
        return pa.array(offsets), list(itertools.chain.from_iterable(cells))
    return _spread_carefully(cells)


def _spread_carefully(cells: Cells) -> tuple[pa.Array, list[Any]]:
    at, offsets = 0, []
    for cell in cells:
        offsets.append(None if cell is None else at)
        if cell is not None:
            if not isinstance(cell, (list, tuple)):
                raise TypeError(f"{cell!r} is not a list")
            at += len(cell)
    flat = itertools.chain.from_iterable(cell for cell in cells if cell is not None)
    return pa.array([*offsets, at], pa.int32()), list(flat)


def _array(cells: Cells, kind: Type, form: Form) -> pa.Array:
    offsets, flat = _spread(cells)
    values = build(flat, kind.types[0], form)
    return pa.ListArray.from_arrays(offsets, values, type=pa.list_(values.type))


_ENTRY = ("keys", "values")


def _map(cells: Cells, kind: Type, form: Form) -> pa.Array:
    offsets, pairs = _spread([list(cell.items()) if isinstance(cell, Mapping) else cell for cell in cells])
    keys, items = _columns(pairs, _ENTRY)
    return pa.MapArray.from_arrays(offsets, build(keys, kind.types[0], form), build(items, kind.types[1], form))


def _tuple(cells: Cells, kind: Type, form: Form) -> pa.Array:
    names = element_names(kind)
    if not names:
        if any(cells):
            raise TypeError("a tuple of nothing has an element")
        return pa.array([None if cell is None else {} for cell in cells], pa.struct([]))
    children = [build(each, child, form) for each, child in zip(_columns(cells, names), kind.types, strict=True)]
    fields = [pa.field(name, child.type) for name, child in zip(names, children, strict=True)]
    return pa.StructArray.from_arrays(
        children, fields=fields, mask=pa.array([cell is None for cell in cells], pa.bool_())
    )


def _columns(cells: Cells, names: tuple[str, ...]) -> Iterable[Cells]:
    """Turn tuples, however they are sent, into a column for each of their elements."""
    types = set(map(type, cells))
    if types <= {list, tuple} and set(map(len, cells)) <= {len(names)}:
        rows: Iterable[Sequence[Any]] = cells
    elif all(issubclass(each, msgspec.Struct) for each in types):
        rows = map(msgspec.structs.astuple, cells)
    else:
        nothing = (None,) * len(names)
        rows = [nothing if cell is None else _elements(cell, names) for cell in cells]
    return zip(*rows, strict=True) if cells else [()] * len(names)


def _elements(cell: Any, names: tuple[str, ...]) -> Sequence[Any]:
    if isinstance(cell, msgspec.Struct):
        return msgspec.structs.astuple(cell)
    if isinstance(cell, Mapping) and len(cell) == len(names):
        if names[0] not in cell:
            cell = {as_text(key): value for key, value in cell.items()}
        return [cell[name] for name in names]
    if not isinstance(cell, (list, tuple)) or len(cell) != len(names):
        raise TypeError(f"{cell!r} is not a tuple of {len(names)}")
    return cell


_NESTED: dict[str, Callable[[Cells, Type, Form], pa.Array]] = {"Array": _array, "Map": _map, "Tuple": _tuple}
