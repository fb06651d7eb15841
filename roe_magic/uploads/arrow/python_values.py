"""Python objects to Arrow: the cells of an object column, and what is inside their lists, tuples and dicts.

A column has one kind of values: text, bytes, integers, and so on. :class:`ValueFacts` looks at every value before the
first one is converted, batch by batch, and then gives a :class:`Codec`. Values of two kinds are refused, even if Python
or Arrow would find something that holds both: nobody would see that True became 1, or a time a date.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, NoReturn

import numpy as np
import pyarrow as pa

from roe_magic.frames.type_parser import ClickHouseType
from roe_magic.uploads.arrow.column_problem import NotCarried

_DEFAULT_ADVICE = "Convert the column to text or numbers first, for example with .astype(str)."
_ADVICE = {
    "datetime64": "Convert the column with pd.to_datetime first.",
    "timedelta64": "Convert the column with pd.to_timedelta first.",
    **dict.fromkeys(("set", "frozenset", "deque", "range"), "Convert each to a list first: column.map(list)."),
}
_FLOATS = (float, np.float16, np.float32, np.float64)
# A wish that no type fulfils, for the places of a nested type where there is none.
NO_WISH = ClickHouseType("Nothing")


@dataclass(frozen=True)
class Codec:
    """The Arrow type of Python values, how they become an Arrow array, and the ClickHouse type that they should get."""

    data_type: pa.DataType
    encode: Callable[[Sequence[Any]], pa.Array]
    wish: ClickHouseType = NO_WISH


class Kind(ABC):
    """One kind of values, and what decides their Arrow type; ``name`` is that of their Python type in messages."""

    name: str

    @abstractmethod
    def add(self, values: Sequence[Any], rows: Sequence[int]) -> None:
        """Look at more values, none of them missing; raise NotCarried for one that cannot be uploaded."""

    @abstractmethod
    def codec(self) -> Codec:
        """Return how the values become Arrow."""


class SimpleKind(Kind):
    """A kind of values whose Arrow type is always the same."""

    def __init__(self, name: str, codec: Codec) -> None:
        self.name, self._codec = name, codec

    def add(self, values: Sequence[Any], rows: Sequence[int]) -> None:
        """Look at nothing: whatever the values are, their type is the same."""

    def codec(self) -> Codec:
        """Return how the values become Arrow."""
        return self._codec


MakeKind = Callable[[], Kind]


class ValueFacts:
    """What Python values have in common.

    Parameters
    ----------
    kind_of : callable
        Returns what makes the kind of values of a Python type; None where it has none.
    nan_is_missing : bool
        Whether NaN means that there is no value, as in the columns of pandas. Inside a list it is a value.
    place : str
        Where they are, for messages: such as " in a list".

    Attributes
    ----------
    problem : NotCarried or None
        Why the values are not of one kind, or cannot be uploaded.
    """

    def __init__(self, kind_of: Callable[[type], MakeKind | None], *, nan_is_missing: bool, place: str = "") -> None:
        self._kind_of, self._nan_is_missing, self._place = kind_of, nan_is_missing, place
        self._make: MakeKind | None = None
        self._kind: Kind | None = None
        self._first_missing: int | None = None
        self.problem: NotCarried | None = None

    def add(self, values: Sequence[Any], rows: Sequence[int]) -> None:
        """Look at more values; ``rows`` has the row of each."""
        if self.problem is None:
            try:
                self._add(values, rows)
            except NotCarried as error:
                self.problem = error

    def _add(self, values: Sequence[Any], rows: Sequence[int]) -> None:
        types = set(map(type, values))
        if any(map(may_be_missing, types)):
            values, rows = self._without_missing(values, rows)
            types = set(map(type, values))
        if not types:
            return
        kinds = {each: self._kind_of(each) for each in types}
        if self._kind is None:
            self._make = self._known(kinds[type(values[0])], values[0], rows[0])
            self._kind = self._make()
        if any(make is not self._make for make in kinds.values()):
            index = next(index for index, value in enumerate(values) if kinds[type(value)] is not self._make)
            self._refuse(values[index], rows[index], self._kind)
        self._kind.add(values, rows)

    def _refuse(self, value: Any, row: int, kind: Kind) -> NoReturn:
        self._known(self._kind_of(type(value)), value, row)
        raise NotCarried(
            f"holds {_named(value)}{self._place}, while the values before it are of type {kind.name}",
            "Convert the column to one type first, for example with .astype(str).",
            row=row,
        )

    def _known(self, make: MakeKind | None, value: Any, row: int) -> MakeKind:
        """Return a kind; raise NotCarried where values of such a type have none."""
        if make is None:
            reason = f"holds {_named(value)}{self._place}, which has no counterpart in ClickHouse"
            raise NotCarried(reason, _ADVICE.get(type(value).__name__, _DEFAULT_ADVICE), row=row)
        return make

    def _without_missing(self, values: Sequence[Any], rows: Sequence[int]) -> tuple[Sequence[Any], Sequence[int]]:
        missing = [is_missing(value, nan=self._nan_is_missing) for value in values]
        if any(missing) and self._first_missing is None:
            self._first_missing = rows[missing.index(True)]
        present = [(value, row) for value, row, skip in zip(values, rows, missing, strict=True) if not skip]
        return [value for value, _ in present], [row for _, row in present]

    def codec(self) -> Codec:
        """Return how the values become Arrow; raise NotCarried where they cannot."""
        if self.problem is not None:
            raise self.problem
        if self._kind is None:
            return Codec(pa.null(), lambda values: pa.nulls(len(values)))
        codec = self._kind.codec()
        if self._first_missing is None:
            return codec
        if pa.types.is_list(codec.data_type) or pa.types.is_map(codec.data_type):
            reason = f"has no value{self._place}, and ClickHouse has no NULL in place of a {self._kind.name}"
            raise NotCarried(reason, f"Replace it by an empty {self._kind.name} first.", row=self._first_missing)
        return Codec(codec.data_type, lambda values: codec.encode(self._with_none(values)), codec.wish)

    def _with_none(self, values: Iterable[Any]) -> list[Any]:
        return [None if is_missing(value, nan=self._nan_is_missing) else value for value in values]


def _named(value: Any) -> str:
    kind = type(value)
    name = kind.__qualname__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__qualname__}"
    return f"{'an' if name[0] in 'aeiou' else 'a'} {name}"


def may_be_missing(python_type: type) -> bool:
    """Whether values of a Python type can mean that there is no value."""
    return python_type is type(None) or python_type in (*_FLOATS, Decimal) or _is_na(python_type)


def _is_na(python_type: type) -> bool:
    """Whether it is the type of pandas' NA or NaT."""
    return python_type.__name__ in ("NAType", "NaTType") and python_type.__module__.startswith("pandas.")


def is_missing(value: Any, *, nan: bool) -> bool:
    """Whether a value means that there is none; NaN does if ``nan`` is true."""
    python_type = type(value)
    if value is None or _is_na(python_type):
        return True
    if python_type is Decimal:
        return nan and bool(value.is_nan())
    return nan and python_type in _FLOATS and math.isnan(value)
