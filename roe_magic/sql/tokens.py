"""SQL text: what can be told of it without an engine."""

from __future__ import annotations


def ends_in_semicolon(sql: str) -> bool:
    """Whether the last thing in the SQL, comments aside, is a semicolon.

    A text that cannot be read (an open quote, say) does not.
    """
    from sqlglot.dialects.clickhouse import ClickHouse
    from sqlglot.errors import TokenError
    from sqlglot.tokens import TokenType  # type: ignore[attr-defined]  # public, not declared so

    try:
        tokens = ClickHouse().tokenize(sql)
    except TokenError:
        return False
    return bool(tokens) and tokens[-1].token_type == TokenType.SEMICOLON
