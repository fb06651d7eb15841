"""The ``%%roe`` and ``%roe`` magics: parse the line, run the query under its panel, assign and return the result.

A cell goes this way: ``roe`` -> ``_run_sql`` (flags, client, request) -> ``watch`` (a RunningQuery, and a Display of
its states) -> ``_return`` (the variables of the target, and the cell's value). The panel is drawn in the cell's own
thread, while it waits. The id comes on the query's thread, and is kept when it comes, also after the cell has ended.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from uuid import UUID

from IPython.core.error import UsageError as MagicUsageError
from IPython.core.magic import Magics, line_cell_magic, magics_class, no_var_expand
from IPython.core.magic_arguments import argument, magic_arguments

from roe_magic import config, interrupts
from roe_magic.client import RoeClient
from roe_magic.client.roe_client import WAIT_SUBMIT
from roe_magic.config.settings import Settings, SettingsSource
from roe_magic.contract.models import WorksheetQueryCreateRequest
from roe_magic.errors import QueryInterrupted, QueryTimeout, ResultTooLarge, RoeError, UsageError
from roe_magic.formatting import kept_message
from roe_magic.magic import commands
from roe_magic.magic.arguments import Target, join_continued, note_on_flags, parse, refuse_target, split_line
from roe_magic.magic.assignment import is_assigned
from roe_magic.magic.catalogue import Catalogue
from roe_magic.magic.dry_run import dry_run
from roe_magic.magic.error_display import rendering_of
from roe_magic.magic.magic_settings import MagicSettings
from roe_magic.magic.session import session_of
from roe_magic.magic.setting_checks import DELAY, ORGANIZATION, TIMEOUT
from roe_magic.magic.settings_sources import below_flags, from_flags
from roe_magic.panel.display import Display, Mode, takes_input
from roe_magic.query.query_state import QueryState
from roe_magic.query.running_query import AttachedQuery, RunningQuery
from roe_magic.query.worksheet_query import WorksheetQuery


@magics_class
class RoeMagic(Magics, MagicSettings):
    """SQL in notebook cells, on Roe's async query API."""

    def __init__(self, shell: Any, **kwargs: Any) -> None:
        super().__init__(shell=shell, **kwargs)
        self.session = session_of(shell)
        # The last error that the panel has shown already.
        self._shown_error: BaseException | None = None
        self._clients: dict[Settings, RoeClient] = {}
        self.catalogue = Catalogue()

    def close(self) -> None:
        """Close the idle connections."""
        self.catalogue.close()
        while self._clients:
            self._clients.popitem()[1].close()

    @property
    def parser(self) -> Any:
        """The argument parser of the flags below."""
        return self.roe.parser  # type: ignore[union-attr]  # put there by the decorator

    @property
    def variables(self) -> dict[str, Any]:
        """The user's variables."""
        variables: dict[str, Any] = getattr(self.shell, "user_ns", {})
        return variables

    @property
    def attended(self) -> bool:
        """Whether somebody is there to answer: not in a batch run (nbclient, nbval, papermill)."""
        return takes_input(self.shell)

    @no_var_expand
    @line_cell_magic
    @magic_arguments()
    @argument(
        "target",
        nargs="*",
        help="NAME or `NAME <<`: assign the WorksheetQuery, hide the rows. `NAME= <<`: show them too.",
    )
    @argument("-o", "--out", metavar="NAME", help="The same as NAME without a flag.")
    @argument("--df", metavar="NAME", help="Assign the rows of the last statement to NAME, as a pandas DataFrame.")
    @argument("-s", "--section", metavar="PROFILE", help="Use this stored profile.")
    @argument("--organization", type=ORGANIZATION, metavar="UUID", help="Run for this organisation.")
    @argument("--worksheet", metavar="ID|NAME", help="Put the query into this worksheet.")
    @argument("--use-admin", action="store_true", help="Let the query write, not only read; needs an admin key.")
    @argument("--timeout", type=TIMEOUT, metavar="SEC", help="Stop waiting after SEC seconds; the query goes on.")
    @argument("--progress-after", type=DELAY, metavar="SEC", help="Show the live panel after SEC seconds.")
    @argument("--no-result", action="store_true", help="Do not download the rows.")
    @argument("-N", "--no-execute", "--dry-run", action="store_true", help="Show what would be sent; send nothing.")
    @argument("-q", "--quiet", action="store_true", help="Show neither the panel nor the rows.")
    def roe(self, line: str = "", cell: str | None = None) -> Any:
        """Run SQL on Roe and return a WorksheetQuery with its rows.

        With %%roe, write the SQL on the lines below; with %roe, on the same line after the flags. A `;` at the end of
        a cell hides the rows. `%roe help` lists the other commands.
        """
        with self._short_errors():
            if cell is not None:
                return self._run_sql(*join_continued(line, cell), is_cell=True)
            if (found := commands.find(line)) is not None:
                return self._run_command(*found)
            return self._run_line(line)

    def _run_line(self, line: str) -> Any:
        flags, sql = split_line(self.parser, line)
        parse(self.parser, flags)  # a mistyped flag is told first: its value looks like the beginning of the SQL
        refuse_target(sql)
        commands.refuse_commands(sql)
        if note := note_on_flags(self.parser, sql):
            print(note)
        # `q = %roe SELECT 1;` must give q its query: on one line a `;` only ends the SQL, and flags hide the display.
        return self._run_sql(flags, sql, is_cell=False)

    def _run_command(self, command: commands.Command, words: list[str]) -> Any:
        if commands.uses_connection(command, words):
            self._renew_local()
        value = command(self, words)
        if command in commands.CHANGE_NAMES:
            self._refresh_catalogue(self.client())
        return value

    def _run_sql(self, line: str, sql: str, *, is_cell: bool) -> Any:
        arguments = parse(self.parser, line)
        if not sql.strip():
            raise MagicUsageError("There is no SQL to run. `%%roe?` shows how to use it.")
        with _stops_named():
            client, request = self._prepared(arguments, sql)
        if arguments.no_execute:
            return print(dry_run(client, request))
        wait, limit = _submit_wait(arguments.timeout), self.max_result_bytes
        running = RunningQuery(client, request, wait=wait, fetch=not arguments.no_result, max_bytes=limit)
        wanted = arguments.target.shown and not arguments.quiet
        hidden = wanted and is_cell and _ends_in_semicolon(sql)
        with _stops_named(running):
            query = self.watch(
                running, arguments.timeout, quiet=arguments.quiet, after=arguments.progress_after, rows_hidden=hidden
            )
            assigned = not is_cell and is_assigned()
            return self._return(query, arguments.target, returned=assigned or (wanted and not hidden))

    def _prepared(self, arguments: Any, sql: str) -> tuple[RoeClient, WorksheetQueryCreateRequest]:
        """Return the client for a query, and what to submit."""
        if not arguments.section:
            self._renew_local()
        client = self.client(from_flags(arguments))
        worksheet_id = commands.worksheet_id(client, arguments.worksheet) if arguments.worksheet else None
        return client, WorksheetQueryCreateRequest(query=sql, worksheet_id=worksheet_id, use_admin=arguments.use_admin)

    def watch(
        self,
        running: RunningQuery,
        timeout: float | None = None,
        *,
        quiet: bool = False,
        after: float | None = None,
        rows_hidden: bool = False,
    ) -> WorksheetQuery:
        """Run a query to its end under a panel, and set ``_roe`` whatever becomes of it."""
        mode: Mode = "off" if quiet else self.panel  # type: ignore[assignment]  # the trait allows no other word
        display = Display(mode, on_stop=lambda action: _stop(running, action))
        with interrupts.counted():
            self._keep_id(running)
            try:
                return self._wait(running.start(), display, self.progress_after if after is None else after, timeout)
            except RoeError as error:
                self._shown_error = error if mode != "off" and not isinstance(error, QueryTimeout) else None
                raise
            finally:
                if not running.state.over:
                    running.detach()  # whatever exception ended the waiting
                if not quiet:
                    display.finish(running.state, rows_hidden=rows_hidden)
                self._refresh_catalogue(running.client, running.state.sql)

    def _wait(self, running: RunningQuery, display: Display, after: float, timeout: float | None) -> WorksheetQuery:
        """Wait for the end, under the panel if that takes longer than ``after``; ask before too much is fetched."""
        try:
            return running.wait(timeout, draw=display.follow, after=after)
        except ResultTooLarge as error:
            if error.limit is None or not self.confirms(f"{error.message} Download them anyway? [y/N] "):
                raise
        return self._wait(running.fetch(), display, after, None)

    def confirms(self, question: str) -> bool:
        """Whether the user says yes; no where nobody can answer."""
        try:
            with interrupts.raised():
                return self.attended and input(question).strip().lower() in {"y", "yes"}
        except (EOFError, KeyboardInterrupt, OSError):
            return False

    def attach(self, query_id: UUID) -> WorksheetQuery:
        """Watch a query that was submitted before, and fetch its rows."""
        running = AttachedQuery(self.client(), query_id, max_bytes=self.max_result_bytes)
        with _stops_named(running):
            return self.watch(running)

    def client(self, *flags: SettingsSource) -> RoeClient:
        """Return the client for the settings in force; one per set of settings, so that its connections are reused."""
        settings = config.resolve(*flags, *below_flags(self, self.session.connection))
        if settings not in self._clients:
            self._clients[settings] = RoeClient(settings)
        return self._clients[settings]

    def _renew_local(self) -> None:
        """See to it that the local service runs if the notebook is connected to it; say if it had ended."""
        if notice := self.session.renew_local():
            print(notice)

    def _return(self, query: WorksheetQuery, target: Target, *, returned: bool) -> Any:
        """Assign the variables of the target, and return the cell's value."""
        value = self._value(query)
        if target.name:
            self.variables[target.name] = value
            if value is query:
                query.variable = target.name
        if target.df:
            self.variables[target.df] = query.df()
        return value if returned else None

    def _value(self, query: WorksheetQuery) -> Any:
        if not query.has_rows:  # --no-result
            return query
        if self.autopolars:
            return query.polars()
        return query.df() if self.autopandas else query

    def _keep_id(self, running: RunningQuery) -> None:
        """Keep a query's id when it comes, however late; it becomes ``_roe`` unless another was run since."""
        self.variables["_roe"], self.session.latest = None, running

        def keep(_: QueryState) -> None:
            query = running.query
            if query is None:
                return
            running.listen(None)
            self.session.keep(query.id)
            query.displaylimit = self.displaylimit
            query.frame_options = {"dtype_backend": self.dtype_backend, "tz": self.tz or None}
            if self.session.latest is running:
                query.variable = "_roe"
                self.variables["_roe"], self.session.latest = query, None

        running.listen(keep)

    def _refresh_catalogue(self, client: RoeClient, sql: str | None = None) -> None:
        if self.attended:
            self.catalogue.refresh_soon(client, sql)

    @contextmanager
    def _short_errors(self) -> Iterator[None]:
        """Render errors of ours as their message, without a traceback; they stay real exceptions."""
        try:
            yield
        except (UsageError, MagicUsageError) as error:
            raise MagicUsageError(kept_message(error)) from None
        except (RoeError, KeyboardInterrupt) as error:
            shown = error is self._shown_error and self.attended
            rendering = rendering_of(error, self.shell, short=self.short_errors, shown=shown)
            error._render_traceback_ = rendering  # type: ignore[union-attr]  # IPython's protocol
            raise


def _submit_wait(timeout: float | None) -> int:
    """Return how long the server may hold the submit's response back: not longer than the caller has time."""
    return WAIT_SUBMIT if timeout is None or timeout > 2 * WAIT_SUBMIT else 0


@contextmanager
def _stops_named(running: RunningQuery | None = None) -> Iterator[None]:
    """Raise a stop that comes while nobody waits for the query as QueryInterrupted, too: it says what becomes of it."""
    try:
        yield
    except QueryInterrupted:
        raise
    except KeyboardInterrupt:
        problem = QueryInterrupted("Stopped. The query was not sent.") if running is None else running.interruption()
    else:
        return
    raise problem from None


def _stop(running: RunningQuery, action: str) -> None:
    """Do what the panel's button says; it is called on any thread, so nothing here waits."""
    if action == "cancel":
        running.cancel_soon()
    else:
        running.detach()


def _ends_in_semicolon(sql: str) -> bool:
    """Whether a cell's SQL ends in a semicolon, which hides the rows."""
    from roe_magic.sql.tokens import ends_in_semicolon  # not needed to load the extension

    return ends_in_semicolon(sql)
