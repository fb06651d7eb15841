"""Reading the bodies of answers: JSON as it really comes, and error bodies in every shape as one sentence."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

import msgspec

from roe_magic import errors
from roe_magic.errors import ProtocolError, RoeAPIException

_LONGEST_MESSAGE = 2000
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
_HINTS = {
    402: "Ask your organisation's admin about credits.",
    413: "Send less at once.",
    429: "Wait a moment, then run it again.",
}


def decode_json(body: bytes, content_type: str = "application/json") -> Any:
    """Decode a JSON body.

    Raises
    ------
    ProtocolError
        It is not JSON; the message begins with what it is.
    """
    text = body.removeprefix(b"\xef\xbb\xbf")
    try:
        return msgspec.json.decode(text)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        pass
    try:
        # NaN, Infinity and lone surrogates, which only this decoder reads.
        return json.loads(text)
    except RecursionError:
        raise ProtocolError("The server's answer is JSON nested too deep to be read.") from None
    except (ValueError, UnicodeDecodeError):
        raise ProtocolError(
            f"The server answered {_what(content_type)} where JSON was expected: {_snippet(body)}",
            hint="Check ROE_BASE_URL: is this address Roe's API?",
        ) from None


def error_of(
    status: int, body: bytes, content_type: str, *, retry_after: float | None = None, query_id: str | None = None
) -> RoeAPIException:
    """Make the exception of an error status, whatever shape its body has."""
    kind = _BY_STATUS.get(status, errors.ServerError if status >= 500 else RoeAPIException)
    payload = None
    try:
        payload = decode_json(body, content_type)
        message = "; ".join(_sentences(payload))
    except (ProtocolError, RecursionError):
        message = _snippet(body) if body.strip() else ""
    return kind(
        f"{_title(status)}: {message[:_LONGEST_MESSAGE]}" if message else _title(status),
        status,
        payload,
        retry_after=retry_after,
        hint=_HINTS.get(status),
        query_id=query_id,
    )


def _title(status: int) -> str:
    words = {402: "Payment required", 429: "Too many requests"}
    kind = _BY_STATUS.get(status)
    name = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", kind.__name__.removesuffix("Error")).capitalize() if kind else ""
    return f"{words.get(status) or name or ('Server error' if status >= 500 else 'Refused')} (HTTP {status})"


def _sentences(payload: Any) -> Iterator[str]:
    """Yield the readable parts of an error body: {message}, {detail}, {error}, {field: [..]}, [..] or a string."""
    if isinstance(payload, str):
        yield payload
    elif isinstance(payload, list):
        for item in payload:
            yield from _sentences(item)
    elif isinstance(payload, Mapping):
        named = [payload[name] for name in ("message", "detail", "error") if payload.get(name)]
        if named:
            yield from _sentences(named[0])
            return
        for name, value in payload.items():
            inner = "; ".join(_sentences(value))
            if inner:
                yield inner if name == "non_field_errors" else f"{name}: {inner}"
    elif payload is not None:
        yield str(payload)


def _snippet(body: bytes) -> str:
    """Take the words out of a body that is not JSON, an HTML page of a proxy, say."""
    # Short, because a page of nothing but "<" takes the square of its length.
    text = body[:4000].decode("utf-8", errors="replace")
    text = re.sub(r"(?is)<(script|style|head)\b.*?</\1\s*>", lambda m: _page_title(m.group()), text)
    words = " ".join(re.sub(r"(?s)<[^>]*>", " ", text).split())
    return words[:200] + ("…" if len(words) > 200 else "") or "an empty body"


def _page_title(markup: str) -> str:
    found = re.search(r"(?is)<title[^>]*>(.*?)</title>", markup)
    return found.group(1) + ". " if found else " "


def _what(content_type: str) -> str:
    return {"text/html": "a web page", "": "something"}.get(content_type, content_type)
