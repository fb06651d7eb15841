"""The magic in a shell, on the real service: parsing, assigning, showing, failing."""

from __future__ import annotations

import pickle
import re
from collections.abc import Iterator
from pathlib import Path
from uuid import UUID

import pandas as pd
import polars as pl
import pytest
from IPython.core.error import UsageError

from roe_magic.errors import (
    BadRequestError,
    ConfigError,
    NotFoundError,
    QueryFailed,
    QueryInterrupted,
    QueryTimeout,
    ResultTooLarge,
)
from roe_magic.errors import UsageError as ShellUsageError
from roe_magic.panel import Display
from roe_magic.query.worksheet_query import WorksheetQuery
from tests.conftest import Service
from tests.support.shells import Shell
from tests.support.shells import shell as new_shell


@pytest.fixture
def shell(service: Service, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Shell]:
    with new_shell(monkeypatch, service.env, tmp_path) as made:
        yield made


@pytest.fixture
def bare(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Shell]:
    with new_shell(monkeypatch, {}, tmp_path) as made:
        yield made


class TestTargets:
    def test_without_a_target_the_query_is_the_cells_value(self, shell: Shell) -> None:
        """Without a name the WorksheetQuery is the value of the cell, and `_roe` too."""
        ran = shell.roe("", "SELECT 42 AS answer")
        assert isinstance(ran.value, WorksheetQuery)
        assert ran.value.df()["answer"].tolist() == [42]
        assert shell.variables["_roe"] is ran.value

    @pytest.mark.parametrize("header", ["q", "q <<", "-o q", "--out q", "--out=q"])
    def test_a_name_gets_the_query_and_only_the_panel_is_shown(self, shell: Shell, header: str) -> None:
        """A name gets the WorksheetQuery, and the cell has no value."""
        ran = shell.roe(header, "SELECT 1 AS one")
        assert ran.value is None
        assert shell.variables["q"].df().to_dict("list") == {"one": [1]}
        assert ran.out.count("SUCCESS") == 1

    def test_the_last_query_is_the_one_that_was_assigned(self, shell: Shell) -> None:
        """`_roe` is `q` itself: what is set on one is set on the other, and rows are fetched once."""
        shell.roe("q --no-result", "SELECT 1 AS one")
        query, last = shell.variables["q"], shell.variables["_roe"]
        assert query is last
        query.displaylimit = 3
        assert last.displaylimit == 3
        assert query.results[0] is last.results[0]

    @pytest.mark.parametrize(("header", "call"), [("", "_roe.df()"), ("rows= <<", "rows.df()")])
    def test_the_line_below_the_rows_names_the_variable_that_has_them(
        self, shell: Shell, header: str, call: str
    ) -> None:
        """What it says can be typed as it stands: `_roe.df()` without a name."""
        query = shell.roe(header, "SELECT number FROM numbers(30)").value
        shown = query._repr_mimebundle_()
        assert shown["text/plain"].endswith(f"all: {call}")
        assert f"all: {call}" in shown["text/html"]
        assert len(shell.run(call).value) == 30

    @pytest.mark.parametrize("header", ["q= <<", "q = <<", "q=<<"])
    def test_an_equals_sign_assigns_and_shows(self, shell: Shell, header: str) -> None:
        """`q= <<` assigns and is the cell's value too."""
        ran = shell.roe(header, "SELECT 1 AS one")
        assert ran.value is shell.variables["q"]

    def test_df_gets_the_rows(self, shell: Shell) -> None:
        """`--df` gives the rows of the last statement, beside a name for the query."""
        shell.roe("q --df rows", "SELECT 1; SELECT number AS n FROM numbers(3)")
        assert shell.variables["rows"]["n"].tolist() == [0, 1, 2]
        assert shell.variables["rows"].attrs["roe"]["id"] == str(shell.variables["q"].id)

    def test_autopandas_gives_a_dataframe(self, shell: Shell) -> None:
        """With autopandas the value and the name are DataFrames."""
        shell.run("%config RoeMagic.autopandas = True")
        assert isinstance(shell.roe("", "SELECT 1").value, pd.DataFrame)
        shell.roe("d", "SELECT 1")
        assert isinstance(shell.variables["d"], pd.DataFrame)

    @pytest.mark.parametrize("setting", ["autopandas", "autopolars"])
    def test_no_result_downloads_nothing_even_where_dataframes_are_wanted(self, shell: Shell, setting: str) -> None:
        """Then the value is the query."""
        shell.run(f"%config RoeMagic.{setting} = True")
        query = shell.roe("--no-result", "SELECT 1 AS one").value
        assert isinstance(query, WorksheetQuery)
        assert not query.has_rows

    def test_autopolars_gives_a_polars_frame(self, shell: Shell) -> None:
        """With autopolars the value is a polars DataFrame."""
        shell.run("%config RoeMagic.autopolars = True")
        assert isinstance(shell.roe("", "SELECT 1").value, pl.DataFrame)

    def test_dtype_backend_and_tz_are_settings(self, shell: Shell) -> None:
        """The settings of DataFrames hold for `--df`."""
        shell.run("%config RoeMagic.dtype_backend = 'pyarrow'\n%config RoeMagic.tz = 'Asia/Tokyo'")
        shell.roe("--df d", "SELECT toDateTime('2026-01-01 00:00:00', 'UTC') AS at, 1 AS n")
        assert str(shell.variables["d"]["n"].dtype) == "uint8[pyarrow]"
        assert str(shell.variables["d"]["at"].iloc[0]) == "2026-01-01 09:00:00+09:00"

    def test_the_query_takes_the_options_of_dataframes_along(self, shell: Shell) -> None:
        """Its own ``df()`` and those of its results use them, unless they are told otherwise; later ones do not."""
        before = shell.roe("", "SELECT 1 AS n").value
        shell.run("%config RoeMagic.dtype_backend = 'pyarrow'\n%config RoeMagic.tz = 'Asia/Tokyo'")
        query = shell.roe("", "SELECT toDateTime('2026-01-01 00:00:00', 'UTC') AS at, 1 AS n").value
        for made in (query, query.results[0], shell.run(f"%roe result {query.id}").value):
            assert str(made.df()["n"].dtype) == "uint8[pyarrow]"
            assert str(made.df()["at"].iloc[0]) == "2026-01-01 09:00:00+09:00"
            assert str(made.df(dtype_backend="numpy_nullable")["n"].dtype) == "UInt8"
            assert str(made.df(tz=None)["at"].iloc[0]) == "2026-01-01 00:00:00+00:00"
        assert str(before.df()["n"].dtype) == "UInt8"

    def test_totals_have_the_same_dtypes_as_the_rows(self, shell: Shell) -> None:
        """Both are DataFrames of the query."""
        shell.run("%config RoeMagic.dtype_backend = 'pyarrow'")
        query = shell.roe("", "SELECT number % 2 AS n, count() AS c FROM numbers(4) GROUP BY n WITH TOTALS").value
        assert query.results[0].totals.dtypes.tolist() == query.df().dtypes.tolist()

    @pytest.mark.parametrize("header", ["SELECT 1", "2x", "for", "q r", "a.b", "<< q"])
    def test_what_is_no_name_is_refused_before_anything_is_sent(self, shell: Shell, header: str) -> None:
        """SQL on the header line, or a word that cannot be a variable, is a usage error."""
        ran = shell.roe(header, "SELECT 1")
        assert isinstance(ran.error, UsageError)
        assert "variable name" in str(ran.error)

    def test_a_semicolon_at_the_end_hides_the_rows(self, shell: Shell) -> None:
        """A last `;`, with a comment behind it even, hides the value but not the panel."""
        ran = shell.roe("", "SELECT 1; -- done")
        assert ran.value is None
        assert "SUCCESS" in ran.out
        assert re.search("1 row, 1 column · ended .* · rows hidden by the closing ; ·", ran.out)
        assert shell.variables["_roe"].succeeded

    @pytest.mark.parametrize(
        ("header", "sql"),
        [
            ("", "SELECT 1"),
            ("q", "SELECT 1;"),  # the target hides the rows
            ("--no-result", "SELECT 1;"),
            ("", "SELECT throwIf(1);"),
            ("--use-admin", "CREATE TEMPORARY TABLE hidden (a UInt8);"),
        ],
    )
    def test_only_a_semicolon_that_hides_rows_is_told(self, shell: Shell, header: str, sql: str) -> None:
        """Not where there are none, nor where they would not be shown without it."""
        assert "hidden" not in shell.roe(header, sql).out.replace("TABLE hidden", "")

    def test_a_semicolon_inside_a_string_hides_nothing(self, shell: Shell) -> None:
        """Only a semicolon of the SQL itself counts."""
        assert shell.roe("", "SELECT ';'").value is not None


