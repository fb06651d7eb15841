"""Runs queries under random faults for a while, and prints what was lost and what grew.

``make soak-client`` runs it for 20 minutes. The server is a model of Roe's, on real sockets and with real time; each
query has a panel. The figures of the last run stand in ``tests/faults/README.md``.
"""

from __future__ import annotations

import collections
import gc
import os
import random
import sys
import threading
import time
from pathlib import Path

from ipywidgets.widgets.widget import _instances

from roe_magic.client import RoeClient
from roe_magic.config.secret import Secret
from roe_magic.config.settings import Settings
from roe_magic.errors import QueryInterrupted, RoeError
from roe_magic.panel.widget import Panel
from roe_magic.query.running_query import RunningQuery
from tests.support.model_server import GET_FAULTS, SUBMIT_FAULTS, ModelServer

USERS = 4
ENDS = ["SUCCESS"] * 8 + ["FAILURE", "REVOKED"]


class Soak:
    """Some users of one client."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        self.server = ModelServer(time.monotonic)
        self.client = RoeClient(Settings(base_url=self.server.url, api_key=Secret("roe-key-of-a-soak"), timeout=20))
        self.outcomes: collections.Counter[str] = collections.Counter()
        self.known: set[str] = set()
        self.lock = threading.Lock()
        self.number = 0

    def user(self, ends: float) -> None:
        """Run one query after another until the time is over."""
        while time.monotonic() < ends:
            self.query(self.faults())

    def faults(self) -> int:
        """Choose what the server does next, and return the number of the next query."""
        with self.lock:
            self.number += 1
            self.server.next_end = self.random.choice(ENDS)
            self.server.next_duration = self.random.choice([0.0, 0.02, 0.3, 1.5])
            if self.random.random() < 0.2:
                self.server.submit_faults.append(self.random.choice(sorted(SUBMIT_FAULTS)))
            for _ in range(self.random.choice([0, 0, 0, 1, 3])):
                self.server.get_faults.append(self.random.choice(sorted(GET_FAULTS)))
            return self.number

    def query(self, number: int) -> None:
        """Run one query under a panel; the user may press stop."""
        running = RunningQuery(self.client, f"SELECT {number}")
        panel = Panel(running.state)
        running.listen(panel.update)
        running.start()
        if self.random.random() < 0.1:
            threading.Timer(self.random.random(), running.detach).start()
        try:
            rows = running.wait(30).df()["a"].tolist()
            self.outcomes["rows" if rows == [number] else "WRONG ROWS"] += 1
        except (RoeError, QueryInterrupted) as error:
            self.outcomes[type(error).__name__] += 1
        running.listen(None)
        panel.close()
        if running.state.query_id is not None:
            self.known.add(str(running.state.query_id))

    @property
    def lost(self) -> int:
        """How many acknowledged queries nobody knows."""
        with self.server._lock:
            queries = list(self.server.queries.values())
        return sum(query.acknowledged and query.id not in self.known for query in queries)


def figures() -> dict[str, float]:
    """Return what must not grow: memory in MB, threads of ours, open files, widgets."""
    gc.collect()
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    threads = sum("scripted-server" not in thread.name for thread in threading.enumerate())
    return {
        "MB": pages * os.sysconf("SC_PAGE_SIZE") / 1e6,
        "threads": threads,
        "files": len(list(Path("/proc/self/fd").iterdir())),
        "widgets": len(_instances),
    }


def main(seconds: float) -> None:
    """Run for so many seconds, print the figures of each minute and what became of the queries."""
    soak = Soak(seed=20261126)
    began = time.monotonic()
    users = [threading.Thread(target=soak.user, args=[began + seconds], name=f"user-{n}") for n in range(USERS)]
    for user in users:
        user.start()
    while any(user.is_alive() for user in users):
        time.sleep(min(60.0, seconds / 4))
        del soak.server.journal[:-100]  # the server's memory is this process's, too
        shown = ", ".join(f"{value:,.0f} {name}" for name, value in figures().items())
        print(f"{time.monotonic() - began:,.0f} s: {soak.number:,} queries, {shown}", flush=True)
    time.sleep(35)  # ids of submits that were under way
    print(f"{soak.number:,} queries: {dict(soak.outcomes)}; ids lost: {soak.lost}")


if __name__ == "__main__":
    main(float(sys.argv[1]) if len(sys.argv) > 1 else 1200.0)
