"""Responses that a fuzzer made: nothing but errors of ours, no response that takes long, and no process that ends.

Good responses are changed, in their values or in their bytes, and others are made up. Each goes through the client and
real sockets, as the response to a submit, a status, its lines, or a result.
"""

from __future__ import annotations

import copy
import json
import pickle
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from roe_magic.client import RoeClient
from roe_magic.config.secret import Secret
from roe_magic.config.settings import Settings
from roe_magic.errors import RoeError
from roe_magic.query import download
from roe_magic.query.query_state import QueryState
from roe_magic.query.statement_result import StatementResult
from roe_magic.query.worksheet_query import WorksheetQuery
from tests.faults.conftest import Record
from tests.support.endpoint_calls import DONE, ID
from tests.support.fuzzed_arrow import outcomes
from tests.support.scripted_server import ScriptedServer, answer
from tests.wire.test_wire import sample

SUBMIT, STATUS = sample("submit-200"), sample("status-200") | {"progress": {"read_rows": 1, "elapsed_ns": 1}}
RESULT = sample("result-200") | {"worksheet_query_id": str(ID)}
# What is odd as a value anywhere.
ODD = st.sampled_from(
    [
        *(None, True, "", "\ud800", "\udfff\x00", "x" * 10_000, [], {}, [[]], {"": None}, -1, 2**64, 10**30, 1e308),
        *(
            "0001-01-01T00:00:00+14:00",
            "9999-12-31T23:59:59-12:00",
            "Array(",
            "Tuple(" * 200,
            "Decimal(99, 1)",
            "Enum8()",
        ),
        *(
            "DateTime('Nowhere/Land')",
            "Nested(a Int8)",
            "Nullable(Array(Map(String, Tuple(a Int8))))",
            [{"a": {"b": [1]}}],
        ),
    ]
)
VALUES = st.recursive(
    ODD | st.integers() | st.text(max_size=5), lambda inner: st.lists(inner, max_size=3), max_leaves=5
)
SELDOM = st.sampled_from([0] * 8 + [1])
MEDIA_TYPES = st.sampled_from(
    ["application/json", "application/x-ndjson", "text/html", "", "application/json; charset=x"]
)


def places(value: Any) -> Iterator[tuple[Any, Any]]:
    """Yield each place inside a JSON value: the list or object, and the index or key."""
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, item in items:
        yield value, key
        yield from places(item)


