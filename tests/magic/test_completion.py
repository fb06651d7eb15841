"""What the Tab key offers on `%roe` lines and in `%%roe` cells, in a shell and in a real kernel."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pandas as pd
import pytest
from IPython.core.completer import Completion, provisionalcompleter

from tests.support.kernels import PATIENCE, Kernel, running_kernel
from tests.support.services import Service, wait_for
from tests.support.shells import Shell
from tests.support.shells import shell as new_shell

PROFILES = "[work]\nbase_url = https://api.roe-ai.com\n[with space]\nbase_url = https://api.roe-ai.com\n"


@pytest.fixture
def shell(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Shell]:
    """A shell without a server, in a folder with a few files."""
    (tmp_path / "config.ini").write_text(PROFILES)
    (tmp_path / "flights.csv").touch()
    (tmp_path / "my planes.csv").touch()
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "inner.csv.gz").touch()
    (tmp_path / ".hidden.csv").touch()
    monkeypatch.chdir(tmp_path)
    with new_shell(monkeypatch, {}, tmp_path) as shell:
        yield shell


@pytest.fixture
def connected(service: Service, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Shell]:
    """A shell whose server has a table ``tabbed`` and a worksheet, both known to the Tab key."""
    with new_shell(monkeypatch, service.env, tmp_path) as shell:
        shell.variables["rows"] = pd.DataFrame({"n": [1], "some_text": ["a"]})
        assert shell.run("%roe upload tabbed rows --replace").error is None
        wait_for(lambda: "tabbed" in shell.magic.catalogue.tables and shell.magic.catalogue.worksheets)
        yield shell
        shell.magic.client().delete("tabbed")


def completions(shell: Shell, text: str) -> list[Completion]:
    """Press Tab at the ``|``."""
    cursor = text.index("|")
    with provisionalcompleter():
        return list(shell.ipython.Completer.completions(text.replace("|", "", 1), cursor))


def offered(shell: Shell, text: str) -> list[str]:
    return [completion.text for completion in completions(shell, text)]


def types(shell: Shell, text: str) -> list[str]:
    return [completion.type for completion in completions(shell, text)]


@pytest.mark.parametrize(
    ("text", "texts"),
    [
        ("%roe --ti|", ["--timeout"]),
        ("%%roe q --us|", ["--use-admin"]),
        ("x = %roe --ti|", ["--timeout"]),
        ("    %roe --ti|", ["--timeout"]),
        ("y = 1\nx = %roe --ti|\nz = 2", ["--timeout"]),
        ("\n%%roe --ti|\nSELECT 1", ["--timeout"]),
        ("%%time\n%%roe --ti|\nSELECT 1", ["--timeout"]),
        ("%%roe q \\\n  --ti|\nSELECT 1", ["--timeout"]),
        ("%%roe \\\n--df d \\ \n--section w|\nSELECT 1", ["work", "'with space'"]),
        ("%%roe \\\n--df d\nsel|", ["select"]),
        ("%roe conn|", ["connect"]),
        ("%roe connect |", ["local", "work", "'with space'", "--memory"]),
        ("%roe help ta|", ["tables"]),
        ("%roe connect wo|", ["work"]),
        ("%roe -s |", ["work", "'with space'"]),
        ("%%roe q --section w|", ["work", "'with space'"]),
        ("%%roe q --section=wo|", ["work"]),
        ("%roe SEL|", ["SELECT"]),
        ("%roe -q sel|", ["select"]),
        ("%roe --df d SELECT 1 gro|", ["group by"]),
        ("%%roe\nsel|", ["select"]),
        ("%%capture out\n%%roe\nSELECT 1\nGRO|", ["GROUP BY"]),
        ("%roe upload t fl|", ["flights.csv"]),
        ("%roe upload t my|", ["'my planes.csv'"]),
        ("%roe upload t fold|", ["folder/"]),
        ("%roe upload t folder/|", ["folder/inner.csv.gz"]),
        ("%roe upload t .h|", [".hidden.csv"]),
        ("%roe upload t x --|", ["--replace", "--if-missing", "--no-header", "--types", "--dry-run", "--yes"]),
    ],
)
def test_what_fits_at_the_cursor_is_offered(shell: Shell, text: str, texts: list[str]) -> None:
    """Flags, commands, profiles, files and keywords, each in its place and nothing else."""
    assert offered(shell, text) == texts


def test_the_first_word_of_a_line_is_a_command_or_a_flag(shell: Shell) -> None:
    """`%roe` alone lists its commands, then its flags, the long ones first."""
    texts = offered(shell, "%roe |")
    assert texts[:2] == ["connect", "whoami"]
    assert texts.index("help") < texts.index("--df") < texts.index("-q")


def test_a_cells_header_has_flags_and_no_commands(shell: Shell) -> None:
    """`%%roe` is followed by flags alone."""
    assert all(text.startswith("-") for text in offered(shell, "%%roe |\nSELECT 1"))


def test_the_kind_of_an_item_is_a_word(shell: Shell) -> None:
    """JupyterLab prints it beside the item, and a sentence over the ones around it."""
    assert types(shell, "%roe --ti|") == ["flag"]
    assert types(shell, "%roe tabl|") == ["command"]
    assert types(shell, "%roe -s wo|") == ["profile"]
    texts = ("%roe |", "%%roe |\nSELECT 1", "%roe connect |", "%roe upload t x |", "%%roe\n|")
    for kinds in (types(shell, text) for text in texts):
        assert kinds
        assert all(kind.isalpha() for kind in kinds), kinds


@pytest.mark.parametrize(
    ("kind", "shown"),
    [
        ("LowCardinality(Nullable(String))", "LowCardinality(Nulla…"),
        ("DateTime64(6, 'Europe/Paris')", "DateTime64(6,\N{NO-BREAK SPACE}'Europ…"),
        ("Decimal(9, 2)", "Decimal(9,\N{NO-BREAK SPACE}2)"),
    ],
)
def test_a_long_type_of_a_column_is_cut_and_never_wraps(connected: Shell, kind: str, shown: str) -> None:
    """What is left of it still says what it is, on one line of the popup."""
    connected.magic.catalogue.columns = {"made_up": kind}
    assert types(connected, "%%roe\nSELECT made_u|") == [shown]


def test_a_completion_replaces_what_is_typed(shell: Shell) -> None:
    """It replaces the word from its beginning to the cursor; after `=` only the value."""
    (flag,) = completions(shell, "x = %roe --ti|")
    assert (flag.start, flag.end) == (9, 13)
    (value,) = completions(shell, "%%roe --section=wo|")
    assert (value.start, value.end) == (16, 18)


@pytest.mark.parametrize(
    ("text", "typed"),
    [
        ("%roe tables |", ""),
        ("%%roe --df imp|", "imp"),
        ("%%roe\nSELECT 'imp|", "imp"),
        ("%%roe\nSELECT zzz|", "zzz"),
    ],
)
def test_python_is_not_offered_where_nothing_fits(shell: Shell, text: str, typed: str) -> None:
    """Where the magic offers nothing, what is typed stays as it is, and no Python name is offered."""
    assert offered(shell, text) == [typed]


@pytest.mark.parametrize(
    "text", ["import o|", "x = pri|", "%%bash\necho --ti|", "%%rox\nSEL|", "%roe_|", "'%roe' --ti|"]
)
def test_other_cells_are_left_to_others(shell: Shell, text: str) -> None:
    """Outside of the magic no flag and no keyword is offered."""
    assert not {"--timeout", "SELECT"} & set(offered(shell, text))


def test_dataframes_and_queries_are_offered_by_name(connected: Shell) -> None:
    """Variables with DataFrames can be uploaded; variables with queries can be looked at again."""
    connected.roe("my_query", "SELECT 1")
    connected.variables["my_number"] = 1
    assert offered(connected, "%roe upload t row|") == ["rows"]
    assert offered(connected, "%roe status |") == ["_roe", "my_query"]
    assert offered(connected, "%roe result my|") == ["my_query"]


def test_no_attribute_of_a_variable_is_read(shell: Shell) -> None:
    """Looking for DataFrames runs no code of a variable."""

    class Trap:
        def __getattr__(self, name: str) -> object:
            raise AssertionError(name)

    shell.variables["trap"] = Trap()
    assert offered(shell, "%roe upload t tr|") == ["tr"]


def test_names_of_the_server_are_known_after_a_command(connected: Shell) -> None:
    """Tables, columns with their types and worksheets, without a request from the Tab key."""
    assert offered(connected, "%%roe\nSELECT * FROM tabb|") == ["tabbed"]
    (column,) = completions(connected, "%roe SELECT some_t| FROM tabbed")
    assert (column.text, column.type) == ("some_text", "String")
    assert offered(connected, "%roe upload tabb|") == ["tabbed"]
    name = connected.magic.catalogue.worksheets[0]
    assert [text.strip("'") for text in offered(connected, f"%%roe --worksheet {name[:2]}|\nSELECT 1")] == [name]


def test_a_new_table_is_known_after_the_query_that_creates_it(connected: Shell) -> None:
    """After CREATE and DROP the names are refreshed."""
    connected.roe("--use-admin", "CREATE TABLE tabbed_too (n UInt8) ORDER BY n")
    wait_for(lambda: offered(connected, "%%roe\nSELECT * FROM tabbed_|") == ["tabbed_too"])
    connected.roe("--use-admin", "DROP TABLE tabbed_too")
    wait_for(lambda: offered(connected, "%%roe\nSELECT * FROM tabbed_|") == ["tabbed_"])


def test_the_first_query_fills_the_names(service: Service, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """One that fails does too: its user then looks for the right name."""
    with new_shell(monkeypatch, service.env, tmp_path) as shell:
        shell.roe("", "SELECT * FROM no_such_table")
        wait_for(lambda: shell.magic.catalogue.worksheets)


def test_a_dry_run_refreshes_nothing(service: Service, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A cell that sends no query starts no request for names either."""
    with new_shell(monkeypatch, service.env, tmp_path) as shell:
        shell.roe("--dry-run", "SELECT 1")
        assert shell.magic.catalogue._thread is None
        assert shell.magic.catalogue._client is None


