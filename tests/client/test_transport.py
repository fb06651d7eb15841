"""The transport against a server that says any bytes at all: deadlines, repeats, redirects, certificates, the key."""

from __future__ import annotations

import contextlib
import gzip
import multiprocessing
import pkgutil
import socket
import threading
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from roe_magic.client import connections
from roe_magic.client.delivery import Delivery
from roe_magic.client.messages import MAX_BODY_BYTES, Request
from roe_magic.client.retry_policy import RequestKind
from roe_magic.client.transport import Transport
from roe_magic.config.secret import Secret
from roe_magic.config.settings import Settings
from roe_magic.errors import (
    ConfigError,
    ConnectFailed,
    DeadlineExceeded,
    NotFoundError,
    ProtocolError,
    RateLimitError,
    RoeError,
    ServerError,
    TransportError,
)
from tests.support.certificates import self_signed
from tests.support.fake_clock import FakeClock
from tests.support.scripted_server import (
    ScriptedServer,
    Step,
    Wire,
    answer,
    bytes_of,
    drip,
    free_port,
    hang,
    reset,
    send,
    tunnel,
    wait_for,
)

KEY = "roe-canary-51c3f7"
GET, POST = Request(method="GET", path="/thing/"), Request(method="POST", path="/thing/", json={"a": 1})
OK = answer({"ok": True})
# Seconds; the limits that are asserted are many times this, for the machine may be busy.
SHORT = 0.4
MANY_TIMES = 20.0

