"""From a statement as it was written to the text that runs: judged, with its settings.

:func:`prepare` takes the SETTINGS and FORMAT clauses out of the statement and puts names in place of parameters, all by
tokens. ClickHouse parses the text that results, the guard judges that tree, and exactly that text runs.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from roe_magic.service.engine.chdb.connection_pool import PARAMETER
from roe_magic.service.engine.chdb.database import EngineError
from roe_magic.service.engine.chdb.parser import Parser
from roe_magic.service.engine.chdb.system_views import SystemViews
from roe_magic.service.engine.sql import clauses, guard, inline_rows, json_types, settings, tables, untreed
from roe_magic.service.engine.sql.nodes import Node
from roe_magic.service.engine.sql.refusal import StatementRefused, require
from roe_magic.service.engine.sql.scope import JudgementScope
from roe_magic.service.engine.sql.settings import Changes
from roe_magic.service.engine.sql.splitting import LONG_TEXT
from roe_magic.service.engine.sql.statements import InlineRows, RowTokens, SqlStatement
from roe_magic.service.engine.sql.verdict import Verdict
from roe_magic.service.job import Job

# So many expressions in VALUES are judged in one tree, since ClickHouse limits the size of a tree.
_EXPRESSIONS = 500


@dataclass(frozen=True)
class FormattedRows:
    """The rows of an INSERT, which are not part of the SQL that runs.

    As SQL those after FORMAT would end at an empty line, and many after VALUES would take three times as long.
    """

    format: str
    data: bytes


@dataclass(frozen=True)
class PreparedStatement:
    """A statement that may run.

    Parameters
    ----------
    sql : str
        The text to run.
    rows : FormattedRows, optional
        Its rows, if it is an INSERT with FORMAT or with many VALUES; ``sql`` then ends before that word.
    verdict : Verdict
        What kind of statement it is.
    changes : Changes
        The settings of a SET, or of the statement's own SETTINGS clause.
    notices : tuple of str
        What the user should know about how it runs.
    """

    sql: str
    verdict: Verdict
    changes: Changes = field(default_factory=Changes)
    notices: tuple[str, ...] = ()
    rows: FormattedRows | None = None


class Preparation:
    """Prepares statements.

    Parameters
    ----------
    parser : Parser
        Parses SQL.
    views : SystemViews
        Makes the views of system tables that a statement names.
    """

    def __init__(self, parser: Parser, views: SystemViews) -> None:
        self._parser, self._views = parser, views

    def split(self, sql: str) -> list[SqlStatement]:
        """Return the statements of SQL; raise EngineError where ClickHouse finds no tokens."""
        return self._parser.split(sql)

    def prepare(self, statement: SqlStatement, job: Job, current: Mapping[str, str]) -> PreparedStatement:
        """Return a statement that may run.

        Parameters
        ----------
        statement : SqlStatement
            The statement as it was written.
        job : Job
            What it is part of.
        current : mapping of str to str
            The settings of the SET statements before it, and the query parameters as ``param_`` and the name.

        Raises
        ------
        StatementRefused
            It may not run.
        EngineError
            It has a syntax error.
        """
        separated = clauses.without_settings(statement)
        changes = Changes()
        if separated.settings:
            changes = settings.changes_of(self._parser.tree(f"SET {separated.settings}"), self._parser.names.settings)
        parameters = {name.removeprefix(PARAMETER): value for name, value in current.items() if PARAMETER in name[:6]}
        named = clauses.with_names(separated.statement, {**parameters, **changes.parameters})
        for _, view, table in tables.filtered_tables(named):
            self._views.ensure(view, table)
        return self._judged(clauses.with_filtered_system_tables(named), changes, job)

    def _judged(self, statement: SqlStatement, changes: Changes, job: Job) -> PreparedStatement:
        tree = self._tree(statement)
        formatted = clauses.without_format(statement)
        notices: tuple[str, ...] = ()
        if formatted.format and (tree is None or tree.get("format_ast") or tree.get("format")):
            statement, tree = formatted.statement, self._tree(formatted.statement)
            notices = (f"FORMAT {formatted.format} was ignored: rows always arrive as values with their types.",)
        verdict = self._verdict(statement, tree, job)
        if verdict.action == "set":
            changes = settings.changes_of(tree, self._parser.names.settings)
        elif verdict.action != "use":
            self._check_class(statement, verdict, job.database)
        notices += changes.notices()
        if statement.rows and (statement.rows.format != "Values" or len(statement.sql) > LONG_TEXT):
            rows = FormattedRows(statement.rows.format, _rows(statement, statement.rows))
            return PreparedStatement(_head(statement), verdict, changes, notices, rows)
        return PreparedStatement(statement.sql, verdict, changes, notices)

    def _verdict(self, statement: SqlStatement, tree: Node | None, job: Job) -> Verdict:
        scope, use_admin = JudgementScope(job.database, self._parse_argument, self._parser.names), job.request.use_admin
        described = untreed.described(statement) if tree is None else None
        if described is not None:
            tree = self._parse(described)
            require(tree, "what is described is not valid here")
            guard.judge(tree or {}, scope, use_admin=use_admin)
            return Verdict("read")
        if tree is None:
            action = untreed.check(statement, scope, use_admin=use_admin)
            return Verdict(action, readonly="1" if action == "read" else "0")
        verdict = guard.judge(tree, scope, use_admin=use_admin)
        if statement.rows:
            self._check_rows(statement, statement.rows, scope)
        return verdict

    def _check_rows(self, statement: SqlStatement, rows: InlineRows, scope: JudgementScope) -> None:
        """Raise StatementRefused unless the rows of an INSERT may be evaluated."""
        if rows.format != "Values":
            guard.check_format(rows.format)
            return
        data = _rows(statement, rows)
        tokens = rows.tokens or self._row_tokens(data)
        if inline_rows.are_expressions_known(tokens) and guard.are_harmless_words(tokens.words):
            return
        expressions = sorted(set(inline_rows.expressions(data, self._parser.all_tokens(data.decode()))))
        for start in range(0, len(expressions), _EXPRESSIONS):
            tree = self._parse(f"SELECT {', '.join(expressions[start : start + _EXPRESSIONS])}")
            require(tree, "the rows hold an expression that is not valid here")
            guard.check_tree(tree or {}, scope)

    def _row_tokens(self, rows: bytes) -> RowTokens:
        return RowTokens() if inline_rows.are_plain(rows) else self._parser.row_tokens(rows.decode())

    def _check_class(self, statement: SqlStatement, verdict: Verdict, database: str) -> None:
        """Check ClickHouse's own view of the statement: a second line of defence if the guard misses something."""
        text = statement.sql
        if statement.rows:  # the rows tell nothing, and there may be many
            text = f"{_head(statement)} SELECT 1"
        kind, writes_own_only = self._parser.classify(text, database)
        expected = "READ_ONLY" if verdict.action == "read" else "MUTATING"
        if verdict.concerns_temporary_table:
            expected = "CONTROL"  # it changes the session alone
        is_expected = kind == expected and (verdict.action == "read" or writes_own_only)
        if not is_expected:
            raise StatementRefused("this statement reaches beyond your own tables")

    def _tree(self, statement: SqlStatement) -> Node | None:
        if statement.rows:
            return self._tree_of_insert(statement)
        return self._parser.tree(statement.sql) or self._tree_without_json_paths(statement)

    def _tree_of_insert(self, statement: SqlStatement) -> Node | None:
        """Return the tree of an INSERT with a SELECT in place of its rows."""
        try:
            return self._parser.tree(f"{_head(statement)} SELECT 1")
        except EngineError:
            # The message shows what follows the error, which must be the caller's text.
            self._parser.tree(statement.sql)
            raise

    def _tree_without_json_paths(self, statement: SqlStatement) -> Node | None:
        shortened = json_types.without_paths(statement, self._parser.names.types)
        return self._parser.tree(shortened.sql) if shortened is not statement else None

    def _parse(self, sql: str) -> Node | None:
        return self._parser.tree(sql) or self._tree_of_first(sql)

    def _parse_argument(self, sql: str) -> Node | None:
        """Return the tree of SQL that a text of the caller is part of, None if it is not valid there."""
        try:
            return self._parse(sql)
        except EngineError:
            return None

    def _tree_of_first(self, sql: str) -> Node | None:
        """Return the tree of SQL with JSON types; SQL that is not exactly one statement has none."""
        statements = self._parser.split(sql)
        return self._tree_without_json_paths(statements[0]) if len(statements) == 1 else None


def _rows(statement: SqlStatement, rows: InlineRows) -> bytes:
    data = statement.sql.encode()
    return data[rows.begin if rows.format == "Values" else inline_rows.first_byte(data, rows.begin) :]


def _head(statement: SqlStatement) -> str:
    """Return an INSERT up to the word before its rows."""
    return statement.sql.encode()[: statement.rows.head_end if statement.rows else 0].decode()
