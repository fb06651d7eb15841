"""Finds the places where ClickHouse parses a text as SQL, and runs it: a program, run in a process of its own.

It reads a line of JSON, the names to probe, and calls each of them on bare chDB, with nothing of ours around it. Every
argument in turn is a text with SQL in it that reads a canary file. If the file has been opened, the argument is a door:
through it a statement reaches what a look at the statement does not show. The doors are written as a line of JSON.

The canary is a named pipe: whoever opens it to read waits until somebody opens it to write. A thread tries that all the
time, so no statement that opens the canary ends before the thread has seen it, whatever becomes of its result.
"""

from __future__ import annotations

import contextlib
import itertools
import json
import os
import re
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

Place = tuple[str, int]
# The name and the position of a text, and a statement that holds it there.
Try = tuple[str, int, str]
# So that no call takes long or fills the memory.
_LIMITS = "max_execution_time=2&max_memory_usage=1000000000"
# Arguments for the other places, of the types that most functions take.
_FILLINGS = ("1", "'abc'", "[(1, 2)]", "[1, 2]", "'{\"a\": 1}'", "map('a', 1)")
_TABLE_FILLINGS = ("1", "'a UInt8'", "CSV", "currentDatabase()", "(SELECT 1)")
# Statements on which a setting may act.
_STATEMENTS = (
    "SELECT a, s FROM t WHERE s = 'x' ORDER BY a",
    "SELECT count() FROM (SELECT a FROM t FINAL) WHERE a IN (SELECT 1)",
    "SELECT * FROM format(CSV, '1,2')",
    "SELECT * FROM format(JSONEachRow, '{\"a\": 1}')",
    "SELECT formatRow('Template', 1), formatRow('CustomSeparated', 1)",
    "SELECT 1",
    "INSERT INTO t SELECT 2, 'y'",
    "CREATE OR REPLACE TABLE made (a UInt8) ORDER BY a",
    "EXPLAIN SELECT a FROM t",
)


def literal(text: str) -> str:
    """Return SQL for a text."""
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"


def computed(text: str) -> str:
    """Return SQL that computes a text, in which no part of it looks like a call of `file`."""
    middle = text.index("file(") + 2
    return f"concat({literal(text[:middle])}, {literal(text[middle:])})"


class Probe:
    """Bare chDB and a canary file.

    Parameters
    ----------
    folder : Path
        Where the data and the canary are.
    is_thorough : bool
        Whether to try all forms of text, also computed, in more places: ten times as long.
    """

    def __init__(self, folder: Path, *, is_thorough: bool) -> None:
        from chdb import _chdb

        self._connection = _chdb.connect(f"{folder / 'data'}?{_LIMITS}")
        self.is_thorough = is_thorough
        self._last = os.open(folder / "last.sql", os.O_WRONLY | os.O_CREAT)
        self._canary, self._openings = folder / "canary", 0
        os.mkfifo(self._canary)
        threading.Thread(target=self._watch, daemon=True).start()
        for statement in (
            "CREATE TABLE t (a UInt8, s String, INDEX i s TYPE minmax) ORDER BY a",
            "INSERT INTO t VALUES (1, 'x')",
        ):
            self.opens(statement)

    def _watch(self) -> None:
        """Count who opens the canary."""
        while True:
            with contextlib.suppress(OSError):  # nobody has it open to read
                writer = os.open(self._canary, os.O_WRONLY | os.O_NONBLOCK)
                self._openings += 1  # before the end of the file lets the statement go on
                os.close(writer)
            time.sleep(0.001)

    def opens(self, sql: str) -> bool:
        """Run a statement, and return whether it has opened the canary."""
        before = self._openings
        self._error(sql)
        return self._openings > before

    def is_unknown(self, sql: str) -> bool:
        """Run a statement, and return whether ClickHouse knows no column or function of a name in it."""
        return "UNKNOWN_IDENTIFIER" in self._error(sql)

    def _error(self, sql: str) -> str:
        # Should the process die of it, this is where to see of what.
        os.pwrite(self._last, sql.encode("utf-8", "replace").ljust(8000), 0)
        try:
            self._connection.query(sql, "TSV")
        except UnicodeDecodeError as error:  # a message that quotes bytes which are not UTF-8
            return str(error.object, "utf-8", "replace")
        except RuntimeError as error:
            return str(error)
        return ""

    def texts(self) -> list[str]:
        """Return SQL for texts that ClickHouse may parse, each of which reads the canary when it is run."""
        bare = self.bare_texts()
        return [*map(literal, bare), *map(computed, bare if self.is_thorough else bare[1:2])]

    def bare_texts(self) -> list[str]:
        """Return these texts themselves."""
        read = f"ascii(file({literal(str(self._canary))}))"
        brief = [f"a UInt8 DEFAULT {read}", f"quantile({read})", f"AggregateFunction(quantile({read}), UInt8)", read]
        if not self.is_thorough:
            return brief
        return [
            *brief,
            f"a UInt8, b UInt8 ALIAS {read}",
            f"a UInt8 MATERIALIZED {read}, b UInt8",
            f"b UInt8, a UInt8 EPHEMERAL {read}",
            f"(SELECT {read})",
            f"SELECT {read}",
            f"x -> {read}",
            f"FixedString({read})",
            f"JSON(max_dynamic_paths = {read})",
            f"ZSTD({read})",
            f"({read})",
        ]


