"""The words that a statement of ClickHouse can begin with; a test compares them with what the engine expects."""

from __future__ import annotations

import re

_WORD_LIST = (
    "ALTER, ATTACH, BACKUP, BEGIN, CHECK, COMMIT, COPY, CREATE, DELETE, DESC, DESCRIBE, DETACH, DROP, EXCHANGE, "
    "EXECUTE, EXISTS, EXPLAIN, FROM, GRANT, HYPOTHETICAL, INSERT, KILL, MOVE, OPTIMIZE, RENAME, REPLACE, RESTORE, "
    "REVOKE, ROLLBACK, SELECT, SET, SHOW, SNAPSHOT, START, SYSTEM, TRUNCATE, UNDROP, UPDATE, USE, WITH"
)
FIRST_WORDS = frozenset(_WORD_LIST.split(", "))
_FIRST_WORD = re.compile(r"\s*([^\W\d]\w*)")


def foreign_first_word(sql: str) -> str | None:
    """Return the first word of a text that no statement begins with; None where the text may be SQL.

    A text that begins with a bracket, a quote, a comment or a number is left to the server.
    """
    match = _FIRST_WORD.match(sql)
    return match[1] if match and match[1].upper() not in FIRST_WORDS else None
