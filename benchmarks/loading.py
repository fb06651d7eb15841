"""How long ``%load_ext`` takes in a fresh kernel."""

from __future__ import annotations

import compileall
from pathlib import Path

import roe_magic
from benchmarks.kernels import Contestant, fresh_race
from benchmarks.setting import Setting
from benchmarks.table import Measured, Row

OURS = Contestant("roe_magic", "%load_ext roe_magic")
PEERS = (
    Contestant("JupySQL", "%load_ext sql", module="sql"),
    Contestant("bigquery_magics", "%load_ext bigquery_magics", module="bigquery_magics"),
)


def rows(setting: Setting) -> list[Row]:
    """Measure."""
    # pip compiles what it installs, the peers too; a checkout is compiled at its first import, if it may be written.
    compileall.compile_dir(Path(roe_magic.__file__).parent, quiet=1)
    taken = fresh_race(setting.python, setting.present(OURS, *PEERS), setting.fresh, setting.environment)
    ours = Measured(OURS.name, taken[OURS.name])
    return [
        Row("%load_ext in a fresh kernel", ours, Measured(peer.name, taken.get(peer.name, [])), "under 0.1x", 0.1)
        for peer in PEERS
    ]
