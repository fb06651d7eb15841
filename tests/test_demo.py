"""What `make demo` runs: the first notebook, headless, on a local service of its own."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest

from roe_magic import RoeClient, local_service

pytestmark = pytest.mark.integration

DEMO = Path(__file__).parents[1] / "notebooks" / "demo.py"


def test_the_demo_leaves_a_page_that_tells_the_truth(tmp_path: Path) -> None:
    """It ends 0 and prints paths and panel; the page shows SUCCESS and the count; the service knows the query's id."""
    data, out = tmp_path / "data", tmp_path / "out"
    environment = {name: value for name, value in os.environ.items() if not name.startswith("ROE_")}
    with local_service(data) as service, RoeClient(service.settings) as client:
        done = subprocess.run(
            [sys.executable, str(DEMO), "--out", str(out)],
            env={**environment, "ROE_LOCAL_DATA": str(data)},
            capture_output=True,
            text=True,
            check=True,
        )
        page = (out / "01-first-query.html").read_text(encoding="utf-8")
        assert str(out / "01-first-query.html") in done.stdout
        assert done.stdout.rstrip().splitlines()[-1].startswith("SUCCESS in")
        assert "SUCCESS" in page
        assert "336776" in page.replace(",", "")
        found = re.search(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", done.stdout)
        assert found is not None
        assert found[0] in page
        assert client.status(found[0]).status == "SUCCESS"
    notebook = nbformat.read(out / "01-first-query.ipynb", as_version=4)
    assert service.source.api_key is not None
    assert service.source.api_key.reveal() not in nbformat.writes(notebook) + page
