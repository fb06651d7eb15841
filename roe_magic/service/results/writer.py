"""Writes the rows of one statement, from the engine's output to a file: an uncompressed Arrow stream."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import msgspec
import pyarrow as pa

from roe_magic import frames

JSON_FORMAT = "JSONCompactEachRowWithNamesAndTypes"


def write_empty(path: Path) -> None:
    """Write a result without columns, which is that of DDL, SET and INSERT."""
    write(path, [], [], ())


def write_arrow(path: Path, names: list[str], types: list[str], parts: Iterable[bytes]) -> None:
    """Write a result whose parts are Arrow streams of the engine."""
    write(path, names, types, (frames.from_arrow(table, types, stored=True) for table in _tables(names, parts)))


def write(path: Path, names: list[str], types: list[str], tables: Iterable[pa.Table]) -> int:
    """Write a result whose parts are tables in stored form, and return the number of rows."""
    schema = frames.schema(names, types, stored=True)
    with pa.OSFile(str(path), "wb") as sink, pa.ipc.new_stream(sink, schema) as writer:
        row_count = 0
        for table in tables:
            writer.write_table(table)
            row_count += table.num_rows
    return row_count


def read_json(text: bytes) -> frames.Block:
    """Return the rows in :data:`JSON_FORMAT`, which begins with two lines: the names and the types."""
    names_line, types_line, *rows = text.split(b"\n", 2)
    names, types = printable(_decode(names_line)), printable(_decode(types_line))
    return frames.Block(names, types, frames.from_lines(names, types, b"".join(rows), stored=True))


def decode_lines(text: bytes) -> list[Any]:
    """Return the values of the engine's JSON output, one per line."""
    # Not splitlines(): a string in the engine's JSON may contain other line ends unescaped.
    return [_decode(line) for line in text.split(b"\n") if line]


def printable(texts: Sequence[str]) -> list[str]:
    """Return names or types with backslash escapes for bytes that are not UTF-8, which are lone surrogates here."""
    return [text.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace") for text in texts]


def _tables(names: list[str], parts: Iterable[bytes]) -> Iterator[pa.Table]:
    for part in parts:
        # A stream's last part has no rows and an empty schema.
        table = pa.ipc.open_stream(part).read_all() if part else None
        if table is not None and table.num_rows:
            yield table.rename_columns(names)


def _decode(line: bytes) -> Any:
    try:
        return msgspec.json.decode(line)
    except (msgspec.DecodeError, UnicodeDecodeError):
        # There are bytes that are not UTF-8. msgspec refuses them, while Python's json can carry them as surrogates.
        return json.loads(line.decode("utf-8", "surrogateescape"))
