"""WorksheetQuery: what it tells, how it is shown, and what pandas and others make of it."""

from __future__ import annotations

import json
import pickle
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import UUID

import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from roe_magic import frames
from roe_magic.contract import models
from roe_magic.contract.codec import parse
from roe_magic.errors import MissingExtra, UsageError
from roe_magic.query.worksheet_query import WorksheetQuery
from tests.support.html_page import Page

WIRE = Path(__file__).parents[1] / "wire"
ID = UUID("3c90c3cc-0d44-4b50-8888-8dd25736052a")
UTC = timezone.utc
CREATED = datetime(2023, 11, 7, 5, 31, 56, 123456, tzinfo=UTC)
FINISHED = datetime(2023, 11, 7, 5, 31, 58, 250000, tzinfo=UTC)
ATTACK = "</td></pre><script>alert(1)</script><img src=x onerror=alert(1)>\"'&\u202e\x1b[2J\0"
KEYS = [
    *("id", "status", "created_at", "updated_at", "finished_at", "duration", "queued", "running"),
    *("query", "query_task_id", "query_task_status", "error", "ai_summary"),
    *("worksheet.id", "worksheet.name", "organization.id", "organization.name"),
    *("creator.id", "creator.email", "creator.display_name", "observed"),
]


def sample(name: str) -> Any:
    return json.loads((WIRE / f"{name}.json").read_text("utf-8"))


def submitted(sample_name: str = "submit-200", /, **fields: Any) -> models.WorksheetQueryResponse:
    return parse(models.WorksheetQueryResponse, {**sample(sample_name), **fields})


def status(word: str | None = "SUCCESS", **fields: Any) -> models.QueryStatus:
    return parse(models.QueryStatus, {"worksheet_query_id": str(ID), "status": word, **fields})


def rows(names: list[str], types: list[str], *cells: list[Any], **fields: Any) -> models.Statement:
    table = frames.from_rows(names, types, cells)
    return models.Statement(column_names=names, column_types=types, result_rows=table, row_count=len(cells), **fields)


NUMBERS = rows(["a", "b"], ["UInt8", "Nullable(String)"], [1, "x"], [2, None], [3, "z"], query="SELECT 3 rows")


def finished(*statements: models.Statement, **options: Any) -> WorksheetQuery:
    return WorksheetQuery(
        submitted(), status(finished_at="2023-11-07T05:31:58.25Z"), list(statements or [NUMBERS]), **options
    )


# What it tells


def test_every_field_of_the_contract_is_there_with_its_type() -> None:
    """UUIDs, aware times, nested objects."""
    query = WorksheetQuery(submitted("submit-200-finished", x_new=[1]))
    assert (query.id, query.query, query.query_task_status) == (ID, "SELECT 1", "SUCCESS")
    assert (query.created_at, query.updated_at, query.finished_at) == (CREATED, FINISHED, FINISHED)
    assert isinstance(query.worksheet, models.Worksheet)
    assert isinstance(query.organization, models.OrganizationSlim)
    assert isinstance(query.creator, models.UserInfo)
    assert query.worksheet.id == UUID("7f1b0c1e-52b1-4f7a-9a63-0f0f1d3c2b11")
    assert query.organization.created_at.tzinfo is not None
    assert query.creator.display_name == "Ann Lee"
    assert query.query_task_id == "c3d1b0a2-3e2f-4a51-8a6b-2f4f0b7d9e10"
    assert query.ai_summary == "Selects the number one."
    assert query.error is None
    assert query["x_new"] == [1]


def test_submit_status_and_result_are_merged() -> None:
    """The status is newer than the submit's answer; the result knows when the first statement began."""
    late = status("FAILURE", error="no", finished_at="2023-11-07T05:31:58.25Z", x_status=1)
    begun = rows(["a"], ["UInt8"], [1], start_timestamp=CREATED.timestamp() + 0.5)
    query = WorksheetQuery(submitted(x_submit=2), late, [begun])
    assert (query.status, query["query_task_status"], query.error) == ("FAILURE", "FAILURE", "no")
    assert (query.finished_at, query.updated_at) == (FINISHED, FINISHED)
    assert not query.succeeded
    assert query.finished
    assert query.queued == timedelta(seconds=0.5)
    assert query.running == FINISHED - CREATED - timedelta(seconds=0.5)
    assert query.extra == {"x_submit": 2, "x_status": 1}


