"""Result bodies, read while they arrive: the JSON of the published API, or concatenated Arrow streams."""

from __future__ import annotations

import dataclasses
import io
from collections.abc import Callable, Iterable
from typing import Any

import pyarrow as pa

from roe_magic import models
from roe_magic.errors import ProtocolError
from roe_magic.frames.arrow import from_arrow
from roe_magic.frames.builder import TableBuilder
from roe_magic.frames.scanner import Source, decode, row_ends

# Told the bytes and the rows that have arrived so far; what it raises ends the reading.
OnProgress = Callable[[int, int], None]


def read_json(chunks: Iterable[bytes], on_progress: OnProgress | None = None) -> models.QueryResult:
    """Read the result endpoint's JSON, converting rows while it arrives.

    Parameters
    ----------
    chunks : iterable of bytes
        The body, cut anywhere.
    on_progress : callable, optional
        Called with the bytes and rows so far after each chunk; what it raises ends the reading.

    Returns
    -------
    models.QueryResult
        ``result_rows`` of each statement is a canonical ``pa.Table``, empty where the server sent none.

    Raises
    ------
    ProtocolError
        The body is not JSON, ends too early or is not what the contract describes.
    """
    return _Reading(chunks, on_progress).result()


class _Reading:
    """One pass over a result's JSON."""

    def __init__(self, chunks: Iterable[bytes], on_progress: OnProgress | None) -> None:
        self.source = Source(chunks, self.progress)
        self.on_progress = on_progress
        self.rows_before = 0
        self.builder: TableBuilder | None = None

    def progress(self, received: int) -> None:
        if self.on_progress:
            self.on_progress(received, self.rows_before + (self.builder.count if self.builder else 0))

    def result(self) -> models.QueryResult:
        self.source.skip_mark_of_unicode()
        found: dict[str, Any] = {}
        tables: list[pa.Table] = []
        for key in self.source.members():
            self.source.take(b":")
            if key == "results" and self.source.peek() == b"[":
                found[key], tables = self.statements()
            else:
                found[key] = decode(self.source.value())
        if self.source.peek():
            self.source.fail("expected the end")
        result = models.parse(models.QueryResult, found)
        statements = [
            dataclasses.replace(about, result_rows=table)
            for about, table in zip(result.results or [], tables, strict=True)
        ]
        return dataclasses.replace(result, results=statements if result.results is not None else None)

    def statements(self) -> tuple[list[dict[str, Any]], list[pa.Table]]:
        found, tables = [], []
        for _ in self.source.elements():
            about, table = self.statement()
            found.append(about)
            tables.append(table)
        return found, tables

    def statement(self) -> tuple[dict[str, Any], pa.Table]:
        about: dict[str, Any] = {}
        late: list[bytes] = []
        for key in self.source.members():
            self.source.take(b":")
            if key != "result_rows" or self.source.peek() != b"[":
                about[key] = decode(self.source.value())
            elif "column_types" in about and "column_names" in about:
                self.take_rows(self.begin(about))
            else:  # rows before their types must wait for them
                late.append(self.source.value())
        builder = self.builder or self.begin(about)
        for text in late:
            ends, _ = row_ends(text[1:])
            builder.add(text[1:-1], ends)
        self.rows_before, self.builder = self.rows_before + builder.count, None
        return {**about, "result_rows": None}, builder.table()

    def begin(self, about: dict[str, Any]) -> TableBuilder:
        names, types = about.get("column_names") or [], about.get("column_types") or []
        for each in (names, types):
            if not (isinstance(each, list) and all(isinstance(item, str) for item in each)):
                raise ProtocolError("The result's column_names and column_types are not lists of strings.")
        self.builder = TableBuilder(names, types)
        return self.builder

    def take_rows(self, builder: TableBuilder) -> None:
        for text, ends in self.source.rows():
            builder.add(text, ends)
            self.progress(self.source.received)


def read_arrow(chunks: Iterable[bytes], on_progress: OnProgress | None = None) -> list[models.Statement]:
    """Read concatenated Arrow IPC streams, each with its Statement in the schema's metadata."""
    source = io.BytesIO(b"".join(chunks))
    statements: list[models.Statement] = []
    while source.tell() < len(source.getbuffer()):
        table = pa.ipc.open_stream(source).read_all()
        about: Any = decode((table.schema.metadata or {})[models.ARROW_KEY])
        statement = models.parse(models.Statement, about)
        rows = from_arrow(table, statement.column_types)
        statements.append(dataclasses.replace(statement, result_rows=rows))
    return statements
