"""How long a DataFrame takes to become a table, and how much memory a DataFrame and a CSV file take on their way."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from benchmarks.csv_upload import write_file
from benchmarks.kernels import Contestant, race
from benchmarks.setting import Setting
from benchmarks.table import Measured, Row

_FRAME = """\
import numpy as np, pandas as pd
n = np.arange({rows})
frame = pd.DataFrame({{
    "id": n,
    "n": (n % 1000).astype("int32"),
    "x": n / 3,
    "y": (n / 7).astype("float32"),
    "name": pd.Series(n).astype(str).radd("name ").astype("string"),
    "colour": pd.Series(np.array(["red", "green", "blue"])[n % 3]).astype("string"),
    "at": pd.Timestamp("2024-01-01", tz="UTC") + pd.to_timedelta(n, unit="s"),
    "note": pd.Series(np.array(["short", "a longer note, with a comma", ""])[n % 3]).astype("string"),
    "even": n % 2 == 0,
    "maybe": pd.Series(n).astype("Int64").mask(n % 10 == 0),
}})
"""
_ROE = "%load_ext roe_magic\n%roe connect local"
_CLICKHOUSE_CONNECT = """
import clickhouse_connect
client = clickhouse_connect.get_client(interface='chdb', path={path!r})
client.command('''CREATE TABLE frame_rows (id Int64, n Int32, x Float64, y Float32, name String, colour String,
    at DateTime('UTC'), note String, even Bool, maybe Nullable(Int64)) ENGINE = MergeTree ORDER BY tuple()''')
"""
_INSERT_DF = "client.command('TRUNCATE TABLE frame_rows')\nclient.insert_df('frame_rows', frame)"
_CHDB = """
import pyarrow as pa
from chdb import _chdb
connection = _chdb.connect({path!r})
connection.query('CREATE DATABASE IF NOT EXISTS bench')
connection.query('USE bench')
"""
_ARROW_INSERT = """\
table = pa.Table.from_pandas(frame)
with pa.OSFile({path!r}, 'wb') as sink, pa.ipc.new_stream(sink, table.schema) as writer:
    writer.write_table(table)
connection.query("CREATE OR REPLACE TABLE frame_rows ENGINE = MergeTree ORDER BY tuple() "
    "AS SELECT * FROM file('{path}', ArrowStream)")"""
# Megabytes above what each had before: the peak of this process, and of the service's two processes together.
_PEAKS = """
import ctypes, os, psutil, roe_magic
def kilobytes(pid, name):
    with open(f"/proc/{{pid}}/status") as lines:
        return next(int(line.split()[1]) for line in lines if line.startswith(name))
(serving,) = (one for one in psutil.process_iter(["cmdline"]) if {data_folder!r} in (one.info["cmdline"] or []))
processes = ["self", serving.pid, *(child.pid for child in serving.children(recursive=True))]
with roe_magic.RoeClient(roe_magic.local_service().settings) as client:
    roe_magic.upload(client, "warm", pd.DataFrame({{"a": [1]}}), replace=True)
    ctypes.CDLL(None).malloc_trim(0)  # what making the DataFrame has freed
    for pid in processes:
        with open(f"/proc/{{pid}}/clear_refs", "w") as peak:
            peak.write("5")
    before = [kilobytes(pid, "VmRSS") for pid in processes]
    roe_magic.upload(client, "uploaded", {data}, replace=True)
own, *service = [(kilobytes(pid, "VmHWM") - first) / 1000 for pid, first in zip(processes, before)]
size = os.stat({data}).st_size if isinstance({data}, str) else frame.memory_usage(deep=True).sum()
print(own, sum(service), size / 1e6)
"""


def rows(setting: Setting) -> list[Row]:
    """Measure."""
    frame = _FRAME.format(rows=setting.rows)
    return [*_times(setting, frame), *_memory(setting, frame)]


def _times(setting: Setting, frame: str) -> list[Row]:
    ours, *peers = _contestants(setting.scratch, frame)
    taken = race(setting.python, setting.present(ours, *peers), setting.large, setting.environment, warm_up=1)
    what = f"{setting.rows:,} x 10 from pandas to a table"
    return [
        Row(what, Measured(ours.name, taken[ours.name]), Measured(peer.name, taken.get(peer.name, [])), "under 2x", 2.0)
        for peer in peers
    ]


def _contestants(scratch: Path, frame: str) -> list[Contestant]:
    connect = _CLICKHOUSE_CONNECT.format(path=str(scratch / "connect.chdb"))
    in_chdb = _CHDB.format(path=str(scratch / "frame.chdb"))
    arrow = _ARROW_INSERT.format(path=str(scratch / "frame.arrow"))
    return [
        Contestant("roe_magic", "%roe upload frame_rows frame --replace", frame + _ROE),
        Contestant("clickhouse-connect on chDB, insert_df", _INSERT_DF, frame + connect, "clickhouse_connect"),
        Contestant("chDB in process, Arrow", arrow, frame + in_chdb, "chdb"),
    ]


def _memory(setting: Setting, frame: str) -> list[Row]:
    """Return the extra memory, on Linux alone, which tells peaks."""
    if not sys.platform.startswith("linux"):
        return []
    path = setting.scratch / "rows.csv"
    if not path.exists():
        write_file(path, setting.rows)
    lines = []
    for source, data in (("a DataFrame", "frame"), ("a CSV file", repr(str(path)))):
        *peaks, size = _peaks(setting, frame, data)
        for process, megabytes in zip(("kernel", "service"), peaks, strict=True):
            what = f"{setting.rows:,} x 10 from {source}: extra peak memory, {process}"
            ours, own_size = Measured("roe_magic", megabytes, "MB"), Measured(f"{source} itself", size, "MB")
            lines.append(Row(what, ours, own_size, "under 500 MB", 500.0, of_ours=True))
    return lines


def _peaks(setting: Setting, frame: str, data: str) -> list[list[float]]:
    """Upload in fresh processes; gives the megabytes of each round: the process, the service, and what is sent."""
    program = frame + _PEAKS.format(data=data, data_folder=str(setting.service.data))
    environment = {**os.environ, **setting.environment}
    outputs = [
        subprocess.run([setting.python, "-c", program], check=True, capture_output=True, text=True, env=environment)
        for _ in range(min(setting.large, 3))
    ]
    return [list(values) for values in zip(*(map(float, one.stdout.split()) for one in outputs), strict=True)]
