"""The HTTP side of the service, with the real engine behind it."""

from __future__ import annotations

import base64
import io
import json
import re
import time
import uuid
from typing import Any

import httpx
import pyarrow as pa
import pytest

from roe_magic.contract import codec, models
from tests.support.services import Api, wait_for

ASYNC = "/v1/database/query/async/"
SLOW = "SELECT count() FROM numbers(100000000000) WHERE NOT ignore(sin(number))"

# A well-formed id that no query has.
NOBODYS = "6a0f7f3e-0d5b-4a3c-9a53-0f6f0a1c2b3d"


def raw(api: Api, method: str, path: str, **options: Any) -> httpx.Response:
    return api.http.request(method, path, **options)


# The contract's two endpoints


def test_a_query_is_submitted_watched_and_read(api: Api) -> None:
    """The path of every client: submit, ask for the status until it is terminal, read the rows."""
    sent = api.http.post(
        ASYNC, json={"query": "SELECT number AS n FROM numbers(3)", "organization_id": api.organization_id}
    )
    assert sent.status_code == 200
    query = codec.parse(models.WorksheetQueryResponse, sent.json())
    assert (query.query, query.error, query.ai_summary) == ("SELECT number AS n FROM numbers(3)", None, None)
    assert query.query_task_status in {"PENDING", "STARTED"}
    assert uuid.UUID(query.query_task_id or "")
    status = codec.parse(models.QueryStatus, api.status(str(query.id), wait=30))
    assert status.status == "SUCCESS"
    assert status.created_at == query.created_at
    assert status.started_at is not None
    assert status.finished_at is not None
    assert query.created_at <= status.started_at <= status.finished_at
    (statement,) = api.result(str(query.id))["results"]
    assert statement["result_rows"] == [[0], [1], [2]]
    assert statement["column_types"] == ["UInt64"]


def test_the_end_shows_in_the_worksheet_query(api: Api) -> None:
    """Status, error and times of the end can be read again from the worksheet's list."""
    query = api.submit("SELECT throwIf(1, 'no luck')")
    assert query["query_task_status"] == "FAILURE"
    assert "no luck" in query["error"]
    listed = api.http.get(f"/v1/worksheets/{query['worksheet']['id']}/queries/").json()
    assert next(one for one in listed if one["id"] == query["id"]) == query
    assert query["updated_at"] == query["finished_at"] > query["created_at"]


def test_times_are_in_utc_with_a_z(api: Api) -> None:
    """Every time on the wire names UTC and has microseconds."""
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{6})?Z", api.submit("SELECT 1")["created_at"])


@pytest.mark.parametrize(
    ("sql", "says"),
    [
        ("selec 1", "Syntax error"),
        (" ", ""),
        ("-- nothing", ""),
        ("SELECT '\0'", ""),
        ("exit", ""),
        ("SELECT 1 FROM nowhere", "nowhere"),
    ],
)
def test_bad_sql_is_accepted_and_fails(api: Api, sql: str, says: str) -> None:
    """What is wrong with the SQL is the query's failure, not the request's."""
    query = api.submit(sql)
    assert query["query_task_status"] == "FAILURE"
    assert query["error"]
    assert says in query["error"]
    assert api.result(query["id"])["error"] == query["error"]


def test_an_empty_query_is_refused(api: Api) -> None:
    """The contract gives query a minimal length of one."""
    answer = api.http.post(ASYNC, json={"query": "", "organization_id": api.organization_id})
    assert answer.status_code == 400
    assert answer.json()["message"].startswith("query: ")


def test_neither_worksheet_nor_organization_is_refused(api: Api) -> None:
    """The contract: worksheet_id is required if organization_id is not provided."""
    answer = api.http.post(ASYNC, json={"query": "SELECT 1"})
    assert answer.status_code == 400
    assert "worksheet_id is required" in answer.json()["message"]


def test_the_default_worksheet_takes_what_names_none(api: Api) -> None:
    """An organisation without a worksheet means its default one."""
    default = api.http.get("/v1/worksheets/").json()[0]
    assert api.submit("SELECT 1")["worksheet"] == default


