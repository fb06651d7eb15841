"""The benchmarks run, small: what they measure is there, how long it takes is not looked at."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from benchmarks import table, watching
from benchmarks.__main__ import SUBJECTS
from benchmarks.machine import description
from benchmarks.setting import Setting
from benchmarks.table import Measured, Row
from roe_magic import local_service

pytestmark = pytest.mark.integration


@pytest.fixture(scope="module")
def setting(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Setting]:
    """Measure little; peers are those that happen to be installed here."""
    scratch = tmp_path_factory.mktemp("bench")
    sizes = {"fresh": 1, "cells": 1, "large": 1, "ends": 1, "rows": 1000, "simulated": 20}
    with local_service(scratch / "data") as service:
        yield Setting(python=sys.executable, service=service, scratch=scratch, **sizes)


@pytest.mark.parametrize("subject", SUBJECTS)
def test_a_subject_gives_its_rows(setting: Setting, subject: str) -> None:
    """Each has figures of ours, and each goal that has a limit has a verdict where the peer is there."""
    rows = SUBJECTS[subject](setting)
    assert rows
    for row in rows:
        assert row.ours.median > 0
        assert row.verdict in ({"ok", "MISS"} if row.most and row.peer.values else {"ok", "MISS", ""})


def test_the_policy_keeps_its_goals() -> None:
    """How many requests a query takes does not depend on the machine: none of it misses."""
    assert [row.verdict for row in watching.requests()] == ["ok", "ok", "ok"]


def test_a_ratio_is_taken_round_by_round() -> None:
    """A round that is slow for both does not change it."""
    row = Row("x", Measured("a", [1, 10, 1]), Measured("b", [2, 20, 2]), "under 1x", 1.0)
    assert (row.ratio, row.verdict) == (0.5, "ok")
    assert Row("x", row.peer, row.ours, "under 1x", 1.0).verdict == "MISS"


def test_a_limit_may_be_ours_alone() -> None:
    """Then the median is compared, whatever the peer's is; without a peer there is no ratio."""
    row = Row("x", Measured("a", [30], "MB"), Measured("b", [], "MB"), "under 20 MB", 20.0, of_ours=True)
    assert row.cells() == ("x", "30 MB", "b: not installed", "", "under 20 MB", "MISS")


def test_a_table_has_all_cells() -> None:
    """As text and as Markdown."""
    row = Row("what", Measured("a", [0.5]), Measured("b", [2.0]), "under 1x", 1.0)
    assert " ".join(table.text([row]).splitlines()[1].split()) == "what 500 ms b: 2 s 0.25x under 1x ok"
    assert table.markdown([row]).splitlines()[2] == "| what | 500 ms | b: 2 s | 0.25x | under 1x | ok |"


def test_the_machine_is_described_without_names_and_paths() -> None:
    """Processor, cores, memory and versions; no host name, no user, no folder."""
    about = description(sys.executable)
    assert "cores" in about
    assert "chdb-core" in about
    assert Path.home().as_posix() + "/" not in about
