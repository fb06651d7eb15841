"""A file as a table function in SQL."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from roe_magic.service.engine.sql.quoting import literal, quoted


@dataclass(frozen=True)
class FileSource:
    """A file that ClickHouse reads.

    Parameters
    ----------
    path : str
        Where it is.
    file_format : str
        ClickHouse's name of its format.
    settings : mapping of str to str
        The settings of the connection that reads it.
    separator : str
        The character between two values of a CSV file.
    names : sequence of str
        The columns' names, if ClickHouse does not take them from the file.
    """

    path: str
    file_format: str
    settings: Mapping[str, str] = field(default_factory=dict)
    separator: str = ","
    names: Sequence[str] = ()

    def sql(self, columns: Sequence[tuple[str, str]] = ()) -> str:
        """Return the table function that reads the file.

        Parameters
        ----------
        columns : sequence of (str, str)
            The columns' names and types; ClickHouse infers them if they are not given.
        """
        structure = ", ".join(f"{quoted(name)} {kind}" for name, kind in columns)
        return f"file({literal(self.path)}, {self.file_format}{f', {literal(structure)}' if structure else ''})"

    @property
    def settings_clause(self) -> str:
        """The SETTINGS clause of a statement that reads the file; a connection string cannot hold a tab."""
        if self.separator == ",":
            return ""
        # Without this setting tabs are skipped as white space around a value.
        tab = ", input_format_csv_allow_whitespace_or_tab_as_delimiter = 1" if self.separator == "\t" else ""
        return f" SETTINGS format_csv_delimiter = {literal(self.separator)}{tab}"
