"""One query, from its submit to its rows."""

# Also the name under which pickles hold it.
from roe_magic.query.worksheet_query import WorksheetQuery

__all__ = ["WorksheetQuery"]
