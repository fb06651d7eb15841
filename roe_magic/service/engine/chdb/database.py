"""The embedded ClickHouse of this process: connections, statements, errors.

The only module that imports chDB. It is used in the engine's process alone.
"""

from __future__ import annotations

import contextlib
import json
import re
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from roe_magic.service.engine.chdb.connection_pool import ANYWHERE, ConnectionPool, Place
from roe_magic.service.engine.chdb.totals_views import TotalsViews
from roe_magic.service.engine.sql.quoting import literal

# The settings of every connection. Only SQL is accepted (chDB would take a bare expression for a SELECT), of any length
# that the service accepts. Functions that look into the engine's own memory stay off. Formatting by several threads
# takes longer to begin than a small result takes altogether.
SETTINGS = {
    "implicit_select": "0",
    "max_query_size": "67108864",
    "allow_introspection_functions": "0",
    "output_format_parallel_formatting": "0",
}

# The database of an organisation in front of a table's name. Callers do not know that it exists.
_DATABASE_PREFIX = re.compile(r"`?\borg_[0-9a-f]{32}`?\.")

# Not of columns and functions, which it gives as a list: Maybe you meant: ['a']. In backticks there may be a ? as well.
_GUESS = re.compile(r"[.:]? Maybe you meant ((?:`(?:[^`\\]|\\.)*`|[^`\[?])+)\?")

# What a message says about the file of an INSERT's rows, which its caller has never seen.
_FILTERED = re.compile(r"\bfiltered_system(?:_aliases)?\.")
_ROWS_FILE = re.compile(r":? \(in file/uri the file\)|: While executing File: data for INSERT was parsed from file")

_QUERY_MARK = re.compile(r"\s*/\* roe:[\w-]+ \*/")

OnProgress = Callable[[Mapping[str, int]], None]


class EngineError(Exception):
    """ClickHouse refused a statement, or failed to run it.

    Parameters
    ----------
    message : str
        ClickHouse's message in the form that :func:`parse_error` gives it.
    code : int
        ClickHouse's error code, 0 if there is none.
    """

    def __init__(self, message: str, code: int = 0) -> None:
        super().__init__(message)
        self.message = message
        self.code = code


@dataclass
class Statistics:
    """ClickHouse's counters for one statement."""

    read_rows: int = 0
    read_bytes: int = 0
    written_rows: int = 0
    written_bytes: int = 0
    result_rows: int = 0
    elapsed_ns: int = 0

    def reset(self) -> None:
        """Set all counters to 0, for a statement that is run anew."""
        self.read_rows = self.read_bytes = self.written_rows = self.written_bytes = 0
        self.result_rows = self.elapsed_ns = 0

    def add(self, result: Any) -> None:
        """Add the counters of a chDB result; each part of a stream counts only what is new."""
        self.read_rows += result.storage_rows_read()
        self.read_bytes += result.storage_bytes_read()
        self.written_rows += result.rows_written()
        self.written_bytes += result.bytes_written()
        self.result_rows += result.rows_read()