GARBAGE = send(b"\x00\xff\xfeSSH-2.0-OpenSSH_9.6\r\n\r\n")
NO_ANSWER = send(b"")
CUT_BODY = send(bytes_of({"ok": True})[:-4])
CUT_CHUNK = send(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\nff\r\n{")
BAD_CHUNK = send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nhello\r\n{}")
NOT_GZIP = answer(b"plain", headers={"Content-Encoding": "gzip"})
ENDLESS_HEAD = send(b"HTTP/1.1 200 OK\r\n" + b"X-A: 1\r\n" * 10_000)
BROKEN = {
    "reset": reset(),
    "reset in the head": reset(b"HTTP/1.1 200 O"),
    "end in the head": send(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"),
    "reset in the body": reset(bytes_of({"ok": True})[:-4]),
    "no answer": NO_ANSWER,
    "cut body": CUT_BODY,
    "cut chunk": CUT_CHUNK,
    "bad chunk": BAD_CHUNK,
    "garbage": GARBAGE,
    "not gzip": NOT_GZIP,
    "endless head": ENDLESS_HEAD,
}


class Sender:
    """A transport with a clock that waits for nobody."""

    def __init__(self, url: str, **options: Any) -> None:
        self.clock = FakeClock()
        self.settings = Settings(base_url=url, api_key=Secret(KEY), **{"timeout": 60.0, **options})
        self.transport = Transport(self.settings, clock=self.clock, wait=self.clock.wait, rng=lambda: 0.5)

    def json(self, call: Request = GET) -> Any:
        return self.transport.send(call).json()

    def __enter__(self) -> Sender:
        return self

    def __exit__(self, *_: object) -> None:
        self.transport.close()


@pytest.fixture(autouse=True)
def plain_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)
    monkeypatch.delenv("ROE_ALLOW_HTTP", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))


@pytest.fixture
def hosts(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let every name under .test be this machine; nothing but the look-up is replaced."""
    real = socket.getaddrinfo

    def look_up(host: Any, *rest: Any, **options: Any) -> Any:
        return real("127.0.0.1" if str(host).endswith(".test") else host, *rest, **options)

    monkeypatch.setattr(socket, "getaddrinfo", look_up)


# What is sent again, and what is not


@pytest.mark.parametrize("fault", BROKEN.values(), ids=BROKEN)
def test_a_get_whose_answer_breaks_is_sent_again(fault: Step) -> None:
    """Whatever breaks on the way, a GET comes through at the second try."""
    with ScriptedServer(fault, OK) as server, Sender(server.url) as sender:
        assert sender.json() == {"ok": True}
        assert len(server.journal) == 2


@pytest.mark.parametrize("fault", BROKEN.values(), ids=BROKEN)
def test_a_post_whose_answer_breaks_is_sent_once(fault: Step) -> None:
    """A POST that may have been executed is never sent a second time."""
    with ScriptedServer(fault, OK) as server, Sender(server.url) as sender:
        with pytest.raises(TransportError) as caught:
            sender.json(POST)
        assert not isinstance(caught.value, ConnectFailed)
        assert len(server.journal) == 1
        assert not sender.clock.slept


@pytest.mark.parametrize("status", [429, 500, 502, 503, 504])
def test_a_get_is_sent_again_after_a_failure_of_the_server(status: int) -> None:
    """Each status that may pass is retried."""
    with ScriptedServer(answer("", status), answer("", status), OK) as server, Sender(server.url) as sender:
        assert sender.json() == {"ok": True}
        assert len(server.journal) == 3
        # 0.25 s and 0.5 s, each a half of it and a half of that by chance.
        assert sender.clock.slept == [0.1875, 0.375]


@pytest.mark.parametrize("status", [400, 401, 402, 403, 404, 405, 409, 422, 501])
def test_a_refusal_is_told_at_once(status: int) -> None:
    """A status that will not pass is not retried, for a GET neither."""
    with ScriptedServer(answer("", status), OK) as server, Sender(server.url) as sender:
        with pytest.raises(RoeError) as caught:
            sender.json()
        assert caught.value.status_code == status  # type: ignore[attr-defined]  # every one of these has it
        assert len(server.journal) == 1


@pytest.mark.parametrize("status", [429, 503])
def test_a_post_refused_for_now_is_sent_again_at_the_time_the_server_names(status: int) -> None:
    """429 and 503 with Retry-After say that nothing was done, and when to come back."""
    busy = answer("", status, {"Retry-After": "7"})
    with ScriptedServer(busy, OK) as server, Sender(server.url) as sender:
        assert sender.json(POST) == {"ok": True}
        assert [request.json() for request in server.journal] == [{"a": 1}, {"a": 1}]
        assert sender.clock.slept == [7.0]


@pytest.mark.parametrize("status", [429, 500, 502, 503, 504])
def test_a_post_is_not_sent_again_without_retry_after(status: int) -> None:
    """A server that fails may have done it all the same."""
    with ScriptedServer(answer("", status), OK) as server, Sender(server.url) as sender:
        with pytest.raises((ServerError, RateLimitError)):
            sender.json(POST)
        assert len(server.journal) == 1


@pytest.mark.parametrize("status", [500, 502, 504])
def test_retry_after_does_not_make_a_failed_post_safe(status: int) -> None:
    """Only 429 and 503 say that nothing was done."""
    with ScriptedServer(answer("", status, {"Retry-After": "1"}), OK) as server, Sender(server.url) as sender:
        with pytest.raises(ServerError):
            sender.json(POST)
        assert len(server.journal) == 1


@pytest.mark.parametrize(
    ("header", "pause"),
    [("3", 3.0), ("0", 0.0), ("Wed, 21 Oct 2015 07:28:00 GMT", 0.0), ("soon", 0.1875), ("-1", 0.1875), ("", 0.1875)],
)
def test_retry_after_is_read_in_every_form(header: str, pause: float) -> None:
    """Seconds, a past date, and what cannot be read."""
    with ScriptedServer(answer("", 503, {"Retry-After": header}), OK) as server, Sender(server.url) as sender:
        assert sender.json() == {"ok": True}
        assert sender.clock.slept == [pause]


@pytest.mark.parametrize("header", ["86400", "Fri, 31 Dec 2399 23:59:59 GMT", "9" * 400])
def test_a_far_retry_after_ends_the_request_within_its_time(header: str) -> None:
    """A server that says "tomorrow" is told to the caller at once; the time it names is kept on the error."""
    with ScriptedServer(answer("", 429, {"Retry-After": header}), OK) as server, Sender(server.url) as sender:
        with pytest.raises(RateLimitError) as caught:
            sender.json(POST)
        assert caught.value.retry_after == 300.0
        assert not sender.clock.slept


def test_no_retries_means_none() -> None:
    """max_retries=0 is honoured for a GET, and where nothing was sent."""
    with ScriptedServer(answer("", 503, {"Retry-After": "0"})) as server, Sender(server.url, max_retries=0) as sender:
        for call in (GET, POST):
            with pytest.raises(ServerError):
                sender.json(call)
        assert len(server.journal) == 2
        assert not sender.clock.slept
    with Sender(f"http://127.0.0.1:{free_port()}", max_retries=0) as sender:
        with pytest.raises(ConnectFailed):
            sender.json(POST)
        assert not sender.clock.slept


def test_retries_end() -> None:
    """With three retries a server that fails for ever is asked four times."""
    with ScriptedServer(answer("", 500)) as server, Sender(server.url, max_retries=3) as sender:
        with pytest.raises(ServerError):
            sender.json()
        assert len(server.journal) == 4


def test_a_refused_connection_is_tried_again_even_for_a_post() -> None:
    """No byte was sent, so nothing can have been done."""
    port = free_port()
    with Sender(f"http://127.0.0.1:{port}") as sender:
        servers: list[ScriptedServer] = []

        def wait(*_: object) -> bool:
            servers.append(ScriptedServer(OK, port=port))
            return False

        sender.transport._wait = wait
        try:
            assert sender.json(POST) == {"ok": True}
            assert [request.method for request in servers[0].journal] == ["POST"]
        finally:
            servers[0].close()


def test_a_server_that_is_not_there_is_named() -> None:
    """The error tells the address and what to do, and that nothing was sent."""
    port = free_port()
    with Sender(f"http://127.0.0.1:{port}") as sender, pytest.raises(ConnectFailed) as caught:
        sender.json(POST)
    assert caught.value.message == f"127.0.0.1:{port} cannot be reached: Connection refused"
    assert "connect local" in str(caught.value)
    assert len(sender.clock.slept) == 3


def test_an_upload_that_is_sent_again_holds_the_file_again(tmp_path: Path) -> None:
    """A retry does not send what is left of a file that was read to its end."""
    from roe_magic.client import RoeClient

    file = tmp_path / "t.csv"
    file.write_bytes(b"a,b\n1,2\n")
    done = answer({"table_name": "t", "organization_id": "5d9a6a3e-0c6e-4f1e-9a0b-6a2f3c4d5e6f"}, 201)
    with ScriptedServer(answer("", 503, {"Retry-After": "0"}), done) as server, Sender(server.url) as sender:
        with file.open("rb") as opened:
            RoeClient(sender.settings, transport=sender.transport).upload("t", opened)
        assert [b"a,b\n1,2\n" in request.body for request in server.journal] == [True, True]


# Total deadlines


def timed(sender: Sender, call: Request) -> float:
    begun = time.monotonic()
    with pytest.raises(DeadlineExceeded) as caught:
        sender.json(call)
    assert f"within {SHORT:g} s" in caught.value.message
    return time.monotonic() - begun


WHOLE = bytes_of({"ok": "x" * 4000})
SLOW = {
    "says nothing": hang(),
    "stops in the head": hang(b"HTTP/1.1 200 OK\r\nConte"),
    "stops in the body": hang(WHOLE[:-10]),
    "drips in the head": drip(WHOLE),
    "drips in the body": drip(WHOLE, at_once=200),
    "drips continues": drip(b"HTTP/1.1 100 Continue\r\n\r\n" * 1000),
    "drips chunks": drip(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + b"1\r\nx\r\n" * 1000, at_once=50),
}


@pytest.mark.parametrize("slow", SLOW.values(), ids=SLOW)
def test_an_answer_has_a_total_deadline(slow: Step) -> None:
    """Bytes that keep coming do not keep a request alive beyond its time; a POST is not sent again."""
    with ScriptedServer(slow) as server, Sender(server.url, timeout=SHORT) as sender:
        assert SHORT * 0.9 < timed(sender, POST) < SHORT * MANY_TIMES
        assert len(server.journal) == 1


def test_a_deadline_holds_on_a_kept_connection() -> None:
    """The second answer on a connection has its own deadline, not what the first one left."""
    half = drip(bytes_of({"ok": 1}), at_once=60)  # some 20 to 30 bytes are left: over a second
    with ScriptedServer(half) as server, Sender(server.url, timeout=3.0) as sender:
        for _ in range(3):
            assert sender.json(POST) == {"ok": 1}
        assert server.connections == 1


def test_what_an_answer_left_of_its_time_is_not_the_time_of_the_next_request() -> None:
    """A kept connection has its whole time again: a large request after a slow answer is sent."""
    whole = bytes_of({"ok": 1})
    with ScriptedServer(drip(whole, at_once=len(whole) - 4)) as server, Sender(server.url, timeout=30.0) as sender:
        assert sender.json() == {"ok": 1}
        manager: Any = sender.transport._adapter
        (pool,) = (manager.poolmanager.pools[key] for key in manager.poolmanager.pools.keys())  # noqa: SIM118  # no dict
        assert [kept.sock.gettimeout() for kept in pool.pool.queue if kept] == [30.0]


def test_no_timeout_means_no_deadline() -> None:
    """timeout=0 waits for as long as it takes."""
    whole = bytes_of({"ok": 1})
    slow = drip(whole, at_once=len(whole) - 10, every=0.02)
    with ScriptedServer(slow) as server, Sender(server.url, timeout=0.0) as sender:
        assert sender.json() == {"ok": 1}
        # The kept connection has no limit either.
        assert sender.json() == {"ok": 1}


def test_a_wait_that_was_asked_for_is_added_to_the_deadline() -> None:
    """extra_time lengthens one call alone."""
    whole = bytes_of({"ok": 1})
    slow = drip(whole, at_once=len(whole) - 16)  # 0.8 s
    with ScriptedServer(slow) as server, Sender(server.url, timeout=SHORT, max_retries=0) as sender:
        assert sender.json(replace(POST, extra_time=20.0)) == {"ok": 1}
        with pytest.raises(DeadlineExceeded):
            sender.json(POST)


# Bodies that are too much


def test_a_gzip_bomb_is_refused_before_it_fills_the_memory() -> None:
    """A small body that unpacks to more than 64 MB is given up."""
    packed = gzip.compress(b"\0" * (MAX_BODY_BYTES + 1))
    bomb = answer(packed, headers={"Content-Encoding": "gzip", "Content-Type": "application/json"})
    with ScriptedServer(bomb) as server, Sender(server.url) as sender:
        with pytest.raises(ProtocolError, match="larger than 64 MB"):
            sender.json()
        assert len(server.journal) == 1


def test_a_plain_flood_is_refused_before_it_is_read() -> None:
    """Without a length, too."""

    def flood(wire: Wire) -> bool:
        wire.socket.sendall(b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n")
        while True:
            wire.socket.sendall(b"\0" * (1 << 20))

    with ScriptedServer(flood) as server, Sender(server.url) as sender, pytest.raises(ProtocolError, match="64 MB"):
        sender.json()


# Redirects


def test_a_redirect_of_a_get_on_the_same_server_is_followed_with_the_key() -> None:
    """The path may move; the new address is asked as the server wrote it."""
    with ScriptedServer() as server, Sender(server.url) as sender:
        server.on("GET", "/thing/", answer("", 302, {"Location": "/other/?a=1&b=2"})).on("GET", "/other/", OK)
        assert sender.json(replace(GET, params={"a": "1"})) == {"ok": True}
        assert [request.target for request in server.journal] == ["/thing/?a=1", "/other/?a=1&b=2"]
        assert server.journal[1].headers["authorization"] == f"Bearer {KEY}"


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_to_another_server_gets_nothing(status: int) -> None:
    """Neither the key nor anything else goes to another port, host or scheme."""
    with ScriptedServer(OK) as other, ScriptedServer() as server, Sender(server.url) as sender:
        server.on("GET", "/thing/", answer("", status, {"Location": f"{other.url}/thing/"}))
        with pytest.raises(ProtocolError, match="does not send your API key there"):
            sender.json()
        assert other.connections == 0


@pytest.mark.parametrize("target", ["//elsewhere.test/x", "https://127.0.0.1/x", "http://127.0.0.1@elsewhere.test/"])
def test_a_redirect_in_disguise_is_refused(target: str) -> None:
    """The whole address decides, not how it begins."""
    with ScriptedServer(answer("", 302, {"Location": target})) as server, Sender(server.url) as sender:
        with pytest.raises(ProtocolError, match="does not send your API key"):
            sender.json()
        assert len(server.journal) == 1


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_never_repeats_a_post(status: int) -> None:
    """A POST is neither sent again elsewhere nor turned into a GET."""
    with ScriptedServer(answer("", status, {"Location": "/other/"}), OK) as server, Sender(server.url) as sender:
        with pytest.raises(ProtocolError):
            sender.json(POST)
        assert [request.method for request in server.journal] == ["POST"]


def test_redirects_in_a_circle_end() -> None:
    """After three the redirect itself is the answer."""
    with ScriptedServer(answer("", 302, {"Location": "/thing/"})) as server, Sender(server.url) as sender:
        with pytest.raises(RoeError, match="HTTP 302"):
            sender.json()
        assert len(server.journal) == 4


# The key, and what could replace it or take it elsewhere


def test_netrc_does_not_replace_the_key(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, hosts: None) -> None:
    """The requests library takes ~/.netrc over a header that is set by hand; ours is an auth object."""
    netrc = tmp_path / "netrc"
    netrc.write_text("machine roe.test login eve password stolen\nmachine 127.0.0.1 login eve password stolen\n")
    netrc.chmod(0o600)
    monkeypatch.setenv("NETRC", str(netrc))
    monkeypatch.setenv("ROE_ALLOW_HTTP", "1")
    with ScriptedServer(OK) as server:
        for host in ("127.0.0.1", "roe.test"):
            with Sender(f"http://{host}:{server.port}") as sender:
                sender.json()
        assert [request.headers["authorization"] for request in server.journal] == [f"Bearer {KEY}"] * 2


def test_cookies_are_not_kept() -> None:
    """The server cannot tie requests together, and threads share no state."""
    with ScriptedServer(answer({"ok": True}, headers={"Set-Cookie": "session=1; Path=/"})) as server:
        with Sender(server.url) as sender:
            sender.json()
            sender.json()
        assert "cookie" not in server.journal[1].headers


def test_plain_http_to_another_machine_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """The key is not sent unencrypted unless the user says so."""
    for url in ("http://api.roe-ai.com", "http://10.0.0.1", "http://127.0.0.1.evil.test", "http://localhost.evil.test"):
        with pytest.raises(ConfigError, match="plain http"):
            Settings(base_url=url, api_key=Secret(KEY))
    monkeypatch.setenv("ROE_ALLOW_HTTP", "1")
    assert Settings(base_url="http://10.0.0.1", api_key=Secret(KEY)).base_url == "http://10.0.0.1"


@pytest.mark.parametrize("key", ["a\r\nX-Evil: 1", "a\n", "a\r", "a b", "", "schlüssel", "a\0b", "\x7f", "\t"])
def test_a_key_that_would_break_a_header_is_refused(key: str) -> None:
    """The error does not repeat the key."""
    with pytest.raises(ConfigError) as caught:
        Secret(key)
    assert not key.strip() or key not in str(caught.value)


def test_a_proxy_of_the_environment_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    """Plain http goes through it as a whole address, and NO_PROXY is honoured."""
    with ScriptedServer(OK) as proxy:
        monkeypatch.setenv("HTTP_PROXY", proxy.url)
        monkeypatch.setenv("http_proxy", proxy.url)
        monkeypatch.setenv("ROE_ALLOW_HTTP", "1")
        with Sender("http://api.roe.test") as sender:
            assert sender.json() == {"ok": True}
        assert proxy.journal[0].target == "http://api.roe.test/thing/"
        monkeypatch.setenv("NO_PROXY", "roe.test")
        with Sender("http://api.roe.test", max_retries=0) as sender, pytest.raises(ConnectFailed):
            sender.json()
        assert len(proxy.journal) == 1


def test_a_proxy_is_not_asked_for_services_of_this_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    """It could not reach them, and would see the key."""
    with ScriptedServer(OK) as proxy, ScriptedServer(OK) as server:
        for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
            monkeypatch.setenv(name, proxy.url)
        with Sender(server.url) as sender:
            assert sender.json() == {"ok": True}
        assert proxy.connections == 0


def test_a_proxy_of_https_sees_no_key(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """It is asked for a tunnel by name; the request itself, deadline included, is inside TLS."""
    certificate, context = self_signed(tmp_path, "api.roe.test")
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(certificate))
    with ScriptedServer(tunnel(context), OK) as proxy:
        monkeypatch.setenv("HTTPS_PROXY", proxy.url)
        with Sender("https://api.roe.test") as sender:
            assert sender.json() == {"ok": True}
        connect, inner = proxy.journal
        assert (connect.method, connect.target) == ("CONNECT", "api.roe.test:443")
        assert KEY not in str(connect)
        assert inner.headers["authorization"] == f"Bearer {KEY}"


def test_a_deadline_holds_through_a_proxy(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A drip inside the tunnel ends like any other."""
    certificate, context = self_signed(tmp_path, "api.roe.test")
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(certificate))
    with ScriptedServer(tunnel(context), drip(WHOLE)) as proxy:
        monkeypatch.setenv("HTTPS_PROXY", proxy.url)
        with Sender("https://api.roe.test", timeout=SHORT) as sender:
            assert timed(sender, POST) < SHORT * MANY_TIMES


@pytest.mark.parametrize(
    "refusal", [answer("", 403), answer("", 407), send(b""), GARBAGE], ids=["403", "407", "eof", "?"]
)
def test_a_proxy_that_makes_no_tunnel_has_sent_nothing(monkeypatch: pytest.MonkeyPatch, refusal: Step) -> None:
    """A POST behind a proxy that refuses is told as not sent."""
    with ScriptedServer(refusal) as proxy:
        monkeypatch.setenv("HTTPS_PROXY", proxy.url)
        with Sender("https://api.roe.test", max_retries=1) as sender, pytest.raises(ConnectFailed):
            sender.json(POST)
        assert [request.method for request in proxy.journal] == ["CONNECT", "CONNECT"]


def test_a_proxy_that_is_not_there_has_sent_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """The same where no connection to it can be made."""
    monkeypatch.setenv("HTTPS_PROXY", f"http://127.0.0.1:{free_port()}")
    with Sender("https://api.roe.test") as sender, pytest.raises(ConnectFailed, match="cannot be reached"):
        sender.json(POST)


# Certificates


def test_a_certificate_that_is_not_trusted_is_refused_once(tmp_path: Path) -> None:
    """Nothing is sent and nothing is tried again; the error says what to do behind a company's proxy."""
    _, context = self_signed(tmp_path, "127.0.0.1")
    for call in (GET, POST):
        with ScriptedServer(OK, context=context) as server, Sender(server.url) as sender:
            with pytest.raises(ConnectFailed, match="certificate") as caught:
                sender.json(call)
            assert "REQUESTS_CA_BUNDLE" in str(caught.value)
            assert (server.connections, server.journal) == (1, [])
            assert not sender.clock.slept


def test_a_certificate_for_another_name_is_refused_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, hosts: None
) -> None:
    """Being trusted is not enough: it must be the server's own."""
    certificate, context = self_signed(tmp_path, "other.test")
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(certificate))
    with ScriptedServer(OK, context=context) as server, Sender(f"https://roe.test:{server.port}") as sender:
        with pytest.raises(ConnectFailed, match="certificate"):
            sender.json()
        assert (server.connections, server.journal) == (1, [])


