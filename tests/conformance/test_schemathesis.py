"""schemathesis: it makes up requests from the service's own description, valid ones and others, and checks each answer.

Two runs, each with half of the operations on a service of its own, use two processors.
"""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from services import Service, end_service, start_service

# About three minutes on two processors with nothing else to do.
pytestmark = [pytest.mark.conformance, pytest.mark.timeout(1800)]

HOOKS = Path(__file__).with_name("schemathesis_hooks.py")
# The figures are left here, too: a test process of several shows no output.
ARTIFACTS = Path(__file__).parents[2] / "artifacts"
CASES = 500
LEAST_SUCCESS = 0.3
# All checks are on. The hooks know what there is, so that schemathesis need not collect it from the answers.
SETTINGS = f"""
continue-on-failure = true
request-timeout = 60
[generation]
max-examples = {CASES}
[phases.fuzzing.extra-data-sources]
responses = false
[phases.stateful.generation]
max-examples = 30
"""
# One half of the operations, by method and path, takes as long as the other.
HALF = r"tables|healthz|POST /v1/(worksheets|database/query)/$"


class Run:
    """One run of schemathesis on a service of its own."""

    def __init__(self, folder: Path, *selection: str) -> None:
        self._counts, self._output = folder / "counts.json", folder / "output.txt"
        (folder / "schemathesis.toml").write_text(SETTINGS)
        self.service: Service = start_service(folder / "service")
        key = f"Authorization: Bearer {self.service.api_key}"
        tool = [sys.executable, "-m", "schemathesis.cli", "run", f"{self.service.url}/openapi.json", "--header", key]
        options = ["--checks", "all", "--seed", "1", "--no-color", *selection]
        own = {"SCHEMATHESIS_HOOKS": str(HOOKS), "ROE_TEST_COUNTS": str(self._counts)}
        env = {**os.environ, **self.service.env, **own}
        with self._output.open("w") as output:
            self.process = subprocess.Popen(
                [*tool, *options], cwd=folder, env=env, stdout=output, stderr=subprocess.STDOUT
            )

    def wait(self) -> tuple[int, str, dict[str, dict[str, int]]]:
        """Give the exit code, the report and the counts of answers."""
        code = self.process.wait()
        return code, self._output.read_text(), json.loads(self._counts.read_text())

    def end(self) -> None:
        self.process.kill()
        self.process.wait()
        end_service(self.service)


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[tuple[int, str, dict[str, dict[str, int]]]]]:
    with contextlib.ExitStack() as stack:
        started = []
        for selection in ("--include-name-regex", "--exclude-name-regex"):
            run = Run(tmp_path_factory.mktemp("schemathesis"), selection, HALF)
            stack.callback(run.end)
            started.append(run)
        yield [run.wait() for run in started]


@pytest.fixture(scope="module")
def answers(runs: list[tuple[int, str, dict[str, dict[str, int]]]]) -> dict[str, Counter[str]]:
    """Count each operation's answers by the first digit of their status."""
    answers: dict[str, Counter[str]] = {}
    for _, _, counts in runs:
        for operation, kinds in counts.items():
            answers[operation] = Counter()
            for kind, number in kinds.items():
                answers[operation][kind.split()[-1][0]] += number
    return answers


def test_schemathesis_finds_nothing(runs: list[tuple[int, str, dict[str, dict[str, int]]]]) -> None:
    """No answer breaks the description: statuses, types, schemas, headers, what is refused and what is accepted."""
    for code, report, _ in runs:
        assert code == 0, report


def test_every_operation_has_its_cases(answers: dict[str, Counter[str]], service: Service) -> None:
    """No operation is left out, and each has 500 cases at least; the description itself is what the tool reads."""
    with service.client() as http:
        paths = http.get("/openapi.json").json()["paths"]
    described = {f"{method.upper()} {path}" for path, methods in paths.items() for method in methods}
    assert set(answers) == described - {"GET /openapi.json"}
    assert min(counts.total() for counts in answers.values()) >= CASES


def test_enough_cases_succeed(answers: dict[str, Counter[str]], capsys: pytest.CaptureFixture[str]) -> None:
    """Of each operation's cases, 30 % at least are answered with 2xx, so that real answers are checked."""
    share = {operation: counts["2"] / counts.total() for operation, counts in sorted(answers.items())}
    figures = [f"{name:62} {answers[name].total():5} cases, {part:4.0%} answered 2xx" for name, part in share.items()]
    ARTIFACTS.mkdir(exist_ok=True)
    (ARTIFACTS / "schemathesis.txt").write_text("\n".join([*figures, ""]))
    with capsys.disabled():
        print("", *figures, sep="\n")
    assert min(share.values()) >= LEAST_SUCCESS