def test_times_are_the_servers_and_what_only_the_caller_saw_says_so() -> None:
    """A query that began and ended at the server takes its time from there, whatever the caller's clock said."""
    seen = timedelta(seconds=99)
    assert finished(observed=seen).duration == FINISHED - CREATED
    assert finished(observed=seen)["observed"] == ""
    untimed = WorksheetQuery(submitted(), status(), observed=seen)
    assert (untimed.duration, untimed["observed"]) == (seen, "duration")
    going = WorksheetQuery(submitted(), status("STARTED"), observed=seen)
    assert (going.duration, going.queued, going.running, going["observed"]) == (None, None, None, "")


def test_a_started_at_of_our_own_service_is_used() -> None:
    """Before the result is there."""
    query = WorksheetQuery(submitted(), status("STARTED", started_at="2023-11-07T05:31:57.123456Z"))
    assert query.queued == timedelta(seconds=1)
    assert query.running is None


def test_notices_are_a_list_and_no_key() -> None:
    """Those of the status, or of the submit's answer; like all that is not in the contract, they are no key."""
    told, late = ["FORMAT CSV was ignored."], ["Late."]
    assert WorksheetQuery(submitted(), status()).notices == []
    assert WorksheetQuery(submitted(notices=None), status(notices=[])).notices == []
    assert WorksheetQuery(submitted(notices=told)).notices == told
    assert WorksheetQuery(submitted(notices=told), status()).notices == told
    query = WorksheetQuery(submitted(notices=told), status(notices=late))
    assert query.notices == late
    assert list(query) == KEYS
    query.notices.clear()
    assert query.notices == late


@pytest.mark.parametrize("moment", [float("nan"), float("inf"), 1e300, -1e300])
def test_a_time_that_is_none_is_none(moment: float) -> None:
    """NaN tokens and nonsense in start_timestamp hurt nobody."""
    query = finished(rows(["a"], ["UInt8"], [1], start_timestamp=moment))
    assert query.started_at is None
    assert repr(query)


def test_clocks_that_disagree_give_no_negative_wait() -> None:
    """A worker whose clock is behind the server's."""
    query = finished(rows(["a"], ["UInt8"], [1], start_timestamp=CREATED.timestamp() - 100))
    assert query.queued == timedelta(0)


# As a mapping, and in pandas


def test_it_is_a_read_only_mapping_with_flat_keys() -> None:
    """Every key, in order; nothing can be set."""
    query = finished()
    assert isinstance(query, Mapping)
    assert list(query) == KEYS
    assert len(query) == len(KEYS)
    assert query["worksheet.name"] == "Untitled"
    assert {**query}["creator.email"] == "user@example.com"
    assert query.get("nothing") is None
    with pytest.raises(KeyError):
        query["nothing"]
    with pytest.raises(TypeError):
        query["id"] = 1  # type: ignore[index]  # the point of the test
    with pytest.raises(AttributeError):
        query.status = "FAILURE"  # type: ignore[misc]  # the same


def test_extra_fields_never_hide_the_contracts_own() -> None:
    """A server that sends ``duration`` or ``worksheet.name`` does not change what these mean."""
    sent: dict[str, Any] = {"duration": "evil", "worksheet.name": "evil", "observed": "evil", "new": 1}
    query = WorksheetQuery(submitted(**sent))
    assert query["duration"] is None
    assert query["worksheet.name"] == "Untitled"
    assert query["observed"] == ""
    assert query["new"] == 1


def test_equal_queries_are_equal() -> None:
    """By what they tell; usable in sets."""
    assert finished() == finished()
    assert finished() != WorksheetQuery(submitted())
    assert finished() != dict(finished())
    assert len({finished(), finished()}) == 1


def test_pandas_takes_it_as_it_is() -> None:
    """pd.Series(q) and pd.DataFrame([q1, q2]), by the flat keys."""
    series = pd.Series(finished())
    assert list(series.index) == KEYS
    assert series["worksheet.name"] == "Untitled"
    frame = pd.DataFrame([finished(), WorksheetQuery(submitted("submit-200-smallest"))])
    assert sorted(frame.columns) == sorted(KEYS)  # pandas 2 sorts the keys of what is not a dict
    assert frame["status"].tolist()[0] == "SUCCESS"
    assert frame["worksheet.name"].isna().tolist() == [False, True]