@pytest.mark.parametrize("where", ["params", "json"])
def test_worksheet_and_organization_come_from_query_string_or_body(api: Api, where: str) -> None:
    """Both places name the same things."""
    made = api.http.post("/v1/worksheets/", json={"name": f"from {where}"}).json()
    named = {"worksheet_id": made["id"], "organization_id": api.organization_id}
    options = {"json": {"query": "SELECT 1"}, **({"params": named} if where == "params" else {})}
    if where == "json":
        options["json"] |= named
    assert raw(api, "POST", ASYNC, **options).json()["worksheet"] == made


def test_every_kind_of_body_is_read(api: Api) -> None:
    """JSON, URL-encoded and multipart bodies give the same query."""
    fields = {"query": "SELECT 'ü'", "organization_id": api.organization_id, "use_admin": "false", "worksheet_id": ""}
    for options in (
        {"json": {**fields, "use_admin": False, "worksheet_id": None}},
        {"data": fields},
        {"data": fields, "files": {"x": b""}},
    ):
        answer = raw(api, "POST", ASYNC, **options)
        assert (answer.status_code, answer.json()["query"]) == (200, "SELECT 'ü'"), options


@pytest.mark.parametrize(
    ("content", "kind", "status"),
    [
        (b"{", "application/json", 400),
        (b"[1]", "application/json", 400),
        (b'{"query": "\xff"}', "application/json", 400),
        (b'{"query": "\\ud800"}', "application/json", 400),
        (b'{"query": 5}', "application/json", 400),
        (b'{"query": "SELECT 1", "use_admin": "yes"}', "application/json", 400),
        (b'{"query": "SELECT 1", "organization_id": "x"}', "application/json", 400),
        (b"[" * 100_000, "application/json", 400),
        (b"query=%FF", "application/x-www-form-urlencoded", 400),
        (b"query=a&query=b", "application/x-www-form-urlencoded", 400),
        (b"query=a&use_admin=1", "application/x-www-form-urlencoded", 400),
        (b"--x\r\nbroken", "multipart/form-data; boundary=x", 400),
        (b"", "multipart/form-data", 400),
        (b"query: 1", "text/yaml", 415),
        (b'{"query": "SELECT 1"}', "application/json; charset=utf-16", 415),
        (b"{}", "", 415),
        (b" " * (16 * 2**20 + 1), "application/json", 413),
    ],
)
def test_a_body_that_cannot_be_read_is_the_callers_mistake(api: Api, content: bytes, kind: str, status: int) -> None:
    """Broken bodies are answered with 400, 413 or 415 and a message, never with a failure of the service."""
    answer = api.http.post(
        ASYNC, content=content, headers={"Content-Type": kind}, params={"organization_id": api.organization_id}
    )
    assert answer.status_code == status
    assert list(answer.json()) == ["message"]


def test_a_body_of_unknown_length_is_limited_too(api: Api) -> None:
    """A chunked body does not get round the limit."""
    chunks = (b" " * 2**20 for _ in range(17))
    answer = api.http.post(ASYNC, content=chunks, headers={"Content-Type": "application/json"})
    assert answer.status_code == 413


# Waiting, progress, cancelling


def test_a_wait_is_applied_and_said(api: Api) -> None:
    """Prefer: wait holds the answer back until the query has ended, and the answer says so; 30 s is the most."""
    answer = api.http.post(
        ASYNC,
        json={"query": "SELECT 1", "organization_id": api.organization_id},
        headers={"Prefer": "respond-async, wait=99"},
    )
    assert answer.headers["Preference-Applied"] == "wait=30"
    assert answer.json()["query_task_status"] == "SUCCESS"


