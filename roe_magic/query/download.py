"""The rows of one query, read and converted while they arrive."""

from __future__ import annotations

import base64
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING
from uuid import UUID

from roe_magic.contract import models
from roe_magic.contract.models import TERMINAL
from roe_magic.errors import ProtocolError, ResultNotReady, ResultTooLarge
from roe_magic.formatting import size
from roe_magic.query.query_state import DownloadProgress

if TYPE_CHECKING:
    from roe_magic.client import RoeClient
    from roe_magic.client.messages import Response


def read(
    client: RoeClient, query_id: UUID, *, max_bytes: int | None, on_progress: Callable[[DownloadProgress], None]
) -> list[models.Statement]:
    """Ask for the rows once and read them.

    Parameters
    ----------
    client : RoeClient
    query_id : UUID
    max_bytes : int, optional
        Refuse an answer of more bytes.
    on_progress : callable
        Called at the start and with each part; what it raises ends the reading.

    Returns
    -------
    list of models.Statement
        One per statement; ``result_rows`` is a pyarrow Table.

    Raises
    ------
    ResultTooLarge
        The rows take more bytes than allowed, or more memory than there is.
    ResultNotReady
        The server gives none yet.
    RoeError
        The answer did not come, or not whole, or is not what the contract says.
    """
    from roe_magic.query import result_body

    response = client.result(query_id)
    whole = _size_of(response)

    def arrived(received: int, rows: int) -> None:
        _check(received, max_bytes)
        on_progress(DownloadProgress(received, rows, whole))

    try:
        _check(0, max_bytes, whole=whole)
        on_progress(DownloadProgress(size=whole))
        if response.content_type == models.ARROW_STREAM:
            return result_body.read_arrow(response.chunks, arrived)
        return _statements(result_body.read_json(response.chunks, arrived), query_id)
    finally:
        response.close()  # what was not read to its end has a connection still


def split_enclosed(submitted: models.WorksheetQueryResponse) -> tuple[models.WorksheetQueryResponse, bytes | None]:
    """Take the rows out of a submit's answer, where the server enclosed them (ours does, when they are few).

    Returns
    -------
    tuple
        The answer without them, and the Arrow streams for :func:`read_enclosed`, or None.
    """
    extra = dict(submitted.extra)
    text = extra.pop(models.RESULT_FIELD, None)
    try:
        rows = base64.b64decode(text or "", validate=True)
    except (TypeError, ValueError):  # not ours
        rows = b""
    return (replace(submitted, extra=extra), rows) if rows else (submitted, None)


def read_enclosed(rows: bytes, max_bytes: int | None) -> list[models.Statement]:
    """Read what :func:`split_enclosed` returned; errors as for :func:`read`."""
    from roe_magic.query import result_body

    _check(len(rows), max_bytes)
    return result_body.read_arrow(iter([rows]), lambda received, rows: None)


def _check(read: int, max_bytes: int | None, *, whole: int | None = None) -> None:
    if max_bytes is None or max(read, whole or 0) <= max_bytes:
        return
    error = ResultTooLarge(
        f"The rows take {f'{size(whole)}, ' if whole else ''}more than the limit of {size(max_bytes)}.",
        hint="Add a LIMIT, aggregate in SQL, or raise the limit: %config RoeMagic.max_result_bytes = ...",
    )
    error.limit = max_bytes
    raise error


def _statements(result: models.QueryResult, query_id: UUID) -> list[models.Statement]:
    if result.worksheet_query_id != query_id:
        raise ProtocolError(f"The server was asked about query {query_id} and answered {result.worksheet_query_id}.")
    if result.results is None or (result.status not in TERMINAL and not result.results):
        raise ResultNotReady(f"The server says that query {query_id} is over, but it gives no results.")
    return result.results


def _size_of(response: Response) -> int | None:
    length = response.headers.get("Content-Length", "")
    plain = length.isascii() and length.isdigit() and len(length) < 20
    return int(length) if plain and "Content-Encoding" not in response.headers else None
