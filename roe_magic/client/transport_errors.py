"""Exceptions of requests, urllib3 and the system as exceptions of ours; the one place that knows theirs."""

from __future__ import annotations

import ssl
from collections.abc import Iterator

import requests
import urllib3

from roe_magic.config.settings import Settings
from roe_magic.errors import CertificateRefused, ConnectFailed, DeadlineExceeded, TransportError


def translate(
    error: Exception, settings: Settings, deadline: float | None, *, connected: bool = False
) -> TransportError:
    """Return the exception of ours for one of requests, urllib3 or the system."""
    host, text = settings.host, _innermost_message(error)
    if _has(error, ssl.SSLCertVerificationError, urllib3.util.ssl_match_hostname.CertificateError):
        return CertificateRefused(
            f"The certificate of {host} is not trusted on this machine: {text}",
            hint="Check the address; behind a company proxy, point REQUESTS_CA_BUNDLE at its certificate.",
        )
    if not connected and _nothing_sent(error):
        hint = (
            "Is the service running? `%roe connect local` starts one."
            if settings.is_loopback
            else "Check the network, the proxy settings and ROE_BASE_URL."
        )
        return ConnectFailed(f"{host} cannot be reached: {text}", hint=hint)
    if deadline is not None and _is_timeout(error, text):
        return DeadlineExceeded(
            f"{host} did not answer completely within {deadline:g} s.",
            hint="Set ROE_TIMEOUT (seconds) higher if the network is slow or the response is large.",
        )
    return TransportError(f"The connection to {host} broke: {text}")


def _nothing_sent(error: Exception) -> bool:
    """Whether a failure came before the connection was made."""
    if _has(error, urllib3.exceptions.NewConnectionError, urllib3.exceptions.ConnectTimeoutError):
        return True
    if isinstance(error, requests.RequestException):
        return isinstance(error, ValueError)  # an address or a header that cannot be used
    # A connection's failures come as exceptions of the libraries; a bare OSError is a file that cannot be read.
    return not isinstance(error, urllib3.exceptions.HTTPError)


def _is_timeout(error: Exception, text: str) -> bool:
    # An SSL socket reports a timeout as an SSLError, which only its text tells from other ones.
    timeouts = (requests.exceptions.Timeout, urllib3.exceptions.TimeoutError, TimeoutError)
    return _has(error, *timeouts) or "timed out" in text


def _has(error: BaseException, *kinds: type[BaseException]) -> bool:
    return any(isinstance(wrapped, kinds) for wrapped in _unwrapped(error))


def _unwrapped(error: BaseException | None) -> Iterator[BaseException]:
    """Yield an exception and, one after another, those that the libraries have wrapped in it."""
    while error is not None:
        yield error
        candidates = (getattr(error, "reason", None), *reversed(error.args), error.__cause__)
        error = next((inner for inner in candidates if isinstance(inner, BaseException)), None)


def _innermost_message(error: BaseException) -> str:
    """Return the message that says what happened, below the wrappers of the libraries."""
    *_, innermost = _unwrapped(error)
    text = str(getattr(innermost, "strerror", None) or innermost) or type(innermost).__name__
    # urllib3 puts the repr of its pool or connection in front: "<...HTTPConnection object at 0x...>: reason".
    return text.rpartition(">: ")[2].rpartition("): ")[2]
