"""The architecture as rules: who may import whom, which library is imported where, and the public names."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import roe_magic

PACKAGE = Path(roe_magic.__file__).parent

# Each package, or module outside of one, and what of ours it may import besides itself. Nothing else is allowed, in
# functions and for the type checker neither. A name with a dot is one module or package of another.
MAY_IMPORT: dict[str, set[str]] = {
    # What everything stands on.
    "_version": set(),
    "formatting": set(),
    "errors": {"formatting"},
    "sql": set(),
    "json_limits": set(),
    "imports": set(),
    "interrupts": set(),
    # What goes over the wire; client and service both stand on it, neither on the other.
    "contract": {"errors"},
    "config": {"errors", "formatting"},
    "frames": {"json_limits", "errors", "formatting"},
    # One HTTP request; one query; what a reader sees; the notebook.
    "client": {"contract", "config", "imports", "json_limits", "errors", "_version"},
    "query": {
        *("client", "contract", "frames", "json_limits", "sql"),
        *("imports", "interrupts", "errors", "formatting"),
    },
    # DataFrames and files as tables.
    "uploads": {"client", "contract", "frames", "sql", "errors", "formatting"},
    "panel": {"contract", "imports", "formatting", "query.query_state"},
    "magic": {
        *("query", "uploads", "client", "config", "contract", "panel", "sql", "local"),
        *("imports", "interrupts", "errors", "formatting"),
    },
    # The service, from the ground up.
    "service.job": set(),
    "service.data_folder": {"errors"},
    "service.file_lock": set(),
    "service.env_file": set(),
    "service.engine.sql": set(),
    "service.results": {"contract", "frames"},
    "service.state": {"contract", "service.job"},
    "service.queries": {"contract", "errors", "service.job", "service.state"},
    "service.engine.chdb": {
        *("contract", "frames", "errors", "service.engine.sql", "service.results"),
        *("service.job", "service.file_lock", "service.queries.errors", "service.queries.interfaces"),
    },
    "service.container": {"service.queries", "service.state", "service.data_folder"},
    "service.http": {
        *("contract", "errors", "service.container", "service.queries", "service.results", "service.state"),
        *("service.job", "service.file_lock"),
    },
    # The only file that names concrete parts: the engine, the store.
    "service.bootstrap": {
        *("service.container", "service.data_folder", "service.engine.chdb", "service.queries", "service.results"),
        *("service.state", "service.job", "errors"),
    },
    "service.serve": {
        *("service.bootstrap", "service.http.server", "service.data_folder", "service.file_lock", "service.env_file"),
        *("service.job", "service.container", "errors"),
    },
    "service.__main__": {"service.serve"},
    # What brings both together.
    "local_discovery": {"config", "errors", "service.data_folder", "service.env_file", "service.file_lock"},
    "local": {
        *("config", "errors", "local_discovery", "service.serve", "service.data_folder", "service.env_file"),
        "service.file_lock",
    },
    "doctor": {"config", "client", "query", "local", "service.serve", "errors", "formatting", "_version"},
    "cli": {"config", "doctor", "service.serve", "errors", "_version"},
    "__main__": {"cli"},
    # Names of before, for old pickles.
    "_moved": {"contract", "errors", "query"},
}
# The modules that alone may import a library, in functions too.
OWNERS = {
    "requests": {"client.connections", "client.transport", "client.transport_errors"},
    "urllib3": {"client.connections", "client.multipart", "client.transport", "client.transport_errors"},
    "anywidget": {"panel.widget"},
    "ipywidgets": {"panel.widget"},
    "keyring": {"config.profiles"},
    "platformdirs": {"config.profiles", "service.serve", "service.data_folder"},
    "chdb": {"service.engine.chdb.database"},
}
# The packages that alone may import a library.
OWNER_PACKAGES = {
    "IPython": {"magic"},
    "starlette": {"service.http"},
    "sqlalchemy": {"service.state"},
    "uvicorn": {"service.http"},
}
# What is imported in functions only, so that nothing pays for it before it is used.
LATE = {"pandas", "polars", "keyring", "platformdirs", "requests", "sqlglot"}
HEAVY = {"IPython", "ipywidgets", "anywidget", "pandas", "pyarrow", "requests", "numpy", "msgspec", "polars", "chdb"}


def modules() -> dict[str, Path]:
    """Map each module, named without the package, to its file; a package is named like its `__init__`."""
    files = {path.relative_to(PACKAGE).with_suffix("").as_posix(): path for path in PACKAGE.rglob("*.py")}
    return {
        name.removesuffix("/__init__").replace("/", "."): path for name, path in files.items() if name != "__init__"
    }


MODULES = modules()


def imported(tree: ast.AST, *, late: bool = True, typing_only: bool = True) -> Iterator[str]:
    """Yield the names that code imports; without those in functions or for the type checker alone, if so asked."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "imports are absolute"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)
        elif isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test) and not typing_only:
            continue
        elif late or not isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)):
            yield from imported(node, late=late, typing_only=typing_only)


def tree_of(module: str) -> ast.Module:
    return ast.parse(MODULES[module].read_text("utf-8"))


