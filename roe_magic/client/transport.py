"""Sends one Request at a time over HTTP, by way of requests and urllib3.

``Transport.send`` makes attempts (:mod:`roe_magic.client.retries`) where the policy allows it
(:mod:`roe_magic.client.retry_policy`); each attempt waits for the rate limit, sends the request, follows a redirect of
a GET to the same server, and turns an error status into an exception (:mod:`roe_magic.client.response_errors`).
Deadlines and the API key are matters of the connections (:mod:`roe_magic.client.connections`).

Exceptions of requests, urllib3 and the system are translated (:mod:`roe_magic.client.transport_errors`) and raised
without their context, which says nothing to a user and would keep the request alive.
"""

from __future__ import annotations

import functools
import http.client
import json
import os
import platform
import random
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any
from urllib.parse import urljoin, urlsplit

import msgspec
import requests
import urllib3
from requests.structures import CaseInsensitiveDict

from roe_magic._version import __version__
from roe_magic.client.connections import Adapter, BearerAuth
from roe_magic.client.deadlines import keep_alive
from roe_magic.client.messages import Request, Response
from roe_magic.client.response_errors import error_from
from roe_magic.client.retries import RateLimit, attempts, parse_retry_after
from roe_magic.client.retry_policy import Action, RequestKind, action_after
from roe_magic.client.transport_errors import translate
from roe_magic.config.certificates import bundle
from roe_magic.config.settings import Settings
from roe_magic.contract.models import ARROW_STREAM
from roe_magic.errors import RedirectRefused, RoeAPIException, RoeError, ServiceError

USER_AGENT = f"roe-magic/{__version__} (python/{platform.python_version()}; requests/{requests.__version__})"
CONNECT_TIMEOUT = 10.0
CHUNK_BYTES = 1 << 16
MAX_REDIRECTS = 3
_HEADERS = {**requests.utils.default_headers(), "User-Agent": USER_AGENT, "Accept": "application/json"}
_REDIRECTS = {301, 302, 303, 307, 308}


