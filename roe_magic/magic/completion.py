"""What the Tab key offers on ``%roe`` lines and in ``%%roe`` cells.

IPython calls ``roe_matcher`` at each Tab with the cell's text and the cursor. ``complete`` finds out what the cursor is
in: the SQL, the flags of a header, or the arguments of a command. All that it offers is in memory or on the local disk:
it never sends a request.
"""

from __future__ import annotations

import contextlib
import itertools
import re
import shlex
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from IPython.core.completer import CompletionContext, SimpleCompletion, context_matcher

from roe_magic.config import profiles
from roe_magic.errors import ConfigError
from roe_magic.formatting import clean
from roe_magic.magic import arguments, commands, upload_command
from roe_magic.magic.catalogue import CompletionItem, Completions, is_offered
from roe_magic.magic.upload_source import is_frame_type
from roe_magic.query.worksheet_query import WorksheetQuery

if TYPE_CHECKING:
    from roe_magic.magic.context import MagicContext

IDENTIFIER = "roe_magic.magic.completion"
_LINE_MAGIC = re.compile(r"\s*(?:[^=%#'\"]*=\s*)?%roe\s+")
_CELL_MAGIC = re.compile(r"%%roe\s+")
_LONGEST_KIND = 20
_FLAG_WITH_VALUE = re.compile(r"(--?[A-Za-z][\w-]*)=(\S*)\Z")


def register(shell: Any) -> None:
    """Add the matcher to a shell, with a higher priority than IPython's own ones."""
    magic = shell.magics_manager.registry["RoeMagic"]

    def roe_matcher(context: CompletionContext) -> dict[str, Any]:
        completions = complete(magic, context.full_text, context.cursor_line, context.cursor_position)
        return _matcher_result(completions, context.limit)

    shell.Completer.custom_matchers.append(context_matcher(identifier=IDENTIFIER, priority=100)(roe_matcher))


def unregister(shell: Any) -> None:
    """Remove the matcher from a shell."""
    matchers = shell.Completer.custom_matchers
    matchers[:] = [matcher for matcher in matchers if getattr(matcher, "matcher_identifier", None) != IDENTIFIER]


def _matcher_result(completions: Completions | None, limit: int | None) -> dict[str, Any]:
    """Return the completions in the form that IPython expects of a matcher."""
    if completions is None:
        return {"completions": []}
    # IPython suppresses the other matchers only for one with a result, so without one the typed text is the result.
    items = completions.items[:limit] or [CompletionItem(completions.typed, "text")]
    listed = [SimpleCompletion(item.text, type=_type(item.kind)) for item in items]
    return {"completions": listed, "matched_fragment": completions.typed, "suppress": True, "ordered": True}


def _type(kind: str) -> str:
    """Return what JupyterLab prints beside an item, where only one line of a few characters has room."""
    return clean(kind, limit=_LONGEST_KIND).replace(" ", "\N{NO-BREAK SPACE}")


def complete(magic: MagicContext, text: str, row: int, column: int) -> Completions | None:
    """Return what fits at the cursor of a cell, or None where the cursor is in Python or another magic.

    Parameters
    ----------
    magic : MagicContext
    text : str
        The whole cell.
    row, column : int
        The position of the cursor, counted from 0.
    """
    lines = text.split("\n")
    line, header = lines[row], _header_rows(lines)
    if header and row >= header.stop:
        before = "\n".join([*lines[header.stop : row], line[:column]])
        return _complete_sql(magic, "\n".join(lines[header.stop :]), len(before))
    if header and row > header.start:
        return _complete_flags(magic, line[:column])
    match = (_CELL_MAGIC if header else _LINE_MAGIC).match(line[:column])
    if match is None:
        return None
    before = line[match.end() : column]
    return _complete_flags(magic, before) if header else _complete_line(magic, before, line[column:])


def _header_rows(lines: list[str]) -> range:
    """Return the rows of a cell's ``%%roe`` line and of those that continue it, none where the cell has no such line.

    Other cell magics (``%%time``) may stand above it.
    """
    for row, line in enumerate(lines):
        if _CELL_MAGIC.match(line + " "):
            continued = itertools.takewhile(lambda each: each.rstrip().endswith("\\"), lines[row:])
            return range(row, row + 1 + sum(1 for _ in continued))
        if line.strip() and not line.startswith("%%"):
            break
    return range(0)


def _complete_line(magic: MagicContext, before: str, after: str) -> Completions:
    """Complete what follows ``%roe``: a command and its arguments, or flags and SQL."""
    done, typed = _split_last_word(before)
    words = done.split()
    if words and words[0].lower() in commands.COMMANDS:
        return _matching(_arguments(magic, words[0].lower(), words[1:], typed), typed)
    _, sql = arguments.split_line(magic.parser, done)
    if not sql and (typed.startswith("-") or _expects_value(magic, done)):
        return _complete_flags(magic, before)
    completions = _complete_sql(magic, sql + typed + after, len(sql + typed))
    if words or completions.typed != typed:
        return completions
    first = _matching([*_commands(), *_flags(magic)], typed)
    # With nothing typed, commands and flags alone: all names of the server would bury them.
    return Completions(typed, [*first.items, *completions.items]) if typed else first