DTYPES = {
    **dict.fromkeys(("created_at", "updated_at", "finished_at"), "datetime64[us, UTC]"),
    **dict.fromkeys(("duration", "queued", "running"), "timedelta64[us]"),
    **dict.fromkeys(("status", "query_task_status"), "category"),
    **dict.fromkeys(("query", "query_task_id", "error", "ai_summary", "observed"), "string"),
    **dict.fromkeys(("worksheet.name", "organization.name", "creator.email", "creator.display_name"), "string"),
}
SMALLEST = WorksheetQuery(submitted("submit-200-smallest"))


@pytest.mark.parametrize(
    "queries",
    [[], [SMALLEST], [SMALLEST, SMALLEST], [finished()], [finished(), SMALLEST]],
    ids=["none", "missing", "missing twice", "full", "mixed"],
)
def test_a_frame_has_full_dtypes_whatever_is_missing(queries: list[WorksheetQuery]) -> None:
    """Times with UTC, spans, categories and text, with all, some or no values."""
    frame = WorksheetQuery.frame(iter(queries))
    assert list(frame.columns) == KEYS
    assert {name: str(frame[name].dtype) for name in DTYPES} == DTYPES
    assert len(frame) == len(queries)


def test_a_frame_keeps_the_values() -> None:
    """One row and several."""
    frame = finished().to_frame()
    assert frame["created_at"][0] == pd.Timestamp(CREATED)
    assert frame["duration"][0] == FINISHED - CREATED
    assert frame["id"][0] == ID
    both = WorksheetQuery.frame([SMALLEST, finished()])
    assert both["finished_at"].isna().tolist() == [True, False]
    assert both["status"].tolist()[1] == "SUCCESS"
    assert both["status"].cat.categories.tolist() == list(models.STATES)


def test_a_frame_takes_unknown_words_and_fields() -> None:
    """Further categories behind the known ones, further columns behind the known ones."""
    odd = WorksheetQuery(submitted(query_task_status="<odd>", x_new={"a": [1]}))
    frame = WorksheetQuery.frame([finished(), odd])
    assert frame["status"].cat.categories.tolist() == [*models.STATES, "<odd>"]
    assert frame.columns[-1] == "x_new"
    assert frame["x_new"][1] == {"a": [1]}


@pytest.mark.parametrize("year", ["0001", "1677", "2262", "9999"])
def test_a_frame_takes_any_year(year: str) -> None:
    """Times beyond what nanoseconds can hold, too."""
    query = WorksheetQuery(submitted(created_at=f"{year}-06-01T00:00:00Z"))
    assert WorksheetQuery.frame([query])["created_at"][0].year == int(year)


def test_a_series_is_named_by_the_id() -> None:
    """And holds the values as they are."""
    series = finished().to_series()
    assert series.name == str(ID)
    assert series["created_at"] == CREATED
    assert isinstance(series["duration"], timedelta)


# The rows


def test_df_is_the_last_statement_and_df_0_the_first() -> None:
    """Any index of a list, and a clear word for one that is not there."""
    query = finished(NUMBERS, rows(["c"], ["Float64"], [0.5], query="SELECT c"))
    assert query.df()["c"].tolist() == [0.5]
    assert query.df(0)["a"].tolist() == query.df(-2)["a"].tolist() == [1, 2, 3]
    assert [result.query for result in query.results] == ["SELECT 3 rows", "SELECT c"]
    for index in (2, -3):
        with pytest.raises(UsageError, match="the query has 2 results"):
            query.df(index)
    with pytest.raises(UsageError, match="There is no last result"):
        WorksheetQuery(submitted(), status(), []).df()


def test_rows_that_are_not_here_say_how_to_get_them() -> None:
    """No AttributeError, no empty frame."""
    for look in (SMALLEST.df, lambda: SMALLEST.results, lambda: SMALLEST.to_dict(rows=True)):
        with pytest.raises(UsageError, match=f"%roe result {ID}"):
            look()


def test_integers_with_null_stay_integers() -> None:
    """In both of pandas' backends."""
    query = finished(rows(["n"], ["Nullable(Int64)"], [2**53 + 1], [None]))
    assert str(query.df()["n"].dtype) == "Int64"
    assert query.df()["n"][0] == 2**53 + 1
    assert str(query.df(dtype_backend="pyarrow")["n"].dtype) == "int64[pyarrow]"


