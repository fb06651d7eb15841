"""The engine's raw Arrow, repaired into the canonical form."""

from __future__ import annotations

import functools
import socket
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from roe_magic.frames import schema as canonical
from roe_magic.frames import temporal
from roe_magic.frames.clickhouse_types import Type
from roe_magic.frames.json_text import as_text
from roe_magic.frames.schema import (
    AS_BYTES,
    AS_TEXT,
    INTERVALS,
    STORED,
    Form,
    arrow_type,
    bare,
    column_type,
    element_names,
    labels_of,
    resolve,
)
from roe_magic.frames.to_python import json_cells

# What the engine must be told so that its Arrow loses nothing that this module cannot bring back.
ARROW_SETTINGS: dict[str, str] = {
    # Else a String that is not UTF-8 makes an array that readers reject or crash on.
    "output_format_arrow_string_as_string": "0",
    "output_format_arrow_fixed_string_as_fixed_byte_array": "1",
    "output_format_arrow_low_cardinality_as_dictionary": "0",
    "output_format_arrow_compression_method": "none",
    # An error is better than the memory addresses that it writes for types it does not know.
    "output_format_arrow_unsupported_types_as_binary": "0",
}
_UNFIT = (pa.ArrowException, ArithmeticError, ValueError)
# BFloat16 and QBit: refused. Time: refused outside a day. AggregateFunction: a memory address. The documents: their
# Arrow text loses the zones of times and the digits of decimals, which the JSON formats keep.
_UNFAITHFUL = {"BFloat16", "QBit", "Time", "Time64", "AggregateFunction"} | canonical.DOCUMENTS


def arrow_is_faithful(column_types: Sequence[str]) -> bool:
    """Tell whether the engine's Arrow carries these columns exactly; where not, take its JSON and ``from_rows``."""
    return all(_is_faithful(resolve(name)) for name in column_types)


def _is_faithful(kind: Type) -> bool:
    inner = bare(kind)
    if canonical.may_overflow(inner):
        return False  # the engine refuses years that nanoseconds cannot hold
    if kind.name in _UNFAITHFUL or inner.name in _UNFAITHFUL or not canonical.is_known(kind):
        return False
    return _is_faithful(inner) if inner != kind else all(_is_faithful(child) for child in kind.types)


def from_arrow(table: pa.Table | pa.RecordBatch, column_types: Sequence[str], *, stored: bool = False) -> pa.Table:
    """Turn the engine's raw Arrow into the canonical form.

    Parameters
    ----------
    table : pa.Table or pa.RecordBatch
        Raw, stored or canonical; canonical columns are passed on as they are.
    column_types : sequence of str
        The ClickHouse type of each column.
    stored : bool
        Make the form whose schema depends on the types alone, for files written batch by batch: see
        :func:`~roe_magic.frames.schema`.

    Returns
    -------
    pa.Table
        Columns that need no repair share their memory with ``table``.
    """
    if isinstance(table, pa.RecordBatch):
        table = pa.Table.from_batches([table])
    canonical.check_lengths(table.column_names, column_types)
    columns = [
        _column(column, field, resolve(kind), stored=stored)
        for column, field, kind in zip(table.columns, table.schema, column_types, strict=True)
    ]
    return canonical.table(table.column_names, column_types, columns, stored=stored)


def _column(column: pa.ChunkedArray, field: pa.Field, kind: Type, *, stored: bool) -> pa.ChunkedArray:
    if stored:
        return _repaired(column, kind, STORED)
    if canonical.has_fallen_back(field):
        return column
    try:
        return _repaired(column, kind, AS_TEXT)
    except MemoryError:
        raise  # Arrow's own is an ArrowException, too, and no other type needs less
    except _UNFIT:  # most often a String that is not UTF-8: the column's text is bytes
        pass
    try:
        return _repaired(column, kind, AS_BYTES)
    except MemoryError:
        raise
    except _UNFIT as error:
        canonical.warn(f"Column {field.name!r} is kept as text: a value does not fit {kind}: {error}.")
        return pa.chunked_array([fallen_back(chunk, kind) for chunk in column.chunks], pa.string())


def fallen_back(array: pa.Array, kind: Type) -> pa.Array:
    """Write every value of an array, in any form, out as text."""
    try:
        cells = json_cells(repair(array, kind, STORED), kind)
    except _UNFIT:
        return _plain_text(array)
    return pa.array([None if cell is None else as_text(cell) for cell in cells], pa.string())


def _plain_text(array: pa.Array) -> pa.Array:
    """Write every value out as Python does: the last resort."""
    return pa.array([None if value is None else str(value) for value in array.to_pylist()], pa.string())


