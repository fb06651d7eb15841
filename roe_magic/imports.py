"""Imports of large libraries, in a thread of their own: an interrupt never leaves half of one behind.

An import that a KeyboardInterrupt ends leaves some of a library's modules in ``sys.modules``, and the library broken
until the process ends. Interrupts arrive in the main thread alone; there, :func:`load` only waits for the import. What
is interrupted is the waiting: the import goes on to its end.
"""

from __future__ import annotations

import importlib
import sys
import threading
import time
from contextlib import suppress
from types import ModuleType

# The imports that were begun here, and whether each has ended. A join() that is interrupted takes its thread for ended.
_ended: dict[str, bool] = {}


def load(name: str) -> ModuleType:
    """Import a module and return it; an interrupt ends the waiting for it, and not the import.

    Raises
    ------
    Exception
        That of the import.
    """
    if threading.current_thread() is threading.main_thread():
        while not load_soon(name):
            time.sleep(0.005)
    return importlib.import_module(name)


def load_soon(name: str) -> bool:
    """Return whether a module is imported, or cannot be; begin to import it where nobody has."""
    if name not in _ended and name not in sys.modules:
        threading.Thread(target=_import, args=[name], name=f"roe-import {name}", daemon=True).start()
        _ended.setdefault(name, False)
    return _ended.get(name, True)


def _import(name: str) -> None:
    with suppress(Exception):  # whoever needs the module imports it again, and gets the error
        importlib.import_module(name)
    _ended[name] = True
