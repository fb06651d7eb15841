"""A client that knows the published contract and nothing else: Python's own http.client, and the contract's schemas."""

from __future__ import annotations

import http.client
import json
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from uuid import uuid4

import jsonschema
import pytest
import yaml

from tests.support.services import Service, wait_for

pytestmark = pytest.mark.conformance

CONTRACT = yaml.safe_load((Path(__file__).parents[1] / "wire" / "roe-database-query.openapi.yaml").read_text("utf-8"))
SLOW = "SELECT count() FROM numbers(100000000000) WHERE NOT ignore(sin(number))"
ENDED = {"SUCCESS", "FAILURE", "REVOKED"}
# What every HTTP answer may have; a client of the contract need not know any other header.
HEADERS = {"date", "content-length", "content-type", "vary", "connection", "transfer-encoding"}


class Plain:
    """One request a connection, with the headers that the contract asks for."""

    def __init__(self, service: Service) -> None:
        self._service = service

    def __call__(
        self, method: str, path: str, body: object = None, **headers: str
    ) -> tuple[int, http.client.HTTPMessage, Any]:
        connection = http.client.HTTPConnection(urlsplit(self._service.url).netloc, timeout=60)
        sent = {"Authorization": f"Bearer {self._service.api_key}", **headers}
        if body is not None:
            sent["Content-Type"] = "application/json"
        try:
            connection.request(method, path, json.dumps(body) if body is not None else None, sent)
            answer = connection.getresponse()
            return answer.status, answer.headers, json.loads(answer.read())
        finally:
            connection.close()

    def submit(self, sql: str, **headers: str) -> tuple[int, http.client.HTTPMessage, Any]:
        path = f"/v1/database/query/async/?organization_id={self._service.organization_id}"
        return self("POST", path, {"query": sql}, **headers)


@pytest.fixture
def plain(service: Service) -> Plain:
    return Plain(service)


def status_path(query: Any) -> str:
    return f"/v1/database/query/{query['id']}/status/"


def check(name: str, body: Any, *, more: frozenset[str] = frozenset()) -> None:
    """Check a body against a schema of the contract, which at the top may have no fields but its own and ``more``."""
    schema = {"$ref": f"#/components/schemas/{name}", "components": CONTRACT["components"]}
    checker = jsonschema.Draft202012Validator.FORMAT_CHECKER
    jsonschema.Draft202012Validator(schema, format_checker=checker).validate(body)
    assert set(body) - set(CONTRACT["components"]["schemas"][name]["properties"]) <= more


def test_the_contract_is_kept_to_the_letter(plain: Plain) -> None:
    """Submit and status answer the contract's schemas as plain JSON, with no header that needs to be known."""
    status, headers, query = plain.submit("SELECT 1")
    assert (status, headers["Content-Type"]) == (200, "application/json")
    assert {name.lower() for name in headers} <= HEADERS
    check("WorksheetQuery", query)
    assert query["query_task_status"] in {"PENDING", "STARTED", "SUCCESS"}

    def ended() -> Any:
        status, headers, body = plain("GET", status_path(query))
        assert (status, headers["Content-Type"]) == (200, "application/json")
        assert {name.lower() for name in headers} <= HEADERS
        check("DatabaseQueryStatusResponse", body, more=frozenset({"started_at", "progress"}))
        return body if body["status"] in ENDED else None

    assert wait_for(ended)["status"] == "SUCCESS"


def test_a_notice_is_an_optional_field_of_both_answers(plain: Plain) -> None:
    """It is the only field that a client of the contract does not know; everything else is as published."""
    _, _, query = plain.submit("SELECT 1 FORMAT CSV", Prefer="wait=30")
    check("WorksheetQuery", query, more=frozenset({"notices"}))
    _, _, body = plain("GET", status_path(query))
    check("DatabaseQueryStatusResponse", body, more=frozenset({"started_at", "progress", "notices"}))
    assert len(query["notices"]) == len(body["notices"]) == 1