@st.composite
def bodies(draw: st.DrawFn, good: Any) -> bytes:
    """Draw a body: the good one with other values and fewer fields, sometimes with other bytes, or cut."""
    value = copy.deepcopy(good)
    for _ in range(draw(st.integers(0, 3))):
        holder, key = draw(st.sampled_from(list(places(value))))
        if draw(st.integers(0, 4)):
            holder[key] = copy.deepcopy(draw(VALUES))
        else:
            del holder[key]
        if not value:
            break
    data = bytearray(json.dumps(value).encode())
    for _ in range(draw(SELDOM)):
        position = draw(st.integers(0, len(data)))
        new = draw(st.binary(max_size=4) | st.sampled_from([b"[", b'"', b"}"]))
        data[position : position + draw(st.integers(0, 4))] = new
    return bytes(data[: len(data) // 2] if draw(SELDOM) else data)


@pytest.fixture(scope="module")
def conversation() -> Iterator[tuple[ScriptedServer, RoeClient]]:
    """Return a server that says what a test wants, and a client that sends nothing twice."""
    with ScriptedServer() as server:
        client = RoeClient(Settings(base_url=server.url, api_key=Secret("roe-key-of-a-test"), max_retries=0))
        yield server, client
        client.close()


def use_submit(client: RoeClient) -> None:
    submitted, rows = download.split_enclosed(client.submit("SELECT 1"))
    show(WorksheetQuery(submitted))
    if rows is not None:
        download.read_enclosed(rows, submitted.id, None, "SELECT 1")


def use_status(client: RoeClient) -> None:
    for update in client.follow(ID):
        state = QueryState(sql="SELECT 1", last_status=update.status, statements=[])
        assert state.running is None or state.running.total_seconds() >= 0
        show(WorksheetQuery.of(state), submitted=False)


def use_result(client: RoeClient) -> None:
    result = download.read(client, ID, max_bytes=None, on_progress=lambda _: None, retries=0, stop=threading.Event())
    for statement in result.results or []:
        rows = StatementResult(statement, {"id": str(ID)})
        rows.df()
        rows.head()
        (rows._repr_html_() + repr(rows)).encode()


def show(query: WorksheetQuery, *, submitted: bool = True) -> None:
    """Use a query as a notebook does."""
    if submitted:
        (repr(query) + repr(query.to_frame())).encode()
        assert pickle.loads(pickle.dumps(query)) == query
    assert query.duration is None or query.duration.total_seconds() >= 0


def say(server: ScriptedServer, body: bytes, content_type: str, status: int) -> None:
    server.script = lambda _: answer(body, status, {"Content-Type": content_type})


def check(use: Callable[[RoeClient], None], client: RoeClient) -> None:
    """Use a response; let nothing pass but errors of ours, whose texts can be printed, and within seconds."""
    started, message = time.monotonic(), ""
    try:
        use(client)
    except RoeError as error:
        message = str(error)
    assert len(message.encode()) < 20_000
    assert time.monotonic() - started < 20


BOUNDED = settings(
    max_examples=150,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture, HealthCheck.data_too_large],
)
STATUS_CODES = st.sampled_from([*[200] * 20, 201, 202, 204, 400, 418, 500])
Conversation = tuple[ScriptedServer, RoeClient]


@BOUNDED
@given(body=bodies(SUBMIT), content_type=MEDIA_TYPES, status=STATUS_CODES)
def test_any_response_to_a_submit(conversation: Conversation, body: bytes, content_type: str, status: int) -> None:
    """A query that can be shown, framed and pickled, or an error."""
    say(conversation[0], body, content_type, status)
    check(use_submit, conversation[1])


@BOUNDED
@given(body=bodies(STATUS), content_type=MEDIA_TYPES, status=STATUS_CODES)
def test_any_status(conversation: Conversation, body: bytes, content_type: str, status: int) -> None:
    """A state, or an error."""
    say(conversation[0], body, content_type, status)
    check(use_status, conversation[1])


@BOUNDED
@given(lines=st.lists(bodies(STATUS) | st.binary(max_size=20), max_size=5))
def test_any_lines_of_statuses(conversation: Conversation, lines: list[bytes]) -> None:
    """States until a line is wrong, then an error."""
    say(conversation[0], b"\n".join(lines), "application/x-ndjson", 200)
    check(use_status, conversation[1])


@pytest.mark.filterwarnings("ignore::roe_magic.frames.TypeFallbackWarning")
@BOUNDED
@given(body=bodies(RESULT), content_type=MEDIA_TYPES, status=STATUS_CODES)
def test_any_result_in_json(conversation: Conversation, body: bytes, content_type: str, status: int) -> None:
    """Rows that become DataFrames and HTML, or an error."""
    say(conversation[0], body, content_type, status)
    check(use_result, conversation[1])


@BOUNDED
@given(body=st.binary(max_size=200) | bodies(RESULT))
def test_what_is_no_arrow(conversation: Conversation, body: bytes) -> None:
    """An error, whatever it is."""
    say(conversation[0], body, "application/vnd.apache.arrow.stream", 200)
    with pytest.raises(RoeError):
        use_result(conversation[1])


def refused_or_read(seed: int, count: int) -> tuple[list[str], bool]:
    """Return what came of changed Arrow results that should not have, and whether some were read."""
    found = outcomes(seed, count)
    return sorted(found.keys() - {"rows", "ProtocolError", "ResultTooLarge"}), found.get("rows", 0) > count // 20


def test_changed_arrow_is_an_error_or_rows(seen: Record) -> None:
    """A wrong offset, length, name, digit or time never ends the process, nor is it another error when it is used."""
    seen("400 results in Arrow with other bytes", ([], True), refused_or_read(1, 400))


@pytest.mark.exhaustive
@pytest.mark.timeout(1200)
@pytest.mark.parametrize("seed", range(100, 110))
def test_much_changed_arrow_is_an_error_or_rows(seed: int) -> None:
    """The same with 5,000 results for each of ten seeds."""
    assert refused_or_read(seed, 5000) == ([], True)


def test_the_bodies_are_good_before_they_are_changed(conversation: Conversation) -> None:
    """So that the fuzzer begins with what the client accepts."""
    server, client = conversation
    for good, use in ((SUBMIT, use_submit), (STATUS | DONE, use_status), (RESULT, use_result)):
        say(server, json.dumps(good).encode(), "application/json", 200)
        use(client)
