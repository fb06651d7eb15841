"""What the Tab key offers on `%roe` lines and in `%%roe` cells; it never asks the server."""

from __future__ import annotations

import contextlib
import re
import shlex
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, Protocol

from IPython.core.completer import CompletionContext, SimpleCompletion, context_matcher

from roe_magic.config import profiles
from roe_magic.errors import ConfigError
from roe_magic.formatting import clean
from roe_magic.magic import arguments, commands
from roe_magic.magic.catalogue import Catalogue, Found, Offer, in_sql, starting
from roe_magic.query.worksheet_query import WorksheetQuery

IDENTIFIER = "roe_magic.magic.completion"
_LINE = re.compile(r"\s*(?:[^=%#'\"]*=\s*)?%roe\s+")
_CELL = re.compile(r"%%roe\s+")
_ASSIGNED = re.compile(r"(--?[A-Za-z][\w-]*)=(\S*)\Z")


class Magic(Protocol):
    """What completion uses of the magic."""

    catalogue: Catalogue

    @property
    def parser(self) -> Any:
        """The parser of the flags."""
        ...

    @property
    def variables(self) -> dict[str, Any]:
        """The user's variables."""
        ...


def register(shell: Any) -> None:
    """Let a shell's Tab key ask here before it asks anyone else."""
    magic = shell.magics_manager.registry["RoeMagic"]

    def roe_matcher(context: CompletionContext) -> dict[str, Any]:
        return _result(find(magic, context.full_text, context.cursor_line, context.cursor_position), context.limit)

    shell.Completer.custom_matchers.append(context_matcher(identifier=IDENTIFIER, priority=100)(roe_matcher))


def unregister(shell: Any) -> None:
    """Take that away again."""
    matchers = shell.Completer.custom_matchers
    matchers[:] = [matcher for matcher in matchers if getattr(matcher, "matcher_identifier", None) != IDENTIFIER]


def _result(found: Found | None, limit: int | None) -> dict[str, Any]:
    if found is None:
        return {"completions": []}
    # IPython silences the other matchers only for one that offers something: what is typed already, if need be.
    offers = found.offers[:limit] or [Offer(found.typed, "text")]
    listed = [SimpleCompletion(text, type=clean(kind, limit=60)) for text, kind in offers]
    return {"completions": listed, "matched_fragment": found.typed, "suppress": True, "ordered": True}


def find(magic: Magic, text: str, row: int, column: int) -> Found | None:
    """Find what may stand at the cursor; None where the magic has no say.

    Parameters
    ----------
    magic : Magic
    text : str
        The whole cell.
    row, column : int
        Where the cursor is, from 0.
    """
    lines = text.split("\n")
    before, first = lines[row][:column], _header_row(lines)
    if first is not None and row > first:
        above = "\n".join([*lines[first + 1 : row], before])
        return in_sql(magic.catalogue, above, "\n".join(lines[first + 1 :]))
    match = (_LINE if first is None else _CELL).match(before)
    if match is None:
        return None
    words = before[match.end() :]
    return _on_line(magic, words, lines[row][match.end() :]) if first is None else _in_header(magic, words)


def _header_row(lines: list[str]) -> int | None:
    """Find the ``%%roe`` line of a cell, perhaps behind other cell magics (``%%time``)."""
    for number, line in enumerate(lines):
        if _CELL.match(line + " "):
            return number
        if line.strip() and not line.startswith("%%"):
            return None
    return None


def _on_line(magic: Magic, before: str, whole: str) -> Found:
    """Complete ``%roe``'s line: a command and its words, or flags and the SQL behind them."""
    done, typed = _parted(before)
    words = done.split()
    if words and words[0].lower() in commands.COMMANDS:
        return Found(typed, list(starting(typed, _words_of(magic, words[0].lower(), words[1:], typed))))
    _, sql = arguments.split_line(magic.parser, done)
    if not sql and (typed.startswith("-") or _waiting(magic, done)):
        return _in_header(magic, before)
    found = in_sql(magic.catalogue, sql + typed, whole)
    if words or found.typed != typed:
        return found
    first = [*starting(typed, _commands()), *starting(typed, _flags(magic))]
    return Found(typed, [*first, *found.offers] if typed else first)


