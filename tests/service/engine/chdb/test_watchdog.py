"""The watchdog with a clock of the test's own."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from dataclasses import dataclass, field

import pytest

from roe_magic.service.engine.chdb.watchdog import GRACE_SECONDS, STOP_SECONDS, StatementWatch, Watchdog


@dataclass
class Bench:
    """A watchdog, and what it has done."""

    now: float = 1000.0
    done: list[str] = field(default_factory=list)
    kill: Callable[[str], None] | None = None
    open: contextlib.ExitStack = field(default_factory=contextlib.ExitStack)

    def __post_init__(self) -> None:
        self.watchdog = Watchdog(
            self.kill or (lambda name: self.done.append(f"kill {name}")),
            clock=lambda: self.now,
            end_process=lambda: self.done.append("end"),
        )

    def watch(self, name: str, limit: float) -> StatementWatch:
        return self.open.enter_context(
            self.watchdog.watch(name, limit, lambda error: self.done.append(f"tell {error}"))
        )

    def at(self, seconds: float) -> list[str]:
        """Check at a time since the start, and return what was done."""
        self.now = 1000.0 + seconds
        self.done.clear()
        self.watchdog.check()
        return list(self.done)


def test_a_statement_is_killed_past_its_limit_until_it_ends() -> None:
    """Before the limit and its grace nothing happens; after them every check kills it."""
    bench = Bench()
    watch = bench.watch("job", 10)
    assert bench.at(10 + GRACE_SECONDS - 0.1) == []
    assert watch.error is None
    assert [bench.at(10 + GRACE_SECONDS), bench.at(10 + GRACE_SECONDS + 1)] == [["kill job"], ["kill job"]]
    assert watch.error == (
        "Code: 159. The statement ran longer than its limit of 10 s and was ended. (TIMEOUT_EXCEEDED)"
    )


def test_what_has_ended_is_left_alone() -> None:
    """After its block a statement is watched no longer, also if the block ended with an error."""
    bench = Bench()
    with pytest.raises(ValueError, match="x"), bench.watchdog.watch("job", 1, bench.done.append):
        raise ValueError("x")
    assert bench.at(1000) == []


def test_each_statement_has_its_own_limit() -> None:
    """Of several statements the one that is past its limit is killed."""
    bench = Bench()
    for name, limit in (("long", 100), ("short", 1), ("endless", 0), ("none", -1)):
        bench.watch(name, limit)
    assert bench.at(50) == ["kill short"]


@pytest.mark.parametrize(("limit", "lowered", "holds"), [(100, 5, 5), (5, 100, 5), (0, 5, 5), (5, 0, 5), (5, -1, 5)])
def test_a_limit_is_lowered_only(limit: float, lowered: float, holds: float) -> None:
    """A shorter limit counts from the beginning; a longer one, and one that is none, change nothing."""
    bench = Bench()
    watch = bench.watch("job", limit)
    bench.now += 3
    watch.lower(lowered)
    assert bench.at(holds + GRACE_SECONDS - 0.1) == []
    assert bench.at(holds + GRACE_SECONDS) == ["kill job"]


def test_the_process_ends_if_a_statement_does_not_stop() -> None:
    """First the caller is told, then the process ends."""
    bench = Bench()
    bench.watch("job", 10)
    assert bench.at(20) == ["kill job"]
    assert bench.at(20 + STOP_SECONDS) == [
        "tell Code: 159. The statement ran longer than its limit of 10 s and was ended. (TIMEOUT_EXCEEDED)",
        "end",
    ]


def test_a_process_that_was_suspended_kills_first() -> None:
    """However late the first check is, the statement gets its time to stop."""
    bench = Bench()
    bench.watch("job", 10)
    assert bench.at(1_000_000) == ["kill job"]


def test_the_process_ends_even_if_nobody_can_be_told() -> None:
    """A kill that fails and a caller who is gone do not stop the watchdog."""

    def fail(_: str) -> None:
        raise RuntimeError("can't start new thread")

    bench = Bench(kill=fail)
    bench.open.enter_context(bench.watchdog.watch("job", 1, fail))
    assert bench.at(50) == []
    with pytest.raises(RuntimeError):
        bench.at(50 + STOP_SECONDS)
    assert bench.done == ["end"]