def test_a_certificate_that_the_user_trusts_is_used(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, hosts: None
) -> None:
    """With REQUESTS_CA_BUNDLE, as the hint says; a lost answer over TLS is a lost answer."""
    certificate, context = self_signed(tmp_path, "roe.test")
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(certificate))
    with ScriptedServer(OK, NO_ANSWER, context=context) as server, Sender(f"https://roe.test:{server.port}") as sender:
        assert sender.json(POST) == {"ok": True}
        with pytest.raises(TransportError) as caught:
            sender.json(POST)
        assert not isinstance(caught.value, ConnectFailed)
        assert len(server.journal) == 2


def test_garbage_inside_tls_after_a_post_is_a_lost_answer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, hosts: None
) -> None:
    """A TLS failure that is no certificate's does not claim that nothing was sent."""
    certificate, context = self_signed(tmp_path, "roe.test")
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(certificate))

    def spoil(wire: Wire) -> bool:
        plain = socket.socket(fileno=wire.socket.detach())
        wire.socket = plain
        plain.sendall(b"\x17\x03\x03\x00\x20" + b"\0" * 32)  # a record that no key of this connection made
        return False

    with ScriptedServer(spoil, context=context) as server, Sender(f"https://roe.test:{server.port}") as sender:
        with pytest.raises(TransportError) as caught:
            sender.json(POST)
        assert not isinstance(caught.value, ConnectFailed)
        assert len(server.journal) == 1


