"""Models from JSON and to JSON: every wrong shape is a ProtocolError that names the field."""

from __future__ import annotations

import dataclasses
import json
import typing
from datetime import datetime, timedelta, timezone
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from roe_magic.contract import codec, models
from roe_magic.contract.codec import parse, to_wire
from roe_magic.contract.models import QueryResult, QueryStatus, Statement, WorksheetQueryResponse
from roe_magic.errors import ProtocolError

ID = "3c90c3cc-0d44-4b50-8888-8dd25736052a"
STATUS = {"worksheet_query_id": ID, "status": "SUCCESS"}
MODELS: list[type[codec.Model]] = [
    each
    for each in vars(models).values()
    if isinstance(each, type) and issubclass(each, codec.Model) and each is not codec.Model
]
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)


def status(**fields: Any) -> QueryStatus:
    return parse(QueryStatus, {**STATUS, **fields})


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("2024-04-29T21:11:17Z", datetime(2024, 4, 29, 21, 11, 17, tzinfo=timezone.utc)),
        ("2024-04-29 21:11:17+00:00", datetime(2024, 4, 29, 21, 11, 17, tzinfo=timezone.utc)),
        ("2024-04-29T21:11:17.25+02:00", datetime(2024, 4, 29, 19, 11, 17, 250_000, tzinfo=timezone.utc)),
        ("2024-04-29T21:11:17", datetime(2024, 4, 29, 21, 11, 17, tzinfo=timezone.utc)),
        ("2024-04-29T21:11:17.123456789Z", datetime(2024, 4, 29, 21, 11, 17, 123457, tzinfo=timezone.utc)),
    ],
)
def test_every_way_to_write_a_time_is_read_with_a_zone(text: str, moment: datetime) -> None:
    """RFC 3339, Python's str(datetime), an offset, nanoseconds, and UTC where no zone is named."""
    created = status(created_at=text).created_at
    assert created is not None
    assert created.tzinfo is not None
    assert abs(created - moment) < timedelta(microseconds=1.5)


@pytest.mark.parametrize(
    "word", ["success", "Success", "QUEUED", "null", "", " ", "<b>", "\x1b[2J", "💥", "PENDING\n", None]
)
def test_any_word_or_null_may_be_a_status(word: str | None) -> None:
    """It is kept unchanged; only the three known words are terminal."""
    assert status(status=word).status == word
    assert word not in models.TERMINAL


@pytest.mark.parametrize(
    ("model", "payload", "where"),
    [
        (QueryStatus, None, "it is null, not an object"),
        (QueryStatus, [], "it is a list, not an object"),
        (QueryStatus, "x", "it is a string, not an object"),
        (QueryStatus, 1, "it is a number, not an object"),
        (QueryStatus, True, "it is a boolean, not an object"),
        (QueryStatus, {}, "lacks worksheet_query_id, status."),
        (QueryStatus, {**STATUS, "status": 5}, "QueryStatus.status"),
        (QueryStatus, {**STATUS, "worksheet_query_id": "x"}, "QueryStatus.worksheet_query_id"),
        (QueryStatus, {**STATUS, "worksheet_query_id": None}, "QueryStatus.worksheet_query_id"),
        (QueryStatus, {**STATUS, "created_at": "yesterday"}, "QueryStatus.created_at"),
        (QueryStatus, {**STATUS, "created_at": 1e300}, "QueryStatus.created_at"),
        (QueryStatus, {**STATUS, "progress": []}, "progress is a list, not an object"),
        (QueryStatus, {**STATUS, "notices": "x"}, "QueryStatus.notices"),
        (QueryStatus, {**STATUS, "notices": [{}]}, "QueryStatus.notices"),
        (QueryResult, {**STATUS, "results": {}}, "results is an object, not a list"),
        (QueryResult, {**STATUS, "results": "x"}, "results is a string, not a list"),
        (QueryResult, {**STATUS, "results": [None]}, "results[0] is null, not an object"),
        (QueryResult, {**STATUS, "results": [{}, {"summary": 1}]}, "results[1].summary is a number, not an object"),
        (QueryResult, {**STATUS, "results": [{"row_count": "many"}]}, "QueryResult.results[0].row_count"),
        (Statement, {"column_names": "ab"}, "Statement.column_names"),
        (Statement, {"column_names": [1]}, "Statement.column_names"),
        (models.TableList, {"results": None, "total": 0}, "TableList.results"),
        (models.TablePreview, {"table_name": "t", "columns": [], "rows": [[]], "row_count": 1}, "TablePreview.rows"),
    ],
)
def test_the_error_names_the_field_of_a_wrong_shape(model: type[codec.Model], payload: object, where: str) -> None:
    """The message is one sentence with the field's path."""
    with pytest.raises(ProtocolError) as caught:
        parse(model, payload)
    assert where in caught.value.message
    assert caught.value.__cause__ is None


