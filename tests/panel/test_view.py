"""The panel's words and numbers, computed from a QueryState."""

import json
import time
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from roe_magic.contract.models import Progress, Summary
from roe_magic.formatting import about, about_duration, clean, count, duration, moment, plural, size
from roe_magic.panel import html, view
from roe_magic.query.query_state import QueryState
from tests.support.query_states import CREATED, query_state, replaced

ID = "8f3a2c1d-3b52-4d0f-9a51-0d1b3c5a7e42"
QUERY = query_state(sql="SELECT 1", server="https://api.roe-ai.com", organization="Acme", query_id=ID)
HALF = Progress(read_rows=1_500_000, read_bytes=34_000_000, total_rows_to_read=3_000_000, elapsed_ns=500_000_000)
# Of a query of 4.2 s.
END = "ended 2026-03-01 12:00:04 UTC"


@pytest.fixture(autouse=True)
def _utc(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("TZ", "UTC")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


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
    assert told == f"in 4.2 s · 336,776 rows, 19 columns · read 1,500,000 rows, 34 MB · {END}"


@pytest.mark.parametrize(
    ("statements", "rows", "read"),
    [
        (1, "1,048,577 rows, 1 column", "900,000,000 rows, 7.2 GB"),
        (2, "2 statements, the last with 1,048,577 rows, 1 column", "1.8 bn rows, 14.4 GB"),
    ],
)
def test_an_ended_query_has_the_summarys_figures(statements: int, rows: str, read: str) -> None:
    """Exact ones, of all statements: the last progress was sent some time before the end."""
    summary = Summary(read_rows=900_000_000, read_bytes=7_200_000_000)
    late = Progress(read_rows=898_000_000, total_rows_to_read=900_000_000, statements=statements)
    ended = {"status": "SUCCESS", "duration": 4.2, "rows": 1_048_577, "statements": statements}
    assert outcome(**ended, summary=summary, progress=late) == f"in 4.2 s · {rows} · read {read} · {END}"


def test_the_one_row_of_a_select_without_a_table_is_not_told() -> None:
    """Of several such statements neither: nobody named the table that it is read from."""
    summary = Summary(read_rows=1, read_bytes=1)
    assert "read" not in outcome(status="SUCCESS", duration=4.2, rows=1, statements=2, summary=summary)


def test_an_estimate_is_told_as_one() -> None:
    """A query that failed has no summary: what it had read at the last progress is rounded, and called so."""
    progress = replaced(HALF, read_rows=1_534_567)
    told = outcome(status="FAILURE", duration=4.2, progress=progress)
    assert told == f"after 4.2 s · read about 1.53 M rows, 34 MB · {END}"
    several = replaced(HALF, statement=1, statements=2)
    assert outcome(status="FAILURE", duration=4.2, progress=several) == f"after 4.2 s · {END}"


def test_a_query_without_a_table_has_read_nothing() -> None:
    """SELECT 1 reads the one row of a system table, which nobody has asked for."""
    one = {"status": "SUCCESS", "duration": 4.2, "rows": 1}
    assert outcome(**one, summary=Summary(read_rows=1, read_bytes=1)) == f"in 4.2 s · 1 row, 1 column · {END}"
    written = outcome(status="SUCCESS", duration=4.2, rows=0, columns=0, summary=Summary(written_rows=2))
    assert written == f"in 4.2 s · wrote 2 rows · {END}"


@pytest.mark.parametrize(
    ("zone", "end"),
    [
        ("UTC", "2026-03-01 12:00:04 UTC"),
        ("Europe/Berlin", "2026-03-01 13:00:04 UTC+01:00"),
        ("America/St_Johns", "2026-03-01 08:30:04 UTC-03:30"),
        ("Asia/Kolkata", "2026-03-01 17:30:04 UTC+05:30"),
        ("Pacific/Kiritimati", "2026-03-02 02:00:04 UTC+14:00"),
    ],
)
def test_an_ended_query_says_when(monkeypatch: pytest.MonkeyPatch, zone: str, end: str) -> None:
    """With the date, since a notebook is read on other days, in this machine's zone, named by its offset."""
    monkeypatch.setenv("TZ", zone)
    time.tzset()
    assert outcome(status="SUCCESS", duration=4.2) == f"in 4.2 s · ended {end}"


def test_an_end_that_the_server_does_not_tell_is_the_clients() -> None:
    """It is said to be as seen from here; of a query that had ended before it was looked at, nothing is known."""
    seen = CREATED + timedelta(seconds=9)
    shown = outcome(status="SUCCESS", elapsed=9.0, ended_seen_at=seen)
    assert shown == "in 9.0 s · ended 2026-03-01 12:00:09 UTC as seen from here"
    assert outcome(status="SUCCESS", attached=True, age_before=None, elapsed=0.1) == ""


@pytest.mark.parametrize("sent", ["0001-01-01T00:00:00+00:00", "9999-12-31T23:59:59+00:00"])
@pytest.mark.parametrize("zone", ["Pacific/Kiritimati", "Pacific/Pago_Pago"])
def test_no_moment_of_a_server_breaks_the_panel(monkeypatch: pytest.MonkeyPatch, sent: str, zone: str) -> None:
    """The first and the last moment of the calendar are shown, in whatever zone this machine is."""
    monkeypatch.setenv("TZ", zone)
    time.tzset()
    assert "UTC" in moment(datetime.fromisoformat(sent))


def test_several_statements_say_whose_rows_are_counted() -> None:
    """The rows of a query of three statements are those of the last one, and the story says so."""
    told = outcome(status="SUCCESS", elapsed=1.0, rows=1, columns=2, statements=3)
    assert told.startswith("in 1.0 s · 3 statements, the last with 1 row, 2 columns")


def test_the_servers_duration_wins_over_the_clients() -> None:
    """The elapsed time of the client is told only where the server names no duration."""
    assert outcome(status="FAILURE", elapsed=9.0, duration=4.2) == f"after 4.2 s · {END}"
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


def test_a_query_that_was_attached_to_has_its_own_age() -> None:
    """The clock goes on from where the query is by the server's times; nothing jumps and the rate fits the time."""
    progress = Progress(read_rows=120_000_000, total_rows_to_read=400_000_000, elapsed_ns=40_000_000_000)
    running = replaced(QUERY, attached=True, status="STARTED", age_before=40.0, elapsed=3.1, progress=progress)
    shown = view(running)
    assert (shown["phase"], shown["elapsed"], shown["left"]) == ("running", 43.1, "about 2 min left")
    assert shown["figures"] == ["120 M of 400 M rows read", "3 M rows/s"]
    assert shown["outcome"] == ["running for 43.1 s so far"]
    asking = view(replaced(QUERY, attached=True, age_before=None, elapsed=0.3))
    assert (asking["phase"], asking["elapsed"], asking["outcome"]) == ("", None, [])


def test_an_age_that_nobody_knows_is_not_told() -> None:
    """Where the server tells no times, the time is that of watching, and says so."""
    unknown = replaced(QUERY, attached=True, age_before=None, elapsed=3.1, status="STARTED")
    assert (view(unknown)["phase"], view(unknown)["elapsed"]) == ("running, watched", 3.1)
    assert view(unknown)["outcome"] == ["running, watched for 3.1 s so far"]
    assert view(unknown)["spoken"] == "Query running"
    ended = replaced(unknown, status="SUCCESS", live=False, rows=1)
    assert view(ended)["outcome"] == ["1 row, 1 column"]
    assert view(replaced(ended, duration=4.2))["outcome"] == ["in 4.2 s", "1 row, 1 column", END]


def test_there_is_one_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """While a query is watched its age is told once; a wait in the queue is a figure that stands still."""
    late = replaced(QUERY, status="STARTED", queued=2.0, running=2.1, elapsed=4.1, progress=HALF)
    shown = view(late)
    assert shown["elapsed"] == 4.1
    assert shown["figures"][0] == "was queued for 2.0 s"
    assert not [fact for fact in shown["facts"] if fact[0] == "queued"]
    at_once = replaced(late, queued=0.2, running=3.8)
    assert view(at_once)["figures"][0] == "1.5 M of 3 M rows read"


def test_an_ended_query_tells_its_time_in_the_queue() -> None:
    """The rest of the time that is told it ran, so that no figure stands there twice."""
    ended = replaced(QUERY, status="SUCCESS", live=False, queued=0.2, running=4.0, duration=4.2)
    assert ["queued", "Queued", "200 ms"] in view(ended)["facts"]
    assert html(ended).count("4.2 s") == 1
    assert "4.0 s" not in html(ended)
    assert [key for key, *_ in view(replaced(ended, queued=None))["facts"]] == ["server", "organization", "query_id"]


def test_the_organisation_is_shown_once_its_name_is_known() -> None:
    """It never changes from an id to a name; the id is the last word of a server that tells no name."""

    def organization(**changes: Any) -> str | None:
        facts = view(replaced(QUERY, organization="11111111-2222-3333-4444-555555555555", **changes))["facts"]
        return next((value for key, _, value in facts if key == "organization"), None)

    assert organization(query_id=None) is None
    assert organization(organization_name="Acme") == "Acme"
    assert organization() == "11111111-2222-3333-4444-555555555555"
    assert organization(query_id=None, live=False) == "11111111-2222-3333-4444-555555555555"


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


def test_the_share_and_the_time_left_are_told_where_they_are_known() -> None:
    """At the mean speed so far, rounded so that it does not change at each look; never from the first moments."""
    running = replaced(QUERY, status="STARTED")

    def told(read: int, seconds: float, **changes: Any) -> tuple[str, str]:
        progress = Progress(read_rows=read, total_rows_to_read=1000, elapsed_ns=int(seconds * 1e9), **changes)
        shown = view(replaced(running, progress=progress))
        return shown["share"], shown["left"]

    assert told(620, 10.0) == ("62 %", "about 6 s left")
    assert told(999, 10.0) == ("99 %", "about 1 s left")
    assert told(100, 5.0) == ("10 %", "about 45 s left")
    assert told(620, 1.9) == ("62 %", "")
    assert told(40, 10.0) == ("4 %", "")
    assert told(1000, 10.0) == ("", "")
    assert told(1001, 10.0) == ("", "")
    assert told(620, 10.0, statement=1, statements=3) == ("statement 2 of 3: 62 %", "")
    assert told(620, 10.0, statement=2, statements=3) == ("statement 3 of 3: 62 %", "about 6 s left")
    assert told(1000, 10.0, statement=2, statements=3) == ("statement 3 of 3", "")


def test_the_time_left_does_not_jump() -> None:
    """From report to report of a steady query it never grows, and falls by a step of its rounding at most."""
    running = replaced(QUERY, status="STARTED")
    lefts = []
    for tenths in range(20, 1000):
        progress = Progress(read_rows=tenths * 1000, total_rows_to_read=1_000_000, elapsed_ns=tenths * 100_000_000)
        lefts.append(view(replaced(running, progress=progress))["left"])
    told = [left for left, before in zip(lefts, ["", *lefts], strict=False) if left != before]
    assert told[:3] == ["about 2 min left", "about 1 min left", "about 55 s left"]
    assert told[-3:] == ["about 3 s left", "about 2 s left", "about 1 s left"]
    assert len(told) == len(set(told)) == 21


def test_the_figures_are_what_the_engine_says() -> None:
    """Rows, bytes and speed come from the engine's own counters and clock, to three digits while they run."""
    progress = replaced(HALF, read_rows=1_534_567, statement=1, statements=3, written_rows=1)
    figures = view(replaced(QUERY, status="STARTED", progress=progress))["figures"]
    assert figures == ["1.53 M of 3 M rows read", "34 MB", "3.07 M rows/s", "1 row written"]


def test_what_a_screen_reader_says_has_no_running_figures() -> None:
    """The spoken line stays the same from poll to poll and changes with the state."""
    early, late = (replaced(QUERY, status="STARTED", elapsed=t, progress=HALF) for t in (1.0, 2.0))
    assert view(early)["spoken"] == view(late)["spoken"] == "Query running"
    ended = replaced(QUERY, status="SUCCESS", live=False, duration=4.2, rows=3, columns=2)
    assert view(ended)["spoken"] == "Query SUCCESS, in 4.2 s, 3 rows, 2 columns"


def test_the_button_says_what_it_does() -> None:
    """Cancel where the server can cancel, Stop watching where it cannot, nothing before that is known or at the end."""
    assert view(replaced(QUERY, stop=None))["stop"] is None
    assert view(replaced(QUERY, stop="cancel"))["stop"] == ["cancel", "Cancel", "Cancelling…"]
    assert view(replaced(QUERY, stop="detach"))["stop"] == ["detach", "Stop watching", "Stopping…"]
    assert view(replaced(QUERY, stop="cancel", live=False))["stop"] is None


def test_a_cancel_that_failed_is_told_as_long_as_the_query_goes_on() -> None:
    """Beside any other notice, and not any more once the query has ended."""
    refused = replaced(QUERY, status="STARTED", cancel_problem="It could not be cancelled: no answer.", notice="Slow.")
    assert view(refused)["notice"] == "Slow. It could not be cancelled: no answer."
    assert view(replaced(refused, live=False, status="SUCCESS", notice=None))["notice"] is None


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
    """Final rows are exact below a billion; other figures have three digits, with no unit skipped by rounding."""
    assert [count(n) for n in (0, 1_048_577, 999_999_999, 1_234_567_890)] == [
        "0",
        "1,048,577",
        "999,999,999",
        "1.23 bn",
    ]
    assert [size(n) for n in (999, 34_100_000, 999_999)] == ["999 B", "34.1 MB", "1 MB"]
    assert [about(n) for n in (398_247, 999_600, 1_234_567, 999_600_000)] == ["398,000", "1 M", "1.23 M", "1 bn"]
    assert (plural(1, "row"), plural(2_000_000, "row")) == ("1 row", "2,000,000 rows")


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.1, "1 s"), (9.4, "9 s"), (12, "10 s"), (57, "55 s"), (58, "1 min"), (3599, "1 h"), (4300, "1 h 10 min")],
)
def test_an_estimated_duration_is_rounded(seconds: float, text: str) -> None:
    """To what a person would say, and without a unit that is skipped."""
    assert about_duration(seconds) == text
