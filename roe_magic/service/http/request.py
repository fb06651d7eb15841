"""Parses a request: the parameters of its query string, the fields of its body, and its Prefer and Accept headers."""

from __future__ import annotations

import functools
import re
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, TypeVar
from urllib.parse import parse_qsl
from uuid import UUID

import msgspec
from starlette.requests import Request
from starlette.types import Message

from roe_magic.service.http.multipart import Part, parts
from roe_magic.service.http.problems import Problem, not_found

S = TypeVar("S", bound=msgspec.Struct)
Items = Sequence[tuple[str, Any]]
OnFile = Callable[[Part, Items], Awaitable[None]]

JSON, FORM, MULTIPART = "application/json", "application/x-www-form-urlencoded", "multipart/form-data"
MAX_BODY_BYTES = 16 * 2**20
MAX_WAIT = 30

_MAX_FIELDS = 20
_WAIT = re.compile(r"wait\s*=\s*\"?(\d{1,9})\"?\s*(?:;.*)?", re.IGNORECASE)
_REPRESENTATION = re.compile(r"return\s*=\s*\"?representation\"?\s*(?:;.*)?", re.IGNORECASE)
_CHARSET = re.compile(r"charset\s*=\s*\"?([^\s;\"]+)", re.IGNORECASE)


class FormFile(msgspec.Struct, frozen=True):
    """Stands for a file among the fields of a form; ``content_type`` is the media type that its part names."""

    content_type: str


async def fields(
    request: Request, struct: type[S], max_bytes: int = MAX_BODY_BYTES, on_file: OnFile | None = None
) -> S:
    """Return the body's fields as a struct.

    Parameters
    ----------
    on_file : callable, optional
        Reads a file of a multipart form; gets the part, and the items before it. Without it files are skipped.

    Raises
    ------
    Problem
        413 if the body is too long, 415 if its type is not one of the three, 400 if it cannot be read, or a field is
        missing or wrong.
    """
    limited = Request(request.scope, _limited(request, max_bytes))
    content_type = _content_type(request)
    if content_type == JSON:
        return _convert(_json(await limited.body()), struct, strict=True)
    if content_type == FORM:
        return convert_form(_form(await limited.body()), struct)
    if content_type == MULTIPART:
        return convert_form(await _multipart(limited, on_file), struct)
    kinds = f"{JSON}, {FORM} or {MULTIPART}"
    missing = "" if content_type else "The request has no Content-Type. "
    raise Problem(415, f"{missing}The body must be {kinds}, and the header Content-Type say which.")


def parameters(request: Request, struct: type[S]) -> S:
    """Return the parameters of the query string as a struct."""
    return _convert(_single_values(request.query_params.multi_items(), struct), struct, strict=False)


def wait(request: Request) -> int | None:
    """Return N of ``Prefer: wait=N`` (RFC 7240), at most 30: for how many seconds the response may be held back."""
    match = next(filter(None, map(_WAIT.fullmatch, _preferences(request))), None)
    return min(int(match[1]), MAX_WAIT) if match else None


def wants_representation(request: Request) -> bool:
    """Whether there is ``Prefer: return=representation`` (RFC 7240): the response may include the result."""
    return any(map(_REPRESENTATION.fullmatch, _preferences(request)))


def _preferences(request: Request) -> list[str]:
    return [part.strip() for part in ",".join(request.headers.getlist("prefer")).split(",")]


def accepts(request: Request, media_type: str) -> bool:
    """Whether the Accept header names a media type itself; a wildcard means JSON here."""
    for part in ",".join(request.headers.getlist("accept")).split(","):
        name, *options = (item.strip().lower() for item in part.split(";"))
        if name == media_type:
            return not any(re.fullmatch(r"q\s*=\s*0(\.0*)?", option) for option in options)
    return False


def path_id(request: Request, name: str, what: str) -> UUID:
    """Return a UUID from the path; anything else is a 404, since no ``what`` has such an id."""
    try:
        return UUID(request.path_params[name])
    except ValueError:
        raise not_found(what) from None


def announced_length(request: Request, max_bytes: int) -> int:
    """Return how long the body is to be, 0 if that is not known; a 413 if that is more than ``max_bytes``."""
    announced = request.headers.get("content-length", "0")
    length = int(announced) if announced.isdecimal() else 0
    if length > max_bytes:
        raise _too_long(max_bytes)
    return length


