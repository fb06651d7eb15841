"""The panel's words and numbers, computed from a QueryState."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from roe_magic.contract.models import Progress
from roe_magic.formatting import about, clean, count, duration, plural, size
from roe_magic.panel import view
from roe_magic.query.query_state import QueryState
from tests.support.query_states import query_state, replaced

ID = "8f3a2c1d-3b52-4d0f-9a51-0d1b3c5a7e42"
QUERY = query_state(sql="SELECT 1", server="https://api.roe-ai.com", organization="Acme", query_id=ID)
HALF = Progress(read_rows=1_500_000, read_bytes=34_000_000, total_rows_to_read=3_000_000, elapsed_ns=500_000_000)


def outcome(**changes: Any) -> str:
    return " · ".join(view(replaced(QUERY, live=False, **changes))["outcome"])


@pytest.mark.parametrize(
    ("status", "label", "tone", "phase"),
    [
        (None, "SUBMITTING", "waiting", ""),
        ("PENDING", "PENDING", "waiting", "queued"),
        ("STARTED", "STARTED", "running", "running"),
        ("RETRY", "RETRY", "waiting", "waiting for a retry"),
        ("SUCCESS", "SUCCESS", "success", "reading the answer"),
        ("started", "started", "running", "running"),
        ("SUMMONING", "SUMMONING", "waiting", "waiting"),
        ("  ", "UNKNOWN", "waiting", "waiting"),
    ],
)
def test_a_live_query_shows_the_servers_own_word(status: str | None, label: str, tone: str, phase: str) -> None:
    """The pill has the server's word, known or not, and a plain word stands beside it."""
    shown = view(replaced(QUERY, status=status))
    assert (shown["label"], shown["tone"], shown["phase"]) == (label, tone, phase)


def test_a_success_is_one_line() -> None:
    """Duration, rows and what was read fit one line."""
    told = outcome(status="SUCCESS", elapsed=4.4, duration=4.21, rows=336_776, columns=19, progress=HALF)
    assert told == "in 4.2 s · 336,776 rows, 19 columns · read 1.5 M rows, 34 MB"


def test_several_statements_say_whose_rows_are_counted() -> None:
    """The rows of a query of three statements are those of the last one, and the story says so."""
    told = outcome(status="SUCCESS", elapsed=1.0, rows=1, columns=2, statements=3)
    assert told == "in 1.0 s · 3 statements, the last with 1 row, 2 columns"


def test_the_servers_duration_wins_over_the_clients() -> None:
    """The elapsed time of the client is told only where the server names no duration."""
    assert outcome(status="FAILURE", elapsed=9.0, duration=2.0) == "after 2.0 s"
    assert outcome(status="FAILURE", elapsed=9.0) == "after 9.0 s"


@pytest.mark.parametrize("status", ["SUCCESS", "FAILURE", "REVOKED"])
def test_the_servers_notices_are_shown_and_said_at_the_end(status: str) -> None:
    """One line each, without hidden characters; a screen reader hears them after the outcome."""
    shown = view(replaced(QUERY, status=status, live=False, elapsed=1.0, notices=["FORMAT CSV\nwas ignored.\x1b", " "]))
    assert shown["notices"] == ["FORMAT CSV was ignored.<U+001B>"]
    assert shown["notice"] is None
    assert shown["spoken"].endswith(" 1.0 s. FORMAT CSV was ignored.<U+001B>")


def test_no_server_can_fill_the_page_with_notices() -> None:
    """A long one is cut, and of many the first ten are shown."""
    shown = view(replaced(QUERY, status="SUCCESS", live=False, notices=["x" * 10_000] * 12))["notices"]
    assert shown == ["x" * 500 + "…"] * 10 + ["… (2 more notices)"]
    assert view(QUERY)["notices"] == []


def test_a_query_that_is_not_watched_any_more_is_not_called_cancelled() -> None:
    """Detaching says that the query goes on, in the colour of something to look after."""
    shown = view(replaced(QUERY, status="STARTED", elapsed=12.3, live=False, detached=True))
    assert shown["outcome"] == ["not watched any more after 12.3 s; it goes on at the server"]
    assert (shown["label"], shown["tone"], shown["stop"]) == ("STARTED", "attention", None)


@pytest.mark.parametrize(
    ("status", "label", "tone"),
    [(None, "NOT SUBMITTED", "failure"), ("STARTED", "STARTED", "attention"), ("FAILURE", "FAILURE", "failure")],
)
def test_an_error_from_the_client_keeps_the_servers_last_word(status: str | None, label: str, tone: str) -> None:
    """When watching fails, the pill still says only what the server said."""
    shown = view(replaced(QUERY, status=status, live=False, error="No answer."))
    assert (shown["label"], shown["tone"], shown["error"]) == (label, tone, "No answer.")


