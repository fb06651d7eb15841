"""JSON responses."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
from starlette.responses import Response

from roe_magic.contract import codec

Body = codec.Model | Sequence[codec.Model] | Mapping[str, Any]


def json_response(body: Body, status: int = 200, *, applied: Sequence[str] = ()) -> Response:
    """Return a response with a model, a list of models or a mapping.

    Parameters
    ----------
    applied : sequence of str
        The preferences of the request that were applied (RFC 7240).
    """
    headers = {"Vary": "Accept, Prefer"}
    if applied:
        headers["Preference-Applied"] = ", ".join(applied)
    return Response(_encode(_builtins(body)), status, headers, "application/json")


def _builtins(body: Body) -> Any:
    if isinstance(body, codec.Model):
        return codec.to_wire(body)
    return body if isinstance(body, Mapping) else [codec.to_wire(model) for model in body]


def _encode(value: Any) -> bytes:
    try:
        return msgspec.json.encode(value)
    except UnicodeEncodeError:  # a cell whose bytes are not UTF-8 has lone surrogates, which only Python's json encodes
        return json.dumps(msgspec.to_builtins(value)).encode()
