"""A way to read the text of a CSV column as values of one type: SQL expressions, and no engine.

A reading has a condition that holds for text which is no value of its type, and an expression that makes the value. The
conditions are strict, since ClickHouse's own functions are not: they take 05, +5 and 2024-02-30. Often the condition
is that the value, written again, is not the text.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from roe_magic.service.engine.sql.quoting import literal

# Takes an SQL expression of type Nullable(String), and returns another expression.
Expression = Callable[[str], str]
TEXT = "String"


@dataclass(frozen=True)
class Reading:
    """A way to read text.

    Parameters
    ----------
    type : str
        The ClickHouse type of the values, without Nullable.
    misfit : callable
        Returns the condition that holds if a text is no such value. For NULL it is NULL or false.
    value : callable
        Returns the expression of the value. For a misfit it has no meaning, but is no error.
    meaning : str
        What the values are, as in "all values are whole numbers".
    shape : str
        A regular expression that all values match, if that is quicker to try than ``misfit``.
    choices : tuple of str
        The types to choose from, where the text has more than one meaning and so stays text.
    """

    type: str
    misfit: Expression
    value: Expression
    meaning: str
    shape: str = ""
    choices: tuple[str, ...] = ()

    def glance(self, text: str) -> str:
        """Return a condition that rules out most misfits, and is quick."""
        return f"NOT {matches(text, self.shape)}" if self.shape else self.misfit(text)

    @property
    def is_text(self) -> bool:
        """Whether the values are the text itself; then an empty one is a value too."""
        return TEXT in self.type

    @property
    def column_type(self) -> str:
        """The type of the column; it is nullable, since any cell of a CSV file may be empty."""
        inner = self.type.removeprefix("LowCardinality(")
        return f"Nullable({inner})" if inner == self.type else f"LowCardinality(Nullable({inner[:-1]}))"


def unchanged(text: str) -> str:
    """Return the expression of the text itself."""
    return text


def call(function: str, *arguments: str) -> Expression:
    """Return a function of SQL that is called with the text and these arguments."""
    return lambda text: f"{function}({', '.join((text, *arguments))})"


def matches(text: str, pattern: str) -> str:
    """Return the condition that the whole text matches a regular expression."""
    return f"match({text}, {literal(f'^(?:{pattern})$')})"


def replaced(text: str, pattern: str, replacement: str, function: str = "replaceRegexpOne") -> str:
    """Return the expression of the text with the first match replaced, or with all by another function."""
    return f"{function}({text}, {literal(pattern)}, {literal(replacement)})"


def written_again(value: Expression) -> Expression:
    """Return the condition that the value, written again, is not the text."""
    return lambda text: f"toString({value(text)}) IS DISTINCT FROM {text}"
