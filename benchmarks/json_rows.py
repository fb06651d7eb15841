"""How long, and in how much memory, a large result in JSON becomes a pandas DataFrame: what the real API offers."""

from __future__ import annotations

import subprocess
from collections.abc import Mapping
from pathlib import Path

from benchmarks import data
from benchmarks.kernels import Contestant, race
from benchmarks.setting import Setting
from benchmarks.table import Measured, Row
from roe_magic import RoeClient, RunningQuery

_OURS = """\
def read(path):
    with open(path, "rb") as body:
        result = result_body.read_json(iter(lambda: body.read(1 << 16), b""))
    last = result.results[-1]
    return frames.to_pandas(last.result_rows, last.column_types)
"""
_THEIRS = """\
def read(path):
    with open(path, "rb") as body:
        last = loads(body.read())["results"][-1]
    return pd.DataFrame(last["result_rows"], columns=last["column_names"]){then}
"""


def _setups(astype: str) -> dict[str, str]:
    return {
        "roe_magic": "from roe_magic import frames\nfrom roe_magic.query import result_body\n"
        f"import pandas, pyarrow\n{_OURS}",
        "json + DataFrame + astype": f"from json import loads\nimport pandas as pd\n"
        f"{_THEIRS.format(then=f'.astype({astype})')}",
        "orjson + DataFrame": f"from orjson import loads\nimport pandas as pd\n{_THEIRS.format(then='')}",
    }


_SETUPS = _setups(data.ASTYPE)
# Two of ten columns nested, and one whose every string has escapes; the peers leave the nested ones as they are.
_NESTED = """SELECT
    number AS id,
    toInt32(number % 1000) AS n,
    number / 3 AS x,
    concat('name\\n"', toString(number), '"') AS name,
    toLowCardinality(['red', 'green', 'blue'][number % 3 + 1]) AS colour,
    toDateTime('2024-01-01 00:00:00', 'UTC') + number AS at,
    toDecimal64(number, 2) / 4 AS price,
    if(number % 10 = 0, NULL, toInt64(number)) AS maybe,
    arrayMap(i -> concat('tag ', toString((number + i) % 100)), range(number % 4)) AS tags,
    CAST((number / 7, toString(number)) AS Tuple(distance Float64, place String)) AS stop
FROM numbers({rows})"""
_NESTED_SETUPS = _setups("""{
    "id": "UInt64", "n": "Int32", "x": "Float64", "name": "string", "colour": "string", "at": "datetime64[us, UTC]",
    "price": "Float64", "maybe": "Int64",
}""")
# On Linux getrusage may tell the high-water mark of the process that started this one.
_PEAK = """
import resource, sys
def kilobytes(name):
    try:
        with open("/proc/self/status") as lines:
            return next(int(line.split()[1]) for line in lines if line.startswith(name))
    except FileNotFoundError:  # macOS: bytes
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
before = kilobytes("VmRSS")
read(sys.argv[1])
print((kilobytes("VmHWM") - before) / 1000)
"""


def rows(setting: Setting) -> list[Row]:
    """Measure."""
    body = _body(setting, data.clickhouse(setting.rows))
    contestants = _contestants(setting, _SETUPS, body)
    taken = race(setting.python, contestants, setting.large, setting.environment, warm_up=1)
    peaks = {one.name: _peaks(setting, one, body) for one in contestants}
    seconds, peak = f"{setting.rows:,} x 10 to pandas, JSON", f"{setting.rows:,} x 10, JSON: extra peak memory"
    ours, plain, quick = _SETUPS
    nested = _race_nested(setting)
    return [
        *(
            Row(seconds, Measured(ours, taken[ours]), Measured(peer, taken.get(peer, [])), goal, most)
            for peer, goal, most in [(plain, "over 4x faster", 0.25), (quick, "", None)]
        ),
        *(
            Row(peak, Measured(ours, peaks[ours], "MB"), Measured(peer, peaks.get(peer, []), "MB"), goal, most, True)
            for peer, goal, most in [(plain, "under 350 MB", 350.0), (quick, "", None)]
        ),
        *(
            Row(
                f"{setting.rows:,} x 10 with nested columns, by JSON",
                Measured(ours, nested[ours]),
                Measured(peer, nested.get(peer, [])),
            )
            for peer in (plain, quick)
        ),
    ]


def _race_nested(setting: Setting) -> dict[str, list[float]]:
    body = _body(setting, _NESTED.format(rows=setting.rows))
    contestants = _contestants(setting, _NESTED_SETUPS, body)
    return race(setting.python, contestants, setting.large, setting.environment, warm_up=1)


def _contestants(setting: Setting, setups: Mapping[str, str], body: Path) -> list[Contestant]:
    cell = f"df = read({str(body)!r})\nassert len(df) == {setting.rows}; del df"
    return setting.present(
        *(Contestant(name, cell, setup, "orjson" if "orjson" in name else "pandas") for name, setup in setups.items())
    )


def _body(setting: Setting, sql: str) -> Path:
    """Write the service's own JSON answer down once."""
    path = setting.scratch / "result.json"
    with RoeClient(setting.service.settings) as client:
        query = RunningQuery(client, sql, fetch=False).start().wait()
        with path.open("wb") as file:
            file.writelines(client.result(query.id, arrow=False).chunks)
    return path


def _peaks(setting: Setting, one: Contestant, body: Path) -> list[float]:
    """Read in fresh processes; gives megabytes above what the process held before."""
    program = [setting.python, "-c", one.setup + _PEAK, str(body)]
    rounds = range(min(setting.large, 3))
    return [float(subprocess.run(program, check=True, capture_output=True, text=True).stdout) for _ in rounds]
