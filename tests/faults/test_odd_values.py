"""Values that are odd and yet values: times at the calendar's ends, halves of surrogate pairs, numbers beyond 64 bits.

They are shown, kept, and put into DataFrames and files without an exception; spans are never negative.
"""

from __future__ import annotations

import copy
import io
import json
import pickle
from collections.abc import Callable
from datetime import datetime, timedelta, timezone
from itertools import product
from typing import Any

import pandas as pd
import pyarrow as pa
import pytest

from roe_magic.client.response_errors import decode_json
from roe_magic.client.retry_policy import RequestKind
from roe_magic.contract import models
from roe_magic.contract.codec import parse
from roe_magic.errors import RoeError
from roe_magic.panel import static, view
from roe_magic.query import result_body
from roe_magic.query.worksheet_query import WorksheetQuery
from tests.faults.conftest import Record
from tests.support.endpoint_calls import DONE, ID, ONE_ROW, Caller, server
from tests.support.hostile_bodies import arrow_stream, column
from tests.support.scripted_server import answer
from tests.wire.test_wire import sample

# Halves of surrogate pairs, which JSON can carry and UTF-8 cannot, and a NUL.
TEXT, ESCAPED = "a\ud800b\udfffc\x00", r"a\ud800b\udfffc" + "\x00"
# In UTC these are of the year 0, and of the year 10000.
FIRST, LAST = "0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59.999999-12:00"
ORGANIZATION = {"id": str(ID), "name": TEXT, "created_at": FIRST}
CREATOR = {"id": 2**70, "email": TEXT, "display_name": TEXT}
WORKSHEET = {
    "id": str(ID),
    "name": TEXT,
    "created_at": FIRST,
    "updated_at": LAST,
    "creator": CREATOR,
    "organization": ORGANIZATION,
}
SUBMITS: dict[str, dict[str, Any]] = {
    "a usual submit": {},
    "a submit in the year 1": {"created_at": FIRST, "updated_at": FIRST},
    "a submit in Go's time of nothing": {"created_at": "0001-01-01T00:00:00Z", "updated_at": "0001-01-01T00:00:00Z"},
    "a submit in the year 9999": {"created_at": LAST, "updated_at": LAST},
    "a submit of surrogates": {
        **dict.fromkeys(("query", "query_task_id", "error", "ai_summary", TEXT), TEXT),
        "more": {TEXT: [TEXT, TEXT]},
        "notices": [TEXT],
        "worksheet": WORKSHEET,
        "organization": ORGANIZATION,
        "creator": CREATOR,
    },
    "a submit whose status is half a word": {"query_task_status": "SUCC\ud800"},
    "a submit with numbers beyond 64 bits": {"x": 2**200, "y": [-(2**64)], "z": 1e308, "": 2**63, "1": 0},
}
STATUSES: dict[str, dict[str, Any]] = {
    "a usual status": {},
    "finished before created": {"finished_at": "2000-01-01T00:00:00Z", "started_at": "1999-01-01T00:00:00Z"},
    "all in the year 1": dict.fromkeys(("created_at", "started_at", "finished_at"), FIRST),
    "all in the year 9999": dict.fromkeys(("created_at", "started_at", "finished_at"), LAST),
    "a time without a zone": {"finished_at": "0001-01-01T00:00:00"},
    "a status of surrogates": {"error": TEXT, "notices": [TEXT], TEXT: TEXT, "status": "FAILURE"},
    "an unknown status of surrogates": {"status": TEXT},
    "figures beyond 64 bits": {"progress": {"read_rows": 10**30, "elapsed_ns": 10**40, "written_rows": 2**63}},
    "negative figures": {
        "status": "STARTED",
        "progress": {"read_rows": -1, "total_rows_to_read": -9, "elapsed_ns": -1, "statement": 9, "statements": -3},
    },
}


def written(frame: pd.DataFrame) -> pd.DataFrame:
    """Return a frame that was written to Parquet and read again; UUIDs as text, which older versions need."""
    ids = [name for name in frame.columns if name == "id" or str(name).endswith(".id")]
    buffer = io.BytesIO()
    frame.astype(dict.fromkeys(ids, str)).to_parquet(buffer)
    return pd.read_parquet(buffer)