class Transport:
    """Sends requests to one server with one API key; thread-safe.

    Parameters
    ----------
    settings : Settings
    clock, wait, rng : callables
        Injected so that tests never wait: a monotonic clock in seconds, ``wait(event, seconds)``, which returns whether
        the event is set, and a source of numbers in [0, 1).
    """

    def __init__(
        self,
        settings: Settings,
        *,
        clock: Callable[[], float] = time.monotonic,
        wait: Callable[[threading.Event, float], bool] = threading.Event.wait,
        rng: Callable[[], float] = random.random,
    ) -> None:
        self.settings = settings
        self._clock, self._wait, self._rng = clock, wait, rng
        self._open()

    def _open(self) -> None:
        """Begin without connections and locks: those of another process must not be used in this one."""
        self._process_id = os.getpid()
        self._rate_limit = RateLimit(clock=self._clock)
        # Not a Session: cookies, redirects and ~/.netrc are not wanted, and it would double the time of a request.
        self._adapter = Adapter(pool_maxsize=32)

    def close(self) -> None:
        """Close the idle connections."""
        self._adapter.close()

    def send(self, request: Request) -> Response:
        """Send a request and return its successful response; send it again where the policy says so.

        Nothing is sent after its caller has left.

        Raises
        ------
        TransportError, ProtocolError, RoeAPIException
        """
        budget = self.settings.timeout or float("inf")
        retries = self.settings.max_retries if request.retries is None else request.retries
        pause = functools.partial(self._wait, request.delivery.stop)
        tries = attempts(retries, budget=budget, clock=self._clock, pause=pause, rng=self._rng)
        for attempt in tries:
            try:
                return self._send_once(request)
            except RoeError as error:
                error.query_id = error.query_id or request.query_id
                if action_after(request.kind, error) is not Action.REPEAT:
                    raise
                attempt.failed(error, getattr(error, "retry_after", None))
                request.delivery.begun = False  # what was sent before has had no effect
        raise AssertionError("attempts() raises when it is used up")

    def _send_once(self, request: Request) -> Response:
        if self._process_id != os.getpid():
            self._open()
        if delay := self._rate_limit.delay():
            self._wait(request.delivery.stop, delay)
        self._refuse_strangers()
        response = self._exchange(request, self.settings.base_url + request.path)
        for _ in range(MAX_REDIRECTS):
            if response.status not in _REDIRECTS:
                break
            # A Location is a whole address, its query string included.
            response = self._exchange(replace(request, params={}), self._redirect_target(request, response))
        if 200 <= response.status < 300:
            return response if request.stream else replace(response, chunks=iter([response.read()]))
        raise self._error(request, response)

    def _refuse_strangers(self) -> None:
        """Raise ServiceError where another program may listen at the address by now."""
        if self.settings.is_current is not None and not self.settings.is_current():
            raise ServiceError(
                f"The service at {self.settings.host} has ended, or was started anew at another address.",
                hint="The next cell joins it, or starts it again; so does roe_magic.local_service().",
            )

    def _error(self, request: Request, response: Response) -> RoeAPIException:
        retry_after = parse_retry_after(response.headers.get("Retry-After"), response.headers.get("Date"))
        body, content_type = response.read_error(), response.content_type
        error = error_from(response.status, body, content_type, retry_after=retry_after, query_id=request.query_id)
        error.hint = error.hint or self._settings_hint(error)
        return error

    def _settings_hint(self, error: RoeAPIException) -> str | None:
        """Return where the setting comes from that the server may have refused."""
        if error.status_code in {401, 403}:
            return f"The API key comes from {self.settings.source}; `roe-magic doctor` checks it."
        # The contract has no field for what is wrong: "Organization" is in the message, in either spelling.
        if "rgani" in error.message and self.settings.organization_id:
            return (
                f"The request named the organisation {self.settings.organization_id}. Check --organization, "
                "%config RoeMagic.organization_id and ROE_ORGANIZATION_ID."
            )
        return None

    def _redirect_target(self, request: Request, response: Response) -> str:
        """Return the address of a redirect; only that of a GET to the same server is followed."""
        response.close()
        target = urljoin(self.settings.base_url + request.path, response.headers.get("Location", ""))
        if request.method != "GET" or urlsplit(target)[:2] != urlsplit(self.settings.base_url)[:2]:
            raise RedirectRefused(
                f"The server redirects this request to {target!r}; roe-magic does not send your API key there.",
                hint="If that address is right, set ROE_BASE_URL to it.",
                query_id=request.query_id,
            )
        return target

    def _exchange(self, request: Request, url: str) -> Response:
        """Send one request to one address and return the response as soon as its headers are here."""
        deadline = self.settings.timeout + request.extra_time if self.settings.timeout else None
        try:
            prepared = self._prepare(request, url)
            timeout = self._timeouts(request, deadline)
            response = self._adapter.send(prepared, stream=True, timeout=timeout, **self._environment(url))
        except (requests.RequestException, urllib3.exceptions.HTTPError, OSError) as error:
            failure = request.upload.failure if request.upload is not None else None
            problem: BaseException = failure or translate(error, self.settings, deadline)
        else:
            if request.kind is RequestKind.RESULT:
                keep_alive(response.raw)
            return self._response(response, deadline)
        raise problem

    def _response(self, response: requests.Response, deadline: float | None) -> Response:
        """Return a response without the API key, which a server may repeat in its headers and in the body."""
        key = self.settings.api_key
        headers = CaseInsensitiveDict({name: key.conceal(value) for name, value in response.headers.items()})
        is_arrow = headers.get("Content-Type", "").startswith(ARROW_STREAM)
        chunks = key.conceal_chunks(self._chunks(response, deadline), same_length=is_arrow)
        return Response(response.status_code, headers, chunks, response.close)

    def _timeouts(self, request: Request, deadline: float | None) -> Any:
        """Return the seconds for a connection and for a response.

        A block of the body is sent under the timeout of the connection. Those of a file may take as long as a response:
        what ends an upload is a server that takes no more bytes.
        """
        if request.upload is not None:
            return self.settings.timeout or None, deadline
        return min(CONNECT_TIMEOUT, deadline or CONNECT_TIMEOUT), deadline

    def _prepare(self, request: Request, url: str) -> requests.PreparedRequest:
        prepared = requests.PreparedRequest()
        prepared.prepare(
            request.method,
            url,
            headers={**_HEADERS, **_content_type(request), **request.headers},
            params={name: value for name, value in request.params.items() if value is not None},
            data=request.upload if request.json is None else _encoded(request.json),
            auth=BearerAuth(self.settings.api_key, request.delivery),
        )
        return prepared

    def _environment(self, url: str) -> dict[str, Any]:
        """Return the proxies and certificates that the environment names."""
        if self.settings.is_loopback:  # a proxy cannot reach this machine's own services
            return {"verify": bundle() or True}
        return {"proxies": requests.utils.get_environ_proxies(url, no_proxy=None), "verify": bundle() or True}

    def _chunks(self, response: requests.Response, deadline: float | None) -> Iterator[bytes]:
        """Yield the body as it arrives; the connection's own deadline ends a drip."""
        try:
            yield from response.raw.stream(CHUNK_BYTES, decode_content=True)
        except (requests.RequestException, urllib3.exceptions.HTTPError, OSError, http.client.HTTPException) as error:
            problem = translate(error, self.settings, deadline, connected=True)
        else:
            return
        finally:
            # After the last byte the connection is back in the pool already; before it, this closes it.
            response.raw.close()
        raise problem


def _content_type(request: Request) -> dict[str, str]:
    if request.upload is not None:
        return {"Content-Type": request.upload.content_type}
    return {} if request.json is None else {"Content-Type": "application/json"}


def _encoded(body: Any) -> bytes:
    """Return a body as JSON, sooner than requests would: SQL may be many megabytes."""
    try:
        return msgspec.json.encode(body)
    except UnicodeEncodeError:  # half of a surrogate pair, which only an escape can carry
        return json.dumps(body).encode()
