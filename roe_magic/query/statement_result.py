"""StatementResult: the rows of one statement, for pandas, polars and everything that reads Arrow."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any, NoReturn

from roe_magic.contract import models
from roe_magic.contract.codec import parse, to_wire
from roe_magic.errors import MissingExtra, UsageError
from roe_magic.formatting import clean
from roe_magic.imports import load
from roe_magic.query.checks import LEFT_OUT, DtypeBackend, check_choice, checked_frame_options
from roe_magic.query.query_state import QueryState
from roe_magic.query.row_hints import RowHints

if TYPE_CHECKING:
    import pandas as pd
    import polars as pl
    import pyarrow as pa

DISPLAY_LIMIT = 10


class StatementResult(RowHints):
    """The result of one statement of a query.

    pyarrow, polars, duckdb and plotting libraries accept it as it is, by the Arrow PyCapsule and dataframe protocols.

    Attributes
    ----------
    query : str
        The statement's SQL.
    row_count : int
    column_names, column_types : list of str
        The types are ClickHouse's names.
    summary : models.Summary or None
        ClickHouse's statistics: rows and bytes read, written and sent, elapsed_ns.
    """

    # A result that an earlier version pickled has none.
    _frame_options: Mapping[str, Any] | None = None

    def __init__(
        self, statement: models.Statement, origin: Mapping[str, Any], frame_options: Mapping[str, Any] | None = None
    ) -> None:
        self._statement, self._origin, self._frame_options = statement, dict(origin), frame_options
        self._head: tuple[int, list[list[Any]]] | None = None
        self.query = statement.query
        self.column_names = list(statement.column_names)
        self.column_types = list(statement.column_types)
        self.summary = statement.summary
        rows = statement.result_rows
        self.row_count: int = rows.num_rows if rows is not None else statement.row_count or 0

    def __len__(self) -> int:
        return self.row_count

    def __iter__(self) -> NoReturn:
        raise TypeError(f"A result is not iterated over. {self._hint(None)}")

    def __getitem__(self, key: object) -> NoReturn:
        raise TypeError(f"A result has no items. {self._hint(key)}")

    def _hint(self, name: object) -> str:
        column = name in self.column_names
        return f"It is a column of the rows: df()[{name!r}]" if column else "Its rows are a DataFrame: df()"

    def __repr__(self) -> str:
        columns = ", ".join(
            f"{clean(n)} {clean(t)}" for n, t in zip(self.column_names, self.column_types, strict=False)
        )
        return f"<StatementResult {self.row_count:,} rows; {columns or 'no columns'}>"

    def arrow(self) -> pa.Table:
        """Return the rows as a pyarrow Table; docs/types.md lists the Arrow type of each ClickHouse type."""
        if self._statement.result_rows is None:
            raise UsageError(
                "The rows were not kept with this query, only its metadata.",
                hint=f"Fetch them with: %roe result {self._origin['id']}",
            )
        table: pa.Table = self._statement.result_rows
        return table

    def head(self, limit: int = DISPLAY_LIMIT) -> list[list[Any]]:
        """Return the first rows as the API sends them, JSON-ready; the last call's rows are cached."""
        frames = load("roe_magic.frames")

        if self._head is None or self._head[0] != limit:
            self._head = limit, frames.to_rows(self.arrow().slice(0, limit), self.column_types)
        return self._head[1]

    def df(
        self,
        *,
        dtype_backend: DtypeBackend = LEFT_OUT,
        tz: str | None = LEFT_OUT,
        categories: bool = False,
    ) -> pd.DataFrame:
        """Return the rows as a pandas DataFrame.

        Parameters
        ----------
        dtype_backend : {"numpy_nullable", "pyarrow"}
            As in pandas' own readers. Left out, that of the query's ``frame_options``, or else ``"numpy_nullable"``.
        tz : str or None
            A time zone to show all times in; with None each keeps its own. Left out, that of the query's
            ``frame_options``, or else None.
        categories : bool
            Return Enums and LowCardinality text as ordered categories; left out, they are text.

        Returns
        -------
        DataFrame
            Its ``attrs["roe"]`` says which query it came from, in JSON values.
        """
        frames = load("roe_magic.frames")

        options = checked_frame_options(self._frame_options, dtype_backend=dtype_backend, tz=tz, categories=categories)
        load("pandas")
        frame: pd.DataFrame = frames.to_pandas(self.arrow(), self.column_types, **options)
        frame.attrs["roe"] = {**self._origin, "row_count": self.row_count}
        return frame

    @property
    def extra_rows(self) -> list[tuple[str, list[Any]]]:
        """The totals and the extremes, JSON-ready, each with its name; empty where the statement has none."""
        totals, extremes = self._statement.totals, self._statement.extremes
        named = [] if totals is None else [("totals", totals)]
        return named + list(zip(("min", "max"), extremes or (), strict=False))

    @property
    def totals(self) -> pd.DataFrame | None:
        """The totals of GROUP BY ... WITH TOTALS as a DataFrame of one row; None where there are none."""
        return None if self._statement.totals is None else self._frame_of([self._statement.totals])

    @property
    def extremes(self) -> pd.DataFrame | None:
        """The lowest and the highest values, if the setting ``extremes`` asked for them, as a DataFrame of two rows."""
        return None if self._statement.extremes is None else self._frame_of(self._statement.extremes, ["min", "max"])

    def _frame_of(self, rows: list[list[Any]], labels: list[str] | None = None) -> pd.DataFrame:
        frames = load("roe_magic.frames")

        table = frames.from_rows(self.column_names, self.column_types, rows)
        load("pandas")
        frame: pd.DataFrame = frames.to_pandas(table, self.column_types, **(self._frame_options or {}))
        return frame if labels is None else frame.set_axis(labels)

    def polars(self, *, categories: bool = False) -> pl.DataFrame:
        """Return the rows as a polars DataFrame (extra ``polars``); ``categories`` as in :meth:`df`."""
        frames = load("roe_magic.frames")

        try:
            load("polars")  # here, so that its absence has a clear message
        except ImportError:
            raise MissingExtra("polars", "A polars DataFrame") from None
        check_choice("categories", categories, (True, False))
        frame: pl.DataFrame = frames.to_polars(self.arrow(), self.column_types, categories=categories)
        return frame

    DataFrame = df
    PolarsDataFrame = polars

    def __arrow_c_stream__(self, requested_schema: object = None) -> object:
        capsule: object = self.arrow().__arrow_c_stream__(requested_schema)
        return capsule

    def __dataframe__(self, **options: Any) -> Any:
        return self.arrow().__dataframe__(**options)

    @property
    def has_rows(self) -> bool:
        """Whether the rows are here, and not only what describes them."""
        return self._statement.result_rows is not None

    def to_dict(self, *, rows: bool = False) -> dict[str, Any]:
        """Return the statement as JSON values, with its rows if ``rows`` is true."""
        frames = load("roe_magic.frames")

        items = frames.to_rows(self.arrow(), self.column_types) if rows else None
        return to_wire(replace(self._statement, result_rows=items, row_count=self.row_count))

    def _repr_html_(self) -> str:
        from roe_magic.query import render

        return render.html([self], DISPLAY_LIMIT)


def provenance(state: QueryState, statement: models.Statement) -> dict[str, Any]:
    """Return where rows came from, in JSON values only: a UUID in ``attrs`` would break ``to_parquet``."""
    sql = statement.query or (state.submitted.query if state.submitted is not None else state.sql)
    return {
        "id": str(state.query_id),
        "sql_sha256": hashlib.sha256(sql.encode("utf-8", errors="surrogatepass")).hexdigest(),
        "created_at": state.created_at.isoformat() if state.created_at is not None else None,
        "finished_at": state.finished_at.isoformat() if state.finished_at is not None else None,
    }


def read_statement(data: Mapping[str, Any]) -> models.Statement:
    """Return the statement that :meth:`StatementResult.to_dict` wrote, with its rows, if any, as an Arrow table."""
    frames = load("roe_magic.frames")

    statement = parse(models.Statement, data)
    if statement.result_rows is None and statement.row_count:
        return statement
    table = frames.from_rows(statement.column_names, statement.column_types, statement.result_rows or [])
    return replace(statement, result_rows=table)
