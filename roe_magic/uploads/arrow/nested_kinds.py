"""The kinds of Python values that are made of others: lists, numpy arrays, tuples and dicts."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from roe_magic.frames.type_parser import ClickHouseType, NamedArgument
from roe_magic.uploads.arrow.column_problem import NotCarried
from roe_magic.uploads.arrow.python_values import Codec, Kind, MakeKind, ValueFacts
from roe_magic.uploads.arrow.scalar_kinds import scalar_kind

# Dicts with more keys are maps.
_MOST_FIELDS = 1_000


def _inside(container: str) -> ValueFacts:
    return ValueFacts(kind_of, nan_is_missing=False, place=f" in a {container}")


def _repeated(rows: Sequence[int], values: Sequence[Any]) -> list[int]:
    """Return the row of each element of the values."""
    return [row for row, value in zip(rows, values, strict=True) for _ in range(len(value))]


def _offsets(values: Sequence[Any]) -> pa.Array:
    return pa.array(np.cumsum([0, *map(len, values)]), pa.int32())


def _list_codec(elements: Codec) -> Codec:
    def encode(values: Sequence[Any]) -> pa.Array:
        inside = elements.encode(list(itertools.chain.from_iterable(values)))
        return pa.ListArray.from_arrays(_offsets(values), inside)

    return Codec(pa.list_(elements.data_type), encode, ClickHouseType("Array", (elements.wish,)))


class ListKind(Kind):
    """Lists, whose elements are of one kind."""

    name = "list"

    def __init__(self) -> None:
        self._elements = _inside("list")

    def add(self, values: Sequence[Any], rows: Sequence[int]) -> None:
        """Look at the elements."""
        self._elements.add(list(itertools.chain.from_iterable(values)), _repeated(rows, values))

    def codec(self) -> Codec:
        """Return the codec of lists of the elements' type."""
        return _list_codec(self._elements.codec())


class ArrayKind(Kind):
    """numpy arrays: of numbers, of one dtype and one dimension; or of anything else, whose elements are looked at."""

    name = "ndarray"

    def __init__(self) -> None:
        self._lists = ListKind()
        self._dtype: np.dtype[Any] | None = None

    def add(self, values: Sequence[Any], rows: Sequence[int]) -> None:
        """Refuse a second dtype; look at the elements of arrays that are not simply numbers."""
        for value, row in zip(values, rows, strict=True):
            dtype = _element_dtype(value)
            self._dtype = self._dtype or dtype
            if dtype != self._dtype or value.ndim == 0:
                reason = f"holds arrays of dtype {self._dtype}, but one of dtype {value.dtype} and shape {value.shape}"
                raise NotCarried(reason, "Convert them to one dtype and one dimension first.", row=row)
        if self._dtype == np.dtype(object):
            self._lists.add([value.tolist() for value in values], rows)

    def codec(self) -> Codec:
        """Return the codec of lists of the dtype's type, or of the elements' type."""
        dtype = self._dtype
        if dtype is None or dtype == np.dtype(object):
            codec = self._lists.codec()
            return Codec(codec.data_type, lambda values: codec.encode([value.tolist() for value in values]), codec.wish)
        try:
            element_type = pa.from_numpy_dtype(dtype)
        except pa.ArrowException:
            raise NotCarried(
                f"holds arrays of dtype {dtype}", "Convert them to another dtype first.", of_values=False
            ) from None

        def encode(values: Sequence[Any]) -> pa.Array:
            inside = np.concatenate([np.empty(0, dtype), *values]).astype(dtype, copy=False)
            return pa.ListArray.from_arrays(_offsets(values), pa.array(inside, element_type))

        return Codec(pa.list_(element_type), encode)


def _element_dtype(array: np.ndarray[Any, Any]) -> np.dtype[Any]:
    """Return the dtype of an array of numbers or times; object for everything else."""
    is_simple = array.ndim == 1 and array.dtype.kind in "biufMm"
    return array.dtype.newbyteorder("=") if is_simple else np.dtype(object)


class TupleKind(Kind):
    """Tuples of one length, whose values at each place are of one kind."""

    name = "tuple"

    def __init__(self) -> None:
        self._places: list[ValueFacts] | None = None

    def add(self, values: Sequence[Any], rows: Sequence[int]) -> None:
        """Look at the values of each place; refuse tuples of another length."""
        if self._places is None:
            self._places = [_inside("tuple") for _ in values[0]] if values else None
        for value, row in zip(values, rows, strict=True):
            if len(value) != len(self._places or ()):
                reason = f"holds tuples of {len(self._places or ())} and of {len(value)} values"
                raise NotCarried(reason, "Convert them to lists first.", row=row)
        for index, place in enumerate(self._places or ()):
            place.add([value[index] for value in values], rows)

    def codec(self) -> Codec:
        """Return the codec of structs with a field for each place."""
        codecs = [place.codec() for place in self._places or ()]
        names = [str(number) for number in range(1, len(codecs) + 1)]
        wish = ClickHouseType("Tuple", tuple(codec.wish for codec in codecs))
        return _struct_codec(names, list(range(len(codecs))), codecs, wish)


