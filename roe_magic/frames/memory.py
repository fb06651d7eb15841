"""Memory while rows are converted: its limit, the garbage collector paused, MemoryError turned into ResultTooLarge."""

from __future__ import annotations

import functools
import gc
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import ParamSpec, TypeVar

from roe_magic.errors import ResultTooLarge
from roe_magic.json_limits import count_values

P = ParamSpec("P")
T = TypeVar("T")


# What the rows may take in memory beyond the limit that the caller set for the body.
_BEYOND_LIMIT = 128 << 20
# A decoded JSON value; most take 30 to 70 bytes, one in an object of its own more than 200.
_BYTES_PER_VALUE = 100


@dataclass(frozen=True)
class MemoryLimit:
    """How much memory rows may take while they are converted from JSON, where a byte may become a hundred.

    Parameters
    ----------
    max_bytes : int, optional
        The limit that the caller set for the body; without it there is none.
    """

    max_bytes: int | None = None

    def check(self, size: int, text: bytes = b"") -> None:
        """Raise ResultTooLarge where ``size`` bytes and the decoded values of a JSON text are more than allowed."""
        left = sys.maxsize if self.max_bytes is None else self.max_bytes + _BEYOND_LIMIT - size
        if left < 0 or count_values(text, left // _BYTES_PER_VALUE) > left // _BYTES_PER_VALUE:
            error = ResultTooLarge(
                "The rows take far more memory than bytes, and more than the limit allows.",
                hint="Add a LIMIT, aggregate in SQL, or raise the limit: %config RoeMagic.max_result_bytes = ...",
            )
            error.limit = self.max_bytes
            raise error


NO_LIMIT = MemoryLimit()


@contextmanager
def no_garbage_collection() -> Iterator[None]:
    """Pause the garbage collector while many objects are created, none of them in a cycle.

    Otherwise it would scan them over and over, which takes most of the time of a conversion.
    """
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()


def memory_errors(convert: Callable[P, T]) -> Callable[P, T]:
    """Decorate a function that converts a result, so that any library's MemoryError becomes ResultTooLarge."""

    @functools.wraps(convert)
    def wrapper(*args: P.args, **kwargs: P.kwargs) -> T:
        try:
            return convert(*args, **kwargs)
        except MemoryError:
            pass
        # Raised outside the except block: the old error's frames hold the rows and must be freed first.
        raise ResultTooLarge(
            "The rows do not fit into this process's memory.",
            hint="Add a LIMIT, name fewer columns or aggregate in SQL.",
        )

    return wrapper
