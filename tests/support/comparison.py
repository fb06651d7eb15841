"""One submission through the service, by HTTP, and the comparison of its answer with that of the engine alone."""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import httpx
import pyarrow as pa

from roe_magic.contract import models
from roe_magic.frames.arrow_types import FALLBACK_KEY
from roe_magic.query.result_body import read_arrow
from tests.support import arrow_cells, json_cells, row_binary, tab_separated
from tests.support.bare_engine import BareResult
from tests.support.document_text import comparable
from tests.support.type_text import type_of

# The types of which docs/types.md says that values beyond Arrow's make the column text; very deep ones are text, too.
_MAY_BE_TEXT = re.compile(r"DateTime64\([78]|Interval")
ENDED = {"SUCCESS", "FAILURE", "REVOKED"}
Rows = list[tuple[Any, ...]]


@dataclass
class Answer:
    """How a submission ended in the service: its status, and its result as JSON and as Arrow."""

    status: dict[str, Any]
    results: list[dict[str, Any]]
    arrow: list[models.Statement]

    @property
    def error(self) -> str:
        """The message of the error, empty if there is none."""
        return str(self.status.get("error") or "")

    @property
    def code(self) -> int:
        """The engine's code in the message, 0 if there is none."""
        match = re.search(r"Code: (\d+)", self.error)
        return int(match[1]) if match else 0


def submit(http: httpx.Client, sql: str, organization_id: str) -> Answer:
    """Run a submission to its end as an admin, and fetch its result in both forms."""
    body = {"query": sql, "organization_id": organization_id, "use_admin": True}
    response = http.post("/v1/database/query/async/", json=body, headers={"Prefer": "wait=30"})
    assert response.status_code == 200, f"{response.status_code} for {sql[:500]}: {response.text[:500]}"
    path = f"/v1/database/query/{response.json()['id']}"
    status: dict[str, Any] = {}
    while status.get("status") not in ENDED:
        status = http.get(f"{path}/status/", headers={"Prefer": "wait=30"}).json()
    results = json_cells.decode(http.get(f"{path}/result/").content)["results"] or []
    return Answer(status, results, _arrow(http, path) if status["status"] == "SUCCESS" else [])


def _arrow(http: httpx.Client, path: str) -> list[models.Statement]:
    response = http.get(f"{path}/result/", headers={"Accept": models.ARROW_STREAM})
    with warnings.catch_warnings():
        # A column that falls back to text is found by its mark.
        warnings.simplefilter("ignore")
        return read_arrow([response.content])


def differences(bare: list[BareResult], answer: Answer, *, is_sorted: bool = False) -> list[str]:
    """Return in what the last statement's answer of the service is not that of the engine."""
    if bare[-1].code or answer.error or answer.status["status"] != "SUCCESS":
        return _error_differences(bare[-1], answer)
    if len(bare) != len(answer.results):
        return [f"statements: expected {len(bare)}, got {len(answer.results)}"]
    return result_differences(bare[-1], answer, -1, is_sorted=is_sorted)


def result_differences(bare: BareResult, answer: Answer, index: int, *, is_sorted: bool = False) -> list[str]:
    """Return in what the result of one statement of a submission that succeeded is not that of the engine."""
    names, types, rows = _expected(bare)
    result, statement = answer.results[index], answer.arrow[index]
    found = [*_header_differences(names, types, len(rows), result, statement)]
    found += _value_differences(types, rows, result, statement, is_sorted=is_sorted)
    return found + _more_differences(bare, types, result, answer.status.get("notices"))


def _error_differences(expected: BareResult, answer: Answer) -> list[str]:
    if expected.code and expected.code == answer.code:
        beginning = _in_essence(expected.message)[:100]
        return [] if beginning in _in_essence(answer.error) else [f"text: expected {beginning}\n    got {answer.error}"]
    wanted = expected.message[:300] if expected.code else "success"
    return [f"error: expected {wanted}\n    got {answer.error or answer.status['status']}"]


def _in_essence(message: str) -> str:
    """Return a message without what the service leaves out, and without figures, which are others each time."""
    text = re.sub(
        r"Code: \d+\. |DB::Exception: |`?org_[0-9a-f]{32}`?\.| ?\(version[^)]*\)|[. ]*\([A-Z_]+\)", "", message
    )
    text = re.sub(r"[.:]? (Expected one of|Maybe you meant).*", "", text, flags=re.DOTALL)
    return re.sub(r"[0-9a-f-]{36}|[\d.]+", "0", text).strip()