@pytest.mark.parametrize("prefer", ["wait", "wait=x", "wait=-1", "return=minimal", "await=3"])
def test_other_preferences_are_ignored(api: Api, prefer: str) -> None:
    """A preference that is not understood changes nothing, as RFC 7240 has it."""
    query = api.submit("SELECT 1")
    answer = api.http.get(f"/v1/database/query/{query['id']}/status/", headers={"Prefer": prefer})
    assert answer.status_code == 200
    assert "Preference-Applied" not in answer.headers


def submitted(api: Api, sql: str, prefer: str) -> httpx.Response:
    body = {"query": sql, "organization_id": api.organization_id}
    return api.http.post(ASYNC, json=body, headers={"Prefer": prefer})


def test_a_small_result_is_enclosed_for_who_prefers_it(api: Api) -> None:
    """return=representation puts into the answer to the submit, as base64, what the result endpoint gives as Arrow."""
    answer = submitted(api, "SELECT 1 AS a; SELECT 'é' AS b", "wait=30, return=representation")
    assert answer.headers["Preference-Applied"] == "wait=30, return=representation"
    query = answer.json()
    result = api.http.get(f"/v1/database/query/{query['id']}/result/", headers={"Accept": models.ARROW_STREAM})
    assert base64.b64decode(query[models.RESULT_ARROW_FIELD]) == result.content


@pytest.mark.parametrize(
    ("sql", "prefer"),
    [
        ("SELECT number FROM numbers(100000)", "wait=30, return=representation"),
        ("SELECT nosuch", "wait=30, return=representation"),
        ("SELECT 1; SELECT nosuch", "wait=30, return=representation"),
        ("SELECT sleep(2)", "return=representation"),
        ("SELECT 1", "wait=30"),
        ("SELECT 1", "wait=30, return=minimal"),
    ],
)
def test_no_other_result_is_enclosed(api: Api, sql: str, prefer: str) -> None:
    """Not a large one, that of a query which failed or still runs, nor one that nobody asked for."""
    answer = submitted(api, sql, prefer)
    assert models.RESULT_ARROW_FIELD not in answer.json()
    assert "return" not in answer.headers.get("Preference-Applied", "")


def test_a_wait_ends_with_its_time(api: Api) -> None:
    """A query that outlives the wait is answered as it is then; a cancel stops it for good."""
    query = api.submit(SLOW, wait=0)
    wait_for(lambda: api.status(query["id"]).get("progress"))
    began = time.monotonic()
    status = api.status(query["id"], wait=1)
    assert time.monotonic() - began >= 1
    assert status["status"] == "STARTED"
    assert status["progress"]["total_rows_to_read"] == 100_000_000_000
    cancelled = api.http.post(f"/v1/database/query/{query['id']}/cancel/")
    assert (cancelled.status_code, cancelled.json()["status"]) == (200, "REVOKED")
    assert api.status(query["id"])["finished_at"] == cancelled.json()["finished_at"]


def test_changes_come_as_lines(api: Api) -> None:
    """One answer tells of every change: the first line at once, rising figures, and the end as the last line."""
    query = api.submit("SELECT sum(sleepEachRow(0.1)) FROM numbers(15) SETTINGS max_block_size = 1", wait=0)
    headers = {"Prefer": "wait=30", "Accept": "application/x-ndjson, application/json;q=0.9"}
    answer = api.http.get(f"/v1/database/query/{query['id']}/status/", headers=headers)
    assert answer.headers["Content-Type"].startswith("application/x-ndjson")
    assert answer.headers["Preference-Applied"] == "wait=30"
    lines = [codec.parse(models.QueryStatus, json.loads(line)) for line in answer.text.splitlines()]
    assert lines[0].status in {"PENDING", "STARTED"}
    assert [line.status for line in lines[1:]] == ["STARTED"] * (len(lines) - 2) + ["SUCCESS"]
    figures = [line.progress.read_rows for line in lines if line.progress]
    assert len(set(figures)) >= 3
    assert figures == sorted(figures)


