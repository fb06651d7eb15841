"""A client of the real service."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from roe_magic.client import RoeClient
from roe_magic.config import Secret, Settings
from tests.support.services import Api


@pytest.fixture(scope="package")
def client(api: Api) -> Iterator[RoeClient]:
    """Return a client with an admin's key."""
    address, key = str(api.http.base_url).rstrip("/"), api.http.headers["authorization"].removeprefix("Bearer ")
    client = RoeClient(Settings(base_url=address, api_key=Secret(key), organization_id=api.organization_id))
    yield client
    client.close()
