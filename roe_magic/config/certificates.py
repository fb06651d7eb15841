"""The certificates that a server's is checked against, where the user names a file of them."""

from __future__ import annotations

import functools
import os
import ssl
from pathlib import Path

from roe_magic.errors import ConfigError

_VARIABLES = ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE")


def bundle() -> str | None:
    """Return the file or folder of certificates that the environment names; None leaves it to the system.

    Raises
    ------
    ConfigError
        It cannot be used.
    """
    variable = next((name for name in _VARIABLES if os.environ.get(name)), None)
    if variable is None:
        return None
    path = os.environ[variable]
    problem = _problem(path, Path(path).stat().st_mtime if Path(path).exists() else 0.0)
    if problem:
        raise ConfigError(
            f"{variable} is {path!r}, which {problem}; nothing was sent.",
            hint="Let it name a file of certificates in PEM format, or unset it.",
        )
    return path


@functools.lru_cache(maxsize=8)
def _problem(path: str, _modified: float) -> str | None:
    """Return what is wrong with a bundle, in words; it is looked at once as long as it does not change."""
    if Path(path).is_dir():
        return None
    if not Path(path).exists():
        return "does not exist"
    try:
        ssl.create_default_context(cafile=path)
    except (ssl.SSLError, OSError):
        return "is not a file of certificates"
    return None
