"""``%roe upload``: the words of the line, the source that they name, and what is shown of the upload."""

from __future__ import annotations

import dataclasses
import difflib
import functools
import re
import shlex
from argparse import Namespace, RawDescriptionHelpFormatter
from collections.abc import Callable
from typing import TYPE_CHECKING

from IPython.core.error import UsageError
from IPython.core.magic_arguments import MagicArgumentParser

from roe_magic.imports import load
from roe_magic.magic.context import MagicContext

if TYPE_CHECKING:
    from roe_magic.magic.upload_display import UploadDisplay
    from roe_magic.uploads.prepared_upload import UploadOptions

_TYPES = re.compile(r"(?:^|(?<=\s))--types(?:\s+|=)")
# Text in quotation marks, or (as a group) a quotation mark in a bracket that stands outside of any.
_QUOTED = re.compile(r"""'[^']*'|"(?:[^"\\]|\\.)*"|([^\s'"]+[\[({]\s*['"])""")
_BLANKS_HINT = """Put a path or an expression with blanks in quotation marks: "my file.csv", "df[['a', 'b']]"."""
_USAGE = "%(prog)s TABLE SOURCE [--replace | --if-missing] [--types COL=TYPE,...] [--no-header] [--dry-run] [--yes]"
_DESCRIPTION = """\
Create a table from a DataFrame or a file.

  %roe upload prices df
  %roe upload prices "my file.csv" --replace
  %roe upload prices "df[['day', 'price']]" --types price=Decimal(10, 2)

SOURCE is a variable with a DataFrame, the path of a file (CSV, Parquet, Arrow, JSON lines; also packed), or a Python
expression. What has blanks stands in quotation marks, and so does an expression."""
FLAGS = {
    "--replace": "Replace a table of that name; it stands until the new one does.",
    "--if-missing": "Do nothing where there is a table of that name.",
    "--no-header": "The first line of the CSV file has values, not the columns' names.",
    "--types": "The ClickHouse types of some columns, such as price=Decimal(10, 2),day=Date",
    "--dry-run": "Show the types that the columns would have, and why; create nothing.",
    "--yes": "Do not ask before a table is deleted (on servers that cannot swap tables).",
}


def upload(magic: MagicContext, words: list[str]) -> None:
    """Create a table from a DataFrame or a file."""
    arguments = _parse(words)
    if arguments.help:
        return print(_parser().format_help().rstrip())
    client = magic.client()
    if arguments.if_missing and client.has_table(arguments.table):
        return print(f"The table {arguments.table} exists already; nothing was uploaded.")
    prepared = load("roe_magic.uploads.upload").prepared  # with pyarrow, which is not needed to load the extension
    from roe_magic.magic.upload_display import UploadDisplay
    from roe_magic.magic.upload_source import find_source

    data = find_source(magic.variables, arguments.source)
    with prepared(client, arguments.table, data, _options(arguments)) as ready:
        for loss in ready.losses:
            print(f"Note: {loss}")
        with UploadDisplay(arguments.table, magic.panel) as display:
            result = ready.send(display.progress, _confirm(magic, display, yes=arguments.yes))
            # The losses were told before anything was sent.
            told = [notice for notice in result.notices if notice not in ready.losses]
            display.finish(dataclasses.replace(result, notices=told))
    return None


def _options(arguments: Namespace) -> UploadOptions:
    from roe_magic.uploads.prepared_upload import UploadOptions
    from roe_magic.uploads.type_list import parse_type_list

    return UploadOptions(
        types=parse_type_list(arguments.types) if arguments.types is not None else {},
        replace=arguments.replace,
        dry_run=arguments.dry_run,
        with_headers=not arguments.no_header,
    )


def _confirm(magic: MagicContext, display: UploadDisplay, *, yes: bool) -> Callable[[str], bool] | None:
    """Return what answers the question whether a table may be deleted; None where nobody can."""
    if yes:
        return lambda _question: True
    if not magic.attended:
        return None

    def ask(question: str) -> bool:
        display.pause()
        return magic.confirms(f"{question} [y/N] ")

    return ask


def split_words(text: str) -> list[str]:
    """Split the words behind ``upload`` as a shell does; the value of --types may have blanks in brackets."""
    match = _TYPES.search(text)
    if match is None:
        return _shell_words(text)
    from roe_magic.uploads.type_list import end_of_type_list

    rest = text[match.end() :]
    end = end_of_type_list(rest)
    value = rest[:end].strip()
    # A shell's way to write it: all of it in quotes.
    whole = re.fullmatch(r"""'[^']*=[^']*'|"[^"]*=[^"]*\"""", value)
    types = value[1:-1] if whole else value
    return [*_shell_words(text[: match.start()]), f"--types={types}", *split_words(rest[end:])]


def _shell_words(text: str) -> list[str]:
    """Split as a shell does; raise UsageError for an expression that would lose its quotation marks by that."""
    bare = next((match.start() for match in _QUOTED.finditer(text) if match[1]), None)
    if bare is None:
        return shlex.split(text)
    expression = re.split(r"\s+--|\s*$", text[bare:])[0]
    quote = "'" if '"' in expression else '"'
    raise UsageError(f"Put the expression in quotation marks: {quote}{expression}{quote}")


@functools.cache
def _parser() -> MagicArgumentParser:
    parser = MagicArgumentParser(  # type: ignore[no-untyped-call]  # IPython's
        prog="%roe upload",
        usage=_USAGE,
        description=_DESCRIPTION,
        formatter_class=RawDescriptionHelpFormatter,
        add_help=False,
    )
    parser.add_argument("table", metavar="TABLE", nargs="?", help="The name of the new table.")
    parser.add_argument("source", metavar="SOURCE", nargs="?", help="What is uploaded.")
    for flag, text in FLAGS.items():
        if flag == "--types":
            parser.add_argument(flag, help=text, metavar="COL=TYPE,...")
        else:
            parser.add_argument(flag, help=text, action="store_true")
    parser.add_argument("--help", "-h", action="store_true", help="Show this.")
    return parser


def _parse(words: list[str]) -> Namespace:
    dashed = [_dashed(word) for word in words]
    unknown = [
        word for word in dashed if word.startswith("-") and word.partition("=")[0] not in {*FLAGS, "--help", "-h"}
    ]
    if unknown:
        near = difflib.get_close_matches(unknown[0], FLAGS, n=1, cutoff=0.7)
        more = f"did you mean {near[0]}?" if near else f"its flags are {', '.join(FLAGS)}."
        raise UsageError(f"%roe upload has no flag {unknown[0]}; {more}")
    arguments, surplus = _parser().parse_known_args(dashed)
    if surplus:
        raise UsageError(f"unrecognized arguments: {' '.join(surplus)}. {_BLANKS_HINT}")
    if not arguments.help and (arguments.table is None or arguments.source is None):
        raise UsageError("Usage: %roe upload TABLE SOURCE [flags]; `%roe upload --help` explains them.")
    if arguments.replace and arguments.if_missing:
        raise UsageError("--replace and --if-missing exclude each other.")
    return arguments


def _dashed(word: str) -> str:
    name, equals, value = word.partition("=")
    return name.replace("_", "-") + equals + value if word.startswith("--") else word
