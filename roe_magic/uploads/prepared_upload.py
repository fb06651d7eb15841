"""An upload whose source was read and written as what the server takes: sending it, and what came of that."""

from __future__ import annotations

import codecs
import csv
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from roe_magic.client import RoeClient
from roe_magic.contract.models import ARROW_STREAM, TableDescription, TableList, TableUpload, UploadColumn
from roe_magic.errors import NotFoundError, RoeError, UploadInterrupted, UploadUncertain, UsageError
from roe_magic.formatting import plural
from roe_magic.uploads.replacement import Replacement
from roe_magic.uploads.sources import UploadSource
from roe_magic.uploads.upload_result import UploadResult

if TYPE_CHECKING:
    from roe_magic.uploads.arrow.arrow_source import ArrowSource

Progress = Callable[[int, int], object]
Confirm = Callable[[str], bool]


@dataclass(frozen=True, kw_only=True)
class UploadOptions:
    """What may be asked for beside the table's name and its rows."""

    types: Mapping[str, str] = field(default_factory=dict)
    replace: bool = False
    dry_run: bool = False
    with_headers: bool = True


@dataclass
class PreparedUpload:
    """An upload that can be sent.

    Attributes
    ----------
    losses : list of str
        What the server will not get to know, since it takes CSV alone; a sentence each.
    """

    client: RoeClient
    table: str
    file: UploadSource
    losses: list[str]
    options: UploadOptions
    server: TableList
    source: UploadSource | ArrowSource

    def send(self, progress: Progress | None = None, confirm: Confirm | None = None) -> UploadResult:
        """Create the table."""
        swaps, exists = self.server.upload_types is not None, self._exists
        if self.options.dry_run and not swaps:
            return self._dry_run()
        if self.options.replace and exists and not swaps:
            return self._replace(progress, confirm)
        try:
            done: TableUpload | None = self._send(self.table, progress, swaps=swaps)
            notices: list[str] = []
        except UploadUncertain as error:
            done, notices = None, [self._found_after(error)]
        return self._result(done, notices)

    @property
    def _exists(self) -> bool:
        return any(table.name == self.table for table in self.server.results)

    @property
    def _row_count(self) -> int | None:
        return self.file.row_count

    def _send(self, table: str, progress: Progress | None, *, swaps: bool) -> TableUpload:
        self.file.file.seek(0)
        own_fields: dict[str, Any] = {}
        if swaps:
            own_fields = {name: getattr(self.options, name) for name in ("types", "replace", "dry_run")}
        return self.client.upload(
            table,
            self.file.file,
            with_headers=self.options.with_headers or self.file is not self.source,
            content_type=self.file.content_type,
            progress=progress,
            **own_fields,
        )

    def _replace(self, progress: Progress | None, confirm: Confirm | None) -> UploadResult:
        if confirm is None:
            raise UsageError(
                f"This server cannot swap tables: {self.table} would be deleted before the new table is there.",
                hint="If that is all right, add --yes (in Python: confirm=lambda question: True). Nothing was sent.",
            )
        replacement = Replacement(
            self.client, self.table, lambda name: self._send(name, progress, swaps=False), self._row_count
        )
        return self._result(None, replacement.run(confirm))

    def _found_after(self, error: UploadUncertain) -> str:
        """Return what to say where the answer was lost and the table is there all the same; else raise the error."""
        if self.options.dry_run:
            raise error
        if self._exists:
            raise _told(error, f"There was a table {self.table} before; whether it is the new one is not known.")
        try:
            count = self.client.describe(self.table).row_count
        except NotFoundError:
            raise _told(error, f"Now there is no table {self.table}; the server may still be reading.") from None
        except RoeError:
            raise error from None
        if count is None or count != self._row_count:
            rows = "a table" if count is None else f"a table with {plural(count, 'row')}"
            raise _told(error, f"Now there is {rows} of that name; is that all?")
        return "The server's answer was lost, but the table is there with all rows."

    def _result(self, done: TableUpload | None, notices: list[str]) -> UploadResult:
        told = [*self.losses, *self._own_notices(done), *((done and done.notices) or []), *notices]
        described = None if self.options.dry_run else self._described()
        columns = (done and done.columns) or [
            UploadColumn(name=column.name, type=column.type) for column in (described.columns if described else [])
        ]
        rows = described.row_count if described else None
        if rows is not None and self._row_count not in (None, rows):
            told.append(f"{plural(self._row_count or 0, 'row')} were sent, but the table has {rows:,}.")
        return UploadResult(self.table, rows, columns, list(dict.fromkeys(told)), dry_run=self.options.dry_run)

    def _own_notices(self, done: TableUpload | None) -> list[str]:
        """Return what is known of the source here, without what a server says that reads Arrow."""
        if isinstance(self.source, UploadSource):
            return []
        from roe_magic.uploads.arrow.scalar_plan import NAIVE_TIMES

        is_told = done is not None and done.notices is not None and self.file.content_type == ARROW_STREAM
        return [notice for notice in self.source.notices if not (is_told and notice.endswith(f"{NAIVE_TIMES}."))]

    def _described(self) -> TableDescription | None:
        try:
            return self.client.describe(self.table)
        except RoeError:
            return None
        except KeyboardInterrupt:
            raise UploadInterrupted(f"The table {self.table} was created.") from None

    def _dry_run(self) -> UploadResult:
        """Return what can be said without the server: the columns as they are here, and what CSV does not keep."""
        if isinstance(self.source, UploadSource):
            self.file.file.seek(0)
            names = next(csv.reader(codecs.iterdecode(self.file.file, "utf-8")))
            columns = [(name, "?") for name in names]
        else:
            columns = [(name, f"? ({type_name} here)") for name, type_name in self.source.columns]
        here = [UploadColumn(name=name, type=kind, reason="the server chooses") for name, kind in columns]
        told = [*self.losses, *self._own_notices(None)]
        return UploadResult(self.table, None, here, told, dry_run=True)


def _told(error: UploadUncertain, found: str) -> UploadUncertain:
    error.message = f"{error.message} {found}"
    return error
