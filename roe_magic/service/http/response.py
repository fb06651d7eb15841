"""JSON answers."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
from starlette.responses import Response

from roe_magic.contract import codec

Body = codec.Model | Sequence[codec.Model] | Mapping[str, Any]


def respond(body: Body, status: int = 200, *, applied: Sequence[str] = ()) -> Response:
    """Answer a model, a list of models or a mapping; ``applied`` lists the preferences that were honoured."""
    headers = {"Vary": "Accept, Prefer"}
    if applied:
        headers["Preference-Applied"] = ", ".join(applied)
    return Response(_encoded(_plain(body)), status, headers, "application/json")


def _plain(body: Body) -> Any:
    if isinstance(body, codec.Model):
        return codec.to_wire(body)
    return body if isinstance(body, Mapping) else [codec.to_wire(one) for one in body]


def _encoded(plain: Any) -> bytes:
    try:
        return msgspec.json.encode(plain)
    except UnicodeEncodeError:  # a cell whose bytes are not UTF-8, as lone surrogates: only the standard library can
        return json.dumps(msgspec.to_builtins(plain)).encode()
