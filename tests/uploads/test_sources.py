"""Files by their paths: what they are, unpacked, and what cannot be uploaded."""

from __future__ import annotations

import gzip
import hashlib
import io
import zipfile
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.feather
import pyarrow.parquet
import pytest

from roe_magic.contract.models import ARROW_FILE, ARROW_STREAM, CSV, NDJSON, PARQUET
from roe_magic.errors import UsageError
from roe_magic.uploads import sources
from roe_magic.uploads.sources import opened

TABLE = pa.table({"n": [1, 2]})


def parquet() -> bytes:
    buffer = io.BytesIO()
    pyarrow.parquet.write_table(TABLE, buffer)
    return buffer.getvalue()


def arrow(new: Callable[..., pa.ipc.RecordBatchStreamWriter]) -> bytes:
    buffer = io.BytesIO()
    with new(buffer, TABLE.schema) as writer:
        writer.write_table(TABLE)
    return buffer.getvalue()


def feather(version: int) -> bytes:
    buffer = io.BytesIO()
    pyarrow.feather.write_feather(TABLE.to_pandas(), buffer, version=version)
    return buffer.getvalue()


def zipped(method: int = zipfile.ZIP_DEFLATED, **files: bytes) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", method) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return buffer.getvalue()


CSV_TEXT, JSON_TEXT = b"a,b\n1,2\n", b'{"a":1}\n'
GOOD = {
    "t.csv": (CSV_TEXT, CSV, CSV_TEXT),
    "T.CSV": (CSV_TEXT, CSV, CSV_TEXT),
    "t.v2.csv": (CSV_TEXT, CSV, CSV_TEXT),
    "t.tsv": (b"a\tb\n", CSV, b"a\tb\n"),
    "t.txt": (b"\xef\xbb\xbfa\n", CSV, b"\xef\xbb\xbfa\n"),
    "t.csv.gz": (gzip.compress(CSV_TEXT), CSV, CSV_TEXT),
    "t.csv.zip": (zipped(**{"x.csv": CSV_TEXT}), CSV, CSV_TEXT),
    "t.zip": (zipped(**{"in/": b"", "in/x.jsonl": JSON_TEXT}), NDJSON, JSON_TEXT),
    "mac.zip": (zipped(**{"x.csv": CSV_TEXT, "__MACOSX/._x.csv": b"\0\5", ".DS_Store": b"\0"}), CSV, CSV_TEXT),
    "windows.zip": (
        zipped(**{"x.csv": CSV_TEXT, "Thumbs.db": b"0", "desktop.ini": b"", "README.txt": b"x"}),
        CSV,
        CSV_TEXT,
    ),
    "mac2.zip": (zipped(**{"d/x.csv": CSV_TEXT, "d/._x.csv": b"\0\5", "__MACOSX/d/._x.csv": b"\0\5"}), CSV, CSV_TEXT),
    "t.jsonl": (JSON_TEXT, NDJSON, JSON_TEXT),
    "t.ndjson.gz": (gzip.compress(JSON_TEXT), NDJSON, JSON_TEXT),
    "t.parquet": (parquet(), PARQUET, parquet()),
    "t.parquet.gz": (gzip.compress(parquet()), PARQUET, parquet()),
    "t.arrow": (arrow(pa.ipc.new_file), ARROW_FILE, arrow(pa.ipc.new_file)),
    "s.arrow": (arrow(pa.ipc.new_stream), ARROW_STREAM, arrow(pa.ipc.new_stream)),
    "t.ipc": (arrow(pa.ipc.new_file), ARROW_FILE, arrow(pa.ipc.new_file)),
    "t.feather": (feather(2), ARROW_FILE, feather(2)),
}


@pytest.mark.parametrize("name", GOOD)
def test_a_file_is_what_its_name_says(tmp_path: Path, name: str) -> None:
    """CSV, Parquet, Arrow and JSON lines; unpacked, without what macOS adds to an archive."""
    stored, content_type, content = GOOD[name]
    path = tmp_path / name
    path.write_bytes(stored)
    for given in (path, str(path)):
        with opened(given) as source:
            assert (source.content_type, source.file.read()) == (content_type, content)


NOISE = b"".join(hashlib.sha256(bytes([number])).hexdigest().encode() + b"\n" for number in range(100))


