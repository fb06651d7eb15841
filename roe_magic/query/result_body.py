"""Result bodies, read while they arrive: the JSON of the published API, or concatenated Arrow streams."""

from __future__ import annotations

import dataclasses
import io
from collections import deque
from collections.abc import Callable, Iterable
from typing import Any

import pyarrow as pa

from roe_magic.contract import codec, models
from roe_magic.errors import ProtocolError
from roe_magic.frames.json.scanner import Source, decode, row_ends
from roe_magic.frames.json.table_builder import TableBuilder
from roe_magic.frames.memory import memory_errors
from roe_magic.frames.normalize import from_arrow

# Told the bytes and the rows that have arrived so far; what it raises ends the reading.
OnProgress = Callable[[int, int], None]


@memory_errors
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
        result = codec.parse(models.QueryResult, found)
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
        if about.get("result_rows") is not None:
            raise ProtocolError("The result's result_rows are not a list.")
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


@memory_errors
def read_arrow(chunks: Iterable[bytes], on_progress: OnProgress | None = None) -> list[models.Statement]:
    """Read concatenated Arrow IPC streams, each with its Statement in the schema's metadata.

    Parameters
    ----------
    chunks : iterable of bytes
        The body, cut anywhere.
    on_progress : callable, optional
        Called with the bytes and rows so far after each batch; what it raises ends the reading.

    Returns
    -------
    list of models.Statement
        ``result_rows`` of each is a canonical ``pa.Table``.

    Raises
    ------
    ProtocolError
        The body is not such a stream, or ends too early.
    """
    stream = _Stream(chunks)
    statements: list[models.Statement] = []
    rows = 0
    while not (stream.at_end() and statements):
        try:
            table = _stream_table(stream, on_progress, rows)
        except MemoryError:
            raise  # Arrow's own is both
        except (pa.ArrowException, OSError) as error:
            if isinstance(error, OSError) and type(error) is not OSError:
                raise  # the connection's own
            raise ProtocolError(f"The result is not an Arrow stream: {error}.") from None
        if stream.last != _END_OF_STREAM:
            raise ProtocolError(f"The result ends too early, after {stream.received:,} bytes.")
        rows += table.num_rows
        statements.append(_arrow_statement(table))
    return statements


_END_OF_STREAM = b"\xff\xff\xff\xff\x00\x00\x00\x00"


def _stream_table(stream: _Stream, on_progress: OnProgress | None, rows: int) -> pa.Table:
    """Read one stream; pyarrow asks for its messages one by one and reads nothing beyond its end."""
    batches: list[pa.RecordBatch] = []
    with pa.ipc.open_stream(pa.PythonFile(stream, "r")) as reader:
        for batch in reader:
            batch.validate()
            batches.append(batch)
            rows += batch.num_rows
            if on_progress:
                on_progress(stream.received, rows)
        return pa.Table.from_batches(batches, reader.schema)


def _arrow_statement(table: pa.Table) -> models.Statement:
    about = (table.schema.metadata or {}).get(models.STATEMENT_METADATA_KEY)
    if about is None:
        raise ProtocolError("The result's Arrow stream does not tell which statement it belongs to.")
    statement = codec.parse(models.Statement, decode(about))
    return dataclasses.replace(statement, result_rows=from_arrow(table, statement.column_types))


class _Stream(io.RawIOBase):
    """Chunks as a file that remembers the last bytes read, because Arrow takes a missing end for an end."""

    def __init__(self, chunks: Iterable[bytes]) -> None:
        self._chunks = iter(chunks)
        self._parts: deque[memoryview] = deque()
        self.received = 0
        self.last = b""

    def readable(self) -> bool:
        return True

    def at_end(self) -> bool:
        return not self._parts and not self._pull()

    def _pull(self) -> bool:
        for chunk in self._chunks:
            self.received += len(chunk)
            if chunk:
                self._parts.append(memoryview(chunk))
                return True
        return False

    def read(self, size: int = -1) -> bytes:
        found = []
        while size > 0 and not self.at_end():
            part = self._parts.popleft()
            found.append(part[:size])
            if len(part) > size:
                self._parts.appendleft(part[size:])
            size -= len(found[-1])
        data = b"".join(found)
        self.last = (self.last + data[-8:])[-8:]
        return data