def test_times_can_be_shown_in_another_zone() -> None:
    """The moments stay the same."""
    query = finished(rows(["t"], ["DateTime('UTC')"], ["2024-04-29 21:11:17+00:00"]))
    shown = query.df(tz="Europe/Berlin")["t"]
    assert str(shown.dtype).endswith("Europe/Berlin]")
    assert shown[0] == pd.Timestamp("2024-04-29 21:11:17", tz="UTC")


def test_arrow_and_polars_and_their_other_names() -> None:
    """df and polars answer to JupySQL's names too."""
    query = finished()
    assert query.arrow()["a"].to_pylist() == [1, 2, 3]
    assert query.polars()["b"].to_list() == ["x", None, "z"]
    assert query.DataFrame().equals(query.df())
    assert query.PolarsDataFrame().equals(query.results[0].polars())


def test_polars_that_is_not_installed_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """With the command that installs it."""
    monkeypatch.setitem(__import__("sys").modules, "polars", None)
    with pytest.raises(MissingExtra, match=r"roe-magic\[polars\]"):
        finished().polars()


def test_others_take_the_rows_by_the_arrow_protocol() -> None:
    """pyarrow and the dataframe protocol, from the query and from one of its results; polars from a result."""
    query = finished()
    for thing in (query, query.results[0]):
        assert pa.table(thing)["a"].to_pylist() == [1, 2, 3]
        assert thing.__dataframe__().num_rows() == 3
    assert pl.DataFrame(query.results[0])["b"].to_list() == ["x", None, "z"]


def test_a_frame_tells_where_it_came_from_in_json_alone(tmp_path: Path) -> None:
    """df.attrs["roe"] goes through to_parquet and back."""
    frame = finished().df()
    origin = frame.attrs["roe"]
    assert json.loads(json.dumps(origin)) == origin
    assert origin["id"] == str(ID)
    assert origin["row_count"] == 3
    assert origin["created_at"] == "2023-11-07T05:31:56.123456+00:00"
    assert origin["finished_at"] == "2023-11-07T05:31:58.250000+00:00"
    assert len(origin["sql_sha256"]) == 64
    frame.to_parquet(tmp_path / "rows.parquet")
    assert pd.read_parquet(tmp_path / "rows.parquet").attrs["roe"] == origin


def test_each_statement_has_the_digest_of_its_own_sql() -> None:
    """And a query without the server's text has that of the whole."""
    first, second = rows(["a"], ["UInt8"], [1], query="SELECT 1"), rows(["a"], ["UInt8"], [1], query="SELECT '\ud800'")
    query = finished(first, second)
    assert query.df(0).attrs["roe"]["sql_sha256"] != query.df(1).attrs["roe"]["sql_sha256"]


def test_rows_are_downloaded_once_and_on_first_use() -> None:
    """Looking at the query asks no server; looking at its rows does, once."""
    calls: list[int] = []

    def download() -> list[models.Statement]:
        calls.append(1)
        return [rows(["a"], ["UInt8"], [1], start_timestamp=CREATED.timestamp() + 0.5)]

    query = WorksheetQuery(submitted(), status(), download)
    before = query["queued"], repr(query), query._repr_mimebundle_(), pickle.dumps(query)
    assert (before[0], calls) == (None, [])
    assert query.df()["a"].tolist() == query.df(0)["a"].tolist() == [1]
    assert calls == [1]
    assert query["queued"] == query.queued == timedelta(seconds=0.5)


def test_a_download_that_fails_can_be_tried_again() -> None:
    """Nothing half done is kept."""
    failures = [UsageError("not now")]

    def download() -> list[models.Statement]:
        if failures:
            raise failures.pop()
        return [NUMBERS]

    query = WorksheetQuery(submitted(), status(), download)
    with pytest.raises(UsageError, match="not now"):
        query.df()
    assert len(query.df()) == 3


# There and back


def through_dict(query: WorksheetQuery, keep: bool) -> WorksheetQuery:
    return WorksheetQuery.from_dict(json.loads(json.dumps(query.to_dict(rows=keep))))


def through_json(query: WorksheetQuery, keep: bool) -> WorksheetQuery:
    return WorksheetQuery.from_json(query.to_json(rows=keep))


