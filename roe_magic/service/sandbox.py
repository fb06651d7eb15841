"""Confinement of the worker by the kernel, where it offers any."""

from __future__ import annotations

from collections.abc import Sequence


def confine(writable: Sequence[str]) -> str:
    """Give up the rights that the engine does not need; say what came of it."""
    return "none"