def _repaired(column: pa.ChunkedArray, kind: Type, form: Form) -> pa.ChunkedArray:
    want = column_type(kind, form)
    if column.type == want:
        return column
    if pa.types.is_dictionary(want) and not bare(kind).name.startswith("Enum"):
        return pa.chunked_array([repair(chunk, kind, form) for chunk in column.chunks], form.text).dictionary_encode()
    if pa.types.is_dictionary(want):
        return pa.chunked_array([enumerate_labels(chunk, kind, form) for chunk in column.chunks], want)
    return pa.chunked_array([repair(chunk, kind, form) for chunk in column.chunks], want)


def repair(array: pa.Array, kind: Type, form: Form) -> pa.Array:
    """Turn one array, at any depth, into its type in this form."""
    kind, want = bare(kind), arrow_type(kind, form)
    if isinstance(array, pa.ExtensionArray):
        array = array.storage
    if pa.types.is_dictionary(array.type):
        array = array.dictionary_decode()
    if array.type == want:
        return array
    if array.offset:
        array = pa.concat_arrays([array])  # the repairs look at whole buffers
    fix = _REPAIRS.get(kind.name, _cast)
    return fix(array, kind, form)


def enumerate_labels(array: pa.Array, kind: Type, _: Form) -> pa.Array:
    """Turn Enum codes, or labels, into a dictionary of the labels in the order of the type."""
    kind = bare(kind)
    want = column_type(kind, AS_TEXT)
    labels = pa.array(labels_of(kind).values(), pa.string())
    if pa.types.is_dictionary(array.type):
        array = array.dictionary_decode()
    if pa.types.is_integer(array.type):
        index = pc.index_in(array.cast(pa.int64()), pa.array(labels_of(kind), pa.int64()))
    else:
        index = pc.index_in(array.cast(pa.string()), labels)
    if index.null_count != array.null_count:
        raise pa.ArrowInvalid("it is not one of the labels")
    return pa.DictionaryArray.from_arrays(index.cast(want.index_type), labels)


def check_labels(array: pa.Array, kind: Type) -> pa.Array:
    """Refuse what is none of an Enum's labels."""
    if pc.index_in(array, pa.array(labels_of(kind).values(), array.type)).null_count != array.null_count:
        raise pa.ArrowInvalid("it is not one of the labels")
    return array


def _label(array: pa.Array, kind: Type, form: Form) -> pa.Array:
    return enumerate_labels(array, kind, form).dictionary_decode()


def _cast(array: pa.Array, kind: Type, form: Form) -> pa.Array:
    if pa.types.is_union(array.type) or not canonical.is_known(kind):
        return _plain_text(array)
    return array.cast(arrow_type(kind, form))


def _text(array: pa.Array, _: Type, form: Form) -> pa.Array:
    if pa.types.is_fixed_size_binary(array.type):
        array = array.cast(pa.binary())
    return array.cast(form.text)


def _seconds(array: pa.Array, kind: Type, form: Form) -> pa.Array:
    """DateTime comes as its seconds since 1970, Time as a time of day."""
    if pa.types.is_time(array.type):
        array = array.cast(pa.int32() if array.type.bit_width == 32 else pa.int64())
    return (array.cast(pa.int64()) if pa.types.is_integer(array.type) else array).cast(arrow_type(kind, form))


def _moment(array: pa.Array, kind: Type, form: Form) -> pa.Array:
    want = arrow_type(kind, form)
    if pa.types.is_string(want):
        return temporal.as_written(array, canonical.integer(kind, 0, 3))
    return temporal.written(array, kind, want) if pa.types.is_string(array.type) else array.cast(want)


def _interval(array: pa.Array, kind: Type, form: Form) -> pa.Array:
    unit, factor = INTERVALS[kind.name]
    if form.stored:
        return pc.divide(array.cast(pa.int64()), factor)
    return pc.multiply_checked(array.cast(pa.int64()), pa.scalar(factor, pa.int64())).cast(pa.duration(unit))


def _wide_integer(array: pa.Array, kind: Type, form: Form) -> pa.Array:
    """Int128 and the like come as little-endian bytes."""
    if not pa.types.is_fixed_size_binary(array.type):
        return array.cast(arrow_type(kind, form))
    signed = kind.name.startswith("I")
    if array.type.byte_width == 32:
        numbers = (None if raw is None else int.from_bytes(raw, "little", signed=signed) for raw in array.to_pylist())
        return pa.array([None if number is None else str(number) for number in numbers], pa.string())
    halves = np.frombuffer(array.buffers()[1], np.int64, len(array) * 2).reshape(-1, 2)
    words = np.zeros((len(array), 4), np.int64)
    words[:, :2] = halves
    if signed:
        words[:, 2:] = (halves[:, 1] >> 63)[:, None]
    buffers = [array.buffers()[0], pa.py_buffer(words)]
    return pa.Array.from_buffers(pa.decimal256(39, 0), len(array), buffers, array.null_count)


