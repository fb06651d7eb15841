"""Breaks the client's code at random places, one at a time, and lists which breaks its tests notice.

``make mutants`` runs it; the record stands in ``tests/faults/README.md``. The mutants are Cosmic Ray's, drawn with a
fixed seed from all that it can make of these modules. Those inside type annotations are left out: they are never run.
"""

from __future__ import annotations

import ast
import random
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from cosmic_ray.work_db import WorkDB, use_db
from cosmic_ray.work_item import TestOutcome

ROOT = Path(__file__).parents[2]
TREE = ROOT / "build" / "mutants"
SEED, COUNT = 20261126, 200
SECONDS = 240
# Modules, and the tests that have to notice what is broken in them.
GROUPS: dict[str, tuple[list[str], list[str]]] = {
    "client": (
        [
            *("base_client", "connections", "deadlines", "delivery", "messages", "response_errors", "retries"),
            *("retry_policy", "roe_client", "transport", "transport_errors"),
        ],
        ["tests/client", "tests/wire", "tests/query/test_poll_schedule.py", "tests/faults/test_retry_policy.py"],
    ),
    "query": (
        [
            *("download", "lifecycle", "poll_schedule", "query_state", "repetition", "run", "running_query"),
            *("state_publisher", "worksheet_query"),
        ],
        ["tests/query", "tests/faults/test_retry_policy.py", "tests/faults/test_machine.py", "tests/panel"],
    ),
    "config": (["secret", "certificates", "hidden_frames"], ["tests/config", "tests/client", "tests/faults"]),
    "": (["formatting", "errors"], ["tests/test_formatting.py", "tests/test_pickles.py", "tests/faults", "tests/wire"]),
}


def main() -> None:
    """Run the mutants and print the record, as the lines of a table."""
    _copy_tree()
    for _, tests in GROUPS.values():
        subprocess.run(_pytest(tests).split(), cwd=TREE, check=True)  # or all mutants would seem to be noticed
    drawn = random.Random(SEED).sample(sorted(_candidates(), key=_position), COUNT)
    for package in GROUPS:
        _run(package, [item for item in drawn if _package(item) == package])
    outcomes = [row for package in GROUPS for row in _outcomes(package)]
    killed = sum(outcome == "killed" for *_, outcome in outcomes)
    print(f"{killed} of {len(outcomes)} killed ({killed / len(outcomes):.0%}).")
    for row in outcomes:
        print("| " + " | ".join(row) + " |")


def _copy_tree() -> None:
    """Copy the files of the repository: mutants are written to disk."""
    shutil.rmtree(TREE, ignore_errors=True)
    names = subprocess.run(["git", "ls-files"], cwd=ROOT, check=True, capture_output=True, text=True).stdout.split("\n")
    for name in filter(None, names):
        (TREE / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(ROOT / name, TREE / name)


def _candidates() -> Iterator[Any]:
    """Yield every mutant of every module that would be run."""
    for package, (modules, tests) in GROUPS.items():
        paths = [f"roe_magic/{package}/{module}.py".replace("//", "/") for module in modules]
        config = TREE / f"mutants-{package or 'top'}.toml"
        config.write_text(
            f"[cosmic-ray]\nmodule-path = {paths!r}\ntimeout = {SECONDS}.0\nexcluded-modules = []\n"
            f"test-command = {_pytest(tests)!r}\n[cosmic-ray.distributor]\nname = 'local'\n"
        )
        _cosmic_ray("init", config.name, _session(package).name)
        with use_db(_session(package), WorkDB.Mode.open) as session:
            yield from (item for item in session.work_items if not _is_annotation(item.mutations[0]))


def _pytest(tests: list[str]) -> str:
    return f"{sys.executable} -m pytest -q -x -p no:cacheprovider -p no:xdist --timeout {SECONDS} {' '.join(tests)}"


def _run(package: str, items: list[Any]) -> None:
    with use_db(_session(package), WorkDB.Mode.open) as session:
        session.clear()
        session.add_work_items(items)
    _cosmic_ray("exec", f"mutants-{package or 'top'}.toml", _session(package).name)


def _outcomes(package: str) -> Iterator[tuple[str, str, str, str]]:
    """Yield file and line, operator, the line as it was changed, and the fate of each mutant."""
    with use_db(_session(package), WorkDB.Mode.open) as session:
        results = dict(session.results)
        for item in sorted(session.work_items, key=_position):
            mutation, result = item.mutations[0], results[item.job_id]
            lines = [line for line in (result.diff or "").split("\n") if line.startswith("+") and line[1:3] != "++"]
            changed = " ".join(line[1:].strip() for line in lines).replace("|", "\\|")
            fate = "survived" if result.test_outcome is TestOutcome.SURVIVED else "killed"
            place = f"{mutation.module_path}:{mutation.start_pos[0]}"
            yield place, mutation.operator_name.rpartition("/")[2], f"`{changed}`", fate


def _is_annotation(mutation: Any) -> bool:
    tree = ast.parse((TREE / mutation.module_path).read_text(encoding="utf-8"))
    return any(
        (node.lineno, node.col_offset) <= tuple(mutation.start_pos) <= (node.end_lineno, node.end_col_offset)
        for parent in ast.walk(tree)
        for name in ("annotation", "returns")
        if (node := getattr(parent, name, None)) is not None
    )


def _package(item: Any) -> str:
    parts = Path(item.mutations[0].module_path).parts
    return parts[1] if len(parts) > 2 else ""


def _position(item: Any) -> tuple[str, tuple[int, int], str, int]:
    mutation = item.mutations[0]
    return str(mutation.module_path), mutation.start_pos, mutation.operator_name, mutation.occurrence


def _session(package: str) -> Path:
    return TREE / f"mutants-{package or 'top'}.sqlite"


def _cosmic_ray(*arguments: str) -> None:
    subprocess.run([Path(sys.executable).parent / "cosmic-ray", *arguments], cwd=TREE, check=True)


if __name__ == "__main__":
    main()
