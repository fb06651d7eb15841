"""HTTP with total deadlines, safe repeats and readable errors; the only file that imports requests.

Foreign exceptions are translated here and nowhere else, without their context: the frames of the HTTP library hold the
``Authorization`` header, which a verbose traceback would print.
"""

from __future__ import annotations

import http.client
import os
import platform
import random
import ssl
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any
from urllib.parse import urljoin, urlsplit

import requests
import urllib3
from requests.adapters import HTTPAdapter

from roe_magic._version import __version__
from roe_magic.client.deadlines import POOLS
from roe_magic.client.messages import Call, Reply
from roe_magic.client.response_errors import error_of
from roe_magic.client.retries import Attempt, RateLimit, attempts, retry_after
from roe_magic.config.secret import Secret
from roe_magic.config.settings import Settings
from roe_magic.errors import ConnectFailed, DeadlineExceeded, ProtocolError, RoeAPIException, RoeError, TransportError

USER_AGENT = f"roe-magic/{__version__} (python/{platform.python_version()}; requests/{requests.__version__})"
_HEADERS = {**requests.utils.default_headers(), "User-Agent": USER_AGENT, "Accept": "application/json"}
CONNECT_TIMEOUT = 10.0
CHUNK = 1 << 16
_REPEATABLE_GET = {429, 500, 502, 503, 504}
_REPEATABLE_POST = {429, 503}
_REDIRECTS = {301, 302, 303, 307, 308}


class Transport:
    """Sends calls to one server with one key; thread-safe.

    Parameters
    ----------
    settings : Settings
    clock, sleep, dice : callables
        Injected so that tests never wait.
    """

    def __init__(
        self,
        settings: Settings,
        *,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
        dice: Callable[[], float] = random.random,
    ) -> None:
        self.settings = settings
        self._clock, self._sleep, self._dice = clock, sleep, dice
        self._limit = RateLimit(clock=clock)
        # Not a Session: cookies, redirects and ~/.netrc are not wanted, and it would double the time of a request.
        self._adapter = _Adapter(pool_maxsize=32)
        self._auth = _Bearer(settings.api_key)

    def close(self) -> None:
        """Close the kept connections."""
        self._adapter.close()

    def send(self, call: Call) -> Reply:
        """Send a call, again where that is safe, and give its successful answer.

        A GET is repeated after a failure of the network or of the server. Anything else is repeated only when no byte
        was sent, or when the server refused it with 429 or 503 and a Retry-After.

        Raises
        ------
        TransportError, ProtocolError, RoeAPIException
        """
        budget = self.settings.timeout or float("inf")
        tries = attempts(
            self.settings.max_retries, budget=budget, clock=self._clock, sleep=self._sleep, dice=self._dice
        )
        for attempt in tries:
            try:
                return self._try(call)
            except RoeError as error:
                error.query_id = error.query_id or call.query_id
                _note_failure(attempt, call, error)
        raise AssertionError("attempts() raises when it is used up")

    def _try(self, call: Call) -> Reply:
        if delay := self._limit.delay():
            self._sleep(delay)
        reply = self._exchange(call, self.settings.base_url + call.path)
        for _ in range(3):
            if reply.status not in _REDIRECTS:
                break
            # A Location is a whole address: what it asks for stands in it.
            reply = self._exchange(replace(call, params={}), self._redirected(call, reply))
        if 200 <= reply.status < 300:
            return reply if call.stream else replace(reply, chunks=iter([reply.read()]))
        wait = retry_after(reply.headers.get("Retry-After"))
        error = error_of(reply.status, reply.read(), reply.content_type, retry_after=wait, query_id=call.query_id)
        error.hint = error.hint or self._advice(error)
        raise error

    def _advice(self, error: RoeAPIException) -> str | None:
        """Say where the setting comes from that a server may have refused."""
        if error.status_code in {401, 403}:
            return f"The API key comes from {self.settings.source}; `roe-magic doctor` checks it."
        if "rgani" in error.message and self.settings.organization_id:
            return (
                f"The organisation asked for is {self.settings.organization_id}: see --organization, "
                "%config RoeMagic.organization_id and ROE_ORGANIZATION_ID."
            )
        return None

    def _redirected(self, call: Call, reply: Reply) -> str:
        """Give the address of a redirect that may be followed: a GET, to the same server."""
        reply.close()
        target = urljoin(self.settings.base_url + call.path, reply.headers.get("Location", ""))
        if call.method != "GET" or urlsplit(target)[:2] != urlsplit(self.settings.base_url)[:2]:
            raise ProtocolError(
                f"The server redirects this request to {target!r}; roe-magic does not follow it with your key.",
                hint="If that address is right, set ROE_BASE_URL to it.",
                query_id=call.query_id,
            )
        return target

    def _exchange(self, call: Call, url: str) -> Reply:
        deadline = self.settings.timeout + call.extra_time if self.settings.timeout else None
        request = requests.PreparedRequest()
        try:
            request.prepare(
                call.method,
                url,
                headers={**_HEADERS, **call.headers},
                params={name: value for name, value in call.params.items() if value is not None},
                json=call.json,
                data=call.form,
                files=call.files,
                auth=self._auth,
            )
            timeout: Any = (min(CONNECT_TIMEOUT, deadline or CONNECT_TIMEOUT), deadline)
            response = self._adapter.send(request, stream=True, timeout=timeout, **self._environment(url))
        except (requests.RequestException, urllib3.exceptions.HTTPError, OSError) as error:
            problem: BaseException = _translate(error, self.settings, deadline)
        except KeyboardInterrupt:
            problem = KeyboardInterrupt()  # a new one: the frames of the old one hold the key
        else:
            return Reply(response.status_code, response.headers, self._chunks(response, deadline), response.close)
        raise problem

    def _environment(self, url: str) -> dict[str, Any]:
        """Read what the environment says of proxies and certificates."""
        if self.settings.is_loopback:  # a proxy cannot reach this machine's own services
            return {}
        bundle = os.environ.get("REQUESTS_CA_BUNDLE") or os.environ.get("CURL_CA_BUNDLE")
        return {"proxies": requests.utils.get_environ_proxies(url, no_proxy=None), "verify": bundle or True}

    def _chunks(self, response: requests.Response, deadline: float | None) -> Iterator[bytes]:
        """Yield the body as it arrives; the connection's own deadline ends a drip."""
        try:
            yield from response.raw.stream(CHUNK, decode_content=True)
        except (requests.RequestException, urllib3.exceptions.HTTPError, OSError, http.client.HTTPException) as error:
            problem = _translate(error, self.settings, deadline, began=True)
        else:
            return
        finally:
            # After the last byte the connection is back in the pool already; before it, this closes it.
            response.raw.close()
        raise problem


