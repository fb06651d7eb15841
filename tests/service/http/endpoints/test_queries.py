"""The endpoints of worksheet queries, with the real engine behind them."""

from __future__ import annotations

import base64
import io
import json
import re
import time
import uuid
from uuid import UUID

import httpx
import pyarrow as pa
import pytest

from roe_magic.contract import codec, models
from tests.support.services import Api, wait_for

ASYNC = "/v1/database/query/async/"
SLOW = "SELECT count() FROM numbers(100000000000) WHERE NOT ignore(sin(number))"

# A well-formed id that no query has.
NOBODYS = "6a0f7f3e-0d5b-4a3c-9a53-0f6f0a1c2b3d"


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
    """An error in the SQL fails the query, not the request."""
    query = api.submit(sql)
    assert query["query_task_status"] == "FAILURE"
    assert query["error"]
    assert says in query["error"]
    assert api.result(query["id"])["error"] == query["error"]


def test_an_empty_query_is_refused(api: Api) -> None:
    """By the contract, query has at least one character."""
    answer = api.http.post(ASYNC, json={"query": "", "organization_id": api.organization_id})
    assert answer.status_code == 400
    assert answer.json()["message"].startswith("query: ")


def test_neither_worksheet_nor_organization_is_refused(api: Api) -> None:
    """By the contract, worksheet_id is required if organization_id is not provided."""
    answer = api.http.post(ASYNC, json={"query": "SELECT 1"})
    assert answer.status_code == 400
    assert "worksheet_id is required" in answer.json()["message"]


def test_a_body_sets_no_kind_and_no_row_limit(api: Api) -> None:
    """Those belong to the endpoint: fields of these names are ignored like any other unknown one."""
    query = api.submit("SELECT number FROM numbers(5)", kind="table", row_limit=1)
    assert query["query_task_status"] == "SUCCESS"
    assert len(api.result(query["id"])["results"][0]["result_rows"]) == 5
    sent = api.http.post("/v1/tables/query/", json={"sql": "SELECT 1", "use_admin": True, "row_limit": 5000})
    row = api.services.queries.find(UUID(api.organization_id), UUID(sent.json()["table_query_id"]), "table").row
    assert (row.use_admin, row.row_limit) == (False, 1000)


def test_the_default_worksheet_takes_what_names_none(api: Api) -> None:
    """If only the organisation is named, the query belongs to its default worksheet."""
    default = api.http.get("/v1/worksheets/").json()[0]
    assert api.submit("SELECT 1")["worksheet"] == default


# Notices


def test_a_notice_is_told_wherever_the_ended_query_is_described(api: Api) -> None:
    """In the response to its submit, its status, the response to a late cancel and the worksheet's list."""
    query = api.submit("SELECT 1 FORMAT CSV; SELECT 2 FORMAT CSV; SELECT 3 FORMAT JSON")
    assert [notice.split(":")[0] for notice in query["notices"]] == [
        "FORMAT CSV was ignored",
        "FORMAT JSON was ignored",
    ]
    listed = api.http.get(f"/v1/worksheets/{query['worksheet']['id']}/queries/").json()
    cancelled = api.http.post(f"/v1/database/query/{query['id']}/cancel/").json()
    for body in (api.status(query["id"]), cancelled, next(one for one in listed if one["id"] == query["id"])):
        assert body["notices"] == query["notices"]


def test_a_notice_of_a_failed_query_is_told(api: Api) -> None:
    """However the query ended."""
    query = api.submit("SELECT throwIf(1, 'no luck') FORMAT CSV")
    assert query["query_task_status"] == "FAILURE"
    assert query["notices"] == api.status(query["id"])["notices"] != []


def test_without_a_notice_there_is_no_field(api: Api) -> None:
    """A client that knows the published contract alone sees nothing new."""
    query = api.submit("SELECT 1")
    assert "notices" not in {**query, **api.status(query["id"])}


def test_the_last_line_of_changes_has_the_notices(api: Api) -> None:
    """Those before the end have none."""
    query = api.submit("SELECT sleep(0.5) FORMAT CSV", wait=0)
    headers = {"Prefer": "wait=30", "Accept": "application/x-ndjson"}
    answer = api.http.get(f"/v1/database/query/{query['id']}/status/", headers=headers)
    lines = [json.loads(line) for line in answer.text.splitlines()]
    assert len(lines) > 1
    assert ["notices" in line for line in lines] == [False] * (len(lines) - 1) + [True]


# Waiting, progress, cancelling


def test_a_wait_is_applied_and_confirmed(api: Api) -> None:
    """Prefer: wait holds the response back until the query has ended, and the response says so; 30 s at most."""
    answer = api.http.post(
        ASYNC,
        json={"query": "SELECT 1", "organization_id": api.organization_id},
        headers={"Prefer": "respond-async, wait=99"},
    )
    assert answer.headers["Preference-Applied"] == "wait=30"
    assert answer.json()["query_task_status"] == "SUCCESS"


def submitted(api: Api, sql: str, prefer: str) -> httpx.Response:
    body = {"query": sql, "organization_id": api.organization_id}
    return api.http.post(ASYNC, json=body, headers={"Prefer": prefer})


