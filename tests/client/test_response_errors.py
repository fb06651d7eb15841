"""Bodies as they really come: JSON and what only looks like it."""

from __future__ import annotations

import contextlib
import json
import math
import time
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from roe_magic import errors
from roe_magic.client.response_errors import decode_json, error_from
from roe_magic.errors import ProtocolError, RateLimitError, RoeAPIException

DEEP = 100_000
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=20,
)


@settings(deadline=None)
@given(JSON)
def test_json_is_read_exactly(value: Any) -> None:
    """Integers of any size included; with a byte order mark too."""
    body = json.dumps(value).encode()
    assert decode_json(body) == value
    assert decode_json(b"\xef\xbb\xbf" + body) == value


def test_what_only_python_writes_is_read() -> None:
    """NaN and Infinity tokens, and lone surrogates."""
    found = decode_json(b'{"a": NaN, "b": [Infinity, -Infinity], "c": "\\ud800"}')
    assert math.isnan(found["a"])
    assert found["b"] == [math.inf, -math.inf]
    assert found["c"] == "\ud800"


@pytest.mark.parametrize(
    ("body", "content_type", "message"),
    [
        (b"", "application/json", "sent application/json instead of JSON: an empty body"),
        (
            b"<html><head><title>Sign in</title></head><body>Hello</body></html>",
            "text/html",
            "a web page instead of JSON",
        ),
        (b'{"a": 1', "application/json", '{"a": 1'),
        (b'{"a": "\xff\xfe"}', "application/json", "instead of JSON"),
        (b"\0" * 100, "application/octet-stream", "application/octet-stream"),
        (b"[" * DEEP + b"]" * DEEP, "application/json", "nested too deep"),
        (b'{"a":' * DEEP + b"1" + b"}" * DEEP, "application/json", "nested too deep"),
    ],
    ids=["empty", "page", "cut", "bad utf-8", "zeros", "deep lists", "deep objects"],
)
def test_what_is_not_json_is_told_in_a_sentence(body: bytes, content_type: str, message: str) -> None:
    """A ProtocolError with the beginning of what came, and nothing else."""
    with pytest.raises(ProtocolError) as caught:
        decode_json(body, content_type)
    assert message in caught.value.message
    assert len(caught.value.message) < 400
    assert caught.value.__cause__ is None


@settings(deadline=None)
@given(st.binary(max_size=200), st.sampled_from(["application/json", "text/html", ""]))
def test_any_bytes_are_json_or_a_protocol_error(body: bytes, content_type: str) -> None:
    """No other exception escapes."""
    with contextlib.suppress(ProtocolError):
        json.dumps(decode_json(body, content_type))


@settings(deadline=None)
@given(st.integers(300, 599), st.binary(max_size=100) | JSON.map(lambda value: json.dumps(value).encode()))
def test_any_error_body_makes_a_readable_error(status: int, body: bytes) -> None:
    """Whatever it says, the error has the status and a message that ends somewhere."""
    error = error_from(status, body, "application/json")
    assert isinstance(error, RoeAPIException)
    assert error.status_code == status
    assert f"(HTTP {status})" in error.message
    assert len(error.message) < 2100


@pytest.mark.parametrize("depth", [10, 300, 600, 900, 990, DEEP])
@pytest.mark.parametrize(("left", "right"), [("[", "]"), ('{"a":', "}"), ('{"message":', "}")])
def test_a_nested_error_body_makes_an_error_too(depth: int, left: str, right: str) -> None:
    """At every depth, whether or not the decoder takes it."""
    error = error_from(500, (left * depth + '"deep"' + right * depth).encode(), "application/json")
    assert error.message.startswith("Server error (HTTP 500): ")


@pytest.mark.parametrize(
    ("payload", "message"),
    [
        ({"message": "a", "detail": "b"}, "a"),
        ({"message": "", "detail": "b"}, "b"),
        ({"detail": ["a", "b"]}, "a; b"),
        ({"error": {"code": 47, "message": "no such column"}}, "no such column"),
        ({"a": {"b": ["c"]}}, "a: b: c"),
        ({"rows": [{"x": ["bad"]}, {}]}, "rows: x: bad"),
        ("plain", "plain"),
        (["a", 1, None], "a; 1"),
    ],
)
def test_nested_messages_are_put_in_one_line(payload: Any, message: str) -> None:
    """Names are kept, brackets are not."""
    error = error_from(400, json.dumps(payload).encode(), "application/json")
    assert error.message == f"Bad request (HTTP 400): {message}"


@pytest.mark.parametrize("body", [b"<" * 4_000_000, b"<head " * 700_000, b"<script>" * 500_000, b"<!--" * 1_000_000])
def test_a_page_made_to_be_slow_is_not(body: bytes) -> None:
    """Four megabytes of open tags are given up in no time."""
    begun = time.monotonic()
    error_from(502, body, "text/html")
    assert time.monotonic() - begun < 2.0


def test_an_error_says_what_to_do_next() -> None:
    """And carries the query and the time to come back at."""
    error = error_from(429, b"", "", retry_after=7.0, query_id="q")
    assert isinstance(error, RateLimitError)
    assert (error.retry_after, error.query_id) == (7.0, "q")
    assert str(error).splitlines() == ["Too many requests (HTTP 429)", "Wait a moment, then run it again."]
    for status in (402, 413):
        assert error_from(status, b"", "").hint


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (400, errors.BadRequestError),
        (401, errors.AuthenticationError),
        (402, errors.InsufficientCreditsError),
        (403, errors.ForbiddenError),
        (404, errors.NotFoundError),
        (409, errors.ConflictError),
        (418, errors.RoeAPIException),
        (422, errors.BadRequestError),
        (429, errors.RateLimitError),
        (500, errors.ServerError),
        (599, errors.ServerError),
    ],
)
def test_each_status_has_its_class(status: int, kind: type[errors.RoeAPIException]) -> None:
    """Those of the official SDK."""
    assert type(error_from(status, b"", "")) is kind