def of_ours(module: str) -> set[str]:
    """List the modules of the package that a module imports."""
    found = set()
    for name in imported(tree_of(module)):
        own = name.removeprefix("roe_magic.")
        if own != name and own != "__version__":
            found.add(own if own in MODULES else own.rpartition(".")[0])
    return found - {"", module}


def is_in(module: str, package: str) -> bool:
    return module == package or module.startswith(f"{package}.")


def package_of(module: str) -> str | None:
    """Return the line of the table that a module belongs to: the longest that fits."""
    return max((name for name in MAY_IMPORT if is_in(module, name)), key=len, default=None)


# Packages that hold no code of their own between the lines of the table.
ONLY_FOLDERS = {"service", "service.engine"}


def test_every_module_has_its_line() -> None:
    """A new module is put into the table by whoever makes it, and an old one is taken out."""
    assert {module for module in MODULES if package_of(module) is None} == ONLY_FOLDERS
    assert {package_of(module) for module in MODULES} - {None} == set(MAY_IMPORT)


@pytest.mark.parametrize("module", sorted(MODULES.keys() - ONLY_FOLDERS))
def test_a_module_imports_what_its_line_allows(module: str) -> None:
    """Its own package, and what the table names; for the type checker alone, too."""
    line = package_of(module)
    assert line is not None
    allowed = {line, *MAY_IMPORT[line]}
    assert {other for other in of_ours(module) if not any(is_in(other, name) for name in allowed)} == set()


def test_the_table_has_no_circle() -> None:
    """The arrows go one way: each line can be built from lines that are built before it."""
    built: set[str] = set()
    while ready := {
        line for line, needs in MAY_IMPORT.items() if line not in built and _lines(needs) - {line} <= built
    }:
        built |= ready
    assert built == set(MAY_IMPORT)


def _lines(needs: set[str]) -> set[str]:
    """Return the lines of the table that the needed modules belong to, but for what is pure below its own line."""
    return {name if name in MAY_IMPORT else str(package_of(name)) for name in needs}


def test_no_module_imports_itself_by_a_detour() -> None:
    """Inside the packages, too, there is no circle, imports for the type checker included."""
    graph = {name: of_ours(name) & MODULES.keys() for name in MODULES}
    while free := {name for name, needs in graph.items() if not needs & graph.keys()}:
        graph = {name: needs for name, needs in graph.items() if name not in free}
    assert graph == {}


def test_no_two_classes_share_a_name() -> None:
    """One name, one thing: whoever reads it knows which."""
    defined = [node.name for name in MODULES for node in ast.walk(tree_of(name)) if isinstance(node, ast.ClassDef)]
    assert {name for name in defined if defined.count(name) > 1} == set()


@pytest.mark.parametrize("module", sorted(MODULES))
def test_a_library_is_imported_where_it_is_wrapped(module: str) -> None:
    """requests in the transport, the widget library in the panel's widget, and so on."""
    for library in {name.partition(".")[0] for name in imported(tree_of(module))}:
        assert module in OWNERS.get(library, {module}), f"{module} imports {library}"
        packages = OWNER_PACKAGES.get(library)
        assert packages is None or any(is_in(module, name) for name in packages), f"{module} imports {library}"


@pytest.mark.parametrize(
    "module", sorted(name for name in MODULES if not is_in(name, "service") and name not in OWNERS["requests"])
)
def test_slow_libraries_are_imported_when_they_are_used(module: str) -> None:
    """Not at the top of a module."""
    names = imported(tree_of(module), late=False, typing_only=False)
    assert not LATE & {name.partition(".")[0] for name in names}


def loaded_by(code: str) -> set[str]:
    """Run code in a fresh interpreter and list the top-level packages that it imported."""
    command = [sys.executable, "-X", "importtime", "-c", code]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True)
    lines = (line for line in done.stderr.splitlines() if line.startswith("import time:"))
    return {line.rpartition("|")[2].strip().partition(".")[0] for line in lines}


@pytest.mark.parametrize(
    ("code", "allowed"),
    [
        ("import roe_magic", set()),
        ("import roe_magic; dir(roe_magic); roe_magic.__version__", set()),
        ("from roe_magic import WorksheetQuery, RunningQuery, RoeClient", {"msgspec"}),
        ("import roe_magic.panel", {"msgspec"}),
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
        "upload",
    ]
    for name in roe_magic.__all__:
        assert getattr(roe_magic, name).__name__ == name
        assert name in dir(roe_magic)
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        roe_magic.nothing  # noqa: B018  # the look-up is the test


@pytest.mark.parametrize(
    "name",
    [
        "client.RoeClient",
        "config.Secret",
        "config.Settings",
        "config.check_base_url",
        "config.from_environment",
        "config.resolve",
        "errors.RoeError",
        "local.local_service",
        "panel.Display",
        "query.WorksheetQuery",
    ],
)
def test_names_of_before_the_packages_can_still_be_imported(name: str) -> None:
    """A package has the public names that the module of its name had."""
    module, _, attribute = name.rpartition(".")
    found = getattr(__import__(f"roe_magic.{module}", fromlist=[attribute]), attribute)
    assert found.__module__.startswith(f"roe_magic.{module}")


def test_the_package_has_type_information() -> None:
    """py.typed is there."""
    assert (PACKAGE / "py.typed").exists()
