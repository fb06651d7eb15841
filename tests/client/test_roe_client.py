"""RoeClient, endpoint by endpoint, and the key that must be nowhere."""

from __future__ import annotations

import gc
import io
import json
import logging
import pickle
import re
import threading
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path
from types import TracebackType
from typing import Any
from uuid import UUID

import pytest
from IPython.core.ultratb import FormattedTB

from roe_magic.client import RoeClient
from roe_magic.client.connections import BearerAuth
from roe_magic.client.delivery import Delivery
from roe_magic.client.transport import Transport
from roe_magic.config.secret import Secret
from roe_magic.config.settings import Settings
from roe_magic.contract import codec, models
from roe_magic.errors import (
    AuthenticationError,
    BadRequestError,
    ConnectFailed,
    ForbiddenError,
    NotFoundError,
    ProtocolError,
    RoeError,
    ServerError,
    SubmitUncertain,
)
from roe_magic.query.running_query import RunningQuery
from tests.support.fake_clock import FakeClock
from tests.support.scripted_server import ScriptedServer, Step, answer, bytes_of, drip, free_port, hang, reset, send

KEY = "roe-canary-51c3f7"
WIRE = Path(__file__).parents[1] / "wire"
ORG = "5d9a6a3e-0c6e-4f1e-9a0b-6a2f3c4d5e6f"
ID = "3c90c3cc-0d44-4b50-8888-8dd25736052a"
SUBMIT, STATUS, RESULT = (
    "/v1/database/query/async/",
    f"/v1/database/query/{ID}/status/",
    f"/v1/database/query/{ID}/result/",
)
CANCEL = f"/v1/database/query/{ID}/cancel/"


def sample(name: str) -> Any:
    return json.loads((WIRE / f"{name}.json").read_text("utf-8"))


def client_of(server: ScriptedServer | str, **options: Any) -> RoeClient:
    """Make a client that waits for nobody."""
    url = server if isinstance(server, str) else server.url
    settings = Settings(base_url=url, api_key=Secret(KEY), **{"organization_id": ORG, "timeout": 60.0, **options})
    clock = FakeClock()
    return RoeClient(settings, transport=Transport(settings, clock=clock, wait=clock.wait))


@pytest.fixture
def server() -> Iterator[ScriptedServer]:
    with ScriptedServer() as started:
        yield started


@pytest.fixture
def client(server: ScriptedServer) -> Iterator[RoeClient]:
    with client_of(server) as made:
        yield made


# Submit


def test_a_submit_says_exactly_what_the_contract_describes(server: ScriptedServer, client: RoeClient) -> None:
    """The body has the three fields of the request, the organisation and worksheet stand in the query."""
    server.on("POST", SUBMIT, answer(sample("submit-200")))
    worksheet = UUID("7f1b0c1e-52b1-4f7a-9a63-0f0f1d3c2b11")
    query = client.submit(
        models.WorksheetQueryCreateRequest(query="SELECT 'é\U0001f600'", worksheet_id=worksheet, use_admin=True)
    )
    (request,) = server.journal
    assert request.json() == {"query": "SELECT 'é\U0001f600'", "worksheet_id": str(worksheet), "use_admin": True}
    assert request.params == {"organization_id": [ORG], "worksheet_id": [str(worksheet)]}
    assert request.headers["content-type"] == "application/json"
    assert request.headers["prefer"] == "wait=1"
    assert query == codec.parse(models.WorksheetQueryResponse, sample("submit-200"))


@pytest.mark.parametrize(
    "sql", ["SELECT 'é\U0001f600 \x00'", "SELECT '\ud800'"], ids=["text", "half of a surrogate pair"]
)
def test_sql_arrives_as_it_is_in_json(server: ScriptedServer, client: RoeClient, sql: str) -> None:
    """Whatever its characters are."""
    server.on("POST", SUBMIT, answer(sample("submit-200")))
    client.submit(sql)
    (request,) = server.got("POST")
    assert (request.json()["query"], request.headers["content-type"]) == (sql, "application/json")


def test_a_submit_without_options_leaves_the_choice_to_the_server(server: ScriptedServer) -> None:
    """No worksheet, no organisation, no wait."""
    server.on("POST", SUBMIT, answer(sample("submit-200-smallest")))
    with client_of(server, organization_id=None) as client:
        client.submit("SELECT 1", wait=0)
    (request,) = server.journal
    assert request.json() == {"query": "SELECT 1", "worksheet_id": None, "use_admin": False}
    assert request.params == {}
    assert "prefer" not in request.headers


