"""Result bodies, read while they arrive: the JSON of the published API, or concatenated Arrow streams."""

from __future__ import annotations

import dataclasses
import io
import json
from collections.abc import Callable, Iterable
from typing import Any

import msgspec
import pyarrow as pa

from roe_magic import models
from roe_magic.errors import ProtocolError
from roe_magic.frames.arrow import from_arrow
from roe_magic.frames.rows import from_rows

# Told the bytes and rows that have arrived so far.
OnProgress = Callable[[int, int], None]


def read_json(chunks: Iterable[bytes], on_progress: OnProgress | None = None) -> models.QueryResult:
    """Read the result endpoint's whole JSON body; each statement's ``result_rows`` is a canonical ``pa.Table``."""
    body = b"".join(chunks).removeprefix(b"\xef\xbb\xbf")
    try:
        payload = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError):
        try:
            payload = json.loads(body)
        except ValueError as error:
            raise ProtocolError(f"The result is not JSON: {error}.") from None
    result = models.parse(models.QueryResult, payload)
    if result.results is None:
        return result
    return _with_tables(result)


def _with_tables(result: models.QueryResult) -> models.QueryResult:
    statements = [
        dataclasses.replace(each, result_rows=from_rows(each.column_names, each.column_types, each.result_rows or []))
        for each in result.results or []
    ]
    return dataclasses.replace(result, results=statements)


def read_arrow(chunks: Iterable[bytes], on_progress: OnProgress | None = None) -> list[models.Statement]:
    """Read concatenated Arrow IPC streams, each with its Statement in the schema's metadata."""
    source = io.BytesIO(b"".join(chunks))
    statements: list[models.Statement] = []
    while source.tell() < len(source.getbuffer()):
        table = pa.ipc.open_stream(source).read_all()
        about: Any = json.loads((table.schema.metadata or {})[models.ARROW_KEY])
        statement = models.parse(models.Statement, about)
        rows = from_arrow(table, statement.column_types)
        statements.append(dataclasses.replace(statement, result_rows=rows))
    return statements
