"""What the commands and the completion may use of the magic that calls them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from uuid import UUID

    from IPython.core.magic_arguments import MagicArgumentParser

    from roe_magic.client import RoeClient
    from roe_magic.config.settings import SettingsSource
    from roe_magic.magic.catalogue import Catalogue
    from roe_magic.magic.session import Session
    from roe_magic.query.worksheet_query import WorksheetQuery


class MagicContext(Protocol):
    """The magic, as its commands and its completion see it.

    Attributes
    ----------
    catalogue : Catalogue
        The names that the server listed last.
    session : Session
        Where the notebook is connected to, and the queries that it ran.
    panel : str
        How progress is shown: ``auto``, ``live``, ``static`` or ``off``.
    """

    catalogue: Catalogue
    session: Session
    panel: Any

    @property
    def attended(self) -> bool:
        """Whether somebody can answer a question."""
        ...

    @property
    def variables(self) -> dict[str, Any]:
        """The user's variables."""
        ...

    @property
    def parser(self) -> MagicArgumentParser:
        """The parser of the flags."""
        ...

    def client(self, *flags: SettingsSource) -> RoeClient:
        """Return the client for the settings in force."""
        ...

    def confirms(self, question: str) -> bool:
        """Whether the user says yes; no where nobody can answer."""
        ...

    def attach(self, query_id: UUID) -> WorksheetQuery:
        """Watch a query that was submitted before, and return it with its rows."""
        ...
