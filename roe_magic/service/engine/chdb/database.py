"""The embedded ClickHouse of this process: connections, statements, the lexer and the syntax tree.

The only module that imports chDB; it runs in the worker process alone.
"""

from __future__ import annotations

import contextlib
import functools
import json
import re
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from roe_magic.service.engine.chdb.connection_pool import Connections

# Whatever a caller writes, it is SQL (chDB would take a bare expression for a SELECT), and of any length that the
# service accepts. Functions that look into the engine's own memory stay off.
# Formatting by several threads takes longer to begin than a small result takes as a whole.
ALWAYS = {
    "implicit_select": "0",
    "max_query_size": "67108864",
    "allow_introspection_functions": "0",
    "output_format_parallel_formatting": "0",
}

# How many texts are not parsed anew when they come again: a cell is run many times.
_PARSED, _LONG = 256, 20_000

# An organisation's database, which its callers know nothing of, in front of a table's name.
_DATABASE = re.compile(r"`?\borg_[0-9a-f]{32}`?\.")

_MARK = re.compile(r"\s*/\* roe:[\w-]+ \*/")

OnProgress = Callable[[Mapping[str, int]], None]


class EngineError(Exception):
    """ClickHouse refused or failed a statement.

    Parameters
    ----------
    message : str
        ClickHouse's own text, as :func:`readable` leaves it.
    code : int
        Its error code, 0 where it gave none.
    """

    def __init__(self, message: str, code: int = 0) -> None:
        super().__init__(message)
        self.message = message
        self.code = code


@dataclass
class Figures:
    """What the engine counted over one statement."""

    read_rows: int = 0
    read_bytes: int = 0
    written_rows: int = 0
    written_bytes: int = 0
    result_rows: int = 0
    elapsed_ns: int = 0

    def add(self, part: Any) -> None:
        """Count one query_result of chDB; a stream's parts each report only what is new."""
        self.read_rows += part.storage_rows_read()
        self.read_bytes += part.storage_bytes_read()
        self.written_rows += part.rows_written()
        self.written_bytes += part.bytes_written()
        self.result_rows += part.rows_read()


