"""Files to upload, by their paths: what each is, and its bytes, unpacked where it is compressed.

An extension says what a file is: CSV (``.csv``, ``.tsv``, ``.txt``), Parquet, Arrow or JSON lines; a further ``.gz``
or ``.zip`` that it is packed. Its first bytes must agree. All problems are found here, before anything is sent.
"""

from __future__ import annotations

import contextlib
import difflib
import gzip
import lzma
import re
import tempfile
import zipfile
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import IO, BinaryIO, cast

from roe_magic.contract.models import ARROW_FILE, ARROW_STREAM, CSV, NDJSON, PARQUET
from roe_magic.errors import UsageError
from roe_magic.formatting import plural, size

# As much as our service takes.
MAX_BYTES = 8 * 2**30
# The media type of a file by its extension; an Arrow file may turn out to be a stream.
EXTENSIONS = {
    **dict.fromkeys((".csv", ".tsv", ".txt"), CSV),
    ".parquet": PARQUET,
    **dict.fromkeys((".arrow", ".arrows", ".feather", ".ipc"), ARROW_FILE),
    **dict.fromkeys((".jsonl", ".ndjson"), NDJSON),
}
_LISTED = "CSV (.csv, .tsv, .txt), Parquet (.parquet), Arrow (.arrow, .feather) or JSON lines (.jsonl, .ndjson)"
_TEXT_KINDS = {CSV: "CSV", NDJSON: "JSON lines"}
_URL = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+://")
# What to do with files that others read well.
_READ_BY_PANDAS = {".xlsx": "read_excel", ".xls": "read_excel", ".json": "read_json", ".xml": "read_xml"}
_PACKED = frozenset({".bz2", ".xz", ".zst", ".lz4", ".br", ".7z", ".rar", ".tar", ".tgz"})
_UNPACK = "Unpack it, and upload the file that is in it."
# What the libraries raise for a file that is damaged; an OSError is gzip's or bzip2's, or the disk's.
_DAMAGED = (zipfile.BadZipFile, EOFError, zlib.error, lzma.LZMAError, OSError)


@dataclass(frozen=True)
class UploadSource:
    """A binary file at its beginning, the media type of what is in it, and its number of rows where that is known."""

    file: BinaryIO
    content_type: str
    name: str
    row_count: int | None = None


@contextlib.contextmanager
def opened(path: str | Path) -> Iterator[UploadSource]:
    """Open a file for an upload, unpacked; raise UsageError where it cannot be uploaded."""
    path = checked(path)
    with _unpacked(path) as (file, name):
        extension = PurePosixPath(name).suffix.lower()
        if extension not in EXTENSIONS:
            raise _unknown_extension(name)
        yield UploadSource(file, _content_type(file, EXTENSIONS[extension], name), name)


def checked(path: str | Path) -> Path:
    """Return the path of a file that is there; raise UsageError, with the nearest name, for any other."""
    refuse_url(str(path))
    found = Path(path).expanduser()
    if found.is_dir():
        raise UsageError(f"{str(path)!r} is a folder.", hint="Name a file in it.")
    if not found.exists():
        raise UsageError(f"There is no file {str(path)!r}{did_you_mean(found.name, _names_beside(found))}")
    return found


def refuse_url(text: str) -> None:
    """Raise UsageError for an address of the Web or of another store."""
    if _URL.match(text):
        hint = "Download the file first, or read it, for example with pandas.read_csv(url), and upload the DataFrame."
        raise UsageError(f"{text!r} is a URL, and URLs are not fetched.", hint=hint)


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """Return the end of a sentence: with the nearest of the known names, where one is near."""
    near = difflib.get_close_matches(name, list(known), n=1, cutoff=0.6)
    return f"; did you mean {near[0]!r}?" if near else "."


def is_file_name(text: str) -> bool:
    """Whether a text ends like the name of a file that can be uploaded, or that is known not to be."""
    suffixes = [suffix.lower() for suffix in PurePosixPath(text).suffixes]
    return bool(suffixes) and suffixes[-1] in {*EXTENSIONS, *_READ_BY_PANDAS, *_PACKED, ".gz", ".zip"}


def _names_beside(path: Path) -> list[str]:
    with contextlib.suppress(OSError):
        return [each.name for each in path.parent.iterdir()]
    return []


def _unknown_extension(name: str) -> UsageError:
    extension = PurePosixPath(name).suffix.lower()
    if extension in _PACKED:
        hint = _UNPACK
    elif reader := _READ_BY_PANDAS.get(extension):
        hint = f"Read it with pandas.{reader}, and upload the DataFrame."
    else:
        hint = f"A file may be {_LISTED}."
    return UsageError(f"{name!r} cannot be uploaded: {_kind_of(extension)}.", hint=hint)


def _kind_of(extension: str) -> str:
    return f"files that end in {extension} are not taken" if extension else "its name has no extension"