def damaged(method: int) -> bytes:
    """Return a zip archive of one file whose bytes are wrong in the middle."""
    archive = bytearray(zipped(method, **{"x.csv": NOISE}))
    archive[len(archive) // 3 : len(archive) // 3 + 40] = bytes(40)
    return bytes(archive)


def packed_by_an_unknown_method() -> bytes:
    """Return a zip archive of one file, which says of itself that it is packed by method 97."""
    archive = bytearray(zipped(**{"x.csv": CSV_TEXT}))
    archive[archive.find(b"PK\3\4") + 8] = archive[archive.find(b"PK\1\2") + 10] = 97
    return bytes(archive)


BAD = {
    "nosuch.csv": (None, "There is no file"),
    "empty.csv": (b"", "is empty"),
    "empty.csv.gz": (gzip.compress(b""), "is empty"),
    "t.xlsx": (b"PK\3\4", "pandas.read_excel"),
    "t.json": (b"[]", "pandas.read_json"),
    "t.sql": (b"SELECT 1", "files that end in .sql are not taken"),
    "t.csv.bz2": (b"BZh", "files that end in .bz2 are not taken.\nUnpack it"),
    "noextension": (b"a,b", "has no extension"),
    "t.gz": (gzip.compress(CSV_TEXT), "has no extension"),
    "torn.csv.gz": (gzip.compress(CSV_TEXT * 1000)[:-9], "cannot be unpacked"),
    "no.csv.gz": (CSV_TEXT, "cannot be unpacked"),
    "torn.zip": (zipped(**{"x.csv": CSV_TEXT})[:-9], "cannot be unpacked"),
    **{
        f"damaged-{method}.zip": (damaged(method), "cannot be unpacked")
        for method in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA)
    },
    "method.zip": (packed_by_an_unknown_method(), "packed by a method that Python does not have"),
    "two.zip": (
        zipped(**{"x.csv": CSV_TEXT, "y.csv": CSV_TEXT}),
        "contains 2 files; it must contain one: 'x.csv', 'y.csv'",
    ),
    "none.zip": (zipped(**{"__MACOSX/._x.csv": b"\0"}), "contains 0 files"),
    "excel.csv": (b"PK\3\4....", "a zip archive or an Excel file"),
    "packed.csv": (gzip.compress(CSV_TEXT), "packed with gzip"),
    "utf16.txt": ("a\tb\n".encode("utf-16"), "pandas.read_csv(..., encoding='utf-16')"),
    "utf16.jsonl": ('{"a":1}\n'.encode("utf-16"), "pandas.read_json(..., lines=True, encoding='utf-16')"),
    "parquet.jsonl": (parquet(), "is not JSON lines: it is Parquet"),
    "csv.parquet": (CSV_TEXT, "is not a Parquet file"),
    "csv.arrow": (CSV_TEXT, "is not an Arrow file"),
    "v1.feather": (b"FEA1" + bytes(100), "first version"),
}


@pytest.mark.parametrize("name", BAD)
def test_what_cannot_be_uploaded_is_told_with_what_to_do(tmp_path: Path, name: str) -> None:
    """Before anything is sent."""
    stored, said = BAD[name]
    path = tmp_path / name
    if stored is not None:
        path.write_bytes(stored)
    with pytest.raises(UsageError) as caught, opened(path):
        pass
    assert said in str(caught.value)


def test_a_folder_is_no_file(tmp_path: Path) -> None:
    """A folder is told from a file that is not there."""
    with pytest.raises(UsageError, match="is a folder"), opened(tmp_path):
        pass


def test_a_url_is_no_file() -> None:
    """Nothing is fetched; what to do instead is said."""
    with (
        pytest.raises(UsageError, match=r"'https://example\.com/a\.csv' is a URL.*\n.*pandas\.read_csv\(url\)"),
        opened("https://example.com/a.csv"),
    ):
        pass


def test_the_nearest_file_is_named(tmp_path: Path) -> None:
    """For a misspelt name."""
    (tmp_path / "flights.csv").write_bytes(CSV_TEXT)
    with pytest.raises(UsageError, match=r"did you mean 'flights\.csv'"), opened(tmp_path / "fligts.csv"):
        pass


@pytest.mark.parametrize("name", ["bomb.csv.gz", "bomb.zip"])
def test_a_bomb_is_not_unpacked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """More than one upload may have is told as soon as it is seen."""
    monkeypatch.setattr(sources, "MAX_BYTES", 3 << 20)
    bomb = bytes(20 << 20)
    (tmp_path / name).write_bytes(zipped(**{"x.csv": bomb}) if name.endswith("zip") else gzip.compress(bomb, 1))
    with pytest.raises(UsageError, match="too much for one upload"), opened(tmp_path / name):
        pass


def test_a_home_folder_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As a shell finds it."""
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "t.csv").write_bytes(CSV_TEXT)
    with opened("~/t.csv") as source:
        assert source.file.read() == CSV_TEXT


def test_nothing_is_left_open(tmp_path: Path) -> None:
    """Neither the file nor its unpacked copy, whatever happens in between."""
    (tmp_path / "t.csv.gz").write_bytes(gzip.compress(CSV_TEXT))
    before = len(list(Path("/dev/fd").iterdir()))
    with pytest.raises(EOFError), opened(tmp_path / "t.csv.gz"):
        raise EOFError
    assert len(list(Path("/dev/fd").iterdir())) == before
