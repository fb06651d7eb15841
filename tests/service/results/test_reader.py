"""Stored rows read back, without an engine."""

from __future__ import annotations

import json
from pathlib import Path
from uuid import uuid4

import pyarrow as pa
import pytest

from roe_magic.contract import models
from roe_magic.service.results import manifest, reader, writer
from roe_magic.service.results.local_store import LocalResultStore

ROWS = 10_000


@pytest.fixture
def result(tmp_path: Path) -> tuple[bytes, Path]:
    """Two statements: many rows, and none."""
    header = b'["n"]\n["UInt64"]\n'
    lines = b"".join(b"[%d]\n" % n for n in range(ROWS))
    rows = writer.read_json(header + lines)
    writer.write(tmp_path / "0.arrow", rows.names, rows.types, [rows.table])
    writer.write_empty(tmp_path / "1.arrow")
    statements = [models.Statement(query="a", column_names=["n"], column_types=["UInt64"]), models.Statement(query="b")]
    return manifest.encode(statements), tmp_path


def test_the_list_has_every_row_of_every_statement(result: tuple[bytes, Path]) -> None:
    """The pieces make one JSON list."""
    first, second = json.loads(b"".join(reader.json_list(*result, "")))
    assert (first["query"], second["query"]) == ("a", "b")
    assert [int(n) for (n,) in first["result_rows"]] == list(range(ROWS))
    assert second["result_rows"] == []


def test_a_stream_has_a_length_and_describes_its_statement(result: tuple[bytes, Path]) -> None:
    """The statement is in the schema's metadata, and the length is known before anything is read."""
    for stream, query in zip(reader.arrow_streams(*result, None), "ab", strict=True):
        data = b"".join(stream)
        assert len(data) == len(stream)
        assert json.loads(pa.ipc.open_stream(data).schema.metadata[models.STATEMENT_METADATA_KEY])["query"] == query
    assert pa.ipc.open_stream(b"".join(reader.arrow_streams(*result, None)[0])).read_all().num_rows == ROWS


def test_a_long_statement_is_stored_once(tmp_path: Path) -> None:
    """The manifest leaves it out, and each form gets it from the query's SQL, but for the one beside that."""
    writer.write_empty(tmp_path / "0.arrow")
    stored = manifest.encode([models.Statement(query=None, row_count=0)])
    (item,) = json.loads(b"".join(reader.json_list(stored, tmp_path, " SELECT 'é';\n")))
    assert item["query"] == "SELECT 'é'"
    for sql, query in [("SELECT 1;", "SELECT 1"), (None, None)]:
        (stream,) = reader.arrow_streams(stored, tmp_path, sql)
        metadata = pa.ipc.open_stream(b"".join(stream)).schema.metadata
        assert json.loads(metadata[models.STATEMENT_METADATA_KEY])["query"] == query


@pytest.mark.parametrize(("limit", "has_more"), [(3, True), (ROWS - 1, True), (ROWS, False), (ROWS + 1, False)])
def test_the_first_rows_end_at_the_limit(tmp_path: Path, limit: int, has_more: bool) -> None:
    """Whether there are more rows than the limit is returned as well."""
    lines = b"".join(b"[%d]\n" % n for n in range(ROWS))
    numbers = writer.read_json(b'["n"]\n["UInt64"]\n' + lines)
    writer.write(tmp_path / "0.arrow", numbers.names, numbers.types, [numbers.table])
    encoded = manifest.encode([models.Statement(query="a", column_names=["n"], column_types=["UInt64"])])
    statement, rows, more = reader.first_rows(encoded, tmp_path, limit)
    assert (statement.query, len(rows), more) == ("a", min(limit, ROWS), has_more)


def test_a_folder_is_measured_and_deleted(tmp_path: Path) -> None:
    """A query without a folder has the size 0, and deleting it does nothing."""
    store, query_id = LocalResultStore(tmp_path), uuid4()
    assert store.size(query_id) == 0
    store.folder(query_id).mkdir()
    (store.folder(query_id) / "0.arrow").write_bytes(b"x" * 7)
    (store.folder(query_id) / "1.arrow").write_bytes(b"x" * 5)
    assert store.size(query_id) == 12
    for _ in range(2):
        store.delete(query_id)
        assert not store.folder(query_id).exists()
