"""What an attacker on the same machine tries over HTTP: each ends in a clean refusal, and the service lives on."""

from __future__ import annotations

import contextlib
import json
import socket
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest

from tests.support.services import PATIENCE, Api, Service, end_service, start_service, wait_for

pytestmark = pytest.mark.conformance

SLOW = "SELECT count() FROM numbers(100000000000) WHERE NOT ignore(sin(number))"
ASYNC = "/v1/database/query/async/"
LARGE_ROWS = 3_000_000
LARGE = b"number,text\n" + b"123456,abcdefgh\n" * LARGE_ROWS


@pytest.fixture(scope="module")
def target(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """Run a service for the attacks alone."""
    started = start_service(tmp_path_factory.mktemp("target"))
    yield started
    end_service(started)


@pytest.fixture(autouse=True)
def survives(target: Service) -> Iterator[None]:
    """After each attack the service still runs queries and has logged no failure of its own."""
    before = len(target.log)
    yield
    with target.client() as http:
        assert http.post("/v1/database/query/", json={"query": "SELECT 1"}).json()[0]["result_rows"] == [[1]]
    assert "Traceback" not in target.log[before:]


@pytest.fixture
def http(target: Service) -> Iterator[httpx.Client]:
    with target.client() as client:
        yield client


def connect(target: Service) -> socket.socket:
    host, _, port = urlsplit(target.url).netloc.rpartition(":")
    return socket.create_connection((host, int(port)), timeout=PATIENCE)


def say(target: Service, request: str | bytes) -> bytes:
    """Send bytes as they are, and give all that comes back until the service closes."""
    with connect(target) as connection:
        with contextlib.suppress(ConnectionError):
            connection.sendall(request.encode("latin-1") if isinstance(request, str) else request)
        received = b""
        with contextlib.suppress(ConnectionError):
            while part := connection.recv(2**16):
                received += part
        return received


def status(answer: bytes) -> int:
    return int(answer.split(b" ", 2)[1])


def upload(http: httpx.Client, name: str, data: bytes, **fields: str) -> httpx.Response:
    return http.post("/v1/tables/upload/", data={"table_name": name, **fields}, files={"file": ("t.csv", data)})


# Getting in


@pytest.mark.parametrize(
    "path",
    [
        "/v1/tables/",
        "//v1/tables/",
        "/v1//tables/",
        "/V1/tables/",
        "/%76%31/tables/",
        "/%2Fv1/tables/",
        "/healthz/../v1/tables/",
        "/./v1/tables/",
        "/v1/tables/;x",
        "/v1\\tables\\",
        "/v1/tables/?key=x",
        "/healthz#/v1/tables/",
        "http://127.0.0.1/v1/tables/",
    ],
)
def test_no_spelling_of_a_path_gets_round_the_key(target: Service, path: str) -> None:
    """However a path is written, without a key nothing of an organisation is told."""
    answer = say(target, f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n")
    assert status(answer) in {400, 401, 404}
    assert b'"total"' not in answer


@pytest.mark.parametrize(
    "headers",
    [
        "Authorization: Bearer {key}x",
        "Authorization: Bearer {head}_",
        "Authorization: Bearer {head}_%",
        "Authorization: Basic {key}",
        "Authorization: {key}",
        "Authorization: Bearer x\r\nAuthorization: Bearer {key}",
        "Cookie: Authorization=Bearer {key}",
        "X-Api-Key: {key}",
        "Authorization: Bearer\x00{key}",
        "Authorization : Bearer {key}",
        "Proxy-Authorization: Bearer {key}",
    ],
)
def test_only_the_key_itself_lets_in(target: Service, headers: str) -> None:
    """A part of the key, another scheme, another place, or two keys of which the first is wrong are refused."""
    head = target.api_key.rpartition("_")[0]
    sent = headers.format(key=target.api_key, head=head)
    answer = say(target, f"GET /v1/tables/ HTTP/1.1\r\nHost: 127.0.0.1\r\n{sent}\r\nConnection: close\r\n\r\n")
    assert status(answer) in {400, 401}


@pytest.mark.parametrize(
    "head",
    [
        "GET /v1/tables/ HTTP/1.1\r\nHost: 127.0.0.1\r\nHost: evil.example",
        "GET /v1/tables/ HTTP/1.1\r\nHost: evil.example\r\nHost: 127.0.0.1",
        "GET http://127.0.0.1/v1/tables/ HTTP/1.1\r\nHost: evil.example",
        "GET /v1/tables/ HTTP/1.1\r\nHost: evil.example\r\nX-Forwarded-Host: 127.0.0.1",
        "GET /v1/tables/ HTTP/1.1\r\nHost: 127.0.0.1@evil.example",
        "GET /v1/tables/ HTTP/1.1\r\nHost: evil.example:127.0.0.1",
        "GET /v1/tables/ HTTP/1.1\r\nHost: localhost.evil.example",
        "GET /v1/tables/ HTTP/1.1\r\nHost: [::1].evil.example",
        "GET /v1/tables/ HTTP/1.1\r\nHost: 127.0.0.1\r\norigin: http://evil.example",
        "GET /v1/tables/ HTTP/1.1\r\nHost: 127.0.0.1\r\nOrigin:",
        "GET /v1/tables/ HTTP/1.0",
    ],
)
def test_a_page_of_another_site_has_no_way_in(target: Service, head: str) -> None:
    """A browser that was lured here under another name is refused, whatever else the request says, key and all."""
    key = f"Authorization: Bearer {target.api_key}"
    assert status(say(target, f"{head}\r\n{key}\r\nConnection: close\r\n\r\n")) in {400, 403}


# Breaking the framing


@pytest.mark.parametrize(
    "framing",
    [
        "Content-Length: 5\r\nTransfer-Encoding: chunked",
        "Transfer-Encoding: chunked, identity",
        "Transfer-Encoding: xchunked",
        "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked",
        "Content-Length: 5\r\nContent-Length: 6",
        "Content-Length: -1",
        "Content-Length: +5",
        "Content-Length: 0x5",
        "Content-Length: 5, 5",
        "Content-Length: 99999999999999999999999999",
    ],
)
def test_one_request_is_never_two(target: Service, framing: str) -> None:
    """Lengths that contradict each other or are none give one refusal; what follows is not taken for a request."""
    key = f"Authorization: Bearer {target.api_key}"
    smuggled = f"GET /v1/users/current_user/ HTTP/1.1\r\nHost: 127.0.0.1\r\n{key}\r\n\r\n"
    head = f"POST {ASYNC} HTTP/1.1\r\nHost: 127.0.0.1\r\n{key}\r\nContent-Type: application/json\r\n"
    answer = say(target, f"{head}{framing}\r\nConnection: close\r\n\r\n0\r\n\r\n{smuggled}")
    assert status(answer) in {400, 413, 501}
    assert answer.count(b"HTTP/1.1 ") == 1


@pytest.mark.parametrize("chunk", [b"zz\r\n", b"-1\r\n", b"f" * 30 + b"\r\n", b"5\r\nabcdefgh\r\n0\r\n\r\n", b"\r\n"])
def test_broken_chunks_are_refused(target: Service, chunk: bytes) -> None:
    """A chunk that is none ends the request, and nothing hangs."""
    head = f"POST {ASYNC} HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer {target.api_key}\r\n"
    head += "Content-Type: application/json\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n"
    assert status(say(target, head.encode() + chunk)) == 400


@pytest.mark.parametrize(
    "request_",
    [
        "GET /" + "a" * 200_000 + " HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nX: " + "a" * 200_000 + "\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: 127.0.0.1\r\n" + "X: y\r\n" * 50_000 + "\r\n",
        "\r\n" * 100_000,
        "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + "\x00" * 500,
        "GET / HTTP/9.9\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n",
        "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        "GET /\x00 HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n",
    ],
    ids=["long path", "long header", "many headers", "empty lines", "TLS", "HTTP/9.9", "HTTP/2", "NUL"],
)
def test_what_is_no_request_is_refused(target: Service, request_: str) -> None:
    """Endless heads, other protocols and control characters get a short 4xx or a closed connection."""
    answer = say(target, request_)
    assert not answer or status(answer) in {400, 403, 404, 414, 431}
    assert len(answer) < 1000


def test_a_body_that_was_announced_too_long_is_not_waited_for(target: Service) -> None:
    """The announcement alone is refused: the caller need not send, and the service not read, ten gigabytes."""
    head = f"POST {ASYNC} HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer {target.api_key}\r\n"
    head += "Content-Type: application/json\r\nContent-Length: 10000000000\r\nConnection: close\r\n\r\n"
    answer = say(target, head)
    assert status(answer) == 413
    assert json.loads(answer.partition(b"\r\n\r\n")[2]).keys() == {"message"}


def test_a_body_without_a_key_is_not_read(target: Service) -> None:
    """Who has no key cannot make the service take a body in: the refusal comes first."""
    head = "POST /v1/tables/upload/ HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: multipart/form-data; boundary=x\r\n"
    began = time.monotonic()
    answer = say(target, f"{head}Content-Length: 8000000000\r\nConnection: close\r\n\r\n--x\r\n")
    assert status(answer) == 401
    assert time.monotonic() - began < 30


def test_slow_callers_do_not_hold_up_others(target: Service, http: httpx.Client) -> None:
    """Hundreds of requests that never come to their end leave room for one that does."""
    head = f"POST {ASYNC} HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer {target.api_key}\r\n"
    body = f"{head}Content-Type: application/json\r\nContent-Length: 100\r\n\r\n{{"
    with contextlib.ExitStack() as stack:
        for n in range(300):
            connection = stack.enter_context(connect(target))
            connection.sendall(("GET", head, body)[n % 3].encode())
        assert http.post("/v1/database/query/", json={"query": "SELECT 1"}).status_code == 200


# Reading what is another's


@pytest.mark.parametrize(
    "name",
    [
        "system.tables",
        "system.query_log",
        "information_schema.tables",
        "INFORMATION_SCHEMA.COLUMNS",
        "default.x",
        "{database}.secret",
        "{database}.secret LIMIT 1",
        "secret -- x",
        "..",
        "...",
        ".",
        "state.sqlite3",
    ],
)
def test_a_table_name_is_a_name_alone(api: Api, name: str) -> None:
    """A name with a dot in it is no path to another database: another organisation's table stays out of reach."""
    api.upload("secret", "a\n42\n")
    named = name.format(database=f"org_{api.organization_id.replace('-', '')}")
    for method, path in (("GET", "describe/"), ("GET", "preview/"), ("DELETE", "")):
        answer = api.http.request(method, f"/v1/tables/{named}/{path}", headers=api.as_("other"))
        assert answer.status_code in {400, 404, 405}, path
    assert api.http.get("/v1/tables/secret/preview/").json()["rows"] == [{"a": 42}]
    api.http.delete("/v1/tables/secret/")


def test_a_name_with_a_dot_makes_a_table_of_ones_own(api: Api) -> None:
    """An upload called like another organisation's table lands in the caller's database."""
    victim = f"org_{api.organization_id.replace('-', '')}.victim"
    other = httpx.Client(base_url=api.http.base_url, headers=api.as_("other"), timeout=PATIENCE, trust_env=False)
    with other:
        assert upload(other, victim, b"a\n1\n").status_code == 201
        assert [table["name"] for table in other.get("/v1/tables/").json()["results"]] == [victim]
        assert victim not in api.http.get("/v1/tables/").text
        assert other.delete(f"/v1/tables/{victim}/").status_code == 204


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT * FROM {database}.secret",
        "SELECT * FROM merge('org_.*', 'secret')",
        "SELECT * FROM (SELECT * FROM {database}.secret)",
        "USE {database}; SELECT * FROM secret",
        "SELECT dictGet('{database}.d', 'a', 1)",
        "SELECT hasColumnInTable('{database}', 'secret', 'a')",
        "SELECT joinGet('{database}.secret', 'a', 1)",
        "EXISTS TABLE {database}.secret",
        "SHOW TABLES FROM {database}",
        "DESCRIBE {database}.secret",
        "SHOW CREATE TABLE {database}.secret",
        "DROP TABLE {database}.secret",
    ],
)
@pytest.mark.parametrize("use_admin", [False, True])
def test_no_sql_reaches_another_organisation(api: Api, sql: str, use_admin: bool) -> None:
    """Another organisation's table is not read, listed or dropped, with an admin's rights neither."""
    api.upload("secret", "a\n424242\n")
    named = sql.format(database=f"org_{api.organization_id.replace('-', '')}")
    body = {"query": named, "use_admin": use_admin}
    answer = api.http.post("/v1/database/query/", json=body, headers=api.as_("other"))
    assert answer.status_code == 400, answer.text
    assert "424242" not in answer.text
    assert api.http.get("/v1/tables/secret/describe/").json()["row_count"] == 1
    api.http.delete("/v1/tables/secret/")


