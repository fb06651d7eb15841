"""What schemathesis cannot know: SQL that runs, and the ids and names of what there is.

The hooks change only cases that schemathesis made valid on purpose; what it made invalid goes out as it is. The tool
loads this file in a process of its own, and at its end a count of all answers is left in ``ROE_TEST_COUNTS``.
"""

from __future__ import annotations

import atexit
import collections
import json
import os
import queue
import random
import re
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import schemathesis
from hypothesis import strategies as st
from schemathesis import Case, GenerationMode, HookContext, Response
from schemathesis.core.parameters import ParameterLocation

SQL = (
    "SELECT 1",
    "SELECT number, toString(number) AS text FROM numbers(20)",
    "SELECT 1 AS a; SELECT 'x' AS b WHERE 0; SELECT NULL",
    "SELECT [1, 2] AS a, map('k', 1) AS m, (1, 'x') AS t, toDateTime64('2024-01-02 03:04:05.678', 3, 'UTC') AS d",
    "SELECT nan, inf, -0.0, 18446744073709551615, toDecimal64('1.10', 2), unhex('ff00')",
    "SHOW TABLES",
    "WITH 5 AS n SELECT n, count() FROM numbers(n)",
)
# As text: with bytes in it schemathesis cannot tell whether a body is valid the way it is sent.
CSV = (
    "a,b\n1,x\n2,y\n",
    "name;born\nAnn;1994-05-06\n",
    '"g\u00fcnstig","\U0001f600"\n"1,5","two\nlines"\n',
    "a\n" + 1000 * "0.5\n",
)
ACCEPT = (None, "*/*", "application/json", "application/x-ndjson", "application/vnd.apache.arrow.stream", "text/html")
JSON_TYPES = (str, int, float, list, dict, type(None))
SPARE_TABLES = 5

http = httpx.Client(
    base_url=os.environ["ROE_BASE_URL"],
    headers={"Authorization": f"Bearer {os.environ['ROE_API_KEY']}"},
    timeout=60,
    trust_env=False,
)
known: dict[str, Any] = {"organization_id": [os.environ["ROE_ORGANIZATION_ID"]]}
# Tables that were uploaded and may be deleted.
spare: queue.SimpleQueue[str] = queue.SimpleQueue()
answers: dict[str, collections.Counter[str]] = collections.defaultdict(collections.Counter)
counted: set[str] = set()


def make(name: str) -> str:
    """Make a table."""
    file = {"file": ("t.csv", b"a,b\n1,x\n")}
    http.post("/v1/tables/upload/", data={"table_name": name}, files=file).raise_for_status()
    return name


def prepare() -> None:
    """Make what the cases name: worksheets, queries that have ended, tables."""
    listed, *worksheets = (http.post("/v1/worksheets/", json={"name": f"sheet {n}"}).json()["id"] for n in range(4))
    known["worksheet_id"] = worksheets
    known["listed"] = [listed]  # it gets no more queries, so that its list stays short
    submit: dict[str, Any] = {"params": {"worksheet_id": listed}, "headers": {"Prefer": "wait=30"}}
    known["worksheet_query_id"] = [
        http.post("/v1/database/query/async/", json={"query": sql}, **submit).json()["id"] for sql in (*SQL, "selec")
    ]
    known["table_query_id"] = [
        http.post("/v1/tables/query/", json={"sql": sql}).json()["table_query_id"] for sql in (*SQL, "selec")
    ]
    known["table_name"] = [make(f"conformance_{uuid4().hex}") for _ in range(3)]


@schemathesis.hook
def before_generate_case(context: HookContext, strategy: st.SearchStrategy[Case[Any]]) -> st.SearchStrategy[Case[Any]]:
    """Send headers of all sorts, so that an operation without parameters has more than one case."""
    return st.builds(with_headers, strategy, st.sampled_from(ACCEPT), st.integers(0, 2**31))


def with_headers(case: Case[Any], accept: str | None, number: int) -> Case[Any]:
    case.headers.setdefault("X-Request-ID", str(number))
    if accept is not None:
        case.headers.setdefault("Accept", accept)
    return case


@schemathesis.hook
def filter_case(context: HookContext, case: Case[Any]) -> bool:
    """Leave out a form that was to be invalid and is not, since a form carries nothing but text: 1 is "1" there."""
    is_negative = case.meta is not None and case.meta.is_negative_at(ParameterLocation.BODY)
    return not (is_negative and isinstance(case.body, dict) and "file" in case.body and is_valid_as_sent(case.body))