@pytest.mark.parametrize(
    ("changes", "label", "tone", "spoken"),
    [
        ({}, "ASKING", "waiting", "Query asking the server"),
        ({"status": "STARTED"}, "STARTED", "running", "Query running"),
        ({"error": "No such query.", "live": False}, "UNKNOWN", "failure", "Query UNKNOWN, after 0 ms. No such query."),
        ({"live": False}, "STOPPED", "attention", "Query STOPPED, after 0 ms"),
    ],
)
def test_an_attached_query_is_never_said_to_be_submitted(
    changes: dict[str, Any], label: str, tone: str, spoken: str
) -> None:
    """Who comes back to a query submits nothing: it is asked about, and unknown when there is no answer about it."""
    shown = view(replaced(QUERY, attached=True, **changes))
    assert (shown["label"], shown["tone"], shown["spoken"]) == (label, tone, spoken)


def test_the_clients_clock_says_nothing_of_a_query_that_was_attached_to() -> None:
    """It began long before; what the server does not say is left out."""
    started = replaced(QUERY, attached=True, status="STARTED", queued=10.0, elapsed=0.05)
    assert view(started)["timeline"] == [["queued", 10.0, "10.0 s", False]]
    assert view(replaced(QUERY, attached=True, status="PENDING", elapsed=0.05))["timeline"] == []
    ended = replaced(QUERY, attached=True, status="SUCCESS", elapsed=0.05, live=False, rows=1)
    assert view(ended)["outcome"] == ["1 row, 1 column"]
    assert view(replaced(ended, duration=70.0))["outcome"] == ["in 1 min 10 s", "1 row, 1 column"]


@pytest.mark.parametrize(
    ("changes", "words", "command"),
    [
        ({"status": "STARTED"}, "the query goes on", f"%roe result {ID}"),
        ({"status": "SUCCESS", "downloaded": 5}, "the query has ended", f"%roe result {ID}"),
        ({"query_id": None}, "The query may go on", "%roe worksheets"),
    ],
)
def test_the_way_back_from_a_lost_kernel_fits_the_query(changes: dict[str, Any], words: str, command: str) -> None:
    """What is told when the kernel has gone promises no more than was known of the query."""
    shown = view(replaced(QUERY, **changes))
    assert words in shown["gone"]
    assert shown["way_back"] == command


def test_the_bar_is_determinate_only_while_there_is_something_left_to_read() -> None:
    """A share is shown while rows are left; when all are read nobody knows how long sorting takes."""
    started = replaced(QUERY, status="STARTED")
    assert view(replaced(started, progress=HALF))["bar"] == [0.5, "50 % of 3 M rows"]
    assert view(replaced(started, progress=replaced(HALF, read_rows=3_000_000)))["bar"] == [None, "running"]
    assert view(replaced(started, progress=replaced(HALF, total_rows_to_read=0)))["bar"] == [None, "running"]
    assert view(started)["bar"] == [None, "running"]
    assert view(replaced(started, live=False))["bar"] is None


def test_a_download_shows_its_bytes_and_its_share_where_the_size_is_known() -> None:
    """Reading the answer has a bar of its own."""
    loading = replaced(QUERY, status="SUCCESS", downloaded=10_000_000, rows=5)
    assert view(loading)["bar"] == [None, "downloading"]
    shown = view(replaced(loading, download_size=40_000_000))
    assert shown["bar"] == [0.25, "25 % of 40 MB"]
    assert shown["figures"] == ["10 MB of 40 MB downloaded", "5 rows"]


def test_the_figures_are_what_the_engine_says() -> None:
    """Rows, bytes and speed come from the engine's own counters and clock."""
    progress = replaced(HALF, statement=1, statements=3, written_rows=1)
    figures = view(replaced(QUERY, status="STARTED", progress=progress))["figures"]
    assert figures == ["statement 2 of 3", "1.5 M of 3 M rows read", "34 MB", "3 M rows/s", "wrote 1 row"]


def test_only_the_span_that_the_query_is_in_grows() -> None:
    """The browser lets one span tick: queued while PENDING, running while STARTED, none at the end."""
    spans = replaced(QUERY, queued=0.2, running=3.0)
    assert view(replaced(spans, status="STARTED"))["timeline"] == [
        ["queued", 0.2, "200 ms", False],
        ["running", 3.0, "3.0 s", True],
    ]
    assert view(replaced(QUERY, queued=2.0, status="PENDING"))["timeline"] == [["queued", 2.0, "2.0 s", True]]
    assert not any(growing for *_, growing in view(replaced(spans, status="SUCCESS", live=False))["timeline"])


def test_what_a_screen_reader_says_has_no_running_figures() -> None:
    """The spoken line stays the same from poll to poll and changes with the state."""
    early, late = (replaced(QUERY, status="STARTED", elapsed=t, progress=HALF) for t in (1.0, 2.0))
    assert view(early)["spoken"] == view(late)["spoken"] == "Query running"
    ended = replaced(QUERY, status="SUCCESS", live=False, duration=2.0, rows=3, columns=2)
    assert view(ended)["spoken"] == "Query SUCCESS, in 2.0 s, 3 rows, 2 columns"


