"""Bodies of result responses, converted to Arrow tables while they arrive.

Roe's API sends JSON (:func:`read_json`): :class:`_JsonResultReader` walks through the objects around the rows with a
``JsonStreamReader`` and passes the rows, block by block, to a ``TableBuilder``. The local service can send Arrow
(:func:`read_arrow`): one IPC stream per statement, one after the other. Both run on the thread that downloads.
"""

from __future__ import annotations

import dataclasses
import io
from collections import deque
from collections.abc import Callable, Iterable
from typing import Any

import pyarrow as pa

from roe_magic.contract import codec, models
from roe_magic.errors import ProtocolError
from roe_magic.frames.json.scanner import row_ends
from roe_magic.frames.json.stream_reader import JsonStreamReader, decode
from roe_magic.frames.json.table_builder import TableBuilder
from roe_magic.frames.memory import memory_errors
from roe_magic.frames.normalize import from_arrow

# Called with the bytes and the rows that have arrived so far; an exception of it ends the reading.
OnProgress = Callable[[int, int], None]


@memory_errors
def read_json(chunks: Iterable[bytes], on_progress: OnProgress | None = None) -> models.QueryResult:
    """Return the result in the result endpoint's JSON, whose rows are converted while it arrives.

    Parameters
    ----------
    chunks : iterable of bytes
        The body, cut anywhere.
    on_progress : callable, optional
        Called with the bytes and rows so far after each chunk; an exception of it ends the reading.

    Returns
    -------
    models.QueryResult
        ``result_rows`` of each statement is a canonical ``pa.Table``, empty where the server sent none.

    Raises
    ------
    ProtocolError
        The body is not JSON, ends too early or is not what the contract describes.
    """
    return _JsonResultReader(chunks, on_progress).read()


class _JsonResultReader:
    """Reads one result body in JSON."""

    def __init__(self, chunks: Iterable[bytes], on_progress: OnProgress | None) -> None:
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
                fields[key] = decode(self.json.read_value())
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
                fields[key] = decode(self.json.read_value())
            elif "column_types" in fields and "column_names" in fields:
                self.read_rows(self.new_builder(fields))
            else:  # the rows come before their types: they are converted at the end of the statement
                early_rows.append(self.json.read_value())
        if fields.get("result_rows") is not None:
            raise ProtocolError("The result's result_rows are not a list.")
        builder = self.builder or self.new_builder(fields)
        for text in early_rows:
            ends, _ = row_ends(text[1:])
            builder.add(text[1:-1], ends)
        self.rows_of_earlier_statements += builder.row_count
        self.builder = None
        return {**fields, "result_rows": None}, builder.table()

    def new_builder(self, fields: dict[str, Any]) -> TableBuilder:
        names, types = fields.get("column_names") or [], fields.get("column_types") or []
        for texts in (names, types):
            if not (isinstance(texts, list) and all(isinstance(text, str) for text in texts)):
                raise ProtocolError("The result's column_names and column_types are not lists of strings.")
        self.builder = TableBuilder(names, types)
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
        Called with the bytes and rows so far after each batch; an exception of it ends the reading.

    Returns
    -------
    list of models.Statement
        ``result_rows`` of each is a canonical ``pa.Table``.

    Raises
    ------
    ProtocolError
        The body is not such a stream, or ends too early.
    """
    file = _ChunkedFile(chunks)
    statements: list[models.Statement] = []
    row_count = 0
    while not (file.at_end() and statements):
        table = _read_stream(file, on_progress, row_count)
        if file.last_bytes != _END_OF_STREAM:
            raise ProtocolError(f"The result ends too early, after {file.bytes_received:,} bytes.")
        row_count += table.num_rows
        statements.append(_statement(table))
    return statements


_END_OF_STREAM = b"\xff\xff\xff\xff\x00\x00\x00\x00"


def _read_stream(file: _ChunkedFile, on_progress: OnProgress | None, rows_before: int) -> pa.Table:
    """Return the table of the next stream; raise ProtocolError where there is none."""
    try:
        return _read_batches(file, on_progress, rows_before)
    except MemoryError:
        raise  # Arrow's is also an ArrowException
    except (pa.ArrowException, OSError) as error:
        if isinstance(error, OSError) and type(error) is not OSError:
            raise  # an error of the connection; Arrow's own are plain OSErrors
        raise ProtocolError(f"The result is not an Arrow stream: {error}.") from None


def _read_batches(file: _ChunkedFile, on_progress: OnProgress | None, row_count: int) -> pa.Table:
    batches: list[pa.RecordBatch] = []
    # pyarrow reads message by message, and nothing after the stream's end.
    with pa.ipc.open_stream(pa.PythonFile(file, "r")) as reader:
        for batch in reader:
            batch.validate()
            batches.append(batch)
            row_count += batch.num_rows
            if on_progress:
                on_progress(file.bytes_received, row_count)
        return pa.Table.from_batches(batches, reader.schema)


def _statement(table: pa.Table) -> models.Statement:
    metadata = (table.schema.metadata or {}).get(models.STATEMENT_METADATA_KEY)
    if metadata is None:
        raise ProtocolError("The result's Arrow stream does not say which statement it belongs to.")
    statement = codec.parse(models.Statement, decode(metadata))
    return dataclasses.replace(statement, result_rows=from_arrow(table, statement.column_types))


class _ChunkedFile(io.RawIOBase):
    """Chunks as a file that pyarrow reads.

    ``last_bytes`` are the last eight bytes read: pyarrow accepts a stream that is cut between two messages, so the
    caller checks that they are the mark of a stream's end.
    """

    def __init__(self, chunks: Iterable[bytes]) -> None:
        self._chunks = iter(chunks)
        self._unread: deque[memoryview] = deque()
        self.bytes_received = 0
        self.last_bytes = b""

    def readable(self) -> bool:
        return True

    def at_end(self) -> bool:
        return not self._unread and not self._receive()

    def _receive(self) -> bool:
        for chunk in self._chunks:
            self.bytes_received += len(chunk)
            if chunk:
                self._unread.append(memoryview(chunk))
                return True
        return False

    def read(self, size: int = -1) -> bytes:
        parts = []
        while size > 0 and not self.at_end():
            part = self._unread.popleft()
            parts.append(part[:size])
            if len(part) > size:
                self._unread.appendleft(part[size:])
            size -= len(parts[-1])
        data = b"".join(parts)
        self.last_bytes = (self.last_bytes + data[-8:])[-8:]
        return data
