"""``roe_magic.run``: a query from plain Python, in one call."""

from __future__ import annotations

from uuid import UUID

from roe_magic.client import RoeClient
from roe_magic.contract.models import WorksheetQueryCreateRequest
from roe_magic.query.checks import check_timeout
from roe_magic.query.running_query import RunningQuery
from roe_magic.query.worksheet_query import WorksheetQuery


def run(
    sql: str,
    client: RoeClient | None = None,
    *,
    timeout: float | None = None,
    worksheet_id: UUID | None = None,
    use_admin: bool = False,
    fetch: bool = True,
    max_bytes: int | None = None,
) -> WorksheetQuery:
    """Run SQL to its end, as ``%%roe`` does, from plain Python.

    Parameters
    ----------
    sql : str
        One or more statements, separated by semicolons.
    client : RoeClient, optional
        Left out, one with the settings of the environment or the profile ``default``.
    timeout : float, optional
        Seconds to wait at most.
    worksheet_id : UUID, optional
        The worksheet that the query belongs to; the organisation's default one when it is left out.
    use_admin : bool
        Let the query write; needs an admin key.
    fetch : bool
        Download the rows at the end.
    max_bytes : int, optional
        Refuse a result of more bytes than this.

    Raises
    ------
    RoeError
        As :meth:`RunningQuery.wait`.
    """
    check_timeout(timeout)  # before anything is sent
    request = WorksheetQueryCreateRequest(query=sql, worksheet_id=worksheet_id, use_admin=use_admin)
    if client is not None:
        return RunningQuery(client, request, fetch=fetch, max_bytes=max_bytes).start().wait(timeout)
    with RoeClient() as own:
        return RunningQuery(own, request, fetch=fetch, max_bytes=max_bytes).start().wait(timeout)
