"""The service's own description of its API against the two published ones, and against itself."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from tests.support.services import Service

pytestmark = pytest.mark.conformance

PUBLISHED = Path(__file__).parents[1] / "wire"
# What describes the document and its server, not the API.
FRAME = ("openapi", "info", "servers", "security")


def published(name: str) -> dict[str, Any]:
    return dict(yaml.safe_load((PUBLISHED / f"{name}.openapi.yaml").read_text("utf-8")))


@pytest.fixture(scope="module")
def described(service: Service) -> dict[str, Any]:
    with service.client() as http:
        return dict(http.get("/openapi.json").raise_for_status().json())


def differences(old: Any, new: Any, where: str) -> Iterator[str]:
    """Yield every place where something published is missing or changed; what is only new is none."""
    if isinstance(old, dict) and isinstance(new, dict):
        for key, value in old.items():
            place = f"{where}/{key}"
            if key not in new:
                yield f"{place} is missing"
            else:
                yield from differences(value, new[key], place)
    elif where.endswith("/parameters"):
        yield from differences(by_name(old), by_name(new), where)
    elif old != new:
        yield f"{where}: {old!r} has become {new!r}"


def by_name(parameters: list[dict[str, Any]]) -> dict[str, Any]:
    return {f"{one['in']} {one['name']}": one for one in parameters}


@pytest.mark.parametrize("name", ["roe-database-query", "roe-tables"])
def test_the_description_holds_all_that_is_published(described: dict[str, Any], name: str) -> None:
    """Every path, method, parameter, body, answer and schema is there as published, with every required list."""
    contract = {key: value for key, value in published(name).items() if key not in FRAME}
    assert set(contract) <= {"paths", "components"}
    assert list(differences(contract, described, "")) == []


@pytest.mark.parametrize("name", ["roe-database-query", "roe-tables"])
def test_what_a_client_must_send_has_not_grown(described: dict[str, Any], name: str) -> None:
    """What is added to a published operation, a header or a field, is optional."""
    for path, methods in published(name)["paths"].items():
        for method, operation in methods.items():
            known = by_name(operation.get("parameters", []))
            ours = by_name(described["paths"][path][method].get("parameters", []))
            added = [one for key, one in ours.items() if key not in known]
            assert not [one["name"] for one in added if one.get("required")], f"{method} {path}"


def test_a_change_of_the_contract_would_be_seen() -> None:
    """The comparison finds what is gone, what has changed and a required list that has grown."""
    old = published("roe-database-query")["components"]["schemas"]["Worksheet"]
    for change in (
        {"properties": {name: kind for name, kind in old["properties"].items() if name != "name"}},
        {"properties": {**old["properties"], "name": {"type": "string"}}},
        {"required": [*old["required"], "creator"]},
    ):
        assert len(list(differences(old, {**old, **change}, ""))) == 1
    assert not list(differences(old, {**old, "properties": {**old["properties"], "more": {}}}, ""))


def test_the_description_is_openapi(described: dict[str, Any]) -> None:
    """It says 3.1, whose schemas are those of JSON Schema 2020-12."""
    assert described["openapi"].startswith("3.1.")
    for schema in described["components"]["schemas"].values():
        jsonschema.Draft202012Validator.check_schema(schema)


def test_every_operation_has_its_own_id(described: dict[str, Any]) -> None:
    """Generators of clients make one function of each, named by the id."""
    ids = [operation["operationId"] for methods in described["paths"].values() for operation in methods.values()]
    assert len(ids) == len(set(ids)) >= 15


def test_the_description_is_json_that_any_reader_takes(service: Service) -> None:
    """It needs no key, is JSON in UTF-8 without the constants that only Python knows."""
    with service.client() as http:
        answer = http.get("/openapi.json", headers={"Authorization": ""})
    assert answer.status_code == 200
    assert answer.headers["Content-Type"] == "application/json"
    assert json.loads(answer.content.decode("utf-8"), parse_constant=pytest.fail)["paths"]
