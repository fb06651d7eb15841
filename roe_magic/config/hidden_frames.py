"""Errors without the stack frames in which an API key could be seen.

Many tracebacks show the variables of each frame: ``%xmode Verbose``, debuggers, services that collect errors. In a
function that reads a key these hold the key itself, or the environment with all that is in it.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")


def hides_frames(function: Callable[P, T]) -> Callable[P, T]:
    """Decorate a function that reads keys: what it raises shows neither its frames nor another exception's."""

    @functools.wraps(function)
    def without_frames(*args: P.args, **kwargs: P.kwargs) -> T:
        try:
            return function(*args, **kwargs)
        except BaseException as error:
            raised = error
        # This frame stays in the traceback, so it must not hold the arguments either.
        args = kwargs = None  # type: ignore[assignment]  # mypy takes it for a use of them
        raised.__cause__ = raised.__context__ = None
        raise raised.with_traceback(None)

    return without_frames
