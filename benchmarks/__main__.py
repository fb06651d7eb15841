"""Measure everything, or the subjects named, and print one table."""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

from benchmarks import (
    arrow,
    cells,
    csv_upload,
    frame_upload,
    inline,
    json_rows,
    loading,
    machine,
    peers,
    table,
    watching,
)
from benchmarks.setting import Setting
from benchmarks.table import Row
from roe_magic import local_service

SUBJECTS: dict[str, Callable[[Setting], list[Row]]] = {
    "loading": loading.rows,
    "cells": cells.rows,
    "inline": inline.rows,
    "arrow": arrow.rows,
    "json": json_rows.rows,
    "frame-upload": frame_upload.rows,
    "csv-upload": csv_upload.rows,
    "watching": watching.rows,
}
_PAGE = Path(__file__).with_name("README.md")
_BEGIN, _END = "<!-- table -->\n", "<!-- end of table -->\n"


def main() -> None:
    """Run the subjects."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("subjects", nargs="*", choices=[[], *SUBJECTS], metavar="SUBJECT", help=", ".join(SUBJECTS))
    parser.add_argument("--write", action="store_true", help="put the table into benchmarks/README.md")
    arguments = parser.parse_args()
    python = peers.layer()
    rows: list[Row] = []
    with tempfile.TemporaryDirectory() as scratch, local_service(Path(scratch) / "data") as service:
        setting = Setting(python=python, service=service, scratch=Path(scratch))
        for name in arguments.subjects or SUBJECTS:
            print(f"{name} ...", file=sys.stderr)
            rows += SUBJECTS[name](setting)
    about = machine.description(python)
    print(table.text(rows), about, sep="\n\n")
    if arguments.write:
        _write(f"{table.markdown(rows)}\n{about}\n")


def _write(text: str) -> None:
    before, _, rest = _PAGE.read_text(encoding="utf-8").partition(_BEGIN)
    after = rest.partition(_END)[2]
    _PAGE.write_text(f"{before}{_BEGIN}\n{text}\n{_END}{after}", encoding="utf-8")


if __name__ == "__main__":
    main()