def _struct_codec(names: Sequence[str], keys: Sequence[Any], codecs: Sequence[Codec], wish: ClickHouseType) -> Codec:
    fields = [pa.field(name, codec.data_type) for name, codec in zip(names, codecs, strict=True)]

    def encode(values: Sequence[Any]) -> pa.Array:
        inside = [
            codec.encode([None if value is None else value[key] for value in values])
            for key, codec in zip(keys, codecs, strict=True)
        ]
        is_null = [value is None for value in values]
        return pa.StructArray.from_arrays(inside, fields=fields, mask=pa.array(is_null, pa.bool_()))

    return Codec(pa.struct(fields), encode, wish)


class DictKind(Kind):
    """Dicts: maps, if all values are of one kind; or structs, if all dicts have the same names as keys."""

    name = "dict"

    def __init__(self) -> None:
        self._keys, self._items = _inside("dict"), _inside("dict")
        self._fields: dict[str, ValueFacts] | None = None
        self._is_struct = True
        self._other_keys: NotCarried | None = None

    def add(self, values: Sequence[Any], rows: Sequence[int]) -> None:
        """Look at the keys and the values, together and by key."""
        repeated = _repeated(rows, values)
        self._keys.add(list(itertools.chain.from_iterable(values)), repeated)
        self._items.add(list(itertools.chain.from_iterable(value.values() for value in values)), repeated)
        if self._fields is None and values:
            self._fields = {key: _inside("dict") for key in values[0]}
        fields = self._fields or {}
        self._is_struct &= len(fields) <= _MOST_FIELDS and self._have_keys(fields, values, rows)
        for key, facts in fields.items() if self._is_struct else ():
            facts.add([value[key] for value in values], rows)

    def _have_keys(self, fields: Mapping[Any, Any], values: Sequence[Any], rows: Sequence[int]) -> bool:
        """Whether all dicts have the same keys; take note of the first one that has others."""
        for value, row in zip(values, rows, strict=True):
            if value.keys() != fields.keys():
                self._other_keys = _other_keys(fields, value, row)
                return False
        return True

    def codec(self) -> Codec:
        """Return the codec of maps where all values are of one kind, or else of structs."""
        names = list(self._fields or {})
        problem = self._items.problem
        if problem is None or not all(type(name) is str for name in names):
            return _map_codec(self._keys.codec(), self._items.codec())  # says what is mixed
        if not self._is_struct:
            # Both ways are closed; the row at which the longer one ends is more likely the fault.
            raise max(filter(None, (self._other_keys, problem)), key=lambda each: each.row or 0)
        codecs = [facts.codec() for facts in (self._fields or {}).values()]
        arguments = tuple(NamedArgument(name, codec.wish) for name, codec in zip(names, codecs, strict=True))
        return _struct_codec(names, names, codecs, ClickHouseType("Tuple", arguments))


def _other_keys(fields: Mapping[Any, Any], value: Mapping[Any, Any], row: int) -> NotCarried:
    if missing := [key for key in fields if key not in value]:
        reason = f"holds a dict without the key {missing[0]!r}, which the dicts before it have"
    else:
        more = next(key for key in value if key not in fields)
        reason = f"holds a dict with the key {more!r}, which the dicts before it do not have"
    return NotCarried(reason, "Give all dicts the same keys, with None where there is no value.", row=row)


def _map_codec(keys: Codec, items: Codec) -> Codec:
    key_type = pa.string() if pa.types.is_null(keys.data_type) else keys.data_type

    def encode(values: Sequence[Any]) -> pa.Array:
        key_array = keys.encode(list(itertools.chain.from_iterable(values))).cast(key_type)
        item_array = items.encode([item for value in values for item in value.values()])
        return pa.MapArray.from_arrays(_offsets(values), key_array, item_array)

    return Codec(pa.map_(key_type, items.data_type), encode, ClickHouseType("Map", (keys.wish, items.wish)))


_NESTED_KINDS: dict[type, MakeKind] = {list: ListKind, np.ndarray: ArrayKind, tuple: TupleKind, dict: DictKind}


def kind_of(python_type: type) -> MakeKind | None:
    """Return what makes the kind of values of a Python type; None where it has none."""
    return _NESTED_KINDS.get(python_type) or scalar_kind(python_type)
