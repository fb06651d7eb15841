"""The download of one query's rows: requested once, read and converted while they arrive."""

from __future__ import annotations

import base64
import itertools
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import TYPE_CHECKING
from uuid import UUID

from roe_magic.contract import models
from roe_magic.contract.models import ENDED_BADLY, TERMINAL
from roe_magic.errors import ProtocolError, ResultNotReady, ResultTooLarge
from roe_magic.formatting import size
from roe_magic.query.query_state import DownloadProgress

if TYPE_CHECKING:
    from roe_magic.client import RoeClient
    from roe_magic.client.messages import Response

# Accepted, and no content.
_NOT_READY = {202, 204}


def read(
    client: RoeClient,
    query_id: UUID,
    *,
    max_bytes: int | None,
    on_progress: Callable[[DownloadProgress], None],
    retries: int | None,
    stop: threading.Event,
) -> models.QueryResult:
    """Return the result of an ended query; it is requested once.

    Parameters
    ----------
    client : RoeClient
    query_id : UUID
    max_bytes : int, optional
        Refuse a body of more bytes.
    on_progress : callable
        Called at the start and with each part; an exception of its own ends the download.
    retries : int or None
        How often the request is sent again at most; as the settings say where it is None.
    stop : threading.Event
        Once it is set, nothing is sent any more.

    Returns
    -------
    models.QueryResult
        ``result_rows`` of each statement is a pyarrow Table.

    Raises
    ------
    ResultTooLarge
        The rows take more bytes than allowed, or more memory than there is.
    ResultNotReady
        The server does not give them yet.
    RoeError
        The response did not come, or not whole, or is not what the contract says.
    """
    from roe_magic.query import result_body

    response = client.result(query_id, retries=retries, stop=stop)
    total = _content_length(response)

    def report(received: int, rows: int) -> None:
        _check_size(received, max_bytes)
        on_progress(DownloadProgress(received, rows, total))

    try:
        _check_size(0, max_bytes, total=total)
        if response.status in _NOT_READY:
            raise ResultNotReady(f"Query {query_id} has ended, but its result is not ready (HTTP {response.status}).")
        on_progress(DownloadProgress(size=total))
        chunks = _some(response.chunks, query_id)
        if response.content_type == models.ARROW_STREAM:
            return _result(query_id, result_body.read_arrow(chunks, report))
        return _checked(result_body.read_json(chunks, report, max_bytes=max_bytes), query_id)
    finally:
        response.close()  # a body that was not read to its end still holds its connection


def split_enclosed(submitted: models.WorksheetQueryResponse) -> tuple[models.WorksheetQueryResponse, bytes | None]:
    """Split the rows off a submit's response, where the server enclosed them (ours does, when they are few).

    Returns
    -------
    tuple
        The response without them, and the Arrow streams for :func:`read_enclosed`, or None.
    """
    extra = dict(submitted.extra)
    text = extra.pop(models.RESULT_ARROW_FIELD, None)
    try:
        rows = base64.b64decode(text or "", validate=True)
    except (TypeError, ValueError):  # another server's field of that name
        rows = b""
    return (replace(submitted, extra=extra), rows) if rows else (submitted, None)


def read_enclosed(rows: bytes, query_id: UUID, max_bytes: int | None, sql: str) -> models.QueryResult:
    """Return the result in the streams of :func:`split_enclosed`; errors as for :func:`read`.

    The server leaves the SQL of a long statement out there, since its response has it already: ``sql``.
    """
    from roe_magic.query import result_body

    _check_size(len(rows), max_bytes)
    statements = result_body.read_arrow(iter([rows]), lambda received, rows: None)
    return _result(query_id, [replace(statement, query=statement.query or sql) for statement in statements])


def _result(query_id: UUID, statements: list[models.Statement]) -> models.QueryResult:
    return models.QueryResult(worksheet_query_id=query_id, status=None, results=statements)


def _check_size(received: int, max_bytes: int | None, *, total: int | None = None) -> None:
    if max_bytes is None or max(received, total or 0) <= max_bytes:
        return
    error = ResultTooLarge(
        f"The rows take {f'{size(total)}, ' if total else ''}more than the limit of {size(max_bytes)}.",
        hint="Add a LIMIT, aggregate in SQL, or raise the limit: %config RoeMagic.max_result_bytes = ...",
    )
    error.limit = max_bytes
    raise error


def _some(chunks: Iterator[bytes], query_id: UUID) -> Iterator[bytes]:
    """Return the chunks of a body; raise ResultNotReady where it is empty."""
    for first in chunks:
        return itertools.chain([first], chunks)
    raise ResultNotReady(f"Query {query_id} has ended, but the server's response is empty.")


def _checked(result: models.QueryResult, query_id: UUID) -> models.QueryResult:
    """Return a result that is the query's, and there."""
    if result.worksheet_query_id != query_id:
        raise ProtocolError(f"The server sent the result of query {result.worksheet_query_id} instead of {query_id}.")
    if result.error or result.status in ENDED_BADLY:
        return result
    if result.results is None or (result.status not in TERMINAL and not result.results):
        raise ResultNotReady(f"Query {query_id} has ended, but the server sent no results for it.")
    return result


def _content_length(response: Response) -> int | None:
    length = response.headers.get("Content-Length", "")
    is_number = length.isascii() and length.isdigit() and len(length) < 20
    return int(length) if is_number and "Content-Encoding" not in response.headers else None