def _complete_sql(magic: MagicContext, sql: str, cursor: int) -> Completions:
    # Imported at the first Tab in SQL: the tokenizer's regular expressions would make %load_ext slower.
    from roe_magic.magic.sql_completion import complete_sql

    return complete_sql(magic.catalogue, sql, cursor)


def _complete_flags(magic: MagicContext, before: str) -> Completions:
    """Complete flags and their values."""
    if match := _FLAG_WITH_VALUE.search(before):
        return _matching(_values(magic, match[1]), match[2])
    done, typed = _split_last_word(before)
    return _matching(_values(magic, done.split()[-1]) if _expects_value(magic, done) else _flags(magic), typed)


def _matching(items: Iterable[CompletionItem], typed: str) -> Completions:
    """Return the items whose text begins like the typed one; case, and quotes at the beginning, make no difference."""
    prefix = typed.lower().lstrip("'\"")
    return Completions(typed, [item for item in items if item.text.lower().lstrip("'").startswith(prefix)])


def _split_last_word(before: str) -> tuple[str, str]:
    """Split a text into what is done and the word at its end, which may be empty."""
    typed = re.split(r"\s", before)[-1]
    return before.removesuffix(typed), typed


def _flags(magic: MagicContext) -> list[CompletionItem]:
    """Return the flags, the long ones first: their names explain themselves."""
    flags = [CompletionItem(name, "flag") for name in arguments.options(magic.parser)]
    return sorted(flags, key=lambda flag: not flag.text.startswith("--"))


def _expects_value(magic: MagicContext, done: str) -> bool:
    """Whether the last word is a flag whose value comes next."""
    action = arguments.options(magic.parser).get((done.split() or [""])[-1])
    return action is not None and action.nargs != 0


def _values(magic: MagicContext, flag: str) -> list[CompletionItem]:
    if flag in {"-s", "--section"}:
        return _profiles()
    return _worksheets(magic) if flag == "--worksheet" else []


def _commands() -> list[CompletionItem]:
    return [CompletionItem(name, "command") for name in commands.COMMANDS]


def _arguments(magic: MagicContext, command: str, words: list[str], typed: str) -> Iterable[CompletionItem]:
    """Return what may follow a command and the words behind it."""
    if command == "connect":
        return [CompletionItem("local", "service"), *_profiles(), CompletionItem("--memory", "flag")]
    if command == "worksheets":
        return _worksheets(magic)
    if command == "help":
        return _commands()
    if command in {"status", "result"}:
        return _variables(magic, lambda value: isinstance(value, WorksheetQuery))
    return _upload_arguments(magic, words, typed) if command == "upload" else []


def _upload_arguments(magic: MagicContext, words: list[str], typed: str) -> Iterable[CompletionItem]:
    """Return tables for the first argument of ``%roe upload``, DataFrames and files for the second, then its flags."""
    position = sum(not word.startswith("-") for word in words)
    if position == 0:
        return [CompletionItem(name, "table") for name in filter(is_offered, magic.catalogue.tables)]
    if position == 1:
        frames = _variables(magic, lambda value: is_frame_type(type(value)))
        return [*frames, *_files(typed)]
    return [CompletionItem(flag, "flag") for flag in upload_command.FLAGS]


def _files(typed: str) -> Iterator[CompletionItem]:
    """Yield the files and folders in the folder of the typed path; hidden ones only after a typed dot."""
    folder = typed[: typed.rfind("/") + 1].lstrip("'")
    with contextlib.suppress(OSError, RuntimeError):
        for path in sorted(Path(folder or ".").expanduser().iterdir()):
            if path.name[0] != "." or typed[len(folder) :].startswith("."):
                name = path.name + ("/" if path.is_dir() else "")
                yield CompletionItem(shlex.quote(folder + name) if " " in name else folder + name, "path")


def _profiles() -> list[CompletionItem]:
    # The command itself reports a file that cannot be read.
    with contextlib.suppress(ConfigError, OSError):
        return [CompletionItem(shlex.quote(name), "profile") for name in profiles.read_profiles()]
    return []


def _worksheets(magic: MagicContext) -> list[CompletionItem]:
    names = filter(is_offered, magic.catalogue.worksheets)
    return [CompletionItem(shlex.quote(name), "worksheet") for name in names]


def _variables(magic: MagicContext, is_wanted: Callable[[Any], bool]) -> list[CompletionItem]:
    """Return the user's variables whose values are wanted; those of IPython itself, such as ``_12``, are left out."""
    # A copy, for a thread of the user's may assign a variable meanwhile.
    variables = [(name, value) for name, value in list(magic.variables.items()) if name == "_roe" or name[0] != "_"]
    return [CompletionItem(name, type(value).__name__) for name, value in variables if is_wanted(value)]
