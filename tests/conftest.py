"""Fixtures that many tests use: the real service, as a process of its own and inside this one."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from roe_magic.frames.json import table_builder
from roe_magic.frames.schema import resolve, shown_zone
from tests.support.services import Api, Service, api_on, end_service, start_service


@pytest.fixture(scope="session")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """Run the real service as a process, on a data folder of its own, for the whole session."""
    started = start_service(tmp_path_factory.mktemp("service"))
    yield started
    end_service(started)


@pytest.fixture(scope="session")
def api(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Api]:
    """Run the service with its real engine inside this process, for the whole session."""
    with api_on(tmp_path_factory.mktemp("api")) as running:
        yield running


@pytest.fixture(scope="module", params=["as many rows", "as few rows"])
def road(request: pytest.FixtureRequest) -> Iterator[None]:
    """Let JSON rows take the road of large answers, however few they are, and then that of small ones."""
    for warns_once in (resolve, shown_zone):
        warns_once.cache_clear()
    with pytest.MonkeyPatch.context() as patch:
        if request.param == "as many rows":
            patch.setattr(table_builder, "_FEW", 0)
        yield