def through_pickle(query: WorksheetQuery, keep: bool) -> WorksheetQuery:
    again: WorksheetQuery = pickle.loads(pickle.dumps(query))
    return again


@pytest.mark.parametrize("way", [through_dict, through_json, through_pickle])
def test_a_query_goes_there_and_back_with_its_rows(way: Callable[[WorksheetQuery, bool], WorksheetQuery]) -> None:
    """Metadata, unknown fields, summaries and cells of difficult types."""
    kinds = ["DateTime64(3, 'Europe/Berlin')", "Decimal(38, 10)", "UInt256", "Map(String, UInt8)", "String", "Float64"]
    hard = rows(
        ["t", "d", "n", "m", "s", "f"],
        kinds,
        [
            "2024-10-27 02:30:00.123+02:00",
            "1234567890123456789012345678.0123456789",
            str(2**255),
            {"a": 1},
            ATTACK,
            0.1,
        ],
        ["1970-01-01 01:00:00+01:00", "-0.0000000001", "0", {}, "", "nan"],
        summary=models.Summary(read_rows=7, extra={"x": 1}),
        query="SELECT hard",
    )
    query = WorksheetQuery(submitted(x_new=1), status(finished_at="2023-11-07T05:31:58.25Z"), [NUMBERS, hard])
    again = way(query, True)
    assert again == query
    assert again["x_new"] == 1
    assert again.results[1].summary == query.results[1].summary
    for index in (0, 1):
        assert again.arrow(index).schema == query.arrow(index).schema
        assert frames.to_rows(again.arrow(index), query.results[index].column_types) == frames.to_rows(
            query.arrow(index), query.results[index].column_types
        )


@pytest.mark.parametrize("way", [through_dict, through_json])
def test_a_query_goes_there_and_back_without_its_rows(way: Callable[[WorksheetQuery, bool], WorksheetQuery]) -> None:
    """What describes them is kept, they are said to be absent, and it can be done once more."""
    again = way(finished(), False)
    assert again == finished()
    assert not again.has_rows
    assert again.results[0].row_count == 3
    assert again.results[0].column_names == ["a", "b"]
    with pytest.raises(UsageError, match="rows were not kept"):
        again.df()
    for once_more in (through_dict(again, False), through_pickle(again, False)):
        assert once_more.results[0].row_count == 3


@pytest.mark.parametrize("way", [through_dict, through_json, through_pickle])
def test_a_query_without_results_comes_back_without_results(
    way: Callable[[WorksheetQuery, bool], WorksheetQuery],
) -> None:
    """None known is not the same as none given."""
    for query in (SMALLEST, WorksheetQuery(submitted(), status("FAILURE"), [])):
        again = way(query, False)
        assert (again.has_rows, again == query) == (query.has_rows, True)


@settings(deadline=None)
@given(st.floats(0, 1e6), st.sampled_from([*models.STATES, "odd", None]), st.text())
def test_any_metadata_goes_there_and_back(seconds: float, word: str | None, error: str) -> None:
    """Observed times to the microsecond, any word, any text."""
    query = WorksheetQuery(submitted(), status(word, error=error), observed=timedelta(seconds=seconds))
    assert through_json(query, False) == query
    assert through_pickle(query, False) == query


@pytest.mark.parametrize("way", [through_dict, through_json, through_pickle])
def test_notices_go_there_and_back(way: Callable[[WorksheetQuery, bool], WorksheetQuery]) -> None:
    """Those of the status, and those of the submit's answer."""
    for query in (WorksheetQuery(submitted(), status(notices=[ATTACK])), WorksheetQuery(submitted(notices=[ATTACK]))):
        assert way(query, False).notices == [ATTACK]


# How it is shown


def shown(query: WorksheetQuery) -> tuple[str, Page]:
    bundle = query._repr_mimebundle_(include=None, exclude=None)
    assert set(bundle) == {"text/plain", "text/html"}
    return bundle["text/plain"], Page(bundle["text/html"])


def test_the_repr_is_one_line() -> None:
    """Id, status, time and rows."""
    assert repr(finished()) == f"<WorksheetQuery {ID} SUCCESS in 2.1 s, 3 rows>"
    assert repr(SMALLEST) == f"<WorksheetQuery {ID} None>"


