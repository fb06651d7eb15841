"""Rows in the engine's binary formats to stored Arrow: read here where that is possible, else by the engine.

The engine converts a file in the process's working folder to JSON with a query of the service's own. Its settings for
that are on the connection of this query alone: on the caller's they would change what the caller's functions return.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any
from uuid import uuid4

import msgspec

from roe_magic import frames
from roe_magic.service.engine.chdb.database import EmbeddedClickHouse, EngineError, Statistics, query_mark
from roe_magic.service.engine.chdb.file_source import FileSource
from roe_magic.service.results import writer

_SETTINGS = {
    **frames.JSON_SETTINGS,
    # Otherwise a folder called a=b in the path becomes a column, and the schema of a file that is gone is kept.
    "use_hive_partitioning": "0",
    "schema_inference_use_cache_for_file": "0",
    # The rows stay in their order.
    "max_threads": "1",
    # Nested stays one column.
    "flatten_nested": "0",
    # The types were permitted where the rows come from.
    "allow_suspicious_low_cardinality_types": "1",
    "allow_suspicious_variant_types": "1",
    "allow_suspicious_fixed_string_types": "1",
    "allow_experimental_nullable_tuple_type": "1",
    "allow_experimental_qbit_type": "1",
    "enable_time_time64_type": "1",
    "input_format_binary_max_type_complexity": "0",
}
# What the caller may choose for RowBinary must be chosen to read it, too.
_BINARY = {"output_format_binary_write_json_as_string": "input_format_binary_read_json_as_string"}
_LIMITS = ("max_execution_time", "max_memory_usage")
_CANNOT_EXTRACT_STRUCTURE = 636


class CannotConvert(Exception):
    """The engine cannot read its own output again: two columns have one name."""


class _Extremes(msgspec.Struct):
    """The lines "min" and "max" of the format JSONCompact."""

    min: msgspec.Raw
    max: msgspec.Raw


class _JsonCompact(msgspec.Struct):
    extremes: _Extremes


class Conversion:
    """The conversions for one job.

    Parameters
    ----------
    clickhouse : EmbeddedClickHouse
        Runs the queries.
    limits : mapping of str to str
        The settings of a caller's statement, whose limits hold here too.
    settings : mapping of str to str
        All the settings of the statement whose output is converted.
    job_id : str
        The job whose cancel ends the queries.
    """

    def __init__(
        self, clickhouse: EmbeddedClickHouse, limits: Mapping[str, str], settings: Mapping[str, str], job_id: str
    ) -> None:
        self._clickhouse, self._mark = clickhouse, query_mark(job_id)
        kept = {name: limits[name] for name in _LIMITS if name in limits}
        read_as_written = {theirs: settings[ours] for ours, theirs in _BINARY.items() if ours in settings}
        self._settings = {**_SETTINGS, **kept, **read_as_written}

    def native_blocks(self, parts: Iterable[bytes]) -> Iterator[frames.Block]:
        """Yield the blocks of output in the format Native; raise CannotConvert where it cannot be converted."""
        for part in parts:
            try:
                yield from frames.from_native(part)
            except frames.UnreadableType:
                yield self._by_json(part)

    def _by_json(self, native: bytes) -> frames.Block:
        with scratch_file() as path:
            path.write_bytes(native)
            try:
                sql = f"SELECT * FROM {FileSource(str(path), 'Native').sql()} {self._mark}"  # noqa: S608  # our own path
                return writer.read_json(self._clickhouse.query(sql, self._settings))
            except EngineError as error:
                raise CannotConvert(error.message) if error.code == _CANNOT_EXTRACT_STRUCTURE else error from None

    def row_binary_blocks(self, path: Path, types: Sequence[str]) -> Iterator[frames.Block]:
        """Yield the rows of a file in blocks: RowBinary, with a byte at the end of each row."""
        parts = self._clickhouse.stream(
            self._select_row_binary(path, types),
            self._settings,
            output_format="Native",
            statistics=Statistics(),
            on_progress=None,
        )
        return self.native_blocks(parts)

    def extremes(self, path: Path, types: Sequence[str]) -> list[list[Any]]:
        """Return the lowest and the highest values of such a file, as the engine finds them."""
        settings = {**self._settings, "extremes": "1"}
        sql = self._select_row_binary(path, types)
        text = self._clickhouse.query(sql, settings, output_format="JSONCompact")
        extremes = msgspec.json.decode(text, type=_JsonCompact).extremes
        lines = bytes(extremes.min) + b"\n" + bytes(extremes.max)
        return frames.to_rows(frames.from_lines(_names(types), types, lines), types)

    def _select_row_binary(self, path: Path, types: Sequence[str]) -> str:
        columns = [*zip(_names(types), types, strict=True), ("end", "UInt8")]
        file = FileSource(str(path), "RowBinary").sql(columns)
        return f"SELECT * EXCEPT end FROM {file} {self._mark}"  # noqa: S608  # a path and types of our own


@contextlib.contextmanager
def scratch_file() -> Iterator[Path]:
    """Yield the path of a file in the working folder, which is deleted at the end."""
    path = Path.cwd() / f"{uuid4().hex}.rows"
    try:
        yield path
    finally:
        path.unlink(missing_ok=True)


def _names(types: Sequence[str]) -> list[str]:
    return [f"c{number}" for number in range(len(types))]
