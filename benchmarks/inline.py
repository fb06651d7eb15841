"""How long a statement with many literals in its text takes: rows of an INSERT, a list after IN."""

from __future__ import annotations

from benchmarks.kernels import Contestant, race
from benchmarks.setting import Setting
from benchmarks.table import Measured, Row

_CREATE = "CREATE OR REPLACE TABLE inline_rows (a UInt64, b String) ENGINE = Null"
_ENGINE = "from chdb import _chdb\nconnection = _chdb.connect(':memory:?max_query_size=67108864')"
_ROUNDS = 15


def rows(setting: Setting) -> list[Row]:
    """Measure."""
    return [
        *(_row(setting, f"INSERT of {count:,} inline rows", _insert(count)) for count in (20_000, 60_000)),
        _row(setting, "a list of 20,000 numbers after IN", "sql = " + _listed(20_000)),
    ]


def _row(setting: Setting, what: str, make_sql: str) -> Row:
    ours = Contestant(
        "roe_magic",
        "get_ipython().run_cell_magic('roe', '--use-admin', sql)",
        f"%load_ext roe_magic\n%roe connect local\n%roe --use-admin {_CREATE}\n{make_sql}",
    )
    engine = Contestant(
        "chDB in process",
        "connection.query(sql, 'Null')",
        f"{_ENGINE}\nconnection.query({_CREATE!r})\n{make_sql}",
        "chdb",
    )
    taken = race(setting.python, setting.present(ours, engine), _ROUNDS, setting.environment)
    peer = Measured(engine.name, taken.get(engine.name, []))
    return Row(what, Measured(ours.name, taken[ours.name]), peer, "under 2x", 2.0)


def _insert(count: int) -> str:
    return f"sql = 'INSERT INTO inline_rows VALUES ' + ', '.join(f\"({{n}}, 'row {{n}}')\" for n in range({count}))"


def _listed(count: int) -> str:
    numbers = f"', '.join(map(str, range(0, {count} * 7, 7)))"
    return f"'SELECT count() FROM numbers(100000) WHERE number IN (' + {numbers} + ')'"
