"""What an installed wheel must give, run with the Python of its own environment."""

import importlib.metadata
import subprocess
import sys
from pathlib import Path


def run(*command: str) -> str:
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=120)
    return done.stdout + done.stderr


base = {name.partition(">")[0] for name in importlib.metadata.requires("roe-magic") or [] if "extra ==" not in name}
assert len(base) == 9, base
for extra in ("chdb-core", "starlette", "keyring", "polars"):
    assert not any(dist.name == extra for dist in importlib.metadata.distributions()), extra

bin_ = Path(sys.executable).parent
assert "roe-magic" in run(str(bin_ / "roe-magic"), "--version")
# The drop-in makes the magic known without %load_ext; without the extra the service says how to get it.
helped = run(str(bin_ / "ipython"), "--no-banner", "-c", "%roe help")
assert "%roe connect" in helped, helped
lacking = subprocess.run(
    [str(bin_ / "ipython"), "--no-banner", "-c", "%roe connect local"], capture_output=True, text=True, check=False
)
assert "pip install 'roe-magic[local]'" in lacking.stdout + lacking.stderr, lacking
panel = run(sys.executable, "-c", "from roe_magic.panel.widget import Panel; print('render' in Panel._esm)")
assert "True" in panel, panel
lists = "from roe_magic.service.engine.sql import name_classes; print(all(map(name_classes.names, name_classes.KINDS)))"
assert "True" in run(sys.executable, "-c", lists), lists
print("The wheel is whole.")
