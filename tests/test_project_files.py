"""The project's own files agree with each other: constraints, Makefile, package metadata, documentation."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import Any

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

ROOT = Path(__file__).parents[1]
PYPROJECT: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
CONSTRAINTS = [
    Requirement(line) for line in (ROOT / "constraints.txt").read_text("utf-8").splitlines() if not line.startswith("#")
]
DOCUMENTS = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]
# As markers see each Python and system that is supported.
ENVIRONMENTS = [
    {"python_version": python, "python_full_version": f"{python}.9", "sys_platform": system, "os_name": "posix"}
    for python in ("3.10", "3.11", "3.12", "3.13", "3.14")
    for system in ("linux", "darwin")
]


def declared() -> list[Requirement]:
    """Return every requirement of the package, its extras and its dependency groups, except those on itself."""
    project = PYPROJECT["project"]
    groups = [
        project["dependencies"],
        *project["optional-dependencies"].values(),
        *PYPROJECT["dependency-groups"].values(),
    ]
    requirements = [Requirement(line) for group in groups for line in group]
    return [each for each in requirements if each.name != project["name"]]


@pytest.mark.parametrize(
    "environment", ENVIRONMENTS, ids=lambda each: f"{each['python_version']} {each['sys_platform']}"
)
def test_each_dependency_has_one_constraint_that_fits(environment: dict[str, str]) -> None:
    """On each Python and system one version of each dependency is named, and it is one that pyproject.toml allows."""
    versions: dict[str, list[str]] = {}
    for constraint in CONSTRAINTS:
        if constraint.marker is None or constraint.marker.evaluate(environment):
            (specifier,) = constraint.specifier
            versions.setdefault(canonicalize_name(constraint.name), []).append(specifier.version)
    assert [name for name, several in versions.items() if len(several) > 1] == []
    for requirement in declared():
        (version,) = versions[canonicalize_name(requirement.name)]
        assert requirement.specifier.contains(version), f"{requirement} against {version}"


def test_constraints_are_names_and_versions_alone() -> None:
    """No address and no hash: any package index may serve them."""
    for constraint in CONSTRAINTS:
        assert constraint.url is None
        assert [specifier.operator for specifier in constraint.specifier] == ["=="], str(constraint)


def test_the_version_is_written_once() -> None:
    """The build reads it from roe_magic/_version.py."""
    assert PYPROJECT["project"]["dynamic"] == ["version"]
    assert PYPROJECT["tool"]["hatch"]["version"]["path"] == "roe_magic/_version.py"


def test_files_left_out_of_the_coverage_exist() -> None:
    """A file that moves takes its pattern along."""
    patterns = PYPROJECT["tool"]["coverage"]["run"]["omit"]
    assert [pattern for pattern in patterns if not list(ROOT.glob(pattern))] == []


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_a_document_names_targets_and_extras_that_exist(document: Path) -> None:
    """Each `make TARGET` is in the Makefile, each `roe-magic[EXTRA]` in pyproject.toml."""
    text = document.read_text("utf-8")
    targets = re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text("utf-8"), re.MULTILINE)
    assert set(re.findall(r"`(?:PYTHON=\S+ )?make ([a-z-]+)", text)) <= set(targets)
    assert set(re.findall(r"roe-magic\[([a-z]+)\]", text)) <= set(PYPROJECT["project"]["optional-dependencies"])


def test_the_makefile_lists_its_targets() -> None:
    """`make help` shows each target: a line of the Makefile with a description."""
    makefile = (ROOT / "Makefile").read_text("utf-8")
    phony = re.search(r"^\.PHONY: (.*)$", makefile, re.MULTILINE)
    assert phony is not None
    assert sorted(phony[1].split()) == sorted(re.findall(r"^([a-z-]+):.*## \S", makefile, re.MULTILINE))
