"""The rules of the house about imports, and the public names."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import roe_magic

PACKAGE = Path(roe_magic.__file__).parent
# Each module or package may import those of the lines above its own; the place of a new one belongs here.
LAYERS = [
    {"errors", "words", "polling", "statements", "header", "deadlines"},
    {"codec"},
    {"models", "config", "answers", "clickhouse_types", "uploads", "brief"},
    {"frames", "calls", "panel", "profiles"},
    {"transport"},
    {"client", "render", "service"},
    {"results", "local", "doctor", "catalogue", "download", "metadata"},
    {"query"},
    {"story"},
    {"execution"},
    {"running"},
    {"commands", "pictures"},
    {"completion"},
    {"magics"},
    {"cli"},
    {"__main__"},
]
# Who alone may import what, in functions too.
OWNERS = {
    "requests": {"transport"},
    "urllib3": {"deadlines", "transport"},
    "anywidget": {"panel.widget"},
    "ipywidgets": {"panel.widget"},
    "keyring": {"profiles"},
    "platformdirs": {"profiles", "service.serve"},
}
# What is imported in functions only, so that nothing pays for it before it is used.
LATE = {"pandas", "polars", "keyring", "platformdirs", "requests"}
HEAVY = {"IPython", "ipywidgets", "anywidget", "pandas", "pyarrow", "requests", "numpy", "msgspec", "polars"}


def modules() -> dict[str, Path]:
    """Map each module, named without the package, to its file."""
    files = {path.relative_to(PACKAGE).with_suffix("").as_posix(): path for path in PACKAGE.rglob("*.py")}
    return {
        name.removesuffix("/__init__").replace("/", "."): path for name, path in files.items() if name != "__init__"
    }


def imported(tree: ast.AST, *, late: bool = True) -> Iterator[str]:
    """Yield the names that code imports, those for the type checker alone left out."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "imports are absolute"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)
        elif isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
            continue
        elif late or not isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)):
            yield from imported(node, late=late)


def of_ours(path: Path) -> set[str]:
    """List the modules of the package that a file imports."""
    known, found = modules(), set()
    for name in imported(ast.parse(path.read_text("utf-8"))):
        own = name.removeprefix("roe_magic.")
        if own != name:
            found.add(own if own in known else own.rpartition(".")[0])
    return found - {""}


def top(module: str) -> str:
    return module.partition(".")[0]


def rank(module: str) -> int:
    return next(number for number, names in enumerate(LAYERS) if top(module) in names)


def test_every_module_has_its_place() -> None:
    """A new module is put into the layers by whoever makes it, and an old one is taken out."""
    assert set().union(*LAYERS) == {top(name) for name in modules()}


@pytest.mark.parametrize("module", sorted(modules()))
def test_imports_go_one_way(module: str) -> None:
    """A module imports only from the layers below its own, or from its own package."""
    for other in of_ours(modules()[module]):
        assert top(other) == top(module) or rank(other) < rank(module), f"{module} imports {other}"


def test_no_module_imports_itself_by_a_detour() -> None:
    """Inside the packages, too, there is no circle."""
    graph = {name: of_ours(path) & modules().keys() for name, path in modules().items()}
    while free := {name for name, needs in graph.items() if not needs & graph.keys()}:
        graph = {name: needs for name, needs in graph.items() if name not in free}
    assert graph == {}


@pytest.mark.parametrize("module", sorted(modules()))
def test_a_library_is_imported_where_it_is_wrapped(module: str) -> None:
    """requests in the transport, the widget library in the panel's widget, and so on."""
    for name in map(top, imported(ast.parse(modules()[module].read_text("utf-8")))):
        assert module in OWNERS.get(name, {module}), f"{module} imports {name}"


def test_the_shell_is_needed_by_the_magic_alone() -> None:
    """IPython is imported by the magic, its commands, its header and its completion."""
    shell = {name for name, path in modules().items() if "IPython" in map(top, imported(ast.parse(path.read_text())))}
    assert shell <= {"magics", "commands", "header", "completion"}


def test_the_panel_and_the_service_know_no_client() -> None:
    """The panel sees a picture and a callback; the service could be anybody's."""
    client = {"client", "transport", "query", "results", "running", "magics", "commands"}
    for name, path in modules().items():
        if top(name) == "panel":
            assert not of_ours(path) & (client | {"config"}), name
        if top(name) == "service":
            assert not of_ours(path) & (client | {"panel"}), name


@pytest.mark.parametrize("module", sorted(name for name in modules() if top(name) not in {"service", "transport"}))
def test_slow_libraries_are_imported_when_they_are_used(module: str) -> None:
    """Not at the top of a module."""
    tree = ast.parse(modules()[module].read_text("utf-8"))
    assert not LATE & set(map(top, imported(tree, late=False)))


def loaded_by(code: str) -> set[str]:
    """Run code in a fresh interpreter and list the top-level packages that it imported."""
    command = [sys.executable, "-X", "importtime", "-c", code]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True)
    lines = (line for line in done.stderr.splitlines() if line.startswith("import time:"))
    return {top(line.rpartition("|")[2].strip()) for line in lines}


@pytest.mark.parametrize(
    ("code", "allowed"),
    [
        ("import roe_magic", set()),
        ("import roe_magic; dir(roe_magic); roe_magic.__version__", set()),
        ("from roe_magic import WorksheetQuery, RunningQuery, RoeClient", {"msgspec"}),
        ("import roe_magic.magic.magics", {"IPython", "msgspec"}),
    ],
)
def test_an_import_loads_nothing_heavy(code: str, allowed: set[str]) -> None:
    """Neither the package nor its client loads pandas, pyarrow or widgets before they are used."""
    loaded = loaded_by(code)
    assert "roe_magic" in loaded
    assert loaded & HEAVY <= allowed


def test_what_is_loaded_would_be_seen() -> None:
    """The look into the fresh interpreter finds a heavy library when there is one."""
    assert {"msgspec", "roe_magic"} <= loaded_by("import roe_magic.contract.models")


def test_the_public_names_are_these() -> None:
    """Few, each there, and each listed."""
    assert sorted(roe_magic.__all__) == [
        "RoeClient",
        "RunningQuery",
        "WorksheetQuery",
        "load_ipython_extension",
        "local_service",
        "run",
        "unload_ipython_extension",
    ]
    for name in roe_magic.__all__:
        assert getattr(roe_magic, name).__name__ == name
        assert name in dir(roe_magic)
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        roe_magic.nothing  # noqa: B018  # the look-up is the test


def test_the_package_has_type_information() -> None:
    """py.typed is there."""
    assert (PACKAGE / "py.typed").exists()