def test_lines_end_with_the_wait(api: Api) -> None:
    """A stream of changes does not outlive the wait that was asked for."""
    query = api.submit(SLOW, wait=0)
    headers = {"Prefer": "wait=1", "Accept": "application/x-ndjson"}
    answer = api.http.get(f"/v1/database/query/{query['id']}/status/", headers=headers)
    assert json.loads(answer.text.splitlines()[-1])["status"] in {"PENDING", "STARTED"}
    assert len(answer.text.splitlines()) <= 7
    api.http.post(f"/v1/database/query/{query['id']}/cancel/")


def test_a_cancel_leaves_what_has_ended(api: Api) -> None:
    """A cancel that comes too late is answered with the status as it is."""
    query = api.submit("SELECT 1")
    assert api.http.post(f"/v1/database/query/{query['id']}/cancel/").json() == api.status(query["id"])


def test_a_query_is_cancelled_right_after_its_submit(api: Api) -> None:
    """A cancel that comes before the engine has the query still stops it."""
    query = api.submit(SLOW, wait=0)
    assert api.http.post(f"/v1/database/query/{query['id']}/cancel/").json()["status"] == "REVOKED"


# Results


def test_each_statement_has_its_result(api: Api) -> None:
    """The list of results has one item per statement, with rows, types and figures."""
    query = api.submit("SELECT 1 AS a; SELECT 'x' AS b, NULL AS c WHERE 0; SELECT 2")
    body = api.result(query["id"])
    parsed = codec.parse(models.QueryResult, body)
    assert [one["result_rows"] for one in body["results"]] == [[[1]], [], [[2]]]
    assert [one.row_count for one in parsed.results or []] == [1, 0, 1]
    assert body["results"][1]["column_names"] == ["b", "c"]
    assert body["results"][0]["summary"]["read_rows"] == 1


def test_earlier_statements_survive_a_failure(api: Api) -> None:
    """The first failing statement ends the query; what ran before can be read."""
    query = api.submit("SELECT 7; selec; SELECT 8")
    body = api.result(query["id"])
    assert body["status"] == "FAILURE"
    assert "Statement 2 of 3" in body["error"]
    assert [one["result_rows"] for one in body["results"]] == [[[7]]]


def test_a_result_before_the_end_has_no_items(api: Api) -> None:
    """Asking early is no mistake: the status says that there is nothing yet."""
    query = api.submit(SLOW, wait=0)
    body = api.result(query["id"])
    assert body["status"] in {"PENDING", "STARTED"}
    assert body["results"] == []
    api.http.post(f"/v1/database/query/{query['id']}/cancel/")


def test_rows_come_as_arrow_when_asked(api: Api) -> None:
    """One Arrow stream per statement, each with its statement's result in the schema's metadata."""
    query = api.submit("SELECT number, toString(number) AS s FROM numbers(100000); SELECT 1 WHERE 0")
    path, accept = (
        f"/v1/database/query/{query['id']}/result/",
        {"Accept": f"{models.ARROW_STREAM}, application/json;q=0.5"},
    )
    answer = api.http.get(path, headers=accept)
    assert answer.headers["Content-Type"] == models.ARROW_STREAM
    assert answer.headers["Vary"] == "Accept"
    source = io.BytesIO(answer.content)
    tables = []
    while source.tell() < len(answer.content):
        with pa.ipc.open_stream(source) as stream:
            tables.append(
                (
                    codec.parse(models.Statement, json.loads(stream.schema.metadata[models.STATEMENT_METADATA_KEY])),
                    stream.read_all(),
                )
            )
    assert [(about.row_count, about.column_types) for about, _ in tables] == [
        (100_000, ["UInt64", "String"]),
        (0, ["UInt8"]),
    ]
    assert tables[0][1].column("number").to_pylist() == list(range(100_000))
    assert api.result(query["id"])["results"][0]["result_rows"][-1] == [99_999, "99999"]


@pytest.mark.parametrize("accept", ["*/*", f"{models.ARROW_STREAM};q=0", "application/json"])
def test_json_is_answered_unless_arrow_is_named(api: Api, accept: str) -> None:
    """A client that does not name Arrow, or refuses it, gets JSON."""
    query = api.submit("SELECT 1")
    answer = api.http.get(f"/v1/database/query/{query['id']}/result/", headers={"Accept": accept})
    assert answer.headers["Content-Type"] == "application/json"