def _too_long(max_bytes: int) -> Problem:
    return Problem(413, f"The body is longer than {max_bytes} bytes.")


def _content_type(request: Request) -> str:
    media_type, _, rest = request.headers.get("content-type", "").partition(";")
    charset = _CHARSET.search(rest)
    if charset and charset[1].lower() not in ("utf-8", "utf8"):
        raise Problem(415, "The body must be in UTF-8.")
    return media_type.strip().lower()


def _limited(request: Request, max_bytes: int) -> Any:
    """Return a ``receive`` that raises a 413 if the body is too long, whether or not its length was announced."""
    announced_length(request, max_bytes)
    remaining = max_bytes

    async def receive() -> Message:
        nonlocal remaining
        message = await request.receive()
        remaining -= len(message.get("body", b""))
        if remaining < 0:
            raise _too_long(max_bytes)
        return message

    return receive


def _json(body: bytes) -> dict[str, Any]:
    if not body.strip():
        raise Problem(400, "The body is empty; it must be a JSON object.")
    try:
        value = msgspec.json.decode(body)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as error:
        raise Problem(400, f"The body is not JSON: {error}.") from None
    if not isinstance(value, dict):
        raise Problem(400, "The body must be a JSON object.")
    return {name: _integer_if_whole(item) for name, item in value.items()}


def _integer_if_whole(value: Any) -> Any:
    # For JSON Schema 3.0 is an integer as well.
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _form(body: bytes) -> Items:
    if body.lstrip().startswith(b"{"):  # what curl sends for -d '{...}'
        raise Problem(400, f"The body looks like JSON, but its Content-Type is {FORM}; send Content-Type: {JSON}.")
    try:
        return parse_qsl(body.decode(), keep_blank_values=True, errors="strict", max_num_fields=_MAX_FIELDS)
    except ValueError:
        raise Problem(400, "The body is not a URL-encoded form in UTF-8.") from None


async def _multipart(request: Request, on_file: OnFile | None) -> Items:
    items: list[tuple[str, Any]] = []
    remaining = MAX_BODY_BYTES
    async for part in parts(request):
        if not part.is_file:
            text = await part.text(remaining)
            remaining -= len(text)
            items.append((part.name, text))
            continue
        if on_file:
            await on_file(part, items)
        items.append((part.name, FormFile(part.content_type)))
    return items


def _single_values(items: Items, struct: type[msgspec.Struct]) -> dict[str, Any]:
    """Return the values of a struct's fields; others are ignored. A field that is given twice is a 400."""
    values: dict[str, Any] = {}
    for name, value in items:
        if name in values:
            raise Problem(400, "This field is given more than once.", field=name)
        if name in struct.__struct_fields__:
            values[name] = value
    return values


def convert_form(items: Items, struct: type[S]) -> S:
    """Return a form's fields as a struct; an empty field counts as absent, since a form cannot express null."""
    values = {name: value for name, value in _single_values(items, struct).items() if value != ""}
    for field in _struct_fields(struct):
        # msgspec would accept 0 and 1 as well.
        if field.type is bool and str(values.get(field.name, "true")).lower() not in ("true", "false"):
            raise Problem(400, "Must be true or false.", field=field.name)
    return _convert(values, struct, strict=False)


def _convert(values: dict[str, Any], struct: type[S], *, strict: bool) -> S:
    """Return a struct made of the values; field by field, so that an error can name its field."""
    converted = {}
    for field in _struct_fields(struct):
        if field.name in values:
            converted[field.name] = _convert_field(values[field.name], field, strict=strict)
        elif field.required:
            raise Problem(400, "This field is required.", field=field.name)
    return struct(**converted)


def _convert_field(value: Any, field: msgspec.structs.FieldInfo, *, strict: bool) -> Any:
    try:
        return msgspec.convert(value, field.type, strict=strict)
    except msgspec.ValidationError as error:
        message = "Must be a valid UUID" if str(error) == "Invalid UUID" else str(error)
        raise Problem(400, f"{message}.", field=field.name) from None


@functools.cache
def _struct_fields(struct: type[msgspec.Struct]) -> tuple[msgspec.structs.FieldInfo, ...]:
    return msgspec.structs.fields(struct)
