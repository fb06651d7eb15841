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


def with_query(item: bytes, sql: str | None) -> bytes:
    """Return a statement of a manifest with its SQL: a long one that is the whole of a query is not stored twice.

    Parameters
    ----------
    item : bytes
        The statement.
    sql : str or None
        The query's SQL; None leaves the statement as it is.
    """
    if sql is None or not item.startswith(_WITHOUT_QUERY):
        return item
    return b'{"query":' + msgspec.json.encode(only_statement(sql)) + item[len(_WITHOUT_QUERY) :]


def only_statement(sql: str) -> str:
    """Return SQL that holds one statement and no comment around it without what surrounds the statement."""
    return sql.strip(" \t\r\n;")


_WITHOUT_QUERY = b'{"query":null'

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