LOST: dict[str, Step] = {
    "reset": reset(),
    "no answer": send(b""),
    "garbage": send(b"\0\0\0\0\r\n\r\n"),
    "cut": send(bytes_of(sample("submit-200"))[:-9]),
    "cut head": send(b"HTTP/1.1 200 OK\r\nContent"),
}


@pytest.mark.parametrize("fault", LOST.values(), ids=LOST)
def test_a_lost_answer_to_a_submit_is_uncertain_and_never_sent_again(fault: Step) -> None:
    """Exactly one POST, and an error that says how to find the query."""
    with ScriptedServer(fault, answer(sample("submit-200"))) as server, client_of(server) as client:
        with pytest.raises(SubmitUncertain) as caught:
            client.submit("INSERT INTO t VALUES (1)")
        assert len(server.got("POST")) == 1
    assert "may be running" in caught.value.message
    assert "%roe worksheets" in str(caught.value)


@pytest.mark.parametrize("slow", [hang(), drip(bytes_of(sample("submit-200")))], ids=["hang", "drip"])
def test_a_submit_that_takes_too_long_is_uncertain(slow: Step) -> None:
    """A POST's deadline ends in the same error: the server may have it."""
    with ScriptedServer(slow) as server, client_of(server, timeout=0.5) as client:
        with pytest.raises(SubmitUncertain, match=r"within 0\.5 s"):
            client.submit("SELECT 1", wait=0)
        assert len(server.got("POST")) == 1


def test_a_submit_that_the_server_holds_back_has_the_time_for_it() -> None:
    """The wait that was asked for comes on top of the request's own deadline."""
    whole = bytes_of(sample("submit-200"))
    slow = drip(whole, at_once=len(whole) - 16)  # 0.8 s
    with ScriptedServer(slow) as server, client_of(server, timeout=0.4) as client:
        assert client.submit("SELECT 1", wait=20).id == UUID(ID)


@pytest.mark.parametrize("status", [500, 502, 504])
def test_a_server_that_fails_at_a_submit_is_not_asked_again(status: int) -> None:
    """And the error says that the query may be running all the same."""
    with ScriptedServer(answer("", status), answer(sample("submit-200"))) as server, client_of(server) as client:
        with pytest.raises(ServerError, match="may be running") as caught:
            client.submit("SELECT 1")
        assert len(server.got("POST")) == 1
    assert "%roe worksheets" in str(caught.value)


def test_a_submit_that_was_refused_for_now_is_sent_again() -> None:
    """503 with Retry-After: one query comes of it."""
    busy = answer("", 503, {"Retry-After": "1"})
    with ScriptedServer(busy, busy, answer(sample("submit-200"))) as server, client_of(server) as client:
        assert client.submit("SELECT 1").id == UUID(ID)
        assert len(server.got("POST")) == 3


def test_a_submit_to_nobody_is_not_uncertain() -> None:
    """Nothing was sent, and the error says so by its kind."""
    with client_of(f"http://127.0.0.1:{free_port()}") as client, pytest.raises(ConnectFailed):
        client.submit("SELECT 1")


@pytest.mark.parametrize(
    "body", [sample("submit-200-as-published"), {}, [], "<html>", None, {**sample("submit-200"), "id": 5}]
)
def test_an_answer_that_is_no_query_is_a_protocol_error(server: ScriptedServer, client: RoeClient, body: Any) -> None:
    """The documentation's own slip too; the query may be running, and the error says so."""
    server.on("POST", SUBMIT, answer(body))
    with pytest.raises(ProtocolError, match="may be running"):
        client.submit("SELECT 1")
    assert len(server.journal) == 1


def test_a_refused_submit_has_the_servers_words(server: ScriptedServer, client: RoeClient) -> None:
    """400 {message} of the contract."""
    server.on("POST", SUBMIT, answer({"message": "The query is empty."}, 400))
    with pytest.raises(BadRequestError, match="The query is empty"):
        client.submit(" ")


# Status


def test_a_status_is_asked_as_it_is(server: ScriptedServer, client: RoeClient) -> None:
    """No header of ours when no wait is asked for."""
    server.on("GET", STATUS, answer(sample("status-200")))
    assert client.status(ID).status == "SUCCESS"
    (request,) = server.journal
    assert request.params == {"organization_id": [ORG]}
    assert "prefer" not in request.headers
    assert request.headers["accept"] == "application/json"


