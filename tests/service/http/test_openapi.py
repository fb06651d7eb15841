"""The API's description that the service serves."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from starlette.routing import Route

from roe_magic.service.http import app, openapi
from tests.support.services import Api

PUBLISHED = Path(openapi.__file__).with_name("specifications")
# What a description says of itself, and where the server is.
ITS_OWN = {"info", "servers"}


def lacking(published: Any, ours: Any, where: str) -> Iterator[str]:
    """Yield every part of a published description that is missing in ours, or different."""
    if isinstance(published, dict) and isinstance(ours, dict):
        for key, value in published.items():
            if key not in ours:
                yield f"{where}.{key}"
            else:
                yield from lacking(value, ours[key], f"{where}.{key}")
    elif isinstance(published, list) and isinstance(ours, list) and all(isinstance(one, dict) for one in published):
        for index, value in enumerate(published):
            if not any(not list(lacking(value, one, "")) for one in ours):
                yield f"{where}[{index}]"
    elif published != ours:
        yield where


@pytest.mark.parametrize("name", ["contract", "tables"])
def test_nothing_of_the_published_descriptions_is_lost(name: str) -> None:
    """Every part of the published descriptions is in ours, unchanged."""
    published = json.loads((PUBLISHED / f"{name}.json").read_text("utf-8"))
    ours = openapi.description()
    assert [gap for key in published.keys() - ITS_OWN for gap in lacking(published[key], ours[key], key)] == []


def test_a_lost_part_would_be_seen() -> None:
    """The comparison finds what is missing or different, at any depth."""
    published = {"a": {"b": [{"name": "x", "schema": {"type": "string"}}], "c": 1}}
    assert list(lacking(published, {"a": {"b": [{"name": "x", "schema": {}}], "c": 2}}, "")) == [".a.b[0]", ".a.c"]


def test_every_route_is_described_and_nothing_else() -> None:
    """Paths and methods are those of the application."""
    routes = {(parameterless(route.path), method) for route in app.routes() for method in methods(route)}
    described = {
        (parameterless(path), method.upper())
        for path, operations in openapi.description()["paths"].items()
        for method in operations
    }
    assert routes == described


def methods(route: Route) -> set[str]:
    endpoint: Any = route.endpoint
    named = route.methods or {name for name in ("GET", "POST") if hasattr(endpoint, name.lower())}
    return set(named) - {"HEAD"}


def parameterless(path: str) -> str:
    return "/".join("{}" if part.startswith("{") else part for part in path.split("/"))


def test_every_reference_leads_somewhere() -> None:
    """No $ref points to a schema that is not there."""
    ours = openapi.description()
    names = {f"#/components/schemas/{name}" for name in ours["components"]["schemas"]}
    assert set(references(ours)) <= names


def references(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        if isinstance(value.get("$ref"), str):
            yield value["$ref"]
        for one in value.values():
            yield from references(one)
    elif isinstance(value, list):
        for one in value:
            yield from references(one)


def test_the_description_is_served(api: Api) -> None:
    """It is JSON, OpenAPI 3.1, and names the kind of key that requests need."""
    answer = api.http.get("/openapi.json")
    assert answer.headers["Content-Type"] == "application/json"
    described = answer.json()
    assert described["openapi"].startswith("3.1")
    assert described["components"]["securitySchemes"]["apiKeyAuth"]["scheme"] == "bearer"
    assert described == openapi.description()