class TestLineMagic:
    def test_sql_on_one_line(self, shell: Shell) -> None:
        """`x = %roe SQL` gives the query, quotes and flags-like text in the SQL untouched."""
        shell.run("x = %roe SELECT 'it''s -o $HOME {x}' AS s, 5 - -1 AS n --df z")
        assert shell.variables["x"].df().to_dict("list") == {"s": ["it's -o $HOME {x}"], "n": [6]}
        assert "z" not in shell.variables

    def test_a_semicolon_takes_nothing_from_an_assignment(self, shell: Shell) -> None:
        """On one line a `;` only ends the SQL: the variable gets its query."""
        shell.run("x = %roe SELECT 1 AS one;")
        assert shell.variables["x"].df()["one"].tolist() == [1]

    @pytest.mark.parametrize("flags", ["-q", "--df rows", "-o other", "--no-result -q"])
    def test_a_flag_takes_nothing_from_an_assignment(self, shell: Shell, flags: str) -> None:
        """`q = %roe -q SELECT 1` gives q its query; the flags say what is shown, and what else is assigned."""
        assert shell.run(f"q = %roe {flags} SELECT 1 AS one").value is None
        assert isinstance(shell.variables["q"], WorksheetQuery)
        assert shell.run(f"%roe {flags} SELECT 1 AS one").value is None
        assert (
            shell.run(f"for _ in range(1):\n    %roe {flags} SELECT 1\n    p, r = 1, %roe {flags} SELECT 2").value
            is None
        )

    def test_flags_stand_before_the_sql(self, shell: Shell) -> None:
        """Leading flags are read, with or without `=`."""
        shell.run("%roe --df d -o q SELECT 3 AS three")
        assert shell.variables["d"]["three"].tolist() == [3]
        shell.run("%roe --df=e SELECT 4 AS four")
        assert shell.variables["e"]["four"].tolist() == [4]

    @pytest.mark.parametrize("sql", ["SELECT 1 AS one --no-result", "SELECT 1 AS one --no_result  -- and more"])
    def test_a_flag_behind_the_sql_is_a_comment_and_said_to_be_one(self, shell: Shell, sql: str) -> None:
        """It is not taken, and the note says where flags stand."""
        ran = shell.run(f"x = %roe {sql}")
        assert shell.variables["x"].has_rows
        assert ran.out.count("behind the SQL is a comment") == 1
        assert "before the SQL" in ran.out

    @pytest.mark.parametrize(("sql", "flag"), [("SELECT 1 -q", "-q"), ("SELECT 1 -N;", "-N"), ("SELECT 1 -o q", "-o")])
    def test_a_short_flag_behind_the_sql_is_part_of_it_and_said_to_be(self, shell: Shell, sql: str, flag: str) -> None:
        """The server subtracts a column of that name."""
        ran = shell.run(f"%roe {sql}")
        assert isinstance(ran.error, QueryFailed)
        assert ran.out.count(f"Note: {flag} behind the SQL is part of the SQL. Write flags before the SQL") == 1

    @pytest.mark.parametrize("line", ["q2 << SELECT 5", "q2= << SELECT 5", "--quiet q2<<SELECT 5", "q2 SELECT 5"])
    def test_the_target_of_a_line_is_a_flag(self, shell: Shell, line: str) -> None:
        """Only a cell has it as words; the error says what to write."""
        ran = shell.run(f"%roe {line}")
        assert isinstance(ran.error, UsageError)
        assert "%roe -o q2 SELECT ..." in str(ran.error)
        assert "_roe" not in shell.variables

    def test_a_mistyped_flag_is_told_before_what_follows_it(self, shell: Shell) -> None:
        """Its value is no SQL, which is not what is wrong."""
        ran = shell.run("%roe -df d SELECT 1")
        assert isinstance(ran.error, UsageError)
        assert str(ran.error).endswith("did you mean --df?")

    @pytest.mark.parametrize(
        "sql",
        [
            "SELECT '--no-result' AS s",
            "SELECT 1 -- no-result",
            "SELECT 1 --nothing of ours",
            "SELECT 1 -x",
            "SELECT 3 - 1",
            "WITH 1 AS q SELECT 5-q",
            "WITH 1 AS q SELECT 5 -q FROM one",
            "SELECT ' -q'",
        ],
    )
    def test_other_comments_need_no_note(self, shell: Shell, sql: str) -> None:
        """Nor do texts that look like flags."""
        assert "behind the SQL" not in shell.run(f"x = %roe {sql}").out

    def test_braces_and_dollars_reach_the_server(self, shell: Shell) -> None:
        """IPython does not rewrite the SQL of a cell."""
        shell.variables["x"] = "rewritten"
        assert shell.roe("", "SELECT '{x} $x' AS s").value.df()["s"].tolist() == ["{x} $x"]