def test_the_button_says_what_it_does() -> None:
    """Cancel where the server can cancel, Stop watching where it cannot, nothing when it is over."""
    assert view(replaced(QUERY, stop="cancel"))["stop"] == ["cancel", "Cancel", "Cancelling…"]
    assert view(replaced(QUERY, stop="detach"))["stop"] == ["detach", "Stop watching", "Stopping…"]
    assert view(replaced(QUERY, stop="cancel", live=False))["stop"] is None


@pytest.mark.parametrize(
    ("server", "shown"),
    [
        ("https://api.roe-ai.com/", "https://api.roe-ai.com"),
        ("https://user:secret@api.roe-ai.com/v1?key=secret", "https://api.roe-ai.com/v1"),
        ("http://127.0.0.1:8123", "http://127.0.0.1:8123"),
        ("https://[broken:secret@host", "host"),
        ("user:secret@host", "host"),
    ],
)
def test_the_servers_address_is_shown_without_secrets(server: str, shown: str) -> None:
    """A password or key inside an address never reaches the page."""
    facts = {key: value for key, _, value in view(replaced(QUERY, server=server))["facts"]}
    assert facts["server"] == shown


HOSTILE = "a\u202eb\x1b[31m\x00\ud800\u2066\ufeff"


def test_hidden_characters_are_named() -> None:
    """Escape sequences, text-direction marks and lone surrogates are written out instead of obeyed."""
    assert clean(HOSTILE) == "a<U+202E>b<U+001B>[31m<U+0000><U+D800><U+2066><U+FEFF>"
    assert clean("a\r\nb\tc", lines=True) == "a\nb\tc"
    assert clean("a\r\nb\tc") == "a b c"


def test_a_long_text_says_how_much_is_missing() -> None:
    """What is cut off is counted."""
    assert clean("x" * 30, limit=10, lines=True) == "xxxxxxxxxx … (20 more characters)"
    assert clean("x" * 30, limit=10) == "xxxxxxxxxx…"
    assert clean("x" * 1000, limit=10, lines=True) == "xxxxxxxxxx … (990 more characters)"


@pytest.mark.parametrize("rows", [5, 6, 10, 11])
def test_a_text_is_cut_where_its_line_ends_are_single_characters(rows: int) -> None:
    """A carriage return before a line feed does not count as shown."""
    shown, _, more = clean("x\r\n" * rows, limit=10, lines=True).partition(" … ")
    assert shown == "x\n" * 5
    assert bool(more) == (rows > 5)


@given(
    st.builds(
        query_state,
        sql=st.text(st.characters()),
        server=st.text(st.characters()),
        organization=st.none() | st.text(st.characters()),
        query_id=st.none() | st.text(st.characters()),
        status=st.none() | st.sampled_from(["PENDING", "STARTED", "SUCCESS", "FAILURE"]) | st.text(st.characters()),
        elapsed=st.floats(allow_nan=False, allow_infinity=False, max_value=1e9),
        duration=st.none() | st.floats(0, 1e9),
        progress=st.none() | st.builds(Progress, read_rows=st.integers(0), total_rows_to_read=st.integers(0)),
        rows=st.none() | st.integers(0),
        columns=st.none() | st.integers(0, 60),
        error=st.none() | st.text(st.characters()),
        live=st.booleans(),
    )
)
def test_any_state_becomes_json_that_hides_nothing(state: QueryState) -> None:
    """Whatever the server says, the view is JSON of encodable text without control or text-direction characters."""
    sent = json.dumps(view(state), allow_nan=False, ensure_ascii=False)
    assert sent.encode("utf-8")
    assert not set(sent) & set("\x00\x1b\x7f\x9b\u200b\u200e\u202e\u2066\u2028\ufeff")


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (-1, "0 ms"),
        (0.038, "38 ms"),
        (0.9996, "1.0 s"),
        (4.21, "4.2 s"),
        (59.96, "1 min 00 s"),
        (125, "2 min 05 s"),
        (3_599.7, "1 h 00 min"),
        (3_725, "1 h 02 min"),
        (100_000, "27 h 46 min"),
    ],
)
def test_durations_read_well(seconds: float, text: str) -> None:
    """A duration has the unit that a person would choose, also just below the next one."""
    assert duration(seconds) == text


def test_counts_and_sizes_read_well() -> None:
    """Rows are exact below a million; larger figures have three digits, with no unit skipped by rounding."""
    assert [count(n) for n in (0, 999_999, 1_234_567, 999_600_000)] == ["0", "999,999", "1.23 M", "1 bn"]
    assert [size(n) for n in (999, 34_100_000, 999_999)] == ["999 B", "34.1 MB", "1 MB"]
    assert (about(398_247), plural(1, "row"), plural(2_000_000, "row")) == ("398,000", "1 row", "2 M rows")
