"""How long a CSV file takes to become a table, beside ClickHouse's own import, which looks at the first rows alone."""

from __future__ import annotations

import csv
from datetime import date, datetime, timedelta
from pathlib import Path

from benchmarks.kernels import Contestant, race
from benchmarks.setting import Setting
from benchmarks.table import Measured, Row

_NAMES = ("id", "n", "x", "name", "colour", "at", "day", "price", "even", "maybe")


def rows(setting: Setting) -> list[Row]:
    """Measure."""
    path = setting.scratch / "rows.csv"
    write_file(path, setting.rows)
    ours, engine = _contestants(path)
    taken = race(setting.python, setting.present(ours, engine), setting.large, setting.environment)
    peer = Measured(engine.name, taken.get(engine.name, []))
    what = f"{setting.rows:,} x 10 from a CSV file to a table"
    return [Row(what, Measured(ours.name, taken[ours.name]), peer, "under 2.5x", 2.5)]


def write_file(path: Path, count: int) -> None:
    """Write a file of ten columns of different types."""
    first_moment, first_day = datetime(2024, 1, 1), date(2024, 1, 1)  # noqa: DTZ001  # without a zone, as most files
    colours = ("red", "green", "blue")
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(_NAMES)
        for n in range(count):
            moment, day = first_moment + timedelta(seconds=n), first_day + timedelta(days=n % 1000)
            maybe = None if n % 10 == 0 else n
            writer.writerow(
                (n, n % 1000, n / 3, f"name {n}", colours[n % 3], moment, day, f"{n / 4:.2f}", n % 2 == 0, maybe)
            )


def _contestants(path: Path) -> tuple[Contestant, Contestant]:
    sql = "CREATE OR REPLACE TABLE csv_rows ENGINE = MergeTree ORDER BY tuple() AS "
    sql += f"SELECT * FROM file('{path}', CSVWithNames)"
    folder = path.with_suffix(".chdb")
    return (
        Contestant(
            "roe_magic",
            f"get_ipython().run_line_magic('roe', 'upload csv_rows {path} --replace')",
            "%load_ext roe_magic\n%roe connect local",
        ),
        Contestant(
            "chDB in process, file()",
            f"connection.query({sql!r})",
            f"from chdb import _chdb\nconnection = _chdb.connect({str(folder)!r})\n"
            "connection.query('CREATE DATABASE IF NOT EXISTS bench')\nconnection.query('USE bench')",
            "chdb",
        ),
    )