def test_a_failed_query_has_no_arrow(api: Api) -> None:
    """What failed is told as JSON, whatever is accepted."""
    query = api.submit("selec")
    answer = api.http.get(f"/v1/database/query/{query['id']}/result/", headers={"Accept": models.ARROW_STREAM})
    assert answer.json()["status"] == "FAILURE"


def test_the_synchronous_query_answers_the_results(api: Api) -> None:
    """It answers the list of results itself, and an error as a message."""
    good = api.http.post("/v1/database/query/", json={"query": "SELECT 1; SELECT 2"})
    assert [one["result_rows"] for one in good.json()] == [[[1]], [[2]]]
    bad = api.http.post("/v1/database/query/", json={"query": "selec"})
    assert bad.status_code == 400
    assert "Syntax error" in bad.json()["message"]


# Tables


def test_a_table_is_uploaded_described_previewed_and_deleted(api: Api) -> None:
    """The life of a table through its endpoints, and SQL on it in between."""
    sent = api.upload("people", "name,age\nAnn,31\nBob,\n")
    assert sent.status_code == 201
    upload = codec.parse(models.TableUpload, sent.json())
    assert (upload.table_name, str(upload.organization_id)) == ("people", api.organization_id)
    listed = codec.parse(models.TableList, api.http.get("/v1/tables/").json())
    assert "people" in [table.name for table in listed.results]
    described = codec.parse(models.TableDescription, api.http.get("/v1/tables/people/describe/").json())
    assert ([column.name for column in described.columns], described.row_count) == (["name", "age"], 2)
    preview = codec.parse(models.TablePreview, api.http.get("/v1/tables/people/preview/", params={"limit": 1}).json())
    assert preview.rows == [{"name": "Ann", "age": 31}]
    query = api.submit("SELECT sum(age) FROM people")
    assert api.result(query["id"])["results"][0]["result_rows"] == [[31]]
    gone = api.http.delete("/v1/tables/people/")
    assert (gone.status_code, gone.content) == (204, b"")
    assert api.http.get("/v1/tables/people/describe/").json() == {"detail": "Table not found."}


def test_an_upload_without_headers_names_the_columns(api: Api) -> None:
    """Without headers every row is data, and columns are column_1, column_2 and so on."""
    fields = {"table_name": "bare", "with_headers": "false"}
    assert api.http.post("/v1/tables/upload/", data=fields, files={"file": ("t.csv", b"1,x\n2,y\n")}).status_code == 201
    rows = api.http.get("/v1/tables/bare/preview/").json()["rows"]
    assert rows == [{"column_1": 1, "column_2": "x"}, {"column_1": 2, "column_2": "y"}]
    api.http.delete("/v1/tables/bare/")


def test_a_bad_upload_says_what_is_wrong(api: Api) -> None:
    """A table that exists and an empty file are bare lists of messages; fields are a map."""
    api.upload("twice", "a\n1\n")
    again = api.upload("twice", "a\n1\n")
    assert (again.status_code, type(again.json())) == (400, list)
    empty = api.upload("empty", "")
    assert (empty.status_code, type(empty.json())) == (400, list)
    no_file = api.http.post("/v1/tables/upload/", json={"table_name": "x", "file": "a,b"})
    assert (no_file.status_code, list(no_file.json())) == (400, ["file"])
    no_name = api.http.post("/v1/tables/upload/", files={"file": ("t.csv", b"a\n1\n")})
    assert no_name.json() == {"table_name": ["This field is required."]}
    api.http.delete("/v1/tables/twice/")


