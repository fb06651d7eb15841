"""The list of what differs today from the engine, ``tests/conformance/corpus/pending.txt``.

What differs and is not listed fails its test, and so does what is listed and differs no more. To take the latter's
lines out, run the tests with ``ROE_PENDING=mend``; ``ROE_PENDING=record`` also adds what is new.
"""

from __future__ import annotations

import hashlib
import os
import re

from tests.support import corpus

_LIST = corpus.FOLDER / "pending.txt"


def compare(stem: str, found: dict[str, str]) -> None:
    """Fail for what is new, and for what is listed and differs no more.

    Parameters
    ----------
    stem : str
        The test's part of the list.
    found : dict of str to str
        Reports of what differs, by keys that are the same in each run.
    """
    listed = _lines(stem)
    mode = os.environ.get("ROE_PENDING")
    if mode:
        _rewrite(stem, {key: text for key, text in found.items() if key in listed or mode == "record"})
        listed = _lines(stem)
    new = [text for key, text in found.items() if key not in listed]
    mended = [line for key, line in listed.items() if key not in found]
    report = [*new, *(f"-- listed, but does not differ any more:\n{line}" for line in mended)]
    assert not report, f"{len(new)} differences, {len(mended)} mended\n\n" + "\n\n".join(report)


def digest(text: str) -> str:
    """Return a short key for a text."""
    return hashlib.sha256(text.encode()).hexdigest()[:10]


def _lines(stem: str) -> dict[str, str]:
    """Return the lines of one part of the list, by their keys."""
    lines = _LIST.read_text("utf-8").splitlines() if _LIST.exists() else []
    return {" ".join(line.split("\t")[1:3]): line for line in lines if line.split("\t")[0] == stem}


def _rewrite(stem: str, found: dict[str, str]) -> None:
    """Write one part anew: keys, and the beginning of the statement and of what is wrong."""
    lines = _LIST.read_text("utf-8").splitlines() if _LIST.exists() else []
    others = [line for line in lines if line.split("\t")[0] != stem]
    own = ["\t".join((stem, *key.split(" ", 1), _in_short(text))) for key, text in found.items()]
    _LIST.write_text("".join(f"{line}\n" for line in sorted(others + own)), "utf-8")


def _in_short(report: str) -> str:
    """Return the beginning of a report, without what is another in each run."""
    return re.sub(r"[0-9a-f]{8}(-?[0-9a-f]{4}){3}-?[0-9a-f]{12}", "...", " ".join(report.split()))[:150]
