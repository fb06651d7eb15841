"""schemathesis: it makes up requests from the service's own description, valid ones and others, and checks each answer.

Each run has half of the operations, on a service of its own; two at a time use two processors.
"""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
from collections import Counter, defaultdict
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.support.services import Service, end_service, start_service

# About three minutes on two slow processors with nothing else to do.
pytestmark = [pytest.mark.conformance, pytest.mark.timeout(1800)]

HOOKS = Path(__file__).with_name("schemathesis_hooks.py")
# The figures are left here, too: a test process of several shows no output.
ARTIFACTS = Path(__file__).parents[2] / "artifacts"
CASES = 500
LEAST_SUCCESS = 0.3
SEED = os.environ.get("ROE_TEST_SEED", "1")
# How many requests are made up for each operation: valid ones first, then others.
MODES = {"positive": CASES, "negative": 250}
# All checks are on. The hooks know what there is, so that schemathesis need not collect it from the answers.
SETTINGS = """
continue-on-failure = true
request-timeout = 60
[phases.fuzzing.extra-data-sources]
responses = false
[phases.stateful.generation]
max-examples = 30
"""
# One half of the operations, by method and path, takes as long as the other.
HALF = r"tables|healthz|POST /v1/(worksheets|database/query)/$"

# The answers of each operation by "phase mode status".
Counts = dict[str, dict[str, int]]


@dataclass
class Run:
    """One run of schemathesis."""

    process: subprocess.Popen[bytes]
    folder: Path

    def wait(self) -> tuple[int, str, Counts]:
        """Give the exit code, the report and the counts of answers."""
        code = self.process.wait()
        return code, (self.folder / "report.txt").read_text(), json.loads((self.folder / "counts.json").read_text())


def start(service: Service, folder: Path, mode: str, *options: str) -> Run:
    """Start schemathesis on a service."""
    folder.mkdir()
    (folder / "schemathesis.toml").write_text(SETTINGS)
    key = f"Authorization: Bearer {service.api_key}"
    tool = [sys.executable, "-m", "schemathesis.cli", "run", f"{service.url}/openapi.json", "--header", key]
    cases = ["--checks", "all", "--mode", mode, "--max-examples", str(MODES[mode]), "--seed", SEED, "--no-color"]
    own = {"SCHEMATHESIS_HOOKS": str(HOOKS), "ROE_TEST_COUNTS": str(folder / "counts.json")}
    with (folder / "report.txt").open("w") as report:
        process = subprocess.Popen(
            [*tool, *cases, *options],
            cwd=folder,
            env={**os.environ, **service.env, **own},
            stdout=report,
            stderr=subprocess.STDOUT,
        )
    return Run(process, folder)


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> list[tuple[int, str, Counts]]:
    halves = {"--include-name-regex": "one", "--exclude-name-regex": "other"}
    folder = tmp_path_factory.mktemp("schemathesis")
    reports = []
    with contextlib.ExitStack() as stack:
        services = {}
        for half, name in halves.items():
            services[half] = start_service(folder / name)
            stack.callback(end_service, services[half])
        for mode in MODES:
            together = []
            for half, name in halves.items():
                together.append(start(services[half], folder / f"{name} {mode}", mode, half, HALF))
                stack.callback(together[-1].process.kill)
            reports += [run.wait() for run in together]
    return reports


@pytest.fixture(scope="module")
def answers(runs: list[tuple[int, str, Counts]]) -> dict[str, Counter[str]]:
    """Count each operation's answers by the first digit of their status."""
    answers: dict[str, Counter[str]] = defaultdict(Counter)
    for _, _, counts in runs:
        for operation, kinds in counts.items():
            for kind, number in kinds.items():
                answers[operation][kind.split()[-1][0]] += number
    return answers


def test_schemathesis_finds_nothing(runs: list[tuple[int, str, Counts]]) -> None:
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