def _expected(bare: BareResult) -> tuple[list[str], list[str], Rows]:
    if not bare.data:
        return [], [], []
    names, types, reader = row_binary.read_header(bare.data)
    if bare.tab_separated:
        return names, types, tab_separated.rows(bare.tab_separated, types)
    kinds = [type_of(text) for text in types]
    rows = row_binary.read_rows(types, reader)
    return (
        names,
        types,
        [tuple(comparable(value, kind) for value, kind in zip(row, kinds, strict=True)) for row in rows],
    )


def _header_differences(
    names: list[str], types: list[str], row_count: int, result: dict[str, Any], statement: models.Statement
) -> Iterator[str]:
    table: pa.Table = statement.result_rows
    for what, expected, got in (
        ("names", names, result["column_names"]),
        ("names in Arrow", names, table.column_names),
        ("types", types, result["column_types"]),
        ("types in Arrow", types, statement.column_types),
        ("row_count", row_count, result["row_count"]),
        ("text instead of the type", [], _fallbacks(table, types)),
    ):
        if expected != got:
            yield f"{what}: expected {expected}\n    got {got}"


def _value_differences(
    types: list[str], rows: Rows, result: dict[str, Any], statement: models.Statement, *, is_sorted: bool
) -> Iterator[str]:
    if types == statement.column_types:
        got = arrow_cells.table_rows(statement.result_rows, types)
        yield from _row_differences("Arrow", rows, got, is_sorted=is_sorted)
    if types == result["column_types"]:
        alike = [json_cells.without_nan_signs(row) for row in rows]
        as_json = map(json_cells.without_nan_signs, json_cells.json_rows(result["result_rows"], types))
        yield from _row_differences("JSON", alike, list(as_json), is_sorted=is_sorted)


def _fallbacks(table: pa.Table, types: list[str]) -> list[str]:
    """Return the columns that became text though docs/types.md does not say so of their type."""
    fields = zip(table.schema, types, strict=True) if len(types) == table.num_columns else ()
    return [field.name for field, text in fields if _is_text(field, text) and not _may_be_text(text)]


def _may_be_text(type_text: str) -> bool:
    return bool(_MAY_BE_TEXT.search(type_text)) or type_text.count("(") > 48


def _is_text(field: pa.Field, type_text: str) -> bool:
    is_nested = type_of(type_text).name in {"Array", "Tuple", "Map"}
    return FALLBACK_KEY in (field.metadata or {}) or (is_nested and pa.types.is_string(field.type))


def _row_differences(road: str, expected: Rows, got: Rows, *, is_sorted: bool) -> Iterator[str]:
    if is_sorted:
        expected, got = sorted(expected, key=repr), sorted(got, key=repr)
    if len(expected) != len(got):
        yield f"{road}: expected {len(expected)} rows, got {len(got)}"
        return
    wrong = [(n, one, other) for n, (one, other) in enumerate(zip(expected, got, strict=True)) if not same(one, other)]
    if wrong:
        row, one, other = wrong[0]
        a, b = next((a, b) for a, b in zip(one, other, strict=True) if not same(a, b))
        yield f"{road}: {len(wrong)} of {len(got)} rows; in row {row}: expected {_cut(a)}\n    got {_cut(b)}"


def same(one: Any, other: Any) -> bool:
    """Whether two values are equal and of one type, at any depth."""
    if type(one) is not type(other):
        return False
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(same(one[key], other[key]) for key in one)
    if isinstance(one, (list, tuple)):
        return len(one) == len(other) and all(map(same, one, other))
    return bool(one == other)


def _cut(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 400 else f"{text[:400]}..."


def _more_differences(expected: BareResult, types: list[str], result: dict[str, Any], notices: Any) -> list[str]:
    """Compare totals and extremes, and look for the notice about a FORMAT clause."""
    found = []
    for name, rows in (expected.more or {}).items():
        wanted = [tuple(_engine_cell(value, text) for value, text in zip(row, types, strict=True)) for row in rows]
        got = result.get(name)
        got_rows = json_cells.json_rows([got] if name == "totals" and got else got or [], types)
        if not same(wanted, got_rows):
            found.append(f"{name}: expected {wanted}\n    got {got}")
    if expected.format and not any("FORMAT" in str(notice) for notice in notices or []):
        found.append(f"notices: expected one about FORMAT {expected.format}\n    got {notices}")
    return found


def _engine_cell(value: Any, type_text: str) -> Any:
    """Return the value of a cell of the engine's JSONCompact with its own settings."""
    kind = type_of(type_text)
    while kind.name == "Nullable":
        kind = type_of(kind.args[0])
    if value is not None and (kind.name == "Decimal" or kind.name.endswith(("Int128", "Int256"))):
        value = str(value)
    return json_cells.cell(value, kind)
