"""The messages between the service and the engine's process."""

from __future__ import annotations

import msgspec
import pytest

from roe_magic.service.engine.chdb import pipe_messages
from roe_magic.service.job import Job, Outcome, SubmitRequest


def body_of(encoded: bytes) -> bytes:
    header, body = encoded[: pipe_messages.HEADER_BYTES], encoded[pipe_messages.HEADER_BYTES :]
    assert pipe_messages.body_length(header) == len(body)
    return body


def test_a_job_arrives_as_it_was_sent() -> None:
    """The whole of it is one value: a new field needs no change here."""
    request = SubmitRequest(sql="SELECT 'é'", use_admin=True, kind="table", row_limit=3)
    job = Job(id="1", request=request, database="own", folder="/tmp/x")
    call = pipe_messages.Call(7, "run", msgspec.Raw(msgspec.msgpack.encode(job)))
    arrived = pipe_messages.decode_call(body_of(pipe_messages.encode(call)))
    assert (arrived.id, arrived.method) == (7, "run")
    assert msgspec.msgpack.decode(arrived.arguments, type=Job) == job


@pytest.mark.parametrize(
    "message",
    [
        pipe_messages.Ready("none"),
        pipe_messages.StartFailed("no", is_missing=True, folder_in_use=False),
        pipe_messages.ProgressReport(1, {"read_rows": 2**63}),
        pipe_messages.CallResult(1, [["a", 1.5, None]]),
        pipe_messages.CallResult(2, error="no such table"),
        pipe_messages.CallResult(3, ["bytes that are not UTF-8: \udcff"]),
    ],
)
def test_every_message_of_the_engine_arrives(message: pipe_messages.EngineMessage) -> None:
    """Messages with text that msgpack cannot encode arrive as well."""
    assert pipe_messages.decode_engine_message(body_of(pipe_messages.encode(message))) == message


@pytest.mark.parametrize("error", [None, "bytes that are not UTF-8: \udcff"])
def test_an_outcome_arrives(error: str | None) -> None:
    """Its bytes are the same after both encodings."""
    outcome = Outcome("FAILURE", error, b'[{"query":"SELECT 1"}]')
    response = pipe_messages.decode_engine_message(body_of(pipe_messages.encode(pipe_messages.CallResult(1, outcome))))
    assert isinstance(response, pipe_messages.CallResult)
    assert msgspec.convert(response.value, Outcome) == outcome
