"""Uploads over HTTP, with the real engine behind them."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from io import BytesIO
from pathlib import Path
from typing import Any

import httpx
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from roe_magic.contract import codec, models
from roe_magic.service.engine.chdb import engine
from roe_magic.service.http import upload_folder
from roe_magic.service.http.endpoints import uploads
from tests.support.services import PATIENCE, Api, api_on, wait_for

UPLOAD = "/v1/tables/upload/"
TABLE = pa.table({"zip": ["02134", None], "n": pa.array([1, 2], pa.int16())})


@pytest.fixture(autouse=True)
def nothing_left(api: Api) -> Iterator[None]:
    """After each test there is no file of an upload, and no table of an import."""
    yield
    wait_for(lambda: not list(api.services.folder.uploads.glob("*")))
    wait_for(lambda: not [name for name in shown(api) if name.startswith(".")])


def shown(api: Api) -> list[str]:
    answer = api.http.post("/v1/database/query/", json={"query": "SHOW TABLES"})
    return [name for (name,) in answer.json()[0]["result_rows"]]


def post(
    api: Api, content: bytes, content_type: str = models.CSV, name: str = "uploaded", **fields: str
) -> httpx.Response:
    return api.http.post(UPLOAD, data={"table_name": name, **fields}, files={"file": ("f", content, content_type)})


def arrow(table: pa.Table, content_type: str) -> bytes:
    """Return a table as the content of a file."""
    sink = BytesIO()
    if content_type == models.PARQUET:
        pq.write_table(table, sink)
    else:
        make = pa.ipc.new_stream if content_type == models.ARROW_STREAM else pa.ipc.new_file
        with make(sink, table.schema) as writer:
            writer.write_table(table)
    return sink.getvalue()


def slow_file() -> bytes:
    """Return a Parquet file of some kilobytes whose import takes seconds."""
    sink, table = BytesIO(), pa.table({"n": pa.array([7] * 1_000_000)})
    with pq.ParquetWriter(sink, table.schema) as writer:
        for _ in range(400):
            writer.write_table(table)
    return sink.getvalue()


def part(name: str, value: str | bytes, more: str = "") -> bytes:
    data = value if isinstance(value, bytes) else value.encode()
    return f'--x\r\nContent-Disposition: form-data; name="{name}"{more}\r\n\r\n'.encode() + data + b"\r\n"


def file_part(content: bytes, content_type: str = models.CSV) -> bytes:
    return part("file", content, f'; filename="f"\r\nContent-Type: {content_type}')


def send(api: Api, body: bytes, **headers: str) -> httpx.Response:
    """Send a form that is written by hand."""
    return api.http.post(UPLOAD, content=body, headers={"Content-Type": "multipart/form-data; boundary=x", **headers})


def head(api: Api, length: int) -> bytes:
    """Return the head of a request whose body is sent by hand."""
    return (
        f"POST {UPLOAD} HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: {api.http.headers['authorization']}\r\n"
        f"Content-Type: multipart/form-data; boundary=x\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n"
    ).encode()


def connect(api: Api) -> socket.socket:
    return socket.create_connection((api.http.base_url.host, api.http.base_url.port or 0), timeout=PATIENCE)


def response(connection: socket.socket) -> tuple[int, Any]:
    """Return the status and the body of the response on a connection, whose request may not have ended."""
    received = b""
    while part := connection.recv(2**16):
        received += part
        top, _, body = received.partition(b"\r\n\r\n")
        length = next((int(line[15:]) for line in top.lower().split(b"\r\n") if line.startswith(b"content-length:")), 0)
        if body and len(body) >= length:
            return int(received.split(b" ", 2)[1]), json.loads(body)
    raise AssertionError(f"the connection was closed after {received!r}")


@pytest.mark.parametrize("content_type", [models.ARROW_STREAM, models.ARROW_FILE, models.PARQUET])
def test_a_file_with_types_of_its_own_keeps_them(api: Api, content_type: str) -> None:
    """The part's Content-Type says what it is; columns and reasons are in the response."""
    answer = post(api, arrow(TABLE, content_type), content_type)
    assert answer.status_code == 201, answer.text
    created = codec.parse(models.TableUpload, answer.json())
    assert created.columns == [
        models.UploadColumn(name="zip", type="Nullable(String)", reason="the column's own type"),
        models.UploadColumn(name="n", type="Int16", reason="the column's own type"),
    ]
    assert (created.summary["written_rows"], created.notices, created.dry_run) == (2, [], None)
    assert api.http.get("/v1/tables/uploaded/preview/").json()["rows"] == [
        {"zip": "02134", "n": 1},
        {"zip": None, "n": 2},
    ]
    api.http.delete("/v1/tables/uploaded/")


