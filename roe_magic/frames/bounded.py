"""Rows that do not fit into memory: one clear error, whichever library ran out of it."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import ParamSpec, TypeVar

from roe_magic.errors import ResultTooLarge

P = ParamSpec("P")
T = TypeVar("T")


def bounded(read: Callable[P, T]) -> Callable[P, T]:
    """Let a function that makes much of a result say ResultTooLarge where it runs out of memory."""

    @functools.wraps(read)
    def bounded_read(*arguments: P.args, **options: P.kwargs) -> T:
        try:
            return read(*arguments, **options)
        except MemoryError:
            pass
        # Raised here, where the frames of the old error, and the rows that they hold, have gone.
        raise ResultTooLarge(
            "The rows do not fit into this process's memory.",
            hint="Add a LIMIT, name fewer columns or aggregate in SQL.",
        )

    return bounded_read
