"""The program of the engine's process with some of its defences off, so that each can be tested alone.

A test puts such a program in the place of ``process.PROGRAM``. Nothing in the service itself switches a defence off.
"""

from __future__ import annotations

from roe_magic.service.engine.chdb.process import PROGRAM

_CONFINE = 'confinement = sandbox.confine(*options["folders"])\n'
_MAIN = "main(options, confinement)\n"
_RAW_SQL = """
from roe_magic.service.engine.chdb import worker
make = worker.Worker.__init__
def make_with_sql(self, pipe, clickhouse, settings):
    make(self, pipe, clickhouse, settings)
    def run(sql, settings):
        return clickhouse.query(sql, settings, output_format="TSV").decode("utf-8", "backslashreplace")
    self._methods["sql"] = run
worker.Worker.__init__ = make_with_sql
"""


def without_sandbox(program: str = PROGRAM) -> str:
    """Return a program that does not confine itself."""
    return _replaced(program, _CONFINE, 'confinement = "none"\n')


def with_raw_sql(program: str = PROGRAM) -> str:
    """Return a program that has the call ``sql`` too: it runs a statement with the given settings and no guard."""
    return _replaced(program, _MAIN, _RAW_SQL + _MAIN)


def _replaced(program: str, old: str, new: str) -> str:
    assert program.count(old) == 1, "the program of the engine's process has changed: adapt this file"
    return program.replace(old, new)
