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


def test_totals_are_beside_the_rows(api: Api) -> None:
    """By name, as the rows are, and whatever the limit."""
    sql = "SELECT number % 3 AS k, count() AS c FROM numbers(9) GROUP BY k WITH TOTALS ORDER BY k"
    sent = api.http.post("/v1/tables/query/", json={"sql": sql, "limit": 2})
    body = table_result(api, sent.json()["table_query_id"])
    assert (body["rows"], body["totals"]) == ([{"k": 0, "c": 3}, {"k": 1, "c": 3}], {"k": 0, "c": 9})


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT number FROM numbers(9) ORDER BY number DESC LIMIT 2;",
        "WITH 8 AS a SELECT number FROM (SELECT a AS number UNION ALL SELECT 7) ORDER BY number DESC -- )",
        "SELECT number FROM numbers(9) ORDER BY number DESC SETTINGS max_threads = 1 /* ( */",
        "SELECT number FROM numbers(9) SETTINGS limit = 4, offset = 3, page = 0",
        "SELECT number FROM numbers(9) EXCEPT SELECT 0 EXCEPT SELECT 3",
        "SELECT n AS number FROM (SELECT max(number) AS n FROM numbers(9) GROUP BY intDiv(number, 4)) ORDER BY n DESC",
    ],
)
def test_a_row_limit_changes_nothing_else(api: Api, sql: str) -> None:
    """The rows are the first of those that the SELECT gives alone: its order, comments and settings hold."""
    alone = api.http.post("/v1/database/query/", json={"query": sql}).json()[0]["result_rows"]
    for limit in (1, 2):
        sent = api.http.post("/v1/tables/query/", json={"sql": sql, "limit": limit})
        body = table_result(api, sent.json()["table_query_id"])
        assert [row["number"] for row in body["rows"]] == [row[0] for row in alone[:limit]]
        assert body["truncated"] == (len(alone) > limit)


def test_a_table_query_has_no_pages_of_its_own(api: Api) -> None:
    """The engine would count them in multiples of the row limit, and return other rows."""
    sql = "SELECT number FROM numbers(30) SETTINGS limit = 6, page = 2"
    sent = api.http.post("/v1/tables/query/", json={"sql": sql, "limit": 3})
    body = table_result(api, sent.json()["table_query_id"])
    assert (body["status"], "the setting page" in body["error"].lower()) == ("FAILURE", True)


@pytest.mark.parametrize(
    "sql",
    [
        *("SELECT 1; SELECT 2", "DROP TABLE x", "CREATE TABLE x (a Int8) ENGINE=Memory", " ", "SHOW TABLES", "DESC t"),
        *("SET max_threads = 1", "EXPLAIN SELECT 1", "USE x", "INSERT INTO x SELECT 1"),
        # Texts that would be statements of another shape between brackets.
        *("1) SELECT (2", "select 1); select * from (select 2", "SELECT 1) UNION ALL (SELECT 2", "SELECT 1) -- "),
        *("SELECT 1) AS a, (SELECT 2", "SELECT 1\n)\nLIMIT 1 /* ", "number", "EXPLAIN SYNTAX SELECT 1"),
    ],
)
def test_a_table_query_is_one_select(api: Api, sql: str) -> None:
    """Everything but a text that is a single SELECT or WITH by itself fails."""
    sent = api.http.post("/v1/tables/query/", json={"sql": sql})
    body = table_result(api, sent.json()["table_query_id"])
    assert body["status"] == "FAILURE"
    assert body["error"]


@pytest.mark.parametrize(("sql", "status"), [("SELECT 1", "SUCCESS"), ("SELECT throwIf(1)", "FAILURE")])
def test_a_table_query_tells_its_notices(api: Api, sql: str, status: str) -> None:
    """However it ended; without any the field is absent."""
    for clause, expected in (("", []), (" FORMAT CSV", ["FORMAT CSV was ignored"])):
        sent = api.http.post("/v1/tables/query/", json={"sql": sql + clause})
        body = table_result(api, sent.json()["table_query_id"])
        assert body["status"] == status
        assert [notice.split(":")[0] for notice in body.get("notices", [])] == expected
        assert ("notices" in body) == bool(expected)


def test_a_table_query_is_no_worksheet_query(api: Api) -> None:
    """The two APIs do not see each other's queries."""
    table_query = api.http.post("/v1/tables/query/", json={"sql": "SELECT 1"}).json()["table_query_id"]
    assert api.http.get(f"/v1/database/query/{table_query}/status/").status_code == 404
    query = api.submit("SELECT 1")
    assert api.http.get(f"/v1/tables/query/{query['id']}/result/").json() == {"detail": "Table query not found."}


def table_result(api: Api, query_id: str) -> dict[str, Any]:
    path = f"/v1/tables/query/{query_id}/result/"
    return dict(wait_for(lambda: (body := api.http.get(path).json())["status"] in models.TERMINAL and body))
