"""What the word SOURCE of ``%roe upload`` means: a variable, a file, or a Python expression."""

from __future__ import annotations

import ast
import builtins
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from roe_magic.errors import UsageError
from roe_magic.uploads.sources import did_you_mean, is_file_name, refuse_url


def find_source(variables: dict[str, Any], text: str) -> Any:
    """Return what is to be uploaded: the value of a variable, the path of a file, or the value of an expression.

    A file that exists comes before an expression. Only the user's own line is evaluated, never a value.

    Raises
    ------
    UsageError
        It is none of them; the message has the nearest name.
    """
    if text in variables:
        return variables[text]
    refuse_url(text)
    if is_file_name(text) or Path(text).expanduser().exists():
        return Path(text)
    tree = _expression(text)
    if tree is None or isinstance(tree.body, (ast.Name, ast.Constant)):
        hint = "Name a variable with a DataFrame, a file, or an expression in quotes."
        raise UsageError(f"{text!r} is neither a DataFrame nor a file{_nearest(variables, text)}", hint=hint)
    return _evaluated(tree, variables, text)


def _expression(text: str) -> ast.Expression | None:
    try:
        return ast.parse(text, mode="eval")
    except (SyntaxError, ValueError):
        return None


def _evaluated(tree: ast.Expression, variables: dict[str, Any], text: str) -> Any:
    assigned = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)}
    arguments = {node.arg for node in ast.walk(tree) if isinstance(node, ast.arg)}
    for node in ast.walk(tree):
        known = {*assigned, *arguments, *variables, *vars(builtins)}
        if isinstance(node, ast.Name) and node.id not in known:
            raise UsageError(f"{text!r} cannot be evaluated: there is no {node.id!r}{_nearest(variables, node.id)}")
    try:
        return eval(compile(tree, "<%roe upload>", "eval"), variables)  # noqa: S307  # the user's own line
    except Exception as error:
        raise UsageError(f"{text!r} cannot be evaluated: {type(error).__name__}: {error}") from error


def _nearest(variables: Mapping[str, Any], name: str) -> str:
    """Return the end of a sentence, with the nearest name of a variable or of a file in the present folder."""
    names = [each for each, value in variables.items() if each[:1] != "_" and is_frame_type(type(value))]
    return did_you_mean(name, [*names, *(path.name for path in Path.cwd().iterdir() if is_file_name(path.name))])


def is_frame_type(kind: type) -> bool:
    """Whether values of a type can be uploaded; no attribute of a value is looked at, for that may run anything."""
    return any(hasattr(kind, name) for name in ("__arrow_c_stream__", "to_csv", "write_csv", "collect_schema"))
