"""What every subject is given: where the peers are, a local service, and how much to measure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from benchmarks.kernels import Contestant
from benchmarks.peers import has
from roe_magic.local import LocalService


@dataclass(frozen=True, kw_only=True)
class Setting:
    """How to measure.

    Parameters
    ----------
    python : str
        The Python that has the peers, as far as they are installed.
    service : LocalService
    scratch : Path
        A folder for files.
    fresh, cells, ends, simulated : int
        Rounds: fresh kernels, small cells, ends of real queries, simulated queries.
    large : int
        Rounds of large results.
    rows : int
        How many rows a large result has.
    """

    python: str
    service: LocalService
    scratch: Path
    fresh: int = 7
    cells: int = 100
    large: int = 9
    rows: int = 1_000_000
    ends: int = 15
    simulated: int = 400

    @property
    def environment(self) -> Mapping[str, str]:
        """What a kernel needs to find the service."""
        return {"ROE_LOCAL_DATA": str(self.service.data)}

    def present(self, *contestants: Contestant) -> list[Contestant]:
        """Leave out those whose package is not installed."""
        return [one for one in contestants if has(self.python, one.module)]
