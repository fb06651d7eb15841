"""Every path on which a text of a server leaves: it is clean, short, without the key, and names what is hidden."""

from __future__ import annotations

import io
import json
import logging
import pickle
import re
import traceback
import warnings
from collections.abc import Callable, Iterator
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from typing import Any
from uuid import UUID

import pyarrow as pa
import pytest
from IPython.utils.capture import capture_output

from roe_magic import cli, errors
from roe_magic.client import RoeClient
from roe_magic.config.secret import Secret
from roe_magic.config.settings import Settings
from roe_magic.contract import models
from roe_magic.errors import QueryInterrupted, RoeAPIException, RoeError, UploadInterrupted
from roe_magic.formatting import clean, clean_message, conceal
from roe_magic.frames.arrow_types import warn_fallback
from roe_magic.magic.catalogue import is_offered
from roe_magic.magic.completion import complete
from roe_magic.magic.error_display import full_rendering
from roe_magic.panel.display import Display
from roe_magic.panel.widget import Panel
from roe_magic.query.running_query import AttachedQuery, RunningQuery
from tests.faults.conftest import Record
from tests.support import hostile_text as evil
from tests.support.hostile_text import HOSTILE, KEY, LONG, hostile_server, problems_in
from tests.support.html_page import Page
from tests.support.scripted_server import ScriptedServer, Step, answer, send
from tests.support.shells import Shell, shell

TEXTS = {"every trick": HOSTILE, "1 MB": LONG}
QUERIES = "/v1/database/query/async/"
# A name that is cut keeps its first hidden characters, which are named so.
NAMED = "<U+001B>"
# A table has many texts; in those of the commands, a text of the server takes up to 10,000 characters.
TABLES = 100_000


@pytest.fixture(params=TEXTS.values(), ids=TEXTS)
def text(request: pytest.FixtureRequest) -> str:
    chosen: str = request.param
    return chosen


@pytest.fixture
def server(text: str) -> Iterator[ScriptedServer]:
    with hostile_server(text) as running:
        yield running


@pytest.fixture
def notebook(server: ScriptedServer, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Shell]:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "rows.csv").write_text("a\n1\n")
    environment = {"ROE_BASE_URL": server.url, "ROE_API_KEY": KEY, "ROE_MAX_RETRIES": "0", "ROE_TIMEOUT": "60"}
    with shell(monkeypatch, environment, tmp_path) as running:
        yield running


def outputs(notebook: Shell, code: str) -> list[str]:
    """Run a cell and return every text that it prints, displays in any form, or raises."""
    with capture_output() as captured:
        done = notebook.ipython.run_cell(code, store_history=False)
    error = done.error_before_exec or done.error_in_exec
    shown = [text for output in captured.outputs for text in output.data.values()]
    told = [] if error is None else [str(error), repr(error), *map(str, error.args), str(getattr(error, "hint", ""))]
    for page in (output.data["text/html"] for output in captured.outputs if "text/html" in output.data):
        assert {"script", "img"}.isdisjoint(Page(page).tags)
    return [captured.stdout, captured.stderr, *shown, *told]


def check(seen: Record, fault: str, texts: list[str], *, longest: int = evil.LONGEST, named: str = NAMED) -> None:
    """Note a row of the table: what was wrong with the texts; they do show what the server said."""
    assert named in "".join(texts)
    seen(f"text: {fault}", [], sorted({problem for each in texts for problem in problems_in(each, longest=longest)}))


# What commands and cells show

COMMANDS = {
    "%roe connect": "%roe connect",
    "%roe whoami": "%roe whoami",
    "%roe tables": "%roe tables",
    "%roe worksheets": "%roe worksheets",
    "the queries of a worksheet": f"%roe worksheets {evil.WORKSHEET}",
    "a worksheet that does not exist": "%roe worksheets nothing",
    "%roe status": f"%roe status {evil.ID}",
    "%roe result": f"%roe result {evil.ID}",
    "%roe upload": "%roe upload t rows.csv",
    "a cell": "%%roe\nSELECT 1",
    "a cell without a panel": "%config RoeMagic.panel = 'off'\n%roe SELECT 1",
    "the repr of a query": "q = %roe SELECT 1\nprint(q, repr(q.results[0]))",
}


