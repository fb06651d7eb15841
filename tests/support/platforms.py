"""What this system has, for tests that need it."""

from __future__ import annotations

import os
import sys

import pytest

from roe_magic.service.engine.chdb import sandbox

# In CI on Linux these tests run whatever the code under test says about Landlock, so that they cannot vanish with it.
HAS_LANDLOCK = sys.platform == "linux" and (bool(os.environ.get("CI")) or sandbox.available() > 0)
needs_landlock = pytest.mark.skipif(not HAS_LANDLOCK, reason="this system has no Landlock")
needs_linux = pytest.mark.skipif(sys.platform != "linux", reason="only Linux has this")
