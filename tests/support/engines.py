"""A real engine for tests that are not asynchronous: its event loop runs in a thread of its own."""

from __future__ import annotations

import asyncio
import itertools
import threading
from collections.abc import Callable, Coroutine
from concurrent.futures import Future
from pathlib import Path
from typing import Any

import pyarrow as pa

from roe_magic.contract import models
from roe_magic.service.engine.chdb.engine import Engine, Job, Limits, Outcome
from roe_magic.service.state import serializers

PATIENCE = 120.0


class LiveEngine:
    """A started Engine; ``run`` and ``call`` wait, ``submit`` does not."""

    def __init__(self, folder: Path, limits: Limits | None = None) -> None:
        self.folder = folder
        self.loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self.loop.run_forever)
        self._thread.start()
        self._numbers = itertools.count(1)
        self.engine = Engine(folder, limits or Limits())

    def start(self) -> LiveEngine:
        self.call(self.engine.start())
        self.call(self.engine.ensure_database("own"))
        return self

    def close(self) -> None:
        self.call(self.engine.stop())
        self.loop.call_soon_threadsafe(self.loop.stop)
        self._thread.join()
        self.loop.close()

    def call(self, coroutine: Coroutine[Any, Any, Any]) -> Any:
        return asyncio.run_coroutine_threadsafe(coroutine, self.loop).result(PATIENCE)

    def submit(
        self,
        sql: str,
        *,
        use_admin: bool = False,
        database: str = "own",
        on_start: Callable[[], None] = lambda: None,
        on_progress: Callable[[models.Progress], None] = lambda _: None,
    ) -> tuple[Job, Future[Outcome]]:
        name = f"job-{next(self._numbers)}"
        job = Job(name, sql, database, use_admin, self.folder / "results" / name)
        return job, asyncio.run_coroutine_threadsafe(self.engine.run(job, on_start, on_progress), self.loop)

    def run(self, sql: str, **options: Any) -> Outcome:
        return self.submit(sql, **options)[1].result(PATIENCE)

    def rows(self, sql: str, statement: int = -1, **options: Any) -> list[tuple[Any, ...]]:
        """Run SQL that must succeed, and read back the rows of one statement."""
        job, future = self.submit(sql, **options)
        outcome = future.result(PATIENCE)
        assert outcome.status == models.SUCCESS, outcome.error
        return rows_of(job, statement % len(serializers.statements_in(outcome.statements)))


def table_of(job: Job, statement: int) -> pa.Table:
    with pa.OSFile(str(job.folder / f"{statement}.arrow")) as file:
        return pa.ipc.open_stream(file).read_all()


def rows_of(job: Job, statement: int) -> list[tuple[Any, ...]]:
    columns = table_of(job, statement).columns
    return list(zip(*[column.to_pylist() for column in columns], strict=True))
