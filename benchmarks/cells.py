"""How long a cell with a small query takes in a warm kernel."""

from __future__ import annotations

from benchmarks.kernels import Contestant, race
from benchmarks.setting import Setting
from benchmarks.table import Measured, Row

OURS = Contestant("roe_magic", "%%roe\nSELECT 1", "%load_ext roe_magic\n%roe connect local")
_JUPYSQL = "%load_ext sql\n%sql connection --alias peer"
DUCKDB = Contestant(
    "JupySQL, DuckDB in process", "%%sql\nSELECT 1", f"import duckdb\nconnection = duckdb.connect()\n{_JUPYSQL}", "sql"
)
CHDB = Contestant(
    "JupySQL, chDB in process",
    "%%sql\nSELECT 1",
    f"import chdb\nfrom chdb import dbapi\nconnection = dbapi.connect()\n{_JUPYSQL}",
    "sql",
)
BARE = Contestant("a 1+1 cell", "1+1")


def rows(setting: Setting) -> list[Row]:
    """Measure."""
    racers = setting.present(OURS, DUCKDB, CHDB, BARE)
    taken = race(setting.python, racers, setting.cells, setting.environment, warm_up=5)
    ours = Measured(OURS.name, taken[OURS.name])
    goals = [(DUCKDB, "under 1.5x", 1.5), (CHDB, "under 1.5x", 1.5), (BARE, "under 3x", 3.0)]
    return [
        Row("%%roe cell, SELECT 1, local service", ours, Measured(peer.name, taken.get(peer.name, [])), goal, most)
        for peer, goal, most in goals
    ]
