"""The rows of one statement, from the engine's output to a file: an uncompressed Arrow stream in the stored form."""

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
    """Write a result of no columns: what DDL, SET and INSERT give."""
    _write(path, [], [], ())


def write_arrow(path: Path, names: list[str], types: list[str], parts: Iterable[bytes]) -> None:
    """Write a result from parts of which each is an Arrow stream of the engine."""
    _write(path, names, types, (frames.from_arrow(table, types, stored=True) for table in _tables(names, parts)))


def write_json(path: Path, parts: Iterable[bytes]) -> tuple[list[str], list[str]]:
    """Write a result from parts of text in :data:`JSON_FORMAT`, and give its column names and types.

    Raises
    ------
    ValueError
        There is no part with the two header lines, which every part has.
    """
    texts = (part.split(b"\n", 2) for part in parts if part)
    first = next(texts, None)
    if first is None:
        raise ValueError("The engine gave no answer to this statement.")
    names, types = (shown(_decoded(line)) for line in first[:2])
    rows = (text[2] for text in itertools.chain([first], texts) if text[2:] and text[2])
    _write(path, names, types, (frames.from_lines(names, types, some, stored=True) for some in rows))
    return names, types


def lines(text: bytes) -> list[Any]:
    """Decode the engine's JSON, one value a line."""
    # Not splitlines: a string of the engine's JSON may hold other line ends as they are.
    return [_decoded(line) for line in text.split(b"\n") if line]


def shown(texts: Sequence[str]) -> list[str]:
    """Make names and types, in which lone surrogates stand for bytes that are not UTF-8, fit to be shown."""
    return [text.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace") for text in texts]


def _write(path: Path, names: list[str], types: list[str], tables: Iterable[pa.Table]) -> None:
    schema = frames.schema(names, types, stored=True)
    with pa.OSFile(str(path), "wb") as sink, pa.ipc.new_stream(sink, schema) as writer:
        for table in tables:
            writer.write_table(table)


def _tables(names: list[str], parts: Iterable[bytes]) -> Iterator[pa.Table]:
    for part in parts:
        # The end of a stream is a part without rows, whose schema is empty.
        table = pa.ipc.open_stream(part).read_all() if part else None
        if table is not None and table.num_rows:
            yield table.rename_columns(names)


def _decoded(line: bytes) -> Any:
    try:
        return msgspec.json.decode(line)
    except (msgspec.DecodeError, UnicodeDecodeError):
        # Bytes that are not UTF-8: Python's own way to carry them in a string.
        return json.loads(line.decode("utf-8", "surrogateescape"))