def test_the_rows_are_shown_as_text_and_as_a_table() -> None:
    """Aligned columns, NULL by name, the size below."""
    text, page = shown(finished())
    assert text.splitlines() == [
        "a  b",
        "-  ----",
        "1  x",
        "2  NULL",
        "3  z",
        "3 rows × 2 columns",
    ]
    assert page.tags.count("td") == 6
    assert page.tags.count("th") == 2
    assert "NULL" in page.text
    assert "UInt8" in page.text
    assert "3 rows × 2 columns" in page.text
    assert page.open == []


def test_no_more_rows_are_shown_than_asked_for() -> None:
    """displaylimit; without one a browser still gets no more than a thousand."""
    many = rows(["n"], ["UInt32"], *[[number] for number in range(5000)])
    for limit, count in ((10, 10), (1, 1), (4999, 1000), (None, 1000)):
        text, page = shown(finished(many, displaylimit=limit))
        assert page.tags.count("td") == count
        assert f"{count:,} of 5,000 rows × 1 column" in text
        assert f"{count:,} of 5,000 rows × 1 column" in page.text


def test_wide_rows_and_long_cells_are_cut_and_it_is_said() -> None:
    """Fifty columns, as text those that fit on a line; five hundred characters."""
    names = [f"c{number}" for number in range(80)]
    wide = rows(names, ["String"] * 80, ["x" * 10_000] * 80)
    text, page = shown(finished(wide))
    assert "(50 columns shown)" in page.text
    assert "(3 columns shown)" in text
    assert page.tags.count("td") == 50
    assert page.text.count("… (9,500 more characters)") == 50
    assert len(text) < 10_000
    assert len(page.text) < 30_000


def test_several_statements_have_a_section_each() -> None:
    """With the number and the beginning of the SQL; one alone needs none."""
    nothing = rows([], [], query="CREATE TABLE t (a UInt8) ENGINE = Memory", summary=models.Summary())
    inserted = rows([], [], query="INSERT INTO t VALUES (1)", summary=models.Summary(written_rows=1))
    text, page = shown(finished(nothing, inserted, NUMBERS))
    for part in ("Statement 1 of 3: CREATE TABLE t", "Done; no rows to show.", "1 row written.", "Statement 3 of 3"):
        assert part in text
        assert part in page.text
    assert "Statement" not in shown(finished())[0]


def test_an_empty_answer_keeps_its_columns() -> None:
    """No rows, but names and types."""
    text, page = shown(finished(rows(["a"], ["UInt8"])))
    assert text.splitlines() == ["a", "-", "0 rows × 1 column"]
    assert page.tags.count("th") == 1


def test_a_query_without_rows_shows_its_line_and_its_error() -> None:
    """A failure, and a success that gave nothing."""
    text, page = shown(WorksheetQuery(submitted(), status("FAILURE", error="Missing columns:\n'x'"), []))
    assert text.splitlines() == [f"<WorksheetQuery {ID} FAILURE>", "Missing columns:", "'x'"]
    assert page.text == text
    assert shown(WorksheetQuery(submitted(), status(), []))[0] == f"<WorksheetQuery {ID} SUCCESS>"


def hostile() -> list[WorksheetQuery]:
    """Make queries with an attack in every string that a server may send."""
    organization = {**sample("submit-200")["organization"], "name": ATTACK}
    attacked = submitted(query=ATTACK, organization=organization, ai_summary=ATTACK)
    cells = rows([ATTACK, ""], [f"Enum8('{ATTACK}' = 1)", "String"], [ATTACK, ATTACK], [None, ATTACK], query=ATTACK)
    cells = replace(cells, totals=[None, ATTACK], extremes=[[ATTACK, ATTACK]] * 2)
    more = rows(["json", "list"], ["JSON", "Array(String)"], [{ATTACK: ATTACK}, [ATTACK]], query=ATTACK)
    return [
        WorksheetQuery(attacked, status(ATTACK, error=ATTACK), [cells, more]),
        WorksheetQuery(attacked, status(ATTACK, error=ATTACK)),
    ]


@pytest.mark.filterwarnings("ignore::roe_magic.frames.TypeFallbackWarning")  # for a type with a NUL in it
@pytest.mark.parametrize("at", [0, 1])
def test_nothing_that_a_server_sends_gets_out_of_its_place(at: int) -> None:
    """No tag or attribute of its own in HTML, no control or direction character anywhere."""
    query = hostile()[at]
    text, page = shown(query)
    assert set(page.tags) <= {"div", "table", "thead", "tbody", "tfoot", "tr", "th", "td", "pre", "span", "i"}
    assert page.attributes <= {"style", "title", "tabindex"}
    assert page.open == []
    parts = [text, query._repr_mimebundle_()["text/html"], repr(query)]
    for result in query.results if query.has_rows else []:
        parts += [repr(result), result._repr_html_()]
    for part in parts:
        assert not set(part) & {"\x1b", "\0", "\u202e"}, part
    assert "alert(1)" in text


