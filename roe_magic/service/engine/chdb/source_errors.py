"""Errors of the engine about a file, as sentences about the file."""

from __future__ import annotations

import re

from roe_magic.service.engine.chdb.database import EngineError

# Only with these does the engine say something about its own doings.
_INSIDE = re.compile(
    r":? ?\(in file/uri [^)]*\)|:? While executing \w+|: While reading.*|You can specify .*?\.(?=\s|$)|Code: \d+\. "
    r"|The table structure cannot be extracted from a \w+ format file\. Error:\s*",
    re.DOTALL,
)


def explained(error: EngineError, format_name: str) -> EngineError:
    """Return the error that a file cannot be read as what it should be; what is no error of the file is returned."""
    if error.code in (0, *LIMITS):
        return error
    reason = " ".join(_INSIDE.sub("", error.message).split())
    return EngineError(f"The file cannot be read as {format_name}: {reason}", error.code)


def is_disk_full(error: EngineError) -> bool:
    """Whether the engine found no room on the disk, before it wrote or while it did."""
    return error.code == _NOT_ENOUGH_SPACE or "No space left on device" in error.message


# Errors that say nothing about a file: too long, too much memory, no disk space, killed.
_NOT_ENOUGH_SPACE = 243
LIMITS = frozenset({159, 241, _NOT_ENOUGH_SPACE, 394})
