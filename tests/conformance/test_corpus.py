"""SQL that analysts run: the service's answers are those of the engine alone, in names, types, values and errors.

Each file of ``corpus`` runs statement by statement through the service and through chDB in a process of its own, whose
database has the same name. A SELECT runs again inside one that returns few rows and inside one that may return many,
since the service takes other ways for the two. ``corpus/pending.txt`` lists what differs today: a statement that is
listed and does not differ fails its file, too. To take such lines out, run with ``ROE_CORPUS_MEND=1``.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

from tests.support import comparison, corpus
from tests.support.bare_engine import BareEngine
from tests.support.corpus import CorpusStatement
from tests.support.services import Service, end_service, start_service

pytestmark = [pytest.mark.conformance, pytest.mark.timeout(600)]

REFUSED = corpus.FOLDER / "refused.sql"
FILES = sorted(set(corpus.FOLDER.glob("*.sql")) - {REFUSED})
PENDING = corpus.FOLDER / "pending.txt"


@dataclass
class Engines:
    """The service and the bare engine, whose databases have one name."""

    service: Service
    http: httpx.Client
    bare: BareEngine

    def answer(self, sql: str) -> comparison.Answer:
        return comparison.submit(self.http, sql, self.service.organization_id)

    def differences(self, sql: str, *, is_sorted: bool = False) -> list[str]:
        """Run a submission in both, and return in what they differ."""
        return comparison.differences(self.bare.run(sql), self.answer(sql), is_sorted=is_sorted)

    def drop_tables(self) -> None:
        """Drop what a file has made."""
        for kind in ("VIEW", "TABLE"):
            for (name,) in self.bare.rows(f"SELECT name FROM system.tables WHERE database = '{self.database}'"):
                drop = f"DROP {kind} IF EXISTS `{name}`"
                self.bare.run(drop)
                self.answer(drop)

    @property
    def database(self) -> str:
        (statement,) = self.answer("SELECT currentDatabase()").results
        return str(statement["result_rows"][0][0])


@pytest.fixture(scope="module")
def engines(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engines]:
    """Start a service and a bare engine, both without tables."""
    service = start_service(tmp_path_factory.mktemp("service"))
    try:
        with service.client() as http:
            started = Engines(service, http, None)
            started.bare = BareEngine(str(tmp_path_factory.mktemp("bare") / "engine"), started.database)
            yield started
            started.bare.close()
    finally:
        end_service(service)


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_the_service_answers_as_the_engine(engines: Engines, path: Path) -> None:
    """Every statement of the file has the engine's own names, types, values and errors."""
    try:
        found = {key: text for statement in corpus.read(path) for key, text in _check(engines, statement)}
    finally:
        engines.drop_tables()
    _compare_with_pending(path.stem, found)


def test_what_is_refused_says_what_to_do(engines: Engines) -> None:
    """A statement that reaches outside is refused by the service itself, and the message names the part."""
    found = {}
    for statement in corpus.read(REFUSED):
        answer = engines.answer(statement.session + statement.sql)
        missing = [text for text in statement.says if text.lower() not in answer.error.lower()]
        if missing or answer.code or not answer.error:
            report = f"{statement.sql}\n  expected a refusal with {statement.says}\n    got {answer.error or 'success'}"
            found[f"{statement.digest} refused"] = report
    _compare_with_pending(REFUSED.stem, found)


def _compare_with_pending(stem: str, found: dict[str, str]) -> None:
    """Fail for what is new, and for what is listed and has been mended."""
    pending = _pending(stem)
    mode = os.environ.get("ROE_CORPUS_MEND")
    if mode:
        _rewrite(stem, {key: text for key, text in found.items() if key in pending or mode == "record"})
        pending = _pending(stem)
    new = [text for key, text in found.items() if key not in pending]
    mended = [line for key, line in pending.items() if key not in found]
    report = [*new, *(f"-- in pending.txt, but does not differ any more:\n{line}" for line in mended)]
    assert not report, f"{len(new)} differences, {len(mended)} mended\n\n" + "\n\n".join(report)


def _check(engines: Engines, statement: CorpusStatement) -> Iterator[tuple[str, str]]:
    """Yield what is not as it must be: a key for the list of pending ones, and the report."""
    for form, sql in statement.forms():
        differences = engines.differences(sql, is_sorted=statement.is_sorted)
        if statement.differs and form == "as it is":
            differences = [] if differences else [f"expected a difference: {statement.differs}"]
        if differences:
            lines = "\n  ".join(differences)
            yield f"{statement.digest} {form}", f"-- {form}\n{statement.sql}\n  {lines}"


def _pending(stem: str) -> dict[str, str]:
    """Return the lines of the list for one file, by their keys."""
    lines = PENDING.read_text("utf-8").splitlines() if PENDING.exists() else []
    return {" ".join(line.split("\t")[1:3]): line for line in lines if line.split("\t")[0] == stem}


def _rewrite(stem: str, found: dict[str, str]) -> None:
    """Write the lines of one file anew: a key, and the beginning of the statement and of what is wrong."""
    lines = PENDING.read_text("utf-8").splitlines() if PENDING.exists() else []
    others = [line for line in lines if line.split("\t")[0] != stem]
    own = ["\t".join((stem, *key.split(" ", 1), _in_short(text))) for key, text in found.items()]
    PENDING.write_text("".join(f"{line}\n" for line in sorted(others + own)), "utf-8")


def _in_short(report: str) -> str:
    """Return the beginning of a report, without what is another in each run."""
    return re.sub(r"[0-9a-f]{8}(-?[0-9a-f]{4}){3}-?[0-9a-f]{12}", "...", " ".join(report.split()))[:150]
