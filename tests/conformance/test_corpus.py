"""SQL that analysts run: the service's answers are those of the engine alone, in names, types, values and errors.

Each file of ``corpus`` runs statement by statement through the service and through chDB in a process of its own, whose
database has the same name. A SELECT runs again inside one that returns few rows and inside one that may return many,
since the service takes other ways for the two. What differs today is listed: see ``tests/support/pending.py``.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support import corpus, pending
from tests.support.corpus import CorpusStatement
from tests.support.engine_pair import EnginePair

pytestmark = [pytest.mark.conformance, pytest.mark.timeout(600)]

REFUSED = corpus.FOLDER / "refused.sql"
FILES = sorted(set(corpus.FOLDER.glob("*.sql")) - {REFUSED})


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_the_service_answers_as_the_engine(engines: EnginePair, path: Path) -> None:
    """Every statement of the file has the engine's own names, types, values and errors."""
    statements = corpus.read(path)
    try:
        found = {key: text for statement in statements for key, text in _check(engines, statement)}
        # Or its error would be that of every statement after it, which would then be compared with itself.
        failing = [each.session for each in statements if each.session and engines.bare.run(each.session)[-1].code]
        assert not failing, f"a SET that fails needs a session of its own: {failing[0]}"
    finally:
        engines.drop_tables()
    pending.compare(path.stem, found)


def test_what_is_refused_says_what_to_do(engines: EnginePair) -> None:
    """A statement that reaches outside is refused by the service itself: the message names the part, and says more."""
    found = {}
    for statement in corpus.read(REFUSED):
        answer = engines.answer(statement.sql)
        missing = [text for text in statement.says if text.lower() not in answer.error.lower()]
        # After the part comes the reason, or the way out.
        if missing or answer.code or not answer.error or re.search(r"is not \w+ here\.$", answer.error):
            report = f"{statement.sql}\n  expected a refusal with {statement.says}\n    got {answer.error or 'success'}"
            found[f"{pending.digest(statement.sql)} refused"] = report
    pending.compare(REFUSED.stem, found)


def _check(engines: EnginePair, statement: CorpusStatement) -> Iterator[tuple[str, str]]:
    """Yield what is not as it must be: a key for the list of pending ones, and the report."""
    for form, sql in statement.forms():
        differences = engines.differences(sql, is_sorted=statement.is_sorted)
        if statement.differs:
            differences = [] if differences else [f"expected a difference: {statement.differs}"]
        if differences:
            lines = "\n  ".join(differences)
            yield (
                f"{pending.digest(statement.session + statement.sql)} {form}",
                f"-- {form}\n{statement.sql}\n  {lines}",
            )