def test_nothing_is_held_back_unasked(plain: Plain) -> None:
    """Without Prefer both endpoints answer at once, while the query runs."""
    _, _, query = plain.submit(SLOW)
    assert query["finished_at"] is None
    for _ in range(3):
        _, headers, body = plain("GET", status_path(query))
        assert body["status"] in {"PENDING", "STARTED"}
        assert "Preference-Applied" not in headers
    _, _, cancelled = plain("POST", f"/v1/database/query/{query['id']}/cancel/")
    check("DatabaseQueryStatusResponse", cancelled, more=frozenset({"started_at", "progress"}))
    assert plain("GET", status_path(query))[2]["status"] == "REVOKED"


def test_errors_have_the_contracts_shape(plain: Plain) -> None:
    """The contract's 400 is an ErrorResponse; its 404 has a JSON body, too."""
    status, headers, body = plain("POST", "/v1/database/query/async/", {"query": "SELECT 1"})
    assert (status, headers["Content-Type"]) == (400, "application/json")
    check("ErrorResponse", body)
    status, _, body = plain("GET", f"/v1/database/query/{uuid4()}/status/")
    assert status == 404
    check("ErrorResponse", body)


@pytest.mark.parametrize("accept", [None, "*/*", "application/*", "text/html", "", "application/json; q=0.1, */*", ","])
def test_json_is_what_a_client_gets_that_names_nothing_else(plain: Plain, accept: str | None) -> None:
    """Neither lines nor Arrow come to a client that did not ask for them by name, with or without Prefer."""
    headers = {} if accept is None else {"Accept": accept}
    _, answered, query = plain.submit("SELECT 1", Prefer="wait=30", **headers)
    assert (answered["Content-Type"], query["query_task_status"]) == ("application/json", "SUCCESS")
    for path in (status_path(query), f"/v1/database/query/{query['id']}/result/"):
        for more in ({}, {"Prefer": "wait=1"}):
            assert plain("GET", path, **headers, **more)[1]["Content-Type"] == "application/json"


def test_the_documented_request_is_taken(plain: Plain) -> None:
    """The contract's own example of a body, with a worksheet that exists and without the tables it dreams of."""
    content = CONTRACT["paths"]["/v1/database/query/async/"]["post"]["requestBody"]["content"]["application/json"]
    example = content["examples"]["AsyncDatabaseQueryExample"]["value"]
    worksheet = plain("GET", "/v1/worksheets/")[2][0]
    status, _, query = plain("POST", "/v1/database/query/async/", {**example, "worksheet_id": worksheet["id"]})
    assert status == 200
    assert (query["query"], query["worksheet"]["id"]) == (example["query"], worksheet["id"])


def test_a_client_of_http_1_0_is_served(service: Service, plain: Plain) -> None:
    """Without keep-alive and chunks: the rows come whole, and the connection ends."""
    _, _, query = plain.submit("SELECT number FROM numbers(100000)", Prefer="wait=30")
    connection = http.client.HTTPConnection(urlsplit(service.url).netloc, timeout=60)
    connection._http_vsn, connection._http_vsn_str = 10, "HTTP/1.0"  # type: ignore[attr-defined]  # no public way
    key = {"Authorization": f"Bearer {service.api_key}", "Host": "localhost"}
    connection.request("GET", f"/v1/database/query/{query['id']}/result/", headers=key)
    answer = connection.getresponse()
    assert answer.headers["Transfer-Encoding"] is None
    assert len(json.loads(answer.read())["results"][0]["result_rows"]) == 100_000
    connection.close()


def test_an_unknown_header_changes_nothing(plain: Plain) -> None:
    """Proxies and tracers add headers; so may a client that wants an encoding which is not offered."""
    more = {"Accept-Encoding": "gzip, br", "Idempotency-Key": "x", "X-Forwarded-For": "10.0.0.1", "traceparent": "00"}
    status, headers, query = plain.submit("SELECT 1", **more)
    assert (status, headers["Content-Encoding"]) == (200, None)
    check("WorksheetQuery", query)
