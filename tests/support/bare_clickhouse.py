"""ClickHouse without the service: chDB in a process of its own, with nothing of ours around it."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

# Reads a line of JSON (SQL, format, settings), runs it on a connection of its own, writes a line of JSON.
_PROGRAM = """
import json, os, sys
from chdb import _chdb
out = os.fdopen(os.dup(1), "w")
os.dup2(2, 1)
first = _chdb.connect(sys.argv[1])
for line in sys.stdin:
    sql, output_format, options = json.loads(line)
    connection = None
    try:
        connection = _chdb.connect(f"{sys.argv[1]}?{options}" if options else sys.argv[1])
        result = connection.query(sql, output_format)
        error = result.error_message() if result.has_error() else None
        answer = [error, "" if error else result.bytes().decode("utf-8", "surrogateescape")]
    except RuntimeError as failure:
        answer = [str(failure), ""]
    except UnicodeDecodeError as failure:
        answer = [failure.object.decode("utf-8", "backslashreplace"), ""]
    finally:
        connection and connection.close()
    print(json.dumps(answer), file=out, flush=True)
"""


class ClickHouseError(Exception):
    """ClickHouse's own error."""


class BareClickHouse:
    """A process with an open data folder; ``query`` runs one statement.

    Parameters
    ----------
    folder : Path
        Where it works; the data are in its subfolder ``data``.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._process = self._start()

    def _start(self) -> subprocess.Popen[str]:
        self.folder.mkdir(parents=True, exist_ok=True)
        command = [sys.executable, "-c", _PROGRAM, str(self.folder / "data")]
        pipe, log = subprocess.PIPE, self.folder / "stderr.txt"
        with log.open("a") as errors:
            return subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=errors, text=True, cwd=self.folder)

    def query(self, sql: str, output_format: str = "TSV", settings: Mapping[str, str] | None = None) -> str:
        """Return the output of a statement; bytes that are not UTF-8 become lone surrogates.

        The settings go into chDB's connection string as they are: it has no encoding for them.

        Raises
        ------
        ClickHouseError
            ClickHouse refused it.
        EOFError
            The process has ended; the next call starts another one.
        """
        assert self._process.stdin
        assert self._process.stdout
        options = "&".join(f"{name}={value}" for name, value in (settings or {}).items())
        print(json.dumps([sql, output_format, options]), file=self._process.stdin, flush=True)
        line = self._process.stdout.readline()
        if not line:
            self._process.wait()
            self._process = self._start()
            raise EOFError(sql)
        error, text = json.loads(line)
        if error is not None:
            raise ClickHouseError(error)
        return str(text)

    def rows(self, sql: str, settings: Mapping[str, str] | None = None) -> list[list[Any]]:
        """Return the rows of a query, decoded from JSON."""
        return [json.loads(line) for line in self.query(sql, "JSONCompactEachRow", settings).splitlines()]

    def close(self) -> None:
        """End the process."""
        self._process.kill()
        self._process.wait()
        for stream in (self._process.stdin, self._process.stdout):
            assert stream
            stream.close()