def _note_failure(attempt: Attempt, call: Call, error: RoeError) -> None:
    """Let the attempt be repeated where that is safe, else raise."""
    if not _may_repeat(call, error):
        raise error
    attempt.failed(error, getattr(error, "retry_after", None))


def _may_repeat(call: Call, error: RoeError) -> bool:
    if isinstance(error, ConnectFailed):
        return not isinstance(error, _CertificateRefused)
    if isinstance(error, RoeAPIException):
        if call.method == "GET":
            return error.status_code in _REPEATABLE_GET
        return error.status_code in _REPEATABLE_POST and error.retry_after is not None
    return call.method == "GET" and isinstance(error, TransportError)


class _CertificateRefused(ConnectFailed):
    """The server's certificate is not to be trusted; asking again would not change that."""


def _translate(error: Exception, settings: Settings, deadline: float | None, *, began: bool = False) -> TransportError:
    """Turn an exception of requests, urllib3 or the system into one of ours."""
    host, text = settings.host, _sentence(error)
    if _has(error, ssl.SSLCertVerificationError, urllib3.util.ssl_match_hostname.CertificateError):
        return _CertificateRefused(
            f"{host} did not show a certificate that this machine trusts: {text}",
            hint="Check the address; behind a company proxy, point REQUESTS_CA_BUNDLE at its certificate.",
        )
    if not began and _nothing_sent(error):
        hint = (
            "Is it running? `%roe connect local` starts one."
            if settings.is_loopback
            else "Check the network, the proxy settings and ROE_BASE_URL."
        )
        return ConnectFailed(f"{host} cannot be reached: {text}", hint=hint)
    if deadline is not None and (
        _has(error, requests.exceptions.Timeout, urllib3.exceptions.TimeoutError, TimeoutError) or "timed out" in text
    ):
        return DeadlineExceeded(
            f"{host} did not answer completely within {deadline:g} s.",
            hint="Set ROE_TIMEOUT (seconds) higher if the network is slow or the answer large.",
        )
    return TransportError(f"The connection to {host} broke: {text}")


def _nothing_sent(error: Exception) -> bool:
    """Whether a failure came before the connection stood."""
    if _has(error, urllib3.exceptions.NewConnectionError, urllib3.exceptions.ConnectTimeoutError):
        return True
    if isinstance(error, requests.RequestException):
        return isinstance(error, ValueError)  # an address or a header that cannot be used
    # What goes wrong on a connection comes as an exception of the libraries: this is a file that cannot be read.
    return not isinstance(error, urllib3.exceptions.HTTPError)


def _has(error: BaseException, *kinds: type[BaseException]) -> bool:
    return any(isinstance(item, kinds) for item in _layers(error))


def _layers(error: BaseException | None) -> Iterator[BaseException]:
    """Yield an exception and those below it, which the libraries have wrapped."""
    while error is not None:
        yield error
        reason = getattr(error, "reason", None)
        below = (reason, *reversed(error.args), error.__cause__)
        inner = (item for item in below if isinstance(item, BaseException))
        error = next(inner, None)


def _sentence(error: BaseException) -> str:
    """Find the sentence that says what happened, below the wrappers of the libraries."""
    *_, innermost = _layers(error)
    text = str(getattr(innermost, "strerror", None) or innermost) or type(innermost).__name__
    return text.rpartition(">: ")[2].rpartition("): ")[2]


class _Bearer(requests.auth.AuthBase):
    """Puts the key on each request, so that no variable of ours ever holds it as text."""

    def __init__(self, key: Secret) -> None:
        self._key = key

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        request.headers["Authorization"] = f"Bearer {self._key.reveal()}"
        return request


class _Adapter(HTTPAdapter):
    """An adapter whose connections keep total deadlines, straight or through a proxy."""

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        super().init_poolmanager(*args, **kwargs)
        self.poolmanager.pool_classes_by_scheme = POOLS

    def proxy_manager_for(self, *args: Any, **kwargs: Any) -> Any:
        manager = super().proxy_manager_for(*args, **kwargs)
        manager.pool_classes_by_scheme = POOLS
        return manager
