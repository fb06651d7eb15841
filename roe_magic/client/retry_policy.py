"""What follows from each fault of each kind of request: one table, for the transport and for the watching of a query.

``docs/polling.md`` prints it, and the tests try it row by row.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum

from roe_magic.errors import (
    CertificateRefused,
    ConnectFailed,
    ProtocolError,
    RedirectRefused,
    ResultNotReady,
    RoeAPIException,
    RoeError,
    TransportError,
)


class RequestKind(Enum):
    """The kinds of requests: those of one query, those that only read, and those that change something else.

    ATTACH is the first status of a query that was submitted before.
    """

    SUBMIT, ATTACH, STATUS, RESULT, CANCEL = "submit", "attach", "status", "result", "cancel"
    READ, WRITE = "read", "write"


class Action(Enum):
    """What the client does after a fault.

    REPEAT sends the request again: nothing was executed, or it may be executed twice. WAIT does so too, for a shorter
    time, since what was asked for may never come. GIVE_UP raises the error. UNCERTAIN raises it and says that the
    request may have been executed; it is not sent again.
    """

    REPEAT, WAIT, GIVE_UP, UNCERTAIN = "repeat", "wait", "give up", "uncertain"


class Fault(Enum):
    """What can come of a request instead of its answer, in the words of the documentation."""

    CERTIFICATE = "the server's certificate is not trusted"
    NO_CONNECTION = "no connection can be made"
    BROKEN = "the connection breaks, or the deadline is over"
    REDIRECT = "a redirect to another server, or of a POST"
    NOT_READY = "a result that is empty, null or not there yet (202, 204)"
    BAD_BODY = "a body that is empty, not JSON or not the contract's"
    HTTP_404 = "404"
    HTTP_408 = "408"
    HTTP_409 = "409"
    HTTP_425 = "425"
    RETRY_AFTER = "429 or 503 with `Retry-After`"
    HTTP_429 = "429"
    HTTP_501 = "501"
    HTTP_5XX = "any other 5xx"
    OTHER = "any other status"


_R, _W, _G, _U = Action.REPEAT, Action.WAIT, Action.GIVE_UP, Action.UNCERTAIN
# The actions stand in the order of RequestKind: submit, attach, status, result, cancel, read, write.
TABLE: Mapping[Fault, tuple[Action, ...]] = {
    Fault.CERTIFICATE: (_G, _G, _G, _G, _G, _G, _G),
    Fault.NO_CONNECTION: (_R, _R, _R, _R, _R, _R, _R),
    Fault.BROKEN: (_U, _R, _R, _R, _R, _R, _U),
    Fault.REDIRECT: (_G, _G, _G, _G, _G, _G, _G),
    Fault.NOT_READY: (_G, _G, _G, _W, _G, _G, _G),
    Fault.BAD_BODY: (_U, _W, _W, _G, _G, _G, _U),
    Fault.HTTP_404: (_G, _G, _W, _W, _G, _G, _G),
    Fault.HTTP_408: (_U, _R, _R, _R, _R, _R, _U),
    Fault.HTTP_409: (_G, _G, _G, _W, _G, _G, _G),
    Fault.HTTP_425: (_G, _R, _R, _W, _R, _R, _G),
    Fault.RETRY_AFTER: (_R, _R, _R, _R, _R, _R, _R),
    Fault.HTTP_429: (_G, _R, _R, _R, _R, _R, _G),
    Fault.HTTP_501: (_G, _G, _G, _G, _G, _G, _G),
    Fault.HTTP_5XX: (_U, _R, _R, _R, _R, _R, _U),
    Fault.OTHER: (_G, _G, _G, _G, _G, _G, _G),
}
_BY_STATUS = {404: Fault.HTTP_404, 408: Fault.HTTP_408, 409: Fault.HTTP_409, 425: Fault.HTTP_425, 501: Fault.HTTP_501}
# The first class that an error belongs to decides.
_BY_CLASS: Mapping[type[RoeError], Fault] = {
    CertificateRefused: Fault.CERTIFICATE,
    ConnectFailed: Fault.NO_CONNECTION,
    TransportError: Fault.BROKEN,
    RedirectRefused: Fault.REDIRECT,
    ResultNotReady: Fault.NOT_READY,
    ProtocolError: Fault.BAD_BODY,
}


def action_after(kind: RequestKind, error: RoeError) -> Action:
    """Return what follows from an error of a request of this kind."""
    return TABLE[fault_of(error)][list(RequestKind).index(kind)]


def fault_of(error: RoeError) -> Fault:
    """Return which fault an error is."""
    if isinstance(error, RoeAPIException):
        return _of_status(error.status_code or 0, error.retry_after)
    return next((fault for kind, fault in _BY_CLASS.items() if isinstance(error, kind)), Fault.OTHER)


def _of_status(status: int, retry_after: float | None) -> Fault:
    if status in {429, 503} and retry_after is not None:
        return Fault.RETRY_AFTER
    if status == 429:
        return Fault.HTTP_429
    return _BY_STATUS.get(status, Fault.HTTP_5XX if status >= 500 else Fault.OTHER)
