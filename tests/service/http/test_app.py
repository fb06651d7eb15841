"""What the application serves without a key."""

from __future__ import annotations

import httpx

from tests.support.services import Api


def test_health_needs_no_key(api: Api) -> None:
    """Anybody on this machine may see that the service is there."""
    answer = httpx.get(api.http.base_url.join("/healthz")).json()
    assert answer["status"] == "ok"
    assert answer["version"]
