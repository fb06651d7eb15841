"""The statements of ``tests/conformance/corpus``, and how they are written there.

A statement ends with a semicolon at the end of a line. SET statements hold for all that follow in the file, as in one
session, until a line ``-- new session``. Lines before a statement say more about it:

``-- sorted``
    Its rows have no order: they are sorted before they are compared.
``-- once``
    It is not run again inside other SELECTs.
``-- together`` ... ``-- end``
    The statements between the two are one submission.
``-- differs: REASON``
    The service differs, for a good reason that its documents tell.
``-- says: TEXT``
    In ``refused.sql``: what the refusal must say. Several of these lines are several texts.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

FOLDER = Path(__file__).parents[1] / "conformance" / "corpus"
_SELECT = re.compile(r"(?i)\(*\s*(SELECT|WITH)\b")
_AT_THE_END_ONLY = re.compile(r"(?i)\b(SETTINGS|FORMAT|TOTALS|extremes|OUTFILE)\b")


@dataclass
class CorpusStatement:
    """A submission of a file of the corpus.

    Parameters
    ----------
    sql : str
        One statement, or several that belong together.
    session : str
        The SET statements before it.
    is_sorted, runs_once : bool
        What the lines before it say.
    """

    sql: str
    session: str = ""
    is_sorted: bool = False
    runs_once: bool = False
    differs: str = ""
    says: list[str] = field(default_factory=list)

    def forms(self) -> Iterator[tuple[str, str]]:
        """Yield the ways to run it: as it is; if it is a SELECT also inside one that returns few rows, or many."""
        yield "as it is", self.session + self.sql
        if self.runs_once or not _SELECT.match(self.sql) or _AT_THE_END_ONLY.search(self.sql) or ";" in self.sql:
            return
        yield "few rows", f"{self.session}SELECT * FROM (\n{self.sql}\n) LIMIT 1000"
        yield "many rows", f"{self.session}SELECT * FROM (\n{self.sql}\n)"


def read(path: Path) -> list[CorpusStatement]:
    """Return the statements of a file."""
    return list(_statements(path.read_text("utf-8")))


def _statements(text: str) -> Iterator[CorpusStatement]:
    session, marks, lines, together = "", [], [], False
    for line in text.split("\n"):
        if line.startswith("-- ") and (not lines or together):
            marks.append(line[3:])
            session = "" if line == "-- new session" else session
            together = {"-- together": True, "-- end": False}.get(line, together)
            if line != "-- end":
                continue
        elif line.strip():
            lines.append(line)
        if lines and not together and (line == "-- end" or line.endswith(";")):
            sql = "\n".join(lines).rstrip(";")
            yield _statement(sql, session, marks)
            if re.match(r"(?i)SET\b", sql) and ";" not in sql:
                session += f"{sql};\n"
            marks, lines = [], []
    assert not lines, f"the last statement has no semicolon: {lines}"


def _statement(sql: str, session: str, marks: list[str]) -> CorpusStatement:
    values = {
        name: [mark.partition(": ")[2] for mark in marks if mark.startswith(name)] for name in ("differs", "says")
    }
    differs = "; ".join(values["differs"])
    return CorpusStatement(sql, session, "sorted" in marks, "once" in marks, differs, values["says"])