def begins_then(step: Step) -> Step:
    """Let the client's handshake begin first."""

    def greet(wire: Wire) -> bool:
        wire.socket.recv(1)
        return step(wire)

    return greet


@pytest.mark.parametrize(
    "greet",
    [begins_then(send(b"HTTP/1.1 400 Bad Request\r\n\r\n")), begins_then(reset()), begins_then(send(b""))],
    ids=["plain http", "reset", "eof"],
)
def test_a_handshake_that_fails_has_sent_nothing(greet: Step) -> None:
    """https to a server that speaks no TLS, say: told as not reached, and safe to repeat."""
    with ScriptedServer(greet=greet) as server:
        url = server.url.replace("http:", "https:")
        with Sender(url, max_retries=1) as sender, pytest.raises(ConnectFailed, match="cannot be reached"):
            sender.json(POST)
        assert server.connections == 2


def test_a_handshake_has_a_deadline() -> None:
    """A server that accepts and then says nothing is given up."""
    with ScriptedServer(greet=hang()) as server:
        url = server.url.replace("http:", "https:")
        begun = time.monotonic()
        with Sender(url, timeout=SHORT, max_retries=0) as sender, pytest.raises(ConnectFailed):
            sender.json(POST)
        assert time.monotonic() - begun < SHORT * MANY_TIMES