@pytest.mark.parametrize("fault", COMMANDS)
def test_what_a_command_shows(fault: str, notebook: Shell, seen: Record, text: str) -> None:
    """As text, as HTML, and as an error."""
    check(seen, fault, outputs(notebook, COMMANDS[fault]), longest=TABLES)


def failed(text: str) -> Step:
    return answer(evil.submitted(text, query_task_status="FAILURE", error=f"{text} (CODE)"))


ANSWERS: dict[str, Callable[[str], Step]] = {
    "a query that failed": failed,
    "a query that was revoked": lambda text: answer(evil.submitted(text, query_task_status="REVOKED", error=text)),
    "an unknown status": lambda text: answer(evil.submitted(text, query_task_status=text)),
    "{message}": lambda text: answer({"message": text}, 400),
    "{detail}": lambda text: answer({"detail": text}, 401),
    "{error}": lambda text: answer({"error": {"message": text}}, 403),
    "{field: [messages]}": lambda text: answer({text: [text, text]}, 422),
    "[messages]": lambda text: answer([text, {"x": text}], 500),
    "a web page": lambda text: answer(
        f"<html><title>{text}</title>{text}".replace("\0", "").encode("utf-8", "replace"), 502, content_type="text/html"
    ),
    "text": lambda text: answer(text.replace("\0", "").encode("utf-8", "replace"), 400),
    "no JSON": lambda text: answer(text.replace("\0", "").encode("utf-8", "replace")),
    "a field of another type": lambda text: answer(evil.submitted(text, id=text)),
    "a time that is none": lambda text: answer(evil.submitted(text, created_at=text)),
}


@pytest.mark.parametrize("mode", ["short", "full"])
@pytest.mark.parametrize("fault", ANSWERS)
def test_what_an_error_shows(  # fixtures
    fault: str, mode: str, notebook: Shell, server: ScriptedServer, seen: Record, text: str
) -> None:
    """The message alone, and IPython's traceback with the variables of each frame."""
    server.on("POST", QUERIES, ANSWERS[fault](text))
    if fault == "an unknown status":
        server.on("GET", evil.STATUS, answer(evil.status(text)))
    notebook.run("%xmode Verbose")
    notebook.run(f"%config RoeMagic.short_errors = {mode == 'short'}")
    named = "WorksheetQuery." if fault in ("a field of another type", "a time that is none") else "evil"
    check(seen, f"{fault}, {mode}", outputs(notebook, "%roe SELECT 1"), longest=TABLES, named=named)


# What is said of HTTP itself

LINE = HOSTILE.encode("latin-1", "ignore").replace(b"\0", b"")
HEADS = {
    "Location": b"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:9/" + LINE + b"\r\n\r\n",
    "Content-Type": b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Type: " + LINE + b"\r\n\r\n<",
    "the reason": b"HTTP/1.1 500 " + LINE + b"\r\nContent-Length: 0\r\n\r\n",
    "a status line that is none": b"evil " + LINE + b"\r\n\r\n",
    "a status that is none": b"HTTP/1.1 " + LINE + b"\r\n\r\n",
    "the length of a chunk": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + LINE + b"\r\n{}",
    "lines that are no headers": b"HTTP/1.1 500 Oops\r\n" + LINE + b"\r\nContent-Length: 0\r\n\r\n",
    "Content-Encoding": b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Encoding: " + LINE + b"\r\n\r\nx",
    "Content-Length": b"HTTP/1.1 200 OK\r\nContent-Length: " + LINE + b"\r\n\r\n{}",
    "Retry-After": b"HTTP/1.1 503 No\r\nContent-Length: 0\r\nRetry-After: " + LINE + b"\r\n\r\n",
}