def test_a_wait_is_trusted_only_when_the_server_says_so(server: ScriptedServer, client: RoeClient) -> None:
    """Preference-Applied, not the time it took."""
    plain, applied = answer(sample("status-200")), answer(sample("status-200"), headers={"Preference-Applied": "wait"})
    server.on("GET", STATUS, plain, applied)
    assert [seen.waited for _ in range(2) for seen in client.follow(ID)] == [False, True]
    assert server.journal[0].headers["prefer"] == "wait=25"


def test_a_stream_of_states_is_read_line_by_line(server: ScriptedServer, client: RoeClient) -> None:
    """Lines may be cut anywhere, blank, or without an end."""
    lines = [{"worksheet_query_id": ID, "status": word} for word in ("PENDING", "STARTED", "SUCCESS")]
    body = "\n".join([json.dumps(lines[0]), "", json.dumps(lines[1]), "", json.dumps(lines[2])]).encode()
    pieces = b"".join(b"%x\r\n%s\r\n" % (len(part), part) for part in (body[:7], body[7:90], body[90:])) + b"0\r\n\r\n"
    head = (
        b"HTTP/1.1 200 OK\r\nContent-Type: application/x-ndjson\r\n"
        b"Preference-Applied: wait=25\r\nTransfer-Encoding: chunked\r\n\r\n"
    )
    server.on("GET", STATUS, send(head + pieces, keep=True))
    assert [(seen.status.status, seen.waited) for seen in client.follow(ID)] == [
        ("PENDING", True),
        ("STARTED", True),
        ("SUCCESS", True),
    ]


@pytest.mark.parametrize("line", [b"{", b"\xff", b"[" * 100_000, b"{}", b"null"])
def test_a_stream_that_holds_nonsense_is_a_protocol_error(
    server: ScriptedServer, client: RoeClient, line: bytes
) -> None:
    """After the good lines were told."""
    good = json.dumps({"worksheet_query_id": ID, "status": "STARTED"}).encode()
    server.on("GET", STATUS, answer(good + b"\n" + line + b"\n", content_type="application/x-ndjson"))
    seen = client.follow(ID)
    assert next(seen).status.status == "STARTED"
    with pytest.raises(ProtocolError):
        next(seen)


def test_a_status_of_another_query_is_refused(server: ScriptedServer, client: RoeClient) -> None:
    """Asked about one, answered about another: both are named."""
    other = "00000000-0000-4000-8000-000000000000"
    server.on("GET", STATUS, answer({"worksheet_query_id": other, "status": "SUCCESS"}))
    with pytest.raises(ProtocolError) as caught:
        client.status(ID)
    assert ID in caught.value.message
    assert other in caught.value.message
    assert caught.value.query_id == ID


@pytest.mark.parametrize(
    ("status", "kind"), [(401, AuthenticationError), (403, ForbiddenError), (404, NotFoundError), (500, ServerError)]
)
def test_an_error_about_a_query_carries_its_id(
    server: ScriptedServer, client: RoeClient, status: int, kind: type[RoeError]
) -> None:
    """For the status and for the result."""
    server.on("GET", STATUS, answer("", status)).on("GET", RESULT, answer("", status))
    calls: list[Callable[[str], Any]] = [client.status, client.result]
    for call in calls:
        with pytest.raises(kind) as caught:
            call(ID)
        assert caught.value.query_id == ID


def test_a_path_holds_no_more_than_one_segment_of_what_it_is_given(server: ScriptedServer, client: RoeClient) -> None:
    """A name or an id with slashes, dots or a query reaches no other endpoint."""
    for name in ("../../users", "a/b", "a?b=c", "a#b", "ü", "%2e%2e"):
        with pytest.raises(NotFoundError):
            client.describe(name)
        assert server.journal[-1].path.count("/") == 5, server.journal[-1].target


# Result, cancel and the rest


def test_a_result_may_be_asked_for_as_arrow_or_json(server: ScriptedServer, client: RoeClient) -> None:
    """By Accept alone; the body is read by the caller."""
    server.on("GET", RESULT, answer(sample("result-200")))
    assert client.result(ID).json() == sample("result-200")
    assert client.result(ID, arrow=False).content_type == "application/json"
    assert [request.headers["accept"] for request in server.journal] == [
        "application/vnd.apache.arrow.stream, application/json;q=0.9",
        "application/json",
    ]


@pytest.mark.parametrize("status", [404, 405, 501])
def test_a_server_without_cancel_is_no_error(server: ScriptedServer, client: RoeClient, status: int) -> None:
    """The published API has none: None says so."""
    server.on("POST", CANCEL, answer("", status)).on("GET", STATUS, answer(sample("status-200-smallest")))
    assert client.cancel(ID) is None


