"""The number of columns of a result, which is limited."""

from __future__ import annotations

from roe_magic.errors import ProtocolError

# Of all statements of a result, with the elements of tuples and the labels of enums.
_MAX_COLUMNS = 100_000


class ColumnCount:
    """Counts the columns of a result; each takes some kilobytes, with rows or without."""

    def __init__(self) -> None:
        self._count = 0

    def add(self, names: list[str], types: list[str]) -> None:
        """Count the columns of one statement; raise ProtocolError where there are too many."""
        # A type is read once, however many columns have it.
        self._count += len(names) + sum(text.count(",") + text.count("(") for text in set(types))
        if self._count > _MAX_COLUMNS:
            raise ProtocolError(f"The result has more than {_MAX_COLUMNS:,} columns, elements of tuples included.")