@pytest.mark.parametrize("table", ["tables", "columns", "parts", "parts_columns", "databases", "mutations"])
@pytest.mark.parametrize("use_admin", [False, True])
def test_tables_of_the_system_show_nothing_of_another_organisation(api: Api, table: str, use_admin: bool) -> None:
    """They can be read, and hold neither the tables of others nor the name of their database."""
    api.upload("hidden_from_others", "a\n424242\n")
    body = {"query": f"SELECT * FROM system.{table}", "use_admin": use_admin}
    answer = api.http.post("/v1/database/query/", json=body, headers=api.as_("other"))
    if answer.status_code == 200:
        rows = json.dumps(answer.json()[0]["result_rows"])
        assert "hidden_from_others" not in rows
        assert api.organization_id.replace("-", "") not in rows
    else:
        assert "not permitted" in answer.text
    api.http.delete("/v1/tables/hidden_from_others/")


# Hostile files


@pytest.mark.parametrize(
    "data",
    [
        b"\x89PNG\r\n\x1a\n\x00\x00",
        b"a\0b\n1\n",
        b"\n\n\n",
        b"a,a\n1,2\n",
        b'a,b\n"1\n',
        b"a,b\n1,2,3\n",
        "a,b\n1,2\n".encode("utf-16"),
        b"a,b\n\xff\xfe,1\n",
        b"a b)) ENGINE=Memory AS SELECT 1 --\n1\n",
        b"a`,'b',c\\\n1,2,3\n",
        b"_part,_path,_file\n1,2,3\n",
        b"a\n" + b"[" * 5000 + b"\n",
        b"x" * 100_000 + b"\n1\n",
        b",".join(b"c%d" % n for n in range(3000)) + b"\n" + b",".join([b"1"] * 3000) + b"\n",
        "\u202ea,\U0001f600\n=cmd|'/c calc'!A1,1\n".encode(),
        b"a\n99999999999999999999999999999999\n1e999\n-nan\n",
    ],
)
def test_a_hostile_file_is_a_table_or_a_400(http: httpx.Client, data: bytes) -> None:
    """Whatever a file holds, it is imported and can be previewed, or refused with a message; no table is left then."""
    answer = upload(http, "hostile", data)
    assert answer.status_code in {201, 400}, answer.text
    if answer.status_code == 201:
        assert http.get("/v1/tables/hostile/preview/").json()["row_count"] >= 1
        assert http.delete("/v1/tables/hostile/").status_code == 204
    else:
        assert isinstance(answer.json(), list)
        assert http.get("/v1/tables/hostile/describe/").status_code == 404


