"""What ClickHouse itself finds in SQL: its tokens, its syntax tree, its class."""

from __future__ import annotations

import contextlib
import functools
import json
import re
from collections.abc import Iterable, Mapping
from typing import Any

from roe_magic.service.engine.chdb.connection_pool import Place
from roe_magic.service.engine.chdb.database import EmbeddedClickHouse, EngineError
from roe_magic.service.engine.sql.scope import EngineNames
from roe_magic.service.engine.sql.splitting import LONG_TEXT, split
from roe_magic.service.engine.sql.statements import RowTokens, Span, SqlStatement

# The lexer's and the parser's results are cached by SQL, since a cell is often run again; longer SQL is not cached.
_CACHE_ENTRIES = 256

# Both in one query, which takes little longer than one of them.
_TOKENS_AND_TREE = "SELECT tokenizeQuery({sql:String}), parseQueryToJSON({sql:String})"
_TREE = "SELECT parseQueryToJSON({sql:String})"
_ALL_TOKENS = "SELECT tokenizeQuery({sql:String})"
# materialize() keeps ClickHouse from treating the tokens as a constant, which takes ten times as long for many.
_SIGNIFICANT = (
    "WITH tokenizeQuery(materialize({sql:String})) AS all_tokens, "
    "arrayFilter(t -> t.type NOT IN ('Whitespace', 'Comment'), all_tokens) AS tokens "
)
# Of a list of literals, which may have a million, the first and the last are enough.
_FEWER_TOKENS = _SIGNIFICANT + (
    ", arrayMap(t -> t.type IN ('Number', 'StringLiteral', 'Comma'), tokens) AS flat "
    "SELECT arrayFilter((t, here, before, after) -> NOT (here AND before AND after), tokens, flat, "
    "arrayPushFront(arrayPopBack(flat), false), arrayPushBack(arrayPopFront(flat), false))"
)
_ROW_TOKENS = _SIGNIFICANT + (
    ", arrayFilter((t, after) -> t.type = 'BareWord', "
    "arrayZip(tokens, arrayPushBack(arrayPopFront(tokens.type), 'EndOfStream'))) AS words "
    "SELECT arrayDistinct(tokens.type), "
    "arrayDistinct(arrayMap(w -> (substring({sql:String}, w.1.begin + 1, w.1.end - w.1.begin), "
    "w.2 = 'OpeningRoundBracket'), words))"
)


class Parser:
    """ClickHouse's lexer and parser.

    Parameters
    ----------
    clickhouse : EmbeddedClickHouse
        Where they are called.
    """

    def __init__(self, clickhouse: EmbeddedClickHouse) -> None:
        self._clickhouse = clickhouse
        self._tokens_and_tree_cached = functools.lru_cache(_CACHE_ENTRIES)(self._tokens_and_tree)

    @functools.cached_property
    def names(self) -> EngineNames:
        """The names that this ClickHouse has."""
        return EngineNames(
            functions=self._names("SELECT lower(name) FROM system.functions"),
            table_functions=self._names("SELECT lower(name) FROM system.table_functions"),
            engines=self._names("SELECT name FROM system.table_engines"),
            settings=self._names("SELECT name FROM system.settings"),
            table_settings=self._names("SELECT name FROM system.merge_tree_settings"),
            types=self._names("SELECT lower(name) FROM system.data_type_families"),
        )

    def _names(self, sql: str) -> frozenset[str]:
        return frozenset(name for (name,) in self._clickhouse.rows(sql))

    def split(self, sql: str) -> list[SqlStatement]:
        """Return the statements of SQL."""
        return split(sql, self)

    def tokens(self, sql: str) -> list[Span]:
        """Return the tokens of SQL; of a long text, neither comments nor literals in the middle of a list."""
        if len(sql) > LONG_TEXT:
            return _spans(self._value(_FEWER_TOKENS, sql))
        return self._tokens_and_tree_cached(sql.rstrip(" \t\r\n;"))[0]

    def all_tokens(self, sql: str) -> list[Span]:
        """Return all tokens of SQL, however many."""
        return _spans(self._value(_ALL_TOKENS, sql))

    def row_tokens(self, rows: str) -> RowTokens:
        """Return what kinds of token and which words there are in the rows of an INSERT."""
        ((kinds, words),) = self._clickhouse.rows(_ROW_TOKENS, {"sql": rows})
        return RowTokens(frozenset(kinds), frozenset((word, bool(is_called)) for word, is_called in words))

    def tree(self, sql: str) -> dict[str, Any] | None:
        """Return the syntax tree of one statement; None for the kinds that ClickHouse cannot show as JSON.

        Raises
        ------
        EngineError
            The statement has a syntax error.
        """
        try:
            text = self._tokens_and_tree_cached(sql)[1] if len(sql) <= LONG_TEXT else None
            text = text or self._value(_TREE, sql)
        except EngineError as error:
            if "parseQueryToJSON" in error.message and error.code == 36:
                return None
            raise EngineError(_without_parser_call(error.message), error.code) from None
        tree: dict[str, Any] = json.loads(text)
        return tree

    def classify(self, sql: str, database: str) -> tuple[str, bool]:
        """Return ClickHouse's class of a statement (READ_ONLY, MUTATING, ...), and whether it writes there alone."""
        with self._clickhouse.connection({}, Place(database)) as connection:
            result = connection.classify_query(sql, database)
            kind = str(result["query_class"]).rpartition(".")[2] if result["statement_count"] == 1 else "UNKNOWN"
            return kind, bool(result["writes_only_target_database"])

    def _tokens_and_tree(self, sql: str) -> tuple[list[Span], str | None]:
        """Return the tokens of SQL, and its tree as JSON if it is one statement that has one."""
        if ";" not in sql:
            with contextlib.suppress(EngineError):
                ((tokens, tree),) = self._clickhouse.rows(_TOKENS_AND_TREE, {"sql": sql})
                return _spans(tokens), tree
        return self.all_tokens(sql), None

    def _value(self, question: str, sql: str) -> Any:
        """Return the only value that a query of the service itself returns for some SQL, on which alone it depends."""
        ((value,),) = self._clickhouse.rows(question, {"sql": sql})
        return value


def _spans(tokens: Iterable[Mapping[str, Any]]) -> list[Span]:
    return [(token["begin"], token["end"], token["type"]) for token in tokens]


def _without_parser_call(message: str) -> str:
    """Return a message without its part about our own call of parseQueryToJSON."""
    text, _, tail = message.partition(": In scope SELECT parseQueryToJSON(")
    name = re.search(r" \([A-Z0-9_]+\)$", tail)
    return f"{text}.{name[0]}" if name else message
