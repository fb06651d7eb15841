"""Step 3: decoded JSON rows to Arrow arrays, column by column; nested types here, scalar ones in ``scalars``."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import msgspec
import numpy as np
import pyarrow as pa

from roe_magic.errors import ProtocolError
from roe_magic.frames.arrow_types import (
    STORED,
    Form,
    arrow_type,
    build_table,
    check_column_count,
    column_type,
    distinct_forms,
    is_known,
    resolve_type,
    warn_misfit,
)
from roe_magic.frames.cells import JsonCells, map_cells
from roe_magic.frames.json.scalars import CONVERTERS, STORED_CONVERTERS, convert_cell_by_cell
from roe_magic.frames.json_text import as_text
from roe_magic.frames.normalize import array_as_text
from roe_magic.frames.normalize_array import enumerate_labels
from roe_magic.frames.type_parser import ClickHouseType
from roe_magic.frames.type_properties import element_names, is_enum, unwrap

# Settings for the engine's JSON output with which nothing is lost.
JSON_SETTINGS: dict[str, str] = {
    "output_format_json_quote_64bit_integers": "0",
    "output_format_json_quote_denormals": "1",
    "output_format_json_quote_decimals": "1",
    "output_format_json_escape_forward_slashes": "0",
    "output_format_json_named_tuples_as_objects": "1",
    # An object cannot hold a key twice, and its keys are all text.
    "output_format_json_map_as_array_of_tuples": "1",
    # UTC with a Z: the default format is ambiguous in the hour that the end of summer time repeats.
    "date_time_output_format": "iso",
    "print_pretty_type_names": "0",
}

# What a conversion raises on a cell that does not fit its column's type.
_CONVERSION_ERRORS = (pa.ArrowException, TypeError, ValueError, ArithmeticError, KeyError, AttributeError)


def from_rows(
    column_names: Sequence[str], column_types: Sequence[str], rows: Sequence[Sequence[Any]], *, stored: bool = False
) -> pa.Table:
    """Return decoded JSON rows as a canonical Arrow table.

    Parameters
    ----------
    column_names, column_types : sequences of str
        As the API returns them.
    rows : sequence of sequences
        The cells, row by row.
    stored : bool
        Return the form whose schema depends on the types alone: see :func:`~roe_magic.frames.schema`.

    Raises
    ------
    ProtocolError
        A row does not have as many cells as there are columns.
    """
    check_column_count(column_names, column_types)
    columns = []
    for name, type_name, cells in zip(column_names, column_types, _transposed(rows, len(column_names)), strict=True):
        ch_type = resolve_type(type_name)
        chunk = column_from_cells(name, ch_type, cells, stored=stored)
        columns.append(encode_dictionary(pa.chunked_array([chunk]), ch_type, stored=stored))
    return build_table(column_names, column_types, columns, stored=stored)


def _transposed(rows: Sequence[Sequence[Any]], width: int) -> list[JsonCells]:
    check_rows(rows, width)
    return list(zip(*rows, strict=True)) if rows else [()] * width


def check_rows(rows: Sequence[Any], width: int, first_number: int = 0) -> None:
    """Raise ProtocolError where a row does not have a cell for each column."""
    for number, row in enumerate(rows, first_number):
        if not isinstance(row, (list, tuple)) or len(row) != width:
            raise ProtocolError(f"Row {number} of the result is not a list of {width} cells.")


def column_from_cells(name: str, ch_type: ClickHouseType, cells: JsonCells, *, stored: bool = False) -> pa.Array:
    """Return one column, or a part of one, in the first form that holds all its cells; as text where none does."""
    if stored:  # stored rows come from the engine, whose values fit their types
        return array_from_cells(cells, ch_type, STORED)
    for form in distinct_forms(ch_type):
        try:
            return array_from_cells(cells, ch_type, form)
        except MemoryError:
            raise
        except _CONVERSION_ERRORS:
            continue
    warn_misfit(name, ch_type)
    return _cells_as_text(cells, ch_type)


def _cells_as_text(cells: JsonCells, ch_type: ClickHouseType) -> pa.Array:
    """Return cells as text; by way of the stored form where they fit it, so that JSON and Arrow give the same text."""
    try:
        return array_as_text(array_from_cells(cells, ch_type, STORED), ch_type)
    except _CONVERSION_ERRORS:
        return map_cells(as_text, cells, pa.string())


def encode_dictionary(column: pa.ChunkedArray, ch_type: ClickHouseType, *, stored: bool = False) -> pa.ChunkedArray:
    """Return an Enum or LowCardinality(String) column as a dictionary column, any other unchanged."""
    target = column_type(ch_type, STORED if stored else Form(column.type))
    if not pa.types.is_dictionary(target) or target.value_type != column.type:
        return column
    if not is_enum(unwrap(ch_type)):
        return column.dictionary_encode()
    try:
        return pa.chunked_array([enumerate_labels(chunk, ch_type) for chunk in column.chunks], target)
    except pa.ArrowInvalid:  # the column fell back to text
        return column


def array_from_cells(cells: JsonCells, ch_type: ClickHouseType, form: Form) -> pa.Array:
    """Return an array, at any depth, of decoded JSON cells."""
    ch_type = unwrap(ch_type)
    target = arrow_type(ch_type, form)
    if not is_known(ch_type):
        return map_cells(as_text, cells, target)
    convert_nested = _NESTED_CONVERTERS.get(ch_type.name)
    if convert_nested is not None:
        return convert_nested(cells, ch_type, form)
    differs_when_stored = target != arrow_type(ch_type, Form(form.text))
    convert_column, convert_cell = (STORED_CONVERTERS if differs_when_stored else CONVERTERS)[ch_type.name]
    try:
        return convert_column(cells, ch_type, target)
    except UnicodeEncodeError:
        raise
    except _CONVERSION_ERRORS:
        return convert_cell_by_cell(cells, ch_type, target, convert_cell)


def _flatten(cells: JsonCells) -> tuple[pa.Array, list[Any]]:
    """Return the offsets of lists, and their elements in one list; a NULL list has a NULL offset."""
    if set(map(type, cells)) == {list}:
        offsets = np.cumsum([0, *map(len, cells)], dtype=np.int32)
        return pa.array(offsets), list(itertools.chain.from_iterable(cells))
    return _flatten_with_nulls(cells)


def _flatten_with_nulls(cells: JsonCells) -> tuple[pa.Array, list[Any]]:
    end, offsets = 0, []
    for cell in cells:
        offsets.append(None if cell is None else end)
        if cell is not None:
            if not isinstance(cell, (list, tuple)):
                raise TypeError(f"{cell!r} is not a list")
            end += len(cell)
    elements = itertools.chain.from_iterable(cell for cell in cells if cell is not None)
    return pa.array([*offsets, end], pa.int32()), list(elements)


def _array(cells: JsonCells, ch_type: ClickHouseType, form: Form) -> pa.Array:
    offsets, elements = _flatten(cells)
    values = array_from_cells(elements, ch_type.types[0], form)
    return pa.ListArray.from_arrays(offsets, values, type=pa.list_(values.type))


_MAP_ENTRY_NAMES = ("keys", "values")


def _map(cells: JsonCells, ch_type: ClickHouseType, form: Form) -> pa.Array:
    offsets, entries = _flatten([list(cell.items()) if isinstance(cell, Mapping) else cell for cell in cells])
    keys, items = _element_columns(entries, _MAP_ENTRY_NAMES)
    key_type, item_type = ch_type.types[:2]
    return pa.MapArray.from_arrays(
        offsets, array_from_cells(keys, key_type, form), array_from_cells(items, item_type, form)
    )


def _tuple(cells: JsonCells, ch_type: ClickHouseType, form: Form) -> pa.Array:
    names = element_names(ch_type)
    if not names:
        if any(cells):
            raise TypeError("an empty tuple has an element")
        return pa.array([None if cell is None else {} for cell in cells], pa.struct([]))
    columns = zip(_element_columns(cells, names), ch_type.types, strict=True)
    children = [array_from_cells(column, child_type, form) for column, child_type in columns]
    fields = [pa.field(name, child.type) for name, child in zip(names, children, strict=True)]
    nulls = pa.array([cell is None for cell in cells], pa.bool_())
    return pa.StructArray.from_arrays(children, fields=fields, mask=nulls)


def _element_columns(cells: JsonCells, names: tuple[str, ...]) -> Iterable[JsonCells]:
    """Return a column for each element of tuples, which may be lists, objects or structs; NULL in each for NULL."""
    types = set(map(type, cells))
    if types <= {list, tuple} and set(map(len, cells)) <= {len(names)}:
        rows: Iterable[Sequence[Any]] = cells
    elif all(issubclass(each, msgspec.Struct) for each in types):
        rows = map(msgspec.structs.astuple, cells)
    else:
        nulls = (None,) * len(names)
        rows = [nulls if cell is None else _elements(cell, names) for cell in cells]
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


_NESTED_CONVERTERS: dict[str, Callable[[JsonCells, ClickHouseType, Form], pa.Array]] = {
    "Array": _array,
    "Map": _map,
    "Tuple": _tuple,
}