def test_a_result_tells_its_size_and_columns() -> None:
    """repr and len of one statement."""
    (result,) = finished().results
    assert repr(result) == "<StatementResult 3 rows; a UInt8, b Nullable(String)>"
    assert len(result) == 3
    assert Page(result._repr_html_()).tags.count("td") == 6


def with_totals() -> WorksheetQuery:
    """Make a query whose only statement has totals and extremes."""
    kinds = ["Nullable(String)", "Decimal(4, 2)"]
    statement = rows(["what", "price"], kinds, ["a", "1.50"], ["b", "99.99"])
    extremes = [["a", "1.50"], ["b", "99.99"]]
    return finished(replace(statement, totals=[None, "101.49"], extremes=extremes))


def test_totals_and_extremes_are_dataframes_with_the_types_of_the_rows() -> None:
    """One row, and two; nothing where there are none."""
    (result,) = with_totals().results
    assert (result.totals is not None, result.extremes is not None) == (True, True)
    assert result.totals["what"].isna().tolist() == [True]
    assert result.totals["price"].tolist() == [Decimal("101.49")]
    assert result.totals.dtypes["what"] == result.df().dtypes["what"]
    assert result.extremes.to_dict("index")["max"] == {"what": "b", "price": Decimal("99.99")}
    (plain,) = finished().results
    assert (plain.totals, plain.extremes) == (None, None)


def test_totals_and_extremes_stand_below_the_rows() -> None:
    """Each with its name, as text and as HTML; they are no rows of the result."""
    query = with_totals()
    text, page = shown(query)
    assert text.splitlines() == [
        *("what   price", "----  ------", "a       1.50", "b      99.99", "----  ------"),
        *("NULL  101.49  (totals)", "a       1.50  (min)", "b      99.99  (max)", "2 rows × 2 columns"),
    ]
    assert page.tags.count("tfoot") == 1
    assert page.open == []
    assert "NULL101.49totals" in page.text.replace("\n", "")
    assert query.results[0].row_count == len(query.df()) == 2


def test_totals_come_back_from_a_dict_and_from_a_pickle() -> None:
    """With and without the rows."""
    query = with_totals()
    for again in (WorksheetQuery.from_json(query.to_json(rows=True)), pickle.loads(pickle.dumps(query))):
        assert again.results[0].totals.equals(query.results[0].totals)
        assert again.results[0].extremes.equals(query.results[0].extremes)
    assert WorksheetQuery.from_dict(query.to_dict()).results[0].extra_rows == query.results[0].extra_rows


@pytest.mark.parametrize(
    "options",
    [
        *({"dtype_backend": name} for name in ("nonsense", "numpy", "", None, 1, ["pyarrow"])),
        *({"tz": zone} for zone in ("nonsense", "../etc/passwd", "Europe/Nowhere", 1, b"UTC", "UTC\0")),
        *({"index": index} for index in ("0", 0.5, True, "pyarrow", [0])),
    ],
)
def test_a_dataframe_of_what_does_not_exist_is_refused(options: dict[str, Any]) -> None:
    """With what there is, and before rows are downloaded for it."""

    def download() -> list[models.Statement]:
        raise AssertionError("the rows were asked for")

    query = WorksheetQuery(submitted(), status(), download)
    with pytest.raises(UsageError):
        query.df(**options)


@pytest.mark.parametrize("rows", [0, -1, 2.5, "ten", True, float("nan"), float("inf")])
def test_a_display_limit_that_makes_no_sense_is_refused(rows: Any) -> None:
    """Where it is set, by whichever way."""
    query = finished()
    with pytest.raises(UsageError, match="displaylimit"):
        query.displaylimit = rows
    assert query.displaylimit == 10
    with pytest.raises(UsageError, match="displaylimit"):
        WorksheetQuery(submitted(), displaylimit=rows)
    query.displaylimit = None
    assert query.displaylimit is None
