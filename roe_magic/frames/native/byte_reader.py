"""The plain sequences of which a Native block consists: integers, Strings, numbers of a fixed size."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

Numbers = npt.NDArray[Any]


class ByteReader:
    """Reads whole Native blocks from the beginning to the end.

    Its methods raise IndexError or ValueError where the bytes end too early.
    """

    def __init__(self, data: bytes) -> None:
        self._data, self._position = data, 0

    def at_end(self) -> bool:
        """Whether everything has been read."""
        return self._position == len(self._data)

    def integer(self) -> int:
        """Read an integer of seven bits per byte, the lowest first."""
        value = shift = 0
        while True:
            byte = self._data[self._position]
            self._position += 1
            value |= (byte & 0x7F) << shift
            if byte < 0x80:
                return value
            shift += 7

    def text(self) -> bytes:
        """Read one String."""
        return self.texts(1)[0]

    def texts(self, count: int) -> list[bytes]:
        """Read so many Strings."""
        data, position, values = self._data, self._position, []
        for _ in range(count):
            length = data[position]
            position += 1
            if length > 0x7F:
                self._position = position - 1
                length = self.integer()
                position = self._position
            values.append(data[position : position + length])
            position += length
        if position > len(data):
            raise IndexError("a text is cut off")
        self._position = position
        return values

    def numbers(self, dtype: str, count: int) -> Numbers:
        """Read so many values of a numpy type; the array shares the memory of the block."""
        values: Numbers = np.frombuffer(self._data, dtype, count, self._position)
        self._position += values.nbytes
        return values
