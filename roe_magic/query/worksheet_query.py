"""WorksheetQuery: a query and what came of it, as a read-only mapping that pandas understands."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import datetime, timedelta, timezone
from functools import cached_property
from typing import TYPE_CHECKING, Any
from uuid import UUID

from roe_magic.contract import models
from roe_magic.contract.codec import parse, to_wire
from roe_magic.contract.models import SUCCESS, TERMINAL
from roe_magic.errors import UsageError
from roe_magic.formatting import clean, duration, plural
from roe_magic.query import metadata, render
from roe_magic.query.statement_result import DISPLAY_LIMIT, DtypeBackend, StatementResult, read_statement

if TYPE_CHECKING:
    import pandas as pd
    import polars as pl
    import pyarrow as pa


class WorksheetQuery(Mapping[str, Any]):
    """A query of Roe and what came of it; read-only.

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
        self._submitted, self._status, self._statements = submitted, status, statements
        self._observed = observed
        self.displaylimit = displaylimit

    # What the contract tells

    @property
    def id(self) -> UUID:
        """The query's id."""
        return self._submitted.id

    @property
    def query(self) -> str:
        """The SQL as the server knows it."""
        return self._submitted.query

    @property
    def worksheet(self) -> models.Worksheet | None:
        """The worksheet it belongs to."""
        return self._submitted.worksheet

    @property
    def organization(self) -> models.OrganizationSlim | None:
        """The organisation it belongs to."""
        return self._submitted.organization

    @property
    def creator(self) -> models.UserInfo | None:
        """Who submitted it."""
        return self._submitted.creator

    @property
    def created_at(self) -> datetime:
        """When the server took it."""
        return self._submitted.created_at

    @property
    def updated_at(self) -> datetime:
        """When the server last changed it, as far as was seen."""
        return max(filter(None, (self._submitted.updated_at, self.finished_at)))

    @property
    def finished_at(self) -> datetime | None:
        """When it ended."""
        return (self._status and self._status.finished_at) or self._submitted.finished_at

    @property
    def query_task_id(self) -> str | None:
        """The id of the task that runs it."""
        return self._submitted.query_task_id

    @property
    def query_task_status(self) -> str | None:
        """The task's state, as last seen."""
        return self._status.status if self._status is not None else self._submitted.query_task_status

    @property
    def error(self) -> str | None:
        """Why it failed."""
        return (self._status and self._status.error) or self._submitted.error

    @property
    def ai_summary(self) -> str | None:
        """Roe's own summary of the query."""
        return self._submitted.ai_summary

    @property
    def extra(self) -> dict[str, Any]:
        """Fields of the server's answers that the contract does not know."""
        return {**self._submitted.extra, **(self._status.extra if self._status else {})}

    # What follows from it

    @property
    def status(self) -> str | None:
        """The state: PENDING, STARTED, RETRY, SUCCESS, FAILURE, REVOKED, or whatever word the server uses."""
        return self.query_task_status

    @property
    def succeeded(self) -> bool:
        """Whether it ended in SUCCESS."""
        return self.status == SUCCESS

    @property
    def finished(self) -> bool:
        """Whether it has ended, in whatever way."""
        return self.status in TERMINAL

    @property
    def started_at(self) -> datetime | None:
        """When it began to run, where the server tells: in its status, or in its first result."""
        if self._status is not None and self._status.started_at is not None:
            return self._status.started_at
        first = self._loaded[0].start_timestamp if self._loaded else None
        try:
            return None if first is None else datetime.fromtimestamp(first, timezone.utc)
        except (ValueError, OverflowError, OSError):  # NaN, or a time that no calendar has
            return None

    @property
    def duration(self) -> timedelta | None:
        """From submit to end, by the server's clock; by the caller's where ``observed`` names it."""
        if self.finished_at is not None:
            return self.finished_at - self.created_at
        return self._observed if self.finished else None

    @property
    def queued(self) -> timedelta | None:
        """From submit to start, by the server's clock."""
        return None if self.started_at is None else max(self.started_at - self.created_at, timedelta(0))

    @property
    def running(self) -> timedelta | None:
        """From start to end, by the server's clock."""
        if self.started_at is None or self.finished_at is None:
            return None
        return max(self.finished_at - self.started_at, timedelta(0))

    @property
    def observed(self) -> tuple[str, ...]:
        """The names of the figures that only the caller's clock tells."""
        return ("duration",) if self.finished_at is None and self.duration is not None else ()

    # The rows

    @cached_property
    def results(self) -> list[StatementResult]:
        """One StatementResult per statement; downloaded on first use where that has not happened yet."""
        if self._statements is None:
            raise UsageError(f"Query {self.id} has no rows here.", hint=f"Fetch them with: %roe result {self.id}")
        if callable(self._statements):
            self._statements = self._statements()
            self.__dict__.pop("_flat", None)  # the results may tell when it started
        return [StatementResult(item, self._origin(item)) for item in self._statements]

    def df(
        self, index: int | None = None, *, dtype_backend: DtypeBackend = "numpy_nullable", tz: str | None = None
    ) -> pd.DataFrame:
        """Give the rows of one statement as a pandas DataFrame; the last one unless told otherwise.

        Parameters
        ----------
        index : int, optional
            Which statement, from 0. A query that failed has no last one: name one of those before the failure.
        dtype_backend, tz
            As in :meth:`StatementResult.df`.
        """
        return self._result(index).df(dtype_backend=dtype_backend, tz=tz)

    def arrow(self, index: int | None = None) -> pa.Table:
        """Give the rows of one statement as a pyarrow Table."""
        return self._result(index).arrow()

    def polars(self, index: int | None = None) -> pl.DataFrame:
        """Give the rows of one statement as a polars DataFrame (extra ``polars``)."""
        return self._result(index).polars()

    DataFrame = df
    PolarsDataFrame = polars

    def __arrow_c_stream__(self, requested_schema: object = None) -> object:
        return self._result(None).__arrow_c_stream__(requested_schema)

    def __dataframe__(self, **options: Any) -> Any:
        return self._result(None).__dataframe__(**options)

    def _result(self, index: int | None) -> StatementResult:
        if index is None and self.finished and not self.succeeded:
            hint = f"The statements before the failure gave {plural(len(self.results), 'result')}: q.df(0), q.results."
            raise UsageError(f"The query ended in {self.status}: {self.error or 'no reason is told'}", hint=hint)
        try:
            return self.results[-1 if index is None else index]
        except IndexError:
            count = len(self.results)
            raise UsageError(f"There is no result {index}: the query gave {count} of them.") from None

    @property
    def has_rows(self) -> bool:
        """Whether the rows are here, so that looking at them asks no server."""
        return isinstance(self._statements, list) and all(item.has_rows for item in self.results)

    @property
    def _loaded(self) -> list[models.Statement]:
        return self._statements if isinstance(self._statements, list) else []

    def _origin(self, statement: models.Statement) -> dict[str, Any]:
        """Tell where rows came from, in JSON values only: a UUID in ``attrs`` would break ``to_parquet``."""
        sql = statement.query or self.query
        return {
            "id": str(self.id),
            "sql_sha256": hashlib.sha256(sql.encode("utf-8", errors="surrogatepass")).hexdigest(),
            "created_at": self.created_at.isoformat(),
            "finished_at": self.finished_at.isoformat() if self.finished_at else None,
        }

    # As metadata

    @cached_property
    def _flat(self) -> dict[str, Any]:
        return metadata.flat(self)

    def __getitem__(self, key: str) -> Any:
        return self._flat[key]

    def __iter__(self) -> Iterator[str]:
        return iter(self._flat)

    def __len__(self) -> int:
        return len(self._flat)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, WorksheetQuery) and self._flat == other._flat

    def __hash__(self) -> int:
        return hash(self.id)

    def to_series(self) -> pd.Series[Any]:
        """Give the metadata as a pandas Series named by the id."""
        import pandas as pd

        series: pd.Series[Any] = pd.Series(self._flat, name=str(self.id), dtype=object)
        return series

    def to_frame(self) -> pd.DataFrame:
        """Give the metadata as a DataFrame of one row; see :meth:`frame` for its dtypes."""
        return self.frame([self])

    @staticmethod
    def frame(queries: Iterable[WorksheetQuery]) -> pd.DataFrame:
        """Give the metadata of several queries as a DataFrame, one row each.

        Returns
        -------
        DataFrame
            Times are ``datetime64[us, UTC]`` and spans ``timedelta64[us]`` even when all are missing, ``status`` is a
            category in the order of a query's life, the rest text or what the server sent.
        """
        return metadata.frame(queries)

    def to_dict(self, *, rows: bool = False) -> dict[str, Any]:
        """Give everything as JSON values; :meth:`from_dict` reads it again.

        Parameters
        ----------
        rows : bool
            Include the rows, not only what describes them.
        """
        loaded = self.results if rows or isinstance(self._statements, list) else None
        return {
            "worksheet_query": to_wire(self._submitted),
            "status": to_wire(self._status) if self._status else None,
            "results": None if loaded is None else [item.to_dict(rows=rows) for item in loaded],
            "observed_seconds": self._observed.total_seconds() if self._observed is not None else None,
        }

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> WorksheetQuery:
        """Read what :meth:`to_dict` gave."""
        status, results, seconds = data.get("status"), data.get("results"), data.get("observed_seconds")
        return cls(
            parse(models.WorksheetQueryResponse, data["worksheet_query"]),
            parse(models.QueryStatus, status) if status else None,
            None if results is None else [read_statement(item) for item in results],
            observed=None if seconds is None else timedelta(seconds=seconds),
        )

    def to_json(self, *, rows: bool = False) -> str:
        """Give :meth:`to_dict` as JSON text."""
        return json.dumps(self.to_dict(rows=rows))

    @classmethod
    def from_json(cls, text: str) -> WorksheetQuery:
        """Read what :meth:`to_json` gave."""
        return cls.from_dict(json.loads(text))

    def __reduce__(self) -> tuple[Any, ...]:
        return WorksheetQuery.from_dict, (self.to_dict(rows=self.has_rows),)

    def __repr__(self) -> str:
        words = [f"WorksheetQuery {self.id} {clean(self.status)}"]
        if self.duration is not None:
            words.append(f"in {duration(self.duration.total_seconds())}")
        rows = f", {plural(self.results[-1].row_count, 'row')}" if self._loaded else ""
        return f"<{' '.join(words)}{rows}>"

    def _repr_mimebundle_(self, **_: Any) -> dict[str, str]:
        """Show the rows; where the query did not succeed, or has none here, the line above and the error too."""
        story = "\n".join(filter(None, (repr(self), self.error and clean(self.error, limit=2000, lines=True))))
        if not (self.has_rows and self.results):
            return {"text/plain": story, "text/html": render.preformatted(story)}
        plain, html = (write(self.results, self.displaylimit) for write in (render.text, render.html))
        if self.succeeded:
            return {"text/plain": plain, "text/html": html}
        return {"text/plain": f"{plain}\n\n{story}", "text/html": html + render.preformatted(story)}
