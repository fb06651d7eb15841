"""Samples of the wire: first the published schemas judge them, then our models read them and write them again."""

from __future__ import annotations

import copy
import functools
import json
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
import yaml
from jsonschema import Draft202012Validator, FormatChecker
from referencing import Registry
from referencing.jsonschema import DRAFT202012

from roe_magic.client.response_errors import error_from
from roe_magic.contract import codec, models
from roe_magic.errors import BadRequestError, NotFoundError, ProtocolError, ServerError

HERE = Path(__file__).parent
DATABASE, TABLES, RESULT = "roe-database-query.openapi.yaml", "roe-tables.openapi.yaml", "result.schema.json"
IN = "#/components/schemas/"

# Sample -> the file and place of its schema, and the model that reads it.
SAMPLES: dict[str, tuple[str, str, type[codec.Model]]] = {
    "submit-request": (DATABASE, f"{IN}WorksheetQueryCreateRequest", models.WorksheetQueryCreateRequest),
    "submit-200": (DATABASE, f"{IN}WorksheetQuery", models.WorksheetQueryResponse),
    "submit-200-smallest": (DATABASE, f"{IN}WorksheetQuery", models.WorksheetQueryResponse),
    "submit-200-finished": (DATABASE, f"{IN}WorksheetQuery", models.WorksheetQueryResponse),
    "status-200": (DATABASE, f"{IN}DatabaseQueryStatusResponse", models.QueryStatus),
    "status-200-smallest": (DATABASE, f"{IN}DatabaseQueryStatusResponse", models.QueryStatus),
    "status-200-failure": (DATABASE, f"{IN}DatabaseQueryStatusResponse", models.QueryStatus),
    "status-200-revoked": (DATABASE, f"{IN}DatabaseQueryStatusResponse", models.QueryStatus),
    "status-200-retry": (DATABASE, f"{IN}DatabaseQueryStatusResponse", models.QueryStatus),
    "result-200": (RESULT, "#", models.QueryResult),
    "result-200-second-failed": (RESULT, "#", models.QueryResult),
    "result-200-insert": (RESULT, "#", models.QueryResult),
    "result-200-null": (RESULT, "#", models.QueryResult),
    "tables-200": (TABLES, f"{IN}TableListResponse", models.TableList),
    "describe-200": (TABLES, f"{IN}TableDescribeResponse", models.TableDescription),
    "describe-200-unknown": (TABLES, f"{IN}TableDescribeResponse", models.TableDescription),
    "preview-200": (TABLES, f"{IN}TablePreviewResponse", models.TablePreview),
    "upload-201": (TABLES, f"{IN}TableUploadResponse", models.TableUpload),
    "user-200": (TABLES, f"{IN}User", models.User),
}


def sample(name: str) -> Any:
    return json.loads((HERE / f"{name}.json").read_text("utf-8"))


@functools.cache
def documents() -> dict[str, Any]:
    return {name: yaml.safe_load((HERE / name).read_text("utf-8")) for name in (DATABASE, TABLES, RESULT)}


def validator(file: str, place: str) -> Draft202012Validator:
    """Make a validator of one schema inside one document; formats are checked too."""
    resources = [(f"urn:{name}", DRAFT202012.create_resource(text)) for name, text in documents().items()]
    registry: Registry[Any] = Registry().with_resources(resources)
    return Draft202012Validator({"$ref": f"urn:{file}{place}"}, registry=registry, format_checker=FormatChecker())


def is_valid(name: str, payload: Any) -> bool:
    file, place, _ = SAMPLES[name]
    return bool(validator(file, place).is_valid(payload))


