"""When to ask again: the numbers, and properties that hold in any order of events."""

from __future__ import annotations

import itertools
import threading
from datetime import datetime, timedelta, timezone
from email.utils import format_datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from roe_magic.client.retries import LONGEST_RETRY_AFTER, Attempt, RateLimit, attempts, backoff, parse_retry_after
from roe_magic.query.poll_schedule import MANY_LIVE, Patience, next_poll
from tests.support.fake_clock import FakeClock

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=timezone.utc)
seconds = st.floats(0, 1e6)
dice = st.floats(0, 1, exclude_max=True)


@settings(deadline=None)
@given(seconds, st.integers(1, 1000), dice)
def test_a_poll_waits_a_tenth_of_the_elapsed_time_within_bounds(elapsed: float, live: int, thrown: float) -> None:
    """50 ms to 2 s, 5 s when many queries are watched, 10 % of chance either way."""
    longest = 5.0 if live > MANY_LIVE else 2.0
    base = min(max(elapsed / 10, 0.05), longest)
    assert base * 0.9 <= next_poll(elapsed, live=live, rng=lambda: thrown) <= base * 1.1


def test_a_query_of_100_seconds_is_asked_after_seldom_and_noticed_soon() -> None:
    """Under 90 requests, against 400 at a quarter second; the end is noticed within 2.2 s."""
    clock, asked = FakeClock(0.0), 0
    while clock() < 100:
        clock.sleep(next_poll(clock(), rng=lambda: 0.5))
        asked += 1
    assert asked < 90
    assert clock() - 100 <= 2.2


@settings(deadline=None)
@given(st.integers(0, 10_000), dice)
def test_backoff_doubles_up_to_five_seconds_with_chance(attempt: int, thrown: float) -> None:
    """At least half of it, and never an overflow."""
    whole = min(0.25 * 2 ** min(attempt, 20), 5.0)
    assert whole / 2 <= backoff(attempt, rng=lambda: thrown) <= whole


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        (None, None),
        ("", None),
        ("0", 0.0),
        (" 17 ", 17.0),
        ("301", LONGEST_RETRY_AFTER),
        ("9" * 5000, LONGEST_RETRY_AFTER),
        ("-1", None),
        ("1.5", None),
        ("1e3", None),
        ("soon", None),
        ("٣", None),
        ("Sun, 01 Mar 2026 12:00:30 GMT", 30.0),
        ("Sun, 01 Mar 2026 12:00:30 -0000", 30.0),
        ("Sunday, 01-Mar-26 12:00:30 GMT", 30.0),
        ("Sun, 01 Mar 2026 11:00:00 GMT", 0.0),
        ("Fri, 31 Dec 9999 23:59:59 GMT", LONGEST_RETRY_AFTER),
        ("Sun, 99 Mar 2026 12:00:30 GMT", None),
        ("Sun, 01 Mar 2026 12:00:30 +9999999999", None),
    ],
)
def test_retry_after_is_read_or_ignored(header: str | None, expected: float | None) -> None:
    """Seconds and dates, past and far; anything else is as if it were not there."""
    assert parse_retry_after(header, now=NOW.timestamp) == expected


@settings(deadline=None)
@given(st.text() | st.integers().map(str) | st.datetimes().map(format_datetime))
def test_any_retry_after_is_a_pause_within_bounds_or_nothing(header: str) -> None:
    """No text of a server raises, or makes the client wait for ever."""
    pause = parse_retry_after(header, now=NOW.timestamp)
    assert pause is None or 0 <= pause <= LONGEST_RETRY_AFTER


@settings(deadline=None)
@given(st.integers(0, 10), st.floats(0, 100), st.lists(st.none() | st.floats(0, 400), min_size=11, max_size=11))
def test_attempts_keep_to_their_number_and_their_budget(
    retries: int, budget: float, pauses: list[float | None]
) -> None:
    """Never more than the retries, never a sleep that ends beyond the budget, and the last error is the one raised."""
    clock, failures = FakeClock(0.0), list[OSError]()

    def fail_always() -> None:
        for attempt in attempts(retries, budget=budget, clock=clock, pause=clock.pause):
            failures.append(OSError(f"failure {len(failures)}"))
            attempt.failed(failures[-1], pauses[len(failures) - 1])

    with pytest.raises(OSError, match="failure") as caught:
        fail_always()
    assert caught.value is failures[-1]
    assert len(failures) <= retries + 1
    assert clock() <= budget
    assert [p for p in pauses[: len(clock.slept)] if p is not None] == [
        slept for slept, p in zip(clock.slept, pauses, strict=False) if p is not None
    ]


def test_what_succeeds_is_not_tried_again() -> None:
    """Leaving the loop ends it, without a sleep."""
    clock = FakeClock()
    for attempt in attempts(5, budget=60, clock=clock, pause=clock.pause):
        assert not attempt.last
        break
    assert not clock.slept


def test_a_lonely_attempt_raises_at_once() -> None:
    """With no retries the first failure is the last."""
    (attempt,) = itertools.islice(attempts(0, budget=60, pause=FakeClock().pause), 1)
    with pytest.raises(ValueError, match="no"):
        attempt.failed(ValueError("no"))


