"""The API's description: the two published ones, what this service adds, and the errors that it answers."""

from __future__ import annotations

import functools
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

_FOLDER = Path(__file__).with_name("specifications")
_CONTRACT = "/v1/database/"

# Errors that any endpoint may answer, and those of endpoints that take a body.
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
def document() -> bytes:
    """Encode the description."""
    return json.dumps(description(), ensure_ascii=False).encode()


def description() -> dict[str, Any]:
    """Put the description together; every part of the published ones is in it as it was published."""
    whole: dict[str, Any] = {}
    for name in ("contract", "tables", "additions"):
        whole = _merged(whole, json.loads((_FOLDER / f"{name}.json").read_text("utf-8")))
    for path, operation in _operations(whole):
        _complete(path, operation)
    return whole


def _operations(whole: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    for path, methods in whole["paths"].items():
        for operation in methods.values():
            yield path, operation


def _complete(path: str, operation: dict[str, Any]) -> None:
    operation.setdefault("security", [{"apiKeyAuth": []}])
    errors = dict(_ALWAYS)
    if path.startswith("/v1/"):
        errors |= _WITH_KEY
    if "requestBody" in operation:
        errors |= _WITH_BODY
    for status, text in errors.items():
        answer = operation["responses"].setdefault(status, {"description": text})
        answer.setdefault("content", {"application/json": {"schema": {"$ref": _error(path, status)}}})


def _error(path: str, status: str) -> str:
    if path.startswith(_CONTRACT):
        return "#/components/schemas/ErrorResponse"
    return f"#/components/schemas/{'FieldErrors' if status == '400' else 'ErrorDetailResponse'}"


def _merged(old: Any, new: Any) -> Any:
    """Lay one description over another: objects by key, lists of parameters by name; anything else is replaced."""
    if isinstance(old, dict) and isinstance(new, dict):
        merged = {key: (_parameters if key == "parameters" else _merged)(old.get(key), new[key]) for key in new}
        return {**old, **merged}
    return new


def _parameters(old: Any, new: Any) -> list[Any]:
    named = {one["name"]: one for one in old or []}
    return list(_merged(named, {one["name"]: one for one in new}).values())