class Embedded:
    """One open data folder.

    Parameters
    ----------
    path : str
        The data folder. No second process may have it open.
    folders : sequence of str
        Folders whose paths no error message may show.
    """

    def __init__(self, path: str, folders: Sequence[str]) -> None:
        from chdb import _chdb  # a second and 290 MB, and the sandbox must stand before it

        self._chdb: Any = _chdb
        self._path = path
        self._private = re.compile(rf"(?:{'|'.join(map(re.escape, folders))})[^\s'\",;()]*")
        self._keeper = self._chdb.connect(path)
        self._connections = Connections(self._chdb.connect, path, ALWAYS)
        self._once = functools.lru_cache(_PARSED)(self._parsed)

    @contextlib.contextmanager
    def connection(self, settings: Mapping[str, str], use: str = "") -> Iterator[Any]:
        """Lend a connection for one statement, as :meth:`Connections.lend`; its errors come out as EngineError."""
        try:
            with self._connections.lend(settings, use) as connection:
                yield connection
        except RuntimeError as error:
            raise self._readable(str(error)) from None
        except UnicodeDecodeError as error:  # a message that quotes bytes which are not UTF-8
            raise self._readable(error.object.decode("utf-8", "backslashreplace")) from None

    def query(
        self,
        sql: str,
        settings: Mapping[str, str],
        *,
        form: str = "JSONCompactEachRowWithNamesAndTypes",
        params: Mapping[str, str] | None = None,
        figures: Figures | None = None,
        on_progress: OnProgress | None = None,
    ) -> bytes:
        """Run a statement to its end and give its whole output."""
        with self.connection(settings) as connection:
            connection.set_progress_callback(on_progress)
            began = time.monotonic_ns()
            answer = connection.query(sql, form, params={k: _escaped(v) for k, v in (params or {}).items()})
            if answer.has_error():
                raise self._readable(answer.error_message())
            if figures is not None:
                figures.add(answer)
                figures.elapsed_ns = time.monotonic_ns() - began
            return bytes(answer.bytes())

    def stream(
        self, sql: str, settings: Mapping[str, str], *, form: str, figures: Figures, on_progress: OnProgress | None
    ) -> Iterator[bytes]:
        """Run a SELECT and give its output in parts of about 65,000 rows.

        In a format with a header every part of an Arrow stream is a whole stream, while text has one header.
        """
        with self.connection(settings) as connection:
            connection.set_progress_callback(on_progress)
            began = time.monotonic_ns()
            answer = connection.send_query(sql, form)
            if answer.has_error():
                raise self._readable(answer.error_message())
            more = True
            while more:
                part = connection.streaming_fetch_result(answer)
                figures.add(part)
                figures.elapsed_ns = time.monotonic_ns() - began
                more = part.rows_read() > 0
                yield bytes(part.bytes())

    def rows(self, sql: str, params: Mapping[str, str] | None = None, **settings: str) -> list[list[Any]]:
        """Run one of the service's own queries and give its rows; bytes that are not UTF-8 become lone surrogates."""
        text = self.query(sql, settings, form="JSONCompactEachRow", params=params)
        return [json.loads(line.decode("utf-8", "surrogateescape")) for line in text.splitlines()]

    def tokens(self, sql: str) -> list[tuple[int, int, str]]:
        """Cut SQL into (begin, end, kind), in bytes."""
        found = self._parse("tokenizeQuery", sql)
        return [(item["begin"], item["end"], item["type"]) for item in found]

    def tree(self, sql: str) -> dict[str, Any] | None:
        """Parse one statement; None for the kinds that the engine cannot show.

        Raises
        ------
        EngineError
            The statement has a syntax error.
        """
        try:
            text = self._parse("parseQueryToJSON", sql)
        except EngineError as error:
            if "parseQueryToJSON" in error.message and error.code == 36:
                return None
            raise EngineError(_without_scope(error.message), error.code) from None
        tree: dict[str, Any] = json.loads(text)
        return tree

    def _parse(self, function: str, sql: str) -> Any:
        """Apply a function of the engine that depends on the text alone."""
        return self._once(function, sql) if len(sql) < _LONG else self._parsed(function, sql)

    def _parsed(self, function: str, sql: str) -> Any:
        ((found,),) = self.rows(f"SELECT {function}({{sql:String}})", {"sql": sql})  # a name of our own
        return found

    def classify(self, sql: str, database: str) -> tuple[str, bool]:
        """Ask the engine what one statement would do: READ_ONLY, MUTATING, ..., and whether only to that database."""
        # The connection string's database is not looked at here.
        with self.connection({}, use=database) as connection:
            found = connection.classify_query(sql, database)
            kind = str(found["query_class"]).rpartition(".")[2] if found["statement_count"] == 1 else "UNKNOWN"
            return kind, bool(found["writes_only_target_database"])

    def close(self) -> None:
        """Let go of the data folder."""
        self._connections.close()
        self._keeper.close()

    def _readable(self, message: str) -> EngineError:
        return readable(_MARK.sub("", _DATABASE.sub("", self._private.sub("the file", message))))


def mark(tag: str) -> str:
    """Give what stands in the text of a running SELECT, to know it by.

    Other statements have the tag as their ``log_comment``, which no two share, and so a connection of their own.
    """
    return f"/* roe:{tag} */"


def readable(message: str) -> EngineError:
    """Take the noise off a ClickHouse message, keeping its code and its name."""
    code = re.search(r"Code: (\d+)", message)
    name = re.findall(r"\(([A-Z][A-Z0-9_]+)\)", message)
    text = re.sub(r"(Code: \d+\. )|(DB::Exception: )|( ?\(version [^)]*\))", "", message)
    text = re.sub(r"[\s.]*\(([A-Z][A-Z0-9_]+)\)", "", text)
    # A list of all that might stand there helps nobody.
    text = re.sub(r"\. Expected one of: .{120,}", "", text, flags=re.DOTALL).strip().rstrip(". ")
    suffix = f" ({name[-1]})" if name else ""
    prefix = f"Code: {code[1]}. " if code else ""
    return EngineError(f"{prefix}{text}.{suffix}", int(code[1]) if code else 0)


def _without_scope(message: str) -> str:
    """Drop what tells of our parseQueryToJSON call, not of the statement."""
    text, _, tail = message.partition(": In scope SELECT parseQueryToJSON(")
    name = re.search(r" \([A-Z0-9_]+\)$", tail)
    return f"{text}.{name[0]}" if name else message


def _escaped(value: str) -> str:
    """Write a query parameter's value as the engine reads it: as a cell of TabSeparated."""
    return value.replace("\\", "\\\\").replace("\n", "\\n").replace("\t", "\\t").replace("\r", "\\r")
