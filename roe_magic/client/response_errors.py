"""Response bodies decoded from JSON, and error statuses as exceptions with one readable message.

An error body may have any of the shapes that Django REST framework and proxies send: ``{message}``, ``{detail}``,
``{error}``, ``{field: [messages]}``, a list of messages, or a web page.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

import msgspec

from roe_magic import errors
from roe_magic.errors import ProtocolError, RoeAPIException
from roe_magic.json_limits import MAX_VALUES, count_values, is_too_deep

_MESSAGE_LIMIT = 2000
_BY_STATUS: Mapping[int, type[RoeAPIException]] = {
    400: errors.BadRequestError,
    401: errors.AuthenticationError,
    402: errors.InsufficientCreditsError,
    403: errors.ForbiddenError,
    404: errors.NotFoundError,
    409: errors.ConflictError,
    422: errors.BadRequestError,
    429: errors.RateLimitError,
}
_TITLES = {
    400: "Bad request",
    401: "Authentication",
    402: "Payment required",
    403: "Forbidden",
    404: "Not found",
    409: "Conflict",
    422: "Bad request",
    429: "Too many requests",
}
_HINTS = {
    402: "Ask your organisation's admin about credits.",
    413: "Send a shorter query or a smaller file.",
    429: "Wait a moment, then run it again.",
}


def decode_json(body: bytes, content_type: str = "application/json") -> Any:
    """Return a decoded JSON body.

    Raises
    ------
    ProtocolError
        It is not JSON, and the message says what it is; or it has so many values that they would fill the memory, or
        such deep ones that they could not be copied.
    """
    text = body.removeprefix(b"\xef\xbb\xbf")
    if count_values(text) > MAX_VALUES:
        raise ProtocolError(f"The server's response has more than {MAX_VALUES:,} values; it was not read.")
    try:
        value = _decode(text)
    except ValueError:
        raise ProtocolError(
            f"The server sent {_media_type_in_words(content_type)} instead of JSON: {_snippet(body)}",
            hint="Check ROE_BASE_URL: is this address Roe's API?",
        ) from None
    except RecursionError:
        is_readable = False
    else:
        is_readable = not is_too_deep(value)
    if not is_readable:
        raise ProtocolError("The server's response is JSON that is nested too deeply to be read.")
    return value


def _decode(text: bytes) -> Any:
    try:
        return msgspec.json.decode(text)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return json.loads(text)  # the standard library alone reads NaN, Infinity and lone surrogates


def error_from(
    status: int, body: bytes, content_type: str, *, retry_after: float | None = None, query_id: str | None = None
) -> RoeAPIException:
    """Return the exception for an error status, whatever shape its body has."""
    kind = _BY_STATUS.get(status, errors.ServerError if status >= 500 else RoeAPIException)
    payload = None
    try:
        payload = decode_json(body, content_type)
        message = "; ".join(_messages(payload))
    except (ProtocolError, RecursionError):
        message = _snippet(body) if body.strip() else ""
    return kind(
        f"{_title(status)}: {message[:_MESSAGE_LIMIT]}" if message else _title(status),
        status,
        payload,
        retry_after=retry_after,
        hint=_HINTS.get(status),
        query_id=query_id,
    )


def _title(status: int) -> str:
    return f"{_TITLES.get(status) or ('Server error' if status >= 500 else 'Refused')} (HTTP {status})"


def _messages(payload: Any) -> Iterator[str]:
    """Yield the readable messages of an error body."""
    if isinstance(payload, str):
        yield payload
    elif isinstance(payload, list):
        for item in payload:
            yield from _messages(item)
    elif isinstance(payload, Mapping):
        named = [payload[name] for name in ("message", "detail", "error") if payload.get(name)]
        if named:
            yield from _messages(named[0])
            return
        for name, value in payload.items():
            inner = "; ".join(_messages(value))
            if inner:
                yield inner if name == "non_field_errors" else f"{name}: {inner}"
    elif payload is not None:
        yield str(payload)


def _snippet(body: bytes) -> str:
    """Return the first words of a body that is not JSON, such as the HTML page of a proxy."""
    if b"\0" in body[:4000]:
        return "bytes that are no text"
    # Cut first: the regular expressions need quadratic time on a page of nothing but "<".
    text = body[:4000].decode("utf-8", errors="replace")
    text = re.sub(r"(?is)<(script|style|head)\b.*?</\1\s*>", lambda m: _page_title(m.group()), text)
    words = " ".join(re.sub(r"(?s)<[^>]*>", " ", text).split())
    return words[:200] + ("…" if len(words) > 200 else "") or "an empty body"


def _page_title(markup: str) -> str:
    found = re.search(r"(?is)<title[^>]*>(.*?)</title>", markup)
    return found.group(1) + ". " if found else " "


def _media_type_in_words(content_type: str) -> str:
    return {"text/html": "a web page", "": "something"}.get(content_type, content_type)
