"""A query as plain data: what was submitted, what the engine is given to run, and how that ended.

Nothing of ours is imported here, so that the HTTP side, the store, the query manager and the engine's process can share
these classes. A new field of a submission is added to :class:`SubmitRequest` (and, if it is to be stored, as a column
of the same name); everything between the endpoint and the engine passes the whole object on.
"""

from __future__ import annotations

from dataclasses import dataclass

import msgspec

# The kinds of query: those of the published query API, and those of the tables' own query API.
WORKSHEET_QUERY, TABLE_QUERY = "worksheet", "table"


class SubmitRequest(msgspec.Struct, frozen=True, kw_only=True):
    """A query as the caller submitted it.

    Parameters
    ----------
    sql : str
        One or more statements.
    use_admin : bool
        Whether the statements may write.
    kind : str
        ``WORKSHEET_QUERY`` or ``TABLE_QUERY``. Set by the endpoint, never by the body of a request.
    row_limit : int, optional
        How many rows the caller gets at most; ``sql`` must then be a single SELECT, and up to one row more is stored,
        which shows that there are more. Set by the endpoint as well.
    """

    sql: str
    use_admin: bool = False
    kind: str = WORKSHEET_QUERY
    row_limit: int | None = None


class Job(msgspec.Struct, frozen=True, kw_only=True):
    """A query as the engine gets it. The rows of its statement n, counted from 0, go to ``folder/n.arrow``."""

    id: str
    request: SubmitRequest
    database: str
    folder: str


class Outcome(msgspec.Struct, frozen=True):
    """How a query ended: SUCCESS, FAILURE or REVOKED, and the statements that completed.

    ``statements`` is encoded by :func:`roe_magic.service.results.manifest.encode`; ``notices`` say what the user should
    know about how the query was run.
    """

    status: str
    error: str | None = None
    statements: bytes = b"[]"
    notices: tuple[str, ...] = ()


class Upload(msgspec.Struct, frozen=True, kw_only=True):
    """A file that becomes a table.

    Parameters
    ----------
    id : str
        By which the import is cancelled.
    path : str
        Where the file is.
    content_type : str
        The media type of the file; any that is not known means CSV.
    with_headers : bool
        Whether the first row of a CSV file is the columns' names.
    types : dict of str to str
        The ClickHouse types of some columns by name; those of the others are found out.
    replace : bool
        Whether the table takes the place of one of the same name.
    dry_run : bool
        Whether the columns are found out, and no table is created.
    """

    id: str
    path: str
    content_type: str = "text/csv"
    with_headers: bool = True
    types: dict[str, str] = {}
    replace: bool = False
    dry_run: bool = False


class TableCreation(msgspec.Struct, frozen=True, kw_only=True):
    """An upload, and the table that it becomes."""

    database: str
    table: str
    upload: Upload


@dataclass(frozen=True)
class Limits:
    """What one statement may use, and how many queries run at the same time; 0 means no limit.

    ``max_execution_time`` is in seconds.
    """

    max_execution_time: float = 300.0
    max_memory_usage: int = 4 * 1024**3
    max_result_bytes: int = 2 * 1024**3
    max_concurrency: int = 4
