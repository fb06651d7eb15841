"""The list of a query's completed statements, without their rows, as JSON: it is stored beside the files of rows."""

from __future__ import annotations

import msgspec

from roe_magic.contract import codec, models


def encode(statements: list[models.Statement]) -> bytes:
    """Return statements as a JSON list, their rows left out."""
    items = [codec.to_wire(statement) for statement in statements]
    return msgspec.json.encode([{name: item[name] for name in item if name != "result_rows"} for item in items])


def decode(manifest: bytes) -> list[models.Statement]:
    """Return the statements of a manifest."""
    return [codec.parse(models.Statement, item) for item in msgspec.json.decode(manifest)]


def split(manifest: bytes) -> list[bytes]:
    """Return the statements of a manifest, each as the JSON object that it is there."""
    return [bytes(item) for item in msgspec.json.decode(manifest, type=list[msgspec.Raw])]
