"""SQL in notebook cells on Roe's async query API.

``%load_ext roe_magic`` registers the ``%%roe`` magic; :func:`run`, :func:`upload`, :class:`RoeClient` and
:func:`local_service` do the same from plain Python. Nothing heavy is imported before it is used.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from roe_magic._version import __version__ as __version__
from roe_magic.imports import load as _load

if TYPE_CHECKING:
    from roe_magic.client import RoeClient
    from roe_magic.local import local_service
    from roe_magic.query.run import run
    from roe_magic.query.running_query import RunningQuery
    from roe_magic.query.worksheet_query import WorksheetQuery
    from roe_magic.uploads.upload import upload

__all__ = [
    "RoeClient",
    "RunningQuery",
    "WorksheetQuery",
    "load_ipython_extension",
    "local_service",
    "run",
    "unload_ipython_extension",
    "upload",
]

# Modules that pickles made before the packages hold; the names in them have moved.
__path__ = [*__path__, f"{__path__[0]}/_moved"]

# Where each public name is loaded from when it is first used.
_HOMES = {
    "RoeClient": "client.roe_client",
    "RunningQuery": "query.running_query",
    "WorksheetQuery": "query.worksheet_query",
    "local_service": "local",
    "run": "query.run",
    "upload": "uploads.upload",
}


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(_load(f"roe_magic.{_HOMES[name]}"), name)
    raise AttributeError(f"module 'roe_magic' has no attribute {name!r}")


def __dir__() -> list[str]:
    return [*globals(), *_HOMES]


def load_ipython_extension(ipython: Any) -> None:
    """Register ``%roe`` and ``%%roe`` in a shell: ``%load_ext roe_magic``."""
    _load("roe_magic.magic.magics")
    from roe_magic.magic import completion
    from roe_magic.magic.magics import RoeMagic
    from roe_magic.magic.setting_checks import drop_bad_settings

    drop_bad_settings(RoeMagic, ipython.config)
    ipython.register_magics(RoeMagic)
    completion.register(ipython)


def unload_ipython_extension(ipython: Any) -> None:
    """Remove them from a shell: ``%unload_ext roe_magic``."""
    from roe_magic.magic import completion
    from roe_magic.magic.setting_checks import drop_bad_settings

    completion.unregister(ipython)
    for kind in ("line", "cell"):
        ipython.magics_manager.magics[kind].pop("roe", None)
    if magic := ipython.magics_manager.registry.pop("RoeMagic", None):
        drop_bad_settings(type(magic), ipython.config, magic)
        ipython.configurables.remove(magic)  # else `%config RoeMagic` would go on to set the old one
        magic.close()
