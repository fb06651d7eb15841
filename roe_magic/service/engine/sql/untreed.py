"""Statements that ClickHouse cannot show as a tree: DESCRIBE, EXISTS, some kinds of SHOW.

What is permitted of them is a few keywords and at most one name, so it is described by patterns of tokens. A DESCRIBE
is judged as the SELECT from what it describes.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import pairwise

from roe_magic.service.engine.sql.kinds import WRITE_REFUSED
from roe_magic.service.engine.sql.refusal import require
from roe_magic.service.engine.sql.scope import JudgementScope
from roe_magic.service.engine.sql.statements import SqlStatement, StatementToken
from roe_magic.service.engine.sql.tables import check_database, check_table

_TABLE_PATTERN = r"(?P<first>name)(?: \. (?P<second>name))?"
_TABLE_PATTERNS = [
    re.compile(rf"EXISTS(?: TEMPORARY)?(?: TABLE| VIEW| DICTIONARY)? {_TABLE_PATTERN}"),
    re.compile(rf"SHOW CREATE(?: TEMPORARY)?(?: TABLE| VIEW| DICTIONARY)? {_TABLE_PATTERN}"),
    re.compile(rf"SHOW(?: TEMPORARY)?(?: TABLE| VIEW| DICTIONARY) {_TABLE_PATTERN}"),
]
_UNDROP_PATTERN = re.compile(rf"UNDROP TABLE {_TABLE_PATTERN}")
_DATABASE_PATTERN = re.compile(r"EXISTS DATABASE (?P<first>name)")
_PLAIN_PATTERNS = [
    re.compile(r"SHOW (?:FUNCTIONS|ENGINES)(?: I?LIKE string)?"),
    re.compile(r"SHOW SETTING name"),
]
_KEYWORDS = frozenset(
    {
        *("EXISTS", "SHOW", "CREATE", "UNDROP", "TEMPORARY", "TABLE", "VIEW", "DICTIONARY", "DATABASE"),
        *("FUNCTIONS", "ENGINES", "SETTING", "LIKE", "ILIKE"),
    }
)
# Not names of tables after SHOW CREATE, unless they are in quotes.
_ACCESS_WORDS = frozenset({"USER", "USERS", "ROLES", "QUOTA", "QUOTAS", "PROFILES", "POLICIES"})
_NO_USERS = "there are no database users here; keys and their rights are given by the service"
_OWN = "it would show what is not yours; %roe worksheets lists queries of your own, SHOW TABLES your tables"
_REASONS = {
    "GRANT": _NO_USERS,
    "REVOKE": _NO_USERS,
    "CREATE": _NO_USERS,
    "ALTER": _NO_USERS,
    "DROP": _NO_USERS,
    "SHOW": _OWN,
    "EXISTS": _OWN,
    "EXECUTE": _NO_USERS,
    "INSERT": "input() reads rows that are sent beside the statement; select from format(...), or insert with FORMAT",
    "EXPLAIN": "write INSERT ... SELECT in place of an INSERT with rows",
}


def described(statement: SqlStatement) -> str | None:
    """Return what a DESCRIBE describes, a SELECT or as the SELECT from it, None for any other statement."""
    tokens = statement.tokens
    if not tokens or tokens[0].word not in {"DESCRIBE", "DESC"}:
        return None
    # DESCRIBE TABLE t; but in DESCRIBE table the word is a name.
    start = 2 if len(tokens) > 2 and tokens[1].word == "TABLE" and tokens[2].kind != "Dot" else 1
    if start >= len(tokens):
        return None
    if start + 1 < len(tokens) and tokens[start].word in {"SELECT", "WITH"}:
        return statement.sql.encode()[tokens[start].begin :].decode()
    return f"SELECT * FROM {statement.sql.encode()[tokens[start].begin :].decode()}"  # noqa: S608  # only parsed


def check(statement: SqlStatement, scope: JudgementScope, *, use_admin: bool) -> str:
    """Return what a statement without a tree does, ``read`` or ``write``; raise StatementRefused if it may not run."""
    token_classes = " ".join(_token_class(token, index) for index, token in enumerate(statement.tokens))
    names = [_unquoted(token) for index, token in enumerate(statement.tokens) if _token_class(token, index) == "name"]
    *show_create, last = [token.word for token in statement.tokens]
    is_about_access = show_create == ["SHOW", "CREATE"] and last in _ACCESS_WORDS
    require(not is_about_access, f"SHOW CREATE {last} is not offered here: {_NO_USERS}")
    if _DATABASE_PATTERN.fullmatch(token_classes):
        check_database(names[0], scope)
    elif _UNDROP_PATTERN.fullmatch(token_classes):
        require(use_admin, WRITE_REFUSED)
        check_table(names, scope)
        return "write"
    elif any(pattern.fullmatch(token_classes) for pattern in _TABLE_PATTERNS):
        check_table(names, scope)
    else:
        is_permitted = any(pattern.fullmatch(token_classes) for pattern in _PLAIN_PATTERNS)
        require(is_permitted, _refusal(statement.tokens))
    return "read"


def _refusal(tokens: Sequence[StatementToken]) -> str:
    if ("PARALLEL", "WITH") in pairwise(token.word for token in tokens):
        return "PARALLEL WITH is not offered here: separate the statements with semicolons"
    words = " ".join(token.word for token in tokens[:2] if token.word)
    reason = _REASONS.get(tokens[0].word, "it is for the administrator of a ClickHouse server")
    return f"{words or 'this statement'} is not offered here: {reason}"


def _token_class(token: StatementToken, index: int) -> str:
    # Keywords are among the first four tokens; after them even a word like TABLE is a name.
    if token.word in _KEYWORDS and index < 4:
        return token.word
    classes = {"BareWord": "name", "QuotedIdentifier": "name", "StringLiteral": "string", "Dot": "."}
    return classes.get(token.kind, "other")


def _unquoted(token: StatementToken) -> str:
    return token.text[1:-1] if token.kind == "QuotedIdentifier" else token.text
