"""``roe_magic.upload``: a table from a DataFrame or a file, in one call.

Everything that can be found out here is found out before the first byte is sent: :func:`prepared` reads the source,
asks the server what it takes, and writes what will be sent. :meth:`PreparedUpload.send` sends it.
"""

from __future__ import annotations

import contextlib
import tempfile
import warnings
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, cast

from roe_magic.client import RoeClient
from roe_magic.contract.models import ARROW_STREAM, CSV, NDJSON
from roe_magic.errors import UsageError
from roe_magic.uploads.prepared_upload import PreparedUpload, UploadOptions
from roe_magic.uploads.sources import UploadSource, opened
from roe_magic.uploads.upload_result import UploadResult

if TYPE_CHECKING:
    from roe_magic.uploads.arrow.arrow_source import ArrowSource


class UploadWarning(UserWarning):
    """Something that CSV cannot keep, on a server that takes nothing else."""


def upload(
    client: RoeClient,
    name: str,
    data: Any,
    *,
    types: Mapping[str, str] | None = None,
    replace: bool = False,
    dry_run: bool = False,
    with_headers: bool = True,
    progress: Callable[[int, int], object] | None = None,
    confirm: Callable[[str], bool] | None = None,
) -> UploadResult:
    """Create a table from a DataFrame or a file, as ``%roe upload`` does, from plain Python.

    To the local service a DataFrame goes with its own types, and a file as it is. A server that takes CSV alone gets
    CSV; what that cannot keep is an ``UploadWarning``, column by column, before anything is sent.

    Parameters
    ----------
    client : RoeClient
    name : str
        The table's name.
    data : object
        A DataFrame of pandas or polars, a pyarrow Table, a WorksheetQuery or anything else with an Arrow stream; or the
        path of a file: CSV, Parquet, Arrow or JSON lines, packed (.gz, .zip) or not.
    types : mapping of str to str, optional
        ClickHouse types of some columns, by their names; for a server with ``upload_types``.
    replace : bool
        Replace a table of that name, which stands until the new one does. A server that cannot swap tables is asked to
        delete it, after ``confirm``.
    dry_run : bool
        Create nothing, and return the types that the columns would have, and why.
    with_headers : bool
        Whether the first line of a CSV file has the columns' names.
    progress : callable, optional
        Called with the bytes that were sent so far, and with their number in all.
    confirm : callable, optional
        Called with a question before a table is deleted; returns whether to go on.

    Returns
    -------
    UploadResult
        With the table's rows, columns, types and notices.

    Raises
    ------
    UsageError
        The data cannot be uploaded as they are; nothing was sent.
    RoeError, UploadInterrupted
        As :meth:`RoeClient.upload`; the message says what is at the server.
    """
    options = UploadOptions(types=types or {}, replace=replace, dry_run=dry_run, with_headers=with_headers)
    with prepared(client, name, data, options) as ready:
        for loss in ready.losses:
            warnings.warn(loss, UploadWarning, stacklevel=2)
        return ready.send(progress, confirm)


@contextlib.contextmanager
def prepared(client: RoeClient, table: str, data: Any, options: UploadOptions) -> Iterator[PreparedUpload]:
    """Read and check the source, and give what will be sent."""
    if not isinstance(table, str) or not table.strip():
        raise UsageError(f"{table!r} is no name of a table.")
    with _read(data) as given:
        server = client.table_list()
        if server.upload_types is None:
            _check_options(options, given)
        taken = server.upload_types or [CSV]
        source = _readable(given, taken)
        with _written(source, taken) as (file, losses):
            yield PreparedUpload(client, table, file, losses, options, server, source)


@contextlib.contextmanager
def _read(data: Any) -> Iterator[UploadSource | ArrowSource]:
    if isinstance(data, (str, Path)):
        with opened(data) as file:
            yield file
    else:
        from roe_magic.uploads.arrow.frames_to_arrow import to_arrow

        yield to_arrow(data)


def _check_options(options: UploadOptions, source: UploadSource | ArrowSource) -> None:
    """Raise UsageError for what a server that takes CSV alone cannot do."""
    chooses = "This server takes CSV alone and chooses the types itself"
    if options.types:
        column, type_name = next(iter(options.types.items()))
        from roe_magic.uploads.csv_casts import column_cast

        hint = f"Convert in queries instead, for example {column_cast(column, type_name)}."
        raise UsageError(f"{chooses}.", hint=hint)
    if options.dry_run and isinstance(source, UploadSource) and source.content_type == CSV:
        raise UsageError(f"{chooses}, which it cannot do without creating the table.", hint="Upload it, and look.")


def _readable(source: UploadSource | ArrowSource, taken: list[str]) -> UploadSource | ArrowSource:
    """Return the rows of a Parquet or Arrow file that the server does not take; any other source as it is."""
    if isinstance(source, UploadSource) and source.content_type not in (*taken, CSV, NDJSON):
        from roe_magic.uploads.file_rows import arrow_rows

        return arrow_rows(source)
    return source


@contextlib.contextmanager
def _written(source: UploadSource | ArrowSource, taken: list[str]) -> Iterator[tuple[UploadSource, list[str]]]:
    """Give the file that is sent, of a media type that the server takes, and what it does not keep of the source."""
    if isinstance(source, UploadSource) and source.content_type in taken:
        yield source, []
        return
    with tempfile.TemporaryFile() as temporary:
        file = cast("BinaryIO", temporary)
        content_type, losses, row_count = _write(source, file, taken)
        file.seek(0)
        yield UploadSource(file, content_type, "the rows", row_count), losses


def _write(source: UploadSource | ArrowSource, file: BinaryIO, taken: list[str]) -> tuple[str, list[str], int]:
    """Write the rows to a file, and return its media type, what it does not keep of the source, and the row count."""
    from roe_magic.uploads.csv_out import write_csv
    from roe_magic.uploads.ndjson_out import write_ndjson_as_csv

    if isinstance(source, UploadSource):
        return CSV, *write_ndjson_as_csv(source.file, file, source.name)
    if ARROW_STREAM in taken:
        source.write(file)
        return ARROW_STREAM, [], source.row_count
    if not source.row_count:
        raise UsageError("There are no rows, and this server does not take a CSV file without any.")
    return CSV, write_csv(source, file), source.row_count
