"""Every exception of roe-magic, in one tree.

::

    RoeError
    ├── ConfigError              what is set (or not set) cannot work
    ├── UsageError               a request that cannot be carried out as written
    ├── MissingExtra             an optional part is not installed (also an ImportError)
    ├── ServiceError             the local service did not start or has gone
    ├── TransportError           no complete answer came back
    │   ├── ConnectFailed            nothing was sent
    │   │   └── CertificateRefused       the server's certificate is not trusted
    │   ├── DeadlineExceeded         the request's total time is over
    │   ├── SubmitUncertain          a query was sent and may or may not be running
    │   └── UploadUncertain          a file was sent and its table may or may not exist
    ├── ProtocolError            the answer is not what the contract says
    │   ├── RedirectRefused          it is a redirect that is not followed
    │   └── ResultNotReady           SUCCESS, but the rows are not there yet
    ├── RoeAPIException          the server answered with an error status
    │   ├── BadRequestError          400, 422
    │   ├── AuthenticationError      401
    │   ├── InsufficientCreditsError 402
    │   ├── ForbiddenError           403
    │   ├── NotFoundError            404
    │   ├── ConflictError            409
    │   ├── RateLimitError           429
    │   └── ServerError              5xx
    └── QueryError               what became of one query
        ├── QueryFailed              FAILURE
        ├── QueryRevoked             REVOKED
        ├── QueryTimeout             still going when the caller's patience ended
        └── ResultTooLarge           more rows or bytes than the caller allowed

    QueryInterrupted (KeyboardInterrupt)   stop was pressed; the query goes on at the server
    UploadInterrupted (KeyboardInterrupt)  stop was pressed; the message says what is at the server

The names under ``RoeAPIException`` are those of the official SDK (``roe-ai``).
"""

from __future__ import annotations

from typing import Any

from roe_magic.formatting import clean_message, kept_message


def _set_clean(error: BaseException, name: str, value: Any) -> None:
    """Set an attribute; a message as :func:`kept_message` returns it.

    What a server wrote in it goes into tracebacks, logs and notebooks.
    """
    if name in ("message", "hint") and value is not None:
        value = kept_message(value)
    BaseException.__setattr__(error, name, value)


class RoeError(Exception):
    """The root of the tree.

    Parameters
    ----------
    message : str
        What happened, in one sentence.
    hint : str, optional
        What to do next; shown on a line of its own.
    query_id : str, optional
        The query it is about, where there is one.
    """

    def __init__(self, message: str, *, hint: str | None = None, query_id: str | None = None) -> None:
        self.message = message
        self.hint = hint
        super().__init__(self.message)
        self.query_id = query_id

    __setattr__ = _set_clean

    def __str__(self) -> str:
        """Return the message and the hint, each as long as a screen takes; ``message`` has more of it."""
        return "\n".join(clean_message(line) for line in (self.message, self.hint) if line)

    def __reduce__(self) -> tuple[Any, ...]:
        # The default calls the class with the message alone, which some classes do not accept.
        attributes = {name: value for name, value in vars(self).items() if name != "_render_traceback_"}
        return _rebuild, (type(self), self.message, attributes)


def _rebuild(kind: type[RoeError], message: str, attributes: dict[str, Any]) -> RoeError:
    error = kind.__new__(kind, kept_message(message))
    for name, value in attributes.items():
        setattr(error, name, value)
    return error


class ConfigError(RoeError):
    """What is set, or not set, cannot work."""


class UsageError(RoeError):
    """The request cannot be carried out as it is written."""


class MissingExtra(RoeError, ImportError):
    """An optional part of the package is not installed.

    Parameters
    ----------
    extra : str
        The extra's name, as in ``pip install 'roe-magic[NAME]'``.
    purpose : str
        What was wanted of it.
    """

    def __init__(self, extra: str, purpose: str) -> None:
        super().__init__(
            f"{purpose} needs an optional part of roe-magic that is not installed.",
            hint=f"Install it with: pip install 'roe-magic[{extra}]'",
        )
        self.extra = extra


class ServiceError(RoeError):
    """The local service did not start, or has gone."""


class TransportError(RoeError):
    """No complete answer came back from the server."""


class ConnectFailed(TransportError):
    """No connection could be made, so nothing was sent."""


class CertificateRefused(ConnectFailed):
    """The server's certificate is not trusted; a retry would not change that."""


class DeadlineExceeded(TransportError):
    """The total time of one HTTP request is over."""


class SubmitUncertain(TransportError):
    """A query was sent, its answer was lost, and it may or may not be running."""


class UploadUncertain(TransportError):
    """A whole file was sent, its answer was lost, and the table may or may not exist."""


class ProtocolError(RoeError):
    """The server answered something that the contract does not permit."""


class RedirectRefused(ProtocolError):
    """The server redirects to another server, or a request that is no GET; the key is not sent there."""


class ResultNotReady(ProtocolError):
    """The query has succeeded, but the server does not give its rows yet."""


class RoeAPIException(RoeError):
    """The server answered with an error status.

    Parameters
    ----------
    message : str
        The readable message taken from the body.
    status_code : int, optional
        The HTTP status.
    response : object, optional
        The decoded body, where it was JSON.
    """

    def __init__(
        self,
        message: str,
        status_code: int | None = None,
        response: object = None,
        *,
        retry_after: float | None = None,
        hint: str | None = None,
        query_id: str | None = None,
    ) -> None:
        super().__init__(message, hint=hint, query_id=query_id)
        self.status_code = status_code
        self.response = response
        self.retry_after = retry_after


class BadRequestError(RoeAPIException):
    """400 or 422: the server refuses the request as it is."""


class AuthenticationError(RoeAPIException):
    """401: the API key is missing, wrong or revoked."""


class InsufficientCreditsError(RoeAPIException):
    """402: the organisation has no credits left."""


class ForbiddenError(RoeAPIException):
    """403: the key is valid but may not do this."""


class NotFoundError(RoeAPIException):
    """404: no such thing, or it belongs to another organisation."""


class ConflictError(RoeAPIException):
    """409: it contradicts what is there."""


class RateLimitError(RoeAPIException):
    """429: too many requests."""


class ServerError(RoeAPIException):
    """5xx: the server failed."""


class QueryError(RoeError):
    """What became of one query; ``query`` is its WorksheetQuery where there is one."""

    query: Any = None


class QueryFailed(QueryError):
    """The query ended in FAILURE."""


class QueryRevoked(QueryError):
    """The query was cancelled at the server."""


class QueryTimeout(QueryError):
    """The caller's time limit ended first; the query goes on at the server."""


class ResultTooLarge(QueryError):
    """The rows take more bytes than ``limit``, which the caller set, or (None) more memory than there is."""

    limit: int | None = None


class QueryInterrupted(KeyboardInterrupt):
    """Stop was pressed: watching ended, the query goes on at the server."""

    __setattr__ = _set_clean

    def __init__(self, message: str, *, query_id: str | None = None) -> None:
        self.message = message
        self.query_id = query_id
        super().__init__(self.message)


class UploadInterrupted(KeyboardInterrupt):
    """Stop was pressed during an upload; the message says what is at the server.

    Parameters
    ----------
    message : str
    may_exist : bool
        Whether the whole file was sent, so that the table may be there.
    """

    __setattr__ = _set_clean

    def __init__(self, message: str, *, may_exist: bool = False) -> None:
        self.message, self.may_exist = message, may_exist
        super().__init__(self.message)
