"""Fixtures of the browser tests: ``lab`` is an open, empty notebook in a real JupyterLab."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import BrowserContext, Page, expect, sync_playwright

from roe_magic import local_service
from roe_magic.local import LocalService
from tests.browser.harness import FLAGS, PATIENCE, Lab, Server, find_chromium, new_page, open_lab

ARTIFACTS = Path(__file__).parents[2] / "artifacts"


@pytest.fixture(scope="session")
def chromium() -> str:
    found = find_chromium()
    if found is None:
        advice = "no Chromium: install it (Debian: apt-get install chromium) or name it in ROE_TEST_CHROMIUM"
        pytest.fail(advice) if os.environ.get("CI") else pytest.skip(advice)
    return found


@pytest.fixture(scope="session")
def server(chromium: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    server = Server(tmp_path_factory.mktemp("lab"))
    try:
        server.wait_until_ready()
        yield server
    finally:
        server.stop()


# By module, not by session: while Playwright runs, its event loop is in the way of tests that want one of their own.
@pytest.fixture(scope="module")
def browser(chromium: str) -> Iterator[BrowserContext]:
    expect.set_options(timeout=PATIENCE)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=FLAGS)
        context = browser.new_context(viewport={"width": 1100, "height": 800})
        context.set_default_timeout(PATIENCE)
        yield context
        browser.close()


@pytest.fixture(scope="module")
def page(server: Server, browser: BrowserContext) -> Iterator[Page]:
    """JupyterLab, loaded once: that takes longer than most tests."""
    with new_page(browser) as page:
        open_lab(page, server)
        yield page


@pytest.fixture
def lab(server: Server, page: Page, request: pytest.FixtureRequest) -> Iterator[Lab]:
    """An empty notebook with a running kernel, named after the test."""
    lab = Lab(server, page, ARTIFACTS)
    lab.open(re.sub(r"\W+", "-", request.node.name) + ".ipynb")
    yield lab
    lab.close()


@pytest.fixture(scope="module")
def local(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalService]:
    with local_service(tmp_path_factory.mktemp("local")) as service:
        yield service


@pytest.fixture
def roe(lab: Lab, local: LocalService) -> Lab:
    """A notebook that is connected to the local service, as a user's is."""
    connect = f"import os; os.environ['ROE_LOCAL_DATA'] = {str(local.data)!r}\n%load_ext roe_magic\n%roe connect local"
    cell = lab.run_cell(connect)
    lab.wait(cell)
    expect(cell).to_contain_text("Connected to 127.0.0.1")
    return lab
