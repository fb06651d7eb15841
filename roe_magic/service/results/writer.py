"""Writes the rows of one statement, from the engine's output to a file: an uncompressed Arrow stream."""

from __future__ import annotations

import itertools
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
    _write(path, [], [], ())


def write_arrow(path: Path, names: list[str], types: list[str], parts: Iterable[bytes]) -> None:
    """Write a result whose parts are Arrow streams of the engine."""
    _write(path, names, types, (frames.from_arrow(table, types, stored=True) for table in _tables(names, parts)))


def write_json(path: Path, parts: Iterable[bytes]) -> tuple[list[str], list[str]]:
    """Write a result whose parts are text in :data:`JSON_FORMAT`, and return its column names and types.

    Raises
    ------
    ValueError
        There is no part. Each part begins with two header lines: the names and the types.
    """
    split_parts = (part.split(b"\n", 2) for part in parts if part)
    first = next(split_parts, None)
    if first is None:
        raise ValueError("The engine returned nothing for this statement.")
    names, types = (printable(_decode(line)) for line in first[:2])
    rows = (part[2] for part in itertools.chain([first], split_parts) if part[2:] and part[2])
    _write(path, names, types, (frames.from_lines(names, types, block, stored=True) for block in rows))
    return names, types


def decode_lines(text: bytes) -> list[Any]:
    """Return the values of the engine's JSON output, one per line."""
    # Not splitlines(): a string in the engine's JSON may contain other line ends unescaped.
    return [_decode(line) for line in text.split(b"\n") if line]


def printable(texts: Sequence[str]) -> list[str]:
    """Return names or types with backslash escapes for bytes that are not UTF-8, which are lone surrogates here."""
    return [text.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace") for text in texts]


def _write(path: Path, names: list[str], types: list[str], tables: Iterable[pa.Table]) -> None:
    schema = frames.schema(names, types, stored=True)
    with pa.OSFile(str(path), "wb") as sink, pa.ipc.new_stream(sink, schema) as writer:
        for table in tables:
            writer.write_table(table)


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
