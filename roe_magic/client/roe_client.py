"""RoeClient: the endpoints of Roe's API as methods, models in and out."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, BinaryIO
from urllib.parse import quote
from uuid import UUID

from roe_magic.client.messages import Request, Response
from roe_magic.client.response_errors import decode_json
from roe_magic.config.profiles import from_user_file
from roe_magic.config.settings import Settings, from_environment, resolve
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

if TYPE_CHECKING:
    from roe_magic.client.transport import Transport

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


class RoeClient:
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

    def __init__(self, settings: Settings | None = None, *, transport: Transport | None = None) -> None:
        self.settings = settings or resolve(from_environment(), from_user_file())
        self._transport = transport or _transport(self.settings)

    def __enter__(self) -> RoeClient:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"RoeClient({self.settings.base_url!r}, key from {self.settings.source})"

    def close(self) -> None:
        """Close the kept connections."""
        self._transport.close()

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
        path = f"/v1/database/query/{_segment(query_id)}/status/"
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
        return next(self.follow(query_id, wait=0)).status

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
        path = f"/v1/database/query/{_segment(query_id)}/result/"
        return self._get(path, headers={"Accept": accept}, stream=True, query_id=str(query_id))

    def cancel(self, query_id: UUID | str) -> models.QueryStatus | None:
        """Request the cancellation of a query.

        Returns
        -------
        QueryStatus or None
            The status after that; None when the server does not offer it (the published API does not).
        """
        path = f"/v1/database/query/{_segment(query_id)}/cancel/"
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
        path = f"/v1/worksheets/{_segment(worksheet_id)}/queries/"
        return _list_of(models.WorksheetQueryResponse, self._get(path).json())

    def create_worksheet(self, name: str) -> models.Worksheet:
        """Create a worksheet and return it."""
        request = Request(method="POST", path="/v1/worksheets/", params=self._organization(), json={"name": name})
        return parse(models.Worksheet, self._transport.send(request).json())

    # Tables and the caller

    def current_user(self) -> models.User:
        """Return the user that the key belongs to."""
        return parse(models.User, self._get("/v1/users/current_user/").json())

    def tables(self) -> list[models.Table]:
        """Return the organisation's tables with their columns."""
        return parse(models.TableList, self._get("/v1/tables/").json()).results

    def describe(self, table: str) -> models.TableDescription:
        """Return a table's columns and size, without scanning it."""
        path = f"/v1/tables/{_segment(table)}/describe/"
        return parse(models.TableDescription, self._get(path).json())

    def preview(self, table: str, limit: int = 3) -> models.TablePreview:
        """Return the first rows (0 to 50) of a table."""
        path = f"/v1/tables/{_segment(table)}/preview/"
        return parse(models.TablePreview, self._get(path, limit=str(limit)).json())

    def upload(self, table: str, file: BinaryIO, *, with_headers: bool = True) -> models.TableUpload:
        """Create a table from a CSV file; the server refuses a name that is taken."""
        form = {"table_name": table, "with_headers": "true" if with_headers else "false"}
        organization = {name: value for name, value in self._organization().items() if value is not None}
        # Read whole: a file would be at its end at the second attempt.
        files = {"file": (f"{table}.csv", file.read(), "text/csv")}
        request = Request(method="POST", path="/v1/tables/upload/", form={**form, **organization}, files=files)
        return parse(models.TableUpload, self._transport.send(request).json())

    def delete(self, table: str) -> None:
        """Drop a table."""
        request = Request(method="DELETE", path=f"/v1/tables/{_segment(table)}/", params=self._organization())
        self._transport.send(request).read()

    def has_table(self, table: str) -> bool:
        """Whether the organisation has a table of this name."""
        try:
            self.describe(table)
        except NotFoundError:
            return False
        return True

    def _get(
        self,
        path: str,
        *,
        headers: Mapping[str, str] | None = None,
        extra_time: float = 0.0,
        stream: bool = False,
        query_id: str | None = None,
        **params: str,
    ) -> Response:
        request = Request(
            method="GET",
            path=path,
            params={**self._organization(), **params},
            headers=headers or {},
            extra_time=extra_time,
            stream=stream,
            query_id=query_id,
        )
        return self._transport.send(request)

    def _organization(self) -> dict[str, str | None]:
        return {"organization_id": self.settings.organization_id}


def _transport(settings: Settings) -> Transport:
    from roe_magic.client.transport import Transport  # imports requests, which takes 0.1 s

    return Transport(settings)


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


def _segment(value: UUID | str) -> str:
    return quote(str(value), safe="")


def _text(value: UUID | str | None) -> str | None:
    return None if value is None else str(value)
