"""The messages between the service and the engine's process.

Each message is preceded by its length, four bytes, and is msgpack. A few hold text that msgpack cannot encode, and are
JSON instead: a message in msgpack never begins with a brace. The rows of queries are not sent; they are files.
"""

from __future__ import annotations

import json
import struct
from typing import Any

import msgspec

_HEADER = struct.Struct(">I")
HEADER_BYTES = _HEADER.size


class Call(msgspec.Struct):
    """From the service: call a method.

    ``arguments`` are encoded. They are a Job for ``run``, a TableCreation for ``create_table``, else keyword arguments.
    """

    id: int
    method: str
    arguments: msgspec.Raw


class Ready(msgspec.Struct, tag=True):
    """From the engine, first: calls can be made. ``sandbox`` says how the kernel confines the process."""

    sandbox: str


class StartFailed(msgspec.Struct, tag=True):
    """From the engine, first and last: it cannot start."""

    error: str
    is_missing: bool
    folder_in_use: bool


class ProgressReport(msgspec.Struct, tag=True):
    """From the engine: how far the query of the call ``id`` is, as the fields of models.Progress."""

    id: int
    progress: dict[str, int]


class CallResult(msgspec.Struct, tag=True):
    """From the engine: the end of the call ``id``.

    ``error`` is what the user did wrong, or that the disk is full; ``failure`` an exception that nobody expected; else
    ``value`` is the result.
    After a message that ``is_last`` the process ends, and the other calls with it.
    """

    id: int
    value: Any = None
    error: str | None = None
    is_disk_full: bool = False
    failure: str | None = None
    is_last: bool = False


EngineMessage = Ready | StartFailed | ProgressReport | CallResult

_engine_message_decoder: msgspec.msgpack.Decoder[EngineMessage] = msgspec.msgpack.Decoder(EngineMessage)


def encode(message: msgspec.Struct) -> bytes:
    """Return a message with its length in front."""
    try:
        body = msgspec.msgpack.encode(message)
    except UnicodeEncodeError:  # a cell whose bytes are not UTF-8 holds lone surrogates
        body = json.dumps(msgspec.to_builtins(message)).encode()
    return _HEADER.pack(len(body)) + body


def body_length(header: bytes | bytearray) -> int:
    """Return the length of the message that follows a header."""
    (length,) = _HEADER.unpack_from(header)
    return int(length)


def decode_call(body: bytes) -> Call:
    """Return a call from the service."""
    return msgspec.msgpack.decode(body, type=Call)


def decode_engine_message(body: bytes) -> EngineMessage:
    """Return a message from the engine."""
    if body.startswith(b"{"):
        message: EngineMessage = msgspec.convert(json.loads(body), EngineMessage)
        return message
    return _engine_message_decoder.decode(body)
