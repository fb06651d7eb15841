"""What the service needs for its own purposes never reaches a function: found from the engine's own lists.

Three sweeps, each over what the running engine has: the examples that it gives of its functions; expressions of values
of every type, on each of the ways on which a statement can run; and every setting, at values that are not its own, on
those of the expressions whose value it changes: here the settings that have to do with formats, in ``make slow`` all.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

import roe_magic
from roe_magic.service.engine.sql.verdict import WITH_SECRETS
from tests.support import comparison, pending, sweep
from tests.support.corpus import CorpusStatement
from tests.support.engine_pair import EnginePair
from tests.support.sweep import Setting

pytestmark = [pytest.mark.conformance, pytest.mark.timeout(1800)]

LISTS = Path(roe_magic.__file__).parent / "service" / "engine" / "sql" / "lists"
# Expressions in one SELECT: more of them are quicker; fewer have more to tell where one fails.
WIDTH = 60
SETTINGS = {
    "of formats": re.compile("^output_format|format_|json|date_time|bool_|interval|print_|cast"),
    "all": re.compile(""),
}


# Examples that name what the service does not show: a table of the engine itself, and the columns of one.
NOT_SHOWN = {"demangle", "hasColumnInTable"}


@functools.cache
def classes(name: str) -> dict[str, str]:
    """Return the class of each name of a list."""
    lines = (LISTS / f"{name}.tsv").read_text("utf-8").splitlines()
    return {line.split("\t")[0]: line.split("\t")[1] for line in lines}


def test_examples_of_every_function_have_the_engines_values(engines: EnginePair) -> None:
    """What the engine shows of a function has the engine's own value, whether few or many rows may come."""
    found = {}
    for name, sql in [each for each in sweep.examples(engines.bare) if each[0] not in NOT_SHOWN]:
        forms = [text for _, text in CorpusStatement(sql).forms()]
        difference = _difference(engines, forms)
        if difference and not (difference[0] and _names_what_is_refused(difference[0])):
            found[f"{pending.digest(sql)} {name}"] = f"{name}: {sql}\n  {difference[1]}"
    pending.compare("examples", found)


def _difference(engines: EnginePair, statements: list[str]) -> tuple[str, str] | None:
    """Run statements as one submission; return the service's error, if any, and the first difference."""
    bare = engines.bare.run(";\n".join(statements))
    answer = engines.answer(";\n".join(statements))
    # The parts of a UNION come in any order.
    is_sorted = "UNION" in statements[0].upper()
    if bare[-1].code or answer.error:
        differences = comparison.differences(bare, answer, is_sorted=is_sorted)
    else:
        pairs = enumerate(bare)
        each = (comparison.result_differences(one, answer, index, is_sorted=is_sorted) for index, one in pairs)
        differences = next(filter(None, each), [])
    return (answer.error, "\n  ".join(differences)) if differences else None


def _names_what_is_refused(error: str) -> bool:
    """Whether an error is a refusal of the service itself that names something which the lists refuse."""
    named = re.findall(r"(?:function|setting|table|engine) ((?:\w+\.)?\w+)", error.lower())
    lists = [classes(path.stem) for path in LISTS.glob("*.tsv")]
    refused = {name.lower() for each in lists for name, kind in each.items() if kind == "refused"}
    return "Code:" not in error and bool(refused & set(named))


def test_every_select_is_found_by_its_comment_or_known_not_to_be(engines: EnginePair) -> None:
    """What is not refused keeps its comment in the engine's list of what runs, but for the functions with keys."""
    calls = {name: f"SELECT {name}('a', 'b', 'c', 'd', 'e')" for name in _permitted("functions")}
    calls |= {
        f"table {name}": f"SELECT 1 FROM {name}('a', 'b', 'c', 'd', 'e')" for name in _permitted("table_functions")
    }
    # What is named in WITH and not used is listed, but not run.
    listed = engines.bare.each(
        [
            f"WITH c AS ({call}) SELECT position(query, concat('ma', 'rk')) > 0 FROM system.processes /* mark */"
            for call in calls.values()
        ]
    )
    assert sum(not result.code for result in listed) > 1000
    without_comment = {name for name, result in zip(calls, listed, strict=True) if result.data.endswith(b"\0")}
    assert without_comment == WITH_SECRETS


