"""A query as a read-only mapping of flat names to its metadata."""

from __future__ import annotations

from collections.abc import Iterator, KeysView, Mapping
from typing import Any

from roe_magic.query import metadata, render
from roe_magic.query.query_fields import QueryFields
from roe_magic.query.query_state import QueryState
from roe_magic.query.row_hints import RowHints, refuse_constructor

# What a statement has and a query has not, since it may have several.
_FIELDS_OF_RESULTS = ("summary", "row_count", "column_names", "column_types", "totals", "extremes", "extra_rows")


class QueryMapping(RowHints, QueryFields, Mapping[str, Any]):
    """The fields of a query by flat names (``status``, ``worksheet.name``), at the query's present state."""

    # The variable that holds the query, where that is known; messages name the query by it.
    variable = ""
    # The names and values, with the state that they were made from.
    _flat_cache: tuple[QueryState | None, dict[str, Any]] = None, {}

    @property
    def _flat(self) -> dict[str, Any]:
        state, (made_from, flat) = self._state, self._flat_cache
        if made_from is not state:
            # A name that was there stays, so that whoever loops over the keys finds them all.
            flat = {**dict.fromkeys(flat), **metadata.flat(state)}
            self._flat_cache = state, flat
        return flat

    def __getitem__(self, key: str) -> Any:
        try:
            return self._flat[key]
        except (KeyError, TypeError):  # a TypeError for what is no key: a list of columns, a slice
            raise KeyError(f"{key!r} is no field of the query. {self._hint(key)}") from None

    def __iter__(self) -> Iterator[str]:
        return iter(self._flat)

    def __len__(self) -> int:
        return len(self._flat)

    def keys(self) -> KeysView[str]:
        """Return the names of the fields."""
        refuse_constructor(self._hint(None))  # polars begins with the keys of a mapping
        return super().keys()

    def _hint(self, name: object) -> str:
        statements = self._state.statements or []
        for index in reversed(range(len(statements))):
            if name in statements[index].column_names:
                call = render.frame_call(self.variable, None if index == len(statements) - 1 else index)
                return f"It is a column of the rows: {call}[{name!r}]"
        if name in _FIELDS_OF_RESULTS:
            return f"Each statement has its own: {render.expression(self.variable, f'results[0].{name}')}"
        return f"The rows are a DataFrame: {render.frame_call(self.variable)}"
