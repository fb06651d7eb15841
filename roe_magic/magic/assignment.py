"""Whether a line magic's value is used: ``q = %roe ...`` needs it, even where a flag says to show nothing."""

from __future__ import annotations

import dis
import inspect

# What Python does next with a value that no variable gets: it drops the value, prints it, or ends the expression.
_UNUSED = frozenset({"POP_TOP", "PRINT_EXPR", "CALL_INTRINSIC_1", "RETURN_VALUE"})


def is_assigned() -> bool:
    """Whether the code that runs the present line magic does more with its value than display it."""
    frame = inspect.currentframe()
    while frame is not None and frame.f_code.co_name != "run_line_magic":
        frame = frame.f_back
    caller = None if frame is None else frame.f_back
    if caller is None:
        return False
    following = (step.opname for step in dis.get_instructions(caller.f_code) if step.offset > caller.f_lasti)
    return next(following, "RETURN_VALUE") not in _UNUSED