# Each makes UTF-8 of what a user would see or keep.
USES: dict[str, Callable[[WorksheetQuery], object]] = {
    "its repr": lambda q: repr(q).encode(),
    "its HTML": lambda q: [text.encode() for text in q._repr_mimebundle_().values()],
    "its panel": lambda q: json.dumps(view(q._state)).encode(),
    "its saved panel": lambda q: (static.html(q._state) + static.text(q._state) + static.notes(q._state)).encode(),
    # Python 3.10 writes no NUL into CSV without an escape.
    "its frame": lambda q: (
        repr(q.to_frame()) + q.to_frame().to_html() + q.to_frame().to_csv(escapechar="\\")
    ).encode(),
    "a frame of several": lambda q: repr(WorksheetQuery.frame([q, q])).encode(),
    "its Series": lambda q: repr(q.to_series()).encode(),
    "pandas' own frame": lambda q: repr(pd.DataFrame([q, q])).encode(),
    "Parquet": lambda q: written(q.to_frame()),
    "a deep copy": copy.deepcopy,
}


def query(submit: str, status: str) -> WorksheetQuery:
    submitted = parse(models.WorksheetQueryResponse, sample("submit-200-smallest") | SUBMITS[submit])
    return WorksheetQuery(submitted, parse(models.QueryStatus, {**DONE, **STATUSES[status]}))


@pytest.mark.parametrize(("submit", "status"), list(product(SUBMITS, STATUSES)))
def test_an_odd_value_is_shown_kept_and_framed(submit: str, status: str, seen: Record) -> None:
    """Each use of a query works, and its spans are not negative."""
    odd = query(submit, status)
    failed = {}
    for name, use in USES.items():
        try:
            use(odd)
        except Exception as error:
            failed[name] = f"{type(error).__name__}: {error}"
    seen(f"{submit}, {status}", "shown, kept, framed", failed or "shown, kept, framed")
    assert all(span is None or span >= timedelta(0) for span in (odd.duration, odd.queued, odd.running))


@pytest.mark.parametrize(("submit", "status"), list(product(SUBMITS, STATUSES)))
def test_an_odd_value_is_the_same_after_a_pickle_and_json(submit: str, status: str) -> None:
    """Text keeps its half pairs, times their moments."""
    odd = query(submit, status)
    for other in (pickle.loads(pickle.dumps(odd)), WorksheetQuery.from_json(odd.to_json())):
        assert other == odd
        assert (other.query, other.error, other.created_at) == (odd.query, odd.error, odd.created_at)


@pytest.mark.parametrize(("left", "right"), [("[", "]"), ('{"a":', "}")])
def test_a_deep_value_can_be_copied_or_is_refused(left: str, right: str) -> None:
    """Whatever is kept of a response can be copied, pickled and written as JSON."""
    for depth in (1, 100, 198, 250, 600, 900, 100_000):
        deep = left * depth + "1" + right * depth
        body = json.dumps(sample("submit-200-smallest") | {"deep": "@"}).replace('"@"', deep)
        try:
            odd = WorksheetQuery(parse(models.WorksheetQueryResponse, decode_json(body.encode())))
        except RoeError as error:
            assert "nested too deep" in str(error)  # noqa: PT017  # which depths are refused is the point
            assert depth > 198
            continue
        assert depth <= 198
        for name, use in USES.items():
            if name != "Parquet":  # its own limit is lower
                use(odd)
        assert pickle.loads(pickle.dumps(odd)) == WorksheetQuery.from_json(odd.to_json()) == odd


def test_attributes_keep_what_frames_write_as_escapes() -> None:
    """A mapping's values are made for pandas, an attribute is what the server sent."""
    odd = query("a submit of surrogates", "a usual status")
    assert odd.query == TEXT
    assert odd["query"] == odd.to_frame().loc[0, "query"] == ESCAPED
    assert odd.extra["more"] == {TEXT: [TEXT, TEXT]}
    assert odd["more"] == {ESCAPED: [ESCAPED, ESCAPED]}
    assert odd[ESCAPED] == ESCAPED
    assert odd["creator.id"] == str(2**70)
    assert odd["worksheet.name"] == ESCAPED