class TestFlags:
    @pytest.mark.parametrize(
        "header",
        ["\\\n-o q --no-result", "-o q \\\n--no-result", "\\  \n  -o q \\\n  --no-result", "--no-result \\\n q"],
    )
    def test_a_backslash_continues_the_first_line(self, shell: Shell, header: str) -> None:
        """Over as many lines as there are; the SQL begins behind the last of them."""
        ran = shell.roe(header, "SELECT 7 AS seven")
        assert ran.error is None
        assert not shell.variables["q"].has_rows
        assert shell.variables["q"].query == "SELECT 7 AS seven\n"

    @pytest.mark.parametrize("header", ["\\", "q \\", "\\\n--quiet \\"])
    def test_a_backslash_with_nothing_behind_it_leaves_no_sql(self, shell: Shell, header: str) -> None:
        """The SQL below it belongs to the first line then."""
        ran = shell.run(f"%%roe {header}\n\n")
        assert isinstance(ran.error, UsageError)
        assert "There is no SQL" in str(ran.error)

    @pytest.mark.parametrize(
        ("flags", "told"),
        [
            *((f"--timeout {value}", "more than 0 s") for value in ("-5", "0", "nan", "inf", "1e300")),
            ("--timeout=-inf", "more than 0 s"),
            *((f"--progress-after {value}", "0 or more") for value in ("-1", "nan", "inf", "1e300")),
            *((f"--{name} soon", "not a number") for name in ("timeout", "progress-after")),
            *((f"--organization {value}", "UUID") for value in ("acme", "1234", "5d9a6a3e-0c6e-4f1e-9a0b-6a2f3c4d5e6")),
            ("q -o r", "both q and r"),
            ("q --df q", "two names"),
        ],
    )
    def test_a_flag_with_a_value_that_makes_no_sense_is_refused(self, shell: Shell, flags: str, told: str) -> None:
        """Before anything is sent, with the flag and what it takes."""
        for ran in (shell.roe(flags, "SELECT 1"), shell.run(f"%roe {flags.removeprefix('q ')} SELECT 1")):
            assert isinstance(ran.error, UsageError) or flags.startswith("q ")
            assert told in str(ran.error) or flags.startswith("q ")
        assert told in str(shell.roe(flags, "SELECT 1").error)

    def test_an_unknown_flag_names_the_nearest(self, shell: Shell) -> None:
        """A mistyped flag is refused with a suggestion."""
        ran = shell.roe("--use-admn", "SELECT 1")
        assert isinstance(ran.error, UsageError)
        assert "did you mean --use-admin?" in str(ran.error)

    def test_underscores_are_dashes(self, shell: Shell) -> None:
        """`--no_result` is `--no-result`; the rows come later, on first use."""
        shell.roe("q --no_result", "SELECT 7 AS seven")
        assert not shell.variables["q"].has_rows
        assert shell.variables["q"].df()["seven"].tolist() == [7]

    def test_rows_that_are_left_out_cannot_be_assigned(self, shell: Shell) -> None:
        """`--df` and `--no-result` contradict each other."""
        assert isinstance(shell.roe("--df d --no-result", "SELECT 1").error, UsageError)

    def test_an_unknown_zone_is_refused(self, shell: Shell) -> None:
        """A zone that nobody knows is refused where it is set, and by df()."""
        shell.run("%config RoeMagic.tz = 'Mars'")
        assert shell.magic.tz == ""
        with pytest.raises(ShellUsageError, match="Mars"):
            shell.roe("", "SELECT now()").value.df(tz="Mars")

    def test_quiet_shows_nothing(self, shell: Shell) -> None:
        """`--quiet` has no panel and no value."""
        ran = shell.roe("--quiet", "SELECT 1")
        assert (ran.out, ran.value) == ("", None)
        assert shell.variables["_roe"].succeeded

    def test_without_a_panel_what_is_hidden_and_noticed_is_said(self, shell: Shell) -> None:
        """One line each: a closing `;` leaves no cell without a word, and notices and errors appear."""
        shell.run("%config RoeMagic.panel = 'off'")
        assert shell.roe("", "SELECT 3;").out == "Rows hidden by the closing ;\n"
        ignored = "FORMAT CSV was ignored: rows always arrive as values with their types.\n"
        assert shell.roe("q", "SELECT 3 FORMAT CSV").out == ignored
        assert shell.roe("", "SELECT 3 FORMAT CSV;").out == f"{ignored}Rows hidden by the closing ;\n"
        assert shell.roe("q", "SELECT 3").out == ""
        failed = shell.roe("", "SELECT nope FORMAT CSV;").out
        assert failed.count("Unknown expression identifier") == failed.count(ignored.strip()) == 1
        assert "hidden" not in failed

    def test_quiet_prints_no_notices(self, shell: Shell) -> None:
        """They are in `notices`; errors are raised as ever."""
        assert shell.roe("-q", "SELECT 3 FORMAT CSV;").out == ""
        assert len(shell.variables["_roe"].notices) == 1

    @pytest.mark.parametrize("flag", ["--dry-run", "-N", "--no-execute"])
    def test_a_dry_run_sends_nothing_and_shows_no_key(self, shell: Shell, service: Service, flag: str) -> None:
        """What would be sent is printed, without the key."""
        ran = shell.roe(flag, "SELECT 'dry run'")
        assert "SELECT 'dry run'" in ran.out
        assert "/v1/database/query/async/" in ran.out
        assert service.api_key not in ran.out
        assert "_roe" not in shell.variables

    def test_timeout_ends_the_wait_and_not_the_query(self, shell: Shell) -> None:
        """After `--timeout` the error carries the id, and `%roe result ID` comes back to the rows."""
        ran = shell.roe("--timeout 0.3", "SELECT sleep(2) AS slept")
        assert isinstance(ran.error, QueryTimeout)
        assert ran.error.query_id is not None
        assert f"%roe result {ran.error.query_id}" in str(ran.error)
        back = shell.run(f"q = %roe result {ran.error.query_id}")
        assert back.error is None
        assert shell.variables["q"].df()["slept"].tolist() == [0]

    def test_stop_while_the_panel_is_drawn_is_a_stop_like_any_other(
        self, shell: Shell, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """It is not lost in the drawing: watching ends, and the error carries the id."""

        def interrupted(*_: object) -> None:
            raise KeyboardInterrupt

        monkeypatch.setattr(Display, "show", interrupted)
        ran = shell.roe("--progress-after 1.5", "SELECT sleep(3) AS slept")  # the id comes after 1 s
        assert isinstance(ran.error, QueryInterrupted)
        assert ran.error.query_id is not None
        assert f"%roe result {ran.error.query_id}" in str(ran.error)

    def test_worksheet_by_name_and_by_id(self, shell: Shell) -> None:
        """`--worksheet` takes a name or an id; the query is found in that worksheet again."""
        made = shell.magic.client().create_worksheet("Quarterly numbers")
        for text in ("'Quarterly numbers'", str(made.id), str(made.id)[:13]):
            shell.roe(f"q --worksheet {text}", "SELECT 1")
            assert shell.variables["q"].worksheet.id == made.id
        listed = shell.run("%roe worksheets Quarterly numbers").value
        assert listed["query"].tolist() == ["SELECT 1"] * 3
        assert len(shell.run(f"%roe worksheets {str(made.id)[:13].upper()}").value) == 3
        assert str(shell.variables["q"].id) in set(map(str, listed["id"]))

    def test_an_unknown_worksheet_name_lists_the_known_ones(self, shell: Shell) -> None:
        """The error of a name that nobody has names what there is."""
        ran = shell.roe("--worksheet nope", "SELECT 1")
        assert isinstance(ran.error, UsageError)
        assert "Worksheets: " in str(ran.error)

    def test_a_foreign_organization_is_refused_by_the_server(self, shell: Shell) -> None:
        """`--organization` is sent, and the service refuses one that is not the key's."""
        ran = shell.roe("--organization 11111111-2222-3333-4444-555555555555", "SELECT 1")
        assert isinstance(ran.error, (BadRequestError, NotFoundError)) or type(ran.error).__name__ == "ForbiddenError"

    def test_use_admin_writes(self, shell: Shell) -> None:
        """Without the flag a write is refused with a word on the flag; with it the rows are written."""
        refused = shell.roe("", "CREATE TABLE made_by_magic (n UInt8) ORDER BY n")
        assert isinstance(refused.error, QueryFailed)
        assert "use_admin" in str(refused.error)
        sql = "CREATE TABLE made_by_magic (n UInt8) ORDER BY n; INSERT INTO made_by_magic VALUES (1), (2)"
        done = shell.roe("--use-admin", sql)
        assert done.value.results[1].summary.written_rows == 2
        shell.roe("--use-admin", "DROP TABLE made_by_magic")

    def test_a_profile_flag_counts_as_the_strongest(self, shell: Shell, service: Service, tmp_path: Path) -> None:
        """`-s` uses a profile whose key stands in a variable that it names."""
        lines = ["[mine]", f"base_url = {service.url}", "api_key_variable = MY_KEY", "organization_id = "]
        lines[-1] += service.organization_id
        (tmp_path / "config.ini").write_text("\n".join(lines))
        ran = shell.roe("-s mine", "SELECT 1")
        assert "no API key" in str(ran.error)
        assert "MY_KEY" in str(ran.error)
        shell.run(f"import os; os.environ['MY_KEY'] = '{service.api_key}'")
        assert shell.roe("-s mine", "SELECT 1").value.succeeded
        shell.run("del os.environ['MY_KEY']")

    @pytest.mark.parametrize("answer", ["n", "", "what?", KeyboardInterrupt, EOFError])
    def test_a_result_above_the_limit_needs_a_yes(
        self, shell: Shell, monkeypatch: pytest.MonkeyPatch, answer: str | type[BaseException]
    ) -> None:
        """The question names both sizes; anything but yes leaves the rows at the server, with what to do instead."""
        asked: list[str] = []
        monkeypatch.setattr("builtins.input", lambda question: asked.append(question) or say(answer))
        shell.run("%config RoeMagic.max_result_bytes = 100000")
        ran = shell.roe("", "SELECT number FROM numbers(1000000)")
        assert isinstance(ran.error, ResultTooLarge)
        assert "LIMIT" in str(ran.error)
        (question,) = asked
        assert re.fullmatch(r"The rows take 8[.\d]* MB, more than the limit of 100 kB\. Download .* \[y/N\] ", question)

    def test_a_yes_fetches_what_is_above_the_limit(self, shell: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
        """All of it, of the same query."""
        monkeypatch.setattr("builtins.input", lambda _: "y")
        shell.run("%config RoeMagic.max_result_bytes = 100000")
        ran = shell.roe("", "SELECT number FROM numbers(1000000)")
        assert ran.value.results[0].row_count == 1_000_000


def say(answer: str | type[BaseException]) -> str:
    if isinstance(answer, str):
        return answer
    raise answer


class TestErrors:
    def test_no_credentials_says_what_to_set_in_two_lines(self, bare: Shell) -> None:
        """The first cell without anything set names the variables and `%roe connect local`."""
        ran = bare.roe("", "SELECT 1")
        assert isinstance(ran.error, ConfigError)
        lines = str(ran.error).splitlines()
        assert len(lines) == 2
        assert "ROE_API_KEY" in lines[0]
        assert "%roe connect local" in lines[1]

    def test_a_failure_is_told_once(self, shell: Shell) -> None:
        """The panel has the message; the exception's rendering points at it; `_roe` is the failed query."""
        ran = shell.roe("", "SELECT nope")
        assert isinstance(ran.error, QueryFailed)
        assert ran.out.count("Unknown expression identifier") == 1
        assert "UNKNOWN_IDENTIFIER, see above" in ran.out
        assert "Traceback" not in ran.out
        assert shell.variables["_roe"].status == "FAILURE"
        assert ran.error.query_id == str(shell.variables["_roe"].id)

    def test_the_rows_of_a_failed_query_without_results_are_not_pointed_at(self, shell: Shell) -> None:
        """Only where statements before the failure have some does the error name them."""
        shell.roe("", "SELECT nope")
        assert "df(0)" not in str(shell.run("_roe.df()").error)
        shell.roe("", "SELECT 1; SELECT nope")
        assert str(shell.run("_roe.df()").error).endswith("before the failure: 1; the first: _roe.df(0).")

    def test_a_notice_stands_below_the_outcome(self, shell: Shell) -> None:
        """For a query that succeeds and one that fails, and again when it is come back to."""
        for sql in ("SELECT 1 FORMAT CSV", "SELECT throwIf(1) FORMAT CSV"):
            ran = shell.roe("", sql)
            again = shell.run(f"%roe result {shell.variables['_roe'].id}")
            assert (ran.out.count("FORMAT CSV was ignored:"), again.out.count("FORMAT CSV was ignored:")) == (1, 1)
            assert len(shell.variables["_roe"].notices) == 1

    def test_a_quiet_failure_is_told_by_the_exception(self, shell: Shell) -> None:
        """Without a panel the exception's rendering has the whole message and the id."""
        ran = shell.roe("--quiet", "SELECT nope")
        assert ran.out.count("Unknown expression identifier") == 1
        assert str(shell.variables["_roe"].id) in ran.out

    def test_short_errors_can_be_switched_off(self, shell: Shell) -> None:
        """With short_errors off the traceback is shown."""
        shell.run("%config RoeMagic.short_errors = False")
        assert "Traceback" in shell.roe("", "SELECT nope").out

    @pytest.mark.parametrize("short_errors", [True, False])
    def test_an_error_of_any_length_is_short_on_the_screen(self, shell: Shell, short_errors: bool) -> None:
        """ClickHouse repeats the query in it; the beginning and the code's name are shown, `q.error` has all."""
        shell.run(f"%config RoeMagic.short_errors = {short_errors}")
        numbers = ", ".join(str(10**12 + number) for number in range(30_000))
        for header in ("", "--quiet"):
            ran = shell.roe(header, f"SELECT nope FROM numbers(3) WHERE number IN ({numbers})")
            assert isinstance(ran.error, QueryFailed)
            assert len(re.sub(r"\x1b\[[0-9;]*m", "", ran.out)) < 10_000
            assert len(str(ran.error)) < 2000
            assert "characters left out) … " in str(ran.error)
            assert str(ran.error).endswith("(UNKNOWN_IDENTIFIER)")
            assert "Unknown expression identifier `nope`" in ran.out
        assert len(shell.variables["_roe"].error) > 300_000
        assert len(shell.run("_roe.df()").out) < 10_000
        assert len(shell.run("_roe").out) < 10_000

    def test_earlier_statements_keep_their_rows(self, shell: Shell) -> None:
        """When the second of three statements fails, the first one's rows are in `_roe`."""
        ran = shell.roe("", "SELECT 1 AS fine; SELECT nope; SELECT 3")
        assert "Statement 2 of 3" in str(ran.error)
        assert shell.variables["_roe"].df(0).to_dict("list") == {"fine": [1]}
        with pytest.raises(ShellUsageError, match="UNKNOWN_IDENTIFIER"):
            shell.variables["_roe"].df()

    def test_an_empty_cell_is_a_usage_error(self, shell: Shell) -> None:
        """No SQL is told at once, and how to get help."""
        ran = shell.roe("", "  \n")
        assert isinstance(ran.error, UsageError)
        assert "%%roe?" in str(ran.error)

    def test_a_key_never_goes_to_another_address(self, shell: Shell) -> None:
        """`%config base_url` alone does not take the environment's key along."""
        shell.run("%config RoeMagic.base_url = 'https://elsewhere.example'")
        ran = shell.roe("", "SELECT 1")
        assert isinstance(ran.error, ConfigError)
        assert "elsewhere.example" in str(ran.error)


class TestSurroundings:
    def test_it_works_under_time_and_capture(self, shell: Shell) -> None:
        """`%%time` and `%%capture` wrap a cell as they wrap any other."""
        timed = shell.run("%%time\n%roe -o timed SELECT 1")
        assert timed.error is None
        assert "Wall time" in timed.out
        captured = shell.run("%%capture seen\n%%roe q\nSELECT 2 AS two")
        assert captured.error is None
        assert "SUCCESS" not in captured.out
        assert shell.variables["q"].df()["two"].tolist() == [2]

    def test_a_script_may_call_it(self, shell: Shell) -> None:
        """`run_cell_magic` returns what the cell would."""
        value = shell.ipython.run_cell_magic("roe", "", "SELECT 5 AS five")
        assert value.df()["five"].tolist() == [5]

    def test_help_is_made_of_the_flags(self, shell: Shell) -> None:
        """The docstring of the magic names each flag, and `%roe help` each command."""
        text = shell.magic.roe.__doc__
        for flag in ("--df", "--use-admin", "--timeout", "--worksheet", "--dry-run", "--no-result", "--quiet"):
            assert flag in text
        listed = shell.run("%roe help").out
        for word in ("connect", "whoami", "status", "result", "tables", "upload", "worksheets"):
            assert f"%roe {word}" in listed

    def test_config_shows_no_secret(self, shell: Shell, service: Service) -> None:
        """`%config RoeMagic` lists every setting, and no key."""
        shown = shell.run("%config RoeMagic").out
        assert "displaylimit" in shown
        assert service.api_key not in shown

    def test_a_refused_setting_does_not_break_the_next_load(self, shell: Shell) -> None:
        """A value that a trait refuses is told, kept out, and forgotten by %reload_ext, with the good ones kept."""
        shell.run("%config RoeMagic.displaylimit = 3")
        shell.run("%config RoeMagic.panel = 'sideways'")
        assert shell.magic.panel == "auto"
        loaded = shell.run("%reload_ext roe_magic")
        assert loaded.error is None
        assert "RoeMagic.panel is ignored" in loaded.out
        assert (shell.magic.panel, shell.magic.displaylimit) == ("auto", 3)

    @pytest.mark.parametrize(
        ("name", "value"),
        [
            *(("displaylimit", value) for value in ("-1", "0", "True", "2.5", "'ten'")),
            *(("max_result_bytes", value) for value in ("-1", "0.5", "True")),
            *(("timeout", value) for value in ("-1", "float('nan')", "float('inf')", "1e300")),
            *(("progress_after", value) for value in ("-0.1", "float('nan')", "float('inf')", "None")),
            *(("max_retries", value) for value in ("-1", "1.5")),
            *(("organization_id", value) for value in ("'acme'", "'1234'", "7")),
            *(("base_url", value) for value in ("'roe'", "'ftp://x'", "'http://elsewhere.example'", "'https://u:p@x'")),
            *(("api_key_variable", value) for value in ("'sk-live-123'", "'my key'", "'1X'")),
            *(("tz", value) for value in ("'Mars'", "'../etc/passwd'", "5")),
            *(("dtype_backend", value) for value in ("'nonsense'", "None")),
            *(("panel", value) for value in ("'sideways'", "None")),
            *(("autopandas", "'yes'"), ("autopolars", "2"), ("short_errors", "None"), ("profile", "3")),
        ],
    )
    def test_a_setting_with_a_value_that_makes_no_sense_is_refused(
        self, shell: Shell, caplog: pytest.LogCaptureFixture, name: str, value: str
    ) -> None:
        """Where it is set, with its name; it stays as it was, and breaks no later load."""
        before = getattr(shell.magic, name)
        shell.run(f"%config RoeMagic.{name} = {value}")
        (told,) = caplog.messages
        assert name in told or value.strip("'") in told or name == "base_url"
        assert not {"sk-live", "u:p"} & set(re.findall("sk-live|u:p", told))
        assert getattr(shell.magic, name) == before
        loaded = shell.run("%reload_ext roe_magic")
        assert loaded.error is None
        assert f"RoeMagic.{name} is ignored" in loaded.out
        assert shell.run("%reload_ext roe_magic").out == ""
        assert shell.roe("", "SELECT 1 AS one").value.succeeded

    def test_a_reload_keeps_the_settings_that_were_good(self, shell: Shell) -> None:
        """A good value outlives a refused one, and only the magic that is loaded can be set."""
        shell.run("%config RoeMagic.displaylimit = 3")
        shell.run("%config RoeMagic.displaylimit = 0")
        shell.run("%reload_ext roe_magic")
        assert shell.magic.displaylimit == 3
        loaded = [each for each in shell.ipython.configurables if type(each).__name__ == "RoeMagic"]
        assert loaded == [shell.magic]

    def test_a_reload_keeps_the_connection_and_the_queries(self, bare: Shell, service: Service) -> None:
        """What `%roe connect` chose is chosen still, and ids of before are known."""
        for name, value in service.env.items():
            bare.run(f"import os; os.environ['{name}'] = '{value}'")
        assert bare.run(f"%roe connect {service.url}").error is None
        bare.run(f"for name in {list(service.env)}: del os.environ[name]")
        query = bare.roe("", "SELECT 1 AS one").value
        assert bare.run("%reload_ext roe_magic").error is None
        assert bare.roe("", "SELECT 2 AS two").error is None
        assert bare.run(f"%roe result {str(query.id)[:8]}").value.id == query.id

    def test_unloading_takes_the_magic_away(self, shell: Shell) -> None:
        """After %unload_ext the magic is gone; loading it again brings it back."""
        shell.run("%unload_ext roe_magic")
        assert shell.roe("", "SELECT 1").error is not None or "not found" in shell.roe("", "SELECT 1").out
        shell.run("%load_ext roe_magic")
        assert shell.roe("", "SELECT 1").value.succeeded


class TestCommands:
    def test_whoami_and_connect_tell_the_server(self, shell: Shell, service: Service) -> None:
        """Both name the server and the user, and not the key."""
        assert shell.run("%roe whoami").value["server"] == service.url
        told = shell.run("%roe connect").out
        assert service.url.removeprefix("http://") in told
        assert "the environment" in told
        assert service.api_key not in told

    def test_a_server_that_does_not_answer_leaves_the_one_before(self, shell: Shell, service: Service) -> None:
        """`%roe connect` changes the server only once the new one has answered."""
        nowhere = "http://127.0.0.1:9"
        shell.run(f"import os; os.environ.update(ROE_BASE_URL={nowhere!r}, ROE_API_KEY='x')")
        shell.run("%config RoeMagic.max_retries = 0")
        assert shell.run(f"%roe connect {nowhere}").error is not None
        shell.run(f"os.environ.update({service.env!r})")
        assert shell.run("%roe whoami").value["server"] == service.url

    def test_a_dataframe_is_uploaded_and_listed(self, shell: Shell) -> None:
        """A DataFrame becomes a table; a second upload needs a flag to replace or skip it."""
        shell.variables["frame"] = pd.DataFrame({"n": [1, 2, 3], "s": ["a", "b,c", None]})
        assert "3 rows, 2 columns" in shell.run("%roe upload uploaded frame").out
        assert isinstance(shell.run("%roe upload uploaded frame").error, BadRequestError)
        assert "nothing was uploaded" in shell.run("%roe upload uploaded frame --if-missing").out
        assert shell.run("%roe upload uploaded frame --replace").error is None
        assert "uploaded" in shell.run("%roe tables").value["table"].tolist()
        rows = shell.roe("", "SELECT n, s FROM uploaded ORDER BY n").value.df()
        assert rows["n"].tolist() == [1, 2, 3]
        assert rows["s"].tolist()[1] == "b,c"
        shell.magic.client().delete("uploaded")

    def test_a_listing_is_shown_whole_and_as_it_is(self, shell: Shell) -> None:
        """No cell is cut, and no dollars are mathematics; what is made of it is a plain DataFrame."""
        columns = ", ".join(f"`$a_{index}$` UInt8" for index in range(30))
        shell.roe("--use-admin", f"CREATE TABLE wide_listing ({columns}) ENGINE = MergeTree ORDER BY tuple()")
        listed = shell.run("%roe tables").value
        html = listed._repr_html_()
        assert "UInt8, <span>$</span>a_29<span>$</span> UInt8" in html
        assert "$a" not in html.replace("<span>$</span>", "")
        assert "$a_29$ UInt8" in repr(listed).replace("\n", "")
        assert type(pickle.loads(pickle.dumps(listed))) is pd.DataFrame
        assert type(listed[listed["table"] == "wide_listing"]) is pd.DataFrame
        shell.roe("--use-admin", "DROP TABLE wide_listing")

    def test_a_record_is_shown_whole_and_as_it_is(self, shell: Shell) -> None:
        """What `%roe status` and `%roe whoami` return is drawn as listings are; it stays a Series."""
        shell.roe("", "SELECT throwIf(1, 'costs $5 to $10, which is more than a line of a screen can take of it')")
        status = shell.run("%roe status").value
        html = status._repr_html_()
        assert "costs <span>$</span>5 to <span>$</span>10, which is more than a line of a screen can take of it" in html
        assert "can take of it" in repr(status).replace("\n", "").replace(" " * 20, "")
        assert list(status)[1] == status["status"] == "FAILURE"
        assert type(pickle.loads(pickle.dumps(status))) is type(status.dropna()) is pd.Series
        assert "<table" in shell.run("%roe whoami").value._repr_html_()

    def test_a_worksheet_with_many_queries_says_how_many_it_has(self, shell: Shell) -> None:
        """The newest twenty are listed."""
        shell.run("for _ in range(21):\n    %roe -q --worksheet Default SELECT 1")
        ran = shell.run("%roe worksheets Default")
        assert len(ran.value) == 20
        assert re.search(r"The newest 20 of \d\d+ queries\.", ran.out)

    @pytest.mark.parametrize("suffix", [".csv", ".csv.gz", ".csv.zip"])
    def test_a_file_is_uploaded(self, shell: Shell, tmp_path: Path, suffix: str) -> None:
        """A CSV file is uploaded, compressed or not."""
        path = tmp_path / f"some file{suffix}"
        pd.DataFrame({"n": range(10)}).to_csv(path, index=False)
        assert "10 rows" in shell.run(f"%roe upload from_file '{path}' --replace").out
        shell.magic.client().delete("from_file")

    def test_what_is_no_file_is_told(self, shell: Shell) -> None:
        """A name that is neither a variable nor a file is a usage error."""
        ran = shell.run("%roe upload t no_such_thing")
        assert isinstance(ran.error, UsageError)
        assert "no_such_thing" in str(ran.error)

    @pytest.mark.parametrize("word", ["_roe", "_roe.id", "{_roe.id}", "$_roe.id", "kept", ""])
    def test_a_query_is_named_by_a_variable_too(self, shell: Shell, word: str) -> None:
        """`%roe result` takes a variable with a query or an id, and the last query when nothing is named."""
        query = shell.roe("kept= <<", "SELECT 1").value
        assert shell.run(f"%roe result {word}").value.id == query.id
        assert shell.run(f"%roe status {word}").value["worksheet_query_id"] == str(query.id)

    @pytest.mark.parametrize("command", ["result", "status"])
    def test_before_the_first_query_there_is_none(self, bare: Shell, shell: Shell, command: str) -> None:
        """Told at once, without a request; the same where the first submit failed."""
        ran = shell.run(f"%roe {command}")
        assert isinstance(ran.error, UsageError)
        assert str(ran.error).startswith("No query yet")
        shell.run("_roe = None")
        assert str(shell.run(f"%roe {command}").error).startswith("No query yet")

    def test_a_submit_that_failed_leaves_the_query_before_it(self, shell: Shell) -> None:
        """`_roe` is nothing then, and the last query is the last that there was."""
        query = shell.roe("", "SELECT 1").value
        shell.roe("--worksheet 11111111-2222-3333-4444-555555555555", "SELECT 1")
        assert shell.variables["_roe"] is None
        assert shell.run("%roe result").value.id == query.id

    def test_the_beginning_of_an_id_is_enough(self, shell: Shell) -> None:
        """As the panel shows it, of a query of this notebook or of another one."""
        mine = shell.roe("", "SELECT 1").value
        theirs = shell.magic.client().submit("SELECT 2")
        for query_id in (mine.id, theirs.id):
            for text in (str(query_id)[:8], str(query_id)[:13], str(query_id)[:20].upper(), query_id.hex[:10]):
                assert shell.run(f"%roe result {text}").value.id == query_id
                assert shell.run(f"%roe status {text}").value["worksheet_query_id"] == str(query_id)

    def test_a_beginning_that_does_not_tell_queries_apart_is_refused(self, shell: Shell) -> None:
        """With the ids that it may mean."""
        ids = [UUID(f"abcd{n:028x}") for n in (1, 2)]
        shell.magic.session.query_ids.update(dict.fromkeys(ids))
        ran = shell.run("%roe result abcd0000")
        assert isinstance(ran.error, UsageError)
        assert all(str(each) in str(ran.error) for each in ids)

    def test_an_unknown_beginning_is_told(self, shell: Shell) -> None:
        """After a look at the server's worksheets."""
        ran = shell.run("%roe result 00000000")
        assert isinstance(ran.error, UsageError)
        assert "begins with '00000000'" in str(ran.error)

    def test_a_variable_comes_before_an_id(self, shell: Shell) -> None:
        """Where its name is made of hexadecimal digits; a DataFrame names the query that it came from."""
        shell.roe("deadbeef --df feed", "SELECT 1 AS one")
        for name in ("deadbeef", "feed"):
            assert shell.run(f"%roe result {name}").value.id == shell.variables["deadbeef"].id

    @pytest.mark.parametrize(
        ("line", "meant"), [("tabels", "tables"), ("conect local", "connect"), ("statsu", "status")]
    )
    def test_a_mistyped_command_is_not_sent_as_sql(self, shell: Shell, line: str, meant: str) -> None:
        """A word that is a command but for a letter is refused with a suggestion."""
        ran = shell.run(f"%roe {line}")
        assert isinstance(ran.error, UsageError)
        assert f"did you mean %roe {meant}?" in str(ran.error)

    @pytest.mark.parametrize(
        ("line", "told"),
        [
            *((word, "press Cancel in its panel") for word in ("cancel", "cancel 065a03d3", "stop")),
            ("history", "`%roe worksheets NAME` lists the latest queries"),
            *((word, "Commands: connect, whoami") for word in ("cancel", "history", "cancel 065a03d3", "background x")),
            ("SELCT 1", "did you mean SELECT?"),
            ("descrbe t", "did you mean DESCRIBE?"),
            ("Tabels", "did you mean %roe tables?"),
            ("--quiet cancel", "no command"),
            ("--quiet tables", "none of the flags"),
            ("now()", "no SQL begins with it"),
            ("result 'x", "cannot be read"),
        ],
    )
    def test_what_is_neither_a_command_nor_sql_is_not_sent(self, shell: Shell, line: str, told: str) -> None:
        """A query that could only fail is no query; the error says what there is."""
        ran = shell.run(f"%roe {line}")
        assert isinstance(ran.error, UsageError)
        assert told in str(ran.error)
        assert "_roe" not in shell.variables

    @pytest.mark.parametrize(
        "sql",
        ["(SELECT 1)", "/* why */ SELECT 1", "-- why\nSELECT 1", "with 1 AS x SELECT x", "FROM numbers(1) SELECT 1"],
    )
    def test_sql_that_begins_otherwise_is_sent(self, shell: Shell, sql: str) -> None:
        """A bracket, a comment, a word in small letters."""
        assert shell.ipython.run_line_magic("roe", sql).succeeded

    @pytest.mark.parametrize("line", ["status nope", "result nope", "result 1 2", "upload x", "connect a b"])
    def test_a_command_with_wrong_words_tells_its_usage(self, shell: Shell, line: str) -> None:
        """A command that lacks its argument says what it takes."""
        assert isinstance(shell.run(f"%roe {line}").error, UsageError)

    @pytest.mark.parametrize("line", ["tables;", "whoami ;", "help;", "worksheets;"])
    def test_a_closing_semicolon_is_no_part_of_a_command(self, shell: Shell, line: str) -> None:
        """It is there out of habit."""
        assert shell.run(f"%roe {line}").error is None

    @pytest.mark.parametrize("seconds", ["-5", "inf", "1e300"])
    def test_both_limits_of_a_timeout_are_told(self, shell: Shell, seconds: str) -> None:
        """And nothing about flags, since the flag is known."""
        told = str(shell.roe(f"--timeout {seconds}", "SELECT 1").error)
        assert told.endswith("more than 0 s and at most 1,000,000,000 s. Leave it out for no limit.")

    def test_the_commands_are_listed_in_columns(self, shell: Shell) -> None:
        """Usage and explanation never touch, and all explanations begin below each other."""
        usages = [line for line in shell.run("%roe help").out.splitlines() if line.startswith("  %roe")]
        columns = [re.split(r"\s{2,}", line.strip()) for line in usages]
        assert all(len(column) == 2 for column in columns), columns
        assert len({line.index(column[1]) for line, column in zip(usages, columns, strict=True)}) == 1

    @pytest.mark.parametrize("line", ["?", "-h", "--help", "help"])
    def test_help_has_several_names(self, shell: Shell, line: str) -> None:
        """None of them is sent to the server."""
        ran = shell.run(f"%roe {line}")
        assert ran.error is None
        assert "%roe tables" in ran.out

    @pytest.mark.parametrize("line", ["help tables", "tables --help", "tables -h", "tables ?", "help Tables;"])
    def test_one_command_is_explained(self, shell: Shell, line: str) -> None:
        """With its usage and what it does."""
        assert shell.run(f"%roe {line}").out == "%roe tables\n  List the organisation's tables and their columns.\n"

    @pytest.mark.parametrize("line", ["help upload", "upload ?"])
    def test_the_upload_explains_itself(self, shell: Shell, line: str) -> None:
        """It has flags of its own."""
        assert "--if-missing" in shell.run(f"%roe {line}").out

    def test_help_on_what_is_no_command_lists_the_commands(self, shell: Shell) -> None:
        """It is not passed over."""
        ran = shell.run("%roe help --timeout")
        assert isinstance(ran.error, UsageError)
        assert "Commands: connect, whoami" in str(ran.error)

    @pytest.mark.parametrize("command", ["status", "result"])
    def test_an_id_that_the_server_does_not_know_has_a_hint(self, shell: Shell, command: str) -> None:
        """The same for both commands."""
        ran = shell.run(f"%roe {command} 00000000-0000-0000-0000-000000000000")
        assert isinstance(ran.error, NotFoundError)
        assert "`%roe worksheets NAME` lists the queries" in str(ran.error)

    def test_status_tells_one_query(self, shell: Shell) -> None:
        """`%roe status ID` gives what the status endpoint says."""
        query = shell.roe("", "SELECT 1").value
        assert shell.run(f"%roe status {query.id}").value["status"] == "SUCCESS"

    def test_result_of_a_failed_query_raises_again(self, shell: Shell) -> None:
        """Coming back to a failed query tells its failure."""
        failed = shell.roe("", "SELECT nope").error
        assert isinstance(failed, QueryFailed)
        assert isinstance(shell.run(f"%roe result {failed.query_id}").error, QueryFailed)

    def test_an_unknown_profile_lists_the_known(self, shell: Shell) -> None:
        """`%roe connect` with a word that is no profile says how to add one."""
        ran = shell.run("%roe connect nowhere")
        assert isinstance(ran.error, ConfigError)
        assert "roe-magic login nowhere" in str(ran.error)
