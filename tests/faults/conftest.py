"""The table that is printed at the end: each fault, what is expected after it, and what was seen."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator

import pytest

Record = Callable[[str, object, object], None]
_KEY = "fault"


@pytest.fixture
def python_handler() -> Iterator[None]:
    """Have Python's own handler; a shell that starts the tests in the background has them ignore the signal."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.fixture
def seen(record_property: Callable[[str, object], None]) -> Record:
    """Return a function ``(fault, expected, seen)`` that notes a row of the table, and asserts that both are equal."""

    def record(fault: str, expected: object, found: object) -> None:
        record_property(_KEY, (fault, str(expected), str(found)))
        assert found == expected, fault

    return record


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print the table, where tests of this folder noted something."""
    reports = [report for reports in terminalreporter.stats.values() for report in reports]
    rows = sorted(
        tuple(value)
        for report in reports
        if isinstance(report, pytest.TestReport) and report.when == "call"
        for name, value in report.user_properties
        if name == _KEY
    )
    if not rows:
        return
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    terminalreporter.section("faults: expected, seen")
    for row in rows:
        terminalreporter.write_line("  ".join(text.ljust(width) for text, width in zip(row, widths, strict=True)))