def _calls(name: str, text: str, fillings: tuple[str, ...], most: int) -> Iterator[tuple[int, str]]:
    """Yield (position, call) with the text in each place of calls with up to so many arguments."""
    for count in range(1, most + 1):
        for position in range(count):
            for filling in fillings if count > 1 else fillings[:1]:
                items = [filling] * count
                items[position] = text
                yield position, f"`{name}`({', '.join(items)})"


def _functions(probe: Probe, names: list[str]) -> Iterator[Try]:
    most = 4 if probe.is_thorough else 3
    fillings = _FILLINGS if probe.is_thorough else _FILLINGS[:3]
    for name, text in itertools.product(names, probe.texts()):
        for position, call in _calls(name, text, fillings, most):
            yield name, position, f"SELECT {call}"


def _aggregate_functions(probe: Probe, names: list[str]) -> Iterator[Try]:
    """Yield calls with the text among the parameters, in the first brackets."""
    arguments = ("1", "1, 1", "'abc'") if probe.is_thorough else ("1",)
    for name, text, argument in itertools.product(names, probe.texts(), arguments):
        for position, call in _calls(name, text, ("1",), 2):
            yield name, position, f"SELECT {call}({argument})"


def _table_functions(probe: Probe, names: list[str]) -> Iterator[Try]:
    most = 4 if probe.is_thorough else 3
    for name, text in itertools.product(names, probe.texts()):
        for position, call in _calls(name, text, _TABLE_FILLINGS, most):
            yield name, position, f"SELECT * FROM {call} LIMIT 2"


def _formats(probe: Probe, names: list[str]) -> Iterator[Try]:
    shapes = ("{}", "({})", '{{"a": {}}}', "[{}]", "a={}", "a\n{}\n", "a\nUInt8\n{}\n", "a\n{}\n1\n", "'{}'", '"{}"')
    structures = ("'a UInt8', ", "'a String', ", "")
    for name, text, shape, structure in itertools.product(names, probe.bare_texts(), shapes, structures):
        yield name, 0, f"SELECT * FROM format({name}, {structure}{literal(shape.format(text))})"


def _settings(probe: Probe, names: list[str]) -> Iterator[Try]:
    texts = probe.bare_texts()
    as_map = f"{{'t': {literal(texts[3])}}}"
    for name, text, statement in itertools.product(names, [*texts, as_map], _STATEMENTS):
        yield name, 0, f"{statement} SETTINGS {name} = {literal(text)}"


def _examples(probe: Probe, names: list[str]) -> Iterator[Try]:
    """Yield statements, the names here, with the text instead of each of their literals."""
    for statement, text in itertools.product(names, probe.texts()):
        for number, match in enumerate(re.finditer(r"'(?:[^'\\]|\\.)*'", statement)):
            yield statement, number, statement[: match.start()] + text + statement[match.end() :]


_TRIES: dict[str, Callable[[Probe, list[str]], Iterator[Try]]] = {
    "functions": _functions,
    "aggregate_functions": _aggregate_functions,
    "table_functions": _table_functions,
    "formats": _formats,
    "settings": _settings,
    "examples": _examples,
}


def doors(probe: Probe, kind: str, names: list[str]) -> set[Place]:
    """Return (name, position) of each text that was run as SQL."""
    found: set[Place] = set()
    for name, position, sql in _TRIES[kind](probe, names):
        if (name, position) not in found and probe.opens(sql):
            found.add((name, position))
    return found


def function_places(probe: Probe, names: list[str]) -> set[Place]:
    """Return (name, position) where the bare name of a function, in a call of two arguments or more, means it."""
    found: set[Place] = set()
    for name, filling in itertools.product(names, _FILLINGS[:3]):
        known, unknown = (list(_calls(name, bare, (filling,), 3)) for bare in ("ascii", "no_such_name"))
        for (position, call), (_, other) in zip(known, unknown, strict=True):
            is_function = not probe.is_unknown(f"SELECT {call}") and probe.is_unknown(f"SELECT {other}")
            if is_function and (name, position) not in found:
                found.add((name, position))
    return found


def main() -> None:
    """Read the kind of name, the names, and whether to be thorough; write the places that were found."""
    output = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what the engine prints does not belong to the answer
    kind, names, is_thorough = json.loads(sys.stdin.readline())
    probe = Probe(Path.cwd(), is_thorough=is_thorough)
    found = function_places(probe, names) if kind == "function_places" else doors(probe, kind, names)
    print(json.dumps(sorted(found)), file=output, flush=True)
    # Not sys.exit(): a query may still be running.
    os._exit(0)


if __name__ == "__main__":
    main()
