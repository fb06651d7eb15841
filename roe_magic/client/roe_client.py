"""RoeClient: the endpoints of Roe's API as methods, models in and out."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from roe_magic.client.base_client import segment
from roe_magic.client.messages import Request, Response
from roe_magic.client.response_errors import decode_json
from roe_magic.client.table_client import TableClient
from roe_magic.contract import models
from roe_magic.contract.codec import parse, to_wire
from roe_magic.errors import (
    ConnectFailed,
    NotFoundError,
    ProtocolError,
    RoeAPIException,
    ServerError,
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
            params={**self._organization(), "worksheet_id": _text(request.worksheet_id)},
            json=to_wire(request),
            headers={"Prefer": f"wait={wait}{', return=representation' if rows else ''}"} if wait else {},
            extra_time=wait,
        )
        try:
            return parse(models.WorksheetQueryResponse, self._transport.send(http_request).json())
        except ConnectFailed:
            raise
        except (ProtocolError, ServerError) as error:
            error.hint = " ".join(filter(None, (error.hint, f"The query may be running. {_LOOK_FIRST}")))
            raise
        except TransportError as error:
            raise SubmitUncertain(
                f"The query was sent and may be running, but the response was lost: {error.message}",
                hint=f"It was not sent again. {_LOOK_FIRST}",
            ) from None

    def follow(self, query_id: UUID | str, *, wait: int = WAIT_STATUS) -> Iterator[StatusUpdate]:
        """Yield the status updates of one request: one, or more where the server streams them.

        Our local service streams an update per change while it holds the response back; any other server sends one.

        Parameters
        ----------
        query_id : UUID
        wait : int
            Seconds that the server may hold the response back; 0 asks for the status as it is.
        """
        headers = {"Prefer": f"wait={wait}", "Accept": f"{models.NDJSON}, application/json;q=0.9"} if wait else {}
        extra_time = wait + GRACE - (self.settings.timeout or GRACE) if wait else 0.0
        path = f"/v1/database/query/{segment(query_id)}/status/"
        response = self._get(path, headers=headers, extra_time=extra_time, stream=True, query_id=str(query_id))
        waited = "wait" in response.headers.get("Preference-Applied", "")
        if response.content_type != models.NDJSON:
            yield StatusUpdate(_status(response.json(), query_id), waited)
            return
        try:
            for line in _lines(response.chunks):
                yield StatusUpdate(_status(decode_json(line, response.content_type), query_id), waited)
        finally:
            response.close()

    def status(self, query_id: UUID | str) -> models.QueryStatus:
        """Return the status of a query, as it is now."""
        try:
            return next(self.follow(query_id, wait=0)).status
        except NotFoundError as error:
            error.hint = "Check the id; `%roe worksheets NAME` lists the queries of a worksheet."
            raise

    def result(self, query_id: UUID | str, *, arrow: bool = True) -> Response:
        """Return the result of a query, with its body still to be read.

        Parameters
        ----------
        query_id : UUID
        arrow : bool
            Prefer an Arrow stream, where the server offers one.

        Returns
        -------
        Response
            JSON (``QueryResult``) or concatenated Arrow streams, by its ``content_type``.
        """
        accept = f"{models.ARROW_STREAM}, application/json;q=0.9" if arrow else "application/json"
        path = f"/v1/database/query/{segment(query_id)}/result/"
        return self._get(path, headers={"Accept": accept}, stream=True, query_id=str(query_id))

    def cancel(self, query_id: UUID | str) -> models.QueryStatus | None:
        """Request the cancellation of a query.

        Returns
        -------
        QueryStatus or None
            The status after that; None when the server does not offer it (the published API does not).
        """
        path = f"/v1/database/query/{segment(query_id)}/cancel/"
        request = Request(method="POST", path=path, params=self._organization(), query_id=str(query_id))
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
        return _list_of(models.Worksheet, self._get("/v1/worksheets/").json())

    def worksheet_queries(self, worksheet_id: UUID | str) -> list[models.WorksheetQueryResponse]:
        """Return the queries of a worksheet, in the server's order."""
        path = f"/v1/worksheets/{segment(worksheet_id)}/queries/"
        return _list_of(models.WorksheetQueryResponse, self._get(path).json())

    def create_worksheet(self, name: str) -> models.Worksheet:
        """Create a worksheet and return it."""
        request = Request(method="POST", path="/v1/worksheets/", params=self._organization(), json={"name": name})
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


def _list_of(kind: type[Any], payload: Any) -> list[Any]:
    """Return the models in a list, bare or inside a page of Django REST framework."""
    items = payload.get("results") if isinstance(payload, Mapping) else payload
    if not isinstance(items, list):
        raise ProtocolError(f"The server's response is not a list of {kind.__name__}.")
    return [parse(kind, item) for item in items]


def _lines(chunks: Iterator[bytes]) -> Iterator[bytes]:
    rest = b""
    for chunk in chunks:
        *lines, rest = (rest + chunk).split(b"\n")
        yield from filter(None, lines)
    if rest.strip():
        yield rest


def _text(value: UUID | str | None) -> str | None:
    return None if value is None else str(value)
