"""The table of the policy, row by row: each fault of each kind of request, by a server that makes it."""

from __future__ import annotations

import contextlib
import ssl
import threading
from pathlib import Path

import pytest

from roe_magic.client.retry_policy import TABLE, Action, Fault, RequestKind
from roe_magic.errors import RoeError
from tests.faults.conftest import Record
from tests.support.certificates import self_signed
from tests.support.endpoint_calls import ENDPOINTS, Caller, server
from tests.support.scripted_server import ScriptedServer, Step, answer, free_port, reset

DOCS = Path(__file__).parents[2] / "docs" / "polling.md"
FAULTS: dict[Fault, Step] = {
    Fault.BROKEN: reset(),
    Fault.REDIRECT: answer("", 302, {"Location": "https://elsewhere.test/"}),
    Fault.NOT_READY: answer("", 202),
    Fault.BAD_BODY: answer("<html>", content_type="text/html"),
    Fault.HTTP_404: answer("", 404),
    Fault.HTTP_408: answer("", 408),
    Fault.HTTP_409: answer("", 409),
    Fault.HTTP_425: answer("", 425),
    Fault.RETRY_AFTER: answer("", 503, {"Retry-After": "1"}),
    Fault.HTTP_429: answer("", 429),
    Fault.HTTP_501: answer("", 501),
    Fault.HTTP_5XX: answer("", 520),
    Fault.OTHER: answer("", 418),
}
# Kinds that are asked for as long as there is patience.
PATIENT = (RequestKind.ATTACH, RequestKind.STATUS, RequestKind.RESULT)
# Of a cancel, which the published API does not have.
NOT_OFFERED = (Fault.HTTP_404, Fault.HTTP_501)


def asked(started: ScriptedServer, kind: RequestKind) -> int:
    method, path, _ = ENDPOINTS[kind]
    return len(started.got(method, path))


def action_seen(kind: RequestKind, fault: Step) -> Action:
    """Return what a client does after a fault: once after it came once, and once after it came for ever."""
    with server(kind, fault) as started:
        caller = Caller(started.url)
        with pytest.raises(RoeError) as caught:
            caller.call(kind)
        times = asked(started, kind)
    if times == 1:
        is_uncertain = any(words in str(caught.value) for words in ("may be running", "may exist"))
        return Action.UNCERTAIN if is_uncertain else Action.GIVE_UP
    with server(kind, fault, ENDPOINTS[kind][2]) as started:
        assert Caller(started.url).call(kind) is not None
        assert asked(started, kind) == 2
    lasted = caller.clock()
    if kind in PATIENT:
        assert 10 <= lasted < 20 or 120 <= lasted < 150
        return Action.WAIT if lasted < 20 else Action.REPEAT
    assert times == 1 + caller.client.settings.max_retries
    return Action.REPEAT


@pytest.mark.parametrize("kind", RequestKind)
@pytest.mark.parametrize("fault", FAULTS)
def test_each_cell_of_the_table(fault: Fault, kind: RequestKind, seen: Record) -> None:
    """What is seen on the wire is what the table says."""
    if fault is Fault.NOT_READY and kind is not RequestKind.RESULT:
        # An answer without a body is the contract's for no other request.
        assert action_seen(kind, FAULTS[fault]) is TABLE[Fault.BAD_BODY][list(RequestKind).index(kind)]
        return
    if kind is RequestKind.CANCEL and fault in NOT_OFFERED:
        with server(kind, FAULTS[fault]) as started:
            seen(f"{kind.value}: {fault.value}", None, Caller(started.url).call(kind))
        return
    expected = TABLE[fault][list(RequestKind).index(kind)]
    seen(f"{kind.value}: {fault.value}", expected.value, action_seen(kind, FAULTS[fault]).value)


@pytest.mark.parametrize("kind", RequestKind)
def test_a_connection_that_cannot_be_made_is_tried_again(kind: RequestKind, seen: Record) -> None:
    """Nothing was sent: the server may come up meanwhile."""
    port = free_port()
    caller = Caller(f"http://127.0.0.1:{port}")
    with contextlib.ExitStack() as stack:
        starting = threading.Lock()

        def come_up(*_: object) -> bool:
            if starting.acquire(blocking=False):
                stack.enter_context(server(kind, port=port))
            return False

        caller.client._transport._wait = caller.clock.sleep = come_up  # type: ignore[assignment]
        assert caller.call(kind) is not None
    seen(f"{kind.value}: {Fault.NO_CONNECTION.value}", "repeat", "repeat")


@pytest.mark.parametrize("kind", RequestKind)
def test_a_certificate_that_is_not_trusted_is_told_at_once(kind: RequestKind, tmp_path: Path, seen: Record) -> None:
    """Another attempt would not change it, and nothing was sent."""
    context: ssl.SSLContext = self_signed(tmp_path, "127.0.0.1")[1]
    with server(kind, context=context) as started:
        caller = Caller(started.url)
        with pytest.raises(RoeError, match="is not trusted"):
            caller.call(kind)
        found = "give up" if not started.journal and not caller.clock.slept else "repeat"
    seen(f"{kind.value}: {Fault.CERTIFICATE.value}", "give up", found)


def test_the_table_is_the_one_of_the_documentation() -> None:
    """In the same order."""
    cells = [[fault.value, *(action.value for action in actions)] for fault, actions in TABLE.items()]
    head = ["fault", *(kind.value for kind in RequestKind)]
    lines = [line.strip("| ").split(" | ") for line in DOCS.read_text(encoding="utf-8").splitlines() if "|" in line]
    assert [line for line in lines if len(line) == len(head)] == [head, *cells]


def test_the_table_is_whole() -> None:
    """Every fault has an action for each kind, and each is tried above."""
    assert {len(actions) for actions in TABLE.values()} == {len(RequestKind)}
    assert set(TABLE) == set(Fault) == {*FAULTS, Fault.NO_CONNECTION, Fault.CERTIFICATE}