@pytest.mark.parametrize("name", ["%00", "a%00b", "..%5c", "%2e%2e", "a`b", "x%0a", "%0a", "'", "ü", "x" * 129])
def test_a_table_name_that_no_table_can_have_is_refused(api: Api, name: str) -> None:
    """NUL, quotes, path traversal and the like are answered with a bare list of messages."""
    for path in (f"/v1/tables/{name}/describe/", f"/v1/tables/{name}/preview/"):
        answer = api.http.get(path)
        assert answer.status_code in {400, 404}
        assert answer.status_code == 404 or isinstance(answer.json(), list)
    assert api.upload(httpx.URL(f"http://x/{name}").path[1:], "a\n1\n").status_code == 400


@pytest.mark.parametrize("limit", ["51", "-1", "x", "1e9", "9" * 40])
def test_a_preview_has_at_most_fifty_rows(api: Api, limit: str) -> None:
    """A limit out of its bounds is a field error."""
    answer = api.http.get("/v1/tables/any/preview/", params={"limit": limit})
    assert (answer.status_code, list(answer.json())) == (400, ["limit"])


def test_a_table_query_gives_rows_by_name_up_to_its_limit(api: Api) -> None:
    """The second query API: accepted with 202, its rows keyed by column, cut at the limit."""
    sent = api.http.post(
        "/v1/tables/query/", json={"sql": "SELECT number AS n FROM numbers(5) ORDER BY n DESC -- last", "limit": 2}
    )
    assert (sent.status_code, sent.json()["status"]) == (202, "PENDING")
    body = table_result(api, sent.json()["table_query_id"])
    assert (body["status"], body["rows"], body["row_count"], body["truncated"]) == (
        "SUCCESS",
        [{"n": 4}, {"n": 3}],
        2,
        True,
    )
    assert body["columns"] == [{"name": "n", "type": "UInt64"}]
    assert body["execution_time_ms"] > 0


@pytest.mark.parametrize(
    "sql", ["SELECT 1; SELECT 2", "DROP TABLE x", "CREATE TABLE x (a Int8) ENGINE=Memory", "1) SELECT (2", " "]
)
def test_a_table_query_is_one_select(api: Api, sql: str) -> None:
    """Anything but one SELECT or WITH fails."""
    sent = api.http.post("/v1/tables/query/", json={"sql": sql})
    body = table_result(api, sent.json()["table_query_id"])
    assert body["status"] == "FAILURE"
    assert body["error"]


def test_a_table_query_is_no_worksheet_query(api: Api) -> None:
    """The two APIs do not see each other's queries."""
    table_query = api.http.post("/v1/tables/query/", json={"sql": "SELECT 1"}).json()["table_query_id"]
    assert api.http.get(f"/v1/database/query/{table_query}/status/").status_code == 404
    query = api.submit("SELECT 1")
    assert api.http.get(f"/v1/tables/query/{query['id']}/result/").json() == {"detail": "Table query not found."}


def table_result(api: Api, query_id: str) -> dict[str, Any]:
    path = f"/v1/tables/query/{query_id}/result/"
    return dict(wait_for(lambda: (body := api.http.get(path).json())["status"] in models.TERMINAL and body))


# Worksheets and the caller


def test_the_caller_is_told(api: Api) -> None:
    """The current user is a full User."""
    assert codec.parse(models.User, api.http.get("/v1/users/current_user/").json()).is_active


def test_worksheets_are_made_and_listed(api: Api) -> None:
    """A new worksheet is in the list, with its own queries."""
    sent = api.http.post("/v1/worksheets/", data={"name": "Äpfel"})
    assert (sent.status_code, sent.json()["name"]) == (201, "Äpfel")
    assert sent.json() in api.http.get("/v1/worksheets/").json()
    first, second = (api.submit(f"SELECT {n}", worksheet_id=sent.json()["id"]) for n in (1, 2))
    path = f"/v1/worksheets/{sent.json()['id']}/queries/"
    assert [one["id"] for one in api.http.get(path).json()] == [second["id"], first["id"]]
    assert len(api.http.get(path, params={"limit": 1}).json()) == 1


