"""The commands of ``%roe WORD``: all that it does besides running SQL.

A command takes the magic and the words behind its name, and returns the line's value. The first line of its docstring
is its help.
"""

from __future__ import annotations

import difflib
import shlex
from collections.abc import Callable
from typing import TYPE_CHECKING, Any
from uuid import UUID

from IPython.core.error import UsageError

from roe_magic import config
from roe_magic.client import RoeClient
from roe_magic.config.settings import SettingsSource
from roe_magic.contract import codec, models
from roe_magic.errors import ConfigError
from roe_magic.formatting import clean
from roe_magic.magic.context import MagicContext
from roe_magic.magic.query_lookup import beginning_with, query_id
from roe_magic.magic.upload_command import split_words, upload
from roe_magic.query.worksheet_query import WorksheetQuery
from roe_magic.sql.first_words import FIRST_WORDS, foreign_first_word
from roe_magic.sql.tokens import first_word

if TYPE_CHECKING:
    import pandas as pd

    from roe_magic.local import LocalService


Command = Callable[[MagicContext, list[str]], Any]


def find(line: str) -> tuple[Command, list[str]] | None:
    """Return the command that a line names and the words behind it; None where the line may be SQL."""
    first, *rest = line.rstrip("; \t\n").split(None, 1) or ["help"]  # a closing `;` is no part of a command
    command = show_help if first in _HELP_FLAGS else COMMANDS.get(first.lower())
    if command is None:
        return None
    words = _words(command, rest[0] if rest else "")
    return (show_help, [first]) if len(words) == 1 and words[0] in _HELP_FLAGS else (command, words)


def _words(command: Command, text: str) -> list[str]:
    try:
        return split_words(text) if command is upload else shlex.split(text)
    except ValueError as error:
        raise UsageError(f"The line cannot be read: {error}.") from None


def refuse_commands(sql: str) -> None:
    """Raise UsageError for a text that begins like no SQL: a command that does not exist is not sent to the server."""
    word = foreign_first_word(sql)
    if word is None:
        return
    if word.lower() in COMMANDS:
        raise UsageError(f"%roe {word} takes none of the flags that stand before it; they are for SQL.")
    instead = _instead_of(word, behind=sql.partition(word)[2])
    raise UsageError(f"{word!r} is no command, and no SQL begins with it{instead}")


def _instead_of(word: str, behind: str) -> str:
    """Return what to write instead of a word that is no command."""
    near = difflib.get_close_matches(word.lower(), [*COMMANDS, *map(str.lower, FIRST_WORDS)], n=1, cutoff=0.75)
    if near:
        return f"; did you mean {f'%roe {near[0]}' if near[0] in COMMANDS else near[0].upper()}?"
    if first_word(behind) in FIRST_WORDS:
        return f". To assign the query to {word}, write: %roe -o {word} {first_word(behind)} ..."
    known = f". Commands: {', '.join(COMMANDS)}. `%roe help` explains them."
    return f"{known} {_INSTEAD[word.lower()]}" if word.lower() in _INSTEAD else known


def show_help(magic: MagicContext, words: list[str]) -> None:
    """List the commands, or explain one."""
    if words:
        _explain(magic, " ".join(words).lower())
        return
    usages = [f"%roe {name} {_ARGUMENTS.get(name, '')}" for name in COMMANDS]
    width = max(map(len, usages)) + 2
    print("To run SQL, write %%roe above it, or %roe SQL on one line. %%roe? lists the flags.")
    print("Commands:")
    for usage, command in zip(usages, COMMANDS.values(), strict=True):
        print(f"  {usage:<{width}}{summary(command)}")


def _explain(magic: MagicContext, name: str) -> None:
    command = COMMANDS.get(name)
    if command is None:
        raise UsageError(f"{name!r} is no command. Commands: {', '.join(COMMANDS)}. %%roe? lists the flags.")
    if command is upload:
        upload(magic, ["--help"])
    else:
        print(f"%roe {name} {_ARGUMENTS.get(name, '')}".rstrip(), summary(command), sep="\n  ")


def connect(magic: MagicContext, words: list[str]) -> None:
    """Choose the server; without an argument, show the one in use."""
    _no_unknown_flags(words, {"--memory"}, "connect")
    memory = "--memory" in words
    where = [word for word in words if word != "--memory"]
    if len(where) > 1:
        raise UsageError("%roe connect takes one of: local, a PROFILE, a URL.")
    user = _connect(magic, where[0], memory=memory) if where else magic.client().current_user()
    client = magic.client()
    settings = client.settings
    organization = settings.organization_id or "the key's default"
    name = clean(user.display_name)
    print(f"Connected to {settings.host} ({settings.source}) as {name}, organisation {organization}")


def _connect(magic: MagicContext, where: str, *, memory: bool) -> models.User:
    """Use a server from now on, and return its user; where it does not answer, the one before stays."""
    session = magic.session
    before = session.connection, session.local
    try:
        session.local = _local_service(memory=memory) if where.lower() == "local" else None
        session.connection = session.local.source if session.local else _connection(magic, where)
        config.resolve(session.connection)
        return magic.client().current_user()
    except BaseException:
        session.connection, session.local = before
        raise


def uses_connection(command: Command, words: list[str]) -> bool:
    """Whether a command sends something to the server that was chosen before."""
    return command is not show_help and not (command is connect and words)


def whoami(magic: MagicContext, words: list[str]) -> pd.Series[Any]:
    """Show the user whom the API key belongs to."""
    _no_more(words, "whoami")
    user = codec.to_wire(magic.client().current_user())
    return _series({**user, "server": magic.client().settings.base_url}, "whoami")


