"""Bodies, query strings and preferences, as callers send them."""

from __future__ import annotations

import pytest

from tests.support.services import Api

ASYNC = "/v1/database/query/async/"


@pytest.mark.parametrize("where", ["params", "json"])
def test_worksheet_and_organization_come_from_query_string_or_body(api: Api, where: str) -> None:
    """Both have the same effect."""
    made = api.http.post("/v1/worksheets/", json={"name": f"from {where}"}).json()
    named = {"worksheet_id": made["id"], "organization_id": api.organization_id}
    options = {"json": {"query": "SELECT 1"}, **({"params": named} if where == "params" else {})}
    if where == "json":
        options["json"] |= named
    assert api.http.request("POST", ASYNC, **options).json()["worksheet"] == made


def test_every_kind_of_body_is_read(api: Api) -> None:
    """JSON, URL-encoded and multipart bodies give the same query."""
    fields = {"query": "SELECT 'ü'", "organization_id": api.organization_id, "use_admin": "false", "worksheet_id": ""}
    for options in (
        {"json": {**fields, "use_admin": False, "worksheet_id": None}},
        {"data": fields},
        {"data": fields, "files": {"x": b""}},
    ):
        answer = api.http.request("POST", ASYNC, **options)
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


@pytest.mark.parametrize(
    ("content", "kind", "status", "told"),
    [
        (b'{"query": "SELECT 1"}', None, 415, "The request has no Content-Type."),
        (b"", None, 415, "The request has no Content-Type."),
        (b'{"query": "SELECT 1"}', "application/x-www-form-urlencoded", 400, "send Content-Type: application/json."),
        (b'\n {"query": "a=1"}', "application/x-www-form-urlencoded", 400, "send Content-Type: application/json."),
        (b"{}", "text/plain", 415, "The body must be application/json,"),
        (b"", "application/json", 400, "The body is empty;"),
        (b" ", "application/json", 400, "The body is empty;"),
        (b"", "application/x-www-form-urlencoded", 400, "query: This field is required."),
    ],
)
def test_a_body_that_comes_as_something_else_is_told_so(
    api: Api, content: bytes, kind: str | None, status: int, told: str
) -> None:
    """What is missing is named, in the shape of the contract's errors."""
    headers = {} if kind is None else {"Content-Type": kind}
    answer = api.http.post(ASYNC, content=content, headers=headers, params={"organization_id": api.organization_id})
    assert answer.status_code == status
    assert list(answer.json()) == ["message"]
    assert told in answer.json()["message"]


def test_a_body_of_unknown_length_is_limited_too(api: Api) -> None:
    """The limit holds for a chunked body as well."""
    chunks = (b" " * 2**20 for _ in range(17))
    answer = api.http.post(ASYNC, content=chunks, headers={"Content-Type": "application/json"})
    assert answer.status_code == 413


@pytest.mark.parametrize("prefer", ["wait", "wait=x", "wait=-1", "return=minimal", "await=3"])
def test_other_preferences_are_ignored(api: Api, prefer: str) -> None:
    """An unknown preference is ignored, as RFC 7240 demands."""
    query = api.submit("SELECT 1")
    answer = api.http.get(f"/v1/database/query/{query['id']}/status/", headers={"Prefer": prefer})
    assert answer.status_code == 200
    assert "Preference-Applied" not in answer.headers