@pytest.mark.parametrize("name", ["../../../../tmp/x.csv", "/etc/passwd", "a\x00b", "CON", "x" * 5000, ""])
def test_the_files_own_name_means_nothing(target: Service, http: httpx.Client, name: str) -> None:
    """The name that a part gives its file is no path: the file lies in the service's folder under another name."""
    part = f'Content-Disposition: form-data; name="file"; filename="{name}"\r\n\r\na\n1\n\r\n'
    table = 'Content-Disposition: form-data; name="table_name"\r\n\r\nnamed\r\n'
    content = f"--x\r\n{table}--x\r\n{part}--x--\r\n".encode()
    headers = {"Content-Type": "multipart/form-data; boundary=x"}
    answer = http.post("/v1/tables/upload/", content=content, headers=headers)
    assert answer.status_code in {201, 400}
    if answer.status_code == 201:
        http.delete("/v1/tables/named/")
    assert not list(target.data.rglob("uploads/*"))


@pytest.mark.parametrize(
    "body",
    [
        "--x\r\n",
        "--x\r\nContent-Disposition: form-data\r\n\r\nv\r\n--x--\r\n",
        "--x\r\nContent-Disposition: form-data; name=file; filename=f\r\n" + "A: b\r\n" * 5000 + "\r\n\r\n--x--\r\n",
        "--x\r\nContent-Disposition: form-data; name=a\r\n\r\nv\r\n" * 2000 + "--x--\r\n",
        "--x\r\nContent-Disposition: form-data; name=file; filename=f\r\n\r\nv\r\n" * 3 + "--x--\r\n",
        "--x\r\nContent-Type: a; charset=no\r\nContent-Disposition: form-data; name=file\r\n\r\nv\r\n--x--\r\n",
        "-" * 100_000,
    ],
    ids=["open", "nameless", "many headers", "many fields", "many files", "charset", "dashes"],
)
def test_a_hostile_form_is_a_400(http: httpx.Client, body: str) -> None:
    """Forms that never end, have no names, or thousands of parts are refused."""
    headers = {"Content-Type": "multipart/form-data; boundary=x"}
    assert http.post("/v1/tables/upload/", content=body.encode(), headers=headers).status_code == 400


