"""Says in plain words what is wrong with a file of JSON lines that ClickHouse could not read.

It is read again by Python, object by object. An object may take several lines, and a line may hold several objects.
"""

from __future__ import annotations

import itertools
import json
import re
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NoReturn

from roe_magic.service.engine.chdb.database import EngineError

# Longer lines and objects are not looked at.
_MAX_CHARACTERS = 2**26
# ClickHouse takes no more, and Python's parser would need too much of the stack.
_MAX_DEPTH = 1000
_MARK = re.compile(r"[\[\]{}]")
# Between objects there may be commas, and brackets around all of them.
_NO_OBJECT = re.compile(r"[\s,\[\]]*")
_SURROGATE = re.compile(r"[\ud800-\udfff]")


class _Fault(Exception):
    """What is wrong with a line, and how many lines it comes after the first one."""

    def __init__(self, words: str, line: int = 0) -> None:
        super().__init__(words)
        self.words, self.line = words, line


def error(fault: str) -> EngineError:
    """Return the error for a file with a fault."""
    return EngineError(f"The file cannot be read as JSON lines: {fault}.")


def first_fault(path: Path, check: Callable[[], None]) -> str | None:
    """Return what is wrong with the first line that is not as it should be; None if that was not found.

    Parameters
    ----------
    check : callable
        Called for each line; what it raises ends the search.
    """
    text, begin = "", 1
    with path.open(encoding="utf-8", errors="replace", newline="\n") as file:
        for number in itertools.count(1):
            check()
            line = file.readline(_MAX_CHARACTERS)
            begin, text = (begin if text else number), text + line
            if len(text) >= _MAX_CHARACTERS:
                return None
            if not line:
                return f"line {begin:,} ends before its object does" if text else None
            try:
                text = _unfinished(text)
            except _Fault as fault:
                return f"line {begin + fault.line:,} {fault.words}"
    return None


def _unfinished(text: str) -> str:
    """Return the beginning of an object at the end of a text; _Fault says what is wrong before it."""
    # Marks in texts count, too: there are hardly so many.
    if max(itertools.accumulate((1 if mark in "[{" else -1 for mark in _MARK.findall(text)), initial=0)) > _MAX_DEPTH:
        raise _Fault(f"has more than {_MAX_DEPTH:,} lists and objects inside of each other")
    position = 0
    while (start := _NO_OBJECT.match(text, position).end()) < len(text):  # type: ignore[union-attr]  # it always matches
        if text[start] != "{":
            raise _Fault("is no object in braces", text.count("\n", 0, start))
        try:
            found, position = _DECODER.raw_decode(text, start)
        except json.JSONDecodeError as problem:
            if not text[problem.pos :].strip():
                return text[start:]
            raise _described(problem) from None
        if _SURROGATE.search(json.dumps(found, ensure_ascii=False)):
            raise _Fault("has one half of a character (\\ud800 to \\udfff) without the other")
    return ""


def _described(problem: json.JSONDecodeError) -> _Fault:
    if problem.msg.startswith("Unterminated"):
        return _Fault("ends before its object does", problem.lineno - 1)
    rest = problem.doc[problem.pos : problem.pos + 20].strip()
    if rest.startswith("{") and problem.lineno > 1:
        return _Fault("ends before its object does")
    return _Fault(f"is no JSON at {rest!r}", problem.lineno - 1)


def _object(pairs: Sequence[tuple[str, Any]]) -> dict[str, Any]:
    name, number = Counter(key for key, _ in pairs).most_common(1)[0] if pairs else ("", 0)
    if number > 1:
        raise _Fault(f"has the key {name!r} more than once")
    return dict(pairs)


def _refuse(constant: str) -> NoReturn:
    raise _Fault(f"has {constant}, which JSON does not have")


_DECODER = json.JSONDecoder(object_pairs_hook=_object, parse_constant=_refuse, parse_int=str, parse_float=str)