@pytest.mark.parametrize("fault", HEADS)
def test_what_is_said_of_the_head_of_a_response(fault: str, seen: Record, caplog: pytest.LogCaptureFixture) -> None:
    """In the error, its variables, its frames, and every log at DEBUG."""
    caplog.set_level(logging.DEBUG)
    sending = ScriptedServer(send(HEADS[fault]))
    with sending as server, client_of(server.url) as client, pytest.raises(RoeError) as caught:
        client.current_user()
    frames = [repr(value) for entry in caught.traceback[1:] for value in entry.frame.f_locals.values()]
    check(seen, fault, [*leaving(caught.value), *frames, caplog.text], named="")


def client_of(url: str) -> RoeClient:
    return RoeClient(Settings(base_url=url, api_key=Secret(KEY), timeout=60.0, max_retries=0))


def leaving(error: BaseException) -> list[str]:
    """Return the texts of an exception that tracebacks, logs and debuggers show."""
    named = [str(getattr(error, name, "")) for name in ("message", "hint")]
    return [str(error), repr(error), *map(str, error.args), *named, *traceback.format_exception(error)]


# Exceptions, however they are made


def test_an_exception_is_clean_whoever_makes_it(text: str, seen: Record) -> None:
    """Every class of the tree, when it is made, when its message is set, and when a pickle of it is opened."""
    secret = Secret(KEY)
    kinds = [kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, BaseException)]
    assert {RoeError, QueryInterrupted, UploadInterrupted} <= set(kinds)
    for kind in kinds:
        error: Any = kind(text, "x") if kind is errors.MissingExtra else kind(text)
        check(seen, f"{kind.__name__} made", leaving(error))
        error.message = error.hint = text
        check(seen, f"{kind.__name__} set", leaving(error))
        again = pickle.loads(pickle.dumps(error))
        check(seen, f"{kind.__name__} pickled", leaving(again))
        assert str(again) == str(error)
    assert conceal(KEY) == "<secret>"
    del secret


def test_an_error_of_an_old_pickle_is_clean(text: str, seen: Record) -> None:
    """It was kept as the server had sent it."""
    secret = Secret(KEY)
    old = errors._rebuild(RoeAPIException, text, {"message": text, "hint": text, "query_id": None})
    check(seen, "an old pickle", leaving(old))
    del secret


def test_a_message_that_is_cut_twice_says_how_much_is_left_out_in_all() -> None:
    """The exception keeps some of it, and a screen shows some of that."""
    assert "(998,504 characters left out)" in str(RoeError("a" * 1_000_000 + "(CO)"))


# The data stay as they are


def test_values_are_what_the_server_sent_but_for_the_key(text: str) -> None:
    """In attributes and DataFrames; what is shown of them is another matter."""
    text = text.replace("\ud800", "")  # which no DataFrame can hold
    expected = text.replace(KEY, "<secret>")
    with hostile_server(text) as server, client_of(server.url) as client:
        query = RunningQuery(client, "SELECT 1").start().wait(60)
        assert (query.ai_summary, query.worksheet.name) == (expected, expected)
        frame = query.df()
        assert (frame.iloc[0, 0], frame.columns[0]) == (expected, f"0{expected}")
        server.on("POST", QUERIES, failed(text))
        with pytest.raises(errors.QueryFailed) as caught:
            RunningQuery(client, "SELECT 1").start().wait(60)
    assert caught.value.query.error == f"{expected} (CODE)"


def test_an_arrow_stream_has_no_key_and_is_whole() -> None:
    """Rows, names and metadata; what stands for the key is as long as it was."""
    statement = {"query": f"SELECT '{KEY}'", "column_names": ["a", KEY], "column_types": ["String", "String"]}
    metadata = {models.STATEMENT_METADATA_KEY: json.dumps(statement).encode()}
    table = pa.table({"a": [KEY, f"x{KEY}", "y"], KEY: ["1", "2", KEY * 3]}).replace_schema_metadata(metadata)
    sink = io.BytesIO()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    instead = "<secret>".ljust(len(KEY), "*")
    with hostile_server() as server, client_of(server.url) as client:
        server.on("GET", evil.RESULT, answer(sink.getvalue(), content_type=models.ARROW_STREAM))
        query = RunningQuery(client, "SELECT 1").start().wait(60)
        assert query.df()["a"].tolist() == [instead, f"x{instead}", "y"]
        assert query.df().columns.tolist() == ["a", instead]
        assert query.results[0].query == f"SELECT '{instead}'"


