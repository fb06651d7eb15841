"""RoeClient: the endpoints of Roe's API as methods, models in and out."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from roe_magic.client.base_client import segment
from roe_magic.client.delivery import Delivery
from roe_magic.client.messages import Request, Response
from roe_magic.client.retry_policy import Action, RequestKind, action_after
from roe_magic.client.table_client import TableClient
from roe_magic.contract import models
from roe_magic.contract.codec import parse, to_wire
from roe_magic.errors import (
    NotFoundError,
    ProtocolError,
    RoeAPIException,
    RoeError,
    SubmitUncertain,
    TransportError,
)

# Seconds that a server which honours `Prefer: wait` may hold its response back.
WAIT_SUBMIT, WAIT_STATUS = 1, 25
# Seconds that a response may take beyond the wait that was asked for.
GRACE = 10.0
_LOOK_FIRST = "Look for it with `%roe worksheets` before you run the cell again."
_SUBMIT = "/v1/database/query/async/"


@dataclass(frozen=True)
class StatusUpdate:
    """One status as the server told it.

    Attributes
    ----------
    status : QueryStatus
    waited : bool
        Whether the server held its response back as asked (``Preference-Applied``), so that it may be asked again at
        once.
    """

    status: models.QueryStatus
    waited: bool


class RoeClient(TableClient):
    """A client of Roe's database query API; thread-safe, plain Python.

    Parameters
    ----------
    settings : Settings, optional
        See :func:`roe_magic.config.settings.resolve`; left out, those of the environment or the profile ``default``.
    transport : Transport, optional
        For tests: one with an injected clock.

    Notes
    -----
    Every method raises an exception of :mod:`roe_magic.errors`: RoeAPIException for an error status, TransportError
    when no complete answer came, ProtocolError when it is not what the contract says.
    """

    # Queries

    def submit(
        self,
        request: models.WorksheetQueryCreateRequest | str,
        *,
        wait: int = WAIT_SUBMIT,
        rows: bool = False,
        delivery: Delivery | None = None,
    ) -> models.WorksheetQueryResponse:
        """Submit SQL; exactly one query comes of it, or an error says that it is uncertain.

        Parameters
        ----------
        request : models.WorksheetQueryCreateRequest or str
            What to run; a str is the SQL of a request whose other fields have their defaults.
        wait : int
            Seconds that a server which honours ``Prefer: wait`` may hold its response back for the query's end.
        rows : bool
            Ask for the rows in the same response, where they are few and the server offers that; see
            :func:`roe_magic.query.download.split_enclosed`.
        delivery : Delivery, optional
            Once its ``stop`` is set, nothing is sent any more; a response that is on its way is still waited for.

        Raises
        ------
        SubmitUncertain
            The query was sent, its response was lost.
        """
        if isinstance(request, str):
            request = models.WorksheetQueryCreateRequest(query=request)
        http_request = Request(
            method="POST",
            path=_SUBMIT,
            kind=RequestKind.SUBMIT,
            params={**self._organization(), "worksheet_id": _text(request.worksheet_id)},
            json=to_wire(request),
            headers={"Prefer": f"wait={wait}{', return=representation' if rows else ''}"} if wait else {},
            extra_time=wait,
            delivery=delivery or Delivery(),
        )
        try:
            return parse(models.WorksheetQueryResponse, self._transport.send(http_request).json())
        except RoeError as error:
            problem = _as_uncertain(error) if action_after(RequestKind.SUBMIT, error) is Action.UNCERTAIN else error
        raise problem

    def follow(
        self,
        query_id: UUID | str,
        *,
        wait: int = WAIT_STATUS,
        retries: int | None = None,
        stop: threading.Event | None = None,
    ) -> Iterator[StatusUpdate]:
        """Yield the status updates of one request: one, or more where the server streams them.

        Our local service streams an update per change while it holds the response back; any other server sends one.

        Parameters
        ----------
        query_id : UUID
        wait : int
            Seconds that the server may hold the response back; 0 asks for the status as it is.
        retries : int, optional
            How often the request is sent again at most; as the settings say when left out.
        stop : threading.Event, optional
            Once it is set, nothing is sent any more.
        """
        headers = {"Prefer": f"wait={wait}", "Accept": f"{models.NDJSON}, application/json;q=0.9"} if wait else {}
        extra_time = wait + GRACE - (self.settings.timeout or GRACE) if wait else 0.0
        path = f"/v1/database/query/{segment(query_id)}/status/"
        response = self._get(
            path,
            kind=RequestKind.STATUS,
            headers=headers,
            extra_time=extra_time,
            stream=True,
            query_id=str(query_id),
            retries=retries,
            stop=stop,
        )
        waited = "wait" in response.headers.get("Preference-Applied", "")
        if response.content_type != models.NDJSON:
            yield StatusUpdate(_status(response.json(), query_id), waited)
            return
        try:
            for line in response.lines():
                yield StatusUpdate(_status(line, query_id), waited)
        finally:
            response.close()

    def status(
        self, query_id: UUID | str, *, retries: int | None = None, stop: threading.Event | None = None
    ) -> models.QueryStatus:
        """Return the status of a query, as it is now; ``retries`` and ``stop`` are those of :meth:`follow`."""
        try:
            for update in self.follow(query_id, wait=0, retries=retries, stop=stop):
                return update.status
            raise ProtocolError("The server's response holds no status.", query_id=str(query_id))
        except NotFoundError as error:
            error.hint = "Check the id; `%roe worksheets NAME` lists the queries of a worksheet."
            raise

    def result(
        self,
        query_id: UUID | str,
        *,
        arrow: bool = True,
        retries: int | None = None,
        stop: threading.Event | None = None,
    ) -> Response:
        """Return the result of a query, with its body still to be read.

        Parameters
        ----------
        query_id : UUID
        arrow : bool
            Prefer an Arrow stream, where the server offers one.
        retries : int, optional
            How often the request is sent again at most; as the settings say when left out.
        stop : threading.Event, optional
            Once it is set, nothing is sent any more.

        Returns
        -------
        Response
            JSON (``QueryResult``) or concatenated Arrow streams, by its ``content_type``.
        """
        accept = f"{models.ARROW_STREAM}, application/json;q=0.9" if arrow else "application/json"
        path = f"/v1/database/query/{segment(query_id)}/result/"
        return self._get(
            path,
            kind=RequestKind.RESULT,
            headers={"Accept": accept},
            stream=True,
            query_id=str(query_id),
            retries=retries,
            stop=stop,
        )

    def cancel(self, query_id: UUID | str) -> models.QueryStatus | None:
        """Request the cancellation of a query.

        Returns
        -------
        QueryStatus or None
            The status after that; None when the server does not offer it (the published API does not).
        """
        path = f"/v1/database/query/{segment(query_id)}/cancel/"
        request = Request(
            method="POST", path=path, kind=RequestKind.CANCEL, params=self._organization(), query_id=str(query_id)
        )
        try:
            return _status(self._transport.send(request).json(), query_id)
        except RoeAPIException as error:
            if error.status_code not in {404, 405, 501}:
                raise
        self.status(query_id)  # a 404 of the query itself is an error, and raised here
        return None

    # Worksheets

    def worksheets(self) -> list[models.Worksheet]:
        """Return the worksheets of the organisation."""
        return self._pages(models.Worksheet, "/v1/worksheets/")

    def worksheet_queries(self, worksheet_id: UUID | str) -> list[models.WorksheetQueryResponse]:
        """Return the queries of a worksheet, in the server's order."""
        return self._pages(models.WorksheetQueryResponse, f"/v1/worksheets/{segment(worksheet_id)}/queries/")

    def create_worksheet(self, name: str) -> models.Worksheet:
        """Create a worksheet and return it."""
        request = Request(
            method="POST",
            path="/v1/worksheets/",
            kind=RequestKind.WRITE,
            params=self._organization(),
            json={"name": name},
        )
        return parse(models.Worksheet, self._transport.send(request).json())

    # The caller

    def current_user(self) -> models.User:
        """Return the user that the key belongs to."""
        return parse(models.User, self._get("/v1/users/current_user/").json())


def _status(payload: Any, query_id: UUID | str) -> models.QueryStatus:
    status = parse(models.QueryStatus, payload)
    if str(status.worksheet_query_id) != str(query_id).lower():
        raise ProtocolError(
            f"The server sent the status of query {status.worksheet_query_id} instead of {query_id}.",
            query_id=str(query_id),
        )
    return status


def _as_uncertain(error: RoeError) -> RoeError:
    """Return an error that says that the query may be running, and how to find it."""
    if isinstance(error, TransportError):
        return SubmitUncertain(
            f"The query was sent and may be running, but the response was lost: {error.message}",
            hint=f"It was not sent again. {_LOOK_FIRST}",
        )
    error.hint = " ".join(filter(None, (error.hint, f"The query may be running. {_LOOK_FIRST}")))
    return error


def _text(value: UUID | str | None) -> str | None:
    return None if value is None else str(value)
