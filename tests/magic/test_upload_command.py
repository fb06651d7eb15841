"""`%roe upload`: its line, its source, what it shows, and how it stops."""

from __future__ import annotations

import io
import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import polars as pl
import pytest
from IPython.core.error import UsageError

from roe_magic.errors import BadRequestError
from roe_magic.errors import UsageError as OwnUsageError
from roe_magic.magic import upload_display
from roe_magic.magic.upload_command import FLAGS, split_words
from roe_magic.magic.upload_display import Sent, UploadDisplay
from roe_magic.magic.upload_source import find_source
from roe_magic.uploads.upload_result import UploadResult
from tests.support.faulty_proxy import FaultyProxy, faulty_proxy
from tests.support.kernels import Kernel, running_kernel
from tests.support.services import Service, wait_for
from tests.support.shells import Shell
from tests.support.shells import shell as new_shell

NAME = "uploaded_by_magic"
FRAME = pd.DataFrame({"n": [1, 2, 3], "zip": ["02134", None, "00501"]})


@pytest.fixture
def shell(service: Service, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Shell]:
    monkeypatch.chdir(tmp_path)
    with new_shell(monkeypatch, service.env, tmp_path) as shell:
        shell.variables["frame"] = FRAME.copy()
        yield shell
        if shell.magic.client().has_table(NAME):
            shell.magic.client().delete(NAME)


@pytest.fixture
def proxy(service: Service) -> Iterator[FaultyProxy]:
    with faulty_proxy(service.url) as proxy:
        yield proxy


@pytest.fixture
def csv_only(service: Service, proxy: FaultyProxy, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Shell]:
    with new_shell(monkeypatch, {**service.env, "ROE_BASE_URL": proxy.url}, tmp_path) as shell:
        shell.variables["frame"] = FRAME.copy()
        yield shell
        if shell.magic.client().has_table(NAME):
            shell.magic.client().delete(NAME)


# The line


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("t df", ["t", "df"]),
        ("t 'my file.csv' --replace", ["t", "my file.csv", "--replace"]),
        ("\"a table\" \"df[['a', 'b']]\"", ["a table", "df[['a', 'b']]"]),
        ("t \"df [['a']]\" --yes", ["t", "df [['a']]", "--yes"]),
        (r't "f(\"x\") + g[\"x\"]"', ["t", 'f("x") + g["x"]']),
        ("t data(1).csv", ["t", "data(1).csv"]),
        ("t df --types price=Decimal(10, 2),d=Date --yes", ["t", "df", "--types=price=Decimal(10, 2),d=Date", "--yes"]),
        ("t --types=at=DateTime('UTC') df", ["t", "--types=at=DateTime('UTC')", "df"]),
        ("--types a = Int8, b = Int8 t df", ["--types=a = Int8, b = Int8", "t", "df"]),
        ("t df --types 'a=Int8,b=Decimal(3, 1)'", ["t", "df", "--types=a=Int8,b=Decimal(3, 1)"]),
        ("t df --types \"s=Enum8('x' = 1)\"", ["t", "df", "--types=s=Enum8('x' = 1)"]),
        ("t df --types 'a b'=Int8", ["t", "df", "--types='a b'=Int8"]),
        ("t df --types zip=String,amount='Decimal(12, 2)'", ["t", "df", "--types=zip=String,amount='Decimal(12, 2)'"]),
    ],
)
def test_words_are_split_as_in_a_shell_but_for_types(text: str, words: list[str]) -> None:
    """The list of --types may have blanks and quotes in its brackets."""
    assert split_words(text) == words


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("upload", "Usage: %roe upload TABLE SOURCE"),
        ("upload t", "Usage: %roe upload TABLE SOURCE"),
        ("upload t frame more", "unrecognized arguments: more"),
        (
            "upload t my file.csv",
            "unrecognized arguments: file.csv. Put a path or an expression with blanks in quotation",
        ),
        (
            "upload t frame[frame.n > 1]",
            "unrecognized arguments: > 1]. Put a path or an expression with blanks in quot",
        ),
        ("upload t frame[['n']] --replace", """Put the expression in quotation marks: "frame[['n']]\""""),
        ('upload t frame["n"] + frame["n"]', """quotation marks: 'frame["n"] + frame["n"]'"""),
        ("upload t frame.query('n > 1') --types n=Int8", """quotation marks: "frame.query('n > 1')\""""),
        ("upload t frame --replce", "did you mean --replace?"),
        ("upload t frame --force", "its flags are --replace"),
        ("upload t frame --rep", "--rep;"),
        ("upload t frame --replace --if-missing", "exclude each other"),
        ("upload t frame --types", "expected one argument"),
        ("upload t frame --types n", "not COLUMN=TYPE"),
        ("upload t 'frame", "No closing quotation"),
    ],
)
def test_a_wrong_line_says_what_is_right(shell: Shell, line: str, said: str) -> None:
    """And nothing is sent."""
    ran = shell.run(f"%roe {line}")
    assert isinstance(ran.error, UsageError)
    assert said in str(ran.error)


