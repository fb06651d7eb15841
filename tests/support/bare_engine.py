"""chDB alone, in a process of its own: what the service's answers are held against.

Each submission runs on a connection of its own, whose database has the same name as the organisation's in the service,
and with the engine's own settings. Rows leave as RowBinaryWithNamesAndTypes, which is exact and which no setting of the
tests touches; states of aggregates, which have no length there, and totals leave as text.
"""

from __future__ import annotations

import json
import multiprocessing
import os
import re
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

PATIENCE = 240
# With these JSON tells which of two hours a time is in that the end of summer time repeats, and nan from NULL.
_EXACT = {"date_time_output_format": "'iso'", "output_format_json_quote_denormals": "1"}
_engine: Any = None


@dataclass
class BareResult:
    """What the engine said to one statement.

    Parameters
    ----------
    sql : str
        The statement without its FORMAT clause.
    data : bytes
        RowBinaryWithNamesAndTypes; empty for a statement without a result.
    tab_separated : bytes
        The rows as TabSeparated, if a column is an AggregateFunction.
    more : dict
        The rows of ``totals`` and of ``extremes``, where the engine gives them.
    code, message : int and str
        The engine's error, 0 if there is none.
    format : str
        The name in the FORMAT clause.
    """

    sql: str
    data: bytes = b""
    tab_separated: bytes = b""
    more: dict[str, list[list[Any]]] | None = None
    code: int = 0
    message: str = ""
    format: str = ""


class BareEngine:
    """The process; ``run`` waits for it."""

    def __init__(self, folder: str, database: str) -> None:
        context = multiprocessing.get_context("spawn")
        self._process = ProcessPoolExecutor(1, mp_context=context, initializer=_open, initargs=(folder, database))

    def run(self, sql: str) -> list[BareResult]:
        """Run the statements of a submission until one fails."""
        return self._process.submit(_run, sql).result(PATIENCE)

    def each(self, statements: list[str]) -> list[BareResult]:
        """Run statements that do not depend on each other, whether or not they fail."""
        return self._process.submit(_each, statements).result(PATIENCE)

    def rows(self, sql: str) -> list[list[Any]]:
        """Return the rows of one statement, as the engine's JSON has them."""
        return self._process.submit(_rows, sql).result(PATIENCE)

    def close(self) -> None:
        """End the process."""
        self._process.shutdown()


class _Engine:
    """What the process keeps: a connection that holds the folder open."""

    def __init__(self, folder: str, database: str) -> None:
        from chdb import _chdb

        self.connect, self.folder, self.database = _chdb.connect, folder, database
        self.first = self.connect(folder)
        self.first.query(f"CREATE DATABASE IF NOT EXISTS `{database}`", "Null")

    def session(self) -> Any:
        connection = self.connect(self.folder)
        connection.query(f"USE `{self.database}`", "Null")
        # As on a ClickHouse server: only SQL is accepted, while chDB would take a bare expression for a SELECT.
        connection.query("SET implicit_select = 0", "Null")
        return connection

    def tokens(self, sql: str) -> list[tuple[str, bytes, int, int]]:
        escaped = sql.replace("\\", "\\\\").replace("\n", "\\n").replace("\t", "\\t").replace("\r", "\\r")
        result = self.first.query("SELECT tokenizeQuery({sql:String}) AS t", "JSONEachRow", params={"sql": escaped})
        data = sql.encode()
        tokens = json.loads(bytes(result.bytes()))["t"]
        return [(each["type"], data[each["begin"] : each["end"]], each["begin"], each["end"]) for each in tokens]


def _open(folder: str, database: str) -> None:
    global _engine  # noqa: PLW0603  # the process's only one
    os.environ["TZ"] = "UTC"  # as the service's engine, whatever this machine's zone is
    _engine = _Engine(folder, database)


def _rows(sql: str) -> list[list[Any]]:
    text = bytes(_engine.first.query(sql, "JSONCompactEachRow").bytes())
    return [json.loads(line) for line in text.split(b"\n") if line]


