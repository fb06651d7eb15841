"""How many values a JSON text has, counted without decoding it, and how deeply a decoded value is nested.

A decoded value takes up to 150 bytes, an empty list of three bytes 64 of them, so that a short body may need
gigabytes. Whoever decodes what a server sent counts first.
"""

from __future__ import annotations

from typing import Any

# Of all in a body that is no row. An organisation of 10,000 tables with 20 columns each takes 600,000.
MAX_VALUES = 2_000_000
# Of all in a body that is no row. Copies and pickles take three of Python's 1,000 frames for each level.
MAX_DEPTH = 200
_SEPARATORS = b",", b"[", b"{"


def count_values(text: bytes, limit: int = MAX_VALUES) -> int:
    """Return how many values a JSON text has, or a number above ``limit`` where it has more than that.

    It may be more than there are, never fewer: each list and each object counts twice.
    """
    count = _separators(text, 0, len(text))
    # Nearly always there are few, and then it does not matter that those inside strings are counted too.
    return count if count <= limit else _count_outside_strings(text, limit)


def _count_outside_strings(text: bytes, limit: int) -> int:
    """Return the number of strings and of separators outside them; stop when they are more than ``limit``."""
    text = text.replace(rb"\\", b"").replace(rb"\"", b"")  # without escapes a string ends at the next quote
    count = position = 0
    while count <= limit:
        opening = text.find(b'"', position)
        if opening < 0:
            return count + _separators(text, position, len(text))
        count += 1 + _separators(text, position, opening)
        position = text.find(b'"', opening + 1) + 1
        if not position:
            break
    return count


def _separators(text: bytes, start: int, end: int) -> int:
    return sum(text.count(mark, start, end) for mark in _SEPARATORS)


def is_too_deep(value: Any) -> bool:
    """Return whether a decoded value is nested more than MAX_DEPTH levels deep."""
    level: list[Any] = [[value]]
    for _ in range(MAX_DEPTH + 1):
        items = (item for outer in level for item in (outer.values() if isinstance(outer, dict) else outer))
        level = [item for item in items if isinstance(item, (list, dict))]
        if not level:
            return False
    return True