def test_a_small_result_is_in_the_response_to_its_submit(api: Api) -> None:
    """return=representation puts into the answer to the submit, as base64, what the result endpoint gives as Arrow."""
    answer = submitted(api, "SELECT 1 AS a; SELECT 'é' AS b", "wait=30, return=representation")
    assert answer.headers["Preference-Applied"] == "wait=30, return=representation"
    query = answer.json()
    result = api.http.get(f"/v1/database/query/{query['id']}/result/", headers={"Accept": models.ARROW_STREAM})
    assert base64.b64decode(query[models.RESULT_ARROW_FIELD]) == result.content


def test_a_long_statement_is_in_every_result(api: Api) -> None:
    """It is stored once, and left out only beside the query that holds it."""
    sql = f"SELECT 1 AS a WHERE 1 IN ({', '.join(map(str, range(10_000)))})"
    answer = submitted(api, f"{sql};\n", "wait=30, return=representation").json()
    (enclosed,) = arrow_statements(base64.b64decode(answer["result_arrow"]))
    assert (answer["query"], enclosed["query"]) == (f"{sql};\n", None)
    url = f"/v1/database/query/{answer['id']}/result/"
    (row,) = api.http.get(url).json()["results"]
    (streamed,) = arrow_statements(api.http.get(url, headers={"Accept": models.ARROW_STREAM}).content)
    assert row["query"] == streamed["query"] == sql
    assert row["result_rows"] == [[1]]


def arrow_statements(streams: bytes) -> list[dict[str, object]]:
    """Return the statement in the metadata of each Arrow stream."""
    found, file = list[dict[str, object]](), pa.BufferReader(streams)
    while file.tell() < len(streams):
        stream = pa.ipc.open_stream(file)
        stream.read_all()
        found.append(json.loads(stream.schema.metadata[models.STATEMENT_METADATA_KEY]))
    return found


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
def test_no_other_result_is_in_the_response_to_its_submit(api: Api, sql: str, prefer: str) -> None:
    """Results that are large or not requested, or of a query that failed or still runs, are left out."""
    answer = submitted(api, sql, prefer)
    assert models.RESULT_ARROW_FIELD not in answer.json()
    assert "return" not in answer.headers.get("Preference-Applied", "")


def test_a_wait_ends_with_its_time(api: Api) -> None:
    """After the wait the response has the status at that time; a cancel stops the query."""
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
    """One response has every change: the first line comes at once, the counters rise, the last line is the end."""
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
    """A stream of changes ends when the requested wait is over."""
    query = api.submit(SLOW, wait=0)
    headers = {"Prefer": "wait=1", "Accept": "application/x-ndjson"}
    answer = api.http.get(f"/v1/database/query/{query['id']}/status/", headers=headers)
    assert json.loads(answer.text.splitlines()[-1])["status"] in {"PENDING", "STARTED"}
    assert len(answer.text.splitlines()) <= 7
    api.http.post(f"/v1/database/query/{query['id']}/cancel/")


def test_a_cancel_does_not_change_an_ended_query(api: Api) -> None:
    """The response to a cancel that comes too late is the final status."""
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
    """The response to an early request has the status and no results; it is no error."""
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
def test_a_result_is_json_unless_arrow_is_named(api: Api, accept: str) -> None:
    """A client that does not name Arrow, or refuses it, gets JSON."""
    query = api.submit("SELECT 1")
    answer = api.http.get(f"/v1/database/query/{query['id']}/result/", headers={"Accept": accept})
    assert answer.headers["Content-Type"] == "application/json"


def test_a_failed_query_has_no_arrow(api: Api) -> None:
    """The result of a failed query is JSON, whatever the request accepts."""
    query = api.submit("selec")
    answer = api.http.get(f"/v1/database/query/{query['id']}/result/", headers={"Accept": models.ARROW_STREAM})
    assert answer.json()["status"] == "FAILURE"


def test_the_synchronous_query_answers_the_results(api: Api) -> None:
    """Its response is the list of results itself, or an error with a message."""
    good = api.http.post("/v1/database/query/", json={"query": "SELECT 1; SELECT 2"})
    assert [one["result_rows"] for one in good.json()] == [[[1]], [[2]]]
    bad = api.http.post("/v1/database/query/", json={"query": "selec"})
    assert bad.status_code == 400
    assert "Syntax error" in bad.json()["message"]


@pytest.mark.parametrize("query_id", ["x", "1", "%00", "..", NOBODYS, "123e4567e89b12d3a456426614174000x"])
def test_a_query_that_does_not_exist_is_not_found(api: Api, query_id: str) -> None:
    """For an id that is no UUID the response is 404 as well."""
    for tail in ("status", "result"):
        assert api.http.get(f"/v1/database/query/{query_id}/{tail}/").status_code == 404


def test_totals_are_beside_the_rows_as_json_and_as_arrow(api: Api) -> None:
    """A field of the statement, with the values as in the rows."""
    sql = "SELECT number % 2 AS k, toFloat32(0.1) AS f, count() FROM numbers(5) GROUP BY k WITH TOTALS ORDER BY k"
    query = api.submit(sql)
    (statement,) = api.result(query["id"])["results"]
    assert statement["result_rows"] == [[0, 0.1, 3], [1, 0.1, 2]]
    assert statement["totals"] == [0, 0.1, 5]
    assert "extremes" not in statement
    answer = api.http.get(f"/v1/database/query/{query['id']}/result/", headers={"Accept": models.ARROW_STREAM})
    described = json.loads(pa.ipc.open_stream(answer.content).schema.metadata[models.STATEMENT_METADATA_KEY])
    assert described["totals"] == [0, 0.1, 5]