def test_unloading_removes_the_matcher(shell: Shell) -> None:
    """After %unload_ext and %load_ext there is one matcher, after %unload_ext none."""
    before = len(shell.ipython.Completer.custom_matchers)
    shell.run("%reload_ext roe_magic")
    assert len(shell.ipython.Completer.custom_matchers) == before
    shell.run("%unload_ext roe_magic")
    assert len(shell.ipython.Completer.custom_matchers) == before - 1
    assert "--timeout" not in offered(shell, "%roe --ti|")
    shell.run("%load_ext roe_magic")


@pytest.fixture(scope="module")
def kernel(service: Service, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kernel]:
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("ROE_")}
    config = tmp_path_factory.mktemp("config") / "config.ini"
    config.write_text(PROFILES)
    environment = {**inherited, **service.env, "ROE_CONFIG_FILE": str(config), "PYDEVD_DISABLE_FILE_VALIDATION": "1"}
    with running_kernel(environment) as kernel:
        kernel.run("%load_ext roe_magic\nimport pandas as pd")
        yield kernel


class TestInAKernel:
    def reply(self, kernel: Kernel, text: str) -> dict[str, object]:
        """Send a ``complete_request`` for the ``|``, and return the content of its reply."""
        code = text.replace("|", "", 1)
        message = kernel.client.complete(code, text.index("|"), reply=True, timeout=PATIENCE)
        return dict(message["content"])

    @pytest.mark.parametrize(
        ("text", "matches", "start"),
        [
            ("%roe --ti|", ["--timeout"], 5),
            ("%%roe q --us|\nSELECT 1", ["--use-admin"], 8),
            ("%roe conn|", ["connect"], 5),
            ("x = %roe connect |", ["local", "work", "'with space'", "--memory"], 17),
            ("%%roe\nSELECT 1 gro|", ["group by"], 15),
        ],
    )
    def test_a_complete_request_is_answered(self, kernel: Kernel, text: str, matches: list[str], start: int) -> None:
        """A front end gets what fits and which part it replaces, and nothing of Python."""
        reply = self.reply(kernel, text)
        assert (reply["matches"], reply["cursor_start"], reply["cursor_end"]) == (matches, start, text.index("|"))

    def test_a_table_that_was_uploaded_is_offered_with_its_columns(self, kernel: Kernel) -> None:
        """After an upload the table and its columns are offered, with their types for the front end."""
        kernel.run("rows = pd.DataFrame({'number_of_legs': [4]})\n%roe upload kernel_tabbed rows --replace")
        wait_for(lambda: self.reply(kernel, "%%roe\nSELECT * FROM kernel_|")["matches"] == ["kernel_tabbed"])
        reply = self.reply(kernel, "%%roe\nSELECT k.number_| FROM kernel_tabbed AS k")
        assert reply["matches"] == ["number_of_legs"]
        (typed,) = dict(reply["metadata"])["_jupyter_types_experimental"]  # type: ignore[call-overload]  # JSON
        assert typed["type"] == "Int64"
        kernel.run("get_ipython().magics_manager.registry['RoeMagic'].client().delete('kernel_tabbed')")
