"""Names and texts as they stand in SQL."""

from __future__ import annotations

import re

_KEYWORD_LIST = (
    "SELECT, DISTINCT, FROM, FINAL, SAMPLE, PREWHERE, WHERE, GROUP BY, HAVING, ORDER BY, LIMIT, OFFSET, WITH, TOTALS, "
    "QUALIFY, WINDOW, OVER, PARTITION BY, ROWS BETWEEN, SETTINGS, FORMAT, JOIN, INNER JOIN, LEFT JOIN, RIGHT JOIN, "
    "FULL JOIN, CROSS JOIN, ASOF JOIN, ANY, ARRAY JOIN, ON, USING, UNION ALL, UNION DISTINCT, INTERSECT, EXCEPT, AS, "
    "AND, OR, NOT, IN, GLOBAL IN, BETWEEN, LIKE, ILIKE, IS NULL, IS NOT NULL, NULL, TRUE, FALSE, CASE, WHEN, THEN, "
    "ELSE, END, CAST, INTERVAL, BY, ASC, DESC, NULLS FIRST, NULLS LAST, EXISTS, SHOW TABLES, DESCRIBE TABLE, EXPLAIN, "
    "INSERT INTO, VALUES, CREATE TABLE, IF NOT EXISTS, IF EXISTS, ENGINE, PRIMARY KEY, DROP TABLE, ALTER TABLE, "
    "ADD COLUMN, TRUNCATE TABLE, RENAME TABLE, UPDATE, DELETE FROM, SET, USE"
)
KEYWORDS = _KEYWORD_LIST.split(", ")
# As names these are put in backticks, which is always allowed.
_RESERVED = frozenset(word for keyword in KEYWORDS for word in keyword.split())
_BARE_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


def sql_name(name: str, *, quoted: bool = False) -> str:
    """Return a name as SQL, in backticks where they are needed or ``quoted`` asks for them."""
    if _BARE_NAME.fullmatch(name) and name.upper() not in _RESERVED and not quoted:
        return name
    return "`" + name.replace("\\", "\\\\").replace("`", "\\`") + "`"


def sql_text(text: str) -> str:
    """Return text as an SQL string."""
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"