def _in_header(magic: Magic, before: str) -> Found:
    """Complete flags and what they are set to."""
    if match := _ASSIGNED.search(before):
        return Found(match[2], list(starting(match[2], _values(magic, match[1]))))
    done, typed = _parted(before)
    offers = _values(magic, done.split()[-1]) if _waiting(magic, done) else _flags(magic)
    return Found(typed, list(starting(typed, offers)))


def _parted(before: str) -> tuple[str, str]:
    """Part what stands before the cursor from the word that it ends in."""
    typed = re.split(r"\s", before)[-1]
    return before.removesuffix(typed), typed


def _options(magic: Magic) -> dict[str, Any]:
    return {name: action for action in magic.parser._actions for name in action.option_strings}  # noqa: SLF001  # argparse has no public list


def _flags(magic: Magic) -> list[Offer]:
    """List the flags, those that say what they are first."""
    flags = [Offer(name, action.help) for name, action in _options(magic).items()]
    return sorted(flags, key=lambda offer: not offer.text.startswith("--"))


def _waiting(magic: Magic, done: str) -> bool:
    """Whether the last word is a flag that still waits for its value."""
    action = _options(magic).get((done.split() or [""])[-1])
    return action is not None and action.nargs != 0


def _values(magic: Magic, flag: str) -> Iterable[Offer]:
    if flag in {"-s", "--section"}:
        return _profiles()
    return _worksheets(magic) if flag == "--worksheet" else []


def _commands() -> Iterator[Offer]:
    return (Offer(name, (command.__doc__ or "").partition("\n")[0]) for name, command in commands.COMMANDS.items())


def _words_of(magic: Magic, command: str, words: list[str], typed: str) -> Iterable[Offer]:
    """List what may follow a command and the words behind it."""
    if command == "connect":
        return [Offer("local", "a service on this machine"), *_profiles(), Offer("--memory", "keep nothing on disk")]
    if command == "worksheets":
        return _worksheets(magic)
    if command in {"status", "result"}:
        return _variables(magic, lambda value: isinstance(value, WorksheetQuery))
    return _words_of_upload(magic, words, typed) if command == "upload" else []


def _words_of_upload(magic: Magic, words: list[str], typed: str) -> Iterable[Offer]:
    named = sum(not word.startswith("-") for word in words)
    if named == 0:
        return [Offer(name, "table") for name in magic.catalogue.tables]
    if named == 1:
        # As the upload itself looks at them; at the type, for an object may do anything when it is asked.
        frames = _variables(magic, lambda value: hasattr(type(value), "to_csv") or hasattr(type(value), "write_csv"))
        return [*frames, *_files(typed)]
    return [Offer("--replace", "put it in the place of a table of that name"), Offer("--if-missing", "keep that table")]


def _files(typed: str) -> Iterator[Offer]:
    """List what is in the folder that the typed path leads to, hidden files only where they are asked for."""
    folder = typed[: typed.rfind("/") + 1].lstrip("'")
    with contextlib.suppress(OSError, RuntimeError):
        for path in sorted(Path(folder or ".").expanduser().iterdir()):
            if path.name[0] != "." or typed[len(folder) :].startswith("."):
                name = path.name + ("/" if path.is_dir() else "")
                yield Offer(shlex.quote(folder + name) if " " in name else folder + name, "path")


def _profiles() -> list[Offer]:
    # A file that cannot be read is told of by the command.
    with contextlib.suppress(ConfigError, OSError):
        return [Offer(shlex.quote(name), "profile") for name in profiles.read_profiles()]
    return []


def _worksheets(magic: Magic) -> list[Offer]:
    return [Offer(shlex.quote(name), "worksheet") for name in magic.catalogue.worksheets if name.isprintable()]


def _variables(magic: Magic, wanted: Callable[[Any], bool]) -> list[Offer]:
    """List the user's variables of a kind; IPython's own, such as ``_12``, are left out."""
    mine = ((name, value) for name, value in list(magic.variables.items()) if name == "_roe" or name[0] != "_")
    return [Offer(name, type(value).__name__) for name, value in mine if wanted(value)]