def _bfloat16(array: pa.Array, *_: object) -> pa.Array:
    """BFloat16 comes as two bytes: the upper half of a Float32."""
    if not (pa.types.is_binary(array.type) or pa.types.is_fixed_size_binary(array.type)):
        return array.cast(pa.float32())
    raw = b"".join(array.cast(pa.binary()).fill_null(b"\0\0").to_pylist())
    values = (np.frombuffer(raw, np.uint16).astype(np.uint32) << 16).view(np.float32)
    return pa.array(values, mask=_nulls(array))


def _nulls(array: pa.Array) -> Any:
    return array.is_null().to_numpy(zero_copy_only=False)


_HEX = np.array([list(b"%02x" % byte) for byte in range(256)], np.uint8)
_DASHES = [8, 13, 18, 23]
_DIGITS = [at for at in range(36) if at not in _DASHES]


def _uuid(array: pa.Array, *_: object) -> pa.Array:
    """UUID comes as 16 bytes, most significant first; it is written as 36 characters."""
    if not pa.types.is_fixed_size_binary(array.type):
        return array.cast(pa.string())
    count = len(array)
    raw = np.frombuffer(array.buffers()[1], np.uint8, count * 16)
    letters = np.full((count, 36), ord("-"), np.uint8)
    letters[:, _DIGITS] = _HEX[raw].reshape(count, 32)
    offsets = np.arange(0, 36 * (count + 1), 36, dtype=np.int64)
    if offsets[-1] > np.iinfo(np.int32).max:
        halves = array[: count // 2], array[count // 2 :]
        return pa.concat_arrays([_uuid(pa.concat_arrays([half])) for half in halves])
    buffers = [array.buffers()[0], pa.py_buffer(offsets.astype(np.int32)), pa.py_buffer(letters)]
    return pa.Array.from_buffers(pa.string(), count, buffers, array.null_count)


def _ipv4(array: pa.Array, *_: object) -> pa.Array:
    if not pa.types.is_integer(array.type):
        return array.cast(pa.string())
    octets = [pc.bit_wise_and(pc.shift_right(array, pa.scalar(by, pa.uint32())), 255) for by in (24, 16, 8, 0)]
    return pc.binary_join_element_wise(*(octet.cast(pa.string()) for octet in octets), ".")


def _ipv6(array: pa.Array, *_: object) -> pa.Array:
    if not pa.types.is_fixed_size_binary(array.type):
        return array.cast(pa.string())
    write = functools.partial(socket.inet_ntop, socket.AF_INET6)
    return pa.array([None if raw is None else write(raw) for raw in array.to_pylist()], pa.string())


def _array(array: pa.Array, kind: Type, form: Form) -> pa.Array:
    values = repair(array.values, kind.types[0], form)
    return _rebuilt(array, pa.list_(values.type), [values])


def _map(array: pa.Array, kind: Type, form: Form) -> pa.Array:
    keys, items = repair(array.keys, kind.types[0], form), repair(array.items, kind.types[1], form)
    want = pa.map_(keys.type, items.type)
    entries = pa.StructArray.from_arrays([keys, items], fields=[want.key_field, want.item_field])
    return _rebuilt(array, want, [entries])


def _tuple(array: pa.Array, kind: Type, form: Form) -> pa.Array:
    children = [repair(array.field(index), child, form) for index, child in enumerate(kind.types)]
    want = pa.struct([pa.field(name, child.type) for name, child in zip(element_names(kind), children, strict=True)])
    return _rebuilt(array, want, children)


def _rebuilt(array: pa.Array, want: pa.DataType, children: list[pa.Array]) -> pa.Array:
    """Put new children under an array's own validity and offsets."""
    own = array.buffers()[: want.num_buffers]
    return pa.Array.from_buffers(want, len(array), own, array.null_count, children=children)


_REPAIRS: dict[str, Callable[[pa.Array, Type, Form], pa.Array]] = {
    **dict.fromkeys(canonical.TEXT, _text),
    **dict.fromkeys(canonical.WIDE_INTEGERS, _wide_integer),
    **dict.fromkeys(INTERVALS, _interval),
    "Enum8": _label,
    "Enum16": _label,
    "DateTime": _seconds,
    "DateTime64": _moment,
    "Time": _seconds,
    "Time64": _seconds,
    "BFloat16": _bfloat16,
    "UUID": _uuid,
    "IPv4": _ipv4,
    "IPv6": _ipv6,
    "Array": _array,
    "Map": _map,
    "Tuple": _tuple,
}
