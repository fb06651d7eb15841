"""``roe-magic doctor``: checks the installation and the server, one line each, with what to do where one is wrong."""

from __future__ import annotations

import importlib.metadata
import platform
import sys
from collections.abc import Iterator
from dataclasses import dataclass

from roe_magic import config
from roe_magic._version import __version__
from roe_magic.client import RoeClient
from roe_magic.config import profiles
from roe_magic.errors import RoeError
from roe_magic.formatting import clean_message
from roe_magic.local import local_service
from roe_magic.query.run import run
from roe_magic.service import serve

_GOOD, _BAD, _NONE = "ok", "WRONG", "-"
_NOTEBOOK = ("ipython", "ipykernel", "ipywidgets", "anywidget", "jupyterlab")
_EXTRAS = {"local": ("chdb-core", "starlette", "uvicorn", "sqlalchemy"), "keyring": ("keyring",), "polars": ("polars",)}
# Seconds for one query of the local service.
_PATIENCE = 30.0


@dataclass(frozen=True)
class Finding:
    """One line of the report."""

    mark: str
    what: str
    advice: str | None = None

    def __str__(self) -> str:
        line = f"{self.mark:>5}  {clean_message(self.what)}"
        return f"{line}\n       {clean_message(self.advice)}" if self.advice else line


def report(profile: str | None = None) -> int:
    """Print all findings; return 1 where something is wrong, else 0."""
    findings = []
    for finding in _findings(profile):
        findings.append(finding)
        print(finding, flush=True)
    wrong = sum(finding.mark == _BAD for finding in findings)
    print(f"\nProblems found: {wrong}." if wrong else "\nNo problems found.")
    return 1 if wrong else 0


def _findings(profile: str | None) -> Iterator[Finding]:
    yield from _packages()
    local = list(_local_service())
    yield from local
    # One of the two is enough to work with.
    yield from _server(profile, is_needed=not any(finding.mark == _GOOD for finding in local))


def _packages() -> Iterator[Finding]:
    yield Finding(_GOOD, f"roe-magic {__version__} on Python {platform.python_version()} ({sys.executable})")
    versions = {name: _version(name) for name in _NOTEBOOK}
    present = ", ".join(f"{name} {version}" for name, version in versions.items() if version)
    yield Finding(_GOOD, f"notebook packages: {present}")
    if versions["ipykernel"] is None:
        yield Finding(_NONE, "ipykernel is not installed, so no notebook can use this Python", "pip install ipykernel")
    for extra, names in _EXTRAS.items():
        lacking = [name for name in names if _version(name) is None]
        if lacking:
            yield Finding(_NONE, f"extra {extra}: not installed", f"pip install 'roe-magic[{extra}]'")
        else:
            yield Finding(_GOOD, f"extra {extra}: {', '.join(f'{name} {_version(name)}' for name in names)}")


def _local_service() -> Iterator[Finding]:
    """Yield whether the local service works: one that keeps nothing is started, and runs a query."""
    try:
        serve.check_installation()
    except RoeError as error:
        yield Finding(_NONE, f"local service: {error.message}", error.hint)
        return
    try:
        with local_service(memory=True) as service, RoeClient(service.settings) as client:
            run("SELECT 1", client, timeout=_PATIENCE)
    except RoeError as error:
        yield Finding(_BAD, f"local service: {error.message}", error.hint)
    else:
        yield Finding(_GOOD, "local service: it starts and runs a query; in a notebook: %roe connect local")


def _server(profile: str | None, *, is_needed: bool) -> Iterator[Finding]:
    try:
        sources = (
            [profiles.from_profile(profile)] if profile else [config.from_environment(), profiles.from_user_file()]
        )
        if not any(source.api_key or source.base_url for source in sources):
            advice = "For Roe's server set ROE_API_KEY and ROE_ORGANIZATION_ID, or run: roe-magic login"
            yield Finding(_BAD if is_needed else _NONE, "Roe account: none is set", advice)
            return
        settings = config.resolve(*sources)
    except RoeError as error:
        yield Finding(_BAD, error.message, error.hint)
        return
    organization = settings.organization_id or "not set (the key's default)"
    yield Finding(_GOOD, f"key from {settings.source} for {settings.base_url}; organisation {organization}")
    try:
        with RoeClient(settings) as client:
            user = client.current_user()
    except RoeError as error:
        yield Finding(_BAD, error.message, error.hint)
    else:
        yield Finding(_GOOD, f"{settings.host} answers; the key belongs to {user.display_name}")


def _version(name: str) -> str | None:
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return None