@pytest.mark.parametrize("size", [1, 2, 7, len(KEY), 1000])
@pytest.mark.parametrize("body", [f"a{KEY}b{KEY}{KEY[:-1]}", KEY, KEY[:5], f"{KEY[:5]}{KEY}", "", "nothing"])
def test_a_key_that_is_cut_between_two_chunks(body: str, size: int) -> None:
    """It is found; what only begins like it arrives, at the latest with the end."""
    chunks = [body[begin : begin + size].encode() for begin in range(0, len(body), size)]
    seen_bytes = b"".join(Secret(KEY).conceal_chunks(chunks)).decode()
    assert seen_bytes == body.replace(KEY, "<secret>")


def test_a_line_is_not_held_back_until_the_next_one() -> None:
    """A status that ends in a line end is read when it arrives."""
    chunks = Secret(KEY).conceal_chunks(iter([b'{"a": 1}\n', b"{}\n"]))
    assert next(chunks) == b'{"a": 1}\n'


@pytest.mark.parametrize("key", ["short", "12345678", "000000000000"])
def test_a_key_that_may_be_a_part_of_any_word_or_number(key: str) -> None:
    """It is left alone: it was made up for a test, and numbers would be no JSON any more."""
    secret, text = Secret(key), f"a {key}9 word"
    assert clean(text) == text
    assert b"".join(secret.conceal_chunks([text[:4].encode(), text[4:].encode()])) == text.encode()


def test_a_key_that_nobody_holds_any_more_is_forgotten() -> None:
    """The registry keeps none alive, and one of two that are equal is enough."""
    one, two = Secret("roe-two-of-a-kind"), Secret("roe-two-of-a-kind")
    del one
    assert conceal("roe-two-of-a-kind") == "<secret>"
    del two
    assert conceal("roe-two-of-a-kind") == "roe-two-of-a-kind"


def test_a_key_is_found_where_the_text_is_cut() -> None:
    """No part of it is left over, by whichever function."""
    secret = Secret(KEY)
    for before in range(60):
        shown = clean("x" * before + KEY, limit=40) + clean_message("x" * before + KEY + "y" * 100, 40)
        assert KEY[:6] not in shown
        assert KEY[-6:] not in shown
    del secret


# The panel, warnings, logs, Tab, the command line


@pytest.mark.filterwarnings("ignore:Deprecated in traitlets:DeprecationWarning")  # of ipywidgets, with old traitlets
def test_the_panel_and_its_state(server: ScriptedServer, text: str, seen: Record) -> None:
    """What the widget sends to the browser at each moment, and what is saved in a notebook."""
    moments: list[Any] = []
    server.on("POST", QUERIES, answer(evil.submitted(text, query_task_status="PENDING", finished_at=None)))
    server.on("GET", evil.STATUS, answer(evil.status(text, status="STARTED", finished_at=None)), failed_status(text))
    with client_of(server.url) as client:
        running = RunningQuery(client, text, pause=lambda _: None)
        running.listen(moments.append)
        with pytest.raises(errors.QueryFailed):
            running.start().wait(60)
    assert len(moments) >= 3
    panels = [Panel(moment) for moment in moments]
    check(seen, "the widget", [text for panel in panels for text in texts_in(panel.get_state())], named=NAMED)
    for panel in panels:
        panel.close()


def failed_status(text: str) -> Step:
    return answer(evil.status(text, status="FAILURE", error=text))


