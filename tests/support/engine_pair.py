"""The service and chDB alone, each in processes of its own, for the comparison of their answers."""

from __future__ import annotations

import contextlib
import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx

from tests.support import comparison
from tests.support.bare_engine import BareEngine
from tests.support.services import Service, end_service, start_service


@dataclass(eq=False)
class EnginePair:
    """The service and the bare engine, whose databases have one name."""

    service: Service
    http: httpx.Client
    bare: BareEngine
    database: str

    def answer(self, sql: str) -> comparison.Answer:
        return comparison.submit(self.http, sql, self.service.organization_id)

    def differences(self, sql: str, *, is_sorted: bool = False) -> list[str]:
        """Run a submission in both, and return in what they differ."""
        return comparison.differences(self.bare.run(sql), self.answer(sql), is_sorted=is_sorted)

    def drop_tables(self) -> None:
        """Drop what a file has made."""
        mine = {row[0] for row in self.answer("SHOW TABLES").results[0]["result_rows"]}
        own = {row[0] for row in self.bare.rows(f"SELECT name FROM system.tables WHERE database = '{self.database}'")}
        for kind, name in itertools.product(("VIEW", "TABLE"), sorted(mine | own)):
            drop = f"DROP {kind} IF EXISTS `{name}`"
            self.bare.run(drop)
            self.answer(drop)


@contextlib.contextmanager
def started(folder: Path) -> Iterator[EnginePair]:
    """Start both, without tables, for as long as the block runs."""
    service = start_service(folder / "service")
    try:
        with service.client() as http:
            (statement,) = comparison.submit(http, "SELECT currentDatabase()", service.organization_id).results
            database = str(statement["result_rows"][0][0])
            bare = BareEngine(str(folder / "bare"), database)
            yield EnginePair(service, http, bare, database)
            bare.close()
    finally:
        end_service(service)