@settings(deadline=None)
@given(st.sampled_from(MODELS), st.data())
def test_any_json_is_a_model_or_a_protocol_error(model: type[codec.Model], data: st.DataObject) -> None:
    """No other exception is raised, whatever a server sends in whatever field."""
    names = [each.name for each in dataclasses.fields(model)]
    payload = data.draw(st.fixed_dictionaries(dict.fromkeys(names, JSON)) | JSON)
    try:
        parsed = parse(model, payload)
    except ProtocolError:
        return
    assert isinstance(parsed, model)


def values(hint: Any) -> st.SearchStrategy[Any]:
    """Return a strategy for values of a field's type."""
    if hint is Any:
        return st.none() | st.integers() | st.text()
    if dataclasses.is_dataclass(hint):
        return instances(typing.cast("type[codec.Model]", hint))
    if hint is datetime:
        return st.datetimes(datetime(1970, 1, 1), datetime(2100, 1, 1), timezones=st.just(timezone.utc))  # noqa: DTZ001  # the zone is the next argument's
    if typing.get_origin(hint) is list:
        return st.lists(values(typing.get_args(hint)[0]), max_size=2)
    if typing.get_origin(hint) is dict:
        return st.dictionaries(st.text(), st.integers(), max_size=2)
    if typing.get_args(hint):
        return st.one_of([values(part) for part in typing.get_args(hint)])
    plain: dict[Any, st.SearchStrategy[Any]] = {
        str: st.text(),
        int: st.integers(-(2**63), 2**63 - 1),
        float: st.floats(allow_nan=False, allow_infinity=False),
        bool: st.booleans(),
        UUID: st.uuids(),
        type(None): st.none(),
    }
    return plain[hint]


def instances(model: type[codec.Model]) -> st.SearchStrategy[codec.Model]:
    hints = typing.get_type_hints(model)
    names = [each.name for each in dataclasses.fields(model) if each.name != "extra"]
    extra = st.dictionaries(st.text("xyz", min_size=1), st.integers(), max_size=2)
    return st.builds(model, **{name: values(hints[name]) for name in names}, extra=extra)


@settings(deadline=None)
@given(st.sampled_from(MODELS).flatmap(instances))
def test_what_is_written_is_read_again(model: codec.Model) -> None:
    """Through real JSON text, for any values; unknown fields too."""
    again = parse(type(model), json.loads(json.dumps(to_wire(model))))
    assert again == model
    assert again.extra == model.extra


def test_summary_numbers_may_be_strings() -> None:
    """ClickHouse writes them as strings; numbers beyond 64 bits stay exact."""
    statement = parse(Statement, {"summary": {"read_rows": "12", "elapsed_ns": str(2**70)}})
    assert statement.summary is not None
    assert (statement.summary.read_rows, statement.summary.elapsed_ns) == (12, 2**70)


def test_a_model_cannot_be_changed() -> None:
    """Setting a field raises FrozenInstanceError."""
    with pytest.raises(dataclasses.FrozenInstanceError):
        status().status = "FAILURE"  # type: ignore[misc]  # the point of the test


def test_unknown_fields_do_not_make_models_differ() -> None:
    """Equality and repr take no account of ``extra``."""
    assert status(x_new=1) == status()
    assert status(x_new=1).extra == {"x_new": 1}
    assert "x_new" not in repr(status(x_new=1))


def test_a_query_may_have_no_task_yet() -> None:
    """query_task_status is null at first."""
    fields = {"created_at": "2024-01-01T00:00:00Z", "updated_at": "2024-01-01T00:00:00Z", "query": "SELECT 1"}
    nothing = dict.fromkeys(("finished_at", "query_task_id", "query_task_status", "error", "ai_summary"))
    query = parse(WorksheetQueryResponse, {"id": ID, **fields, **nothing})
    assert query.id == UUID(ID)
    assert query.query_task_status is None
