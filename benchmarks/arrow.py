"""How long a large result takes from the SQL to a pandas DataFrame, where the server offers Arrow."""

from __future__ import annotations

from benchmarks import data
from benchmarks.kernels import Contestant, race
from benchmarks.setting import Setting
from benchmarks.table import Measured, Row


def rows(setting: Setting) -> list[Row]:
    """Measure."""
    ours, *peers = _contestants(setting.rows)
    taken = race(setting.python, setting.present(ours, *peers), setting.large, setting.environment)
    what = f"{setting.rows:,} x 10 to pandas, Arrow"
    goals = [("under 1.5x", 1.5), ("faster", 1.0), ("", None)]
    return [
        Row(what, Measured(ours.name, taken[ours.name]), Measured(peer.name, taken.get(peer.name, [])), goal, most)
        for peer, (goal, most) in zip(peers, goals, strict=True)
    ]


def _contestants(count: int) -> list[Contestant]:
    sql = data.clickhouse(count)
    check = f"\nassert len(df) == {count}; del df"
    in_clickhouse = (
        "import clickhouse_connect\nclient = clickhouse_connect.get_client(interface='chdb', path=':memory:')"
    )
    in_duckdb = "import duckdb\n%load_ext sql\nconnection = duckdb.connect()\n%sql connection --alias peer"
    return [
        Contestant(
            "roe_magic",
            f"get_ipython().run_cell_magic('roe', '--df df', {sql!r}){check}",
            "%load_ext roe_magic\n%roe connect local",
        ),
        Contestant(
            "chDB in process", f"df = chdb.query({sql!r}, 'ArrowTable').to_pandas(){check}", "import chdb", "chdb"
        ),
        Contestant(
            "clickhouse-connect on chDB, query_df",
            f"df = client.query_df({sql!r}){check}",
            in_clickhouse,
            "clickhouse_connect",
        ),
        Contestant(
            "JupySQL on DuckDB, autopandas",
            f"df = get_ipython().run_cell_magic('sql', '', {data.duckdb(count)!r}){check}",
            f"{in_duckdb}\n%config SqlMagic.autopandas = True",
            "sql",
        ),
    ]
