"""Fixtures that many tests use: the real service, as a process of its own and inside this one."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from roe_magic.frames.arrow_types import arrow_time_zone, resolve_type
from roe_magic.frames.json import table_builder
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


@pytest.fixture(scope="module", params=["fast path", "row decoder"])
def each_json_path(request: pytest.FixtureRequest) -> Iterator[None]:
    """Run the test twice: JSON rows, however few, are read by the CSV reader where it can, and then are all decoded."""
    for warns_once in (resolve_type, arrow_time_zone):
        warns_once.cache_clear()
    with pytest.MonkeyPatch.context() as patch:
        if request.param == "fast path":
            patch.setattr(table_builder, "FAST_PATH_THRESHOLD", 0)
        yield
