"""An environment with the peers in it: a layer over the one that runs this, so that everything else is the same.

bigquery-magics needs an older python-dateutil than pandas would get without it; in a layer of its own it takes nothing
away from the environment that the tests use.
"""

from __future__ import annotations

import subprocess
import sys
import sysconfig
import venv
from pathlib import Path

_WANTED = Path(__file__).with_name("peers.txt")
LAYER = Path("build/peers")


def layer(folder: Path = LAYER) -> str:
    """Make the layer unless it is there, and give the path of its Python."""
    folder = folder.resolve()
    python, stamp = folder / "bin" / "python", folder / "peers.txt"
    if not stamp.exists() or stamp.read_text() != _WANTED.read_text():
        venv.create(folder, clear=True, symlinks=True)
        below = sysconfig.get_path("purelib")
        above = Path(sysconfig.get_path("purelib", vars={"base": str(folder)}))
        (above / "below.pth").write_text(f"import site; site.addsitedir({below!r})\n")
        print(f"Installing the peers in {folder} ...", file=sys.stderr)
        subprocess.run([python, "-m", "pip", "install", "--quiet", "--requirement", _WANTED], check=True)
        stamp.write_text(_WANTED.read_text())
    return str(python)


def has(python: str, module: str) -> bool:
    """Tell whether a module is installed there."""
    code = f"import importlib.util, sys; sys.exit(importlib.util.find_spec({module!r}) is None)"
    return subprocess.run([python, "-c", code], check=False).returncode == 0
