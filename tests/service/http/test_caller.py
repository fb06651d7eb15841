"""The key's organisation decides what a request can find."""

from __future__ import annotations

import uuid

import pytest

from tests.support.services import Api

ASYNC = "/v1/database/query/async/"
SLOW = "SELECT count() FROM numbers(100000000000) WHERE NOT ignore(sin(number))"
# A well-formed id that no query has.
NOBODYS = "6a0f7f3e-0d5b-4a3c-9a53-0f6f0a1c2b3d"


def test_another_organisations_things_are_not_found(api: Api) -> None:
    """With another organisation's key, or its id in a request, everything is a 404."""
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
        assert api.http.request(method, path, headers=other).status_code == 404, path
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
    """A running query of another organisation is a 404, as an ended one is."""
    query = api.submit(SLOW, wait=0)
    path = f"/v1/database/query/{query['id']}"
    assert api.http.request("POST", f"{path}/cancel/", headers=api.as_("other")).status_code == 404
    assert api.http.request("POST", f"{path}/cancel/").json()["status"] == "REVOKED"


@pytest.mark.parametrize("path", ["tables/", "worksheets/", "tables/x/describe/", f"database/query/{NOBODYS}/status/"])
def test_an_organization_in_the_query_string_must_be_the_keys(api: Api, path: str) -> None:
    """For another organisation's id the response is 404, for text that is no UUID 400."""
    assert api.http.get(f"/v1/{path}", params={"organization_id": str(uuid.uuid4())}).status_code == 404
    assert api.http.get(f"/v1/{path}", params={"organization_id": "x"}).status_code == 400
    assert api.http.get(f"/v1/{path}?organization_id={api.organization_id}&organization_id=x").status_code == 400


def test_a_wrong_organization_names_the_parameter(api: Api) -> None:
    """Whether the id is malformed or another's, in the query string or the body: the message names organization_id."""
    for wrong in ("nonsense", "6a0f7f3e-0d5b-4a3c-9a53-0f6f0a1c2b3d"):
        in_query = api.http.get("/v1/tables/", params={"organization_id": wrong})
        body = {"query": "SELECT 1", "organization_id": wrong}
        in_body = api.http.post("/v1/database/query/async/", json=body)
        assert "organization_id" in in_query.text
        assert "organization_id" in in_body.json()["message"]
        assert in_query.status_code == in_body.status_code == (400 if wrong == "nonsense" else 404)
