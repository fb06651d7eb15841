"""Statements by their tokens, which are those of our own lexer: split, without clauses, with names for parameters."""

from __future__ import annotations

import pytest

from roe_magic.service.engine.sql import clauses, inline_rows, json_types, splitting
from roe_magic.service.engine.sql.statements import INSIGNIFICANT, RowTokens, Span, SqlStatement
from roe_magic.sql.lexer import tokenize


class Lexer:
    """A lexer for tests without an engine; it counts how often it is called with how much."""

    def __init__(self) -> None:
        self.bytes_read = 0

    def tokens(self, sql: str) -> list[Span]:
        self.bytes_read += len(sql.encode())
        positions = [0]
        for character in sql:
            positions.append(positions[-1] + len(character.encode()))
        return [(positions[token.begin], positions[token.end], token.kind) for token in tokenize(sql)]

    def row_tokens(self, rows: str) -> RowTokens:
        spans = [span for span in self.tokens(rows) if span[2] not in INSIGNIFICANT]
        data = rows.encode()
        following = [*(kind for _, _, kind in spans[1:]), ""]
        words = frozenset(
            (data[begin:end].decode(), after == "OpeningRoundBracket")
            for (begin, end, kind), after in zip(spans, following, strict=True)
            if kind == "BareWord"
        )
        return RowTokens(frozenset(kind for _, _, kind in spans), words)


def split(sql: str) -> list[SqlStatement]:
    return splitting.split(sql, Lexer())


def one(sql: str) -> SqlStatement:
    (statement,) = split(sql)
    return statement


def check_tokens(statement: SqlStatement) -> None:
    """Every token stands where it says."""
    data = statement.sql.encode()
    for token in statement.tokens:
        assert data[token.begin : token.end].decode() == token.text


@pytest.mark.parametrize(
    ("sql", "expected"),
    [
        ("SELECT 1; SELECT 2", ["SELECT 1", "SELECT 2"]),
        (" ;; /* x */ SELECT ';' -- ; \n ; ", ["SELECT ';'"]),
        ("INSERT INTO t VALUES (1, 'a;b'); SELECT 'é'", ["INSERT INTO t VALUES (1, 'a;b')", "SELECT 'é'"]),
        # After FORMAT the text is not SQL: no quote is closed, a semicolon is data.
        ("INSERT INTO t FORMAT CSV it's; x\n\nSELECT 1", ["INSERT INTO t FORMAT CSV it's; x", "SELECT 1"]),
        ("INSERT INTO t FORMAT TSV a\n\nSELECT file('x')", ["INSERT INTO t FORMAT TSV a", "SELECT file('x')"]),
        (
            'INSERT INTO t FORMAT JSONEachRow {"a": "x;y"}; SELECT 1',
            ['INSERT INTO t FORMAT JSONEachRow {"a": "x;y"}', "SELECT 1"],
        ),
        ('INSERT INTO t FORMAT JSONEachRow {"a": "\\";"}', ['INSERT INTO t FORMAT JSONEachRow {"a": "\\";"}']),
        ("INSERT INTO t FORMAT Values (1); SELECT 1", ["INSERT INTO t FORMAT Values (1)", "SELECT 1"]),
        ("INSERT INTO values (a) VALUES (1)", ["INSERT INTO values (a) VALUES (1)"]),
        ("INSERT INTO format VALUES (1)", ["INSERT INTO format VALUES (1)"]),
        ("INSERT INTO table VALUES (1)", ["INSERT INTO table VALUES (1)"]),
        ("INSERT INTO t SELECT format FROM x; SELECT 1", ["INSERT INTO t SELECT format FROM x", "SELECT 1"]),
    ],
)
def test_sql_is_split_at_its_semicolons(sql: str, expected: list[str]) -> None:
    """Those inside of texts, comments and the rows of an INSERT do not count."""
    statements = split(sql)
    assert [statement.sql for statement in statements] == expected
    for statement in statements:
        check_tokens(statement)


