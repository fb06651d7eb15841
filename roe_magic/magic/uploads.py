"""Sources of an upload as binary CSV files: a CSV file, plain or compressed, or a DataFrame."""

from __future__ import annotations

import gzip
import tempfile
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO, cast

from roe_magic.errors import UsageError


@contextmanager
def opened(value: Any, text: str) -> Iterator[BinaryIO]:
    """Open what a user named, as a binary file of CSV.

    Parameters
    ----------
    value : object
        The variable of that name: a pandas or polars DataFrame or a path; None where there is no such variable.
    text : str
        The name itself, which is a path where there is no variable.
    """
    if hasattr(value, "to_csv"):
        with tempfile.TemporaryFile() as file:
            value.to_csv(file, index=False)
            yield _rewound(file)
    elif hasattr(value, "write_csv"):
        with tempfile.TemporaryFile() as file:
            value.write_csv(file)
            yield _rewound(file)
    else:
        path = Path(value if isinstance(value, (str, Path)) else text).expanduser()
        if not path.is_file():
            raise UsageError(
                f"{text!r} is neither a DataFrame nor a file.",
                hint="Name a CSV file (.csv, .csv.gz or .csv.zip) or a variable that holds a DataFrame.",
            )
        with _uncompressed(path) as file:
            yield file


@contextmanager
def _uncompressed(path: Path) -> Iterator[BinaryIO]:
    if path.suffix == ".zip":
        with zipfile.ZipFile(path) as archive:
            names = [name for name in archive.namelist() if name.endswith(".csv")]
            if len(names) != 1:
                raise UsageError(f"{path.name} contains {len(names)} CSV files; it must contain one.")
            with archive.open(names[0]) as file:
                yield cast("BinaryIO", file)
    else:
        with gzip.open(path) if path.suffix == ".gz" else path.open("rb") as file:
            yield cast("BinaryIO", file)


def _rewound(file: Any) -> BinaryIO:
    file.seek(0)
    return cast("BinaryIO", file)