@pytest.mark.parametrize(
    "content_type", ["text/csv", "application/octet-stream", "application/json", "x", "text/csv; charset=utf-8"]
)
def test_any_other_file_is_csv(api: Api, content_type: str) -> None:
    """A CSV file of one column of JSON is legal."""
    assert post(api, b"a\n1\n", content_type).status_code == 201
    assert api.http.get("/v1/tables/uploaded/preview/").json()["rows"] == [{"a": 1}]
    api.http.delete("/v1/tables/uploaded/")


def test_the_list_names_every_type_that_an_upload_takes(api: Api) -> None:
    """A client sends another type than CSV only where it has seen the list."""
    assert api.http.get("/v1/tables/").json()["upload_types"] == list(models.UPLOAD_TYPES)


def test_the_fields_may_come_after_the_file(api: Api) -> None:
    """The order in a form means nothing."""
    answer = send(api, file_part(b"a\n1\n") + part("dry_run", "true") + part("table_name", "late") + b"--x--\r\n")
    assert (answer.status_code, answer.json()["table_name"]) == (200, "late")


def test_what_the_first_fields_tell_is_refused_before_the_file_is_read(api: Api) -> None:
    """The response comes while most of the file is still to be sent."""
    assert post(api, b"a\n1\n", name="taken").status_code == 201
    for fields, says in [
        ({"table_name": "taken"}, "exists already"),
        ({"table_name": "bad`name"}, "Invalid table name"),
        ({"table_name": "Größe"}, "the letters A to Z and a to z, digits, _ and, after the first"),
        ({"table_name": "free", "types": '{"a": "Dynamic"}'}, "types: column 'a'"),
        ({"table_name": "free", "types": "[1]"}, "JSON object"),
        ({"table_name": "free", "replace": "1"}, "true or false"),
        ({"table_name": ""}, "required"),
    ]:
        body = b"".join(part(name, value) for name, value in fields.items()) + file_part(b"a\n" + b"1\n" * 100)[:-2]
        with connect(api) as connection:
            connection.sendall(head(api, 10**9) + body)
            status, answer = response(connection)
        assert (status, says in str(answer)) == (400, True), answer
    api.http.delete("/v1/tables/taken/")


def test_a_reader_is_refused_before_the_file_is_read(api: Api) -> None:
    """A key that may not write brings no bytes to the disk."""
    request = head(api, 10**9).replace(api.keys["admin"].encode(), api.keys["reader"].encode())
    with connect(api) as connection:
        connection.sendall(request + part("table_name", "x"))
        status, answer = response(connection)
    assert (status, list(answer)) == (403, ["detail"])


@pytest.mark.parametrize(
    ("body", "field"),
    [
        (part("table_name", "a") + part("table_name", "b"), "table_name"),
        (part("table_name", "a") + file_part(b"a\n1\n") + file_part(b"a\n1\n"), "file"),
        (part("table_name", "a") + part("file", "a,b"), "file"),
        (part("table_name", "a"), "file"),
        (file_part(b"a\n1\n"), "table_name"),
        (part("table_name", b"\xff") + file_part(b"a\n1\n"), "table_name"),
        (part("table_name", "t", '; filename="f"') + file_part(b"a\n1\n"), "table_name"),
        (part("table_name", "a") + part("types", "{") + file_part(b"a\n1\n"), "types"),
        (part("table_name", "a") + part("types", '{"a": 1}') + file_part(b"a\n1\n"), "types"),
        (part("table_name", "a") + part("dry_run", "yes") + file_part(b"a\n1\n"), "dry_run"),
    ],
)
def test_a_field_that_is_wrong_is_named(api: Api, body: bytes, field: str) -> None:
    """The error has the contract's shape: the field, and a list of messages."""
    answer = send(api, body + b"--x--\r\n")
    assert (answer.status_code, list(answer.json())) == (400, [field])


def test_a_field_that_is_unknown_is_ignored_however_often_it_is_given(api: Api) -> None:
    """Nothing depends on it."""
    unknown = part("x", "1") + part("x", "2") + part("y", b"\0", '; filename="f"')
    answer = send(
        api, unknown + part("table_name", "t") + part("dry_run", "true") + file_part(b"a\n1\n") + b"--x--\r\n"
    )
    assert answer.status_code == 200, answer.text


