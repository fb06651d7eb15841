"""What the tests of the engine share."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.support.engines import LiveEngine


@pytest.fixture(scope="module")
def live(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveEngine]:
    """One engine for the tests of a module that do not change it."""
    live = LiveEngine(tmp_path_factory.mktemp("engine"))
    try:
        yield live.start()
    finally:
        live.close()
