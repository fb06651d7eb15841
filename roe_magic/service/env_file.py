"""The env file with the service's address and key: ``NAME=value`` lines that a client, or a shell, can read."""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import Mapping
from pathlib import Path


def read(path: Path) -> dict[str, str]:
    """Return the names and values of an env file; none if it is absent or cannot be read."""
    try:
        lines = path.read_text("utf-8").splitlines()
    except (OSError, UnicodeDecodeError):
        return {}
    pairs = (line.partition("=") for line in lines if not line.startswith("#"))
    return {name.strip(): value.strip() for name, equals, value in pairs if equals}


def remove(path: Path, name: str) -> None:
    """Write an env file anew without one of its names; where there is no file nothing happens."""
    if path.is_file():
        write(path, {other: value for other, value in read(path).items() if other != name})


def write(path: Path, values: Mapping[str, str]) -> None:
    """Write an env file that only its owner can read; another process never sees it half written."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")  # mkstemp: mode 0600
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.writelines(f"{name}={value}\n" for name, value in values.items())
        Path(temporary).replace(path)
    except BaseException:
        with contextlib.suppress(OSError):
            Path(temporary).unlink()
        raise
