"""The module ``roe_magic.results`` before its names moved: pickles of that time hold them."""

from roe_magic.query.statement_result import StatementResult  # noqa: F401
