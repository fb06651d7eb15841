"""docs/architecture.md tells the truth: one query is traced through three processes, file by file."""

from __future__ import annotations

import json
import os
import re
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import roe_magic
from roe_magic.service.engine.chdb import process
from tests.support import call_trace
from tests.support.call_trace import Trace
from tests.support.kernels import running_kernel
from tests.support.services import api_on

pytestmark = pytest.mark.integration

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "docs" / "architecture.md").read_text("utf-8")
PACKAGE = Path(roe_magic.__file__).parent
SOURCE = Path(call_trace.__file__).read_text("utf-8")
# Long enough for the panel to appear, for a status request and for a download of its own.
CELL = "%%roe {name}= <<\nSELECT number AS {name}, sleepEachRow(0.6) AS slept FROM numbers(3)\n"
PROCESSES = ("kernel", "service", "engine")


def walk(name: str) -> list[str]:
    """Return the files that the page lists for one process, in its order."""
    section = PAGE.split(f"### In the {name}", 1)[1].split("\n##", 1)[0]
    return re.findall(r"^\d+\. `([\w/]+\.py)`", section, re.MULTILINE)


def helpers() -> set[str]:
    """Return the files that the page names as entered on the way, in no order."""
    section = PAGE.split("### On the way", 1)[1].split("When Cancel", 1)[0]
    return set(re.findall(r"`([\w/]+\.py)`", section))


@pytest.fixture(scope="module")
def entered(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, list[str]]]:
    """Run two cells, and return the files that the second entered, process by process, in the order of the first calls.

    The first imports what is needed; its SQL is another one, so that nothing is cached for the second.
    """
    folder = tmp_path_factory.mktemp("traced")
    boot = f"{SOURCE}\nTrace({str(PACKAGE)!r}, 'entered.txt').start()\n{process.PROGRAM}"
    with pytest.MonkeyPatch.context() as patch, Trace(str(PACKAGE)) as trace:
        patch.setattr(process, "PROGRAM", boot)
        with api_on(folder) as api:
            environment = _environment(api, folder)
            in_engine = folder / "engine" / "scratch" / "entered.txt"
            with running_kernel(environment) as kernel:
                kernel.run(f"{SOURCE}\ntrace = Trace({str(PACKAGE)!r}); trace.start()\n%load_ext roe_magic")
                kernel.run("%config RoeMagic.progress_after = 0.4")
                kernel.run(CELL.format(name="first"))
                kernel.run("trace.files.clear()")
                trace.files.clear()
                in_engine.unlink()
                kernel.run(CELL.format(name="second"))
                in_kernel = json.loads(kernel.value("__import__('json').dumps(trace.files)"))
            yield {"kernel": in_kernel, "service": list(trace.files), "engine": in_engine.read_text().split()}


def _environment(api: Any, folder: Path) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("ROE_")}
    return {
        **kept,
        "ROE_BASE_URL": str(api.http.base_url),
        "ROE_API_KEY": api.keys["admin"],
        "ROE_ORGANIZATION_ID": api.organization_id,
        "ROE_CONFIG_FILE": str(folder / "config.ini"),
        "PYDEVD_DISABLE_FILE_VALIDATION": "1",
    }


@pytest.mark.parametrize("name", PROCESSES)
def test_a_query_enters_the_files_in_the_order_of_the_page(entered: dict[str, list[str]], name: str) -> None:
    """Each file of the walk is entered, and first entered after the one above it."""
    files = walk(name)
    assert len(files) > 5
    assert [file for file in entered[name] if file in files] == files


def test_a_query_enters_no_other_file(entered: dict[str, list[str]]) -> None:
    """What is not in the walk is named as a helper, and every helper is used."""
    named = {file for name in PROCESSES for file in walk(name)}
    # An exception's class is entered where something goes wrong.
    assert {file for files in entered.values() for file in files} - named == helpers() - {"errors.py"}


def test_every_package_is_on_the_page() -> None:
    """The picture shows each folder with code, by its path."""
    folders = {path.parent.relative_to(PACKAGE).as_posix() for path in PACKAGE.rglob("*.py")} - {".", "_moved"}
    picture = PAGE.split("```text", 1)[1].split("```", 1)[0]
    assert {folder for folder in folders if not re.search(rf"\b{re.escape(folder)}/", picture)} == set()


def test_every_file_that_the_page_names_is_there() -> None:
    """A file that moved is found out."""
    names = set(re.findall(r"`([\w/]+\.(?:py|js|css))`", PAGE))
    assert {name for name in names if not ((PACKAGE / name).exists() or (ROOT / name).exists())} == set()


def test_the_trace_sees_calls_in_other_threads(tmp_path: Path) -> None:
    """Or it would miss most of what it is for."""
    with Trace(str(PACKAGE)) as trace:
        thread = threading.Thread(target=roe_magic.__dir__)
        thread.start()
        thread.join()
    assert trace.files == ["__init__.py"]
    assert sys.getprofile() is None
