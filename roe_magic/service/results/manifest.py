"""The list of a query's completed statements, without their rows, as JSON: it is stored beside the files of rows."""

from __future__ import annotations

import json
from typing import Any

import msgspec

from roe_magic.contract import codec, models


def encode(statements: list[models.Statement]) -> bytes:
    """Return statements as a JSON list, their rows left out."""
    items = [codec.to_wire(statement) for statement in statements]
    return _to_json([{name: item[name] for name in item if name != "result_rows"} for item in items])


def decode(manifest: bytes) -> list[models.Statement]:
    """Return the statements of a manifest."""
    return [codec.parse(models.Statement, item) for item in _items(manifest)]


def split(manifest: bytes) -> list[bytes]:
    """Return the statements of a manifest, each as the JSON object that it is there."""
    try:
        return [bytes(item) for item in msgspec.json.decode(manifest, type=list[msgspec.Raw])]
    except msgspec.DecodeError:
        return [_to_json(item) for item in _items(manifest)]


# Totals may hold bytes that are not UTF-8, as lone surrogates, which only the standard library writes and reads.


def _to_json(value: Any) -> bytes:
    try:
        return msgspec.json.encode(value)
    except UnicodeEncodeError:
        return json.dumps(value, separators=(",", ":")).encode()


def _items(manifest: bytes) -> list[Any]:
    try:
        items: list[Any] = msgspec.json.decode(manifest)
    except msgspec.DecodeError:
        items = json.loads(manifest)
    return items
