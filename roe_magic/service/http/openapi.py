"""The API's description: the two published ones, the service's additions, and its error responses."""

from __future__ import annotations

import functools
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

_FOLDER = Path(__file__).with_name("specifications")
_CONTRACT = "/v1/database/"

# Error responses of every endpoint, of those that need a key, and of those that take a body.
_ALWAYS = {
    "403": "A request of a foreign site or for a foreign host, or one that the key does not permit",
    "405": "Method not allowed",
}
_WITH_KEY = {"400": "Bad request", "401": "No valid API key", "404": "Not found"}
_WITH_BODY = {
    "413": "The body is too long",
    "415": "The body is neither JSON nor a form",
    "503": "The service accepts nothing right now; see Retry-After",
}


@functools.cache
def encoded_description() -> bytes:
    """Return the description as JSON."""
    return json.dumps(description(), ensure_ascii=False).encode()


def description() -> dict[str, Any]:
    """Return the description; the published ones are in it unchanged."""
    merged: dict[str, Any] = {}
    for name in ("contract", "tables", "additions"):
        merged = _merge(merged, json.loads((_FOLDER / f"{name}.json").read_text("utf-8")))
    for path, operation in _operations(merged):
        _add_errors(path, operation)
    return merged


def _operations(document: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    for path, methods in document["paths"].items():
        for operation in methods.values():
            yield path, operation


def _add_errors(path: str, operation: dict[str, Any]) -> None:
    operation.setdefault("security", [{"apiKeyAuth": []}])
    errors = dict(_ALWAYS)
    if path.startswith("/v1/"):
        errors |= _WITH_KEY
    if "requestBody" in operation:
        errors |= _WITH_BODY
    for status, text in errors.items():
        response = operation["responses"].setdefault(status, {"description": text})
        response.setdefault("content", {"application/json": {"schema": {"$ref": _error_schema(path, status)}}})


def _error_schema(path: str, status: str) -> str:
    if path.startswith(_CONTRACT):
        return "#/components/schemas/ErrorResponse"
    return f"#/components/schemas/{'FieldErrors' if status == '400' else 'ErrorDetailResponse'}"


def _merge(old: Any, new: Any) -> Any:
    """Return an old value updated by a new one: objects by key, lists of parameters by name, anything else replaced."""
    if isinstance(old, dict) and isinstance(new, dict):
        merged = {key: (_merge_parameters if key == "parameters" else _merge)(old.get(key), new[key]) for key in new}
        return {**old, **merged}
    return new


def _merge_parameters(old: Any, new: Any) -> list[Any]:
    return list(_merge(_by_name(old or []), _by_name(new)).values())


def _by_name(parameters: list[Any]) -> dict[str, Any]:
    return {parameter["name"]: parameter for parameter in parameters}