def test_an_upload_that_breaks_off_leaves_nothing(target: Service, http: httpx.Client) -> None:
    """A caller that goes away in mid-file leaves no table and no file."""
    before = set(target.data.rglob("*.csv"))
    head = f"POST /v1/tables/upload/ HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer {target.api_key}\r\n"
    head += "Content-Type: multipart/form-data; boundary=x\r\nContent-Length: 100000000\r\n\r\n"
    part = '--x\r\nContent-Disposition: form-data; name="table_name"\r\n\r\ncut\r\n'
    part += '--x\r\nContent-Disposition: form-data; name="file"; filename="f"\r\n\r\na\n'
    with connect(target) as connection:
        connection.sendall((head + part + "1\n" * 1_000_000).encode())
    assert http.get("/v1/tables/cut/describe/").status_code == 404
    assert set(target.data.rglob("*.csv")) == before


# At the same time


def test_of_many_same_uploads_one_wins(http: httpx.Client) -> None:
    """Twenty uploads of one name at the same time make one table, of one whole file."""
    files = [f"n,who\n{n},{n}\n{n},{n}\n{n},{n}\n".encode() for n in range(20)]
    with ThreadPoolExecutor(20) as pool:
        answers = list(pool.map(lambda data: upload(http, "race", data), files))
    assert sorted(answer.status_code for answer in answers) == [201] + [400] * 19
    rows = http.get("/v1/tables/race/preview/?limit=50").json()["rows"]
    winner = next(n for n, answer in enumerate(answers) if answer.status_code == 201)
    assert rows == [{"n": winner, "who": winner}] * 3
    http.delete("/v1/tables/race/")


