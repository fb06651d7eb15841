"""Which query a command is about: its id or the beginning of it, a variable, or the last query."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any
from uuid import UUID

from IPython.core.error import UsageError

if TYPE_CHECKING:
    from roe_magic.client import RoeClient
    from roe_magic.magic.context import MagicContext

# The panel shows eight characters of an id; fewer than four say too little.
_BEGINNING = re.compile(r"[0-9a-f][0-9a-f-]{3,35}", re.IGNORECASE)
# A variable's name, bare or as somebody would write it for IPython to fill in, with or without `.id`.
_VARIABLE = re.compile(r"[{$]?(?P<name>[^\W\d]\w*)(\.id)?\}?")
# The worksheets in which a query of another notebook is looked for, one request each; the latest come first.
_WORKSHEETS = 10
# Seconds to wait for the id of a query whose submit was stopped.
_PATIENCE = 10.0


def query_id(magic: MagicContext, words: list[str], command: str) -> UUID:
    """Return the id of the query that the words behind a command name; of the last query where there are none.

    Raises
    ------
    UsageError
        Nothing is named by the words, or several queries are.
    """
    text = " ".join(words)
    if not text:
        return _last(magic, command)
    found = _as_id(text) or _in_variable(magic, text)
    if found is not None:
        return found
    if _BEGINNING.fullmatch(text):
        return _by_beginning(magic, text)
    raise UsageError(
        f"{text!r} is neither a query's id nor a variable with a query. "
        f"Usage: %roe {command} [ID], where ID may be the first characters that the panel shows."
    )


def _last(magic: MagicContext, command: str) -> UUID:
    found = _id_of(magic.variables.get("_roe"))
    latest = magic.session.latest
    if found is None and latest is not None:
        found = latest.await_id(_PATIENCE)
        if found is None and latest.awaits_id:
            raise UsageError(
                "The server has not told the id of the last query yet. "
                f"Wait a moment and repeat `%roe {command}`, or look for the query with `%roe worksheets`."
            )
    if found is None and magic.session.query_ids:
        found = list(magic.session.query_ids)[-1]
    if found is None:
        raise UsageError(f"No query yet: run one with %%roe, or name one of before: %roe {command} ID.")
    return found


def _in_variable(magic: MagicContext, text: str) -> UUID | None:
    match = _VARIABLE.fullmatch(text)
    return _id_of(magic.variables.get(match["name"])) if match else None


def _id_of(value: Any) -> UUID | None:
    """Return the id in a query, a DataFrame of its rows, a UUID or a text."""
    attributes = getattr(value, "attrs", None)
    origin = attributes.get("roe") if isinstance(attributes, dict) else None
    return _as_id(origin["id"] if isinstance(origin, dict) and "id" in origin else getattr(value, "id", value))


def _as_id(value: Any) -> UUID | None:
    try:
        return UUID(str(value))
    except ValueError:
        return None


def _by_beginning(magic: MagicContext, text: str) -> UUID:
    found = beginning_with(text, magic.session.query_ids) or beginning_with(text, _on_server(magic.client()))
    if len(found) == 1:
        return found[0]
    if found:
        raise UsageError(
            f"Several queries begin with {text!r}: {', '.join(map(str, found[:5]))}. Write more of the id."
        )
    raise UsageError(
        f"No query of this notebook or of the latest worksheets begins with {text!r}. "
        "`%roe worksheets NAME` lists the queries of a worksheet."
    )


def beginning_with(text: str, ids: Iterable[UUID]) -> list[UUID]:
    """Return the ids that begin with a text of four or more hexadecimal digits, with or without dashes."""
    if not _BEGINNING.fullmatch(text):
        return []
    beginning = text.lower().replace("-", "")
    return [each for each in dict.fromkeys(ids) if each.hex.startswith(beginning)]


def _on_server(client: RoeClient) -> Iterable[UUID]:
    latest = sorted(client.worksheets(), key=lambda worksheet: worksheet.updated_at, reverse=True)
    for worksheet in latest[:_WORKSHEETS]:
        yield from (query.id for query in client.worksheet_queries(worksheet.id))