def _each(statements: list[str]) -> list[BareResult]:
    connection, results = _engine.session(), []
    for sql in statements:
        results.append(_result(connection, sql, ""))
        if results[-1].code:
            # What it would have said comes before its next result.
            connection.close()
            connection = _engine.session()
    connection.close()
    return results


def _run(sql: str) -> list[BareResult]:
    connection, results = _engine.session(), []
    try:
        for text, format_ in _statements(sql):
            results.append(_result(connection, text, format_))
            if results[-1].code:
                break
    finally:
        connection.close()
    return results


def _result(connection: Any, sql: str, format_: str) -> BareResult:
    try:
        data = _query(connection, sql, "RowBinaryWithNamesAndTypes")
        result = BareResult(sql, data, format=format_)
        if re.search(rb"(?<!Simple)AggregateFunction\(", data) and sql.upper().startswith(("SELECT", "WITH")):
            result.tab_separated = _query(connection, sql, "TabSeparated")
        if data and re.search("(?i)totals|extremes", sql):
            connection.query(f"SET {', '.join(f'{name} = {value}' for name, value in _EXACT.items())}", "Null")
            result.more = _more(_query(connection, sql, "JSONCompact"))
            connection.query(f"SET {', '.join(f'{name} = DEFAULT' for name in _EXACT)}", "Null")
        return result
    except RuntimeError as error:
        return _failed(sql, str(error), format_)
    except UnicodeDecodeError as error:  # a message that quotes bytes which are not UTF-8
        return _failed(sql, error.object.decode("utf-8", "backslashreplace"), format_)


def _failed(sql: str, message: str, format_: str) -> BareResult:
    code = re.search(r"Code: (\d+)", message)
    return BareResult(sql, code=int(code[1]) if code else -1, message=message, format=format_)


def _more(text: bytes) -> dict[str, list[list[Any]]]:
    """Return the rows of totals and extremes, as far as there are any."""
    if not text.startswith(b"{"):  # without rows the engine writes the totals before the beginning
        text = b'{"totals": ' + text.partition(b'"totals": ')[2].partition(b'{\n\t"meta"')[0] + b"}"
    decoded = json.loads(text, parse_float=Decimal)
    totals = {"totals": [decoded["totals"]]} if "totals" in decoded else {}
    extremes = {"extremes": list(decoded["extremes"].values())} if "extremes" in decoded else {}
    return {**totals, **extremes}


def _query(connection: Any, sql: str, output_format: str) -> bytes:
    result = connection.query(sql, output_format)
    if result.has_error():
        raise RuntimeError(result.error_message())
    return bytes(result.bytes())


def _statements(sql: str) -> Iterator[tuple[str, str]]:
    """Yield each statement without its FORMAT clause, and that clause's name."""
    tokens: list[tuple[str, bytes, int, int]] = []
    for token in [*_engine.tokens(sql), ("Semicolon", b"", 0, 0)]:
        if token[0] == "Semicolon" and tokens:
            yield _without_format(sql.encode()[tokens[0][2] : tokens[-1][3]], tokens)
            tokens = []
        elif token[0] not in {"Whitespace", "Comment", "Semicolon"}:
            tokens.append(token)


def _without_format(statement: bytes, tokens: list[tuple[str, bytes, int, int]]) -> tuple[str, str]:
    words = [token[1].upper() if token[0] == "BareWord" else b"" for token in tokens]
    depth = 0
    for index, (kind, _, begin, _) in enumerate(tokens[:-1]):
        depth += ("Opening" in kind) - ("Closing" in kind)
        is_name = index == 0 or words[index - 1] == b"AS" or words[index + 1] in {b"", b"FORMAT"}
        if depth == 0 and words[index] == b"FORMAT" and words[0] != b"INSERT" and not is_name:
            start, stop = begin - tokens[0][2], tokens[index + 1][3] - tokens[0][2]
            return (statement[:start] + statement[stop:]).decode().strip(), tokens[index + 1][1].decode()
    return statement.decode(), ""
