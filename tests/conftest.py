"""Fixtures that many tests use: the real service, as a process of its own and inside this one."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator
from typing import Any

import pytest

from roe_magic.frames.arrow_types import arrow_time_zone, resolve_type
from roe_magic.frames.json import table_builder
from tests.support.services import Api, Service, api_on, end_service, start_service

# Fixtures that start the local service, its engine or a kernel.
INTEGRATION = {"api", "engine", "environment", "kernel", "live", "service"}
# The files that take longest, longest first. They start first: at the end, one of them would occupy one worker
# while the other is idle.
LONGEST = (
    "test_schemathesis.py",
    "test_canary.py",
    "test_panel_in_lab.py",
    "test_serve.py",
    "test_benchmarks.py",
    "test_local.py",
    "test_local_service.py",
    "test_interrupts.py",
    "test_canaries.py",
    "test_clean_text.py",
    "test_hostile_bodies.py",
)
_popen_init = subprocess.Popen.__init__
# What the command line of a real part holds: service, engine, kernel, browser, JupyterLab, the demo.
REAL_PART = re.compile(r"roe_magic\.service|local_service|ipykernel|jupyter|playwright|demo\.py")


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Mark the tests that use a real part or are slow, and bring the longest files to the front.

    The exhaustive ones are left out unless they are asked for by their mark.
    """
    if "exhaustive" not in config.option.markexpr:
        left_out = [item for item in items if item.get_closest_marker("exhaustive")]
        config.hook.pytest_deselected(items=left_out)
        items[:] = [item for item in items if item not in left_out]
    for item in items:
        if item.path.name in LONGEST:
            item.add_marker(pytest.mark.slow)
        if INTEGRATION & set(getattr(item, "fixturenames", ())):
            item.add_marker(pytest.mark.integration)
    items.sort(key=lambda item: LONGEST.index(item.path.name) if item.path.name in LONGEST else len(LONGEST))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Iterator[Any]:
    """Fail a test that starts a real part without one of the marks that keep it out of `make check`."""
    with pytest.MonkeyPatch.context() as patch:
        if not any(map(item.get_closest_marker, ("integration", "browser", "conformance"))):
            patch.setattr(subprocess.Popen, "__init__", _start_no_real_part)
        return (yield)


def _start_no_real_part(self: Any, args: Any, *more: Any, **options: Any) -> None:
    assert not REAL_PART.search(str(args)), f"mark this test with pytest.mark.integration: it starts {args}"
    _popen_init(self, args, *more, **options)


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