def texts_in(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        for item in value.items():
            yield from texts_in(item)
    elif isinstance(value, (list, tuple)):
        for item in value:
            yield from texts_in(item)
    elif isinstance(value, str) and "export default" not in value and ".roe" not in value:  # not our own files
        yield value


def test_a_panel_in_plain_python(server: ScriptedServer, text: str, seen: Record) -> None:
    """It is printed."""
    out = io.StringIO()
    with client_of(server.url) as client, redirect_stdout(out):
        running = AttachedQuery(client, UUID(evil.ID))
        running.start().wait(60)
        Display("static").finish(running.state)
    check(seen, "a panel in plain Python", [out.getvalue()])


def test_a_warning(text: str, seen: Record, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of a type or a column that is not what it says."""
    secret = Secret(KEY)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        warn_fallback(f"Column {text} is kept as text.")
    check(seen, "a warning", [str(each.message) for each in caught])
    del secret


@pytest.mark.parametrize("types", [("String", HOSTILE), ("String", f"Enum8('{HOSTILE}' = 1)"), ("Nothing(", "String")])
def test_types_that_are_none(types: tuple[str, ...], notebook: Shell, server: ScriptedServer, seen: Record) -> None:
    """They are named in warnings and errors."""
    server.on("GET", evil.RESULT, answer(evil.result(types=types)))
    code = "%config RoeMagic.short_errors = False\nq = %roe SELECT 1\nq.df()"
    check(seen, f"type {clean(types[1])[:20]}", outputs(notebook, code), longest=TABLES, named="")


def test_a_log(text: str, seen: Record, caplog: pytest.LogCaptureFixture, server: ScriptedServer) -> None:
    """A listener fails with a text of the server's."""

    def listener(state: Any) -> None:
        raise ValueError(text)

    with client_of(server.url) as client:
        running = RunningQuery(client, "SELECT 1")
        running.listen(listener)
        running.start().wait(60)
    assert "A listener failed" in caplog.text
    check(seen, "a log", [caplog.text])


def test_the_names_that_tab_offers(notebook: Shell, server: ScriptedServer, seen: Record) -> None:
    """None that is not what it looks like, or is the key."""
    magic = notebook.magic
    names = [HOSTILE, f"a{KEY}", "y" * 5000, "fine"]
    magic.catalogue.tables = {name: models.Table(name=name, columns=[]) for name in names}
    magic.catalogue.worksheets = names
    magic.client()
    for line in ("%roe upload ", "%roe worksheets ", "%roe SELECT * FROM "):
        found = complete(magic, line, 0, len(line))
        assert found is not None
        offered = [item.text for item in found.items]
        assert "fine" in offered
        check(seen, f"Tab: {line}", offered, named="")
        assert not any(KEY in name or len(name) > 300 for name in offered)
    assert not is_offered(HOSTILE)


def test_the_command_line(
    server: ScriptedServer, monkeypatch: pytest.MonkeyPatch, seen: Record, text: str, tmp_path: Path
) -> None:
    """The doctor prints the user's name, and what a server says that refuses."""
    monkeypatch.setenv("ROE_CONFIG_FILE", str(tmp_path / "config.ini"))
    monkeypatch.setattr("roe_magic.doctor._local_service", lambda: iter(()))
    for name, value in {"ROE_BASE_URL": server.url, "ROE_API_KEY": KEY, "ROE_MAX_RETRIES": "0"}.items():
        monkeypatch.setenv(name, value)
    refused = answer({"detail": text}, 401)
    for fault, step in (("doctor: the user", None), ("doctor: an error", refused)):
        if step:
            server.on("GET", "/v1/users/current_user/", step)
        out = io.StringIO()
        with redirect_stdout(out), redirect_stderr(out), pytest.raises(SystemExit):
            cli.main(["doctor"])
        check(seen, fault, [out.getvalue()])


def test_a_traceback_shows_a_variables_repr_as_text(notebook: Shell, seen: Record) -> None:
    """The repr of a DataFrame has its cells as they are; colours of IPython stay."""

    class Evil:
        def __repr__(self) -> str:
            return HOSTILE

    def fail() -> None:
        row, secret = Evil(), Secret(KEY)
        raise RoeError("no" if row and secret else "yes")

    notebook.run("%xmode Verbose")
    notebook.run("%colors Linux")
    with pytest.raises(RoeError) as caught:
        fail()
    lines = full_rendering(notebook.ipython, caught.value)
    assert "\x1b[" in "".join(lines)
    plain = [re.sub(r"\x1b\[(?:\d+;)*\d*m", "", line) for line in lines]
    assert not any("\x1b[8m" in line for line in lines)
    check(seen, "a variable in a traceback", ["\n".join(plain)])
