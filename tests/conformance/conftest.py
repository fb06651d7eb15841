"""What several tests of conformance use."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.support import engine_pair
from tests.support.engine_pair import EnginePair


@pytest.fixture(scope="module")
def engines(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EnginePair]:
    """Start a service and a bare engine, both without tables."""
    with engine_pair.started(tmp_path_factory.mktemp("engines")) as pair:
        yield pair
