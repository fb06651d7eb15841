"""Bodies of result responses, converted to Arrow tables while they arrive.

Roe's API sends JSON (:func:`read_json`): :class:`_JsonResultReader` walks through the objects around the rows with a
``JsonStreamReader`` and passes the rows, block by block, to a ``TableBuilder``. The local service can send Arrow
(:func:`read_arrow`): one IPC stream per statement, one after the other. Both run on the thread that downloads.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable
from typing import Any

import pyarrow as pa

from roe_magic.contract import codec, models
from roe_magic.errors import ProtocolError
from roe_magic.frames.json.scanner import row_ends
from roe_magic.frames.json.stream_reader import JsonStreamReader
from roe_magic.frames.json.table_builder import TableBuilder
from roe_magic.frames.memory import MemoryLimit, memory_errors
from roe_magic.query.arrow_result import ArrowResultReader
from roe_magic.query.result_columns import ColumnCount

# Called with the bytes and the rows that have arrived so far; an exception of it ends the reading.
OnProgress = Callable[[int, int], None]


@memory_errors
def read_json(
    chunks: Iterable[bytes], on_progress: OnProgress | None = None, *, max_bytes: int | None = None
) -> models.QueryResult:
    """Return the result in the result endpoint's JSON, whose rows are converted while it arrives.

    Parameters
    ----------
    chunks : iterable of bytes
        The body, cut anywhere.
    on_progress : callable, optional
        Called with the bytes and rows so far after each chunk; an exception of it ends the reading.
    max_bytes : int, optional
        The limit of the body's size, which ``on_progress`` keeps; here it limits what the rows take in memory.

    Returns
    -------
    models.QueryResult
        ``result_rows`` of each statement is a canonical ``pa.Table``, empty where the server sent none.

    Raises
    ------
    ProtocolError
        The body is not JSON, ends too early or is not what the contract describes.
    ResultTooLarge
        The rows take far more memory than ``max_bytes``.
    """
    return _JsonResultReader(chunks, on_progress, MemoryLimit(max_bytes)).read()


class _JsonResultReader:
    """Reads one result body in JSON."""

    def __init__(self, chunks: Iterable[bytes], on_progress: OnProgress | None, memory_limit: MemoryLimit) -> None:
        self.memory_limit = memory_limit
        self.columns = ColumnCount()
        self.json = JsonStreamReader(chunks, self.report_progress)
        self.on_progress = on_progress
        self.rows_of_earlier_statements = 0
        self.builder: TableBuilder | None = None  # of the statement whose rows are being read

    def report_progress(self, bytes_received: int) -> None:
        if self.on_progress:
            rows = self.rows_of_earlier_statements + (self.builder.row_count if self.builder else 0)
            self.on_progress(bytes_received, rows)

    def read(self) -> models.QueryResult:
        fields: dict[str, Any] = {}
        tables: list[pa.Table] = []
        self.json.skip_byte_order_mark()
        for key in self.json.object_keys():
            self.json.accept(b":")
            if key == "results" and self.json.peek() == b"[":
                fields[key], tables = self.read_statements()
            else:
                fields[key] = self.json.read_value()
        if self.json.peek():
            self.json.fail("expected the end")
        result = codec.parse(models.QueryResult, fields)
        if result.results is None:
            return result
        pairs = zip(result.results, tables, strict=True)
        statements = [dataclasses.replace(statement, result_rows=table) for statement, table in pairs]
        return dataclasses.replace(result, results=statements)

    def read_statements(self) -> tuple[list[dict[str, Any]], list[pa.Table]]:
        statements, tables = [], []
        for _ in self.json.list_elements():
            fields, table = self.read_statement()
            statements.append(fields)
            tables.append(table)
        return statements, tables

    def read_statement(self) -> tuple[dict[str, Any], pa.Table]:
        """Return the fields of a statement, without its rows, and its rows as a table."""
        fields: dict[str, Any] = {}
        early_rows: list[bytes] = []
        for key in self.json.object_keys():
            self.json.accept(b":")
            if key != "result_rows" or self.json.peek() != b"[":
                fields[key] = self.json.read_value()
            elif "column_types" in fields and "column_names" in fields:
                self.read_rows(self.new_builder(fields))
            else:  # the rows come before their types: they are converted at the end of the statement
                early_rows.extend(text for text, _ in self.json.read_rows())
        if fields.get("result_rows") is not None:
            raise ProtocolError("The result's result_rows are not a list.")
        builder = self.builder or self.new_builder(fields)
        for text in early_rows:
            builder.add(text, row_ends(text)[0])
        self.rows_of_earlier_statements += builder.row_count
        self.builder = None
        return {**fields, "result_rows": None}, builder.table()

    def new_builder(self, fields: dict[str, Any]) -> TableBuilder:
        names, types = fields.get("column_names") or [], fields.get("column_types") or []
        for texts in (names, types):
            if not (isinstance(texts, list) and all(isinstance(text, str) for text in texts)):
                raise ProtocolError("The result's column_names and column_types are not lists of strings.")
        self.columns.add(names, types)
        self.builder = TableBuilder(names, types, memory_limit=self.memory_limit)
        return self.builder

    def read_rows(self, builder: TableBuilder) -> None:
        for text, ends in self.json.read_rows():
            builder.add(text, ends)
            self.report_progress(self.json.bytes_received)


@memory_errors
def read_arrow(chunks: Iterable[bytes], on_progress: OnProgress | None = None) -> list[models.Statement]:
    """Return the statements of concatenated Arrow IPC streams, each with its Statement in the schema's metadata.

    Parameters
    ----------
    chunks : iterable of bytes
        The body, cut anywhere.
    on_progress : callable, optional
        Called with the bytes and rows so far after each chunk and batch; an exception of it ends the reading.

    Returns
    -------
    list of models.Statement
        ``result_rows`` of each is a canonical ``pa.Table``.

    Raises
    ------
    ProtocolError
        The body is not such a stream, ends too early, or is one that our service never sends.
    """
    return ArrowResultReader(chunks, on_progress).read()
