"""WorksheetQuery: a query and what came of it, as a read-only mapping that pandas understands."""

from __future__ import annotations

import json
import operator
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from roe_magic.contract import models
from roe_magic.contract.codec import parse, to_wire
from roe_magic.errors import UsageError
from roe_magic.formatting import clean, clean_message, duration, plural
from roe_magic.imports import load
from roe_magic.query import metadata, render
from roe_magic.query.checks import LEFT_OUT, DtypeBackend, check_display_limit, checked_frame_options
from roe_magic.query.query_mapping import QueryMapping
from roe_magic.query.query_state import QueryState
from roe_magic.query.statement_result import DISPLAY_LIMIT, StatementResult, provenance, read_statement

if TYPE_CHECKING:
    import pandas as pd
    import polars as pl
    import pyarrow as pa


class WorksheetQuery(QueryMapping):
    """A query of Roe and what came of it; read-only, and always at its present state.

    As a mapping it has flat keys (``status``, ``duration``, ``worksheet.name``), so that ``pd.Series(q)`` and
    ``pd.DataFrame([q1, q2])`` work. Every field of the contract is an attribute too, with its type; fields that the
    contract does not know are kept as further keys.

    Parameters
    ----------
    submitted : models.WorksheetQueryResponse
        What the submit endpoint answered.
    status : models.QueryStatus, optional
        The last status that was seen.
    statements : list of models.Statement or callable, optional
        The results with ``result_rows`` as Arrow tables, or a function that downloads them on first use.
    observed : timedelta, optional
        How long the caller saw it take, by its own clock; used only where the server tells no times.
    displaylimit : int or None
        How many rows of each statement are shown; None for up to 1,000.

    Attributes
    ----------
    frame_options : mapping of str to Any
        The ``dtype_backend`` and ``tz`` of DataFrames where ``df()`` is given none; a notebook's queries take them from
        ``%config RoeMagic``.
    """

    def __init__(
        self,
        submitted: models.WorksheetQueryResponse,
        status: models.QueryStatus | None = None,
        statements: list[models.Statement] | Callable[[], list[models.Statement]] | None = None,
        *,
        observed: timedelta | None = None,
        displaylimit: int | None = DISPLAY_LIMIT,
    ) -> None:
        state = QueryState(
            sql=submitted.query,
            submitted=submitted,
            last_status=status,
            statements=statements if isinstance(statements, list) else None,
            elapsed=None if observed is None else observed.total_seconds(),
            over=True,
        )
        self._set_up(state, displaylimit)
        if callable(statements):
            download = statements
            self.advance(state, fetch=lambda: self.advance(replace(state, statements=download())))

    @classmethod
    def of(cls, state: QueryState) -> WorksheetQuery:
        """Return the query that a state describes; it may not have been submitted yet."""
        query = cls.__new__(cls)
        cls._set_up(query, state, DISPLAY_LIMIT)
        return query

    def _set_up(self, state: QueryState, displaylimit: int | None) -> None:
        self.displaylimit = displaylimit
        self.frame_options: Mapping[str, Any] = {}
        self._state = state
        self._fetch: Callable[[], None] | None = None
        # Kept with what they were made from.
        self._results_cache: tuple[tuple[object, ...], list[StatementResult]] = (), []

    def advance(self, state: QueryState, *, fetch: Callable[[], None] | None = None) -> None:
        """Bring the query to a new state; for the RunningQuery that watches it.

        Parameters
        ----------
        state : QueryState
        fetch : callable, optional
            Downloads the rows, and calls this method with them.
        """
        # The error is left out: it belongs to the caller, and may be large.
        self._state, self._fetch = replace(state, error=None), fetch

    @property
    def displaylimit(self) -> int | None:
        """How many rows of each statement are shown; None for up to 1,000."""
        return self._displaylimit

    @displaylimit.setter
    def displaylimit(self, rows: int | None) -> None:
        self._displaylimit = check_display_limit(rows)

    # The rows

    @property
    def results(self) -> list[StatementResult]:
        """One StatementResult per statement; downloaded on first use where that has not happened yet."""
        return self._results(self._fetched())

    def _fetched(self) -> QueryState:
        """Return the state with the rows, downloaded now if need be."""
        fetch = self._fetch
        if self._state.statements is None and fetch is not None and self.finished:
            fetch()
        state = self._state
        if state.statements is None:
            raise UsageError(
                f"The rows of query {self.id} have not been downloaded.", hint=f"Fetch them with: %roe result {self.id}"
            )
        return state

    def _results(self, state: QueryState) -> list[StatementResult]:
        made_from = (state.statements, state.submitted, state.last_status, self.frame_options)
        if not (self._results_cache[0] and all(map(operator.is_, self._results_cache[0], made_from))):
            results = [
                StatementResult(item, provenance(state, item), self.frame_options) for item in state.statements or []
            ]
            self._results_cache = made_from, results
        return self._results_cache[1]

    def df(
        self,
        index: int | None = None,
        *,
        dtype_backend: DtypeBackend = LEFT_OUT,
        tz: str | None = LEFT_OUT,
        categories: bool = False,
    ) -> pd.DataFrame:
        """Return the rows of one statement, the last one by default, as a pandas DataFrame.

        Parameters
        ----------
        index : int, optional
            Which statement, from 0. A query that failed has no last one: name one of those before the failure.
        dtype_backend, tz, categories
            As in :meth:`StatementResult.df`.
        """
        # Checked before the rows are downloaded.
        options = checked_frame_options(self.frame_options, dtype_backend=dtype_backend, tz=tz, categories=categories)
        return self._result(index).df(**options)

    def arrow(self, index: int | None = None) -> pa.Table:
        """Return the rows of one statement, the last one by default, as a pyarrow Table."""
        return self._result(index).arrow()

    def polars(self, index: int | None = None, *, categories: bool = False) -> pl.DataFrame:
        """Return the rows of one statement, the last one by default, as a polars DataFrame (extra ``polars``)."""
        return self._result(index).polars(categories=categories)

    DataFrame = df
    PolarsDataFrame = polars

    def __arrow_c_stream__(self, requested_schema: object = None) -> object:
        return self._result(None).__arrow_c_stream__(requested_schema)

    def __dataframe__(self, **options: Any) -> Any:
        return self._result(None).__dataframe__(**options)

    def _result(self, index: int | None) -> StatementResult:
        if index is None and self.finished and not self.succeeded:
            before = len(self.results)
            first = render.frame_call(self.variable, 0)
            hint = f"Results of the statements before the failure: {before}; the first: {first}." if before else None
            raise UsageError(f"The query ended in {self.status}: {self.error or 'no reason given'}", hint=hint)
        if index is not None and type(index) is not int:
            raise UsageError(f"{index!r} is not the number of a statement.", hint="They are numbered from 0.")
        try:
            return self.results[-1 if index is None else index]
        except IndexError:
            wanted = "last result" if index is None else f"result {index}"
            count = plural(len(self.results), "result")
            raise UsageError(f"There is no {wanted}: the query has {count}.") from None

    @property
    def has_rows(self) -> bool:
        """Whether the rows are here, so that looking at them asks no server."""
        return self._state.has_rows

    # As metadata

    def __eq__(self, other: object) -> bool:
        return isinstance(other, WorksheetQuery) and self._flat == other._flat

    def __hash__(self) -> int:
        return hash(self.id)

    def to_series(self) -> pd.Series[Any]:
        """Return the metadata as a pandas Series named by the id."""
        load("pandas")
        import pandas as pd

        series: pd.Series[Any] = pd.Series(self._flat, name=str(self.id), dtype=object)
        return series

    def to_frame(self) -> pd.DataFrame:
        """Return the metadata as a DataFrame of one row; see :meth:`frame` for its dtypes."""
        return self.frame([self])

    @staticmethod
    def frame(queries: Iterable[WorksheetQuery]) -> pd.DataFrame:
        """Return the metadata of several queries as a DataFrame, one row each.

        Returns
        -------
        DataFrame
            Times are ``datetime64[us, UTC]`` and spans ``timedelta64[us]`` even when all are missing, ``status`` is a
            category in the order of a query's life, the rest text or what the server sent.
        """
        return metadata.frame(queries)

    def to_dict(self, *, rows: bool = False) -> dict[str, Any]:
        """Return everything as JSON values; :meth:`from_dict` reads it again.

        Parameters
        ----------
        rows : bool
            Include the rows, not only what describes them.
        """
        return self._to_dict(self._fetched() if rows else self._state, rows=rows)

    def _to_dict(self, state: QueryState, *, rows: bool) -> dict[str, Any]:
        results = None if state.statements is None else self._results(state)
        return {
            "worksheet_query": to_wire(self._submitted),
            "status": None if state.last_status is None else to_wire(state.last_status),
            "results": None if results is None else [item.to_dict(rows=rows) for item in results],
            "observed_seconds": None if state.elapsed is None else round(state.elapsed, 6),
        }

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> WorksheetQuery:
        """Return the query that :meth:`to_dict` wrote."""
        status, results, seconds = data.get("status"), data.get("results"), data.get("observed_seconds")
        return cls(
            parse(models.WorksheetQueryResponse, data["worksheet_query"]),
            None if status is None else parse(models.QueryStatus, status),
            None if results is None else [read_statement(item) for item in results],
            observed=None if seconds is None else timedelta(seconds=seconds),
        )

    def to_json(self, *, rows: bool = False) -> str:
        """Return :meth:`to_dict` as JSON text."""
        return json.dumps(self.to_dict(rows=rows))

    @classmethod
    def from_json(cls, text: str) -> WorksheetQuery:
        """Return the query that :meth:`to_json` wrote."""
        return cls.from_dict(json.loads(text))

    def __reduce__(self) -> tuple[Any, ...]:
        state = self._state
        return WorksheetQuery.from_dict, (self._to_dict(state, rows=state.has_rows),)

    def __repr__(self) -> str:
        words = [f"WorksheetQuery {self.id} {clean(self.status)}"]
        if self.duration is not None:
            words.append(f"in {duration(self.duration.total_seconds())}")
        rows = f", {plural(self.results[-1].row_count, 'row')}" if self._state.statements else ""
        return f"<{' '.join(words)}{rows}>"

    def _repr_mimebundle_(self, **_: Any) -> dict[str, str]:
        """Show the rows; where the query did not succeed, or has no rows here, its repr and the error too."""
        summary = "\n".join(filter(None, (repr(self), self.error and clean_message(self.error))))
        if not (self.has_rows and self.results):
            return {"text/plain": summary, "text/html": render.preformatted(summary)}
        plain, html = (
            write(self.results, self.displaylimit, variable=self.variable) for write in (render.text, render.html)
        )
        if self.succeeded:
            return {"text/plain": plain, "text/html": html}
        return {"text/plain": f"{plain}\n\n{summary}", "text/html": html + render.preformatted(summary)}