def status(magic: MagicContext, words: list[str]) -> pd.Series[Any]:
    """Show the status of a query as it is now."""
    return _series(codec.to_wire(magic.client().status(query_id(magic, words, "status"))), "status")


def result(magic: MagicContext, words: list[str]) -> WorksheetQuery:
    """Wait for a query that was submitted before, and fetch its rows."""
    return magic.attach(query_id(magic, words, "result"))


def tables(magic: MagicContext, words: list[str]) -> pd.DataFrame:
    """List the organisation's tables and their columns."""
    _no_more(words, "tables")
    found = magic.client().tables()
    rows = [(table.name, ", ".join(f"{c.name} {c.type}" for c in table.columns)) for table in found]
    return _frame(rows, ["table", "columns"])


def worksheets(magic: MagicContext, words: list[str]) -> pd.DataFrame:
    """List the worksheets, or the latest queries of one."""
    client = magic.client()
    if words:
        return _recent(client.worksheet_queries(worksheet_id(client, " ".join(words))))
    rows = [(str(item.id), item.name, item.created_at, item.updated_at) for item in client.worksheets()]
    return _frame(rows, ["id", "name", "created_at", "updated_at"])


def _recent(queries: list[models.WorksheetQueryResponse]) -> pd.DataFrame:
    """Return the newest queries, with the columns first that help to find one whose id is lost."""
    frame = WorksheetQuery.frame(map(WorksheetQuery, queries)).sort_values("created_at", ascending=False).head(_RECENT)
    frame["query"] = [clean(sql, limit=60) for sql in frame["query"]]
    frame["created_at"] = frame["created_at"].dt.floor("s")
    if len(queries) > _RECENT:
        print(f"The newest {_RECENT} of {len(queries)} queries.")
    return _frame(frame[["created_at", "status", "duration", "query", "id"]].reset_index(drop=True))


def worksheet_id(client: RoeClient, text: str) -> UUID:
    """Return the id of the worksheet with this name or id, or beginning of an id; UsageError unless there is one."""
    if _is_uuid(text):
        return UUID(text)
    known = client.worksheets()
    named = [item.id for item in known if item.name == text]
    found = named or beginning_with(text, (item.id for item in known))
    if len(found) == 1:
        return found[0]
    problem = "Several worksheets have" if found else "No worksheet has"
    names = ", ".join(sorted(repr(clean(item.name)) for item in known)) or "none"
    raise UsageError(
        f"{problem} the {'name' if named else 'name or id'} {text!r}. Worksheets: {names}. "
        "`%roe worksheets` lists their ids."
    )


def _local_service(*, memory: bool) -> LocalService:
    from roe_magic.local import local_service  # not needed to load the extension

    return local_service(memory=memory)


def _connection(magic: MagicContext, where: str) -> SettingsSource:
    if "://" in where:
        return _source_for(magic, where)
    return config.from_profile(where)


def _source_for(magic: MagicContext, url: str) -> SettingsSource:
    """Return the settings for an address: those of the key that belongs to it, or of one that is asked for."""
    wanted = SettingsSource(name="%roe connect", base_url=config.check_base_url(url))
    for source in (config.from_environment(), *config.keyed_profiles()):
        if source.api_key is not None and config.same_address(source.address, url):
            return source
    if not magic.attended:
        hint = "Set ROE_BASE_URL and ROE_API_KEY, or store a profile with `roe-magic login`."
        raise ConfigError(f"There is no API key for {url}.", hint=hint)
    key = config.ask_for_key(f"API key for {wanted.base_url}: ")
    return SettingsSource(name="the key you typed", base_url=wanted.base_url, api_key=key)


def _series(values: dict[str, Any], name: str) -> pd.Series[Any]:
    from roe_magic.magic.listing import record  # its tables are not needed to load the extension

    return record(values, name)


def _frame(rows: Any, columns: list[str] | None = None) -> pd.DataFrame:
    from roe_magic.magic.listing import listing

    return listing(rows, columns)


def _is_uuid(text: str) -> bool:
    try:
        UUID(text)
    except ValueError:
        return False
    return True


def _no_more(words: list[str], name: str) -> None:
    if words:
        raise UsageError(f"%roe {name} takes no arguments, but {' '.join(words)!r} was given.")


def _no_unknown_flags(words: list[str], known: set[str], name: str) -> None:
    if unknown := [word for word in words if word.startswith("-") and word not in known]:
        raise UsageError(f"%roe {name} has no flag {unknown[0]}; it takes {_ARGUMENTS.get(name, 'nothing')}.")


def summary(command: Command) -> str:
    """Return the one line of help on a command."""
    return (command.__doc__ or "").partition("\n")[0]


COMMANDS: dict[str, Command] = {
    "connect": connect,
    "whoami": whoami,
    "status": status,
    "result": result,
    "tables": tables,
    "upload": upload,
    "worksheets": worksheets,
    "help": show_help,
}
# Commands after which the server's names are asked for anew.
CHANGE_NAMES = (connect, tables, upload)
_RECENT = 20
_HELP_FLAGS = frozenset({"?", "??", "-h", "--help"})
# What to do where somebody looks for a command that there is not.
_INSTEAD = {
    **dict.fromkeys(("cancel", "stop", "abort"), "To cancel a query, press Cancel in its panel."),
    **dict.fromkeys(("history", "queries"), "`%roe worksheets NAME` lists the latest queries of a worksheet."),
}
_ARGUMENTS = {
    "connect": "[local [--memory] | PROFILE | URL]",
    "status": "[ID]",
    "result": "[ID]",
    "upload": "TABLE SOURCE [FLAGS|--help]",
    "worksheets": "[ID|NAME]",
    "help": "[COMMAND]",
}