def test_help_has_every_flag(shell: Shell) -> None:
    """With what SOURCE may be."""
    shown = shell.run("%roe upload --help").out
    assert all(flag in shown for flag in FLAGS)
    assert "DataFrame" in shown
    assert shown.startswith("usage: %roe upload TABLE SOURCE [--replace | --if-missing] [--types COL=TYPE,...]")


# The source


def test_a_variable_comes_first_then_a_file_then_an_expression(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each is found by what it is."""
    monkeypatch.chdir(tmp_path)
    for name in ("df.csv", "bare", "my file.csv"):
        (tmp_path / name).write_text("a\n1\n")
    variables: dict[str, Any] = {"df": FRAME, "bare": 1, "where": "df.csv", "pl": pl}
    assert find_source(variables, "df") is FRAME
    assert find_source(variables, "bare") == 1
    assert find_source(variables, "where") == "df.csv"
    assert find_source(variables, "df.csv") == Path("df.csv")
    assert find_source(variables, "my file.csv") == Path("my file.csv")
    assert find_source(variables, "df[['n']].head(1)")["n"].tolist() == [1]
    assert find_source(variables, "[x for x in range(3) if (lambda y: y)(x)]") == [1, 2]
    assert find_source(variables, "pl.DataFrame({'a': [1]})").columns == ["a"]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("farme", "neither a DataFrame nor a file; did you mean 'frame'?"),
        ("fligths", "did you mean 'flights.csv'?"),
        ("5", "neither a DataFrame nor a file"),
        ("farme.head()", "there is no 'farme'; did you mean 'frame'?"),
        ("data/nosuch", "there is no 'data'"),
        ("frame[['nope']]", "cannot be evaluated: KeyError"),
        ("frame.head(", "neither a DataFrame nor a file"),
        ("https://example.com/a.csv", "'https://example.com/a.csv' is a URL, and URLs are not fetched."),
        ("s3://bucket/key", "Download the file first, or read it, for example with pandas.read_csv(url)"),
    ],
)
def test_what_is_none_of_them_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str, said: str) -> None:
    """With the nearest name of a variable or a file."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "flights.csv").write_text("a\n1\n")
    with pytest.raises(OwnUsageError) as caught:
        find_source({"frame": FRAME, "text": "x"}, text)
    assert said in str(caught.value)


# What is shown


def test_the_end_says_rows_and_types(shell: Shell) -> None:
    """And nothing is the cell's value."""
    ran = shell.run(f"%roe upload {NAME} frame")
    assert ran.out.strip() == f"Table {NAME}: 3 rows, 2 columns.\n  n Int64, zip Nullable(String)"
    assert ran.value is None


def test_an_expression_is_uploaded(shell: Shell) -> None:
    """In quotes, with the user's own variables."""
    assert "2 rows, 1 column" in shell.run(f"%roe upload {NAME} \"frame[['n']].head(2)\"").out


def test_types_and_headers_reach_the_server(shell: Shell, tmp_path: Path) -> None:
    """--types, --no-header, and --dry-run with its reasons."""
    (tmp_path / "t.csv").write_text("02134,1.10\n00501,2.20\n")
    tried = shell.run(f"%roe upload {NAME} t.csv --no-header --dry-run --types column_2=Decimal(10, 2)")
    assert tried.error is None
    assert "nothing was created" in tried.out
    assert "Decimal(10, 2)" in tried.out
    assert "leading zero" in tried.out
    assert not shell.magic.client().has_table(NAME)
    assert "2 rows" in shell.run(f"%roe upload {NAME} t.csv --no_header").out


def test_replace_and_if_missing(shell: Shell) -> None:
    """A taken name is refused, kept, or replaced."""
    shell.run(f"%roe upload {NAME} frame")
    assert isinstance(shell.run(f"%roe upload {NAME} frame").error, BadRequestError)
    assert "nothing was uploaded" in shell.run(f"%roe upload {NAME} frame.head(1) --if-missing").out
    assert "1 row" in shell.run(f"%roe upload {NAME} frame.head(1) --replace").out


@pytest.mark.parametrize("source", ["nosuch.csv", "farme", "frame[['nope']]", "ragged.csv", "frame.iloc[:,:0]"])
def test_what_cannot_be_uploaded_replaces_nothing(shell: Shell, tmp_path: Path, source: str) -> None:
    """The old table is untouched."""
    (tmp_path / "ragged.csv").write_text("a,b\n1,2\n3\n4,5,6\n")
    shell.run(f"%roe upload {NAME} frame")
    assert shell.run(f"%roe upload {NAME} {source} --replace").error is not None
    assert shell.magic.client().describe(NAME).row_count == 3


def test_what_csv_loses_is_said_before_anything_is_sent(csv_only: Shell, proxy: FaultyProxy) -> None:
    """And once."""
    ran = csv_only.run(f"%roe upload {NAME} frame")
    assert ran.out.count("text that looks like numbers") == 1
    assert ran.out.startswith("Note: zip: ")
    proxy.fault = len(proxy.journal) + 1, "refuse"
    assert "Note: zip: " in csv_only.run(f"%roe upload {NAME}2 frame").out


@pytest.mark.parametrize("answer", ["y", "n"])
def test_a_table_is_deleted_only_after_a_yes(csv_only: Shell, monkeypatch: pytest.MonkeyPatch, answer: str) -> None:
    """On a server that cannot swap tables."""
    asked: list[str] = []
    monkeypatch.setattr("builtins.input", lambda question: asked.append(question) or answer)
    csv_only.run(f"%roe upload {NAME} frame")
    ran = csv_only.run(f"%roe upload {NAME} frame.head(1) --replace")
    assert len(asked) == 1
    assert asked[0].endswith("Delete it? [y/N] ")
    assert (ran.error is None) == (answer == "y")
    assert csv_only.magic.client().describe(NAME).row_count == (1 if answer == "y" else 3)
    assert csv_only.run(f"%roe upload {NAME} frame.head(2) --replace --yes").error is None
    assert len(asked) == 1
    assert csv_only.magic.client().describe(NAME).row_count == 2


@pytest.mark.parametrize(
    ("state", "now", "text"),
    [
        (Sent(0, 120_000_000, 5.0, 5.0), 6.0, "Uploading t: 0 % of 120 MB"),
        (Sent(30_000_000, 120_000_000, 5.0, 7.0), 7.0, "Uploading t: 25 % of 120 MB, 15 MB/s, 6 s left"),
        (Sent(120_000_000, 120_000_000, 5.0, 9.0), 12.5, "Uploading t: all 120 MB sent; the server reads it (3.5 s)"),
        (Sent(0, 0, 5.0, 5.0), 6.0, "Uploading t: all 0 B sent; the server reads it (1.0 s)"),
    ],
)
def test_progress_in_one_line(state: Sent, now: float, text: str) -> None:
    """Percent, speed, time left; then that the server reads."""
    assert state.text("t", now).replace("6.0 s left", "6 s left") == text


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_a_terminal_has_one_line_that_is_written_over(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is gone at the end, and the result is printed."""
    terminal = Terminal()
    monkeypatch.setattr("sys.stdout", terminal)
    monkeypatch.setattr(upload_display, "SHOW_AFTER", 0.05)
    with UploadDisplay("t") as display:
        display.progress(0, 100)
        display.progress(50, 100)
        wait_for(lambda: "50 %" in terminal.getvalue())
        display.finish(UploadResult("t", 1, []))
    shown = terminal.getvalue()
    assert "\n" not in shown.partition("Table t")[0]
    assert shown.endswith("\r\x1b[KTable t: 1 row, 0 columns.\n")


def test_a_quick_upload_shows_its_end_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """In a terminal, and where nobody watches however long it takes."""
    for out, seconds in ((Terminal(), 0.0), (io.StringIO(), 0.2)):
        monkeypatch.setattr("sys.stdout", out)
        monkeypatch.setattr(upload_display, "SHOW_AFTER", 0.05 if seconds else 60.0)
        with UploadDisplay("t") as display:
            display.progress(50, 100)
            time.sleep(seconds)
            display.finish(UploadResult("t", 1, []))
        assert out.getvalue() == "Table t: 1 row, 0 columns.\n"


# In a kernel


@pytest.fixture(scope="module")
def slow_proxy(service: Service) -> Iterator[FaultyProxy]:
    with faulty_proxy(service.url, csv_only=False) as proxy:
        yield proxy


@pytest.fixture(scope="module")
def environment(service: Service, slow_proxy: FaultyProxy, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("ROE_")}
    config = tmp_path_factory.mktemp("config") / "config.ini"
    more = {"ROE_BASE_URL": slow_proxy.url, "ROE_CONFIG_FILE": str(config), "PYDEVD_DISABLE_FILE_VALIDATION": "1"}
    return {**kept, **service.env, **more}


@pytest.fixture(scope="module")
def kernel(environment: dict[str, str]) -> Iterator[Kernel]:
    with running_kernel(environment) as kernel:
        kernel.run("%load_ext roe_magic\nimport numpy as np, pandas as pd")
        kernel.run("frame = pd.DataFrame({'n': np.arange(8_000_000)})")  # 64 MB
        yield kernel
        kernel.run("from roe_magic import RoeClient")
        for name in ("in_kernel", "in_batch"):
            kernel.run(f"if RoeClient().has_table('{name}'): RoeClient().delete('{name}')")


def texts(kernel: Kernel) -> list[str]:
    """List the text of every display and update."""
    shown = (m["content"]["data"] for m in kernel.messages if m["msg_type"].endswith("display_data"))
    return [data["text/plain"] for data in shown]


def test_progress_lives_in_one_output(kernel: Kernel, slow_proxy: FaultyProxy) -> None:
    """Percent rises, then the server reads; at the end the same output is the result, and nothing else is printed."""
    slow_proxy.pause = 0.1
    slow_proxy.before = lambda request: time.sleep(2) if request.startswith("POST") else None
    try:
        kernel.run("%roe upload in_kernel frame --replace")
    finally:
        slow_proxy.pause, slow_proxy.before = 0.0, lambda _: None
    kinds = [m["msg_type"] for m in kernel.messages if m["msg_type"].endswith("display_data")]
    assert kinds == ["display_data", *["update_display_data"] * (len(kinds) - 1)]
    assert (
        len({m["content"]["transient"]["display_id"] for m in kernel.messages if "display_data" in m["msg_type"]}) == 1
    )
    shown = texts(kernel)
    percents = [int(text.split(" % ")[0].split()[-1]) for text in shown if " % of 64 MB" in text]
    assert percents == sorted(percents)
    assert len(set(percents)) > 3
    assert any("the server reads it" in text for text in shown)
    assert shown[-1] == "Table in_kernel: 8,000,000 rows, 1 column.\n  n Int64"
    assert not any(m["msg_type"] == "stream" for m in kernel.messages)


def test_stop_ends_an_upload_at_once_and_leaves_nothing(
    kernel: Kernel, slow_proxy: FaultyProxy, service: Service
) -> None:
    """The message says so, and so do the server's tables and its folder."""
    slow_proxy.pause = 0.5
    try:
        kernel.start("%roe upload stopped_in_kernel frame")
        kernel.until(lambda _: any(" % of " in text and " 0 %" not in text for text in texts(kernel)))
        pressed = time.monotonic()
        kernel.manager.interrupt_kernel()
        kernel.wait()
        assert time.monotonic() - pressed < 10
    finally:
        slow_proxy.pause = 0.0
    error = next(m["content"] for m in kernel.messages if m["msg_type"] == "error")
    assert error["ename"] == "UploadInterrupted"
    assert "nothing was created" in error["evalue"]
    assert "Traceback" not in "".join(error["traceback"])
    assert texts(kernel)[-1].startswith("The upload of stopped_in_kernel ended after ")
    with service.client() as http:
        assert "stopped_in_kernel" not in http.get("/v1/tables/").text
    wait_for(lambda: not list((service.data / "uploads").glob("*")))


def test_a_batch_run_prints_the_end_alone(kernel: Kernel, slow_proxy: FaultyProxy) -> None:
    """However long it takes; and it replaces nothing by a delete without --yes."""
    slow_proxy.before = lambda request: time.sleep(1.5) if request.startswith("POST") else None
    try:
        assert kernel.run("%roe upload in_batch frame", watched=False) == []
    finally:
        slow_proxy.before = lambda _: None
    (printed,) = [m["content"]["text"] for m in kernel.messages if m["msg_type"] == "stream"]
    assert printed == "Table in_batch: 8,000,000 rows, 1 column.\n  n Int64\n"
    slow_proxy.csv_only = True
    try:
        kernel.start("%roe upload in_batch frame --replace", watched=False)
        kernel.wait()
    finally:
        slow_proxy.csv_only = False
    (refused,) = [m["content"]["text"] for m in kernel.messages if m["msg_type"] == "stream"]
    assert "--yes" in refused