def test_a_running_query_is_listed_as_it_is_now(api: Api) -> None:
    """The list knows what runs."""
    query = api.submit(SLOW, wait=0)
    wait_for(lambda: api.status(query["id"])["status"] == "STARTED")
    listed = api.http.get(f"/v1/worksheets/{query['worksheet']['id']}/queries/").json()
    assert next(one for one in listed if one["id"] == query["id"])["query_task_status"] == "STARTED"
    api.http.post(f"/v1/database/query/{query['id']}/cancel/")


# Who may do what


@pytest.mark.parametrize(
    "key", [None, "", "Bearer", "Bearer x", "Bearer roe_local_", "Token {key}", "Bearer {key}x", "Bearer ü"]
)
def test_a_valid_key_is_needed(api: Api, key: str | None) -> None:
    """Without a valid key everything below /v1/ is 401, known or not, in the endpoint's shape."""
    headers = {} if key is None else {"Authorization": key.format(key=api.keys["admin"]).encode()}
    for path, shape in (("/v1/tables/", "detail"), ("/v1/database/query/async/", "message"), ("/v1/nothing", "detail")):
        answer = httpx.get(api.http.base_url.join(path), headers=headers)
        assert (answer.status_code, list(answer.json())) == (401, [shape])
        assert answer.headers["WWW-Authenticate"] == "Bearer"


def test_another_organisations_things_are_not_found(api: Api) -> None:
    """Another organisation's key, or its id in a request, finds nothing and learns nothing."""
    query, other = api.submit("SELECT 1"), api.as_("other")
    table_query = api.http.post("/v1/tables/query/", json={"sql": "SELECT 1"}).json()["table_query_id"]
    api.upload("mine", "a\n1\n")
    for method, path in (
        ("GET", f"/v1/database/query/{query['id']}/status/"),
        ("GET", f"/v1/database/query/{query['id']}/result/"),
        ("POST", f"/v1/database/query/{query['id']}/cancel/"),
        ("GET", f"/v1/worksheets/{query['worksheet']['id']}/queries/"),
        ("GET", f"/v1/tables/query/{table_query}/result/"),
        ("GET", "/v1/tables/mine/describe/"),
        ("GET", "/v1/tables/mine/preview/"),
        ("DELETE", "/v1/tables/mine/"),
    ):
        assert raw(api, method, path, headers=other).status_code == 404, path
    assert api.http.get("/v1/tables/", headers=other).json()["total"] == 0
    foreign = {"query": "SELECT 1", "worksheet_id": query["worksheet"]["id"]}
    assert api.http.post(ASYNC, json=foreign, headers=other).status_code == 404
    assert (
        api.http.post(
            ASYNC, json={"query": "SELECT 1", "organization_id": api.organization_id}, headers=other
        ).status_code
        == 404
    )
    api.http.delete("/v1/tables/mine/")


def test_a_running_query_of_another_organisation_is_not_found(api: Api) -> None:
    """What still runs is as private as what has ended."""
    query = api.submit(SLOW, wait=0)
    path = f"/v1/database/query/{query['id']}"
    assert raw(api, "POST", f"{path}/cancel/", headers=api.as_("other")).status_code == 404
    assert raw(api, "POST", f"{path}/cancel/").json()["status"] == "REVOKED"


@pytest.mark.parametrize("path", ["tables/", "worksheets/", "tables/x/describe/", f"database/query/{NOBODYS}/status/"])
def test_an_organization_in_the_query_string_must_be_the_keys(api: Api, path: str) -> None:
    """Another one is 404, none at all is 400."""
    assert api.http.get(f"/v1/{path}", params={"organization_id": str(uuid.uuid4())}).status_code == 404
    assert api.http.get(f"/v1/{path}", params={"organization_id": "x"}).status_code == 400
    assert api.http.get(f"/v1/{path}?organization_id={api.organization_id}&organization_id=x").status_code == 400