def _permitted(name: str) -> list[str]:
    return [each for each, kind in classes(name).items() if kind != "refused"]


def test_values_are_the_engines_on_every_way(engines: EnginePair) -> None:
    """Without a table, from one, under a LIMIT and inside WHERE: an expression has one value, the engine's."""
    found = {}
    for chunk in _chunks(sweep.expressions(engines.bare)):
        columns = ", ".join(f"{text} AS c{index}" for index, text in enumerate(chunk))
        ways = [f"SELECT {columns}{rest}" for rest in ("", " FROM numbers(1)", " FROM numbers(1) LIMIT 1")]
        ways.append(_in_where(engines, chunk))
        for way in ways:
            if difference := _difference(engines, [way]):
                found[f"{pending.digest(way)} way"] = f"{way}\n  {difference[1]}"
    pending.compare("ways", found)


def _chunks(expressions: list[str]) -> Iterator[list[str]]:
    return (expressions[start : start + WIDTH] for start in range(0, len(expressions), WIDTH))


def _in_where(engines: EnginePair, expressions: list[str]) -> str:
    """Return a SELECT that has a row where all expressions have the engine's value, and none anywhere else."""
    texts = [f"ifNull(hex(toString({text})), 'NULL')" for text in expressions]
    (row,) = engines.bare.rows(f"SELECT {', '.join(texts)}")
    conditions = " AND ".join(f"{text} = '{value}'" for text, value in zip(texts, row, strict=True))
    return f"SELECT number AS x FROM numbers(1) WHERE {conditions}"


@pytest.mark.parametrize("settings", ["of formats", pytest.param("all", marks=pytest.mark.exhaustive)])
def test_a_setting_has_the_engines_effect(engines: EnginePair, settings: str) -> None:
    """A setting that changes a value in the engine changes it so in the service, or is refused by its name."""
    expressions = sweep.expressions(engines.bare)
    tried, found = 0, {}
    for setting in sweep.settings(engines.bare, SETTINGS[settings]):
        for value, changed in _effects(engines, expressions, setting):
            tried += 1
            for rest in ("", " FROM numbers(1)"):
                columns = ", ".join(f"{text} AS c{index}" for index, text in enumerate(changed[:WIDTH]))
                sql = f"SELECT {columns}{rest} SETTINGS {setting.name} = {value}"
                for text in _setting_differences(engines, setting.name, sql):
                    found[f"{pending.digest(setting.name + value + rest)} {setting.name}"] = f"{sql}\n  {text}"
    assert tried > 40, "the sweep found hardly a setting that has an effect"
    pending.compare(f"settings {settings}", found)


def _effects(engines: EnginePair, expressions: list[str], setting: Setting) -> Iterator[tuple[str, list[str]]]:
    """Yield each value of a setting at which expressions have other values, and these."""
    chunks = list(_chunks(expressions))
    selects = [f"SELECT {', '.join(f'{text} AS c{index}' for index, text in enumerate(chunk))}" for chunk in chunks]
    plain = _outputs(engines, tuple(selects))
    for value in setting.values:
        clause = f" SETTINGS {setting.name} = {value}"
        results = engines.bare.each([select + clause for select in selects])
        pairs = zip(chunks, plain, results, strict=True)
        suspects = [text for chunk, one, other in pairs if other.code or other.data != one for text in chunk]
        if changed := _changed(engines, suspects, clause):
            yield value, changed


@functools.cache
def _outputs(engines: EnginePair, selects: tuple[str, ...]) -> list[bytes]:
    return [result.data for result in engines.bare.each(list(selects))]


def _changed(engines: EnginePair, expressions: list[str], clause: str) -> list[str]:
    """Return those of the expressions that succeed and have another value under a clause."""
    plain = engines.bare.each([f"SELECT {text} AS x" for text in expressions])
    results = engines.bare.each([f"SELECT {text} AS x{clause}" for text in expressions])
    triples = zip(expressions, plain, results, strict=True)
    return [text for text, one, other in triples if not other.code and one.data != other.data]


def _setting_differences(engines: EnginePair, name: str, sql: str) -> list[str]:
    answer = engines.answer(sql)
    if classes("settings").get(name) in {"refused", "lower"} and name in answer.error and "Code:" not in answer.error:
        return []
    return comparison.differences(engines.bare.run(sql), answer)
