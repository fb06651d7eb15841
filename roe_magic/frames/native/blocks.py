"""Native blocks to tables in stored form."""

from __future__ import annotations

import functools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import pyarrow as pa

from roe_magic.errors import ProtocolError
from roe_magic.frames.arrow_types import resolve_type
from roe_magic.frames.native.byte_reader import ByteReader
from roe_magic.frames.native.columns import is_readable, read_prefix, read_values
from roe_magic.frames.normalize import from_arrow


class UnreadableType(Exception):
    """A column has a type that only the engine can convert."""


@dataclass(frozen=True)
class Block:
    """The column names, the types and the rows of one block; the table is in stored form.

    The format leaves the time zone out of the type of a column that is a DateTime.
    """

    names: list[str]
    types: list[str]
    table: pa.Table


def native_is_readable(column_types: Sequence[str]) -> bool:
    """Whether :func:`from_native` reads columns of these types."""
    return all(map(_is_readable, column_types))


def from_native(data: bytes) -> Iterator[Block]:
    """Yield the blocks of the engine's output in the format Native.

    Raises
    ------
    UnreadableType
        A column's type is one that only the engine can convert.
    ProtocolError
        The output is not what this module expects.
    """
    reader = ByteReader(data)
    try:
        while not reader.at_end():
            yield _read_block(reader)
    except (IndexError, ValueError) as error:
        raise ProtocolError(f"The engine's output in the format Native cannot be read: {error}.") from None


def _read_block(reader: ByteReader) -> Block:
    columns, rows = reader.integer(), reader.integer()
    names, types, arrays = [], [], []
    for _ in range(columns):
        names.append(_printable(reader.text()))
        types.append(_printable(reader.text()))
        if not _is_readable(types[-1]):
            raise UnreadableType(types[-1])
        ch_type = resolve_type(types[-1])
        if rows:
            read_prefix(reader, ch_type)
        arrays.append(read_values(reader, ch_type, rows))
    # Names may repeat, which a table made of a dict cannot have.
    return Block(names, types, from_arrow(pa.Table.from_arrays(arrays, names), types, stored=True))


def _printable(text: bytes) -> str:
    return text.decode("utf-8", "backslashreplace")


@functools.lru_cache(maxsize=4096)
def _is_readable(type_name: str) -> bool:
    return is_readable(resolve_type(type_name))
