"""A CSV file as a table in which every value is text, and queries over it."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any

from roe_magic.service.engine.chdb.database import EmbeddedClickHouse
from roe_magic.service.engine.chdb.file_source import FileSource
from roe_magic.service.engine.chdb.imports.csv_file import CsvFile

_SETTINGS = {
    # The caller says whether the first row is a header; it is not guessed.
    "input_format_csv_detect_header": "0",
    # An empty cell is NULL. Empty quotation marks are an empty text, and \N is text.
    "input_format_csv_empty_as_default": "1",
    "format_csv_null_representation": "",
    "precise_float_parsing": "1",
    # A file of a thousand columns needs long queries.
    "max_ast_elements": "10000000",
    "max_expanded_ast_elements": "10000000",
    # So the rows keep their order.
    "max_threads": "1",
}


class CsvText:
    """The file as a table of texts.

    Parameters
    ----------
    clickhouse : EmbeddedClickHouse
        What reads it.
    file : CsvFile
        The file.
    settings : mapping of str to str
        Settings of every statement that reads it.
    """

    def __init__(self, clickhouse: EmbeddedClickHouse, file: CsvFile, settings: Mapping[str, str]) -> None:
        self._clickhouse, self.file = clickhouse, file
        self.settings = {
            **settings,
            **_SETTINGS,
            "input_format_csv_skip_first_lines": str(file.skipped),
            "input_format_csv_trim_whitespaces": str(int(file.is_padded)),
            # Several threads begin where they guess that a line ends, and take the mark in 5" for one that opens.
            "input_format_parallel_parsing": str(int(not file.has_stray_quotes)),
        }
        source = FileSource(str(file.path), "CSV", separator=file.separator)
        # The names in the file may be anything.
        self._rows = source.sql([(cell(position), "Nullable(String)") for position in range(len(file.names))])
        self._settings_clause = source.settings_clause

    def select(self, expressions: Iterable[str], condition: str = "") -> str:
        """Return the SELECT of some expressions over the rows of the file, in their order."""
        where = f" WHERE {condition}" if condition else ""
        return f"SELECT {', '.join(expressions)} FROM {self._rows}{where}{self._settings_clause}"  # noqa: S608  # our own

    def aggregate(self, expressions: Iterable[str], limit: int | None = None, of: str = "*") -> list[Any]:
        """Return the values of aggregates of some expressions over the first rows; over all if ``limit`` is None."""
        first, settings = "", self.settings
        if limit is not None:
            first = f" LIMIT {limit}"
            # Otherwise much more than these rows is parsed.
            settings = {**settings, "max_block_size": str(limit), "input_format_parallel_parsing": "0"}
        sql = f"SELECT {', '.join(expressions)} FROM (SELECT {of} FROM {self._rows}{first}){self._settings_clause}"  # noqa: S608  # our own
        text = self._clickhouse.query(sql, settings, output_format="JSONCompactEachRow")
        return list(json.loads(text.decode("utf-8", "replace")))


def cell(position: int) -> str:
    """Return the SQL name of the column at a position."""
    return f"c{position}"
