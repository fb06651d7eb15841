"""The first line of a ``%%roe`` cell: the flags, and the variables that the result is assigned to."""

from __future__ import annotations

import difflib
import functools
import keyword
import re
import shlex
from argparse import ArgumentTypeError, Namespace
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from IPython.core.error import UsageError
from IPython.core.magic_arguments import MagicArgumentParser

from roe_magic.errors import RoeError

_OPTION = re.compile(r"(--?[A-Za-z][\w-]*)(.*)", re.DOTALL)
# A short flag as the last thing on a line, with or without its value.
_SHORT_FLAG_AT_END = re.compile(r"\s(?P<flag>-[A-Za-z])(?P<value>\s+\w+)?[\s;]*\Z")
_TARGET = re.compile(r"(?P<name>[^\s=<]+)?\s*(?P<shown>=)?\s*(?P<arrow><<)?")


@dataclass(frozen=True)
class Target:
    """What the result is assigned to.

    Attributes
    ----------
    name : str or None
        The variable that gets the WorksheetQuery.
    df : str or None
        The variable that gets the rows as a DataFrame.
    shown : bool
        Whether the cell's value is shown all the same.
    """

    name: str | None
    df: str | None
    shown: bool


def split_line(parser: MagicArgumentParser, line: str) -> tuple[str, str]:
    """Return the leading flags of a ``%roe`` line, and the SQL behind them as it is."""
    rest, flags = line.lstrip(), ""
    while match := re.match(r"(--?[A-Za-z][\w-]*)(=\S*)?\s*", rest):
        takes_value = _takes_value(parser, match[1]) and match[2] is None
        value = re.match(r"(\"[^\"]*\"|'[^']*'|\S+)\s*", rest[match.end() :]) if takes_value else None
        end = match.end() + (value.end() if value else 0)
        flags, rest = flags + rest[:end] + " ", rest[end:]
    return flags, rest


def join_continued(line: str, cell: str) -> tuple[str, str]:
    """Return a cell's first line and the lines below it, with the lines that end in a backslash joined to one."""
    while line.rstrip().endswith("\\"):
        following, _, cell = cell.partition("\n")
        line = f"{line.rstrip()[:-1]} {following}"
    return line, cell


def refuse_target(sql: str) -> None:
    """Raise UsageError where the SQL of a line begins with a target, ``NAME <<``, which only a cell has."""
    if match := re.match(r"(?P<name>[^\W\d]\w*)\s*=?\s*<<", sql):
        raise UsageError(f"NAME << is for %%roe. On one line, write it as a flag: %roe -o {match['name']} SELECT ...")


def note_on_flags(parser: MagicArgumentParser, sql: str) -> str | None:
    """Return what to say of a flag that stands behind the SQL of a line, where it has no effect; None if none does."""
    flag, taken_for = _flag_in_comment(parser, sql), "is a comment"
    if flag is None:
        flag, taken_for = _short_flag_at_end(parser, sql), "is part of the SQL"
    if flag is None:
        return None
    return f"Note: {flag} behind the SQL {taken_for}. Write flags before the SQL: %roe {flag} ... SELECT ..."


def _short_flag_at_end(parser: MagicArgumentParser, sql: str) -> str | None:
    """Return the flag that ends a line; the server takes ``SELECT 1 -q`` for a subtraction."""
    match = _SHORT_FLAG_AT_END.search(sql)
    is_flag = match and match["flag"] in options(parser) and _takes_value(parser, match["flag"]) == bool(match["value"])
    return match["flag"] if match and is_flag else None


def _flag_in_comment(parser: MagicArgumentParser, sql: str) -> str | None:
    if "--" not in sql:
        return None
    from roe_magic.sql.lexer import tokenize  # not needed to load the extension

    comments = (sql[token.begin : token.end] for token in tokenize(sql) if token.kind == "Comment")
    flags = (match[1] for text in comments if (match := re.match(r"(--[A-Za-z][\w-]*)", text)))
    return next((flag for flag in flags if _dashed(flag) in options(parser)), None)


@functools.lru_cache(maxsize=32)
def parse(parser: MagicArgumentParser, line: str) -> Namespace:
    """Return the flags and the target of a cell's first line; the same line gives the same namespace again.

    Raises
    ------
    UsageError
        The line cannot be parsed; for an unknown flag the message names the nearest one.
    """
    try:
        words = [_dashed(word) for word in shlex.split(line)]
    except ValueError as error:
        raise UsageError(f"The first line of the cell cannot be read: {error}.") from None
    try:
        arguments = parser.parse_args(words)
    except UsageError as error:
        raise UsageError(f"{error}{_suggestion(parser, words)}") from None
    if arguments.df and arguments.no_result:
        raise UsageError("--df needs the rows, and --no-result leaves them out; use only one of the two.")
    arguments.target = _target(" ".join(arguments.target), arguments.out, arguments.df)
    return arguments


def _target(text: str, out: str | None, df: str | None) -> Target:
    match = _TARGET.fullmatch(text.strip())
    if match is None:
        raise UsageError(f"{text!r} is not a variable name. Write the SQL on the lines below %%roe.")
    if match["name"] and out and match["name"] != out:
        raise UsageError(f"The query cannot be assigned to both {match['name']} and {out}.")
    name = match["name"] or out
    if name and name == df:
        raise UsageError(f"{name} cannot be both the query and its rows; use two names.")
    for candidate in filter(None, (match["name"], out, df)):
        if not candidate.isidentifier() or keyword.iskeyword(candidate):
            raise UsageError(f"{candidate!r} is not a variable name. Write the SQL on the lines below %%roe.")
    return Target(name, df, shown=bool(match["shown"]) or not (name or df))


def _dashed(word: str) -> str:
    """Return ``--no_result`` as ``--no-result``; what it is set to stays as it is."""
    match = _OPTION.fullmatch(word)
    return match[1].replace("_", "-") + match[2] if match and word.startswith("--") else word


def options(parser: MagicArgumentParser) -> dict[str, Any]:
    """Return argparse's action of each flag."""
    return {name: action for action in parser._actions for name in action.option_strings}  # noqa: SLF001  # argparse has no public list


def checked(check: Callable[[Any], object], kind: type = str) -> Callable[[str], Any]:
    """Return a type for argparse: a text as a ``kind``, where ``check`` accepts it."""

    def convert(text: str) -> Any:
        try:
            value = kind(text)
            check(value)
        except RoeError as error:
            raise ArgumentTypeError(str(error).replace("\n", " ")) from None
        except ValueError:
            raise ArgumentTypeError(f"{text!r} is not a number") from None
        return value

    return convert


def _takes_value(parser: MagicArgumentParser, name: str) -> bool:
    action = options(parser).get(_dashed(name))
    return action is not None and action.nargs != 0


def _suggestion(parser: MagicArgumentParser, words: list[str]) -> str:
    known = list(options(parser))
    for word in words:
        name = word.partition("=")[0]
        if _OPTION.fullmatch(name) and name not in known:  # not the -5 of `--timeout -5`
            near = difflib.get_close_matches(name, known, n=1, cutoff=0.7)
            return f"; did you mean {near[0]}?" if near else "; %%roe? lists all flags"
    return ""