@contextlib.contextmanager
def _unpacked(path: Path) -> Iterator[tuple[BinaryIO, str]]:
    """Give the file's own bytes and the name that says what they are."""
    unpack = {".zip": _unzip, ".gz": _gunzip}.get(path.suffix.lower())
    if unpack is None:
        with path.open("rb") as file:
            yield file, path.name
        return
    with tempfile.TemporaryFile() as copy:
        try:
            name = unpack(path, copy)
        except NotImplementedError:  # zipfile's, for a method that it does not have
            message = f"{path.name!r} is packed by a method that Python does not have."
            raise UsageError(message, hint=_UNPACK) from None
        except _DAMAGED as error:
            raise UsageError(f"{path.name!r} cannot be unpacked: {error}.", hint="Is the file complete?") from None
        copy.seek(0)
        yield cast("BinaryIO", copy), name


def _gunzip(path: Path, copy: IO[bytes]) -> str:
    with gzip.open(path) as packed:
        _copy_bounded(packed, copy, path.name)
    return path.stem


def _unzip(path: Path, copy: IO[bytes]) -> str:
    with zipfile.ZipFile(path) as archive:
        member = _only_file(archive, path.name)
        with archive.open(member) as packed:
            _copy_bounded(packed, copy, path.name)
    return member


def _only_file(archive: zipfile.ZipFile, name: str) -> str:
    """Return the name of the file in an archive; macOS puts files of its own beside it."""
    names = [PurePosixPath(each) for each in archive.namelist() if not each.endswith("/")]
    files = [str(each) for each in names if each.parts[0] != "__MACOSX" and not each.name.startswith(".")]
    if len(files) > 1:
        # Windows puts files of its own beside it, and people put a README there.
        beside = ("thumbs.db", "desktop.ini", "readme.txt", "readme.md")
        files = [
            each for each in files if is_file_name(each) and PurePosixPath(each).name.lower() not in beside
        ] or files
    if len(files) != 1:
        names_of = f": {', '.join(map(repr, files[:5]))}" if files else ""
        raise UsageError(f"{name!r} contains {plural(len(files), 'file')}; it must contain one{names_of}.")
    if archive.getinfo(files[0]).flag_bits & 1:
        raise UsageError(f"{name!r} is encrypted.", hint="Unpack it first.")
    return files[0]


def _copy_bounded(packed: gzip.GzipFile | IO[bytes], copy: IO[bytes], name: str) -> None:
    room = MAX_BYTES
    while block := packed.read(1 << 20):
        room -= len(block)
        if room < 0:
            raise UsageError(f"{name!r} has more than {size(MAX_BYTES)} unpacked; that is too much for one upload.")
        copy.write(block)


def _content_type(file: BinaryIO, content_type: str, name: str) -> str:
    """Return what a file is by its first bytes, where its extension leaves that open; raise if they disagree."""
    beginning = file.read(8)
    file.seek(0)
    if not beginning:
        raise UsageError(f"{name!r} is empty.")
    if content_type in _TEXT_KINDS:
        _check_text(beginning, content_type, name)
    if content_type == PARQUET and not beginning.startswith(b"PAR1"):
        raise UsageError(f"{name!r} is not a Parquet file, though its name says so.")
    return _arrow_type(beginning, name) if content_type == ARROW_FILE else content_type


def _arrow_type(beginning: bytes, name: str) -> str:
    if beginning.startswith(b"ARROW1"):
        return ARROW_FILE
    if beginning.startswith(b"\xff\xff\xff\xff"):
        return ARROW_STREAM
    if beginning.startswith(b"FEA1"):
        hint = "Read it with pandas.read_feather, and upload the DataFrame."
        raise UsageError(f"{name!r} is a Feather file of the first version, which is not taken.", hint=hint)
    raise UsageError(f"{name!r} is not an Arrow file, though its name says so.")


def _check_text(beginning: bytes, content_type: str, name: str) -> None:
    expected = _TEXT_KINDS[content_type]
    if beginning.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise UsageError(f"{name!r} is written in UTF-16.", hint=encoding_hint(content_type, "utf-16"))
    binary = {b"\x1f\x8b": "packed with gzip", b"PK\x03\x04": "a zip archive or an Excel file", b"PAR1": "Parquet"}
    for magic, kind in binary.items():
        if beginning.startswith(magic):
            raise UsageError(f"{name!r} is not {expected}: it is {kind}.", hint="Give it the name of what it is.")


def encoding_hint(content_type: str, encoding: str) -> str:
    """Return what to do with a text file of another encoding than UTF-8."""
    reader = "read_csv(..., " if content_type == CSV else "read_json(..., lines=True, "
    return f"Save it as UTF-8, or read it with pandas.{reader}encoding={encoding!r}) and upload the DataFrame."