def test_a_certificate_file_that_is_missing_has_sent_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """A wrong REQUESTS_CA_BUNDLE is told with its name and path, not as a lost answer."""
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", "/no/such/bundle.pem")
    with Sender("https://api.roe.test") as sender, pytest.raises(ConfigError, match=r"REQUESTS_CA_BUNDLE.*bundle\.pem"):
        sender.json(POST)


def test_a_certificate_file_that_is_none_has_sent_nothing(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """For a server on this machine, too."""
    path = tmp_path / "bundle.pem"
    path.write_text("no certificate")
    monkeypatch.setenv("CURL_CA_BUNDLE", str(path))
    with Sender("https://127.0.0.1:1") as sender, pytest.raises(ConfigError, match=r"CURL_CA_BUNDLE.*nothing was sent"):
        sender.json(POST)


def test_a_proxy_address_that_cannot_be_used_has_sent_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """The same for a malformed HTTPS_PROXY."""
    monkeypatch.setenv("HTTPS_PROXY", "http://:nonsense:")
    with Sender("https://api.roe.test", max_retries=0) as sender, pytest.raises(ConnectFailed):
        sender.json(POST)


# Connections, threads and what is sent


def test_a_connection_is_used_again() -> None:
    """Ten requests in a row need one connection, whatever their answers were."""
    answers = [OK, answer("", 404), OK, answer("", 204), OK]
    with ScriptedServer(*answers) as server, Sender(server.url) as sender:
        for _ in range(10):
            with contextlib.suppress(NotFoundError):
                sender.transport.send(GET).read()
        assert (server.connections, len(server.journal)) == (1, 10)


def test_a_connection_that_the_server_closed_meanwhile_is_replaced() -> None:
    """A kept connection that is gone is noticed before a POST is risked on it."""
    with ScriptedServer(send(bytes_of({"ok": True})), OK) as server, Sender(server.url) as sender:
        assert sender.json() == {"ok": True}
        wait_for(lambda: not server.live)
        assert sender.json(POST) == {"ok": True}
        assert server.connections == 2


def test_a_body_that_is_not_read_to_its_end_gives_no_bytes_to_the_next_request() -> None:
    """A streamed answer that is given up takes its connection with it."""
    large = answer(b"x" * 30_000_000)
    with ScriptedServer(large, OK) as server, Sender(server.url) as sender:
        reply = sender.transport.send(replace(GET, stream=True))
        chunks: Any = reply.chunks
        next(chunks)
        chunks.close()
        wait_for(lambda: not server.live)
        assert sender.json() == {"ok": True}
        assert server.connections == 2


def test_many_threads_may_share_one_transport() -> None:
    """Each thread gets the answers to its own questions."""

    wrong: list[str] = []

    def ask(name: int) -> None:
        for number in range(20):
            text = f"{name}-{number}"
            if sender.json(replace(GET, params={"n": text})) != {"n": text}:
                wrong.append(text)

    with ScriptedServer() as server, Sender(server.url) as sender:
        server.script = lambda request: answer({"n": request.params["n"][0]})
        threads = [threading.Thread(target=ask, args=(name,)) for name in range(16)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(120)
        assert not wrong
        assert len(server.journal) == 320
        assert server.connections <= 32


def test_a_request_says_who_asks_and_what_it_takes() -> None:
    """The version in User-Agent, JSON in Accept, the key once, and no parameter that is None."""
    with ScriptedServer(OK) as server, Sender(server.url) as sender:
        sender.json(replace(GET, params={"a": "x y&z", "b": None}))
        request = server.journal[0]
        assert request.headers["user-agent"].startswith("roe-magic/0.")
        assert request.headers["accept"] == "application/json"
        assert request.headers["authorization"] == f"Bearer {KEY}"
        assert request.params == {"a": ["x y&z"]}


class Alarm(Exception):
    """What a signal handler raises."""


@pytest.mark.parametrize(
    "moment",
    ["http.client.HTTPConnection.getresponse", "http.client.HTTPConnection.putheader", "socket.socket.sendall"],
)
def test_no_frame_of_a_request_holds_the_key(monkeypatch: pytest.MonkeyPatch, moment: str) -> None:
    """Whatever interrupts it, and wherever: a verbose traceback prints the variables of every frame."""
    real = pkgutil.resolve_name(moment)

    def interrupted(*arguments: Any, **options: Any) -> Any:
        data = b"".join(map(bytes, filter(None, arguments[1:2]))) if "sendall" in moment else b""
        if "getresponse" in moment or "Authorization" in arguments or KEY.encode() in data:
            raise Alarm
        return real(*arguments, **options)

    with ScriptedServer(OK) as server, Sender(server.url) as sender:
        sender.json()
        monkeypatch.setattr(moment, interrupted)
        with pytest.raises(Alarm) as caught:
            sender.json()
    frames = [entry.frame for entry in caught.traceback if entry.name != "interrupted"]
    assert len(frames) > 5
    assert not [frame for frame in frames if KEY in repr(frame.f_locals)]


def test_a_key_that_the_server_repeats_is_not_in_what_is_read() -> None:
    """Neither in an answer nor in an error."""
    echo = {"message": f"Bearer {KEY} is unknown"}
    with ScriptedServer(answer(echo), answer(echo, 401)) as server, Sender(server.url) as sender:
        assert sender.json() == {"message": "Bearer <secret> is unknown"}
        with pytest.raises(RoeError, match="Bearer <secret> is unknown") as caught:
            sender.json()
        assert KEY not in repr(vars(caught.value))


# What a caller who leaves does to a request


@pytest.mark.parametrize("call", [GET, POST], ids=["GET", "POST"])
def test_nothing_is_sent_after_the_caller_has_left(call: Request) -> None:
    """Neither at first nor after a pause."""
    with ScriptedServer(answer("", 503, {"Retry-After": "5"}), OK) as server, Sender(server.url) as sender:
        call = replace(call, delivery=Delivery())
        sender.transport._wait = lambda event, seconds: event.set() or True
        with pytest.raises(ServerError):
            sender.json(call)
        assert len(server.journal) == 1
        with pytest.raises(ConnectFailed, match="stopped before it was sent"):
            sender.json(call)
        assert len(server.journal) == 1


# Connections that are not to be trusted


def test_a_connection_that_was_idle_is_not_used_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """A balancer may have forgotten it, and then nobody knows what became of a POST."""
    with ScriptedServer(OK) as server, Sender(server.url) as sender:
        sender.json(POST)
        sender.json(POST)
        assert server.connections == 1
        monkeypatch.setattr(connections, "IDLE_SECONDS", -1.0)
        sender.json(POST)
        assert server.connections == 2
        assert [request.connection for request in server.journal] == [1, 1, 2]


def test_a_forked_process_has_connections_of_its_own() -> None:
    """On one connection, two processes would read each other's answers."""
    with ScriptedServer(OK) as server, Sender(server.url) as sender:
        sender.json()
        child = multiprocessing.get_context("fork").Process(target=sender.json)
        child.start()
        child.join(60)
        assert child.exitcode == 0
        sender.json()
        assert [request.connection for request in server.journal] == [1, 2, 1]


# Responses of other shapes


def test_interim_responses_are_passed_over() -> None:
    """103 Early Hints, and 102 of WebDAV."""
    hints = b"HTTP/1.1 103 Early Hints\r\nLink: </style.css>\r\n\r\nHTTP/1.1 102 Processing\r\n\r\n"
    with ScriptedServer(send(hints + bytes_of({"ok": True}))) as server, Sender(server.url) as sender:
        assert sender.json() == {"ok": True}


def test_interim_responses_without_end_are_a_failure() -> None:
    """And not a wait without end."""
    hints = send(b"HTTP/1.1 103 Early Hints\r\n\r\n" * 1000)
    with ScriptedServer(hints) as server, Sender(server.url) as sender, pytest.raises(TransportError, match="interim"):
        sender.json(POST)


def test_a_download_lives_as_long_as_bytes_come() -> None:
    """Ten times as long as the deadline, which each block of bytes starts anew."""

    def step(wire: Wire) -> bool:
        wire.socket.sendall(b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 2000000\r\n\r\n")
        for _ in range(20):
            wire.socket.sendall(b"x" * 100_000)
            time.sleep(SHORT / 2)
        return False

    with ScriptedServer(step) as server, Sender(server.url, timeout=SHORT, max_retries=1) as sender:
        result = replace(GET, kind=RequestKind.RESULT, stream=True)
        assert len(sender.transport.send(result).read()) == 2_000_000
        with pytest.raises(DeadlineExceeded):
            sender.json()


@pytest.mark.parametrize("status", [401, 403])
def test_a_refused_key_is_told_with_its_source(status: int) -> None:
    """The error of a key that the server refuses says where that key came from."""
    with ScriptedServer(answer({}, status=status)) as server:
        transport = Transport(Settings(base_url=server.url, api_key=Secret("k"), source="the environment"))
        with pytest.raises(RoeError) as caught:
            transport.send(Request(method="GET", path="/"))
    assert "comes from the environment" in str(caught.value)