class EmbeddedClickHouse:
    """A ClickHouse on an open data folder.

    Parameters
    ----------
    path : str
        The data folder. No second process may have it open.
    private_folders : sequence of str
        Folders whose paths must not appear in error messages.
    """

    def __init__(self, path: str, private_folders: Sequence[str]) -> None:
        from chdb import _chdb  # a second and 290 MB, and the sandbox must be set up before it

        self._chdb: Any = _chdb
        self._path = path
        self._private_paths = re.compile(rf"(?:{'|'.join(map(re.escape, private_folders))})[^\s'\",;()]*")
        # chDB closes the data folder with its last connection; this one stays open.
        self._first_connection = self._chdb.connect(path)
        self._connections = ConnectionPool(self._chdb.connect, path, SETTINGS)
        self.totals_views = TotalsViews(self.rows)

    @contextlib.contextmanager
    def connection(self, settings: Mapping[str, str], place: Place = ANYWHERE) -> Iterator[Any]:
        """Yield a connection of the pool for one statement; chDB's errors become EngineError."""
        try:
            with self._connections.lend(settings, place) as connection:
                yield connection
        except RuntimeError as error:
            raise self._error(str(error), place) from None
        except UnicodeDecodeError as error:  # a message that quotes bytes which are not UTF-8
            raise self._error(error.object.decode("utf-8", "backslashreplace"), place) from None
        except TypeError:  # chDB takes no text that is not UTF-8, which a value may become: SET param_x = '\\xff'
            raise EngineError("A value or a name in the statement holds bytes that are not UTF-8.") from None

    def query(
        self,
        sql: str,
        settings: Mapping[str, str],
        place: Place = ANYWHERE,
        *,
        output_format: str = "JSONCompactEachRowWithNamesAndTypes",
        params: Mapping[str, str] | None = None,
        statistics: Statistics | None = None,
        on_progress: OnProgress | None = None,
    ) -> bytes:
        """Run a statement to its end, and return all of its output."""
        with self.connection(settings, place) as connection:
            connection.set_progress_callback(on_progress)
            started = time.monotonic_ns()
            escaped = {name: _escape_parameter(value) for name, value in (params or {}).items()}
            result = connection.query(sql, output_format, params=escaped)
            if result.has_error():
                raise self._error(result.error_message(), place)
            if statistics is not None:
                statistics.add(result)
                statistics.elapsed_ns = time.monotonic_ns() - started
            return bytes(result.bytes())

    def stream(
        self,
        sql: str,
        settings: Mapping[str, str],
        place: Place = ANYWHERE,
        *,
        output_format: str,
        statistics: Statistics,
        on_progress: OnProgress | None,
    ) -> Iterator[bytes]:
        """Run a SELECT, and yield its output in parts of about 65,000 rows.

        In an Arrow format each part is a complete stream; in a text format with a header each part begins with it.
        """
        with self.connection(settings, place) as connection:
            connection.set_progress_callback(on_progress)
            started = time.monotonic_ns()
            result = connection.send_query(sql, output_format)
            if result.has_error():
                raise self._error(result.error_message(), place)
            has_more = True
            while has_more:
                part = connection.streaming_fetch_result(result)
                statistics.add(part)
                statistics.elapsed_ns = time.monotonic_ns() - started
                has_more = part.rows_read() > 0
                yield bytes(part.bytes())

    def rows(self, sql: str, params: Mapping[str, str] | None = None, **settings: str) -> list[list[Any]]:
        """Return the rows of a query of the service itself; bytes that are not UTF-8 become lone surrogates."""
        text = self.query(sql, settings, output_format="JSONCompactEachRow", params=params)
        return [json.loads(line.decode("utf-8", "surrogateescape")) for line in text.splitlines()]

    def end_session(self, name: str) -> None:
        """Drop the temporary tables of a session, and close its connection."""
        self._connections.end_session(name)

    def setting_values(self, names: Iterable[str], settings: Mapping[str, str]) -> dict[str, str]:
        """Return the values that some settings have on a connection with ``settings``, as ClickHouse reports them.

        Raises
        ------
        EngineError
            A value is not one that its setting can have.
        """
        listed = ", ".join(map(literal, names))
        # One row, and no set: the settings may limit both.
        sql = f"SELECT groupArray([name, value]) FROM system.settings WHERE arrayExists(x -> x = name, [{listed}])"  # noqa: S608
        # The settings also decide whether nothing is an empty list, NULL or no row.
        return dict(pair for (pairs,) in self.rows(sql, None, **settings) for pair in pairs or ())

    def _error(self, message: str, place: Place) -> EngineError:
        message = _ROWS_FILE.sub("", self._private_paths.sub("the file", message))
        message = _without_others_tables(message, place.database)
        message = _FILTERED.sub("system.", message)
        return parse_error(_QUERY_MARK.sub("", _DATABASE_PREFIX.sub("", message)))


def query_mark(job_id: str) -> str:
    """Return the comment in the text of a running SELECT, or an INSERT from a file, by which a cancel finds it.

    In other statements a comment would be part of what they store, so they have the id as their ``log_comment``. That
    setting is different for every statement, so each needs a connection of its own, which these two are spared.
    """
    return f"/* roe:{job_id} */"


def parse_error(message: str) -> EngineError:
    """Return the error for a message of ClickHouse, without what tells a person nothing.

    chDB hands errors over as text alone, so that the code and the name can only be found by searching it.
    """
    code = re.search(r"Code: (\d+)", message)
    text = re.sub(r"(Code: \d+\. )|(DB::Exception: )|( ?\(version [^)]*\))", "", message).strip()
    name = re.search(r"\(([A-Z][A-Z0-9_]+)\)[\s.]*$", text)
    if name:  # an error inside of another one has it twice
        text = re.sub(rf"[\s.]*\({name[1]}\)", "", text)
    # The parser lists everything that it would have accepted, which may be hundreds of words.
    text = re.sub(r"\. Expected one of: .{120,}", "", text, flags=re.DOTALL).strip().rstrip(". ")
    suffix = f" ({name[1]})" if name else ""
    prefix = f"Code: {code[1]}. " if code else ""
    end = "" if text.endswith(("?", "!")) else "."
    return EngineError(f"{prefix}{text}{end}{suffix}", int(code[1]) if code else 0)


def _without_others_tables(message: str, database: str) -> str:
    """Return a message without ClickHouse's guess at the table that was meant, if that is in another database."""

    def replacement(guess: re.Match[str]) -> str:
        return guess[0] if database and guess[1].startswith(f"{database}.") else ""

    return _GUESS.sub(replacement, message)


def _escape_parameter(value: str) -> str:
    """Return a query parameter's value as ClickHouse reads it: escaped as a cell of TabSeparated."""
    return value.replace("\\", "\\\\").replace("\n", "\\n").replace("\t", "\\t").replace("\r", "\\r")
