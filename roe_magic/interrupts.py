"""Interrupts (SIGINT) and the end of the process (SIGTERM) while a query is watched: counted first, raised later.

Python raises KeyboardInterrupt between any two instructions of the main thread: inside a lock, while a thread is being
started, while the panel is half drawn. Under :func:`counted` it is not raised. The handler only changes a number, since
the lock of an Event may be held by the very code that it interrupts; the loop that waits looks at the number every
0.1 s. What ends by an exception alone, such as ``input()``, runs under :func:`raised`.

Nothing is done outside of the main thread, where no interrupt arrives. A handler that somebody else
has set is left alone.
"""

from __future__ import annotations

import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

# Those of Python, of a cell with `await`, and of asyncio.run. The last two do not end a call that blocks.
_REPLACED = {"_signal", "ipykernel.ipkernel", "asyncio.runners"}


class Interrupts:
    """The interrupts since the beginning of a :func:`counted`.

    Attributes
    ----------
    count : int
        How many there were, a SIGTERM included.
    terminated : bool
        Whether the process is to end (SIGTERM).
    """

    def __init__(self, handlers: dict[int, Any] | None = None) -> None:
        self.count, self.terminated = 0, False
        # What is replaced, by the signals' numbers.
        self._handlers = handlers or {}

    def __call__(self, number: int, frame: FrameType | None) -> None:
        """Count a signal, as its handler."""
        self.count += 1
        if number == signal.SIGTERM:
            self.terminated = True
            signal.signal(number, signal.SIG_DFL)  # a second one ends the process at once
        elif self.count > 2:  # something blocks that should not
            self._handlers[number](number, frame)

    def begin(self) -> None:
        """Become the handler."""
        for number in self._handlers:
            signal.signal(number, self)

    def end(self) -> None:
        """Put the handlers of before in place again."""
        for number, handler in self._handlers.items():
            signal.signal(number, handler)


# Those that are counted in the main thread now.
_current: list[Interrupts] = []


@contextmanager
def counted() -> Iterator[Interrupts]:
    """Count interrupts in this block instead of raising them; a block inside of it shares the count.

    They are raised at its end, unless an exception says already that the block was interrupted. After a SIGTERM the
    message of that exception is printed, and the process ends.
    """
    if threading.current_thread() is not threading.main_thread():
        yield Interrupts()
        return
    if _current:
        yield _current[0]
        return
    interrupts = Interrupts(_replaced_handlers())
    try:
        _current.append(interrupts)
        interrupts.begin()
        yield interrupts
    except BaseException as error:
        if interrupts.terminated:
            print(error, file=sys.stderr, flush=True)
        raise
    finally:
        _current.clear()
        interrupts.end()
        if interrupts.terminated:
            signal.raise_signal(signal.SIGTERM)
    if interrupts.count:
        signal.raise_signal(signal.SIGINT)


@contextmanager
def raised() -> Iterator[None]:
    """Raise interrupts in this block, although it is inside of a :func:`counted`."""
    in_main_thread = threading.current_thread() is threading.main_thread()
    interrupts = _current[0] if _current and in_main_thread else Interrupts()
    interrupts.end()
    try:
        yield
    finally:
        interrupts.begin()


def _replaced_handlers() -> dict[int, Any]:
    """Return the present handlers of the signals that are counted."""
    interrupt, termination = signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)
    handlers: dict[int, Any] = {signal.SIGTERM: termination} if termination is signal.SIG_DFL else {}
    # asyncio.run's is a functools.partial
    if getattr(getattr(interrupt, "func", interrupt), "__module__", None) in _REPLACED:
        handlers[signal.SIGINT] = interrupt
    return handlers
