"""Replacing a table on a server that can only create and delete: nothing is lost, whichever step fails.

1. The new rows are uploaded under a temporary name, as a proof that the server reads them.
2. The user is asked, for between the next two steps there is no table of that name.
3. The old table is deleted.
4. The rows are uploaded again, under the name, and counted.
5. The temporary table is deleted.

Every error says what stands where, and before the last step the temporary table is deleted only while the old one
stands.
"""

from __future__ import annotations

from collections.abc import Callable
from uuid import uuid4

from roe_magic.client import RoeClient
from roe_magic.errors import (
    NotFoundError,
    ProtocolError,
    RoeAPIException,
    RoeError,
    ServerError,
    UploadInterrupted,
    UploadUncertain,
    UsageError,
)
from roe_magic.formatting import plural

_LONGEST_NAME = 128


class Replacement:
    """One table that is being replaced.

    Parameters
    ----------
    client : RoeClient
    table : str
    send : callable
        Uploads the rows as a table of the given name.
    row_count : int, optional
        How many rows there are, where that is known.
    """

    def __init__(self, client: RoeClient, table: str, send: Callable[[str], object], row_count: int | None) -> None:
        self._client, self._table, self._send = client, table, send
        suffix = f"_upload_{uuid4().hex[:8]}"
        self.temporary = table[: _LONGEST_NAME - len(suffix)] + suffix
        self._row_count = row_count
        self._standing = f"The table {table} is as it was."
        self._old_stands = True

    def run(self, confirm: Callable[[str], bool]) -> list[str]:
        """Replace the table, and return what the user should know, a sentence each."""
        try:
            self._prove()
            self._ask(confirm)
            self._delete_old()
            self._create()
            return self._clean_up_last()
        except KeyboardInterrupt as error:
            self._clean_up(uncertain=getattr(error, "may_exist", True))
            problem: BaseException = UploadInterrupted(f"The replacement was stopped. {self._standing}")
        except RoeError as error:
            self._clean_up(uncertain=isinstance(error, (UploadUncertain, ServerError)))
            error.hint = self._standing
            problem = error
        except BaseException as error:  # of the caller's `confirm` or `progress`
            self._clean_up(uncertain=True)
            if not isinstance(error, Exception):  # such as SystemExit
                raise
            message = f"The replacement was ended by {type(error).__name__}: {error}".rstrip(": ") + "."
            raise UsageError(message, hint=self._standing) from error
        raise problem from None

    def _prove(self) -> None:
        self._put(self.temporary)

    def _ask(self, confirm: Callable[[str], bool]) -> None:
        rows = "" if self._row_count is None else f" ({plural(self._row_count, 'row')})"
        question = (
            f"This server cannot swap tables. The new rows are proven to be readable{rows}; now the old table "
            f"{self._table} is deleted, and then they are uploaded again under its name. Delete it?"
        )
        if not confirm(question):
            raise UsageError(f"The table {self._table} was not replaced.")

    def _delete_old(self) -> None:
        self._old_stands = False
        self._standing = f"The table {self._table} may be deleted. {self._rows_are_kept}"
        try:
            self._client.delete(self._table)
        except NotFoundError:
            pass  # somebody else was first
        except RoeError as error:
            if not self._client.has_table(self._table):
                return
            refused = isinstance(error, RoeAPIException) and not isinstance(error, ServerError)
            self._old_stands = refused
            self._standing = f"The table {self._table} is " + (
                "as it was." if refused else f"still there, but may yet be deleted. {self._rows_are_kept}"
            )
            raise

    def _create(self) -> None:
        self._standing = f"The old table {self._table} is deleted. {self._rows_are_kept}"
        self._put(self._table)

    @property
    def _rows_are_kept(self) -> str:
        return f"All new rows are in the table {self.temporary}; use that, or upload again without --replace."

    def _put(self, name: str) -> None:
        """Upload the rows under a name, and count them; a lost answer is no failure where all of them are there."""
        lost = None
        try:
            self._send(name)
        except UploadUncertain as error:
            lost = error
        else:
            self._note_sent(name)
        try:
            count = self._client.describe(name).row_count
        except NotFoundError:
            if lost is not None:
                raise lost from None
            raise
        if self._row_count is not None and count is not None and count != self._row_count:
            raise lost or ProtocolError(
                f"The table {name} has {plural(count, 'row')}, but {self._row_count:,} were sent."
            )
        if lost is not None and (count is None or self._row_count is None):
            raise lost
        self._row_count = self._row_count if count is None else count

    def _note_sent(self, name: str) -> None:
        if name == self._table:
            self._standing = (
                f"The new table {name} is there, but its rows were not counted. They are in {self.temporary}, too."
            )

    def _clean_up(self, *, uncertain: bool) -> None:
        """Delete the temporary table while the old one stands, and say where that may not have worked."""
        if not self._old_stands:
            return
        left = f" A temporary table {self.temporary} may be left; delete it."
        try:
            self._client.delete(self.temporary)
        except NotFoundError:
            self._standing += left if uncertain else ""
        except (RoeError, KeyboardInterrupt):
            self._standing += left

    def _clean_up_last(self) -> list[str]:
        self._standing = f"The table {self._table} is replaced. The temporary table {self.temporary} may be left."
        try:
            self._client.delete(self.temporary)
        except NotFoundError:
            pass
        except RoeError as error:
            return [f"The temporary table {self.temporary} could not be deleted: {error.message}"]
        return []