@pytest.mark.parametrize(
    ("sql", "rows_format", "rows"),
    [
        ("INSERT INTO t VALUES (1)", "Values", " (1)"),
        ("INSERT INTO d.values (a, b) VALUES (1, 2), (3, 4)", "Values", " (1, 2), (3, 4)"),
        ("INSERT INTO t FORMAT values (1)", "Values", " (1)"),
        ("INSERT INTO format VALUES (1)", "Values", " (1)"),
        ("INSERT INTO TABLE table VALUES (1)", "Values", " (1)"),
        ("INSERT INTO t (a) FORMAT CSV\n1\n2", "CSV", "\n1\n2"),
        ("INSERT INTO t SELECT 1", None, ""),
        ("SELECT 1 FORMAT CSV", None, ""),
    ],
)
def test_the_rows_of_an_insert_are_told_from_its_head(sql: str, rows_format: str | None, rows: str) -> None:
    """They are not among the tokens."""
    statement = one(sql)
    if rows_format is None:
        assert statement.rows is None
        return
    assert statement.rows is not None
    assert (statement.rows.format, statement.sql.encode()[statement.rows.begin :].decode()) == (rows_format, rows)
    assert statement.tokens[-1].end == statement.rows.begin
    after = sql[statement.rows.head_end :]
    assert after.startswith(("VALUES", "FORMAT"))


def test_of_many_rows_the_lexer_reads_the_beginning_alone() -> None:
    """It would take longer than the INSERT itself."""
    lexer = Lexer()
    rows = ", ".join(f"({number}, 'row {number}', NULL, -1.5e3)" for number in range(5000))
    first, second = splitting.split(f"SET max_threads = 1; INSERT INTO t VALUES {rows};\n", lexer)
    assert first.sql == "SET max_threads = 1"
    assert second.sql == f"INSERT INTO t VALUES {rows}"
    assert second.rows is not None
    assert second.rows.tokens == RowTokens()
    assert lexer.bytes_read < 5000


def test_many_rows_with_calls_are_known_by_their_words() -> None:
    """And a semicolon between rows still ends the statement."""
    rows = ", ".join(f"({number}, upper('x'))" for number in range(2000))
    statement = one(f"INSERT INTO t VALUES {rows}")
    assert statement.rows is not None
    assert statement.rows.tokens is not None
    assert statement.rows.tokens.words == {("upper", True)}
    assert len(split(f"INSERT INTO t VALUES {rows}; SELECT file('x')")) == 2


@pytest.mark.parametrize(
    "rows",
    [
        "(1, 'a'), (2, 'b')",
        "(1,'it''s') (2,'it\\'s')\n\n(3, '\\\\')",
        "({'a': 1}, [1, 2], (1, NULL), -1.5e+3, nan, inf, TRUE)",
        "('; DROP TABLE t; --', '/* ', '$$', '\"', '`')",
        "",
    ],
)
def test_rows_of_literals_are_plain(rows: str) -> None:
    """Whatever stands inside of quotes."""
    assert inline_rows.are_plain(rows.encode())


@pytest.mark.parametrize(
    "rows",
    [
        "(file('x'))",
        "(1, upper('a'))",
        "(`file`('x'))",
        '("a")',
        "($$a$$)",
        "(1) -- ' \n, (file(')x'))",
        "(1) /* ' */, (2)",
        "(1) # ' \n, (2)",
        "(\\' , file('x'))",
        "('a\\\\' , file('x'))",
        "('open)",
        "('a\x01b')",
        "(1); SELECT 1",
        "(@@version)",
        "(\u201cfile\u201d('x'))",
    ],
)
def test_what_may_be_more_than_literals_is_not_plain(rows: str) -> None:
    """In doubt the lexer is asked."""
    assert not inline_rows.are_plain(rows.encode())


def test_expressions_are_found_among_cells() -> None:
    """Literals are left out, however nested, and brackets inside of cells are part of them."""
    rows = (
        "(1, 'a', [1, 2]), (upper('x'), {'k': (1, NULL)}, -2), (now() + 1, (SELECT 1, 2), `file`('x')) (1, f(a, (b)))"
    )
    found = list(inline_rows.expressions(rows.encode(), Lexer().tokens(rows)))
    assert found == ["upper('x')", "now() + 1", "(SELECT 1, 2)", "`file`('x')", "f(a, (b))"]