def is_valid_as_sent(form: dict[str, Any]) -> bool:
    """Tell whether the fields of an upload, all but the file, are valid as texts; an empty id and null mean null."""
    texts = {name: one if isinstance(one, str) else json.dumps(one) for name, one in form.items() if name != "file"}
    return (
        re.fullmatch(r"[A-Za-z0-9_][A-Za-z0-9_ .-]{0,127}", texts.get("table_name", "")) is not None
        and all(texts.get(name, "").lower() in ("", "true", "false") for name in ("with_headers", "replace", "dry_run"))
        and texts.get("types", "").strip() in ("", "{}")
        and texts.get("organization_id", "") in ("", "null")
    )


@schemathesis.hook
def map_case(context: HookContext, case: Case[Any]) -> Case[Any]:
    """Make a valid case one that can succeed."""
    choose = random.Random(repr((case.path_parameters, case.query, case.body)))  # the same case, the same choice
    was_valid = is_valid(case)  # before a change, after which bytes in the body would make it invalid
    if isinstance(case.body, dict) and not isinstance(case.body.get("file", ""), JSON_TYPES):
        case.body = {**case.body, "file": choose.choice(CSV)}
    if was_valid:
        name_what_is_there(case, choose)
        if isinstance(case.body, dict):
            case.body = filled(case, case.body, choose)
    return case


def is_valid(case: Case[Any]) -> bool:
    return case.meta is None or case.meta.generation.mode == GenerationMode.POSITIVE


def name_what_is_there(case: Case[Any], choose: random.Random) -> None:
    if case.path_parameters:
        names = {"worksheet_id": "listed"}
        case.path_parameters = {name: choose.choice(known[names.get(name, name)]) for name in case.path_parameters}
    if case.query:
        case.query = {name: choose.choice(known[name]) if name in known else one for name, one in case.query.items()}
    if case.path.endswith("/query/async/") and "worksheet_id" not in (case.query or {}):
        # One of the two is required, which a schema cannot say.
        case.query = {**(case.query or {}), "organization_id": known["organization_id"][0]}


def filled(case: Case[Any], body: dict[str, Any], choose: random.Random) -> dict[str, Any]:
    real = {name: choose.choice(known[name]) for name in {"organization_id", "worksheet_id"} & body.keys()}
    for name in {"query", "sql"} & body.keys():
        # Any text is a valid query, but the synchronous one answers 400 when it fails.
        if case.path == "/v1/database/query/" or choose.random() < 0.5:
            real[name] = choose.choice(SQL)
    if "file" in body:
        real["file"] = choose.choice(CSV)
    if "types" in body:
        real["types"] = "{}"  # any text is valid, and hardly any names columns of the file
    return {**body, **real}


@schemathesis.hook
def before_call(context: HookContext, case: Case[Any], kwargs: dict[str, Any]) -> None:
    """Have a table to delete, and for an upload a name that is free and a file that is CSV; other ones are 400."""
    if not is_valid(case):
        return
    if case.method == "DELETE":
        case.path_parameters["table_name"] = make(f"t{uuid4().hex}") if spare.empty() else spare.get()
    elif case.path == "/v1/tables/upload/" and isinstance(case.body, dict):
        name = str(case.body["table_name"])
        case.body |= {"table_name": f"{name[:90]}_{uuid4().hex}", "file": CSV[len(name) % len(CSV)]}
        case.multipart_content_types = {"file": "text/csv"}


@schemathesis.hook
def after_call(context: HookContext, case: Case[Any], response: Response) -> None:
    """Count the answer, by phase, kind of case and status; keep a few of the uploaded tables, to be deleted later."""
    if case.meta is not None and case.id not in counted:
        counted.add(case.id)
        kind = f"{case.meta.phase.name.value} {case.meta.generation.mode.value} {response.status_code}"
        answers[case.operation.label][kind] += 1
    if response.status_code == 201 and case.path == "/v1/tables/upload/":
        name = response.json()["table_name"]
        if spare.qsize() < SPARE_TABLES:
            spare.put(name)
        else:  # more of them would make each list slow
            http.delete(f"/v1/tables/{name}/")


@atexit.register
def tell() -> None:
    counts = {label: dict(sorted(kinds.items())) for label, kinds in sorted(answers.items())}
    Path(os.environ["ROE_TEST_COUNTS"]).write_text(json.dumps(counts, indent=1))


prepare()
