"""What the values of an Arrow column have in common, gathered batch by batch: NULLs, lowest and highest values.

The type of a column is decided by all its values (``column_plan``), while only one batch of them
is in memory at a time.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc


@dataclass
class Facts:
    """Facts about the values at one level of a column.

    Parameters
    ----------
    null_count : int
    lowest, highest : int or None
        Of dates and times, as the integers that Arrow stores.
    divisor : int
        The greatest common divisor of durations, and of dates in milliseconds.
    children : list of Facts
        About what is inside lists, maps and structs.
    """

    null_count: int = 0
    lowest: int | None = None
    highest: int | None = None
    divisor: int = 0
    children: list[Facts] = field(default_factory=list)

    def add(self, array: pa.Array) -> None:
        """Take the values of one more array into account."""
        array = plain(array)
        self.null_count += array.null_count
        if pa.types.is_temporal(array.type) and not pa.types.is_interval(array.type):
            self._add_integers(integers(array))
        arrays = child_arrays(array)
        self.children = self.children or [Facts() for _ in arrays]
        for child, child_array in zip(self.children, arrays, strict=True):
            child.add(child_array)

    def _add_integers(self, array: pa.Array) -> None:
        found = pc.min_max(array).as_py()
        if found["min"] is None:
            return
        self.lowest = found["min"] if self.lowest is None else min(self.lowest, found["min"])
        self.highest = found["max"] if self.highest is None else max(self.highest, found["max"])
        values = array.drop_null().to_numpy().astype(np.int64)
        self.divisor = math.gcd(self.divisor, int(np.gcd.reduce(values)))

    def within(self, lowest: int, highest: int) -> bool:
        """Whether all values are within these bounds; true where there is none."""
        return self.lowest is None or self.highest is None or (lowest <= self.lowest and self.highest <= highest)


def integers(array: pa.Array) -> pa.Array:
    """Return dates or times as the integers that Arrow stores."""
    return array.view(pa.int32() if array.type.bit_width == 32 else pa.int64())


def plain_type(data_type: pa.DataType) -> pa.DataType:
    """Return the type of what :func:`plain` returns for arrays of this type."""
    if isinstance(data_type, pa.BaseExtensionType):
        if data_type.extension_name == "arrow.bool8":
            return pa.bool_()
        return data_type.storage_type if data_type.extension_name == "arrow.json" else data_type
    if pa.types.is_run_end_encoded(data_type):
        return plain_type(data_type.value_type)
    if pa.types.is_dictionary(data_type):
        value_type = plain_type(data_type.value_type)
        return pa.dictionary(pa.int32(), value_type) if is_text(value_type) else value_type
    if is_list(data_type) and not (pa.types.is_list(data_type) or pa.types.is_large_list(data_type)):
        return pa.list_(data_type.value_field)
    return data_type


def plain(array: pa.Array) -> pa.Array:
    """Return an array without the encodings that ClickHouse does not read, at this level.

    Run-end encoding and dictionaries of anything but text are decoded, all lists have offsets, and Arrow's own
    extension types for JSON and for booleans become what they store.
    """
    target = plain_type(array.type)
    if isinstance(array, pa.ExtensionArray):
        return array if target == array.type else array.storage.cast(target)
    if pa.types.is_run_end_encoded(array.type):
        return plain(pc.run_end_decode(array))
    if pa.types.is_dictionary(array.type):
        return _plain_dictionary(array, target)
    if pa.types.is_list_view(array.type) or pa.types.is_large_list_view(array.type):
        return _plain_list_view(array)
    return array if target == array.type else array.cast(target)


def _plain_list_view(array: pa.ListViewArray) -> pa.Array:
    """Return lists; pyarrow's own cast makes arrays that are not valid."""
    sizes = array.sizes.filter(array.is_valid()) if len(array) else array.sizes
    lengths = np.zeros(len(array), np.int64)
    lengths[array.is_valid().to_numpy(zero_copy_only=False)] = sizes.to_numpy()
    offsets = pa.array(np.concatenate([[0], lengths.cumsum()]), pa.int32())
    return pa.ListArray.from_arrays(offsets, array.flatten(), mask=array.is_null() if array.null_count else None)


def _plain_dictionary(array: pa.DictionaryArray, target: pa.DataType) -> pa.Array:
    if not pa.types.is_dictionary(target):
        return plain(array.dictionary_decode())
    if array.dictionary.null_count:  # so that a NULL is one by its index
        array = array.dictionary_decode().dictionary_encode()
    return array.cast(target)


def child_arrays(array: pa.Array) -> list[pa.Array]:
    """Return what is inside the lists, maps or structs of a plain array."""
    data_type = array.type
    if pa.types.is_map(data_type):
        first, count = list_range(array)
        return [array.keys.slice(first, count), array.items.slice(first, count)]
    if is_list(data_type):
        first, count = list_range(array)
        return [array.values.slice(first, count)]
    return [array.field(index) for index in range(data_type.num_fields)] if pa.types.is_struct(data_type) else []


def list_range(array: pa.Array) -> tuple[int, int]:
    """Return where the elements of an array of lists begin among all that it stores, and how many they are."""
    offsets = array.offsets
    return (offsets[0].as_py(), offsets[-1].as_py() - offsets[0].as_py()) if len(array) else (0, 0)


def is_text(data_type: pa.DataType) -> bool:
    """Whether it is a type of text, of any layout."""
    return any(data_type == each for each in (pa.string(), pa.large_string(), pa.string_view()))


def is_list(data_type: pa.DataType) -> bool:
    """Whether it is a type of lists, of any layout."""
    types = pa.types
    with_offsets = types.is_list(data_type) or types.is_large_list(data_type) or types.is_fixed_size_list(data_type)
    return bool(with_offsets or types.is_list_view(data_type) or types.is_large_list_view(data_type))