def test_moments_beyond_the_calendar_are_its_ends() -> None:
    """A year of UTC that Python does not have becomes the first or the last moment; any other keeps its zone."""
    first, last = (
        query("a submit in the year 1", "a usual status"),
        query("a submit in the year 9999", "a usual status"),
    )
    assert first.created_at == datetime.min.replace(tzinfo=timezone.utc)
    assert last.created_at == datetime.max.replace(tzinfo=timezone.utc)
    framed = WorksheetQuery.frame([first, last])["created_at"]
    assert [moment.to_pydatetime() for moment in framed] == [first.created_at, last.created_at]
    kept = query("a usual submit", "finished before created")
    assert kept.finished_at == datetime(2000, 1, 1, tzinfo=timezone.utc)
    assert (kept.duration, kept.running) == (timedelta(0), timedelta(days=365))


@pytest.mark.parametrize("sql", ["SELECT '\ud800'", "SELECT '\udfff\x00'"])
def test_sql_with_half_a_pair_is_sent_and_its_rows_come(sql: str) -> None:
    """It travels as an escape, and so does the server's echo."""
    echo = answer(sample("submit-200-smallest") | {"query": sql})
    rows = {"column_names": [TEXT], "column_types": ["String"], "result_rows": [[TEXT]]}
    with (
        server(RequestKind.SUBMIT, echo) as started,
        server(RequestKind.RESULT, answer({**DONE, "results": [{"query": sql, **rows}]})) as with_rows,
    ):
        found = Caller(started.url).client.submit(sql)
        assert started.got("POST")[0].json()["query"] == found.query == sql
        result: Any = Caller(with_rows.url).call(RequestKind.RESULT)
    assert result.df().columns.tolist() == ["a\\xed\\xa0\\x80b\\xed\\xbf\\xbfc\x00"]
    assert result.df().iloc[0, 0] == TEXT.encode("utf-8", "surrogatepass")
    assert all(text.encode() for text in result._repr_mimebundle_().values())


@pytest.mark.parametrize("moment", [0, -62_135_596_800, 253_402_300_799, "NaN", "Infinity", 1e300, -1e300, "1e999"])
def test_a_statement_that_began_at_no_time_has_none(moment: object, seen: Record) -> None:
    """Seconds since 1970, which the result has for each statement, may be any number."""
    text = json.dumps({**DONE, "results": [{"query": "x", "start_timestamp": "@", **ONE_ROW}]}).replace(
        '"@"', str(moment)
    )
    with server(RequestKind.RESULT, answer(text, content_type="application/json")) as started:
        found: Any = Caller(started.url).call(RequestKind.RESULT)
    frame = found.to_frame()
    assert frame["queued"].isna().all() or frame["queued"].min() >= timedelta(0)
    seen(f"a statement that began at {moment}", "rows", "rows" if len(found.df()) == 1 else "none")


@pytest.mark.parametrize("time", [1e300, "inf", "2026-02-30T00:00:00Z", "99999-01-01T00:00:00Z", {}, [], True, -1e18])
def test_what_is_no_time_is_an_error_of_ours(time: object) -> None:
    """It is named, with its field."""
    with pytest.raises(RoeError, match="finished_at"):
        parse(models.QueryStatus, {**DONE, "finished_at": time})


@pytest.mark.parametrize("kind", ["Decimal(38, 0)", "Array(Decimal(38, 0))", "Map(String, Decimal(38, 0))"])
def test_a_decimal_in_arrow_may_have_more_digits_than_its_type(kind: str) -> None:
    """ClickHouse does not check them, and the value is kept."""
    value = 10**38
    buffers = [None, pa.py_buffer(value.to_bytes(16, "little"))]
    array = pa.Array.from_buffers(pa.decimal128(38, 0), 1, buffers)
    if kind.startswith("Array"):
        array = pa.ListArray.from_arrays(pa.array([0, 1], pa.int32()), array)
    if kind.startswith("Map"):
        array = pa.MapArray.from_arrays(pa.array([0, 1], pa.int32()), pa.array(["a"]), array)
    (statement,) = result_body.read_arrow(iter([arrow_stream(column(array, kind))]))
    assert str(value) in str(statement.result_rows.to_pylist())