def test_a_reader_may_not_write(api: Api) -> None:
    """use_admin, uploads and deletes need an admin key; an admin's query writes only with use_admin."""
    reader = api.as_("reader")
    body = {"query": "SELECT 1", "organization_id": api.organization_id, "use_admin": True}
    refused = api.http.post(ASYNC, json=body, headers=reader)
    assert (refused.status_code, list(refused.json())) == (403, ["message"])
    assert api.http.delete("/v1/tables/x/", headers=reader).json().keys() == {"detail"}
    files = {"file": ("t.csv", b"a\n1\n")}
    assert api.http.post("/v1/tables/upload/", data={"table_name": "x"}, files=files, headers=reader).status_code == 403
    assert "use_admin" in api.submit("CREATE TABLE made (a Int8) ENGINE = Memory")["error"]
    made = api.submit(
        "CREATE TABLE made (a Int8) ENGINE = Memory; INSERT INTO made VALUES (1); DROP TABLE made", use_admin=True
    )
    assert made["query_task_status"] == "SUCCESS"


@pytest.mark.parametrize(
    "headers",
    [
        {"Host": "evil.example"},
        {"Host": "127.0.0.1.evil.example:80"},
        {"Origin": "http://127.0.0.1"},
        {"Origin": "null"},
        {"Host": ""},
    ],
)
def test_a_page_of_another_site_gets_nothing(api: Api, headers: dict[str, str]) -> None:
    """A foreign Host or any Origin is 403, with a valid key as well, and for what needs no key."""
    for path in ("/v1/tables/", "/healthz", "/openapi.json"):
        assert api.http.get(path, headers=headers).status_code == 403


@pytest.mark.parametrize("host", ["localhost", "LOCALHOST:8000", "127.0.0.1:1", "[::1]", "[::1]:8000"])
def test_loopback_names_are_ours(api: Api, host: str) -> None:
    """The loopback names are served, with any port."""
    assert api.http.get("/v1/tables/", headers={"Host": host}).status_code == 200


# Errors in general


@pytest.mark.parametrize(
    "path", ["/", "/v1/", "/v1/database/query/async", f"/v1/database/query/{NOBODYS}/", "/v1/nope/"]
)
def test_an_unknown_path_is_not_found(api: Api, path: str) -> None:
    """A path without its final slash is unknown too: no redirect is made of a Host header."""
    answer = api.http.get(path, follow_redirects=False)
    assert answer.status_code == 404
    assert list(answer.json()) in (["detail"], ["message"])


@pytest.mark.parametrize("query_id", ["x", "1", "%00", "..", NOBODYS, "123e4567e89b12d3a456426614174000x"])
def test_a_query_that_does_not_exist_is_not_found(api: Api, query_id: str) -> None:
    """An id that is no UUID names nothing."""
    for tail in ("status", "result"):
        assert api.http.get(f"/v1/database/query/{query_id}/{tail}/").status_code == 404


@pytest.mark.parametrize(
    ("method", "path", "allow"),
    [
        ("GET", ASYNC, "POST"),
        ("PUT", "/v1/worksheets/", "GET, POST"),
        ("TRACE", "/v1/tables/", "GET, HEAD"),
        ("NONSENSE", "/healthz", "GET, HEAD"),
    ],
)
def test_another_method_is_not_allowed(api: Api, method: str, path: str, allow: str) -> None:
    """405 names the methods that there are."""
    answer = raw(api, method, path)
    assert answer.status_code == 405
    assert set(answer.headers["Allow"].split(", ")) >= set(allow.split(", "))


def test_a_failure_of_the_service_shows_nothing_of_it(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    """A bug becomes a plain 500 in the endpoint's shape."""
    monkeypatch.setattr(type(api.services.store), "worksheets", lambda *_: 1 / 0)
    answer = api.http.get("/v1/worksheets/")
    assert (answer.status_code, answer.json()) == (500, {"detail": "The service failed; its log says more."})


def test_health_needs_no_key(api: Api) -> None:
    """Anybody on this machine may see that the service is there."""
    answer = httpx.get(api.http.base_url.join("/healthz")).json()
    assert answer["status"] == "ok"
    assert answer["version"]
