"""What a request says: its fields from the query string and a JSON, form or multipart body, and its preferences."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any, TypeVar
from urllib.parse import parse_qsl
from uuid import UUID

import msgspec
from starlette.datastructures import FormData
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.types import Message

from roe_magic.service.http.problems import Problem

S = TypeVar("S", bound=msgspec.Struct)
Items = Sequence[tuple[str, Any]]

JSON, FORM, MULTIPART = "application/json", "application/x-www-form-urlencoded", "multipart/form-data"
MAX_BODY_BYTES = 16 * 2**20
MAX_WAIT = 30

_MAX_FIELDS = 20
_WAIT = re.compile(r"wait\s*=\s*\"?(\d{1,9})\"?\s*(?:;.*)?", re.IGNORECASE)
_REPRESENTATION = re.compile(r"return\s*=\s*\"?representation\"?\s*(?:;.*)?", re.IGNORECASE)
_CHARSET = re.compile(r"charset\s*=\s*\"?([^\s;\"]+)", re.IGNORECASE)
# msgspec says where: "... - at `$.query`", or "Object missing required field `query`".
_WHERE = re.compile(r"(?: - at `\$\.(?P<at>\w+)[^`]*`| required field `(?P<lacks>\w+)`)$")


@asynccontextmanager
async def fields(request: Request, kind: type[S], max_bytes: int = MAX_BODY_BYTES) -> AsyncIterator[S]:
    """Read the body's fields, checked against a struct; files of a multipart body are open inside the block.

    Raises
    ------
    Problem
        413 when the body is too long, 415 when its type is not one of the three, 400 when it cannot be read or a
        field is missing or wrong.
    """
    limited = Request(request.scope, _limited(request, max_bytes))
    content_type = _content_type(request)
    if content_type == JSON:
        yield _convert(_json(await limited.body()), kind, strict=True)
    elif content_type == FORM:
        yield _convert_form(_form(await limited.body()), kind)
    elif content_type == MULTIPART:
        async with _multipart(limited, max_bytes) as form:
            yield _convert_form(form.multi_items(), kind)
    else:
        raise Problem(415, f"The body must be {JSON}, {FORM} or {MULTIPART}.")


def parameters(request: Request, kind: type[S]) -> S:
    """Read the query string's fields, checked against a struct."""
    return _convert(_once(request.query_params.multi_items(), kind), kind, strict=False)


def wait(request: Request) -> int | None:
    """Read ``Prefer: wait=N`` (RFC 7240): how long the caller would wait for the answer, in seconds."""
    found = next(filter(None, map(_WAIT.fullmatch, _preferences(request))), None)
    return min(int(found[1]), MAX_WAIT) if found else None


def wants_representation(request: Request) -> bool:
    """Read ``Prefer: return=representation`` (RFC 7240): the caller would have what came of it in the same answer."""
    return any(map(_REPRESENTATION.fullmatch, _preferences(request)))


def _preferences(request: Request) -> list[str]:
    return [part.strip() for part in ",".join(request.headers.getlist("prefer")).split(",")]


def accepts(request: Request, media_type: str) -> bool:
    """Tell whether the request's Accept names a media type itself; a wildcard means JSON here."""
    for part in ",".join(request.headers.getlist("accept")).split(","):
        name, *rest = (piece.strip().lower() for piece in part.split(";"))
        if name == media_type:
            return not any(re.fullmatch(r"q\s*=\s*0(\.0*)?", piece) for piece in rest)
    return False


def path_id(request: Request, name: str, what: str) -> UUID:
    """Read a UUID from the path; any other text names nothing."""
    try:
        return UUID(request.path_params[name])
    except ValueError:
        raise Problem(404, f"{what} not found.") from None


def _content_type(request: Request) -> str:
    media_type, _, rest = request.headers.get("content-type", "").partition(";")
    charset = _CHARSET.search(rest)
    if charset and charset[1].lower() not in ("utf-8", "utf8"):
        raise Problem(415, "The body must be in UTF-8.")
    return media_type.strip().lower()


def _limited(request: Request, max_bytes: int) -> Any:
    """Make a ``receive`` that ends a body which is too long, whether or not its length was announced."""
    announced = request.headers.get("content-length", "0")
    too_long = Problem(413, f"The body is longer than {max_bytes} bytes.")
    if announced.isdecimal() and int(announced) > max_bytes:
        raise too_long
    left = max_bytes

    async def receive() -> Message:
        nonlocal left
        message = await request.receive()
        left -= len(message.get("body", b""))
        if left < 0:
            raise too_long
        return message

    return receive


def _json(body: bytes) -> object:
    try:
        value = msgspec.json.decode(body)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as error:
        raise Problem(400, f"The body is not JSON: {error}.") from None
    if not isinstance(value, dict):
        raise Problem(400, "The body must be a JSON object.")
    # In JSON Schema 3.0 is an integer, too.
    return {name: int(one) if isinstance(one, float) and one.is_integer() else one for name, one in value.items()}


def _form(body: bytes) -> Items:
    try:
        return parse_qsl(body.decode(), keep_blank_values=True, errors="strict", max_num_fields=_MAX_FIELDS)
    except ValueError:
        raise Problem(400, "The body is not a URL-encoded form in UTF-8.") from None


@asynccontextmanager
async def _multipart(request: Request, max_bytes: int) -> AsyncIterator[FormData]:
    try:
        form = await request.form(max_files=1, max_fields=_MAX_FIELDS, max_part_size=min(max_bytes, MAX_BODY_BYTES))
    except (HTTPException, ValueError, LookupError) as error:  # broken framing, bytes or character set
        message = error.detail if isinstance(error, HTTPException) else str(error)
        raise Problem(400, f"The body is not a multipart form: {message}") from None
    try:
        yield form
    finally:
        await form.close()


def _once(items: Items, kind: type[msgspec.Struct]) -> dict[str, Any]:
    """Take the fields that a struct has; each may be given once."""
    known = [(name, value) for name, value in items if name in kind.__struct_fields__]
    result = dict(known)
    if len(result) < len(known):
        twice = next(name for name in result if [known_name for known_name, _ in known].count(name) > 1)
        raise Problem(400, "This field is given more than once.", field=twice)
    return result


def _convert_form(items: Items, kind: type[S]) -> S:
    """Check a form's fields; a form cannot say null, so that an empty field is one that is not there."""
    values = {name: value for name, value in _once(items, kind).items() if value != ""}
    for field in msgspec.structs.fields(kind):
        if field.type is bool and str(values.get(field.name, "true")).lower() not in ("true", "false"):
            raise Problem(400, "Must be true or false.", field=field.name)
    return _convert(values, kind, strict=False)


def _convert(values: Any, kind: type[S], *, strict: bool) -> S:
    try:
        return msgspec.convert(values, kind, strict=strict)
    except msgspec.ValidationError as error:
        where = _WHERE.search(str(error))
        if where and where["lacks"]:
            raise Problem(400, "This field is required.", field=where["lacks"]) from None
        message = str(error)[: where.start()] if where else str(error)
        message = "Must be a valid UUID" if message == "Invalid UUID" else message
        raise Problem(400, f"{message}.", field=where and where["at"]) from None
