"""Error responses that do not belong to one endpoint."""

from __future__ import annotations

import httpx
import pytest

from tests.support.services import Api

ASYNC = "/v1/database/query/async/"
# A well-formed id that no query has.
NOBODYS = "6a0f7f3e-0d5b-4a3c-9a53-0f6f0a1c2b3d"


@pytest.mark.parametrize(
    "path", ["/", "/v1/", "/v1/database/query/async", f"/v1/database/query/{NOBODYS}/", "/v1/nope/"]
)
def test_an_unknown_path_is_not_found(api: Api, path: str) -> None:
    """A path without its final slash is unknown too: no redirect is made of a Host header."""
    answer = api.http.get(path, follow_redirects=False)
    assert answer.status_code == 404
    assert list(answer.json()) in (["detail"], ["message"])


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
    """A 405 names the methods that are allowed."""
    answer = api.http.request(method, path)
    assert answer.status_code == 405
    assert set(answer.headers["Allow"].split(", ")) >= set(allow.split(", "))


def test_a_failure_of_the_service_shows_nothing_of_it(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    """A bug becomes a plain 500 in the endpoint's shape."""
    monkeypatch.setattr(type(api.services.store), "worksheets", lambda *_: 1 / 0)
    # A connection of its own: uvicorn closes it after a failure.
    answer = httpx.get(api.http.base_url.join("/v1/worksheets/"), headers=api.as_("admin"))
    assert (answer.status_code, answer.json()) == (500, {"detail": "The service failed; its log says more."})


def test_a_doubled_version_in_the_path_is_explained(api: Api) -> None:
    """The message for a path with /v1 twice mentions ROE_BASE_URL."""
    answer = api.http.get("/v1/v1/tables/")
    assert answer.status_code == 404
    assert "ROE_BASE_URL" in answer.json()["detail"]


@pytest.mark.parametrize(
    ("method", "path", "key"),
    [
        ("POST", "/v1/database/query/async", "message"),
        ("POST", "/v1/database/query", "message"),
        ("GET", f"/v1/database/query/{NOBODYS}/status", "message"),
        ("GET", f"/v1/database/query/{NOBODYS}/result", "message"),
        ("GET", "/v1/tables", "detail"),
        ("DELETE", "/v1/tables/some_table", "detail"),
        ("GET", "/v1/users/current_user", "detail"),
        ("GET", "/v1/worksheets", "detail"),
    ],
)
def test_a_path_without_its_last_slash_is_told_so(api: Api, method: str, path: str, key: str) -> None:
    """A redirect would lose the body of a POST, so the path stays unknown; the message says what it lacks."""
    answer = api.http.request(method, path)
    assert answer.status_code == 404
    assert "ends with a slash" in answer.json()[key]


def test_other_unknown_paths_are_not_said_to_lack_a_slash(api: Api) -> None:
    """Nor are those that have one too many."""
    for path in ("/v1/nothing", "/v1/database/query/async//", "/healthz/"):
        assert "slash" not in str(api.http.get(path).json())


def test_a_405_says_what_is_allowed(api: Api) -> None:
    """In its message, too, for people who see that alone."""
    assert "Allowed: POST." in api.http.get("/v1/database/query/async/").json()["message"]
