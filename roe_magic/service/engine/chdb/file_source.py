"""A file as the engine reads it in SQL, and what must be quoted there."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Source:
    """A file to read.

    Parameters
    ----------
    path : str
        Where it lies.
    form : str
        ClickHouse's name of its format.
    settings : mapping of str to str
        Settings for the connection that reads it.
    separator : str
        What stands between two values of a CSV file.
    names : sequence of str
        The columns' names where the engine does not take them from the file.
    """

    path: str
    form: str
    settings: Mapping[str, str] = field(default_factory=dict)
    separator: str = ","
    names: Sequence[str] = ()

    def sql(self, columns: Sequence[tuple[str, str]] = ()) -> str:
        """Write it as a table function; with its columns' names and types the engine does not look for them."""
        structure = ", ".join(f"{quoted(name)} {kind}" for name, kind in columns)
        return f"file({literal(self.path)}, {self.form}{f', {literal(structure)}' if structure else ''})"

    @property
    def clause(self) -> str:
        """The SETTINGS clause that goes with it; a connection's string cannot hold a tab."""
        if self.separator == ",":
            return ""
        # Else tabs are blanks around a value.
        tab = ", input_format_csv_allow_whitespace_or_tab_as_delimiter = 1" if self.separator == "\t" else ""
        return f" SETTINGS format_csv_delimiter = {literal(self.separator)}{tab}"


def quoted(name: str) -> str:
    """Write a name as an SQL identifier."""
    return "`" + re.sub(r"([`\\])", r"\\\1", name) + "`"


def literal(text: str) -> str:
    """Write text as an SQL string."""
    return "'" + re.sub(r"(['\\])", r"\\\1", text) + "'"
