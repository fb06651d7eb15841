"""Which requests pass the gate: keys, host names, origins."""

from __future__ import annotations

import httpx
import pytest

from tests.support.services import Api


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
def test_a_page_of_another_site_is_refused(api: Api, headers: dict[str, str]) -> None:
    """A foreign Host or any Origin is 403, with a valid key as well, and for what needs no key."""
    for path in ("/v1/tables/", "/healthz", "/openapi.json"):
        assert api.http.get(path, headers=headers).status_code == 403


@pytest.mark.parametrize("host", ["localhost", "LOCALHOST:8000", "127.0.0.1:1", "[::1]", "[::1]:8000"])
def test_loopback_names_are_ours(api: Api, host: str) -> None:
    """The loopback names are served, with any port."""
    assert api.http.get("/v1/tables/", headers={"Host": host}).status_code == 200
