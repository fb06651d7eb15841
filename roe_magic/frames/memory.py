"""Memory while rows are made: the garbage collector paused, and one clear error where there is too little."""

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
    """Pause the garbage collector while many objects are made, none of them in a cycle.

    Looking through them again and again would take most of the time.
    """
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()


def memory_errors(read: Callable[P, T]) -> Callable[P, T]:
    """Decorate a function that reads a result: a MemoryError of any library becomes ResultTooLarge."""

    @functools.wraps(read)
    def guarded(*arguments: P.args, **options: P.kwargs) -> T:
        try:
            return read(*arguments, **options)
        except MemoryError:
            pass
        # Raised here, where the frames of the old error, and the rows that they hold, have gone.
        raise ResultTooLarge(
            "The rows do not fit into this process's memory.",
            hint="Add a LIMIT, name fewer columns or aggregate in SQL.",
        )

    return guarded