def test_cancelling_a_query_that_is_not_there_is_an_error(client: RoeClient) -> None:
    """A 404 of the query is told apart from a 404 of the endpoint."""
    with pytest.raises(NotFoundError):
        client.cancel(ID)


def test_a_cancel_gives_the_status(server: ScriptedServer, client: RoeClient) -> None:
    """Where the server offers it."""
    server.on("POST", CANCEL, answer(sample("status-200-revoked")))
    assert client.cancel(ID) == codec.parse(models.QueryStatus, sample("status-200-revoked"))


def test_worksheets_are_listed_bare_or_in_a_page(server: ScriptedServer, client: RoeClient) -> None:
    """Django REST framework may wrap a list in {results}."""
    worksheet = sample("submit-200")["worksheet"]
    server.on("GET", "/v1/worksheets/", answer([worksheet]), answer({"count": 1, "results": [worksheet]}), answer({}))
    assert client.worksheets() == client.worksheets()
    with pytest.raises(ProtocolError, match="not a list of Worksheet"):
        client.worksheets()
    server.on("POST", "/v1/worksheets/", answer(worksheet, 201))
    assert client.create_worksheet("Untitled").id == UUID(worksheet["id"])
    assert server.got("POST")[0].json() == {"name": "Untitled"}
    queries = f"/v1/worksheets/{worksheet['id']}/queries/"
    server.on("GET", queries, answer([sample("submit-200-finished"), sample("submit-200-smallest")]))
    assert [query.query_task_status for query in client.worksheet_queries(worksheet["id"])] == ["SUCCESS", None]


def test_tables_are_listed_described_previewed_and_deleted(server: ScriptedServer, client: RoeClient) -> None:
    """Each by its published path."""
    server.on("GET", "/v1/tables/", answer(sample("tables-200")))
    server.on("GET", "/v1/tables/flights/describe/", answer(sample("describe-200")))
    server.on("GET", "/v1/tables/flights/preview/", answer(sample("preview-200")))
    server.on("DELETE", "/v1/tables/flights/", answer("", 204))
    assert [table.name for table in client.tables()] == ["flights", "leer"]
    assert client.describe("flights").row_count == 336776
    assert client.preview("flights", 2).rows[1] == {"year": 2013, "dest": None}
    assert server.journal[-1].params["limit"] == ["2"]
    client.delete("flights")
    assert client.has_table("flights")
    assert not client.has_table("nothing")


def test_an_upload_is_the_documented_multipart_form(server: ScriptedServer, client: RoeClient) -> None:
    """table_name, with_headers, organization_id and the file."""
    server.on("POST", "/v1/tables/upload/", answer(sample("upload-201"), 201))
    done = client.upload("flights", io.BytesIO(b"a,b\n1,2\n"), with_headers=False)
    assert done.table_name == "flights"
    (request,) = server.journal
    parts = re.findall(rb'name="(\w+)"(?:; filename="([^"]+)")?[^\r]*\r\n(?:Content-Type: [^\r]+\r\n)?\r\n(.*?)\r\n--',
                       request.body, re.DOTALL)  # fmt: skip  # a table of the form
    assert parts == [
        (b"table_name", b"", b"flights"),
        (b"with_headers", b"", b"false"),
        (b"organization_id", b"", ORG.encode()),
        (b"file", b"flights.csv", b"a,b\n1,2\n"),
    ]


def test_the_caller_is_known(server: ScriptedServer, client: RoeClient) -> None:
    """current_user."""
    server.on("GET", "/v1/users/current_user/", answer(sample("user-200")))
    assert client.current_user().display_name == "Ann Lee"


# The key


FAULTS: dict[str, Step] = {
    "reset": reset(),
    "cut": LOST["cut"],
    "401": answer({"detail": "Invalid token."}, 401),
    "500": answer("<html>oops</html>", 500, content_type="text/html"),
    "redirect": answer("", 302, {"Location": "https://elsewhere.test/"}),
    "not the contract": answer({"id": 1}),
    "not gzip": answer(b"x", headers={"Content-Encoding": "gzip"}),
    "hang": hang(),
    "failed": answer({**sample("submit-200"), "query_task_status": "FAILURE", "error": "no"}),
}
MODES = tuple(FormattedTB().valid_modes)  # type: ignore[no-untyped-call]  # IPython's


def rendered(error: BaseException, *modes: str) -> str:
    """Render an exception in IPython's modes and in Python's own way, without colours."""
    texts = ["".join(traceback.format_exception(error)), repr(error), str(vars(error))]
    for mode in modes:
        made = FormattedTB(mode=mode).text(type(error), error, error.__traceback__)  # type: ignore[no-untyped-call]  # IPython's
        texts.append(re.sub(r"\x1b\[[0-9;]*m", "", made))
    return "\n".join(texts)