class Retrying(RuleBasedStateMachine):
    """One loop of attempts, with a clock that jumps and failures of every kind."""

    attempt: Attempt | None = None
    tried = retries = 0

    @precondition(lambda self: self.attempt is None)
    @rule(retries=st.integers(0, 6), budget=st.floats(0, 200))
    def begin(self, retries: int, budget: float) -> None:
        self.clock = FakeClock(0.0)
        self.retries, self.budget = retries, budget
        self.loop = attempts(retries, budget=budget, clock=self.clock, pause=self.clock.pause)
        self.attempt, self.tried = next(self.loop), 1

    @precondition(lambda self: self.attempt is not None)
    @rule(took=st.floats(0, 100), pause=st.none() | st.floats(0, 300))
    def fail(self, took: float, pause: float | None) -> None:
        self.clock.time += took
        before, sleeps, raised = self.clock(), len(self.clock.slept), self.go_on(error := RuntimeError(), pause)
        if raised is None:
            self.tried += 1
            slept = self.clock() - before
            assert slept == pytest.approx(pause) if pause is not None else slept > 0
            assert self.clock() <= self.budget
        else:
            assert raised is error
            assert len(self.clock.slept) == sleeps
            # It ends for one of two reasons: no retry is left, or the next one would begin too late.
            longest = pause if pause is not None else backoff(self.tried - 1, rng=lambda: 1.0)
            assert self.tried == self.retries + 1 or before + longest > self.budget
            self.attempt = None

    def go_on(self, error: RuntimeError, pause: float | None) -> RuntimeError | None:
        assert self.attempt is not None
        try:
            self.attempt.failed(error, pause)
            self.attempt = next(self.loop)
        except RuntimeError as raised:
            return raised
        return None

    @precondition(lambda self: self.attempt is not None)
    @rule()
    def succeed(self) -> None:
        self.attempt = None

    @invariant()
    def no_more_tries_than_allowed(self) -> None:
        assert self.tried <= self.retries + 1


class Watching(RuleBasedStateMachine):
    """A watcher's patience: only an unbroken run of failures uses it up."""

    def __init__(self) -> None:
        super().__init__()
        self.clock = FakeClock(0.0)
        self.patience = Patience(limit=120.0, clock=self.clock)
        self.failing_since: float | None = None

    @rule(passed=st.floats(0, 200))
    def time_passes(self, passed: float) -> None:
        self.clock.time += passed

    @rule()
    def an_answer(self) -> None:
        self.patience.succeeded()
        self.failing_since = None

    @rule()
    def a_failure(self) -> None:
        if self.failing_since is None:
            self.failing_since = self.clock()
        assert self.patience.failed() == self.clock() - self.failing_since

    @invariant()
    def it_is_over_after_two_minutes_of_failures_alone(self) -> None:
        failing = self.failing_since is not None and self.clock() - self.failing_since >= 120
        assert self.patience.is_over == failing


class Limiting(RuleBasedStateMachine):
    """A rate limit under any pattern of requests: each waits the time it is told."""

    def __init__(self) -> None:
        super().__init__()
        self.clock = FakeClock(0.0)
        self.limit = RateLimit(rate=10.0, burst=5, clock=self.clock)
        self.sent: list[float] = []

    @rule(passed=st.floats(0, 3))
    def time_passes(self, passed: float) -> None:
        self.clock.time += passed

    @rule(number=st.integers(1, 20))
    def requests(self, number: int) -> None:
        self.sent += [self.clock() + self.limit.delay() for _ in range(number)]

    @invariant()
    def no_window_holds_more_than_the_burst_and_the_rate(self) -> None:
        for first, last in itertools.combinations(range(len(self.sent)), 2):
            span = self.sent[last] - self.sent[first]
            assert last - first <= 5 + 10.0 * span + 1e-6

    @invariant()
    def nobody_waits_longer_than_the_queue(self) -> None:
        if self.sent:
            assert self.sent[-1] <= max(self.clock(), self.sent[0]) + len(self.sent) / 10.0


TestRetrying = Retrying.TestCase
TestWatching = Watching.TestCase
TestLimiting = Limiting.TestCase
for _case in (TestRetrying, TestWatching, TestLimiting):
    _case.settings = settings(max_examples=40, stateful_step_count=20, deadline=None)
del _case


def test_a_quiet_client_is_not_slowed_down() -> None:
    """A burst goes through at once, and again after a rest."""
    clock = FakeClock()
    limit = RateLimit(clock=clock)
    for _ in range(3):
        assert [limit.delay() for _ in range(20)] == [0.0] * 20
        assert limit.delay() > 0
        clock.sleep(timedelta(seconds=1).total_seconds())


def test_threads_share_one_rate_limit() -> None:
    """No two of them book the same place."""
    clock = FakeClock()
    limit = RateLimit(rate=100.0, burst=1, clock=clock)
    delays: list[float] = []
    threads = [threading.Thread(target=lambda: delays.extend(limit.delay() for _ in range(100))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len({round(delay, 6) for delay in delays}) == 800
    assert max(delays) == pytest.approx(7.99)