def objects(payload: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Yield the path of each object in a payload."""
    if isinstance(payload, dict):
        yield path
    items = payload.items() if isinstance(payload, dict) else enumerate(payload) if isinstance(payload, list) else ()
    for key, value in items:
        yield from objects(value, (*path, key))


def inside(payload: Any, path: tuple[Any, ...]) -> Any:
    for step in path:
        payload = payload[step]
    return payload


def lacking(payload: Any) -> Iterator[tuple[str, Any]]:
    """Yield copies of a payload, each without one key of one of its objects."""
    for path in objects(payload):
        for key in inside(payload, path):
            less = copy.deepcopy(payload)
            del inside(less, path)[key]
            yield ".".join(map(str, (*path, key))), less


def moments(value: Any) -> Any:
    """Read times and numbers, so that two ways to write one value are equal."""
    if isinstance(value, dict):
        return {key: moments(item) for key, item in value.items()}
    if isinstance(value, list):
        return [moments(item) for item in value]
    if isinstance(value, str) and value.isdigit():
        return int(value)
    try:
        return datetime.fromisoformat(value.replace("Z", "+00:00")) if isinstance(value, str) else value
    except ValueError:
        return value


def test_every_sample_is_listed() -> None:
    """No file lies here that nothing checks."""
    assert {path.stem for path in HERE.glob("*-*.json")} == {*SAMPLES, "submit-200-as-published"}


def test_the_validator_refuses_what_is_wrong() -> None:
    """It follows references and checks formats: what it lets through means something."""
    broken = sample("submit-200")
    broken["worksheet"]["organization"]["created_at"] = "yesterday"
    assert not is_valid("submit-200", broken)
    assert not is_valid("status-200", {"worksheet_query_id": "no uuid", "status": "SUCCESS"})


@pytest.mark.parametrize("name", SAMPLES)
def test_a_sample_keeps_to_the_published_schema(name: str) -> None:
    """An independent validator finds nothing wrong with it."""
    file, place, _ = SAMPLES[name]
    assert [error.message for error in validator(file, place).iter_errors(sample(name))] == []


@pytest.mark.parametrize("name", SAMPLES)
def test_what_a_model_writes_keeps_to_the_schema_and_says_the_same(name: str) -> None:
    """Read, written and judged again; each value that was read is there."""
    payload, model = sample(name), SAMPLES[name][2]
    wire = json.loads(json.dumps(codec.to_wire(codec.parse(model, payload))))
    assert is_valid(name, wire)
    assert _says(moments(payload), moments(wire))
    assert codec.parse(model, wire) == codec.parse(model, payload)


def _says(payload: Any, wire: Any) -> bool:
    """Whether all that one says is in the other; what is new there is null, or a default."""
    if isinstance(payload, dict):
        return all(key in wire and _says(value, wire[key]) for key, value in payload.items())
    if isinstance(payload, list):
        return len(payload) == len(wire) and all(map(_says, payload, wire))
    return bool(payload == wire)


@pytest.mark.parametrize("name", SAMPLES)
def test_a_field_is_required_by_our_models_where_the_schema_requires_it(name: str) -> None:
    """Each key of each object is left out in turn: schema and model agree, and the error names the path."""
    for where, less in lacking(sample(name)):
        if is_valid(name, less):
            codec.parse(SAMPLES[name][2], less)
            continue
        with pytest.raises(ProtocolError) as caught:
            codec.parse(SAMPLES[name][2], less)
        path = where.replace(".0.", "[0].").replace(".1.", "[1].")
        assert f"lacks {path}." in caught.value.message


@pytest.mark.parametrize("name", SAMPLES)
def test_fields_that_the_schema_does_not_know_are_kept(name: str) -> None:
    """A newer server's field survives at every depth, and is written again."""
    model = SAMPLES[name][2]
    for path in objects(sample(name)):
        if {"rows", "summary"} & set(path) and name in {"preview-200", "upload-201"}:
            continue  # free values, which no model reads
        more = sample(name)
        inside(more, path)["x_new"] = {"a": [1]}
        assert inside(codec.to_wire(codec.parse(model, more)), path)["x_new"] == {"a": [1]}


def test_the_published_example_of_the_submit_answer_is_refused_by_name() -> None:
    """The documentation's slip is no WorksheetQuery: the error lists all that is missing, and is no KeyError."""
    slip = sample("submit-200-as-published")
    assert not is_valid("submit-200", slip)
    with pytest.raises(ProtocolError) as caught:
        codec.parse(models.WorksheetQueryResponse, slip)
    required = documents()[DATABASE]["components"]["schemas"]["WorksheetQuery"]["required"]
    assert {name for name in required if name in caught.value.message} == set(required)


def test_the_models_name_every_property_of_the_schemas() -> None:
    """No property of a published schema ends among the unknown fields."""
    read = {
        **{name: (DATABASE, name) for name in ("Worksheet", "OrganizationSlim", "UserInfo")},
        "WorksheetQueryResponse": (DATABASE, "WorksheetQuery"),
        "WorksheetQueryCreateRequest": (DATABASE, "WorksheetQueryCreateRequest"),
        "QueryStatus": (DATABASE, "DatabaseQueryStatusResponse"),
        "Table": (TABLES, "Table"),
        "TableColumn": (TABLES, "TableColumn"),
        "TableList": (TABLES, "TableListResponse"),
        "TableDescription": (TABLES, "TableDescribeResponse"),
        "TablePreview": (TABLES, "TablePreviewResponse"),
        "TableUpload": (TABLES, "TableUploadResponse"),
        "User": (TABLES, "User"),
    }
    for model, (file, schema) in read.items():
        properties = set(documents()[file]["components"]["schemas"][schema]["properties"])
        assert properties <= set(getattr(models, model).__dataclass_fields__), model


def test_the_documentations_result_is_read_exactly() -> None:
    """Its values, one by one."""
    result = codec.parse(models.QueryResult, sample("result-200"))
    assert result.worksheet_query_id == UUID("123e4567-e89b-12d3-a456-426614174000")
    assert result.results is not None
    (statement,) = result.results
    assert (statement.row_count, statement.column_types) == (3, ["String", "String", "DateTime"])
    assert statement.result_rows[2] == ["example3.mp4", "file_789", "2024-04-29 21:11:19+00:00"]
    assert statement.summary is not None
    assert (statement.summary.elapsed_ns, statement.summary.read_bytes) == (1_000_000, 123)
    assert statement.start_timestamp == 1719852303.0115254


# Error bodies


def error(name: str, status: int) -> str:
    path = next((HERE / "errors").glob(f"{name}.*"))
    kind = {".json": "application/json", ".html": "text/html", ".txt": ""}[path.suffix]
    return error_from(status, path.read_bytes(), kind).message


@pytest.mark.parametrize(
    ("name", "file", "schema"),
    [
        ("message", DATABASE, f"{IN}ErrorResponse"),
        ("detail", TABLES, f"{IN}ErrorDetailResponse"),
        *((name, TABLES, "#/paths/~1v1~1tables~1upload~1/post/responses/400/content/application~1json/schema")
          for name in ("fields", "field", "non-field", "list")),
    ],
)  # fmt: skip  # a table
def test_an_error_body_keeps_to_its_schema(name: str, file: str, schema: str) -> None:
    """The shapes are the published ones."""
    payload = json.loads((HERE / "errors" / f"{name}.json").read_text())
    assert [problem.message for problem in validator(file, schema).iter_errors(payload)] == []


@pytest.mark.parametrize(
    ("name", "status", "message"),
    [
        ("message", 400, "Bad request (HTTP 400): The query is empty."),
        ("detail", 404, "Not found (HTTP 404): Not found."),
        ("error", 400, "Bad request (HTTP 400): limit must be a whole number"),
        (
            "fields",
            400,
            (
                "Bad request (HTTP 400): sql: This field may not be blank.; This field is required.; "
                "limit: Ensure this value is less than or equal to 1000."
            ),
        ),
        ("field", 400, "Bad request (HTTP 400): organization_id: Must be a valid UUID."),
        ("non-field", 422, "Bad request (HTTP 422): Either worksheet_id or organization_id is required."),
        ("list", 400, "Bad request (HTTP 400): Worksheet query has been cancelled and cannot be executed"),
        ("page", 502, "Server error (HTTP 502): 502 Bad Gateway. 502 Bad Gateway nginx"),
        ("empty", 503, "Server error (HTTP 503)"),
    ],
)
def test_every_shape_of_error_body_becomes_a_readable_message(name: str, status: int, message: str) -> None:
    """No braces, quotes or tags are left, and nothing of what the server said is lost."""
    assert error(name, status) == message


def test_an_error_keeps_its_status_and_body() -> None:
    """The kind, the status and the decoded body are there for programs."""
    caught = error_from(400, b'{"message": "no"}', "application/json")
    assert isinstance(caught, BadRequestError)
    assert (caught.status_code, caught.response) == (400, {"message": "no"})
    assert isinstance(error_from(404, b"", ""), NotFoundError)
    assert isinstance(error_from(599, b"", ""), ServerError)