def reachable(error: BaseException | None, but: tuple[str, ...] = (__file__,)) -> Iterator[str]:
    """Yield the repr of every local variable in every frame of an exception and of those behind it."""
    while error is not None:
        yield from (repr(error.args), repr(vars(error)))
        frames: TracebackType | None = error.__traceback__
        while frames is not None:
            if frames.tb_frame.f_code.co_filename not in but:
                yield from (f"{name}={value!r}" for name, value in frames.tb_frame.f_locals.items())
            frames = frames.tb_next
        error = error.__cause__ or error.__context__


def error_in(call: Callable[[], Any]) -> RoeError | None:
    try:
        call()
    except RoeError as error:
        return error
    return None


def leak() -> None:
    headers = {"Authorization": f"Bearer {KEY}"}
    raise ValueError(len(headers))


def test_a_leak_would_be_seen() -> None:
    """The check of the next tests finds a key in a local variable, as the HTTP library's frames hold it."""
    with pytest.raises(ValueError, match="1") as caught:
        leak()
    assert KEY in rendered(caught.value, "Verbose")
    assert [text for text in reachable(caught.value, but=()) if KEY in text]


@pytest.mark.parametrize("fault", FAULTS.values(), ids=FAULTS)
def test_no_error_shows_the_key(fault: Step, caplog: pytest.LogCaptureFixture) -> None:
    """Not in its text, its variables, any %xmode, a pickle, what is behind it, or a log at DEBUG."""
    caplog.set_level(logging.DEBUG)
    with ScriptedServer(fault) as server, client_of(server, timeout=0.4, max_retries=0) as client:
        running = RunningQuery(client, "SELECT 1", wait=0, pause=lambda _: None).start()
        calls: list[Callable[[], Any]] = [
            lambda: running.wait(60),
            lambda: client.result(ID).json(),
            lambda: client.upload("t", io.BytesIO(b"a")),
        ]
        errors = list(filter(None, map(error_in, calls)))
        assert len(errors) >= 2
        for error in errors:
            text = rendered(error, *(MODES if error is errors[0] else ("Verbose",)))
            assert KEY not in text
            assert not [part for part in reachable(error) if KEY in part]
            again = pickle.loads(pickle.dumps(error))
            assert KEY.encode() not in pickle.dumps(error)
            assert (type(again), str(again), vars(again).keys()) == (type(error), str(error), vars(error).keys())
        assert KEY not in repr(client) + repr(running) + repr(running.state)
        assert all(f"Bearer {KEY}" == request.headers["authorization"] for request in server.journal)
    assert "urllib3" in caplog.text
    assert KEY not in caplog.text


def test_a_connection_error_shows_no_key(caplog: pytest.LogCaptureFixture) -> None:
    """Where no server is, too."""
    caplog.set_level(logging.DEBUG)
    with client_of(f"http://127.0.0.1:{free_port()}") as client, pytest.raises(ConnectFailed) as caught:
        client.submit("SELECT 1")
    assert KEY not in rendered(caught.value, *MODES) + caplog.text
    assert not [text for text in reachable(caught.value) if KEY in text]


def test_no_repr_shows_the_key(client: RoeClient) -> None:
    """Of the client, or of anything that it is made of."""
    header = BearerAuth(client.settings.api_key, Delivery())._header
    seen = [client, client.settings, client._transport, vars(client._transport), client._transport._adapter]
    assert not [thing for thing in (*seen, header, vars(header)) if KEY in repr(thing)]
    with pytest.raises(TypeError):
        pickle.dumps(client)


def test_many_threads_submit_each_their_own_query() -> None:
    """One client, thirty threads: every query is submitted once, and every answer reaches the thread that asked."""

    wrong: list[str] = []

    def submit(client: RoeClient, number: int) -> None:
        for part in range(5):
            sql = f"SELECT {number}, {part}"
            if client.submit(sql).query != sql:
                wrong.append(sql)

    with ScriptedServer() as server, client_of(server) as client:
        server.script = lambda request: answer({**sample("submit-200-smallest"), "query": request.json()["query"]})
        threads = [threading.Thread(target=submit, args=(client, number)) for number in range(30)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(120)
        assert not wrong
        assert len({request.json()["query"] for request in server.journal}) == len(server.journal) == 150
    gc.collect()  # an unclosed connection would be a warning, and so an error
