"""Memory while rows are converted: the garbage collector paused, and MemoryError turned into ResultTooLarge."""

from __future__ import annotations

import functools
import gc
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import ParamSpec, TypeVar

from roe_magic.errors import ResultTooLarge

P = ParamSpec("P")
T = TypeVar("T")


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
