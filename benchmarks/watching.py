"""How soon the end of a query is noticed, and how many requests that takes."""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from typing import Any
from uuid import uuid4

import msgspec

from benchmarks.kernels import running
from benchmarks.setting import Setting
from benchmarks.table import Measured, Row
from roe_magic import RoeClient, RunningQuery
from roe_magic.client.messages import Request, Response
from roe_magic.config.secret import Secret
from roe_magic.config.settings import Settings

_ROUND_TRIP = 0.02
_SHORTEST, _LONGEST = 0.02, 600.0

# In a real kernel: the time between the server's own finished_at and the end of the cell, on one machine's clock.
_SETUP = """\
%load_ext roe_magic
%roe connect local
import time
from roe_magic import RunningQuery
client = get_ipython().magics_manager.registry["RoeMagic"].client()
ended = []
get_ipython().events.register("post_run_cell", lambda result: ended.append(time.time()))
def fixed(sql, seconds=1.0):
    query = client.submit(sql, wait=0)
    while (status := client.status(query.id)).status not in ("SUCCESS", "FAILURE", "REVOKED"):
        time.sleep(seconds)
    client.result(query.id).read()
    return status
"""


def rows(setting: Setting) -> list[Row]:
    """Measure."""
    dice = random.Random(1)
    lengths = [_SHORTEST * (_LONGEST / _SHORTEST) ** dice.random() for _ in range(setting.simulated)]
    return [*_real_delays(setting), _simulated_delays(lengths), *requests()]


def _real_delays(setting: Setting) -> Iterator[Row]:
    ours, peer, dice = [], [], random.Random(2)
    with running(setting.python, setting.environment) as kernel:
        kernel.run(_SETUP)
        for turn in range(-1, setting.ends):
            # Longer than the submit may wait, of no round length.
            each = 0.12 + 0.05 * dice.random()
            sql = f"SELECT count() FROM numbers(10) WHERE NOT sleepEachRow({each:.3f})"
            kernel.run(f"%%roe\n{sql}")
            waited = float(kernel.value("ended[-1] - _roe.finished_at.timestamp()"))
            kernel.run(f"status = fixed({sql!r})")
            polled = float(kernel.value("ended[-1] - status.finished_at.timestamp()"))
            if turn >= 0:
                ours.append(waited)
                peer.append(polled)
    yield Row(
        "end of query to end of cell, long poll, local service",
        Measured("roe_magic", ours),
        Measured("polling every 1 s", peer),
        "under 20 ms",
        0.020,
        of_ours=True,
    )


def _simulated_delays(lengths: list[float]) -> Row:
    """Compare delays as shares of the queries' own durations, by a clock that costs no time."""

    def shares(run: Callable[[PublishedApi], None]) -> list[float]:
        return [100 * _delay(length, run) / length for length in lengths]

    return Row(
        "end of query to its rows, no long poll, simulated",
        Measured("roe_magic", shares(_ours), "% of its duration"),
        Measured("polling every 1 s", shares(lambda api: _fixed(api, 1.0)), "%"),
        "under 8 % of the duration",
        8.0,
        of_ours=True,
    )


def requests() -> Iterator[Row]:
    """Count them; nothing in it depends on the machine."""
    for length in (20.0, 100.0):
        most = length / 20 + 3
        yield Row(
            f"requests for a query of {length:g} s, long poll, simulated",
            _count(length, _ours, long_poll=True),
            Measured("polling every 0.25 s", [_count(length, lambda api: _fixed(api, 0.25)).median], "requests"),
            f"at most {most:g}",
            math.nextafter(most, math.inf),
            of_ours=True,
        )
    yield Row(
        "requests for a query of 100 s, no long poll, simulated",
        _count(100.0, _ours),
        Measured("polling every 0.25 s", [_count(100.0, lambda api: _fixed(api, 0.25)).median], "requests"),
        "under 0.25x",
        0.25,
    )


def _delay(length: float, run: Callable[[PublishedApi], None]) -> float:
    api = PublishedApi(length)
    run(api)
    return api.clock.time - api.begun - length


def _count(length: float, run: Callable[[PublishedApi], None], *, long_poll: bool = False) -> Measured:
    api = PublishedApi(length, long_poll=long_poll)
    run(api)
    return Measured("roe_magic", [api.requests], "requests")


def _ours(api: PublishedApi) -> None:
    """Run a query with the real client and the real policy; only the wire and the clock are made up."""
    settings = Settings(base_url="http://127.0.0.1", api_key=Secret("k"), source="benchmark", organization_id=None)
    client = RoeClient(settings, transport=api)  # type: ignore[arg-type]  # it answers what a Transport would
    running_query = RunningQuery(client, "SELECT 1", clock=api.clock, pause=api.clock.sleep)
    running_query.run()
    if running_query.state.error:
        raise running_query.state.error


def _fixed(api: PublishedApi, seconds: float) -> None:
    api.send(Request(method="POST", path="/async/"))
    while api.send(Request(method="GET", path="/status/")).json()["status"] != "SUCCESS":
        api.clock.sleep(seconds)
    api.send(Request(method="GET", path="/result/"))


@dataclass
class Clock:
    """Time that passes only while somebody sleeps."""

    time: float = 1000.0

    def __call__(self) -> float:
        return self.time

    def sleep(self, seconds: float) -> None:
        self.time += seconds


@dataclass
class PublishedApi:
    """Answers as the API does for one query of a given length; a round trip takes 20 ms.

    Parameters
    ----------
    length : float
        Seconds from the submit's arrival to the end.
    long_poll : bool
        Whether it honours ``Prefer: wait``, as the local service does and the published API does not.
    """

    length: float
    long_poll: bool = False
    clock: Clock = field(default_factory=Clock)
    begun: float = 0.0
    requests: int = 0

    def __post_init__(self) -> None:
        self.id, self.created = str(uuid4()), datetime(2024, 1, 1, tzinfo=timezone.utc)

    def send(self, request: Request) -> Response:
        """Answer one request."""
        self.requests += 1
        self.clock.sleep(_ROUND_TRIP / 2)
        self.begun = self.begun or self.clock.time
        headers = {"Content-Type": "application/json"} | self._waited(request)
        body = self._body(request)
        self.clock.sleep(_ROUND_TRIP / 2)
        return Response(200, headers, iter([msgspec.json.encode(body)]), lambda: None)

    def _waited(self, request: Request) -> dict[str, str]:
        # Its first preference alone is honoured: the wait.
        preference = request.headers.get("Prefer", "").partition(",")[0]
        if not (self.long_poll and preference):
            return {}
        left = self.begun + self.length - self.clock.time
        self.clock.sleep(max(0.0, min(float(preference.partition("=")[2]), left)))
        return {"Preference-Applied": preference}

    def _body(self, request: Request) -> dict[str, Any]:
        over = self.clock.time >= self.begun + self.length
        state = "SUCCESS" if over else "STARTED"
        ended = (self.created + timedelta(seconds=self.length)).isoformat() if over else None
        times = {"created_at": self.created.isoformat(), "finished_at": ended, "error": None}
        if request.path.endswith("/async/"):
            about = {"updated_at": times["created_at"], "query_task_id": None, "query_task_status": state}
            return {"id": self.id, "query": "SELECT 1", "ai_summary": None, **about, **times}
        about = {"worksheet_query_id": self.id, "status": state}
        return {**about, "results": [], "error": None} if request.path.endswith("/result/") else {**about, **times}