def test_a_form_without_its_end_creates_nothing(api: Api) -> None:
    """A file that lost its last bytes on the way is not taken for a whole one."""
    answer = send(api, part("table_name", "cut") + file_part(b"a\n1\n2"))
    assert (answer.status_code, answer.json()) == (
        400,
        {"detail": "The body is not a multipart form: it ends too early."},
    )
    assert "cut" not in shown(api)


def test_a_client_that_goes_away_ends_the_import(api: Api) -> None:
    """The table that was to be replaced is as it was, and nothing goes on in the engine."""
    assert post(api, b"a\n1\n").status_code == 201
    body = (
        part("table_name", "uploaded") + part("replace", "true") + file_part(slow_file(), models.PARQUET) + b"--x--\r\n"
    )
    with connect(api) as connection:
        connection.sendall(head(api, len(body)) + body)
        wait_for(lambda: [name for name in shown(api) if name.startswith(".import")])
    wait_for(lambda: not [name for name in shown(api) if name.startswith(".import")])
    assert api.http.get("/v1/tables/uploaded/preview/").json()["rows"] == [{"a": 1}]
    api.http.delete("/v1/tables/uploaded/")


def test_a_failed_import_is_a_list_of_messages(api: Api) -> None:
    """It tells neither where the file lies nor what the engine is made of."""
    answer = post(api, b"no arrow", models.ARROW_STREAM)
    assert answer.status_code == 400
    (message,) = answer.json()
    assert str(api.services.folder.root) not in message
    assert "DB::" not in message


@pytest.mark.parametrize("announced", [True, False])
def test_a_file_that_is_too_long_is_refused(api: Api, monkeypatch: pytest.MonkeyPatch, announced: bool) -> None:
    """Whether or not its length was announced."""
    monkeypatch.setattr(uploads, "MAX_UPLOAD_BYTES", 100_000)
    body = part("table_name", "long") + file_part(b"a\n" + b"1\n" * 100_000) + b"--x--\r\n"
    content = body if announced else (body[start : start + 1000] for start in range(0, len(body), 1000))
    answer = send(api, content)  # type: ignore[arg-type]  # httpx takes an iterator as well
    assert (answer.status_code, list(answer.json())) == (413, ["detail"])


def test_an_upload_leaves_room_on_the_disk(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file for which there is no room is a 507, by its announced length or while it arrives."""
    answer = post(api, b"a\n1\n")
    assert answer.status_code == 201
    monkeypatch.setattr(upload_folder, "MIN_FREE_BYTES", 2**60)
    full = post(api, b"a\n1\n", replace="true")
    assert (full.status_code, list(full.json())) == (507, ["detail"])
    assert api.http.get("/v1/tables/uploaded/preview/").json()["rows"] == [{"a": 1}]
    api.http.delete("/v1/tables/uploaded/")


def test_a_table_for_which_the_engine_has_no_room_is_a_507(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The engine's own check of the disk, which is told here to leave more room than there is."""
    settings = engine._settings
    more = {"min_free_disk_bytes_to_perform_insert": str(2**60)}
    monkeypatch.setattr(engine, "_settings", lambda limits: {**settings(limits), **more})
    with api_on(tmp_path) as full:
        for content, content_type in ((b"a\n1\n", models.CSV), (arrow(TABLE, models.PARQUET), models.PARQUET)):
            answer = post(full, content, content_type)
            assert (answer.status_code, list(answer.json())) == (507, ["detail"])
            assert "no room" in answer.json()["detail"]
        assert shown(full) == []


def test_too_many_uploads_are_sent_away_with_a_time_to_wait(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    """The service holds a limited number of files."""
    monkeypatch.setattr(upload_folder, "MAX_FILES", 0)
    answer = post(api, b"a\n1\n")
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "5")


def test_many_uploads_at_the_same_time_all_arrive(api: Api) -> None:
    """More than are imported at once: the others wait for their turn."""
    with ThreadPoolExecutor(12) as pool:
        answers = list(pool.map(lambda n: post(api, f"a\n{n}\n".encode(), name=f"many_{n}"), range(12)))
    assert {answer.status_code for answer in answers} == {201}
    for n in range(12):
        assert api.http.get(f"/v1/tables/many_{n}/preview/").json()["rows"] == [{"a": n}]
        api.http.delete(f"/v1/tables/many_{n}/")
