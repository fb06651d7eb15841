"""Pickles made before the modules moved into packages still open, and those made now open again."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import pytest

from roe_magic import errors
from roe_magic.query import WorksheetQuery
from roe_magic.query.statement_result import StatementResult

FOLDER = Path(__file__).parent / "pickles"
OF_ERRORS = {
    path.stem.removeprefix("error-"): path for path in FOLDER.glob("*.pickle") if path.stem.startswith("error-")
}


def opened(name: str) -> Any:
    return pickle.loads((FOLDER / f"{name}.pickle").read_bytes())


def again(value: Any) -> Any:
    return pickle.loads(pickle.dumps(value))


def test_a_query_with_its_rows_opens() -> None:
    """With its metadata, its rows and their types."""
    for query in (opened("worksheet-query-with-rows"), again(opened("worksheet-query-with-rows"))):
        assert type(query) is WorksheetQuery
        assert (query.status, query["creator.email"]) == ("SUCCESS", "local@localhost.localdomain")
        frame = query.df()
        assert frame["n"].tolist() == [0, 1, 2]
        assert [str(dtype) for dtype in frame.dtypes][:2] == ["UInt64", "string"]
        assert str(frame["t"].dt.tz) == "Europe/Paris"
        assert "3 rows" in repr(query)
        assert "<table" in query._repr_mimebundle_()["text/html"]


def test_a_query_without_its_rows_opens() -> None:
    """It says how to fetch them."""
    query = opened("worksheet-query-without-rows")
    with pytest.raises(errors.UsageError, match="have not been downloaded"):
        query.df()
    assert query.query == "SELECT 1; SELECT 2"


def test_the_rows_of_a_statement_open() -> None:
    """As a StatementResult, whose methods work."""
    for result in (opened("statement-result"), again(opened("statement-result"))):
        assert type(result) is StatementResult
        assert (result.row_count, result.column_names) == (3, ["n", "s", "t", "m"])
        assert result.df()["m"].tolist() == [{"a": [1, 2]}] * 3
        assert len(result.head(2)) == 2
        assert result.summary.read_rows == 3


@pytest.mark.parametrize("name", sorted(OF_ERRORS))
def test_an_error_opens(name: str) -> None:
    """Every class of the tree, with its message and what it is about."""
    error = pickle.loads(OF_ERRORS[name].read_bytes())
    assert type(error) is getattr(errors, name)
    assert str(again(error)) == str(error)
    if name == "RoeAPIException":
        assert (error.status_code, error.response, error.retry_after) == (418, {"a": 1}, 2.0)
    elif name != "MissingExtra":
        assert (error.message, error.query_id) == ("what happened", "q")


def test_every_error_of_that_time_is_among_them() -> None:
    """Those that came later have no old pickle."""
    later = {"CertificateRefused", "RedirectRefused", "ResultNotReady", "UploadInterrupted", "UploadUncertain"}
    tree = {
        name for name, value in vars(errors).items() if isinstance(value, type) and value.__module__ == errors.__name__
    }
    assert tree - later == set(OF_ERRORS)


def test_errors_that_were_in_other_modules_open() -> None:
    """Under the names that they have in the tree of errors now."""
    assert type(opened("not-ready")) is errors.ResultNotReady
    assert opened("not-ready").query_id == "q"
    assert type(opened("certificate-refused")) is errors.CertificateRefused
    assert opened("certificate-refused").hint == "look"


def test_the_error_of_a_failed_query_opens_with_its_query() -> None:
    """And with the rows of the statements before the failure."""
    error = opened("query-failed")
    assert type(error) is errors.QueryFailed
    assert "FUNCTION_THROW_IF_VALUE_IS_NON_ZERO" in error.message
    assert error.query.status == "FAILURE"
    assert error.query.df(0)["1"].tolist() == [1]


def test_an_error_of_the_server_opens() -> None:
    """With its status and body."""
    error = opened("not-found")
    assert (type(error), error.status_code) == (errors.NotFoundError, 404)