def test_a_table_is_seen_when_it_is_whole(http: httpx.Client) -> None:
    """While a large file is imported its table is not there; the first that is seen of it is all of its rows."""
    with ThreadPoolExecutor(1) as pool:
        sent = pool.submit(upload, http, "whole", LARGE)
        described = wait_for(lambda: described_or_none(http, "whole"))
        assert sent.result().status_code == 201
    assert described["row_count"] == LARGE_ROWS
    http.delete("/v1/tables/whole/")


def described_or_none(http: httpx.Client, name: str) -> Any:
    answer = http.get(f"/v1/tables/{name}/describe/")
    return answer.json() if answer.status_code == 200 else None


def test_an_import_that_was_killed_leaves_no_half(tmp_path: Path) -> None:
    """The service is killed in the middle of an import: after its next start the table is not there, or it is whole."""
    first = start_service(tmp_path)
    with first.client() as http, ThreadPoolExecutor(1) as pool:
        sent = pool.submit(upload, http, "half", LARGE)
        wait_for(lambda: shown(first))
        first.process.kill()
        sent.exception()
    end_service(first)
    second = start_service(tmp_path)
    with second.client() as http:
        total = http.get("/v1/tables/").json()["total"]  # which is 1 when the import was faster than the kill
        assert total == 0 or http.get("/v1/tables/half/describe/").json()["row_count"] == LARGE_ROWS
        assert len(shown(second)) == total
    end_service(second)


def shown(service: Service) -> Any:
    """Ask in SQL for the tables that there are."""
    with service.client() as http:
        return http.post("/v1/database/query/", json={"query": "SHOW TABLES"}).json()[0]["result_rows"]