@pytest.mark.parametrize(
    ("sql", "rest", "settings"),
    [
        ("SELECT 1 SETTINGS max_threads = 1", "SELECT 1", "max_threads = 1"),
        ("SELECT 1 SETTINGS a = 1, b = 'x' FORMAT CSV", "SELECT 1 FORMAT CSV", "a = 1, b = 'x'"),
        ("SELECT 1 SETTINGS a = 1 FORMAT CSV SETTINGS b = 2", "SELECT 1 FORMAT CSV", "a = 1, b = 2"),
        ("SELECT 1 SETTINGS extremes, max_threads = 2", "SELECT 1", "extremes, max_threads = 2"),
        ("SELECT 1 SETTINGS `max_threads` = 1", "SELECT 1", "`max_threads` = 1"),
        ("SELECT 1 UNION ALL SELECT 2 SETTINGS a = 1", "SELECT 1 UNION ALL SELECT 2", "a = 1"),
        ("INSERT INTO t SETTINGS a = 1 VALUES (1)", "INSERT INTO t VALUES (1)", "a = 1"),
        ("INSERT INTO t SETTINGS a = 1 SELECT 1 SETTINGS b = 2", "INSERT INTO t SELECT 1", "a = 1, b = 2"),
        ("INSERT INTO t SETTINGS a = 1 FORMAT CSV 1", "INSERT INTO t FORMAT CSV 1", "a = 1"),
        (
            "CREATE TABLE t ENGINE = Memory SETTINGS a = 1 AS SELECT 1 SETTINGS b = 2",
            "CREATE TABLE t ENGINE = Memory SETTINGS a = 1 AS SELECT 1",
            "b = 2",
        ),
        # These stay: they are of a part, of the table or the view, or no clause at all.
        ("SELECT 1 SETTINGS a = 1 UNION ALL SELECT 2", None, ""),
        ("SELECT * FROM (SELECT 1 SETTINGS a = 1)", None, ""),
        ("CREATE TABLE t (a Int) ENGINE = Memory SETTINGS a = 1", None, ""),
        ("CREATE VIEW v AS SELECT 1 SETTINGS a = 1", None, ""),
        ("SELECT settings FROM t", None, ""),
        ("SELECT * FROM settings FINAL", None, ""),
        ("SELECT a FROM t ORDER BY settings DESC", None, ""),
    ],
)
def test_settings_clauses_are_taken_out(sql: str, rest: str | None, settings: str) -> None:
    """Wherever ClickHouse accepts one for the whole statement."""
    found = clauses.without_settings(one(sql))
    assert " ".join(found.statement.sql.split()) == (rest or sql)
    assert " ".join(found.settings.split()) == settings
    check_tokens(found.statement)


@pytest.mark.parametrize(
    ("sql", "format_name"),
    [
        ("SELECT 1 FORMAT CSV", "CSV"),
        ("SELECT 1 FORMAT `CSV`", "`CSV`"),
        ("SHOW TABLES FORMAT Vertical", "Vertical"),
        ("SELECT format FROM t", ""),
        ("INSERT INTO t FORMAT CSV", ""),
        ("FORMAT CSV", ""),
    ],
)
def test_a_format_clause_is_taken_out(sql: str, format_name: str) -> None:
    """Whether it is one shows the tree of the statement."""
    found = clauses.without_format(one(sql))
    assert found.format == format_name
    check_tokens(found.statement)


def test_a_name_is_put_in_place_of_its_parameter() -> None:
    """Quoted, as one name; other parameters, and those without a value, stay."""
    statement = one("SELECT {x:UInt8}, {c:Identifier} FROM {d:Identifier}.{ t : Identifier }, {u:Identifier}")
    named = clauses.with_names(statement, {"c": "a.b", "t": "`x\\", "d": "own", "x": "1"})
    assert named.sql == "SELECT {x:UInt8}, `a.b` FROM `own`.`\\`x\\\\`, {u:Identifier}"
    check_tokens(named)


