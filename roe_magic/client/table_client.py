"""The endpoints of an organisation's tables."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import BinaryIO

from roe_magic.client.base_client import BaseClient, segment
from roe_magic.client.messages import Request
from roe_magic.client.retry_policy import RequestKind
from roe_magic.contract import models
from roe_magic.contract.codec import parse
from roe_magic.errors import NotFoundError


class TableClient(BaseClient):
    """List, describe, create and drop tables."""

    def tables(self) -> list[models.Table]:
        """Return the organisation's tables with their columns."""
        return self.table_list().results

    def table_list(self) -> models.TableList:
        """Return the tables, and what else the server says beside them."""
        return parse(models.TableList, self._get("/v1/tables/").json())

    def upload_types(self) -> list[str] | None:
        """Return the media types of the files that an upload may have; None for a server that takes CSV alone.

        A server with such a list also takes ``types``, ``replace`` and ``dry_run`` of :meth:`upload`.
        """
        return self.table_list().upload_types

    def describe(self, table: str) -> models.TableDescription:
        """Return a table's columns and size, without scanning it."""
        path = f"/v1/tables/{segment(table)}/describe/"
        return parse(models.TableDescription, self._get(path).json())

    def preview(self, table: str, limit: int = 3) -> models.TablePreview:
        """Return the first rows (0 to 50) of a table."""
        path = f"/v1/tables/{segment(table)}/preview/"
        return parse(models.TablePreview, self._get(path, params={"limit": str(limit)}).json())

    def upload(
        self,
        table: str,
        file: BinaryIO,
        *,
        with_headers: bool = True,
        content_type: str = models.CSV,
        types: Mapping[str, str] | None = None,
        replace: bool = False,
        dry_run: bool = False,
        progress: Callable[[int, int], object] | None = None,
    ) -> models.TableUpload:
        """Create a table from a file; the server refuses a name that is taken.

        The file is read while it is sent. :func:`roe_magic.upload` takes DataFrames and paths, too.

        Parameters
        ----------
        table : str
        file : BinaryIO
            CSV, or what ``content_type`` says; it is sent from its present position.
        with_headers : bool
            Whether the first line of a CSV file has the columns' names.
        content_type, types, replace, dry_run
            Anything but the defaults is for a server with :meth:`upload_types`: the media type of the file; the
            ClickHouse types of some columns, by their names; swap the new table for one of that name; create no table,
            and say how the file would be read.
        progress : callable, optional
            Called with the bytes of the file that were sent so far, and with their number in all.

        Raises
        ------
        UploadUncertain
            The whole file was sent, and the response was lost.
        UploadInterrupted
        """
        from roe_magic.client.table_upload import send_upload  # needs urllib3, as the transport does

        organization = {name: value for name, value in self._organization().items() if value is not None}
        form = {"table_name": table, "with_headers": "true" if with_headers else "false", **organization}
        # Fields that the contract does not have are sent only where they say something.
        form |= {"types": json.dumps(dict(types))} if types else {}
        form |= {name: "true" for name, wanted in {"replace": replace, "dry_run": dry_run}.items() if wanted}
        return send_upload(self._transport, form, file, content_type=content_type, progress=progress)

    def delete(self, table: str) -> None:
        """Drop a table."""
        request = Request(
            method="DELETE", path=f"/v1/tables/{segment(table)}/", kind=RequestKind.WRITE, params=self._organization()
        )
        self._transport.send(request).read()

    def has_table(self, table: str) -> bool:
        """Whether the organisation has a table of this name."""
        try:
            self.describe(table)
        except NotFoundError:
            return False
        return True