def test_a_table_may_go_while_it_is_read(http: httpx.Client) -> None:
    """A delete in the middle of queries, previews and uploads of the same table breaks none of them."""

    def churn(n: int) -> set[int]:
        seen = set()
        for _ in range(8):
            seen.add(upload(http, "churn", b"a\n1\n2\n").status_code)
            seen.add(http.get("/v1/tables/churn/preview/").status_code)
            seen.add(http.get("/v1/tables/churn/describe/").status_code)
            seen.add(http.post("/v1/database/query/", json={"query": "SELECT sum(a) FROM churn"}).status_code)
            seen.add(http.get("/v1/tables/").status_code)
            seen.add(http.delete("/v1/tables/churn/").status_code)
        return seen

    with ThreadPoolExecutor(4) as pool:
        assert set().union(*pool.map(churn, range(4))) <= {200, 201, 204, 400, 404}


def test_a_thousand_waiters_cost_nobody_else_anything(target: Service, http: httpx.Client) -> None:
    """A thousand long polls wait without a thread each; others are answered meanwhile, and all hear of the end."""
    query = http.post(ASYNC, json={"query": SLOW}, params={"organization_id": target.organization_id}).json()
    head = f"GET /v1/database/query/{query['id']}/status/ HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n"
    request = f"{head}Authorization: Bearer {target.api_key}\r\nPrefer: wait=30\r\n\r\n".encode()
    with contextlib.ExitStack() as stack:
        waiters = [stack.enter_context(connect(target)) for _ in range(1000)]
        for waiter in waiters:
            waiter.sendall(request)
        assert threads(target.process.pid) < 100
        assert http.get("/v1/tables/").status_code == 200
        assert http.post(f"/v1/database/query/{query['id']}/cancel/").json()["status"] == "REVOKED"
        answers = [waiter.makefile("rb").read() for waiter in waiters]
    assert {status(answer) for answer in answers} == {200}
    assert all(b"REVOKED" in answer or b"STARTED" in answer for answer in answers)


def threads(pid: int) -> int:
    folder = Path(f"/proc/{pid}/task")
    return len(list(folder.iterdir())) if folder.exists() else 0


def test_waiters_who_leave_are_forgotten(target: Service, http: httpx.Client) -> None:
    """A connection that is closed in mid-wait is closed on the service's side, too."""
    query = http.post(ASYNC, json={"query": SLOW}, params={"organization_id": target.organization_id}).json()
    head = f"GET /v1/database/query/{query['id']}/status/ HTTP/1.1\r\nHost: 127.0.0.1\r\n"
    request = f"{head}Authorization: Bearer {target.api_key}\r\nPrefer: wait=30\r\n\r\n"
    before = handles(target.process.pid)
    for _ in range(100):
        with connect(target) as connection:
            connection.sendall(request.encode())
    wait_for(lambda: handles(target.process.pid) < before + 20)
    http.post(f"/v1/database/query/{query['id']}/cancel/")


def handles(pid: int) -> int:
    folder = Path(f"/proc/{pid}/fd")
    return len(list(folder.iterdir())) if folder.exists() else 0


def test_strange_values_are_a_400_or_404(target: Service, http: httpx.Client) -> None:
    """Digits of other scripts, huge numbers, other spellings of a UUID and repeated names are no way round a check."""
    query = http.post(ASYNC, json={"query": "SELECT 1"}, params={"organization_id": target.organization_id}).json()
    paths: list[tuple[str, Any]] = [
        ("/v1/tables/x/preview/", {"limit": "\u0663"}),
        ("/v1/tables/x/preview/", {"limit": "1_0"}),
        ("/v1/tables/x/preview/", {"limit": " 1"}),
        ("/v1/tables/x/preview/", {"limit": "9" * 5000}),
        ("/v1/tables/x/preview/", [("limit", "1"), ("limit", "2")]),
        ("/v1/tables/", {"organization_id": "null"}),
        ("/v1/tables/", {"organization_id": ""}),
        (f"/v1/database/query/{query['id']}%00/status/", {}),
        (f"/v1/database/query/{query['id']}%2F../status/", {}),
    ]
    for path, params in paths:
        assert http.get(path, params=params).status_code in {400, 404}, (path, params)
