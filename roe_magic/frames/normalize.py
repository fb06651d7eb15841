"""The engine's own Arrow, or stored Arrow, to the canonical form: tables and columns.

A column is tried in each canonical form in turn: with text as strings, as binary where a String is not UTF-8, and with
wider decimals. Where a value does not fit its type, the column becomes text with a warning.
:mod:`roe_magic.frames.normalize_array` converts one array.
"""

from __future__ import annotations

from collections.abc import Sequence

import pyarrow as pa

from roe_magic.frames.arrow_types import (
    STORED,
    Form,
    build_table,
    check_column_count,
    column_type,
    distinct_forms,
    is_fallback,
    is_known,
    resolve_type,
    warn_misfit,
)
from roe_magic.frames.cells import map_cells
from roe_magic.frames.json_text import as_text
from roe_magic.frames.normalize_array import enumerate_labels, normalize_array, values_as_text
from roe_magic.frames.to_python import json_cells
from roe_magic.frames.type_parser import ClickHouseType
from roe_magic.frames.type_properties import (
    DOCUMENT_TYPES,
    is_enum,
    may_exceed_nanoseconds,
    strip_wrappers,
    unwrap,
    without_alias,
)

# Settings for the engine's Arrow output with which nothing is lost that `from_arrow` cannot restore.
ARROW_SETTINGS: dict[str, str] = {
    # As "string" a String that is not UTF-8 makes an invalid array, which readers refuse or crash on.
    "output_format_arrow_string_as_string": "0",
    "output_format_arrow_fixed_string_as_fixed_byte_array": "1",
    "output_format_arrow_low_cardinality_as_dictionary": "0",
    "output_format_arrow_compression_method": "none",
    # For types that Arrow does not have, an error is better than the memory addresses that the engine would write.
    "output_format_arrow_unsupported_types_as_binary": "0",
}
# What a conversion raises where a value does not fit its type.
_CONVERSION_ERRORS = (pa.ArrowException, ArithmeticError, ValueError)
# The engine refuses BFloat16 and QBit, and a Time outside one day; it writes a memory address for an AggregateFunction,
# and lists of different lengths for NULL in a tuple in a list; its text of documents loses the time zones and the
# digits of decimals, which its JSON keeps.
_UNFAITHFUL_TYPES = {"BFloat16", "QBit", "Time", "Time64", "AggregateFunction", "Nothing"} | DOCUMENT_TYPES


def arrow_is_faithful(column_types: Sequence[str]) -> bool:
    """Whether the engine's Arrow carries these columns exactly; where not, use its Native format or its JSON."""
    return all(_is_faithful(resolve_type(type_name)) for type_name in column_types)


def _is_faithful(ch_type: ClickHouseType) -> bool:
    ch_type = without_alias(strip_wrappers(ch_type)[0])
    if may_exceed_nanoseconds(ch_type):
        return False  # the engine refuses years that nanoseconds cannot hold
    if ch_type.name in _UNFAITHFUL_TYPES or not is_known(ch_type):
        return False
    return all(map(_is_faithful, ch_type.types))


def from_arrow(table: pa.Table | pa.RecordBatch, column_types: Sequence[str], *, stored: bool = False) -> pa.Table:
    """Return the engine's Arrow in canonical form.

    Parameters
    ----------
    table : pa.Table or pa.RecordBatch
        The engine's own, stored or canonical; canonical columns are returned unchanged.
    column_types : sequence of str
        The ClickHouse type of each column.
    stored : bool
        Return the form whose schema depends on the types alone, for files that are written batch by batch: see
        :func:`~roe_magic.frames.schema`.

    Returns
    -------
    pa.Table
        Columns that need no conversion share their memory with ``table``.
    """
    if isinstance(table, pa.RecordBatch):
        table = pa.Table.from_batches([table])
    check_column_count(table.column_names, column_types)
    columns = [
        _normalize_column(column, field, resolve_type(type_name), stored=stored)
        for column, field, type_name in zip(table.columns, table.schema, column_types, strict=True)
    ]
    return build_table(table.column_names, column_types, columns, stored=stored)


def _normalize_column(
    column: pa.ChunkedArray, field: pa.Field, ch_type: ClickHouseType, *, stored: bool
) -> pa.ChunkedArray:
    if stored:
        return _column_in_form(column, ch_type, STORED)
    if is_fallback(field):
        return column
    for form in distinct_forms(ch_type):
        try:
            return _column_in_form(column, ch_type, form)
        except MemoryError:
            raise  # Arrow's is also an ArrowException; another form would not need less memory
        except _CONVERSION_ERRORS:
            continue  # most often a String is not UTF-8
    warn_misfit(field.name, ch_type)
    return pa.chunked_array([array_as_text(chunk, ch_type) for chunk in column.chunks], pa.string())


def array_as_text(array: pa.Array, ch_type: ClickHouseType) -> pa.Array:
    """Return the values of an array, in any form, as text: the text of a column that falls back."""
    try:
        cells = json_cells(normalize_array(array, ch_type, STORED), ch_type)
    except _CONVERSION_ERRORS:
        return values_as_text(array)
    return map_cells(as_text, cells, pa.string())


def _column_in_form(column: pa.ChunkedArray, ch_type: ClickHouseType, form: Form) -> pa.ChunkedArray:
    target = column_type(ch_type, form)
    if column.type == target:
        return column
    if not pa.types.is_dictionary(target):
        return pa.chunked_array([normalize_array(chunk, ch_type, form) for chunk in column.chunks], target)
    if is_enum(unwrap(ch_type)):
        return pa.chunked_array([enumerate_labels(chunk, ch_type) for chunk in column.chunks], target)
    chunks = [normalize_array(chunk, ch_type, form) for chunk in column.chunks]
    return pa.chunked_array(chunks, form.text).dictionary_encode()
