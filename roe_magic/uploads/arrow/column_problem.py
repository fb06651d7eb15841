"""Why a column cannot be uploaded, and the error that lists all such columns."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from roe_magic.errors import UsageError


class NotCarried(Exception):  # it becomes a ColumnProblem, and never reaches the user
    """Values that cannot be uploaded as they are.

    Parameters
    ----------
    reason : str
        What the column has, as the end of a sentence that begins with its name.
    advice : str
        What to do about it.
    row : int, optional
        The first row with such a value, counted from 0.
    of_values : bool
        Whether it depends on the values, so that a first row can be looked for.
    """

    def __init__(self, reason: str, advice: str, *, row: int | None = None, of_values: bool = True) -> None:
        super().__init__(reason)
        self.reason, self.advice, self.row, self.of_values = reason, advice, row, of_values


@dataclass(frozen=True)
class ColumnProblem:
    """One column that cannot be uploaded, and why."""

    column: str
    error: NotCarried

    def __str__(self) -> str:
        row = "" if self.error.row is None else f", row {self.error.row} (counted from 0),"
        return f"Column {self.column!r}{row} {self.error.reason}."


def refuse(problems: Sequence[ColumnProblem]) -> None:
    """Raise a UsageError that names every column with a problem; do nothing where there is none."""
    if len(problems) == 1:
        raise UsageError(str(problems[0]), hint=problems[0].error.advice)
    if problems:
        lines = [f"{each} {each.error.advice}" for each in problems]
        raise UsageError(f"{len(problems)} columns cannot be uploaded as they are.", hint="\n".join(lines))
