"""The messages of Arrow streams, each checked before pyarrow decodes it.

pyarrow decompresses a message and allocates its columns as soon as it reads it, so that a short body may need
gigabytes. :class:`ArrowMessages` is the file that pyarrow reads from. It reads the body message by message: a prefix
of eight bytes, the metadata (a FlatBuffers table, see Arrow's ``Message.fbs``), the columns' bytes. It looks at the
metadata of a batch first, and raises ProtocolError for what our service never sends.
"""

from __future__ import annotations

import io
import struct
from collections.abc import Callable, Iterable
from typing import NoReturn

from roe_magic.errors import ProtocolError

_CONTINUATION, _END_OF_STREAM = b"\xff\xff\xff\xff", b"\xff\xff\xff\xff\x00\x00\x00\x00"
# The metadata of a schema holds the SQL, which may be long.
_MAX_METADATA_BYTES = 64 << 20
# Values without bytes, such as NULL of the type Nothing; all others take a bit or more.
_MAX_VALUES_WITHOUT_BYTES = 10_000_000
# The kinds of messages, and the fields of their tables, numbered as in Message.fbs.
_DICTIONARY_BATCH, _RECORD_BATCH = 2, 3
_HEADER_TYPE, _HEADER, _BODY_LENGTH = 1, 2, 3
_DATA = 1
_LENGTH, _NODES, _COMPRESSION = 0, 1, 3


class ArrowMessages(io.RawIOBase):
    """Chunks as a file of checked messages.

    Parameters
    ----------
    chunks : iterable of bytes
        The body, cut anywhere.
    on_chunk : callable
        Called after each chunk with the number of bytes that have arrived so far.

    Attributes
    ----------
    bytes_received : int
    stream_ended : bool
        Whether the last message that was read is the mark of a stream's end; pyarrow also accepts a stream that is cut
        between two messages.
    """

    def __init__(self, chunks: Iterable[bytes], on_chunk: Callable[[int], None]) -> None:
        self._chunks, self._on_chunk = iter(chunks), on_chunk
        self._chunk = memoryview(b"")
        # The rest of the message that is being read: its prefix and metadata, and the number of bytes of its columns.
        self._head, self._body_size = memoryview(b""), 0
        self.bytes_received = 0
        self.stream_ended = False

    def readable(self) -> bool:
        """Whether the file can be read: yes."""
        return True

    def at_end(self) -> bool:
        """Whether no more bytes come."""
        while not self._chunk:
            chunk = next(self._chunks, None)
            if chunk is None:
                return True
            self._chunk = memoryview(chunk)
            self.bytes_received += len(chunk)
            self._on_chunk(self.bytes_received)
        return False

    def read(self, size: int = -1) -> bytes:
        """Return the next ``size`` bytes, or what there is where the body ends before."""
        parts = []
        while size > 0 and (part := self._read_some(size)):
            parts.append(part)
            size -= len(part)
        return b"".join(parts)

    def _read_some(self, size: int) -> memoryview | bytes:
        """Return the next bytes of the message, or of the next message; none at the end of the body."""
        if not self._head and not self._body_size:
            self._head = memoryview(self._read_head())
        if self._head:
            part, self._head = self._head[:size], self._head[size:]
            return part
        part = self._take(min(size, self._body_size))
        self._body_size = self._body_size - len(part) if part else 0
        return part

    def _take(self, size: int) -> memoryview:
        part = memoryview(b"") if self.at_end() else self._chunk[:size]
        self._chunk = self._chunk[len(part) :]
        return part

    def _take_all(self, size: int) -> bytes:
        parts = []
        while size and (part := self._take(size)):
            parts.append(part)
            size -= len(part)
        return b"".join(parts)

    def _read_head(self) -> bytes:
        """Read and check the next message up to its columns; return what there is where the body ends before."""
        prefix = self._take_all(8)
        self.stream_ended = prefix == _END_OF_STREAM
        if len(prefix) < 8 or self.stream_ended:
            return prefix
        size = int.from_bytes(prefix[4:], "little")
        if not prefix.startswith(_CONTINUATION) or size > _MAX_METADATA_BYTES:
            _refuse(f"a message begins with {prefix!r}")
        metadata = self._take_all(size)
        if len(metadata) == size:
            self._body_size = _checked_body_size(metadata)
        return prefix + metadata


def _checked_body_size(metadata: bytes) -> int:
    """Return how many bytes follow a message's metadata; raise ProtocolError where it must not be decoded."""
    try:
        message = _Table(metadata, 0)
        body_size, kind = message.number(_BODY_LENGTH, "<q"), message.number(_HEADER_TYPE, "<B")
        header = message.table(_HEADER)
        batch = header.table(_DATA) if header and kind == _DICTIONARY_BATCH else header
        if batch and kind in (_DICTIONARY_BATCH, _RECORD_BATCH):
            _check_batch(batch, body_size)
    except struct.error:
        _refuse("the metadata of a message cannot be read")
    if body_size < 0:
        _refuse("a message has a negative size")
    return body_size


def _check_batch(batch: _Table, body_size: int) -> None:
    if batch.table(_COMPRESSION):
        _refuse("it is compressed")
    limit = 8 * body_size + _MAX_VALUES_WITHOUT_BYTES
    lengths = [batch.number(_LENGTH, "<q"), *(length for length, _ in batch.pairs(_NODES))]
    if max(lengths) > limit:
        _refuse(f"a batch of {body_size:,} bytes cannot have {max(lengths):,} values")


def _refuse(reason: str) -> NoReturn:
    raise ProtocolError(f"The result is not an Arrow stream that roe-magic reads: {reason}.")


class _Table:
    """A table in a FlatBuffers text; ``reference`` is the position of its offset. Reading may raise struct.error."""

    def __init__(self, data: bytes, reference: int) -> None:
        self._data = data
        self._position = reference + self._unpack("<I", reference)
        self._vtable = self._position - self._unpack("<i", self._position)

    def _unpack(self, form: str, position: int) -> int:
        if position < 0:  # which Python would count from the end
            raise struct.error
        value: int = struct.unpack_from(form, self._data, position)[0]
        return value

    def _field(self, number: int) -> int:
        """Return the position of a field, or 0 where the table leaves it out."""
        entry = 4 + 2 * number
        is_known = entry < self._unpack("<H", self._vtable)
        offset = self._unpack("<H", self._vtable + entry) if is_known else 0
        return self._position + offset if offset else 0

    def number(self, field: int, form: str) -> int:
        """Return a number, which is 0 where the table leaves it out."""
        position = self._field(field)
        return self._unpack(form, position) if position else 0

    def table(self, field: int) -> _Table | None:
        """Return a table inside this one, or None."""
        position = self._field(field)
        return _Table(self._data, position) if position else None

    def pairs(self, field: int) -> list[tuple[int, int]]:
        """Return a list of structs of two 64-bit numbers."""
        position = self._field(field)
        if not position:
            return []
        start = position + self._unpack("<I", position)
        count = self._unpack("<I", start)
        if start + 4 + 16 * count > len(self._data):
            raise struct.error
        return list(struct.iter_unpack("<qq", self._data[start + 4 : start + 4 + 16 * count]))