@pytest.mark.parametrize(
    ("sql", "expected"),
    [
        ("SELECT * FROM system.tables", "SELECT * FROM filtered_system.tables"),
        (
            "SELECT system.parts.rows FROM system . parts",
            "SELECT filtered_system_aliases.parts.rows FROM filtered_system_aliases . parts",
        ),
        ('SELECT * FROM `system`."columns"', 'SELECT * FROM filtered_system."columns"'),
        ("SELECT count(*), table FROM system.tables", "SELECT count(*), table FROM filtered_system_aliases.tables"),
        ("SELECT tuple(*) FROM system.tables", "SELECT tuple(*) FROM filtered_system.tables"),
        ("SELECT COLUMNS('x') FROM system.tables", "SELECT COLUMNS('x') FROM filtered_system.tables"),
        (
            "WITH x AS (SELECT * FROM system.parts) SELECT f((table)) FROM system.tables",
            "WITH x AS (SELECT * FROM filtered_system.parts) SELECT f((table)) FROM filtered_system_aliases.tables",
        ),
        ("SELECT * FROM INFORMATION_SCHEMA.TABLES", "SELECT * FROM filtered_information_schema.TABLES"),
        ("SELECT * FROM system.one, system.functions", None),
        ("SELECT t.system.tables FROM t", None),
    ],
)
def test_system_tables_are_read_through_views(sql: str, expected: str | None) -> None:
    """Those that hold rows about databases; where ``*`` stands for their columns, it must not bring ALIAS columns."""
    replaced = clauses.with_filtered_system_tables(one(sql))
    assert replaced.sql == (expected or sql)
    check_tokens(replaced)


TYPES = frozenset({"json", "array", "tuple", "datetime64", "enum8", "map", "string"})


@pytest.mark.parametrize(
    ("sql", "expected"),
    [
        (
            "CREATE TABLE t (j JSON(a UInt32, SKIP b.c, SKIP REGEXP 'x', max_dynamic_paths = 10))",
            "CREATE TABLE t (j JSON )",
        ),
        (
            "CREATE TABLE t (j Array(JSON(`a b`.c DateTime64(3, 'UTC'))), k JSON)",
            "CREATE TABLE t (j Array(JSON ), k JSON)",
        ),
        (
            "ALTER TABLE t ADD COLUMN j JSON(a Tuple(x Int8, y Enum8('a' = -1)), b JSON(c Int8))",
            "ALTER TABLE t ADD COLUMN j JSON ",
        ),
    ],
)
def test_json_types_lose_their_brackets(sql: str, expected: str) -> None:
    """ClickHouse cannot show them in a tree."""
    assert json_types.without_paths(one(sql), TYPES).sql == expected


@pytest.mark.parametrize(
    "sql",
    [
        "INSERT INTO json (file('x') + 1) SELECT 1",
        "CREATE TABLE t (j JSON(a UInt8 DEFAULT 1 + 1))",
        "CREATE TABLE t (j JSON(a DEFAULT(file('x'))))",
        "CREATE TABLE t (j JSON(a Array(SELECT b FROM other.t)))",
        "CREATE TABLE t (j JSON(a Array((SELECT 1))))",
        "CREATE TABLE t AS SELECT * FROM x, JSON(p = (SELECT b FROM other.t))",
        "CREATE TABLE t AS SELECT * FROM x, JSON(p = 'x')",
        "CREATE TABLE t AS SELECT * FROM JSON(p = 1)",
        "CREATE TABLE t AS SELECT * FROM own.JSON(p = 1)",
        "CREATE TABLE Object (c String DEFAULT joinGet('other.jn', 'v', k))",
        "CREATE TABLE JSON (c String)",
        "CREATE TEMPORARY TABLE json (c String)",
        "CREATE TABLE t (j JSON(",
        "CREATE TABLE t (j JSON(a, b))",
    ],
)
def test_what_may_be_a_table_or_a_call_keeps_its_brackets(sql: str) -> None:
    """A table, a view with parameters or a function may be named JSON as well."""
    assert json_types.without_paths(one(sql), TYPES).sql == sql
