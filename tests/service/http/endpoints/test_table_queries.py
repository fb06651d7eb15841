"""The endpoints of the tables' own query API, with the real engine behind them."""

from __future__ import annotations

from typing import Any

import pytest

from roe_magic.contract import models
from tests.support.services import Api, wait_for


def test_a_table_query_gives_rows_by_name_up_to_its_limit(api: Api) -> None:
    """A submit is accepted with 202; the rows are objects, and there are at most as many as the limit."""
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
    """Everything but a single SELECT or WITH fails."""
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
