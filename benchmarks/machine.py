"""What the figures were measured on."""

from __future__ import annotations

import os
import platform
import subprocess
import sys
from pathlib import Path

_PACKAGES = (
    "roe-magic chdb-core pandas pyarrow ipykernel ipython jupysql duckdb bigquery-magics clickhouse-connect orjson"
)
_VERSIONS = """
import sys
from importlib.metadata import PackageNotFoundError, version
for name in sys.argv[1:]:
    try:
        print(name, version(name))
    except PackageNotFoundError:
        pass
"""


def description(python: str) -> str:
    """Tell the processor, its cores, the memory and the versions; neither names nor paths."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    busy = os.getloadavg()[0]
    hardware = f"{_processor()}, {os.cpu_count()} cores, {memory:.0f} GiB; load {busy:.1f} when it ended"
    system = f"{platform.system()} {platform.machine()}, Python {platform.python_version()}"
    return f"{hardware}. {system}. {_versions(python)}."


def _processor() -> str:
    if sys.platform == "darwin":
        command = ["/usr/sbin/sysctl", "-n", "machdep.cpu.brand_string"]
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()
    lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    names = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(names, platform.machine())


def _versions(python: str) -> str:
    command = [python, "-c", _VERSIONS, *_PACKAGES.split()]
    found = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    return ", ".join(found.splitlines())
