"""A real engine for tests that are not asynchronous; its event loop runs in a thread of its own."""

from __future__ import annotations

import asyncio
import itertools
import threading
import uuid
from collections.abc import Callable, Coroutine
from concurrent.futures import Future
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa

from roe_magic.contract import models
from roe_magic.service.engine.chdb.engine import ChdbEngine
from roe_magic.service.job import Job, Limits, Outcome, SubmitRequest, Upload
from roe_magic.service.results import manifest

PATIENCE = 120.0


@dataclass
class Events:
    """JobEvents as two functions."""

    started: Callable[[], None]
    progress: Callable[[models.Progress], None]


class LiveEngine:
    """A started ChdbEngine; ``run`` and ``call`` wait, ``submit`` does not."""

    def __init__(self, folder: Path, limits: Limits | None = None, results: Path | None = None) -> None:
        self.folder, self.results = folder, results or folder / "results"
        self.loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self.loop.run_forever)
        self._thread.start()
        self._numbers = itertools.count(1)
        self.engine = ChdbEngine(folder, limits or Limits(), results)

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
        request = SubmitRequest(sql=sql, use_admin=use_admin)
        job = Job(id=name, request=request, database=database, folder=str(self.results / name))
        return job, asyncio.run_coroutine_threadsafe(self.engine.run(job, Events(on_start, on_progress)), self.loop)

    def run(self, sql: str, **options: Any) -> Outcome:
        return self.submit(sql, **options)[1].result(PATIENCE)

    def rows(self, sql: str, statement: int = -1, **options: Any) -> list[tuple[Any, ...]]:
        """Run SQL that must succeed, and return the rows of one statement."""
        job, future = self.submit(sql, **options)
        outcome = future.result(PATIENCE)
        assert outcome.status == models.SUCCESS, outcome.error
        return rows_of(job, statement % len(manifest.decode(outcome.statements)))


def upload_of(path: Path, **options: Any) -> Upload:
    """Return the upload of a file, with an id of its own."""
    return Upload(id=uuid.uuid4().hex, path=str(path), **options)


def file_of(job: Job, statement: int) -> Path:
    return Path(job.folder) / f"{statement}.arrow"


def table_of(job: Job, statement: int) -> pa.Table:
    with pa.OSFile(str(file_of(job, statement))) as file:
        return pa.ipc.open_stream(file).read_all()


def rows_of(job: Job, statement: int) -> list[tuple[Any, ...]]:
    columns = table_of(job, statement).columns
    return list(zip(*[column.to_pylist() for column in columns], strict=True))
