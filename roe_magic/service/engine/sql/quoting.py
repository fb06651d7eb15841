"""Writes names and texts as SQL."""

from __future__ import annotations

import re


def quoted(name: str) -> str:
    """Return a name as an SQL identifier."""
    return "`" + re.sub(r"([`\\])", r"\\\1", name) + "`"


def literal(text: str) -> str:
    """Return text as an SQL string literal."""
    return "'" + re.sub(r"(['\\])", r"\\\1", text) + "'"
