"""The error of a statement that is not permitted."""

from __future__ import annotations


class StatementRefused(Exception):
    """The statement is not permitted; the message says which part, why, and what to do instead."""


def require(condition: object, message: str) -> None:
    """Raise StatementRefused with this message unless the condition is true."""
    if not condition:
        raise StatementRefused(message)
