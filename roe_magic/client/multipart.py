"""The body of an upload: a multipart form that is read from its file while it is sent.

The transport iterates over a :class:`MultipartBody` once per attempt, and each time the file is read again from where
it stood at first. Whatever goes wrong in here is kept in ``failure`` for the transport to raise: an exception that
passed through the HTTP library would bring along frames that hold the API key.
"""

from __future__ import annotations

import codecs
import contextlib
import io
import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping
from typing import Any, BinaryIO, cast
from uuid import uuid4

from urllib3.fields import RequestField

from roe_magic.errors import UsageError

# A socket's timeout holds for one block, so blocks are small: even a slow line takes one in time.
BLOCK_BYTES = 1 << 16
# How fast, at least, a server is expected to read what it was sent.
BYTES_PER_SECOND = 1_000_000


class MultipartBody:
    """A form with one file as its last part, of a length that is known before it is sent.

    Parameters
    ----------
    fields : mapping of str to str
        The form's fields; they stand before the file, so that a server can refuse them before it has read the file.
    file : BinaryIO
        A file that can be read again; what lies before its position is not sent.
    filename, content_type : str
        Of the file's part.
    progress : callable, optional
        Called with the file's bytes that were sent so far and with their number in all.

    Attributes
    ----------
    whole : bool
        Whether the last byte was handed to the connection, so that the server may have acted on the form.
    failure : Exception or None
        What went wrong while the file was read or its progress reported.
    """

    def __init__(
        self,
        fields: Mapping[str, str],
        file: BinaryIO,
        *,
        filename: str,
        content_type: str,
        progress: Callable[[int, int], object] | None = None,
    ) -> None:
        boundary = uuid4().hex
        self.content_type = f"multipart/form-data; boundary={boundary}"
        self._file, self._start = file, file.tell()
        self.size = file.seek(0, io.SEEK_END) - self._start
        self._progress = progress or (lambda _sent, _size: None)
        parts = [_part(name, value.encode()) for name, value in fields.items()]
        parts.append(_part("file", b"", filename=filename, content_type=content_type))
        opening = f"--{boundary}\r\n".encode()
        self._head = opening + (b"\r\n" + opening).join(parts)
        self._tail = f"\r\n--{boundary}--\r\n".encode()
        self.whole = False
        self.failure: Exception | None = None

    def __len__(self) -> int:
        return len(self._head) + self.size + len(self._tail)

    def __iter__(self) -> Iterator[bytes]:
        self.whole = False
        try:
            yield self._head
            yield from self._blocks()
            # From here on the server may have all of it, whatever becomes of the connection.
            self.whole = True
            yield self._tail
            self._progress(self.size, self.size)
        except Exception as error:
            self.failure = error
            raise OSError("the file could not be read") from None

    def _blocks(self) -> Iterator[bytes]:
        self._file.seek(self._start)
        sent = 0
        while sent < self.size:
            self._progress(sent, self.size)
            block = self._file.read(min(BLOCK_BYTES, self.size - sent))
            if not block:
                raise UsageError("The file became shorter while it was sent; nothing was created.")
            sent += len(block)
            yield block

    @property
    def reading_time(self) -> float:
        """The seconds beyond the usual deadline that the server may take to read the file."""
        return self.size / BYTES_PER_SECOND


def _part(name: str, value: bytes, *, filename: str | None = None, content_type: str | None = None) -> bytes:
    field = RequestField(name, value, filename=filename)
    field.make_multipart(content_type=content_type)
    return field.render_headers().encode() + value


@contextlib.contextmanager
def rereadable(file: Any) -> Iterator[BinaryIO]:
    """Give a binary file that can be read again: the file itself, or a copy on disk of a pipe or of a text file."""
    is_text = isinstance(file.read(0), str)
    if not is_text and file.seekable():
        yield cast("BinaryIO", file)
        return
    with tempfile.TemporaryFile() as copy:
        target: Any = codecs.getwriter("utf-8")(copy) if is_text else copy
        shutil.copyfileobj(file, target, 1 << 20)
        copy.seek(0)
        yield cast("BinaryIO", copy)
